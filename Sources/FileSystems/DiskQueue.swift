// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// A transfer that a disk works on, by tag.
///
/// Linux: `struct request`.
struct DiskRequest: BitwiseCopyable {
  var isInFlight = false
  var disk: UInt8 = 0
  var direction = DiskTransfer.Direction.read
  /// In units of 512 bytes.
  var sector: UInt64 = 0
  /// Frames in a row, for as many pages of the file in a row.
  var frame = PageFrameNumber(0)
  var pageCount: UInt16 = 0
  var file = Link<CachedFile>(nil)
  var index: UInt64 = 0
  /// Where the disk is told that the frames are.
  var address = DeviceAddress(0)
  /// The modelled time.
  var due = VirtualTime.zero

  var byteCount: ByteCount { PageCount(Int(pageCount)).bytes }
  var sectorCount: UInt64 { UInt64(pageCount) * 8 }

  /// Whether the host might do the two in either order with different results.
  func conflicts(
    with direction: DiskTransfer.Direction, of disk: Int, sector first: UInt64,
    sectorCount count: UInt64
  ) -> Bool {
    isInFlight && Int(self.disk) == disk && (self.direction == .write || direction == .write)
      && first < sector + sectorCount && sector < first + count
  }
}

extension DiskTransfer.Direction {
  /// Who writes the memory; a flush has none.
  fileprivate var memory: TransferDirection { self == .read ? .fromDevice : .toDevice }
}

extension FileSystems {
  /// Starts a transfer between pages of a file and the disk; when it is done, and whether it went
  /// well, is told to the page cache.
  ///
  /// The modelled time is fixed here: what the host does later has no say in it. A tag is free
  /// again at that time and never before, however early the host is done.
  ///
  /// - Parameter block: the first of as many blocks in a row.
  /// - Context: as `patience` says, until a tag is free and nothing overlaps that must come first.
  func submit(
    _ direction: DiskTransfer.Direction, disk: Int, block: UInt32, frame: PageFrameNumber,
    pageCount: UInt16, of file: Reference<CachedFile>?, index: UInt64,
    _ patience: Patience = .asleep
  ) {
    var request = DiskRequest(
      isInFlight: true, disk: UInt8(disk), direction: direction, sector: UInt64(block) * 8,
      frame: frame, pageCount: pageCount, file: Link(file), index: index)
    lend(&request, patience)
    let tag = freeTag(for: request, patience)
    let byteCount = request.byteCount
    request.due =
      direction == .flush
      ? state.value.disks[disk].times.planFlush(state.value.model, at: machine.now)
      : state.value.disks[disk].times.plan(
        state.value.model, sector: request.sector, byteCount: byteCount, at: machine.now)
    state.value.requests[Int(tag)] = request
    if direction == .write { state.value.disks[disk].writesInFlight += 1 }
    let kind: EventKind =
      switch direction {
      case .read: .diskReadSubmitted
      case .write: .diskWriteSubmitted
      case .flush: .diskFlushSubmitted
      }
    note(kind, request)
    machine.submit(
      DiskTransfer(
        disk: UInt8(disk), direction: direction, tag: tag, sector: request.sector,
        address: request.address.physical, byteCount: byteCount))
    environment.schedule(diskCompletion: tag, at: request.due)
  }

  /// The bytes of a disk, root first; none where there is no such disk.
  public func byteCount(ofDisk disk: Int) -> ByteCount {
    disk < Disk.count ? ByteCount(state.value.disks[disk].byteCount) : .zero
  }

  /// Starts reading blocks of a disk into frames that are no file's; they are the disk's until
  /// nothing is under way.
  ///
  /// - Context: does not sleep. Linux: `submit_bio()`.
  public func startReading(
    disk: Int, block: UInt32, pageCount: Int, into first: PageFrameNumber
  ) {
    submit(
      .read, disk: disk, block: block, frame: first, pageCount: UInt16(pageCount), of: nil,
      index: 0, .idle)
  }

  /// Ends a transfer whose modelled time has come.
  ///
  /// - Context: the kernel's event queue, in the order of time and submission; never sleeps.
  public func diskCompleted(_ tag: UInt16) {
    let request = state.value.requests[Int(tag)]
    precondition(request.isInFlight, "the end of a transfer that nobody began")
    let succeeded = machine.finish(tag: tag)
    takeBack(request)
    state.value.diskCounts.add(request)
    state.value.disks[Int(request.disk)].counts.add(request)
    state.value.requests[Int(tag)].isInFlight = false
    giveBack(tag)
    switch request.direction {
    case .read:
      note(.diskReadCompleted, request)
      readCompleted(request, succeeded)
    case .write:
      note(.diskWriteCompleted, request)
      state.value.disks[Int(request.disk)].writesInFlight -= 1
      if !succeeded { state.value.disks[Int(request.disk)].writeErrors.note() }
      guard let file = request.file.reference else { break }
      for offset in 0..<Int(request.pageCount) {
        spaces.writeCompleted(
          file, frame: request.frame + PageCount(offset), succeeded: succeeded)
      }
    case .flush:
      note(.diskFlushCompleted, request)
      state.value.disks[Int(request.disk)].flushCount &+= 1
      if !succeeded { state.value.disks[Int(request.disk)].flushErrorCount &+= 1 }
    }
    environment.wake(Self.diskKey)
  }

