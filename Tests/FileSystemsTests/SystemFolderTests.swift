// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import MemoryUnits
import PageFrames
import Testing

@testable import FileSystems

/// /sys: its tree, and that what it counts changes with what there is.
@Suite struct SystemFolderTests {
  private func run(_ body: (TestFiles) throws -> Void) throws { try ProcessFolderTests.run(body) }

  /// Every folder below one, that one first.
  private func folders(_ test: TestFiles, _ path: String) throws(Errno) -> [String] {
    var found = [path]
    for entry in try test.entries(path) where entry.kind == 4 && !entry.name.hasPrefix(".") {
      found += try folders(test, path + "/" + entry.name)
    }
    return found
  }

  @Test func `folders list what can be found in them, and every file can be read`() throws {
    try run { test in
      let folders = try folders(test, "/sys")
      #expect(folders.count == 20)
      for folder in folders {
        for entry in try test.entries(folder) where entry.name != "." && entry.name != ".." {
          let path = folder + "/" + entry.name
          let inode = try test.find(path)
          let status = try test.files.status(of: inode)
          #expect(UInt8(status.mode >> 12) == entry.kind)
          #expect(status.inodeNumber == entry.inode)
          #expect(try test.path(of: inode) == path)
          test.files.release(inode)
          if entry.kind == 8 { #expect(try test.text(path).hasSuffix("\n")) }
        }
        #expect(try test.entries(folder, room: 64).map(\.name) == test.entries(folder).map(\.name))
      }
      let above = try test.find("/sys/devices/system/cpu/cpu0/cache/index2/..")
      #expect(try test.path(of: above) == "/sys/devices/system/cpu/cpu0/cache")
      test.files.release(above)
    }
  }

  @Test func `nothing of it can be written, removed or made`() throws {
    try run { test in
      #expect(throws: Errno.EACCES) {
        _ = try test.open("/sys/kernel/mm/transparent_hugepage/enabled", .writeOnly)
      }
      #expect(throws: Errno.ENOENT) { _ = try test.find("/sys/block/vdb") }
      #expect(throws: Errno.ENOENT) { _ = try test.find("/sys/devices/system/cpu/cpu1") }
    }
  }

  @Test func `frames that are taken leave the node's meminfo and vmstat`() throws {
    try run { test in
      func value(_ name: String) throws(Errno) -> Int {
        let lines = try test.text("/sys/devices/system/node/node0/meminfo").split(separator: "\n")
        let line = lines.first { $0.hasPrefix("Node 0 \(name):") } ?? ""
        return Int(line.split(separator: " ").dropFirst(3).first ?? "") ?? -1
      }
      let before = try (value("MemFree"), value("MemUsed"), value("Slab"))
      let block = try test.environment.frames.allocate(
        FrameRequest(order: Order(8), kind: .slab))
      #expect((1024...1280).contains(before.0 - (try value("MemFree"))))
      #expect((1024...1280).contains(try value("MemUsed") - before.1))
      #expect(try value("Slab") - before.2 == 1024)
      let free = test.environment.frames.freePageCount.value
      let shown = try test.text("/sys/devices/system/node/node0/vmstat")
      let word = shown.split(separator: "\n")[0].split(separator: " ")[1]
      #expect(abs(free - (Int(word) ?? 0)) < 8)
      test.environment.frames.freeSlab(block)
    }
  }

  @Test func `a read of the disk is counted for that disk`() throws {
    try run { test in
      func counts(_ path: String) throws(Errno) -> [Int] {
        try test.text(path).split(whereSeparator: { " \n".contains($0) }).compactMap { Int($0) }
      }
      #expect(try counts("/sys/block/vda/size") == [4 << 11])
      let before = try counts("/sys/block/vda/stat")
      #expect(before.count == 17)
      let file = try test.open("/usr/bin/program")
      _ = try test.read(file, 20_000)
      let after = try counts("/sys/block/vda/stat")
      #expect(after[0] > before[0] && after[2] >= before[2] + 40)
      let shown = try test.text("/proc/diskstats")
      #expect(shown.hasPrefix(" 254       0 vda \(after[0]) 0 \(after[2])"))
      #expect(try test.text("/proc/partitions").hasSuffix(" 254        0       4096 vda\n"))
      #expect(try test.text("/proc/mounts").contains("sysfs /sys sysfs rw,"))
    }
  }
}
