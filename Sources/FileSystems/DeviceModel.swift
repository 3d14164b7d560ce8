// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// How long a disk takes, in virtual time: the kernel's only source of when a transfer is done.
///
/// A transfer occupies one channel of its device for the latency, then the bus for its bytes.
/// The figures are those of a plain device of the kind.
public enum DeviceModel: UInt8, BitwiseCopyable, Sendable {
  /// SATA flash: 80 µs, 8 at a time, 500 MB/s.
  case ssd = 0
  /// A disk of 7,200 turns: 8 ms for each seek, one at a time, 160 MB/s.
  case hdd = 1
  /// Flash on the bus: 20 µs, 16 at a time, 3.2 GB/s.
  case nvme = 2

  /// Transfers that wait for the medium at a time.
  public var channelCount: Int {
    switch self {
    case .ssd: 8
    case .hdd: 1
    case .nvme: 16
    }
  }

  /// Nanoseconds until the medium delivers; nothing where the head is there already.
  public func latency(isSequential: Bool) -> UInt64 {
    switch self {
    case .ssd: 80_000
    case .hdd: isSequential ? 50_000 : 8_000_000
    case .nvme: 20_000
    }
  }

  /// Nanoseconds until what is in the device's cache is on the medium.
  public var flushTime: UInt64 {
    switch self {
    case .ssd: 400_000
    case .hdd: 8_000_000
    case .nvme: 30_000
    }
  }

  /// Nanoseconds for so many bytes on the bus.
  public func transferTime(_ count: ByteCount) -> UInt64 {
    switch self {
    case .ssd: count.value * 2
    case .hdd: count.value * 25 / 4
    case .nvme: count.value * 5 / 16
    }
  }
}

/// When the parts of a device are free again.
struct DeviceTimes: BitwiseCopyable {
  private var channels: InlineArray<16, VirtualTime> = InlineArray(repeating: .zero)
  private var bus = VirtualTime.zero
  /// The sector behind the last transfer.
  private var nextSector: UInt64 = 0

  /// Takes a transfer in and returns when it will be done.
  ///
  /// - Complexity: O(channels).
  mutating func plan(
    _ model: DeviceModel, sector: UInt64, byteCount: ByteCount, at now: VirtualTime
  ) -> VirtualTime {
    var channel = 0
    for candidate in 1..<max(model.channelCount, 2) where candidate < model.channelCount {
      if channels[candidate] < channels[channel] { channel = candidate }
    }
    let latency = model.latency(isSequential: sector == nextSector)
    let delivered = max(now, channels[channel]).advanced(byNanoseconds: latency)
    let done = max(delivered, bus).advanced(byNanoseconds: model.transferTime(byteCount))
    channels[channel] = done
    bus = done
    nextSector = sector + byteCount.value / 512
    return done
  }

  /// Takes in that all before it is to stay, and returns when that will be.
  mutating func planFlush(_ model: DeviceModel, at now: VirtualTime) -> VirtualTime {
    var begin = max(now, bus)
    for channel in 0..<model.channelCount { begin = max(begin, channels[channel]) }
    return begin.advanced(byNanoseconds: model.flushTime)
  }
}
