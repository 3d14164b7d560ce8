// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import MemoryUnits
import PageTableFormats
import Testing

@testable import FileSystems

/// The standard streams against a host at the channel's other end.
@Suite struct StandardStreamTests {
  @Test func `output arrives whole, in windows that only the count of bytes decides`() throws {
    var windows: [Int] = []
    for _ in 0..<2 {
      try TestFiles.run { test in
        var random = SplitMix(state: 4)
        let output = try test.files.openStandardStream(1)
        let error = try test.files.openStandardStream(2)
        var expected: [UInt8] = []
        for _ in 0..<200 {
          let bytes = random.bytes(Int(random.next() % 40_000))
          #expect(try test.write(output, bytes) == bytes.count)
          expected += bytes
        }
        _ = try test.write(error, [1, 2, 3])
        test.host.serve(test.environment.machine.channel)
        #expect(test.host.output == expected)
        #expect(test.host.error == [1, 2, 3])
        windows.append(test.host.windowCount)
        #expect(throws: Errno.EBADF) { _ = try test.read(output, 1) }
      }
    }
    #expect(windows[0] == windows[1])
    #expect(windows[0] < 10)
  }

  @Test func `a write to a stream that nobody reads is EPIPE`() throws {
    try TestFiles.run { test in
      let output = try test.files.openStandardStream(1)
      #expect(try test.write(output, [1]) == 1)
      test.host.closedStreams = 2
      test.environment.machine.advance(to: VirtualTime(nanoseconds: 1_000_000_000))
      #expect(throws: Errno.EPIPE) { _ = try test.write(output, [1]) }
      let error = try test.files.openStandardStream(2)
      #expect(try test.write(error, [1]) == 1)
    }
  }

  @Test func `input comes as asked for, up to its end`() throws {
    try TestFiles.run { test in
      var random = SplitMix(state: 8)
      test.host.input = random.bytes(3_000_000)
      let input = try test.files.openStandardStream(0)
      var received: [UInt8] = []
      while true {
        let count = 1 + Int(random.next() % 100_000)
        let piece = try test.read(input, count)
        received += piece
        if piece.isEmpty { break }
        let rest = test.host.input.count - received.count
        #expect(piece.count == min(count, 65536) || rest == 0)
      }
      #expect(received == test.host.input)
    }
  }

  @Test func `program memory is copied to and from, and wild addresses are refused`() throws {
    try TestFiles.run { test in
      let space = try test.spaces.makeSpace()
      let base = VirtualAddress(0x10_0000)
      _ = try test.spaces.map(
        space,
        MapRequest(.fixed(base), byteCount: ByteCount(64 * 4096), protection: [.read, .write]))
      var random = SplitMix(state: 2)
      test.host.input = random.bytes(200_000)
      let input = try test.files.openStandardStream(0)
      let output = try test.files.openStandardStream(1)
      let place = VirtualAddress(base.value + 123)
      #expect(
        try test.files.read(input, to: .program(place, in: space), byteCount: 65536) == 65536)
      #expect(
        try test.files.write(output, from: .program(place, in: space), byteCount: 65536) == 65536)
      test.host.serve(test.environment.machine.channel)
      #expect(test.host.output == Array(test.host.input[..<65536]))
      for address in [0, 0x8000_0000_0000, 0xFFFF_8880_0000_0000, UInt64.max] {
        let wild = TransferMemory.program(VirtualAddress(address), in: space)
        #expect(throws: Errno.EFAULT) {
          _ = try test.files.read(input, to: wild, byteCount: 10)
        }
        #expect(throws: Errno.EFAULT) {
          _ = try test.files.write(output, from: wild, byteCount: 10)
        }
      }
      // The last page of the area and one that is not there: what could be read is written.
      let end = VirtualAddress(base.value + 64 * 4096 - 100)
      #expect(
        try test.files.write(output, from: .program(end, in: space), byteCount: 4096) == 100)
    }
  }

  @Test func `a terminal gives what was typed`() throws {
    try TestFiles.run(terminals: 1) { test in
      test.host.input = [0x61, 0x62, 0x7F, 0x0A]
      test.host.whileAsleep = { test.files.takeHostInput() }
      let input = try test.files.openStandardStream(0)
      #expect(test.files.isTerminal(input))
      #expect(try test.read(input, 4096) == [0x61, 0x0A])
    }
  }
}
