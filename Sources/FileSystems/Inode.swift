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
    /// ext2, on the root disk or the scratch disk.
    case disk
    /// tmpfs, and files of memfd.
    case memory
    /// /dev
    case devices
    /// /proc
    case processes
    /// /sys
    case system
    /// Pipes, which have no name.
    case pipes
    /// The standard streams, which have none either.
    case streams
    /// Sockets, which have no name here.
    case sockets
    /// The one inode of all files that are nothing but an object of the kernel's.
    case nameless
  }

  public let tree: Tree
  /// The file system of its tree that it is of.
  public let volume: MountPlace
  /// Unique in its tree. Of /proc it tells process and file (`ProcessNode`).
  public let number: UInt64
  public internal(set) var mode: FileMode
  public internal(set) var linkCount: UInt32 = 1
  public internal(set) var user: UInt32 = 0
  public internal(set) var group: UInt32 = 0
  public internal(set) var byteCount: UInt64 = 0
  public internal(set) var sectorCount: UInt64 = 0
  public internal(set) var accessed = TimeOfFile(seconds: 0)
  public internal(set) var modified = TimeOfFile(seconds: 0)
  public internal(set) var changed = TimeOfFile(seconds: 0)
  /// Of a device file.
  public internal(set) var device = DeviceNumber(major: 0, minor: 0)

  /// The contents in the page cache; none of devices, pipes, empty links.
  public internal(set) var file = Link<CachedFile>(nil)
  /// Of a pipe.
  public internal(set) var pipe = Link<Pipe>(nil)
  /// Of an open socket.
  var socket = Link<Socket>(nil)

  /// Other file systems are mounted in this folder.
  var holdsMounts = false
  /// Another file system is mounted over it.
  var isCovered = false
  /// A task writes or cuts it: others wait on `contentsKey`.
  var isBeingWritten = false
  /// Openings that may write it, but those of memfd. Linux: `i_writecount` above 0.
  var writerCount: UInt32 = 0
  /// Programs that run it. Linux: `i_writecount` below 0.
  var runnerCount: UInt32 = 0
  /// What of a file of memfd may not be done any more. Linux: `F_SEAL_`.
  public internal(set) var seals: UInt32 = 0
  /// Nameless but made to be given a name. Linux: `I_LINKABLE`.
  var isLinkable = false

  /// Locks on its bytes and on all of it.
  var firstLock = Link<FileLock>(nil)

  // Memory
  /// Of a folder: its entries, the newest first.
  var firstEntry = Link<FolderEntry>(nil)
  /// The entry by which it was last found; it may be removed already, and is then the inode's.
  var entry = Link<FolderEntry>(nil)

  /// In memory, of a short link: its text, in the kernel's heap. Linux: `inode->i_link`.
  var linkText: PhysicalAddress?

  /// ext2: where the blocks are; the text of a short link.
  var blocks: InlineArray<15, UInt32> = InlineArray(repeating: 0)
  /// The block that it got last; 0 for none.
  var lastBlock: UInt32 = 0
  /// Of a folder: pages before this one have no room for the name that was tried last.
  var roomHint: UInt32 = 0
  /// What of it is not on the disk yet, and its place in the list of those.
  var dirt = InodeDirt.none
  var nextDirty = Link<Inode>(nil)
  var previousDirty = Link<Inode>(nil)
  /// The folder in which it was found, held, and where its entry is there: its path is made of
  /// these. Every folder has one but a file system's root, and keeps it when its name goes.
  var parent = Link<Inode>(nil)
  var entryOffset: UInt32 = 0

  /// Open files, working folders and walks that hold it.
  public internal(set) var references: UInt32 = 1
  var nextOfChain = Link<Inode>(nil)
  var nextUnused = Link<Inode>(nil)
  var previousUnused = Link<Inode>(nil)

  /// Whether `blocks` are blocks, and not a device's number or a link's text.
  var hasBlocks: Bool { file.reference != nil }

  /// Gives a device file of a disk its device: in the old form if that can say it.
  mutating func setDevice(_ device: DeviceNumber) {
    guard mode.kind == .characterDevice || mode.kind == .blockDevice else { return }
    self.device = device
    if device.major < 256, device.minor < 256 {
      blocks[0] = device.major << 8 | device.minor
    } else {
      blocks[1] = UInt32(truncatingIfNeeded: device.encoded)
    }
  }

  init(_ tree: Tree, of volume: MountPlace, number: UInt64, mode: FileMode) {
    self.tree = tree
    self.volume = volume
    self.number = number
    self.mode = mode
  }

  /// The device that stat names. Linux: an anonymous device for all but the disks.
  var treeDevice: DeviceNumber { volume.device }
}
