// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

extension KernelMappings {
  /// Maps a kernel stack, which every address space sees at once.
  ///
  /// Its bytes are not cleared. The page below it is mapped by nothing, so that an overflow is
  /// a fault. Two that were freed are kept as they are for the next tasks.
  ///
  /// Linux: `alloc_thread_stack_node()` with `CONFIG_VMAP_STACK`.
  ///
  /// - Throws: what `VirtualAreas.allocate` throws; nothing is left behind.
  /// - Complexity: O(1) for one that was kept, otherwise O(log areas).
  public func allocateStack() throws(AllocationError) -> KernelStack {
    let kept = takeKeptStack()
    let start = if let kept { kept } else { try makeStack() }
    areas.state.value.stackCount += 1
    return KernelStack(top: start + KernelStack.pageCount.bytes)
  }

  /// Gives a kernel stack back.
  ///
  /// - Precondition: it came from `allocateStack`, and nothing runs on it, the caller included.
  public func freeStack(_ stack: KernelStack) {
    let start = VirtualAddress(stack.top.value &- KernelStack.pageCount.bytes.value)
    guard let area = areas.find(start.page), areas.heap[area].purpose == .kernelStack,
      !areas.heap[area].isLazy
    else { preconditionFailure("not a kernel stack") }
    areas.state.value.stackCount -= 1
    for index in areas.state.value.keptStacks.indices {
      let kept = areas.state.value.keptStacks[index]
      precondition(kept != start, "a stack is freed twice")
      if kept == nil {
        areas.state.value.keptStacks[index] = start
        return
      }
    }
    areas.release(area)
  }

  /// Gives the kept stacks and everything lazy back to the page allocator; true if any was.
  @discardableResult
  public func shrink() -> Bool {
    while let start = takeKeptStack() {
      if let area = areas.find(start.page) { areas.release(area) }
    }
    let isAny = areas.lazyPageCount > .zero
    areas.purge()
    return isAny
  }

  private func takeKeptStack() -> VirtualAddress? {
    for index in areas.state.value.keptStacks.indices {
      if let kept = areas.state.value.keptStacks[index] {
        areas.state.value.keptStacks[index] = nil
        return kept
      }
    }
    return nil
  }

  private func makeStack() throws(AllocationError) -> VirtualAddress {
    try areas.allocate(
      KernelStack.pageCount.bytes, purpose: .kernelStack, FrameRequest(kind: .kernelStack),
      .readWrite, "allocateStack()")
  }
}
