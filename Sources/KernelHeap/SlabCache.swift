// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// The numbers of caches: types first, then the size classes of `KernelHeap`.
public enum SlabCaches {
  public static var typeCount: Int { 64 }
  /// The first of those that are made while the machine runs.
  static var madeIndex: Int { typeCount + SizeClass.count }
  /// As many as a slab's word can tell.
  public static var count: Int { 128 }
}

/// What one cache knows of its slabs; reached under its lock.
///
/// A slab is *full* while all its objects are with callers, in CPUs' lists or in the depot; then
/// nothing but its frames' descriptors knows it. Otherwise it is on the list of partial slabs.
///
/// Linux: `struct kmem_cache` and `struct kmem_cache_node`; since 6.18 `struct node_barn`.
struct SlabCache {
  var name: StaticString = ""
  /// What an object was asked to hold; 0 until the first allocation.
  var byteCount = 0
  /// What it is like, if it was made while the machine runs.
  var plan: CachePlan?
  /// Who asked for it then. Linux: `s->refcount`.
  var userCount = 0
  /// Where its frames come from.
  var mobility = Mobility.unmovable
  /// Nil until the first allocation, and in other designs than `slub`.
  var geometry: SlabGeometry?
  /// Nil until the first allocation, and in other designs than `slab`.
  var arrays: ArrayGeometry?
  /// Slabs that have free objects.
  var partial = LinkedList<PageFrameNumber>()
  /// Lists that CPUs had no room for, each as long as a CPU's may be; linked through their first
  /// objects. 0 for none.
  var depotFirst: UInt32 = 0
  var depotCount = 0
  /// Slabs all of whose objects are free, where they are kept apart: in `slab`.
  var empty = LinkedList<PageFrameNumber>()
  /// What the last slab began with, in cache lines.
  var colour = 0
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

/// What the descriptors of a slab's frames say about it, in their private words.
///
///     first frame   │ 0 │ first free (13) │ in use (11) │ cache (7) │
///     others        │ 1 │ 0 │ number of the first frame (30)        │
///     cut at will   │ 1 │ 1 │ see `UnitWord`                        │
///
/// Linux: `slab->freelist`, `slab->inuse`, `slab->slab_cache`.
struct SlabWord: BitwiseCopyable {
  private(set) var raw: UInt32

  init(raw: UInt32) { self.raw = raw }

  /// A slab whose objects are all in use.
  init(cacheIndex: Int, inUse: Int) {
    raw = UInt32(cacheIndex) | UInt32(inUse) << 7
  }

  /// The word of a slab's other frames.
  init(head: PageFrameNumber) { raw = 1 << 31 | head.value }

  /// The first frame of the slab, for the word of one of its others.
  ///
  /// - Precondition: `isOther`.
  var head: PageFrameNumber { PageFrameNumber(raw & 0x3FFF_FFFF) }
  var isOther: Bool { raw >> 30 == 2 }

  /// Whether the frame is a slab's first, of which an object is in use.
  var isSlab: Bool { raw >> 31 == 0 && inUse > 0 }

  /// The same, and the slab is of this cache.
  func isSlab(of cacheIndex: Int) -> Bool {
    raw & 0x8000_007F == UInt32(truncatingIfNeeded: cacheIndex) && raw & 0x3FF80 != 0
  }

  /// Whether the frame is the first of a slab whose objects are bytes of some class.
  var isSlabOfClass: Bool {
    (raw & 0x8000_007F) &- UInt32(truncatingIfNeeded: SlabCaches.typeCount)
      < UInt32(truncatingIfNeeded: SizeClass.count)
  }

  var cacheIndex: Int { Int(raw & 0x7F) }

  /// Objects with callers and in CPUs' lists: 11 bits.
  var inUse: Int { Int(raw >> 7 & 0x7FF) }

  /// The first free object of the slab that starts with a frame; 0 for none.
  ///
  /// 13 bits hold its distance from the slab's start in units of 8 bytes, and one more, or 0.
  func firstFree(in head: PageFrameNumber) -> UInt32 {
    let distance = raw >> 18
    return distance == 0 ? 0 : SlabLinks.start(of: head) &+ distance &- 1
  }

  /// The word after an object became the first free one.
  ///
  /// - Precondition: one is in use, and the object lies in the slab.
  func freeing(_ object: UInt32, in head: PageFrameNumber) -> SlabWord {
    let distance = object &- SlabLinks.start(of: head) &+ 1
    return SlabWord(raw: ((raw & 0x3FFFF) &- (1 << 7)) | distance << 18)
  }

  /// The word after the first free object was taken, and another, or 0, is that.
  func taking(next: UInt32, in head: PageFrameNumber) -> SlabWord {
    let distance = next == 0 ? 0 : next &- SlabLinks.start(of: head) &+ 1
    return SlabWord(raw: ((raw & 0x3FFFF) &+ (1 << 7)) | distance << 18)
  }

  /// Whether a slab's word says that nothing of it is in use.
  var isUnused: Bool { raw & 0x3FF80 == 0 }
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

  /// What a frame's descriptor says about the slab that starts there, if one does.
  func word(of frame: PageFrameNumber) -> SlabWord { SlabWord(raw: table[frame].privateWord) }

  /// The first frame of the slab that an object lies in, and its word.
  ///
  /// If the object lies in no slab, the word is some other frame's, and no slab's.
  func slab(of object: UInt32) -> (first: PageFrameNumber, word: SlabWord) {
    let frame = Self.frame(of: object)
    let word = word(of: frame)
    guard word.isOther else { return (frame, word) }
    return (word.head, self.word(of: word.head))
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
  /// The most that either list holds before objects go back; 0 until the first allocation, and
  /// for ever where objects are not kept here.
  var limit: UInt32 = 0
  /// Where a free object of this cache says which is the next.
  var linkOffset: UInt32 = 0
  var spareFirst: UInt32 = 0
  var spareCount: UInt32 = 0
  /// Objects taken on this CPU less those given back on it, where nothing else counts them.
  var liveCount: UInt32 = 0
  /// The bytes of an object; 0 until the first allocation.
  var objectByteCount: UInt32 = 0
}
