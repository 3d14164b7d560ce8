// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryUnits
import PageFrames

/// Whether a heap knows which objects are alive, and traps where somebody reaches another.
public enum Liveness {
  /// Accesses are not checked.
  case untracked
  /// Every access is checked against a table in this memory, outside the machine's RAM: one byte
  /// for each 8 below the direct map's limit. Freed objects are overwritten, and checked when
  /// they are allocated again. Freestanding images ignore it.
  case tracked(MemoryBlock)

  /// The memory that `tracked` needs for a direct map.
  public static func byteCount(for directMap: DirectMap) -> Int {
    Int(directMap.limit.value >> 3)
  }
}

/// For each 8 bytes of the direct map the cache of the object that begins there, plus one, or 0.
///
/// Linux: `slub_debug=FP`.
@safe
struct LivenessTable: BitwiseCopyable {
  private let bytes: MemoryBlock?

  #if hasFeature(Embedded)
    var isTracking: Bool { false }
  #else
    var isTracking: Bool { bytes != nil }
  #endif

  init(_ liveness: Liveness) {
    switch liveness {
    case .untracked: bytes = nil
    case .tracked(let block):
      block.clear()
      bytes = block
    }
  }

  #if hasFeature(Embedded)
    func checkLive(_ object: UInt32, _ cacheIndex: Int) {}
    func markLive<M>(_ object: UInt32, _ cacheIndex: Int, _ size: Int, in heap: ObjectHeap<M>) {}
    func markFree<M>(_ object: UInt32, _ cacheIndex: Int, _ size: Int, in heap: ObjectHeap<M>) {}
  #else
    /// Traps unless an object of this cache begins there.
    func checkLive(_ object: UInt32, _ cacheIndex: Int) {
      guard let bytes else { return }
      let found = bytes.load(UInt8.self, at: Int(object))
      precondition(found != 0, "a reference to an object that is gone")
      precondition(Int(found) == cacheIndex + 1, "a reference to an object of another type")
    }

    func markLive<M>(
      _ object: UInt32, _ cacheIndex: Int, _ size: Int, in heap: ObjectHeap<M>
    ) {
      guard let bytes else { return }
      let found = bytes.load(UInt8.self, at: Int(object))
      precondition(found == 0, "allocation of an object that is in use")
      bytes.store(UInt8(cacheIndex + 1), at: Int(object))
      // Where memory is cut as requests come, what is free says so in its own bytes.
      if heap.design == .slob { return }
      heap.checkSize(cacheIndex, size)
      heap.checkPoison(object, size, cacheIndex)
    }

    func markFree<M>(
      _ object: UInt32, _ cacheIndex: Int, _ size: Int, in heap: ObjectHeap<M>
    ) {
      guard let bytes else { return }
      checkLive(object, cacheIndex)
      bytes.store(UInt8(0), at: Int(object))
      heap.poison(object, size)
    }

  #endif
}

extension ObjectHeap {
  /// Linux: `POISON_FREE`.
  private static var poisonByte: UInt8 { 0x6B }

  func poison(_ object: UInt32, _ size: Int) {
    // SAFETY: a free object's bytes are the heap's.
    unsafe address(object).initializeMemory(
      as: UInt8.self, repeating: Self.poisonByte, count: size)
  }

  func checkSize(_ cacheIndex: Int, _ size: Int) {
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      precondition(cache.byteCount == size, "two types share a cache's index")
    }
  }

  /// Traps if somebody wrote to a free object. Linux: `check_object()`.
  func checkPoison(_ object: UInt32, _ size: Int, _ cacheIndex: Int) {
    // The heap's own words in a free object: a link, or the numbers of the free ones.
    let own = caches[cacheIndex].withLock { (cache: inout SlabCache) -> Range<Int> in
      if let arrays = cache.arrays {
        return 0..<(arrays.keepsNumbersInObject ? arrays.objectsPerSlab : 0)
      }
      let link = cache.geometry?.freeLinkOffset ?? 0
      return link..<link + 8
    }
    for offset in 0..<size where !own.contains(offset) {
      // SAFETY: a free object's bytes are the heap's.
      let byte = unsafe address(object).load(fromByteOffset: offset, as: UInt8.self)
      precondition(byte == Self.poisonByte, "a freed object was written to")
    }
  }
}
