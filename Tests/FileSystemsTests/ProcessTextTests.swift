// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Foundation
import KernelHeap
import LinuxABI
import MemoryUnits
import PageFrames
import PageTableFormats
import Testing

@testable import FileSystems

/// The texts of /proc: their form, and that what they count changes with what there is.
@Suite struct ProcessTextTests {
  private func run(_ body: (TestFiles) throws -> Void) throws { try ProcessFolderTests.run(body) }

  /// The numbers of lines such as `name 12` or `name:  12 kB`.
  private func values(_ test: TestFiles, _ path: String) throws(Errno) -> [String: Int] {
    var values: [String: Int] = [:]
    for line in try test.text(path).split(separator: "\n") {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      if words.count >= 2, let value = Int(words[1]) {
        values[String(words[0]).replacingOccurrences(of: ":", with: "")] = value
      }
    }
    return values
  }

  @Test func `frames that are taken leave meminfo, vmstat, zoneinfo and buddyinfo`() throws {
    try run { test in
      let before = try values(test, "/proc/meminfo")
      let blocks = try test.text("/proc/buddyinfo")
      let frames = test.environment.frames
      let block = try frames.allocate(FrameRequest(order: Order(8), kind: .slab))
      let after = try values(test, "/proc/meminfo")
      // The texts' own pages come and go through a CPU's list, a few at a time.
      #expect((1024...1280).contains(before["MemFree"]! - after["MemFree"]!))
      #expect(after["Slab"]! - before["Slab"]! == 1024)
      #expect(after["SUnreclaim"]! + after["SReclaimable"]! == after["Slab"])
      #expect((1024...1280).contains(before["MemAvailable"]! - after["MemAvailable"]!))
      #expect(try test.text("/proc/buddyinfo") != blocks)
      let statistics = try values(test, "/proc/vmstat")
      #expect(statistics["nr_free_pages"]! * 4 == after["MemFree"])
      #expect(statistics["nr_slab_unreclaimable"]! * 4 == after["SUnreclaim"])
      let zone = try test.text("/proc/zoneinfo")
      #expect(zone.contains("  pages free     \(statistics["nr_free_pages"]!)\n"))
      frames.freeSlab(block)
      #expect(try values(test, "/proc/meminfo")["MemFree"]! > after["MemFree"]!)
    }
  }

  @Test func `buddyinfo and pagetypeinfo add up to the free pages`() throws {
    try run { test in
      let lines = try test.text("/proc/buddyinfo").split(separator: "\n")
      #expect(lines[0].hasPrefix("Node 0, zone      DMA "))
      let counts = lines[0].split(separator: " ").suffix(11).compactMap { Int($0) }
      let free = counts.enumerated().reduce(0) { $0 + $1.element << $1.offset }
      #expect(free == test.environment.frames.freePageCount(of: .dma).value)
      let types = try test.text("/proc/pagetypeinfo")
      #expect(types.hasPrefix("Page block order: 9\nPages per block:  512\n\nFree pages count "))
      var sum = 0
      for line in types.split(separator: "\n") where line.contains("zone      DMA, type") {
        let numbers = line.split(separator: " ").suffix(11).compactMap { Int($0) }
        sum += numbers.enumerated().reduce(0) { $0 + $1.element << $1.offset }
      }
      #expect(sum == free)
    }
  }

