// SPDX-License-Identifier: Apache-2.0

/// How a task wants to be scheduled, and how long its turns are.
///
/// Linux: `policy`, `rt_priority` and `static_prio` of `struct task_struct`.
struct Scheduling: BitwiseCopyable {
  /// Linux: the `SCHED_` policies.
  enum Policy: UInt8, BitwiseCopyable {
    case normal = 0
    case fifo, roundRobin, batch
    case idle = 5
    case deadline

    var isRealTime: Bool { self == .fifo || self == .roundRobin }
  }

  var policy = Policy.normal
  /// 1...99 of a real-time task, else 0.
  var priority: UInt8 = 0
  /// -20...19. Linux: `task_nice()`.
  private(set) var nice: Int8 = 0
  /// Linux: `SCHED_RESET_ON_FORK`.
  var resetsOnFork = false
  /// Of its transfers; 0 where it never said so. Linux: `io_context.ioprio`.
  var transferPriority: UInt16 = 0
  /// How long it runs while another wants to.
  private(set) var sliceNanoseconds = Self.usualSlice

  /// Linux: `RR_TIMESLICE`, here 4 ms.
  static var usualSlice: UInt64 { 4_000_000 }
  /// Turns are never shorter: a switch has its cost.
  static var shortestSlice: UInt64 { 200_000 }
  static var niceRange: ClosedRange<Int> { -20...19 }

  init() {}

  /// Sets how nice it is, within the range: each step makes its share a quarter smaller or
  /// larger. Linux: `set_user_nice()`, `sched_prio_to_weight`.
  mutating func setNice(_ wish: Int) {
    nice = Int8(min(max(wish, Self.niceRange.lowerBound), Self.niceRange.upperBound))
    var slice = Self.usualSlice
    for _ in 0..<abs(Int(nice)) { slice = nice > 0 ? slice * 4 / 5 : slice * 5 / 4 }
    sliceNanoseconds = max(slice, Self.shortestSlice)
  }

  /// The priority of its transfers that follows from how it is scheduled, unless it said one:
  /// a class, and a level. Linux: `__get_task_ioprio()`.
  var usedTransferPriority: UInt16 {
    guard transferPriority >> 13 == 0 else { return transferPriority }
    let level = UInt16((Int(nice) + 20) / 5)
    if policy == .idle { return 3 << 13 | level }
    return (policy.isRealTime ? 1 : 2) << 13 | level
  }

  /// What a child begins with. Linux: `sched_fork()`.
  var ofChild: Scheduling {
    guard resetsOnFork else { return self }
    if policy.isRealTime {
      var child = Scheduling()
      child.transferPriority = transferPriority
      return child
    }
    var child = self
    child.resetsOnFork = false
    if nice < 0 { child.setNice(0) }
    return child
  }

  /// The priorities of a policy; nil for a policy that there is not.
  ///
  /// Linux: `sched_get_priority_max`, `sched_get_priority_min`.
  static func priorities(of policy: UInt64) -> ClosedRange<UInt64>? {
    let number = UInt32(truncatingIfNeeded: policy)
    // The last is that of programs loaded into the kernel. Linux: `SCHED_EXT`.
    if number == 7 { return 0...0 }
    guard number <= 6, let policy = Policy(rawValue: UInt8(number)) else { return nil }
    return policy.isRealTime ? 1...99 : 0...0
  }
}
