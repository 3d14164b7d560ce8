// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Why an area could not give frames in a row.
public enum ContiguousFailure: Error, Equatable, Sendable, BitwiseCopyable {
  /// None were asked for, or there is no such area.
  case invalidRequest
  /// At every place that is large enough something stays; who, is in the area's list.
  case blocked
  /// What is in the way has nowhere to go. Linux: `-ENOMEM`.
  case outOfMemory
}

/// Allocates frames in a row out of contiguous areas, moving away what borrows them.
///
/// Linux: `cma_alloc()`, `cma_release()`, `__alloc_contig_migrate_range()`.
public struct ContiguousMemory<Environment: MemoryEnvironment>: BitwiseCopyable {
  let environment: Environment

  public init(_ environment: Environment) { self.environment = environment }

  private var spaces: AddressSpaces<Environment> { AddressSpaces(environment) }
  private var frames: PageFrames<Environment.Hardware> { environment.frames }

  /// How often a place is tried before the next one is. Linux: `migrate_pages()`'s five rounds.
  static var roundLimit: Int { 5 }

  /// Takes frames in a row, each held once.
  ///
  /// - Parameters:
  ///   - index: the area's number.
  ///   - alignment: the first frame is at a multiple of so many, counted from the area's begin.
  /// - Throws: `invalidRequest`; `blocked` and `outOfMemory`, which the area counts.
  /// - Context: no lock held; may sleep, until what is on its way to or from a disk has arrived.
  public func allocate(
    _ count: PageCount, kind: FrameKind, fromArea index: Int, alignment: Order = .zero
  ) throws(ContiguousFailure) -> ContiguousFrames {
    guard count > .zero, index >= 0, index < frames.contiguousAreaCount else {
      throw .invalidRequest
    }
    // One at a time: page blocks are emptied for one. Linux: `cma_mutex`.
    while environment.memory.value.isAreaBeingEmptied { environment.sleep(on: Self.turnKey) }
    environment.memory.value.isAreaBeingEmptied = true
    defer {
      environment.memory.value.isAreaBeingEmptied = false
      environment.wake(Self.turnKey)
    }
    do throws(ContiguousFailure) {
      let taken = try search(count, kind, index, alignment)
      frames.noteAllocated(
        taken.range, ofArea: index, process: environment.currentProcess)
      return taken
    } catch {
      frames.noteFailed(count, ofArea: index)
      throw error
    }
  }

  /// Gives frames of an area back; movable memory may borrow them again.
  public func free(_ taken: consuming ContiguousFrames, toArea index: Int) {
    frames.free(taken, toArea: index)
  }

  /// Tries one place after the other.
  private func search(
    _ count: PageCount, _ kind: FrameKind, _ index: Int, _ alignment: Order
  ) throws(ContiguousFailure) -> ContiguousFrames {
    var start = frames.contiguousArea(index).range.first
    while let place = frames.reserve(count, ofArea: index, alignment: alignment, from: start) {
      do throws(ContiguousFailure) {
        return try empty(place, kind, index)
      } catch {
        frames.unreserve(place, ofArea: index)
        guard error == .blocked else { throw error }
        start = place.first + PageCount(1)
      }
    }
    throw .blocked
  }

  /// Moves everything out of a place and takes it.
  private func empty(
    _ place: FrameRange, _ kind: FrameKind, _ index: Int
  ) throws(ContiguousFailure) -> ContiguousFrames {
    do {
      try frames.isolate(place)
    } catch {
      throw .blocked
    }
    defer { frames.endIsolation(of: place) }
    var round = 0
    while true {
      let refusal = moveAll(outOf: place, index, isFirst: round == 0)
      if refusal == .outOfMemory { throw .outOfMemory }
      do {
        if refusal == nil { return try frames.takeIsolated(place, kind: kind) }
      } catch {
        // Somebody took it into use between the look and the grasp: one more round.
      }
      round += 1
      guard refusal != .notMovable, round < Self.roundLimit else { throw .blocked }
    }
  }

  /// Moves what can be moved; waits for what is on its way.
  ///
  /// - Returns: the gravest reason why something stayed, nil where nothing did.
  private func moveAll(
    outOf place: FrameRange, _ index: Int, isFirst: Bool
  ) -> MigrationRefusal? {
    var frame = place.first
    var gravest: MigrationRefusal?
    while frame < place.end {
      let (end, head) = frames.blockInUse(around: frame)
      if let head, let refusal = move(head, isFirst, index) {
        if refusal == .outOfMemory || refusal == .notMovable { return refusal }
        gravest = refusal
      }
      frame = end
    }
    return gravest
  }

  /// Moves one frame, once it can be moved.
  private func move(
    _ frame: PageFrameNumber, _ isFirst: Bool, _ index: Int
  ) -> MigrationRefusal? {
    var isNamed = !isFirst
    while true {
      do {
        _ = try spaces.migrate(frame)
        return nil
      } catch {
        if !isNamed {
          frames.noteBlocked(
            frame, reason: error.rawValue, ofArea: index, process: environment.currentProcess)
          isNamed = true
        }
        guard error == .underTransfer else { return error }
      }
      spaces.waitForFrame(frame)
      // It may have been dropped meanwhile, and be free.
      guard frames.blockInUse(around: frame).head == frame else { return nil }
    }
  }

  private static var turnKey: SleepKey { .object(0, channel: 0x69) }
}
