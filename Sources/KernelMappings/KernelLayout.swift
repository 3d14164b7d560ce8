// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// Where the kernel's half has its parts, apart from the image, which says so itself.
///
/// Linux: `Documentation/arch/x86/x86_64/mm.rst`.
public struct KernelLayout: Sendable, BitwiseCopyable {
  /// Where physical address 0 is seen. Linux: `PAGE_OFFSET`.
  public var directMap: VirtualAddress
  /// Where the area of kernel stacks begins. Linux: in `VMALLOC_START`.
  public var stacks: VirtualAddress
  /// Stacks that the area has room for.
  public var stackLimit: Int

  public init(directMap: VirtualAddress, stacks: VirtualAddress, stackLimit: Int) {
    self.directMap = directMap
    self.stacks = stacks
    self.stackLimit = stackLimit
  }

  /// The direct map at ffff888000000000, stacks at ffffc90000000000.
  public static var x86_64: Self {
    Self(
      directMap: VirtualAddress(0xFFFF_8880_0000_0000),
      stacks: VirtualAddress(0xFFFF_C900_0000_0000), stackLimit: 16_384)
  }

  /// The direct map at 3 GiB for 896 MiB, stacks behind it and a gap of 8 MiB; PAE or not.
  public static var i386: Self {
    Self(
      directMap: VirtualAddress(0xC000_0000), stacks: VirtualAddress(0xF880_0000),
      stackLimit: 2048)
  }

  /// A stack and the guard page below it.
  static var stackStride: PageCount { KernelStack.pageCount + PageCount(1) }
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
