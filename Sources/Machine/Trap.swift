// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// Why user code stopped, with what the hardware says about it.
///
/// The machine saves all user registers where `register(_:of:)` finds them, calls the kernel's
/// `handleTrap` on the task's own kernel stack, and afterwards restores *all* registers as they
/// are then: the kernel may have changed any of them (a signal's frame, a new program).
/// A trap out of kernel code is not one of these: it is a bug, and the machine reports it.
///
/// Linux: the table of `DECLARE_IDTENTRY*`.
public enum Trap: Sendable, BitwiseCopyable, Equatable {
  /// The system-call instruction. `register(.systemCall)` holds its number; the machine has put
  /// ENOSYS nowhere: the kernel always sets `.result`.
  case systemCall
  /// No translation, or one that does not allow the access. Linux: `exc_page_fault()`.
  case pageFault(at: VirtualAddress, access: Access)
  /// The deadline of `setTimer` is reached.
  case timer
  /// Division by zero or a quotient that does not fit: SIGFPE, FPE_INTDIV.
  case divideError
  /// A single step or a hardware breakpoint: SIGTRAP, TRAP_TRACE.
  case debug
  /// `int3`; the instruction pointer is behind it: SIGTRAP.
  case breakpoint
  /// `into` and its kin: SIGSEGV.
  case overflow
  /// No such instruction: SIGILL, ILL_ILLOPN.
  case invalidInstruction
  /// A descriptor or stack segment that is not there: SIGBUS.
  case segment
  /// Everything that protection forbids besides pages, a non-canonical address and the time
  /// stamp's instruction among it: SIGSEGV without an address, unless the kernel emulates it.
  case protection
  /// An x87 error: SIGFPE.
  case floatingPoint
  /// An SSE error: SIGFPE.
  case vectorFloatingPoint
  /// An access that is not aligned, where the program asked for that check: SIGBUS.
  case alignment
  /// Any other that hardware has: SIGSEGV. The value is the hardware's number.
  case other(UInt8)

  /// What a page fault's access was.
  public enum Access: UInt8, Sendable, BitwiseCopyable { case read, write, execute }
}
