// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageTableFormats

/// Waiting for a word of memory.
///
/// Linux: `kernel/futex/syscalls.c`, `waitwake.c`, `requeue.c`.
extension Kernel {
  /// Linux: `futex`.
  ///
  /// - Context: may sleep.
  func futex(_ call: CallArguments) throws(Errno) -> UInt64 {
    let word = UInt32(truncatingIfNeeded: call.second)
    let flags = word & (FutexOperation.isPrivate | FutexOperation.realTime)
    guard let operation = FutexOperation(rawValue: word & ~flags) else {
      return try refuse(UInt64(SystemCall.futex.rawValue))
    }
    let deadline = try futexDeadline(call, operation, flags)
    let isShared = flags & FutexOperation.isPrivate == 0
    if flags & FutexOperation.realTime != 0 {
      guard operation == .waitBits || operation == .lockUntil else { throw .ENOSYS }
    }
    let value = UInt32(truncatingIfNeeded: call.third)
    let bits = UInt32(truncatingIfNeeded: call.sixth)
    switch operation {
    case .wait:
      return try waitForFutex(call.first, isShared, value, .max, until: deadline)
    case .waitBits:
      return try waitForFutex(call.first, isShared, value, bits, until: deadline)
    case .wake: return try wakeFutex(call.first, isShared, value, .max)
    case .wakeBits: return try wakeFutex(call.first, isShared, value, bits)
    case .requeue: return try requeueFutex(call, isShared, expected: nil)
    case .compareAndRequeue: return try requeueFutex(call, isShared, expected: bits)
    case .wakeOperation: return try wakeAndChange(call, isShared)
    case .lock, .lockUntil:
      return try lockFutex(call.first, isShared, .lock, until: deadline)
    case .tryLock: return try lockFutex(call.first, isShared, .tryLock, until: .never)
    case .unlock: return try unlockFutex(call.first, isShared)
    }
  }

  /// When a wait ends; an interrupted one keeps the end that it had.
  ///
  /// Linux: `futex_init_timeout()`.
  private func futexDeadline(
    _ call: CallArguments, _ operation: FutexOperation, _ flags: UInt32
  ) throws(Errno) -> VirtualTime {
    let task = current
    let kept = heap[task].restartDeadline
    heap[task].restartDeadline = .never
    switch operation {
    case .wait, .waitBits, .lock, .lockUntil: break
    default: return .never
    }
    guard call.fourth != 0 else { return .never }
    let wish: TimeSpecification = try load(at: call.fourth)
    guard let time = wish.duration else { throw .EINVAL }
    if kept != .never { return kept }
    if operation == .wait { return machine.now.advanced(byNanoseconds: time) }
    guard operation == .lock || flags & FutexOperation.realTime != 0 else {
      return VirtualTime(nanoseconds: time)
    }
    let epoch = files.value.bootTime &* 1_000_000_000
    return VirtualTime(nanoseconds: time > epoch ? time - epoch : 0)
  }

  /// Which word an address means.
  ///
  /// - Throws: `EINVAL` of an address that is no word's, `EFAULT`.
  /// - Context: may sleep.
  func futexKey(_ address: UInt64, _ isShared: Bool) throws(Errno) -> FutexKey {
    guard address & 3 == 0 else { throw .EINVAL }
    guard address < M.Format.userLimit.value else { throw .EFAULT }
    let space = space
    guard isShared else { return FutexKey(.ownSpace, object: space.raw, place: address) }
    do {
      switch try spaces.place(ofWordAt: VirtualAddress(address), in: space) {
      case .space: return FutexKey(.space, object: space.raw, place: address)
      case .file(let file, let index):
        return FutexKey(.file, object: file.raw, place: index << 12 | address & 0xFFF)
      }
    } catch {
      throw Errno(error)
    }
  }

  private func waitForFutex(
    _ address: UInt64, _ isShared: Bool, _ value: UInt32, _ bits: UInt32,
    until deadline: VirtualTime
  ) throws(Errno) -> UInt64 {
    guard bits != 0 else { throw .EINVAL }
    let key = try futexKey(address, isShared)
    let found: UInt32 = try load(at: address)
    guard found == value else { throw .EAGAIN }
    enqueue(key, at: address, bits: bits)
    switch sleepInBucket(until: deadline) {
    case .woken: return 0
    case .timedOut: throw .ETIMEDOUT
    case .interrupted:
      heap[current].restartDeadline = deadline
      throw .EINTR
    }
  }

  private func wakeFutex(
    _ address: UInt64, _ isShared: Bool, _ count: UInt32, _ bits: UInt32
  ) throws(Errno) -> UInt64 {
    guard bits != 0 else { throw .EINVAL }
    let key = try futexKey(address, isShared)
    return try wake(key, atMost: count, bits)
  }

  /// Wakes who waits for a word, at least one even if none is asked for; how many.
  ///
  /// - Throws: `EINVAL` if one of them waits for a lock.
  private func wake(
    _ key: FutexKey, atMost count: UInt32, _ bits: UInt32 = .max
  ) throws(Errno) -> UInt64 {
    let limit = UInt64(max(Int32(bitPattern: count), 1))
    var woken: UInt64 = 0
    var next = waiter(for: key)
    while let task = next, woken < limit {
      next = waiter(for: key, after: task)
      guard !heap[task].futex.isForLock else { throw .EINVAL }
      guard heap[task].futex.bits & bits != 0 else { continue }
      wakeWaiter(task)
      woken += 1
    }
    return woken
  }

  /// Wakes one of those who wait for a word that the kernel itself changed.
  func wakeOne(atSharedWord address: UInt64) {
    guard let key = try? futexKey(address, true) else { return }
    _ = try? wake(key, atMost: 1)
  }

  /// Linux: `futex_requeue()`.
  private func requeueFutex(
    _ call: CallArguments, _ isShared: Bool, expected: UInt32?
  ) throws(Errno) -> UInt64 {
    let wakeCount = Int(Int32(truncatingIfNeeded: call.third))
    let moveCount = Int(Int32(truncatingIfNeeded: call.fourth))
    guard wakeCount >= 0, moveCount >= 0 else { throw .EINVAL }
    let source = try futexKey(call.first, isShared)
    let target = try futexKey(call.fifth, isShared)
    if let expected {
      let found: UInt32 = try load(at: call.first)
      guard found == expected else { throw .EAGAIN }
    }
    var count = 0
    var next = waiter(for: source)
    while let task = next, count - wakeCount < moveCount {
      // One that moves to its own word's end would be met again.
      next = waiter(for: source, after: task)
      guard !heap[task].futex.isForLock else { throw .EINVAL }
      count += 1
      if count <= wakeCount { wakeWaiter(task) } else if source != target { move(task, to: target) }
    }
    return UInt64(count)
  }

  /// Linux: `futex_wake_op()`.
  private func wakeAndChange(_ call: CallArguments, _ isShared: Bool) throws(Errno) -> UInt64 {
    let first = try futexKey(call.first, isShared)
    let second = try futexKey(call.fifth, isShared)
    let change = FutexChange(UInt32(truncatingIfNeeded: call.sixth))
    guard change.changed(0) != nil else { throw .ENOSYS }
    let old: UInt32
    do {
      old = try spaces.update(wordAt: VirtualAddress(call.fifth), in: space) { change.changed($0) }
    } catch {
      throw Errno(error)
    }
    guard let holds = change.holds(of: old) else { throw .ENOSYS }
    var count = try wake(first, atMost: UInt32(truncatingIfNeeded: call.third))
    if holds { count += try wake(second, atMost: UInt32(truncatingIfNeeded: call.fourth)) }
    return count
  }
}
