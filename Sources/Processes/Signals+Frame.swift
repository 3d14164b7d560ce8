// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// A handler's frame on the program's stack, and the way back from it.
///
/// Linux: `arch/x86/kernel/signal_64.c`, `x64_setup_rt_frame()`, `rt_sigreturn`.
extension Kernel {
  /// Lets the program go on in its handler; a stack without room ends it with SIGSEGV.
  ///
  /// - Context: may sleep.
  func enterHandler(_ signal: Signal, _ action: SignalAction, _ information: SignalInformation) {
    let task = current
    let stack = heap[task].stack
    var frame = SignalFrame()
    frame.restorer = action.restorer
    frame.registers = savedRegisters(of: stack)
    frame.mask = heap[task].savedMask ?? heap[task].blocked
    frame.stack = alternateStackNow
    frame.information = information
    let places = framePlaces(action, stack)
    let address = places.frame
    frame.registers.floatingPoint = places.floatingPoint
    guard saveFloatingPoint(at: places.floatingPoint, of: stack),
      action.flags & SignalAction.restorerGiven != 0,
      stored(frame, at: address)
    else {
      return failFrame(signal)
    }
    heap[task].savedMask = nil
    machine.setRegister(.general7, of: stack, to: UInt64(signal.number))
    machine.setRegister(
      .general6, of: stack, to: address + SignalFrame.informationOffset)
    machine.setRegister(.general2, of: stack, to: address + SignalFrame.contextOffset)
    machine.setRegister(.result, of: stack, to: 0)
    machine.setRegister(.stackPointer, of: stack, to: address)
    setInstructionPointer(action.handler, of: stack)
    if heap[task].alternateStack.flags & SignalStack.disarms != 0 {
      heap[task].alternateStack = SignalStack(base: 0, flags: 0, byteCount: 0)
    }
    let flags = machine.register(.flags, of: stack)
    machine.setRegister(.flags, of: stack, to: flags & ~Self.flagsClearedForHandlers)
    var mask = heap[task].blocked.union(action.mask)
    if action.flags & SignalAction.noDefer == 0 { mask = mask.union(SignalSet(signal)) }
    let old = heap[task].blocked
    heap[task].blocked = mask.subtracting(.unblockable)
    retarget(mask.subtracting(old), of: heap[task].process)
    if action.flags & SignalAction.resetHandler != 0, let signals = heap[process].signals.reference
    {
      heap[signals].setAction(of: signal, to: SignalAction())
    }
  }

  /// Direction, resume and trap. Linux: `X86_EFLAGS_DF | RF | TF`.
  private static var flagsClearedForHandlers: UInt64 { 0x1_0500 }
  /// What a program may set of its flags. Linux: `FIX_EFLAGS`.
  private static var flagsOfPrograms: UInt64 { 0x0005_0DD5 }
  /// Bytes below the stack pointer that a function without calls may use.
  private static var redZone: UInt64 { 128 }

  /// Where the program goes on; an address that no processor has ends in SIGSEGV there.
  private func setInstructionPointer(_ address: UInt64, of stack: KernelStack) {
    let upper = address >> 47
    guard upper == 0 || upper == 0x1FFFF else {
      machine.setRegister(.instructionPointer, of: stack, to: 0)
      return force(.SIGSEGV, code: SignalInformation.fromKernel, address: 0)
    }
    machine.setRegister(.instructionPointer, of: stack, to: address)
  }

  private func stored(_ frame: SignalFrame, at address: UInt64) -> Bool {
    do {
      try spaces.store(frame, at: VirtualAddress(address), in: space)
      return true
    } catch {
      return false
    }
  }

  /// Linux: `force_sigsegv()`.
  private func failFrame(_ signal: Signal) {
    if signal == .SIGSEGV, let signals = heap[process].signals.reference {
      heap[signals].setAction(of: .SIGSEGV, to: SignalAction())
    }
    force(.SIGSEGV, code: SignalInformation.fromKernel, address: 0)
  }

  /// Copies the floating-point registers to the program's stack.
  ///
  /// Linux: `copy_fpstate_to_sigframe()`.
  private func saveFloatingPoint(at address: UInt64, of stack: KernelStack) -> Bool {
    var buffer = InlineArray<64, UInt64>(repeating: 0)
    let space = space
    return withMemoryBlock(over: &buffer) { block in
      machine.transferFloatingPoint(.save, of: stack, block)
      do throws(MemoryError) {
        try spaces.copyOut(
          from: block, at: 0, byteCount: block.byteCount, to: VirtualAddress(address), in: space)
        return true
      } catch {
        return false
      }
    }
  }

  /// Linux: `fpu__restore_sig()`.
  private func restoreFloatingPoint(from address: UInt64, to stack: KernelStack) -> Bool {
    guard address != 0 else { return true }
    var buffer = InlineArray<64, UInt64>(repeating: 0)
    let space = space
    return withMemoryBlock(over: &buffer) { block in
      do throws(MemoryError) {
        try spaces.copyIn(
          from: VirtualAddress(address), in: space, byteCount: block.byteCount, to: block, at: 0)
      } catch {
        return false
      }
      machine.transferFloatingPoint(.restore, of: stack, block)
      return true
    }
  }

