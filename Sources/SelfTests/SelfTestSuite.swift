// SPDX-License-Identifier: Apache-2.0

/// A suite of the kernel's own, by its place in the order in which they run.
///
/// One more is a case, a name, a line in `SelfTests.run`, and a file with its checks.
public enum SelfTestSuite: UInt8, Sendable, BitwiseCopyable {
  case buddy, cpuLists, slab, kmalloc, vmalloc, directMap, deviceMemory

  public static var count: UInt8 { 7 }

  /// As `quire selftest` prints it.
  public var name: StaticString {
    switch self {
    case .buddy: "buddy"
    case .cpuLists: "per-CPU lists"
    case .slab: "slab"
    case .kmalloc: "kmalloc"
    case .vmalloc: "vmalloc"
    case .directMap: "direct map"
    case .deviceMemory: "DMA"
    }
  }
}

/// What a suite has found out so far.
public struct SelfTestChecks: BitwiseCopyable {
  /// Checks made, the failed ones included.
  public private(set) var count = 0
  /// The name of the first check that did not hold.
  public private(set) var failure: StaticString?

  /// Counts a check, and keeps its name if it is the first that does not hold.
  public mutating func check(_ holds: Bool, _ name: StaticString) {
    count += 1
    if !holds, failure == nil { failure = name }
  }
}
