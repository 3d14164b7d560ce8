// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Compaction
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// A heap in /dev/dma_heap, from which programs get buffers that devices can use.
///
/// Heap 0 gives frames that lie anywhere; each further one belongs to a contiguous area.
///
/// Linux: `drivers/dma-buf/dma-heap.c`, `heaps/system_heap.c`, `heaps/cma_heap.c`.
enum BufferHeap {
  /// Of the devices' number. Linux gives the first that is free.
  static var major: UInt32 { 251 }

  /// Numbers of inodes in /dev/dma_heap begin here.
  static var firstInode: UInt64 { 64 }

  static func name(_ number: Int) -> StaticString {
    number == 0 ? "system" : areaName(number - 1)
  }

  /// What an area is called: as Linux names the one of the boot word, and those without a name.
  static func areaName(_ index: Int) -> StaticString {
    switch index {
    case 0: "reserved"
    case 1: "cma1"
    case 2: "cma2"
    case 3: "cma3"
    case 4: "cma4"
    case 5: "cma5"
    case 6: "cma6"
    default: "cma7"
    }
  }

  /// Linux: `CONFIG_CMA_ALIGNMENT`.
  static var largestAlignment: Order { Order(8) }
}

extension FileSystems {
  private var heapCount: Int { frames.contiguousAreaCount + 1 }

  func bufferHeapChild(_ name: FileName) throws(Errno) -> Reference<Inode> {
    for number in 0..<heapCount where name.equals(BufferHeap.name(number)) {
      var fresh = Inode(
        .devices, of: .devices, number: BufferHeap.firstInode + UInt64(number),
        mode: FileMode(.characterDevice, permissions: 0o600))
      fresh.device = DeviceNumber(major: BufferHeap.major, minor: UInt32(number))
      stamp(&fresh, at: bootTime)
      return try allocate(fresh)
    }
    throw .ENOENT
  }

  /// Lists /dev/dma_heap: positions are heaps from 2 on.
  func listBufferHeaps(from start: UInt64, _ listing: inout FolderListing) -> UInt64 {
    var position = start
    while position < UInt64(heapCount) + 2 {
      let isAdded = listing.add(
        inode: BufferHeap.firstInode + position - 2, next: position + 1,
        kind: FileMode.characterDevice.entryKind, name: BufferHeap.name(Int(position - 2)))
      guard isAdded else { break }
      position += 1
    }
    return position
  }

  /// The number of the heap that an open file is, nil for others.
  public func bufferHeap(of file: Reference<OpenFile>) -> Int? {
    guard case .special(.bufferHeap) = heap[file].behaviour else { return nil }
    return Int(heap[heap[file].inode].device.minor)
  }

  /// The buffer that an open file is, nil for others.
  public func buffer(of file: Reference<OpenFile>) -> Reference<CachedFile>? {
    guard case .special(.buffer) = heap[file].behaviour else { return nil }
    return Reference(raw: heap[file].attachment)
  }

  /// A new buffer of zeros, as an open file.
  ///
  /// - Throws: ENOMEM, EINVAL of no bytes.
  /// - Context: may sleep, while what borrows the memory is moved away.
  ///
  /// Linux: `dma_heap_buffer_alloc()`.
  public func makeBuffer(
    fromHeap number: Int, byteCount: UInt64, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    let (end, overflows) = byteCount.addingReportingOverflow(4095)
    guard byteCount > 0, !overflows else { throw .EINVAL }
    guard end >> 12 <= UInt64(frames.managedPageCount.value) else { throw .ENOMEM }
    let count = PageCount(Int(end >> 12))
    let buffer: Reference<CachedFile>
    do {
      buffer =
        number == 0
        ? try spaces.makeBuffer(of: count) : try makeContiguousBuffer(count, area: number - 1)
    } catch {
      throw .ENOMEM
    }
    do {
      return try openSpecial(.buffer, buffer.raw, flags: flags)
    } catch {
      spaces.release(buffer)
      throw error
    }
  }

  private func makeContiguousBuffer(
    _ count: PageCount, area: Int
  ) throws(MemoryError) -> Reference<CachedFile> {
    let alignment = Order(holding: count) ?? BufferHeap.largestAlignment
    let taken: ContiguousFrames
    do {
      taken = try ContiguousMemory(environment).allocate(
        count, kind: .file, fromArea: area,
        alignment: min(alignment, BufferHeap.largestAlignment))
    } catch {
      throw .outOfMemory
    }
    return try spaces.makeBuffer(of: taken, area: area)
  }

  /// Says how large a buffer is; it has no place to move to. Linux: `dma_buf_llseek()`.
  func seekBuffer(
    _ file: Reference<OpenFile>, to offset: Int64, from origin: SeekOrigin
  ) throws(Errno) -> UInt64 {
    guard let buffer = buffer(of: file), offset == 0 else { throw .EINVAL }
    switch origin {
    case .start: return 0
    case .end: return heap[buffer].byteCount
    default: throw .EINVAL
    }
  }
}
