// SPDX-License-Identifier: Apache-2.0

import Glibc
import MemoryEvents
import Testing

@testable import HostTool

struct EventLogTests {
  @Test func `a record is one line of JSON`() {
    let event = MemoryEvent(
      .frameMapped, detail: 1, process: 2, frame: 3, owner: 4, value: .max, time: 5)
    #expect(
      String(decoding: EventJSON.line(event), as: UTF8.self)
        == "{\"time\":5,\"kind\":\"frameMapped\",\"process\":2,\"frame\":3,\"owner\":4,"
        + "\"value\":18446744073709551615,\"detail\":1}\n")
  }

  @Test func `a record of a later schema keeps its number`() {
    var event = MemoryEvent(.frameMapped)
    event.kind = 999
    #expect(String(decoding: EventJSON.line(event), as: UTF8.self).contains("\"kind\":\"kind999\""))
  }

  @Test func `text in JSON is escaped`() {
    #expect(quoted("a\"\\\n\t\u{1}é") == "\"a\\\"\\\\\\n\\t\\u0001é\"")
  }

  @Test func `digest, counts and both files come from the same records`() throws {
    let folder = try TemporaryFolder()
    let log = try EventLog(
      frameCount: 16, binary: "\(folder.path)/log", lines: "\(folder.path)/lines")
    let events = [
      MemoryEvent(.framesReleased, value: 16, time: 1),
      MemoryEvent(.systemCallRefused, value: 435, time: 2),
      MemoryEvent(.systemCallRefused, value: 435, time: 3),
      MemoryEvent(.diskReadCompleted, detail: 4, time: 9),
    ]
    var seen = 0
    try events.withUnsafeBytes { bytes in
      try log.add(UnsafeRawBufferPointer(rebasing: bytes[..<64])) { _ in seen += 1 }
      try log.add(UnsafeRawBufferPointer(rebasing: bytes[64...])) { _ in seen += 1 }
    }
    let digest = try log.finish()
    #expect(seen == 4)
    #expect(log.statistics.recordCount == 4)
    #expect(log.statistics.lastTime == 9)
    #expect(log.statistics.pagesRead == 4)
    #expect(log.statistics.refusedCalls == [435])
    #expect(log.contradiction == nil)
    #expect(try ContentDigest.ofFile("\(folder.path)/log") == digest)
    #expect(try HostFile.content(of: "\(folder.path)/log").count == 128)
    let lines = String(decoding: try HostFile.content(of: "\(folder.path)/lines"), as: UTF8.self)
    #expect(lines.split(separator: "\n").count == 5)
    #expect(lines.hasPrefix("{\"schema\":\"quire-events\",\"version\":1}\n"))
  }

  @Test func `a log that contradicts itself says where`() throws {
    let log = try EventLog(frameCount: 16, binary: nil, lines: nil)
    try [MemoryEvent(.frameFreed, frame: 3)].withUnsafeBytes { try log.add($0) { _ in } }
    #expect(
      log.contradiction
        == FrameStates.Contradiction(frame: 3, record: "frameFreed", state: "reserved"))
  }

  @Test(arguments: [
    (UInt64(0), "read"), (59, "execve"), (334, "rseq"), (335, "call 335"),
    (424, "pidfd_send_signal"), (435, "clone3"), (462, "mseal"), (9999, "call 9999"),
  ])
  func `system calls are named`(number: UInt64, name: String) {
    #expect(SystemCallNames.name(of: number) == name)
  }
}

/// A folder for one test.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/quire-test-XXXXXX\0".utf8CString)
    guard mkdtemp(&template) != nil else { throw HostError(errno) }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  deinit { try? HostFolder.remove(path) }
}
