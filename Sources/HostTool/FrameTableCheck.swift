// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// The kernel's own frame table, read from the machine's RAM after its end.
///
/// The layout is that of `FrameDescriptor`: owner at 8, mappings at 16, index at 24 (40 bits),
/// kind and order at 29.
struct FrameTableCheck {
  /// Physical address of the first descriptor.
  var table: UInt64
  var frameCount: Int
  /// Reads a number of RAM, nil beyond its end.
  var number: (_ address: UInt64, _ bytes: Int) -> UInt64?

  /// The first frame of which log and table say different things.
  struct Difference: Equatable {
    var frame: UInt32
    var log: String
    var table: String
  }

  /// Compares every frame of the log with the table.
  ///
  /// - Complexity: O(frames).
  func firstDifference(from states: FrameStates) -> Difference? {
    for frame in 0..<max(frameCount, states.states.count) {
      let logged = frame < states.states.count ? states.states[frame] : FrameStates.State()
      guard frame < frameCount else {
        // RAM beyond the table is nobody's; the log must not have given it away.
        if logged.use == .reserved { continue }
        return Difference(frame: UInt32(frame), log: logged.description, table: "no descriptor")
      }
      guard let actual = state(of: frame) else {
        return Difference(frame: UInt32(frame), log: logged.description, table: "beyond RAM")
      }
      if !agree(logged, actual) {
        return Difference(
          frame: UInt32(frame), log: logged.description, table: actual.description)
      }
    }
    return nil
  }

  private func state(of frame: Int) -> FrameStates.State? {
    let base = table + UInt64(frame) * 32
    guard let owner = number(base + 8, 4), let mappings = number(base + 16, 4),
      let index = number(base + 24, 5), let packed = number(base + 29, 1),
      let kind = FrameKind(rawValue: UInt8(packed & 0xF))
    else { return nil }
    let use: FrameStates.Use =
      switch kind {
      case .reserved: .reserved
      case .free: .free
      default: .head
      }
    return FrameStates.State(
      use: use, kind: kind, order: UInt8(packed >> 4), owner: UInt32(owner), index: index,
      mappings: UInt32(mappings))
  }

  /// Inside of a block the descriptor says `free`; which block it is in, its head says.
  private func agree(_ logged: FrameStates.State, _ actual: FrameStates.State) -> Bool {
    switch logged.use {
    case .reserved: actual.use == .reserved
    case .free, .inside: actual.use == .free && actual.mappings == 0
    case .head: logged == actual
    }
  }
}
