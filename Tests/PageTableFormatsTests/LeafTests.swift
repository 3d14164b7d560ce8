// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats
import Testing

/// Properties that hold for every format, over all protections and frames of every bit.
@Suite struct LeafTests {
  private func everyLeaf<Format: PageTableFormat>(
    _ format: Format.Type, frameBits: Int,
    _ body: (_ entry: UInt64, DecodedEntry.Leaf, _ level: Int) -> Void
  ) {
    for level in 0..<min(Format.levelCount, 2) {
      let alignment = Format.pageSize(level: level).shift - 12
      for protection in allProtections {
        for bit in Int(alignment)..<frameBits {
          let frame = PageFrameNumber(1 << UInt32(bit) | UInt32(1) << UInt32(alignment))
          let entry = Format.leaf(frame, protection, level: level)
          let leaf = DecodedEntry.Leaf(
            frame: frame, protection: Format.granted(protection), isAccessed: false,
            isDirty: false)
          body(entry, leaf, level)
        }
      }
    }
  }

  private func check<Format: PageTableFormat>(_ format: Format.Type, frameBits: Int) {
    everyLeaf(format, frameBits: frameBits) { entry, expected, level in
      func leaf(_ entry: UInt64) -> DecodedEntry.Leaf? {
        Format.decode(entry, level: level).leaf
      }
      #expect(leaf(entry) == expected)
      var marked = expected
      marked.isAccessed = true
      #expect(leaf(Format.marking(entry, .read)) == marked)
      marked.isDirty = true
      let written = Format.marking(entry, .written)
      #expect(leaf(written) == marked)
      #expect(leaf(Format.clearingAccessed(written))?.isAccessed == false)
      #expect(leaf(Format.clearingAccessed(written))?.isDirty == true)
      #expect(leaf(Format.clearingDirty(written))?.isDirty == false)
      #expect(leaf(Format.clearingDirty(written))?.protection == expected.protection)
      var readOnly = marked
      readOnly.protection.remove(.write)
      #expect(leaf(Format.writeProtecting(written)) == readOnly)
    }
  }

  private func checkProtecting<Format: PageTableFormat>(_ format: Format.Type) {
    let frame = PageFrameNumber(0x400)
    for old in allProtections {
      for new in allProtections {
        for entry in [
          Format.leaf(frame, old, level: 0),
          Format.marking(Format.leaf(frame, old, level: 0), .written),
        ] {
          let before = Format.decode(entry, level: 0).leaf
          var after = before
          let kept = Format.granted(old).attributes
          after?.protection = Format.granted(new.rights.union(kept))
          let changed = Format.protecting(entry, new, level: 0)
          #expect(Format.decode(changed, level: 0).leaf == after, "\(old) \(new)")
        }
      }
    }
  }

  @Test func `every leaf gives back its frame, rights and marks`() {
    check(X8664Format.self, frameBits: 32)
    check(I386Format.self, frameBits: 20)
    check(PAEFormat.self, frameBits: 32)
    check(Sv39Format.self, frameBits: 32)
    check(AArch64Format.self, frameBits: 32)
  }

  @Test func `new rights leave frame, marks and attributes as they were`() {
    checkProtecting(X8664Format.self)
    checkProtecting(I386Format.self)
    checkProtecting(PAEFormat.self)
    checkProtecting(Sv39Format.self)
    checkProtecting(AArch64Format.self)
  }

  private func checkTables<Format: PageTableFormat>(_ format: Format.Type) {
    for level in 1..<Format.levelCount {
      let entry = Format.table(PageFrameNumber(0x54321), level: level)
      #expect(Format.decode(entry, level: level) == .table(PageFrameNumber(0x54321)))
      #expect(Format.tableFrame(entry) == PageFrameNumber(0x54321))
      #expect(Format.decode(0, level: level) == .empty)
    }
    let index = Format.index(of: Format.userLimit, level: Format.rootLevel)
    let inside = VirtualAddress(Format.userLimit.value - 1)
    #expect(Format.index(of: inside, level: Format.rootLevel) == Format.firstKernelIndex - 1)
    #expect(index <= Format.firstKernelIndex)
  }

  @Test func `a table's entry leads to its frame, and user addresses stay in the user half`() {
    checkTables(X8664Format.self)
    checkTables(I386Format.self)
    checkTables(PAEFormat.self)
    checkTables(Sv39Format.self)
    checkTables(AArch64Format.self)
  }
}
