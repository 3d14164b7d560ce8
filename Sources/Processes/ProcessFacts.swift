// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import OutOfMemory
import PageFrames
import Reclaim

/// What /proc asks of processes, and what a write to it changes.
///
/// Linux: `fs/proc/base.c`, `fs/proc/array.c`.
extension Kernel: ProcessEnvironment {
  public var currentThread: UInt32 { heap[current].identifier }

  public func describe(process number: UInt32) -> ProcessDescription? {
    guard let process = findProcess(number) else { return nil }
    return description(of: process)
  }

  public func firstProcess(after number: UInt32) -> UInt32? {
    var best: UInt32?
    var next = state.value.processes.first
    while let process = next {
      let identifier = heap[process].identifier
      if identifier > number, identifier < best ?? .max { best = identifier }
      next = heap[process].listHook.next.reference
    }
    return best
  }

  public func describe(thread number: UInt32) -> ProcessDescription? {
    guard let task = findTask(number) else { return nil }
    var description = description(of: heap[task].process)
    add(task, to: &description)
    return description
  }

  public func firstThread(after number: UInt32, of process: UInt32) -> UInt32? {
    guard let process = findProcess(process) else { return nil }
    var best: UInt32?
    var next = heap[process].tasks.first
    while let task = next {
      let identifier = heap[task].identifier
      if identifier > number, identifier < best ?? .max { best = identifier }
      next = heap[task].threadHook.next.reference
    }
    return best
  }

  public func visitGroups(of thread: UInt32, _ body: (UInt32) -> Void) {
    guard let task = findTask(thread) else { return }
    var next = heap[task].identity.groups.reference
    while let list = next {
      for index in 0..<heap[list].count { body(heap[list].group(at: index)) }
      next = heap[list].next.reference
    }
  }

  public func openFile(descriptor: UInt32, of process: UInt32) -> Reference<OpenFile>? {
    guard let process = findProcess(process) else { return nil }
    return file(descriptor, of: process)
  }

  public func firstDescriptor(from descriptor: UInt32, of process: UInt32) -> UInt32? {
    guard let process = findProcess(process) else { return nil }
    return nextDescriptor(from: descriptor, of: process)
  }

  public func closesOnExecute(descriptor: UInt32, of process: UInt32) -> Bool {
    guard let process = findProcess(process) else { return false }
    return closesOnExecute(descriptor: descriptor, of: process)
  }

  public func resourceLimit(_ resource: Int, of process: UInt32) -> ResourceLimit? {
    guard let process = findProcess(process), resource < 16 else { return nil }
    return heap[process].limits[resource]
  }

  public var activity: KernelActivity {
    var activity = KernelActivity()
    let idle = state.value.idleNanoseconds
    let now = machine.now.nanoseconds
    activity.idleTime = idle
    let busy = now > idle ? now - idle : 0
    activity.systemTime = min(state.value.systemNanoseconds, busy)
    activity.userTime = busy - activity.systemTime
    activity.switchCount = state.value.switchCount
    activity.forkCount = state.value.forkCount
    activity.runnableCount = UInt32(state.value.runQueue.count + 1)
    activity.threadCount = UInt32(state.value.taskCount)
    activity.lastIdentifier = state.value.lastIdentifier
    activity.threadLimit = UInt32(taskLimit)
    activity.memoryKillCount = state.value.memoryKillCount
    activity.scannedObjectCount =
      state.value.shrinkers.inodes.scannedCount + state.value.shrinkers.heap.scannedCount
    return activity
  }

  public func bootWord(_ index: Int) -> MemoryBlock? {
    BootArguments(Self.arguments(of: machine)).string(.bootWord, index)
  }

  public func rename(thread: UInt32, to name: InlineArray<16, UInt8>) throws(Errno) {
    guard let task = findTask(thread) else { throw .ESRCH }
    guard heap[task].process == process else { throw .EINVAL }
    heap[task].name = name
  }

  public func setOutOfMemoryAdjustment(
    of number: UInt32, to adjustment: Int32
  ) throws(Errno) {
    guard let target = findProcess(number) else { throw .ESRCH }
    let isCapable = identity.can(.useResources)
    guard isCapable || adjustment >= heap[target].smallestAdjustment else { throw .EACCES }
    // All that share the memory share its fate. Linux: `for_each_process` in `__set_oom_adj()`.
    let space = heap[target].space.reference
    var next = state.value.processes.first
    while let other = next {
      next = heap[other].listHook.next.reference
      guard other == target || (space != nil && heap[other].space.reference == space) else {
        continue
      }
      heap[other].outOfMemoryAdjustment = adjustment
      if isCapable { heap[other].smallestAdjustment = adjustment }
    }
  }

  public func dropFilePages() {
    let shortfall = Shortfall(order: .zero, zoneLimit: .normal, kind: .slab)
    while Reclaim(self).freeFilePages(for: shortfall) > .zero {}
  }

  public func mayInspect(_ number: UInt32) -> Bool {
    guard let target = findProcess(number) else { return true }
    return (try? checkRight(toInspect: leader(of: target))) != nil
  }

