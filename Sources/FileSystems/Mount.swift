// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// The file systems that a machine may have, each with its one place in the tree of paths.
///
/// Nothing else is mounted, and none of these can be unmounted: `mount` is refused.
public enum MountPlace: UInt8, BitwiseCopyable, Sendable {
  /// The root disk, read-only.
  case root
  case devices
  case sharedMemory
  case processes
  case system
  case temporary
  case run
  /// The scratch disk.
  case scratch
  /// Files that no path leads to: pipes, sockets, streams, memory files.
  case nameless

  static var count: UInt8 { nameless.rawValue + 1 }

  /// The name in the folder above.
  var name: StaticString {
    switch self {
    case .root, .nameless: ""
    case .devices: "dev"
    case .sharedMemory: "shm"
    case .processes: "proc"
    case .system: "sys"
    case .temporary: "tmp"
    case .run: "run"
    case .scratch: "scratch"
    }
  }

  /// Where it lies, as /proc/mounts says it.
  public var path: StaticString {
    switch self {
    case .root: "/"
    case .devices: "/dev"
    case .sharedMemory: "/dev/shm"
    case .processes: "/proc"
    case .system: "/sys"
    case .temporary: "/tmp"
    case .run: "/run"
    case .scratch: "/var/scratch"
    case .nameless: ""
    }
  }

  /// What it was mounted from.
  public var source: StaticString {
    switch self {
    case .root: "/dev/vda"
    case .devices: "devtmpfs"
    case .processes: "proc"
    case .system: "sysfs"
    case .sharedMemory, .temporary, .run, .nameless: "tmpfs"
    case .scratch: "/dev/vdb"
    }
  }

  /// The file system's kind, as /proc/filesystems names it.
  public var kind: StaticString {
    switch self {
    case .root, .scratch: "ext2"
    case .devices: "devtmpfs"
    case .processes: "proc"
    case .system: "sysfs"
    case .sharedMemory, .temporary, .run, .nameless: "tmpfs"
    }
  }

  /// Linux: virtio disks by their own number, the others by an anonymous one.
  var device: DeviceNumber {
    switch self {
    case .root: DeviceNumber(major: 254, minor: 0)
    case .scratch: DeviceNumber(major: 254, minor: 16)
    case .devices: DeviceNumber(major: 0, minor: 5)
    case .processes: DeviceNumber(major: 0, minor: 20)
    case .system: DeviceNumber(major: 0, minor: 21)
    case .sharedMemory: DeviceNumber(major: 0, minor: 22)
    case .temporary: DeviceNumber(major: 0, minor: 23)
    case .run: DeviceNumber(major: 0, minor: 24)
    case .nameless: DeviceNumber(major: 0, minor: 13)
    }
  }

  /// In /proc/PID/mountinfo; that of the nameless ones stands for what is above the root.
  var number: UInt64 { self == .nameless ? 1 : UInt64(rawValue) + 20 }

  /// Of /proc/mounts, behind `rw` or `ro`.
  public var options: StaticString {
    switch self {
    case .root, .scratch, .nameless: "relatime"
    case .devices: "nosuid,relatime,mode=755"
    case .processes, .system: "nosuid,nodev,noexec,relatime"
    case .sharedMemory, .temporary: "nosuid,nodev"
    case .run: "nosuid,nodev,mode=755"
    }
  }

  /// Linux: `MNT_NODEV`.
  var refusesDevices: Bool { statusFlags & 4 != 0 }

  /// Linux: `ST_NOSUID` and its kin, with `ST_VALID`, as statfs answers them.
  var statusFlags: Int64 {
    switch self {
    case .root: 0x1021
    case .scratch, .nameless: 0x1020
    case .devices: 0x1022
    case .processes, .system: 0x102E
    case .sharedMemory, .temporary, .run: 0x1026
    }
  }
}

/// One file system that is mounted, or the place of one that is not.
///
/// Linux: `struct mount` and `struct super_block` together.
struct Mount: BitwiseCopyable {
  /// Its root folder, held; none where nothing is mounted.
  var root = Link<Inode>(nil)
  /// The folder in which it is mounted, held; none of the root.
  var folder = Link<Inode>(nil)
  /// The folder of the root disk that it lies over, held, if what is in there still shows.
  var covered = Link<Inode>(nil)
  /// Linux: `SB_RDONLY`.
  var isReadOnly = false
  /// A task makes, moves or removes names: others wait. Linux: `i_rwsem` of folders, and
  /// `s_vfs_rename_mutex`, here one for the whole file system.
  var isChangingNames = false

  // Memory
  var account = Link<PageAccount>(nil)
  var inodeCount: UInt64 = 0
  var inodeLimit: UInt64 = .max
  var lastInodeNumber: UInt64 = 0
}

extension FileSystems {
  /// Mounts a folder under a name of another one; both stay held.
  ///
  /// - Parameters:
  ///   - root: its count becomes the mount's.
  ///   - folder: its count becomes the mount's.
  func mount(_ place: MountPlace, _ root: Reference<Inode>, in folder: Reference<Inode>) {
    let index = Int(place.rawValue)
    state.value.mounts[index].root = Link(root)
    state.value.mounts[index].folder = Link(folder)
    heap[folder].holdsMounts = true
  }

