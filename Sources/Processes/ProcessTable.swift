// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Processes by number, and what each is made of.
///
/// Linux: `kernel/pid.c`.
extension Kernel {
  /// Linux: `pid_max`.
  static var identifierLimit: UInt32 { 32_768 }

  var siblingLinks: SiblingLinks<M> { SiblingLinks(heap: heap) }
  private var processLinks: ProcessLinks<M> { ProcessLinks(heap: heap) }

  func findProcess(_ identifier: UInt32) -> Reference<Process>? {
    var next = state.value.buckets[Int(identifier & 63)].reference
    while let process = next, heap[process].identifier != identifier {
      next = heap[process].bucketNext.reference
    }
    return next
  }

  /// A number that no process, group or session has. Linux: `alloc_pid()`.
  ///
  /// - Throws: `EAGAIN` if there is none.
  func freeIdentifier() throws(Errno) -> UInt32 {
    for _ in 0..<Self.identifierLimit {
      var candidate = state.value.lastIdentifier + 1
      if candidate >= Self.identifierLimit { candidate = 300 }
      state.value.lastIdentifier = candidate
      if !isUsed(candidate) { return candidate }
    }
    throw .EAGAIN
  }

  private func isUsed(_ identifier: UInt32) -> Bool {
    if findProcess(identifier) != nil { return true }
    var next = state.value.processes.first
    while let process = next {
      if heap[process].group == identifier || heap[process].session == identifier { return true }
      next = heap[process].listNext.reference
    }
    return false
  }

  func enterProcess(_ process: Reference<Process>) {
    let bucket = Int(heap[process].identifier & 63)
    heap[process].bucketNext = state.value.buckets[bucket]
    state.value.buckets[bucket] = Link(process)
    state.value.processes.pushBack(process, in: processLinks)
  }

  func removeProcess(_ process: Reference<Process>) {
    let bucket = Int(heap[process].identifier & 63)
    state.value.processes.remove(process, in: processLinks)
    guard state.value.buckets[bucket].reference != process else {
      state.value.buckets[bucket] = heap[process].bucketNext
      return
    }
    var next = state.value.buckets[bucket].reference
    while let candidate = next {
      next = heap[candidate].bucketNext.reference
      if next == process { heap[candidate].bucketNext = heap[process].bucketNext }
    }
  }

  func addChild(_ child: Reference<Process>, of parent: Reference<Process>) {
    heap[child].parent = Link(parent)
    heap[parent].children.pushBack(child, in: siblingLinks)
  }

  func removeChild(_ child: Reference<Process>) {
    guard let parent = heap[child].parent.reference else { return }
    heap[parent].children.remove(child, in: siblingLinks)
    heap[child].parent = Link(nil)
  }

  /// What a parent's `wait` sleeps on.
  func childKey(of parent: Reference<Process>) -> SleepKey {
    .object(parent.raw, channel: Channel.children)
  }

  /// Allocates a kernel object, reclaiming if need be.
  func allocate<T: HeapObject>(_ initial: T) throws(Errno) -> Reference<T> {
    while true {
      do {
        return try heap.allocate(initial)
      } catch {
        guard case .progress = relieveForObject() else { throw .ENOMEM }
      }
    }
  }

  /// What /proc says of a process.
  func description(of process: Reference<Process>) -> ProcessDescription {
    let value = heap[process]
    var description = ProcessDescription(number: value.identifier)
    if let parent = value.parent.reference { description.parent = heap[parent].identifier }
    description.group = value.group
    description.session = value.session
    description.name = value.name
    description.user = value.user
    description.userGroup = value.userGroup
    description.started = value.started
    description.userTime = value.runTime
    description.pendingSignals = value.pending.bits
    description.outOfMemoryAdjustment = value.outOfMemoryAdjustment
    description.exitSignal = UInt32(value.exitSignal)
    description.exitCode = value.status.value
    description.space = value.space.reference
    description.executable = value.executable.reference
    description.state = value.state == .zombie ? 0x5A : 0x53
    if let task = value.task.reference {
      description.state = value.state == .zombie ? 0x5A : stateLetter(of: task)
      description.blockedSignals = heap[task].blocked.bits
    }
    if let signals = value.signals.reference {
      description.ignoredSignals =
        heap[signals].signals { $0.handler == SignalAction.ignoringHandler }.bits
      description.caughtSignals =
        heap[signals].signals { $0.handler > SignalAction.ignoringHandler }.bits
    }
    if let folder = value.folder.reference {
      description.workingFolder = heap[folder].workingFolder
      description.fileCreationMask = heap[folder].creationMask
    }
    return description
  }

  /// R, S, D or T. Linux: `task_state_array`.
  private func stateLetter(of task: Reference<Task>) -> UInt8 {
    switch heap[task].state {
    case .runnable: 0x52
    case .sleeping: 0x44
    case .sleepingInterruptibly: 0x53
    case .stopped: 0x54
    case .dead: 0x58
    }
  }
}
