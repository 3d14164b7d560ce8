// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

/// What a machine did wrong.
///
/// Not a member of the generic type: Swift 6.3.1's optimiser stops on such an error type.
public struct ConformanceFailure: Error {
  public let reason: StaticString
}

/// What every machine must do, whatever it is made of: the contract of `Machine`, checked.
///
/// It runs below any heap, so that an image can check the hardware that it is on. The frames and
/// stacks are the caller's, are written over and stay the caller's.
public struct MachineConformance<M: Machine>: BitwiseCopyable {
  public let machine: M
  /// At least `frameCount` free frames of the direct map, one after the other.
  public let scratch: PageFrameNumber

  public static var frameCount: PageCount { PageCount(16) }

  public init(machine: M, scratch: PageFrameNumber) {
    self.machine = machine
    self.scratch = scratch
  }

  /// Checks all that needs no disk and no second task.
  ///
  /// - Parameter highFrame: a free frame beyond the direct map, if the machine has any.
  public func check(highFrame: PageFrameNumber?) throws(ConformanceFailure) {
    try checkDirectMap()
    try checkBytes(highFrame)
    try checkTime()
    try require(machine.currentCPU == .boot, "the first CPU has number 0")
    try require(
      machine.channel.byteCount >= ChannelLayout.byteCount, "the channel is as large as laid out")
  }

  func require(_ condition: Bool, _ reason: StaticString) throws(ConformanceFailure) {
    if !condition { throw ConformanceFailure(reason: reason) }
  }

  func frame(_ index: Int) -> PageFrameNumber { scratch + PageCount(index) }

  private func checkDirectMap() throws(ConformanceFailure) {
    let map = machine.directMap
    let end = frame(Self.frameCount.value).address
    try require(end <= map.limit, "the scratch frames are in the direct map")
    for index in 0..<Self.frameCount.value {
      map.frame(frame(index)).clear()
      map.store(UInt64(index) &* 0x0101_0101_0101_0101, at: frame(index).address)
      map.store(UInt32(index), at: frame(index).address + ByteCount(4092))
    }
    for index in 0..<Self.frameCount.value {
      let block = map.frame(frame(index))
      try require(block.byteCount == 4096, "a frame is 4 KiB")
      try require(
        block.load(UInt64.self, at: 0) == UInt64(index) &* 0x0101_0101_0101_0101,
        "frames are apart from each other")
      try require(
        map.load(UInt32.self, at: frame(index).address + ByteCount(4092)) == UInt32(index),
        "a frame's last word is its own")
      try require(block.load(UInt64.self, at: 2048) == 0, "cleared bytes are zero")
    }
  }

  private func checkBytes(_ highFrame: PageFrameNumber?) throws(ConformanceFailure) {
    machine.withBytes(of: frame(0)) { $0.store(UInt64(0x1234_5678), at: 8) }
    try require(
      machine.directMap.load(UInt64.self, at: frame(0).address + ByteCount(8)) == 0x1234_5678,
      "both ways to a frame lead to the same bytes")
    guard let highFrame else { return }
    try require(highFrame.address >= machine.directMap.limit, "the high frame is beyond the map")
    machine.withBytes(of: highFrame) { $0.store(UInt64(0x8765_4321), at: 4088) }
    let sum = machine.withBytes(of: frame(0)) { low in
      machine.withBytes(of: highFrame) { high in
        low.load(UInt64.self, at: 8) + high.load(UInt64.self, at: 4088)
      }
    }
    try require(sum == 0x9999_9999, "windows nest, and a high frame keeps its bytes")
  }

  private func checkTime() throws(ConformanceFailure) {
    let first = machine.now
    let second = machine.now
    try require(first <= second, "time does not go back")
    var inside = VirtualTime.zero
    machine.withClockStopped { inside = machine.now }
    let after = machine.now
    try require(second <= inside && inside <= after, "time goes on after it was stopped")
    let target = after.advanced(byNanoseconds: 1_000_000)
    machine.advance(to: target)
    let arrived = machine.now
    try require(
      arrived >= target && arrived < target.advanced(byNanoseconds: 100_000),
      "time arrives where it is moved to")
    machine.advance(to: first)
    try require(machine.now >= arrived, "time is not moved back")
  }
}
