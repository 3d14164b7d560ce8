// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryUnits

/// The two links of frame descriptors, for lists of frames that are in use.
///
/// Who owns the frames may put each on one list at a time. Frame 0 is never on one.
///
/// Linux: `page->lru`.
public struct FrameLinks: ListLinks, BitwiseCopyable {
  public let table: FrameTable

  public init(_ table: FrameTable) { self.table = table }

  public func next(of frame: PageFrameNumber) -> PageFrameNumber? { number(table[frame].next) }

  public func previous(of frame: PageFrameNumber) -> PageFrameNumber? {
    number(table[frame].previous)
  }

  public func setNext(of frame: PageFrameNumber, to next: PageFrameNumber?) {
    table[frame].next = next?.value ?? 0
  }

  public func setPrevious(of frame: PageFrameNumber, to previous: PageFrameNumber?) {
    table[frame].previous = previous?.value ?? 0
  }

  private func number(_ link: UInt32) -> PageFrameNumber? {
    link == 0 ? nil : PageFrameNumber(link)
  }
}
