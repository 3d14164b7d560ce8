// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// A reference to one value in memory that lives as long as its machine.
///
/// State that outlives a sleep is behind one of these, never in an `inout` (design, decision 1).
/// An access through `value` lasts for one expression.
@safe
public struct Resident<Value: ~Copyable>: BitwiseCopyable, @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Value>

  /// Places a value at the start of a block.
  public init(placing value: consuming Value, in block: MemoryBlock) {
    block.check(0, MemoryLayout<Value>.size)
    // SAFETY: large enough, as checked; the block's giver aligns it to a page or a cache line.
    unsafe pointer = block.base.bindMemory(to: Value.self, capacity: 1)
    unsafe pointer.initialize(to: value)
  }

  public var value: Value {
    // SAFETY: initialised at creation, never deinitialised.
    unsafeAddress { unsafe UnsafePointer(pointer) }
    nonmutating unsafeMutableAddress { unsafe pointer }
  }
}

/// A reference to a table of plain values in memory that lives as long as its machine.
@safe
public struct ResidentArray<Element: BitwiseCopyable>: BitwiseCopyable, @unchecked Sendable {
  public let count: Int
  let pointer: UnsafeMutablePointer<Element>

  /// Fills as many elements as asked for at the start of a block.
  public init(repeating element: Element, count: Int, in block: MemoryBlock) {
    block.check(0, MemoryLayout<Element>.stride * count)
    self.count = count
    // SAFETY: large enough, as checked.
    unsafe pointer = block.base.bindMemory(to: Element.self, capacity: count)
    unsafe pointer.initialize(repeating: element, count: count)
  }

  public subscript(index: Int) -> Element {
    unsafeAddress {
      precondition(index >= 0 && index < count, "beyond the table")
      // SAFETY: inside, as just checked.
      return unsafe UnsafePointer(pointer + index)
    }
    nonmutating unsafeMutableAddress {
      precondition(index >= 0 && index < count, "beyond the table")
      // SAFETY: inside, as just checked.
      return unsafe pointer + index
    }
  }
}

extension ResidentArray {
  /// The element of a frame, in a table that has one for each.
  public subscript(frame: PageFrameNumber) -> Element {
    unsafeAddress {
      precondition(Int(frame.value) < count, "beyond the table")
      // SAFETY: inside, as just checked.
      return unsafe UnsafePointer(pointer + Int(frame.value))
    }
    nonmutating unsafeMutableAddress {
      precondition(Int(frame.value) < count, "beyond the table")
      // SAFETY: inside, as just checked.
      return unsafe pointer + Int(frame.value)
    }
  }
}
