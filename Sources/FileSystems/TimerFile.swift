// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// A timer that is read as a file. Linux: `struct timerfd_ctx`.
struct TimerFile: HeapObject {
  static var cacheName: StaticString { "timerfd_ctx" }
  static var cacheIndex: Int { 54 }

  var timer = Link<ScheduledTimer>(nil)
  /// Expirations that nobody has read.
  var count: UInt64 = 0
  /// Nanoseconds between expirations; 0 for one only.
  var interval: UInt64 = 0
  /// It expired, and is started again when somebody looks: so a short interval costs nothing.
  var hasExpired = false
  /// Its absolute times count from the epoch.
  let isWallClock: Bool

  init(isWallClock: Bool) { self.isWallClock = isWallClock }
}

/// A timer's setting in nanoseconds.
public struct TimerSetting: BitwiseCopyable {
  /// The time to the next expiration; 0 where there is none.
  public var value: UInt64
  public var interval: UInt64

  public init(value: UInt64, interval: UInt64) {
    self.value = value
    self.interval = interval
  }
}

/// Linux: `fs/timerfd.c`.
extension FileSystems {
  /// Linux: `timerfd_create`.
  ///
  /// - Throws: ENOMEM.
  public func makeTimer(
    isWallClock: Bool, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    let owner = try allocate(TimerFile(isWallClock: isWallClock))
    do throws(Errno) {
      heap[owner].timer = Link(try allocate(ScheduledTimer(.file, owner.raw)))
      return try openSpecial(.timer, owner.raw, flags: flags.union(.readWrite))
    } catch {
      freeTimer(owner)
      throw error
    }
  }

  func freeTimer(_ owner: Reference<TimerFile>) {
    if let timer = heap[owner].timer.reference {
      environment.stop(timer)
      heap.free(timer)
    }
    heap.free(owner)
  }

  private func timer(of file: Reference<OpenFile>) throws(Errno) -> Reference<TimerFile> {
    guard case .special(.timer) = heap[file].behaviour else { throw .EINVAL }
    return Reference(raw: heap[file].attachment)
  }

  private func changedKey(_ owner: Reference<TimerFile>) -> SleepKey {
    .object(owner.raw, channel: 5)
  }

  /// Sets a timer anew; returns what it was set to. Linux: `timerfd_settime`.
  ///
  /// - Throws: EINVAL of another kind of file.
  public func setTimer(
    _ file: Reference<OpenFile>, to setting: TimerSetting, isAbsolute: Bool
  ) throws(Errno) -> TimerSetting {
    let owner = try timer(of: file)
    let old = try timerSetting(file)
    guard let timer = heap[owner].timer.reference else { throw .EINVAL }
    environment.stop(timer)
    heap[owner].count = 0
    heap[owner].hasExpired = false
    heap[owner].interval = setting.interval
    guard setting.value != 0 else { return old }
    let start = isAbsolute ? VirtualTime.zero : machine.now
    let epoch = isAbsolute && heap[owner].isWallClock ? state.value.bootTime * 1_000_000_000 : 0
    let value = setting.value > epoch ? setting.value - epoch : 0
    environment.start(timer, at: start.advanced(byNanoseconds: value))
    return old
  }

  /// Linux: `timerfd_gettime`.
  public func timerSetting(_ file: Reference<OpenFile>) throws(Errno) -> TimerSetting {
    let owner = try timer(of: file)
    restart(owner)
    guard let timer = heap[owner].timer.reference, heap[timer].isQueued else {
      return TimerSetting(value: 0, interval: heap[owner].interval)
    }
    let now = machine.now.nanoseconds
    let deadline = heap[timer].deadline.nanoseconds
    return TimerSetting(
      value: deadline > now ? deadline - now : 0, interval: heap[owner].interval)
  }

  /// Counts the expirations that have passed since the last one that was noted.
  private func restart(_ owner: Reference<TimerFile>) {
    let interval = heap[owner].interval
    guard heap[owner].hasExpired, interval > 0, let timer = heap[owner].timer.reference
    else { return }
    heap[owner].hasExpired = false
    let late = machine.now.nanoseconds - heap[timer].deadline.nanoseconds
    let passed = late / interval
    heap[owner].count += passed
    environment.start(
      timer, at: heap[timer].deadline.advanced(byNanoseconds: (passed + 1) * interval))
  }

  /// The time of a timer file's timer has come. Context: any; does not sleep.
  public func timerExpired(_ ownerRaw: UInt32) {
    let owner = Reference<TimerFile>(raw: ownerRaw)
    heap[owner].hasExpired = true
    heap[owner].count += 1
    environment.wake(changedKey(owner))
    readinessChanged(
      .object(owner.raw, channel: Self.readinessChannel), .input.union(.normalInput))
  }

  func readTimer(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let owner = try timer(of: file)
    guard byteCount >= 8 else { throw .EINVAL }
    while heap[owner].count == 0 {
      if heap[file].flags.contains(.nonBlocking) { throw .EAGAIN }
      guard environment.sleepInterruptibly(on: changedKey(owner)) else { throw .EINTR }
    }
    restart(owner)
    var count = heap[owner].count
    heap[owner].count = 0
    heap[owner].hasExpired = false
    try copyOut(&count, to: target)
    return 8
  }
}
