// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls that send and receive through sockets.
extension Kernel {
  /// Linux: `sendto`.
  func sendTo(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = MessageFlags(rawValue: UInt32(truncatingIfNeeded: call.fourth))
    let count = Int(min(call.third, 0x7FFF_F000))
    let memory = TransferMemory.program(VirtualAddress(call.second), in: space)
    return try withSocket(call.first) { (file, socket) throws(Errno) in
      if call.fifth != 0 { try refuseTarget(socket, call.fifth, call.sixth) }
      return try send(file, memory, count, flags, files: nil)
    }
  }

  /// Linux: `sendmsg`.
  func sendMessage(
    _ descriptor: UInt64, _ address: UInt64, _ flags: UInt64
  ) throws(Errno) -> UInt64 {
    let flags = MessageFlags(rawValue: UInt32(truncatingIfNeeded: flags))
    return try withSocket(descriptor) { (file, socket) throws(Errno) in
      let header: MessageHeader = try load(at: address)
      let part = try vector(of: header)
      let files = try passedFiles(header)
      do throws(Errno) {
        if header.name != 0, header.nameByteCount & 0xFFFF_FFFF != 0 {
          try refuseTarget(socket, header.name, header.nameByteCount)
        }
      } catch {
        if let files { fileSystems.release(files) }
        throw error
      }
      return try send(file, part.memory, part.byteCount, flags, files: files)
    }
  }

  /// Linux: `recvfrom`.
  func receiveFrom(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = MessageFlags(rawValue: UInt32(truncatingIfNeeded: call.fourth))
    let count = Int(min(call.third, 0x7FFF_F000))
    let memory = TransferMemory.program(VirtualAddress(call.second), in: space)
    return try withSocket(call.first) { (file, _) throws(Errno) in
      let message = try receive(file, memory, count, flags)
      if let files = message.files.reference { fileSystems.release(files) }
      if call.fifth != 0 {
        let room: Int32 = try load(at: call.sixth)
        guard room >= 0 else { throw .EINVAL }
        try store(Int32(0), at: call.sixth)
      }
      return UInt64(flags.contains(.cut) ? message.fullByteCount : message.byteCount)
    }
  }

  /// Linux: `recvmsg`.
  func receiveMessage(
    _ descriptor: UInt64, _ address: UInt64, _ flags: UInt64
  ) throws(Errno) -> UInt64 {
    let flags = MessageFlags(rawValue: UInt32(truncatingIfNeeded: flags))
    return try withSocket(descriptor) { (file, socket) throws(Errno) in
      let header: MessageHeader = try load(at: address)
      let part = try vector(of: header)
      let message = try receive(file, part.memory, part.byteCount, flags)
      var told = flags.intersection(.closeOnExecute)
      if message.isCut { told.formUnion(.cut) }
      var control = ControlWriter(start: header.control, room: header.controlByteCount)
      if heap[socket].switches >> UInt64(SocketOption.passCredentials.rawValue) & 1 != 0 {
        try writeCredentials(message.sender, to: &control)
      }
      if let files = message.files.reference {
        defer { fileSystems.release(files) }
        try enter(files, closesOnExecute: flags.contains(.closeOnExecute), to: &control)
      }
      if control.isCut { told.formUnion(.controlCut) }
      if header.name != 0 {
        try store(Int32(0), at: address &+ MessageHeader.nameByteCountOffset)
      }
      try store(told.rawValue, at: address &+ MessageHeader.flagsOffset)
      try store(control.used, at: address &+ MessageHeader.controlByteCountOffset)
      return UInt64(flags.contains(.cut) ? message.fullByteCount : message.byteCount)
    }
  }

  private func withSocket(
    _ descriptor: UInt64,
    _ body: (Reference<OpenFile>, Reference<Socket>) throws(Errno) -> UInt64
  ) throws(Errno) -> UInt64 {
    _ = try socket(descriptor)
    return try withFile(descriptor) { (file) throws(Errno) in
      guard let socket = fileSystems.socket(of: file) else { throw .ENOTSOCK }
      return try body(file, socket)
    }
  }

  /// Sends, and raises SIGPIPE where that is due.
  private func send(
    _ file: Reference<OpenFile>, _ source: TransferMemory, _ count: Int, _ flags: MessageFlags,
    files: Reference<PassedFiles>?
  ) throws(Errno) -> UInt64 {
    if flags.contains(.outOfBand) {
      if let files { fileSystems.release(files) }
      throw .EOPNOTSUPP
    }
    let waits = !flags.contains(.noWaiting) && !heap[file].flags.contains(.nonBlocking)
    do throws(Errno) {
      return UInt64(
        try fileSystems.send(file, from: source, byteCount: count, files: files, waits: waits))
    } catch {
      if error == .EPIPE, !flags.contains(.noSignal), fileSystems.raisesPipeSignal(file) {
        sendOwn(.SIGPIPE)
      }
      throw error
    }
  }

  private func receive(
    _ file: Reference<OpenFile>, _ target: TransferMemory, _ count: Int, _ flags: MessageFlags
  ) throws(Errno) -> ReceivedMessage {
    if flags.contains(.outOfBand) { throw .EOPNOTSUPP }
    let waits = !flags.contains(.noWaiting) && !heap[file].flags.contains(.nonBlocking)
    return try fileSystems.receive(
      file, to: target, byteCount: count,
      ReceiveOptions(
        waits: waits, isOnlyLook: flags.contains(.onlyLook), wantsAll: flags.contains(.all)))
  }

