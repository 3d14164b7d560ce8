// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SimulatedMachine
import Testing

/// Page tables on a simulated machine, with one program's root.
struct TestTables<Format: PageTableFormat> {
  typealias Simulation = SimulatedMachine<Format>

  let machine: Simulation
  let frames: PageFrames<Simulation>
  let tables: PageTables<Simulation>
  let kernelRoot: PageFrameNumber
  let root: PageFrameNumber

  /// Runs a body with fresh tables, whose machine stops the test when a frame is freed too early.
  static func run(
    frameCount: Int = 512, seed: UInt64 = 1,
    violations: SimulationOptions.ViolationResponse = .trap, _ body: (Self) throws -> Void
  ) throws {
    let options = SimulationOptions(
      frameCount: frameCount, seed: seed, violationResponse: violations, freedFrames: .poisoned)
    try Simulation.run(options) { (machine: Simulation) throws in
      var memory = BootMemory(limit: machine.directMap.limit)
      memory.add(from: PhysicalAddress(0), PageCount(frameCount).bytes)
      let frames = try PageFrames(
        machine: machine, memory: &memory, zones: .x86_64, cpuCount: 1)
      frames.takeOver(&memory)
      let tables = PageTables(frames: frames)
      let kernelRoot = try tables.makeRoot(sharing: nil)
      let root = try tables.makeRoot(sharing: kernelRoot)
      machine.activate(root: root)
      try body(
        TestTables(
          machine: machine, frames: frames, tables: tables, kernelRoot: kernelRoot, root: root))
    }
  }

  func allocate(_ kind: FrameKind = .anonymous) throws -> PageFrameNumber {
    try frames.allocate(FrameRequest(kind: kind)).surrender()
  }

  /// Maps a fresh frame.
  @discardableResult
  func map(_ address: VirtualAddress, _ protection: Protection) throws -> PageFrameNumber {
    let frame = try allocate()
    var cursor = tables.cursor(root, at: address)
    try cursor.set(frame, protection)
    return frame
  }

  /// The frames that somebody has.
  var usedFrames: [PageFrameNumber] {
    (0..<UInt32(frames.table.count)).map { PageFrameNumber($0) }.filter {
      frames.table[$0].references > 0
    }
  }

  func isFree(_ frame: PageFrameNumber) -> Bool { frames.table[frame].kind == .free }

  /// Every leaf of the program's half.
  func leaves() throws -> [UInt64: DecodedEntry.Leaf] {
    var found: [UInt64: DecodedEntry.Leaf] = [:]
    try tables.check(root, .user) { address, leaf, _ in found[address.value] = leaf }
    return found
  }
}

extension Protection {
  static var userWrite: Self { [.read, .write, .user] }
  static var userRead: Self { [.read, .user] }
}
