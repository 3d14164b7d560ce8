// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Foundation
import MemoryEvents
import MemoryUnits
import Testing

@testable import HostTool

/// The channel against a guest that is a thread and writes to the same memory.
@Suite(.serialized)
struct GuestChannelTests {
  /// The kernel's side of the channel, as simple as can be.
  final class Guest: @unchecked Sendable {
    let memory: GuestMemory
    private var heads: [Int: UInt64] = [:]

    init(_ memory: GuestMemory) { self.memory = memory }

    /// Writes to a ring of bytes, waiting for room.
    func write(_ bytes: [UInt8], head: Int, tail: Int, data: Int, capacity: Int) {
      var done = 0
      while done < bytes.count {
        let written = heads[head, default: 0]
        let room = capacity - Int(written - memory.load(tail))
        let place = Int(written) % capacity
        let count = min(room, bytes.count - done, capacity - place)
        if count == 0 {
          usleep(50)
          continue
        }
        memory.withChannel(at: data + place, count: count) { part in
          part.copyBytes(from: bytes[done..<done + count])
        }
        done += count
        heads[head] = written + UInt64(count)
        memory.store(written + UInt64(count), head)
      }
    }

    func output(_ bytes: [UInt8]) {
      write(
        bytes, head: ChannelLayout.outputHeadOffset, tail: ChannelLayout.outputTailOffset,
        data: ChannelLayout.outputOffset, capacity: ChannelLayout.outputBytes)
    }

    func error(_ bytes: [UInt8]) {
      write(
        bytes, head: ChannelLayout.errorHeadOffset, tail: ChannelLayout.errorTailOffset,
        data: ChannelLayout.errorOffset, capacity: ChannelLayout.errorBytes)
    }

    func record(_ event: MemoryEvent) {
      let head = heads[ChannelLayout.eventHeadOffset, default: 0]
      while head - memory.load(ChannelLayout.eventTailOffset) == ChannelLayout.eventCount {
        usleep(50)
      }
      memory.withChannel(
        at: ChannelLayout.eventOffset + Int(head) % ChannelLayout.eventCount * 32, count: 32
      ) { $0.storeBytes(of: event, as: MemoryEvent.self) }
      heads[ChannelLayout.eventHeadOffset] = head + 1
      memory.store(head + 1, ChannelLayout.eventHeadOffset)
    }

    /// Reads as many bytes as asked for, or all up to the end.
    func input(_ count: Int) -> [UInt8] {
      let tail = heads[ChannelLayout.inputTailOffset, default: 0]
      memory.store(tail + UInt64(count), ChannelLayout.inputWantedOffset)
      while memory.load(ChannelLayout.inputHeadOffset) < tail + UInt64(count),
        memory.load(ChannelLayout.inputEndedOffset) == 0
      { usleep(50) }
      let available = min(Int(memory.load(ChannelLayout.inputHeadOffset) - tail), count)
      var bytes: [UInt8] = []
      for index in 0..<available {
        let place = (Int(tail) + index) % ChannelLayout.inputBytes
        bytes.append(
          memory.withChannel(at: ChannelLayout.inputOffset + place, count: 1) { $0[0] })
      }
      heads[ChannelLayout.inputTailOffset] = tail + UInt64(available)
      memory.store(tail + UInt64(available), ChannelLayout.inputTailOffset)
      return bytes
    }

    func stop(_ state: ExitState, value: UInt64 = 0) {
      memory.store(value, ChannelLayout.exitValueOffset)
      memory.store(state.rawValue, ChannelLayout.exitStateOffset)
    }
  }

  private let memory: GuestMemory
  private let log: EventLog

  init() throws {
    memory = try GuestMemory(ByteCount(4 << 20))
    log = try EventLog(frameCount: 1024, binary: nil, lines: nil)
  }

