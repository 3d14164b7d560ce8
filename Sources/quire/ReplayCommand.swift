// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HostTool

/// `quire replay`: a recorded run once more.
struct ReplayCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "replay",
      abstract: "Runs again what --record kept, or what a failure of Quire's left.",
      discussion: """
        The kernel, the disk, the input and the options are those of the record. The status is \
        that of the run; 125 where the event log is not the same.
        """)
  }

  @Option(help: ArgumentHelp("Limit of the host's time: 30s, 500ms, 2m.", valueName: "DURATION"))
  var timeout: DurationArgument?
  @Flag(help: "No summary.")
  var quiet = false
  @Flag(help: "Also the kernel's log.")
  var verbose = false
  @Argument(help: ArgumentHelp("The folder of the record.", valueName: "BUNDLE"))
  var bundle: String

  mutating func run() throws {
    throw ExitCode(
      try MachineRun.replay(
        bundle, isQuiet: quiet, isVerbose: verbose, timeout: timeout, host: .current))
  }
}
