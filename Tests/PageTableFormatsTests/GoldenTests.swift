// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats
import Testing

/// Constants worked out by hand from the manuals, never from this code.
@Suite struct GoldenTests {
  private let userWrite: Protection = [.read, .write, .user]
  private let kernelText: Protection = [.read, .execute, .global]
  private let device: Protection = [.read, .write, .global, .device]

  private func expect<Format: PageTableFormat>(
    _ format: Format.Type, _ goldens: [GoldenEntry]
  ) {
    for golden in goldens {
      let frame = PageFrameNumber(golden.frame)
      let entry = Format.leaf(frame, golden.protection, level: golden.level)
      #expect(entry == golden.bits, "\(String(entry, radix: 16))")
      let leaf = Format.decode(golden.bits, level: golden.level).leaf
      #expect(leaf?.frame == frame)
      #expect(leaf?.protection == Format.granted(golden.protection))
    }
  }

  /// Intel SDM volume 3A, tables 4-17 to 4-20.
  @Test func `entries of x86-64 have the manual's bits`() {
    expect(
      X8664Format.self,
      [
        // P RW US, XD
        GoldenEntry(
          bits: 0x8000_0000_1234_5007, level: 0, frame: 0x12345, protection: userWrite),
        // P US
        GoldenEntry(
          bits: 0x1234_5005, level: 0, frame: 0x12345, protection: [.read, .execute, .user]),
        // P RW PS G, XD: a page of the direct map
        GoldenEntry(
          bits: 0x8000_0000_0020_0183, level: 1, frame: 0x200,
          protection: [.read, .write, .global]),
        // P RW PWT PCD G, XD: the local APIC
        GoldenEntry(
          bits: 0x8000_0000_FEE0_011B, level: 0, frame: 0xFEE00, protection: device),
        // P US, software bit 9, XD: the zero page
        GoldenEntry(
          bits: 0x8000_0000_0000_7205, level: 0, frame: 7,
          protection: [.read, .user, .uncounted]),
        // not P, US, bit 8, XD
        GoldenEntry(bits: 0x8000_0000_1234_5104, level: 0, frame: 0x12345, protection: .user),
      ])
    // P RW US A
    #expect(X8664Format.table(PageFrameNumber(0x1000), level: 3) == 0x0100_0027)
  }

  @Test func `an address of x86-64 is cut into four times nine bits`() {
    func indices(_ address: UInt64) -> [Int] {
      (0..<4).map { X8664Format.index(of: VirtualAddress(address), level: $0) }
    }
    #expect(indices(0x1234_5678) == [325, 145, 0, 0])
    #expect(indices(0xFFFF_FFFF_8000_0000) == [0, 0, 510, 511])
    #expect(indices(0xFFFF_8880_0000_0000) == [0, 0, 0, 273])
    #expect(indices(0xFFFF_C900_0000_0000) == [0, 0, 0, 402])
    #expect(X8664Format.canonical(0x8880_0000_0000) == VirtualAddress(0xFFFF_8880_0000_0000))
    #expect(X8664Format.canonical(0x7FFF_FFFF_F000) == X8664Format.userLimit)
  }

  /// The example of the text: virtual 0x12345678 in frame 0x9ABC.
  @Test func `x86-64 walks to the frame of the text's example`() {
    let walk = GoldenWalk(
      root: 0x10_0000,
      entries: [
        0x10_0000: 0x10_1027, 0x10_1000: 0x10_2027, 0x10_2000 + 145 * 8: 0x10_3027,
        0x10_3000 + 325 * 8: 0x8000_0000_09AB_C067,
        // −2 GiB: a page of 2 MiB at 16 MiB, read and execute, global
        0x10_0FF8: 0x10_4023, 0x10_4FF0: 0x10_5023, 0x10_5000: 0x0100_01A1,
      ])
    let found = walk.translate(0x1234_5678, as: X8664Format.self)
    #expect(found?.physical == 0x09AB_C678)
    #expect(found?.leaf.isDirty == true && found?.leaf.isAccessed == true)
    let text = walk.translate(0xFFFF_FFFF_8012_3456, as: X8664Format.self)
    #expect(text?.physical == 0x0112_3456)
    #expect(text?.level == 1 && text?.leaf.protection == kernelText)
    #expect(walk.translate(0x1234_6678, as: X8664Format.self) == nil)
  }

