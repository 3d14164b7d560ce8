// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTables

/// A process that may be killed to get memory.
public struct Candidate: BitwiseCopyable {
  public let process: UInt32
  public let space: Reference<AddressSpace>
  /// −1000 (never) to 1000 (first). Linux: `oom_score_adj`.
  public let adjustment: Int16
  /// It was killed before, and its memory is on its way.
  public let isDying: Bool

  public init(
    process: UInt32, space: Reference<AddressSpace>, adjustment: Int16, isDying: Bool
  ) {
    self.process = process
    self.space = space
    self.adjustment = adjustment
    self.isDying = isDying
  }
}

/// What the OOM killer needs beside memory: who there is, and a way to kill.
public protocol OutOfMemoryEnvironment: MemoryEnvironment {
  /// The process after another one in the order of their creation; the first for nil.
  ///
  /// Only those that may be killed: not init, none without memory of its own.
  func candidate(after process: UInt32?) -> Candidate?

  /// Sends SIGKILL to a process and to all that share its memory.
  func killForMemory(_ process: UInt32)
}

/// Picks a process and kills it, when nothing can be reclaimed.
///
/// Linux: `mm/oom_kill.c`.
public struct OutOfMemory<Environment: OutOfMemoryEnvironment>: BitwiseCopyable {
  let environment: Environment

  public init(_ environment: Environment) { self.environment = environment }

  /// Kills the worst process and takes its private pages, if it is not the one that asks.
  ///
  /// - Returns: `progress` if memory was freed; `none` if the asking process itself must give
  ///   way, or nobody is left.
  /// - Context: no lock held; does not sleep. Linux: `out_of_memory()`.
  public func relieve(_ shortfall: Shortfall) -> Relief {
    let order = UInt16(shortfall.order.value)
    guard let victim = worst() else {
      record(.allocationFailed, detail: order)
      return .none
    }
    if !victim.candidate.isDying {
      record(
        .outOfMemoryKill, owner: victim.candidate.process,
        value: UInt64(bitPattern: victim.badness))
      environment.killForMemory(victim.candidate.process)
    }
    let freeBefore = freeFrameCount
    if victim.candidate.process != environment.currentProcess {
      AddressSpaces(environment).reap(victim.candidate.space)
    }
    if freeBefore < freeFrameCount { return .progress }
    record(.allocationFailed, detail: order)
    return .none
  }

  private var freeFrameCount: PageCount {
    environment.frames.freePageCount + environment.frames.cachedPageCount
  }

  /// The process with the highest badness; of equals the later one, as on Linux.
  private func worst() -> (candidate: Candidate, badness: Int64)? {
    var best: (candidate: Candidate, badness: Int64)?
    var next = environment.candidate(after: nil)
    while let candidate = next {
      next = environment.candidate(after: candidate.process)
      guard candidate.adjustment != -1000 else { continue }
      if candidate.isDying {
        // Whoever is dying already gives way first; a space that is empty has no more to give.
        guard environment.heap[candidate.space].anonymousCount > .zero else { continue }
        return (candidate, .max)
      }
      let points = badness(of: candidate)
      if let best, points < best.badness { continue }
      best = (candidate, points)
    }
    return best
  }

  /// Resident pages, page tables, and the adjustment in thousandths of all memory.
  ///
  /// Linux: `oom_badness()`.
  public func badness(of candidate: Candidate) -> Int64 {
    let space = environment.heap[candidate.space]
    let total = Int64(environment.frames.managedPageCount.value)
    return Int64(space.residentCount.value)
      + Int64(environment.tables.tableCount(space.root).value)
      + Int64(candidate.adjustment) * (total / 1000)
  }

  private func record(
    _ kind: EventKind, detail: UInt16 = 0, owner: UInt32 = 0, value: UInt64 = 0
  ) {
    environment.machine.record(
      MemoryEvent(
        kind, detail: detail, process: environment.currentProcess, owner: owner, value: value))
  }
}
