// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HostTool

/// `quire run`: a program in a machine.
struct RunCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "run",
      abstract: "Boots a machine and runs a Linux program in it.",
      usage: "quire run [OPTION]... [--] PROGRAM [ARG]...")
  }

  @OptionGroup var machine: MachineArguments
  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("The program and its arguments.", valueName: "PROGRAM"))
  var program: [String] = []

  mutating func run() throws {
    let words = try passedWords(program, of: self)
    guard !words.isEmpty else {
      throw ToolFailure(.usage, "no program is given", "write quire run -- PROGRAM")
    }
    throw ExitCode(try MachineRun.run(try machine.options(program: words), host: .current))
  }
}

/// The words behind the options, without the `--` that may part them.
///
/// - Throws: `usage` for an option that nobody knows, and the help that a user asks for.
func passedWords(_ words: [String], of command: some ParsableCommand) throws -> [String] {
  if words.first == "--" { return Array(words.dropFirst()) }
  if let first = words.first, first.hasPrefix("-"), first != "-" {
    if first == "--help" || first == "-h" { throw CleanExit.helpRequest(command) }
    throw ToolFailure(.usage, "unknown option \(first)", "see ./quire help run")
  }
  return words
}
