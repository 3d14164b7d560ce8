// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import MemoryUnits
import PageFrames
import Testing

@testable import FileSystems

/// What files keep of programs' bytes in the kernel's heap, by size class.
@Suite struct HeapBytesTests {
  /// The blocks of bytes in use, by their class.
  private func blocks(_ test: TestFiles) -> [String: Int] {
    let heap = test.environment.heap
    var found: [String: Int] = [:]
    for index in 0..<heap.cacheCount {
      guard let cache = heap.statistics(index) else { continue }
      let name = String(describing: cache.name)
      if name.hasPrefix("kmalloc-"), cache.liveObjectCount > 0 {
        found[name] = cache.liveObjectCount
      }
    }
    return found
  }

  @Test func `a message takes the class of its size until it is read`() throws {
    try TestFiles.run { test in
      let before = blocks(test)
      let ends = try test.files.makeSocketPair(.datagram, flags: .nonBlocking)
      for _ in 0..<40 { #expect(try test.write(ends.0, [UInt8](repeating: 7, count: 200)) == 200) }
      #expect(try test.write(ends.0, [UInt8](repeating: 8, count: 5000)) == 5000)
      #expect(blocks(test)["kmalloc-224", default: 0] == before["kmalloc-224", default: 0] + 40)
      #expect(blocks(test).values.reduce(0, +) == before.values.reduce(0, +) + 41)
      for _ in 0..<30 { #expect(try test.read(ends.1, 999).count == 200) }
      #expect(blocks(test)["kmalloc-224", default: 0] == before["kmalloc-224", default: 0] + 10)
      // Who goes takes with it what nobody read.
      test.files.release(ends.1)
      #expect(blocks(test) == before)
      test.files.release(ends.0)
    }
  }

  /// One in so many allocations fails: the sender is told, and nothing stays behind.
  @Test(arguments: [UInt32(2), 3, 5]) func `a message for which there is no memory is not sent`(
    interval: UInt32
  ) throws {
    var options = HeapOptions()
    options.failures = FailureInjection(interval: interval, space: 400)
    try TestFiles.run(heapOptions: options) { test in
      let before = blocks(test)
      let ends = try test.files.makeSocketPair(.sequence, flags: .nonBlocking)
      var random = SplitMix(state: 3)
      var model: [[UInt8]] = []
      var refusedCount = 0
      for _ in 0..<800 {
        let bytes = random.bytes(Int(random.next() % 3000) + 1)
        do throws(Errno) {
          _ = try test.write(ends.0, bytes)
          model.append(bytes)
        } catch {
          if error == .ENOBUFS { refusedCount += 1 }
          #expect(error == .ENOBUFS || error == .EAGAIN)
        }
        if model.count > 20 { #expect(try test.read(ends.1, 4000) == model.removeFirst()) }
      }
      #expect(refusedCount > 50)
      for message in model { #expect(try test.read(ends.1, 4000) == message) }
      test.files.release(ends.0)
      test.files.release(ends.1)
      #expect(blocks(test) == before)
      test.environment.heap.checkInvariants()
    }
  }

  private func name(_ number: Int) -> String {
    String(repeating: "n", count: 40 + number % 200) + String(number)
  }

  private func text(_ number: Int) -> String { String(repeating: "t", count: 1 + number % 200) }

  private func makeLink(
    _ number: Int, _ test: TestFiles, _ root: Reference<Inode>
  ) throws(Errno) {
    try withBlock([UInt8](text(number).utf8)) { (text) throws(Errno) in
      try test.files.withPath(copying: text) { (text) throws(Errno) in
        try withBlock([UInt8](name(number).utf8)) { (name) throws(Errno) in
          try test.files.withPath(copying: name) { (name) throws(Errno) in
            try test.files.makeLink(to: text, at: name, from: root, as: .administrator)
          }
        }
      }
    }
  }

  private func with<Result>(
    _ number: Int, _ test: TestFiles, _ body: (PathText) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try withBlock([UInt8](name(number).utf8)) { (name) throws(Errno) in
      try test.files.withPath(copying: name, body)
    }
  }

  @Test(arguments: [UInt32(0), 2, 3, 7]) func `long names and texts of links are kept, or refused`(
    interval: UInt32
  ) throws {
    var options = HeapOptions()
    options.failures = FailureInjection(interval: interval, space: 400)
    try TestFiles.run(heapOptions: options) { test in
      let root = try test.files.makeMemoryVolume(.temporary, permissions: 0o777)
      test.files.state.value.mounts[Int(MountPlace.temporary.rawValue)].root = Link(root)
      let before = blocks(test)
      var made: [Int] = []
      for number in 0..<300 {
        do throws(Errno) {
          try makeLink(number, test, root)
          made.append(number)
        } catch {
          #expect(error == .ENOMEM && interval > 0)
        }
      }
      #expect(interval == 0 ? made.count == 300 : made.count < 280)
      // A block for each name, one for each text below 128 bytes with its end.
      let texts = made.count { text($0).utf8.count < 128 }
      let used = blocks(test).values.reduce(0, +) - before.values.reduce(0, +)
      #expect(used == made.count + texts)
      for number in made {
        let link = try with(number, test) { (path) throws(Errno) in
          try test.files.find(path, from: root, lastLink: .kept)
        }
        var bytes = [UInt8](repeating: 0, count: 300)
        let count = try withBlock(over: &bytes) { (block) throws(Errno) in
          try test.files.readLink(link, to: .kernel(block, at: 0), byteCount: 300)
        }
        #expect(String(decoding: bytes[..<count], as: UTF8.self) == text(number))
        test.files.release(link)
        try with(number, test) { (path) throws(Errno) in
          try test.files.remove(path, from: root, as: .administrator)
        }
      }
      #expect(blocks(test) == before)
      test.environment.heap.checkInvariants()
    }
  }
}
