// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HostTool

/// `quire shell`: the host's shell in a machine.
struct ShellCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "shell",
      abstract: "Boots a machine and runs a shell in it.",
      usage: "quire shell [OPTION]... [--] [ARG]...",
      discussion: """
        The shell is bash, or else sh, with the commands of the host's essential packages. On a \
        terminal it is interactive; a script may come on standard input, or its name as ARG.
        """)
  }

  @OptionGroup var machine: MachineArguments
  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("Arguments of the shell.", valueName: "ARG"))
  var arguments: [String] = []

  mutating func run() throws {
    let words = try passedWords(arguments, of: self)
    let shell = ShellProgram(host: .current)
    let options = try machine.options(program: [shell.program] + words)
    throw ExitCode(try MachineRun.run(options, host: .current))
  }
}
