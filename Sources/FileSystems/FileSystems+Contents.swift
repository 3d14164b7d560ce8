// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Where a write goes, if not only the open file's flags say so.
public enum WriteManner: BitwiseCopyable, Sendable {
  case asOpened
  /// At the end of the file. Linux: `RWF_APPEND`.
  case appending
  /// Where it is said, also where the file was opened to append. Linux: `RWF_NOAPPEND`.
  case placed
}

/// Writing and cutting the contents of regular files.
extension FileSystems {
  /// Writes into a regular file, which grows if need be.
  ///
  /// - Parameter position: nil for where the open file stands; it then moves on.
  /// - Throws: EFBIG, ENOSPC, EPERM where it is sealed, EFAULT, EIO, ENOMEM.
  /// - Context: may sleep; other writers of the file wait meanwhile.
  ///
  /// Linux: `generic_file_write_iter()`.
  func writeContents(
    of file: Reference<OpenFile>, at position: UInt64?, from source: TransferMemory,
    byteCount: Int, _ manner: WriteManner = .asOpened
  ) throws(Errno) -> Int {
    if byteCount == 0 { return 0 }
    let inode = heap[file].inode
    let done = try withContents(of: inode) { () throws(Errno) in
      var place = position ?? heap[file].position
      let appends = manner == .asOpened && heap[file].flags.contains(.append)
      if appends || manner == .appending { place = heap[inode].byteCount }
      let count = try allowedByteCount(of: inode, from: place, byteCount)
      try checkSeals(of: inode, from: place, byteCount: count)
      let done =
        heap[inode].tree == .memory
        ? try memoryWrite(inode, at: place, from: source, byteCount: count)
        : try diskWrite(inode, at: place, from: source, byteCount: count)
      noteWritten(inode)
      if position == nil { heap[file].position = place + UInt64(done) }
      return done
    }
    if heap[file].flags.contains(.dataSynchronous) { try synchronize(file) }
    return done
  }

  /// How much of a write may be. Linux: `generic_write_checks()`.
  private func allowedByteCount(
    of inode: Reference<Inode>, from place: UInt64, _ byteCount: Int
  ) throws(Errno) -> Int {
    let limit = environment.fileByteLimit
    guard place < limit else {
      environment.fileByteLimitExceeded()
      throw .EFBIG
    }
    let largest = largestByteCount(of: inode)
    guard place < largest else { throw .EFBIG }
    return Int(min(UInt64(byteCount), min(limit, largest) - place))
  }

  /// Where the largest file that may be made there ends. Linux: `s_maxbytes`.
  private func largestByteCount(of inode: Reference<Inode>) -> UInt64 {
    heap[inode].tree == .disk ? diskLargestByteCount(heap[inode].volume) : 1 << 52
  }

  /// Linux: `shmem_write_begin()`.
  private func checkSeals(
    of inode: Reference<Inode>, from place: UInt64, byteCount: Int
  ) throws(Errno) {
    let seals = heap[inode].seals
    guard seals != 0 else { return }
    if seals & (FileSeal.write | FileSeal.futureWrite) != 0 { throw .EPERM }
    let end = place + UInt64(byteCount)
    if seals & FileSeal.grow != 0, end > heap[inode].byteCount { throw .EPERM }
  }

  /// Times of a file that was written, and rights that go with that. Linux: `file_remove_privs()`.
  private func noteWritten(_ inode: Reference<Inode>) {
    dropRights(ofWritten: inode)
    let now = currentTime
    heap[inode].modified = now
    heap[inode].changed = now
    if heap[inode].tree == .disk { diskNoteChanged(inode) }
  }

  /// The time of a read, if the last one is older than a change, or a day. Linux: `relatime`.
  func noteRead(_ inode: Reference<Inode>) {
    guard heap[inode].tree == .memory || heap[inode].tree == .disk,
      !isReadOnly(heap[inode].volume)
    else { return }
    let now = currentTime
    let last = heap[inode].accessed
    let isOld =
      last.isAtMost(heap[inode].modified) || last.isAtMost(heap[inode].changed)
      || now.seconds - last.seconds >= 86400
    guard isOld, last != now else { return }
    heap[inode].accessed = now
    if heap[inode].tree == .disk { diskNoteChanged(inode) }
  }

  private func memoryWrite(
    _ inode: Reference<Inode>, at position: UInt64, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard let cached = heap[inode].file.reference else { throw .EINVAL }
    var done = 0
    while done < byteCount {
      let place = position + UInt64(done)
      let offset = Int(place & 4095)
      let count = min(byteCount - done, 4096 - offset)
      let wasHole = spaces.firstPage(of: cached, from: place >> 12) != place >> 12
      let frame: PageFrameNumber
      do {
        frame = try page(of: cached, index: place >> 12)
      } catch {
        if done > 0 { break }
        throw error
      }
      let copied = copy(
        from: source.advanced(by: done), byteCount: count, to: bytes(of: frame), at: offset)
      _ = frames.release(frame)
      done += copied
      grow(inode, to: position + UInt64(done))
      if copied < count {
        if wasHole, copied == 0 {
          spaces.removePages(of: cached, from: place >> 12, to: place >> 12 + 1)
        }
        guard done > 0 else { throw .EFAULT }
        break
      }
    }
    return done
  }

