// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// `fcntl` and `flock`.
extension Kernel {
  /// Linux: the `F_` commands.
  private enum Control: UInt64 {
    case duplicate = 0
    case getDescriptorFlags, setDescriptorFlags, getStatusFlags, setStatusFlags
    case getLock, setLock, setLockWaiting
    case setOwner, getOwner, setSignal, getSignal
    case setExtendedOwner = 15
    case getExtendedOwner, getOwnerUsers
    case getOpenFileLock = 36
    case setOpenFileLock, setOpenFileLockWaiting
    case setLease = 1024
    case getLease = 1025
    case duplicateClosing = 1030
    case setPipeSize, getPipeSize, addSeals, getSeals
  }

  /// Linux: `fcntl`.
  func controlFile(_ call: CallArguments) throws(Errno) -> UInt64 {
    let file = try file(call.first)
    let command = Control(rawValue: call.second & 0xFFFF_FFFF)
    switch command {
    case .duplicate: return try duplicate(call.first, from: call.third, closesOnExecute: false)
    case .duplicateClosing:
      return try duplicate(call.first, from: call.third, closesOnExecute: true)
    case .getDescriptorFlags: return try closesOnExecute(call.first) ? 1 : 0
    case .setDescriptorFlags:
      try setClosesOnExecute(call.first, call.third & 1 != 0)
      return 0
    case .getStatusFlags: return UInt64(heap[file].flags.rawValue) | largeFile(file)
    default: break
    }
    guard heap[file].behaviour != .pathOnly else { throw .EBADF }
    return try withFile(call.first) { (file) throws(Errno) in
      if command == .setStatusFlags {
        let wanted = OpenFlags(rawValue: UInt32(truncatingIfNeeded: call.third))
        try setFlags(of: file, descriptor: call.first, to: wanted)
        return 0
      }
      return try control(file, command, call.third)
    }
  }

  /// What 64-bit programs' open files are told to have. Linux: `force_o_largefile()`.
  private func largeFile(_ file: Reference<OpenFile>) -> UInt64 {
    switch heap[file].behaviour {
    case .pipe: heap[heap[file].inode].tree == .pipes ? 0 : 0o100000
    case .pathOnly, .socket: 0
    default: 0o100000
    }
  }

  private func control(
    _ file: Reference<OpenFile>, _ command: Control?, _ argument: UInt64
  ) throws(Errno) -> UInt64 {
    switch command {
    case .getLock: return try findLock(file, processLock(file), argument, isOfProcess: true)
    case .getOpenFileLock:
      return try findLock(file, LockRequest(of: file), argument, isOfProcess: false)
    case .setLock: return try setLock(file, processLock(file), argument, waits: false)
    case .setLockWaiting: return try setLock(file, processLock(file), argument, waits: true)
    case .setOpenFileLock, .setOpenFileLockWaiting:
      let process: Int32 = try load(at: argument &+ 24)
      guard process == 0 else { throw .EINVAL }
      return try setLock(
        file, LockRequest(of: file), argument, waits: command == .setOpenFileLockWaiting)
    case .setOwner, .setExtendedOwner, .setSignal, .getExtendedOwner, .getOwnerUsers:
      try controlOwner(file, command, argument)
      return 0
    case .getOwner: return UInt64(bitPattern: Int64(owner(of: file)))
    case .getSignal: return UInt64(heap[file].owner.signal)
    case .getLease: return 2  // F_UNLCK
    case .setPipeSize: return try fileSystems.setPipeSize(of: file, argument)
    case .getPipeSize: return try fileSystems.pipeSize(of: file)
    case .addSeals:
      try fileSystems.addSeals(UInt32(truncatingIfNeeded: argument), to: file)
      return 0
    case .getSeals: return UInt64(try fileSystems.seals(of: file))
    default: throw .EINVAL
    }
  }

  private func controlOwner(
    _ file: Reference<OpenFile>, _ command: Control?, _ argument: UInt64
  ) throws(Errno) {
    switch command {
    case .setOwner: try setOwner(of: file, to: Int32(truncatingIfNeeded: argument))
    case .setExtendedOwner: try setExtendedOwner(of: file, at: argument)
    case .setSignal: try setSignal(of: file, to: argument)
    case .getExtendedOwner: try storeExtendedOwner(of: file, at: argument)
    case .getOwnerUsers: try storeOwnerUsers(of: file, at: argument)
    default: throw .EINVAL
    }
  }

