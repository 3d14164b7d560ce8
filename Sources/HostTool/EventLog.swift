// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// The event log as it comes: every record goes into the digest, the frames' states, the counts of
/// the summary and the files that were asked for.
final class EventLog {
  private(set) var statistics = RunStatistics()
  private(set) var states: FrameStates
  /// The first record that contradicts those before it.
  private(set) var contradiction: FrameStates.Contradiction?
  private let digest = ContentDigest()
  private var binary: [ExportFile] = []
  private var lines: ExportFile?

  /// - Parameters:
  ///   - frameCount: frames of the machine's RAM.
  ///   - binary: path for the records as they are, or nil.
  ///   - lines: path for JSON Lines, or nil.
  ///   - record: a second path for the records as they are, or nil.
  init(
    frameCount: Int, binary: String?, lines: String?, record: String? = nil
  ) throws(ToolFailure) {
    states = FrameStates(frameCount: frameCount)
    for path in [binary, record] {
      if let path { self.binary.append(try ExportFile(path)) }
    }
    if let lines {
      self.lines = try ExportFile(lines)
      try self.lines?.add(EventJSON.header)
    }
  }

  /// Takes whole records.
  ///
  /// - Precondition: the length is a multiple of a record's.
  func add(
    _ records: UnsafeRawBufferPointer, each: (MemoryEvent) -> Void
  ) throws(ToolFailure) {
    precondition(records.count % MemoryEvent.byteCount == 0, "half a record")
    // SAFETY: the bytes are only read, within the buffer's length.
    unsafe digest.add(records)
    for file in binary { try file.add(unsafe Array(records)) }
    for place in stride(from: 0, to: records.count, by: MemoryEvent.byteCount) {
      // SAFETY: a whole record lies at the place, and the type is plain bytes.
      let event = unsafe records.loadUnaligned(fromByteOffset: place, as: MemoryEvent.self)
      statistics.add(event)
      if contradiction == nil {
        do throws(FrameStates.Contradiction) { try states.apply(event) } catch {
          contradiction = error
        }
      }
      if let lines { try lines.add(EventJSON.line(event)) }
      each(event)
    }
  }

  /// The digest over every record. Nothing may be added afterwards.
  func finish() throws(ToolFailure) -> String {
    for file in binary { try file.flush() }
    try lines?.flush()
    return digest.finish()
  }
}

/// A file that grows by parts and is written in large ones.
final class ExportFile {
  private let path: String
  private let file: HostFile
  private var waiting: [UInt8] = []
  private var written: UInt64 = 0

  init(_ path: String) throws(ToolFailure) {
    self.path = path
    file = try Self.open(path)
  }

  private static func open(_ path: String) throws(ToolFailure) -> HostFile {
    do throws(HostError) { return try HostFile(creating: path) } catch {
      throw ToolFailure(.failed, "\(path): \(error.text)", "name a file that can be written")
    }
  }

  func add(_ bytes: [UInt8]) throws(ToolFailure) {
    waiting += bytes
    if waiting.count >= 1 << 18 { try flush() }
  }

  func flush() throws(ToolFailure) {
    do throws(HostError) {
      try file.append(waiting, after: written)
    } catch {
      throw ToolFailure(.failed, "\(path): \(error.text)", "name a file that can be written")
    }
    written += UInt64(waiting.count)
    waiting.removeAll(keepingCapacity: true)
  }
}
