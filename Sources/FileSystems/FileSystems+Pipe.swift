// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Pipes.
extension FileSystems {
  /// Makes a pipe and opens both its ends.
  ///
  /// - Parameter flags: `nonBlocking` and `direct` are kept.
  /// - Throws: ENOMEM.
  ///
  /// Linux: `pipe2`.
  public func makePipe(
    flags: OpenFlags
  ) throws(Errno) -> (reader: Reference<OpenFile>, writer: Reference<OpenFile>) {
    let pipe = try allocate(Pipe())
    var fresh = Inode(
      .pipes, of: .nameless, number: state.value.nextPipeNumber,
      mode: FileMode(.pipe, permissions: 0o600))
    state.value.nextPipeNumber += 1
    fresh.pipe = Link(pipe)
    stamp(&fresh, at: currentTime)
    let inode: Reference<Inode>
    do {
      inode = try allocate(fresh)
    } catch {
      heap.free(pipe)
      throw error
    }
    let kept = flags.intersection(.nonBlocking.union(.direct))
    // The ends hold the inode: the pipe goes with the last of them.
    defer { release(inode) }
    let reader: Reference<OpenFile>
    do {
      reader = try open(inode, flags: kept)
    } catch {
      heap[inode].pipe = Link(nil)
      heap.free(pipe)
      throw error
    }
    do {
      return (reader, try open(inode, flags: kept.union(.writeOnly)))
    } catch {
      release(reader)
      throw error
    }
  }

  /// Reads what is there, or waits until something is.
  ///
  /// - Returns: 0 where nobody writes any more.
  /// - Throws: EAGAIN, EINTR, EFAULT.
  /// - Context: may sleep.
  ///
  /// Linux: `pipe_read()`.
  func readPipe(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard let pipe = heap[heap[file].inode].pipe.reference else { throw .EIO }
    if byteCount == 0 { return 0 }
    lock(pipe)
    defer { unlock(pipe) }
    let waits = !heap[file].flags.contains(.nonBlocking)
    // As on Linux, writers are told by signals of every look into the pipe.
    if !waits, heap[pipe].byteCount == 0 { tellOwners(pipeKey(pipe), .output) }
    guard try waitForBytes(pipe, waits: waits) else { return 0 }
    defer { tellOwners(pipeKey(pipe), .output) }
    var done = 0
    while done < byteCount, heap[pipe].byteCount > 0 {
      let piece = firstPiece(of: pipe, byteCount: byteCount - done)
      let copied = copy(
        from: bytes(of: piece.frame), at: piece.offset, byteCount: piece.byteCount,
        to: target.advanced(by: done))
      consume(copied, of: pipe)
      done += copied
      if copied < piece.byteCount { break }
    }
    tellRoom(in: pipe)
    guard done > 0 else { throw .EFAULT }
    return done
  }

  /// Writes all, waiting for room; what fits in one page is never mixed with other writes.
  ///
  /// - Throws: EPIPE where nobody reads any more, EAGAIN, EINTR, EFAULT, ENOMEM; all but the
  ///   first only if nothing was written before.
  /// - Context: may sleep.
  ///
  /// Linux: `pipe_write()`.
  func writePipe(
    _ file: Reference<OpenFile>, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard let pipe = heap[heap[file].inode].pipe.reference else { throw .EIO }
    if byteCount == 0 { return 0 }
    lock(pipe)
    defer {
      unlock(pipe)
      tellOwners(pipeKey(pipe), .input)
    }
    var done = 0
    while done < byteCount {
      let needed = byteCount <= Pipe.atomicByteCount ? byteCount - done : 1
      do {
        try waitForRoom(
          in: pipe, byteCount: needed, waits: !heap[file].flags.contains(.nonBlocking))
        let count = try fillPage(
          of: pipe, from: source.advanced(by: done), byteCount: byteCount - done)
        done += count
      } catch {
        if done > 0 { break }
        throw error
      }
    }
    return done
  }

  /// Sleeps until there are bytes.
  ///
  /// - Precondition: the pipe is locked, and is so again when this returns.
  /// - Returns: false where nobody writes any more.
  /// - Throws: EAGAIN, EINTR.
  func waitForBytes(_ pipe: Reference<Pipe>, waits: Bool) throws(Errno) -> Bool {
    while heap[pipe].byteCount == 0 {
      if heap[pipe].writerCount == 0 { return false }
      guard waits else { throw .EAGAIN }
      unlock(pipe)
      let isAwoken = environment.sleepInterruptibly(on: readableKey(pipe))
      lock(pipe)
      guard isAwoken || heap[pipe].byteCount > 0 else { throw .EINTR }
    }
    return true
  }

  /// Sleeps until so many bytes fit.
  ///
  /// - Precondition: the pipe is locked, and is so again when this returns.
  /// - Throws: EPIPE where nobody reads any more, EAGAIN, EINTR.
  func waitForRoom(in pipe: Reference<Pipe>, byteCount: Int, waits: Bool) throws(Errno) {
    while true {
      guard heap[pipe].readerCount > 0 else { throw .EPIPE }
      if heap[pipe].room >= byteCount { return }
      guard waits else { throw .EAGAIN }
      unlock(pipe)
      tellOwners(pipeKey(pipe), .input)
      let isAwoken = environment.sleepInterruptibly(on: writableKey(pipe))
      lock(pipe)
      guard isAwoken else { throw .EINTR }
    }
  }

