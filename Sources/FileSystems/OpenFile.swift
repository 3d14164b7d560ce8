// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import MemoryUnits

/// A file that was opened once, shared by all descriptors that were made of it.
///
/// Linux: `struct file`.
public struct OpenFile: HeapObject {
  public static var cacheName: StaticString { "filp" }
  public static var cacheIndex: Int { 7 }

  /// What reads and writes of it do.
  public enum Behaviour: Equatable, BitwiseCopyable, Sendable {
    /// Contents in the page cache.
    case regular
    case folder
    case pipe
    case socket
    /// Text that is made when its start is read.
    case text
    case null
    case zero
    case full
    case random
    case standardInput
    case standardOutput
    case standardError
    /// Only names a file. Linux: `O_PATH`.
    case pathOnly
    /// A device that nobody drives.
    case absent
    /// An object of the kernel's own, which `attachment` names.
    case special(SpecialFile)
  }

  public let inode: Reference<Inode>
  public let behaviour: Behaviour
  /// Access mode and status flags.
  public var flags: OpenFlags
  /// The offset of the next read or write; of a folder, of its next entry.
  public var position: UInt64 = 0
  /// Who is to be told of it by signals, as a program set it.
  public var owner = FileOwner()
  /// Descriptors and calls that hold it.
  public internal(set) var references: UInt32 = 1

  /// Of a file on a disk: what its users know of failed writes.
  var toldErrors = ToldErrors()

  /// Its file counts it among those who write.
  var countsAsWriter = false
  /// Of a special file: its object's reference as a number.
  var attachment: UInt32 = 0
  /// The entries of epoll files that watch it.
  var firstEntry = Link<EventPollEntry>(nil)
  /// What sends signals of its readiness, where there are changes to watch.
  var signalWatch = Link<Watch>(nil)

  /// The text's frames, chained by their private words; 0 for none.
  var firstTextFrame: UInt32 = 0
  var textByteCount: UInt64 = 0
  /// Where the last read of it ended, and whether a task makes or reads it.
  var textEnd: UInt64 = 0
  var isTextBusy = false

  init(_ inode: Reference<Inode>, _ behaviour: Behaviour, flags: OpenFlags) {
    self.inode = inode
    self.behaviour = behaviour
    self.flags = flags
  }
}