  // The memory of a transfer

  /// Lends the frames of a transfer to its disk, waiting for others to end while all bounce
  /// buffers are in use.
  private func lend(_ request: inout DiskRequest, _ patience: Patience) {
    guard let device = hardware(of: request) else { return }
    while true {
      do {
        request.address = try environment.devices.map(
          request.frame.address, request.byteCount, request.direction.memory, for: device)
        return
      } catch {
        precondition(diskTransferCount > 0, "a disk that never reaches a frame")
        waitForTransfer(patience)
      }
    }
  }

  /// Takes the frames back; what the disk has written is in them now.
  private func takeBack(_ request: DiskRequest) {
    guard let device = hardware(of: request) else { return }
    do {
      try environment.devices.unmap(
        request.address, request.byteCount, request.direction.memory, of: device)
    } catch {
      preconditionFailure("a transfer that was not mapped")
    }
  }

  /// The device of a transfer that has bytes.
  private func hardware(of request: DiskRequest) -> Reference<Device>? {
    request.pageCount > 0 ? state.value.disks[Int(request.disk)].hardware.reference : nil
  }

  private func readCompleted(_ request: DiskRequest, _ succeeded: Bool) {
    guard let file = request.file.reference else { return }
    let count = Int(request.pageCount)
    guard succeeded else {
      spaces.readFailed(file, index: request.index, pageCount: count, from: request.frame)
      return
    }
    for offset in 0..<count {
      spaces.readCompleted(
        file, index: request.index + UInt64(offset),
        frame: request.frame + PageCount(offset), succeeded: true)
    }
  }

  /// Waits until all that a disk has taken stays whatever happens.
  ///
  /// - Throws: EIO. Context: may sleep. Linux: `blkdev_issue_flush()`.
  func flush(disk: Int) throws(Errno) {
    let errors = state.value.disks[disk].flushErrorCount
    let count = state.value.disks[disk].flushCount
    let ahead = state.value.disks[disk].flushesInFlight
    state.value.disks[disk].flushesInFlight += 1
    submit(
      .flush, disk: disk, block: 0, frame: PageFrameNumber(0), pageCount: 0, of: nil, index: 0)
    // They end in the order in which they began.
    while state.value.disks[disk].flushCount &- count <= ahead {
      environment.sleep(on: Self.diskKey)
    }
    state.value.disks[disk].flushesInFlight -= 1
    guard state.value.disks[disk].flushErrorCount == errors else { throw .EIO }
  }

  private func note(_ kind: EventKind, _ request: DiskRequest) {
    record(
      kind, detail: request.pageCount, frame: request.frame.value, owner: UInt32(request.disk),
      value: request.sector)
  }

  /// Transfers in flight.
  public var diskTransferCount: Int {
    DiskTransfer.maximumInFlight - state.value.freeTagsLow.nonzeroBitCount
      - state.value.freeTagsHigh.nonzeroBitCount
  }

  /// Whether pages of a file are on their way.
  func hasTransfer(of file: Reference<CachedFile>) -> Bool {
    guard diskTransferCount > 0 else { return false }
    for tag in 0..<DiskTransfer.maximumInFlight
    where state.value.requests[tag].isInFlight
      && state.value.requests[tag].file.reference == file
    {
      return true
    }
    return false
  }

  /// What waits for the disk queue: a free tag, an overlapping transfer.
  static var diskKey: SleepKey { .object(0, channel: 0x71) }

  private func freeTag(for request: DiskRequest, _ patience: Patience) -> UInt16 {
    while true {
      if !hasConflict(request), let tag = takeTag() { return tag }
      waitForTransfer(patience)
    }
  }

  /// Whatever is in the way ends some time.
  private func waitForTransfer(_ patience: Patience) {
    if patience == .asleep {
      environment.sleep(on: Self.diskKey)
    } else {
      _ = environment.awaitTransfer()
    }
  }

  private func hasConflict(_ request: DiskRequest) -> Bool {
    let disk = Int(request.disk)
    // Reads never wait for one another, and a flush waits for nothing.
    switch request.direction {
    case .flush: return false
    case .read: guard state.value.disks[disk].writesInFlight > 0 else { return false }
    case .write: break
    }
    for tag in 0..<DiskTransfer.maximumInFlight
    where state.value.requests[tag].conflicts(
      with: request.direction, of: disk, sector: request.sector,
      sectorCount: request.sectorCount)
    {
      return true
    }
    return false
  }

  private func takeTag() -> UInt16? {
    if state.value.freeTagsLow != 0 {
      let tag = state.value.freeTagsLow.trailingZeroBitCount
      state.value.freeTagsLow &= ~(1 << UInt64(tag))
      return UInt16(tag)
    }
    guard state.value.freeTagsHigh != 0 else { return nil }
    let tag = state.value.freeTagsHigh.trailingZeroBitCount
    state.value.freeTagsHigh &= ~(1 << UInt64(tag))
    return UInt16(64 + tag)
  }

  private func giveBack(_ tag: UInt16) {
    if tag < 64 {
      state.value.freeTagsLow |= 1 << UInt64(tag)
    } else {
      state.value.freeTagsHigh |= 1 << UInt64(tag - 64)
    }
  }
}
