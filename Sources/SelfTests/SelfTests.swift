// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import KernelHeap
import KernelMappings
import Machine
import MemoryUnits
import PageFrames
import PageTables

/// The kernel's own suites: the same in a booted machine and on a simulated one.
///
/// Linux: KUnit, `lib/test_vmalloc.c`, `lib/tests/slub_kunit.c`.
public struct SelfTests<Environment: SelfTestEnvironment>: BitwiseCopyable {
  let environment: Environment

  public init(_ environment: Environment) { self.environment = environment }

  typealias M = Environment.Hardware

  var frames: PageFrames<M> { environment.frames }
  var heap: ObjectHeap<M> { environment.heap }
  var mappings: KernelMappings<M> { environment.mappings }
  var devices: DeviceMemory<M> { environment.devices }

  /// Runs a suite twice. What the first round leaves is there to stay, such as page tables of the
  /// kernel; the second must leave every frame where it was.
  ///
  /// - Context: nobody else uses the allocators; may wait for disks.
  public func run(_ suite: SelfTestSuite) -> SelfTestChecks {
    var checks = SelfTestChecks()
    round(suite, &checks)
    let before = unusedPageCount
    round(suite, &checks)
    checks.check(unusedPageCount == before, "every frame is back")
    checks.check(isConsistent, "every frame has one owner")
    return checks
  }

  private func round(_ suite: SelfTestSuite, _ checks: inout SelfTestChecks) {
    do throws(AllocationError) {
      switch suite {
      case .buddy: try testBuddy(&checks)
      case .cpuLists: try testCPULists(&checks)
      case .slab: try testSlab(&checks)
      case .heapDesign: try testHeapDesign(&checks)
      case .kmalloc: try testKernelHeap(&checks)
      case .vmalloc: try testVirtualAreas(&checks)
      case .directMap: try testDirectMap(&checks)
      case .deviceMemory: testDeviceMemory(&checks)
      case .sharedBuffer: try testSharedBuffer(&checks)
      case .compaction: testCompaction(&checks)
      case .contiguous: try testContiguous(&checks)
      }
    } catch {
      checks.check(false, "there is memory for the suite")
    }
  }

  /// Frames that nobody has, once all that is kept for later has been given back.
  private var unusedPageCount: PageCount {
    _ = heap.shrink()
    mappings.shrink()
    frames.drainCPULists()
    return frames.freePageCount
  }

  private var isConsistent: Bool {
    do throws(BrokenInvariant) {
      try frames.checkInvariants()
      heap.checkInvariants()
      return true
    } catch {
      return false
    }
  }
}
