// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import KernelMappings
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// The end of threads and processes: what they had is given back, the parent is told, children
/// get init.
///
/// Linux: `kernel/exit.c`, `do_exit()`.
extension Kernel {
  /// Ends all threads of the running process, this one now and the others where they next look.
  ///
  /// Linux: `do_group_exit()`.
  ///
  /// - Context: a program's task; may sleep before the end.
  func exitProcess(_ status: WaitStatus) -> Never {
    let process = process
    if heap[process].groupEnd == .none {
      heap[process].groupEnd = .all
      heap[process].status = status
      endOthers(of: process)
    }
    exitTask(status)
  }

  /// Makes every other thread of the running one's process go and end.
  ///
  /// Linux: `zap_other_threads()`.
  func endOthers(of process: Reference<Process>) {
    var next = heap[process].tasks.first
    while let task = next {
      next = heap[task].threadHook.next.reference
      if task != current { interruptForEnd(task) }
    }
  }

  /// Wakes a task that is to end, unless it waits for something that comes by itself.
  func interruptForEnd(_ task: Reference<Task>) {
    switch heap[task].state {
    case .sleepingInterruptibly, .sleepingUntilKilled: awaken(task, .interrupted)
    case .stopped: makeRunnable(task)
    case .runnable, .sleeping, .dead: break
    }
  }

  /// Whether a task may not go back to its program any more.
  func mustEnd(_ task: Reference<Task>) -> Bool {
    let process = heap[task].process
    switch heap[process].groupEnd {
    case .none: return false
    case .all: return true
    case .forProgram: return heap[process].executor.reference != task
    }
  }

  /// Ends the running task, and its process with the last one. Linux: `do_exit()`.
  ///
  /// - Context: a program's task; may sleep before the end.
  func exitTask(_ status: WaitStatus) -> Never {
    let process = process
    let task = current
    heap[task].status = status
    releaseWords(of: task)
    releaseParent(of: task)
    let isLast = heap[process].liveTaskCount == 1
    if isLast { prepareEnd(of: process) }
    releaseFiles(of: task)
    if isLast { releaseProgram(of: process) }
    let now = machine.now
    chargeSystem(task, until: now)
    charge(task, until: now)
    keepCounts(of: task)
    flushSignals(of: task)
    heap[process].liveTaskCount -= 1
    heap[task].state = .dead
    retarget(SignalSet(bits: .max).subtracting(heap[task].blocked), of: process)
    if heap[process].liveTaskCount == 0 { endForParent(process, heap[process].status) }
    if heap[process].groupEnd == .forProgram { wake(threadKey(of: process)) }
    freeDeadTask()
    if !isLeader(task) { removeTask(task) }
    state.value.deadTask = Link(task)
    reschedule()
    preconditionFailure("a dead task runs")
  }

  /// What who begins a program sleeps on while the others end.
  func threadKey(of process: Reference<Process>) -> SleepKey {
    .object(process.raw, channel: Channel.threads)
  }

  /// Settles with which status a process ends. The last thread still has its memory.
  private func prepareEnd(of process: Reference<Process>) {
    if heap[process].groupEnd == .none {
      heap[process].groupEnd = .all
      heap[process].status = heap[current].status
    }
    if process == findProcess(state.value.programIdentifier) {
      state.value.programStatus = heap[process].status
      state.value.programDiedOfMemory = heap[process].diedOfMemory
    }
    writeHeapFaults()
    if state.value.audits, let finding = auditSpaces() {
      stop(.kernelFailed, value: finding.rawValue)
    }
  }

  private func releaseProgram(of process: Reference<Process>) {
    activateKernelRoot()
    releaseResources(of: process)
    record(.processExited, value: UInt64(heap[process].status.value))
    if heap[process].session == heap[process].identifier {
      fileSystems.dropControllingTerminal()
    }
    heap[process].terminal = Link(nil)
    tellOrphanedGroups(leftBy: process)
    giveChildrenAway(process)
    heap[process].state = .zombie
    fileSystems.processChanged(heap[process].serial)
    freeTimers(of: process)
    flushSignals(of: process)
  }

