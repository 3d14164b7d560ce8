// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// What the summary counts, record by record.
struct RunStatistics: Equatable {
  private(set) var recordCount: UInt64 = 0
  /// Virtual time of the last record, in nanoseconds.
  private(set) var lastTime: UInt64 = 0
  private(set) var pagesRead: UInt64 = 0
  private(set) var pagesWritten: UInt64 = 0
  /// System calls that the kernel does not have, in the order in which they were first made.
  private(set) var refusedCalls: [UInt64] = []
  /// Processes that were still there when the program had ended, and went with it.
  var leftCount: Int { left.count }
  private var left: Set<UInt32> = []
  /// Virtual time of the first kill for want of memory.
  private(set) var firstKillTime: UInt64?

  /// What Linux's kernel log would say, as often as it would say it.
  private(set) var reports: [String] = []
  private var lastFailureTime: UInt64?

  /// Records by kind's number; those of a later schema are not counted.
  private var counts = [UInt64](repeating: 0, count: 128)

  mutating func add(_ event: MemoryEvent) {
    recordCount += 1
    lastTime = event.time
    if Int(event.kind) < counts.count { counts[Int(event.kind)] += 1 }
    switch EventKind(rawValue: event.kind) {
    case .diskReadCompleted: pagesRead += UInt64(event.detail)
    case .diskWriteCompleted: pagesWritten += UInt64(event.detail)
    case .systemCallRefused:
      if !refusedCalls.contains(event.value) { refusedCalls.append(event.value) }
    case .signalSent:
      if event.process == 1, event.detail == 9 { left.insert(event.owner) }
    case .outOfMemoryKill:
      if firstKillTime == nil { firstKillTime = event.time }
    case .allocationFailed: addFailure(event)
    case .frameFault:
      if count(.frameFault) <= 10 { reports += KernelReport.lines(event) }
    default: break
    }
  }

  /// One in ten seconds. Linux: `nopage_rs`.
  private mutating func addFailure(_ event: MemoryEvent) {
    let lines = KernelReport.lines(event)
    if let last = lastFailureTime, event.time < last + 10_000_000_000 { return }
    if lines.isEmpty { return }
    lastFailureTime = event.time
    reports += lines
  }

  func count(_ kind: EventKind) -> UInt64 { counts[Int(kind.rawValue)] }
}
