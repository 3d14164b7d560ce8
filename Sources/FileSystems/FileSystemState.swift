// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// What all file systems and disks of a machine share.
public struct FileSystemState: BitwiseCopyable {
  // Disks
  public let model: DeviceModel
  /// What the root disk did since boot.
  var diskCounts = DiskCounts()
  /// By tag.
  let requests: ResidentArray<DiskRequest>
  /// Bit n: tag n is free.
  var freeTagsLow = UInt64.max
  var freeTagsHigh = UInt64.max
  /// The root disk and the scratch disk.
  let disks: ResidentArray<Disk>

  var root = Link<Inode>(nil)

  /// By `MountPlace`.
  let mounts: ResidentArray<Mount>
  /// Names in file systems in memory, in chains by folder and name.
  let entryTable: ResidentArray<Link<FolderEntry>>
  /// The position that the last entry got; the first ones are the dots and the start.
  var lastEntryPosition: UInt64 = 2

  /// Those who wait for locks of processes.
  var firstLockWait = Link<LockWait>(nil)

  // Inodes of the root disk
  /// Chains by number modulo the table's size.
  let inodeTable: ResidentArray<Link<Inode>>
  /// Inodes that nobody uses and that are kept, the one that was used last at the front.
  var firstUnused = Link<Inode>(nil)
  var lastUnused = Link<Inode>(nil)
  var unusedCount: UInt32 = 0
  public internal(set) var inodeCount: UInt32 = 0

  // Streams
  var output = OutputStream(.output)
  var error = OutputStream(.error)
  var input = InputStream()
  /// Bit n: standard stream n is a terminal.
  let terminals: UInt64
  /// The terminal that they are, once somebody asked for it.
  public internal(set) var console = Link<Terminal>(nil)
  /// Bytes of the console that the host has not been told of.
  var consoleCount = 0
  /// Waits for the host that there were.
  var hostWaitCount: UInt64 = 0
  /// The first pseudo terminal.
  var terminalList = Link<Terminal>(nil)

  // Waiting for files
  /// By a hash of their key.
  let watches: ResidentArray<LinkedList<Reference<Watch>>>
  var namelessInode = Link<Inode>(nil)
  var signalFileCount: UInt32 = 0
  /// Open files that send signals of readiness.
  var signalWatchCount: UInt32 = 0

  /// The state of the generator behind /dev/urandom and getrandom.
  var randomState: UInt64
  let seed: UInt64
  /// Of this run, from its seed. Linux: `/proc/sys/kernel/random/boot_id`.
  let bootIdentifier: (UInt64, UInt64)
  /// The number that the next pipe gets.
  var nextPipeNumber: UInt64 = 1
  /// What /proc/sys sets beside the policy of memory.
  public var settings = SystemSettings()
  // Sockets
  var firstSocket = Link<Socket>(nil)
  /// Packets that are to be freed, and that somebody does it.
  var firstDeadPacket = Link<Packet>(nil)
  var isBurying = false
  /// Open files. Linux: `nr_files`.
  var openFileCount: UInt64 = 0
  /// Seconds since the epoch at the start of virtual time.
  public let bootTime: UInt64

  /// Sets up the tables, in frames taken from the allocator.
  ///
  /// - Parameters:
  ///   - diskByteCount: bytes of the root disk, as the channel says.
  ///   - scratchByteCount: bytes of the scratch disk; 0 where there is none.
  ///   - bootTime: seconds since the epoch at virtual time 0.
  /// - Throws: what the page allocator does.
  public init<Hardware: Machine>(
    frames: PageFrames<Hardware>, model: DeviceModel, diskByteCount: UInt64,
    scratchByteCount: UInt64 = 0, terminals: UInt64, seed: UInt64, bootTime: UInt64
  ) throws(AllocationError) {
    self.model = model
    self.terminals = terminals
    self.bootTime = bootTime
    self.seed = seed
    bootIdentifier = (seed &* 0x2545_F491_4F6C_DD1D &+ 0x1D, seed ^ 0x6A09_E667_F3BC_C908)
    randomState = seed &+ 0x9E37_79B9_7F4A_7C15
    let request = FrameRequest(order: Self.tableOrder, kind: .plain, content: .zeroed)
    let first = try frames.allocate(request).surrender()
    let block = frames.machine.directMap.block(
      at: first.address, byteCount: Self.tableOrder.pageCount.bytes)
    let half = block.byteCount / 2
    requests = ResidentArray(
      repeating: DiskRequest(), count: DiskTransfer.maximumInFlight,
      in: block.part(from: 0, byteCount: half))
    let watchFrame = try frames.allocate(
      FrameRequest(order: .zero, kind: .plain, content: .zeroed)
    ).surrender()
    watches = ResidentArray(
      repeating: LinkedList<Reference<Watch>>(), count: Self.watchBucketCount,
      in: frames.machine.directMap.frame(watchFrame))
    inodeTable = ResidentArray(
      repeating: Link<Inode>(nil), count: Self.inodeChainCount,
      in: block.part(from: half, byteCount: half / 2))
    let mountRequest = FrameRequest(order: .zero, kind: .plain, content: .zeroed)
    let mountFrame = try frames.allocate(mountRequest).surrender()
    mounts = ResidentArray(
      repeating: Mount(), count: Int(MountPlace.count),
      in: frames.machine.directMap.frame(mountFrame))
    entryTable = ResidentArray(
      repeating: Link<FolderEntry>(nil), count: Self.entryChainCount,
      in: block.part(from: half + half / 2, byteCount: half / 2))
    let diskFrame = try frames.allocate(
      FrameRequest(order: .zero, kind: .plain, content: .zeroed)
    ).surrender()
    disks = ResidentArray(
      repeating: Disk(), count: Disk.count, in: frames.machine.directMap.frame(diskFrame))
    disks[Disk.root].byteCount = diskByteCount
    disks[Disk.scratch].byteCount = scratchByteCount
  }

  /// Makes the disks known as devices, which reach all memory.
  ///
  /// - Context: once, before the first transfer.
  public func addDisks<Hardware: Machine>(
    to devices: DeviceMemory<Hardware>
  ) throws(DeviceMemoryError) {
    for index in 0..<Disk.count where disks[index].byteCount > 0 {
      disks[index].hardware = Link(try devices.addDevice(number: UInt32(index), mask: .all))
    }
  }

  /// The device that a disk is; nil where there is no such disk.
  public func hardware(ofDisk index: Int) -> Reference<Device>? {
    index < Disk.count ? disks[index].hardware.reference : nil
  }

  /// Holds the disk requests in one half and the inode chains in the other.
  static var tableOrder: Order { Order(2) }
  static var watchBucketCount: Int { 64 }
  static var inodeChainCount: Int { 1024 }
  static var entryChainCount: Int { 1024 }
  /// Inodes that are kept though nobody uses them.
  static var unusedLimit: UInt32 { 256 }
}
