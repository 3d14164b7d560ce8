// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

/// Whole runs of one program: boot, its work, the end, and what must be left then.
@Suite struct KernelRunTests {
  @Test func `a program's output is in the ring and its exit status in the mailbox`() throws {
    let run = try KernelRun { program in
      program.note(program.write(1, Array("Hello\n".utf8)))
      program.exit(7)
    }
    run.check(.exited, 7)
    #expect(run.output == Array("Hello\n".utf8))
    #expect(run.notes == [6])
    #expect(run.events.first?.kind == EventKind.machineStarted.rawValue)
    #expect(run.events.last?.kind == EventKind.machineStopped.rawValue)
  }

  @Test func `a program gets its input to the end, and its pages and files from the disk`() throws {
    var options = KernelRun.Options()
    options.input = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let run = try KernelRun(options) { program in
      while let bytes = program.read(0, 3000), !bytes.isEmpty { _ = program.write(1, bytes) }
      let file = program.open("/text")
      while let bytes = program.read(file, 4097), !bytes.isEmpty { _ = program.write(1, bytes) }
      program.note(program.open("/missing"))
    }
    run.check(.exited, 0)
    #expect(run.output == options.input + (0..<40_000).map { UInt8($0 % 251) })
    #expect(run.notes == [-Int(Errno.ENOENT.rawValue)])
    #expect(run.events(.diskReadSubmitted).count > 3)
    #expect(run.events(.diskReadSubmitted).count == run.events(.diskReadCompleted).count)
  }

  @Test func `a disk that goes through bounce buffers reads the same, and misuses no memory`()
    throws
  {
    func read(_ words: [String]) throws -> KernelRun {
      var options = KernelRun.Options()
      options.words = words
      return try KernelRun(options) { program in
        let file = program.open("/text")
        while let bytes = program.read(file, 4097), !bytes.isEmpty { _ = program.write(1, bytes) }
      }
    }
    let bounced = try read(["swiotlb=force", "dma_debug"])
    bounced.check(.exited, 0)
    let direct = try read([])
    direct.check(.exited, 0)
    #expect(bounced.output == direct.output && !direct.output.isEmpty)
  }

  @Test func `the kernel's own suites take the place of the program`() throws {
    var options = KernelRun.Options()
    options.frameCount = 8192
    options.words = ["selftest"]
    let run = try KernelRun(options) { $0.note(1) }
    run.check(.exited, 0)
    #expect(run.notes.isEmpty)
    let lines = String(decoding: run.output, as: UTF8.self).split(separator: "\n")
    #expect(lines.count >= 11 && lines.allSatisfy { $0.hasPrefix("ok ") })
  }

  @Test func `a program begins with its arguments and random bytes on its stack`() throws {
    let run = try KernelRun { program in
      let stack = program.program[.stackPointer]
      program.note(Int(program.load(UInt64.self, at: stack)))
      let second = program.load(UInt64.self, at: stack + 16)
      program.note(Int(program.load(UInt8.self, at: second)))
      program.note(Int(program.load(UInt64.self, at: stack + 24)))
    }
    run.check(.exited, 0)
    #expect(run.notes == [2, Int(UInt8(ascii: "s")), 0])
  }

  @Test func `a wild store ends the program with SIGSEGV`() throws {
    let run = try KernelRun { program in
      program.store(UInt8(1), at: 0x10)
      program.note(1)
    }
    run.check(.signalled, UInt64(Signal.SIGSEGV.number))
    #expect(run.notes.isEmpty)
  }

  @Test func `a disk that fails is EIO for a call and SIGBUS for an access`() throws {
    let run = try KernelRun { program in
      let file = program.open("/text")
      let area = program.call(.mmap, 0, 40_960, 1, 2, UInt64(file), 0)
      program.program.machine.addDiskFault(
        DiskFault(disk: 0, sectors: 0..<4096, direction: .read, effect: .fails))
      program.note(program.call(.read, UInt64(file), RootImage.data, 100))
      program.note(Int(program.load(UInt8.self, at: UInt64(area))))
    }
    run.check(.signalled, UInt64(Signal.SIGBUS.number))
    #expect(run.notes == [-Int(Errno.EIO.rawValue)])
  }

  @Test func `a program that is not there is not started`() throws {
    var options = KernelRun.Options()
    options.program = "/bin/third"
    let run = try KernelRun(options) { $0.note(1) }
    run.check(.notStarted, UInt64(Errno.ENOENT.rawValue))
    options.program = "/text"
    try KernelRun(options) { $0.note(1) }.check(
      .notStarted, UInt64(Errno.EACCES.rawValue))
    options.program = RootImage.firstPath
    options.disk = Array(repeating: 0, count: options.disk.count)
    let empty = try KernelRun(options) { $0.note(1) }
    #expect(empty.exit == .notStarted)
    #expect(empty.notes.isEmpty)
  }

  @Test func `a sleep takes its time, which passes at once`() throws {
    let run = try KernelRun { program in
      let before = program.now
      program.note(program.sleep(nanoseconds: 3_600_000_000_000))
      program.note(Int(program.now - before))
    }
    run.check(.exited, 0)
    #expect(run.notes[0] == 0)
    #expect((3_600_000_000_000..<3_600_000_100_000).contains(run.notes[1]))
  }

  @Test func `the same seed gives the same events twice`() throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      var options = KernelRun.Options()
      options.seed = seed
      let runs = try (0..<2).map { _ in
        try KernelRun(options) { program in RandomProgram(seed: seed).run(program) }
      }
      #expect(runs[0].events == runs[1].events, "seed \(seed)")
      #expect(runs[0].notes == runs[1].notes, "seed \(seed)")
      #expect(runs[0].output == runs[1].output, "seed \(seed)")
      runs[0].check(.exited, 0)
    }
  }
}