  /// Intel SDM volume 3A, tables 4-4 to 4-6.
  @Test func `entries of i386 have the manual's bits`() {
    expect(
      I386Format.self,
      [
        GoldenEntry(bits: 0x09AB_C007, level: 0, frame: 0x9ABC, protection: userWrite),
        // P RW PS G: 4 MiB
        GoldenEntry(
          bits: 0x0040_0183, level: 1, frame: 0x400, protection: [.read, .write, .global]),
        GoldenEntry(bits: 0xFEE0_011B, level: 0, frame: 0xFEE00, protection: device),
        GoldenEntry(bits: 0x09AB_C104, level: 0, frame: 0x9ABC, protection: .user),
      ])
    let walk = GoldenWalk(
      root: 0x10_0000,
      entries: [
        0x10_0000 + 72 * 4: 0x10_1027, 0x10_1000 + 837 * 4: 0x09AB_C067,
        0x10_0000 + 768 * 4: 0x0000_0183,
      ])
    #expect(walk.translate(0x1234_5678, as: I386Format.self)?.physical == 0x09AB_C678)
    #expect(walk.translate(0xC012_3456, as: I386Format.self)?.physical == 0x0012_3456)
    #expect(!I386Format.hasNoExecute)
  }

  /// Intel SDM volume 3A, tables 4-8 to 4-11.
  @Test func `entries of PAE have the manual's bits`() {
    expect(
      PAEFormat.self,
      [
        // beyond 4 GiB
        GoldenEntry(
          bits: 0x8000_0001_2345_6007, level: 0, frame: 0x12_3456, protection: userWrite),
        GoldenEntry(
          bits: 0x0020_01A1 & ~0x20, level: 1, frame: 0x200, protection: kernelText),
      ])
    // A root's entry: P and the frame, RW and US are reserved
    #expect(PAEFormat.table(PageFrameNumber(0x101), level: 2) == 0x10_1001)
    #expect(PAEFormat.table(PageFrameNumber(0x102), level: 1) == 0x10_2027)
    let walk = GoldenWalk(
      root: 0x10_0000,
      entries: [
        0x10_0000: 0x10_1001, 0x10_1000 + 145 * 8: 0x10_2027,
        0x10_2000 + 325 * 8: 0x8000_0001_09AB_C067,
        0x10_0018: 0x10_3001, 0x10_3000: 0x8000_0000_0000_0183,
      ])
    #expect(walk.translate(0x1234_5678, as: PAEFormat.self)?.physical == 0x1_09AB_C678)
    #expect(walk.translate(0xC012_3456, as: PAEFormat.self)?.physical == 0x0012_3456)
  }

  /// RISC-V privileged architecture, figure "Sv39 page table entry".
  @Test func `entries of Sv39 have the manual's bits`() {
    expect(
      Sv39Format.self,
      [
        // V R W U
        GoldenEntry(bits: 0x26A_F017, level: 0, frame: 0x9ABC, protection: userWrite),
        // V R X G, 2 MiB at 0x200000
        GoldenEntry(bits: 0x8_002B, level: 1, frame: 0x200, protection: kernelText),
        // V R W G, PBMT 2
        GoldenEntry(
          bits: 0x4000_0000_0400_0027, level: 0, frame: 0x1_0000, protection: device),
        // not V, U, G
        GoldenEntry(bits: 0x26A_F030, level: 0, frame: 0x9ABC, protection: .user),
      ])
    let walk = GoldenWalk(
      root: 0x10_0000,
      entries: [
        0x10_0000: 0x4_0401, 0x10_1000 + 145 * 8: 0x4_0801,
        0x10_2000 + 325 * 8: 0x26A_F0D7,
      ])
    #expect(walk.translate(0x1234_5678, as: Sv39Format.self)?.physical == 0x09AB_C678)
    #expect(Sv39Format.canonical(0x40_0000_0000) == VirtualAddress(0xFFFF_FFC0_0000_0000))
    #expect(Sv39Format.index(of: VirtualAddress(0xFFFF_FFC0_0000_0000), level: 2) == 256)
  }

  /// Arm ARM D8.3.1 and D8.3.2; the first is the pattern of Linux's `PAGE_SHARED`, not yet used.
  @Test func `entries of AArch64 have the manual's bits`() {
    expect(
      AArch64Format.self,
      [
        GoldenEntry(
          bits: 0x0068_0000_1234_5BC3, level: 0, frame: 0x12345, protection: userWrite),
        // a block, read-only, inner shareable, UXN, global
        GoldenEntry(
          bits: 0x0040_0000_0020_0381, level: 1, frame: 0x200, protection: kernelText),
        GoldenEntry(
          bits: 0x0068_0000_0900_0393, level: 0, frame: 0x9000, protection: device),
        GoldenEntry(
          bits: 0x0460_0000_09AB_CBC0, level: 0, frame: 0x9ABC, protection: .user),
      ])
    // Accessed and written by a CPU with hardware management: AF set, AP[2] cleared
    let written = AArch64Format.decode(0x0068_0000_1234_5F43, level: 0).leaf
    #expect(written?.isDirty == true && written?.isAccessed == true)
    let walk = GoldenWalk(
      root: 0x10_0000,
      entries: [
        0x10_0000: 0x10_1003, 0x10_1000: 0x10_2003, 0x10_2000 + 145 * 8: 0x10_3003,
        0x10_3000 + 325 * 8: 0x0068_0000_09AB_CF43,
      ])
    #expect(walk.translate(0x1234_5678, as: AArch64Format.self)?.physical == 0x09AB_C678)
  }
}
