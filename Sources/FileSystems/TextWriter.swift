// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// A text in the making: the core has no strings, so digits and literals go straight into frames.
///
/// The frames are chained by their private words, so a text has no largest size. One that got no
/// frame for its next page has failed and is not to be shown.
///
/// Linux: `struct seq_file`.
struct TextWriter<Environment: FileEnvironment>: BitwiseCopyable {
  private let files: FileSystems<Environment>
  private(set) var firstFrame: UInt32 = 0
  private var lastFrame: UInt32 = 0
  private var page: MemoryBlock
  /// Bytes in the last page.
  private var offset = 4096
  private(set) var byteCount: UInt64 = 0
  /// Where the line began, for `pad`.
  private var lineStart: UInt64 = 0
  private(set) var hasFailed = false

  init(_ files: FileSystems<Environment>) {
    self.files = files
    page = files.bytes(of: files.environment.memory.value.zeroFrame)
  }

  mutating func put(byte: UInt8) {
    if offset == 4096 { addPage() }
    if hasFailed { return }
    page.store(byte, at: offset)
    offset += 1
    byteCount += 1
  }

  mutating func put(_ text: StaticString) {
    let count = text.utf8CodeUnitCount
    if offset + count <= 4096 {
      page.store(text: text, at: offset)
      offset += count
      byteCount += UInt64(count)
      return
    }
    // Over the end of a page: byte by byte.
    var scratch = InlineArray<16, UInt64>(repeating: 0)
    precondition(count <= 128, "a literal of more than 128 bytes")
    withMemoryBlock(over: &scratch) { block in
      block.store(text: text, at: 0)
      put(bytes: block, at: 0, byteCount: count)
    }
  }

  mutating func put(bytes block: MemoryBlock, at start: Int, byteCount count: Int) {
    for place in start..<start + count { put(byte: block.load(UInt8.self, at: place)) }
  }

  /// A number in decimal, with spaces before it up to a width.
  mutating func put(_ value: UInt64, width: Int = 0, padding: UInt8 = 0x20) {
    put(value, base: 10, width: width, padding: padding)
  }

  /// A number in base 16, with zeros before it up to a width.
  mutating func put(hexadecimal value: UInt64, width: Int = 0) {
    put(value, base: 16, width: width, padding: 0x30)
  }

  mutating func put(octal value: UInt64, width: Int = 0) {
    put(value, base: 8, width: width, padding: 0x30)
  }

  mutating func put(signed value: Int64) {
    if value < 0 { put(byte: 0x2D) }
    put(value.magnitude)
  }

  private mutating func put(_ value: UInt64, base: UInt64, width: Int, padding: UInt8) {
    var scale: UInt64 = 1
    var length = 1
    while value / scale >= base {
      scale *= base
      length += 1
    }
    while length < width {
      put(byte: padding)
      length += 1
    }
    while scale > 0 {
      let digit = UInt8(value / scale % base)
      put(byte: digit < 10 ? 0x30 + digit : 0x57 + digit)
      scale /= base
    }
  }

  /// Notes that a line begins here.
  mutating func beginLine() { lineStart = byteCount }

  /// Spaces up to a column of the line.
  mutating func pad(to column: Int) {
    while byteCount < lineStart + UInt64(column), !hasFailed { put(byte: 0x20) }
  }

  private mutating func addPage() {
    guard !hasFailed else { return }
    guard let frame = try? files.allocateFrames(.zero) else {
      hasFailed = true
      return
    }
    files.frames.table[frame].privateWord = 0
    if lastFrame == 0 {
      firstFrame = frame.value
    } else {
      files.frames.table[PageFrameNumber(lastFrame)].privateWord = frame.value
    }
    lastFrame = frame.value
    page = files.bytes(of: frame)
    offset = 0
  }
}
