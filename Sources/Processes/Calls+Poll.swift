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
    _ address: UInt64, _ count: UInt64, _ limit: UInt64?
  ) throws(Errno) -> UInt64 {
    guard count <= heap[process].limits[Resource.openFiles.rawValue].current else {
      throw .EINVAL
    }
    // The program may change its array meanwhile: what it asked for is a copy.
    return try withBytes(Int(count) * 8) { (entries) throws(Errno) in
      try copyIn(address, to: entries)
      let ready: UInt64
      do throws(Errno) {
        ready = try wait(limit) { (table) throws(Errno) in
          try lookAtEntries(entries, table)
        }
      } catch {
        try storeFound(entries, at: address)
        throw error
      }
      try storeFound(entries, at: address)
      return ready
    }
  }

  /// Linux: `do_poll()`.
  private func lookAtEntries(
    _ entries: MemoryBlock, _ table: Reference<PollTable>?
  ) throws(Errno) -> UInt64 {
    var ready: UInt64 = 0
    for place in stride(from: 0, to: entries.byteCount, by: 8) {
      let entry = entries.load(PollEntry.self, at: place)
      let found = found(for: entry)
      if let table { try watch(Int(entry.descriptor), table) }
      if found != 0 { ready += 1 }
      entries.store(found, at: place + 6)
    }
    return ready
  }

  private func storeFound(_ entries: MemoryBlock, at address: UInt64) throws(Errno) {
    for place in stride(from: 0, to: entries.byteCount, by: 8) {
      try store(entries.load(UInt16.self, at: place + 6), at: address &+ UInt64(place) &+ 6)
    }
  }

  /// Runs a body with bytes of the kernel's heap.
  ///
  /// - Throws: ENOMEM.
  private func withBytes<Result>(
    _ byteCount: Int, _ body: (MemoryBlock) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let address = try fileSystems.allocateBytes(byteCount)
    defer { fileSystems.byteHeap.free(at: address) }
    return try body(fileSystems.bytes(at: address, byteCount: byteCount))
  }

  private func copyIn(_ address: UInt64, to block: MemoryBlock) throws(Errno) {
    do {
      try spaces.copyIn(
        from: VirtualAddress(address), in: space, byteCount: block.byteCount, to: block, at: 0)
    } catch {
      throw Errno(error)
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
    let request = SelectRequest(
      limit: min(Int(count), descriptorCapacity),
      addresses: [call.second, call.third, call.fourth])
    return try withBytes(request.byteCount) { (sets) throws(Errno) in
      sets.clear()
      for kind in 0..<3 where request.addresses[kind] != 0 {
        let set = sets.part(from: request.start(of: kind), byteCount: request.setByteCount)
        try copyIn(request.addresses[kind], to: set)
      }
      let ready = try wait(limit) { (table) throws(Errno) in
        sets.clear(
          from: request.start(of: SelectRequest.found), byteCount: 3 * request.setByteCount)
        var ready: UInt64 = 0
        for descriptor in 0..<request.limit {
          ready += try mark(descriptor, request, sets, table)
        }
        return ready
      }
      for kind in 0..<3 where request.addresses[kind] != 0 {
        try copyOut(request, kind, sets)
      }
      return ready
    }
  }

  private func copyOut(
    _ request: SelectRequest, _ kind: Int, _ sets: MemoryBlock
  ) throws(Errno) {
    do {
      try spaces.copyOut(
        from: sets, at: request.start(of: SelectRequest.found + kind),
        byteCount: request.setByteCount, to: VirtualAddress(request.addresses[kind]), in: space)
    } catch {
      throw Errno(error)
    }
  }

  /// Marks what is wanted of a descriptor and there; how much that is.
  private func mark(
    _ descriptor: Int, _ request: SelectRequest, _ sets: MemoryBlock,
    _ table: Reference<PollTable>?
  ) throws(Errno) -> UInt64 {
    let bit = UInt64(1) << UInt64(descriptor & 63)
    let word = descriptor >> 6 * 8
    var wanted: UInt64 = 0
    for kind in 0..<3 { wanted |= sets.load(UInt64.self, at: request.start(of: kind) + word) }
    guard wanted & bit != 0 else { return 0 }
    guard let file = file(UInt32(descriptor), of: process) else { throw .EBADF }
    if let table { try fileSystems.watch(file, for: table) }
    let readiness = fileSystems.readiness(of: file).rawValue
    var ready: UInt64 = 0
    for kind in 0..<3 {
      guard sets.load(UInt64.self, at: request.start(of: kind) + word) & bit != 0,
        readiness & Self.selectMask(kind) != 0
      else { continue }
      let place = request.start(of: SelectRequest.found + kind) + word
      sets.store(sets.load(UInt64.self, at: place) | bit, at: place)
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

/// What `select` was asked, and where its six sets are: three that are wanted, three found.
///
/// Linux: `fd_set_bits`.
private struct SelectRequest: BitwiseCopyable {
  /// Descriptors from this one on are not looked at.
  let limit: Int
  /// Of the program's sets; 0 for none.
  let addresses: InlineArray<3, UInt64>

  /// Linux: `FDS_BYTES()`.
  var setByteCount: Int { (limit + 63) / 64 * 8 }
  var byteCount: Int { 6 * setByteCount }

  func start(of set: Int) -> Int { set * setByteCount }

  /// The first of the sets that tell what was found.
  static var found: Int { 3 }
}
