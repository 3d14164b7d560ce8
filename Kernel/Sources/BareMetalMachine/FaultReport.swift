// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryEvents
import MemoryUnits

/// Reports a trap out of kernel code, which is a bug, and stops the machine.
///
/// Linux: `die()`, `panic()`.
@c(machine_report_fault)
func reportFault(_ frame: UnsafePointer<processor_frame>, _ address: UInt64) -> Never {
  let machine = BareMetalMachine()
  if machine.state.isReporting { machine.halt() }
  machine.state.isReporting = true
  // SAFETY: `Traps.S` hands over the registers that it has just saved on this stack.
  let frame = unsafe frame.pointee
  machine.write("kernel fault: trap ")
  machine.write(decimal: frame.vector)
  machine.writeField(", error ", frame.error)
  machine.writeField(", at ", frame.rip)
  machine.writeField(", address ", address)
  machine.writeWithheldFrame(at: address)
  machine.writeField("\n stack ", frame.rsp)
  machine.writeField(" flags ", frame.flags)
  machine.writeField(" root ", processor_read_root())
  machine.writeRegisters(frame)
  machine.writeTrace(from: frame.rsp)
  machine.leave(.kernelFailed, value: frame.rip)
  machine.halt()
}

extension BareMetalMachine {
  fileprivate func writeField(_ name: StaticString, _ value: UInt64) {
    write(name)
    write(hexadecimal: value)
  }

  /// Says which frame it was, if an address is where the direct map has RAM and leads nowhere: a
  /// guard behind a block, mostly.
  fileprivate func writeWithheldFrame(at address: UInt64) {
    let offset = address &- AddressLayout.directMap
    guard offset < state.directMapLimit, !isReadable(address) else { return }
    write(", which is in frame ")
    write(decimal: UInt64(PhysicalAddress(offset).frame.value))
    write(", kept from the kernel")
  }

  fileprivate func writeRegisters(_ frame: processor_frame) {
    writeField("\n rax ", frame.rax)
    writeField(" rbx ", frame.rbx)
    writeField(" rcx ", frame.rcx)
    writeField(" rdx ", frame.rdx)
    writeField("\n rsi ", frame.rsi)
    writeField(" rdi ", frame.rdi)
    writeField(" rbp ", frame.rbp)
    writeField(" r8 ", frame.r8)
    writeField("\n r9 ", frame.r9)
    writeField(" r10 ", frame.r10)
    writeField(" r11 ", frame.r11)
    writeField(" r12 ", frame.r12)
    writeField("\n r13 ", frame.r13)
    writeField(" r14 ", frame.r14)
    writeField(" r15 ", frame.r15)
  }

  /// Writes what on the stack looks like return addresses. Linux: the `?` lines of an oops.
  fileprivate func writeTrace(from pointer: UInt64) {
    write("\n trace")
    let size = UInt64(KernelStack.pageCount.bytes.value)
    var place = (pointer + 7) & ~7
    let end = min(place | (size - 1), place + 2048)
    var count = 0
    while place < end, count < 24, isReadable(place) {
      let word = shared_load64(place)
      if word > place_text_start(), word < place_text_end() {
        writeField(" ", word)
        count += 1
      }
      place += 8
    }
    write("\n")
  }

  /// Whether the current page table maps an address.
  private func isReadable(_ address: UInt64) -> Bool {
    translate(VirtualAddress(address)) != nil
  }
}
