// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HostTool
import MemoryUnits

/// `quire selftest`: the kernel's own suites in a machine.
struct SelfTestCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "selftest",
      abstract: "Boots a machine and runs the kernel's own suites in it.",
      usage: "quire selftest [OPTION]...",
      discussion: """
        One line for each suite: ok NAME (N checks), or not ok with the name of the first check \
        that does not hold. The status is 0 if all are ok, otherwise 1.

        Without --cma a machine of 16M or more has a contiguous area of a sixteenth of its memory.
        """)
  }

  @OptionGroup var machine: MachineArguments

  mutating func run() throws {
    // A machine has a program, although this one never begins.
    var options = try machine.options(program: ["true"])
    options.bootWords.append("selftest")
    if options.contiguousAreas.isEmpty, options.memory >= ByteCount(16 << 20) {
      options.contiguousAreas = [.share(of: options.memory)]
    }
    options.isQuiet = true
    throw ExitCode(try MachineRun.run(options, host: .current))
  }
}
