// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Waiting for files: `poll` and `select`.
extension Kernel {
  /// Linux: `struct pollfd`.
  private struct PollEntry: BitwiseCopyable {
    var descriptor: Int32
    var wanted: UInt16
    var found: UInt16
  }

  /// Linux: `poll`, its limit in milliseconds, negative for none.
  func poll(_ call: CallArguments) throws(Errno) -> UInt64 {
    let limit = Int32(truncatingIfNeeded: call.third)
    return try poll(
      call.first, call.second, limit < 0 ? nil : UInt64(limit) * 1_000_000)
  }

  /// Linux: `ppoll`.
  func pollWithMask(_ call: CallArguments) throws(Errno) -> UInt64 {
    let limit = try duration(at: call.third)
    try takeMask(at: call.fourth, byteCount: call.fifth)
    return try poll(call.first, call.second, limit)
  }

  func duration(at address: UInt64) throws(Errno) -> UInt64? {
    guard address != 0 else { return nil }
    let wish: TimeSpecification = try load(at: address)
    guard let duration = wish.duration else { throw .EINVAL }
    return duration
  }

  /// Blocks other signals for the time of one call.
  func takeMask(at address: UInt64, byteCount: UInt64) throws(Errno) {
    guard address != 0 else { return }
    guard byteCount == 8 else { throw .EINVAL }
    let mask: SignalSet = try load(at: address)
    heap[current].savedMask = heap[current].blocked
    setBlocked(mask)
  }

  private func poll(
    _ entries: UInt64, _ count: UInt64, _ limit: UInt64?
  ) throws(Errno) -> UInt64 {
    guard count <= heap[process].limits[Resource.openFiles.rawValue].current else {
      throw .EINVAL
    }
    return try wait(limit) { (table) throws(Errno) in
      var ready: UInt64 = 0
      for index in 0..<count {
        let address = entries &+ index * 8
        var entry: PollEntry = try load(at: address)
        entry.found = found(for: entry)
        if let table { try watch(Int(entry.descriptor), table) }
        if entry.found != 0 { ready += 1 }
        try store(entry.found, at: address &+ 6)
      }
      return ready
    }
  }

  private func found(for entry: PollEntry) -> UInt16 {
    guard entry.descriptor >= 0 else { return 0 }
    guard let file = file(UInt32(entry.descriptor), of: process) else {
      return Readiness.invalid.rawValue
    }
    let always = Readiness.error.union(.hangUp).rawValue
    return fileSystems.readiness(of: file).rawValue & (entry.wanted | always)
  }

  private func watch(_ descriptor: Int, _ table: Reference<PollTable>) throws(Errno) {
    guard descriptor >= 0, let file = file(UInt32(descriptor), of: process) else { return }
    try fileSystems.watch(file, for: table)
  }

  /// Asks again whenever something may have changed, until there is an answer or the limit; a
  /// repetition after a stop keeps the end that the first call set.
  ///
  /// - Parameter ask: the second time, it makes the table watch all that it looks at.
  private func wait(
    _ limit: UInt64?, _ ask: (Reference<PollTable>?) throws(Errno) -> UInt64
  ) throws(Errno) -> UInt64 {
    let task = current
    var deadline = heap[task].restartDeadline
    heap[task].restartDeadline = .never
    if deadline == .never, let limit { deadline = machine.now.advanced(byNanoseconds: limit) }
    let answer = try ask(nil)
    if answer > 0 { return answer }
    if machine.now >= deadline {
      // Linux: `do_poll()` and `core_sys_select()` look for signals before they give up.
      if hasDeliverableSignal(task) { throw .EINTR }
      return 0
    }
    let table = try fileSystems.makePollTable()
    defer {
      fileSystems.free(table)
      heap[task].waitLimit = .never
    }
    var isWatching = false
    while true {
      fileSystems.beginLook(table)
      let answer = try ask(isWatching ? nil : table)
      isWatching = true
      if answer > 0 || machine.now >= deadline { return answer }
      heap[task].waitLimit = deadline
      guard fileSystems.waitForChange(table) else {
        heap[task].restartDeadline = deadline
        throw .EINTR
      }
    }
  }

