// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// What the machine remembers, in one page of the image.
struct MachineState {
  // Memory

  /// Bytes of physical memory that the direct map reaches.
  var directMapLimit: UInt64 = 0
  /// Virtual address of the channel.
  var channel: UInt64 = 0

  // Time

  /// What to add to the time stamp to have virtual time: − start − uncounted + skipped.
  var clockOffset: UInt64 = 0
  /// When the timer is to trap; the last number for never.
  var deadline: UInt64 = .max

  // Event log

  /// So many records surely have their place, known without a look at the host's counter.
  var eventLimit: UInt64 = 0

  // Disks

  var diskCount = 0
  var disks = InlineArray<8, BlockDevice>(repeating: BlockDevice())
  /// Virtual address of the requests' descriptors, one `BlockRequest` per tag.
  var requests: UInt64 = 0
  /// The disk that each tag is in flight on.
  var diskOfTag = InlineArray<128, UInt8>(repeating: 0)

  // The end

  /// A fault report is being written; the next fault only stops.
  var isReporting = false
}
