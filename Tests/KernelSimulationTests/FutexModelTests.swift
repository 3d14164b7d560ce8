// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryUnits
import SimulatedMachine
import Testing

/// Waiting for words, waking and moving waiters, against lists of numbers; and what a thread that
/// ends leaves in the words of its locks.
@Suite struct FutexModelTests {
  private static let words = RootImage.data + 0x8000
  private static let isPrivate: UInt64 = 128

  private static func word(_ index: Int) -> UInt64 { words + UInt64(index) * 64 }

  private enum Step {
    case wait(thread: Int, word: Int, bits: UInt64)
    case wake(word: Int, count: Int, bits: UInt64)
    case move(from: Int, to: Int, wakes: Int, moves: Int)
  }

  /// Who waits for which word, in the order of arrival.
  private struct Model {
    var queues: [[(thread: Int, bits: UInt64)]] = Array(repeating: [], count: 4)
    /// What the run must note: the result of each call, then who wakes.
    var notes: [Int] = []

    mutating func wake(_ word: Int, _ count: Int, _ bits: UInt64) {
      var woken: [Int] = []
      queues[word].removeAll { waiter in
        guard woken.count < count, waiter.bits & bits != 0 else { return false }
        woken.append(waiter.thread)
        return true
      }
      notes += [1000 + woken.count] + woken
    }

    mutating func move(from: Int, to: Int, _ wakes: Int, _ moves: Int) {
      let woken = queues[from].prefix(wakes)
      queues[from].removeFirst(woken.count)
      let moved = queues[from].prefix(moves)
      if from != to {
        queues[from].removeFirst(moved.count)
        queues[to] += moved
      }
      notes += [1000 + woken.count + moved.count] + woken.map(\.thread)
    }
  }

