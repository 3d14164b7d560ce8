// SPDX-License-Identifier: Apache-2.0

import FileSystems
import Foundation
import LinuxABI
import MemoryUnits
import Testing

struct Ext2WriteTests {
  @Test func `a root without a folder for the scratch disk goes without it`() throws {
    let scratch = try ScratchDisk.make(mebibytes: 2)
    let bare = try DiskImage()
    let odd = try DiskImage()
    try odd.write("var", [1])
    for (root, reason) in [(bare, Errno.ENOENT), (odd, .ENOTDIR)] {
      let disk = try root.pack(mebibytes: 2)
      try TestFiles.run(disk: disk, scratch: scratch, frameCount: 4096) { test in
        try test.files.mountRoot()
        #expect(throws: reason) { try test.files.mountScratch() }
        #expect(!test.files.isMounted(.scratch))
        try test.files.leaveScratch()
        #expect(test.host.scratch == scratch)
      }
    }
  }

  @Test func `what was written is there at the next mount, and the disk is left whole`() throws {
    let fresh = try ScratchDisk.make(mebibytes: 8)
    let long = String(repeating: "n", count: 255)
    let text = String(repeating: "x/", count: 700)
    let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
    let left = try TestFiles.runScratch(fresh) { test in
      try test.create("a", bytes)
      try test.makeFolder("d")
      try test.makeFolder("d/e")
      try test.create("d/e/\(long)", [1, 2, 3])
      try test.makeLink("short", to: "a")
      try test.makeLink("long", to: text)
      try test.rename("d/e", to: "f")
      try test.create("gone", bytes)
      try test.remove("gone")
      try test.cut("a", to: 250_001)
    }
    #expect(try ScratchDisk.complaints(about: left) == "")
    let again = try TestFiles.runScratch(left) { test in
      #expect(try test.contents(test.name("a")) == Array(bytes[..<250_001]))
      #expect(try test.contents(test.name("f/\(long)")) == [1, 2, 3])
      #expect(try test.linkText(test.name("short")) == "a")
      #expect(try test.linkText(test.name("long")) == text)
      #expect(throws: Errno.ENOENT) { try test.find(test.name("gone")) }
      #expect(throws: Errno.ENOTEMPTY) { try test.removeFolder("f") }
      try test.remove("f/\(long)")
      try test.removeFolder("f")
    }
    #expect(try ScratchDisk.complaints(about: again) == "")
  }

  @Test func `a sparse file of 3 GiB goes through all levels of pointers and back`() throws {
    let fresh = try ScratchDisk.make(mebibytes: 8)
    let end: UInt64 = 3 << 30
    let left = try TestFiles.runScratch(fresh) { test in
      try test.create("large")
      for place in [0, 40 << 10, 3 << 20, 600 << 20, end - 4] as [UInt64] {
        try test.writeAt("large", place, [1, 2, 3, 4])
      }
    }
    #expect(try ScratchDisk.complaints(about: left) == "")
    let cut = try TestFiles.runScratch(left) { test in
      let file = try test.open(test.name("large"))
      #expect(try test.files.seek(file, to: Int64(end) - 6, from: .start) == end - 6)
      #expect(try test.read(file, 100) == [0, 0, 1, 2, 3, 4])
      test.files.release(file)
      try test.cut("large", to: 3 << 20)
      try test.cut("large", to: end)
      let again = try test.open(test.name("large"))
      #expect(try test.files.seek(again, to: 3 << 20, from: .start) == 3 << 20)
      #expect(try test.read(again, 4) == [0, 0, 0, 0])
      test.files.release(again)
    }
    #expect(try ScratchDisk.complaints(about: cut) == "")
  }