  @Test func `vmallocinfo has a line for each area, and one for what waits for a flush`() throws {
    try run { test in
      let mappings = test.environment.mappings
      func lines() throws -> [String] {
        try test.text("/proc/vmallocinfo").split(separator: "\n").map(String.init)
      }
      let before = try lines().count
      let memory = try mappings.areas.allocate(ByteCount(3 * 4096), caller: "load()")
      let device = try mappings.areas.mapDevice(
        at: PhysicalAddress(0xFEB0_0000), ByteCount(4096), caller: "probe()")
      let all = try lines()
      #expect(all.count == before + 2)
      let first = String(memory.value, radix: 16)
      let end = String(memory.value + 4 * 4096, radix: 16)
      #expect(all.contains("0x\(first)-0x\(end)   16384 load() pages=3 vmalloc N0=3"))
      #expect(
        all.contains { $0.hasSuffix("    8192 probe() phys=0x00000000feb00000 ioremap") })
      try mappings.areas.free(memory)
      #expect(try lines().last == "0x\(first)-0x\(end)   16384 unpurged vm_area")
      try mappings.areas.unmapDevice(device)
      mappings.areas.purge()
      #expect(try lines().count == before)
    }
  }

  @Test func `slabinfo counts a new object`() throws {
    try run { test in
      func line() throws(Errno) -> [Substring] {
        let lines = try test.text("/proc/slabinfo").split(separator: "\n")
        #expect(lines[0] == "slabinfo - version: 2.1")
        return lines.first { $0.hasPrefix("mm_struct") }?.split(separator: " ") ?? []
      }
      #expect(try line() == [])
      let space = try test.spaces.makeSpace()
      let words = try line()
      #expect(words.count == 16 && words[0] == "mm_struct")
      #expect(Int(words[2])! == Int(words[4])! * Int(words[14])!)
      test.spaces.release(space)
    }
  }

  @Test func `smaps tells pages by kind, and its summary adds them up`() throws {
    try run { test in
      let space = try test.spaces.makeSpace()
      test.host.spaceOfProcess = space.raw
      let start = VirtualAddress(0x40_0000)
      _ = try test.spaces.map(
        space,
        MapRequest(.fixed(start), byteCount: ByteCount(65536), protection: [.read, .write]))
      try test.spaces.store(UInt64(1), at: start, in: space)
      _ = test.spaces.handleFault(in: space, at: start + ByteCount(4096), access: .read)
      let lines = try test.text("/proc/self/smaps").split(separator: "\n")
      #expect(lines.count == 25)
      #expect(lines[1] == "Size:                 64 kB")
      #expect(lines.contains("Rss:                   4 kB"))
      #expect(lines.contains("Private_Dirty:         4 kB"))
      #expect(lines.last == "VmFlags: rd wr mr mw me ac ")
      let child = try test.spaces.duplicate(space)
      let shared = try test.text("/proc/self/smaps_rollup")
      #expect(shared.contains("Pss:                   2 kB\n"))
      #expect(shared.contains("Pss_Anon:              2 kB\n"))
      #expect(shared.contains("Shared_Dirty:          4 kB\n"))
      test.spaces.clear(child)
      test.spaces.clear(space)
    }
  }

  @Test func `locked pages are counted in status, smaps, meminfo, vmstat and zoneinfo`() throws {
    try run { test in
      let space = try test.spaces.makeSpace()
      test.host.spaceOfProcess = space.raw
      let start = VirtualAddress(0x40_0000)
      _ = try test.spaces.map(
        space, MapRequest(.fixed(start), byteCount: ByteCount(65536), protection: .readWrite))
      let file = try test.spaces.makeFile(byteCount: 8192, owner: 0, backing: .memory)
      _ = try test.spaces.map(
        space,
        MapRequest(
          .fixed(start + ByteCount(65536)), byteCount: ByteCount(8192), protection: .readWrite,
          attributes: .shared, source: .file(file, pageIndex: 0)))
      let before = try values(test, "/proc/meminfo")
      let statistics = try values(test, "/proc/vmstat")
      try test.spaces.lock(space, from: start, byteCount: ByteCount(8192), .present)
      try test.spaces.lock(
        space, from: start + ByteCount(57344), byteCount: ByteCount(16384), .onFault)
      try test.spaces.store(UInt8(1), at: start + ByteCount(65536), in: space)
      let after = try values(test, "/proc/meminfo")
      #expect(try values(test, "/proc/self/status")["VmLck"] == 24)
      #expect(after["Mlocked"] == 12 && after["Unevictable"] == 12 && before["Mlocked"] == 0)
      #expect(after["AnonPages"]! - before["AnonPages"]! == 8)
      #expect(after["Active(anon)"] == before["Active(anon)"])
      #expect(after["Shmem"]! - before["Shmem"]! == 4)
      #expect(after["Inactive(anon)"] == before["Inactive(anon)"])
      let locked = try values(test, "/proc/vmstat")
      for name in ["nr_mlock", "nr_unevictable", "nr_zone_unevictable"] {
        #expect(locked[name] == 3)
      }
      for name in ["culled", "mlocked"] {
        let name = "unevictable_pgs_" + name
        #expect(locked[name]! - statistics[name]! == 3)
      }
      let zone = try test.text("/proc/zoneinfo")
      #expect(zone.contains("      nr_mlock     3\n"))
      let detail = try test.text("/proc/self/smaps")
      #expect(detail.contains("Locked:                8 kB\n"))
      #expect(detail.contains("VmFlags: rd wr mr mw me lo ac \n"))
      #expect(detail.contains("VmFlags: rd wr mr mw me lo lf ac \n"))
      #expect(detail.contains("VmFlags: rd wr sh mr mw me ms lo lf \n"))
      #expect(try test.text("/proc/self/smaps_rollup").contains("Locked:               12 kB\n"))
      test.spaces.unlockAll(space)
      #expect(try values(test, "/proc/self/status")["VmLck"] == 0)
      let end = try values(test, "/proc/vmstat")
      #expect(end["nr_mlock"] == 0 && end["nr_unevictable"] == 0)
      for name in ["rescued", "munlocked"] {
        let name = "unevictable_pgs_" + name
        #expect(end[name]! - statistics[name]! == 3)
      }
      test.spaces.clear(space)
      test.spaces.release(file)
    }
  }

  @Test func `pagemap names the frame of a page, and nothing where there is none`() throws {
    try run { test in
      let space = try test.spaces.makeSpace()
      test.host.spaceOfProcess = space.raw
      let start = VirtualAddress(0x40_0000)
      _ = try test.spaces.map(
        space,
        MapRequest(.fixed(start), byteCount: ByteCount(8192), protection: [.read, .write]))
      try test.spaces.store(UInt64(1), at: start, in: space)
      let file = try test.open("/proc/self/pagemap")
      _ = try test.files.seek(file, to: Int64(start.page.value * 8), from: .start)
      let bytes = try test.read(file, 16)
      let entry = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[$1]) << (8 * $1) }
      let leaf = try #require(
        test.environment.tables.translate(test.environment.heap[space].root, start)?.leaf)
      #expect(entry == 1 << 63 | 1 << 56 | UInt64(leaf.frame.value))
      #expect(bytes[8...].allSatisfy { $0 == 0 })
      #expect(throws: Errno.EINVAL) { _ = try test.read(file, 4) }
      _ = try test.files.seek(file, to: 1 << 50, from: .start)
      #expect(try test.read(file, 8) == [])
      test.files.release(file)
      test.spaces.clear(space)
    }
  }

  @Test func `a thread's folder has its own number, and is below its process's`() throws {
    try run { test in
      test.host.threads = [7: 2]
      #expect(try test.entries("/proc/2/task").map(\.name) == [".", "..", "2", "7"])
      #expect(try test.text("/proc/2/task/7/stat").hasPrefix("7 (a) R "))
      #expect(try test.text("/proc/2/task/7/status").contains("\nTgid:\t2\nNgid:\t0\nPid:\t7\n"))
      #expect(throws: Errno.ENOENT) { _ = try test.find("/proc/2/task/30") }
      #expect(throws: Errno.ENOENT) { _ = try test.find("/proc/2/task/7/task") }
      let inode = try test.find("/proc/2/task/7/stat")
      #expect(try test.path(of: inode) == "/proc/2/task/7/stat")
      test.files.release(inode)
      #expect(try test.linkText("/proc/thread-self") == "2/task/2")
    }
  }

  @Test func `the texts of a process's memory are its own affair`() throws {
    try run { test in
      test.host.hidesMemory = true
      for name in ["maps", "smaps", "environ", "auxv", "pagemap", "io"] {
        #expect(throws: Errno.EACCES) { _ = try test.open("/proc/30/" + name) }
      }
      _ = try test.text("/proc/30/stat")
    }
  }

  @Test func `stat and loadavg tell what the kernel counted`() throws {
    try run { test in
      test.host.activity.switchCount = 17
      test.host.activity.forkCount = 23
      test.host.activity.userTime = 1_500_000_000
      test.host.activity.idleTime = 250_000_000
      test.host.activity.threadCount = 9
      test.host.activity.lastIdentifier = 31
      test.host.activity.runnableCount = 3
      let text = try test.text("/proc/stat")
      #expect(text.hasPrefix("cpu  150 0 0 25 0 0 0 0 0 0\ncpu0 150 0 0 25 0 0 0 0 0 0\n"))
      #expect(text.contains("\nctxt 17\n") && text.contains("\nprocesses 23\n"))
      #expect(text.contains("\nprocs_running 3\n"))
      #expect(try test.text("/proc/loadavg") == "0.00 0.00 0.00 3/9 31\n")
      #expect(try test.text("/proc/uptime").hasSuffix(" 0.25\n"))
    }
  }

  @Test func `reads of the disk show in diskstats and vmstat`() throws {
    try run { test in
      let before = try values(test, "/proc/vmstat")["pgpgin"]!
      _ = try test.contents("/usr/bin/program")
      let after = try values(test, "/proc/vmstat")["pgpgin"]!
      #expect(after >= before + 20)
      let words = try test.text("/proc/diskstats").split(separator: " ")
      #expect(words[2] == "vda" && Int(words[5])! == after * 2)
    }
  }

  @Test func `reclaim shows in vmstat: stalls, what was looked at, taken and written`() throws {
    let scratch = try ScratchDisk.make(mebibytes: 16)
    _ = try TestFiles.runScratch(scratch, frameCount: 1024) { test in
      let before = try values(test, "/proc/vmstat")
      for name in ["a", "b"] { try test.create(name, [UInt8](repeating: 1, count: 3 << 20)) }
      for name in ["a", "b"] { _ = try test.contents(test.name(name)) }
      let after = try values(test, "/proc/vmstat")
      for name in [
        "allocstall_movable", "pgscan_direct", "pgscan_file", "pgsteal_direct", "pgsteal_file",
        "nr_vmscan_write", "pgalloc_dma", "pgfree",
      ] {
        #expect(after[name]! > before[name]!, "\(name)")
      }
      #expect(after["pgalloc_normal"] == 0 && after["pgalloc_movable"] == 0)
      test.host.activity.scannedObjectCount = 77
      #expect(try values(test, "/proc/vmstat")["slabs_scanned"] == 77)
    }
  }

  @Test func `a text is made anew where its start is read, and not in its middle`() throws {
    try run { test in
      let file = try test.open("/proc/sys/fs/file-nr")
      defer { test.files.release(file) }
      let first = try test.read(file, 100)
      let other = try test.open("/usr/bin/program")
      #expect(try test.read(file, 100) == [])
      _ = try test.files.seek(file, to: 0, from: .start)
      let second = try test.read(file, 1)
      test.files.release(other)
      // The rest is of the same moment.
      let rest = try test.read(file, 100)
      #expect(second + rest != first)
      _ = try test.files.seek(file, to: 0, from: .start)
      #expect(try test.read(file, 100) == first)
    }
  }

  @Test func `file-nr counts open files, and each open file has its facts`() throws {
    try run { test in
      let before = try test.text("/proc/sys/fs/file-nr")
      let file = try test.open("/usr/bin/program")
      #expect(try test.text("/proc/sys/fs/file-nr") != before)
      _ = try test.files.seek(file, to: 100, from: .start)
      test.host.descriptors = [1: file.raw]
      let facts = try test.text("/proc/self/fdinfo/1")
      #expect(facts.hasPrefix("pos:\t100\nflags:\t02100000\nmnt_id:\t"))
      test.files.release(file)
    }
  }

  @Test func `limits are in columns`() throws {
    try run { test in
      let lines = try test.text("/proc/self/limits").split(separator: "\n")
      #expect(lines.count == 17)
      #expect(
        lines[4]
          == "Max stack size            8388608              unlimited            bytes     ")
      #expect(lines[14] == "Max nice priority         0                    0                    ")
    }
  }

  @Test func `status tells the groups of a thread, in their order`() throws {
    try run { test in
      let none = try test.text("/proc/2/status")
      #expect(none.contains("\nGroups:\t \n"))
      test.host.groups = [9, 4]
      let two = try test.text("/proc/2/status")
      #expect(two.contains("\nGroups:\t9 4 \n"))
    }
  }
}
