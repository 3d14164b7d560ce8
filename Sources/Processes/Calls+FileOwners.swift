// SPDX-License-Identifier: Apache-2.0

import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Who is told by signals that an open file is ready, and telling them.
///
/// Linux: `fs/fcntl.c`.
extension Kernel {
  /// Changes the flags of an open file that may change. Linux: `setfl()`.
  func setFlags(
    of file: Reference<OpenFile>, descriptor: UInt64, to wanted: OpenFlags
  ) throws(Errno) {
    let signals = wanted.contains(.signalsReadiness)
    if signals != heap[file].flags.contains(.signalsReadiness),
      fileSystems.canSignalReadiness(file)
    {
      try setSignalsReadiness(signals, of: file, descriptor: descriptor)
    }
    var flags = heap[file].flags
    flags.subtract(.settable)
    flags.formUnion(wanted.intersection(.settable))
    heap[file].flags = flags
  }

  private func setSignalsReadiness(
    _ wanted: Bool, of file: Reference<OpenFile>, descriptor: UInt64
  ) throws(Errno) {
    try fileSystems.setSignalsReadiness(
      wanted, of: file, descriptor: UInt32(truncatingIfNeeded: descriptor))
    // A terminal tells somebody even where nobody was named.
    guard wanted, fileSystems.isTerminal(file), heap[file].owner.number == 0 else { return }
    if let group = fileSystems.foregroundGroup(of: file) {
      setOwner(of: file, .group, group)
    } else {
      setOwner(of: file, .process, heap[process].identifier)
    }
  }

  /// Linux: `FIOASYNC`.
  func setSignalsReadiness(
    of file: Reference<OpenFile>, descriptor: UInt64, at address: UInt64
  ) throws(Errno) {
    let wanted: UInt32 = try load(at: address)
    guard (wanted != 0) != heap[file].flags.contains(.signalsReadiness) else { return }
    guard fileSystems.canSignalReadiness(file) else { throw .ENOTTY }
    try setSignalsReadiness(wanted != 0, of: file, descriptor: descriptor)
  }

  // Owners

  private func setOwner(of file: Reference<OpenFile>, _ kind: FileOwner.Kind, _ number: UInt32) {
    var owner = FileOwner()
    owner.signal = heap[file].owner.signal
    owner.kind = kind
    owner.number = number
    if kind != .group, let task = findTask(number) {
      owner.serial = heap[heap[task].process].serial
    }
    owner.user = identity.user.real
    owner.effectiveUser = identity.user.effective
    heap[file].owner = owner
  }

  /// Linux: `F_SETOWN`; `f_setown()`.
  ///
  /// - Parameter number: a process, a group if it is negative, 0 for nobody.
  /// - Throws: EINVAL, ESRCH.
  func setOwner(of file: Reference<OpenFile>, to number: Int32) throws(Errno) {
    guard number != .min else { throw .EINVAL }
    let magnitude = number.magnitude
    guard magnitude == 0 || isUsed(magnitude) else { throw .ESRCH }
    setOwner(of: file, number < 0 ? .group : .process, magnitude)
  }

  /// Linux: `F_GETOWN`; `f_getown()`.
  func owner(of file: Reference<OpenFile>) -> Int32 {
    let number = Int32(livingOwner(heap[file].owner))
    return heap[file].owner.kind == .group ? -number : number
  }

  /// Linux: `F_SETOWN_EX`, whose `struct f_owner_ex` is a kind and a number.
  func setExtendedOwner(of file: Reference<OpenFile>, at address: UInt64) throws(Errno) {
    let kind: UInt32 = try load(at: address)
    let number: Int32 = try load(at: address &+ 4)
    guard let kind = FileOwner.Kind(rawValue: kind) else { throw .EINVAL }
    guard number >= 0, number == 0 || isUsed(UInt32(number)) else { throw .ESRCH }
    setOwner(of: file, kind, UInt32(number))
  }

  /// Linux: `F_GETOWN_EX`.
  func storeExtendedOwner(of file: Reference<OpenFile>, at address: UInt64) throws(Errno) {
    try store(heap[file].owner.kind.rawValue, at: address)
    try store(livingOwner(heap[file].owner), at: address &+ 4)
  }

  /// Linux: `F_SETSIG`.
  func setSignal(of file: Reference<OpenFile>, to number: UInt64) throws(Errno) {
    guard number <= 64 else { throw .EINVAL }
    heap[file].owner.signal = UInt8(number)
  }

  /// Linux: `F_GETOWNER_UIDS`.
  func storeOwnerUsers(of file: Reference<OpenFile>, at address: UInt64) throws(Errno) {
    try store(heap[file].owner.user, at: address)
    try store(heap[file].owner.effectiveUser, at: address &+ 4)
  }

  /// The number of an owner that there still is; 0 otherwise.
  private func livingOwner(_ owner: FileOwner) -> UInt32 {
    switch owner.kind {
    case .thread: return ownerTask(owner) == nil ? 0 : owner.number
    case .process:
      guard let task = ownerTask(owner), isLeader(task) else { return 0 }
      return owner.number
    case .group: return session(ofGroup: owner.number) == nil ? 0 : owner.number
    }
  }

  private func ownerTask(_ owner: FileOwner) -> Reference<Task>? {
    guard owner.number != 0, let task = findTask(owner.number),
      heap[heap[task].process].serial == owner.serial
    else { return nil }
    return task
  }

  // Telling

  public func sendReadiness(
    of descriptor: UInt32, _ reason: ReadinessReason, to owner: FileOwner
  ) {
    guard owner.number != 0 else { return }
    guard owner.kind == .group else {
      if let task = ownerTask(owner) { tell(task, of: descriptor, reason, owner) }
      return
    }
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      guard heap[process].group == owner.number else { continue }
      tell(leader(of: process), of: descriptor, reason, owner)
    }
  }

  /// Linux: `send_sigio_to_task()`.
  private func tell(
    _ task: Reference<Task>, of descriptor: UInt32, _ reason: ReadinessReason, _ owner: FileOwner
  ) {
    let process = heap[task].process
    guard maySignal(owner, identity(of: process).user) else { return }
    let isForThread = owner.kind == .thread
    if let signal = Signal(exactly: Int(owner.signal)) {
      let information = SignalInformation(signal, reason, descriptor: descriptor)
      // Standard signals of the kernel always have room.
      let origin: SignalOrigin = signal.isQueued ? .queue : .kernel
      let isSent =
        isForThread ? send(information, to: task, origin) : send(information, to: process, origin)
      if isSent { return }
    }
    let plain = SignalInformation(.SIGIO, code: SignalInformation.fromKernel)
    if isForThread {
      send(plain, to: task, .kernel)
    } else {
      send(plain, to: process, .kernel)
    }
  }

  /// Linux: `sigio_perm()`.
  private func maySignal(_ owner: FileOwner, _ user: Identity.Numbers) -> Bool {
    owner.effectiveUser == 0 || owner.effectiveUser == user.saved
      || owner.effectiveUser == user.real || owner.user == user.saved || owner.user == user.real
  }
}
