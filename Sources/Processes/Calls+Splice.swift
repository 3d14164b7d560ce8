// SPDX-License-Identifier: Apache-2.0

import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls that move bytes between pipes and files.
///
/// Linux: `fs/splice.c`.
extension Kernel {
  /// Linux: `SPLICE_F_NONBLOCK`.
  private static var nonBlocking: UInt64 { 2 }
  /// With `SPLICE_F_MOVE`, `SPLICE_F_MORE`, `SPLICE_F_GIFT`, which are hints.
  private static var allFlags: UInt64 { 15 }

  private func flags(_ value: UInt64) throws(Errno) -> UInt64 {
    let flags = value & 0xFFFF_FFFF
    guard flags & ~Self.allFlags == 0 else { throw .EINVAL }
    return flags
  }

  private func waits(_ flags: UInt64, _ pipe: Reference<OpenFile>) -> Bool {
    flags & Self.nonBlocking == 0 && !heap[pipe].flags.contains(.nonBlocking)
  }

  /// Raises SIGPIPE where a pipe has no reader.
  private func raisingPipeSignal(_ body: () throws(Errno) -> Int) throws(Errno) -> Int {
    do {
      return try body()
    } catch {
      if error == .EPIPE { sendOwn(.SIGPIPE) }
      throw error
    }
  }

  /// Linux: `splice`.
  func splice(_ call: CallArguments) throws(Errno) -> UInt64 {
    if call.fifth == 0 { return 0 }
    let flags = try flags(call.sixth)
    return try withFile(call.first) { (source) throws(Errno) in
      try withFile(call.third) { (target) throws(Errno) in
        let count = Int(min(call.fifth, 0x7FFF_F000))
        let done = try raisingPipeSignal { () throws(Errno) in
          try splice(source, call.second, target, call.fourth, count, flags)
        }
        _ = noteRead(done)
        return noteWritten(done)
      }
    }
  }

  private func splice(
    _ source: Reference<OpenFile>, _ sourcePlace: UInt64, _ target: Reference<OpenFile>,
    _ targetPlace: UInt64, _ count: Int, _ flags: UInt64
  ) throws(Errno) -> Int {
    let input = fileSystems.splicedPipe(of: source)
    let output = fileSystems.splicedPipe(of: target)
    if input != nil && sourcePlace != 0 || output != nil && targetPlace != 0 { throw .ESPIPE }
    let start = try place(input == nil ? sourcePlace : targetPlace)
    guard heap[source].flags.mayRead, heap[target].flags.mayWrite else { throw .EBADF }
    switch (input, output) {
    case (let input?, let output?):
      guard input != output else { throw .EINVAL }
      return try fileSystems.splice(
        from: input, to: output, byteCount: count, keeps: false,
        waits: waits(flags, source) && waits(flags, target))
    case (let input?, nil):
      guard !heap[target].flags.contains(.append) else { throw .EINVAL }
      guard start == nil || heap[target].behaviour == .regular else { throw .EINVAL }
      let done = try fileSystems.splice(
        from: input, to: target, at: start, byteCount: count, waits: waits(flags, source))
      if let start { try store(start + UInt64(done), at: targetPlace) }
      return done
    case (nil, let output?):
      guard start == nil || heap[source].behaviour == .regular,
        heap[source].behaviour != .folder
      else { throw .EINVAL }
      let done = try fileSystems.splice(
        from: source, at: start, to: output, byteCount: count, waits: waits(flags, target))
      if let start { try store(start + UInt64(done), at: sourcePlace) }
      return done
    case (nil, nil): throw .EINVAL
    }
  }

  /// The place that a program names, if it does.
  private func place(_ address: UInt64) throws(Errno) -> UInt64? {
    if address == 0 { return nil }
    let place: UInt64 = try load(at: address)
    guard place <= UInt64(Int64.max) else { throw .EINVAL }
    return place
  }

  /// Linux: `tee`.
  func tee(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = try flags(call.fourth)
    if call.third == 0 { return 0 }
    return try withFile(call.first) { (source) throws(Errno) in
      try withFile(call.second) { (target) throws(Errno) in
        guard heap[source].flags.mayRead, heap[target].flags.mayWrite else { throw .EBADF }
        guard let input = fileSystems.splicedPipe(of: source),
          let output = fileSystems.splicedPipe(of: target), input != output
        else { throw .EINVAL }
        return UInt64(
          try raisingPipeSignal { () throws(Errno) in
            try fileSystems.splice(
              from: input, to: output, byteCount: Int(min(call.third, 0x7FFF_F000)),
              keeps: true, waits: waits(flags, source) && waits(flags, target))
          })
      }
    }
  }

  /// Linux: `vmsplice`.
  func spliceMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = try flags(call.fourth)
    return try withFile(call.first) { (file) throws(Errno) in
      guard let pipe = fileSystems.splicedPipe(of: file) else { throw .EBADF }
      guard call.third <= 1024 else { throw .EINVAL }
      var count: UInt64 = 0
      for index in 0..<call.third {
        let length: UInt64 = try load(at: call.second &+ index * 16 &+ 8)
        guard length <= UInt64(Int64.max) else { throw .EINVAL }
        count = min(count + length, 0x7FFF_F000)
      }
      if count == 0 { return 0 }
      let memory = TransferMemory.vector(
        VirtualAddress(call.second), count: call.third, skipping: 0, in: space)
      guard heap[file].flags.mayWrite else {
        return UInt64(try fileSystems.read(file, to: memory, byteCount: Int(count)))
      }
      return UInt64(
        try raisingPipeSignal { () throws(Errno) in
          try fileSystems.splice(
            from: memory, to: pipe, byteCount: Int(count), waits: waits(flags, file))
        })
    }
  }
}
