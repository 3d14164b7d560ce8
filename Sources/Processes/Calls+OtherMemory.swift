// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Reading and writing another process's memory.
///
/// Linux: `mm/process_vm_access.c`.
extension Kernel {
  /// A place in a vector of pieces of a program's memory. Linux: `struct iov_iter`.
  private struct VectorPlace {
    let address: UInt64
    let count: UInt64
    var index: UInt64 = 0
    var base: UInt64 = 0
    var left: UInt64 = 0
  }

  /// Linux: `process_vm_readv` and, with `writes`, `process_vm_writev`.
  ///
  /// - Returns: the bytes that went; fewer than asked for where a page was missing.
  /// - Context: may sleep.
  func transferMemory(_ call: CallArguments, writes: Bool) throws(Errno) -> UInt64 {
    guard call.sixth == 0 else { throw .EINVAL }
    let total = try checkVector(call.second, call.third)
    guard total > 0 else { return 0 }
    guard try checkVector(call.fourth, call.fifth) > 0 else { return 0 }
    let number = Int32(truncatingIfNeeded: call.first)
    guard number > 0, let task = findTask(UInt32(number)) else { throw .ESRCH }
    try checkRight(toInspect: task)
    guard let other = heap[heap[task].process].space.reference else { throw .ESRCH }
    spaces.retain(other)
    defer { spaces.release(other) }
    let page = try scratchPage()
    defer { frames.free(FrameBlock.adopt(page, .zero)) }
    let block = machine.directMap.block(at: page.address, byteCount: ByteCount(4096))
    var own = VectorPlace(address: call.second, count: call.third)
    var their = VectorPlace(address: call.fourth, count: call.fifth)
    var done: UInt64 = 0
    do throws(Errno) {
      while try advance(&own), try advance(&their) {
        let count = min(part(of: own), part(of: their))
        if writes {
          try move(Int(count), from: own.base, in: space, to: their.base, in: other, by: block)
        } else {
          try move(Int(count), from: their.base, in: other, to: own.base, in: space, by: block)
        }
        own.base += count
        own.left -= count
        their.base += count
        their.left -= count
        done += count
      }
    } catch {
      guard done > 0 else { throw error }
    }
    return done
  }

  /// Linux: `process_madvise`, of the advice that is allowed for others: each only checks here.
  ///
  /// - Returns: the bytes that it was given for.
  func adviseOther(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.fifth & 0xFFFF_FFFF == 0 else { throw .EINVAL }
    _ = try checkVector(call.second, call.third)
    let target = try process(ofHandle: call.first)
    // Linux: `MADV_WILLNEED`, `MADV_COLD`, `MADV_PAGEOUT`, `MADV_COLLAPSE`.
    let advice: MemoryAdvice
    switch call.fourth & 0xFFFF_FFFF {
    case 3, 25: advice = .none
    case 20, 21: advice = .deactivate
    default: throw .EINVAL
    }
    try checkRight(toInspect: leader(of: target))
    guard identity.can(.setPriority) else { throw .EPERM }
    guard let other = heap[target].space.reference else { throw .ESRCH }
    spaces.retain(other)
    defer { spaces.release(other) }
    var done: UInt64 = 0
    for index in 0..<call.third {
      let start: UInt64 = try load(at: call.second &+ index * 16)
      let count: UInt64 = try load(at: call.second &+ index * 16 &+ 8)
      do throws(MemoryError) {
        try spaces.advise(
          other, from: VirtualAddress(start), byteCount: ByteCount(count), advice)
      } catch {
        guard done > 0 else { throw Errno(error) }
        break
      }
      done += count
    }
    return done
  }

  private func scratchPage() throws(Errno) -> PageFrameNumber {
    do {
      let request = FrameRequest(order: .zero, kind: .plain, content: .uninitialized)
      return try frames.allocate(request, relief: self).surrender()
    } catch {
      throw .ENOMEM
    }
  }

  /// The sum of a vector's lengths. Linux: `import_iovec()`.
  private func checkVector(_ address: UInt64, _ count: UInt64) throws(Errno) -> UInt64 {
    guard count <= 1024 else { throw .EINVAL }
    var total: UInt64 = 0
    for index in 0..<count {
      _ = try load(at: address &+ index * 16) as UInt64
      let length: UInt64 = try load(at: address &+ index * 16 &+ 8)
      guard length <= UInt64(Int64.max) else { throw .EINVAL }
      total = min(total &+ length, 0x7FFF_F000)
    }
    return total
  }

  /// Goes on to the next piece that is not used up; false at the end.
  private func advance(_ place: inout VectorPlace) throws(Errno) -> Bool {
    while place.left == 0 {
      guard place.index < place.count else { return false }
      place.base = try load(at: place.address &+ place.index * 16)
      place.left = try load(at: place.address &+ place.index * 16 &+ 8)
      place.index += 1
    }
    return true
  }

  /// What a place has in one page: that much goes whole or not at all.
  private func part(of place: VectorPlace) -> UInt64 {
    min(place.left, 4096 - place.base & 4095)
  }

  private func move(
    _ count: Int, from source: UInt64, in sourceSpace: Reference<AddressSpace>,
    to target: UInt64, in targetSpace: Reference<AddressSpace>, by block: MemoryBlock
  ) throws(Errno) {
    do throws(MemoryError) {
      try spaces.copyIn(
        from: VirtualAddress(source), in: sourceSpace, byteCount: count, to: block, at: 0)
      try spaces.copyOut(
        from: block, at: 0, byteCount: count, to: VirtualAddress(target), in: targetSpace)
    } catch {
      throw Errno(error)
    }
  }
}
