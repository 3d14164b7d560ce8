// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

extension AddressSpaces {
  /// Compares what every frame says of its locks with the locked areas that map it, and the
  /// counters with the frames.
  ///
  /// - Complexity: O(frames + locked frames · areas that may map each).
  public func checkLocks() throws(AddressSpaceViolation) {
    var found = LockedFrames()
    for number in 0..<frames.table.count {
      let frame = PageFrameNumber(UInt32(number))
      let descriptor = frames.table[frame]
      let isLocked = descriptor.flags.contains(.memoryLocked)
      guard isLocked == descriptor.flags.contains(.unevictable) else {
        throw .frameLockMiscounted(frame)
      }
      guard isLocked else { continue }
      guard descriptor.lockCount > 0, descriptor.lockCount == lockedPlaceCount(of: frame) else {
        throw .frameLockMiscounted(frame)
      }
      switch descriptor.kind {
      case .anonymous: found.anonymous += PageCount(1)
      case .file where isShared(frame): found.shared += PageCount(1)
      case .file: found.file += PageCount(1)
      default: throw .frameLockMiscounted(frame)
      }
    }
    let counted = memory.value.locked
    guard found.anonymous == counted.anonymous, found.file == counted.file,
      found.shared == counted.shared,
      counted.lockedCount - counted.unlockedCount == UInt64(counted.total.value)
    else { throw .lockedFramesMiscounted }
    guard listedFilePageCount == memory.value.evictableFilePageCount else {
      throw .lockedFramesMiscounted
    }
  }

  /// The entries in locked areas that map a frame.
  private func lockedPlaceCount(of frame: PageFrameNumber) -> UInt32 {
    var count: UInt32 = 0
    forEachPlace(of: frame) { space, page in
      guard let area = area(in: space, at: page), heap[area].attributes.contains(.locked),
        tables.translate(heap[space].root, page.address)?.leaf.frame == frame
      else { return }
      count += 1
    }
    return count
  }

  /// The pages in the list that reclaim goes through.
  private var listedFilePageCount: PageCount {
    var count = 0
    var next = memory.value.firstFilePage
    while next != 0 {
      count += 1
      next = frames.table[PageFrameNumber(next)].next
    }
    return PageCount(count)
  }
}
