// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Opening and closing the ends of pipes, with a name or without, and their size.
extension FileSystems {
  /// Counts an end that was opened; of a pipe with a name it makes the pipe, and waits for the
  /// other end.
  ///
  /// - Throws: ENXIO where nobody reads and the writer does not wait, EINTR, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `fifo_open()`.
  func openPipeEnd(of file: Reference<OpenFile>) throws(Errno) {
    let inode = heap[file].inode
    if heap[inode].pipe.reference == nil {
      let fresh = try allocate(Pipe())
      if heap[inode].pipe.reference == nil {
        heap[inode].pipe = Link(fresh)
      } else {
        heap.free(fresh)
      }
    }
    guard let pipe = heap[inode].pipe.reference else { throw .EIO }
    let flags = heap[file].flags
    let isNamed = heap[inode].tree != .pipes
    if isNamed, flags.mayWrite, !flags.mayRead, flags.contains(.nonBlocking),
      heap[pipe].readerCount == 0
    {
      if heap[pipe].writerCount == 0 { dropPipe(of: inode, pipe) }
      throw .ENXIO
    }
    count(file, in: pipe)
    guard isNamed, !(flags.mayRead && flags.mayWrite), !flags.contains(.nonBlocking) else {
      return
    }
    let isReader = flags.mayRead
    let before = isReader ? heap[pipe].writerOpenings : heap[pipe].readerOpenings
    let isThere = isReader ? heap[pipe].writerCount > 0 : heap[pipe].readerCount > 0
    if isThere { return }
    while before == (isReader ? heap[pipe].writerOpenings : heap[pipe].readerOpenings) {
      guard environment.sleepInterruptibly(on: openingKey(pipe)) else {
        closePipeEnd(of: file)
        throw .EINTR
      }
    }
  }

  private func count(_ file: Reference<OpenFile>, in pipe: Reference<Pipe>) {
    if heap[file].flags.mayRead {
      heap[pipe].readerCount += 1
      heap[pipe].readerOpenings &+= 1
    }
    if heap[file].flags.mayWrite {
      heap[pipe].writerCount += 1
      heap[pipe].writerOpenings &+= 1
    }
    environment.wake(openingKey(pipe))
  }

  /// Ends one open end; the last open file takes the pipe with it.
  func closePipeEnd(of file: Reference<OpenFile>) {
    let inode = heap[file].inode
    guard let pipe = heap[inode].pipe.reference else { return }
    if heap[file].flags.mayRead { heap[pipe].readerCount -= 1 }
    if heap[file].flags.mayWrite { heap[pipe].writerCount -= 1 }
    wakePipe(pipe)
    if (heap[pipe].readerCount == 0) != (heap[pipe].writerCount == 0) {
      tellOwners(pipeKey(pipe), .input)
      tellOwners(pipeKey(pipe), .output)
    }
    guard heap[pipe].readerCount == 0, heap[pipe].writerCount == 0 else { return }
    dropPipe(of: inode, pipe)
  }

  private func dropPipe(of inode: Reference<Inode>, _ pipe: Reference<Pipe>) {
    heap[inode].pipe = Link(nil)
    for slot in 0..<16 where heap[pipe].frames[slot] != 0 {
      freeFrames(PageFrameNumber(heap[pipe].frames[slot]), .zero)
    }
    heap.free(pipe)
  }

  private func pipe(of file: Reference<OpenFile>) throws(Errno) -> Reference<Pipe> {
    guard heap[file].behaviour == .pipe, let pipe = heap[heap[file].inode].pipe.reference else {
      throw .EBADF
    }
    return pipe
  }

  /// Linux: `F_GETPIPE_SZ`.
  public func pipeSize(of file: Reference<OpenFile>) throws(Errno) -> UInt64 {
    UInt64(heap[try pipe(of: file)].limit)
  }

  /// Makes a pipe take fewer bytes, or as many as before: a power of two of at least a page.
  ///
  /// - Returns: the size that it has then.
  /// - Throws: EINVAL, EPERM for more than 64 KiB, EBUSY where more is in it. Linux:
  ///   `F_SETPIPE_SZ`, which lets the administrator have more.
  public func setPipeSize(of file: Reference<OpenFile>, _ size: UInt64) throws(Errno) -> UInt64 {
    let pipe = try pipe(of: file)
    let wanted = size & 0xFFFF_FFFF
    guard wanted <= 1 << 31 else { throw .EINVAL }
    var rounded = 4096
    while rounded < wanted { rounded *= 2 }
    guard rounded <= Pipe.capacity else { throw .EPERM }
    guard heap[pipe].byteCount <= rounded else { throw .EBUSY }
    heap[pipe].limit = rounded
    wakePipe(pipe)
    return UInt64(rounded)
  }

  private func openingKey(_ pipe: Reference<Pipe>) -> SleepKey { .object(pipe.raw, channel: 4) }
}
