// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// An object that somebody misused, found by the heap: which, how, and whose it is.
///
/// What was asked for is refused or what was overwritten is mended, and all others go on.
///
/// Linux: `slab_err()`, `object_err()`.
public struct HeapFault: BitwiseCopyable, Sendable {
  /// What is wrong, by the numbers of the log.
  public enum Kind: UInt16, Sendable, BitwiseCopyable {
    /// Bytes in front of an object were written to. Linux: `Left Redzone`.
    case writtenBefore = 1
    /// Bytes behind it. Linux: `Right Redzone`.
    case writtenAfter = 2
    /// Somebody wrote to an object that was free. Linux: `Poison`.
    case writtenWhileFree = 3
    /// A free of what is free already. Linux: `Object already free`.
    case freedTwice = 4
    /// A free to another cache than the object's. Linux: `Wrong object count`, `cache_from_obj`.
    case wrongCache = 5
    /// A free of an address that no allocation gave, or another allocator's.
    case notOwned = 6
    /// A free of an address in the middle of an object. Linux: `Invalid object pointer`.
    case insideObject = 7
    /// Nobody freed it. Linux: `Objects remaining in %s on __kmem_cache_shutdown()`.
    case leaked = 8
  }

  public let kind: Kind
  public let cacheIndex: Int
  /// As in /proc/slabinfo; empty where no cache is known.
  public let cacheName: StaticString
  public let object: PhysicalAddress
  /// The first bad byte, counted from the object's first.
  public let offset: Int
  public let found: UInt8
  public let expected: UInt8
  /// Who allocated it, and who freed it, where that is kept.
  public let allocator: ObjectOwner?
  public let freer: ObjectOwner?

  init(
    _ kind: Kind, cacheIndex: Int, cacheName: StaticString, object: PhysicalAddress,
    offset: Int = 0, found: UInt8 = 0, expected: UInt8 = 0, allocator: ObjectOwner? = nil,
    freer: ObjectOwner? = nil
  ) {
    self.kind = kind
    self.cacheIndex = cacheIndex
    self.cacheName = cacheName
    self.object = object
    self.offset = offset
    self.found = found
    self.expected = expected
    self.allocator = allocator
    self.freer = freer
  }

  /// As a record of the log.
  var event: MemoryEvent {
    let bad = UInt64(UInt32(truncatingIfNeeded: offset)) | UInt64(found) << 32
    return MemoryEvent(
      .objectFault, detail: kind.rawValue | UInt16(cacheIndex) << 8,
      process: allocator?.process ?? 0, frame: object.frame.value,
      owner: UInt32(truncatingIfNeeded: object.value >> 3),
      value: bad | UInt64(expected) << 40)
  }
}

/// Who did something to an object. Linux: `struct track`.
public struct ObjectOwner: BitwiseCopyable, Sendable {
  /// The place in the sources.
  public let place: CallPlace
  /// The process that ran; 0 for the kernel itself.
  public let process: UInt32
  public let time: VirtualTime
}
