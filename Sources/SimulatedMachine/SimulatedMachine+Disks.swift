// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

extension SimulatedMachine {
  public func submit(_ transfer: DiskTransfer) {
    yieldPoint()
    let hardware = hardware
    hardware.state.withLock { state in
      state.spend(.submit)
      checkFrames(of: transfer, &state)
      state.disks.submit(transfer, in: hardware.memory.all)
      state.disks.work(in: hardware.memory.all, generator: &state.generator)
    }
  }

  public func finish(tag: UInt16) -> Bool {
    yieldPoint()
    let hardware = hardware
    return hardware.state.withLock { state in
      state.disks.work(in: hardware.memory.all, generator: &state.generator)
      return state.disks.finish(tag: tag, in: hardware.memory.all)
    }
  }

  /// A disk reaches only frames that are in use.
  private func checkFrames(of transfer: DiskTransfer, _ state: inout HardwareState) {
    guard state.replay.managedFrameCount > 0, transfer.byteCount > .zero else { return }
    let first = transfer.address.frame.value
    let last = (transfer.address + ByteCount(transfer.byteCount.value - 1)).frame.value
    for frame in first...last where Int(frame) < state.replay.states.count {
      if state.replay.states[Int(frame)].kind == .free {
        hardware.violate(&state, "disk \(transfer.disk) was given frame \(frame), which is free")
      }
    }
  }

  // What a test does and sees

  public func addDiskFault(_ fault: DiskFault) {
    hardware.state.withLock { $0.disks.faults.append(fault) }
  }

  public func removeDiskFaults() { hardware.state.withLock { $0.disks.faults.removeAll() } }

  /// The bytes of a disk.
  public func diskContents(_ disk: Int) -> [UInt8] {
    hardware.state.withLock { $0.disks.contents[disk] }
  }

  public func setDiskContents(_ disk: Int, _ bytes: [UInt8]) {
    hardware.state.withLock { $0.disks.contents[disk] = bytes }
  }

  public var transfersInFlight: Int { hardware.state.withLock { $0.disks.inFlightCount } }

  /// Tags in the order in which their transfers were done.
  public var completionOrder: [UInt16] { hardware.state.withLock { $0.disks.completionOrder } }
}
