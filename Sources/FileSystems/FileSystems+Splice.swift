// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Bytes between pipes and files, without a program's memory in between. They are copied: a page
/// of a pipe is never one of a file's at the same time.
extension FileSystems {
  /// The pipe of which a file is an end; nil of other files.
  public func splicedPipe(of file: Reference<OpenFile>) -> Reference<Pipe>? {
    guard heap[file].behaviour == .pipe else { return nil }
    return heap[heap[file].inode].pipe.reference
  }

  /// Moves what a pipe holds to a file, up to a count; waits for the first byte only.
  ///
  /// - Parameters:
  ///   - start: where to write; nil for where the target stands.
  ///   - waits: for the pipe's bytes.
  /// - Returns: 0 where nobody writes to the pipe any more.
  /// - Throws: EAGAIN, EINTR, and as `write`; then no byte was taken from the pipe.
  /// - Context: may sleep.
  ///
  /// Linux: `iter_file_splice_write()`, `splice_to_socket()`.
  public func splice(
    from pipe: Reference<Pipe>, to target: Reference<OpenFile>, at start: UInt64?,
    byteCount: Int, waits: Bool
  ) throws(Errno) -> Int {
    lock(pipe)
    defer { unlock(pipe) }
    guard try waitForBytes(pipe, waits: waits) else { return 0 }
    var done = 0
    let readCount = heap[pipe].readCount
    defer { tellRoom(in: pipe, since: readCount) }
    while done < byteCount, heap[pipe].byteCount > 0 {
      let piece = firstPiece(of: pipe, byteCount: byteCount - done)
      let memory = TransferMemory.kernel(bytes(of: piece.frame), at: piece.offset)
      do throws(Errno) {
        let written =
          if let start {
            try write(
              target, at: start + UInt64(done), from: memory, byteCount: piece.byteCount)
          } else {
            try write(target, from: memory, byteCount: piece.byteCount)
          }
        consume(written, of: pipe)
        done += written
        if written < piece.byteCount { break }
      } catch {
        if done > 0 { break }
        throw error
      }
    }
    return done
  }

  /// Reads a file into a pipe, as much as that takes; waits for room for the first byte only.
  ///
  /// - Parameter start: where to read; nil for where the source stands.
  /// - Returns: 0 at the file's end.
  /// - Throws: EPIPE where nobody reads the pipe, EAGAIN, EINTR, ENOMEM, and as `read`.
  /// - Context: may sleep.
  ///
  /// Linux: `splice_file_to_pipe()`.
  public func splice(
    from source: Reference<OpenFile>, at start: UInt64?, to pipe: Reference<Pipe>,
    byteCount: Int, waits: Bool
  ) throws(Errno) -> Int {
    let page = try allocateFrames(.zero)
    defer { freeFrames(page, .zero) }
    lock(pipe)
    defer { unlock(pipe) }
    try waitForRoom(in: pipe, byteCount: 1, waits: waits)
    var done = 0
    while done < byteCount, heap[pipe].room > 0 {
      let count = min(min(byteCount - done, heap[pipe].room), 4096)
      do throws(Errno) {
        try prepareRoom(in: pipe, byteCount: count)
        let memory = TransferMemory.kernel(bytes(of: page), at: 0)
        let got =
          if let start {
            try read(source, at: start + UInt64(done), to: memory, byteCount: count)
          } else {
            try read(source, to: memory, byteCount: count)
          }
        fill(pipe, from: memory, byteCount: got)
        done += got
        // What is not a file of the disk gives what it has, and is not waited for again.
        if got < count || heap[source].behaviour != .regular { break }
      } catch {
        if done > 0 { break }
        throw error
      }
    }
    if done > 0 { tellOwners(pipeKey(pipe), .input) }
    return done
  }

  /// Moves or copies bytes from one pipe to another; waits for the first byte and room for it.
  ///
  /// - Parameter keeps: the bytes stay in the first pipe too.
  /// - Returns: 0 where nobody writes to the first any more.
  /// - Throws: EPIPE where nobody reads the second, EAGAIN, EINTR, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `splice_pipe_to_pipe()`, `link_pipe()`.
  public func splice(
    from source: Reference<Pipe>, to target: Reference<Pipe>, byteCount: Int, keeps: Bool,
    waits: Bool
  ) throws(Errno) -> Int {
    // Both are locked in one order, and neither while the other is waited for.
    let first = source.raw < target.raw ? source : target
    let second = source.raw < target.raw ? target : source
    while true {
      guard try isReadable(source, waits: waits) else {
        guard heap[target].readerCount > 0 else { throw .EPIPE }
        return 0
      }
      try becomeWritable(target, waits: waits)
      lock(first)
      lock(second)
      defer {
        unlock(second)
        unlock(first)
      }
      if heap[source].byteCount > 0, heap[target].room > 0 {
        return try move(from: source, to: target, byteCount: byteCount, keeps: keeps)
      }
    }
  }

  private func isReadable(_ pipe: Reference<Pipe>, waits: Bool) throws(Errno) -> Bool {
    lock(pipe)
    defer { unlock(pipe) }
    return try waitForBytes(pipe, waits: waits)
  }

  private func becomeWritable(_ pipe: Reference<Pipe>, waits: Bool) throws(Errno) {
    lock(pipe)
    defer { unlock(pipe) }
    try waitForRoom(in: pipe, byteCount: 1, waits: waits)
  }

  private func move(
    from source: Reference<Pipe>, to target: Reference<Pipe>, byteCount: Int, keeps: Bool
  ) throws(Errno) -> Int {
    var done = 0
    let readCount = heap[source].readCount
    while done < byteCount, heap[target].room > 0 {
      let skipped = keeps ? done : 0
      guard heap[source].byteCount > skipped else { break }
      let piece = firstPiece(of: source, byteCount: byteCount - done, skipping: skipped)
      let memory = TransferMemory.kernel(bytes(of: piece.frame), at: piece.offset)
      do throws(Errno) {
        let moved = try fillPage(of: target, from: memory, byteCount: piece.byteCount)
        if !keeps { consume(moved, of: source) }
        done += moved
      } catch {
        if done > 0 { break }
        throw error
      }
    }
    if done > 0 { tellOwners(pipeKey(target), .input) }
    if !keeps { tellRoom(in: source, since: readCount) }
    return done
  }

  /// Writes into a pipe what fits at once; waits for room for the first byte only.
  ///
  /// - Throws: EPIPE, EAGAIN, EINTR, EFAULT, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `vmsplice_to_pipe()`, whose pages stay the program's; these are copies.
  public func splice(
    from memory: TransferMemory, to pipe: Reference<Pipe>, byteCount: Int, waits: Bool
  ) throws(Errno) -> Int {
    lock(pipe)
    defer { unlock(pipe) }
    try waitForRoom(in: pipe, byteCount: 1, waits: waits)
    var done = 0
    while done < byteCount, heap[pipe].room > 0 {
      do throws(Errno) {
        done += try fillPage(
          of: pipe, from: memory.advanced(by: done), byteCount: byteCount - done)
      } catch {
        if done > 0 { break }
        throw error
      }
    }
    if done > 0 { tellOwners(pipeKey(pipe), .input) }
    return done
  }

  /// Copies bytes for which there is room and memory, so that nothing is lost that was read.
  private func fill(_ pipe: Reference<Pipe>, from memory: TransferMemory, byteCount: Int) {
    var done = 0
    while done < byteCount {
      let count = try? fillPage(
        of: pipe, from: memory.advanced(by: done), byteCount: byteCount - done)
      guard let count else { preconditionFailure("a pipe's page was there before") }
      done += count
    }
  }
}
