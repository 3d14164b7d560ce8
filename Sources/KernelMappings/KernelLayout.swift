// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// Where the kernel's half has its parts, apart from the image, which says so itself.
///
/// Linux: `Documentation/arch/x86/x86_64/mm.rst`.
public struct KernelLayout: Sendable, BitwiseCopyable {
  /// Where physical address 0 is seen. Linux: `PAGE_OFFSET`.
  public var directMap: VirtualAddress
  /// Where memory is mapped page by page: stacks, areas, devices. Linux: `VMALLOC_START`.
  public var areas: VirtualAddress
  /// The pages of that window. Linux: `VMALLOC_END`.
  public var areaPages: PageCount

  public init(directMap: VirtualAddress, areas: VirtualAddress, areaPages: PageCount) {
    self.directMap = directMap
    self.areas = areas
    self.areaPages = areaPages
  }

  /// The direct map at ffff888000000000, areas at ffffc90000000000 for 512 GiB, as far as one
  /// table below the root reaches (Linux: 32 TiB).
  public static var x86_64: Self {
    Self(
      directMap: VirtualAddress(0xFFFF_8880_0000_0000),
      areas: VirtualAddress(0xFFFF_C900_0000_0000), areaPages: PageCount(1 << 27))
  }

  /// The direct map at 3 GiB for 896 MiB, areas behind it and a gap of 8 MiB, up to 16 MiB below
  /// the end; PAE or not.
  public static var i386: Self {
    Self(
      directMap: VirtualAddress(0xC000_0000), areas: VirtualAddress(0xF880_0000),
      areaPages: PageCount(0x6800))
  }
}

/// A run of physical memory or device registers, seen at a run of addresses.
public struct MappedRange: Sendable, BitwiseCopyable {
  public var address: VirtualAddress
  public var start: PhysicalAddress
  public var byteCount: ByteCount

  /// - Precondition: both places are page aligned; a page that is begun is mapped whole.
  public init(address: VirtualAddress, start: PhysicalAddress, byteCount: ByteCount) {
    precondition(
      address.isPageAligned && start.offsetInFrame == .zero, "a range out of line with pages")
    self.address = address
    self.start = start
    self.byteCount = byteCount
  }
}
