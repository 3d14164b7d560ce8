// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Locks on files.
///
/// Linux: `fs/locks.c`.
extension FileSystems {
  /// What stands in the way of a lock: whether it is exclusive, its range, its process; nil if
  /// nothing does. Linux: `F_GETLK`.
  public func lockConflict(
    _ request: LockRequest, on inode: Reference<Inode>
  ) -> (isExclusive: Bool, start: UInt64, last: UInt64, process: UInt32)? {
    guard let lock = conflict(request, on: inode) else { return nil }
    return (heap[lock].isExclusive, heap[lock].start, heap[lock].last, heap[lock].process)
  }

  private func conflict(
    _ request: LockRequest, on inode: Reference<Inode>
  ) -> Reference<FileLock>? {
    var link = heap[inode].firstLock
    while let lock = link.reference {
      if heap[lock].conflicts(with: request) { return lock }
      link = heap[lock].next
    }
    return nil
  }

  /// Takes a lock, in place of what its owner has of the range.
  ///
  /// - Parameters:
  ///   - inode: held by the caller.
  ///   - waits: whether to wait for those that stand in the way.
  /// - Throws: EAGAIN where somebody does and the caller does not wait, EINTR, EDEADLK, ENOLCK.
  /// - Context: may sleep.
  public func lock(
    _ inode: Reference<Inode>, _ request: LockRequest, waits: Bool
  ) throws(Errno) {
    // Whoever changes the kind of a whole file's lock may lose it to those that wait.
    if request.kind == .whole { dropWhole(request, on: inode) }
    while let holder = conflict(request, on: inode) {
      guard waits else { throw .EAGAIN }
      let owner = heap[holder].owner
      let isOfProcesses = request.kind == .process && heap[holder].kind == .process
      guard isOfProcesses else {
        guard sleepForLock(inode) else { throw .EINTR }
        continue
      }
      guard !waitsFor(owner, request.owner) else { throw .EDEADLK }
      let wait = try allocate(LockWait(owner: request.owner, holder: owner))
      heap[wait].next = state.value.firstLockWait
      state.value.firstLockWait = Link(wait)
      defer { end(wait) }
      guard sleepForLock(inode) else { throw .EINTR }
    }
    try set(inode, request)
  }

  private func sleepForLock(_ inode: Reference<Inode>) -> Bool {
    environment.sleepInterruptibly(on: .object(inode.raw, channel: 10))
  }

  private func wakeLockers(_ inode: Reference<Inode>) {
    environment.wake(.object(inode.raw, channel: 10))
  }

  /// Whether somebody waits, over however many others, for somebody else.
  private func waitsFor(_ first: UInt32, _ wanted: UInt32) -> Bool {
    var owner = first
    // Each step is another waiter, and there is no circle yet, so this ends.
    while owner != wanted {
      var link = state.value.firstLockWait
      while let wait = link.reference, heap[wait].owner != owner { link = heap[wait].next }
      guard let wait = link.reference else { return false }
      owner = heap[wait].holder
    }
    return true
  }

  private func end(_ wait: Reference<LockWait>) {
    let next = heap[wait].next
    if state.value.firstLockWait.reference == wait {
      state.value.firstLockWait = next
    } else {
      var link = state.value.firstLockWait
      while let other = link.reference {
        link = heap[other].next
        if link.reference == wait {
          heap[other].next = next
          break
        }
      }
    }
    heap.free(wait)
  }

  private func dropWhole(_ request: LockRequest, on inode: Reference<Inode>) {
    removeLocks(of: inode) { $0.kind == .whole && $0.owner == request.owner }
  }

  /// Gives up what an owner has of a range.
  ///
  /// - Throws: ENOLCK, where a lock falls into two and there is no memory.
  public func unlock(_ inode: Reference<Inode>, _ request: LockRequest) throws(Errno) {
    if request.kind == .whole { return dropWhole(request, on: inode) }
    guard heap[inode].firstLock.reference != nil else { return }
    let spare = try allocate(FileLock(request))
    let right = cutOut(request, of: inode, spare)
    if !right { heap.free(spare) }
    wakeLockers(inode)
  }

  private func set(_ inode: Reference<Inode>, _ request: LockRequest) throws(Errno) {
    let fresh = try allocate(FileLock(request))
    guard request.kind != .whole else { return insert(fresh, inode) }
    let spare: Reference<FileLock>
    do {
      spare = try allocate(FileLock(request))
    } catch {
      heap.free(fresh)
      throw .ENOLCK
    }
    if !cutOut(request, of: inode, spare) { heap.free(spare) }
    merge(fresh, inode)
    insert(fresh, inode)
    // A lock that became a shared one lets others in.
    wakeLockers(inode)
  }

