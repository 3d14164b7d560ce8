// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// The mobility of each run of 512 frames: a reference.
///
/// Linux: `pageblock_flags`.
public struct PageBlocks: BitwiseCopyable, Sendable {
  let mobilities: ResidentArray<UInt8>

  /// The frames that share one mobility. Linux: `pageblock_order` on x86.
  public static var order: Order { Order(9) }
  static var frameCount: Int { 512 }
  static var shift: UInt32 { 9 }

  /// The first frame of the page block that a frame lies in. Linux: `pageblock_start_pfn()`.
  static func start(of frame: PageFrameNumber) -> PageFrameNumber {
    PageFrameNumber(frame.value & ~UInt32(frameCount - 1))
  }

  /// Linux: `get_pageblock_migratetype()`.
  @inline(__always)  // For `BuddyLists.free`, which says what it saves.
  public func mobility(of frame: PageFrameNumber) -> Mobility {
    Mobility(rawValue: mobilities[Int(frame.value >> Self.shift)] & Self.mobilityMask)
      ?? .unmovable
  }

  /// The mobility as its number, for the fast path.
  func number(of frame: PageFrameNumber) -> Int {
    Int(mobilities[Int(frame.value >> Self.shift)] & Self.mobilityMask)
  }

  /// Makes a page block one where nothing is allocated, or what it was before.
  ///
  /// Linux: `set_migratetype_isolate()`, `unset_migratetype_isolate()`.
  ///
  /// - Context: zone lock held.
  func setIsolated(_ isIsolated: Bool, of frame: PageFrameNumber) {
    let index = Int(frame.value >> Self.shift)
    let old = mobilities[index]
    mobilities[index] =
      isIsolated ? old << 4 | Mobility.isolated.rawValue : old >> 4
  }

  /// The frames of page blocks of a zone that are kept for who cannot wait, isolated ones too.
  func highAtomicPageCount(from zone: Zone) -> PageCount {
    var count = PageCount.zero
    var frame = Self.start(of: zone.first)
    while frame < zone.end {
      let number = mobilities[Int(frame.value >> Self.shift)]
      let own = number & Self.mobilityMask
      let former = own == Mobility.isolated.rawValue ? number >> 4 : own
      if former == Mobility.highAtomic.rawValue { count += PageCount(Self.frameCount) }
      frame = frame + PageCount(Self.frameCount)
    }
    return count
  }

  /// What it is in the low bits, and in the high ones what an isolated one was.
  private static var mobilityMask: UInt8 { 0xF }

  /// Linux: `set_pageblock_migratetype()`.
  ///
  /// - Context: zone lock held.
  func set(_ mobility: Mobility, of frame: PageFrameNumber) {
    mobilities[Int(frame.value >> Self.shift)] = mobility.rawValue
  }

  /// Sets the mobility of all page blocks that a large block covers; a small one changes none.
  func set(_ mobility: Mobility, of block: PageFrameNumber, _ order: Order) {
    guard order >= Self.order else { return }
    for index in 0..<1 << Int(order.value - Self.order.value) {
      set(mobility, of: block + PageCount(index << Int(Self.shift)))
    }
  }
}
