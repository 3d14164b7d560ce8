// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryManagement
import MemoryUnits
import PageFrames

/// From a machine to a kernel.
extension Kernel {
  /// Seconds since the epoch when virtual time begins: what the host says, or the first of
  /// January 2026.
  private static func bootTime(_ machine: M) -> UInt64 {
    let given = machine.channel.load(UInt64.self, at: ChannelLayout.bootTimeOffset)
    return given == 0 ? 1_767_225_600 : given
  }

  /// Builds a kernel out of the RAM that a machine describes; nothing runs yet.
  ///
  /// - Throws: `outOfMemory` where the machine is too small.
  /// - Context: once, on the stack that the machine began on.
  public static func boot(
    machine: M, description: BootDescription
  ) throws(AllocationError) -> Self {
    machine.record(MemoryEvent(.machineStarted, value: description.memoryBytes.value))
    let words = ContiguousWords(BootArguments(arguments(of: machine)))
    var description = description
    let malformed = words.add(to: &description)
    let core = try MemoryCore(
      machine: machine, description: description, heapOptions: heapWords(machine).options)
    core.heap.setReclaimable(Inode.self)
    core.heap.setReclaimable(PageCacheNode.self)
    let files = try place(
      FileSystemState(
        frames: core.frames, model: diskModel(machine),
        diskByteCount: machine.channel.load(UInt64.self, at: ChannelLayout.diskBytesOffset),
        scratchByteCount: machine.channel.load(
          UInt64.self, at: ChannelLayout.diskBytesOffset + 8),
        terminals: machine.channel.load(UInt64.self, at: ChannelLayout.terminalsOffset),
        seed: machine.channel.load(UInt64.self, at: ChannelLayout.seedOffset),
        bootTime: bootTime(machine)),
      core.frames)
    try prepareDevices(core, files)
    let process = try core.heap.allocate(Process(identifier: 1, group: 1, session: 1))
    let task = try core.heap.allocate(
      Task(identifier: 1, process: process, stack: description.stack))
    core.heap[task].name = initName
    core.heap[task].isFresh = false
    let state = try placeState(core, files, task, process)
    let kernel = Kernel(state: state)
    state.value.lastIdentifier = 1
    state.value.refusedWord = malformed ?? core.refusedArea.flatMap { words.refusal(of: $0) }
    if core.heap.design == .slab { state.value.nextReaping = .zero }
    state.value.audits = isAsked("audit", of: machine)
    kernel.enterProcess(process)
    kernel.enterTask(task)
    return kernel
  }

  /// Makes the disks known, and takes the words about what devices do to memory.
  ///
  /// Linux: `swiotlb=force`, `dma_debug`.
  private static func prepareDevices(
    _ core: MemoryCore<M>, _ files: Resident<FileSystemState>
  ) throws(AllocationError) {
    do throws(DeviceMemoryError) {
      if isAsked("dma_debug", of: core.machine) { core.devices.startChecking() }
      if isAsked("swiotlb=force", of: core.machine) { try core.devices.forceBounce() }
      try files.value.addDisks(to: core.devices)
    } catch {
      throw .outOfMemory
    }
  }

  /// Memory of a disk's own, zeroed, for its rings, for as long as the machine lives.
  ///
  /// - Throws: `outOfMemory`, also where the kernel was told of no such disk.
  public func allocateCoherent(
    forDisk index: Int, _ size: ByteCount
  ) throws(AllocationError) -> PhysicalAddress {
    guard let device = files.value.hardware(ofDisk: index) else { throw .outOfMemory }
    do throws(DeviceMemoryError) {
      return try devices.allocateCoherent(for: device, size).address.physical
    } catch {
      throw .outOfMemory
    }
  }

  private static func placeState(
    _ core: MemoryCore<M>, _ files: Resident<FileSystemState>, _ task: Reference<Task>,
    _ process: Reference<Process>
  ) throws(AllocationError) -> Resident<KernelState<M>> {
    let sleepers = LinkedList<Reference<Task>>()
    return try place(
      KernelState(
        machine: core.machine, frames: core.frames, heap: core.heap, tables: core.tables,
        mappings: core.mappings, devices: core.devices, memory: core.memory, files: files,
        current: task,
        sleepers: ResidentArray(
          repeating: sleepers, count: 64,
          in: try block(64 * MemoryLayout.stride(ofValue: sleepers), core.frames)),
        futexes: ResidentArray(
          repeating: sleepers, count: 128,
          in: try block(128 * MemoryLayout.stride(ofValue: sleepers), core.frames)),
        diskEvents: DiskEvents(in: try block(DiskEvents.byteCount, core.frames)),
        activeRoot: core.memory.value.kernelRoot,
        buckets: ResidentArray(
          repeating: Link(nil), count: 512,
          in: try block(512 * MemoryLayout<Link<Task>>.stride, core.frames)),
        initProcess: process),
      core.frames)
  }

  /// Puts a value into frames of its own, for as long as the machine lives.
  private static func place<Value: BitwiseCopyable>(
    _ value: Value, _ frames: PageFrames<M>
  ) throws(AllocationError) -> Resident<Value> {
    Resident(placing: value, in: try block(MemoryLayout<Value>.size, frames))
  }

  /// Frames for so many bytes, for as long as the machine lives.
  private static func block(
    _ byteCount: Int, _ frames: PageFrames<M>
  ) throws(AllocationError) -> MemoryBlock {
    let size = ByteCount(UInt64(byteCount))
    guard let order = Order(holding: size.pagesRoundedUp) else { throw .orderTooLarge }
    let request = FrameRequest(order: order, kind: .plain, content: .zeroed)
    let first = try frames.allocate(request).surrender()
    return frames.machine.directMap.block(
      at: first.address, byteCount: order.pageCount.bytes)
  }

  private static var initName: InlineArray<16, UInt8> {
    [0x69, 0x6E, 0x69, 0x74, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  }

  /// The argument block of a machine's channel.
  static func arguments(of machine: M) -> MemoryBlock {
    let count = machine.channel.load(UInt64.self, at: ChannelLayout.argumentBytesOffset)
    let limit = UInt64(ChannelLayout.argumentsBytes)
    return machine.channel.part(
      from: ChannelLayout.argumentsOffset, byteCount: Int(min(count, limit)))
  }

  /// Whether a word stands on the kernel's command line.
  static func isAsked(_ word: StaticString, of machine: M) -> Bool {
    let arguments = BootArguments(arguments(of: machine))
    for index in 0..<arguments.count(of: .bootWord) {
      if let given = arguments.string(.bootWord, index),
        given.holds(text: word, at: 0, byteCount: given.byteCount)
      {
        return true
      }
    }
    return false
  }

  private static func diskModel(_ machine: M) -> DeviceModel {
    guard let name = BootArguments(arguments(of: machine)).string(.diskModel) else { return .ssd }
    if name.holds(text: "hdd", at: 0, byteCount: name.byteCount) { return .hdd }
    if name.holds(text: "nvme", at: 0, byteCount: name.byteCount) { return .nvme }
    return .ssd
  }
}
