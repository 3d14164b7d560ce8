// SPDX-License-Identifier: Apache-2.0

/// Linux: `struct rlimit64`.
public struct ResourceLimit: Sendable, BitwiseCopyable {
  public var current: UInt64
  public var maximum: UInt64

  public init(current: UInt64, maximum: UInt64) {
    self.current = current
    self.maximum = maximum
  }

  /// Linux: `RLIM_INFINITY`.
  public static var infinity: UInt64 { .max }
  public static var unlimited: Self { Self(current: .max, maximum: .max) }
}

/// What a limit is of. Linux: `RLIMIT_*`.
public enum Resource: Int, Sendable {
  case processorTime = 0, fileSize, data, stack, core, residentSet, processes, openFiles
  case lockedMemory, addressSpace, fileLocks, pendingSignals, messageQueue, nice
  case realtimePriority, realtimeTime

  /// Linux's default for the first process. Linux: `INIT_RLIMITS`.
  public var initial: ResourceLimit {
    switch self {
    case .stack: ResourceLimit(current: 8 << 20, maximum: .max)
    case .core: ResourceLimit(current: 0, maximum: .max)
    case .openFiles: ResourceLimit(current: 1024, maximum: 4096)
    case .lockedMemory: ResourceLimit(current: 8 << 20, maximum: 8 << 20)
    case .messageQueue: ResourceLimit(current: 819_200, maximum: 819_200)
    case .nice, .realtimePriority: ResourceLimit(current: 0, maximum: 0)
    default: .unlimited
    }
  }
}

/// Linux: `struct rusage`, 144 bytes.
public struct ResourceUsage: Sendable, BitwiseCopyable {
  public var userTime = TimeValue(nanoseconds: 0)
  public var systemTime = TimeValue(nanoseconds: 0)
  /// In units of 1,024 bytes.
  public var peakResident: Int64 = 0
  private var unused = InlineArray<3, Int64>(repeating: 0)
  public var minorFaults: Int64 = 0
  public var majorFaults: Int64 = 0
  private var swaps: Int64 = 0
  public var blocksIn: Int64 = 0
  public var blocksOut: Int64 = 0
  private var messages = InlineArray<3, Int64>(repeating: 0)
  public var voluntarySwitches: Int64 = 0
  public var involuntarySwitches: Int64 = 0

  public init() {}
}

/// Linux: `struct sysinfo`, 112 bytes.
public struct SystemInformation: Sendable, BitwiseCopyable {
  public var uptimeSeconds: Int64 = 0
  public var loads = InlineArray<3, UInt64>(repeating: 0)
  public var totalMemory: UInt64 = 0
  public var freeMemory: UInt64 = 0
  public var sharedMemory: UInt64 = 0
  public var bufferMemory: UInt64 = 0
  public var totalSwap: UInt64 = 0
  public var freeSwap: UInt64 = 0
  public var processCount: UInt16 = 0
  private var padding: UInt16 = 0
  private var padding2: UInt32 = 0
  public var totalHighMemory: UInt64 = 0
  public var freeHighMemory: UInt64 = 0
  public var unitByteCount: UInt32 = 1
  private var padding3: UInt32 = 0

  public init() {}
}
