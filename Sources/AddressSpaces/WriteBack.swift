// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits
import PageFrames

/// Writing dirty pages to their disk.
///
/// A page that is on its way is clean again: a write to it meanwhile makes it dirty once more, and
/// it is written once more when it has arrived.
///
/// Linux: `fs/fs-writeback.c`, `mm/page-writeback.c`.
extension AddressSpaces {
  /// Pages of one transfer, at the most.
  static var longestWrite: Int { 32 }

  /// Starts writing the dirty pages of an index range, in the order of the file.
  ///
  /// - Parameters:
  ///   - limit: pages to start at the most.
  ///   - patience: how to wait for the disk to take them. Who sleeps waits also for pages that
  ///     are on their way with older bytes; who idles leaves those out.
  /// - Returns: the pages started.
  /// - Context: as `patience` says.
  ///
  /// Linux: `do_writepages()`, `write_cache_pages()`.
  @discardableResult
  public func startWriteBack(
    of file: Reference<CachedFile>, from first: UInt64 = 0, through last: UInt64 = .max >> 1,
    atMost limit: Int = .max, _ patience: Patience
  ) -> Int {
    heap[file].users += 1
    defer { release(file) }
    var index = first
    var started = 0
    while started < limit, let next = heap[file].pages.nextMarked(from: index, in: nodes),
      next.index <= last
    {
      index = next.index
      let frame = PageFrameNumber(next.entry)
      if frames.table[frame].flags.contains(.writeback) {
        if patience == .asleep {
          waitForFrame(frame)
        } else {
          index += 1
        }
        continue
      }
      let room = min(limit - started, Int(min(last - index, 63)) + 1)
      let count = runLength(
        of: file, from: index, frame, atMost: min(Self.longestWrite, room))
      let block = frames.table[frame].privateWord
      for offset in 0..<count { beginWriting(frame + PageCount(offset), of: file) }
      environment.startWriting(
        file, index: index, pageCount: count, from: frame, block: block, patience)
      started += count
      index += UInt64(count)
    }
    return started
  }

  /// Writes the dirty pages of an index range and waits until they have arrived.
  ///
  /// - Context: may sleep. Linux: `filemap_write_and_wait_range()`.
  public func writeAndWait(
    for file: Reference<CachedFile>, from first: UInt64 = 0, through last: UInt64 = .max >> 1
  ) {
    heap[file].users += 1
    defer { release(file) }
    startWriteBack(of: file, from: first, through: last, .asleep)
    while heap[file].writebackCount > .zero { environment.sleep(on: Self.writtenKey(file)) }
  }

  /// Waits until no page of a file is on its way to the disk.
  ///
  /// - Context: may sleep. Linux: `filemap_fdatawait()`.
  public func awaitWrites(of file: Reference<CachedFile>) {
    heap[file].users += 1
    defer { release(file) }
    while heap[file].writebackCount > .zero { environment.sleep(on: Self.writtenKey(file)) }
  }

  /// Tells that a page has arrived on the disk, or never will. Context: any.
  public func writeCompleted(
    _ file: Reference<CachedFile>, frame: PageFrameNumber, succeeded: Bool
  ) {
    frames.table[frame].flags.remove(.writeback)
    heap[file].writebackCount -= PageCount(1)
    memory.value.writebackPageCount -= PageCount(1)
    memory.value.writtenCount += 1
    if !succeeded { heap[file].writeErrors.note() }
    environment.wake(.frame(frame))
    _ = frames.release(frame)
    if heap[file].writebackCount == .zero { environment.wake(Self.writtenKey(file)) }
    releaseThrottled()
  }

  /// Whether writing failed since a mark, which moves on.
  ///
  /// Linux: `errseq_check_and_advance()` of `wb_err`.
  public func takeWriteError(
    of file: Reference<CachedFile>, since mark: inout WriteErrorMark
  ) -> Bool {
    heap[file].writeErrors.take(since: &mark)
  }

  /// Whether writing failed since somebody last asked who maps the file.
  public func takeWriteErrorOfMappings(of file: Reference<CachedFile>) -> Bool {
    var mark = heap[file].toldMappings
    defer { heap[file].toldMappings = mark }
    return takeWriteError(of: file, since: &mark)
  }

  /// Waits until the contents of a frame are neither on their way in nor out.
  ///
  /// - Context: may sleep; whoever calls looks again.
  public func waitForFrame(_ frame: PageFrameNumber) {
    frames.retain(frame)
    environment.sleep(on: .frame(frame))
    _ = frames.release(frame)
  }

  /// Pages in a row that are dirty and lie in a row in memory and on the disk.
  private func runLength(
    of file: Reference<CachedFile>, from index: UInt64, _ first: PageFrameNumber,
    atMost limit: Int
  ) -> Int {
    let block = frames.table[first].privateWord
    var count = 1
    while count < limit {
      let frame = first + PageCount(count)
      guard frames.table.contains(frame),
        heap[file].pages.entry(at: index + UInt64(count), in: nodes) == frame.value
      else { break }
      let flags = frames.table[frame].flags
      guard flags.contains(.dirty), !flags.contains(.writeback),
        frames.table[frame].privateWord == block &+ UInt32(count)
      else { break }
      count += 1
    }
    return count
  }

  /// Makes a dirty page one that is on its way: from now on a write to it is noticed.
  private func beginWriting(_ frame: PageFrameNumber, of file: Reference<CachedFile>) {
    let index = frames.table[frame].index
    forgetDirt(of: frame, in: file)
    heap[file].pages.unmark(at: index, in: nodes)
    if frames.table[frame].mappings > 0 { writeProtectEverywhere(frame) }
    // What a program wrote behind the end is not the file's.
    let rest = Int(heap[file].byteCount & (PageSize.base.bytes - 1))
    if rest != 0, index + 1 == heap[file].indexLimit {
      machine.withBytes(of: frame) { bytes in
        bytes.clear(from: rest, byteCount: bytes.byteCount - rest)
      }
    }
    frames.retain(frame)
    frames.table[frame].flags.insert(.writeback)
    heap[file].writebackCount += PageCount(1)
    memory.value.writebackPageCount += PageCount(1)
  }

  private static func writtenKey(_ file: Reference<CachedFile>) -> SleepKey {
    .object(file.raw, channel: 3)
  }
}
