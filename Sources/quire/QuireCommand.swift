// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import HostTool

/// The tool's verbs. `test` is the launcher's own and is named here for the help text.
@main
struct QuireCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "quire",
      abstract: "Runs Linux programs on Quire, and says what their memory did.",
      discussion: """
        ./quire run -- PROGRAM [ARG]...   boots a machine with Quire as its kernel and runs \
        the program in it
        ./quire shell                     the host's shell in a machine
        ./quire replay BUNDLE             a recorded run once more
        ./quire selftest                  the kernel's own suites in a machine
        ./quire bench guest               measures memory operations in guest instructions
        ./quire test [--long]             runs the tests of this repository
        """,
      subcommands: [
        RunCommand.self, ShellCommand.self, ReplayCommand.self, BenchCommand.self,
        SelfTestCommand.self, VersionCommand.self, CleanCommand.self, CompletionsCommand.self,
      ])
  }

  /// Parses, runs, and turns every failure into one line and an exit status.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as ToolFailure {
      printToStandardError(failure.line)
      Glibc.exit(failure.status.rawValue)
    } catch let status as ExitCode {
      Glibc.exit(status.rawValue)
    } catch {
      if exitCode(for: error).isSuccess {
        printToStandardOutput(fullMessage(for: error))
        Glibc.exit(0)
      }
      var what = message(for: error)
      if what.hasSuffix(".") { what.removeLast() }
      let usage = ToolFailure(.usage, what, "see ./quire help run")
      printToStandardError(usage.line)
      Glibc.exit(usage.status.rawValue)
    }
  }

  mutating func run() throws {
    throw ToolFailure(.usage, "no verb is given", "see ./quire help")
  }
}
