// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import KernelHeap
import MemoryUnits

/// A disk of the machine and the ext2 file system on it.
struct Disk: BitwiseCopyable {
  /// 0: there is none.
  var byteCount: UInt64 = 0
  var counts = DiskCounts()
  /// When the parts of the device are free again.
  var times = DeviceTimes()
  var writesInFlight: UInt32 = 0
  /// Inodes that changed in memory.
  var firstDirtyInode = Link<Inode>(nil)
  var dirtyInodeCount: UInt32 = 0
  /// Inodes without name and user, and how many tasks are freeing one.
  var firstOrphan = Link<Inode>(nil)
  var reapingCount: UInt32 = 0
  /// Transfers to it that failed. Linux: `s_wb_err`.
  var writeErrors = WriteErrors()
  /// Flushes under way, and those that ended and failed, ever.
  var flushesInFlight: UInt32 = 0
  var flushCount: UInt32 = 0
  var flushErrorCount: UInt32 = 0
  /// What it is to the memory that it reads and writes.
  var hardware = Link<Device>(nil)
  /// The disk as one file: where the file system's own blocks are cached.
  var device = Link<CachedFile>(nil)
  var volume = Ext2Volume()

  /// The disks that the channel has room to tell of and that are used.
  static var count: Int { 2 }
  static func index(of volume: MountPlace) -> Int { volume == .scratch ? scratch : root }
  static var root: Int { 0 }
  static var scratch: Int { 1 }
}
