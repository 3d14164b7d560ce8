// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// What the kernel's command line says of the heap: `slab=`, `slub_debug`, `failslab=`, `lkdtm=`.
struct HeapWords: BitwiseCopyable {
  private(set) var options = HeapOptions()
  private(set) var bug: HeapBug?

  /// Takes a word, or says that it is not about the heap or cannot be understood.
  ///
  /// - Parameter seed: that of the machine.
  mutating func take(_ word: MemoryBlock, seed: UInt64) -> Bool {
    if let value = Self.value(of: "slab=", word) { return takeDesign(value) }
    if Self.isSame(word, "slub_debug") {
      options.debugging = .all
      return true
    }
    if let value = Self.value(of: "slub_debug=", word) { return takeDebugging(value) }
    if let value = Self.value(of: "failslab=", word) { return takeFailures(value, seed) }
    if let value = Self.value(of: "lkdtm=", word) {
      bug = HeapBug(value)
      return bug != nil
    }
    return false
  }

  private mutating func takeDesign(_ value: MemoryBlock) -> Bool {
    if Self.isSame(value, "slub") {
      options.design = .slub
    } else if Self.isSame(value, "slab") {
      options.design = .slab
    } else if Self.isSame(value, "slob") {
      options.design = .slob
    } else {
      return false
    }
    return true
  }

  /// Letters, and after a comma a cache's name. Linux: `parse_slub_debug_flags()`.
  private mutating func takeDebugging(_ value: MemoryBlock) -> Bool {
    var place = 0
    var flags = HeapDebugging()
    while place < value.byteCount, value.load(UInt8.self, at: place) != 0x2C {
      guard let flag = HeapDebugging(letter: value.load(UInt8.self, at: place)) else {
        return false
      }
      flags.formUnion(flag)
      place += 1
    }
    options.debugging = flags.isEmpty ? .all : flags
    if place < value.byteCount {
      options.debuggedCaches = value.part(
        from: place + 1, byteCount: value.byteCount - place - 1)
    }
    return true
  }

  /// Interval, probability, space, times. Linux: `setup_fault_attr()`.
  private mutating func takeFailures(_ value: MemoryBlock, _ seed: UInt64) -> Bool {
    var numbers = InlineArray<4, UInt32>(repeating: 0)
    var place = 0
    for index in 0..<4 {
      if index == 3, value.byteCount - place == 2, value.load(UInt8.self, at: place) == 0x2D {
        // -1: as often as it comes.
        numbers[3] = .max
        place = value.byteCount
        break
      }
      var number: UInt32?
      while place < value.byteCount, value.load(UInt8.self, at: place) != 0x2C {
        let digit = value.load(UInt8.self, at: place)
        guard digit >= 0x30, digit <= 0x39, number ?? 0 < 100_000_000 else { return false }
        number = (number ?? 0) * 10 + UInt32(digit - 0x30)
        place += 1
      }
      guard let number else { return false }
      numbers[index] = number
      if index < 3 {
        guard place < value.byteCount else { return false }
        place += 1
      }
    }
    guard place == value.byteCount else { return false }
    options.failures = FailureInjection(
      interval: max(numbers[0], 1), probability: numbers[1], space: numbers[2],
      times: numbers[3], seed: seed)
    return true
  }

  static func isSame(_ word: MemoryBlock, _ text: StaticString) -> Bool {
    word.holds(text: text, at: 0, byteCount: word.byteCount)
  }

  /// What follows a name, nil if the word is another.
  private static func value(of name: StaticString, _ word: MemoryBlock) -> MemoryBlock? {
    let count = name.utf8CodeUnitCount
    guard word.byteCount > count, word.holds(text: name, at: 0, byteCount: count) else {
      return nil
    }
    return word.part(from: count, byteCount: word.byteCount - count)
  }
}

extension Kernel {
  /// All that the command line says of the heap.
  static func heapWords(_ machine: M) -> HeapWords {
    var words = HeapWords()
    let arguments = BootArguments(arguments(of: machine))
    let seed = machine.channel.load(UInt64.self, at: ChannelLayout.seedOffset)
    for index in 0..<arguments.count(of: .bootWord) {
      guard let word = arguments.string(.bootWord, index) else { continue }
      _ = words.take(word, seed: seed)
    }
    return words
  }
}