  /// Lets a file end at a byte if it ends before it.
  func grow(_ inode: Reference<Inode>, to end: UInt64) {
    guard end > heap[inode].byteCount else { return }
    heap[inode].byteCount = end
    if let file = heap[inode].file.reference { heap[file].byteCount = end }
  }

  /// Makes a regular file end at a byte.
  ///
  /// - Throws: EISDIR, EINVAL of what is no regular file, ETXTBSY of one that runs, EFBIG, EPERM
  ///   where it is sealed, EIO.
  /// - Context: may sleep. Linux: `do_truncate()`.
  public func truncate(_ inode: Reference<Inode>, to byteCount: UInt64) throws(Errno) {
    guard !heap[inode].mode.isFolder else { throw .EISDIR }
    guard heap[inode].mode.isRegular else { throw .EINVAL }
    guard heap[inode].runnerCount == 0 else { throw .ETXTBSY }
    try withContents(of: inode) { () throws(Errno) in
      let old = heap[inode].byteCount
      let seals = heap[inode].seals
      if byteCount > old {
        try checkGrowth(of: inode, to: byteCount)
        if seals & FileSeal.grow != 0 { throw .EPERM }
      } else if byteCount < old, seals & FileSeal.shrink != 0 {
        throw .EPERM
      }
      switch heap[inode].tree {
      case .memory:
        heap[inode].byteCount = byteCount
        if let file = heap[inode].file.reference { spaces.truncate(file, to: byteCount) }
      case .disk:
        if isReadOnly(heap[inode].volume) { throw .EROFS }
        try diskTruncate(inode, to: byteCount)
      case .devices, .processes, .system, .pipes, .streams, .sockets, .nameless: throw .EINVAL
      }
      noteWritten(inode)
    }
  }

  private func checkGrowth(of inode: Reference<Inode>, to end: UInt64) throws(Errno) {
    guard end <= environment.fileByteLimit else {
      environment.fileByteLimitExceeded()
      throw .EFBIG
    }
    let isTooLarge = heap[inode].tree == .disk && end > largestByteCount(of: inode)
    guard !isTooLarge else { throw .EFBIG }
  }

  /// Cuts an open file. Linux: `ftruncate`.
  ///
  /// - Throws: as `truncate`, and EINVAL unless it is a regular file open for writing.
  public func truncate(_ file: Reference<OpenFile>, to byteCount: UInt64) throws(Errno) {
    guard heap[file].behaviour != .pathOnly else { throw .EBADF }
    guard heap[heap[file].inode].mode.isRegular, heap[file].flags.mayWrite else {
      throw .EINVAL
    }
    try truncate(heap[file].inode, to: byteCount)
  }

  /// Writes what of a file is in memory only, and waits for it. Linux: `fsync`.
  ///
  /// - Throws: EINVAL of what has no contents, EIO. Context: may sleep.
  func synchronize(_ inode: Reference<Inode>) throws(Errno) {
    switch heap[inode].tree {
    case .disk: if !isReadOnly(heap[inode].volume) { try diskSynchronize(inode) }
    case .memory, .devices: return
    case .processes, .system, .pipes, .streams, .sockets, .nameless: throw .EINVAL
    }
  }

  /// Writes what of any file is in memory only, and waits for it. Linux: `sync`, `syncfs`.
  public func synchronizeAll(_ volume: MountPlace) throws(Errno) {
    guard isMounted(volume), !isReadOnly(volume) else { return }
    if volume == .root || volume == .scratch { try diskSynchronizeAll(volume) }
  }

  /// The first byte of data or of a hole. Linux: `SEEK_DATA`, `SEEK_HOLE`.
  ///
  /// Of a disk holes are not told apart: all is data, and the one hole is the end.
  ///
  /// - Throws: ENXIO where no data follow.
  /// - Precondition: the offset is in the file.
  func firstByte(
    of file: Reference<OpenFile>, from offset: UInt64, _ origin: SeekOrigin
  ) throws(Errno) -> UInt64 {
    let inode = heap[file].inode
    guard heap[inode].tree == .memory, let cached = heap[inode].file.reference else {
      return origin == .data ? offset : heap[inode].byteCount
    }
    let end = heap[inode].byteCount
    guard origin == .hole else {
      guard let index = spaces.firstPage(of: cached, from: offset >> 12), index << 12 < end else {
        throw .ENXIO
      }
      return max(offset, index << 12)
    }
    var index = offset >> 12
    while let next = spaces.firstPage(of: cached, from: index), next == index { index += 1 }
    return min(max(offset, index << 12), end)
  }
}

/// What of a memory file may not be done any more. Linux: `F_SEAL_SEAL` and its kin.
public enum FileSeal {
  public static var seal: UInt32 { 1 }
  public static var shrink: UInt32 { 2 }
  public static var grow: UInt32 { 4 }
  public static var write: UInt32 { 8 }
  public static var futureWrite: UInt32 { 16 }
  public static var execute: UInt32 { 32 }
}
