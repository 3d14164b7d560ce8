// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import Testing

/// Whole runs of several processes, which sleep, wait and end beside each other.
@Suite struct ProcessRunTests {
  @Test func `a parent gets its child's status, once, and keeps its own memory`() throws {
    let place = RootImage.data + 0x8000
    let run = try KernelRun { program in
      program.store(UInt64(1), at: place)
      let child = program.fork { child in
        child.store(child.load(UInt64.self, at: place) + 41, at: place)
        child.note(Int(child.load(UInt64.self, at: place)))
        child.exit(3)
      }
      let (found, status) = program.wait()
      program.note(found == child ? 1 : 0)
      program.note(Int(status))
      program.note(Int(program.load(UInt64.self, at: place)))
      program.note(program.wait().child)
    }
    run.check(.exited, 0)
    #expect(run.notes == [42, 1, 3 << 8, 1, -Int(Errno.ECHILD.rawValue)])
    #expect(run.events(.processForked).count == 2)
    #expect(run.events(.processExited).count == 2)
    #expect(run.events(.faultCopyOnWrite).count > 0)
  }

  @Test func `a child that goes on is waited for at once, and tells so when it runs`() throws {
    let run = try KernelRun { program in
      let child = program.fork { child in
        while true { _ = child.sleep(nanoseconds: 1_000_000_000) }
      }
      _ = program.sleep(nanoseconds: 1_000_000)
      _ = program.kill(child, .SIGSTOP)
      // WUNTRACED
      program.note(program.wait(for: child, options: 2).child == child ? 1 : 0)
      program.store(SignalSet(.SIGCHLD).bits, at: RootImage.data)
      _ = program.call(.rt_sigprocmask, 0, RootImage.data, 0, 8)
      func isTold() -> Int {
        _ = program.call(.rt_sigpending, RootImage.data, 8)
        return program.load(UInt64.self, at: RootImage.data) == 0 ? 0 : 1
      }
      _ = program.kill(child, .SIGCONT)
      program.note(isTold())
      // WCONTINUED, WNOHANG
      program.note(program.wait(for: child, options: 9).child == child ? 1 : 0)
      _ = program.sleep(nanoseconds: 1_000_000)
      program.note(isTold())
      _ = program.kill(child, .SIGKILL)
    }
    run.check(.exited, 0)
    #expect(run.notes == [1, 0, 1, 1])
  }

  @Test func `another program begins with fresh memory, and open files`() throws {
    let place = RootImage.data + 0x8000
    let run = try KernelRun { program in
      let file = program.open("/text")
      program.store(UInt64(1), at: place)
      let missing = program.execute("/bin/third", { _ in })
      program.note(missing)
      program.note(Int(program.load(UInt64.self, at: place)))
      _ = program.execute(RootImage.secondPath) { second in
        second.note(Int(second.load(UInt64.self, at: place)))
        second.note(second.read(file, 5)?.count ?? -1)
        second.note(Int(second.load(UInt64.self, at: second.program[.stackPointer])))
        second.exit(9)
      }
    }
    run.check(.exited, 9)
    #expect(run.notes == [-Int(Errno.ENOENT.rawValue), 1, 0, 5, 1])
    #expect(run.events(.programStarted).map(\.value) == [0x40_1000, 0x50_1000])
  }

