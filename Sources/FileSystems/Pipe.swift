// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits

/// Bytes on their way from one open file to another: a ring of 16 pages, taken as they are
/// needed.
///
/// Linux: `struct pipe_inode_info`.
public struct Pipe: HeapObject {
  public static var cacheName: StaticString { "pipe_inode_info" }
  public static var cacheIndex: Int { 11 }

  /// Frame numbers of the pages; 0 where none was needed yet.
  var frames: InlineArray<16, UInt32> = InlineArray(repeating: 0)
  /// All bytes that were ever written and read; a place is the count modulo the size.
  var writtenCount: UInt64 = 0
  var readCount: UInt64 = 0
  /// Open files of each end.
  public internal(set) var readerCount: UInt32 = 0
  public internal(set) var writerCount: UInt32 = 0
  /// Bytes that it takes at the most. Linux: `F_SETPIPE_SZ`.
  var limit = Pipe.capacity
  /// Open files of each end that there ever were: openings of named pipes wait for one more.
  var readerOpenings: UInt32 = 0
  var writerOpenings: UInt32 = 0
  /// A task is copying: its user memory may have to be read in meanwhile.
  var isBusy = false

  var byteCount: Int { Int(writtenCount - readCount) }
  var room: Int { limit - byteCount }

  /// Linux: 16 × `PAGE_SIZE`.
  static var capacity: Int { 65536 }
  /// Writes of so many bytes are never mixed with others. Linux: `PIPE_BUF`.
  static var atomicByteCount: Int { 4096 }
}