  /// Enters a lock behind the earlier ones of its owner, and an owner's first behind all.
  private func insert(_ lock: Reference<FileLock>, _ inode: Reference<Inode>) {
    var place: Reference<FileLock>?
    var lastOfOwner: Reference<FileLock>?
    var isPlaced = false
    var link = heap[inode].firstLock
    var before: Reference<FileLock>?
    while let other = link.reference {
      if heap[other].kind == heap[lock].kind, heap[other].owner == heap[lock].owner {
        if heap[other].start > heap[lock].start, !isPlaced {
          place = before
          isPlaced = true
        }
        lastOfOwner = other
      }
      before = other
      link = heap[other].next
    }
    if !isPlaced { place = lastOfOwner ?? before }
    if let place {
      heap[lock].next = heap[place].next
      heap[place].next = Link(lock)
    } else {
      heap[lock].next = heap[inode].firstLock
      heap[inode].firstLock = Link(lock)
    }
  }

  /// Takes a range out of an owner's locks; says whether one fell into two, and the spare was
  /// used for its second part.
  private func cutOut(
    _ request: LockRequest, of inode: Reference<Inode>, _ spare: Reference<FileLock>
  ) -> Bool {
    var isSpareUsed = false
    var link = heap[inode].firstLock
    while let lock = link.reference {
      link = heap[lock].next
      guard heap[lock].kind == request.kind, heap[lock].owner == request.owner,
        heap[lock].overlaps(request.start, request.last)
      else { continue }
      let begins = heap[lock].start < request.start
      let goesOn = heap[lock].last > request.last
      if begins && goesOn {
        heap[spare].isExclusive = heap[lock].isExclusive
        heap[spare].start = request.last + 1
        heap[spare].last = heap[lock].last
        heap[lock].last = request.start - 1
        insert(spare, inode)
        isSpareUsed = true
      } else if begins {
        heap[lock].last = request.start - 1
      } else if goesOn {
        heap[lock].start = request.last + 1
      } else {
        let first = lock
        removeLock(first, inode)
      }
    }
    return isSpareUsed
  }

  /// Lets a new lock take in those of the same owner and kind that touch it.
  private func merge(_ fresh: Reference<FileLock>, _ inode: Reference<Inode>) {
    var link = heap[inode].firstLock
    while let lock = link.reference {
      link = heap[lock].next
      guard heap[lock].kind == heap[fresh].kind, heap[lock].owner == heap[fresh].owner,
        heap[lock].isExclusive == heap[fresh].isExclusive
      else { continue }
      let start = heap[fresh].start
      let last = heap[fresh].last
      let touchesBefore = start > 0 && heap[lock].last == start - 1
      let touchesBehind = last < .max && heap[lock].start == last + 1
      guard touchesBefore || touchesBehind else { continue }
      heap[fresh].start = min(start, heap[lock].start)
      heap[fresh].last = max(last, heap[lock].last)
      removeLock(lock, inode)
    }
  }

  private func removeLock(_ lock: Reference<FileLock>, _ inode: Reference<Inode>) {
    let next = heap[lock].next
    if heap[inode].firstLock.reference == lock {
      heap[inode].firstLock = next
    } else {
      var link = heap[inode].firstLock
      while let other = link.reference {
        link = heap[other].next
        if link.reference == lock {
          heap[other].next = next
          break
        }
      }
    }
    heap.free(lock)
  }

  private func removeLocks(of inode: Reference<Inode>, _ isMeant: (FileLock) -> Bool) {
    var link = heap[inode].firstLock
    guard link.reference != nil else { return }
    while let lock = link.reference {
      link = heap[lock].next
      if isMeant(heap[lock]) { removeLock(lock, inode) }
    }
    wakeLockers(inode)
  }

  /// Gives up all that a process has locked of a file, since it closes a descriptor of it.
  ///
  /// - Context: any. Linux: `locks_remove_posix()`.
  public func removeLocks(ofTable table: UInt32, on file: Reference<OpenFile>) {
    removeLocks(of: heap[file].inode) { $0.kind == .process && $0.owner == table }
  }

  /// Gives up all that an open file has locked. Linux: `locks_remove_file()`.
  func removeLocks(of file: Reference<OpenFile>) {
    removeLocks(of: heap[file].inode) { $0.kind != .process && $0.owner == file.raw }
  }
}
