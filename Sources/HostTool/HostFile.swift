// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// Why a call of the host's failed.
public struct HostError: Error, Equatable, Sendable {
  public let number: Int32

  public init(_ number: Int32) { self.number = number }

  /// Linux's own text, as `strerror()` gives it.
  public var text: String {
    // SAFETY: strerror gives a terminated text that stays until this thread's next call of it.
    unsafe String(cString: strerror(number))
  }

  var isMissing: Bool { number == ENOENT || number == ENOTDIR }
}

/// An open file of the host, closed at the end of its life.
public struct HostFile: ~Copyable {
  let descriptor: Int32

  init(adopting descriptor: Int32) { self.descriptor = descriptor }

  init(reading path: String) throws(HostError) {
    try self.init(path, O_RDONLY | O_CLOEXEC)
  }

  init(creating path: String) throws(HostError) {
    try self.init(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC)
  }

  init(_ path: String, _ flags: Int32) throws(HostError) {
    // SAFETY: the path is a terminated string for the length of the call.
    descriptor = unsafe open(path, flags, 0o644)
    if descriptor < 0 { throw HostError(errno) }
  }

  deinit { close(descriptor) }

  /// Fills the buffer from a place in the file, and says how much of it there was.
  func read(into buffer: inout [UInt8], at offset: UInt64, count: Int) throws(HostError) -> Int {
    try Self.read(descriptor, into: &buffer, at: offset, count: count)
  }

  private static func read(
    _ descriptor: Int32, into buffer: inout [UInt8], at offset: UInt64, count: Int
  ) throws(HostError) -> Int {
    precondition(count <= buffer.count, "read beyond the buffer")
    var done = 0
    while done < count {
      // SAFETY: `done < count <= buffer.count` was checked, so the span lies in the buffer.
      let result = unsafe buffer.withUnsafeMutableBytes { bytes in
        unsafe pread(descriptor, bytes.baseAddress! + done, count - done, off_t(offset) + done)
      }
      if result == 0 { return done }
      if result < 0, errno == EINTR { continue }
      if result < 0 { throw HostError(errno) }
      done += result
    }
    return done
  }

  /// The bytes from a place in the file; fewer where it ends.
  func bytes(at offset: UInt64, count: Int) throws(HostError) -> [UInt8] {
    try Self.bytes(of: descriptor, at: offset, count: count)
  }

  /// The same for a descriptor that somebody else keeps open.
  static func bytes(
    of descriptor: Int32, at offset: UInt64, count: Int
  ) throws(HostError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    let found = try read(descriptor, into: &buffer, at: offset, count: count)
    buffer.removeLast(count - found)
    return buffer
  }

  func write(_ buffer: [UInt8], at offset: UInt64) throws(HostError) {
    var done = 0
    while done < buffer.count {
      // SAFETY: `done < buffer.count`, so the span lies in the buffer.
      let result = unsafe buffer.withUnsafeBytes { bytes in
        unsafe pwrite(
          descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset) + done)
      }
      if result < 0, errno == EINTR { continue }
      if result < 0 { throw HostError(errno) }
      done += result
    }
  }

  /// Writes at the end: at a known place in a file, in order to a pipe or a device.
  func append(_ buffer: [UInt8], after offset: UInt64) throws(HostError) {
    do throws(HostError) { try write(buffer, at: offset) } catch {
      guard error.number == ESPIPE else { throw error }
      // SAFETY: the array's own bytes, for the length of the call.
      let failure: HostError? = unsafe buffer.withUnsafeBytes { bytes in
        do throws(HostError) { try unsafe writeAll(bytes, to: descriptor) } catch { return error }
        return nil
      }
      if let failure { throw failure }
    }
  }

  /// The whole content of a small file.
  static func content(of path: String) throws(HostError) -> [UInt8] {
    let file = try HostFile(reading: path)
    var content: [UInt8] = []
    while true {
      let part = try file.bytes(at: UInt64(content.count), count: 1 << 16)
      if part.isEmpty { return content }
      content += part
    }
  }

  /// Makes a file with this content, or gives an old one new content.
  static func write(_ content: [UInt8], to path: String) throws(HostError) {
    let file = try HostFile(creating: path)
    try file.write(content, at: 0)
  }
}

/// Writes all bytes to a descriptor that may be a pipe or a terminal.
///
/// - Throws: the host's error, EPIPE included; EINTR once a watched signal has come.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws(HostError) {
  var done = 0
  while done < bytes.count {
    // SAFETY: `done < bytes.count`, so the span lies in the buffer.
    let result = unsafe write(descriptor, bytes.baseAddress! + done, bytes.count - done)
    if result >= 0 {
      done += result
    } else if errno == EAGAIN {
      var wish = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      // SAFETY: one entry, alive for the length of the call.
      _ = unsafe poll(&wish, 1, 100)
    } else if errno != EINTR {
      throw HostError(errno)
    }
    if watched_signal() != 0, result < 0 { throw HostError(EINTR) }
  }
}

/// Writes a text and a line break to standard error; what cannot be written is left out.
public func printToStandardError(_ text: String) {
  var line = text + "\n"
  line.withUTF8 { bytes in
    // A closed standard error leaves nobody to tell.
    // SAFETY: the string's own bytes, for the length of the call.
    unsafe try? writeAll(UnsafeRawBufferPointer(bytes), to: 2)
  }
}

/// Writes a text to standard output; what cannot be written is left out.
public func printToStandardOutput(_ text: String) {
  var line = text + "\n"
  line.withUTF8 { bytes in
    // A closed standard output leaves nobody to tell.
    // SAFETY: the string's own bytes, for the length of the call.
    unsafe try? writeAll(UnsafeRawBufferPointer(bytes), to: 1)
  }
}
