// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The six arguments of a system call.
struct CallArguments: BitwiseCopyable {
  let first: UInt64
  let second: UInt64
  let third: UInt64
  let fourth: UInt64
  let fifth: UInt64
  let sixth: UInt64

  /// The first as C's `int`.
  var firstInt: Int { Int(Int32(truncatingIfNeeded: first)) }
}

/// Plain values of the running program; a pointer that is wrong is EFAULT.
extension Kernel {
  func load<Value: BitwiseCopyable>(at address: UInt64) throws(Errno) -> Value {
    do {
      return try spaces.load(Value.self, at: VirtualAddress(address), in: space)
    } catch {
      throw Errno(error)
    }
  }

  /// A structure that a program may have an older or newer form of: what is missing keeps its
  /// value, and what is more must be 0.
  ///
  /// - Throws: E2BIG, EFAULT. Linux: `copy_struct_from_user()`.
  func load<Value: BitwiseCopyable>(
    over initial: Value, at address: UInt64, byteCount: UInt64
  ) throws(Errno) -> Value {
    var value = initial
    let known = UInt64(MemoryLayout<Value>.size)
    var place = known
    while place < byteCount {
      let byte: UInt8 = try load(at: address &+ place)
      guard byte == 0 else { throw .E2BIG }
      place += 1
    }
    let space = space
    try withMemoryBlock(over: &value) { (block) throws(Errno) in
      do throws(MemoryError) {
        try spaces.copyIn(
          from: VirtualAddress(address), in: space, byteCount: Int(min(byteCount, known)),
          to: block, at: 0)
      } catch {
        throw Errno(error)
      }
    }
    return value
  }

  func store<Value: BitwiseCopyable>(_ value: Value, at address: UInt64) throws(Errno) {
    do {
      try spaces.store(value, at: VirtualAddress(address), in: space)
    } catch {
      throw Errno(error)
    }
  }
}
