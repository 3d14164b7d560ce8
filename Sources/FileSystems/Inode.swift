// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import MemoryUnits

/// A file as its file system knows it, whatever its names are.
///
/// Linux: `struct inode`.
public struct Inode: HeapObject {
  public static var cacheName: StaticString { "inode_cache" }
  public static var cacheIndex: Int { 6 }

  /// The tree that a file belongs to.
  public enum Tree: UInt8, BitwiseCopyable, Sendable {
    /// ext2 on the root disk.
    case disk
    /// /dev
    case devices
    /// /proc
    case processes
    /// Pipes, which have no name.
    case pipes
    /// The standard streams, which have none either.
    case streams
  }

  public let tree: Tree
  /// Unique in its tree. Of /proc it tells process and file (`ProcessNode`).
  public let number: UInt64
  public internal(set) var mode: FileMode
  public internal(set) var linkCount: UInt32 = 1
  public internal(set) var user: UInt32 = 0
  public internal(set) var group: UInt32 = 0
  public internal(set) var byteCount: UInt64 = 0
  public internal(set) var sectorCount: UInt64 = 0
  public internal(set) var accessed: UInt32 = 0
  public internal(set) var modified: UInt32 = 0
  public internal(set) var changed: UInt32 = 0
  /// Of a device file.
  public internal(set) var device = DeviceNumber(major: 0, minor: 0)

  /// The contents in the page cache; none of devices, pipes, empty links.
  public internal(set) var file = Link<CachedFile>(nil)
  /// Of a pipe.
  public internal(set) var pipe = Link<Pipe>(nil)

  /// ext2: where the blocks are; the text of a short link.
  var blocks: InlineArray<15, UInt32> = InlineArray(repeating: 0)
  /// The folder in which it was found, and where its entry is there: its path is made of these.
  var parentNumber: UInt32 = 0
  var entryOffset: UInt32 = 0

  /// Open files, working folders and walks that hold it.
  public internal(set) var references: UInt32 = 1
  var nextOfChain = Link<Inode>(nil)
  var nextUnused = Link<Inode>(nil)
  var previousUnused = Link<Inode>(nil)

  init(_ tree: Tree, number: UInt64, mode: FileMode) {
    self.tree = tree
    self.number = number
    self.mode = mode
  }

  /// The device that stat names. Linux: an anonymous device for all but the disk.
  var treeDevice: DeviceNumber {
    switch tree {
    case .disk: DeviceNumber(major: 254, minor: 0)
    case .devices: DeviceNumber(major: 0, minor: 5)
    case .processes: DeviceNumber(major: 0, minor: 20)
    case .pipes: DeviceNumber(major: 0, minor: 13)
    case .streams: DeviceNumber(major: 0, minor: 13)
    }
  }
}
