// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageTableFormats

/// What a program asks of `mmap`.
public struct MapRequest: BitwiseCopyable {
  /// Where it is to be.
  public enum Placement: BitwiseCopyable {
    /// Wherever there is room, from the top down.
    case anywhere
    /// There, if nothing is in the way.
    case hint(VirtualAddress)
    /// There; what is in the way is unmapped. Linux: `MAP_FIXED`.
    case fixed(VirtualAddress)
    /// There, or not at all. Linux: `MAP_FIXED_NOREPLACE`.
    case fixedNoReplace(VirtualAddress)
  }

  /// What the pages hold before they are written to.
  public enum Source: BitwiseCopyable {
    case anonymous
    /// The file from this page on.
    case file(Reference<CachedFile>, pageIndex: UInt64)
  }

  public var placement: Placement
  public var byteCount: ByteCount
  public var protection: Protection
  /// What `mprotect` may make of it later.
  public var maximumProtection: Protection
  public var attributes: AreaAttributes
  public var source: Source
  /// Makes all pages present before the call returns. Linux: `MAP_POPULATE`.
  public var populates: Bool

  public init(
    _ placement: Placement, byteCount: ByteCount, protection: Protection,
    maximumProtection: Protection = .read.union(.write).union(.execute),
    attributes: AreaAttributes = AreaAttributes(rawValue: 0), source: Source = .anonymous,
    populates: Bool = false
  ) {
    self.placement = placement
    self.byteCount = byteCount
    self.protection = protection
    self.maximumProtection = maximumProtection
    self.attributes = attributes
    self.source = source
    self.populates = populates
  }
}

/// How a program touched an address.
public enum FaultAccess: UInt8, Sendable, BitwiseCopyable { case read, write, execute }

/// What came of a fault.
public enum FaultOutcome: Sendable, BitwiseCopyable {
  /// The access can be tried again.
  case resolved
  /// The program gets a signal with this code and address.
  case signal(number: UInt8, code: Int32, address: VirtualAddress)
  /// No frame, and nothing to reclaim: somebody is being killed, perhaps the caller.
  case outOfMemory
}
