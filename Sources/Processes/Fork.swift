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

/// New processes: a copy of one that there is, or sharing its memory until it begins a program.
///
/// Linux: `kernel/fork.c`, `copy_process()`.
extension Kernel {
  /// What `fork`, `vfork` and `clone` ask for.
  struct ForkRequest {
    var flags = CloneFlags(rawValue: 0)
    var exitSignal: UInt8 = Signal.SIGCHLD.number
    /// The child's stack; 0 for the parent's.
    var stack: UInt64 = 0
    var parentIdentifierAt: UInt64 = 0
    var childIdentifierAt: UInt64 = 0
    var threadPointer: UInt64 = 0
  }

  /// Linux: `fork`, `vfork`, `clone`. Threads are refused with ENOSYS.
  ///
  /// - Context: may sleep.
  func clone(_ request: ForkRequest) throws(Errno) -> UInt64 {
    let flags = request.flags
    if flags.contains(.thread) || flags.contains(.handlers) {
      guard flags.contains(.memory) else { throw .EINVAL }
      guard !flags.contains(.thread) || flags.contains(.handlers) else { throw .EINVAL }
    }
    guard !flags.contains(.thread) else { throw .ENOSYS }
    guard flags.isSubset(of: Self.knownFlags) else { throw .EINVAL }
    try checkProcessLimit()
    let parent = process
    let child = try makeChild(of: parent)
    do {
      try share(parent, with: child, flags)
      try makeTask(for: child, request)
    } catch {
      discardChild(child)
      throw error
    }
    enterProcess(child)
    addChild(child, of: parent)
    let identifier = heap[child].identifier
    record(.processForked, owner: identifier)
    if flags.contains(.parentSetTID) {
      try? store(identifier, at: request.parentIdentifierAt)
    }
    heap[child].holdsParent = flags.contains(.vfork)
    if let task = heap[child].task.reference { makeRunnable(task) }
    if flags.contains(.vfork) { waitForRelease(by: child, identifier) }
    return UInt64(identifier)
  }

  private static var knownFlags: CloneFlags {
    CloneFlags.memory.union(.folder).union(.files).union(.handlers).union(.vfork)
      .union(.setThreadPointer).union(.parentSetTID).union(.childClearTID).union(.childSetTID)
      .union(.detached)
  }

  private func checkProcessLimit() throws(Errno) {
    let limit = heap[process].limits[Resource.processes.rawValue].current
    let isPrivileged = heap[process].user == 0
    if !isPrivileged && UInt64(state.value.processes.count) >= limit { throw .EAGAIN }
    guard state.value.processes.count < taskLimit else { throw .EAGAIN }
  }

  /// The most tasks: their stacks may take an eighth of memory. Linux: `set_max_threads()`.
  var taskLimit: Int {
    let share = frames.managedPageCount.value / (8 * KernelStack.pageCount.value)
    return max(20, min(share, Int(Self.identifierLimit) / 2))
  }

  private func makeChild(of parent: Reference<Process>) throws(Errno) -> Reference<Process> {
    let identifier = try freeIdentifier()
    let child = try allocate(
      Process(identifier: identifier, group: heap[parent].group, session: heap[parent].session))
    heap[child].user = heap[parent].user
    heap[child].userGroup = heap[parent].userGroup
    heap[child].limits = heap[parent].limits
    heap[child].name = heap[parent].name
    heap[child].outOfMemoryAdjustment = heap[parent].outOfMemoryAdjustment
    heap[child].started = machine.now
    if let executable = heap[parent].executable.reference {
      fileSystems.retain(executable)
      heap[child].executable = Link(executable)
    }
    return child
  }

  /// Gives a child its own or its parent's memory, files, folder and signals.
  private func share(
    _ parent: Reference<Process>, with child: Reference<Process>, _ flags: CloneFlags
  ) throws(Errno) {
    guard let signals = heap[parent].signals.reference, let folder = heap[parent].folder.reference,
      let descriptors = heap[parent].descriptors.reference
    else { preconditionFailure("only programs fork") }
    if flags.contains(.handlers) {
      heap[signals].users += 1
      heap[child].signals = Link(signals)
    } else {
      heap[child].signals = Link(try duplicate(signals))
    }
    if flags.contains(.folder) {
      heap[folder].users += 1
      heap[child].folder = Link(folder)
    } else {
      var copy = heap[folder]
      copy.users = 1
      heap[child].folder = Link(try allocate(copy))
      fileSystems.retain(copy.workingFolder)
    }
    if flags.contains(.files) {
      heap[descriptors].users += 1
      heap[child].descriptors = Link(descriptors)
    } else {
      heap[child].descriptors = Link(try duplicate(descriptors))
    }
    let space = space
    if flags.contains(.memory) {
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

  private func makeTask(for child: Reference<Process>, _ request: ForkRequest) throws(Errno) {
    let parentTask = current
    let stack = try allocateStack()
    let task: Reference<Task>
    do {
      task = try allocate(
        Task(identifier: heap[child].identifier, process: child, stack: stack))
    } catch {
      mappings.freeStack(stack)
      throw error
    }
    heap[child].task = Link(task)
    heap[child].exitSignal = request.exitSignal
    heap[task].blocked = heap[parentTask].blocked
    if !request.flags.contains(.memory) || request.flags.contains(.vfork) {
      heap[task].alternateStack = heap[parentTask].alternateStack
    }
    machine.prepare(stack, entry: .user(copying: heap[parentTask].stack))
    if request.stack != 0 { machine.setRegister(.stackPointer, of: stack, to: request.stack) }
    if request.flags.contains(.setThreadPointer) {
      machine.setRegister(.threadPointer, of: stack, to: request.threadPointer)
    }
    if request.flags.contains(.childClearTID) {
      heap[task].clearIdentifierAt = VirtualAddress(request.childIdentifierAt)
    }
    if request.flags.contains(.childSetTID), let space = heap[child].space.reference {
      let address = VirtualAddress(request.childIdentifierAt)
      try? spaces.store(heap[child].identifier, at: address, in: space)
    }
  }

  /// A new kernel stack, reclaiming if need be.
  func allocateStack() throws(Errno) -> KernelStack {
    while true {
      do {
        return try mappings.allocateStack()
      } catch {
        guard case .progress = relieveForObject() else { throw .ENOMEM }
      }
    }
  }

  /// Takes back what a child got that is not to be.
  private func discardChild(_ child: Reference<Process>) {
    if let task = heap[child].task.reference {
      mappings.freeStack(heap[task].stack)
      heap.free(task)
    }
    releaseResources(of: child)
    heap.free(child)
  }

  /// Sleeps until a child has memory of its own, or none. Linux: `wait_for_vfork_done()`.
  ///
  /// The child may be gone, and its place taken, when this looks again: hence the number.
  private func waitForRelease(by child: Reference<Process>, _ identifier: UInt32) {
    let key = SleepKey.object(child.raw, channel: Channel.vfork)
    while findProcess(identifier) == child, heap[child].holdsParent { sleep(on: key) }
  }

  /// Lets a parent go on that waits in `vfork`.
  func releaseParent(of child: Reference<Process>) {
    guard heap[child].holdsParent else { return }
    heap[child].holdsParent = false
    wake(.object(child.raw, channel: Channel.vfork))
  }
}
