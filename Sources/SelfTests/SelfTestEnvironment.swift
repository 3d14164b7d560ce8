// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import KernelMappings
import Machine
import MemoryUnits

/// What the suites need of the kernel around them: the allocators, and disks as devices that read
/// and write memory by themselves.
public protocol SelfTestEnvironment: MemoryEnvironment {
  var mappings: KernelMappings<Hardware> { get }
  var devices: DeviceMemory<Hardware> { get }

  /// The bytes of a disk, root first; none where there is no such disk.
  func byteCount(ofDisk disk: Int) -> ByteCount

  /// Starts reading blocks of a disk into frames in a row, which are the disk's until
  /// `awaitTransfer` says that nothing is under way.
  ///
  /// Context: does not sleep. Linux: `submit_bio()`.
  func startReading(
    disk: Int, block: UInt32, pageCount: Int, into first: PageFrameNumber)
}