  /// Gives the stack of the task that ended last to others; one that led keeps its number.
  ///
  /// Linux: `finish_task_switch()`.
  func freeDeadTask() {
    guard let task = state.value.deadTask.reference, task != current else { return }
    state.value.deadTask = Link(nil)
    mappings.freeStack(heap[task].stack)
    heap[task].hasStack = false
    if !isLeader(task) { heap.free(task) }
  }

  /// Gives back a task's descriptors and folder, as far as it has them.
  func releaseFiles(of task: Reference<Task>) {
    if let descriptors = heap[task].descriptors.reference {
      heap[task].descriptors = Link(nil)
      release(descriptors)
    }
    if let folder = heap[task].folder.reference {
      heap[task].folder = Link(nil)
      release(folder)
    }
    releaseGroups(of: task)
  }

  /// Gives back memory, program and signals, as far as the process has them.
  ///
  /// - Precondition: its page table is not the active one.
  func releaseResources(of process: Reference<Process>) {
    if let space = heap[process].space.reference {
      noteUsage(of: process, space)
      heap[process].space = Link(nil)
      spaces.release(space)
    }
    if let executable = heap[process].executable.reference {
      heap[process].executable = Link(nil)
      fileSystems.endRunning(executable)
    }
    if let signals = heap[process].signals.reference {
      heap[process].signals = Link(nil)
      heap[signals].users -= 1
      if heap[signals].users == 0 { heap.free(signals) }
    }
  }

  /// Keeps what `getrusage` tells of memory that goes.
  func noteUsage(of process: Reference<Process>, _ space: Reference<AddressSpace>) {
    let peak = heap[space].peakResidentCount.kibibytes
    heap[process].peakResident = max(heap[process].peakResident, peak)
    heap[process].minorFaultCount += heap[space].minorFaultCount
    heap[process].majorFaultCount += heap[space].majorFaultCount
  }

  func release(_ folder: Reference<FolderContext>) {
    heap[folder].users -= 1
    guard heap[folder].users == 0 else { return }
    fileSystems.release(heap[folder].workingFolder)
    if let root = heap[folder].root.reference { fileSystems.release(root) }
    heap.free(folder)
  }

  /// Tells the parent; one that does not want to know has the child reaped by init.
  private func endForParent(_ process: Reference<Process>, _ status: WaitStatus) {
    if let parent = heap[process].parent.reference,
      let signals = heap[parent].signals.reference,
      heap[process].exitSignal == Signal.SIGCHLD.number
    {
      let action = heap[signals].action(of: .SIGCHLD)
      let ignores = action.handler == SignalAction.ignoringHandler
      if ignores || action.flags & SignalAction.noChildWait != 0 {
        wake(childKey(of: parent))
        removeChild(process)
        addChild(process, of: state.value.initProcess)
      }
    }
    tellParent(of: process, ofEnd: status)
  }

  func tellParent(of process: Reference<Process>, ofEnd status: WaitStatus) {
    let signal = status.signalNumber
    let code: ChildCode = signal == 0 ? .exited : .killed
    tellParent(of: process, code, number: signal == 0 ? status.exitCode : signal)
  }

  /// Gives back the last of a dead process, and adds its usage to its parent's.
  ///
  /// - Precondition: it is a zombie and its leader does not run any more.
  ///
  /// Linux: `release_task()`.
  func reap(_ process: Reference<Process>) {
    if let parent = heap[process].parent.reference {
      addUsage(of: process, to: parent)
    }
    removeChild(process)
    removeProcess(process)
    freeLeader(of: process)
    let serial = heap[process].serial
    heap.free(process)
    fileSystems.processChanged(serial)
  }

  /// Frees a dead leader.
  func freeLeader(of process: Reference<Process>) {
    let task = leader(of: process)
    removeTask(task)
    if state.value.deadTask.reference == task { state.value.deadTask = Link(nil) }
    if heap[task].hasStack { mappings.freeStack(heap[task].stack) }
    heap.free(task)
  }
}
