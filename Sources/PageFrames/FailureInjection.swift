// SPDX-License-Identifier: Apache-2.0

import Machine

/// Allocations that fail on purpose, so that the code which handles failure is seen to work.
///
/// Linux: `fail_page_alloc=` with its `interval`, `space` and `times`.
public struct FailureInjection: Sendable, BitwiseCopyable {
  /// Every so many allocations one fails; 0 for none.
  public var interval: UInt32
  /// So many allocations go well first.
  public var space: UInt32
  /// So many fail at most.
  public var times: UInt32
  private var passed: UInt32 = 0

  public init(interval: UInt32, space: UInt32 = 0, times: UInt32 = .max) {
    self.interval = interval
    self.space = space
    self.times = times
  }

  public static var none: Self { Self(interval: 0) }

  /// Counts an allocation, and says whether it is to fail.
  mutating func shouldFail() -> Bool {
    guard interval > 0 && times > 0 else { return false }
    guard space == 0 else {
      space -= 1
      return false
    }
    passed += 1
    guard passed >= interval else { return false }
    passed = 0
    times -= 1
    return true
  }
}

extension PageFrames {
  /// Makes allocations of normal urgency fail with `injected` from now on.
  ///
  /// - Context: any; allocations of all CPUs are counted one by one.
  public func inject(_ failures: FailureInjection) {
    state.value.failures.withLock { (current: inout FailureInjection) in current = failures }
    state.value.isInjecting = failures.interval != 0
    state.value.servesFromLists = failures.interval == 0
  }

  /// Counts an allocation while failures are injected, and says whether it is to fail.
  func shouldFail(_ request: FrameRequest) -> Bool {
    guard state.value.isInjecting && request.urgency == .normal else { return false }
    return state.value.failures.withLock { (current: inout FailureInjection) in
      current.shouldFail()
    }
  }
}
