// SPDX-License-Identifier: Apache-2.0

/// A suite of the kernel's own, by its place in the order in which they run.
///
/// One more is a case, a name, a line in `SelfTests.run`, and a file with its checks.
public enum SelfTestSuite: UInt8, Sendable, BitwiseCopyable {
  case buddy, cpuLists, slab, heapDesign, kmalloc, vmalloc, directMap, deviceMemory
  case sharedBuffer, compaction, contiguous

  public static var count: UInt8 { 11 }

  /// As `quire selftest` prints it.
  public var name: StaticString {
    switch self {
    case .buddy: "buddy"
    case .cpuLists: "per-CPU lists"
    case .slab: "slab"
    case .heapDesign: "slab design"
    case .kmalloc: "kmalloc"
    case .vmalloc: "vmalloc"
    case .directMap: "direct map"
    case .deviceMemory: "DMA"
    case .sharedBuffer: "two disks and one buffer"
    case .compaction: "compaction"
    case .contiguous: "contiguous areas"
    }
  }
}

/// What a suite has found out so far.
public struct SelfTestChecks: BitwiseCopyable {
  /// Checks made, the failed ones included.
  public private(set) var count = 0
  /// The name of the first check that did not hold.
  public private(set) var failure: StaticString?
  /// What the suite found, where its machine decides that.
  public private(set) var finding: StaticString?

  /// Keeps what the suite found, for its line.
  public mutating func note(_ finding: StaticString) { self.finding = finding }

  /// Counts a check, and keeps its name if it is the first that does not hold.
  public mutating func check(_ holds: Bool, _ name: StaticString) {
    count += 1
    if !holds, failure == nil { failure = name }
  }
}
