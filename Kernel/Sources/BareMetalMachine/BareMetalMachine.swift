// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

/// The x86-64 processor that this runs on, with its memory, its timer and its disks.
///
/// One CPU. The kernel runs with interrupts disabled; they are on in user mode alone.
@safe
public struct BareMetalMachine: Machine, @unchecked Sendable {
  public typealias Format = X8664Format

  /// One page of the image, since there is one machine.
  private let page: UnsafeMutablePointer<MachineState>

  /// What the machine remembers.
  var state: MachineState {
    // SAFETY: the page is the state's alone, for as long as the machine runs.
    unsafeAddress { unsafe UnsafePointer(page) }
    nonmutating unsafeMutableAddress { unsafe page }
  }

  /// The machine that `start` has set up.
  public static var started: BareMetalMachine { BareMetalMachine() }

  init() {
    // SAFETY: the symbol of a page that is for this alone, zero until `start` fills it.
    unsafe page = UnsafeMutablePointer(bitPattern: UInt(place_machine_state()))!
  }

  // MARK: Memory

  public var directMap: DirectMap {
    // SAFETY: all RAM is mapped there, by the boot tables and by the kernel's.
    let memory = unsafe MemoryBlock(
      unsafeBase: UnsafeMutableRawPointer(bitPattern: UInt(AddressLayout.directMap))!,
      byteCount: Int(state.directMapLimit))
    return DirectMap(memory)
  }

  public func withBytes<Result, Failure: Error>(
    of frame: PageFrameNumber, _ body: (MemoryBlock) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(directMap.frame(frame))
  }

  public var channel: MemoryBlock {
    // SAFETY: checked at boot to be RAM beyond what the zones are given.
    unsafe MemoryBlock(
      unsafeBase: UnsafeMutableRawPointer(bitPattern: UInt(state.channel))!,
      byteCount: ChannelLayout.byteCount)
  }

  // MARK: Translation

  public func activate(root: PageFrameNumber) { processor_write_root(root.address.value) }

  /// The page table that is in use: the boot's until another is activated.
  public var currentRoot: PageFrameNumber { PhysicalAddress(processor_read_root()).frame }

  public func flush(_ scope: FlushScope) {
    switch scope {
    case .page(let address):
      processor_forget_page(address.value)
    case .space:
      processor_write_root(processor_read_root())
    case .everything:
      let control = processor_read_control4()
      processor_write_control4(control & ~ControlBits.globalPages)
      processor_write_control4(control)
    }
  }

  public func setReach(
    of first: PageFrameNumber, _ count: PageCount, _ reach: KernelReach
  ) -> Bool {
    guard (first + count).address.value <= state.directMapLimit else { return false }
    return setReach(
      of: first, count, reach, in: currentRoot,
      at: VirtualAddress(AddressLayout.directMap + first.address.value))
  }

  public var currentCPU: CPUNumber { .boot }

  // MARK: The end

  public func halt() -> Never {
    processor_port_write32(Ports.debugExit, 0)
    while true { processor_halt() }
  }
}

/// Virtual addresses that the machine fixes.
///
/// Linux: `Documentation/arch/x86/x86_64/mm.rst`.
public enum AddressLayout {
  /// Where physical address 0 is seen. Linux: `PAGE_OFFSET`.
  public static var directMap: UInt64 { 0xFFFF_8880_0000_0000 }
  /// What to subtract from an address of the image to have its physical one.
  /// Linux: `__START_KERNEL_map`.
  public static var image: UInt64 { 0xFFFF_FFFF_8000_0000 }
}

/// Input and output ports.
enum Ports {
  /// QEMU's `isa-debug-exit`.
  static var debugExit: UInt16 { 0xF4 }
  /// The first serial line, for what has to be said when there is no channel.
  static var serial: UInt16 { 0x3F8 }
}
