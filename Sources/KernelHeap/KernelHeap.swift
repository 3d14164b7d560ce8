// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Bytes of any size for the kernel's use, up to 4 MiB.
///
/// Up to 8 KiB they are objects of 36 size classes, above that blocks of the page allocator. A
/// value that is a reference: copies are the same heap. Any CPU may call any verb.
///
/// Linux: `kmalloc()`, `kfree()`.
public struct KernelHeap<M: Machine>: BitwiseCopyable, Sendable {
  /// Objects with a type; the classes are caches beside theirs.
  public let objects: ObjectHeap<M>

  public init(_ objects: ObjectHeap<M>) { self.objects = objects }

  /// Allocates bytes. No bytes have an address too, which nobody may use.
  ///
  /// Inlined: 64 bytes and their `free(at:)` are 68 instructions instead of 91.
  ///
  /// - Throws: `outOfMemory`; `tooLarge` beyond the page allocator's largest block.
  /// - Complexity: O(1) mostly.
  /// - Context: any; never sleeps; may take cache, list and zone locks.
  @inline(__always)
  public func allocate(
    _ byteCount: ByteCount, content: FrameRequest.Content = .uninitialized,
    urgency: FrameRequest.Urgency = .normal, file: SourceFile = #fileID, line: UInt32 = #line
  ) throws(AllocationError) -> HeapBlock {
    // No bytes, and more than a class holds, are beyond the first step too.
    if byteCount.value &- 1 < UInt64(SlabGeometry.maximumObjectByteCount), content != .zeroed {
      let cacheIndex = objects.classCache(holding: Int(truncatingIfNeeded: byteCount.value))
      let found = objects.popWithSize(cacheIndex)
      if found.object != 0 {
        objects.liveness.markLive(found.object, cacheIndex, found.byteCount, in: objects)
        return HeapBlock(
          PhysicalAddress(UInt64(found.object) << 3), ByteCount(UInt64(found.byteCount)),
          cacheIndex: cacheIndex)
      }
    }
    return try allocateSlowly(byteCount, content, urgency, CallPlace(file, line))
  }

  @inline(never)
  private func allocateSlowly(
    _ byteCount: ByteCount, _ content: FrameRequest.Content, _ urgency: FrameRequest.Urgency,
    _ place: CallPlace
  ) throws(AllocationError) -> HeapBlock {
    let asked = Int(truncatingIfNeeded: byteCount.value)
    if byteCount == .zero { return HeapBlock(Self.emptyAddress, .zero) }
    guard byteCount.value <= UInt64(SlabGeometry.maximumObjectByteCount) else {
      return try allocatePages(byteCount, content, urgency)
    }
    if objects.design == .slob {
      try objects.refuseIfInjected(asked, urgency)
      return try allocateUnits(byteCount, content, urgency)
    }
    let sizeClass = SizeClass(holding: asked)
    let (cacheIndex, size) = (sizeClass.cacheIndex, sizeClass.byteCount)
    var object = objects.pop(cacheIndex)
    if object == 0 {
      object = try objects.allocateSlowly(cacheIndex, sizeClass.name, size, urgency, place)
    }
    objects.liveness.markLive(object, cacheIndex, size, in: objects)
    let block = HeapBlock(
      PhysicalAddress(UInt64(object) << 3), ByteCount(UInt64(size)), cacheIndex: cacheIndex)
    if content == .zeroed { bytes(of: block).clear() }
    return block
  }

  /// Allocates bytes, and lets somebody free memory as long as there is none.
  ///
  /// - Throws: `tooLarge`; `outOfMemory` once the relief made no progress; `injected` at once.
  /// - Context: may sleep, as the relief does; no lock held but the kernel's.
  public func allocate<R: PressureRelief>(
    _ byteCount: ByteCount, content: FrameRequest.Content = .uninitialized, relief: R,
    file: SourceFile = #fileID, line: UInt32 = #line
  ) throws(AllocationError) -> HeapBlock {
    while true {
      do throws(AllocationError) {
        return try allocate(byteCount, content: content, file: file, line: line)
      } catch {
        guard error == .outOfMemory else { throw error }
        let order = Order(holding: byteCount.pagesRoundedUp) ?? .zero
        let shortfall = Shortfall(order: order, zoneLimit: .normal, kind: .slab)
        if relief.relieve(shortfall) == .none { throw error }
      }
    }
  }