  private static func plan(seed: UInt64) -> (steps: [Step], model: Model) {
    var random = SeededGenerator(seed: seed)
    var steps: [Step] = []
    var model = Model()
    var threads = 0
    for _ in 0..<120 {
      let word = Int.random(in: 0..<4, using: &random)
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<5 where model.queues.joined().count < 16:
        threads += 1
        let bits = UInt64([1, 2, 3, 0xFFFF_FFFF].randomElement(using: &random) ?? 1)
        steps.append(.wait(thread: threads, word: word, bits: bits))
        model.queues[word].append((threads, bits))
      case 5..<8:
        let count = Int.random(in: 1..<5, using: &random)
        let bits = UInt64([1, 2, 0xFFFF_FFFF].randomElement(using: &random) ?? 1)
        steps.append(.wake(word: word, count: count, bits: bits))
        model.wake(word, count, bits)
      default:
        let to = Int.random(in: 0..<4, using: &random)
        let wakes = Int.random(in: 0..<3, using: &random)
        let moves = Int.random(in: 0..<4, using: &random)
        steps.append(.move(from: word, to: to, wakes: wakes, moves: moves))
        model.move(from: word, to: to, wakes, moves)
      }
    }
    for word in 0..<4 {
      steps.append(.wake(word: word, count: 99, bits: 0xFFFF_FFFF))
      model.wake(word, 99, 0xFFFF_FFFF)
    }
    return (steps, model)
  }

  @Test(arguments: UInt64(1)...4) func `waiters wake and move as numbers in lists`(
    seed: UInt64
  ) throws {
    let (steps, model) = Self.plan(seed: seed)
    let run = try KernelRun { program in
      for step in steps {
        switch step {
        case .wait(let number, let word, let bits):
          _ = program.thread { thread in
            let result = thread.call(
              .futex, Self.word(word), 9 | Self.isPrivate, 0, 0, 0, bits)
            thread.note(result == 0 ? number : -number)
            _ = thread.call(.exit, 0)
          }
        case .wake(let word, let count, let bits):
          let result = program.call(
            .futex, Self.word(word), 10 | Self.isPrivate, UInt64(count), 0, 0, bits)
          program.note(1000 + result)
        case .move(let from, let to, let wakes, let moves):
          let result = program.call(
            .futex, Self.word(from), 3 | Self.isPrivate, UInt64(wakes), UInt64(moves),
            Self.word(to), 0)
          program.note(1000 + result)
        }
        _ = program.sleep(nanoseconds: 1_000_000)
      }
    }
    run.check(.exited, 0, "seed \(seed)")
    #expect(run.notes == model.notes, "seed \(seed)")
  }

  @Test func `a wait ends at its time, and is in no list then`() throws {
    let run = try KernelRun { program in
      _ = program.thread { thread in
        thread.store(UInt64(0), at: Self.word(8))
        thread.store(UInt64(2_000_000), at: Self.word(8) + 8)
        let result = thread.call(
          .futex, Self.word(0), Self.isPrivate, 0, Self.word(8), 0, 0)
        thread.note(result)
        _ = thread.call(.exit, 0)
      }
      _ = program.sleep(nanoseconds: 5_000_000)
      program.note(program.call(.futex, Self.word(0), 1 | Self.isPrivate, 9))
    }
    run.check(.exited, 0)
    #expect(run.notes == [-Int(Errno.ETIMEDOUT.rawValue), 0])
  }

  @Test func `who moves with a value that is not there any more moves nobody`() throws {
    let run = try KernelRun { program in
      _ = program.thread { thread in
        thread.note(thread.call(.futex, Self.word(0), Self.isPrivate, 0, 0, 0, 0))
        _ = thread.call(.exit, 0)
      }
      _ = program.sleep(nanoseconds: 1_000_000)
      program.note(
        program.call(.futex, Self.word(0), 4 | Self.isPrivate, 1, 1, Self.word(1), 7))
      program.note(
        program.call(.futex, Self.word(0), 4 | Self.isPrivate, 0, 1, Self.word(1), 0))
      program.note(program.call(.futex, Self.word(0), 1 | Self.isPrivate, 9))
      program.note(program.call(.futex, Self.word(1), 1 | Self.isPrivate, 9))
      _ = program.sleep(nanoseconds: 1_000_000)
    }
    run.check(.exited, 0)
    #expect(run.notes == [-Int(Errno.EAGAIN.rawValue), 1, 0, 1, 0])
  }

  // Locks of a thread that ends

  /// Makes a list of entries, each 8 bytes before its word, with its head at the begin.
  private static func makeList(_ program: UserProgram, entries: [UInt64], pending: UInt64) {
    let head = Self.words
    program.store(entries.first ?? head, at: head)
    program.store(Int64(8), at: head + 8)
    program.store(pending, at: head + 16)
    for (index, entry) in entries.enumerated() {
      let next = index + 1 < entries.count ? entries[index + 1] : head
      program.store(next, at: entry)
    }
  }

  @Test func `a thread that ends marks the locks that it holds, and wakes one waiter`() throws {
    let entries = (1...4).map { Self.words + UInt64($0) * 128 }
    let run = try KernelRun { program in
      let holder = program.thread { thread in
        let own = UInt32(thread.call(.gettid))
        Self.makeList(thread, entries: Array(entries.prefix(3)), pending: entries[3])
        thread.store(own, at: entries[0] + 8)
        thread.store(own | FutexWord.waiters, at: entries[1] + 8)
        // Another's: it stays as it is.
        thread.store(own + 7, at: entries[2] + 8)
        thread.store(own, at: entries[3] + 8)
        _ = thread.call(.set_robust_list, Self.words, RobustListHead.byteCount)
        _ = thread.sleep(nanoseconds: 2_000_000)
        _ = thread.call(.exit, 0)
      }
      for number in 1...2 {
        _ = program.thread { thread in
          let value = UInt64(thread.load(UInt32.self, at: entries[1] + 8))
          _ = thread.call(.futex, entries[1] + 8, 0, value, 0, 0, 0)
          thread.note(number)
          _ = thread.call(.exit, 0)
        }
        _ = program.sleep(nanoseconds: 500_000)
      }
      _ = program.sleep(nanoseconds: 5_000_000)
      let own = UInt32(holder)
      let expected: [UInt32] = [
        FutexWord.ownerDied, FutexWord.ownerDied | FutexWord.waiters, own + 7, FutexWord.ownerDied,
      ]
      for (entry, value) in zip(entries, expected) {
        program.note(program.load(UInt32.self, at: entry + 8) == value ? 10 : 11)
      }
    }
    run.check(.exited, 0)
    #expect(run.notes == [1, 10, 10, 10, 10])
  }

  @Test func `a list in a circle, of nothing, or far away does no harm`() throws {
    let entry = Self.words + 128
    for head in [UInt64(0), 1, 0xFFFF_8000_0000_0000, Self.words, 0x7000_0000] {
      let run = try KernelRun { program in
        _ = program.thread { thread in
          Self.makeList(thread, entries: [entry], pending: 0x1234)
          thread.store(entry, at: entry)
          thread.store(UInt32(thread.call(.gettid)), at: entry + 8)
          _ = thread.call(.set_robust_list, head, RobustListHead.byteCount)
          _ = thread.call(.exit, 0)
        }
        _ = program.sleep(nanoseconds: 1_000_000)
        program.note(1)
      }
      run.check(.exited, 0)
      #expect(run.notes == [1])
    }
  }
}
