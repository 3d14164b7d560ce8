// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Files in memory that have no name in any folder, what may not be done with them any more, and
/// room that is made or given back inside of files.
extension FileSystems {
  /// Makes a file in memory and opens it.
  ///
  /// - Parameter name: what /proc says of it.
  /// - Throws: ENOMEM, ENFILE. Linux: `memfd_create`.
  public func makeMemoryFile(
    named name: PathText, seals: UInt32, permissions: UInt16, as credentials: Credentials
  ) throws(Errno) -> Reference<OpenFile> {
    let inode = try makeMemoryInode(
      NewFile(
        mode: FileMode(.regular, permissions: permissions), user: credentials.user,
        group: credentials.group),
      of: .nameless)
    heap[inode].seals = seals
    do {
      let text = FileName(block: name.block, offset: name.start, byteCount: name.byteCount)
      let entry = try makeEntry(text, in: Link(nil), of: inode)
      heap[entry].isRemoved = true
      heap[entry].inode = Link(nil)
      heap[inode].entry = Link(entry)
      let file = try open(inode, flags: .readWrite)
      release(inode)
      return file
    } catch {
      release(inode)
      throw error
    }
  }

  /// Linux: `F_GET_SEALS`. Throws: EINVAL of what cannot be sealed.
  public func seals(of file: Reference<OpenFile>) throws(Errno) -> UInt32 {
    let inode = heap[file].inode
    guard heap[inode].tree == .memory, heap[inode].mode.isRegular else { throw .EINVAL }
    return heap[inode].volume == .nameless ? heap[inode].seals : FileSeal.seal
  }

  /// Whether a file may not be mapped to be written. Linux: `memfd_check_seals_mmap()`.
  public func isSealedAgainstWrites(_ file: Reference<OpenFile>) -> Bool {
    heap[heap[file].inode].seals & (FileSeal.write | FileSeal.futureWrite) != 0
  }

  /// Linux: `memfd_add_seals()`.
  ///
  /// - Throws: EINVAL, EPERM where it is open for reading or sealed against seals, EBUSY where a
  ///   shared mapping may write what is to be sealed.
  public func addSeals(_ seals: UInt32, to file: Reference<OpenFile>) throws(Errno) {
    let inode = heap[file].inode
    guard heap[file].flags.mayWrite else { throw .EPERM }
    guard seals & ~0x3F == 0 else { throw .EINVAL }
    let old = try self.seals(of: file)
    guard old & FileSeal.seal == 0 else { throw .EPERM }
    if seals & FileSeal.write != 0, let cached = heap[inode].file.reference,
      spaces.hasWritableMapping(cached)
    {
      throw .EBUSY
    }
    heap[inode].seals |= seals
  }

  /// How a file's room is changed. Linux: the modes of `fallocate`.
  public enum RoomChange: BitwiseCopyable, Sendable {
    /// Pages are made, and the file grows.
    case made
    /// Pages are made; it ends where it did. Linux: `FALLOC_FL_KEEP_SIZE`.
    case reserved
    /// Pages are given back. Linux: `FALLOC_FL_PUNCH_HOLE`.
    case punched
  }

  /// Makes room in a file, or gives room back.
  ///
  /// - Throws: EBADF, ESPIPE, EISDIR, ENODEV, EFBIG, ENOSPC, EPERM where it is sealed,
  ///   EOPNOTSUPP on disks.
  /// - Context: may sleep. Linux: `vfs_fallocate()`, `shmem_fallocate()`.
  public func changeRoom(
    of file: Reference<OpenFile>, _ change: RoomChange, from start: UInt64, byteCount: UInt64
  ) throws(Errno) {
    guard heap[file].flags.mayWrite, heap[file].behaviour != .pathOnly else { throw .EBADF }
    let inode = heap[file].inode
    if heap[file].behaviour == .pipe { throw .ESPIPE }
    guard heap[inode].mode.isRegular else { throw .ENODEV }
    guard heap[inode].tree == .memory, let cached = heap[inode].file.reference else {
      throw .EOPNOTSUPP
    }
    try withContents(of: inode) { () throws(Errno) in
      let end = start + byteCount
      let seals = heap[inode].seals
      if case .punched = change {
        if seals & (FileSeal.write | FileSeal.futureWrite) != 0 { throw .EPERM }
        punch(cached, from: start, to: end)
      } else {
        if seals & FileSeal.grow != 0, end > heap[inode].byteCount { throw .EPERM }
        guard end <= environment.fileByteLimit else {
          environment.fileByteLimitExceeded()
          throw .EFBIG
        }
        guard end <= 1 << 52 else { throw .EFBIG }
        try fill(cached, from: start >> 12, to: (end + 4095) >> 12)
        if case .made = change { grow(inode, to: end) }
      }
      heap[inode].changed = currentTime
      heap[inode].modified = heap[inode].changed
    }
  }

  private func punch(_ file: Reference<CachedFile>, from start: UInt64, to end: UInt64) {
    let first = (start + 4095) >> 12
    let last = end >> 12
    guard first <= last else {
      return spaces.clear(file, index: start >> 12, from: Int(start & 4095), to: Int(end & 4095))
    }
    if start & 4095 != 0 {
      spaces.clear(file, index: start >> 12, from: Int(start & 4095), to: 4096)
    }
    if end & 4095 != 0 { spaces.clear(file, index: last, from: 0, to: Int(end & 4095)) }
    spaces.removePages(of: file, from: first, to: last)
  }

  /// Makes the pages that are missing; all or, where there is no room, none.
  private func fill(
    _ file: Reference<CachedFile>, from first: UInt64, to end: UInt64
  ) throws(Errno) {
    if let account = heap[file].account.reference {
      let room = heap[account].limit.value - heap[account].used.value
      guard end - first <= UInt64(heap[account].limit.value) else { throw .ENOSPC }
      var missing = 0
      for index in first..<end where spaces.firstPage(of: file, from: index) != index {
        missing += 1
      }
      guard missing <= room else { throw .ENOSPC }
    }
    for index in first..<end { _ = frames.release(try page(of: file, index: index)) }
  }
}