  /// Gives bytes back that only their address is known of. Linux: `kfree()`.
  ///
  /// An address that no allocation gave, or another allocator's, is reported and stays as it is.
  ///
  /// - Precondition: the address was surrendered, and nobody else frees it.
  /// - Context: any; never sleeps.
  @inline(__always)
  public func free(
    at address: PhysicalAddress, file: SourceFile = #fileID, line: UInt32 = #line
  ) {
    guard objects.frames.table.contains(address.frame) else {
      return objects.reportFree(address, .notOwned)
    }
    let object = UInt32(truncatingIfNeeded: address.value >> 3)
    let word = objects.links.slab(of: object).word
    if word.isSlabOfClass {
      objects.putBytes(object, word.cacheIndex, CallPlace(file, line))
    } else {
      freeSlowly(address)
    }
  }

  @inline(never)
  private func freeSlowly(_ address: PhysicalAddress) {
    let descriptor = objects.frames.table[address.frame]
    let isUnits = objects.design == .slob && descriptor.kind == .slab
    let isPages = isBlockOfPages(address)
    guard address == Self.emptyAddress || isUnits || isPages else {
      return objects.reportFree(address, .notOwned)
    }
    free(adoptOther(address))
  }

  /// Gives bytes back. Linux: `kfree()`.
  ///
  /// - Context: any; never sleeps.
  public func free(
    _ block: consuming HeapBlock, file: SourceFile = #fileID, line: UInt32 = #line
  ) {
    let size = Int(truncatingIfNeeded: block.byteCount.value)
    let cacheIndex = block.cacheIndex
    let address = block.surrender()
    if cacheIndex != 0 {
      let object = UInt32(truncatingIfNeeded: address.value >> 3)
      objects.put(object, cacheIndex, size, CallPlace(file, line))
    } else if size != 0 {
      let order = Order(holding: PageCount(size >> Int(PageSize.base.shift))) ?? .zero
      objects.frames.table[address.frame].privateWord = 0
      objects.frames.free(.adopt(address.frame, order))
    }
  }

  /// Allocates an array, unless its bytes are more than a number tells.
  ///
  /// Linux: `kmalloc_array()`, `kcalloc()` with `content: .zeroed`.
  ///
  /// - Throws: `tooLarge` where count times size is beyond the largest block; `outOfMemory`.
  public func allocateArray(
    of count: Int, each byteCount: ByteCount, content: FrameRequest.Content = .uninitialized,
    file: SourceFile = #fileID, line: UInt32 = #line
  ) throws(AllocationError) -> HeapBlock {
    guard count >= 0 else { throw .tooLarge }
    let (product, overflows) = UInt64(count).multipliedReportingOverflow(by: byteCount.value)
    if overflows { throw .tooLarge }
    return try allocate(ByteCount(product), content: content, file: file, line: line)
  }

  /// Makes a block larger or smaller; its bytes stay, as far as both hold them.
  ///
  /// A block whose class holds the new size stays where it is. No bytes at all free the block.
  /// Linux: `krealloc()`.
  ///
  /// - Throws: as `allocate`; the block of the address stays as it was then.
  /// - Precondition: as `free(at:)`.
  public func reallocate(
    at address: PhysicalAddress, to byteCount: ByteCount, file: SourceFile = #fileID,
    line: UInt32 = #line
  ) throws(AllocationError) -> HeapBlock {
    let old = adopt(address)
    if byteCount > .zero && byteCount <= old.byteCount {
      let isSameClass = byteCount.value * 2 > old.byteCount.value
      if isSameClass || old.byteCount <= ByteCount(64) { return old }
    }
    let kept = min(byteCount, old.byteCount)
    let bytes = bytes(of: old)
    _ = old.surrender()
    let new = try allocate(byteCount, file: file, line: line)
    self.bytes(of: new).copy(from: bytes, at: 0, to: 0, byteCount: Int(kept.value))
    free(at: address, file: file, line: line)
    return new
  }

