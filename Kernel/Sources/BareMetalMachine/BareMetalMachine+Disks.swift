// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryEvents
import MemoryUnits

/// Transfers. Nothing here interrupts: a transfer is looked for when its modelled time has come.
extension BareMetalMachine {
  /// The disks that there are, and their sizes.
  public var diskCount: Int { unsafe state.pointee.diskCount }

  public func byteCount(ofDisk index: Int) -> ByteCount {
    precondition(index < diskCount, "no such disk")
    return unsafe state.pointee.disks[index].byteCount
  }

  public func submit(_ transfer: DiskTransfer) {
    precondition(Int(transfer.disk) < diskCount, "no such disk")
    let tag = Int(transfer.tag)
    unsafe BlockRequest(tag: transfer.tag, in: state.pointee.requests).fill(transfer)
    unsafe state.pointee.diskOfTag[tag] = transfer.disk
    unsafe state.pointee.disks[Int(transfer.disk)].submit(tag: transfer.tag)
  }

  public func finish(tag: UInt16) -> Bool {
    let disk = unsafe Int(state.pointee.diskOfTag[Int(tag)])
    let requests = unsafe state.pointee.requests
    let request = BlockRequest(tag: tag, in: requests)
    withClockStopped {
      while true {
        unsafe state.pointee.disks[disk].collect(requests: requests)
        if request.isDone { break }
        processor_pause()
      }
    }
    return request.hasSucceeded
  }

  /// Starts the disks in the order in which QEMU was told of them: it fills the last slot first.
  ///
  /// - Parameter start: physical address of RAM for the rings.
  /// - Returns: the address behind them.
  func findDisks(after start: UInt64) -> UInt64 {
    var end = start
    let requests = end
    end += (UInt64(DiskTransfer.maximumInFlight) * BlockRequest.stride + 4095) & ~4095
    unsafe state.pointee.requests = AddressLayout.directMap + requests
    for tag in 0..<DiskTransfer.maximumInFlight {
      unsafe BlockRequest(tag: UInt16(tag), in: state.pointee.requests)
        .prepare(physical: requests + UInt64(tag) * BlockRequest.stride)
    }
    var slot = BlockDevice.slotCount
    while slot > 0 {
      slot -= 1
      guard var disk = BlockDevice(slot: slot) else { continue }
      guard disk.start(rings: end, requests: requests) else { continue }
      unsafe state.pointee.disks[state.pointee.diskCount] = disk
      unsafe state.pointee.diskCount += 1
      end += 4096
    }
    return end
  }
}
