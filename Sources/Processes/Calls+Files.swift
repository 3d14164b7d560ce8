// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls on open files.
extension Kernel {
  /// A count of bytes as the calls take it. Linux: `MAX_RW_COUNT`.
  private func byteCount(_ value: UInt64) throws(Errno) -> Int {
    guard value <= UInt64(Int64.max) else { throw .EINVAL }
    return Int(min(value, 0x7FFF_F000))
  }

  /// Counts a call that read, and what it did. Linux: `add_rchar()`, `inc_syscr()`.
  func noteRead(_ count: Int) -> UInt64 {
    let process = process
    heap[process].transfer.readCalls += 1
    heap[process].transfer.readBytes += UInt64(count)
    return UInt64(count)
  }

  /// Linux: `add_wchar()`, `inc_syscw()`.
  func noteWritten(_ count: Int) -> UInt64 {
    let process = process
    heap[process].transfer.writeCalls += 1
    heap[process].transfer.writtenBytes += UInt64(count)
    return UInt64(count)
  }

  private func memory(_ address: UInt64) -> TransferMemory {
    .program(VirtualAddress(address), in: space)
  }

  private func position(_ value: UInt64) throws(Errno) -> UInt64 {
    guard value <= UInt64(Int64.max) else { throw .EINVAL }
    return value
  }

  /// Linux: `read`.
  func read(_ call: CallArguments) throws(Errno) -> UInt64 {
    let count = try byteCount(call.third)
    return try withFile(call.first) { (file) throws(Errno) in
      noteRead(try fileSystems.read(file, to: memory(call.second), byteCount: count))
    }
  }

  /// Linux: `write`.
  func write(_ call: CallArguments) throws(Errno) -> UInt64 {
    let count = try byteCount(call.third)
    return try withFile(call.first) { (file) throws(Errno) in
      noteWritten(try write(file, memory(call.second), count))
    }
  }

  /// Writes, and raises SIGPIPE where nobody reads any more.
  private func write(
    _ file: Reference<OpenFile>, _ source: TransferMemory, _ count: Int
  ) throws(Errno) -> Int {
    do {
      return try fileSystems.write(file, from: source, byteCount: count)
    } catch {
      if error == .EPIPE, fileSystems.raisesPipeSignal(file) {
        sendOwn(.SIGPIPE)
      }
      throw error
    }
  }

  /// Linux: `pread64`.
  func readAt(_ call: CallArguments) throws(Errno) -> UInt64 {
    let count = try byteCount(call.third)
    let position = try position(call.fourth)
    return try withFile(call.first) { (file) throws(Errno) in
      noteRead(
        try fileSystems.read(file, at: position, to: memory(call.second), byteCount: count))
    }
  }

  /// Linux: `pwrite64`.
  func writeAt(_ call: CallArguments) throws(Errno) -> UInt64 {
    let count = try byteCount(call.third)
    let position = try position(call.fourth)
    return try withFile(call.first) { (file) throws(Errno) in
      noteWritten(
        try fileSystems.write(file, at: position, from: memory(call.second), byteCount: count))
    }
  }

  private enum VectorCall {
    case read, write, readAt(UInt64), writeAt(UInt64)
    /// At a place, or where the file stands.
    case writeIn(WriteManner, at: UInt64?)
  }

  func readVector(_ call: CallArguments) throws(Errno) -> UInt64 { try vector(call, .read) }
  func writeVector(_ call: CallArguments) throws(Errno) -> UInt64 { try vector(call, .write) }
  func readVectorAt(_ call: CallArguments) throws(Errno) -> UInt64 {
    try vector(call, .readAt(position(call.fourth)))
  }
  func writeVectorAt(_ call: CallArguments) throws(Errno) -> UInt64 {
    try vector(call, .writeAt(position(call.fourth)))
  }

  /// Linux: `preadv2`; -1 stands for where the file stands.
  func readVectorFlagged(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = try transferFlags(call.sixth)
    guard !flags.contains(.append) || !flags.contains(.noAppend) else { throw .EINVAL }
    return try call.fourth == .max ? vector(call, .read) : readVectorAt(call)
  }

