// SPDX-License-Identifier: Apache-2.0

import Foundation
import MemoryUnits
import PageFrames
import Testing

@testable import FileSystems

/// /proc/buddyinfo, pagetypeinfo and zoneinfo: the form of Linux 6.12, and for every number
/// something that makes it change.
@Suite struct ZoneTextTests {
  /// A machine with two zones, of 16 MiB each.
  private func run(_ body: (TestFiles) throws -> Void) throws {
    let image = try DiskImage()
    try TestFiles.run(disk: try image.pack(mebibytes: 4), frameCount: 8192) { test in
      try test.files.mountRoot()
      test.host.processes = [1, 2]
      try body(test)
    }
  }

  /// The numbers at the end of the line that begins so.
  private func row(_ test: TestFiles, _ path: String, _ start: String) throws -> [Int] {
    let lines = try test.text(path).split(separator: "\n")
    let line = try #require(lines.first { $0.hasPrefix(start) }, "\(start)")
    return line.dropFirst(start.count).split(separator: " ").compactMap { Int($0) }
  }

  /// A number of a zone's part of zoneinfo.
  private func number(_ test: TestFiles, _ zone: String, _ name: String) throws -> Int {
    let text = try test.text("/proc/zoneinfo")
    let parts = text.components(separatedBy: "Node 0, zone ")
    let part = try #require(parts.first { $0.hasPrefix("\(zone)\n") }, "\(zone)")
    for line in part.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: name.split(separator: " ").count)
      if words.count > 1, words.dropLast().joined(separator: " ") == name {
        return try #require(Int(words.last!.trimmingCharacters(in: .whitespaces)), "\(line)")
      }
    }
    throw CocoaError(.keyValueValidation)
  }

  @Test func `pagetypeinfo has Linux's lines, with a row for each mobility`() throws {
    try run { test in
      let lines = try test.text("/proc/pagetypeinfo").components(separatedBy: "\n")
      #expect(Array(lines[..<3]) == ["Page block order: 9", "Pages per block:  512", ""])
      #expect(
        lines[3] == "Free pages count per migrate type at order       0      1      2      3"
          + "      4      5      6      7      8      9     10 ")
      let types = ["Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate"]
      for (index, name) in (types + types).enumerated() {
        let zone = index < 6 ? "     DMA" : "   DMA32"
        let padded = String(repeating: " ", count: 12 - name.count) + name
        #expect(lines[4 + index].hasPrefix("Node    0, zone \(zone), type \(padded) "))
        #expect(lines[4 + index].count == 43 + 11 * 7 + 1)
      }
      #expect(
        lines[17] == "Number of blocks type     Unmovable      Movable  Reclaimable"
          + "   HighAtomic          CMA      Isolate ")
      #expect(lines[18].hasPrefix("Node 0, zone      DMA ") && lines[18].count == 22 + 6 * 13)
      #expect(lines.count == 21 && lines[20] == "")
    }
  }

  @Test func `buddyinfo and pagetypeinfo follow what is allocated, by order and mobility`() throws {
    try run { test in
      let frames = test.environment.frames
      let start = "Node    0, zone    DMA32, type "
      let before = try row(test, "/proc/pagetypeinfo", "Node 0, zone    DMA32 ")
      #expect(try row(test, "/proc/pagetypeinfo", start + " Reclaimable ").allSatisfy { $0 == 0 })
      let block = try frames.allocate(FrameRequest(order: Order(5), mobility: .reclaimable))
      let after = try row(test, "/proc/pagetypeinfo", "Node 0, zone    DMA32 ")
      // A block of order 10, of two page blocks, or one of order 9.
      #expect(after[2] > before[2] && after[2] - before[2] == before[1] - after[1])
      let free = try row(test, "/proc/pagetypeinfo", start + " Reclaimable ")
      #expect(Array(free[5...8]) == [1, 1, 1, 1])
      frames.free(block)
      #expect(try row(test, "/proc/pagetypeinfo", start + " Reclaimable ")[5] == 0)

      let movable = try row(test, "/proc/pagetypeinfo", start + "     Movable ")
      let large = try frames.allocate(FrameRequest(order: Order(10), mobility: .movable))
      #expect(try row(test, "/proc/pagetypeinfo", start + "     Movable ")[10] == movable[10] - 1)
      frames.drainCPULists()
      let sum = try row(test, "/proc/buddyinfo", "Node 0, zone    DMA32 ")
      #expect(sum.count == 11 && sum.reduce(0, +) > 0)
      for order in 5...10 {
        let types = ["  Unmovable", "    Movable", "Reclaimable", " HighAtomic", "        CMA"]
        let counts = try types.map {
          try row(test, "/proc/pagetypeinfo", start + " \($0) ")[order]
        }
        #expect(counts.reduce(0, +) == sum[order])
      }
      frames.free(large)
    }
  }

  @Test func `pagetypeinfo counts what is isolated`() throws {
    try run { test in
      let frames = test.environment.frames
      let start = "Node    0, zone    DMA32, type      Isolate "
      let range = FrameRange(first: PageFrameNumber(5120), count: PageCount(512))
      try frames.isolate(range)
      #expect(try row(test, "/proc/pagetypeinfo", "Node 0, zone    DMA32 ")[5] == 1)
      #expect(try row(test, "/proc/pagetypeinfo", start)[9] == 1)
      frames.endIsolation(of: range)
      #expect(try row(test, "/proc/pagetypeinfo", "Node 0, zone    DMA32 ")[5] == 0)
    }
  }

  @Test func `zoneinfo has all zones of Linux, the empty ones too`() throws {
    try run { test in
      let text = try test.text("/proc/zoneinfo")
      let zones = text.split(separator: "\n").filter { $0.hasPrefix("Node 0, zone ") }
      #expect(
        zones == [
          "Node 0, zone      DMA", "Node 0, zone    DMA32", "Node 0, zone   Normal",
          "Node 0, zone  Movable", "Node 0, zone   Device",
        ])
      #expect(text.components(separatedBy: "  per-node stats\n").count == 2)
      #expect(text.hasSuffix("        cma      0\n        protection: (0, 0, 0, 0, 0)\n"))
      #expect(try number(test, " Movable", "min") == 32)
      let above = try number(test, "   DMA32", "managed") / 256
      #expect(
        text.contains("        protection: (0, \(above), \(above), \(above), \(above))\n"))
      #expect(try number(test, "     DMA", "start_pfn:") == 0)
      #expect(try number(test, "   DMA32", "start_pfn:") == 4096)
      #expect(try number(test, "   DMA32", "spanned") == 4096)
      #expect(try number(test, "   DMA32", "present") == 4096)
    }
  }

  @Test func `zoneinfo's marks follow min_free_kbytes and the boost`() throws {
    try run { test in
      let frames = test.environment.frames
      frames.setMarks(minimumFreeKibibytes: 1024)
      let minimum = try number(test, "   DMA32", "min")
      let zone = frames.statistics(of: .dma32)
      #expect(minimum == zone.watermarks.minimum.value && minimum > 100)
      #expect(try number(test, "   DMA32", "low") == zone.watermarks.low.value)
      #expect(try number(test, "   DMA32", "high") == zone.watermarks.high.value)
      #expect(try number(test, "   DMA32", "promo") == zone.watermarks.promotion.value)
      frames.setMarks(minimumFreeKibibytes: 2048)
      #expect((2 * minimum...2 * minimum + 1).contains(try number(test, "   DMA32", "min")))
      frames.setMarks(minimumFreeKibibytes: nil)
    }
  }

  @Test func `zoneinfo's free frames are those of the zone and of a CPU`() throws {
    try run { test in
      let frames = test.environment.frames
      let free = try number(test, "   DMA32", "pages free")
      #expect(try number(test, "   DMA32", "nr_free_pages") == free)
      let block = try frames.allocate(FrameRequest(order: Order(7), kind: .slab))
      #expect((120...140).contains(free - (try number(test, "   DMA32", "pages free"))))
      #expect(try number(test, "     DMA", "nr_slab_unreclaimable") >= 128)
      frames.freeSlab(block)
      frames.drainCPULists()
      // Each look itself takes a frame from the list and gives it back.
      let few = try number(test, "   DMA32", "count:")
      let held = try (0..<40).map { _ in try frames.allocate(FrameRequest()).surrender() }
      for frame in held { frames.release(frame) }
      let many = try number(test, "   DMA32", "count:")
      #expect(many > few)
      #expect(many < (try number(test, "   DMA32", "high:")) + 1)
      #expect(try number(test, "   DMA32", "batch:") == frames.statistics(of: .dma32).cpuBatch)
      #expect(try number(test, "   DMA32", "vm stats threshold:") == 2)
    }
  }
}
