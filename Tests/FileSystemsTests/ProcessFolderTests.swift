// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Foundation
import KernelHeap
import LinuxABI
import MemoryUnits
import PageTableFormats
import Testing

@testable import FileSystems

/// /proc and /dev.
@Suite struct ProcessFolderTests {
  static func run(_ body: (TestFiles) throws -> Void) throws {
    let image = try DiskImage()
    try image.makeFolder("usr/bin")
    try image.write("usr/bin/program", [UInt8](repeating: 1, count: 20_000))
    try TestFiles.run(disk: try image.pack(mebibytes: 4)) { test in
      try test.files.mountRoot()
      test.host.processes = [1, 2, 30]
      try body(test)
    }
  }

  @Test func `folders list what can be found in them`() throws {
    try Self.run { test in
      test.host.descriptors = [0: try test.files.openStandardStream(0).raw]
      #expect(try test.entries("/proc").map(\.name).contains("30"))
      for folder in ["/dev", "/proc", "/proc/2", "/proc/self/fd", "/proc/sys/kernel"] {
        let entries = try test.entries(folder)
        #expect(entries.count > 2)
        for entry in entries where entry.name != "." && entry.name != ".." {
          let inode = try test.find(folder + "/" + entry.name)
          let status = try test.files.status(of: inode)
          #expect(UInt8(status.mode >> 12) == entry.kind)
          // As on Linux, a folder tells the number of what another one is mounted on.
          if entry.name != "shm" { #expect(status.inodeNumber == entry.inode) }
          if !folder.contains("self") {
            #expect(try test.path(of: inode) == folder + "/" + entry.name)
          }
          test.files.release(inode)
        }
      }
      #expect(try test.entries("/proc", room: 64).map(\.name) == test.entries("/proc").map(\.name))
      #expect(try test.linkText("/proc/self") == "2")
      #expect(try test.linkText("/proc/self/fd/0") == "pipe:[0]")
      #expect(throws: Errno.ENOENT) { _ = try test.find("/proc/31") }
      #expect(throws: Errno.ENOENT) { _ = try test.find("/proc/02") }
      #expect(throws: Errno.ENOENT) { _ = try test.find("/proc/self/fd/9") }
    }
  }

  @Test func `the devices do what they are for`() throws {
    try Self.run { test in
      #expect(try test.read(try test.open("/dev/zero"), 5000) == [UInt8](repeating: 0, count: 5000))
      #expect(try test.read(try test.open("/dev/null"), 10) == [])
      #expect(try test.write(try test.open("/dev/null", .readWrite), [1, 2]) == 2)
      #expect(throws: Errno.ENOSPC) {
        _ = try test.write(try test.open("/dev/full", .writeOnly), [1])
      }
      let noise = try test.read(try test.open("/dev/urandom"), 5000)
      #expect(Set(noise).count > 200)
      #expect(throws: Errno.ENXIO) { _ = try test.open("/dev/tty") }
      test.host.descriptors = [1: try test.files.openStandardStream(1).raw]
      let output = try test.open("/dev/stdout", .writeOnly)
      #expect(try test.write(output, [1, 2, 3]) == 3)
      test.host.serve(test.environment.machine.channel)
      #expect(test.host.output == [1, 2, 3])
    }
  }

  @Test func `meminfo has Linux's lines, and they add up`() throws {
    try Self.run { test in
      let text = try test.text("/proc/meminfo")
      let lines = text.split(separator: "\n")
      var values: [Substring: Int] = [:]
      for line in lines {
        let parts = line.split(separator: ":", maxSplits: 1)
        values[parts[0]] = Int(parts[1].dropLast(3).trimmingCharacters(in: .whitespaces))
        #expect(line.hasSuffix(" kB"))
        #expect(line.utf8.count == (line.hasPrefix("VmallocTotal") ? 28 : 27))
      }
      #expect(lines[0].hasPrefix("MemTotal:"))
      let frames = test.environment.frames
      #expect(values["MemTotal"] == frames.managedPageCount.value * 4)
      #expect(values["Slab"]! > 0)
      #expect(values["PageTables"]! > 0)
      #expect(values["VmallocUsed"] == test.environment.mappings.areas.memoryPageCount.value * 4)
      let direct = values["DirectMap4k"]! + values["DirectMap2M"]!
      #expect(direct << 10 == Int(test.environment.frames.table.count) << 12)
      #expect(values["MemAvailable"]! <= values["MemTotal"]!)
      #expect(values["Active"]! == values["Active(anon)"]! + values["Active(file)"]!)
      #expect(values["Cached"]! + values["Buffers"]! > 0)
    }
  }

