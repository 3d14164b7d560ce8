// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc
import MemoryEvents
import MemoryUnits

/// A whole run in a folder: what the machine was, what it was given, and what came of it.
///
///     machine       what the machine was, a name and a value a line
///     kernel.elf    root.img    arguments    input
///     manifest.json summary.json kernel.log
///     events.log    output      error        disk.img    (with --record only)
///
/// The first two lines are all that running it again needs.
struct RunRecord {
  let folder: String

  static var schema: String { "quire-record-1" }

  /// Makes the folder, or takes an empty one.
  init(making folder: String) throws(ToolFailure) {
    self.folder = folder
    let remedy = "name a new folder"
    if let names = try? HostFolder.names(in: folder), !names.isEmpty {
      throw ToolFailure(.usage, "--record \(folder): it is not empty", remedy)
    }
    do throws(HostError) { try HostFolder.make(folder) } catch {
      throw ToolFailure(.usage, "--record \(folder): \(error.text)", remedy)
    }
    guard (try? FileFacts(folder))?.kind == .folder else {
      throw ToolFailure(.usage, "--record \(folder): it is no folder", remedy)
    }
  }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// Writes all that is known once the run has ended.
  ///
  /// - Parameter input: the descriptor of what the machine was given as standard input.
  func finish(
    _ result: RunResult, plan: MachinePlan, emulatorVersion: String, input: Int32, text: [UInt8]
  ) throws(ToolFailure) {
    try attempting(folder, "make room there") { () throws(HostError) in
      // A second name would let whoever changes a record change the cache.
      try Self.copy(plan.disk.image, to: path("root.img"))
      try Self.copy(plan.kernel.path, to: path("kernel.elf"))
      try Self.copy("/proc/self/fd/\(input)", to: path("input"))
      try HostFile.write(plan.arguments, to: path("arguments"))
      try HostFile.write(text, to: path("kernel.log"))
      let report = RunReport(result: result, plan: plan, emulatorVersion: emulatorVersion)
      try HostFile.write(Array(report.text.utf8), to: path("summary.json"))
      let manifest = manifest(result, plan, emulatorVersion)
      try HostFile.write(Array(manifest.utf8), to: path("manifest.json"))
      // Last, since a folder with it is whole.
      try HostFile.write(Array(machine(result, plan, emulatorVersion).utf8), to: path("machine"))
    }
  }

  /// Keeps the scratch disk as the machine left it: an ext2 image, which the host can check.
  func keep(_ disk: ScratchDisk) throws(ToolFailure) {
    let target = path("disk.img")
    try attempting(target, "make room there") { () throws(HostError) in
      // SAFETY: the path is terminated.
      let result = unsafe copy_with_holes(disk.descriptor, target)
      if result != 0 { throw HostError(-result) }
    }
  }

  private func machine(
    _ result: RunResult, _ plan: MachinePlan, _ emulatorVersion: String
  ) -> String {
    let options = plan.options
    var lines = [
      "schema \(Self.schema)", "memory \(options.memory.value)", "disk \(options.disk.value)",
      "user \(options.user)", "seed \(options.seed)", "boot-time \(plan.bootTime)",
      "terminals \(plan.terminals)", "interactive \(plan.isInteractive ? 1 : 0)",
      "kernel \(plan.kernel.digest)", "root \(plan.disk.digest)", "emulator \(emulatorVersion)",
      "digest \(result.digest)", "repeatable \(result.unrepeatable == nil ? 1 : 0)",
    ]
    lines += options.emulatorOptions.map { "emulator-option \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  private func manifest(
    _ result: RunResult, _ plan: MachinePlan, _ emulatorVersion: String
  ) -> String {
    let command = plan.options.command([], memory: plan.options.memory)
    let fields: [(String, String)] = [
      ("schema", quoted("quire-record")), ("version", "1"), ("tool", quoted(ToolVersion.number)),
      ("command", quoted(command)), ("emulator_command", quoted(plan.commandLine())),
      ("emulator", quoted(emulatorVersion)), ("kernel_sha256", quoted(plan.kernel.digest)),
      ("root_sha256", quoted(plan.disk.digest)), ("digest", quoted(result.digest)),
      ("cause", quoted(result.cause.rawValue)), ("status", "\(result.status)"),
    ]
    let lines = fields.map { "  \(quoted($0.0)): \($0.1)" }
    return "{\n\(lines.joined(separator: ",\n"))\n}\n"
  }

  private static func copy(_ source: String, to target: String) throws(HostError) {
    // SAFETY: both paths are terminated.
    let result = unsafe copy_content(source, target)
    if result != 0 { throw HostError(-result) }
  }
}

/// The bundles that failures of Quire's own leave: `~/.cache/quire/failures`.
extension CacheFolder {
  var failures: String { "\(path)/failures" }
  private static var keptCount: Int { 8 }

  /// A new folder for a bundle; the oldest ones go.
  func makeBundle() throws(ToolFailure) -> RunRecord {
    let names = ((try? HostFolder.names(in: failures)) ?? []).sorted(by: Self.precedes)
    for name in names.dropLast(Self.keptCount - 1) { try? HostFolder.remove("\(failures)/\(name)") }
    return try RunRecord(making: "\(failures)/\(time(nil))-\(getpid())")
  }

  private static func precedes(_ left: String, _ right: String) -> Bool {
    left.utf8.count != right.utf8.count
      ? left.utf8.count < right.utf8.count : precedesByBytes(left, right)
  }
}
