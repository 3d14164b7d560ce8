// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import Testing

/// Whole runs of threads, which share memory, wait for words of it, and end beside each other.
@Suite struct ThreadRunTests {
  private static let word = RootImage.data + 0x8000

  @Test func `a thread shares memory and process, and has its own number`() throws {
    let run = try KernelRun { program in
      let process = program.call(.getpid)
      let thread = program.thread { thread in
        thread.note(thread.call(.getpid) == process ? 1 : 0)
        thread.store(UInt64(thread.call(.gettid)), at: Self.word)
        _ = thread.call(.exit, 0)
      }
      _ = program.sleep(nanoseconds: 1_000_000)
      program.note(program.load(UInt64.self, at: Self.word) == UInt64(thread) ? 2 : 0)
    }
    run.check(.exited, 0)
    #expect(run.notes == [1, 2])
    #expect(run.events(.processExited).count == 1)
  }

  @Test func `waiters of a word wake in their order, as many as asked`() throws {
    let run = try KernelRun { program in
      for number in 1...3 {
        _ = program.thread { thread in
          thread.note(number * 10 - thread.call(.futex, Self.word, 128, 0, 0))
          _ = thread.call(.exit, 0)
        }
        _ = program.sleep(nanoseconds: 1_000_000)
      }
      program.note(program.call(.futex, Self.word, 129, 2))
      _ = program.sleep(nanoseconds: 1_000_000)
      program.note(program.call(.futex, Self.word, 129, 9))
      _ = program.sleep(nanoseconds: 1_000_000)
    }
    run.check(.exited, 0)
    #expect(run.notes == [2, 10, 20, 1, 30])
  }

  @Test func `the end of all ends threads wherever they sleep`() throws {
    let run = try KernelRun { program in
      _ = program.thread { thread in
        _ = thread.call(.futex, Self.word, 128, 0, 0)
        thread.note(99)
      }
      _ = program.thread { thread in
        _ = thread.sleep(nanoseconds: 2_000_000)
        _ = thread.call(.exit_group, 7)
      }
      _ = program.sleep(nanoseconds: 1_000_000_000_000)
      program.note(98)
    }
    run.check(.exited, 7)
    #expect(run.notes.isEmpty)
  }

  @Test func `a thread that begins a program takes the leader's number`() throws {
    let run = try KernelRun { program in
      let process = program.call(.getpid)
      _ = program.thread { thread in
        _ = thread.execute(RootImage.secondPath) { second in
          second.note(second.call(.gettid) == process ? 1 : 0)
          second.exit(5)
        }
      }
      _ = program.sleep(nanoseconds: 1_000_000_000_000)
      program.note(99)
    }
    run.check(.exited, 5)
    #expect(run.notes == [1])
  }
}
