// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// What a test makes a disk do wrong.
public struct DiskFault: Sendable {
  public enum Effect: Sendable {
    /// The transfer moves nothing and is reported as failed.
    case fails
    /// The transfer is done only when somebody waits for it, however long that takes.
    case isSlow
  }

  public var disk: UInt8
  /// Sectors of 512 bytes; a transfer that touches one of them is affected.
  public var sectors: Range<UInt64>
  public var direction: DiskTransfer.Direction
  public var effect: Effect

  public init(
    disk: UInt8, sectors: Range<UInt64>, direction: DiskTransfer.Direction, effect: Effect
  ) {
    self.disk = disk
    self.sectors = sectors
    self.direction = direction
    self.effect = effect
  }
}

/// The disks of a simulated machine: arrays of bytes, and transfers that are done at a moment
/// between `submit` and `finish` which the seed decides.
struct SimulatedDisks: Sendable {
  private enum Status { case waiting, done, failed }
  private struct Flight {
    let transfer: DiskTransfer
    var status: Status
  }

  static var sectorBytes: UInt64 { 512 }

  var contents: [[UInt8]]
  var faults: [DiskFault] = []
  private var flights: [Flight] = []
  /// Tags in the order in which their transfers were done.
  private(set) var completionOrder: [UInt16] = []

  init(byteCounts: [Int]) { contents = byteCounts.map { Array(repeating: 0, count: $0) } }

  var inFlightCount: Int { flights.count }

  /// Takes a transfer in; until a read is done there is garbage where it goes.
  mutating func submit(_ transfer: DiskTransfer, in memory: MemoryBlock) {
    precondition(Int(transfer.tag) < DiskTransfer.maximumInFlight, "no such tag")
    precondition(!flights.contains { $0.transfer.tag == transfer.tag }, "tag in flight")
    precondition(transfer.byteCount.value % Self.sectorBytes == 0, "not whole sectors")
    precondition(Int(transfer.disk) < contents.count, "no such disk")
    let end = transfer.sector * Self.sectorBytes + transfer.byteCount.value
    precondition(end <= UInt64(contents[Int(transfer.disk)].count), "beyond the disk's end")
    flights.append(Flight(transfer: transfer, status: .waiting))
    guard transfer.direction == .read else { return }
    for offset in stride(from: 0, to: transfer.byteCount.value, by: 8) {
      memory.store(0xBAD0_BAD0_BAD0_BAD0 as UInt64, at: Int(transfer.address.value + offset))
    }
  }

  /// Does some of the transfers that wait, as if the disk had worked meanwhile.
  mutating func work(in memory: MemoryBlock, generator: inout SeededGenerator) {
    for index in flights.indices.shuffled(using: &generator)
    where flights[index].status == .waiting && generator.oneIn(3) {
      guard fault(for: flights[index].transfer)?.effect != .isSlow else { continue }
      perform(index, in: memory)
    }
  }

  /// Ends a transfer, doing it now if it was not done before; true if it went well.
  mutating func finish(tag: UInt16, in memory: MemoryBlock) -> Bool {
    guard let index = flights.firstIndex(where: { $0.transfer.tag == tag }) else {
      fatalError("simulated machine: no transfer \(tag) is in flight")
    }
    if flights[index].status == .waiting { perform(index, in: memory) }
    return flights.remove(at: index).status == .done
  }

  private mutating func perform(_ index: Int, in memory: MemoryBlock) {
    let transfer = flights[index].transfer
    completionOrder.append(transfer.tag)
    guard fault(for: transfer)?.effect != .fails else {
      flights[index].status = .failed
      return
    }
    guard transfer.direction != .flush else {
      flights[index].status = .done
      return
    }
    let disk = Int(transfer.disk)
    let first = Int(transfer.sector * Self.sectorBytes)
    let place = Int(transfer.address.value)
    for offset in 0..<Int(transfer.byteCount.value) {
      switch transfer.direction {
      case .read: memory.store(contents[disk][first + offset], at: place + offset)
      case .write: contents[disk][first + offset] = memory.load(UInt8.self, at: place + offset)
      case .flush: return
      }
    }
    flights[index].status = .done
  }

  private func fault(for transfer: DiskTransfer) -> DiskFault? {
    let end = transfer.sector + transfer.byteCount.value / Self.sectorBytes
    return faults.first { fault in
      // A flush touches all of them.
      fault.disk == transfer.disk && fault.direction == transfer.direction
        && (transfer.direction == .flush || fault.sectors.overlaps(transfer.sector..<end))
    }
  }
}
