// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Frees memory that can be had again: pages of files, the ones unused for longest first; dirty
/// ones once they are written.
///
/// Pages are kept in the order in which they came. One that was used since it was last looked at
/// gets a second chance at the other end of the list. Pages of locked areas are not in it, so they
/// are never looked at.
///
/// Linux: `mm/vmscan.c`, as far as file pages go.
public struct Reclaim<Environment: MemoryEnvironment>: BitwiseCopyable {
  let environment: Environment

  public init(_ environment: Environment) { self.environment = environment }

  private var spaces: AddressSpaces<Environment> { AddressSpaces(environment) }

  /// Pages freed at a time. Linux: `SWAP_CLUSTER_MAX`.
  static var batch: Int { 32 }

  /// File pages that only other pages of files may displace: a 64th of memory, 128 KiB to 1 MiB.
  ///
  /// An instruction needs its own page, its data's and now and then an interpreter's beside it.
  /// If the memory that a program asks for took the last of them, programs would read the same
  /// pages again and again, and never get as far as the kill that would end it. So the file
  /// pages have an end, and then it is the killer's turn. Linux drops them all and may hang;
  /// `lru_gen/min_ttl_ms` is its remedy, which is told in host time.
  var protectedCount: PageCount {
    PageCount(min(max(environment.frames.managedPageCount.value / 64, 32), 256))
  }

  /// Drops file pages until a batch is free or every page was looked at twice.
  ///
  /// Dirty ones are written first: who has to wait for that does so while nobody else runs, so
  /// that what the caller was in the middle of stays as it is.
  ///
  /// - Returns: the number of frames freed.
  /// - Context: no lock held; does not sleep, but virtual time may pass.
  /// - Complexity: O(pages passed · areas that map each).
  ///
  /// Linux: `shrink_node()`.
  public func freeFilePages(for shortfall: Shortfall) -> PageCount {
    environment.memory.value.countStall(shortfall)
    record(.reclaimBegan, detail: UInt16(shortfall.zoneLimit.rawValue), value: UInt64(Self.batch))
    var freed = dropPages(for: shortfall)
    while freed == 0, environment.memory.value.writebackPageCount > .zero {
      var ended = 0
      while ended < Self.batch, environment.awaitTransfer() { ended += 1 }
      guard ended > 0 else { break }
      freed = dropPages(for: shortfall)
    }
    record(.reclaimEnded, value: UInt64(freed))
    return PageCount(freed)
  }

  /// Goes once through the list. Pages that are protected stay, but for one if its place is for
  /// another page of a file.
  private func dropPages(for shortfall: Shortfall) -> Int {
    var freed = 0
    var written = 0
    // Twice round: the first look may only find that a page was used.
    var looks = environment.memory.value.evictableFilePageCount.value * 2
    while freed < Self.batch, looks > 0, let frame = spaces.oldestFilePage {
      let isSpare = environment.memory.value.evictableFilePageCount > protectedCount
      guard isSpare || (shortfall.kind == .file && freed == 0) else { break }
      looks -= 1
      environment.memory.value.scannedCount += 1
      if tryToDrop(frame) {
        freed += 1
      } else {
        spaces.rotateFilePage(frame)
        if written < Self.batch { written += write(frame) }
      }
    }
    environment.memory.value.stolenCount += UInt64(freed)
    return freed
  }

  /// Starts writing a dirty page that nobody used of late, and those behind it.
  ///
  /// - Returns: the pages started. Linux: `pageout()`.
  private func write(_ frame: PageFrameNumber) -> Int {
    let descriptor = environment.frames.table[frame]
    let busy = FrameFlags.locked.union(.writeback).union(.referenced)
    guard descriptor.flags.contains(.dirty), descriptor.flags.isDisjoint(with: busy),
      let file = Link<CachedFile>(raw: descriptor.owner).reference
    else { return 0 }
    let last = descriptor.index + UInt64(Self.batch - 1)
    let started = spaces.startWriteBack(
      of: file, from: descriptor.index, through: last, atMost: Self.batch, .idle)
    environment.memory.value.reclaimWriteCount &+= UInt64(started)
    return started
  }

  /// Drops a page unless it is busy, changed, held by somebody, or was used of late.
  private func tryToDrop(_ frame: PageFrameNumber) -> Bool {
    let frames = environment.frames
    let busy = FrameFlags.locked.union(.dirty).union(.writeback).union(.unevictable)
    let descriptor = frames.table[frame]
    guard let file = Link<CachedFile>(raw: descriptor.owner).reference,
      !spaces.takeReferenced(frame), descriptor.flags.isDisjoint(with: busy),
      // The cache's own reference and one for each mapping.
      descriptor.references == descriptor.mappings + 1
    else { return false }
    frames.retain(frame)
    spaces.unmapEverywhere(frame)
    environment.machine.record(
      MemoryEvent(
        .pageDropped, process: environment.currentProcess, frame: frame.value,
        owner: descriptor.owner, value: descriptor.index))
    spaces.dropPage(of: file, index: descriptor.index)
    _ = frames.release(frame)
    return true
  }

  private func record(_ kind: EventKind, detail: UInt16 = 0, value: UInt64) {
    environment.machine.record(
      MemoryEvent(kind, detail: detail, process: environment.currentProcess, value: value))
  }
}
