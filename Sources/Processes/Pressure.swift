// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Compaction
import FileSystems
import IntrusiveStructures
import KernelHeap
import KernelMappings
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import OutOfMemory
import PageFrames
import Reclaim

/// What the kernel does when memory is short: for blocks it gathers what is free;
/// then clean file pages, idle inodes, then a kill.
///
/// Linux: `__alloc_pages_slowpath()`'s helpers.
extension Kernel {
  public func relieve(_ shortfall: Shortfall) -> Relief {
    if shortfall.order > .zero, Compaction(self).compact(for: shortfall) == .success {
      return .progress
    }
    if Reclaim(self).freeFilePages(for: shortfall) > .zero {
      // What was freed lies anywhere. Linux: direct compaction after direct reclaim.
      if shortfall.order > .zero { _ = Compaction(self).compact(for: shortfall) }
      return .progress
    }
    if shrinkCaches(shortfall) { return .progress }
    if mappings.shrink() { return .progress }
    guard shortfall.mayKill else { return .none }
    return OutOfMemory(self).relieve(shortfall)
  }

  /// As `relieve`, for somebody who needs a kernel object.
  func relieveForObject() -> Relief {
    relieve(Shortfall(order: .zero, zoneLimit: .normal, kind: .slab))
  }
}

extension Kernel: OutOfMemoryEnvironment {
  public func candidate(after number: UInt32?) -> Candidate? {
    var next = state.value.processes.first
    if let number { next = findProcess(number).flatMap { heap[$0].listHook.next.reference } }
    while let process = next {
      next = heap[process].listHook.next.reference
      guard process != state.value.initProcess, let space = heap[process].space.reference
      else { continue }
      return Candidate(
        process: heap[process].identifier, space: space,
        adjustment: Int16(heap[process].outOfMemoryAdjustment),
        isDying: heap[process].diedOfMemory)
    }
    return nil
  }

  public func killForMemory(_ number: UInt32) {
    guard let victim = findProcess(number) else { return }
    state.value.memoryKillCount += 1
    let space = heap[victim].space.reference
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      guard process == victim || heap[process].space.reference == space else { continue }
      heap[process].diedOfMemory = true
      sendFromKernel(.SIGKILL, to: process)
    }
  }
}
