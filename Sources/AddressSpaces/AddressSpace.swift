// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import MemoryUnits

/// The memory of a program: its areas and its page table.
///
/// Linux: `struct mm_struct`.
public struct AddressSpace: HeapObject {
  public static var cacheName: StaticString { "mm_struct" }
  public static var cacheIndex: Int { 0 }

  /// The root of the page table.
  public let root: PageFrameNumber
  /// Tasks that run in it. Linux: `mm_users`.
  public var users: UInt32 = 1
  /// Its private pages were taken while its tasks are being killed: what it had is nowhere any
  /// more, so a call of theirs that still copies must fail. Linux: `MMF_UNSTABLE`.
  var isReaped = false
  /// The areas by address; no two overlap.
  var areas = OrderedTree<Reference<Area>>()
  public internal(set) var areaCount: UInt32 = 0
  /// The area that was found last, since faults come in runs.
  var lastFound = Link<Area>(nil)

  /// The heap as `brk` sees it.
  public var breakStart = VirtualAddress(0)
  public internal(set) var breakEnd = VirtualAddress(0)
  /// Below this the kernel looks for room. Linux: `mmap_base`.
  public var mapCeiling = VirtualAddress(0)
  /// The first address of the program's own stack as it was set up. Linux: `start_stack`.
  public var stackStart = VirtualAddress(0)
  /// The strings on the stack, for /proc.
  public var argumentStart = VirtualAddress(0)
  public var argumentEnd = VirtualAddress(0)
  public var environmentEnd = VirtualAddress(0)
  /// The auxiliary vector on the stack, its end mark included. Linux: `saved_auxv`.
  public var auxiliaryStart = VirtualAddress(0)
  public var auxiliaryEnd = VirtualAddress(0)
  public var codeStart = VirtualAddress(0)
  public var codeEnd = VirtualAddress(0)
  public var dataStart = VirtualAddress(0)
  public var dataEnd = VirtualAddress(0)

  /// The most that the stack area may grow to. Linux: `RLIMIT_STACK`.
  public var stackLimit = ByteCount(8 << 20)
  /// Linux: `RLIMIT_AS`, in pages.
  public var pageLimit = PageCount(Int.max >> 12)

  /// Pages in all areas. Linux: `total_vm`.
  public internal(set) var pageCount = PageCount.zero
  public internal(set) var peakPageCount = PageCount.zero
  /// Pages in locked areas. Linux: `locked_vm`.
  public internal(set) var lockedPageCount = PageCount.zero
  /// How the areas to come are locked; empty for not. Linux: `def_flags`.
  var futureLocks = AreaAttributes()
  /// Resident pages by kind. Linux: `MM_ANONPAGES`, `MM_FILEPAGES`, `MM_SHMEMPAGES`.
  public internal(set) var anonymousCount = PageCount.zero
  public internal(set) var fileCount = PageCount.zero
  public internal(set) var sharedCount = PageCount.zero
  /// The most that was ever resident. Linux: `hiwater_rss`.
  public internal(set) var peakResidentCount = PageCount.zero
  /// Faults since the program began. Linux: `maj_flt`, `min_flt`.
  public internal(set) var majorFaultCount: UInt64 = 0
  public internal(set) var minorFaultCount: UInt64 = 0

  public var residentCount: PageCount { anonymousCount + fileCount + sharedCount }

  init(root: PageFrameNumber) { self.root = root }
}
