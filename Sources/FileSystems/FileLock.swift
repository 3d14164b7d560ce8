// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// A lock on a range of a file's bytes, or on a file as a whole.
///
/// Linux: `struct file_lock`.
struct FileLock: HeapObject {
  static var cacheName: StaticString { "file_lock_cache" }
  static var cacheIndex: Int { 46 }

  /// Whose it is, and whom it keeps out.
  enum Kind: UInt8, BitwiseCopyable {
    /// Of a table of descriptors. Linux: `FL_POSIX`.
    case process
    /// Of an open file. Linux: `FL_OFDLCK`.
    case openFile
    /// Of an open file, and of no effect on the others. Linux: `FL_FLOCK`.
    case whole
  }

  let kind: Kind
  /// The raw reference of the table or the open file.
  let owner: UInt32
  var isExclusive: Bool
  var start: UInt64
  /// The last byte; the largest number for a lock that has no end.
  var last: UInt64
  let process: UInt32
  var next = Link<FileLock>(nil)

  init(_ request: LockRequest) {
    kind = request.kind
    owner = request.owner
    isExclusive = request.isExclusive
    start = request.start
    last = request.last
    process = request.process
  }

  func overlaps(_ first: UInt64, _ last: UInt64) -> Bool { start <= last && first <= self.last }

  /// Whether both cannot be held. Linux: `posix_locks_conflict()`, `flock_locks_conflict()`.
  func conflicts(with request: LockRequest) -> Bool {
    guard (kind == .whole) == (request.kind == .whole) else { return false }
    guard kind != request.kind || owner != request.owner else { return false }
    return (isExclusive || request.isExclusive) && overlaps(request.start, request.last)
  }
}

/// A lock that somebody wants.
public struct LockRequest: BitwiseCopyable {
  let kind: FileLock.Kind
  let owner: UInt32
  public var isExclusive = false
  public var start: UInt64 = 0
  public var last: UInt64 = .max
  let process: UInt32

  /// A lock of a process: of its table of descriptors.
  public init(ofTable table: UInt32, process: UInt32) {
    kind = .process
    owner = table
    self.process = process
  }

  /// A lock of an open file on a range.
  public init(of file: Reference<OpenFile>) {
    kind = .openFile
    owner = file.raw
    process = .max
  }

  /// A lock of an open file on all of it. Linux: `flock`.
  public init(onWhole file: Reference<OpenFile>) {
    kind = .whole
    owner = file.raw
    process = .max
  }
}

/// Somebody who waits for a lock, in the list that deadlocks are looked for in.
struct LockWait: HeapObject {
  static var cacheName: StaticString { "file_lock_wait" }
  static var cacheIndex: Int { 47 }

  let owner: UInt32
  /// Who has the lock that is waited for.
  var holder: UInt32
  var next = Link<LockWait>(nil)

  init(owner: UInt32, holder: UInt32) {
    self.owner = owner
    self.holder = holder
  }
}
