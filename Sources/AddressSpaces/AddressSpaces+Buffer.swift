// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Buffers that programs and devices share: files whose pages are there from the beginning to the
/// end and stay in their frames.
///
/// Linux: `struct dma_buf`.
extension AddressSpaces {
  /// A file whose pages are frames in a row of a contiguous area, full of zeros.
  ///
  /// - Parameter area: the number of the area that they go back to with the file's last user.
  /// - Throws: `outOfMemory`; the frames have gone back then.
  /// - Context: may reclaim; does not sleep.
  public func makeBuffer(
    of frames: consuming ContiguousFrames, area: Int
  ) throws(MemoryError) -> Reference<CachedFile> {
    let range = frames.surrender()
    let file: Reference<CachedFile>
    do {
      file = try makeFile(byteCount: range.count.bytes.value, owner: 0, backing: .buffer)
    } catch {
      self.frames.free(.adopt(range), toArea: area)
      throw error
    }
    heap[file].area = UInt8(area)
    heap[file].range = range
    do throws(MemoryError) {
      for offset in 0..<range.count.value {
        let frame = range.first + PageCount(offset)
        clear(frame)
        try enter(frame, in: file, index: UInt64(offset))
      }
    } catch {
      release(file)
      throw error
    }
    return file
  }

  /// A file whose pages are frames that lie anywhere, full of zeros.
  ///
  /// - Throws: `outOfMemory`.
  /// - Context: may reclaim; does not sleep.
  public func makeBuffer(of count: PageCount) throws(MemoryError) -> Reference<CachedFile> {
    let file = try makeFile(byteCount: count.bytes.value, owner: 0, backing: .buffer)
    do throws(MemoryError) {
      for index in 0..<UInt64(count.value) {
        let request = FrameRequest(
          kind: .file, zoneLimit: .highMemory, mobility: .unmovable, content: .zeroed)
        let frame = try relieved { () throws(AllocationError) in
          try frames.allocate(request).surrender()
        }
        do {
          try enter(frame, in: file, index: index)
        } catch {
          _ = frames.release(frame)
          throw error
        }
      }
    } catch {
      release(file)
      throw error
    }
    return file
  }

  /// Enters a frame, which the buffer holds once beside the cache: so it is never moved.
  private func enter(
    _ frame: PageFrameNumber, in file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) {
    frames.retain(frame)
    try enterPage(frame, in: file, index: index)
    frames.table[frame].flags.insert(.upToDate)
  }

  private func clear(_ frame: PageFrameNumber) {
    machine.withBytes(of: frame) { bytes in bytes.clear() }
  }

  /// Gives a buffer's frames back.
  ///
  /// - Precondition: nobody uses the file any more.
  func freeBuffer(_ file: Reference<CachedFile>) {
    let area = heap[file].area
    while let (index, entry) = heap[file].pages.next(from: 0, in: nodes) {
      dropPage(of: file, index: index)
      if area == CachedFile.noArea { _ = frames.release(PageFrameNumber(entry)) }
    }
    if area != CachedFile.noArea {
      frames.free(.adopt(heap[file].range), toArea: Int(area))
    }
  }
}