  @Test func `a page that becomes read-only moves meminfo's lines of the direct map`() throws {
    try Self.run { test in
      func values() throws -> [Int] {
        try test.text("/proc/meminfo").split(separator: "\n")
          .filter { $0.hasPrefix("DirectMap") }
          .compactMap { Int($0.split(separator: " ")[1]) }
      }
      let before = try values()
      let frame = PageFrameNumber(0x280)
      let mappings = test.environment.mappings
      try mappings.protectDirectMap(from: frame, PageCount(1), .read)
      #expect(try values() == [before[0] + 2048, before[1] - 2048])
      try mappings.protectDirectMap(from: frame, PageCount(1), .readWrite)
      #expect(try values() == before)
    }
  }

  @Test func `maps of a thousand areas are laid out as on Linux`() throws {
    try Self.run { test in
      let space = try test.spaces.makeSpace()
      test.host.spaceOfProcess = space.raw
      let inode = try test.find("/usr/bin/program")
      let file = try #require(test.environment.heap[inode].file.reference)
      _ = try test.spaces.map(
        space,
        MapRequest(
          .fixed(VirtualAddress(0x40_0000)), byteCount: ByteCount(8192),
          protection: [.read, .execute], source: .file(file, pageIndex: 1)))
      for index in 0..<1000 {
        _ = try test.spaces.map(
          space,
          MapRequest(
            .fixed(VirtualAddress(0x7F00_0000_0000 + UInt64(index) * 8192)),
            byteCount: ByteCount(4096), protection: [.read, .write]))
      }
      let lines = try test.text("/proc/self/maps").split(separator: "\n")
      #expect(lines.count == 1001)
      let number = try test.files.status(of: inode).inodeNumber
      let head = "00400000-00402000 r-xp 00001000 fe:00 \(number) "
      #expect(
        lines[0] == head.padding(toLength: 73, withPad: " ", startingAt: 0) + "/usr/bin/program")
      #expect(lines[1] == "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ")
      let status = try test.text("/proc/self/status")
      #expect(status.hasPrefix("Name:\ta\nUmask:\t0022\nState:\tR (running)\nTgid:\t2\n"))
      #expect(status.contains("\nVmSize:\t    4008 kB\n"))
      #expect(status.contains("\nVmData:\t    4000 kB\n"))
      #expect(try test.text("/proc/self/statm").hasPrefix("1002 0 0 "))
      #expect(try test.text("/proc/self/stat").hasPrefix("2 (a) R 0 0 0 0 -1 0 "))
      #expect(try test.text("/proc/self/stat").split(separator: " ").count == 52)
      // A file that areas map is not let go of, however few inodes shall stay.
      test.files.release(inode)
      _ = test.files.shrinkInodes(to: 0)
      #expect(try test.text("/proc/self/maps").contains("/usr/bin/program"))
      test.spaces.clear(space)
    }
  }

  @Test func `texts read the same in any pieces`() throws {
    try Self.run { test in
      for path in ["/proc/cpuinfo", "/proc/version", "/proc/self/mounts", "/proc/filesystems"] {
        let whole = try test.text(path)
        #expect(whole.hasSuffix("\n"))
        #expect(try test.contents(path, pieces: 7) == [UInt8](whole.utf8))
      }
      #expect(throws: Errno.EACCES) {
        _ = try test.open(
          "/proc/version", .readWrite, as: Credentials(user: 1000, group: 1000))
      }
      #expect(throws: Errno.ESRCH) {
        let inode = try test.find("/proc/30/stat")
        defer { test.files.release(inode) }
        test.host.processes = [1, 2]
        _ = try test.files.open(inode, flags: OpenFlags(rawValue: 0))
      }
    }
  }
}
