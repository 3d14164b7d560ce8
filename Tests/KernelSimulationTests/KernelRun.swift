// SPDX-License-Identifier: Apache-2.0

import Foundation
import KernelMappings
import Machine
import MemoryEvents
import MemoryManagement
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import Testing

@testable import Processes

typealias TestMachine = SimulatedMachine<X8664Format>
typealias TestKernel = Kernel<TestMachine>

/// How a whole run of a simulated machine went, from boot to halt.
struct KernelRun {
  let exit: ExitState?
  let value: UInt64
  /// What the programs wrote to their standard output.
  let output: [UInt8]
  let events: [MemoryEvent]
  /// What the scripts noted, in the order in which it happened.
  let notes: [Int]
  /// What the machine saw the kernel do wrong.
  let violations: [String]
  /// The first frame of which the kernel's table and the events say different things.
  let differentFrame: Int?

  /// What a test changes of the machine.
  struct Options {
    /// 8 MiB.
    var frameCount = 2048
    var seed: UInt64 = 1
    var program = RootImage.firstPath
    var input: [UInt8] = []
    var disk = RootImage.bytes
    /// Allocations that fail after the boot.
    var failures = FailureInjection.none
    /// Words of the kernel's command line beside `audit`; `QUIRE_BOOT=slab=slob` sets them.
    var words = ProcessInfo.processInfo.environment["QUIRE_BOOT"].map { [$0] } ?? []
  }

  /// Boots a kernel, runs a script as its first program, and waits for the machine's end.
  init(_ options: Options = Options(), _ script: @escaping Script) throws {
    let machine = TestMachine(
      SimulationOptions(
        frameCount: options.frameCount, seed: options.seed, initialContent: .garbage,
        violationResponse: .collect, freedFrames: .poisoned,
        diskByteCounts: [options.disk.count]))
    defer { machine.tearDown() }
    machine.setDiskContents(0, options.disk)
    Self.fillChannel(machine, options)
    let boot = KernelStack(top: VirtualAddress(0xFFFF_FFFF_8010_F000))
    let kernel = try TestKernel.boot(
      machine: machine, description: Self.description(options, boot))
    kernel.frames.inject(options.failures)
    let scripts = Scripts(first: script)
    machine.setTrapHandler { trap, _ in kernel.handleTrap(trap) }
    machine.setProgram { scripts.run($0) }
    machine.setKernelTask { kernel.runKernelTask($0) }
    machine.prepare(boot, entry: .kernel(0))
    // The test's own thread is no task of the kernel's; it goes on when the machine halts.
    machine.switchContext(from: KernelStack(top: VirtualAddress(8)), to: boot)

    let channel = machine.channel
    exit = ExitState(rawValue: channel.loadShared(at: ChannelLayout.exitStateOffset))
    value = channel.loadShared(at: ChannelLayout.exitValueOffset)
    output = Self.output(channel)
    events = machine.events
    notes = scripts.notes
    violations = machine.violations
    differentFrame = Self.firstDifference(machine.replay, kernel.frames.table)
  }

  /// Checks what holds at the end of every run, whatever its program did.
  func check(_ exit: ExitState, _ value: UInt64, _ comment: Comment? = nil) {
    #expect(self.exit == exit, comment)
    #expect(self.value == value, comment)
    #expect(violations.isEmpty, comment)
    #expect(differentFrame == nil, comment)
  }

  func events(_ kind: EventKind) -> [MemoryEvent] { events.filter { $0.kind == kind.rawValue } }

  private static func description(_ options: Options, _ stack: KernelStack) -> BootDescription {
    let size = PageCount(options.frameCount).bytes
    var description = BootDescription(
      memoryBytes: size, layout: .x86_64, zones: .x86_64, stack: stack)
    description.memory.append(.init(start: PhysicalAddress(0), byteCount: size))
    return description
  }

  /// Does the host's part before the start: what to run, on which disk, with which input.
  private static func fillChannel(_ machine: TestMachine, _ options: Options) {
    let channel = machine.channel
    channel.store(UInt64(options.disk.count), at: ChannelLayout.diskBytesOffset)
    channel.store(options.seed, at: ChannelLayout.seedOffset)
    let strings: [(ArgumentTag, String)] = [
      (.program, options.program), (.argument, options.program), (.argument, "second"),
      (.environment, "HOME=/"), (.bootWord, "audit"),
    ] + options.words.map { (.bootWord, $0) }
    var place = ChannelLayout.argumentsOffset
    for (tag, string) in strings {
      for byte in [tag.rawValue] + Array(string.utf8) + [0] {
        channel.store(byte, at: place)
        place += 1
      }
    }
    channel.store(
      UInt64(place - ChannelLayout.argumentsOffset), at: ChannelLayout.argumentBytesOffset)
    for (index, byte) in options.input.enumerated() {
      channel.store(byte, at: ChannelLayout.inputOffset + index)
    }
    channel.storeShared(UInt64(options.input.count), at: ChannelLayout.inputHeadOffset)
    channel.storeShared(1, at: ChannelLayout.inputEndedOffset)
  }

  private static func output(_ channel: MemoryBlock) -> [UInt8] {
    let count = Int(channel.loadShared(at: ChannelLayout.outputHeadOffset))
    precondition(count <= ChannelLayout.outputBytes, "nobody takes the output meanwhile")
    return (0..<count).map { channel.load(UInt8.self, at: ChannelLayout.outputOffset + $0) }
  }

  /// Owner and place are compared for the kinds that have them in both.
  private static func firstDifference(_ replay: FrameReplay, _ table: FrameTable) -> Int? {
    replay.states.indices.first { number in
      let state = replay.states[number]
      let frame = PageFrameNumber(UInt32(number))
      guard table.contains(frame) else { return state.kind != .reserved }
      let isInside = state.blockOrder == nil && state.kind != .free && state.kind != .reserved
      let descriptor = table[isInside ? table.head(of: frame) : frame]
      if descriptor.kind != state.kind { return true }
      guard let order = state.blockOrder else {
        return isInside && table.head(of: frame) == frame
      }
      return descriptor.order.value != order || descriptor.mappings != state.mappings
        || descriptor.owner != state.owner || descriptor.index != state.index
    }
  }
}