  @Test func `a disk is full when its last block is taken, and stays sound`() throws {
    let fresh = try ScratchDisk.make(mebibytes: 2, options: ["-m", "0"])
    let left = try TestFiles.runScratch(fresh) { test in
      try test.create("fill")
      let file = try test.open(test.name("fill"), .readWrite)
      defer { test.files.release(file) }
      let piece = [UInt8](repeating: 7, count: 64 << 10)
      #expect(throws: Errno.ENOSPC) {
        while true { _ = try test.write(file, piece) }
      }
      let root = try test.find("/var/scratch")
      #expect(test.files.treeStatus(of: root).freeBlockCount == 0)
      test.files.release(root)
      #expect(throws: Errno.ENOSPC) { try test.makeFolder("d") }
      try test.create("empty")
      try test.remove("fill")
      // Still open: nothing is free.
      #expect(throws: Errno.ENOSPC) { try test.create("other", piece) }
    }
    #expect(try ScratchDisk.complaints(about: left) == "")
    let again = try TestFiles.runScratch(left) { test in
      try test.create("other", [UInt8](repeating: 1, count: 1 << 20))
    }
    #expect(try ScratchDisk.complaints(about: again) == "")
  }

  @Test func `a failed write is told once, by the next fsync`() throws {
    let fresh = try ScratchDisk.make(mebibytes: 4)
    _ = try TestFiles.runScratch(fresh) { test in
      try test.create("a", [UInt8](repeating: 1, count: 8192))
      test.host.stuckSectors = 0..<UInt64.max
      #expect(throws: Errno.EIO) { try test.synchronize("a") }
      test.host.stuckSectors = 0..<0
      try test.synchronize("a")
      try test.writeAt("a", 0, [2])
      try test.synchronize("a")
    }
  }

  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func `random work leaves what a dictionary says, and a sound disk`(seed: UInt64) throws {
    var work = RandomWork(seed: seed)
    // The odd ones have a disk that fills up; some little memory.
    var disk = try ScratchDisk.make(mebibytes: seed % 2 == 0 ? 16 : 2, options: ["-m", "0"])
    for round in 0..<3 {
      disk = try TestFiles.runScratch(disk, frameCount: seed % 3 == 0 ? 640 : 4096) { test in
        try work.check(test)
        for _ in 0..<150 { try work.step(test) }
        try work.check(test)
      }
      #expect(try ScratchDisk.complaints(about: disk) == "", "seed \(seed), round \(round)")
    }
  }

  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func `a damaged disk is refused or gives errors, and nothing else`(seed: UInt64) throws {
    var generator = SplitMix(state: seed)
    var work = RandomWork(seed: seed)
    var disk = try TestFiles.runScratch(try ScratchDisk.make(mebibytes: 2)) { test in
      for _ in 0..<60 { try work.step(test) }
    }
    // The first blocks are the ones that matter.
    for _ in 0..<(1 + Int(seed)) {
      let limit = generator.next() % 2 == 0 ? 32 << 10 : disk.count
      disk[Int(generator.next() % UInt64(limit))] ^= UInt8(1) << UInt8(generator.next() % 8)
    }
    do {
      _ = try TestFiles.runScratch(disk) { test in
        for _ in 0..<80 { try? work.tryStep(test) }
      }
    } catch is Errno {
      // Refused, or not to be left in order.
    }
  }
}

/// Random work on a disk beside a dictionary that says what must be there.
struct RandomWork {
  private var generator: SplitMix
  private var model: [String: [UInt8]] = [:]
  private var folders: [String] = [""]
  private let seed: UInt64

  init(seed: UInt64) {
    self.seed = seed
    generator = SplitMix(state: seed)
  }

  private mutating func pick(_ limit: Int) -> Int { Int(generator.next() % UInt64(limit)) }

  private mutating func newName() -> String {
    folders[pick(folders.count)] + String(repeating: "n", count: 1 + pick(60)) + "\(pick(60))"
  }

  /// One change; a full disk is no failure, but the file that was written is then asked for.
  mutating func step(_ test: TestFiles) throws {
    do {
      try tryStep(test)
    } catch {
      #expect(error == .ENOSPC, "seed \(seed)")
    }
  }

  mutating func tryStep(_ test: TestFiles) throws(Errno) {
    let known = model.keys.sorted()
    let old = known.isEmpty ? "" : known[pick(known.count)]
    switch pick(9) {
    case 0, 1:
      let name = newName()
      let bytes = generator.bytes(pick(4) == 0 ? pick(120_000) : pick(9000))
      do {
        try test.create(name, bytes)
        model[name] = bytes
      } catch {
        learn(name, test)
        throw error
      }
    case 2 where !old.isEmpty:
      var all = model[old] ?? []
      let start = pick(all.count + 20_000)
      let bytes = generator.bytes(1 + pick(10_000))
      do {
        try test.writeAt(old, UInt64(start), bytes)
        all += [UInt8](repeating: 0, count: max(0, start + bytes.count - all.count))
        all.replaceSubrange(start..<start + bytes.count, with: bytes)
        model[old] = all
      } catch {
        learn(old, test)
        throw error
      }
    case 3 where !old.isEmpty:
      let end = pick((model[old]?.count ?? 0) + 5000)
      try test.cut(old, to: UInt64(end))
      var bytes = Array((model[old] ?? []).prefix(end))
      bytes += [UInt8](repeating: 0, count: end - bytes.count)
      model[old] = bytes
    case 4, 5:
      guard !old.isEmpty else { return }
      try test.remove(old)
      model[old] = nil
    case 6 where !old.isEmpty:
      let name = newName()
      try test.rename(old, to: name)
      model[name] = model[old]
      if name != old { model[old] = nil }
    case 7 where folders.count < 12:
      let name = folders[pick(folders.count)] + "folder\(folders.count)"
      try test.makeFolder(name)
      folders.append(name + "/")
    default:
      if !old.isEmpty { try test.synchronize(old) }
    }
  }

  /// What an interrupted write left is what it is: the model learns it.
  private mutating func learn(_ name: String, _ test: TestFiles) {
    model[name] = try? test.contents(test.name(name))
  }

  func check(_ test: TestFiles) throws {
    for (name, bytes) in model {
      #expect(try test.contents(test.name(name)) == bytes, "seed \(seed), \(name)")
    }
  }
}
