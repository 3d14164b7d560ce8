// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import Testing

@testable import PageFrames

@Suite struct FrameDescriptorTests {
  @Test func `a descriptor is 32 bytes without holes`() {
    #expect(MemoryLayout<FrameDescriptor>.size == 32)
    #expect(MemoryLayout<FrameDescriptor>.stride == 32)
    #expect(FrameDescriptor.byteCount == 32)
  }

  @Test func `each field is where tools from outside read it`() {
    var descriptor = FrameDescriptor(.file, order: Order(5), zone: .normal, flags: .dirty)
    descriptor.next = 0x0101_0101
    descriptor.previous = 0x0202_0202
    descriptor.owner = 0x0303_0303
    descriptor.references = 0x0404_0404
    descriptor.mappings = 0x0505_0505
    descriptor.privateWord = 0x0606_0606
    descriptor.index = 0x08_0707_0707
    let bytes = withUnsafeBytes(of: descriptor) { Array($0) }
    for (word, value) in [1, 2, 3, 4, 5, 6, 7].enumerated() {
      #expect(bytes[word * 4..<word * 4 + 4].allSatisfy { $0 == UInt8(value) })
    }
    #expect(bytes[28] == 8)
    #expect(bytes[29] == FrameKind.file.rawValue | 5 << 4)
    #expect(bytes[30] == 2)
    #expect(bytes[31] == 2 << 6)
  }

  @Test func `fields that share a word do not touch each other`() {
    var descriptor = FrameDescriptor(.plain, zone: .highMemory)
    for value in 0...10 {
      descriptor.order = Order(UInt8(value))
      descriptor.kind = .dma
      #expect(descriptor.order.value == value && descriptor.kind == .dma)
    }
    descriptor.flags = FrameFlags(rawValue: 0xFFFF)
    #expect(descriptor.zone == .highMemory)
    #expect(descriptor.flags.rawValue == 0x0FFF)
    descriptor.flags = FrameFlags()
    #expect(descriptor.zone == .highMemory && descriptor.flags.isEmpty)
    descriptor.index = (1 << 40) - 1
    #expect(descriptor.index == (1 << 40) - 1 && descriptor.kind == .dma)
  }
}
