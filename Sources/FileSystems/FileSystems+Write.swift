// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Writing.
extension FileSystems {
  /// Writes where the open file stands.
  ///
  /// - Returns: the bytes written.
  /// - Throws: EBADF, EFAULT, EIO, EINTR, EAGAIN, ENOSPC, ENOMEM, and EPIPE where nobody reads
  ///   any more: the caller then raises SIGPIPE.
  /// - Context: may sleep.
  ///
  /// Linux: `vfs_write()`.
  public func write(
    _ file: Reference<OpenFile>, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard heap[file].flags.mayWrite else { throw .EBADF }
    let byteCount = min(byteCount, Self.largestTransfer)
    switch heap[file].behaviour {
    case .pipe: return try writePipe(file, from: source, byteCount: byteCount)
    case .socket:
      let waits = !heap[file].flags.contains(.nonBlocking)
      return try send(file, from: source, byteCount: byteCount, waits: waits)
    case .standardOutput: return try writeStream(.output, from: source, byteCount: byteCount)
    case .standardError: return try writeStream(.error, from: source, byteCount: byteCount)
    case .special(let kind):
      return try writeSpecial(file, kind, from: source, byteCount: byteCount)
    case .null, .zero, .random: return byteCount
    case .full:
      if byteCount == 0 { return 0 }
      throw .ENOSPC
    case .regular: return try writeContents(of: file, at: nil, from: source, byteCount: byteCount)
    case .text: return try writeText(of: file, from: source, byteCount: byteCount)
    case .folder, .pathOnly, .standardInput: throw .EBADF
    case .absent: throw .EIO
    }
  }

  /// Writes at an offset. Linux: `pwrite64`.
  ///
  /// - Throws: as `write`, and ESPIPE.
  public func write(
    _ file: Reference<OpenFile>, at position: UInt64, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard position <= UInt64(Int64.max) else { throw .EINVAL }
    guard heap[file].flags.mayWrite else { throw .EBADF }
    switch heap[file].behaviour {
    case .pipe, .socket, .standardInput, .standardOutput, .standardError, .absent, .special:
      throw .ESPIPE
    case .regular:
      return try writeContents(
        of: file, at: position, from: source, byteCount: min(byteCount, Self.largestTransfer))
    default: return try write(file, from: source, byteCount: byteCount)
    }
  }

  /// Writes at an offset, or with nil where the file stands, in a manner of its own.
  ///
  /// - Throws: as `write`, and ESPIPE.
  ///
  /// Linux: `pwritev2`.
  public func write(
    _ file: Reference<OpenFile>, at position: UInt64?, from source: TransferMemory,
    byteCount: Int, _ manner: WriteManner
  ) throws(Errno) -> Int {
    guard heap[file].behaviour == .regular, heap[file].flags.mayWrite else {
      guard let position else { return try write(file, from: source, byteCount: byteCount) }
      return try write(file, at: position, from: source, byteCount: byteCount)
    }
    return try writeContents(
      of: file, at: position, from: source, byteCount: min(byteCount, Self.largestTransfer),
      manner)
  }

  /// Copies from one open file to another inside the kernel, a page at a time.
  ///
  /// - Parameters:
  ///   - position: where to read; nil for where the source stands.
  ///   - targetStart: where to write; nil for where the target stands.
  /// - Returns: the bytes copied.
  /// - Throws: as `read` and `write`, and EINVAL unless the source is a file of the disk.
  /// - Context: may sleep.
  ///
  /// Linux: `sendfile`.
  public func transfer(
    from source: Reference<OpenFile>, at position: UInt64?, to target: Reference<OpenFile>,
    at targetStart: UInt64? = nil, byteCount: Int
  ) throws(Errno) -> Int {
    guard heap[source].flags.mayRead, heap[target].flags.mayWrite else { throw .EBADF }
    guard heap[source].behaviour == .regular, let file = heap[heap[source].inode].file.reference
    else { throw .EINVAL }
    let start = position ?? heap[source].position
    let size = heap[heap[source].inode].byteCount
    let wanted = UInt64(min(byteCount, Self.largestTransfer))
    let total = start < size ? Int(min(wanted, size - start)) : 0
    var done = 0
    while done < total {
      let place = start + UInt64(done)
      let offset = Int(place & 4095)
      let count = min(total - done, 4096 - offset)
      do {
        let frame = try pageToRead(of: file, index: place >> 12)
        defer { _ = frames.release(frame) }
        let memory = TransferMemory.kernel(bytes(of: frame), at: offset)
        let written: Int
        if let targetStart {
          written = try write(
            target, at: targetStart + UInt64(done), from: memory, byteCount: count)
        } else {
          written = try write(target, from: memory, byteCount: count)
        }
        done += written
        if written < count { break }
      } catch {
        if done > 0 { break }
        throw error
      }
    }
    if position == nil { heap[source].position = start + UInt64(done) }
    return done
  }
}
