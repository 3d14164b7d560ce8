// SPDX-License-Identifier: Apache-2.0

/// What `futex` is asked for. Linux: `FUTEX_*`.
public enum FutexOperation: UInt32, Sendable {
  case wait = 0
  case wake = 1
  case requeue = 3
  case compareAndRequeue = 4
  case wakeOperation = 5
  case lock = 6  // FUTEX_LOCK_PI
  case unlock = 7  // FUTEX_UNLOCK_PI
  case tryLock = 8  // FUTEX_TRYLOCK_PI
  case waitBits = 9  // FUTEX_WAIT_BITSET
  case wakeBits = 10  // FUTEX_WAKE_BITSET
  case lockUntil = 13  // FUTEX_LOCK_PI2

  /// Linux: `FUTEX_PRIVATE_FLAG`.
  public static var isPrivate: UInt32 { 128 }
  /// Linux: `FUTEX_CLOCK_REALTIME`.
  public static var realTime: UInt32 { 256 }
}

/// The word of a lock that knows its owner. Linux: `FUTEX_WAITERS` and its kin.
public enum FutexWord {
  public static var waiters: UInt32 { 0x8000_0000 }
  public static var ownerDied: UInt32 { 0x4000_0000 }
  public static var owner: UInt32 { 0x3FFF_FFFF }
}

/// What FUTEX_WAKE_OP does to the second word, and asks of what was there.
///
/// Linux: `FUTEX_OP()`, `futex_atomic_op_inuser()`.
public struct FutexChange: Sendable, BitwiseCopyable {
  let operation: UInt32
  let comparison: UInt32
  let operand: Int32
  let compared: Int32

  public init(_ encoded: UInt32) {
    operation = encoded >> 28 & 7
    comparison = encoded >> 24 & 15
    let signed = Int32(bitPattern: encoded << 8) >> 20
    operand = encoded >> 31 != 0 ? 1 << (signed & 31) : signed
    compared = Int32(bitPattern: encoded << 20) >> 20
  }

  /// The new value; nil for an operation that there is not.
  public func changed(_ old: UInt32) -> UInt32? {
    let value = UInt32(bitPattern: operand)
    switch operation {
    case 0: return value
    case 1: return old &+ value
    case 2: return old | value
    case 3: return old & ~value
    case 4: return old ^ value
    default: return nil
    }
  }

  /// Whether the old value is as asked; nil for a comparison that there is not.
  public func holds(of old: UInt32) -> Bool? {
    let value = Int32(bitPattern: old)
    switch comparison {
    case 0: return value == compared
    case 1: return value != compared
    case 2: return value < compared
    case 3: return value <= compared
    case 4: return value > compared
    case 5: return value >= compared
    default: return nil
    }
  }
}

/// The head of a thread's list of locks that outlive it. Linux: `struct robust_list_head`.
public struct RobustListHead: Sendable, BitwiseCopyable {
  public var first: UInt64
  /// From an entry to its word.
  public var offset: Int64
  /// A lock that is being taken or given back.
  public var pending: UInt64

  public static var byteCount: UInt64 { 24 }
  /// Linux: `ROBUST_LIST_LIMIT`.
  public static var limit: Int { 2048 }
}
