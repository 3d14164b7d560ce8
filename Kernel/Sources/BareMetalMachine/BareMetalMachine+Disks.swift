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

  /// Finds the disks, in the order in which QEMU was told of them: it fills the last slot first.
  ///
  /// They do nothing before `startDisks`.
  func findDisks() {
    var slot = BlockDevice.slotCount
    while slot > 0, state.diskCount < state.disks.count {
      slot -= 1
      guard let disk = BlockDevice(slot: slot) else { continue }
      state.disks[state.diskCount] = disk
      state.diskCount += 1
    }
  }

  /// Makes the disks ready for transfers, in memory that they share with the kernel.
  ///
  /// - Parameter allocate: gives so many bytes in a row for a disk, zeroed, for ever.
  /// - Throws: what that throws.
  /// - Context: once, before the first transfer.
  public func startDisks<Failure: Error>(
    _ allocate: (Int, ByteCount) throws(Failure) -> PhysicalAddress
  ) throws(Failure) {
    guard state.diskCount > 0 else { return }
    // The first disk's memory has the requests of all tags, whichever disk they go to.
    let byteCount = UInt64(DiskTransfer.maximumInFlight) * BlockRequest.stride
    let requests = try allocate(0, ByteCount(byteCount)).value
    state.requests = AddressLayout.directMap + requests
    for tag in 0..<DiskTransfer.maximumInFlight {
      BlockRequest(tag: UInt16(tag), in: state.requests)
        .prepare(physical: requests + UInt64(tag) * BlockRequest.stride)
    }
    for disk in 0..<state.diskCount {
      let rings = try allocate(disk, ByteCount(PageSize.base.bytes)).value
      guard state.disks[disk].start(rings: rings, requests: requests) else {
        stop("quire: a disk that is not of virtio 1\n")
      }
    }
  }
}
