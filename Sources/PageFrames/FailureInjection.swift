// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// Allocations that fail on purpose, so that the code which handles failure is seen to work.
///
/// Linux: `struct fault_attr`, `should_fail_ex()`; `fail_page_alloc=`, `failslab=`.
public struct FailureInjection: Sendable, BitwiseCopyable {
  /// Every so many allocations one fails; 0 for none.
  public var interval: UInt32
  /// So many in a hundred of those whose turn it is fail.
  public var probability: UInt32
  /// So many allocations go well first.
  public var space: UInt32
  /// So many fail at most.
  public var times: UInt32
  /// Only what is at least so large fails: an order, or bytes. Linux: `min-order`.
  public var smallest: UInt32
  private var passed: UInt32 = 0
  private var randomState: UInt64

  public init(
    interval: UInt32, probability: UInt32 = 100, space: UInt32 = 0, times: UInt32 = .max,
    smallest: UInt32 = 0, seed: UInt64 = 0
  ) {
    self.interval = interval
    self.probability = probability
    self.space = space
    self.times = times
    self.smallest = smallest
    randomState = seed
  }

  public static var none: Self { Self(interval: 0) }

  /// Counts an allocation, and says whether it is to fail.
  ///
  /// - Parameter size: in the unit of `smallest`.
  public mutating func shouldFail(size: Int = 0) -> Bool {
    guard interval > 0 && times > 0 && size >= Int(smallest) else { return false }
    guard space == 0 else {
      space -= 1
      return false
    }
    passed += 1
    guard passed >= interval else { return false }
    passed = 0
    guard probability >= 100 || nextRandom() % 100 < UInt64(probability) else { return false }
    times -= 1
    return true
  }

  /// Steele, Lea, Flood: SplitMix64. Wrapping is the algorithm.
  private mutating func nextRandom() -> UInt64 {
    randomState &+= 0x9E37_79B9_7F4A_7C15
    var word = randomState
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}

extension FailureInjection {
  /// From a boot word's value: interval, probability, space, times, and if one likes the smallest
  /// size and a seed, in decimal with commas; −1 times is for ever.
  ///
  /// Linux: `setup_fault_attr()`, which has the first four.
  public init?(_ text: MemoryBlock) {
    var numbers = InlineArray<6, UInt32>(repeating: 0)
    var (count, digits, isNegative) = (0, 0, false)
    for offset in 0..<text.byteCount {
      let byte = text.load(UInt8.self, at: offset)
      switch byte {
      case 0x30...0x39 where digits < 9:
        numbers[count] = numbers[count] * 10 + UInt32(byte - 0x30)
        digits += 1
      case 0x2C where digits > 0 && count < 5:
        count += 1
        digits = 0
      case 0x2D where digits == 0 && count == 3 && !isNegative: isNegative = true
      default: return nil
      }
    }
    guard digits > 0, count >= 3, !isNegative || numbers[3] == 1 else { return nil }
    self.init(
      interval: max(numbers[0], 1), probability: numbers[1], space: numbers[2],
      times: isNegative ? .max : numbers[3], smallest: numbers[4], seed: UInt64(numbers[5]))
  }
}

extension PageFrames {
  /// Makes allocations of normal urgency fail with `injected` from now on.
  ///
  /// - Context: any; allocations of all CPUs are counted one by one.
  public func inject(_ failures: FailureInjection) {
    state.value.failures.withLock { (current: inout FailureInjection) in current = failures }
    if failures.interval == 0 {
      state.value.debugging.subtract(.failures)
    } else {
      state.value.debugging.formUnion(.failures)
    }
  }

  /// Counts an allocation while failures are injected, and says whether it is to fail.
  func shouldFail(_ request: FrameRequest) -> Bool {
    guard state.value.debugging.contains(.failures) && request.urgency == .normal
      && !request.flags.contains(.neverFails)
    else { return false }
    return state.value.failures.withLock { (current: inout FailureInjection) in
      current.shouldFail(size: Int(request.order.value))
    }
  }
}
