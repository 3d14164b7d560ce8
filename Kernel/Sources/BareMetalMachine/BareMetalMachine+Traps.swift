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
    guard let first = userByte(at: address), first == 0x0F,
      let second = userByte(at: address &+ 1)
    else { return false }
    var length: UInt64 = 2
    if second == 0x01 {
      guard let third = userByte(at: address &+ 2), third == 0xF9 else { return false }
      length = 3
      task[.general1] = 0
    } else if second != 0x31 {
      return false
    }
    let time = now.nanoseconds
    task[.general0] = time & 0xFFFF_FFFF
    task[.general2] = time >> 32
    task[.instructionPointer] = address &+ length
    return true
  }

  /// A byte that the running program can see, or nil.
  private func userByte(at address: UInt64) -> UInt8? {
    guard address < Format.userLimit.value,
      let place = translate(VirtualAddress(address)), place < directMap.limit
    else { return nil }
    return directMap.load(UInt8.self, at: place)
  }

  /// Walks the current page table.
  func translate(_ address: VirtualAddress) -> PhysicalAddress? {
    var table = PhysicalAddress(processor_read_root() & ~0xFFF)
    var level = Format.levelCount - 1
    while level >= 0 {
      let place = table + ByteCount(UInt64(Format.index(of: address, level: level) * 8))
      switch Format.decode(directMap.load(UInt64.self, at: place), level: level) {
      case .table(let next): table = next.address
      case .leaf(let leaf):
        let offset = address.value & (Format.pageSize(level: level).bytes - 1)
        return leaf.frame.address + ByteCount(offset)
      default: return nil
      }
      level -= 1
    }
    return nil
  }
}
