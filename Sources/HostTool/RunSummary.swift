// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits

/// The summary on standard error: at most 12 lines, for people.
struct RunSummary {
  let result: RunResult
  let plan: MachinePlan

  var lines: [String] {
    var lines: [String] = []
    add("ended", ending, to: &lines)
    add("memory", memory, to: &lines)
    add("faults", faults, to: &lines)
    add("disk", disk, to: &lines)
    add("time", time, to: &lines)
    add("digest", digest, to: &lines)
    add("refused", refused, to: &lines)
    add("missing", result.missing.text, to: &lines)
    add("note", note, to: &lines)
    add("next", next, to: &lines)
    return lines
  }

  private func add(_ name: String, _ text: String?, to lines: inout [String]) {
    guard let text else { return }
    let padding = String(repeating: " ", count: 8 - name.utf8.count)
    lines.append("quire: \(name)\(padding)\(text)")
  }

  private var ending: String? {
    let text: String? =
      switch result.cause {
      case .exit: result.status == 0 ? nil : "exit status \(result.status)"
      case .signal: "by \(SignalNames.name(of: result.signal ?? 0)), exit status \(result.status)"
      case .oom: "out of memory: killed by SIGKILL, exit status \(result.status)"
      case .timeout: "by the time limit, exit status \(result.status)"
      case .deadlock, .quire: nil
      }
    let parts = [text, left].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  /// Processes that the program left behind.
  private var left: String? {
    switch result.statistics.leftCount {
    case 0: nil
    case 1: "1 process that it left was killed"
    case let count: "\(grouped(UInt64(count))) processes that it left were killed"
    }
  }

  private var memory: String {
    let options = plan.options
    let share = result.kernelShare(of: options.memory)
    let total = result.managed.kibibytes
    return "\(options.memory.readable) given, \(share.readable) the kernel's share"
      + " (MemTotal \(grouped(total)) kB), programs peaked at "
      + result.peakResident.bytes.readable
  }

  private var faults: String {
    let counts = EventNames.faults.compactMap { (kind, word) -> String? in
      let count = result.statistics.count(kind)
      return count == 0 ? nil : "\(grouped(count)) \(word)"
    }
    return counts.isEmpty ? "none" : counts.joined(separator: ", ")
  }

  private var disk: String {
    let pages = result.statistics.pagesRead
    let bytes = PageCount(Int(pages)).bytes.readable
    let dropped = result.statistics.count(.pageDropped)
    let tail = dropped == 0 ? "" : ", \(grouped(dropped)) clean pages dropped for room"
    return pages == 0 ? "no page read\(tail)" : "\(grouped(pages)) pages read (\(bytes))\(tail)"
  }

  private var time: String {
    let nanoseconds = result.statistics.lastTime
    let digits = String(nanoseconds % 1_000_000_000)
    let fraction = String(repeating: "0", count: 9 - digits.utf8.count) + digits
    var text = "\(nanoseconds / 1_000_000_000).\(fraction) s virtual"
    if plan.options.isVerbose {
      text += ", \(grouped(result.startInstructions)) instructions to the program's first"
    }
    return text
  }

  private var digest: String {
    "\(result.digest.prefix(16)) of \(grouped(result.statistics.recordCount)) events"
      + " (kernel \(plan.kernel.digest.prefix(8)), root \(plan.disk.digest.prefix(8)))"
  }

  private var refused: String? {
    let calls = result.statistics.refusedCalls
    if calls.isEmpty { return nil }
    let shown = calls.prefix(8).map(SystemCallNames.name).joined(separator: ", ")
    return calls.count > 8 ? "\(shown) and \(calls.count - 8) more system calls" : shown
  }

  private var note: String? {
    result.unrepeatable.map { "\($0): the digest is not repeatable" }
  }

  private var next: String {
    let options = plan.options
    if result.cause == .oom {
      let more = ByteCount(options.memory.value << 1)
      return options.command([], memory: min(more, MachineOptions.largestMemory))
    }
    return options.command(["--events", "events.jsonl"], memory: options.memory)
  }
}
