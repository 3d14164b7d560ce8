// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls on all of a task's scheduling at once, and on its transfers'.
///
/// Linux: `kernel/sched/syscalls.c`, `block/ioprio.c`.
extension Kernel {
  /// Linux: `sched_getattr`.
  func attributes(_ call: CallArguments) throws(Errno) -> UInt64 {
    let room = call.third & 0xFFFF_FFFF
    guard call.second != 0, Int32(truncatingIfNeeded: call.first) >= 0, room <= 4096,
      room >= UInt64(SchedulingAttributes.smallestByteCount), call.fourth & 0xFFFF_FFFF == 0
    else { throw .EINVAL }
    let schedule = heap[try taskOrSelf(call.first)].schedule
    var attributes = SchedulingAttributes()
    attributes.byteCount = UInt32(min(room, UInt64(attributes.byteCount)))
    attributes.policy = UInt32(schedule.policy.rawValue)
    if schedule.resetsOnFork { attributes.flags = SchedulingAttributes.resetsOnFork }
    if schedule.policy.isRealTime {
      attributes.priority = UInt32(schedule.priority)
    } else {
      attributes.nice = Int32(schedule.nice)
      attributes.runtime = schedule.sliceNanoseconds
    }
    let byteCount = Int(attributes.byteCount)
    let space = space
    try withMemoryBlock(over: &attributes) { (block) throws(Errno) in
      do throws(MemoryError) {
        try spaces.copyOut(
          from: block, at: 0, byteCount: byteCount, to: VirtualAddress(call.second), in: space)
      } catch {
        throw Errno(error)
      }
    }
    return 0
  }

  /// Linux: `sched_setattr`.
  func setAttributes(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.second != 0, Int32(truncatingIfNeeded: call.first) >= 0,
      call.third & 0xFFFF_FFFF == 0
    else { throw .EINVAL }
    let wish = try wantedAttributes(at: call.second)
    guard Int32(bitPattern: wish.policy) >= 0 else { throw .EINVAL }
    let task = try taskOrSelf(call.first)
    let old = heap[task].schedule
    var new = old
    if wish.flags & SchedulingAttributes.keepsPolicy == 0 {
      guard wish.policy <= 6, let policy = Scheduling.Policy(rawValue: UInt8(wish.policy)) else {
        throw .EINVAL
      }
      new.policy = policy
      new.resetsOnFork = wish.flags & SchedulingAttributes.resetsOnFork != 0
    }
    guard wish.flags & ~SchedulingAttributes.known == 0 else { throw .EINVAL }
    if wish.flags & SchedulingAttributes.keepsParameters == 0 {
      guard wish.priority <= 99 else { throw .EINVAL }
      new.priority = UInt8(wish.priority)
      if !new.policy.isRealTime { new.setNice(Int(wish.nice)) }
    }
    // What a deadline is cannot be said here.
    guard new.policy != .deadline, new.policy.isRealTime == (new.priority != 0) else {
      throw .EINVAL
    }
    guard wish.flags & SchedulingAttributes.boundsUse == 0 else { throw .EOPNOTSUPP }
    if new.nice < old.nice, !mayBecome(nice: Int(new.nice), task) { throw .EPERM }
    try checkRight(toSchedule: task, new)
    heap[task].schedule = new
    return 0
  }

  /// What a program wants, in its own version of the structure.
  ///
  /// - Throws: E2BIG, and the size that is known goes to the program. Linux: `sched_copy_attr()`.
  private func wantedAttributes(at address: UInt64) throws(Errno) -> SchedulingAttributes {
    var byteCount: UInt32 = try load(at: address)
    if byteCount == 0 { byteCount = SchedulingAttributes.smallestByteCount }
    do throws(Errno) {
      guard byteCount >= SchedulingAttributes.smallestByteCount, byteCount <= 4096 else {
        throw .E2BIG
      }
      return try load(
        over: SchedulingAttributes(), at: address, byteCount: UInt64(byteCount))
    } catch {
      if error == .E2BIG { try store(SchedulingAttributes().byteCount, at: address) }
      throw error
    }
  }

  // Transfers

  /// Linux: `IOPRIO_WHO_PROCESS` and its kin, one more than those of niceness.
  private func kind(_ who: UInt64) throws(Errno) -> UInt64 {
    let who = UInt32(truncatingIfNeeded: who)
    guard (1...3).contains(who) else { throw .EINVAL }
    return UInt64(who - 1)
  }

  /// Linux: `ioprio_get`: of one task what it said, of several the best that they have.
  func transferPriority(_ call: CallArguments) throws(Errno) -> UInt64 {
    let kind = try kind(call.first)
    var best: UInt16?
    let heap = heap
    try forEachTask(kind, call.second) {
      let schedule = heap[$0].schedule
      let own = kind == 0 ? schedule.transferPriority : schedule.usedTransferPriority
      best = min(best ?? own, own)
    }
    guard let best else { throw .ESRCH }
    return UInt64(best)
  }

  /// Linux: `ioprio_set`: it is told again; the disks take transfers in their order.
  func setTransferPriority(_ call: CallArguments) throws(Errno) -> UInt64 {
    let wish = UInt16(truncatingIfNeeded: call.third)
    switch wish >> 13 {
    case 0: guard wish & 7 == 0 else { throw .EINVAL }
    case 1:
      guard identity.can(.administerSystem) || identity.can(.setPriority) else { throw .EPERM }
    case 2, 3: break
    default: throw .EINVAL
    }
    var failure: Errno? = .ESRCH
    let own = identity
    let heap = heap
    try forEachTask(try kind(call.first), call.second) {
      guard failure != .EPERM else { return }
      let user = heap[$0].identity.user.real
      let isOwn = user == own.user.effective || user == own.user.real
      guard isOwn || own.can(.setPriority) else {
        failure = .EPERM
        return
      }
      heap[$0].schedule.transferPriority = wish
      failure = nil
    }
    if let failure { throw failure }
    return 0
  }
}