  private func framePlaces(
    _ action: SignalAction, _ stack: KernelStack
  ) -> (frame: UInt64, floatingPoint: UInt64) {
    var top = machine.register(.stackPointer, of: stack) &- Self.redZone
    let other = heap[current].alternateStack
    if action.flags & SignalAction.onAlternateStack != 0, other.byteCount > 0, !isOnAlternateStack {
      top = other.base &+ other.byteCount
    }
    let floatingPoint = (top &- UInt64(M.floatingPointByteCount)) & ~63
    let frame = ((floatingPoint &- UInt64(SignalFrame.byteCount)) & ~15) &- 8
    return (frame, floatingPoint)
  }

  /// Whether the program runs on its alternate stack. Linux: `on_sig_stack()`.
  var isOnAlternateStack: Bool {
    let other = heap[current].alternateStack
    guard other.byteCount > 0, other.flags & SignalStack.disarms == 0 else { return false }
    let pointer = machine.register(.stackPointer, of: heap[current].stack)
    return pointer > other.base && pointer &- other.base <= other.byteCount
  }

  /// The alternate stack as `sigaltstack` shows it.
  var alternateStackNow: SignalStack {
    var stack = heap[current].alternateStack
    if stack.byteCount == 0 {
      stack.flags = SignalStack.disabled
    } else {
      let kept = stack.flags & SignalStack.disarms
      stack.flags = (isOnAlternateStack ? SignalStack.inUse : 0) | kept
    }
    return stack
  }

  private func savedRegisters(of stack: KernelStack) -> SavedRegisters {
    var saved = SavedRegisters()
    saved.r8 = machine.register(.general8, of: stack)
    saved.r9 = machine.register(.general9, of: stack)
    saved.r10 = machine.register(.general10, of: stack)
    saved.r11 = machine.register(.general11, of: stack)
    saved.r12 = machine.register(.general12, of: stack)
    saved.r13 = machine.register(.general13, of: stack)
    saved.r14 = machine.register(.general14, of: stack)
    saved.r15 = machine.register(.general15, of: stack)
    saved.rdi = machine.register(.general7, of: stack)
    saved.rsi = machine.register(.general6, of: stack)
    saved.rbp = machine.register(.general5, of: stack)
    saved.rbx = machine.register(.general3, of: stack)
    saved.rdx = machine.register(.general2, of: stack)
    saved.rax = machine.register(.result, of: stack)
    saved.rcx = machine.register(.general1, of: stack)
    saved.rsp = machine.register(.stackPointer, of: stack)
    saved.rip = machine.register(.instructionPointer, of: stack)
    saved.flags = machine.register(.flags, of: stack)
    return saved
  }

  private func restore(_ saved: SavedRegisters, to stack: KernelStack) {
    machine.setRegister(.general8, of: stack, to: saved.r8)
    machine.setRegister(.general9, of: stack, to: saved.r9)
    machine.setRegister(.general10, of: stack, to: saved.r10)
    machine.setRegister(.general11, of: stack, to: saved.r11)
    machine.setRegister(.general12, of: stack, to: saved.r12)
    machine.setRegister(.general13, of: stack, to: saved.r13)
    machine.setRegister(.general14, of: stack, to: saved.r14)
    machine.setRegister(.general15, of: stack, to: saved.r15)
    machine.setRegister(.general7, of: stack, to: saved.rdi)
    machine.setRegister(.general6, of: stack, to: saved.rsi)
    machine.setRegister(.general5, of: stack, to: saved.rbp)
    machine.setRegister(.general3, of: stack, to: saved.rbx)
    machine.setRegister(.general2, of: stack, to: saved.rdx)
    machine.setRegister(.result, of: stack, to: saved.rax)
    machine.setRegister(.general1, of: stack, to: saved.rcx)
    machine.setRegister(.stackPointer, of: stack, to: saved.rsp)
    setInstructionPointer(saved.rip, of: stack)
    let flags = machine.register(.flags, of: stack) & ~Self.flagsOfPrograms
    machine.setRegister(
      .flags, of: stack, to: flags | (saved.flags & Self.flagsOfPrograms))
  }

  private func loadFrame(at address: UInt64) -> SignalFrame? {
    var frame = SignalFrame()
    let space = space
    do throws(MemoryError) {
      try withMemoryBlock(over: &frame) { (block) throws(MemoryError) in
        try spaces.copyIn(
          from: VirtualAddress(address), in: space, byteCount: block.byteCount, to: block, at: 0)
      }
    } catch {
      return nil
    }
    return frame
  }

  /// The way back from a handler. Linux: `rt_sigreturn`.
  ///
  /// - Returns: what the result register held, so that the call changes nothing.
  func returnFromHandler() -> UInt64 {
    let stack = heap[current].stack
    // The restorer's `ret` took the first word off.
    let address = machine.register(.stackPointer, of: stack) &- 8
    guard let frame = loadFrame(at: address),
      restoreFloatingPoint(from: frame.registers.floatingPoint, to: stack)
    else {
      force(.SIGSEGV, code: SignalInformation.fromKernel, address: 0)
      return 0
    }
    restore(frame.registers, to: stack)
    setBlocked(frame.mask)
    // What is wrong with it is passed over. Linux: `restore_altstack()`.
    try? changeAlternateStack(to: frame.stack)
    return frame.registers.rax
  }
}
