// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats

/// The system calls on the machine as a whole.
extension Kernel {
  /// Linux: `uname`, `struct new_utsname`: six texts of 65 bytes.
  func systemName(_ call: CallArguments) throws(Errno) -> UInt64 {
    try storeName("Linux", 0, call)
    try storeHostName(call)
    try storeName("6.12.0-quire", 2, call)
    try storeName("#1 Quire", 3, call)
    try storeName("x86_64", 4, call)
    try store(files.value.settings.domainName, at: call.first &+ 5 * 65)
    return 0
  }

  private func storeName(
    _ text: StaticString, _ index: Int, _ call: CallArguments
  ) throws(Errno) {
    var buffer = InlineArray<9, UInt64>(repeating: 0)
    let address = VirtualAddress(call.first &+ UInt64(index * 65))
    let space = space
    try withMemoryBlock(over: &buffer) { (block) throws(Errno) in
      block.store(text: text, at: 0)
      do throws(MemoryError) {
        try spaces.copyOut(from: block, at: 0, byteCount: 65, to: address, in: space)
      } catch {
        throw Errno(error)
      }
    }
  }

  /// The name that /proc/sys/kernel/hostname has.
  private func storeHostName(_ call: CallArguments) throws(Errno) {
    try store(files.value.settings.hostName, at: call.first &+ 65)
  }

  /// Linux: `sysinfo`, with the numbers of /proc/meminfo.
  func systemInformation(_ call: CallArguments) throws(Errno) -> UInt64 {
    var information = SystemInformation()
    information.uptimeSeconds = Int64(machine.now.nanoseconds / 1_000_000_000)
    information.totalMemory = frames.managedPageCount.bytes.value
    information.freeMemory = frames.freePageCount.bytes.value
    information.sharedMemory = memory.value.sharedPageCount.bytes.value
    information.bufferMemory = fileSystems.bufferPageCount.bytes.value
    information.processCount = UInt16(truncatingIfNeeded: state.value.taskCount)
    try store(information, at: call.first)
    return 0
  }

  /// Linux: `getrandom`. All of it comes from the seed.
  func randomBytes(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.third & ~7 == 0 else { throw .EINVAL }
    let count = Int(min(call.second, 0x7FFF_F000))
    let target = TransferMemory.program(VirtualAddress(call.first), in: space)
    return UInt64(try fileSystems.fillRandom(target, byteCount: count))
  }

  /// Linux: `syslog`, with `kernel.dmesg_restrict`. The log is empty for programs: what the kernel
  /// says goes to the host.
  func controlLog(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard identity.can(.readLog) else { throw .EPERM }
    let count = Int32(truncatingIfNeeded: call.third)
    switch Int32(truncatingIfNeeded: call.first) {
    // Opened, closed, cleared; the console's level, and there is no console.
    case 0, 1, 5, 6, 7: return 0
    case 2, 3, 4:
      guard call.second != 0, count >= 0 else { throw .EINVAL }
      let limit = M.Format.userLimit.value
      guard call.second <= limit, UInt64(count) <= limit - call.second else { throw .EFAULT }
      guard call.first == 2, count > 0 else { return 0 }
      let key = SleepKey.object(current.raw, channel: Channel.sleep)
      while sleepInterruptibly(on: key) {}
      throw .EINTR
    case 8:
      guard (1...8).contains(count) else { throw .EINVAL }
      return 0
    case 9: return 0
    case 10: return 1 << 17
    default: throw .EINVAL
    }
  }

  /// A call that Quire does not have: named once in the log, and ENOSYS.
  func refuse(_ number: UInt64) throws(Errno) -> UInt64 {
    note(refused: number, .ENOSYS)
    throw .ENOSYS
  }

  /// A call that Quire has in name only: named once, and Linux's errno.
  func refuse(_ number: UInt64, _ error: Errno) throws(Errno) -> UInt64 {
    note(refused: number, error)
    throw error
  }

  private func note(refused number: UInt64, _ error: Errno) {
    // All numbers that no kernel has share the last bit.
    let place = Int(min(number, 575))
    let bit = UInt64(1) << UInt64(place & 63)
    guard state.value.namedCalls[place >> 6] & bit == 0 else { return }
    state.value.namedCalls[place >> 6] |= bit
    record(.systemCallRefused, detail: error.rawValue, value: number)
  }
}
