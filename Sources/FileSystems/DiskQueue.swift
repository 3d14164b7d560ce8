// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits

/// A transfer that a disk works on, by tag.
///
/// Linux: `struct request`.
struct DiskRequest: BitwiseCopyable {
  var isInFlight = false
  var direction = DiskTransfer.Direction.read
  /// In units of 512 bytes.
  var sector: UInt64 = 0
  /// Frames in a row, for as many pages of the file in a row.
  var frame = PageFrameNumber(0)
  var pageCount: UInt16 = 0
  var file = Link<CachedFile>(nil)
  var index: UInt64 = 0
  /// The modelled time.
  var due = VirtualTime.zero

  var sectorCount: UInt64 { UInt64(pageCount) * 8 }

  /// Whether the host might do the two in either order with different results.
  func conflicts(
    with direction: DiskTransfer.Direction, sector first: UInt64, sectorCount count: UInt64
  ) -> Bool {
    isInFlight && (self.direction == .write || direction == .write)
      && first < sector + sectorCount && sector < first + count
  }
}

extension FileSystems {
  /// Starts a transfer between pages of a file and the disk; when it is done, and whether it went
  /// well, is told to the page cache.
  ///
  /// The modelled time is fixed here: what the host does later has no say in it. A tag is free
  /// again at that time and never before, however early the host is done.
  ///
  /// - Parameter block: the first of as many blocks in a row.
  /// - Context: may sleep, until a tag is free and nothing overlaps that must come first.
  func submit(
    _ direction: DiskTransfer.Direction, block: UInt32, frame: PageFrameNumber,
    pageCount: UInt16, of file: Reference<CachedFile>?, index: UInt64
  ) {
    let sector = UInt64(block) * 8
    let byteCount = PageCount(Int(pageCount)).bytes
    let tag = freeTag(direction, sector: sector, sectorCount: UInt64(pageCount) * 8)
    let due = state.value.diskTimes.plan(
      state.value.model, sector: sector, byteCount: byteCount, at: machine.now)
    state.value.requests[Int(tag)] = DiskRequest(
      isInFlight: true, direction: direction, sector: sector, frame: frame, pageCount: pageCount,
      file: Link(file), index: index, due: due)
    if direction == .write { state.value.writesInFlight += 1 }
    record(
      direction == .read ? .diskReadSubmitted : .diskWriteSubmitted, detail: pageCount,
      frame: frame.value, value: sector)
    machine.submit(
      DiskTransfer(
        disk: 0, direction: direction, tag: tag, sector: sector, address: frame.address,
        byteCount: byteCount))
    environment.schedule(diskCompletion: tag, at: due)
  }

  /// Ends a transfer whose modelled time has come.
  ///
  /// - Context: the kernel's event queue, in the order of time and submission; never sleeps.
  public func diskCompleted(_ tag: UInt16) {
    let request = state.value.requests[Int(tag)]
    precondition(request.isInFlight, "the end of a transfer that nobody began")
    let succeeded = machine.finish(tag: tag)
    record(
      request.direction == .read ? .diskReadCompleted : .diskWriteCompleted,
      detail: request.pageCount, frame: request.frame.value, value: request.sector)
    if request.direction == .write { state.value.writesInFlight -= 1 }
    state.value.diskCounts.add(request)
    state.value.requests[Int(tag)].isInFlight = false
    giveBack(tag)
    if request.direction == .read, let file = request.file.reference {
      let count = Int(request.pageCount)
      if succeeded {
        for offset in 0..<count {
          spaces.readCompleted(
            file, index: request.index + UInt64(offset),
            frame: request.frame + PageCount(offset), succeeded: true)
        }
      } else {
        spaces.readFailed(file, index: request.index, pageCount: count, from: request.frame)
      }
    }
    environment.wake(Self.diskKey)
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

  private func freeTag(
    _ direction: DiskTransfer.Direction, sector: UInt64, sectorCount: UInt64
  ) -> UInt16 {
    while true {
      if !hasConflict(direction, sector: sector, sectorCount: sectorCount), let tag = takeTag() {
        return tag
      }
      environment.sleep(on: Self.diskKey)
    }
  }

  private func hasConflict(
    _ direction: DiskTransfer.Direction, sector: UInt64, sectorCount: UInt64
  ) -> Bool {
    // Reads never wait for one another.
    guard direction == .write || state.value.writesInFlight > 0 else { return false }
    for tag in 0..<DiskTransfer.maximumInFlight
    where state.value.requests[tag].conflicts(
      with: direction, sector: sector, sectorCount: sectorCount)
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
