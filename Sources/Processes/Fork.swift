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
import PageFrames
import PageTableFormats

/// New processes and threads: a copy of one that there is, sharing what it asks to share.
///
/// Linux: `kernel/fork.c`, `copy_process()`.
extension Kernel {
  /// What `fork`, `vfork`, `clone` and `clone3` ask for.
  struct ForkRequest {
    var flags = CloneFlags(rawValue: 0)
    var exitSignal: UInt8 = Signal.SIGCHLD.number
    /// The child's stack; 0 for the parent's.
    var stack: UInt64 = 0
    var parentIdentifierAt: UInt64 = 0
    var childIdentifierAt: UInt64 = 0
    var threadPointer: UInt64 = 0
    /// Where the number of the child's descriptor goes. Linux: `CLONE_PIDFD`.
    var descriptorAt: UInt64 = 0
    /// The number to give it; nil for the next free one.
    var identifier: UInt32?
  }

  /// Linux: `kernel_clone()`: another process, or with CLONE_THREAD another thread of this one.
  ///
  /// - Throws: EINVAL for flags that exclude each other, EAGAIN above a limit, ENOMEM.
  /// - Context: may sleep.
  func clone(_ request: ForkRequest) throws(Errno) -> UInt64 {
    try check(request)
    try checkTaskLimit()
    let task = try makeTask(request)
    do throws(Errno) {
      if request.flags.contains(.pidDescriptor) { try makeDescriptor(of: task, request) }
      // Whoever must end starts nobody. It looked away while memory was made.
      guard heap[process].groupEnd == .none else { throw .EINTR }
    } catch {
      discard(task, isThread: request.flags.contains(.thread))
      throw error
    }
    let child = heap[task].process
    if child != process {
      enterProcess(child)
      addChild(child, of: parent(for: request))
    }
    enterTask(task)
    let identifier = heap[task].identifier
    record(.processForked, owner: identifier)
    if request.flags.contains(.parentSetTID) {
      try? store(identifier, at: request.parentIdentifierAt)
    }
    heap[task].holdsParent = request.flags.contains(.vfork)
    makeRunnable(task)
    if request.flags.contains(.vfork) { waitForRelease(by: task, identifier) }
    return UInt64(identifier)
  }

  private func check(_ request: ForkRequest) throws(Errno) {
    let flags = request.flags
    guard flags.isSubset(of: CloneFlags.known) else { throw .EINVAL }
    guard !flags.contains(.thread) || flags.contains(.handlers) else { throw .EINVAL }
    guard !flags.contains(.handlers) || flags.contains(.memory) else { throw .EINVAL }
    guard !flags.contains(.handlers) || !flags.contains(.clearHandlers) else { throw .EINVAL }
    if flags.contains(.pidDescriptor) {
      guard flags.isDisjoint(with: CloneFlags.thread.union(.detached)) else { throw .EINVAL }
    }
    guard !flags.contains(.parent) || process != state.value.initProcess else { throw .EINVAL }
    if flags.contains(.setThreadPointer) {
      guard request.threadPointer < M.Format.userLimit.value else { throw .EPERM }
    }
  }

  /// Gives the parent a descriptor of a process that is not there yet. Linux: CLONE_PIDFD.
  private func makeDescriptor(
    of task: Reference<Task>, _ request: ForkRequest
  ) throws(Errno) {
    let child = heap[task].process
    giveSerial(to: child)
    let descriptor = try enterHandle(of: child, flags: 0)
    do throws(Errno) {
      try store(UInt32(descriptor), at: request.descriptorAt)
    } catch {
      _ = try close(descriptor)
      throw error
    }
  }

  /// Whose child a new process is. Linux: CLONE_PARENT.
  private func parent(for request: ForkRequest) -> Reference<Process> {
    guard request.flags.contains(.parent) else { return process }
    return heap[process].parent.reference ?? state.value.initProcess
  }

  private func checkTaskLimit() throws(Errno) {
    let limit = heap[process].limits[Resource.processes.rawValue].current
    let identity = heap[current].identity
    let user = identity.user.real
    let isFree = identity.can(.useResources) || identity.can(.administerSystem)
    if user != 0, !isFree, limit < UInt64(Self.identifierLimit) {
      guard taskCount(of: user) < limit else { throw .EAGAIN }
    }
    guard state.value.taskCount < taskLimit else { throw .EAGAIN }
  }

