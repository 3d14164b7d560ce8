// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import MemoryUnits
import Testing

@testable import FileSystems

/// Pairs of sockets against queues of bytes and of messages.
@Suite struct SocketTests {
  @Test(arguments: [UInt64(1), 2, 3]) func `a stream's bytes come out as they went in`(
    seed: UInt64
  ) throws {
    try TestFiles.run { test in
      let ends = try test.files.makeSocketPair(.stream, flags: .nonBlocking)
      let both = [ends.0, ends.1]
      var random = SplitMix(state: seed)
      // What each may still read.
      var models: [[UInt8]] = [[], []]
      for _ in 0..<1500 {
        let side = Int(random.next() % 2)
        let count = Int(random.next() % (random.next() % 4 == 0 ? 60_000 : 3_000))
        if random.next() % 2 == 0 {
          let bytes = random.bytes(count)
          let isReady = test.files.readiness(of: both[side]).contains(.output)
          do throws(Errno) {
            let done = try test.write(both[side], bytes)
            #expect(done <= count && (done > 0 || count == 0))
            models[1 - side] += bytes[..<done]
          } catch {
            #expect(error == .EAGAIN && !isReady, "seed \(seed)")
          }
        } else if models[side].isEmpty, count > 0 {
          #expect(throws: Errno.EAGAIN) { _ = try test.read(both[side], count) }
        } else {
          let expected = Array(models[side].prefix(count))
          #expect(try test.read(both[side], count) == expected, "seed \(seed)")
          models[side].removeFirst(expected.count)
        }
        for end in 0..<2 {
          let isReadable = test.files.readiness(of: both[end]).contains(.input)
          #expect(isReadable == !models[end].isEmpty)
          #expect(try test.files.readableByteCount(of: both[end]) == UInt32(models[end].count))
        }
      }
      // Who is gone leaves what it sent, and then the end.
      #expect(try test.read(both[0], models[0].count + 1) == models[0])
      test.files.release(both[0])
      #expect(try test.read(both[1], models[1].count + 9) == models[1])
      #expect(try test.read(both[1], 9).isEmpty)
      #expect(throws: Errno.EPIPE) { _ = try test.write(both[1], [1]) }
      test.files.release(both[1])
    }
  }

  @Test func `who goes with bytes unread resets its peer, once`() throws {
    try TestFiles.run { test in
      let ends = try test.files.makeSocketPair(.stream, flags: .nonBlocking)
      #expect(try test.write(ends.0, [1, 2, 3]) == 3)
      #expect(try test.write(ends.1, [4, 5]) == 2)
      test.files.release(ends.0)
      #expect(try test.read(ends.1, 9) == [1, 2, 3])
      #expect(throws: Errno.ECONNRESET) { _ = try test.read(ends.1, 9) }
      #expect(try test.read(ends.1, 9).isEmpty)
      test.files.release(ends.1)
    }
  }

  @Test(arguments: [Socket.Kind.datagram, .sequence]) func `messages stay apart, and are cut`(
    kind: Socket.Kind
  ) throws {
    try TestFiles.run { test in
      let ends = try test.files.makeSocketPair(kind, flags: .nonBlocking)
      var random = SplitMix(state: 7)
      var model: [[UInt8]] = []
      for _ in 0..<1500 {
        if random.next() % 2 == 0 {
          let bytes = random.bytes(Int(random.next() % 5000) + 1)
          do throws(Errno) {
            #expect(try test.write(ends.0, bytes) == bytes.count)
            model.append(bytes)
          } catch {
            #expect(error == .EAGAIN && model.count > 1)
          }
        } else if let first = model.first {
          // What does not fit in the reader's buffer is lost.
          let count = Int(random.next() % 6000) + 1
          #expect(try test.read(ends.1, count) == Array(first.prefix(count)))
          model.removeFirst()
        } else {
          #expect(throws: Errno.EAGAIN) { _ = try test.read(ends.1, 100) }
        }
        #expect(test.files.readiness(of: ends.1).contains(.input) == !model.isEmpty)
      }
      test.files.release(ends.0)
      test.files.release(ends.1)
    }
  }

  @Test func `a sender waits for room, and a receiver for bytes`() throws {
    try TestFiles.run { test in
      let ends = try test.files.makeSocketPair(.stream, flags: OpenFlags(rawValue: 0))
      var random = SplitMix(state: 5)
      let bytes = random.bytes(700_000)
      var received: [UInt8] = []
      test.host.whileAsleep = {
        received += (try? test.read(ends.1, 9000)) ?? []
        return true
      }
      #expect(try test.write(ends.0, bytes) == bytes.count)
      #expect(!received.isEmpty)
      while received.count < bytes.count { received += try test.read(ends.1, 9999) }
      #expect(received == bytes)
      test.host.whileAsleep = { (try? test.write(ends.0, [1, 2, 3])) != nil }
      #expect(try test.read(ends.1, 100) == [1, 2, 3])
      test.files.release(ends.0)
      test.files.release(ends.1)
    }
  }

  @Test func `what is in sockets nobody has any more is given back`() throws {
    try TestFiles.run { test in
      func free() -> PageCount {
        test.environment.frames.freePageCount + test.environment.frames.cachedPageCount
      }
      var before = PageCount.zero
      for round in 0..<3 {
        let ends = try test.files.makeSocketPair(.stream, flags: .nonBlocking)
        #expect(try test.write(ends.0, [UInt8](repeating: 3, count: 40_000)) == 40_000)
        test.files.release(ends.0)
        test.files.release(ends.1)
        // The first round leaves slabs for each kind of object.
        if round == 0 { before = free() }
      }
      #expect(free() == before)
    }
  }
}
