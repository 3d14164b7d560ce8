// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageTableFormats

/// A run of physical addresses.
public struct MemoryRange: Sendable, BitwiseCopyable {
  public var start: PhysicalAddress
  public var byteCount: ByteCount

  public init(start: PhysicalAddress, byteCount: ByteCount) {
    self.start = start
    self.byteCount = byteCount
  }

  init(from start: UInt64, to end: UInt64) {
    self.init(start: PhysicalAddress(start), byteCount: ByteCount(end - start))
  }

  public var end: PhysicalAddress { start + byteCount }
}

/// A part of the kernel's image, with the rights that its page table gives it.
public struct ImagePart: Sendable, BitwiseCopyable {
  public var address: VirtualAddress
  public var range: MemoryRange
  public var protection: Protection
}

/// What is where when the kernel begins.
public struct BootInformation: BitwiseCopyable {
  /// RAM as asked for with `--memory`: above it are the channel and nothing else.
  public internal(set) var memoryBytes = ByteCount.zero

  /// RAM below `memoryBytes`, in ascending order: `memoryRanges[0..<memoryRangeCount]`.
  public internal(set) var memoryRanges = InlineArray<16, MemoryRange>(
    repeating: MemoryRange(from: 0, to: 0))
  public internal(set) var memoryRangeCount = 0

  /// The image and its stack: RAM that is taken for ever.
  public internal(set) var reserved = MemoryRange(from: 0, to: 0)

  /// The page tables of the boot: free once another root is active.
  public internal(set) var bootTables = MemoryRange(from: 0, to: 0)

  /// Text, constants, data, and the stack that the kernel starts on. The page below that stack
  /// is in no part, so that an overflow is seen.
  public internal(set) var image = InlineArray<4, ImagePart>(
    repeating: ImagePart(
      address: VirtualAddress(0), range: MemoryRange(from: 0, to: 0), protection: .read))

  /// Device registers, which the kernel's page table maps at the direct map's distance, uncached.
  public internal(set) var devices = InlineArray<2, MemoryRange>(
    repeating: MemoryRange(from: 0, to: 0))

  /// The level of the CPU's largest pages: 2 where it has them of 1 GiB, otherwise 1.
  public internal(set) var largestPageLevel = 1

  /// Where the channel is: mapped by the direct map, and in no zone.
  public internal(set) var channel = MemoryRange(from: 0, to: 0)

  /// The loader's command line, ended by a zero byte: in RAM that is free, so to be read before
  /// the zones have it.
  public internal(set) var commandLine = PhysicalAddress(0)

  /// The stack that the kernel starts on: the first task's.
  public internal(set) var stack = KernelStack(top: VirtualAddress(0))
}
