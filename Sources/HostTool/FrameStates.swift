// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// The state of every frame, rebuilt from the event log alone.
///
/// At a machine's end it must equal the kernel's own table; and no record may ask for what the
/// state before does not allow.
struct FrameStates {
  /// What is known of one frame.
  struct State: Equatable {
    var use = Use.reserved
    var kind = FrameKind.reserved
    var order: UInt8 = 0
    var owner: UInt32 = 0
    var index: UInt64 = 0
    var mappings: UInt32 = 0
  }

  enum Use: Equatable { case reserved, free, head, inside }

  /// A record that contradicts those before it.
  struct Contradiction: Error, Equatable {
    var frame: UInt32
    var record: String
    var state: String
  }

  private(set) var states: [State]
  /// Frames that programs' page tables map and that belong to a program or a file.
  private(set) var residentCount = 0
  private(set) var peakResidentCount = 0
  /// Frames that the page allocator was given at boot.
  private(set) var managedCount = 0

  init(frameCount: Int) { states = Array(repeating: State(), count: frameCount) }

  /// Applies a record; those of other matters change nothing, and neither does one that throws.
  mutating func apply(_ event: MemoryEvent) throws(Contradiction) {
    switch EventKind(rawValue: event.kind) {
    case .framesReleased: try release(event)
    case .frameAllocated: try allocate(event)
    case .frameFreed: try free(event)
    case .frameAssigned: try assign(event)
    case .frameMapped: try map(event)
    case .frameUnmapped: try unmap(event)
    case .blockSplit: try split(event)
    case .frameFault: throw contradiction(event, "a frame that was misused")
    default: break
    }
  }

  private mutating func release(_ event: MemoryEvent) throws(Contradiction) {
    let first = Int(event.frame)
    guard event.value <= UInt64(states.count), first + Int(event.value) <= states.count else {
      throw contradiction(event, "the end of RAM")
    }
    let run = first..<first + Int(event.value)
    for frame in run where states[frame].use != .reserved { throw contradiction(event, at: frame) }
    for frame in run { states[frame] = State(use: .free, kind: .free) }
    managedCount += Int(event.value)
  }

  private mutating func allocate(_ event: MemoryEvent) throws(Contradiction) {
    let order = UInt8(truncatingIfNeeded: event.detail)
    let block = try block(event, order)
    guard let kind = FrameKind(rawValue: UInt8(event.detail >> 8)),
      kind != .free, kind != .reserved
    else { throw contradiction(event, "kind \(event.detail >> 8)") }
    for frame in block where states[frame].use != .free { throw contradiction(event, at: frame) }
    for frame in block { states[frame] = State(use: .inside, kind: .free) }
    states[block.lowerBound] = State(use: .head, kind: kind, order: order)
  }

  private mutating func free(_ event: MemoryEvent) throws(Contradiction) {
    let order = UInt8(truncatingIfNeeded: event.detail)
    let block = try block(event, order)
    let head = states[block.lowerBound]
    guard head.use == .head, head.order == order, head.mappings == 0 else {
      throw contradiction(event, at: block.lowerBound)
    }
    for frame in block { states[frame] = State(use: .free, kind: .free) }
  }

  private mutating func assign(_ event: MemoryEvent) throws(Contradiction) {
    let frame = try head(event)
    guard let kind = FrameKind(rawValue: UInt8(truncatingIfNeeded: event.detail)),
      kind != .free, kind != .reserved
    else { throw contradiction(event, "kind \(event.detail)") }
    let wasResident = isResident(frame)
    states[frame].kind = kind
    states[frame].owner = event.owner
    states[frame].index = event.value
    count(wasResident, isResident(frame))
  }

  private mutating func map(_ event: MemoryEvent) throws(Contradiction) {
    let frame = try head(event)
    let wasResident = isResident(frame)
    states[frame].mappings += 1
    count(wasResident, isResident(frame))
  }

  private mutating func unmap(_ event: MemoryEvent) throws(Contradiction) {
    let frame = try head(event)
    guard states[frame].mappings > 0 else { throw contradiction(event, at: frame) }
    let wasResident = isResident(frame)
    states[frame].mappings -= 1
    count(wasResident, isResident(frame))
  }

  private mutating func split(_ event: MemoryEvent) throws(Contradiction) {
    let order = UInt8(truncatingIfNeeded: event.detail)
    let block = try block(event, order)
    let head = states[block.lowerBound]
    guard head.use == .head, head.order == order, head.mappings == 0 else {
      throw contradiction(event, at: block.lowerBound)
    }
    for frame in block { states[frame] = State(use: .head, kind: head.kind) }
  }

  private func isResident(_ frame: Int) -> Bool {
    let state = states[frame]
    return state.mappings > 0 && (state.kind == .anonymous || state.kind == .file)
  }

  private mutating func count(_ before: Bool, _ now: Bool) {
    if before == now { return }
    residentCount += now ? 1 : -1
    peakResidentCount = max(peakResidentCount, residentCount)
  }

  private func block(_ event: MemoryEvent, _ order: UInt8) throws(Contradiction) -> Range<Int> {
    let first = Int(event.frame)
    guard order <= 10, first & ((1 << Int(order)) - 1) == 0, first + 1 << Int(order) <= states.count
    else { throw contradiction(event, "no block of order \(order)") }
    return first..<first + 1 << Int(order)
  }

  private func head(_ event: MemoryEvent) throws(Contradiction) -> Int {
    let frame = Int(event.frame)
    guard frame < states.count else { throw contradiction(event, "the end of RAM") }
    guard states[frame].use == .head else { throw contradiction(event, at: frame) }
    return frame
  }

  private func contradiction(_ event: MemoryEvent, at frame: Int) -> Contradiction {
    Contradiction(
      frame: UInt32(frame), record: EventNames.name(of: event.kind),
      state: states[frame].description)
  }

  private func contradiction(_ event: MemoryEvent, _ state: String) -> Contradiction {
    Contradiction(frame: event.frame, record: EventNames.name(of: event.kind), state: state)
  }
}

extension FrameStates.State: CustomStringConvertible {
  var description: String {
    switch use {
    case .reserved: "reserved"
    case .free: "free"
    case .inside: "inside a block"
    case .head:
      "\(kind) order \(order) owner \(owner) index \(index) mapped \(mappings)"
    }
  }
}
