// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageTableFormats

/// The system calls on epoll, eventfd, timerfd and signalfd.
extension Kernel {
  private static var closeOnExecute: UInt64 { 0o2000000 }
  private static var nonBlocking: UInt64 { 0o4000 }

  /// The status flags among a call's, which may be of two kinds only.
  private func openFlags(_ flags: UInt64, allowing others: UInt64 = 0) throws(Errno) -> OpenFlags {
    let flags = flags & 0xFFFF_FFFF
    guard flags & ~(Self.closeOnExecute | Self.nonBlocking | others) == 0 else { throw .EINVAL }
    return OpenFlags(rawValue: UInt32(flags & Self.nonBlocking))
  }

  private func enter(_ file: Reference<OpenFile>, _ flags: UInt64) throws(Errno) -> UInt64 {
    try enter(file, closesOnExecute: flags & Self.closeOnExecute != 0)
  }

  // eventfd

  /// Linux: `eventfd2`.
  func makeEventCounter(_ value: UInt64, flags: UInt64) throws(Errno) -> UInt64 {
    let open = try openFlags(flags, allowing: 1)
    return try enter(
      fileSystems.makeEventCounter(
        UInt32(truncatingIfNeeded: value), isSemaphore: flags & 1 != 0, flags: open), flags)
  }

  // timerfd

  /// Linux: `timerfd_create`.
  func makeTimerFile(_ call: CallArguments) throws(Errno) -> UInt64 {
    let open = try openFlags(call.second)
    let isWallClock: Bool
    switch ClockNumber(rawValue: UInt32(truncatingIfNeeded: call.first)) {
    case .realtime, .realtimeAlarm: isWallClock = true
    case .monotonic, .boot, .bootAlarm: isWallClock = false
    default: throw .EINVAL
    }
    return try enter(fileSystems.makeTimer(isWallClock: isWallClock, flags: open), call.second)
  }

  /// Linux: `timerfd_settime`.
  func setTimerFile(_ call: CallArguments) throws(Errno) -> UInt64 {
    let setting = try timerSetting(at: call.third)
    guard call.second & 0xFFFF_FFFF & ~3 == 0 else { throw .EINVAL }
    let old = try withFile(call.first) { (file) throws(Errno) in
      try fileSystems.setTimer(file, to: setting, isAbsolute: call.second & 1 != 0)
    }
    if call.fourth != 0 { try store(old, at: call.fourth) }
    return 0
  }

  /// Linux: `timerfd_gettime`.
  func timerFileSetting(_ call: CallArguments) throws(Errno) -> UInt64 {
    let setting = try withFile(call.first) { (file) throws(Errno) in
      try fileSystems.timerSetting(file)
    }
    try store(setting, at: call.second)
    return 0
  }

  // signalfd

  /// Linux: `signalfd4`.
  func makeSignalFile(_ call: CallArguments, flags: UInt64) throws(Errno) -> UInt64 {
    guard call.third == 8 else { throw .EINVAL }
    let wanted: SignalSet = try load(at: call.second)
    let mask = wanted.subtracting(.unblockable)
    let open = try openFlags(flags)
    guard Int32(truncatingIfNeeded: call.first) == -1 else {
      return try withFile(call.first) { (file) throws(Errno) in
        try fileSystems.setSignals(file, to: mask)
        return call.first & 0xFFFF_FFFF
      }
    }
    return try enter(fileSystems.makeSignalFile(mask, flags: open), flags)
  }

  // epoll

  /// Linux: `epoll_create`, whose size has no meaning but its sign.
  func makeEventPoll(size: UInt64) throws(Errno) -> UInt64 {
    guard Int32(truncatingIfNeeded: size) > 0 else { throw .EINVAL }
    return try makeEventPoll(flags: 0)
  }

  /// Linux: `epoll_create1`.
  func makeEventPoll(flags: UInt64) throws(Errno) -> UInt64 {
    guard flags & 0xFFFF_FFFF & ~Self.closeOnExecute == 0 else { throw .EINVAL }
    return try enter(fileSystems.makeEventPoll(), flags)
  }

  /// Linux: `epoll_ctl`.
  func controlEventPoll(_ call: CallArguments) throws(Errno) -> UInt64 {
    var event = EventPollEvent(flags: EventPollFlags(rawValue: 0), data: 0)
    let operation = call.second & 0xFFFF_FFFF
    if operation != 2 {
      event.flags = EventPollFlags(rawValue: try load(at: call.fourth))
      event.data = try load(at: call.fourth &+ 4)
    }
    let change: EventPollChange
    switch operation {
    case 1: change = .add(event)
    case 2: change = .remove
    case 3: change = .modify(event)
    default: change = .unknown
    }
    return try withFile(call.first) { (poll) throws(Errno) in
      try withFile(call.third) { (target) throws(Errno) in
        try fileSystems.change(
          poll, change, of: target, descriptor: UInt32(truncatingIfNeeded: call.third))
        return 0
      }
    }
  }

  /// Linux: `epoll_wait`, its limit in milliseconds, negative for none.
  func waitForEvents(_ call: CallArguments) throws(Errno) -> UInt64 {
    let limit = Int32(truncatingIfNeeded: call.fourth)
    return try waitForEvents(call, limit < 0 ? nil : UInt64(limit) * 1_000_000)
  }

  /// Linux: `epoll_pwait`.
  func waitForEventsWithMask(_ call: CallArguments) throws(Errno) -> UInt64 {
    try takeMask(at: call.fifth, byteCount: call.sixth)
    return try waitForEvents(call)
  }

  /// Linux: `epoll_pwait2`, its limit a `struct timespec`.
  func waitForEventsUntil(_ call: CallArguments) throws(Errno) -> UInt64 {
    let limit = try duration(at: call.fourth)
    try takeMask(at: call.fifth, byteCount: call.sixth)
    return try waitForEvents(call, limit)
  }

  /// - Context: may sleep.
  private func waitForEvents(_ call: CallArguments, _ limit: UInt64?) throws(Errno) -> UInt64 {
    let count = Int32(truncatingIfNeeded: call.third)
    guard count > 0, count <= Int32.max / 12 else { throw .EINVAL }
    // Linux: `access_ok()`, whether or not there are events.
    let userEnd = M.Format.userLimit.value
    guard call.second <= userEnd, UInt64(count) * 12 <= userEnd - call.second else {
      throw .EFAULT
    }
    let end = limit.map { machine.now.advanced(byNanoseconds: $0) } ?? .never
    let task = current
    return try withFile(call.first) { (file) throws(Errno) in
      defer { heap[task].waitLimit = .never }
      while true {
        let taken = try fileSystems.takeEvents(of: file, atMost: Int(count)) {
          (index, event) throws(Errno) in
          let address = call.second &+ UInt64(index) * 12
          try store(event.flags.rawValue, at: address)
          try store(event.data, at: address &+ 4)
        }
        if taken > 0 || machine.now >= end { return UInt64(taken) }
        heap[task].waitLimit = end
        guard fileSystems.waitForEvents(of: file) else { throw .EINTR }
      }
    }
  }
}
