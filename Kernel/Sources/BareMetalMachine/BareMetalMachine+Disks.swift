// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryEvents
import MemoryUnits

/// Transfers. Nothing here interrupts: a transfer is looked for when its modelled time has come.
extension BareMetalMachine {
  /// The disks that there are, and their sizes.
  public var diskCount: Int { state.diskCount }

  public func byteCount(ofDisk index: Int) -> ByteCount {
    precondition(index < diskCount, "no such disk")
    return state.disks[index].byteCount
  }

  public func submit(_ transfer: DiskTransfer) {
    precondition(Int(transfer.disk) < diskCount, "no such disk")
    let tag = Int(transfer.tag)
    BlockRequest(tag: transfer.tag, in: state.requests).fill(transfer)
    state.diskOfTag[tag] = transfer.disk
    state.disks[Int(transfer.disk)].submit(tag: transfer.tag)
  }

  public func finish(tag: UInt16) -> Bool {
    let disk = Int(state.diskOfTag[Int(tag)])
    let requests = state.requests
    let request = BlockRequest(tag: tag, in: requests)
    withClockStopped {
      while true {
        state.disks[disk].collect(requests: requests)
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
    state.requests = AddressLayout.directMap + requests
    for tag in 0..<DiskTransfer.maximumInFlight {
      BlockRequest(tag: UInt16(tag), in: state.requests)
        .prepare(physical: requests + UInt64(tag) * BlockRequest.stride)
    }
    var slot = BlockDevice.slotCount
    while slot > 0 {
      slot -= 1
      guard var disk = BlockDevice(slot: slot) else { continue }
      guard disk.start(rings: end, requests: requests) else { continue }
      state.disks[state.diskCount] = disk
      state.diskCount += 1
      end += 4096
    }
    return end
  }
}
