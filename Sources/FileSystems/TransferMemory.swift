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

  /// The place so many bytes further on.
  public func advanced(by count: Int) -> Self {
    switch self {
    case .program(let address, let space):
      // An address that wraps is beyond every program, and refused when it is used.
      .program(VirtualAddress(address.value &+ UInt64(count)), in: space)
    case .kernel(let block, let offset): .kernel(block, at: offset + count)
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
    }
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
      case .noSpace: .ENOSPC
      }
  }
}
