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

  func store<Value: BitwiseCopyable>(_ value: Value, at address: UInt64) throws(Errno) {
    do {
      try spaces.store(value, at: VirtualAddress(address), in: space)
    } catch {
      throw Errno(error)
    }
  }
}