  /// Linux: `pwritev2`.
  func writeVectorFlagged(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = try transferFlags(call.sixth)
    var manner = WriteManner.asOpened
    if flags.contains(.append) { manner = .appending }
    if flags.contains(.noAppend) {
      guard manner == .asOpened else { throw .EINVAL }
      manner = .placed
    }
    let place = call.fourth == .max ? nil : try position(call.fourth)
    let done = try vector(call, .writeIn(manner, at: place))
    let waits = TransferFlags.dataSynchronous.union(.synchronous)
    if !flags.isDisjoint(with: waits), done > 0, heap[try file(call.first)].behaviour == .regular {
      _ = try synchronize(call.first)
    }
    return done
  }

  private func transferFlags(_ value: UInt64) throws(Errno) -> TransferFlags {
    let flags = TransferFlags(rawValue: UInt32(truncatingIfNeeded: value))
    guard TransferFlags.known.isSuperset(of: flags) else { throw .EOPNOTSUPP }
    return flags
  }

  /// One transfer for each element of a vector, up to the first that is short.
  ///
  /// Linux: `readv`, `writev`, `preadv`, `pwritev`; `struct iovec`.
  private func vector(_ call: CallArguments, _ kind: VectorCall) throws(Errno) -> UInt64 {
    guard call.third <= 1024 else { throw .EINVAL }
    return try withFile(call.first) { (file) throws(Errno) in
      var done = 0
      for index in 0..<call.third {
        let base: UInt64 = try load(at: call.second &+ index * 16)
        let length: UInt64 = try load(at: call.second &+ index * 16 &+ 8)
        let wanted = try min(byteCount(length), 0x7FFF_F000 - done)
        guard wanted > 0 else { continue }
        do throws(Errno) {
          let count = try transfer(kind, file, memory(base), wanted, done)
          done += count
          if count < wanted { break }
        } catch {
          if done > 0 { break }
          throw error
        }
      }
      switch kind {
      case .read, .readAt: return noteRead(done)
      case .write, .writeAt, .writeIn: return noteWritten(done)
      }
    }
  }

  private func transfer(
    _ kind: VectorCall, _ file: Reference<OpenFile>, _ memory: TransferMemory, _ count: Int,
    _ done: Int
  ) throws(Errno) -> Int {
    switch kind {
    case .read: return try fileSystems.read(file, to: memory, byteCount: count)
    case .write: return try write(file, memory, count)
    case .readAt(let start):
      return try fileSystems.read(
        file, at: start + UInt64(done), to: memory, byteCount: count)
    case .writeAt(let start):
      return try fileSystems.write(
        file, at: start + UInt64(done), from: memory, byteCount: count)
    case .writeIn(let manner, let start):
      do throws(Errno) {
        return try fileSystems.write(
          file, at: start.map { $0 + UInt64(done) }, from: memory, byteCount: count, manner)
      } catch {
        if error == .EPIPE, fileSystems.raisesPipeSignal(file) { sendOwn(.SIGPIPE) }
        throw error
      }
    }
  }

  /// Linux: `lseek`.
  func seek(_ call: CallArguments) throws(Errno) -> UInt64 {
    let file = try file(call.first)
    guard let origin = SeekOrigin(rawValue: UInt32(truncatingIfNeeded: call.third)) else {
      throw .EINVAL
    }
    return try fileSystems.seek(file, to: Int64(bitPattern: call.second), from: origin)
  }

  /// Linux: `sendfile`.
  func sendFile(_ call: CallArguments) throws(Errno) -> UInt64 {
    let count = try byteCount(call.fourth)
    return try withFile(call.first) { (target) throws(Errno) in
      try withFile(call.second) { (source) throws(Errno) in
        var start: UInt64?
        if call.third != 0 { start = try position(load(at: call.third)) }
        do throws(Errno) {
          let done = try fileSystems.transfer(
            from: source, at: start, to: target, byteCount: count)
          if let start { try store(start + UInt64(done), at: call.third) }
          _ = noteRead(done)
          return noteWritten(done)
        } catch {
          if error == .EPIPE {
            sendOwn(.SIGPIPE)
          }
          throw error
        }
      }
    }
  }

