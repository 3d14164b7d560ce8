// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import Machine

/// What a program wants done with each signal. Linux: `struct sighand_struct`.
struct SignalState: HeapObject {
  static var cacheName: StaticString { "sighand_cache" }
  static var cacheIndex: Int { 12 }

  /// Processes that share it.
  var users: UInt32 = 1
  private var actions = InlineArray<64, SignalAction>(repeating: SignalAction())

  init() {}

  // Reads go by the bytes: an element of an array inside a heap object would copy the array.

  mutating func action(of signal: Signal) -> SignalAction {
    let place = (Int(signal.number) - 1) * MemoryLayout<SignalAction>.stride
    return withMemoryBlock(over: &actions) { $0.load(SignalAction.self, at: place) }
  }

  mutating func setAction(of signal: Signal, to action: SignalAction) {
    actions[Int(signal.number) - 1] = action
  }

  /// Whether the signal would do nothing if it came.
  mutating func ignores(_ signal: Signal) -> Bool {
    switch action(of: signal).handler {
    case SignalAction.ignoringHandler: true
    case SignalAction.defaultHandler: signal.defaultAction == .ignore
    default: false
    }
  }

  /// The signals whose handler is of a kind, for /proc.
  mutating func signals(where predicate: (SignalAction) -> Bool) -> SignalSet {
    var set = SignalSet.empty
    for index in 0..<64 {
      if predicate(action(of: Signal(UInt8(index + 1)))) { set.bits |= 1 << UInt64(index) }
    }
    return set
  }

  /// What a new program keeps: ignored ones stay ignored, handlers are gone.
  ///
  /// Linux: `flush_signal_handlers()`.
  mutating func resetForNewProgram() {
    for index in 0..<64 {
      let old = action(of: Signal(UInt8(index + 1))).handler
      let ignored = old == SignalAction.ignoringHandler
      actions[index] = SignalAction()
      if ignored { actions[index].handler = SignalAction.ignoringHandler }
    }
  }
}
