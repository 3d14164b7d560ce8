// SPDX-License-Identifier: Apache-2.0

/// One record of the event log: 32 bytes, little-endian, in this order.
///
///      0        8     10      12        16      20      24       32
///      │  time  │kind │detail │ process │ frame │ owner │  value  │
public struct MemoryEvent: Sendable, BitwiseCopyable, Equatable {
  /// Nanoseconds of virtual time.
  public var time: UInt64
  /// `EventKind`, as a number so that a reader survives records of a later schema.
  public var kind: UInt16
  public var detail: UInt16
  /// The process that ran, 0 for the kernel.
  public var process: UInt32
  public var frame: UInt32
  public var owner: UInt32
  public var value: UInt64

  public static var byteCount: Int { 32 }

  public init(
    _ kind: EventKind, detail: UInt16 = 0, process: UInt32 = 0, frame: UInt32 = 0,
    owner: UInt32 = 0, value: UInt64 = 0, time: UInt64 = 0
  ) {
    self.time = time
    self.kind = kind.rawValue
    self.detail = detail
    self.process = process
    self.frame = frame
    self.owner = owner
    self.value = value
  }
}
