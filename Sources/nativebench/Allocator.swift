// SPDX-License-Identifier: Apache-2.0

import CHostThread
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import NativeMachine
import PageFrames

/// What is measured: bytes and blocks of pages, named by their addresses, 0 for none.
protocol Allocator: BitwiseCopyable, Sendable {
  func take(_ byteCount: Int) -> UInt
  func give(_ address: UInt)
  /// 4 KiB times two to the power of the order, aligned to that.
  func takePages(_ order: Order) -> UInt
  func givePages(_ address: UInt, _ order: Order)
  /// Writes to all of a run of bytes.
  func fill(_ address: UInt, _ byteCount: Int)
  /// Memory that is not the system's any more, what describes it included.
  var residentByteCount: Int { get }
}

/// Quire's object heap and page allocator, the log on, on a machine of 1 GiB and two CPUs.
///
/// What is freed is named by its address alone, as it is to `kfree()`.
struct QuireAllocator: Allocator {
  let machine: NativeMachine
  let frames: PageFrames<NativeMachine>
  let heap: KernelHeap<NativeMachine>

  static var frameCount: Int { 1 << 18 }

  /// - Parameter design: of the heap; the first is the kernel's own.
  init?(_ design: HeapDesign = .slub) {
    guard let machine = NativeMachine(frameCount: Self.frameCount) else { return nil }
    self.machine = machine
    var memory = BootMemory(limit: machine.directMap.limit)
    memory.add(from: PhysicalAddress(0), PageCount(Self.frameCount).bytes)
    do throws(AllocationError) {
      frames = try PageFrames(machine: machine, memory: &memory, zones: .x86_64, cpuCount: 2)
      var options = HeapOptions()
      options.design = design
      heap = KernelHeap(
        try ObjectHeap(frames: frames, memory: &memory, cpuCount: 2, options: options))
    } catch { return nil }
    frames.takeOver(&memory)
  }

  func take(_ byteCount: Int) -> UInt {
    do throws(AllocationError) {
      return UInt(try heap.allocate(ByteCount(UInt64(byteCount))).surrender().value)
    } catch { return 0 }
  }

  func give(_ address: UInt) { heap.free(at: PhysicalAddress(UInt64(address))) }

  @inline(__always)  // So that a constant order is one, as it is where the kernel asks.
  func takePages(_ order: Order) -> UInt {
    do throws(AllocationError) {
      let request = FrameRequest(
        order: order, kind: .plain, mobility: .movable, content: .uninitialized)
      return UInt(try frames.allocate(request).surrender().value)
    } catch { return 0 }
  }

  @inline(__always)  // As `takePages`.
  func givePages(_ address: UInt, _ order: Order) {
    frames.free(.adopt(PageFrameNumber(UInt32(truncatingIfNeeded: address)), order))
  }

  func fill(_ address: UInt, _ byteCount: Int) {
    machine.directMap.block(
      at: PhysicalAddress(UInt64(address)), byteCount: ByteCount(UInt64(byteCount))
    ).clear()
  }

  var residentByteCount: Int {
    heap.objects.pageCount.value * (Int(PageSize.base.bytes) + FrameDescriptor.byteCount)
  }
}

/// The process's `malloc()`: glibc's, or that of a library that was loaded before it.
///
/// It is called by address, since the compiler knows the names and leaves pairs of them out.
@safe
struct SystemAllocator: Allocator, @unchecked Sendable {
  private let allocate: @convention(c) (Int) -> UnsafeMutableRawPointer?
  private let release: @convention(c) (UnsafeMutableRawPointer?) -> Void

  init?() {
    // SAFETY: the names are terminated, and those of functions with these types.
    guard let found = unsafe dlsym(nil, "malloc"), let other = unsafe dlsym(nil, "free") else {
      return nil
    }
    // SAFETY: as above.
    unsafe allocate = unsafeBitCast(
      found, to: (@convention(c) (Int) -> UnsafeMutableRawPointer?).self)
    // SAFETY: as above.
    unsafe release = unsafeBitCast(
      other, to: (@convention(c) (UnsafeMutableRawPointer?) -> Void).self)
  }

  func take(_ byteCount: Int) -> UInt {
    // SAFETY: only its number is kept, until it is freed.
    unsafe UInt(bitPattern: allocate(byteCount))
  }

  func give(_ address: UInt) {
    // SAFETY: it came from one of the two verbs that take.
    unsafe release(UnsafeMutableRawPointer(bitPattern: address))
  }

  func takePages(_ order: Order) -> UInt {
    let byteCount = Int(order.pageCount.bytes.value)
    // SAFETY: as in `take`.
    return unsafe UInt(bitPattern: aligned_alloc(byteCount, byteCount))
  }

  func givePages(_ address: UInt, _ order: Order) { give(address) }

  func fill(_ address: UInt, _ byteCount: Int) {
    // SAFETY: so many bytes were taken there.
    unsafe UnsafeMutableRawPointer(bitPattern: address)?.initializeMemory(
      as: UInt8.self, repeating: 0x55, count: byteCount)
  }

  var residentByteCount: Int { Int(host_resident_bytes()) }
}
