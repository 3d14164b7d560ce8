// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import KernelMappings
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// What a check of the whole memory found wrong; the number is what the mailbox shows.
enum AuditFinding: UInt64 {
  case kernelTable = 1
  case addressSpace = 2
  case mappingCount = 3
  case frameLost = 4
  case fileMapped = 5
  case stackLost = 6
  case objectLost = 7
  case lockMiscounted = 8
}

/// Checks of the whole memory: at the end of every run, and with the boot word `audit` at the
/// end of every process too.
///
/// Linux: `check_mm()`, `ptdump_check_wx()`, and what a leak costs.
extension Kernel {
  /// Checks every address space against its areas, and every frame against all page tables.
  ///
  /// - Complexity: O(pages of all programs + frames).
  func auditSpaces() -> AuditFinding? {
    var spaceCount = 0
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      guard let space = heap[process].space.reference, isFirst(process, with: space) else {
        continue
      }
      guard (try? spaces.check(space)) != nil else { return .addressSpace }
      spaceCount += 1
    }
    guard (try? spaces.checkLocks()) != nil else { return .lockMiscounted }
    let areCountsRight = (try? spaces.checkMappingCounts()) != nil
    // A space that an `execve` builds, asleep, is no process's yet: what it maps was not found.
    let liveCount = heap.statistics(AddressSpace.cacheIndex)?.liveObjectCount
    return areCountsRight || liveCount != spaceCount ? nil : .mappingCount
  }

  /// Whether no process before this one in the list has the same memory.
  private func isFirst(
    _ process: Reference<Process>, with space: Reference<AddressSpace>
  ) -> Bool {
    var next = state.value.processes.first
    while let other = next, other != process {
      if heap[other].space.reference == space { return false }
      next = heap[other].listHook.next.reference
    }
    return true
  }

  /// Checks that nothing of the programs is left when only init is.
  ///
  /// - Complexity: O(frames + kernel's page table).
  func auditEnd() -> AuditFinding? {
    let kernelRoot = memory.value.kernelRoot
    guard (try? tables.check(kernelRoot, .kernel) { _, _, _ in }) != nil else {
      return .kernelTable
    }
    for number in 0..<frames.table.count {
      switch frames.table[PageFrameNumber(UInt32(number))].kind {
      case .anonymous: return .frameLost
      case .file:
        if frames.table[PageFrameNumber(UInt32(number))].mappings != 0 { return .fileMapped }
      default: continue
      }
    }
    guard memory.value.locked.total == .zero, (try? spaces.checkLocks()) != nil else {
      return .lockMiscounted
    }
    if mappings.stackCount != state.value.kernelTaskCount { return .stackLost }
    let caches: InlineArray<4, Int> = [
      AddressSpace.cacheIndex, Area.cacheIndex, AnonymousRegion.cacheIndex,
      AnonymousRegionLink.cacheIndex,
    ]
    for index in 0..<caches.count {
      if let statistics = heap.statistics(caches[index]), statistics.liveObjectCount != 0 {
        return .objectLost
      }
    }
    return nil
  }
}