  private func processLock(_ file: Reference<OpenFile>) -> LockRequest {
    LockRequest(ofTable: descriptors.raw, process: heap[process].identifier)
  }

  /// The kind of a lock as programs say it. Linux: `F_RDLCK`, `F_WRLCK`, `F_UNLCK`.
  private enum LockKind: Int16 { case shared, exclusive, none }

  /// Reads a `struct flock`.
  private func readLock(
    _ file: Reference<OpenFile>, _ address: UInt64, _ request: inout LockRequest
  ) throws(Errno) -> LockKind {
    let kind: Int16 = try load(at: address)
    let origin: Int16 = try load(at: address &+ 2)
    let offset: Int64 = try load(at: address &+ 8)
    let length: Int64 = try load(at: address &+ 16)
    let base: Int64
    switch origin {
    case 0: base = 0
    case 1: base = Int64(heap[file].position)
    case 2: base = Int64(heap[heap[file].inode].byteCount)
    default: throw .EINVAL
    }
    let (start, overflow) = base.addingReportingOverflow(offset)
    guard !overflow else { throw .EOVERFLOW }
    guard start >= 0 else { throw .EINVAL }
    if length > 0 {
      let (last, overflow) = start.addingReportingOverflow(length - 1)
      guard !overflow else { throw .EOVERFLOW }
      request.start = UInt64(start)
      request.last = UInt64(last)
    } else if length < 0 {
      let (first, overflow) = start.addingReportingOverflow(length)
      guard !overflow, first >= 0 else { throw .EINVAL }
      request.start = UInt64(first)
      request.last = UInt64(start - 1)
    } else {
      request.start = UInt64(start)
      request.last = .max
    }
    if request.last == UInt64(Int64.max) { request.last = .max }
    guard let kind = LockKind(rawValue: kind) else { throw .EINVAL }
    request.isExclusive = kind == .exclusive
    return kind
  }

  /// Linux: `F_SETLK`, `F_SETLKW`, `F_OFD_SETLK`, `F_OFD_SETLKW`.
  private func setLock(
    _ file: Reference<OpenFile>, _ owner: LockRequest, _ address: UInt64, waits: Bool
  ) throws(Errno) -> UInt64 {
    var request = owner
    let inode = heap[file].inode
    switch try readLock(file, address, &request) {
    case .shared: guard heap[file].flags.mayRead else { throw .EBADF }
    case .exclusive: guard heap[file].flags.mayWrite else { throw .EBADF }
    case .none:
      try fileSystems.unlock(inode, request)
      return 0
    }
    try fileSystems.lock(inode, request, waits: waits)
    return 0
  }

  /// Linux: `F_GETLK`, `F_OFD_GETLK`.
  private func findLock(
    _ file: Reference<OpenFile>, _ owner: LockRequest, _ address: UInt64, isOfProcess: Bool
  ) throws(Errno) -> UInt64 {
    var request = owner
    let kind = try readLock(file, address, &request)
    if kind == .none { throw .EINVAL }
    if !isOfProcess {
      let process: Int32 = try load(at: address &+ 24)
      guard process == 0 else { throw .EINVAL }
    }
    guard let found = fileSystems.lockConflict(request, on: heap[file].inode) else {
      try store(LockKind.none.rawValue, at: address)
      return 0
    }
    let lockKind: LockKind = found.isExclusive ? .exclusive : .shared
    try store(lockKind.rawValue, at: address)
    try store(Int16(0), at: address &+ 2)
    try store(found.start, at: address &+ 8)
    try store(found.last == .max ? 0 : found.last - found.start + 1, at: address &+ 16)
    try store(found.process, at: address &+ 24)
    return 0
  }

  /// Linux: `flock`.
  func lockFile(_ call: CallArguments) throws(Errno) -> UInt64 {
    let waits = call.second & 4 == 0
    _ = try openedFile(call.first)
    return try withFile(call.first) { (file) throws(Errno) in
      var request = LockRequest(onWhole: file)
      switch call.second & ~4 & 0xFFFF_FFFF {
      case 1: request.isExclusive = false
      case 2: request.isExclusive = true
      case 8:
        try fileSystems.unlock(heap[file].inode, request)
        return 0
      default: throw .EINVAL
      }
      try fileSystems.lock(heap[file].inode, request, waits: waits)
      return 0
    }
  }
}
