// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// Memory that somebody misused, found by the page allocator: which frame, and how.
///
/// Whatever was asked for is refused, what is wrong stays as it is, and all others go on.
///
/// Linux: `bad_page()`, `check_poison_mem()`.
public struct FrameFault: Sendable, BitwiseCopyable, Equatable {
  /// What is wrong, by the numbers of the log.
  public enum Kind: UInt16, Sendable, BitwiseCopyable {
    /// A free of what is no RAM, or was never given to the page allocator.
    case notOwned = 1
    /// A free of what is free already.
    case freedTwice = 2
    /// A free of a block by an order that is not its own.
    case wrongOrder = 3
    /// A free of what others hold.
    case held = 4
    /// A free of what a program maps.
    case mapped = 5
    /// Somebody wrote to a frame that was free.
    case writtenWhileFree = 6
    /// Somebody wrote beyond a block, to its guard.
    case guardWritten = 7
    /// A free of what holds objects of the heap.
    case objects = 8
  }

  public let kind: Kind
  public let frame: PageFrameNumber
  /// The order that the caller gave, where it freed.
  public let order: Order
  /// The first byte in the frame that is not as it was left, where somebody wrote.
  public let offset: Int
  /// The eight bytes around it; where a free was refused, holders and mappings.
  public let word: UInt64

  /// As a record of the log.
  public var event: MemoryEvent {
    MemoryEvent(
      .frameFault, detail: kind.rawValue | UInt16(order.value) << 8, frame: frame.value,
      owner: UInt32(offset), value: word)
  }

  /// From a record of the log; nil if it is of something else.
  public init?(_ event: MemoryEvent) {
    guard event.kind == EventKind.frameFault.rawValue,
      let kind = Kind(rawValue: event.detail & 0xFF),
      let order = Order(exactly: Int(event.detail >> 8))
    else { return nil }
    self.init(
      kind: kind, frame: PageFrameNumber(event.frame), order: order, offset: Int(event.owner),
      word: event.value)
  }

  init(
    kind: Kind, frame: PageFrameNumber, order: Order = .zero, offset: Int = 0, word: UInt64 = 0
  ) {
    self.kind = kind
    self.frame = frame
    self.order = order
    self.offset = offset
    self.word = word
  }
}

extension PageFrames {
  /// The last misuse that was found, if any was.
  public var lastFault: FrameFault? { state.value.lastFault }

  /// The misuses that were found so far.
  public var faultCount: Int { state.value.faultCount }

  /// Keeps, counts and logs a misuse.
  func report(_ fault: FrameFault) {
    state.value.lastFault = fault
    state.value.faultCount += 1
    machine.record(fault.event)
  }

  /// Says why a block cannot be freed so, and leaves it as it is.
  ///
  /// - Context: a CPU's lists may be locked.
  @inline(never)  // Out of the way of frees that are right.
  func reportFree(_ first: PageFrameNumber, _ order: Order) {
    guard table.contains(first), table[first].kind != .reserved else {
      return report(FrameFault(kind: .notOwned, frame: first, order: order))
    }
    let descriptor = table[first]
    let kind: FrameFault.Kind =
      if descriptor.kind == .free {
        isInsideBlock(first) ? .wrongOrder : .freedTwice
      } else if descriptor.order != order {
        .wrongOrder
      } else if descriptor.mappings != 0 {
        .mapped
      } else if descriptor.kind == .slab {
        .objects
      } else {
        .held
      }
    let word = UInt64(descriptor.references) | UInt64(descriptor.mappings) << 32
    report(FrameFault(kind: kind, frame: first, order: order, word: word))
  }

  /// Whether a frame is a part of a block in use that begins before it.
  private func isInsideBlock(_ frame: PageFrameNumber) -> Bool {
    for value in 1..<UInt8(Order.count) {
      let head = table[PageFrameNumber(frame.value & ~((1 << UInt32(value)) - 1))]
      if head.kind != .free && head.kind != .reserved && head.order.value >= value { return true }
    }
    return false
  }
}
