// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Beginning a program: a new address space is built beside the old one, whole, and replaces it
/// only when nothing can fail any more.
///
/// Linux: `fs/exec.c`, where the point of no return comes earlier.
extension Kernel {
  /// Where arguments and environment come from.
  enum ProgramStrings {
    /// Arrays of pointers of a program.
    case program(arguments: UInt64, environment: UInt64, in: Reference<AddressSpace>)
    /// The channel's argument block.
    case block(MemoryBlock)
  }

  /// A program that is ready to run.
  struct ReadyProgram {
    let space: Reference<AddressSpace>
    /// Held.
    let executable: Reference<Inode>
    let entry: UInt64
    let stackPointer: UInt64
    let name: InlineArray<16, UInt8>
  }

  /// Linux: `execve`, `execveat`.
  ///
  /// - Returns: 0, in the new program's result register.
  /// - Context: may sleep.
  func execute(
    _ folder: UInt64, _ path: UInt64, _ arguments: UInt64, _ environment: UInt64, flags: UInt64
  ) throws(Errno) -> UInt64 {
    let allowed = PathFlag.noFollow | PathFlag.emptyPath
    guard flags & ~allowed & 0xFFFF_FFFF == 0 else { throw .EINVAL }
    let old = space
    let strings = ProgramStrings.program(arguments: arguments, environment: environment, in: old)
    let program = try fileSystems.withPath(at: VirtualAddress(path), in: old) {
      (path) throws(Errno) in
      try prepareProgram(path, in: folder, flags, strings)
    }
    try begin(program)
    return 0
  }

  /// The program of a path from a descriptor's folder, or of the descriptor itself. It is known
  /// by its name in /dev/fd then, and so is a script to its interpreter.
  private func prepareProgram(
    _ path: PathText, in folder: UInt64, _ flags: UInt64, _ strings: ProgramStrings
  ) throws(Errno) -> ReadyProgram {
    let start = heap[folderContext].workingFolder
    let number = Int32(truncatingIfNeeded: folder)
    guard !path.isEmpty || flags & PathFlag.emptyPath != 0 else { throw .ENOENT }
    if path.isAbsolute || number == -100 {
      guard !path.isEmpty else { throw .EACCES }
      if flags & PathFlag.noFollow != 0 { try refuseLink(path, from: start) }
      return try prepareProgram(path, from: start, strings)
    }
    let inode = heap[try file(folder)].inode
    guard path.isEmpty || heap[inode].mode.isFolder else { throw .ENOTDIR }
    return try fileSystems.withPath(below: UInt32(bitPattern: number), path) {
      (name) throws(Errno) in
      if flags & PathFlag.noFollow != 0, !path.isEmpty { try refuseLink(name, from: start) }
      return try prepareProgram(name, from: start, strings)
    }
  }

  /// - Throws: ELOOP where a path ends in a link.
  private func refuseLink(_ path: PathText, from start: Reference<Inode>) throws(Errno) {
    let inode = try fileSystems.find(path, from: start, lastLink: .kept, as: credentials)
    defer { fileSystems.release(inode) }
    if heap[inode].mode.isLink { throw .ELOOP }
  }

  /// Replaces the running program, once this is its only thread. Linux: `begin_new_exec()`.
  ///
  /// - Throws: EINTR if another thread ends this one.
  private func begin(_ program: ReadyProgram) throws(Errno) {
    let process = process
    let task = current
    guard heap[process].groupEnd == .none else {
      fileSystems.endRunning(program.executable)
      spaces.release(program.space)
      throw .EINTR
    }
    becomeOnlyThread()
    let old = space
    releaseWords(of: task)
    heap[task].restartable = RestartableSequences()
    adopt(program, task)
    activateSpace(of: process)
    noteUsage(of: process, old)
    spaces.release(old)
    releaseParent(of: task)
    freeProgramTimers(of: process)
    heap[task].alternateStack = SignalStack(base: 0, flags: 0, byteCount: 0)
    setRegisters(of: heap[task].stack, for: program)
    record(.programStarted, value: program.entry)
  }

  /// Ends all other threads, and takes the leader's number. Linux: `de_thread()`.
  ///
  /// - Context: may sleep.
  private func becomeOnlyThread() {
    let process = process
    let task = current
    guard heap[process].liveTaskCount > 1 || !isLeader(task) else { return }
    heap[process].groupEnd = .forProgram
    heap[process].executor = Link(task)
    endOthers(of: process)
    while heap[process].liveTaskCount > 1 { sleep(on: threadKey(of: process)) }
    heap[process].groupEnd = .none
    heap[process].executor = Link(nil)
    guard !isLeader(task) else { return }
    freeLeader(of: process)
    removeNumber(of: task)
    heap[task].identifier = heap[process].identifier
    enterNumber(of: task)
  }