  private func content(of file: Int32) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let part = try HostFile.bytes(of: file, at: UInt64(bytes.count), count: 1 << 20)
      if part.isEmpty { return bytes }
      bytes += part
    }
  }

  private func pattern(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SeededGenerator(seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
  }

  private func play(_ part: @escaping @Sendable (Guest) -> Void) {
    let guest = Guest(memory)
    Thread.detachNewThread { part(guest) }
  }

  @Test func `both streams arrive whole though they are larger than their rings`() throws {
    let (output, error) = (make_memory_file("output", 0), make_memory_file("error", 0))
    defer {
      close(output)
      close(error)
    }
    let (long, short) = (pattern(64 * 54_321, seed: 1), pattern(64 * 11_003, seed: 2))
    let channel = GuestChannel(memory, log: log, input: -1, output: output, error: error)
    play { guest in
      for step in 0..<64 {
        guest.output(Array(long[step * 54_321..<(step + 1) * 54_321]))
        guest.error(Array(short[step * 11_003..<(step + 1) * 11_003]))
      }
      guest.stop(.exited, value: 3)
    }
    #expect(try channel.serve { nil } == .stopped(.exited))
    #expect(try content(of: output) == long)
    #expect(try content(of: error) == short)
    #expect(memory.load(ChannelLayout.outputTailOffset) == UInt64(long.count))
  }

  @Test func `two streams that end in one file keep the program's order`() throws {
    let both = make_memory_file("both", 0)
    defer { close(both) }
    let channel = GuestChannel(memory, log: log, input: -1, output: both, error: both)
    play { guest in
      for index in 0..<5000 {
        let line = Array("line \(index)\n".utf8)
        if index % 3 == 0 { guest.error(line) } else { guest.output(line) }
        guest.record(
          MemoryEvent(
            .streamTransferred, detail: index % 3 == 0 ? 2 : 1, value: UInt64(line.count)))
      }
      guest.stop(.exited)
    }
    #expect(try channel.serve { nil } == .stopped(.exited))
    let expected = (0..<5000).map { "line \($0)\n" }.joined()
    #expect(try content(of: both) == Array(expected.utf8))
  }

  @Test func `every record arrives once and in order though the ring is smaller`() throws {
    let channel = GuestChannel(memory, log: log, input: -1, output: -1, error: -1)
    let count = ChannelLayout.eventCount * 2 + 17
    play { guest in
      for index in 0..<count {
        guest.record(MemoryEvent(.faultReuse, value: UInt64(index), time: UInt64(index)))
      }
      guest.stop(.signalled, value: 11)
    }
    #expect(try channel.serve { nil } == .stopped(.signalled))
    let expected = ContentDigest()
    for index in 0..<count {
      withUnsafeBytes(of: MemoryEvent(.faultReuse, value: UInt64(index), time: UInt64(index))) {
        expected.add($0)
      }
    }
    #expect(try log.finish() == expected.finish())
    #expect(log.statistics.recordCount == UInt64(count))
  }

  @Test func `input is read no further than the guest asks`() throws {
    let bytes = pattern(3_000_000, seed: 3)
    let input = make_memory_file("input", 0)
    defer { close(input) }
    try bytes.withUnsafeBytes { try writeAll($0, to: input) }
    lseek(input, 0, SEEK_SET)
    let result = make_memory_file("result", 0)
    defer { close(result) }
    let channel = GuestChannel(memory, log: log, input: input, output: result, error: -1)
    play { guest in
      for _ in 0..<20 { guest.output(guest.input(65_536)) }
      guest.stop(.exited)
    }
    #expect(try channel.serve { nil } == .stopped(.exited))
    #expect(lseek(input, 0, SEEK_CUR) == 20 * 65_536)
    #expect(try content(of: result) == Array(bytes[..<(20 * 65_536)]))
  }

  @Test func `a slow pipe gives a read all that it asks for, and then its end`() throws {
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    let (from, to) = (ends[0], ends[1])
    defer { close(from) }
    let bytes = pattern(100_000, seed: 4)
    Thread.detachNewThread {
      for start in stride(from: 0, to: bytes.count, by: 7001) {
        Array(bytes[start..<min(start + 7001, bytes.count)]).withUnsafeBytes {
          _ = write(to, $0.baseAddress!, $0.count)
        }
        usleep(200)
      }
      close(to)
    }
    let result = make_memory_file("result", 0)
    defer { close(result) }
    let channel = GuestChannel(memory, log: log, input: from, output: result, error: -1)
    play { guest in
      var sizes: [Int] = []
      while true {
        let part = guest.input(30_000)
        sizes.append(part.count)
        if part.isEmpty { break }
        guest.output(part)
      }
      guest.stop(sizes == [30_000, 30_000, 30_000, 10_000, 0] ? .exited : .kernelFailed)
    }
    #expect(try channel.serve { nil } == .stopped(.exited))
    #expect(try content(of: result) == bytes)
  }

  @Test func `a reader that goes away closes the stream and nothing else`() throws {
    signal(SIGPIPE, SIG_IGN)
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    close(ends[0])
    let to = ends[1]
    defer { close(to) }
    let channel = GuestChannel(memory, log: log, input: -1, output: to, error: -1)
    play { guest in
      guest.output([1, 2, 3])
      while guest.memory.load(ChannelLayout.closedStreamsOffset) == 0 { usleep(50) }
      guest.output([UInt8](repeating: 9, count: 3 << 20))
      guest.stop(.exited, value: guest.memory.load(ChannelLayout.closedStreamsOffset))
    }
    #expect(try channel.serve { nil } == .stopped(.exited))
    #expect(memory.load(ChannelLayout.exitValueOffset) == 2)
  }

  @Test func `an emulator that ends without a word is noticed`() throws {
    let channel = GuestChannel(memory, log: log, input: -1, output: -1, error: -1)
    #expect(try channel.serve { 1 } == .emulatorEnded(1))
  }

  @Test func `an emulator that ends after the kernel's last word changes nothing`() throws {
    let channel = GuestChannel(memory, log: log, input: -1, output: -1, error: -1)
    let memory = memory
    let end = try channel.serve {
      memory.store(7, ChannelLayout.exitValueOffset)
      memory.store(ExitState.exited.rawValue, ChannelLayout.exitStateOffset)
      return 33
    }
    #expect(end == .stopped(.exited))
  }

  @Test func `a counter that cannot be right is a failure and no trap`() throws {
    let channel = GuestChannel(memory, log: log, input: -1, output: -1, error: -1)
    memory.store(.max, ChannelLayout.eventHeadOffset)
    #expect(throws: ToolFailure.self) { try channel.serve { nil } }
  }

  @Test func `the mailbox is prepared before its magic number`() throws {
    let channel = GuestChannel(memory, log: log, input: -1, output: -1, error: -1)
    var block = ArgumentBlock()
    block.add(.program, "/bin/x")
    channel.prepare(
      arguments: try block.finished(), terminals: 2, seed: 5, diskBytes: [4096, 8192])
    #expect(memory.load(ChannelLayout.magicOffset) == ChannelLayout.magic)
    #expect(memory.load(ChannelLayout.memoryBytesOffset) == 4 << 20)
    #expect(memory.load(ChannelLayout.argumentBytesOffset) == 9)
    #expect(memory.load(ChannelLayout.diskBytesOffset) == 4096)
    #expect(memory.load(ChannelLayout.diskBytesOffset + 8) == 8192)
    let bytes = memory.withChannel(at: ChannelLayout.argumentsOffset, count: 9) { Array($0) }
    #expect(bytes == [1] + Array("/bin/x".utf8) + [0, 0])
    #expect(memory.number(at: UInt64(4 << 20), bytes: 8) == ChannelLayout.magic)
    #expect(memory.number(at: .max, bytes: 8) == nil)
  }
}
