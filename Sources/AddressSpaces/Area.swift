// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import MemoryUnits
import PageTableFormats

/// A run of pages of one address space that are treated alike.
///
/// Linux: `struct vm_area_struct`.
public struct Area: HeapObject {
  public static var cacheName: StaticString { "vm_area_struct" }
  public static var cacheIndex: Int { 1 }

  var space: Reference<AddressSpace>
  /// The first page.
  public internal(set) var start: PageNumber
  /// The first page behind it; greater than `start`.
  public internal(set) var end: PageNumber
  /// What the program may do: read, write, execute.
  public internal(set) var protection: Protection
  /// What `mprotect` may add. Linux: `VM_MAYREAD` and its kin.
  var maximumProtection: Protection
  public internal(set) var attributes: AreaAttributes
  /// The file, if any, and the index of the first page in it. Of anonymous memory the index is
  /// the page number where it was first mapped, so that it stays when the area moves.
  public internal(set) var file: Link<CachedFile>
  public internal(set) var fileIndex: UInt64

  /// Where private pages of this area are entered. Linux: `anon_vma`.
  var region = Link<AnonymousRegion>(nil)
  /// The regions in which pages of this area may be found. Linux: `anon_vma_chain`.
  var firstRegionLink = Link<AnonymousRegionLink>(nil)

  // Tree of the address space, by `start`
  var hook = TreeHook<Area>()
  /// In pages.
  var gaps = Gaps()

  // Tree of the file's mappings, by `fileIndex`
  var mappingHook = TreeHook<Area>()
  var mappingSubtreeLast: UInt64 = 0

  public var pageCount: PageCount { end - start }

  func contains(_ page: PageNumber) -> Bool { start <= page && page < end }

  /// The index in its file or region of a page of this area. Linux: `linear_page_index()`.
  func index(of page: PageNumber) -> UInt64 { fileIndex + (page.value - start.value) }

  /// The page at which an index is mapped, if it lies in this area.
  func page(at index: UInt64) -> PageNumber? {
    guard index >= fileIndex, index - fileIndex < end.value - start.value else { return nil }
    return PageNumber(start.value + (index - fileIndex))
  }

  var lastIndex: UInt64 { fileIndex + (end.value - start.value) - 1 }

  var isPrivate: Bool { !attributes.contains(.shared) }
}

/// Linux: the `VM_*` flags that are not rights.
public struct AreaAttributes: FlagSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Linux: `VM_SHARED`.
  public static var shared: Self { Self(rawValue: 1) }
  /// Linux: `VM_GROWSDOWN`.
  public static var growsDown: Self { Self(rawValue: 2) }
  /// Linux: `VM_NORESERVE`.
  public static var noReserve: Self { Self(rawValue: 4) }
  /// Linux: `VM_DONTCOPY`.
  public static var notInherited: Self { Self(rawValue: 8) }
  /// Linux: `VM_WIPEONFORK`.
  public static var emptyAfterFork: Self { Self(rawValue: 16) }
  /// Its pages stay in memory. Linux: `VM_LOCKED`.
  public static var locked: Self { Self(rawValue: 32) }
  /// … but come only when they are touched. Linux: `VM_LOCKONFAULT`, with `VM_LOCKED`.
  public static var lockedOnFault: Self { Self(rawValue: 64) }
  /// Linux: `VM_LOCKED_MASK`.
  static var locks: Self { locked.union(lockedOnFault) }
}

/// What /proc/PID/maps says of an area.
public struct AreaDescription: Sendable, BitwiseCopyable {
  /// The areas that /proc/PID/maps gives a name although no file is there.
  public enum Name: UInt8, Sendable, BitwiseCopyable { case none, heap, stack }

  public var start: VirtualAddress
  public var end: VirtualAddress
  public var protection: Protection
  public var attributes: AreaAttributes
  /// Bytes into the file; 0 of anonymous memory.
  public var offset: UInt64
  public var file: Reference<CachedFile>?
  public var name: Name
  /// What `mprotect` may add. Linux: `VM_MAYREAD` and its kin.
  public var maximumProtection: Protection
  /// Its pages count as promised. Linux: `VM_ACCOUNT`.
  public var isCommitted: Bool
}

extension Area {
  /// A copy that stands in no tree yet.
  mutating func clearLinks() {
    hook = TreeHook()
    mappingHook = TreeHook()
    region = Link(nil)
    firstRegionLink = Link(nil)
  }
}
