// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import MemoryUnits
import Testing

@testable import FileSystems

/// Pipes against a queue of bytes.
@Suite struct PipeTests {
  @Test(arguments: [1, 2, 3]) func `bytes come out as they went in`(seed: UInt64) throws {
    try TestFiles.run { test in
      let (reader, writer) = try test.files.makePipe(flags: .nonBlocking)
      var random = SplitMix(state: seed)
      var model: [UInt8] = []
      for _ in 0..<2000 {
        let count = Int(random.next() % (random.next() % 4 == 0 ? 30_000 : 5_000))
        if random.next() % 2 == 0 {
          let bytes = random.bytes(count)
          let room = 65536 - model.count
          let expected = count <= 4096 ? (count <= room ? count : 0) : min(count, room)
          if expected == 0, count > 0 {
            #expect(throws: Errno.EAGAIN) { _ = try test.write(writer, bytes) }
          } else {
            #expect(try test.write(writer, bytes) == expected)
          }
          model += bytes[..<expected]
        } else if model.isEmpty, count > 0 {
          #expect(throws: Errno.EAGAIN) { _ = try test.read(reader, count) }
        } else {
          let expected = Array(model.prefix(count))
          #expect(try test.read(reader, count) == expected)
          model.removeFirst(expected.count)
        }
        #expect(test.files.readiness(of: reader).contains(.input) == !model.isEmpty)
        #expect(test.files.readiness(of: writer).contains(.output) == (model.count <= 61440))
        #expect(try test.files.readableByteCount(of: reader) == UInt32(model.count))
      }
      test.files.release(reader)
      test.files.release(writer)
    }
  }

  @Test func `a reader waits for a writer, and a writer for room`() throws {
    try TestFiles.run { test in
      let (reader, writer) = try test.files.makePipe(flags: OpenFlags(rawValue: 0))
      test.host.whileAsleep = {
        (try? test.write(writer, [1, 2, 3])) != nil
      }
      #expect(try test.read(reader, 100) == [1, 2, 3])
      var random = SplitMix(state: 5)
      let bytes = random.bytes(300_000)
      var received: [UInt8] = []
      test.host.whileAsleep = {
        received += (try? test.read(reader, 7000)) ?? []
        return true
      }
      #expect(try test.write(writer, bytes) == bytes.count)
      while received.count < bytes.count { received += try test.read(reader, 9999) }
      #expect(received == bytes)
    }
  }

  @Test func `small writes are never mixed`() throws {
    try TestFiles.run { test in
      let (reader, writer) = try test.files.makePipe(flags: OpenFlags(rawValue: 0))
      _ = try test.write(writer, [UInt8](repeating: 1, count: 65536 - 100))
      var wakes = 0
      test.host.whileAsleep = {
        wakes += 1
        _ = try? test.read(reader, 1500)
        return true
      }
      // 100 bytes are free: the write waits until all its 4,000 fit.
      #expect(try test.write(writer, [UInt8](repeating: 2, count: 4000)) == 4000)
      #expect(wakes == 3)
    }
  }

  @Test func `ends tell of each other`() throws {
    try TestFiles.run { test in
      let free = test.freePageCount
      var (reader, writer) = try test.files.makePipe(flags: OpenFlags(rawValue: 0))
      #expect(throws: Errno.EINTR) { _ = try test.read(reader, 1) }
      #expect(throws: Errno.EBADF) { _ = try test.read(writer, 1) }
      #expect(throws: Errno.EBADF) { _ = try test.write(reader, [1]) }
      #expect(throws: Errno.ESPIPE) { _ = try test.files.seek(reader, to: 0, from: .start) }
      _ = try test.write(writer, [7])
      test.files.release(writer)
      #expect(test.files.readiness(of: reader).contains(.hangUp))
      #expect(try test.read(reader, 10) == [7])
      #expect(try test.read(reader, 10) == [])
      test.files.release(reader)

      (reader, writer) = try test.files.makePipe(flags: OpenFlags(rawValue: 0))
      _ = try test.write(writer, [1, 2])
      test.files.release(reader)
      #expect(test.files.readiness(of: writer).contains(.error))
      #expect(throws: Errno.EPIPE) { _ = try test.write(writer, [1]) }
      test.files.release(writer)
      // Two slabs, at most, were cut for pipes, inodes and open files.
      #expect(free - test.freePageCount <= 6)
    }
  }

  @Test func `a transfer moves a file into a pipe`() throws {
    let image = try DiskImage()
    var random = SplitMix(state: 1)
    let bytes = random.bytes(50_000)
    try image.write("file", bytes)
    try TestFiles.run(disk: try image.pack(mebibytes: 4)) { test in
      try test.files.mountRoot()
      let file = try test.open("/file")
      let (reader, writer) = try test.files.makePipe(flags: .nonBlocking)
      #expect(
        try test.files.transfer(from: file, at: nil, to: writer, byteCount: 1 << 24) == 50_000)
      #expect(try test.files.transfer(from: file, at: nil, to: writer, byteCount: 1) == 0)
      #expect(try test.read(reader, 65536) == bytes)
    }
  }
}
