// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// What a look into the page cache came to.
enum PageLookUp {
  /// The frame is up to date and nobody changes it; it is not retained for the caller.
  case present(PageFrameNumber)
  /// Somebody else was reading it; the caller slept and looks again.
  case slept
  /// It was read for this caller, who slept and looks again.
  case sleptForDisk
}

/// The page cache: the pages of files that are in memory.
///
/// The cache holds one reference to each of its frames; each mapping and each user another. A
/// frame is `locked` while its contents are on their way, `upToDate` once they are there.
///
/// Linux: `mm/filemap.c`.
extension AddressSpaces {
  /// Pages that one miss reads at the most. Linux: `read_ahead_kb` 128.
  static var readAheadCount: UInt64 { 32 }

  var nodes: PageCacheNodes<Environment.Hardware> { PageCacheNodes(heap: heap) }

  /// A file without pages.
  ///
  /// - Throws: `outOfMemory`. Context: may reclaim.
  public func makeFile(
    byteCount: UInt64, owner: UInt32, backing: CachedFile.Backing
  ) throws(MemoryError) -> Reference<CachedFile> {
    try allocate(CachedFile(byteCount: byteCount, owner: owner, backing: backing))
  }

  /// Counts one more user of a file. Linux: `get_file()`.
  public func retain(_ file: Reference<CachedFile>) { heap[file].users += 1 }

  /// Counts one user less; the last one takes the file's pages with it.
  ///
  /// - Precondition: no transfer for the file is under way, if this is the last.
  public func release(_ file: Reference<CachedFile>) {
    heap[file].users -= 1
    guard heap[file].users == 0 else { return }
    if heap[file].backing == .buffer { freeBuffer(file) }
    while let (index, _) = heap[file].pages.next(from: 0, in: nodes) {
      dropPage(of: file, index: index)
    }
    heap.free(file)
  }

