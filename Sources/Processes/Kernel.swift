// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import FileSystems
import IntrusiveStructures
import KernelHeap
import KernelMappings
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTables

/// The kernel of one machine: a value of one reference, whose verbs do not mutate it.
///
/// The machine calls `handleTrap` for what a program does, and `runKernelTask` for a new task of
/// the kernel; `boot` and `start` come before both.
public struct Kernel<M: Machine>: BitwiseCopyable {
  let state: Resident<KernelState<M>>

  init(state: Resident<KernelState<M>>) { self.state = state }

  /// The verbs on address spaces, with this kernel around them.
  public var spaces: AddressSpaces<Self> { AddressSpaces(self) }

  /// The verbs on files.
  public var fileSystems: FileSystems<Self> { FileSystems(self) }

  public var mappings: KernelMappings<M> { state.value.mappings }

  public var devices: DeviceMemory<M> { state.value.devices }

  /// The task that runs.
  var current: Reference<Task> { state.value.current }

  /// Its process.
  var process: Reference<Process> { heap[state.value.current].process }

  /// The address space of the program that made the system call.
  ///
  /// - Precondition: the task is a program's.
  var space: Reference<AddressSpace> {
    guard let space = heap[process].space.reference else {
      preconditionFailure("a kernel task has no program's memory")
    }
    return space
  }

  func record(
    _ kind: EventKind, detail: UInt16 = 0, owner: UInt32 = 0, value: UInt64 = 0
  ) {
    machine.record(
      MemoryEvent(kind, detail: detail, process: currentProcess, owner: owner, value: value))
  }
}

extension Kernel: MemoryEnvironment {
  public var machine: M { state.value.machine }
  public var frames: PageFrames<M> { state.value.frames }
  public var heap: ObjectHeap<M> { state.value.heap }
  public var tables: PageTables<M> { state.value.tables }
  public var memory: Resident<MemoryState> { state.value.memory }
  public var currentProcess: UInt32 { heap[process].identifier }

  public func startReading(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, into first: PageFrameNumber
  ) throws(MemoryError) -> Int {
    let count = try fileSystems.startReading(
      file, index: index, pageCount: pageCount, into: first)
    heap[process].transfer.diskReadBytes += UInt64(count) * 4096
    return count
  }

  public func noteDirtied() {
    heap[process].transfer.diskWrittenBytes += 4096
  }

  public func noteCancelled() {
    heap[process].transfer.cancelledBytes += 4096
  }

  public func reserve(
    _ file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> UInt32 {
    try fileSystems.reserve(file, index: index)
  }

  public func startWriting(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, from first: PageFrameNumber,
    block: UInt32, _ patience: Patience
  ) {
    fileSystems.startWriting(
      file, index: index, pageCount: pageCount, from: first, block: block, patience)
  }

  public func awaitTransfer() -> Bool {
    guard state.value.diskEvents.next != .never else { return false }
    idle(until: state.value.diskEvents.next)
    while let tag = state.value.diskEvents.takeDue(at: machine.now) {
      fileSystems.diskCompleted(tag)
    }
    return true
  }

  public func wakeFlusher(_ urgency: FlusherUrgency) {
    guard urgency == .now || state.value.isFlusherIdle else { return }
    state.value.isFlusherIdle = false
    wakeSleepers(on: Self.flusherKey)
  }

  public func sleep(on key: SleepKey) {
    _ = suspend(on: key.value, .sleeping, until: .never)
  }

  public func wake(_ key: SleepKey) { wakeSleepers(on: key.value) }
}

extension Kernel: FileEnvironment {
  public var files: Resident<FileSystemState> { state.value.files }

  public func schedule(diskCompletion tag: UInt16, at time: VirtualTime) {
    state.value.diskEvents.insert(tag: tag, at: time)
    state.value.exitWork.formUnion(.timer)
  }

  public func sleepInterruptibly(on key: SleepKey, until limit: VirtualTime) -> Bool {
    suspend(on: key.value, .sleepingInterruptibly, until: limit) != .interrupted
  }

  public func sleepInterruptibly(on key: SleepKey) -> Bool {
    suspend(on: key.value, .sleepingInterruptibly, until: heap[current].waitLimit) != .interrupted
  }

  public var fileByteLimit: UInt64 { heap[process].limits[Resource.fileSize.rawValue].current }

  public var socketOwner: SocketOwner {
    let own = identity
    return SocketOwner(
      process: heap[process].identifier, user: own.user.effective, group: own.group.effective)
  }

  public func fileByteLimitExceeded() {
    sendOwn(.SIGXFSZ)
  }
}
