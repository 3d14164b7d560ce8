// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryUnits
import PageTableFormats

/// What `Traps.S` hands over, as the kernel sees it.
extension BareMetalMachine {
  /// Takes a trap out of user mode: what the kernel is to do about it, or nil if the machine has
  /// done it all.
  ///
  /// - Parameters:
  ///   - vector: the hardware's number of the trap.
  ///   - error: its error code, 0 where it has none.
  ///   - address: CR2.
  public func takeTrap(vector: UInt64, error: UInt64, address: UInt64) -> Trap? {
    switch vector {
    case 14: return .pageFault(at: VirtualAddress(address), access: Self.access(error))
    case UInt64(PROCESSOR_TIMER_VECTOR): return takeTimerInterrupt() ? .timer : nil
    case 13: return emulateTimeStamp() ? nil : .protection
    case 0: return .divideError
    case 1: return .debug
    case 3: return .breakpoint
    case 4: return .overflow
    case 6: return .invalidInstruction
    case 11, 12: return .segment
    case 16: return .floatingPoint
    case 17: return .alignment
    case 19: return .vectorFloatingPoint
    case 0xFF: return nil
    default: return .other(UInt8(truncatingIfNeeded: vector))
    }
  }

  /// Linux: `X86_PF_WRITE`, `X86_PF_INSTR`.
  private static func access(_ error: UInt64) -> Trap.Access {
    if error & 2 != 0 { return .write }
    return error & 16 != 0 ? .execute : .read
  }

  /// Answers RDTSC and RDTSCP with virtual time, if that is what trapped.
  private func emulateTimeStamp() -> Bool {
    let task = SavedTask.current
    let address = task[.instructionPointer]
    guard let code = userCode(at: address) else { return false }
    let isWithProcessor = code == 0xF9_010F
    guard isWithProcessor || code & 0xFFFF == 0x310F else { return false }
    if isWithProcessor { task[.general1] = 0 }
    let time = now.nanoseconds
    task[.general0] = time & 0xFFFF_FFFF
    task[.general2] = time >> 32
    task[.instructionPointer] = address &+ (isWithProcessor ? 3 : 2)
    return true
  }

  /// Three bytes of the running program's code, the first one lowest; those behind the last page
  /// are 0. Nil where there is none.
  private func userCode(at start: UInt64) -> UInt32? {
    guard start < Format.userLimit.value, var place = translate(VirtualAddress(start))
    else { return nil }
    var code: UInt32 = 0
    for index in 0..<UInt64(3) {
      if index > 0 && (start &+ index) & (PageSize.base.bytes - 1) == 0 {
        guard let next = translate(VirtualAddress(start &+ index)) else { return code }
        place = next
      }
      guard place < directMap.limit else { return code }
      code |= UInt32(directMap.load(UInt8.self, at: place)) << UInt32(index * 8)
      place = place + ByteCount(1)
    }
    return code
  }

  /// Walks the current page table.
  func translate(_ address: VirtualAddress) -> PhysicalAddress? {
    var table = PhysicalAddress(processor_read_root() & ~0xFFF)
    var level = Format.levelCount - 1
    while level >= 0 {
      let place = table + ByteCount(UInt64(Format.index(of: address, level: level) * 8))
      switch Format.decode(directMap.load(UInt64.self, at: place), level: level) {
      case .table(let next): table = next.address
      case .leaf(let leaf) where leaf.protection.isAccessible:
        let offset = address.value & (Format.pageSize(level: level).bytes - 1)
        return leaf.frame.address + ByteCount(offset)
      default: return nil
      }
      level -= 1
    }
    return nil
  }
}
