// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats

/// What a machine says about itself when its kernel begins.
public struct BootDescription: BitwiseCopyable {
  /// A run of physical memory.
  public struct Range: BitwiseCopyable {
    public var start: PhysicalAddress
    public var byteCount: ByteCount

    public init(start: PhysicalAddress, byteCount: ByteCount) {
      self.start = start
      self.byteCount = byteCount
    }
  }

  /// A part of the kernel's image and its rights.
  public struct Part: BitwiseCopyable {
    public var range: MappedRange
    public var protection: Protection

    public init(range: MappedRange, protection: Protection) {
      self.range = range
      self.protection = protection
    }
  }

  /// Several ranges: what a machine has of one sort.
  public struct Ranges: BitwiseCopyable {
    private var values = InlineArray<16, Range>(
      repeating: Range(start: PhysicalAddress(0), byteCount: .zero))
    public private(set) var count = 0

    public init() {}

    /// - Precondition: at most 16.
    public mutating func append(_ range: Range) {
      values[count] = range
      count += 1
    }

    public subscript(index: Int) -> Range {
      precondition(index < count, "beyond the ranges")
      return values[index]
    }
  }

  /// RAM as asked for. Linux: `mem=`.
  public var memoryBytes: ByteCount
  /// RAM that there is, below `memoryBytes`.
  public var memory = Ranges()
  /// RAM that is taken for ever: the image, its boot stack.
  public var reserved = Ranges()
  /// RAM that no zone sees but the kernel maps: the channel.
  public var hidden = Ranges()
  /// Device registers.
  public var devices = Ranges()
  /// Text, constants, data, stack.
  public var image = InlineArray<4, Part?>(repeating: nil)
  public var layout: KernelLayout
  public var zones: ZoneLayout
  /// RAM that is taken until the kernel's own page table is in use: tables of the boot.
  public var temporary = Ranges()
  /// The level of the CPU's largest pages. Linux: `X86_FEATURE_GBPAGES`.
  public var largestPageLevel = 1
  /// The stack that the kernel starts on.
  public var stack: KernelStack
  public var cpuCount = 1
  /// Memory that is wanted in a row later.
  public var contiguousAreas = InlineArray<8, ContiguousAreaRequest?>(repeating: nil)

  public init(
    memoryBytes: ByteCount, layout: KernelLayout, zones: ZoneLayout, stack: KernelStack
  ) {
    self.memoryBytes = memoryBytes
    self.layout = layout
    self.zones = zones
    self.stack = stack
  }
}