  /// Makes the token of an allocation again, from its address alone.
  ///
  /// - Precondition: it was surrendered, and nobody else adopts it.
  @inline(__always)
  public func adopt(_ address: PhysicalAddress) -> HeapBlock {
    let object = UInt32(truncatingIfNeeded: address.value >> 3)
    let word = objects.links.slab(of: object).word
    guard word.isSlabOfClass else { return adoptOther(address) }
    let size = SizeClass(cacheIndex: word.cacheIndex).byteCount
    return HeapBlock(address, ByteCount(UInt64(size)), cacheIndex: word.cacheIndex)
  }

  /// The token of an allocation that is no object of a class.
  @inline(never)
  private func adoptOther(_ address: PhysicalAddress) -> HeapBlock {
    if address == Self.emptyAddress { return HeapBlock(address, .zero) }
    let descriptor = objects.frames.table[address.frame]
    if objects.design == .slob && descriptor.kind == .slab { return adoptUnits(address) }
    precondition(isBlockOfPages(address), "no heap block")
    return HeapBlock(address, descriptor.order.pageCount.bytes)
  }

  /// The bytes themselves.
  public func bytes(of block: borrowing HeapBlock) -> MemoryBlock {
    objects.machine.directMap.block(at: block.address, byteCount: block.byteCount)
  }

  /// Linux: `ZERO_SIZE_PTR`.
  private static var emptyAddress: PhysicalAddress { PhysicalAddress(16) }

  /// Linux 6.1: `__do_kmalloc_node()` of mm/slob.c.
  private func allocateUnits(
    _ byteCount: ByteCount, _ content: FrameRequest.Content, _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) -> HeapBlock {
    let asked = Int(truncatingIfNeeded: byteCount.value)
    guard let found = try objects.allocateUnits(asked, urgency) else {
      return try allocatePages(byteCount, content, urgency)
    }
    let cacheIndex = SizeClass(holding: asked).cacheIndex
    objects.liveness.markLive(found.object, cacheIndex, found.byteCount, in: objects)
    let block = HeapBlock(
      PhysicalAddress(UInt64(found.object) << 3), ByteCount(UInt64(found.byteCount)),
      cacheIndex: cacheIndex)
    if content == .zeroed { bytes(of: block).clear() }
    return block
  }

  private func adoptUnits(_ address: PhysicalAddress) -> HeapBlock {
    let asked = objects.unitByteCount(of: UInt32(truncatingIfNeeded: address.value >> 3))
    return HeapBlock(
      address, ByteCount(UInt64(asked)), cacheIndex: SizeClass(holding: asked).cacheIndex)
  }

  /// Linux: `kmalloc_large()`.
  private func allocatePages(
    _ byteCount: ByteCount, _ content: FrameRequest.Content, _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) -> HeapBlock {
    guard byteCount <= Order.max.pageCount.bytes,
      let order = Order(holding: byteCount.pagesRoundedUp)
    else { throw .tooLarge }
    let block = try objects.frames.allocate(
      FrameRequest(order: order, kind: .plain, content: content, urgency: urgency))
    let first = block.surrender()
    objects.frames.table[first].privateWord = Self.pagesMark
    return HeapBlock(first.address, order.pageCount.bytes)
  }

  /// Whether an address is the first of a block of pages that was allocated here.
  private func isBlockOfPages(_ address: PhysicalAddress) -> Bool {
    let descriptor = objects.frames.table[address.frame]
    return descriptor.kind == .plain && address.offsetInFrame == .zero
      && descriptor.privateWord == Self.pagesMark
  }

  /// What the private word of such a block says, which is no slab's. Linux: `PGTY_large_kmalloc`.
  private static var pagesMark: UInt32 { 0xC000_0000 }
}
