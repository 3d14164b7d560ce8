// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Process 1, made by the kernel: it starts the program, reaps orphans, and ends the machine.
///
/// Linux: `kernel_init()`, and what an init program does.
extension Kernel {
  /// Runs the machine to its end.
  ///
  /// - Context: the task that the machine began with, after `boot`.
  public func run() -> Never {
    do {
      try fileSystems.mountRoot()
      try mountScratch()
      if let refused = takeWords() { stop(.wordRefused, value: refused.encoded) }
      if let bug = Self.heapWords(machine).bug, (try? make(bug)) != nil { writeHeapFaults() }
      if Self.isAsked("selftest", of: machine) { runSelfTests() }
      try startProgram()
    } catch {
      stop(.notStarted, value: UInt64(error.rawValue))
    }
    let key = childKey(of: state.value.initProcess)
    while true {
      _ = reapOrphans()
      if state.value.programStatus != nil, findProcess(state.value.programIdentifier) == nil {
        if state.value.processes.count == 1 { stopAfterProgram() }
        killAllProcesses()
      }
      sleep(on: key)
    }
  }

  /// Mounts the scratch disk, where there is one and the root has a place for it.
  private func mountScratch() throws(Errno) {
    do {
      try fileSystems.mountScratch()
    } catch {
      switch error {
      case .ENXIO, .ENOENT, .ENOTDIR: return
      default: throw error
      }
    }
    try startFlusher()
  }

  /// What is still there when the program has ended goes with it.
  private func killAllProcesses() {
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      guard process != state.value.initProcess, heap[process].state == .alive else { continue }
      sendFromKernel(.SIGKILL, to: process)
    }
  }

  // The program

  private func startProgram() throws(Errno) {
    let block = Self.arguments(of: machine)
    let arguments = BootArguments(block)
    guard let path = arguments.string(.program) else { throw .ENOENT }
    let user = arguments.number(.user) ?? 0
    let initProcess = state.value.initProcess
    let folder = try startFolder(arguments)
    heap[current].identity = Identity(user: user)
    let program = try fileSystems.withPath(copying: path) { (text) throws(Errno) in
      try prepareProgram(text, from: folder, .block(block))
    }
    heap[current].identity = Identity()
    let process = try makeProgramProcess()
    let number = heap[process].identifier
    heap[process].terminal = Link(try fileSystems.attachConsole(toSession: number))
    let task = try makeTask(number, of: process)
    let stack = heap[task].stack
    heap[task].folder = Link(try allocate(FolderContext(workingFolder: folder)))
    heap[task].descriptors = Link(try makeStandardDescriptors())
    heap[task].identity = Identity(user: user)
    enterTask(task)
    adopt(program, task)
    machine.prepare(stack, entry: .freshUser)
    setRegisters(of: stack, for: program)
    enterProcess(process)
    addChild(process, of: initProcess)
    state.value.programIdentifier = heap[process].identifier
    record(.processForked, owner: heap[process].identifier)
    record(.programStarted, value: program.entry)
    state.value.entry = program.entry
    state.value.nextHostLook = machine.now.advanced(byNanoseconds: Self.hostLookNanoseconds)
    makeRunnable(task)
  }

  /// Says when the program executes its first instruction: now, unless it has done so.
  ///
  /// Its page may have to be read first, so whoever is about to go on with it says so again.
  ///
  /// - Precondition: `entry` is not nil.
  func noteStart() {
    guard heap[process].identifier == state.value.programIdentifier else { return }
    guard machine.register(.instructionPointer, of: heap[current].stack) == state.value.entry
    else {
      state.value.entry = nil
      return
    }
    let (channel, idle) = (machine.channel, state.value.idleNanoseconds)
    channel.storeShared(idle, at: ChannelLayout.firstIdleOffset)
    channel.storeShared(machine.now.nanoseconds, at: ChannelLayout.firstInstructionOffset)
    // So that the next trap comes here too.
    state.value.exitWork.formUnion(.timer)
  }

  private func startFolder(_ arguments: BootArguments) throws(Errno) -> Reference<Inode> {
    let root = try fileSystems.rootFolder()
    guard let path = arguments.string(.workingFolder) else { return root }
    let folder: Reference<Inode>
    do {
      folder = try fileSystems.withPath(copying: path) { (text) throws(Errno) in
        try fileSystems.find(text, from: root)
      }
    } catch {
      // A folder that was not packed: the program begins at the root.
      return root
    }
    guard heap[folder].mode.isFolder else {
      fileSystems.release(folder)
      return root
    }
    fileSystems.release(root)
    return folder
  }

  private func makeProgramProcess() throws(Errno) -> Reference<Process> {
    let identifier = try freeIdentifier()
    let process = try allocate(
      Process(identifier: identifier, group: identifier, session: identifier))
    heap[process].started = machine.now
    let half = UInt64(taskLimit / 2)
    let limit = ResourceLimit(current: half, maximum: half)
    heap[process].limits[Resource.processes.rawValue] = limit
    heap[process].limits[Resource.pendingSignals.rawValue] = limit
    heap[process].signals = Link(try allocate(SignalState()))
    return process
  }

  private func makeStandardDescriptors() throws(Errno) -> Reference<DescriptorTable> {
    let table = try allocate(DescriptorTable())
    let block = try allocate(DescriptorBlock())
    heap[table].blocks[0] = Link(block)
    for number in 0..<3 {
      heap[block].files[number] = Link(try fileSystems.openStandardStream(UInt32(number)))
      heap[block].used |= 1 << UInt64(number)
    }
    return table
  }

  // The end

  private func stopAfterProgram() -> Never {
    guard let status = state.value.programStatus else {
      preconditionFailure("the program has not ended")
    }
    saveFiles()
    // A disk that fails now has been complained about, or nobody wanted to know.
    try? fileSystems.leaveScratch()
    writeHeapFaults()
    writeLiveObjects()
    if let finding = auditEnd() { stop(.kernelFailed, value: finding.rawValue) }
    let signal = status.signalNumber
    if signal == 0 { stop(.exited, value: UInt64(status.exitCode)) }
    stop(state.value.programDiedOfMemory ? .outOfMemory : .signalled, value: UInt64(signal))
  }

  /// Copies out what the user wanted to keep.
  private func saveFiles() {
    let arguments = BootArguments(Self.arguments(of: machine))
    for index in 0..<arguments.count(of: .save) {
      guard let path = arguments.string(.save, index) else { continue }
      fileSystems.save(path, number: UInt32(index))
    }
  }

  /// Nobody can run and nothing is planned.
  func stopForDeadlock() -> Never { stop(.deadlocked, value: 0) }

  /// Ends the log, and leaves in the mailbox how it went; the state comes last.
  func stop(_ exit: ExitState, value: UInt64) -> Never {
    let isSignal = exit == .signalled || exit == .outOfMemory
    machine.record(
      MemoryEvent(
        .programEnded, detail: isSignal ? UInt16(value) : 0, value: isSignal ? 0 : value))
    machine.record(MemoryEvent(.machineStopped, detail: UInt16(exit.rawValue)))
    let channel = machine.channel
    channel.storeShared(frames.tableAddress.value, at: ChannelLayout.frameTableOffset)
    channel.storeShared(UInt64(frames.table.count), at: ChannelLayout.frameCountOffset)
    channel.storeShared(state.value.idleNanoseconds, at: ChannelLayout.idleTimeOffset)
    channel.storeShared(value, at: ChannelLayout.exitValueOffset)
    channel.storeShared(exit.rawValue, at: ChannelLayout.exitStateOffset)
    machine.halt()
  }
}
