// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import PageTableFormats

/// What Quire needs of hardware: a CPU with page tables, memory, time, disks and a way out.
///
/// A machine is a value that is a reference: copies are the same machine. No requirement mutates
/// it (design, decisions 1 and 11). There are at most 20, all in this file.
public protocol Machine: BitwiseCopyable {
  associatedtype Format: PageTableFormat

  // Memory

  /// The physical memory at a fixed offset.
  var directMap: DirectMap { get }

  /// The bytes of any frame, through a temporary window where the direct map does not reach.
  ///
  /// - Context: the body may not sleep.
  func withBytes<Result, Failure: Error>(
    of frame: PageFrameNumber, _ body: (MemoryBlock) throws(Failure) -> Result
  ) throws(Failure) -> Result

  // Translation

  /// Makes a page table the current one. Linux: `switch_mm()`, a write of CR3.
  func activate(root: PageFrameNumber)

  /// Forgets translations that the CPUs may have cached. Linux: `flush_tlb_*()`.
  func flush(_ scope: FlushScope)

  // CPUs and tasks

  /// The CPU that runs this.
  var currentCPU: CPUNumber { get }

  /// Makes a new kernel stack ready to be switched to.
  func prepare(_ stack: KernelStack, entry: TaskEntry)

  /// Saves the running task on its stack and goes on with another; returns when somebody
  /// switches back. Linux: `switch_to()`.
  func switchContext(from current: KernelStack, to next: KernelStack)

  /// A register of the user program whose kernel stack this is.
  func register(_ name: UserRegister, of stack: KernelStack) -> UInt64

  func setRegister(_ name: UserRegister, of stack: KernelStack, to value: UInt64)

  /// Gives the program fresh registers, floating-point ones included. Linux: `start_thread()`.
  func resetUserState(of stack: KernelStack)

  /// Copies the program's floating-point registers to the kernel or back, as a signal's frame
  /// keeps them: `floatingPointByteCount` bytes. What no register may hold is left out.
  func transferFloatingPoint(
    _ direction: FloatingPointTransfer, of stack: KernelStack, _ block: MemoryBlock)

  // Time

  /// Virtual time: instructions plus the modelled time of devices.
  var now: VirtualTime { get }

  /// Runs what looks at the host, with virtual time standing still.
  ///
  /// Nothing that the body saw may reach a decision, except that it is done.
  func withClockStopped(_ body: () -> Void)

  /// Asks for a timer trap in user mode at a time; `never` for none.
  func setTimer(_ deadline: VirtualTime)

  /// Moves virtual time on, when nothing can run before then.
  func advance(to time: VirtualTime)

  /// Keeps frames from the kernel, or lets it reach them again: a touch of what is withheld is a
  /// fault of the kernel's. Linux: `__kernel_map_pages()`.
  ///
  /// - Returns: false, with nothing changed, where the kernel reaches one of them by a larger page
  ///   than its own, or not by a page table.
  /// - Context: any; takes no lock and allocates nothing.
  func setReach(of first: PageFrameNumber, _ count: PageCount, _ reach: KernelReach) -> Bool

  // Outside

  /// Appends a record to the event log, with the time filled in.
  func record(_ event: MemoryEvent)

  /// The memory shared with the host: mailbox and streams (`ChannelLayout`).
  var channel: MemoryBlock { get }

  /// Hands a transfer to a disk and returns at once.
  ///
  /// - Precondition: its tag is not in flight.
  func submit(_ transfer: DiskTransfer)

  /// Waits, with the clock stopped, until the host has done a transfer; true if it went well.
  func finish(tag: UInt16) -> Bool

  /// Stops the machine; the channel says how it ended.
  func halt() -> Never
}

/// Where floating-point registers are copied.
public enum FloatingPointTransfer: Sendable {
  case save, restore
}

extension Machine {
  /// The size of the form that FXSAVE writes. Linux: `struct _fpstate_64`.
  public static var floatingPointByteCount: Int { 512 }

  /// A machine without such registers has nothing to copy.
  public func transferFloatingPoint(
    _ direction: FloatingPointTransfer, of stack: KernelStack, _ block: MemoryBlock
  ) {}
}

/// Which cached translations are to be forgotten.
public enum FlushScope: Sendable {
  /// One page of the current address space.
  case page(VirtualAddress)
  /// Everything that is not global, on this CPU.
  case space
  /// Everything, global entries included.
  case everything
}

/// A kernel stack; everything that the machine keeps of a task is at its upper end.
public struct KernelStack: Equatable, Sendable, BitwiseCopyable {
  /// The first address above the stack.
  public let top: VirtualAddress

  public init(top: VirtualAddress) { self.top = top }

  /// The stack's size without its guard page. Linux: `THREAD_SIZE`.
  public static var pageCount: PageCount { PageCount(4) }
}

/// Where a new task begins.
public enum TaskEntry: Sendable {
  /// In user mode, with the registers of another task, its result register 0. Linux: `fork()`.
  case user(copying: KernelStack)
  /// In user mode, with fresh registers, to be set before the first switch.
  case freshUser
  /// In the kernel: the image's entry for kernel tasks, with this argument.
  case kernel(UInt64)
}

/// A register as the system-call convention names it.
public enum UserRegister: UInt8, Sendable {
  case instructionPointer, stackPointer, flags
  /// Number of the call on entry (unchanged until return).
  case systemCall
  case argument0, argument1, argument2, argument3, argument4, argument5
  case result
  /// Base of thread-local storage. Linux: FS base.
  case threadPointer
  /// GS base.
  case secondThreadPointer
  /// For signal frames: by hardware number, `general(n)`.
  case general0, general1, general2, general3, general4, general5, general6, general7
  case general8, general9, general10, general11, general12, general13, general14, general15
}

/// A transfer between a disk and frames.
public struct DiskTransfer: Sendable, BitwiseCopyable {
  /// Read: from the disk to memory. Flush: what was written before stays whatever happens; it
  /// has neither place nor bytes.
  public enum Direction: UInt8, Sendable, BitwiseCopyable { case read, write, flush }

  /// The disk, root first.
  public var disk: UInt8
  public var direction: Direction
  /// Names the transfer until `finish`; 0 to 127.
  public var tag: UInt16
  /// In units of 512 bytes.
  public var sector: UInt64
  /// Physically contiguous memory.
  public var address: PhysicalAddress
  /// A multiple of 512.
  public var byteCount: ByteCount

  public init(
    disk: UInt8, direction: Direction, tag: UInt16, sector: UInt64, address: PhysicalAddress,
    byteCount: ByteCount
  ) {
    self.disk = disk
    self.direction = direction
    self.tag = tag
    self.sector = sector
    self.address = address
    self.byteCount = byteCount
  }

  /// Transfers that can be in flight at a time, over all disks.
  public static var maximumInFlight: Int { 128 }
}
