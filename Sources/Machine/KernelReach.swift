// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats

/// Whether the kernel's map of all RAM leads to a frame.
public enum KernelReach: Sendable, BitwiseCopyable { case reachable, withheld }

extension Machine {
  /// A machine whose kernel reaches memory in another way keeps nothing from it.
  public func setReach(
    of first: PageFrameNumber, _ count: PageCount, _ reach: KernelReach
  ) -> Bool { false }

  /// What `setReach` does where RAM is mapped by a page table.
  ///
  /// Only rights change, of entries that are there: no table is made or freed, so the page
  /// allocator may ask for it in its middle.
  ///
  /// - Parameters:
  ///   - root: a page table that is in use.
  ///   - address: where it has the first of the frames.
  public func setReach(
    of first: PageFrameNumber, _ count: PageCount, _ reach: KernelReach, in root: PageFrameNumber,
    at address: VirtualAddress
  ) -> Bool {
    for index in 0..<count.value {
      let pages = PageCount(index)
      guard let place = leafPlace(of: address + pages.bytes, in: root),
        case .leaf(let leaf) = Format.decode(entry(at: place), level: 0),
        leaf.frame == first + pages
      else { return false }
    }
    let protection: Protection =
      reach == .reachable ? .readWrite.union(.global) : .inaccessible
    for index in 0..<count.value {
      let page = address + PageCount(index).bytes
      guard let place = leafPlace(of: page, in: root) else { continue }
      setEntry(at: place, to: Format.leaf(first + PageCount(index), protection, level: 0))
      flush(.page(page))
    }
    return true
  }

  /// The table of base pages that an address is in, and its entry there; nil in a larger page.
  private func leafPlace(
    of address: VirtualAddress, in root: PageFrameNumber
  ) -> (table: PageFrameNumber, index: Int)? {
    var table = root
    var level = Format.rootLevel
    while level > 0 {
      let place = (table, Format.index(of: address, level: level))
      guard case .table(let next) = Format.decode(entry(at: place), level: level) else {
        return nil
      }
      table = next
      level -= 1
    }
    return (table, Format.index(of: address, level: 0))
  }

  private func entry(at place: (table: PageFrameNumber, index: Int)) -> UInt64 {
    let words = directMap.words(of: place.table)
    return Format.entryByteCount == 8
      ? words[wide: place.index] : UInt64(words[narrow: place.index])
  }

  private func setEntry(at place: (table: PageFrameNumber, index: Int), to value: UInt64) {
    let words = directMap.words(of: place.table)
    if Format.entryByteCount == 8 {
      words[wide: place.index] = value
    } else {
      words[narrow: place.index] = UInt32(truncatingIfNeeded: value)
    }
  }
}
