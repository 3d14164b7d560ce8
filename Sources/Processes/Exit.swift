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

/// The end of a process: what it had is given back, its parent is told, its children get init.
///
/// Linux: `kernel/exit.c`, `do_exit()`.
extension Kernel {
  /// Ends the running process.
  ///
  /// - Context: a program's task; may sleep before the end.
  func exitProcess(_ status: WaitStatus) -> Never {
    let process = process
    let task = current
    heap[process].status = status
    clearChildIdentifier(task)
    if process == findProcess(state.value.programIdentifier) {
      state.value.programStatus = status
      state.value.programDiedOfMemory = heap[process].diedOfMemory
    }
    if state.value.audits, let finding = auditSpaces() {
      stop(.kernelFailed, value: finding.rawValue)
    }
    releaseParent(of: process)
    activateKernelRoot()
    releaseResources(of: process)
    record(.processExited, value: UInt64(status.value))
    giveChildrenToInit(process)
    charge(task, until: machine.now)
    heap[process].state = .zombie
    heap[process].alarm = .never
    findNextAlarm()
    endForParent(process, status)
    heap[task].state = .dead
    reschedule()
    preconditionFailure("a dead task runs")
  }

  /// Linux: `mm_release()`, for CLONE_CHILD_CLEARTID.
  private func clearChildIdentifier(_ task: Reference<Task>) {
    let address = heap[task].clearIdentifierAt
    guard address.value != 0 else { return }
    heap[task].clearIdentifierAt = VirtualAddress(0)
    if let space = heap[process].space.reference, heap[space].users > 1 {
      try? spaces.store(UInt32(0), at: address, in: space)
      wakeFutex(at: address.value, in: space, count: 1)
    }
  }

  /// Gives back memory, files, folder and signals, as far as the process has them.
  ///
  /// - Precondition: its page table is not the active one.
  func releaseResources(of process: Reference<Process>) {
    if let descriptors = heap[process].descriptors.reference {
      heap[process].descriptors = Link(nil)
      release(descriptors)
    }
    if let folder = heap[process].folder.reference {
      heap[process].folder = Link(nil)
      release(folder)
    }
    if let space = heap[process].space.reference {
      noteUsage(of: process, space)
      heap[process].space = Link(nil)
      spaces.release(space)
    }
    if let executable = heap[process].executable.reference {
      heap[process].executable = Link(nil)
      fileSystems.release(executable)
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

  private func release(_ folder: Reference<FolderContext>) {
    heap[folder].users -= 1
    guard heap[folder].users == 0 else { return }
    fileSystems.release(heap[folder].workingFolder)
    heap.free(folder)
  }

  private func giveChildrenToInit(_ process: Reference<Process>) {
    let initProcess = state.value.initProcess
    while let child = heap[process].children.first {
      removeChild(child)
      addChild(child, of: initProcess)
      heap[child].exitSignal = Signal.SIGCHLD.number
      if heap[child].state == .zombie { wake(childKey(of: initProcess)) }
    }
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
    let signal = status.signalNumber
    tellParent(
      of: process, signal == 0 ? .exited : .killed, number: signal == 0 ? status.exitCode : signal)
  }

  /// Gives back the last of a dead process, and adds its usage to its parent's.
  ///
  /// - Precondition: it is a zombie and its task does not run any more.
  ///
  /// Linux: `release_task()`.
  func reap(_ process: Reference<Process>) {
    if let parent = heap[process].parent.reference {
      heap[parent].childrenRunTime += heap[process].runTime + heap[process].childrenRunTime
      let peak = max(heap[process].peakResident, heap[process].childrenPeakResident)
      heap[parent].childrenPeakResident = max(heap[parent].childrenPeakResident, peak)
    }
    removeChild(process)
    removeProcess(process)
    if let task = heap[process].task.reference {
      mappings.freeStack(heap[task].stack)
      heap.free(task)
    }
    heap.free(process)
  }
}
