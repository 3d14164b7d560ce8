// SPDX-License-Identifier: Apache-2.0

import Foundation
import LinuxABI
import MemoryEvents
import MemoryUnits
import PageFrames
import SimulatedMachine
import Testing

/// Whole runs of random programs. A seed that fails is in the failure's comment.
@Suite struct RandomRunTests {
  private static var shortSeedCount: UInt64 { 4 }

  /// `QUIRE_SEEDS` asks for more.
  private static var seedCount: UInt64 {
    ProcessInfo.processInfo.environment["QUIRE_SEEDS"].flatMap { UInt64($0) } ?? shortSeedCount
  }

  private static var isLong: Bool { seedCount > shortSeedCount }

  @Test func `random programs keep their memory apart and leave nothing behind`() throws {
    for seed in 1...Self.seedCount {
      var options = KernelRun.Options()
      options.seed = seed
      let run = try KernelRun(options) { RandomProgram(seed: seed &* 7919).run($0) }
      run.check(.exited, 0, "seed \(seed)")
    }
  }

  @Test(arguments: ["slab=slab", "slab=slob"])
  func `the whole kernel runs on each design of the heap`(word: String) throws {
    var options = KernelRun.Options()
    options.words = [word]
    let run = try KernelRun(options) { RandomProgram(seed: 7919).run($0) }
    run.check(.exited, 0, "\(word)")
  }

  @Test func `where memory is short random programs end, and leave nothing behind`() throws {
    var killCount = 0
    for seed in 1...Self.seedCount {
      var options = KernelRun.Options()
      options.seed = seed
      options.frameCount = 160 + Int(seed * 37 % 330)
      let run = try KernelRun(options) { RandomProgram(seed: seed &* 104_729).run($0) }
      killCount += run.events(.outOfMemoryKill).count
      let comment: Comment = "seed \(seed), \(options.frameCount) frames"
      checkShort(run, comment)
    }
    #expect(killCount > 0)
  }

  @Test func `whichever allocation fails, the machine comes to a clean end`() throws {
    var exits: Set<ExitState> = []
    for count in stride(from: 0, to: 1400, by: Self.isLong ? 7 : 97) {
      var options = KernelRun.Options()
      options.failures = FailureInjection(interval: 1, space: UInt32(count), times: 1)
      let run = try KernelRun(options) { RandomProgram(seed: 5).run($0) }
      checkShort(run, "allocation \(count)")
      if let exit = run.exit { exits.insert(exit) }
    }
    #expect(exits.contains(.exited))
  }

  /// The ends that a run may have without enough memory.
  private func checkShort(_ run: KernelRun, _ comment: Comment) {
    switch run.exit {
    case .exited: #expect([0, UserProgram.withoutMemory].contains(run.value), comment)
    case .outOfMemory: #expect(run.value == UInt64(Signal.SIGKILL.number), comment)
    case .notStarted: #expect(run.value == UInt64(Errno.ENOMEM.rawValue), comment)
    default: Issue.record("\(comment): \(String(describing: run.exit)) \(run.value)")
    }
    #expect(run.violations.isEmpty, comment)
    #expect(run.differentFrame == nil, comment)
  }
}