  /// Gives a task's process its new program's memory, name and file.
  func adopt(_ program: ReadyProgram, _ task: Reference<Task>) {
    let process = heap[task].process
    heap[process].space = Link(program.space)
    if let executable = heap[process].executable.reference { fileSystems.endRunning(executable) }
    heap[process].executable = Link(program.executable)
    heap[task].name = program.name
    heap[task].identity.beginProgram()
    heap[process].hasExecuted = true
    heap[process].isDumpable = true
    heap[process].registeredBarriers = 0
    heap[process].exitSignal = Signal.SIGCHLD.number
    closeDescriptorsForProgram(task)
    unshareSignals(of: process)
  }

  private func unshareSignals(of process: Reference<Process>) {
    guard let signals = heap[process].signals.reference else { return }
    if heap[signals].users > 1, let copy = try? duplicate(signals) {
      heap[signals].users -= 1
      heap[process].signals = Link(copy)
    }
    if let signals = heap[process].signals.reference { heap[signals].resetForNewProgram() }
  }

  func setRegisters(of stack: KernelStack, for program: ReadyProgram) {
    machine.resetUserState(of: stack)
    machine.setRegister(.instructionPointer, of: stack, to: program.entry)
    machine.setRegister(.stackPointer, of: stack, to: program.stackPointer)
  }

  /// Builds the address space of a program without touching the running one's.
  ///
  /// - Throws: ENOENT, EACCES, ETXTBSY, ENOEXEC, E2BIG, ELOOP, EFAULT, ENOMEM, EIO, ELIBBAD.
  /// - Context: may sleep.
  func prepareProgram(
    _ path: PathText, from folder: Reference<Inode>, _ strings: ProgramStrings
  ) throws(Errno) -> ReadyProgram {
    let scratch = try ScratchPages(self)
    defer { scratch.free(self) }
    let pathLength = path.byteCount
    scratch.path.copy(from: path.bytes, at: 0, to: 0, byteCount: pathLength)
    let inode = try findExecutable(path, from: folder)
    let space: Reference<AddressSpace>
    do {
      space = try spaces.makeSpace()
    } catch {
      fileSystems.endRunning(inode)
      throw Errno(error)
    }
    var builder = ProgramBuilder(
      kernel: self, scratch: scratch, pathLength: pathLength, folder: folder, inode: inode,
      space: space)
    do {
      return try builder.build(strings)
    } catch {
      fileSystems.endRunning(builder.inode)
      spaces.release(space)
      throw error
    }
  }

  /// The file of a path, if it may be executed; held, and `endRunning` is due.
  ///
  /// Linux: `do_open_execat()`.
  func findExecutable(
    _ path: PathText, from folder: Reference<Inode>
  ) throws(Errno) -> Reference<Inode> {
    let inode = try fileSystems.find(path, from: folder, as: credentials)
    do throws(Errno) {
      guard heap[inode].mode.isRegular, heap[inode].file.reference != nil else {
        throw .EACCES
      }
      try fileSystems.checkAccess(to: inode, .execute, as: credentials)
      try fileSystems.beginRunning(inode)
      return inode
    } catch {
      fileSystems.release(inode)
      throw error
    }
  }
}

/// Four pages of the kernel's for the time of an `execve`.
struct ScratchPages: BitwiseCopyable {
  private let first: PageFrameNumber
  /// Path of the program as it was given.
  let path: MemoryBlock
  /// The first bytes of the file; the interpreter's path.
  let head: MemoryBlock
  /// Strings on their way.
  let transit: MemoryBlock

  init<M: Machine>(_ kernel: Kernel<M>) throws(Errno) {
    let request = FrameRequest(order: Order(2), kind: .plain, content: .uninitialized)
    do {
      first = try kernel.frames.allocate(request, relief: kernel).surrender()
    } catch {
      throw .ENOMEM
    }
    let block = kernel.machine.directMap.block(
      at: first.address, byteCount: Order(2).pageCount.bytes)
    path = block.part(from: 0, byteCount: 4096)
    head = block.part(from: 4096, byteCount: 4096)
    transit = block.part(from: 8192, byteCount: 4096)
  }

  func free<M: Machine>(_ kernel: Kernel<M>) {
    kernel.frames.free(FrameBlock.adopt(first, Order(2)))
  }
}
