// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Where the bytes of a read go, or those of a write come from.
public enum TransferMemory: BitwiseCopyable {
  /// A program's memory from an address on; wild addresses are refused with EFAULT.
  case program(VirtualAddress, in: Reference<AddressSpace>)
  /// The kernel's own, from an offset on.
  case kernel(MemoryBlock, at: Int)

  /// The places that so many elements of a `struct iovec[]` of a program name, one after the
  /// other, without their first bytes.
  case vector(
    VirtualAddress, count: UInt64, skipping: UInt64, in: Reference<AddressSpace>)

  /// The place so many bytes further on.
  public func advanced(by count: Int) -> Self {
    switch self {
    case .program(let address, let space):
      // An address that wraps is beyond every program, and refused when it is used.
      .program(VirtualAddress(address.value &+ UInt64(count)), in: space)
    case .kernel(let block, let offset): .kernel(block, at: offset + count)
    case .vector(let elements, let elementCount, let skipped, let space):
      .vector(elements, count: elementCount, skipping: skipped + UInt64(count), in: space)
    }
  }
}

extension FileSystems {
  /// Copies kernel bytes to where a read wants them; returns how many were copied before the
  /// first address that cannot be written.
  ///
  /// - Context: may sleep.
  func copy(
    from block: MemoryBlock, at offset: Int, byteCount: Int, to target: TransferMemory
  ) -> Int {
    switch target {
    case .program(let address, let space):
      var copied = 0
      do {
        try spaces.forEachPart(of: space, address, byteCount, .write) { bytes, place, count, done in
          bytes.copy(from: block, at: offset + done, to: place, byteCount: count)
          copied = done + count
        }
      } catch {
        // What was copied before stays, and is what the caller is told.
      }
      return copied
    case .kernel(let memory, let start):
      memory.copy(from: block, at: offset, to: start, byteCount: byteCount)
      return byteCount
    case .vector(let elements, let count, let skipped, let space):
      return forEachElement(elements, count, skipped, space, byteCount) { part, length, done in
        copy(from: block, at: offset + done, byteCount: length, to: part)
      }
    }
  }

  /// Copies the bytes of a write into the kernel; returns how many could be read.
  ///
  /// - Context: may sleep.
  func copy(
    from source: TransferMemory, byteCount: Int, to block: MemoryBlock, at offset: Int
  ) -> Int {
    switch source {
    case .program(let address, let space):
      var copied = 0
      do {
        try spaces.forEachPart(of: space, address, byteCount, .read) { bytes, place, count, done in
          block.copy(from: bytes, at: place, to: offset + done, byteCount: count)
          copied = done + count
        }
      } catch {
        // As above.
      }
      return copied
    case .kernel(let memory, let start):
      block.copy(from: memory, at: start, to: offset, byteCount: byteCount)
      return byteCount
    case .vector(let elements, let count, let skipped, let space):
      return forEachElement(elements, count, skipped, space, byteCount) { part, length, done in
        copy(from: part, byteCount: length, to: block, at: offset + done)
      }
    }
  }

  /// Copies part after part of a vector, up to the first that is short; the bytes copied.
  ///
  /// Linux: `copy_from_iter()`.
  private func forEachElement(
    _ elements: VirtualAddress, _ count: UInt64, _ skipped: UInt64,
    _ space: Reference<AddressSpace>, _ byteCount: Int,
    _ body: (TransferMemory, Int, Int) -> Int
  ) -> Int {
    var skipped = skipped
    var done = 0
    var index: UInt64 = 0
    while index < count, done < byteCount {
      let place = elements.value &+ index * 16
      index += 1
      guard let base = try? spaces.load(UInt64.self, at: VirtualAddress(place), in: space),
        let length = try? spaces.load(UInt64.self, at: VirtualAddress(place &+ 8), in: space)
      else { break }
      guard skipped < length else {
        skipped -= length
        continue
      }
      let wanted = Int(min(length - skipped, UInt64(byteCount - done)))
      let copied = body(.program(VirtualAddress(base &+ skipped), in: space), wanted, done)
      done += copied
      skipped = 0
      if copied < wanted { break }
    }
    return done
  }
}

/// Linux: the errno of each refusal of the memory layers.
extension Errno {
  public init(_ error: MemoryError) {
    self =
      switch error {
      case .outOfMemory: .ENOMEM
      case .invalidArgument: .EINVAL
      case .accessDenied: .EACCES
      case .notPermitted: .EPERM
      case .exists: .EEXIST
      case .noDevice: .ENODEV
      case .overflow: .EOVERFLOW
      case .badAddress: .EFAULT
      case .inputOutput: .EIO
      case .again: .EAGAIN
      case .interrupted: .EINTR
      case .notSupported: .EOPNOTSUPP
      case .noSpace: .ENOSPC
      }
  }
}
