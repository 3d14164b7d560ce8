// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import Testing

@testable import PageFrames

/// Numbers that Linux itself printed (/proc/zoneinfo, /proc/sys/vm), and those that its source
/// states.
@Suite struct ReservePolicyTests {
  /// The zones of the machine that the figures were read from: 2 CPUs, 7 GiB.
  let measured = ReservePolicy(
    managed: PerZone(dma: 3840, dma32: 772_917, normal: 1_015_808, highMemory: 0))

  private func expect(_ marks: Watermarks, _ values: [Int]) {
    #expect(
      [marks.minimum.value, marks.low.value, marks.high.value, marks.promotion.value] == values)
  }

  @Test func `watermarks of three zones are Linux's, 2 CPUs`() {
    let minimum = 67_584
    expect(measured.watermarks(of: .dma, minimumFreeKibibytes: minimum), [36, 45, 54, 63])
    expect(
      measured.watermarks(of: .dma32, minimumFreeKibibytes: minimum), [7285, 9106, 10_927, 12_748])
    expect(
      measured.watermarks(of: .normal, minimumFreeKibibytes: minimum),
      [9574, 11_967, 14_360, 16_753])
  }

  @Test func `lowmem reserves are Linux's, 2 CPUs`() {
    let row = { (zone: ZoneKind) in
      [ZoneKind.dma, .dma32, .normal, .highMemory].map {
        measured.lowMemoryReserve(of: zone, limit: $0).value
      }
    }
    #expect(row(.dma) == [0, 3019, 6987, 6987])
    #expect(row(.dma32) == [0, 0, 3968, 3968])
    #expect(row(.normal) == [0, 0, 0, 0])
  }

  @Test func `a large zone moves 63 frames at a time, 2 CPUs`() {
    #expect(measured.cpuBatch(of: .normal) == 63)
    #expect(measured.cpuBatch(of: .dma32) == 63)
    #expect(measured.cpuBatch(of: .dma) == 1)
  }

  @Test func `lists of a CPU follow the low mark and the zone, 2 CPUs`() {
    #expect(
      measured.cpuHigh(of: .normal, minimumFreeKibibytes: 67_584, cpuCount: 2) == 11_967 / 2)
    #expect(measured.cpuHighMaximum(of: .normal, cpuCount: 2) == 1_015_808 / 16)
    #expect(measured.cpuHigh(of: .dma, minimumFreeKibibytes: 67_584, cpuCount: 2) == 22)
  }

  @Test(arguments: [
    // The table above `calculate_min_free_kbytes()`.
    (16, 512), (32, 724), (64, 1024), (128, 1448), (256, 2048), (512, 2896), (1024, 4096),
    (2048, 5792), (4096, 8192), (8192, 11_585), (16_384, 16_384),
  ])
  func `min_free_kbytes is what Linux's source lists`(mebibytes: Int, kibibytes: Int) {
    let policy = ReservePolicy(
      managed: PerZone(dma: 0, dma32: mebibytes << 8, normal: 0, highMemory: 0))
    #expect(policy.minimumFreeKibibytes == kibibytes)
  }

  @Test func `min_free_kbytes has a floor and a ceiling`() {
    #expect(ReservePolicy(managed: PerZone()).minimumFreeKibibytes == 128)
    let huge = ReservePolicy(managed: PerZone(dma: 0, dma32: 0, normal: 1 << 30, highMemory: 0))
    #expect(huge.minimumFreeKibibytes == 262_144)
  }

  @Test func `high memory has a mark of its own and no reserve`() {
    let policy = ReservePolicy(
      managed: PerZone(dma: 4000, dma32: 0, normal: 220_000, highMemory: 561_000))
    let marks = policy.watermarks(of: .highMemory, minimumFreeKibibytes: 4096)
    #expect(marks.minimum.value == 128)
    #expect(policy.lowMemoryReserve(of: .normal, limit: .highMemory).value == 561_000 / 32)
    #expect(policy.lowMemoryReserve(of: .dma, limit: .highMemory).value == 781_000 / 256)
    #expect(policy.lowMemoryReserve(of: .dma, limit: .normal).value == 220_000 / 256)
  }

  @Test func `the total reserve never exceeds a zone`() {
    let tiny = ReservePolicy(
      managed: PerZone(dma: 10, dma32: 0, normal: 100_000, highMemory: 0))
    let minimum = tiny.minimumFreeKibibytes
    let normal = tiny.watermarks(of: .normal, minimumFreeKibibytes: minimum).high.value
    #expect(tiny.totalReserve(minimumFreeKibibytes: minimum).value == 10 + normal)
  }
}
