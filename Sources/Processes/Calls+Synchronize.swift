// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Writing at once what programs changed in mapped files.
extension Kernel {
  /// Linux: `MS_ASYNC`, `MS_INVALIDATE`, `MS_SYNC`.
  private enum SynchronizeFlag {
    static var later: UInt64 { 1 }
    static var invalidate: UInt64 { 2 }
    static var now: UInt64 { 4 }
  }

  /// Linux: `msync`. What is to be written later is written by the flusher anyway.
  ///
  /// - Throws: EINVAL; ENOMEM where there is a hole, once the rest is done; EBUSY of locked pages
  ///   that are to be read again; EIO.
  /// - Context: may sleep.
  func synchronizeMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = call.third
    guard call.first & 4095 == 0, flags & ~7 == 0, flags & 5 != 5 else { throw .EINVAL }
    let (sum, overflow) = call.second.addingReportingOverflow(4095)
    guard !overflow else { throw .ENOMEM }
    let (end, wraps) = call.first.addingReportingOverflow(sum & ~4095)
    guard !wraps else { throw .ENOMEM }
    var place = call.first
    var hasHole = false
    while place < end {
      guard let part = spaces.areaPart(of: space, from: VirtualAddress(place)),
        part.start.value < end
      else { throw .ENOMEM }
      if part.start.value > place { hasHole = true }
      if flags & SynchronizeFlag.invalidate != 0, part.isLocked { throw .EBUSY }
      let stop = min(end, part.end.value)
      if flags & SynchronizeFlag.now != 0, let file = part.file {
        let last = part.index + (stop - part.start.value - 1) >> 12
        try fileSystems.synchronize(mapped: file, from: part.index, through: last)
      }
      place = stop
    }
    if hasHole { throw .ENOMEM }
    return 0
  }
}
