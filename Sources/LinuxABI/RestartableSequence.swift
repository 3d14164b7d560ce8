// SPDX-License-Identifier: Apache-2.0

/// What the kernel keeps up to date in a thread's memory. Linux: `struct rseq`, its fixed part.
public struct SequenceArea: Sendable, BitwiseCopyable {
  public var processorAtStart: UInt32
  public var processor: UInt32
  public var sequence: UInt64
  public var flags: UInt32
  public var node: UInt32
  /// Linux: `mm_cid`.
  public var concurrency: UInt32

  /// The size that every program may register. Linux: `ORIG_RSEQ_SIZE`.
  public static var originalByteCount: UInt32 { 32 }
  /// Linux: `AT_RSEQ_FEATURE_SIZE`.
  public static var byteCount: UInt32 { 28 }
  public static var alignment: UInt64 { 32 }
  public static var sequenceOffset: UInt64 { 8 }
  public static var nodeOffset: UInt64 { 20 }
  /// Of a thread that is not registered. Linux: `RSEQ_CPU_ID_UNINITIALIZED`.
  public static var noProcessor: UInt32 { .max }
  /// Linux: `RSEQ_FLAG_UNREGISTER`.
  public static var unregister: UInt32 { 1 }
}

/// A run of instructions that begins again when it is interrupted. Linux: `struct rseq_cs`.
public struct RestartableSequence: Sendable, BitwiseCopyable {
  public var version: UInt32
  public var flags: UInt32
  public var start: UInt64
  public var byteCount: UInt64
  public var abort: UInt64
}