  @Test func `a pipe makes its reader wait for bytes and its writer for room`() throws {
    let bytes = (0..<150_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    let run = try KernelRun { program in
      let (reader, writer) = program.pipe()
      _ = program.fork { child in
        child.close(reader)
        _ = child.sleep(nanoseconds: 1_000_000)
        child.note(2)
        child.note(child.write(writer, bytes))
      }
      program.close(writer)
      program.note(1)
      var count = 0
      while let piece = program.read(reader, 9_999), !piece.isEmpty {
        if count == 0 { program.note(3) }
        count += piece.count
        _ = program.write(1, piece)
      }
      program.note(count)
      program.note(Int(program.wait().status))
    }
    run.check(.exited, 0)
    #expect(run.notes == [1, 2, 3, 150_000, 150_000, 0])
    #expect(run.output == bytes)
  }

  @Test func `a writer without a reader gets SIGPIPE`() throws {
    let run = try KernelRun { program in
      let (reader, writer) = program.pipe()
      program.close(reader)
      program.note(program.write(writer, [1]))
    }
    run.check(.signalled, UInt64(Signal.SIGPIPE.number))
    #expect(run.notes.isEmpty)
  }

  @Test func `SIGKILL ends a child in its sleep`() throws {
    let run = try KernelRun { program in
      let child = program.fork { child in
        child.note(1)
        _ = child.sleep(nanoseconds: 1_000_000_000_000)
        child.note(99)
      }
      _ = program.sleep(nanoseconds: 1_000_000)
      program.note(program.kill(child, .SIGKILL))
      program.note(Int(program.wait(for: child).status))
      program.note(program.now < 1_000_000_000 ? 2 : 3)
    }
    run.check(.exited, 0)
    #expect(run.notes == [1, 0, Int(Signal.SIGKILL.number), 2])
  }

  @Test func `SIGKILL ends a child before its first instruction`() throws {
    let run = try KernelRun { program in
      let child = program.fork { $0.note(99) }
      program.note(program.kill(child, .SIGKILL))
      program.note(Int(program.wait(for: child).status))
    }
    run.check(.exited, 0)
    #expect(run.notes == [0, Int(Signal.SIGKILL.number)])
  }

  @Test func `a stopped child goes on with its sleep where it was`() throws {
    let run = try KernelRun { program in
      let child = program.fork { child in
        child.note(child.sleep(nanoseconds: 5_000_000))
        child.note(Int(child.now / 1_000_000))
      }
      _ = program.sleep(nanoseconds: 1_000_000)
      _ = program.kill(child, .SIGSTOP)
      program.note(Int(program.wait(for: child, options: WaitOption.untraced).status))
      _ = program.sleep(nanoseconds: 20_000_000)
      _ = program.kill(child, .SIGCONT)
      program.note(Int(program.wait(for: child).status))
    }
    run.check(.exited, 0)
    #expect(run.notes.count == 4)
    #expect(run.notes.first == Int(WaitStatus.stopped(.SIGSTOP).value))
    #expect(run.notes[1] == 0)
    #expect((21...25).contains(run.notes[2]))
    #expect(run.notes.last == 0)
  }

  @Test func `children wake in the order of their times, whoever slept first`() throws {
    let run = try KernelRun { program in
      for milliseconds in [30, 10, 20] as [UInt64] {
        _ = program.fork { child in
          _ = child.sleep(nanoseconds: milliseconds * 1_000_000)
          child.note(Int(milliseconds))
        }
      }
      for _ in 0..<3 { _ = program.wait() }
      program.note(Int(program.now / 10_000_000))
    }
    run.check(.exited, 0)
    #expect(run.notes == [10, 20, 30, 3])
  }

  @Test func `programs that compute take turns`() throws {
    let run = try KernelRun { program in
      for child in 1...2 {
        _ = program.fork { body in
          for _ in 0..<6 {
            body.note(child)
            body.program.work(nanoseconds: 2_000_000)
          }
        }
      }
      for _ in 0..<2 { _ = program.wait() }
    }
    run.check(.exited, 0)
    #expect(run.notes.filter { $0 == 1 }.count == 6)
    #expect(run.notes.filter { $0 == 2 }.count == 6)
    let turns = zip(run.notes, run.notes.dropFirst()).filter { $0 != $1 }.count
    #expect((3...6).contains(turns))
  }

  @Test func `whoever is left when the program ends goes with it`() throws {
    let run = try KernelRun { program in
      _ = program.fork { child in
        _ = child.fork { $0.note(Int($0.sleep(nanoseconds: 1_000_000_000_000))) }
        _ = child.call(.pause)
      }
      _ = program.sleep(nanoseconds: 1_000_000)
      program.exit(4)
    }
    run.check(.exited, 4)
    #expect(run.notes.isEmpty)
    #expect(run.events(.processExited).count == 3)
  }

  @Test func `all that wait for ever are a deadlock`() throws {
    let run = try KernelRun { program in
      let (reader, writer) = program.pipe()
      _ = program.fork { child in _ = child.read(reader, 1) }
      program.note(writer)
      program.note(program.wait().child)
    }
    run.check(.deadlocked, 0)
    #expect(run.notes.count == 1)
  }

  @Test func `out of memory the largest process is killed, and the others go on`() throws {
    let run = try KernelRun { program in
      let (reader, writer) = program.pipe()
      let small = program.fork { child in
        let area = child.map(pageCount: 32)
        child.touch(area, pageCount: 32)
        _ = child.read(reader, 1)
        for page in 0..<32 as Range<UInt64> {
          if child.load(UInt64.self, at: area + page * 4096) != page { child.exit(1) }
        }
        child.exit(5)
      }
      _ = program.sleep(nanoseconds: 1_000_000)
      let large = program.fork { child in
        for _ in 0..<16 { child.touch(child.map(pageCount: 256), pageCount: 256) }
        child.exit(0)
      }
      program.note(large)
      program.note(Int(program.wait(for: large).status))
      _ = program.write(writer, [1])
      program.note(Int(program.wait(for: small).status))
    }
    run.check(.exited, 0)
    #expect(Array(run.notes.dropFirst()) == [Int(Signal.SIGKILL.number), 5 << 8])
    #expect(run.events(.outOfMemoryKill).map { Int($0.owner) } == Array(run.notes.prefix(1)))
  }

  @Test func `a program that takes all memory ends with the machine out of memory`() throws {
    let run = try KernelRun { program in
      for _ in 0..<16 { program.touch(program.map(pageCount: 256), pageCount: 256) }
      program.note(1)
    }
    run.check(.outOfMemory, UInt64(Signal.SIGKILL.number))
    #expect(run.notes.isEmpty)
  }

  @Test func `a process that is killed for its memory writes nothing else instead`() throws {
    let bytes = Array(repeating: 0xA5 as UInt8, count: 100_000)
    var options = KernelRun.Options()
    options.frameCount = 512
    let run = try KernelRun(options) { program in
      let (reader, writer) = program.pipe()
      let large = program.fork { child in
        child.touch(child.map(pageCount: 250), pageCount: 250)
        child.note(child.write(writer, bytes))
      }
      program.close(writer)
      _ = program.sleep(nanoseconds: 10_000_000)
      // There is room again, but before the writer's turn comes it has lost its memory.
      var piece = program.read(reader, 8192) ?? []
      program.touch(program.map(pageCount: 240), pageCount: 240)
      var count = 0
      while !piece.isEmpty {
        program.note(piece.allSatisfy { $0 == 0xA5 } ? 1 : 99)
        count += piece.count
        piece = program.read(reader, 8192) ?? []
      }
      program.note(count < bytes.count ? 2 : 3)
      program.note(Int(program.wait(for: large).status))
    }
    run.check(.exited, 0)
    #expect(run.events(.outOfMemoryKill).count == 1)
    #expect(Array(run.notes.suffix(2)) == [2, Int(Signal.SIGKILL.number)])
    #expect(!run.notes.contains(99))
  }
}
