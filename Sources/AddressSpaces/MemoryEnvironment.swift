// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTables

/// What address spaces and the page cache need of the kernel around them.
///
/// A conforming value is one reference, so that it can be passed on for nothing. The layers below
/// it are reached through it; relief, file contents and sleep come from the layers above.
public protocol MemoryEnvironment: BitwiseCopyable, PressureRelief {
  associatedtype Hardware: Machine

  var machine: Hardware { get }
  var frames: PageFrames<Hardware> { get }
  var heap: ObjectHeap<Hardware> { get }
  var tables: PageTables<Hardware> { get }

  /// The state of this layer: page-cache lists, counters, the zero page.
  var memory: Resident<MemoryState> { get }

  /// The process that runs, for the log; 0 for the kernel.
  var currentProcess: UInt32 { get }

  /// The bytes that the task that runs may have locked in its memory at a time: none at all
  /// without the right to, all that there are with the administrator's.
  ///
  /// Context: any. Linux: `RLIMIT_MEMLOCK`, `CAP_IPC_LOCK`.
  var lockLimit: ByteCount { get }

  /// The process that runs made a page of a disk's file dirty. Linux: `task_io_account_write()`.
  ///
  /// Context: any.
  func noteDirtied()

  /// The process that runs took such a page away before it was written.
  ///
  /// Context: any. Linux: `task_io_account_cancelled_write()`.
  func noteCancelled()

  /// Starts reading pages of a file in a row into as many locked frames in a row; the end of
  /// each page's transfer is told with `AddressSpaces.readCompleted`.
  ///
  /// Context: may sleep (to read where the file's blocks are).
  /// - Returns: how many were started, at least one; nothing is told about the others.
  /// - Throws: `inputOutput` where the disk or its file system is damaged, `outOfMemory`.
  func startReading(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, into first: PageFrameNumber
  ) throws(MemoryError) -> Int

  /// Makes sure that a page of a file on a disk has a place there, and says which block it is.
  ///
  /// Context: may sleep.
  /// - Throws: `noSpace`, `inputOutput`, `outOfMemory`, `accessDenied` of a read-only disk.
  func reserve(
    _ file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> UInt32

  /// Starts writing frames in a row to as many blocks in a row; the end of each page's transfer
  /// is told with `AddressSpaces.writeCompleted`.
  ///
  /// Context: as `patience` says, until the disk takes it.
  func startWriting(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, from first: PageFrameNumber,
    block: UInt32, _ patience: Patience)

  /// Lets virtual time pass until a transfer ends, while nobody else runs; false if none is
  /// under way.
  ///
  /// Context: does not sleep.
  func awaitTransfer() -> Bool

  /// Tells the task that writes dirty pages that there is something to do. Context: any.
  func wakeFlusher(_ urgency: FlusherUrgency)

  /// Sleeps until somebody wakes the key; it may return earlier, so callers look again.
  ///
  /// Context: may sleep. Other tasks run; what they change is seen afterwards.
  func sleep(on key: SleepKey)

  /// Wakes all that sleep on a key. Context: any.
  func wake(_ key: SleepKey)
}

/// How somebody who has to wait for a disk does it.
public enum Patience: Sendable, BitwiseCopyable {
  /// Others run meanwhile.
  case asleep
  /// Nobody does: what the caller was in the middle of stays as it is.
  case idle
}

/// When the task that writes dirty pages is to look.
public enum FlusherUrgency: Sendable, BitwiseCopyable {
  /// At its next round, which comes if it had nothing to do so far.
  case later
  case now
}

/// What a task sleeps on: a frame's lock, or one channel of a kernel object.
public struct SleepKey: Equatable, Sendable, BitwiseCopyable {
  public let value: UInt64

  /// The frame's lock: its contents are on their way.
  public static func frame(_ frame: PageFrameNumber) -> Self {
    Self(value: UInt64(frame.value))
  }

  /// - Parameter channel: tells apart what is waited for at one object, from 1.
  public static func object(_ raw: UInt32, channel: UInt8) -> Self {
    Self(value: UInt64(raw) | UInt64(channel) << 32)
  }
}

/// Why a memory operation was refused; each case is one errno of Linux.
public enum MemoryError: Error, BitwiseCopyable {
  /// ENOMEM: no frame, no room in the address space, or a hole in the range.
  case outOfMemory
  /// EINVAL
  case invalidArgument
  /// EACCES
  case accessDenied
  /// EPERM
  case notPermitted
  /// EEXIST
  case exists
  /// ENODEV
  case noDevice
  /// EOVERFLOW
  case overflow
  /// EFAULT
  case badAddress
  /// EIO
  case inputOutput
  /// EAGAIN
  case again
  /// EINTR
  case interrupted
  /// EOPNOTSUPP
  case notSupported
  /// ENOSPC: the file system that a page belongs to may have no more.
  case noSpace
}

extension MemoryEnvironment {
  public var lockLimit: ByteCount { ByteCount(.max) }
  public func noteDirtied() {}
  public func noteCancelled() {}
}
