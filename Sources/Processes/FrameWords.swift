// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import Machine
import MemoryUnits
import PageFrames

/// The boot words of the page allocator.
extension Kernel {
  /// What came of a boot word.
  enum WordOutcome { case taken, malformed, unknown }

  /// Takes `page_poison=`, `debug_guardpage=` and `fail_page_alloc=`.
  ///
  /// They begin with the first program, so that all of them boot.
  ///
  /// Linux: `early_page_poison_param()`, `debug_guardpage_minorder_setup()`,
  /// `setup_fail_page_alloc()`.
  func takeFrameWord(_ word: MemoryBlock) -> WordOutcome {
    if let value = Self.value(of: "page_poison=", in: word) { return takePoison(value) }
    if let value = Self.value(of: "debug_guardpage=", in: word) { return takeGuard(value) }
    if let value = Self.value(of: "debug_guardpage_minorder=", in: word) {
      return takeGuard(value)
    }
    guard let value = Self.value(of: "fail_page_alloc=", in: word) else { return .unknown }
    guard let failures = FailureInjection(value) else { return .malformed }
    frames.inject(failures)
    return .taken
  }

  /// Linux: `kstrtobool()`.
  private func takePoison(_ value: MemoryBlock) -> WordOutcome {
    if value.holds(text: "0", at: 0, byteCount: value.byteCount)
      || value.holds(text: "off", at: 0, byteCount: value.byteCount)
    {
      return .taken
    }
    guard
      value.holds(text: "1", at: 0, byteCount: value.byteCount)
        || value.holds(text: "on", at: 0, byteCount: value.byteCount)
    else { return .malformed }
    frames.poisonFreeFrames()
    return .taken
  }

  /// One digit: half of the largest order at most, as on Linux.
  private func takeGuard(_ value: MemoryBlock) -> WordOutcome {
    guard value.byteCount == 1, case let digit = value.load(UInt8.self, at: 0),
      (0x30...0x30 + Order.max.value / 2).contains(digit)
    else { return .malformed }
    let order = Order(digit - 0x30)
    // Without memory for the tables guards are known by their pattern alone.
    if order > .zero { try? mappings.splitDirectMap() }
    frames.guardBlocks(below: order)
    return .taken
  }

  /// What stands behind a name at the start of a word.
  private static func value(of name: StaticString, in word: MemoryBlock) -> MemoryBlock? {
    let count = name.utf8CodeUnitCount
    guard word.byteCount >= count, word.holds(text: name, at: 0, byteCount: count) else {
      return nil
    }
    return word.part(from: count, byteCount: word.byteCount - count)
  }
}
