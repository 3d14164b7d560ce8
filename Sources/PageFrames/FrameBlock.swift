// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// A block of frames that somebody owns, to be given back exactly once.
///
/// A lost one traps in debug builds. Tables that own frames by number (page tables, page cache)
/// `surrender()` the token as they store the number, and `adopt` it again to give it back.
@frozen
public struct FrameBlock: ~Copyable {
  public let first: PageFrameNumber
  public let order: Order

  init(_ first: PageFrameNumber, _ order: Order) {
    self.first = first
    self.order = order
  }

  deinit { assertionFailure("a block of frames was lost") }

  public var pageCount: PageCount { order.pageCount }

  /// Ends the token; from now on the frame's number is what the caller keeps.
  public consuming func surrender() -> PageFrameNumber {
    let frame = first
    discard self
    return frame
  }

  /// Makes the token of a block again.
  ///
  /// - Precondition: it was surrendered, and nobody else adopts it; `free` checks what it can.
  public static func adopt(_ first: PageFrameNumber, _ order: Order = .zero) -> FrameBlock {
    FrameBlock(first, order)
  }
}
