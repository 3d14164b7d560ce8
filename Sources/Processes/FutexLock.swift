// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Locks whose word holds their owner's number. Whoever gives one back hands it to the first who
/// waits; with one policy and one priority there is nothing to inherit.
///
/// Linux: `kernel/futex/pi.c`.
extension Kernel {
  /// Whether a lock is waited for.
  enum LockWish { case lock, tryLock }

  /// What became of an attempt.
  private enum LockOutcome {
    case taken, own
    case owned(by: UInt32)
  }

  /// Linux: `futex_lock_pi()`.
  ///
  /// - Throws: EDEADLK of one's own, ESRCH of nobody's, EAGAIN of another's if it is only tried,
  ///   ETIMEDOUT, EINTR, EFAULT.
  /// - Context: may sleep.
  func lockFutex(
    _ address: UInt64, _ isShared: Bool, _ wish: LockWish, until deadline: VirtualTime
  ) throws(Errno) -> UInt64 {
    let key = try futexKey(address, isShared)
    let owner: UInt32
    switch try attemptLock(address, key) {
    case .taken: return 0
    case .own: throw .EDEADLK
    case .owned(let found): owner = found
    }
    guard let holder = findTask(owner), heap[holder].state != .dead else { throw .ESRCH }
    guard wish == .lock else { throw .EAGAIN }
    enqueue(key, at: address, bits: .max, lockOf: owner)
    switch sleepInBucket(until: deadline) {
    case .woken: return 0
    case .timedOut: throw .ETIMEDOUT
    case .interrupted:
      heap[current].restartDeadline = deadline
      throw .EINTR
    }
  }

  /// Takes a free lock, or marks one as waited for. Linux: `futex_lock_pi_atomic()`.
  private func attemptLock(_ address: UInt64, _ key: FutexKey) throws(Errno) -> LockOutcome {
    let own = heap[current].identifier
    let kernel = self
    let old: UInt32
    do {
      old = try spaces.update(wordAt: VirtualAddress(address), in: space) { old in
        let owner = old & FutexWord.owner
        if owner == own { return nil }
        if owner != 0 { return old | FutexWord.waiters }
        let waiters = kernel.waiter(for: key) == nil ? 0 : FutexWord.waiters
        return own | old & FutexWord.ownerDied | waiters
      }
    } catch {
      throw Errno(error)
    }
    let owner = old & FutexWord.owner
    if owner == own { return .own }
    return owner == 0 ? .taken : .owned(by: owner)
  }

  /// Linux: `futex_unlock_pi()`.
  ///
  /// - Throws: EPERM of a lock that is not one's own, EINVAL if others wait for the plain word.
  func unlockFutex(_ address: UInt64, _ isShared: Bool) throws(Errno) -> UInt64 {
    let own = heap[current].identifier
    guard address & 3 == 0 else { throw .EINVAL }
    let found: UInt32 = try load(at: address)
    guard found & FutexWord.owner == own else { throw .EPERM }
    let key = try futexKey(address, isShared)
    let kernel = self
    let old: UInt32
    do {
      old = try spaces.update(wordAt: VirtualAddress(address), in: space) { old in
        guard old & FutexWord.owner == own else { return nil }
        guard let next = kernel.waiter(for: key) else { return 0 }
        guard kernel.heap[next].futex.isForLock else { return nil }
        return kernel.heap[next].identifier | FutexWord.waiters
      }
    } catch {
      throw Errno(error)
    }
    guard old & FutexWord.owner == own else { throw .EPERM }
    guard let next = waiter(for: key) else { return 0 }
    guard heap[next].futex.isForLock else { throw .EINVAL }
    handOver(to: next)
    return 0
  }

  /// Lets a task go on with its lock; others wait for it now.
  private func handOver(to task: Reference<Task>) {
    let key = heap[task].futex.key
    let owner = heap[task].identifier
    var next = waiter(for: key, after: task)
    while let other = next {
      heap[other].futex.owner = owner
      next = waiter(for: key, after: other)
    }
    wakeWaiter(task)
  }

  /// Hands over the locks of a task that ends, to who waits for them. Linux:
  /// `exit_pi_state_list()`.
  ///
  /// - Context: may sleep.
  func handOverLocks(of task: Reference<Task>) {
    let owner = heap[task].identifier
    let kernel = self
    while let waiting = visitLockWaiters({ kernel.heap[$0].futex.owner == owner }) {
      let wait = heap[waiting].futex
      // Whoever cannot get it any more is asked no second time.
      heap[waiting].futex.owner = 0
      guard let space = heap[heap[waiting].process].space.reference else { continue }
      var isHandedOver = false
      _ = try? spaces.update(wordAt: VirtualAddress(wait.address), in: space) { _ in
        let now = kernel.heap[waiting].futex
        guard now.isQueued, now.key == wait.key else { return nil }
        isHandedOver = true
        return kernel.heap[waiting].identifier | FutexWord.waiters | FutexWord.ownerDied
      }
      if isHandedOver { handOver(to: waiting) }
    }
  }

  /// What becomes of a `futex` that a signal interrupts.
  var futexRestart: Task.Restart {
    let word = machine.register(.argument1, of: heap[current].stack)
    switch FutexOperation(rawValue: UInt32(word & 127)) {
    case .lock, .lockUntil: return .always
    default: return heap[current].restartDeadline == .never ? .system : .withoutHandler
    }
  }
}
