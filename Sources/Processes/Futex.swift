// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Waiting for a word of memory, within one address space.
///
/// Linux: `kernel/futex/`, private futexes.
extension Kernel {
  private func futexKey(_ address: UInt64, _ space: Reference<AddressSpace>) -> UInt64 {
    // User addresses leave the upper half free of frames' and objects' keys.
    1 << 63 | (address >> 2) ^ UInt64(space.raw) << 40
  }

  /// Linux: `futex`: FUTEX_WAIT and FUTEX_WAKE, with and without bit sets.
  func futex(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.first & 3 == 0 else { throw .EINVAL }
    let operation = call.second & 0x7F
    switch operation {
    case 0, 9: return try waitForFutex(call, isAbsolute: operation == 9)
    case 1, 10:
      let count = Int32(truncatingIfNeeded: call.third)
      return UInt64(wakeFutex(at: call.first, in: space, count: Int(max(count, 1))))
    default: throw .ENOSYS
    }
  }

  private func waitForFutex(_ call: CallArguments, isAbsolute: Bool) throws(Errno) -> UInt64 {
    var deadline = VirtualTime.never
    if call.fourth != 0 {
      let wish: TimeSpecification = try load(at: call.fourth)
      guard let time = wish.duration else { throw .EINVAL }
      let isRealTime = call.second & 256 != 0
      let epoch = isRealTime ? files.value.bootTime &* 1_000_000_000 : 0
      let start = isAbsolute ? VirtualTime.zero : machine.now
      deadline = start.advanced(
        byNanoseconds: isAbsolute ? (time > epoch ? time - epoch : 0) : time)
    }
    let value: UInt32 = try load(at: call.first)
    guard value == UInt32(truncatingIfNeeded: call.third) else { throw .EAGAIN }
    let key = futexKey(call.first, space)
    switch suspend(on: key, .sleepingInterruptibly, until: deadline) {
    case .woken: return 0
    case .timedOut: throw .ETIMEDOUT
    case .interrupted: throw .EINTR
    }
  }

  /// Wakes tasks that wait for a word; how many there were.
  @discardableResult
  func wakeFutex(at address: UInt64, in space: Reference<AddressSpace>, count: Int) -> Int {
    wakeSleepers(on: futexKey(address, space), atMost: count)
  }
}