  /// Linux: `get_rlimit_value(UCOUNT_RLIMIT_NPROC)`, counted when it is asked for.
  private func taskCount(of user: UInt32) -> UInt64 {
    var count: UInt64 = 0
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      guard heap[leader(of: process)].identity.user.real == user else { continue }
      count += UInt64(heap[process].tasks.count)
    }
    return count
  }

  /// The most tasks: their stacks may take a quarter of memory. Linux: `set_max_threads()`.
  var taskLimit: Int {
    let share = frames.managedPageCount.value / (4 * KernelStack.pageCount.value)
    return max(20, min(share, Int(Self.identifierLimit) / 2))
  }

  // Making

  /// A task with all that it needs to run, in no list yet. Linux: `copy_process()`.
  private func makeTask(_ request: ForkRequest) throws(Errno) -> Reference<Task> {
    let isThread = request.flags.contains(.thread)
    let parent = process
    let identifier: UInt32
    if let wish = request.identifier {
      identifier = wish
    } else {
      identifier = try freeIdentifier()
    }
    let child = isThread ? parent : try makeProcess(identifier)
    let task: Reference<Task>
    do throws(Errno) {
      task = try makeTask(identifier, of: child)
    } catch {
      if !isThread { heap.free(child) }
      throw error
    }
    do {
      try shareFiles(with: task, request.flags)
      if !isThread { try shareProgram(of: parent, with: child, request) }
    } catch {
      discard(task, isThread: isThread)
      throw error
    }
    prepare(task, request)
    return task
  }

  /// A task with a stack, and nothing else.
  func makeTask(
    _ identifier: UInt32, of process: Reference<Process>
  ) throws(Errno) -> Reference<Task> {
    let stack = try allocateStack()
    do {
      return try allocate(Task(identifier: identifier, process: process, stack: stack))
    } catch {
      mappings.freeStack(stack)
      throw error
    }
  }

  private func makeProcess(_ identifier: UInt32) throws(Errno) -> Reference<Process> {
    let parent = process
    let child = try allocate(
      Process(identifier: identifier, group: heap[parent].group, session: heap[parent].session))
    heap[child].limits = heap[parent].limits
    heap[child].outOfMemoryAdjustment = heap[parent].outOfMemoryAdjustment
    heap[child].smallestAdjustment = heap[parent].smallestAdjustment
    heap[child].terminal = heap[parent].terminal
    heap[child].started = machine.now
    heap[child].isDumpable = heap[parent].isDumpable
    heap[child].refusesHugePages = heap[parent].refusesHugePages
    heap[child].personality = heap[parent].personality
    heap[child].registeredBarriers = heap[parent].registeredBarriers
    applyProcessorLimit(to: child)
    return child
  }

  /// Gives a task its own or its parent's files and folder.
  private func shareFiles(with task: Reference<Task>, _ flags: CloneFlags) throws(Errno) {
    guard let folder = heap[current].folder.reference else {
      preconditionFailure("only programs fork")
    }
    if flags.contains(.folder) {
      heap[folder].users += 1
      heap[task].folder = Link(folder)
    } else {
      heap[task].folder = Link(try duplicate(folder))
    }
    if flags.contains(.files) {
      heap[descriptors].users += 1
      heap[task].descriptors = Link(descriptors)
    } else {
      heap[task].descriptors = Link(try duplicate(descriptors))
    }
  }

  /// Gives a process its own or its parent's memory and signals.
  private func shareProgram(
    of parent: Reference<Process>, with child: Reference<Process>, _ request: ForkRequest
  ) throws(Errno) {
    guard let signals = heap[parent].signals.reference else {
      preconditionFailure("only programs fork")
    }
    heap[child].exitSignal =
      request.flags.contains(.parent) ? heap[parent].exitSignal : request.exitSignal
    if let executable = heap[parent].executable.reference {
      fileSystems.retainRunning(executable)
      heap[child].executable = Link(executable)
    }
    if request.flags.contains(.handlers) {
      heap[signals].users += 1
      heap[child].signals = Link(signals)
    } else {
      let copy = try duplicate(signals)
      heap[child].signals = Link(copy)
      if request.flags.contains(.clearHandlers) { heap[copy].resetForNewProgram() }
    }
    let space = space
    if request.flags.contains(.memory) {
      spaces.retain(space)
      heap[child].space = Link(space)
    } else {
      do {
        heap[child].space = Link(try spaces.duplicate(space))
      } catch {
        throw Errno(error)
      }
    }
  }

  /// A copy of what a program wants done with signals.
  ///
  /// Not inlined: the copy passes over the stack, which is to be given back at once.
  @inline(never)
  func duplicate(_ signals: Reference<SignalState>) throws(Errno) -> Reference<SignalState> {
    let copy = try allocate(heap[signals])
    heap[copy].users = 1
    return copy
  }

  /// A copy of a folder and a mask of rights.
  func duplicate(_ folder: Reference<FolderContext>) throws(Errno) -> Reference<FolderContext> {
    let copy = try allocate(heap[folder])
    heap[copy].users = 1
    fileSystems.retain(heap[copy].workingFolder)
    if let root = heap[copy].root.reference { fileSystems.retain(root) }
    return copy
  }

  /// Sets what a new task begins with. Linux: `copy_thread()` and the end of `copy_process()`.
  private func prepare(_ task: Reference<Task>, _ request: ForkRequest) {
    let parentTask = current
    let stack = heap[task].stack
    heap[task].name = heap[parentTask].name
    heap[task].identity = heap[parentTask].identity
    if let groups = heap[task].identity.groups.reference { heap[groups].users += 1 }
    heap[task].blocked = heap[parentTask].blocked
    heap[task].schedule = heap[parentTask].schedule.ofChild
    heap[task].timerSlack = heap[parentTask].timerSlack
    if !request.flags.contains(.memory) || request.flags.contains(.vfork) {
      heap[task].alternateStack = heap[parentTask].alternateStack
    }
    machine.prepare(stack, entry: .user(copying: heap[parentTask].stack))
    if request.stack != 0 { machine.setRegister(.stackPointer, of: stack, to: request.stack) }
    if request.flags.contains(.setThreadPointer) {
      machine.setRegister(.threadPointer, of: stack, to: request.threadPointer)
    }
    if !request.flags.contains(.memory) { heap[task].restartable = heap[parentTask].restartable }
    let identifierAt = VirtualAddress(request.childIdentifierAt)
    if request.flags.contains(.childClearTID) { heap[task].clearIdentifierAt = identifierAt }
    if request.flags.contains(.childSetTID), let space = heap[heap[task].process].space.reference {
      try? spaces.store(heap[task].identifier, at: identifierAt, in: space)
    }
  }

  /// Takes back what a task got that is not to be, and its process if it is a new one.
  private func discard(_ task: Reference<Task>, isThread: Bool) {
    let child = heap[task].process
    releaseFiles(of: task)
    mappings.freeStack(heap[task].stack)
    heap.free(task)
    guard !isThread else { return }
    releaseResources(of: child)
    heap.free(child)
  }

  /// A new kernel stack, reclaiming if need be.
  func allocateStack() throws(Errno) -> KernelStack {
    while true {
      do {
        return try mappings.allocateStack()
      } catch {
        // What the attempt itself gave back is no progress: else it would be tried for ever.
        _ = mappings.shrink()
        guard error == .outOfMemory, case .progress = relieveForObject() else { throw .ENOMEM }
      }
    }
  }

  /// Sleeps until a child has memory of its own, or none, or this one is killed.
  ///
  /// The child may be gone, and its place taken, when this looks again: hence the number.
  ///
  /// Linux: `wait_for_vfork_done()`.
  private func waitForRelease(by child: Reference<Task>, _ identifier: UInt32) {
    let key = SleepKey.object(child.raw, channel: Channel.vfork)
    while findTask(identifier) == child, heap[child].holdsParent {
      let reason = suspend(on: key.value, .sleepingUntilKilled, until: .never)
      if reason == .interrupted { return }
    }
  }

  /// Lets a parent go on that waits in `vfork`.
  func releaseParent(of child: Reference<Task>) {
    guard heap[child].holdsParent else { return }
    heap[child].holdsParent = false
    wake(.object(child.raw, channel: Channel.vfork))
  }
}
