// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// What the page tables say of one area, or of many: bytes by kind.
///
/// Linux: `struct mem_size_stats`.
struct MemoryUse: BitwiseCopyable {
  var resident: UInt64 = 0
  var sharedClean: UInt64 = 0
  var sharedDirty: UInt64 = 0
  var privateClean: UInt64 = 0
  var privateDirty: UInt64 = 0
  var referenced: UInt64 = 0
  var anonymous: UInt64 = 0
  // Shares, in 4096ths of a byte. Linux: `PSS_SHIFT`.
  var share: UInt64 = 0
  var dirtyShare: UInt64 = 0
  var anonymousShare: UInt64 = 0
  var fileShare: UInt64 = 0
  var sharedMemoryShare: UInt64 = 0
  var lockedShare: UInt64 = 0

  static var shareShift: UInt64 { 12 }

  /// Adds one page that is mapped. Linux: `smaps_account()`.
  mutating func add(
    _ leaf: DecodedEntry.Leaf, _ frame: FrameDescriptor, isMemoryFile: Bool, isLocked: Bool
  ) {
    let size = PageSize.base.bytes
    let mappings = UInt64(max(frame.mappings, 1))
    let part = (size << Self.shareShift) / mappings
    // A page of nobody's file is dirty and young from the fault that made it.
    let isOwn = frame.kind == .anonymous
    let isDirty = isOwn || leaf.isDirty || frame.flags.contains(.dirty)
    resident += size
    share += part
    if isDirty { dirtyShare += part }
    if isOwn || leaf.isAccessed || frame.flags.contains(.referenced) { referenced += size }
    if isOwn {
      anonymous += size
      anonymousShare += part
    } else if isMemoryFile {
      sharedMemoryShare += part
    } else {
      fileShare += part
    }
    if isLocked { lockedShare += part }
    switch (mappings > 1, isDirty) {
    case (true, true): sharedDirty += size
    case (true, false): sharedClean += size
    case (false, true): privateDirty += size
    case (false, false): privateClean += size
    }
  }
}

/// /proc/PID/smaps, smaps_rollup and pagemap.
extension FileSystems {
  /// Linux: `show_smap()`.
  func writeDetailedMaps(
    of space: Reference<AddressSpace>, to writer: inout TextWriter<Environment>
  ) throws(Errno) {
    var place = VirtualAddress(0)
    while let area = spaces.describeArea(of: space, from: place), !writer.hasFailed {
      place = area.end
      writeArea(area, to: &writer)
      var use = MemoryUse()
      measure(area, of: space, into: &use)
      detail("Size:", (area.end - area.start).value, &writer)
      detail("KernelPageSize:", 4096, &writer)
      detail("MMUPageSize:", 4096, &writer)
      writeUse(use, withKinds: false, to: &writer)
      writer.put("THPeligible:           0\nVmFlags: ")
      writeFlags(of: area, to: &writer)
      writer.put("\n")
    }
  }

  /// Linux: `show_smaps_rollup()`.
  func writeMapsSummary(
    of space: Reference<AddressSpace>, to writer: inout TextWriter<Environment>
  ) {
    var place = VirtualAddress(0)
    var use = MemoryUse()
    var first: VirtualAddress?
    while let area = spaces.describeArea(of: space, from: place) {
      if first == nil { first = area.start }
      place = area.end
      measure(area, of: space, into: &use)
    }
    writer.beginLine()
    writer.put(hexadecimal: (first ?? VirtualAddress(0)).value, width: 8)
    writer.put("-")
    writer.put(hexadecimal: place.value, width: 8)
    writer.put(" ---p 00000000 00:00 0 ")
    writer.pad(to: 73)
    writer.put("[rollup]\n")
    writeUse(use, withKinds: true, to: &writer)
  }

  private func measure(
    _ area: AreaDescription, of space: Reference<AddressSpace>, into use: inout MemoryUse
  ) {
    let isMemoryFile = area.file.map { heap[$0].backing == .memory } ?? false
    let isLocked = area.attributes.contains(.locked)
    let zero = environment.memory.value.zeroFrame
    var cursor = environment.tables.cursor(heap[space].root, at: area.start)
    var found = cursor.findOccupied(before: area.end)
    while found {
      if let leaf = cursor.entry.leaf, leaf.frame != zero {
        use.add(
          leaf, frames.table[leaf.frame], isMemoryFile: isMemoryFile, isLocked: isLocked)
      }
      found = cursor.moveToNextOccupied(before: area.end)
    }
  }