  // What is known

  /// What /proc says of a process.
  private func description(of process: Reference<Process>) -> ProcessDescription {
    var description = ProcessDescription(number: heap[process].identifier)
    if let parent = heap[process].parent.reference {
      description.parent = heap[parent].identifier
    }
    description.group = heap[process].group
    description.session = heap[process].session
    description.started = heap[process].started
    let system = min(systemTime(of: process), heap[process].runTime)
    description.userTime = heap[process].runTime - system
    description.systemTime = system
    let childrenSystem = min(heap[process].childrenSystemTime, heap[process].childrenRunTime)
    description.childrenTime = heap[process].childrenRunTime - childrenSystem
    description.childrenSystemTime = childrenSystem
    description.childrenMinorFaultCount = heap[process].childrenMinorFaultCount
    description.childrenMajorFaultCount = heap[process].childrenMajorFaultCount
    description.pendingSignals = heap[process].pending.set.bits
    description.outOfMemoryAdjustment = heap[process].outOfMemoryAdjustment
    description.outOfMemoryScore = outOfMemoryScore(of: process)
    description.exitSignal = UInt32(heap[process].exitSignal)
    description.exitCode = heap[process].status.value
    description.space = heap[process].space.reference
    description.executable = heap[process].executable.reference
    description.threadCount = UInt32(heap[process].liveTaskCount)
    description.transfer = heap[process].transfer
    description.descriptorSlotCount = descriptorSlotCount(of: process)
    description.queuedSignalCount = UInt32(state.value.queuedSignalCount)
    if let terminal = heap[process].terminal.reference {
      description.terminal = fileSystems.deviceNumber(of: terminal)
      description.foregroundGroup = Int32(bitPattern: fileSystems.foregroundGroup(of: terminal))
    }
    // Linux: `PF_FORKNOEXEC`, `PF_RANDOMIZE` is never.
    description.flags = heap[process].hasExecuted ? 0 : 0x40
    if let signals = heap[process].signals.reference {
      description.ignoredSignals =
        heap[signals].signals { $0.handler == SignalAction.ignoringHandler }.bits
      description.caughtSignals =
        heap[signals].signals { $0.handler > SignalAction.ignoringHandler }.bits
    }
    add(leader(of: process), to: &description)
    description.state = heap[process].state == .zombie ? 0x5A : description.state
    return description
  }

  /// Adds what is a thread's own.
  private func add(_ task: Reference<Task>, to description: inout ProcessDescription) {
    description.number = heap[task].identifier
    description.leader = heap[heap[task].process].identifier
    description.name = heap[task].name
    description.niceness = Int32(heap[task].schedule.nice)
    let identity = heap[task].identity
    description.user = identity.user.real
    description.userGroup = identity.group.real
    description.effectiveUser = identity.user.effective
    description.effectiveGroup = identity.group.effective
    description.savedUser = identity.user.saved
    description.savedGroup = identity.group.saved
    description.fileUser = identity.user.files
    description.fileGroup = identity.group.files
    description.inheritableCapabilities = identity.inheritable
    description.permittedCapabilities = identity.permitted
    description.effectiveCapabilities = identity.effective
    description.boundingCapabilities = identity.bounding
    description.ambientCapabilities = identity.ambient
    description.gainsNothing = identity.gainsNothing
    description.state = stateLetter(of: task)
    description.sleeps = description.state == 0x53 || description.state == 0x44
    description.blockedSignals = heap[task].blocked.bits
    description.ownPendingSignals = heap[task].pending.set.bits
    description.voluntarySwitchCount = heap[task].voluntarySwitchCount
    description.forcedSwitchCount = heap[task].forcedSwitchCount
    if let folder = heap[task].folder.reference {
      description.workingFolder = heap[folder].workingFolder
      description.fileCreationMask = heap[folder].creationMask
    }
  }

  /// R, S, D, T or Z. Linux: `task_state_array`.
  private func stateLetter(of task: Reference<Task>) -> UInt8 {
    switch heap[task].state {
    case .runnable: 0x52
    // Init only waits for its children, which no signal keeps it from.
    case .sleeping where heap[task].process == state.value.initProcess: 0x53
    case .sleeping, .sleepingUntilKilled: 0x44
    case .sleepingInterruptibly: 0x53
    case .stopped: 0x54
    case .dead: 0x5A
    }
  }

  /// From 0 to 1333. Linux: `proc_oom_score()`.
  private func outOfMemoryScore(of process: Reference<Process>) -> UInt32 {
    guard process != state.value.initProcess, let space = heap[process].space.reference,
      heap[process].outOfMemoryAdjustment > -1000
    else { return 0 }
    let points = OutOfMemory(self).badness(
      of: Candidate(
        process: heap[process].identifier, space: space,
        adjustment: Int16(heap[process].outOfMemoryAdjustment), isDying: false))
    let total = Int64(max(frames.managedPageCount.value, 1))
    return UInt32(max(0, (1000 + points * 1000 / total) * 2 / 3))
  }
}
