// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import KernelMappings
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// The kernel's task that writes what is dirty, so that no program has to wait for that.
///
/// It sleeps without an end while nothing is dirty: a machine in which all wait for ever is seen
/// to be one.
///
/// Linux: `wb_workfn()`, the `kworker/u:flush` threads.
extension Kernel {
  /// What a kernel task is started with, beside 0 for the first.
  private static var flusherArgument: UInt64 { 1 }

  static var flusherKey: UInt64 { SleepKey.object(0, channel: 0x69).value }

  /// Runs a task of the kernel from its begin on. The machine's entry for kernel tasks is this.
  public func runKernelTask(_ argument: UInt64) -> Never {
    if argument == Self.flusherArgument { runFlusher() }
    run()
  }

  /// Starts the task, on a machine with a disk that can be written to.
  ///
  /// - Throws: ENOMEM.
  func startFlusher() throws(Errno) {
    let stack = try allocateStack()
    do {
      let task = try allocate(
        Task(identifier: 0, process: state.value.initProcess, stack: stack))
      heap[task].isFresh = false
      machine.prepare(stack, entry: .kernel(Self.flusherArgument))
      state.value.kernelTaskCount += 1
      makeRunnable(task)
    } catch {
      mappings.freeStack(stack)
      throw error
    }
  }

  private func runFlusher() -> Never {
    var isPeriodic = false
    while true {
      let next = fileSystems.writeBackRound(isPeriodic: isPeriodic)
      state.value.isFlusherIdle = next == .never
      isPeriodic = suspend(on: Self.flusherKey, .sleeping, until: next) == .timedOut
    }
  }
}
