// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HostTool

/// `quire version`: what a result depends on.
struct VersionCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "version", abstract: "Says the versions of the tool, its kernel and QEMU.")
  }

  mutating func run() throws {
    for line in try ToolVersion.lines(host: .current) { printToStandardOutput(line) }
  }
}

/// `quire clean`: the cache.
struct CleanCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "clean", abstract: "Removes the root disks that are kept for the next run.")
  }

  mutating func run() throws {
    let cache = CacheFolder(environment: HostEnvironment.current.variables)
    let count = try cache.clean()
    printToStandardOutput("\(count) root disks removed from \(cache.path)")
  }
}
