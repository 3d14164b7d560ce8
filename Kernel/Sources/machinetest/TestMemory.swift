// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import Machine
import MemoryUnits
import PageTableFormats

/// Frames, each given out once, and one page table: as little as programs need to run.
struct TestMemory: BitwiseCopyable {
  private let machine: BareMetalMachine
  private var end: PhysicalAddress
  private(set) var root = PageFrameNumber(0)

  /// Takes frames from the end of RAM downwards.
  init(machine: BareMetalMachine, information: BootInformation) {
    self.machine = machine
    end = information.memoryRanges[information.memoryRangeCount - 1].end
    let booted = machine.currentRoot
    root = allocate()
    let table = machine.directMap.frame(root)
    table.copy(from: machine.directMap.frame(booted), at: 0, to: 0, byteCount: 4096)
  }

  /// A frame full of zeros.
  mutating func allocate() -> PageFrameNumber {
    end = PhysicalAddress(end.value - 4096)
    machine.directMap.frame(end.frame).clear()
    return end.frame
  }

  /// Frames full of zeros in a row.
  mutating func allocate(_ size: ByteCount) -> PhysicalAddress {
    for _ in 0..<size.pagesRoundedUp.value { _ = allocate() }
    return end
  }

  /// Maps a page to a fresh frame.
  mutating func map(_ address: VirtualAddress, _ protection: Protection) -> PageFrameNumber {
    let frame = allocate()
    var table = root
    var level = X8664Format.levelCount - 1
    while level > 0 {
      let place = entry(of: address, level: level, in: table)
      switch X8664Format.decode(machine.directMap.load(UInt64.self, at: place), level: level) {
      case .table(let next): table = next
      default:
        let next = allocate()
        machine.directMap.store(X8664Format.table(next, level: level), at: place)
        table = next
      }
      level -= 1
    }
    let leaf = X8664Format.leaf(frame, protection, level: 0)
    machine.directMap.store(leaf, at: entry(of: address, level: 0, in: table))
    return frame
  }

  private func entry(
    of address: VirtualAddress, level: Int, in table: PageFrameNumber
  ) -> PhysicalAddress {
    table.address + ByteCount(UInt64(X8664Format.index(of: address, level: level) * 8))
  }

  /// A kernel stack with nothing mapped below it.
  mutating func allocateStack(number: UInt64) -> KernelStack {
    let size = KernelStack.pageCount.bytes.value
    let top = 0xFFFF_C900_0000_0000 + (number + 1) * (size + 4096)
    for page in 1...UInt64(KernelStack.pageCount.value) {
      _ = map(VirtualAddress(top - page * 4096), .readWrite)
    }
    return KernelStack(top: VirtualAddress(top))
  }
}
