// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import MemoryUnits
import Testing

@testable import FileSystems

/// A disk that cannot be written: whoever has a file open is told once.
@Suite struct WriteErrorTests {
  @Test func `each who looks is told once, and of an untold error also who looks later`() {
    var errors = WriteErrors()
    var marks = [WriteErrorMark](repeating: errors.start, count: 1)
    func told() -> [Bool] { marks.indices.map { errors.take(since: &marks[$0]) } }
    #expect(told() == [false] && !errors.isUntold)
    errors.note()
    errors.note()
    marks.append(errors.start)
    #expect(errors.isUntold)
    #expect(told() == [true, true])
    marks.append(errors.start)
    #expect(told() == [false, false, false] && !errors.isUntold)
    errors.note()
    #expect(told() == [true, true, true])
    #expect(told() == [false, false, false])
  }

  private func run(_ body: (TestFiles) throws -> Void) throws {
    _ = try TestFiles.runScratch(try ScratchDisk.make(mebibytes: 4)) { test in
      try body(test)
      test.host.stuckSectors = 0..<0
    }
  }

  private func isRefused(_ body: () throws(Errno) -> Void) -> Bool {
    do throws(Errno) {
      try body()
      return false
    } catch {
      return error == .EIO
    }
  }

  @Test func `fsync tells every open file of the failure, and each once`() throws {
    try run { test in
      try test.create("a", [UInt8](repeating: 1, count: 8192))
      try test.create("b", [1])
      try test.synchronize("a")
      let files = try (0..<2).map { _ in try test.open(test.name("a"), .readWrite) }
      let other = try test.open(test.name("b"), .readWrite)
      try test.writeAt("a", 0, [2])
      test.host.stuckSectors = 0..<UInt64.max
      #expect(isRefused { () throws(Errno) in try test.files.synchronize(files[0]) })
      test.host.stuckSectors = 0..<0
      try test.files.synchronize(files[0])
      #expect(isRefused { () throws(Errno) in try test.files.synchronize(files[1]) })
      try test.files.synchronize(files[1], .data)
      let late = try test.open(test.name("a"), .readWrite)
      try test.files.synchronize(late)
      // What leads to other files may have been among what failed.
      _ = isRefused { () throws(Errno) in try test.files.synchronize(other) }
      try test.files.synchronize(other)
      // Of the disk as a whole nobody was told before `late` was opened.
      for file in files + [late] {
        #expect(isRefused { () throws(Errno) in try test.files.synchronizeVolume(of: file) })
        try test.files.synchronizeVolume(of: file)
      }
      let last = try test.open(test.name("a"), .readWrite)
      try test.files.synchronizeVolume(of: last)
      test.files.release(last)
      #expect(try test.contents(test.name("a"))[0] == 2)
      for file in files + [other, late] { test.files.release(file) }
    }
  }

  @Test func `a failure behind everybody's back is told to who opens the file next`() throws {
    try run { test in
      try test.create("a", [UInt8](repeating: 1, count: 8192))
      test.host.stuckSectors = 0..<UInt64.max
      try test.files.synchronizeAll(.scratch)
      test.host.stuckSectors = 0..<0
      #expect(isRefused { () throws(Errno) in try test.synchronize("a") })
      try test.synchronize("a")
    }
  }

  @Test func `a write that waits for the disk fails with it`() throws {
    try run { test in
      let flags = OpenFlags.create.union(.readWrite).union(.synchronous)
      let file = try test.open(test.name("a"), flags)
      #expect(try test.write(file, [1]) == 1)
      test.host.stuckSectors = 0..<UInt64.max
      #expect(throws: Errno.EIO) { _ = try test.write(file, [2]) }
      test.host.stuckSectors = 0..<0
      #expect(try test.write(file, [3]) == 1)
      test.files.release(file)
    }
  }
}
