// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Reading.
extension FileSystems {
  /// Reads from where the open file stands, and moves it on.
  ///
  /// - Returns: the bytes read; 0 at the end.
  /// - Throws: EBADF, EISDIR, EFAULT, EIO, EINTR, EAGAIN, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `vfs_read()`.
  public func read(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard heap[file].flags.mayRead else { throw .EBADF }
    let byteCount = min(byteCount, Self.largestTransfer)
    switch heap[file].behaviour {
    case .regular, .text, .zero, .full, .null, .random:
      let position = heap[file].position
      let count = try readBytes(of: file, at: position, to: target, byteCount: byteCount)
      heap[file].position = position + UInt64(count)
      return count
    case .pipe: return try readPipe(file, to: target, byteCount: byteCount)
    case .socket: return try readSocket(file, to: target, byteCount: byteCount)
    case .standardInput: return try readInput(file, to: target, byteCount: byteCount)
    case .folder: throw .EISDIR
    case .pathOnly: throw .EBADF
    case .special(let kind):
      return try readSpecial(file, kind, to: target, byteCount: byteCount)
    case .standardOutput, .standardError, .absent: throw .EIO
    }
  }

  /// Reads from an offset; the open file stays where it stands. Linux: `pread64`.
  ///
  /// - Throws: as `read`, and ESPIPE.
  public func read(
    _ file: Reference<OpenFile>, at position: UInt64, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard position <= UInt64(Int64.max) else { throw .EINVAL }
    guard heap[file].flags.mayRead else { throw .EBADF }
    switch heap[file].behaviour {
    case .regular, .text, .zero, .full, .null, .random:
      return try readBytes(
        of: file, at: position, to: target, byteCount: min(byteCount, Self.largestTransfer))
    case .folder: throw .EISDIR
    case .pathOnly: throw .EBADF
    case .pipe, .socket, .standardInput, .standardOutput, .standardError, .absent, .special:
      throw .ESPIPE
    }
  }

  /// Linux: `MAX_RW_COUNT`.
  static var largestTransfer: Int { 0x7FFF_F000 }

  private func readBytes(
    of file: Reference<OpenFile>, at position: UInt64, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    switch heap[file].behaviour {
    case .regular:
      let inode = heap[file].inode
      if !heap[file].flags.contains(.noAccessTime) { noteRead(inode) }
      return try read(inode, at: position, to: target, byteCount: byteCount)
    case .text: return try readText(of: file, at: position, to: target, byteCount: byteCount)
    case .zero, .full: return try readZeros(to: target, byteCount: byteCount)
    case .random: return try fillRandom(target, byteCount: byteCount)
    default: return 0
    }
  }

  /// Reads a file through the page cache; holes of one in memory stay holes.
  ///
  /// A page that is in memory costs its lookup and its copy.
  ///
  /// - Returns: the bytes read; fewer where the file or the writable memory ends.
  /// - Throws: EFAULT, EIO, ENOMEM, if nothing was read before.
  /// - Context: may sleep.
  ///
  /// Linux: `filemap_read()`.
  public func read(
    _ inode: Reference<Inode>, at position: UInt64, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard let cached = heap[inode].file.reference else { throw .EINVAL }
    let size = heap[inode].byteCount
    guard position < size else { return 0 }
    let total = Int(min(UInt64(byteCount), size - position))
    var done = 0
    while done < total {
      let place = position + UInt64(done)
      let offset = Int(place & 4095)
      let count = min(total - done, 4096 - offset)
      let frame: PageFrameNumber
      do {
        frame = try pageToRead(of: cached, index: place >> 12)
      } catch {
        if done > 0 { return done }
        throw error
      }
      let copied = copy(
        from: bytes(of: frame), at: offset, byteCount: count, to: target.advanced(by: done))
      _ = frames.release(frame)
      done += copied
      if copied < count {
        guard done > 0 else { throw .EFAULT }
        return done
      }
    }
    return done
  }

  /// A page, or the page of zeros for a hole in memory; retained for the caller.
  func pageToRead(
    of file: Reference<CachedFile>, index: UInt64
  ) throws(Errno) -> PageFrameNumber {
    guard heap[file].backing == .memory else { return try page(of: file, index: index) }
    if let frame = spaces.presentPage(of: file, index: index) { return frame }
    let zeros = environment.memory.value.zeroFrame
    frames.retain(zeros)
    return zeros
  }

  private func readZeros(to target: TransferMemory, byteCount: Int) throws(Errno) -> Int {
    let zeros = bytes(of: environment.memory.value.zeroFrame)
    var done = 0
    while done < byteCount {
      let count = min(byteCount - done, 4096)
      let copied = copy(from: zeros, at: 0, byteCount: count, to: target.advanced(by: done))
      done += copied
      if copied < count { break }
    }
    guard done > 0 || byteCount == 0 else { throw .EFAULT }
    return done
  }
}
