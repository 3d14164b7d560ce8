// SPDX-License-Identifier: Apache-2.0

/// A part of physical memory by what can reach it, lowest first.
///
/// Linux: `enum zone_type`.
public enum ZoneKind: UInt8, Sendable, BitwiseCopyable, Comparable {
  /// Below 16 MiB: what ISA devices reach.
  case dma = 0
  /// Below 4 GiB: what devices with 32 address bits reach.
  case dma32 = 1
  /// In the direct map.
  case normal = 2
  /// Beyond the direct map; reached through windows.
  case highMemory = 3

  public static var count: Int { 4 }

  /// From the two bits of a descriptor.
  init(bits: UInt16) {
    // There is one for each, so that nothing is compared.
    self = ZoneKind(rawValue: UInt8(truncatingIfNeeded: bits & 3)) ?? .highMemory
  }

  public var index: Int { Int(rawValue) }

  /// The zone of a number below `count`, the lowest memory first.
  public init(index: Int) { self.init(bits: UInt16(index)) }

  /// The number of the zone in Linux's ratios: the share of the zones above that is kept free.
  ///
  /// Linux: `sysctl_lowmem_reserve_ratio`.
  var reserveRatio: Int {
    switch self {
    case .dma, .dma32: 256
    case .normal: 32
    case .highMemory: 0
    }
  }

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
