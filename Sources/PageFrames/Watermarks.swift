// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// How few free frames of a zone are few.
///
/// Linux: `enum zone_watermarks`.
public struct Watermarks: Sendable, BitwiseCopyable, Equatable {
  /// Below it only urgent requests are served.
  public var minimum: PageCount
  /// Below it reclaim in the background begins.
  public var low: PageCount
  /// At it reclaim in the background ends.
  public var high: PageCount
  /// Linux: `WMARK_PROMO`.
  public var promotion: PageCount

  public init(minimum: PageCount, low: PageCount, high: PageCount, promotion: PageCount) {
    self.minimum = minimum
    self.low = low
    self.high = high
    self.promotion = promotion
  }

  static var zero: Self { Self(minimum: .zero, low: .zero, high: .zero, promotion: .zero) }
}

/// A number for each zone.
public struct PerZone: Sendable, BitwiseCopyable, Equatable {
  private var values: (Int, Int, Int, Int) = (0, 0, 0, 0)

  public init() {}

  public init(dma: Int, dma32: Int, normal: Int, highMemory: Int) {
    values = (dma, dma32, normal, highMemory)
  }

  public subscript(zone: ZoneKind) -> Int {
    get {
      switch zone {
      case .dma: values.0
      case .dma32: values.1
      case .normal: values.2
      case .highMemory: values.3
      }
    }
    set {
      switch zone {
      case .dma: values.0 = newValue
      case .dma32: values.1 = newValue
      case .normal: values.2 = newValue
      case .highMemory: values.3 = newValue
      }
    }
  }

  /// The sum of the zones that the kernel can use for itself.
  public var lowMemory: Int { values.0 + values.1 + values.2 }

  public static func == (left: Self, right: Self) -> Bool { left.values == right.values }
}

/// Linux's formulas for what is kept free, as pure functions of the zones' managed frames.
public struct ReservePolicy: Sendable, BitwiseCopyable {
  /// Managed frames by zone.
  public var managed: PerZone
  /// Linux: `vm.watermark_scale_factor`, in ten thousandths of a zone.
  public var scaleFactor: Int

  public init(managed: PerZone, scaleFactor: Int = 10) {
    self.managed = managed
    self.scaleFactor = scaleFactor
  }

  /// `min_free_kbytes` for a machine where nobody set it.
  ///
  /// Linux: `calculate_min_free_kbytes()`.
  public var minimumFreeKibibytes: Int {
    let root = squareRoot(16 * 4 * UInt64(managed.lowMemory))
    return Int(min(max(root, 128), 262_144))
  }

  /// Linux: `__setup_per_zone_wmarks()`.
  public func watermarks(of zone: ZoneKind, minimumFreeKibibytes: Int) -> Watermarks {
    let frames = managed[zone]
    // In 64 bits, since the products do not fit an `Int` of i686.
    let whole = Int64(max(managed.lowMemory, 1))
    let share = Int(Int64(minimumFreeKibibytes >> 2) * Int64(frames) / whole)
    let minimum = zone == .highMemory ? min(max(frames / 1024, 32), 128) : share
    let step = max(share >> 2, Int(Int64(frames) * Int64(scaleFactor) / 10_000))
    return Watermarks(
      minimum: PageCount(minimum), low: PageCount(minimum + step),
      high: PageCount(minimum + 2 * step), promotion: PageCount(minimum + 3 * step))
  }

  /// The frames of a zone that a request which could use a higher zone may not have.
  ///
  /// Linux: `setup_per_zone_lowmem_reserve()`.
  public func lowMemoryReserve(of zone: ZoneKind, limit: ZoneKind) -> PageCount {
    guard zone < limit, zone.reserveRatio > 0, managed[zone] > 0 else { return .zero }
    var above = 0
    for other in zone.rawValue + 1...limit.rawValue {
      above += managed[ZoneKind(bits: UInt16(other))]
    }
    return PageCount(above / zone.reserveRatio)
  }

  /// What programs cannot have: reserves and high marks. Linux: `totalreserve_pages`.
  public func totalReserve(minimumFreeKibibytes: Int) -> PageCount {
    var total = 0
    for value in 0..<UInt16(ZoneKind.count) {
      let zone = ZoneKind(bits: value)
      var largest = 0
      for limit in 0..<UInt16(ZoneKind.count) {
        largest = max(largest, lowMemoryReserve(of: zone, limit: ZoneKind(bits: limit)).value)
      }
      let marks = watermarks(of: zone, minimumFreeKibibytes: minimumFreeKibibytes)
      total += min(managed[zone], largest + marks.high.value)
    }
    return PageCount(total)
  }

  /// Frames that move between a zone and a CPU's list at once. Linux: `zone_batchsize()`.
  public func cpuBatch(of zone: ZoneKind) -> Int {
    let share = max(min(managed[zone] / 1024, 256) / 4, 1)
    let grown = share + share / 2
    let power = 1 << (Int.bitWidth - 1 - grown.leadingZeroBitCount)
    return max(power - 1, 1)
  }

  /// Frames that a CPU's list may hold. Linux: `pcp->high_min`.
  public func cpuHigh(of zone: ZoneKind, minimumFreeKibibytes: Int, cpuCount: Int) -> Int {
    let marks = watermarks(of: zone, minimumFreeKibibytes: minimumFreeKibibytes)
    return max(marks.low.value / cpuCount, 4 * cpuBatch(of: zone))
  }

  /// Linux: `pcp->high_max`.
  public func cpuHighMaximum(of zone: ZoneKind, cpuCount: Int) -> Int {
    max(managed[zone] / 8 / cpuCount, 4 * cpuBatch(of: zone))
  }

  /// Linux: `int_sqrt()`.
  private func squareRoot(_ value: UInt64) -> UInt64 {
    var root: UInt64 = 0
    var bit: UInt64 = 1 << 62
    var rest = value
    while bit > rest { bit >>= 2 }
    while bit > 0 {
      if rest >= root + bit {
        rest -= root + bit
        root = root >> 1 + bit
      } else {
        root >>= 1
      }
      bit >>= 2
    }
    return root
  }
}
