// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import MemoryEvents
import Testing

/// The boot words of the page allocator, in whole runs.
@Suite struct FrameWordRunTests {
  private func run(_ words: [String], seed: UInt64 = 7919) throws -> KernelRun {
    var options = KernelRun.Options()
    options.words = words
    return try KernelRun(options) { RandomProgram(seed: seed).run($0) }
  }

  @Test(arguments: [
    ["page_poison=1"], ["page_poison=on", "debug_guardpage=2"], ["debug_guardpage_minorder=1"],
    ["page_poison=off", "debug_guardpage=0"],
  ])
  func `patterns and guards find nothing in a kernel that is right`(words: [String]) throws {
    let run = try run(words)
    run.check(.exited, 0)
    #expect(run.events(.frameFault).isEmpty)
  }

  @Test func `allocations fail as the boot word says, and the machine ends cleanly`() throws {
    let run = try run(["fail_page_alloc=7,100,20,3"])
    #expect(run.violations.isEmpty && run.differentFrame == nil)
    let other = try self.run(["fail_page_alloc=7,50,20,-1,0,3"])
    #expect(other.violations.isEmpty && other.differentFrame == nil)
    #expect(other.exit == .exited || other.exit == .outOfMemory || other.exit == .notStarted)
    #expect(run.events.count != other.events.count)
  }

  @Test(arguments: [
    "page_poison=2", "page_poison=", "debug_guardpage=6", "debug_guardpage=x",
    "fail_page_alloc=1,2,3", "fail_page_alloc=",
  ])
  func `a value that cannot be is refused by name`(word: String) throws {
    let run = try run([word])
    #expect(run.exit == .wordRefused)
    let refused = RefusedWord(encoded: run.value)
    // Behind the word that every such run has.
    #expect(refused.index == 1 && refused.error == Errno.EINVAL.rawValue)
  }
}