  /// The frame of a page, read if it is missing; retained: the caller releases it.
  ///
  /// - Throws: `inputOutput` if it could not be read, `outOfMemory`.
  /// - Context: may sleep. Linux: `read_mapping_page()`.
  public func page(
    of file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> PageFrameNumber {
    while true {
      guard case .present(let frame) = try lookUp(file, index: index) else { continue }
      frames.retain(frame)
      frames.table[frame].flags.insert(.referenced)
      return frame
    }
  }

  /// The frame of a page if it is there and up to date; not retained. Context: any.
  func upToDatePage(of file: Reference<CachedFile>, index: UInt64) -> PageFrameNumber? {
    guard let entry = heap[file].pages.entry(at: index, in: nodes) else { return nil }
    let frame = PageFrameNumber(entry)
    let flags = frames.table[frame].flags
    return flags.contains(.upToDate) && !flags.contains(.locked) ? frame : nil
  }

  /// The frame of a page as it is in memory, or of zeros, but never read; retained.
  ///
  /// - Throws: `outOfMemory`.
  /// - Context: may sleep, where it is being read.
  public func emptyPage(
    of file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> PageFrameNumber {
    while true {
      guard heap[file].pages.entry(at: index, in: nodes) != nil else {
        let frame = try zeroPage(of: file, index: index)
        frames.retain(frame)
        return frame
      }
      guard case .present(let frame) = try lookUp(file, index: index) else { continue }
      frames.retain(frame)
      return frame
    }
  }

  /// Finds a page, or does one step towards having it.
  ///
  /// - Context: may sleep, and then says so.
  func lookUp(
    _ file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> PageLookUp {
    guard let entry = heap[file].pages.entry(at: index, in: nodes) else {
      // A buffer's pages are all there.
      if heap[file].backing == .buffer { throw .badAddress }
      if heap[file].backing == .memory { return .present(try zeroPage(of: file, index: index)) }
      try readAhead(file, from: index)
      return .sleptForDisk
    }
    let frame = PageFrameNumber(entry)
    let flags = frames.table[frame].flags
    if flags.contains(.locked) {
      // Held, so that it is still there when this task's turn comes.
      frames.retain(frame)
      environment.sleep(on: .frame(frame))
      _ = frames.release(frame)
      return .slept
    }
    if flags.contains(.upToDate) { return .present(frame) }
    // Its transfer failed. It is tried again by whoever comes next.
    dropPage(of: file, index: index)
    throw .inputOutput
  }

  /// A new page of memory: it may not displace the last pages that can be read again, as another
  /// page from a disk may, so it asks for relief as kernel objects do.
  private func zeroPage(
    of file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> PageFrameNumber {
    let request = FrameRequest(
      order: .zero, kind: .file, zoneLimit: .highMemory, mobility: .movable, content: .zeroed)
    let frame = try relieved { () throws(AllocationError) in
      try frames.allocate(request).surrender()
    }
    // Relief may have slept, and somebody else may have been here.
    if let entry = heap[file].pages.entry(at: index, in: nodes) {
      _ = frames.release(frame)
      return PageFrameNumber(entry)
    }
    guard charge(file) else {
      _ = frames.release(frame)
      throw .noSpace
    }
    do {
      try enterPage(frame, in: file, index: index)
    } catch {
      uncharge(file)
      throw error
    }
    frames.table[frame].flags.insert(.upToDate)
    return frame
  }

  /// Pages that one miss reads now: fewer where memory for files is short, since those that are
  /// read ahead would only drive each other out. Linux: `ractl_max_pages()`, thrashing.
  private var readAheadLimit: UInt64 {
    let free = frames.freePageCount + frames.cachedPageCount
    let room = UInt64((free + memory.value.evictableFilePageCount).value)
    return min(Self.readAheadCount, max(room / 8, 1))
  }

  /// Starts reading a page and those behind it, and sleeps until the first is there.
  ///
  /// The first is held meanwhile: else those who wait at the same time could drop each other's
  /// pages before anybody has used one, for ever.
  private func readAhead(
    _ file: Reference<CachedFile>, from index: UInt64
  ) throws(MemoryError) {
    heap[file].users += 1
    defer { release(file) }
    let limit = max(index + 1, min(heap[file].indexLimit, index + readAheadLimit))
    let run: (first: PageFrameNumber, count: Int)
    if let spare = spareRun(upTo: missingCount(of: file, from: index, to: limit)) {
      run = spare
    } else {
      run = (try allocateFrame(.file, content: .uninitialized), 1)
    }
    let first = run.first
    try startReading(file, index, run)
    guard isPage(first, of: file, index) else { return }
    frames.retain(first)
    defer { _ = frames.release(first) }
    var next = index + UInt64(run.count)
    // Pages ahead are a guess: they never make memory short, and their failure is nobody's.
    while let run = spareRun(upTo: missingCount(of: file, from: next, to: limit)),
      (try? startReading(file, next, run)) != nil
    {
      next += UInt64(run.count)
    }
    while frames.table[first].flags.contains(.locked), isPage(first, of: file, index) {
      environment.sleep(on: .frame(first))
    }
  }

  private func isPage(
    _ frame: PageFrameNumber, of file: Reference<CachedFile>, _ index: UInt64
  ) -> Bool {
    heap[file].pages.entry(at: index, in: nodes) == frame.value
  }

  /// The pages in a row from an index on that are not in memory.
  private func missingCount(
    of file: Reference<CachedFile>, from index: UInt64, to limit: UInt64
  ) -> Int {
    let cautious = heap[file].cautiousStart..<heap[file].cautiousEnd
    var end = index
    while end < limit, heap[file].pages.entry(at: end, in: nodes) == nil {
      if cautious.contains(end) { return end == index ? 1 : Int(end - index) }
      end += 1
    }
    return Int(end - index)
  }

  /// Frames in a row for pages in a row, so that one transfer fills them all; as many as there
  /// are without reclaim, none where that would take the last.
  private func spareRun(upTo count: Int) -> (first: PageFrameNumber, count: Int)? {
    guard count > 0 else { return nil }
    var order = UInt8(Int.bitWidth - 1 - count.leadingZeroBitCount)
    while true {
      let request = FrameRequest(
        order: Order(order), kind: .file, zoneLimit: .highMemory, mobility: .movable,
        content: .uninitialized)
      if let block = try? frames.allocate(request) {
        let first = order == 0 ? block.surrender() : frames.split(block)
        return (first, 1 << Int(order))
      }
      guard order > 0 else { return nil }
      order -= 1
    }
  }

  /// Enters frames for pages in a row, and starts to read into them.
  ///
  /// - Throws: `outOfMemory`, `inputOutput`, if not even the first can be read; each frame then
  ///   belongs to the cache or is freed.
  private func startReading(
    _ file: Reference<CachedFile>, _ index: UInt64, _ run: (first: PageFrameNumber, count: Int)
  ) throws(MemoryError) {
    var entered = 0
    do {
      while entered < run.count {
        let frame = run.first + PageCount(entered)
        try enterPage(frame, in: file, index: index + UInt64(entered))
        frames.table[frame].flags.insert(.locked)
        entered += 1
      }
    } catch {
      // The one that failed is freed already.
      for offset in stride(from: entered + 1, to: run.count, by: 1) {
        _ = frames.release(run.first + PageCount(offset))
      }
      guard entered > 0 else { throw error }
    }
    var started = 0
    defer {
      // Whoever waits for one of the others looks again, finds none, and reads it for himself.
      for offset in started..<entered {
        let page = index + UInt64(offset)
        readCompleted(
          file, index: page, frame: run.first + PageCount(offset), succeeded: false)
        dropPage(of: file, index: page)
      }
    }
    started = try environment.startReading(
      file, index: index, pageCount: entered, into: run.first)
  }

  /// Tells that the contents of a frame are there, or never will be. Context: any.
  public func readCompleted(
    _ file: Reference<CachedFile>, index: UInt64, frame: PageFrameNumber, succeeded: Bool
  ) {
    if succeeded { frames.table[frame].flags.insert(.upToDate) }
    frames.table[frame].flags.remove(.locked)
    environment.wake(.frame(frame))
  }

  /// Tells that a transfer of pages in a row failed. Context: any.
  ///
  /// Of several, each is tried again by itself when somebody wants it; a single one stays in the
  /// cache without contents, for whoever waits for it to see.
  public func readFailed(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, from first: PageFrameNumber
  ) {
    if pageCount > 1 {
      heap[file].cautiousStart = index
      heap[file].cautiousEnd = index + UInt64(pageCount)
    }
    for offset in 0..<pageCount {
      let page = index + UInt64(offset)
      readCompleted(file, index: page, frame: first + PageCount(offset), succeeded: false)
      if pageCount > 1 { dropPage(of: file, index: page) }
    }
  }

  /// Enters a new frame in a file's table and in the list of file pages.
  ///
  /// - Throws: `outOfMemory`; the frame is then freed.
  func enterPage(
    _ frame: PageFrameNumber, in file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) {
    do {
      _ = try relieved { () throws(AllocationError) in
        try heap[file].pages.insert(frame.value, at: index, in: nodes)
      }
    } catch {
      _ = frames.release(frame)
      throw error
    }
    frames.assign(frame, kind: .file, owner: file.raw, index: index)
    heap[file].pageCount += PageCount(1)
    if heap[file].backing == .disk {
      memory.value.filePageCount += PageCount(1)
      pushFilePage(frame)
    } else if heap[file].backing == .memory {
      memory.value.sharedPageCount += PageCount(1)
    }
  }

  /// Takes a page out of the cache; its frame is freed once nobody uses it any more.
  ///
  /// - Precondition: nobody reads or writes it, no locked area maps it.
  public func dropPage(of file: Reference<CachedFile>, index: UInt64) {
    guard let entry = heap[file].pages.remove(at: index, in: nodes) else { return }
    let frame = PageFrameNumber(entry)
    forgetDirt(of: frame, in: file)
    heap[file].pageCount -= PageCount(1)
    if heap[file].backing == .disk {
      memory.value.filePageCount -= PageCount(1)
      removeFilePage(frame)
    } else if heap[file].backing == .memory {
      memory.value.sharedPageCount -= PageCount(1)
      uncharge(file)
    }
    _ = frames.release(frame)
  }

  // The list of pages of disk files that no locked area maps, in the order in which they came or
  // were last used

  /// The page that was unused for longest, nil if there is none.
  public var oldestFilePage: PageFrameNumber? {
    let last = memory.value.lastFilePage
    return last == 0 ? nil : PageFrameNumber(last)
  }

  /// Makes a page the last to be dropped.
  public func rotateFilePage(_ frame: PageFrameNumber) {
    removeFilePage(frame)
    pushFilePage(frame)
  }

  /// Puts a frame in the place of another in the list.
  func replaceFilePage(_ frame: PageFrameNumber, by target: PageFrameNumber) {
    let (next, previous) = (frames.table[frame].next, frames.table[frame].previous)
    frames.table[target].next = next
    frames.table[target].previous = previous
    if previous == 0 {
      memory.value.firstFilePage = target.value
    } else {
      frames.table[PageFrameNumber(previous)].next = target.value
    }
    if next == 0 {
      memory.value.lastFilePage = target.value
    } else {
      frames.table[PageFrameNumber(next)].previous = target.value
    }
    frames.table[frame].next = 0
    frames.table[frame].previous = 0
  }

  func pushFilePage(_ frame: PageFrameNumber) {
    let first = memory.value.firstFilePage
    frames.table[frame].next = first
    frames.table[frame].previous = 0
    if first == 0 {
      memory.value.lastFilePage = frame.value
    } else {
      frames.table[PageFrameNumber(first)].previous = frame.value
    }
    memory.value.firstFilePage = frame.value
  }

  func removeFilePage(_ frame: PageFrameNumber) {
    let (next, previous) = (frames.table[frame].next, frames.table[frame].previous)
    if previous == 0 {
      memory.value.firstFilePage = next
    } else {
      frames.table[PageFrameNumber(previous)].next = next
    }
    if next == 0 {
      memory.value.lastFilePage = previous
    } else {
      frames.table[PageFrameNumber(next)].previous = previous
    }
    frames.table[frame].next = 0
    frames.table[frame].previous = 0
  }
}
