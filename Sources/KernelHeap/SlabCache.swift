// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// The numbers of caches: types first, then the size classes of `KernelHeap`.
public enum SlabCaches {
  public static var typeCount: Int { 64 }
  public static var count: Int { typeCount + SizeClass.count }
}

/// What one cache knows of its slabs; reached under its lock.
///
/// A slab is *full* while all its objects are with callers or in CPUs' lists; then nothing but
/// its frames' descriptors knows it. Otherwise it is on the list of partial slabs.
///
/// Linux: `struct kmem_cache` and `struct kmem_cache_node`.
struct SlabCache {
  var name: StaticString = ""
  /// Nil until the first allocation.
  var geometry: SlabGeometry?
  /// Slabs that have free objects.
  var partial = LinkedList<PageFrameNumber>()
  var slabCount = 0
  var pageCount = PageCount.zero
  /// All objects of all slabs.
  var objectCount = 0
  /// Those in partial slabs that are free.
  var freeCount = 0

  mutating func account(_ order: Order, objects: Int) {
    slabCount += 1
    pageCount += order.pageCount
    objectCount += objects
  }

  mutating func discount(_ order: Order, objects: Int) {
    slabCount -= 1
    pageCount -= order.pageCount
    objectCount -= objects
  }
}

/// What the descriptor of a slab's first frame says about it, in its private word.
///
/// Linux: `slab->freelist`, `slab->inuse`, `slab->slab_cache`.
struct SlabWord: BitwiseCopyable {
  private(set) var raw: UInt32

  init(raw: UInt32) { self.raw = raw }

  /// A slab whose objects are all in use.
  init(cacheIndex: Int, inUse: Int) {
    raw = UInt32(cacheIndex) | UInt32(inUse) << 7
  }

  /// 7 bits.
  var cacheIndex: Int { Int(raw & 0x7F) }

  /// Objects with callers and in CPUs' lists: 11 bits.
  var inUse: Int {
    get { Int(raw >> 7 & 0x7FF) }
    set { raw = raw & ~(0x7FF << 7) | UInt32(truncatingIfNeeded: newValue) << 7 }
  }

  /// The first free object's distance from the slab's start in units of 8 bytes, kept as one
  /// more, 0 for nil: 13 bits.
  private var packedFirstFree: UInt32 {
    get { raw >> 18 & 0x1FFF }
    set { raw = raw & ~(0x1FFF << 18) | newValue << 18 }
  }

  /// The first free object of the slab that starts with a frame; 0 for none.
  func firstFree(in head: PageFrameNumber) -> UInt32 {
    packedFirstFree == 0 ? 0 : SlabLinks.start(of: head) &+ packedFirstFree &- 1
  }

  mutating func setFirstFree(_ object: UInt32, in head: PageFrameNumber) {
    packedFirstFree = object == 0 ? 0 : object &- SlabLinks.start(of: head) &+ 1
  }
}

/// Slabs are linked through the descriptors of their first frames.
struct SlabLinks: ListLinks {
  let table: FrameTable

  func next(of frame: PageFrameNumber) -> PageFrameNumber? { unpacked(table[frame].next) }
  func previous(of frame: PageFrameNumber) -> PageFrameNumber? { unpacked(table[frame].previous) }

  func setNext(of frame: PageFrameNumber, to next: PageFrameNumber?) {
    table[frame].next = next?.value ?? 0
  }

  func setPrevious(of frame: PageFrameNumber, to previous: PageFrameNumber?) {
    table[frame].previous = previous?.value ?? 0
  }

  private func unpacked(_ value: UInt32) -> PageFrameNumber? {
    value == 0 ? nil : PageFrameNumber(value)
  }

  /// A frame's first byte in units of 8.
  static func start(of frame: PageFrameNumber) -> UInt32 { frame.value << 9 }

  /// The frame that an object starts in.
  static func frame(of object: UInt32) -> PageFrameNumber { PageFrameNumber(object >> 9) }

  /// The first frame of the slab that an object lies in, nil if it lies in none.
  func slab(of object: UInt32) -> PageFrameNumber? {
    let frame = Self.frame(of: object)
    guard table.contains(frame) else { return nil }
    if table[frame].kind == .slab { return frame }
    // Of a slab's other frames the private word is the first one's number.
    let head = PageFrameNumber(table[frame].privateWord)
    guard table[frame].kind == .free, head.value != 0, table.contains(head),
      table[head].kind == .slab
    else { return nil }
    return head
  }
}

/// The free objects that one CPU keeps of one cache: two lists, so that a caller that allocates
/// and frees around the limit does not move objects each time.
///
/// Linux: `struct kmem_cache_cpu`; since 6.18 `struct slub_percpu_sheaves`.
/// Source: Bonwick and Adams, magazines, 2001.
struct CPUObjectList: BitwiseCopyable {
  /// 0 for none.
  var first: UInt32 = 0
  var count: UInt32 = 0
  /// The most that either list holds before objects go back; 0 until the first allocation.
  var limit: UInt32 = 0
  var spareFirst: UInt32 = 0
  var spareCount: UInt32 = 0
}
