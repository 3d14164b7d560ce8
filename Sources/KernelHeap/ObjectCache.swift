// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// What a cache that is made while the machine runs shall be. Linux: `struct kmem_cache_args`.
public struct CacheRequest: BitwiseCopyable, Sendable {
  /// As in /proc/slabinfo.
  public var name: StaticString
  public var byteCount: ByteCount
  /// A power of two, up to a page.
  public var alignment: ByteCount
  /// Whether its objects go when memory is short. Linux: `SLAB_RECLAIM_ACCOUNT`.
  public var reclaim: Reclaimability
  /// Whether it may be one with another of its kind. Linux: `SLAB_NO_MERGE`.
  public var merging: Merging

  public init(
    name: StaticString, byteCount: ByteCount, alignment: ByteCount = ByteCount(8),
    reclaim: Reclaimability = .unreclaimable, merging: Merging = .allowed
  ) {
    self.name = name
    self.byteCount = byteCount
    self.alignment = alignment
    self.reclaim = reclaim
    self.merging = merging
  }

  /// Whether objects go when memory is short.
  public enum Reclaimability: UInt8, BitwiseCopyable, Sendable { case unreclaimable, reclaimable }

  /// Whether two caches may be one.
  public enum Merging: UInt8, BitwiseCopyable, Sendable { case allowed, refused }
}

/// Why there is no such cache, or why it stays.
public enum CacheError: Error, Sendable, BitwiseCopyable {
  /// Objects of no bytes.
  case zeroSize
  /// Objects beyond the largest.
  case tooLarge
  /// No power of two, or beyond a page.
  case wrongAlignment
  /// The constructor makes something larger than the object, or aligned to more.
  case constructorDisagrees
  /// As many caches as there may be.
  case tooMany
  /// Somebody has objects of it. Linux: `Objects remaining on __kmem_cache_shutdown()`.
  case inUse
}

/// What makes objects once, when their slab is made; whoever frees one leaves it as it was.
///
/// Linux: the `ctor` of `kmem_cache_create()`.
public protocol ObjectConstructor {
  /// What it writes to.
  static var byteCount: Int { get }
  static var alignment: Int { get }
  static func construct(_ object: MemoryBlock)
  /// Whether it does anything.
  static var constructs: Bool { get }
}

extension ObjectConstructor {
  public static var constructs: Bool { true }
}

/// Objects of whatever bytes there were.
public enum NoConstructor: ObjectConstructor {
  public static var byteCount: Int { 0 }
  public static var alignment: Int { 1 }
  public static var constructs: Bool { false }
  public static func construct(_ object: MemoryBlock) {}
}

/// A cache that was made while the machine runs. Linux: `struct kmem_cache *`.
public struct ObjectCache<Constructor: ObjectConstructor>: BitwiseCopyable, Sendable {
  /// For `ObjectHeap.statistics`.
  public let index: Int
}