  private func writeUse(
    _ use: MemoryUse, withKinds: Bool, to writer: inout TextWriter<Environment>
  ) {
    let shift = MemoryUse.shareShift
    detail("Rss:", use.resident, &writer)
    detail("Pss:", use.share >> shift, &writer)
    detail("Pss_Dirty:", use.dirtyShare >> shift, &writer)
    if withKinds {
      detail("Pss_Anon:", use.anonymousShare >> shift, &writer)
      detail("Pss_File:", use.fileShare >> shift, &writer)
      detail("Pss_Shmem:", use.sharedMemoryShare >> shift, &writer)
    }
    detail("Shared_Clean:", use.sharedClean, &writer)
    detail("Shared_Dirty:", use.sharedDirty, &writer)
    detail("Private_Clean:", use.privateClean, &writer)
    detail("Private_Dirty:", use.privateDirty, &writer)
    detail("Referenced:", use.referenced, &writer)
    detail("Anonymous:", use.anonymous, &writer)
    // What there is none of: same-page merging, lazy frees, huge pages, swap.
    detail("KSM:", 0, &writer)
    detail("LazyFree:", 0, &writer)
    detail("AnonHugePages:", 0, &writer)
    detail("ShmemPmdMapped:", 0, &writer)
    detail("FilePmdMapped:", 0, &writer)
    detail("Shared_Hugetlb:", 0, &writer)
    detail("Private_Hugetlb:", 0, &writer)
    detail("Swap:", 0, &writer)
    detail("SwapPss:", 0, &writer)
    detail("Locked:", use.lockedShare >> shift, &writer)
  }

  private func detail(
    _ name: StaticString, _ byteCount: UInt64, _ writer: inout TextWriter<Environment>
  ) {
    writer.beginLine()
    writer.put(name)
    writer.pad(to: 16)
    writer.put(byteCount >> 10, width: 8)
    writer.put(" kB\n")
  }

  /// Linux: `show_smap_vma_flags()`.
  private func writeFlags(of area: AreaDescription, to writer: inout TextWriter<Environment>) {
    let isShared = area.attributes.contains(.shared)
    if area.protection.contains(.read) { writer.put("rd ") }
    if area.protection.contains(.write) { writer.put("wr ") }
    if area.protection.contains(.execute) { writer.put("ex ") }
    if isShared { writer.put("sh ") }
    if area.maximumProtection.contains(.read) { writer.put("mr ") }
    if area.maximumProtection.contains(.write) { writer.put("mw ") }
    if area.maximumProtection.contains(.execute) { writer.put("me ") }
    if isShared { writer.put("ms ") }
    if area.attributes.contains(.growsDown) { writer.put("gd ") }
    if area.attributes.contains(.locked) { writer.put("lo ") }
    if area.attributes.contains(.notInherited) { writer.put("dc ") }
    if area.attributes.contains(.lockedOnFault) { writer.put("lf ") }
    if area.isCommitted { writer.put("ac ") }
    if area.attributes.contains(.noReserve) { writer.put("nr ") }
    if area.attributes.contains(.emptyAfterFork) { writer.put("wf ") }
  }

  /// Reads entries of /proc/PID/pagemap: 8 bytes for each page of the address space.
  ///
  /// - Throws: EINVAL unless position and size are multiples of 8, EFAULT, ESRCH.
  /// - Context: may sleep.
  ///
  /// Linux: `pagemap_read()`.
  func readPageMap(
    of file: Reference<OpenFile>, at position: UInt64, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard position & 7 == 0, byteCount & 7 == 0 else { throw .EINVAL }
    let node = ProcessNode(heap[heap[file].inode].number)
    guard let space = describe(node)?.space else { return 0 }
    spaces.retain(space)
    defer { spaces.release(space) }
    let limit = Environment.Hardware.Format.userLimit.page.value
    let frame = try allocateFrames(.zero)
    defer { freeFrames(frame, .zero) }
    let block = bytes(of: frame)
    var done = 0
    while done < byteCount {
      let first = (position + UInt64(done)) / 8
      guard first < limit else { break }
      let count = Int(min(UInt64(min(byteCount - done, 4096) / 8), limit - first))
      fillPageMap(block, space, from: first, count: count)
      let copied = copy(
        from: block, at: 0, byteCount: count * 8, to: target.advanced(by: done))
      done += copied
      if copied < count * 8 {
        guard done > 0 else { throw .EFAULT }
        break
      }
    }
    return done
  }

  private func fillPageMap(
    _ block: MemoryBlock, _ space: Reference<AddressSpace>, from first: UInt64, count: Int
  ) {
    let showsFrames = describeCaller?.effectiveUser == 0
    let zero = environment.memory.value.zeroFrame
    block.clear(from: 0, byteCount: count * 8)
    let end = PageNumber(first + UInt64(count)).address
    var cursor = environment.tables.cursor(heap[space].root, at: PageNumber(first).address)
    var found = cursor.findOccupied(before: end)
    while found {
      if let leaf = cursor.entry.leaf {
        var entry: UInt64 = 1 << 63
        if showsFrames { entry |= UInt64(leaf.frame.value) }
        if leaf.frame != zero {
          let frame = frames.table[leaf.frame]
          if frame.mappings == 1 { entry |= 1 << 56 }
          if frame.kind == .file { entry |= 1 << 61 }
        }
        block.store(entry, at: Int(cursor.address.page.value - first) * 8)
      }
      found = cursor.moveToNextOccupied(before: end)
    }
  }

  /// Who reads.
  private var describeCaller: ProcessDescription? {
    environment.describe(process: environment.currentProcess)
  }
}
