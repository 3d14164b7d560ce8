// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits

/// The summary for programs: one JSON object, its numbers integers.
struct RunReport {
  let result: RunResult
  let plan: MachinePlan
  let emulatorVersion: String

  var text: String {
    let memory = plan.options.memory
    let faults = EventNames.faults.map { (kind, _) in
      "\(quoted("\(kind)")): \(result.statistics.count(kind))"
    }
    var fields: [(String, String)] = [
      ("schema", quoted("quire-run")), ("version", "1"),
      ("cause", quoted(result.cause.rawValue)), ("status", "\(result.status)"),
      ("signal", result.signal.map { "\($0)" } ?? "null"),
      ("failure", result.failure.map { quoted($0.line) } ?? "null"),
      ("program", "[\(plan.options.program.map(quoted).joined(separator: ", "))]"),
      ("memory_bytes", "\(memory.value)"),
      ("kernel_bytes", "\(result.kernelShare(of: memory).value)"),
      ("managed_bytes", "\(result.managed.bytes.value)"),
      ("peak_resident_bytes", "\(result.peakResident.bytes.value)"),
      ("faults", "{\(faults.joined(separator: ", "))}"),
    ]
    let statistics = result.statistics
    let calls = statistics.refusedCalls.map { quoted(SystemCallNames.name(of: $0)) }
    fields += [
      ("pages_read", "\(statistics.pagesRead)"),
      ("pages_written", "\(statistics.pagesWritten)"),
      ("pages_dropped", "\(statistics.count(.pageDropped))"),
      ("processes", "\(statistics.count(.processForked) + 1)"),
      ("processes_left", "\(statistics.leftCount)"),
      ("kills", "\(statistics.count(.outOfMemoryKill))"),
      ("virtual_nanoseconds", "\(statistics.lastTime)"),
      ("instructions", "\(result.instructions)"),
      ("start_instructions", "\(result.startInstructions)"),
      ("events", "\(statistics.recordCount)"),
      ("digest", quoted(result.digest)),
      ("repeatable", result.unrepeatable == nil ? "true" : "false"),
      ("missing_paths", "[\(result.missing.paths.map(quoted).joined(separator: ", "))]"),
      ("refused_calls", "[\(calls.joined(separator: ", "))]"),
      ("kernel_sha256", quoted(plan.kernel.digest)),
      ("root_sha256", quoted(plan.disk.digest)),
      ("emulator", quoted(emulatorVersion)),
      ("seed", "\(plan.options.seed)"),
    ]
    let lines = fields.map { "  \(quoted($0.0)): \($0.1)" }
    return "{\n\(lines.joined(separator: ",\n"))\n}\n"
  }
}