  /// Linux: `getdents64`, `getdents`.
  func listFolder(_ call: CallArguments, _ form: FolderEntryForm) throws(Errno) -> UInt64 {
    let count = Int(min(call.third & 0xFFFF_FFFF, 0x7FFF_F000))
    return try withFile(call.first) { (file) throws(Errno) in
      UInt64(try fileSystems.list(file, to: memory(call.second), byteCount: count, form))
    }
  }

  /// Linux: `pipe`, `pipe2`.
  func makePipe(at address: UInt64, flags: UInt64) throws(Errno) -> UInt64 {
    let flags = OpenFlags(rawValue: UInt32(truncatingIfNeeded: flags))
    let allowed = OpenFlags.closeOnExecute.union(.nonBlocking).union(.direct)
    guard allowed.isSuperset(of: flags) else { throw .EINVAL }
    let ends = try fileSystems.makePipe(flags: flags)
    let closes = flags.contains(.closeOnExecute)
    return try enterPair(ends.reader, ends.writer, closesOnExecute: closes, at: address)
  }

  /// Gives two files descriptors, and stores those; all or nothing.
  func enterPair(
    _ first: Reference<OpenFile>, _ second: Reference<OpenFile>, closesOnExecute: Bool,
    at address: UInt64
  ) throws(Errno) -> UInt64 {
    let one: UInt64
    do {
      one = try enter(first, closesOnExecute: closesOnExecute)
    } catch {
      fileSystems.release(second)
      throw error
    }
    do throws(Errno) {
      let other = try enter(second, closesOnExecute: closesOnExecute)
      do throws(Errno) {
        try store(one | other << 32, at: address)
      } catch {
        _ = try close(other)
        throw error
      }
    } catch {
      _ = try close(one)
      throw error
    }
    return 0
  }

  /// Linux: `ioctl`.
  func controlDevice(_ call: CallArguments) throws(Errno) -> UInt64 {
    let number = UInt32(truncatingIfNeeded: call.second)
    return try withFile(call.first) { (file) throws(Errno) in
      guard let request = DeviceRequest(rawValue: number) else {
        guard let done = try controlBuffer(file, number, at: call.third) else { throw .ENOTTY }
        return done
      }
      if request == .openPseudoTerminalPeer {
        let flags = OpenFlags(rawValue: UInt32(truncatingIfNeeded: call.third))
        return try enter(
          fileSystems.openPeer(of: file, flags: flags),
          closesOnExecute: flags.contains(.closeOnExecute))
      }
      try control(file, request, call)
      return 0
    }
  }

  private func control(
    _ file: Reference<OpenFile>, _ request: DeviceRequest, _ call: CallArguments
  ) throws(Errno) {
    switch request {
    case .readableByteCount where !fileSystems.isTerminal(file):
      try store(fileSystems.readableByteCount(of: file), at: call.third)
    case .setNonBlocking:
      let value: UInt32 = try load(at: call.third)
      if value != 0 {
        heap[file].flags.formUnion(.nonBlocking)
      } else {
        heap[file].flags.subtract(.nonBlocking)
      }
    case .setSignalsReadiness:
      try setSignalsReadiness(of: file, descriptor: call.first, at: call.third)
    case .setSocketOwner, .setSocketGroup:
      guard heap[file].behaviour == .socket else { throw .ENOTTY }
      try setOwner(of: file, to: load(at: call.third))
    case .getSocketOwner, .getSocketGroup:
      guard heap[file].behaviour == .socket else { throw .ENOTTY }
      try store(owner(of: file), at: call.third)
    case .closeOnExecute: try setClosesOnExecute(call.first, true)
    case .keepOnExecute: try setClosesOnExecute(call.first, false)
    default: try fileSystems.control(file, request, memory(call.third), call.third)
    }
  }
}
