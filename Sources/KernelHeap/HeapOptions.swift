// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames

/// What a heap is started with.
public struct HeapOptions: BitwiseCopyable, Sendable {
  public var design = HeapDesign.slub
  /// What is watched of the objects of `debuggedCaches`; nothing unless somebody asked.
  public var debugging = HeapDebugging()
  /// The name of the caches that are watched, or with `*` what it begins with; nil for all.
  public var debuggedCaches: MemoryBlock?
  /// Allocations of objects that fail on purpose. Linux: `failslab=`.
  public var failures = FailureInjection.none

  public init() {}

  /// Whether each allocation and free takes the slow path.
  var watches: Bool { !debugging.isEmpty || failures.interval != 0 }

  /// Whether a cache is among those that are watched.
  func selects(_ name: StaticString) -> Bool {
    guard let pattern = debuggedCaches else { return true }
    let count = pattern.byteCount
    let isPrefix = count > 0 && pattern.load(UInt8.self, at: count - 1) == 0x2A
    let length = isPrefix ? count - 1 : count
    guard isPrefix ? name.utf8CodeUnitCount >= length : name.utf8CodeUnitCount == length else {
      return false
    }
    return name.begins(with: pattern, count: length)
  }
}

/// What is watched of objects: Linux's letters.
public struct HeapDebugging: FlagSet, BitwiseCopyable, Sendable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// F: frees are checked. Linux: `SLAB_CONSISTENCY_CHECKS`.
  public static var sanity: Self { Self(rawValue: 1) }
  /// Z: bytes before and after an object are looked at. Linux: `SLAB_RED_ZONE`.
  public static var redZones: Self { Self(rawValue: 2) }
  /// P: free objects are filled, and looked at before they are given again. Linux: `SLAB_POISON`.
  public static var poison: Self { Self(rawValue: 4) }
  /// U: who allocated and who freed. Linux: `SLAB_STORE_USER`.
  public static var owners: Self { Self(rawValue: 8) }
  /// What `slub_debug` alone means. Linux: `DEBUG_DEFAULT_FLAGS`.
  public static var all: Self { Self(rawValue: 15) }

  /// The flag of a letter, nil if there is none.
  public init?(letter: UInt8) {
    switch letter | 0x20 {
    case 0x66: self = .sanity
    case 0x7A: self = .redZones
    case 0x70: self = .poison
    case 0x75: self = .owners
    default: return nil
    }
  }
}

/// Where the parts of a watched object are.
///
///     red zone │ object │ red zone │ state, link │ who allocated │ who freed │
///
/// Linux: the drawing above `object_err()` in mm/slub.c.
struct WatchedLayout: BitwiseCopyable {
  let flags: HeapDebugging
  /// What the caller asked for, rounded up to 8.
  let byteCount: Int
  /// In front of the object, so that it stays aligned. Linux: `s->red_left_pad`.
  let front: Int
  /// All together.
  let total: Int
  let alignment: Int

  init(_ flags: HeapDebugging, byteCount: Int, alignment: Int) {
    self.flags = flags
    self.byteCount = byteCount
    self.alignment = alignment
    front = flags.contains(.redZones) ? alignment : 0
    let tail = flags.isEmpty ? 0 : 16 + (flags.contains(.owners) ? 48 : 0)
    let sum = front + byteCount + tail
    total = flags.isEmpty ? sum : (sum + alignment - 1) & ~(alignment - 1)
  }

  // From the object's first byte on
  var rearZone: Int { byteCount }
  var state: Int { byteCount + 8 }
  var link: Int { byteCount + 12 }
  var allocator: Int { byteCount + 16 }
  var freer: Int { byteCount + 40 }

  /// Linux: `SLUB_RED_ACTIVE`, `SLUB_RED_INACTIVE`.
  static var activeZone: UInt8 { 0xCC }
  static var inactiveZone: UInt8 { 0xBB }
  /// Linux: `POISON_FREE`, `POISON_END`.
  static var freeByte: UInt8 { 0x6B }
  static var lastFreeByte: UInt8 { 0xA5 }
  /// What `state` says.
  static var live: UInt32 { 0x4C49_5645 }
  static var free: UInt32 { 0x4652_4545 }
}
