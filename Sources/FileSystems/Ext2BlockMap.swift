// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Where a page of a file lies among the pointers of its inode: which of the 15, and the index
/// in each block of pointers on the way.
///
///     0…11: direct · 12: one block of 1,024 pointers · 13: two in a row · 14: three
struct Ext2Path: BitwiseCopyable, Equatable {
  let slot: Int
  /// Blocks of pointers on the way: 0 to 3.
  let depth: Int
  private let remainder: UInt64

  /// Nil beyond the largest file.
  init?(index: UInt64) {
    var rest = index
    if rest < 12 {
      (slot, depth, remainder) = (Int(rest), 0, 0)
      return
    }
    rest -= 12
    for level in 1...3 {
      let span: UInt64 = 1 << UInt64(10 * level)
      if rest < span {
        (slot, depth, remainder) = (11 + level, level, rest)
        return
      }
      rest -= span
    }
    return nil
  }

  /// The index in the pointer block of a level, the outermost first.
  func index(atLevel level: Int) -> Int {
    Int(remainder >> UInt64(10 * (depth - 1 - level)) & 1023)
  }

  /// Pages that the pointers of one inode reach.
  static var pageLimit: UInt64 { 12 + (1 << 10) + (1 << 20) + (1 << 30) }
}

extension FileSystems {
  /// The block of the disk that holds a page of a file; nil for a hole.
  ///
  /// - Context: may sleep, to read blocks of pointers.
  /// - Throws: EIO where a pointer leaves the volume.
  /// - Complexity: at most 3 blocks of pointers.
  ///
  /// Linux: `ext2_get_block()`.
  func diskBlock(of inode: Reference<Inode>, index: UInt64) throws(Errno) -> UInt32? {
    guard let path = Ext2Path(index: index) else { throw .EIO }
    let disk = disk(of: inode)
    var block = heap[inode].blocks[path.slot]
    for level in 0..<path.depth {
      if block == 0 { return nil }
      let frame = try volumeBlock(block, of: disk)
      block = bytes(of: frame).load(UInt32.self, at: 4 * path.index(atLevel: level))
      _ = frames.release(frame)
    }
    if block == 0 { return nil }
    guard state.value.disks[disk].volume.contains(block: block) else { throw .EIO }
    return block
  }

  /// The disk on which a file of ext2 lies.
  func disk(of inode: Reference<Inode>) -> Int { Disk.index(of: heap[inode].volume) }

  /// The disk that a file of the page cache is of: of its file system, or the disk itself.
  func disk(of file: Reference<CachedFile>) -> Int {
    let owner = heap[file].owner
    if owner != 0 { return disk(of: Reference<Inode>(raw: owner)) }
    return state.value.disks[Disk.scratch].device.reference == file ? Disk.scratch : Disk.root
  }

  /// A block of the volume itself, through the page cache; to be released.
  ///
  /// - Context: may sleep.
  func volumeBlock(_ block: UInt32, of disk: Int) throws(Errno) -> PageFrameNumber {
    guard state.value.disks[disk].volume.contains(block: block),
      let device = state.value.disks[disk].device.reference
    else { throw .EIO }
    return try page(of: device, index: UInt64(block))
  }

  /// Starts reading pages of a file on the disk, or of the disk itself, into frames in a row.
  ///
  /// Blocks in a row are one transfer. A hole is filled with zeros at once.
  ///
  /// - Returns: how many pages were started; at least one.
  /// - Context: may sleep. The kernel's `MemoryEnvironment.startReading` is this.
  public func startReading(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, into first: PageFrameNumber
  ) throws(MemoryError) -> Int {
    let owner = heap[file].owner
    guard owner != 0 else {
      let disk = disk(of: file)
      guard (index + UInt64(pageCount)) * 4096 <= state.value.disks[disk].byteCount else {
        throw .inputOutput
      }
      submit(
        .read, disk: disk, block: UInt32(index), frame: first, pageCount: UInt16(pageCount),
        of: file,
        index: index)
      return pageCount
    }
    // Blocks that are known but not asked for yet.
    var run: (block: UInt32, start: Int)?
    var page = 0
    while page < pageCount {
      let block: UInt32?
      do {
        block = try diskBlock(of: Reference<Inode>(raw: owner), index: index + UInt64(page))
      } catch {
        submitRun(run, end: page, file, index, first)
        if page > 0 { return page }
        throw error == .ENOMEM ? .outOfMemory : .inputOutput
      }
      if let known = run, block != known.block + UInt32(page - known.start) {
        submitRun(known, end: page, file, index, first)
        run = nil
      }
      if let block, run == nil { run = (block, page) }
      if block == nil { fillHole(of: file, index + UInt64(page), first + PageCount(page)) }
      page += 1
    }
    submitRun(run, end: page, file, index, first)
    return pageCount
  }

  private func submitRun(
    _ run: (block: UInt32, start: Int)?, end: Int, _ file: Reference<CachedFile>,
    _ index: UInt64, _ first: PageFrameNumber
  ) {
    guard let run else { return }
    submit(
      .read, disk: disk(of: file), block: run.block, frame: first + PageCount(run.start),
      pageCount: UInt16(end - run.start), of: file, index: index + UInt64(run.start))
  }

  private func fillHole(
    of file: Reference<CachedFile>, _ index: UInt64, _ frame: PageFrameNumber
  ) {
    machine.withBytes(of: frame) { bytes in bytes.clear() }
    spaces.readCompleted(file, index: index, frame: frame, succeeded: true)
  }
}
