// SPDX-License-Identifier: Apache-2.0

/// How a task is scheduled, all in one. Linux: `struct sched_attr`, its second version.
public struct SchedulingAttributes: Sendable, BitwiseCopyable {
  public var byteCount: UInt32 = 56
  public var policy: UInt32 = 0
  public var flags: UInt64 = 0
  public var nice: Int32 = 0
  public var priority: UInt32 = 0
  public var runtime: UInt64 = 0
  public var deadline: UInt64 = 0
  public var period: UInt64 = 0
  public var leastUse: UInt32 = 0
  public var mostUse: UInt32 = 0

  public init() {}

  /// Linux: `SCHED_ATTR_SIZE_VER0`.
  public static var smallestByteCount: UInt32 { 48 }
  public static var resetsOnFork: UInt64 { 0x01 }  // SCHED_FLAG_RESET_ON_FORK
  public static var keepsPolicy: UInt64 { 0x08 }  // SCHED_FLAG_KEEP_POLICY
  public static var keepsParameters: UInt64 { 0x10 }  // SCHED_FLAG_KEEP_PARAMS
  public static var boundsUse: UInt64 { 0x60 }  // SCHED_FLAG_UTIL_CLAMP
  public static var known: UInt64 { 0x7F }  // SCHED_FLAG_ALL
}