  /// The oldest bytes that lie in one page.
  ///
  /// - Parameter skipped: so many bytes are passed over; there are more.
  func firstPiece(
    of pipe: Reference<Pipe>, byteCount: Int, skipping skipped: Int = 0
  ) -> (frame: PageFrameNumber, offset: Int, byteCount: Int) {
    let place = (Int(heap[pipe].readCount) + skipped) & (Pipe.capacity - 1)
    let offset = place & 4095
    let count = min(min(byteCount, heap[pipe].byteCount - skipped), 4096 - offset)
    return (PageFrameNumber(heap[pipe].frames[place >> 12]), offset, count)
  }

  /// Takes away bytes of the first piece.
  func consume(_ byteCount: Int, of pipe: Reference<Pipe>) {
    let place = Int(heap[pipe].readCount) & (Pipe.capacity - 1)
    heap[pipe].readCount += UInt64(byteCount)
    if place & 4095 + byteCount == 4096 { dropPage(place >> 12, of: pipe) }
  }

  /// Wakes who waits to write.
  func tellRoom(in pipe: Reference<Pipe>) {
    environment.wake(writableKey(pipe))
    readinessChanged(pipeKey(pipe), .output.union(.normalOutput))
  }

  /// Sends writers signals where a page of the pipe was emptied since a count was read.
  ///
  /// Linux: `wakeup_pipe_writers()`.
  func tellRoom(in pipe: Reference<Pipe>, since readCount: UInt64) {
    tellRoom(in: pipe)
    guard heap[pipe].byteCount == 0 || heap[pipe].readCount >> 12 != readCount >> 12 else { return }
    tellOwners(pipeKey(pipe), .output)
  }

  /// Writes into the page where the pipe's data end, as much as it takes.
  func fillPage(
    of pipe: Reference<Pipe>, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let place = Int(heap[pipe].writtenCount) & (Pipe.capacity - 1)
    let offset = place & 4095
    let count = min(min(byteCount, heap[pipe].room), 4096 - offset)
    if heap[pipe].frames[place >> 12] == 0 {
      heap[pipe].frames[place >> 12] = try allocateFrames(.zero).value
    }
    let frame = PageFrameNumber(heap[pipe].frames[place >> 12])
    let copied = copy(from: source, byteCount: count, to: bytes(of: frame), at: offset)
    // As on Linux, a page that could not be copied whole does not count at all.
    guard copied == count else { throw .EFAULT }
    heap[pipe].writtenCount += UInt64(copied)
    environment.wake(readableKey(pipe))
    readinessChanged(pipeKey(pipe), .input.union(.normalInput))
    return copied
  }

  /// Takes the pages that so many more bytes will lie in.
  ///
  /// - Throws: ENOMEM.
  func prepareRoom(in pipe: Reference<Pipe>, byteCount: Int) throws(Errno) {
    let start = Int(heap[pipe].writtenCount)
    for page in (start >> 12)...((start + byteCount - 1) >> 12) {
      let slot = page & (Pipe.capacity >> 12 - 1)
      if heap[pipe].frames[slot] == 0 {
        heap[pipe].frames[slot] = try allocateFrames(.zero).value
      }
    }
  }

  /// Gives back a page that was read to its end, unless the writer is in it again.
  private func dropPage(_ slot: Int, of pipe: Reference<Pipe>) {
    guard heap[pipe].byteCount <= Pipe.capacity - 4096 else { return }
    freeFrames(PageFrameNumber(heap[pipe].frames[slot]), .zero)
    heap[pipe].frames[slot] = 0
  }

  /// Linux: `pipe_poll()`.
  func pipeReadiness(of file: Reference<OpenFile>) -> Readiness {
    guard let pipe = heap[heap[file].inode].pipe.reference else { return .hangUp }
    var ready = Readiness()
    if heap[file].flags.mayRead {
      if heap[pipe].byteCount > 0 { ready.formUnion(.input.union(.normalInput)) }
      if heap[pipe].writerCount == 0 { ready.formUnion(.hangUp) }
    }
    if heap[file].flags.mayWrite {
      if heap[pipe].room >= Pipe.atomicByteCount {
        ready.formUnion(.output.union(.normalOutput))
      }
      if heap[pipe].readerCount == 0 { ready.formUnion(.error) }
    }
    return ready
  }

  /// Keeps other tasks' transfers out, since copying may sleep. Linux: `pipe_lock()`.
  func lock(_ pipe: Reference<Pipe>) {
    while heap[pipe].isBusy { environment.sleep(on: busyKey(pipe)) }
    heap[pipe].isBusy = true
  }

  func unlock(_ pipe: Reference<Pipe>) {
    heap[pipe].isBusy = false
    environment.wake(busyKey(pipe))
  }

  /// Wakes all that wait for a pipe: one of its ends has come or gone.
  func wakePipe(_ pipe: Reference<Pipe>) {
    environment.wake(readableKey(pipe))
    environment.wake(writableKey(pipe))
    readinessChanged(
      pipeKey(pipe),
      .input.union(.normalInput).union(.output).union(.normalOutput).union(.hangUp).union(.error))
  }

  func pipeKey(_ pipe: Reference<Pipe>) -> SleepKey {
    .object(pipe.raw, channel: Self.readinessChannel)
  }
  private func busyKey(_ pipe: Reference<Pipe>) -> SleepKey { .object(pipe.raw, channel: 1) }
  private func readableKey(_ pipe: Reference<Pipe>) -> SleepKey { .object(pipe.raw, channel: 2) }
  private func writableKey(_ pipe: Reference<Pipe>) -> SleepKey { .object(pipe.raw, channel: 3) }
}
