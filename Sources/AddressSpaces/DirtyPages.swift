// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Which pages of disk files differ from the disk.
///
/// A dirty page is marked in its file's table, and its frame's private word says in which block it
/// lies: to write it takes neither memory nor another look at the disk. Page tables allow writes
/// only to dirty pages, so that the first write to a clean one is a fault, where it gets its block.
///
/// Linux: `folio_mark_dirty()`, `filemap_page_mkwrite()`, `folio_clear_dirty_for_io()`.
extension AddressSpaces {
  /// Marks a page as different from the disk; it is written some time later.
  ///
  /// - Parameter block: where it lies.
  /// - Precondition: a page of a disk's file, in the cache and up to date.
  /// - Context: any.
  public func markDirty(_ frame: PageFrameNumber, block: UInt32) {
    guard !frames.table[frame].flags.contains(.dirty) else { return }
    guard let file = Link<CachedFile>(raw: frames.table[frame].owner).reference else {
      preconditionFailure("a dirty page of no file")
    }
    frames.table[frame].flags.insert(.dirty)
    frames.table[frame].privateWord = block
    heap[file].pages.mark(at: frames.table[frame].index, in: nodes)
    if heap[file].dirtyCount == .zero { pushDirtyFile(file) }
    heap[file].dirtyCount += PageCount(1)
    memory.value.dirtyPageCount += PageCount(1)
    memory.value.dirtiedCount += 1
    environment.noteDirtied()
    if memory.value.dirtyPageCount == PageCount(1) { environment.wakeFlusher(.later) }
    if isOverBackground { environment.wakeFlusher(.now) }
  }

  /// Whether a frame's private word is the place on the disk that its page goes to.
  func keepsBlock(_ frame: PageFrameNumber) -> Bool {
    guard frames.table[frame].kind == .file, frames.table[frame].flags.contains(.dirty),
      let file = Link<CachedFile>(raw: frames.table[frame].owner).reference
    else { return false }
    return heap[file].backing == .disk
  }

  /// Whether a write to a page has to be noted before it may happen.
  @inline(__always)
  func needsNote(_ frame: PageFrameNumber, of file: Reference<CachedFile>) -> Bool {
    heap[file].backing == .disk && !frames.table[frame].flags.contains(.dirty)
  }

  /// Gives a page its place on the disk and marks it, for a program that is about to write to it.
  ///
  /// - Returns: that the task may have slept, so that the fault begins anew.
  /// - Throws: as `reserve`.
  /// - Context: may sleep.
  func noteWrite(
    to frame: PageFrameNumber, of file: Reference<CachedFile>, _ index: UInt64
  ) throws(MemoryError) -> FaultStep {
    heap[file].users += 1
    frames.retain(frame)
    defer {
      _ = frames.release(frame)
      release(file)
    }
    let block = try environment.reserve(file, index: index)
    // It may have been cut off meanwhile.
    if index < heap[file].indexLimit, upToDatePage(of: file, index: index) == frame {
      markDirty(frame, block: block)
    }
    return .slept
  }

  /// Counts a page as clean that is being written or taken out.
  ///
  /// - Precondition: its entry is in the file's table, or its mark is gone with it.
  func forgetDirt(of frame: PageFrameNumber, in file: Reference<CachedFile>) {
    guard frames.table[frame].flags.contains(.dirty), heap[file].backing == .disk else { return }
    frames.table[frame].flags.remove(.dirty)
    frames.table[frame].privateWord = 0
    heap[file].dirtyCount -= PageCount(1)
    memory.value.dirtyPageCount -= PageCount(1)
    if heap[file].dirtyCount == .zero { removeDirtyFile(file) }
  }

  // Limits

  /// Pages that may be dirty at a time: those that are free or of files are the whole.
  ///
  /// Linux: `global_dirtyable_memory()`.
  private var dirtyableCount: Int {
    (frames.freePageCount + frames.cachedPageCount + memory.value.evictableFilePageCount).value
  }

  /// Linux: `bg_thresh`.
  public var backgroundLimit: PageCount {
    PageCount(dirtyableCount * Int(memory.value.writeBack.backgroundRatio) / 100)
  }

  /// Linux: `thresh`.
  public var dirtyLimit: PageCount {
    PageCount(dirtyableCount * Int(memory.value.writeBack.ratio) / 100)
  }

  /// Whether the flusher is to write although nothing is old. Linux: `wb_over_bg_thresh()`.
  public var isOverBackground: Bool { memory.value.dirtyPageCount > backgroundLimit }

  /// Makes a task that dirties pages faster than the disk takes them wait for it.
  ///
  /// - Context: may sleep. Linux: `balance_dirty_pages()`.
  public func throttleWriter() {
    guard busyCount > dirtyLimit else { return }
    memory.value.throttledTaskCount += 1
    while busyCount > freeRun, busyCount > .zero {
      environment.wakeFlusher(.now)
      environment.sleep(on: Self.throttleKey)
    }
    memory.value.throttledTaskCount -= 1
  }

  /// Wakes those that wait in `throttleWriter`, once it is time.
  func releaseThrottled() {
    guard memory.value.throttledTaskCount > 0, busyCount <= freeRun || busyCount == .zero
    else { return }
    environment.wake(Self.throttleKey)
  }

  private var busyCount: PageCount {
    memory.value.dirtyPageCount + memory.value.writebackPageCount
  }

  /// Below it nobody waits. Linux: `dirty_freerun_ceiling()`.
  private var freeRun: PageCount {
    PageCount((dirtyLimit.value + backgroundLimit.value) / 2)
  }

  private static var throttleKey: SleepKey { .object(0, channel: 0x68) }

  // The list of files with dirty pages

  /// The file that has had dirty pages for longest.
  public var oldestDirtyFile: Reference<CachedFile>? {
    memory.value.firstDirtyFile.reference
  }

  /// Makes a file the last to be written, as if it had become dirty now.
  public func rotateDirtyFile(_ file: Reference<CachedFile>) {
    guard heap[file].dirtyCount > .zero else { return }
    removeDirtyFile(file)
    pushDirtyFile(file)
  }

  private func pushDirtyFile(_ file: Reference<CachedFile>) {
    let last = memory.value.lastDirtyFile
    heap[file].dirtiedAt = machine.now
    heap[file].previousDirty = last
    heap[file].nextDirty = Link(nil)
    if let last = last.reference {
      heap[last].nextDirty = Link(file)
    } else {
      memory.value.firstDirtyFile = Link(file)
    }
    memory.value.lastDirtyFile = Link(file)
  }

  private func removeDirtyFile(_ file: Reference<CachedFile>) {
    let (next, previous) = (heap[file].nextDirty, heap[file].previousDirty)
    if let next = next.reference {
      heap[next].previousDirty = previous
    } else {
      memory.value.lastDirtyFile = previous
    }
    if let previous = previous.reference {
      heap[previous].nextDirty = next
    } else {
      memory.value.firstDirtyFile = next
    }
    heap[file].nextDirty = Link(nil)
    heap[file].previousDirty = Link(nil)
  }
}
