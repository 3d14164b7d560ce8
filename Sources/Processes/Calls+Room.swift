// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Files in memory, room in files, copies between files, and what file systems here have not.
extension Kernel {
  /// Linux: `memfd_create`.
  func makeMemoryFile(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = call.second & 0xFFFF_FFFF
    // Close on exec, sealable, not executable, executable; huge pages are not had.
    guard flags & ~0x1B == 0, flags & 0x18 != 0x18 else { throw .EINVAL }
    let closes = flags & 1 != 0
    let isExecutable = flags & 8 == 0
    var seals = flags & 2 != 0 ? 0 : FileSeal.seal
    if !isExecutable { seals = FileSeal.execute }
    let given = seals
    let file = try fileSystems.withPath(
      at: VirtualAddress(call.first), in: space
    ) { (name) throws(Errno) in
      guard name.byteCount <= 249 else { throw .EINVAL }
      return try fileSystems.withPath(
        joining: "memfd:", name
      ) { (text) throws(Errno) in
        try fileSystems.makeMemoryFile(
          named: text, seals: given, permissions: isExecutable ? 0o777 : 0o666,
          as: credentials)
      }
    }
    return try enter(file, closesOnExecute: closes)
  }

  /// Linux: `fallocate`.
  func changeRoom(_ call: CallArguments) throws(Errno) -> UInt64 {
    let start = Int64(bitPattern: call.third)
    let count = Int64(bitPattern: call.fourth)
    let mode = call.second & 0xFFFF_FFFF
    _ = try openedFile(call.first)
    guard start >= 0, count > 0 else { throw .EINVAL }
    let (_, overflow) = start.addingReportingOverflow(count)
    let change: FileSystems<Self>.RoomChange
    switch mode {
    case 0: change = .made
    case 1: change = .reserved
    case 3: change = .punched
    default: throw .EOPNOTSUPP
    }
    guard !overflow else { throw .EFBIG }
    return try withFile(call.first) { (file) throws(Errno) in
      try fileSystems.changeRoom(
        of: file, change, from: UInt64(start), byteCount: UInt64(count))
      return 0
    }
  }

  /// Linux: `openat2`, `struct open_how`, without restrictions on how the path resolves.
  func openExtended(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.fourth >= 24 else { throw .EINVAL }
    guard call.fourth <= 4096 else { throw .E2BIG }
    for offset in stride(from: UInt64(24), to: call.fourth, by: 1) {
      let byte: UInt8 = try load(at: call.third &+ offset)
      guard byte == 0 else { throw .E2BIG }
    }
    let flags: UInt64 = try load(at: call.third)
    let mode: UInt64 = try load(at: call.third &+ 8)
    let resolution: UInt64 = try load(at: call.third &+ 16)
    guard flags & ~UInt64(OpenFlags.known) == 0, mode & ~0o7777 == 0, resolution == 0 else {
      throw .EINVAL
    }
    let given = OpenFlags(rawValue: UInt32(flags))
    let makes = given.contains(.create) || given.contains(.temporary)
    guard makes || mode == 0 else { throw .EINVAL }
    if given.contains(.pathOnly) {
      guard try given.checked() == given else { throw .EINVAL }
    }
    return try open(call.first, call.second, flags, mode)
  }

  /// Linux: `copy_file_range`.
  func copyRange(_ call: CallArguments) throws(Errno) -> UInt64 {
    let source = try openedFile(call.first)
    let target = try openedFile(call.third)
    guard call.sixth & 0xFFFF_FFFF == 0 else { throw .EINVAL }
    guard heap[source].flags.mayRead, heap[target].flags.mayWrite,
      !heap[target].flags.contains(.append)
    else { throw .EBADF }
    let isFolder =
      heap[heap[source].inode].mode.isFolder || heap[heap[target].inode].mode.isFolder
    if isFolder { throw .EISDIR }
    guard heap[source].behaviour == .regular, heap[target].behaviour == .regular else {
      throw .EINVAL
    }
    return try withFile(call.first) { (source) throws(Errno) in
      try withFile(call.third) { (target) throws(Errno) in
        var start: UInt64 = heap[source].position
        var end: UInt64 = heap[target].position
        if call.second != 0 { start = try load(at: call.second) }
        if call.fourth != 0 { end = try load(at: call.fourth) }
        let count = Int(min(call.fifth, 0x7FFF_F000))
        let last = UInt64(Int64.max) - UInt64(count)
        guard start <= last, end <= last else { throw .EOVERFLOW }
        if heap[source].inode == heap[target].inode, start < end + UInt64(count),
          end < start + UInt64(count)
        {
          throw .EINVAL
        }
        let done = UInt64(
          try fileSystems.transfer(
            from: source, at: start, to: target, at: end, byteCount: count))
        if done == 0 { return 0 }
        _ = noteRead(Int(done))
        _ = noteWritten(Int(done))
        if call.second != 0 {
          try store(start + done, at: call.second)
        } else {
          heap[source].position = start + done
        }
        if call.fourth != 0 {
          try store(end + done, at: call.fourth)
        } else {
          heap[target].position = end + done
        }
        return done
      }
    }
  }

