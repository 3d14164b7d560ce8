// SPDX-License-Identifier: Apache-2.0

/// How often a frame is locked: once for each entry in a locked area that maps it.
///
/// A locked frame is on no list, so the count lies in a link: the private word of a dirty page of
/// a file says where the page goes to. Linux: `folio->mlock_count`, `mm/mlock.c`.
extension FrameDescriptor {
  /// The entries in locked areas that map the frame.
  public var lockCount: UInt32 { flags.contains(.memoryLocked) ? previous : 0 }

  /// Counts one more, of a frame that is locked already.
  ///
  /// - Returns: false of one that is not; nothing has changed then.
  @inline(__always)  // Of the loop over an area's pages.
  public mutating func lockAgain() -> Bool {
    guard flags.contains(.memoryLocked) else { return false }
    previous += 1
    return true
  }

  /// Counts the first.
  ///
  /// - Precondition: the frame is on no list.
  @inline(__always)
  public mutating func beginLock() {
    flags.formUnion(.memoryLocked.union(.unevictable))
    next = 0
    previous = 1
  }

  /// Counts one less.
  ///
  /// - Returns: whether it was the last: the frame may be on a list again.
  /// - Precondition: it was counted.
  @inline(__always)
  public mutating func unlock() -> Bool {
    precondition(flags.contains(.memoryLocked), "a frame is unlocked that is not locked")
    previous -= 1
    guard previous == 0 else { return false }
    flags = flags.subtracting(.memoryLocked.union(.unevictable))
    return true
  }

  /// Takes over the count of a frame whose flags and entries this one has now.
  mutating func adoptLocks(of other: FrameDescriptor) {
    guard other.flags.contains(.memoryLocked) else { return }
    next = 0
    previous = other.previous
  }
}
