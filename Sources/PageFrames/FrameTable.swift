// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// The descriptors of all frames from frame 0 on, holes included: a reference.
///
/// Nobody borrows the table as a whole: an access `table[frame].mappings` lasts for one
/// expression and touches that field alone. The links of a free frame, and its being on a list,
/// change only under the lock of its zone or CPU list; all else of a descriptor is its user's,
/// under the user's lock.
///
/// Linux: `mem_map`.
public typealias FrameTable = ResidentArray<FrameDescriptor>

extension ResidentArray where Element == FrameDescriptor {
  /// Whether there is a descriptor of the frame. Linux: `pfn_valid()`.
  public func contains(_ frame: PageFrameNumber) -> Bool { Int(frame.value) < count }

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
}
