// SPDX-License-Identifier: Apache-2.0

/// Where an object is: its physical address divided by 8, so that 32 bits reach 32 GiB.
///
/// `heap[reference]` is the object. A reference is a plain number: it keeps nothing alive, and
/// the simulator's heap traps where one outlives its object.
///
/// Linux: a pointer to the object.
public struct Reference<T>: Equatable, BitwiseCopyable, Sendable {
  /// Never 0.
  public let raw: UInt32

  /// The reference that a record or descriptor holds as a number.
  ///
  /// - Precondition: `raw` is what `Reference.raw` was for an object of this type.
  public init(raw: UInt32) {
    precondition(raw != 0, "a reference to nothing")
    self.raw = raw
  }

  init(unchecked raw: UInt32) { self.raw = raw }
}

/// A reference or nil in 4 bytes, for the fields of objects.
public struct Link<T>: Equatable, BitwiseCopyable, Sendable {
  /// 0 for nil.
  public private(set) var raw: UInt32

  public init(_ reference: Reference<T>?) { raw = reference?.raw ?? 0 }

  /// The link that a record or descriptor holds as a number.
  public init(raw: UInt32) { self.raw = raw }

  public static var none: Self { Self(raw: 0) }

  public var reference: Reference<T>? {
    get { raw == 0 ? nil : Reference(unchecked: raw) }
    set { raw = newValue?.raw ?? 0 }
  }
}

/// A type whose values live in the kernel's heap, in a slab cache of their own.
public protocol HeapObject: BitwiseCopyable {
  /// As in /proc/slabinfo.
  static var cacheName: StaticString { get }
  /// Unique among all types, below `SlabCaches.typeCount`.
  static var cacheIndex: Int { get }
}
