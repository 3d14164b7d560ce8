// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls on turns and priorities.
///
/// Linux: `kernel/sched/syscalls.c`, `kernel/sys.c`.
extension Kernel {
  /// The task of a number, 0 for the running one.
  func taskOrSelf(_ number: UInt64) throws(Errno) -> Reference<Task> {
    let number = Int32(truncatingIfNeeded: number)
    if number == 0 { return current }
    guard number > 0, let task = findTask(UInt32(number)) else { throw .ESRCH }
    return task
  }

  /// Linux: `check_same_owner()`, or CAP_SYS_NICE.
  private func mayReschedule(_ task: Reference<Task>) -> Bool {
    let own = identity
    let other = heap[task].identity.user
    return own.user.effective == other.effective || own.user.effective == other.real
      || own.can(.setPriority)
  }

  /// Linux: `can_nice()`.
  func mayBecome(nice: Int, _ task: Reference<Task>) -> Bool {
    let limit = heap[heap[task].process].limits[Resource.nice.rawValue].current
    return UInt64(20 - nice) <= limit || identity.can(.setPriority)
  }

  // Processors

  /// Linux: `sched_getaffinity`: one CPU.
  func processorMask(_ call: CallArguments) throws(Errno) -> UInt64 {
    let byteCount = UInt32(truncatingIfNeeded: call.second)
    guard byteCount & 7 == 0, byteCount >= 8 else { throw .EINVAL }
    _ = try taskOrSelf(call.first)
    try store(UInt64(1), at: call.third)
    return 8
  }

  /// Linux: `sched_setaffinity`: a set without the one CPU is refused.
  func setProcessorMask(_ call: CallArguments) throws(Errno) -> UInt64 {
    let byteCount = min(UInt64(UInt32(truncatingIfNeeded: call.second)), 8)
    var mask: UInt64 = 0
    for index in 0..<byteCount {
      let byte: UInt8 = try load(at: call.third &+ index)
      mask |= UInt64(byte) << (index * 8)
    }
    let task = try taskOrSelf(call.first)
    guard mayReschedule(task) else { throw .EPERM }
    guard mask & 1 != 0 else { throw .EINVAL }
    return 0
  }

  /// Linux: `getcpu`.
  func processorNumber(_ call: CallArguments) throws(Errno) -> UInt64 {
    if call.first != 0 { try store(UInt32(0), at: call.first) }
    if call.second != 0 { try store(UInt32(0), at: call.second) }
    return 0
  }

  // Policies

  /// A task for the calls on policies, which know no negative numbers.
  private func scheduledTask(_ number: UInt64) throws(Errno) -> Reference<Task> {
    guard Int32(truncatingIfNeeded: number) >= 0 else { throw .EINVAL }
    return try taskOrSelf(number)
  }

  /// Linux: `sched_getscheduler`.
  func policy(of number: UInt64) throws(Errno) -> UInt64 {
    let schedule = heap[try scheduledTask(number)].schedule
    return UInt64(schedule.policy.rawValue) | (schedule.resetsOnFork ? Self.resetOnFork : 0)
  }

  /// Linux: `SCHED_RESET_ON_FORK`.
  private static var resetOnFork: UInt64 { 0x4000_0000 }

  /// Linux: `sched_getparam`.
  func priority(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.second != 0 else { throw .EINVAL }
    let task = try scheduledTask(call.first)
    try store(UInt32(heap[task].schedule.priority), at: call.second)
    return 0
  }

  /// Linux: `sched_setscheduler`; `sched_setparam` without a policy.
  func setPolicy(_ number: UInt64, _ policy: UInt64?, _ address: UInt64) throws(Errno) -> UInt64 {
    if let policy { guard Int32(truncatingIfNeeded: policy) >= 0 else { throw .EINVAL } }
    guard address != 0, Int32(truncatingIfNeeded: number) >= 0 else { throw .EINVAL }
    let priority: Int32 = try load(at: address)
    let task = try taskOrSelf(number)
    var new = heap[task].schedule
    if let policy {
      let wish = policy & 0xFFFF_FFFF & ~Self.resetOnFork
      guard wish <= 6, let wish = Scheduling.Policy(rawValue: UInt8(wish)) else {
        throw .EINVAL
      }
      new.policy = wish
      new.resetsOnFork = policy & Self.resetOnFork != 0
    }
    // What a deadline is cannot be said here.
    guard new.policy != .deadline, priority >= 0, priority <= 99,
      new.policy.isRealTime == (priority != 0)
    else { throw .EINVAL }
    new.priority = UInt8(priority)
    try checkRight(toSchedule: task, new)
    heap[task].schedule = new
    return 0
  }

