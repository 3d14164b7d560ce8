// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// The state of every frame as the event log alone tells it (design, decision 9).
///
/// Only the five frame events and `blockSplit` are read. An event that contradicts what went
/// before is refused with a reason and changes nothing.
public struct FrameReplay: Sendable {
  public struct State: Equatable, Sendable {
    public var kind = FrameKind.reserved
    /// Order of the block that starts here; nil inside a block, and while free or reserved.
    public var blockOrder: UInt8?
    public var mappings: UInt32 = 0
    public var owner: UInt32 = 0
    public var index: UInt64 = 0

    public init(
      kind: FrameKind = .reserved, blockOrder: UInt8? = nil, mappings: UInt32 = 0,
      owner: UInt32 = 0, index: UInt64 = 0
    ) {
      self.kind = kind
      self.blockOrder = blockOrder
      self.mappings = mappings
      self.owner = owner
      self.index = index
    }
  }

  public private(set) var states: [State]
  public private(set) var freeFrameCount = 0
  /// Frames that were ever given to the page allocator.
  public private(set) var managedFrameCount = 0

  public init(frameCount: Int) {
    states = Array(repeating: State(), count: frameCount)
  }

  /// Replays a whole log, stopping at the first contradiction.
  public init(frameCount: Int, events: some Sequence<MemoryEvent>) throws(Contradiction) {
    self.init(frameCount: frameCount)
    for event in events {
      if let contradiction = apply(event) { throw contradiction }
    }
  }

  /// An event that cannot be true after those before it.
  public struct Contradiction: Error, Equatable, CustomStringConvertible {
    public let event: MemoryEvent
    public let reason: String

    public var description: String {
      let kind = EventKind(rawValue: event.kind).map { "\($0)" } ?? "kind \(event.kind)"
      let place = "frame \(event.frame) (detail \(event.detail), value \(event.value))"
      return "\(kind) of \(place): \(reason)"
    }
  }

  /// Takes one event into account, or says why it cannot be.
  public mutating func apply(_ event: MemoryEvent) -> Contradiction? {
    let reason: String? =
      switch EventKind(rawValue: event.kind) {
      case .framesReleased: release(event)
      case .frameAllocated: allocate(event)
      case .frameFreed: free(event)
      case .frameAssigned: assign(event)
      case .frameMapped: map(event)
      case .frameUnmapped: unmap(event)
      case .blockSplit: split(event)
      case .frameFault: "a frame was misused"
      default: nil
      }
    return reason.map { Contradiction(event: event, reason: $0) }
  }

  private mutating func release(_ event: MemoryEvent) -> String? {
    let first = Int(event.frame)
    guard event.value <= UInt64(states.count), first + Int(event.value) <= states.count else {
      return "beyond RAM"
    }
    let range = first..<first + Int(event.value)
    if let frame = range.first(where: { states[$0].kind != .reserved }) {
      return "frame \(frame) was released before"
    }
    for frame in range { states[frame] = State(kind: .free) }
    freeFrameCount += range.count
    managedFrameCount += range.count
    return nil
  }

  private mutating func allocate(_ event: MemoryEvent) -> String? {
    let order = UInt8(truncatingIfNeeded: event.detail)
    guard let kind = FrameKind(rawValue: UInt8(event.detail >> 8)), kind != .free else {
      return "no kind for a frame in use"
    }
    guard let range = block(event, order: order) else { return "no block of this order is here" }
    if let frame = range.first(where: { states[$0].kind != .free }) {
      return "frame \(frame) is not free but \(states[frame].kind)"
    }
    for frame in range { states[frame] = State(kind: kind) }
    states[range.lowerBound].blockOrder = order
    freeFrameCount -= range.count
    return nil
  }

  private mutating func free(_ event: MemoryEvent) -> String? {
    let order = UInt8(truncatingIfNeeded: event.detail)
    guard let range = block(event, order: order) else { return "no block of this order is here" }
    let state = states[range.lowerBound]
    guard state.kind != .free else { return "freed twice" }
    guard let allocated = state.blockOrder else { return "no allocated block starts here" }
    guard allocated == order else { return "was allocated with order \(allocated)" }
    if let frame = range.first(where: { states[$0].mappings != 0 }) {
      return "frame \(frame) is still mapped \(states[frame].mappings) times"
    }
    for frame in range { states[frame] = State(kind: .free) }
    freeFrameCount += range.count
    return nil
  }

  private mutating func assign(_ event: MemoryEvent) -> String? {
    guard let index = used(event) else { return "not a frame in use" }
    guard let kind = FrameKind(rawValue: UInt8(truncatingIfNeeded: event.detail)),
      kind != .free, kind != .reserved
    else { return "no kind for a frame with a place" }
    states[index].kind = kind
    states[index].owner = event.owner
    states[index].index = event.value
    return nil
  }

  private mutating func map(_ event: MemoryEvent) -> String? {
    guard let index = used(event) else { return "not a frame in use" }
    states[index].mappings += 1
    return nil
  }

  private mutating func unmap(_ event: MemoryEvent) -> String? {
    guard let index = used(event) else { return "not a frame in use" }
    guard states[index].mappings > 0 else { return "was not mapped" }
    states[index].mappings -= 1
    return nil
  }

  private mutating func split(_ event: MemoryEvent) -> String? {
    let order = UInt8(truncatingIfNeeded: event.detail)
    guard let range = block(event, order: order) else { return "no block of this order is here" }
    guard states[range.lowerBound].blockOrder == order else {
      return "no allocated block of this order starts here"
    }
    for frame in range { states[frame].blockOrder = 0 }
    return nil
  }

  private func block(_ event: MemoryEvent, order: UInt8) -> Range<Int>? {
    let first = Int(event.frame)
    guard order <= 10, first & ((1 << Int(order)) - 1) == 0,
      first + (1 << Int(order)) <= states.count
    else { return nil }
    return first..<first + (1 << Int(order))
  }

  private func used(_ event: MemoryEvent) -> Int? {
    let index = Int(event.frame)
    guard index < states.count, states[index].kind != .free, states[index].kind != .reserved
    else { return nil }
    return index
  }
}
