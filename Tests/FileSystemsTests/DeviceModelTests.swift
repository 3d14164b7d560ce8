// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import MemoryUnits
import Testing

@testable import FileSystems

/// Modelled device time, and the layouts that programs see.
@Suite struct DeviceModelTests {
  private func times(_ model: DeviceModel, _ sectors: [UInt64]) -> [UInt64] {
    var device = DeviceTimes()
    return sectors.map {
      device.plan(model, sector: $0, byteCount: ByteCount(4096), at: .zero).nanoseconds
    }
  }

  @Test func `flash overlaps latencies and serialises the bus`() {
    #expect(times(.ssd, [80, 160]) == [88_192, 96_384])
    // The ninth waits for the first channel.
    let nine = times(.ssd, (1...9).map { $0 * 80 })
    #expect(nine[7] == 80_000 + 8 * 8192)
    #expect(nine[8] == nine[0] + 80_000 + 8192)
  }

  @Test func `a turning disk seeks unless it is there`() {
    #expect(times(.hdd, [80, 88, 800]) == [8_025_600, 8_101_200, 16_126_800])
  }

  @Test func `the bus of nvme is faster`() {
    #expect(times(.nvme, [80]) == [21_280])
  }

  @Test func `layouts have Linux's sizes`() {
    #expect(MemoryLayout<FileStatus>.size == FileStatus.byteCountOfLayout)
    #expect(MemoryLayout<ExtendedFileStatus>.size == ExtendedFileStatus.byteCountOfLayout)
    #expect(MemoryLayout<FileSystemStatus>.size == FileSystemStatus.byteCountOfLayout)
    #expect(MemoryLayout<TerminalSettings>.size == TerminalSettings.byteCountOfLayout)
    #expect(MemoryLayout<WindowSize>.size == 8)
    #expect(DeviceNumber(major: 254, minor: 0).encoded == 0xFE00)
    #expect(DeviceNumber(encoded: 0xFE00) == DeviceNumber(major: 254, minor: 0))
    #expect(DeviceNumber(encoded: DeviceNumber(major: 8, minor: 300).encoded).minor == 300)
  }
}
