// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

extension KernelMappings {
  /// Maps a kernel stack in the lowest free place, which every address space sees at once.
  ///
  /// Its bytes are not cleared. The page below it is mapped by nothing, so that an overflow is
  /// a fault.
  ///
  /// Linux: `alloc_thread_stack_node()` with `CONFIG_VMAP_STACK`.
  ///
  /// - Throws: what the page allocator throws, and `outOfMemory` if every place is taken;
  ///   nothing is left behind.
  /// - Complexity: O(1), plus O(places ÷ 64) words for the search.
  public func allocateStack() throws(AllocationError) -> KernelStack {
    guard let slot = slots.take() else { throw .outOfMemory }
    let start = stackAddress(slot) + PageCount(1).bytes
    do throws(AllocationError) {
      try mapStack(at: start)
    } catch {
      unmapStack(at: start)
      slots.giveBack(slot)
      throw error
    }
    return KernelStack(top: stackAddress(slot + 1))
  }

  /// Unmaps a kernel stack and frees its frames.
  ///
  /// - Precondition: it came from `allocateStack`, and nothing runs on it, the caller included.
  public func freeStack(_ stack: KernelStack) {
    let stride = KernelLayout.stackStride.bytes.value
    precondition(stack.top > layout.stacks, "not a stack of this area")
    let (slot, rest) = (stack.top - layout.stacks).value.quotientAndRemainder(dividingBy: stride)
    precondition(rest == 0 && slot <= layout.stackLimit, "not a stack of this area")
    unmapStack(at: stackAddress(Int(slot) - 1) + PageCount(1).bytes)
    slots.giveBack(Int(slot) - 1)
  }

  /// Where a slot's guard page is; the slot's number beyond the last gives the area's end.
  func stackAddress(_ slot: Int) -> VirtualAddress {
    layout.stacks + PageCount(slot * KernelLayout.stackStride.value).bytes
  }

  private func mapStack(at start: VirtualAddress) throws(AllocationError) {
    var cursor = tables.cursor(root, at: start)
    for _ in 0..<KernelStack.pageCount.value {
      try cursor.makeTables()
      let request = FrameRequest(kind: .kernelStack)
      let frame = try tables.frames.allocate(request).surrender()
      try cursor.set(frame, .readWrite.union(.global))
      cursor.moveToNextPage()
    }
  }

  /// Unmaps what is mapped of a stack.
  private func unmapStack(at start: VirtualAddress) {
    var batch = UnmapBatch(tables)
    var cursor = tables.cursor(root, at: start)
    for _ in 0..<KernelStack.pageCount.value {
      _ = cursor.take(into: &batch)
      cursor.moveToNextPage()
    }
    batch.finish()
  }
}
