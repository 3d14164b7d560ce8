// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// Pages as a program has them: each can be moved, and says its number.
struct SelfTestProgram<Environment: SelfTestEnvironment> {
  let environment: Environment
  let space: Reference<AddressSpace>
  private(set) var pageCount = 0

  /// A program that has room for so many pages and none yet.
  init(_ environment: Environment, limit: PageCount) throws(MemoryError) {
    self.environment = environment
    let spaces = AddressSpaces(environment)
    space = try spaces.makeSpace()
    do throws(MemoryError) {
      _ = try spaces.map(
        space,
        MapRequest(
          .fixed(Self.address(0)), byteCount: limit.bytes, protection: .read.union(.write),
          attributes: .noReserve))
    } catch {
      spaces.release(space)
      throw error
    }
  }

  private var spaces: AddressSpaces<Environment> { AddressSpaces(environment) }

  static func address(_ page: Int) -> VirtualAddress {
    VirtualAddress(0x10_0000) + PageCount(page).bytes
  }

  private static func content(_ page: Int) -> UInt64 { UInt64(page) &* 0x9E37_79B9 + 7 }

  /// Touches one page more.
  mutating func grow() throws(MemoryError) {
    try spaces.store(Self.content(pageCount), at: Self.address(pageCount) + ByteCount(8), in: space)
    pageCount += 1
  }

  /// Gives pages back. Linux: `MADV_DONTNEED`.
  func discard(from page: Int, _ count: Int) throws(MemoryError) {
    try spaces.advise(
      space, from: Self.address(page), byteCount: PageCount(count).bytes, .discard)
  }

  func frame(of page: Int) -> PageFrameNumber? {
    environment.tables.translate(environment.heap[space].root, Self.address(page))?.leaf.frame
  }

  /// Whether a page holds what was written to it.
  func isWhole(_ page: Int) -> Bool {
    guard let frame = frame(of: page) else { return false }
    return environment.machine.withBytes(of: frame) { bytes in
      bytes.load(UInt64.self, at: 8) == Self.content(page)
    }
  }

  func end() { spaces.release(space) }
}
