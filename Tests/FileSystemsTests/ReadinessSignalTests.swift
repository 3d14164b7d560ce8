// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import MemoryUnits
import Testing

@testable import FileSystems

/// Signals that files are ready: to whom, when, and never for a file that is closed.
@Suite struct ReadinessSignalTests {
  private func sent(_ test: TestFiles) -> [String] {
    defer { test.host.sentSignals = [] }
    return test.host.sentSignals
  }

  private func watch(
    _ file: Reference<OpenFile>, as descriptor: UInt32, for owner: UInt32, _ test: TestFiles
  ) throws(Errno) {
    test.environment.heap[file].owner.number = owner
    try test.files.setSignalsReadiness(true, of: file, descriptor: descriptor)
  }

  @Test func `a pipe's ends are told of writes, reads, and that the other end is closed`() throws {
    try TestFiles.run { test in
      let (reader, writer) = try test.files.makePipe(flags: .nonBlocking)
      try watch(reader, as: 3, for: 7, test)
      try watch(writer, as: 4, for: 8, test)
      _ = try test.write(writer, [UInt8](repeating: 1, count: 9000))
      #expect(sent(test) == ["input of 3 to 7"])
      _ = try test.read(reader, 10)
      #expect(sent(test) == ["output of 4 to 8"])
      try test.files.setSignalsReadiness(false, of: reader, descriptor: 3)
      _ = try test.write(writer, [1])
      #expect(sent(test) == [])
      test.files.release(reader)
      #expect(sent(test) == ["output of 4 to 8"])
      test.files.release(writer)
      #expect(sent(test) == [])
      #expect(test.environment.files.value.signalWatchCount == 0)
    }
  }

  @Test func `a socket is told of messages, of room that it missed, and of the end`() throws {
    try TestFiles.run { test in
      let ends = try test.files.makeSocketPair(.stream, flags: .nonBlocking)
      try watch(ends.0, as: 5, for: 9, test)
      _ = try test.write(ends.1, [1])
      #expect(sent(test) == ["input of 5 to 9"])
      _ = try test.read(ends.0, 1)
      let block = [UInt8](repeating: 2, count: 4096)
      while (try? test.write(ends.0, block)) != nil {}
      #expect(sent(test) == [])
      while (try? test.read(ends.1, 4096)) != nil {}
      #expect(sent(test) == ["output of 5 to 9"])
      test.files.release(ends.1)
      #expect(sent(test) == ["hangUp of 5 to 9"])
      test.files.release(ends.0)
    }
  }
}