  /// The bytes that a message's vector names. Linux: `import_iovec()`.
  private func vector(
    of header: MessageHeader
  ) throws(Errno) -> (memory: TransferMemory, byteCount: Int) {
    guard header.vectorCount <= 1024 else { throw .EMSGSIZE }
    var total: UInt64 = 0
    for index in 0..<header.vectorCount {
      let length: UInt64 = try load(at: header.vector &+ index * 16 &+ 8)
      guard length <= UInt64(Int64.max) else { throw .EINVAL }
      total = min(total + length, 0x7FFF_F000)
    }
    let memory = TransferMemory.vector(
      VirtualAddress(header.vector), count: header.vectorCount, skipping: 0, in: space)
    return (memory, Int(total))
  }

  /// The open files that a message's control bytes name, counted; nil for none.
  ///
  /// - Throws: EINVAL, EBADF, EPERM, EFAULT. Linux: `__scm_send()`.
  private func passedFiles(_ header: MessageHeader) throws(Errno) -> Reference<PassedFiles>? {
    guard header.controlByteCount <= UInt64(Int32.max) else { throw .ENOBUFS }
    var files: Reference<PassedFiles>?
    var place: UInt64 = 0
    do throws(Errno) {
      while place &+ ControlHeader.size <= header.controlByteCount {
        let start = header.control &+ place
        let part: ControlHeader = try load(at: start)
        guard part.byteCount >= ControlHeader.size,
          part.byteCount <= header.controlByteCount - place
        else { throw .EINVAL }
        place += (part.byteCount + 7) & ~7
        guard part.level == ControlHeader.socketLevel else { continue }
        switch part.kind {
        case ControlHeader.files:
          let list: Reference<PassedFiles>
          if let files { list = files } else { list = try fileSystems.makePassedFiles() }
          files = list
          try add(part, start &+ ControlHeader.size, to: list)
        case ControlHeader.credentials: try check(part, start &+ ControlHeader.size)
        default: throw .EINVAL
        }
      }
    } catch {
      if let files { fileSystems.release(files) }
      throw error
    }
    guard let list = files, fileSystems.file(0, of: list) == nil else { return files }
    fileSystems.release(list)
    return nil
  }

  private func add(
    _ part: ControlHeader, _ start: UInt64, to list: Reference<PassedFiles>
  ) throws(Errno) {
    let count = (part.byteCount - ControlHeader.size) / 4
    guard count <= UInt64(PassedFiles.limit) else { throw .EINVAL }
    for index in 0..<count {
      let descriptor: Int32 = try load(at: start &+ index * 4)
      guard descriptor >= 0 else { throw .EBADF }
      try fileSystems.append(try file(UInt64(descriptor)), to: list)
    }
  }

  /// Whether the program may say that it is somebody. Linux: `scm_check_creds()`.
  private func check(_ part: ControlHeader, _ start: UInt64) throws(Errno) {
    guard part.byteCount == ControlHeader.size + 12 else { throw .EINVAL }
    let claimed: SocketOwner = try load(at: start)
    let own = identity
    guard own.can(.administerSystem) || claimed.process == heap[process].identifier,
      own.can(.setUser) || own.user.contains(claimed.user),
      own.can(.setGroup) || own.group.contains(claimed.group)
    else { throw .EPERM }
  }

  /// Where a message's control bytes go.
  private struct ControlWriter {
    let start: UInt64
    let room: UInt64
    var used: UInt64 = 0
    var isCut = false

    init(start: UInt64, room: UInt64) {
      self.start = start
      self.room = start == 0 ? 0 : room
    }

    var rest: UInt64 { room - used }
    var place: UInt64 { start &+ used }
  }

  private func writeCredentials(
    _ sender: SocketOwner, to control: inout ControlWriter
  ) throws(Errno) {
    let byteCount = ControlHeader.size + 12
    guard control.rest >= byteCount else {
      control.isCut = true
      return
    }
    try store(
      ControlHeader(
        byteCount: byteCount, level: ControlHeader.socketLevel,
        kind: ControlHeader.credentials), at: control.place)
    try store(sender, at: control.place &+ ControlHeader.size)
    control.used += min((byteCount + 7) & ~7, control.rest)
  }

  /// Gives files that came with a message descriptors, as many as there is room for.
  ///
  /// Linux: `scm_detach_fds()`.
  private func enter(
    _ files: Reference<PassedFiles>, closesOnExecute: Bool, to control: inout ControlWriter
  ) throws(Errno) {
    let room = control.rest > ControlHeader.size ? (control.rest - ControlHeader.size) / 4 : 0
    var count: UInt64 = 0
    while let file = fileSystems.file(Int(count), of: files) {
      guard count < room else {
        control.isCut = true
        break
      }
      fileSystems.retain(file)
      let target = control.place &+ ControlHeader.size &+ count * 4
      do throws(Errno) {
        let descriptor = try enter(file, closesOnExecute: closesOnExecute)
        do throws(Errno) {
          try store(UInt32(descriptor), at: target)
        } catch {
          _ = try close(descriptor)
          throw error
        }
      } catch {
        control.isCut = true
        break
      }
      count += 1
    }
    guard count > 0 else { return }
    let byteCount = ControlHeader.size + count * 4
    try store(
      ControlHeader(
        byteCount: byteCount, level: ControlHeader.socketLevel, kind: ControlHeader.files),
      at: control.place)
    control.used += min((byteCount + 7) & ~7, control.rest)
  }
}
