// SPDX-License-Identifier: Apache-2.0

import Foundation
import MemoryEvents
import Testing

/// Numbers that other programs rely on, or that two things must not share.
@Suite struct NumbersTests {
  struct CacheIndex: Equatable {
    let path: String
    let line: Int
    let number: Int
  }

  /// Every `static var cacheIndex: Int { N }`.
  static func cacheIndices(_ file: SourceFile) -> [CacheIndex] {
    let words = file.tokens.map(\.text)
    return words.indices.compactMap { index in
      guard words[index] == "cacheIndex", index + 4 < words.count, words[index + 3] == "{",
        let number = Int(words[index + 4])
      else { return nil }
      return CacheIndex(path: file.path, line: file.tokens[index].line, number: number)
    }
  }

  /// Each object type of the kernel has a slab cache to itself; those of tests have 24 to 43.
  static func sharedCaches(_ indices: [CacheIndex]) -> [Finding] {
    var findings: [Finding] = []
    var owners: [String: String] = [:]
    for index in indices {
      let isTest = index.path.hasPrefix("Tests/")
      let scope = isTest ? String(index.path.split(separator: "/")[1]) : "Sources"
      if isTest != (24..<44).contains(index.number) || index.number >= 64 {
        findings.append(
          Finding(path: index.path, line: index.line, reason: "cacheIndex \(index.number)"))
      }
      if let owner = owners.updateValue(index.path, forKey: "\(scope) \(index.number)") {
        findings.append(
          Finding(
            path: index.path, line: index.line,
            reason: "cacheIndex \(index.number) is that of \(owner)"))
      }
    }
    return findings
  }

  /// Numbers in the log are for ever: this list only grows.
  static let eventKinds: [Int: String] = [
    1: "machineStarted", 2: "programEnded", 3: "machineStopped",
    10: "framesReleased", 11: "frameAllocated", 12: "frameFreed", 13: "frameAssigned",
    14: "frameMapped", 15: "frameUnmapped", 16: "blockSplit", 17: "mappingsLeft",
    18: "mappingsEntered", 19: "frameMigrated", 20: "frameFault",
    21: "objectFault",
    30: "faultDemandZero", 31: "faultZeroPage", 32: "faultCopyOnWrite", 33: "faultReuse",
    34: "faultFileMinor", 35: "faultFileMajor", 36: "faultStackGrowth", 37: "faultRefused",
    38: "faultSpurious", 39: "faultMakeWritable", 40: "pagesLocked", 41: "pagesUnlocked",
    50: "diskReadSubmitted", 51: "diskReadCompleted", 52: "diskWriteSubmitted",
    53: "diskWriteCompleted", 54: "diskFlushSubmitted", 55: "diskFlushCompleted",
    60: "reclaimBegan", 61: "reclaimEnded", 62: "pageDropped", 63: "allocationFailed",
    64: "outOfMemoryKill", 65: "contiguousAllocated", 66: "contiguousFreed",
    67: "contiguousBlocked", 68: "compactionEnded",
    80: "processForked", 81: "programStarted", 82: "processExited", 83: "signalSent",
    84: "systemCallRefused", 85: "pathMissing", 86: "streamTransferred",
  ]
  static let frameKinds: [Int: String] = [
    0: "reserved", 1: "free", 2: "plain", 3: "slab", 4: "pageTable", 5: "kernelStack",
    6: "anonymous", 7: "file", 8: "dma",
  ]

  /// What is wrong with numbers that were once given out.
  static func renumbered(_ current: [(Int, String)], since list: [Int: String]) -> [String] {
    var wrong: [String] = []
    for (number, name) in current {
      guard let old = list[number] else {
        wrong.append("\(number) \(name) is missing in the list of this test")
        continue
      }
      if old != name { wrong.append("\(number) was \(old), now \(name)") }
    }
    let names = Set(current.map(\.1))
    for (number, name) in list where !names.contains(name) {
      wrong.append("\(number) \(name) is gone; a kind that is not written keeps its number")
    }
    return wrong
  }

  @Test func `no two kernel objects share a slab cache`() {
    let indices = Repository.shared.swift.filter { $0.target != "TidyTests" }
      .flatMap(Self.cacheIndices)
    #expect(indices.count > 10)
    #expect(Self.sharedCaches(indices) == [])
  }

  @Test func `numbers of the event log stay for ever`() {
    let kinds = EventKind.allCases.map { (Int($0.rawValue), "\($0)") }
    #expect(Self.renumbered(kinds, since: Self.eventKinds) == [])
    let frames = FrameKind.allCases.map { (Int($0.rawValue), "\($0)") }
    #expect(Self.renumbered(frames, since: Self.frameKinds) == [])
  }

  @Test func `the rules of numbers find what breaks them`() {
    let source = "struct A { static var cacheIndex: Int { 3 } }\nlet b = cacheIndex + 1\n"
    let kernel = Self.cacheIndices(SourceFile("Sources/Processes/A.swift", source))
    #expect(kernel == [CacheIndex(path: "Sources/Processes/A.swift", line: 1, number: 3)])
    #expect(Self.sharedCaches(kernel) == [])
    let other = CacheIndex(path: "Sources/FileSystems/B.swift", line: 1, number: 3)
    #expect(Self.sharedCaches(kernel + [other]).count == 1)
    let test = CacheIndex(path: "Tests/KernelHeapTests/B.swift", line: 1, number: 3)
    #expect(Self.sharedCaches(kernel + [test]).count == 1)
    #expect(Self.renumbered([(1, "a")], since: [1: "a", 2: "b"]).count == 1)
    #expect(Self.renumbered([(1, "a"), (2, "c")], since: [1: "a"]).count == 1)
    #expect(Self.renumbered([(1, "b")], since: [1: "a"]).count == 2)
    #expect(Self.renumbered([(1, "a")], since: [1: "a"]) == [])
  }
}