  /// Linux: `user_check_sched_setscheduler()`.
  func checkRight(
    toSchedule task: Reference<Task>, _ new: Scheduling
  ) throws(Errno) {
    guard !identity.can(.setPriority) else { return }
    let old = heap[task].schedule
    if new.policy.isRealTime {
      let limit = heap[heap[task].process].limits[Resource.realtimePriority.rawValue].current
      guard new.policy == old.policy || limit > 0 else { throw .EPERM }
      guard new.priority <= old.priority || UInt64(new.priority) <= limit else { throw .EPERM }
    }
    if old.policy == .idle, new.policy != .idle {
      guard mayBecome(nice: Int(old.nice), task) else { throw .EPERM }
    }
    guard mayReschedule(task), !old.resetsOnFork || new.resetsOnFork else { throw .EPERM }
  }

  /// Linux: `sched_get_priority_max`.
  func largestPriority(of policy: UInt64) throws(Errno) -> UInt64 {
    guard let range = Scheduling.priorities(of: policy) else { throw .EINVAL }
    return range.upperBound
  }

  /// Linux: `sched_get_priority_min`.
  func smallestPriority(of policy: UInt64) throws(Errno) -> UInt64 {
    guard let range = Scheduling.priorities(of: policy) else { throw .EINVAL }
    return range.lowerBound
  }

  /// Linux: `sched_rr_get_interval`.
  func turn(_ call: CallArguments) throws(Errno) -> UInt64 {
    let schedule = heap[try scheduledTask(call.first)].schedule
    let nanoseconds = schedule.policy == .fifo ? 0 : schedule.sliceNanoseconds
    try store(TimeSpecification(nanoseconds: nanoseconds), at: call.second)
    return 0
  }

  // Niceness

  /// Runs a body for each task that `getpriority` and `setpriority` are about.
  func forEachTask(
    _ kind: UInt64, _ number: UInt64, _ body: (Reference<Task>) -> Void
  ) throws(Errno) {
    let number = UInt32(truncatingIfNeeded: number)
    switch Int32(truncatingIfNeeded: kind) {
    case 0:
      guard let task = number == 0 ? current : findTask(number) else { return }
      body(task)
    case 1:
      let group = number == 0 ? heap[process].group : number
      let heap = heap
      forEachTask { if heap[heap[$0].process].group == group { body($0) } }
    case 2:
      let user = number == 0 ? identity.user.real : number
      let heap = heap
      forEachTask { if heap[$0].identity.user.real == user { body($0) } }
    default: throw .EINVAL
    }
  }

  private func forEachTask(_ body: (Reference<Task>) -> Void) {
    var nextProcess = state.value.processes.first
    while let process = nextProcess {
      nextProcess = heap[process].listHook.next.reference
      var next = heap[process].tasks.first
      while let task = next {
        next = heap[task].threadHook.next.reference
        body(task)
      }
    }
  }

  /// Linux: `getpriority`: 20 less the smallest niceness, so never negative.
  func niceness(_ call: CallArguments) throws(Errno) -> UInt64 {
    var best: Int?
    let heap = heap
    try forEachTask(call.first, call.second) {
      best = max(best ?? 0, 20 - Int(heap[$0].schedule.nice))
    }
    guard let best else { throw .ESRCH }
    return UInt64(best)
  }

  /// Linux: `setpriority`.
  func setNiceness(_ call: CallArguments) throws(Errno) -> UInt64 {
    let range = Scheduling.niceRange
    let wish = min(
      max(Int(Int32(truncatingIfNeeded: call.third)), range.lowerBound), range.upperBound)
    var failure: Errno? = .ESRCH
    let kernel = self
    try forEachTask(call.first, call.second) {
      let result = kernel.setNice(wish, of: $0)
      if result != nil || failure == .ESRCH { failure = result }
    }
    if let failure { throw failure }
    return 0
  }

  /// Linux: `set_one_prio()`.
  private func setNice(_ wish: Int, of task: Reference<Task>) -> Errno? {
    let own = identity
    let other = heap[task].identity.user
    guard
      other.real == own.user.effective || other.effective == own.user.effective
        || own.can(.setPriority)
    else { return .EPERM }
    if wish < Int(heap[task].schedule.nice), !mayBecome(nice: wish, task) { return .EACCES }
    heap[task].schedule.setNice(wish)
    return nil
  }
}