  /// Mounts what every machine has, on the root that is mounted already: /dev, /proc, /sys, and
  /// file systems in memory on /tmp, /run and /dev/shm.
  ///
  /// - Throws: ENOMEM.
  public func mountTrees() throws(Errno) {
    mount(.processes, try processInode(ProcessNode(.folder)), in: try rootFolder())
    mount(.system, try systemInode(SystemNode(.folder)), in: try rootFolder())
    let devices = try deviceInode(.folder)
    mount(.devices, devices, in: try rootFolder())
    retain(devices)
    mount(.sharedMemory, try makeMemoryVolume(.sharedMemory, permissions: 0o1777), in: devices)
    mount(.temporary, try makeMemoryVolume(.temporary, permissions: 0o1777), in: try rootFolder())
    mount(.run, try makeMemoryVolume(.run, permissions: 0o755), in: try rootFolder())
    try showCovered(.temporary)
    try showCovered(.run)
  }

  /// Shows what the root disk has below a mount, since programs may lie there: each name of the
  /// folder stands for the disk's own file, as if it was mounted there.
  ///
  /// - Throws: EIO, ENOMEM. Linux: bind mounts.
  private func showCovered(_ place: MountPlace) throws(Errno) {
    guard let root = mountRoot(place), let above = mountRoot(.root) else { return }
    let covered: Reference<Inode>
    do {
      covered = try withText(place.name) { (name) throws(Errno) in
        try diskChild(name, of: above)
      }
    } catch {
      if error == .ENOENT { return }
      throw error
    }
    state.value.mounts[Int(place.rawValue)].covered = Link(covered)
    heap[covered].isCovered = true
    guard heap[covered].mode.isFolder, let file = heap[covered].file.reference else { return }
    for index in 0..<(heap[covered].byteCount >> 12) {
      let frame = try page(of: file, index: index)
      defer { _ = frames.release(frame) }
      let block = bytes(of: frame)
      var offset = 0
      while offset < block.byteCount {
        guard
          let entry = Ext2Entry(
            reading: block, at: offset, inodeCount: state.value.disks[Disk.root].volume.inodeCount)
        else { throw .EIO }
        offset = entry.end
        let name = FileName(
          block: block, offset: entry.nameOffset, byteCount: entry.nameLength)
        guard entry.inode != 0, !name.equals("."), !name.equals("..") else { continue }
        let child = try diskChild(name, of: covered)
        insert(try makeEntry(name, in: Link(root), of: child))
        if heap[child].mode.isFolder { heap[root].linkCount += 1 }
      }
    }
  }

  private func withText<Result>(
    _ text: StaticString, _ body: (FileName) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try withPath(text) { (path) throws(Errno) in
      var rest = path
      return try body(rest.takeName())
    }
  }

  /// What is mounted over a folder of the root disk, instead of that, counted for the caller.
  func uncovered(_ folder: Reference<Inode>) -> Reference<Inode> {
    guard heap[folder].isCovered else { return folder }
    for index in 0..<Int(MountPlace.count)
    where state.value.mounts[index].covered.reference == folder {
      guard let root = state.value.mounts[index].root.reference else { continue }
      retain(root)
      release(folder)
      return root
    }
    return folder
  }

  /// The root of what is mounted under a name, not counted; nil where nothing is.
  func mountedRoot(_ name: FileName, in folder: Reference<Inode>) -> Reference<Inode>? {
    for index in 0..<Int(MountPlace.count) {
      guard state.value.mounts[index].folder.reference == folder,
        let place = MountPlace(rawValue: UInt8(index)), name.equals(place.name)
      else { continue }
      return state.value.mounts[index].root.reference
    }
    return nil
  }

  /// The root of a file system, not counted.
  func mountRoot(_ place: MountPlace) -> Reference<Inode>? {
    state.value.mounts[Int(place.rawValue)].root.reference
  }

  func isMountRoot(_ inode: Reference<Inode>) -> Bool {
    mountRoot(heap[inode].volume) == inode
  }

  /// The folder above a mount's root, counted for the caller: the root is above itself.
  func folderAbove(mount place: MountPlace) throws(Errno) -> Reference<Inode> {
    guard let folder = state.value.mounts[Int(place.rawValue)].folder.reference else {
      return try rootFolder()
    }
    retain(folder)
    return folder
  }

  /// Whether there is such a file system.
  public func isMounted(_ place: MountPlace) -> Bool { mountRoot(place) != nil }

  /// Whether nothing of a file system can be changed. Linux: `SB_RDONLY`.
  public func isReadOnly(_ place: MountPlace) -> Bool {
    state.value.mounts[Int(place.rawValue)].isReadOnly
  }

  /// Keeps other tasks from changing names in a file system while the body runs.
  ///
  /// - Context: may sleep.
  func withNames<Result>(
    of place: MountPlace, _ body: () throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let index = Int(place.rawValue)
    let key = SleepKey.object(UInt32(index), channel: 0x71)
    while state.value.mounts[index].isChangingNames { environment.sleep(on: key) }
    state.value.mounts[index].isChangingNames = true
    defer {
      state.value.mounts[index].isChangingNames = false
      environment.wake(key)
    }
    return try body()
  }

  /// Keeps other tasks from writing or cutting a file while the body runs. Linux: `i_rwsem`.
  ///
  /// - Context: may sleep.
  func withContents<Result>(
    of inode: Reference<Inode>, _ body: () throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let key = SleepKey.object(inode.raw, channel: 9)
    while heap[inode].isBeingWritten { environment.sleep(on: key) }
    heap[inode].isBeingWritten = true
    defer {
      heap[inode].isBeingWritten = false
      environment.wake(key)
    }
    return try body()
  }
}