  /// Linux: `select`.
  func select(_ call: CallArguments) throws(Errno) -> UInt64 {
    var limit: UInt64?
    if call.fifth != 0 {
      let wish: TimeValue = try load(at: call.fifth)
      guard let duration = wish.duration else { throw .EINVAL }
      limit = duration
    }
    return try select(call, limit)
  }

  /// Linux: `pselect6`, whose sixth argument points to mask and size.
  func selectWithMask(_ call: CallArguments) throws(Errno) -> UInt64 {
    let limit = try duration(at: call.fifth)
    if call.sixth != 0 {
      let mask: UInt64 = try load(at: call.sixth)
      let byteCount: UInt64 = try load(at: call.sixth &+ 8)
      try takeMask(at: mask, byteCount: byteCount)
    }
    return try select(call, limit)
  }

  private func select(_ call: CallArguments, _ limit: UInt64?) throws(Errno) -> UInt64 {
    let count = Int32(truncatingIfNeeded: call.first)
    guard count >= 0 else { throw .EINVAL }
    let wordCount = (min(UInt64(count), UInt64(Self.selectLimit)) + 63) / 64
    var wanted = InlineArray<48, UInt64>(repeating: 0)
    let sets: InlineArray<3, UInt64> = [call.second, call.third, call.fourth]
    for kind in 0..<3 where sets[kind] != 0 {
      for word in 0..<wordCount {
        wanted[kind * 16 + Int(word)] = try load(at: sets[kind] &+ word * 8)
      }
    }
    var found = InlineArray<48, UInt64>(repeating: 0)
    let ready = try wait(limit) { (table) throws(Errno) in
      found = InlineArray<48, UInt64>(repeating: 0)
      var ready: UInt64 = 0
      for descriptor in 0..<min(Int(count), Self.selectLimit) {
        ready += try mark(descriptor, wanted, &found, table)
      }
      return ready
    }
    for kind in 0..<3 where sets[kind] != 0 {
      for word in 0..<wordCount {
        try store(found[kind * 16 + Int(word)], at: sets[kind] &+ word * 8)
      }
    }
    return ready
  }

  /// Descriptors that a set of `select` can say. Linux: `FD_SETSIZE`, as C libraries have it.
  private static var selectLimit: Int { 1024 }

  /// Marks what is wanted of a descriptor and there; how much that is.
  private func mark(
    _ descriptor: Int, _ wanted: InlineArray<48, UInt64>, _ found: inout InlineArray<48, UInt64>,
    _ table: Reference<PollTable>?
  ) throws(Errno) -> UInt64 {
    let bit = UInt64(1) << UInt64(descriptor & 63)
    let word = descriptor >> 6
    let isWanted = (wanted[word] | wanted[16 + word] | wanted[32 + word]) & bit != 0
    guard isWanted else { return 0 }
    guard let file = file(UInt32(descriptor), of: process) else { throw .EBADF }
    if let table { try fileSystems.watch(file, for: table) }
    let readiness = fileSystems.readiness(of: file).rawValue
    var ready: UInt64 = 0
    for kind in 0..<3 where wanted[kind * 16 + word] & bit != 0 {
      guard readiness & Self.selectMask(kind) != 0 else { continue }
      found[kind * 16 + word] |= bit
      ready += 1
    }
    return ready
  }

  /// Linux: `POLLIN_SET`, `POLLOUT_SET`, `POLLEX_SET`.
  private static func selectMask(_ kind: Int) -> UInt16 {
    let input = Readiness.input.union(.normalInput).union(.hangUp).union(.error)
    let output = Readiness.output.union(.normalOutput).union(.error)
    return kind == 0 ? input.rawValue : kind == 1 ? output.rawValue : Readiness.urgent.rawValue
  }
}
