// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// The descriptors of all frames, and the mobility of all page blocks: a reference.
///
/// Nobody borrows the table as a whole: an access lasts for one expression. The links of a free
/// frame, and its being on a list, change only under the lock of its zone or CPU list; all else
/// of a descriptor is its user's, under the user's lock.
///
/// Linux: `mem_map`, `pageblock_flags`.
public struct FrameTable: BitwiseCopyable, Sendable {
  let descriptors: ResidentArray<FrameDescriptor>
  let pageBlocks: ResidentArray<UInt8>

  /// The number of frames, counted from frame 0, holes included.
  public var count: PageCount { PageCount(descriptors.count) }

  public func contains(_ frame: PageFrameNumber) -> Bool { Int(frame.value) < descriptors.count }

  /// - Precondition: the frame is in the table.
  public subscript(frame: PageFrameNumber) -> FrameDescriptor {
    _read { yield descriptors[Int(frame.value)] }
    nonmutating _modify { yield &descriptors[Int(frame.value)] }
  }

  /// The first frame of the block that a frame lies in: itself, where it is no part of a larger.
  ///
  /// Linux: `compound_head()`.
  ///
  /// - Complexity: O(`Order.max`).
  public func head(of frame: PageFrameNumber) -> PageFrameNumber {
    for value in 0..<UInt8(Order.count) {
      let candidate = PageFrameNumber(frame.value & ~((1 << UInt32(value)) - 1))
      let descriptor = self[candidate]
      if descriptor.isHead && descriptor.order.value >= value { return candidate }
    }
    preconditionFailure("a frame outside every block")
  }

  /// Linux: `get_pageblock_migratetype()`.
  public func mobility(of frame: PageFrameNumber) -> Mobility {
    Mobility(rawValue: pageBlocks[Int(frame.value >> Self.pageBlockShift)]) ?? .unmovable
  }

  /// - Context: zone lock held.
  func setMobility(_ mobility: Mobility, of frame: PageFrameNumber) {
    pageBlocks[Int(frame.value >> Self.pageBlockShift)] = mobility.rawValue
  }

  /// The frames that share one mobility. Linux: `pageblock_order` on x86.
  public static var pageBlockOrder: Order { Order(9) }
  static var pageBlockShift: UInt32 { 9 }
}