  /// Linux: `readahead`: pages come when they are wanted.
  func readAhead(_ call: CallArguments) throws(Errno) -> UInt64 {
    let file = try openedFile(call.first)
    guard heap[file].flags.mayRead else { throw .EBADF }
    guard heap[file].behaviour == .regular else { throw .EINVAL }
    return 0
  }

  /// Linux: `sync_file_range`.
  func synchronizeRange(_ call: CallArguments) throws(Errno) -> UInt64 {
    let file = try openedFile(call.first)
    let start = Int64(bitPattern: call.second)
    let count = Int64(bitPattern: call.third)
    guard call.fourth & ~7 & 0xFFFF_FFFF == 0, start >= 0, count >= 0,
      !start.addingReportingOverflow(count).overflow
    else { throw .EINVAL }
    guard heap[file].behaviour == .regular || heap[file].behaviour == .folder else {
      throw .ESPIPE
    }
    guard let cached = heap[heap[file].inode].file.reference else { return 0 }
    let end = count == 0 ? Int64.max : start + count
    return try withFile(call.first) { (file) throws(Errno) in
      try write(
        file, cached, from: UInt64(start) >> 12, through: UInt64(end - 1) >> 12,
        RangeSteps(rawValue: call.fourth))
      return 0
    }
  }

  /// Linux: `SYNC_FILE_RANGE_WAIT_BEFORE`, `SYNC_FILE_RANGE_WRITE`, `SYNC_FILE_RANGE_WAIT_AFTER`.
  private struct RangeSteps: FlagSet {
    let rawValue: UInt64

    static var waitBefore: Self { Self(rawValue: 1) }
    static var write: Self { Self(rawValue: 2) }
    static var waitAfter: Self { Self(rawValue: 4) }
  }

  /// Pages alone: neither the inode is written nor the disk's cache.
  private func write(
    _ file: Reference<OpenFile>, _ contents: Reference<CachedFile>, from first: UInt64,
    through last: UInt64, _ steps: RangeSteps
  ) throws(Errno) {
    if steps.contains(.waitBefore) { spaces.awaitWrites(of: contents) }
    if steps.contains(.write) {
      spaces.startWriteBack(of: contents, from: first, through: last, .asleep)
    }
    if steps.contains(.waitAfter) { spaces.awaitWrites(of: contents) }
    guard !steps.isDisjoint(with: .waitBefore.union(.waitAfter)) else { return }
    if fileSystems.takeContentsError(of: file) { throw .EIO }
  }

  // Extended attributes, which no file system here has

  /// Linux: `getxattr`, `setxattr`, `removexattr` and their kin, on a file system without.
  func refuseAttribute(
    _ path: UInt64, _ name: UInt64, _ flags: UInt64
  ) throws(Errno) -> UInt64 {
    try withInode(Self.workingFolderNumber, path, flags) { (_) throws(Errno) in
      _ = try load(at: name) as UInt8
    }
    throw .EOPNOTSUPP
  }

  func refuseAttribute(descriptor: UInt64, _ name: UInt64) throws(Errno) -> UInt64 {
    _ = try openedFile(descriptor)
    _ = try load(at: name) as UInt8
    throw .EOPNOTSUPP
  }

  /// Linux: `listxattr`, `llistxattr`: there are none.
  func listAttributes(_ path: UInt64, _ flags: UInt64) throws(Errno) -> UInt64 {
    try withInode(Self.workingFolderNumber, path, flags) { (_) throws(Errno) in 0 }
  }

  /// Linux: `flistxattr`.
  func listAttributes(descriptor: UInt64) throws(Errno) -> UInt64 {
    _ = try openedFile(descriptor)
    return 0
  }

  /// Linux: `chroot`.
  func changeRoot(_ path: UInt64) throws(Errno) -> UInt64 {
    let inode = try withInode(Self.workingFolderNumber, path, 0) { (inode) throws(Errno) in
      try fileSystems.checkWorkingFolder(inode, as: credentials)
      guard credentials.can(.changeRoot) else { throw .EPERM }
      fileSystems.retain(inode)
      return inode
    }
    let context = folderContext
    let old = heap[context].root.reference
    heap[context].root = Link(inode)
    if let old { fileSystems.release(old) }
    return 0
  }
}
