// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import FileSystems
import Foundation
import KernelHeap
import KernelMappings
import LinuxABI
import Machine
import MemoryManagement
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import Reclaim
import SimulatedMachine
import Testing

/// A kernel that is as small as the file systems can live with: one task, which is told of disk
/// completions whenever it sleeps.
struct TestEnvironment: FileEnvironment {
  let machine: HostedMachine
  let core: MemoryCore<HostedMachine>
  let files: Resident<FileSystemState>

  var host: TestHost { machine.host }
  var frames: PageFrames<HostedMachine> { core.frames }
  var heap: ObjectHeap<HostedMachine> { core.heap }
  var tables: PageTables<HostedMachine> { core.tables }
  var memory: Resident<MemoryState> { core.memory }
  var mappings: KernelMappings<HostedMachine> { core.mappings }
  var devices: DeviceMemory<HostedMachine> { core.devices }
  var currentProcess: UInt32 { 2 }

  func relieve(_ shortfall: Shortfall) -> Relief {
    if Reclaim(self).freeFilePages(for: shortfall).value > 0 { return .progress }
    return FileSystems(self).shrinkInodes(to: 0) ? .progress : .none
  }

  func startReading(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, into first: PageFrameNumber
  ) throws(MemoryError) -> Int {
    try FileSystems(self).startReading(file, index: index, pageCount: pageCount, into: first)
  }

  func reserve(
    _ file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> UInt32 {
    try FileSystems(self).reserve(file, index: index)
  }

  func startWriting(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, from first: PageFrameNumber,
    block: UInt32, _ patience: Patience
  ) {
    FileSystems(self).startWriting(
      file, index: index, pageCount: pageCount, from: first, block: block, patience)
  }

  func awaitTransfer() -> Bool {
    guard let next = host.events.indices.min(by: { host.events[$0].time < host.events[$1].time })
    else { return false }
    let event = host.events.remove(at: next)
    machine.advance(to: event.time)
    FileSystems(self).diskCompleted(event.tag)
    return true
  }

  func wakeFlusher(_ urgency: FlusherUrgency) { host.isFlusherWoken = true }

  func schedule(diskCompletion tag: UInt16, at time: VirtualTime) {
    host.events.append((time, tag))
  }

  func sleep(on key: SleepKey) {
    if awaitTransfer() { return }
    guard host.isFlusherWoken else { fatalError("a task sleeps for ever") }
    host.isFlusherWoken = false
    _ = FileSystems(self).writeBackRound(isPeriodic: false)
  }

  func wake(_ key: SleepKey) {}

  func sleepInterruptibly(on key: SleepKey) -> Bool {
    guard let action = host.whileAsleep else { return false }
    return action()
  }

  var currentThread: UInt32 { 2 }
  var activity: KernelActivity { host.activity }
  func describe(thread number: UInt32) -> ProcessDescription? {
    guard let leader = host.threads[number] else { return describe(process: number) }
    var description = describe(process: leader)
    description?.number = number
    return description
  }
  func firstThread(after number: UInt32, of process: UInt32) -> UInt32? {
    (host.threads.keys.filter { host.threads[$0] == process } + [process])
      .filter { $0 > number }.min()
  }
  func closesOnExecute(descriptor: UInt32, of process: UInt32) -> Bool { descriptor == 1 }
  func resourceLimit(_ resource: Int, of process: UInt32) -> ResourceLimit? {
    Resource(rawValue: resource)?.initial
  }
  func bootWord(_ index: Int) -> MemoryBlock? { nil }
  func rename(thread: UInt32, to name: InlineArray<16, UInt8>) throws(Errno) {
    host.name = (0..<16).map { name[$0] }
  }
  func setOutOfMemoryAdjustment(of process: UInt32, to adjustment: Int32) throws(Errno) {
    host.adjustment = adjustment
  }
  func dropFilePages() { host.dropCount += 1 }
  func mayInspect(_ process: UInt32) -> Bool { !host.hidesMemory }
  func sleepInterruptibly(on key: SleepKey, until limit: VirtualTime) -> Bool {
    sleepInterruptibly(on: key)
  }

  func start(_ timer: Reference<ScheduledTimer>, at time: VirtualTime) {
    heap[timer].deadline = time
    heap[timer].isQueued = true
    host.timers.append(timer.raw)
  }

  func stop(_ timer: Reference<ScheduledTimer>) {
    heap[timer].isQueued = false
    host.timers.removeAll { $0 == timer.raw }
  }

  var terminalClient: TerminalClient {
    TerminalClient(
      group: 2, session: 2, isLeader: true, isPrivileged: true, isOrphaned: false,
      terminal: Link<Terminal>(raw: host.terminal).reference)
  }

  func send(_ signal: Signal, toGroup group: UInt32) {
    host.sentSignals.append("\(signal.number) to group \(group)")
  }
  func send(_ signal: Signal, toLeaderOf session: UInt32) {
    host.sentSignals.append("\(signal.number) to leader \(session)")
  }
  func sendReadiness(of descriptor: UInt32, _ reason: ReadinessReason, to owner: FileOwner) {
    host.sentSignals.append("\(reason) of \(descriptor) to \(owner.number)")
  }
  func isIgnored(_ signal: Signal) -> Bool { false }
  func setTerminal(_ terminal: Reference<Terminal>?) { host.terminal = terminal?.raw ?? 0 }
  func clearTerminal(ofSession session: UInt32) { host.terminal = 0 }
  func session(ofGroup group: UInt32) -> UInt32? { group == 2 ? 2 : nil }
  func hasSignal(of set: SignalSet) -> Bool { host.pendingSignal.map(set.contains) ?? false }
  func takeSignal(of set: SignalSet) -> SignalInformation? {
    guard let signal = host.pendingSignal, set.contains(signal) else { return nil }
    host.pendingSignal = nil
    return SignalInformation(signal, code: SignalInformation.fromUser, sender: 7, user: 0)
  }
  var hasForwardedSignal: Bool { false }
  func visitGroups(of thread: UInt32, _ body: (UInt32) -> Void) {
    for group in host.groups { body(group) }
  }
  func takeForwardedSignals() {}

  func describe(process number: UInt32) -> ProcessDescription? {
    guard host.processes.contains(number) else { return nil }
    var description = ProcessDescription(number: number)
    description.name[0] = 0x61
    description.outOfMemoryAdjustment = host.adjustment
    description.state = 0x52
    description.space = Link<AddressSpace>(raw: host.spaceOfProcess).reference
    return description
  }

  func firstProcess(after number: UInt32) -> UInt32? {
    host.processes.filter { $0 > number }.min()
  }

  func openFile(descriptor: UInt32, of process: UInt32) -> Reference<OpenFile>? {
    host.descriptors[descriptor].map { Reference<OpenFile>(raw: $0) }
  }

  func firstDescriptor(from descriptor: UInt32, of process: UInt32) -> UInt32? {
    host.descriptors.keys.filter { $0 >= descriptor }.min()
  }
}

/// File systems on a machine of their own, and what a test asks of them.
struct TestFiles {
  let environment: TestEnvironment

  var files: FileSystems<TestEnvironment> { FileSystems(environment) }
  var host: TestHost { environment.host }
  var spaces: AddressSpaces<TestEnvironment> { AddressSpaces(environment) }

  /// Runs a body on a fresh machine with a disk.
  static func run(
    disk: [UInt8] = [], scratch: [UInt8] = [], frameCount: Int = 4096, terminals: UInt64 = 0,
    model: DeviceModel = .ssd, heapOptions: HeapOptions = HeapOptions(),
    _ body: (TestFiles) throws -> Void
  ) throws {
    let host = TestHost()
    host.disk = disk
    host.scratch = scratch
    let machine = HostedMachine(
      SimulationOptions(frameCount: frameCount, initialContent: .garbage, eventStorage: .dropped),
      host)
    defer { machine.tearDown() }
    var description = BootDescription(
      memoryBytes: ByteCount(UInt64(frameCount) * 4096), layout: .x86_64, zones: .x86_64,
      stack: KernelStack(top: VirtualAddress(0xFFFF_FFFF_8010_F000)))
    description.memory.append(
      BootDescription.Range(
        start: PhysicalAddress(0), byteCount: ByteCount(UInt64(frameCount) * 4096)))
    let core = try MemoryCore(
      machine: machine, description: description, heapOptions: heapOptions)
    let state = try FileSystemState(
      frames: core.frames, model: model, diskByteCount: UInt64(disk.count),
      scratchByteCount: UInt64(scratch.count), terminals: terminals,
      seed: 0, bootTime: 1_700_000_000)
    try state.addDisks(to: core.devices)
    let frame = try core.frames.allocate(FrameRequest(order: Order(2))).surrender()
    let block = machine.directMap.block(
      at: frame.address, byteCount: Order(2).pageCount.bytes)
    try body(
      TestFiles(
        environment: TestEnvironment(
          machine: machine, core: core, files: Resident(placing: state, in: block))))
  }

  /// Runs a body with a path, from the root.
  func withPath<Result>(
    _ text: String, _ body: (PathText, Reference<Inode>) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let root = try files.rootFolder()
    defer { files.release(root) }
    let bytes = [UInt8](text.utf8)
    return try withBlock(bytes) { (block) throws(Errno) in
      try files.withPath(copying: block) { (path) throws(Errno) in try body(path, root) }
    }
  }

  func find(_ path: String, _ lastLink: LastLink = .kept) throws(Errno) -> Reference<Inode> {
    try withPath(path) { (text, root) throws(Errno) in
      try files.find(text, from: root, lastLink: lastLink)
    }
  }

  func open(
    _ path: String, _ flags: OpenFlags = OpenFlags(rawValue: 0),
    as credentials: Credentials = .administrator
  ) throws(Errno) -> Reference<OpenFile> {
    try withPath(path) { (text, root) throws(Errno) in
      try files.open(text, from: root, flags: flags, as: credentials)
    }
  }

  /// All that reading a file gives, in pieces of a size.
  func contents(
    of file: Reference<OpenFile>, pieces: Int = 65536
  ) throws(Errno) -> [UInt8] {
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: pieces)
    while true {
      let count = try withBlock(over: &piece) { (block) throws(Errno) in
        try files.read(file, to: .kernel(block, at: 0), byteCount: pieces)
      }
      if count == 0 { return all }
      all += piece[..<count]
    }
  }

  func contents(_ path: String, pieces: Int = 65536) throws(Errno) -> [UInt8] {
    let file = try open(path)
    defer { files.release(file) }
    return try contents(of: file, pieces: pieces)
  }

  func text(_ path: String) throws(Errno) -> String {
    String(decoding: try contents(path), as: UTF8.self)
  }

  func linkText(_ path: String) throws(Errno) -> String {
    let link = try find(path)
    defer { files.release(link) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try withBlock(over: &bytes) { (block) throws(Errno) in
      try files.readLink(link, to: .kernel(block, at: 0), byteCount: 4096)
    }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  func path(of inode: Reference<Inode>) throws(Errno) -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try withBlock(over: &bytes) { (block) throws(Errno) in
      try files.copyPath(of: inode, to: .kernel(block, at: 0), byteCount: 4096)
    }
    return String(decoding: bytes[..<(count - 1)], as: UTF8.self)
  }

  /// Name, inode and kind of all entries of a folder, in its order.
  func entries(
    _ path: String, room: Int = 4096
  ) throws(Errno) -> [(name: String, inode: UInt64, kind: UInt8)] {
    let file = try open(path, .folder)
    defer { files.release(file) }
    var all: [(String, UInt64, UInt8)] = []
    var bytes = [UInt8](repeating: 0, count: room)
    while true {
      let count = try withBlock(over: &bytes) { (block) throws(Errno) in
        try files.list(file, to: .kernel(block, at: 0), byteCount: room)
      }
      if count == 0 { return all }
      var offset = 0
      while offset < count {
        let length = Int(bytes[offset + 16]) | Int(bytes[offset + 17]) << 8
        let inode = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << (8 * $1) }
        let name = bytes[(offset + 19)...].prefix { $0 != 0 }
        all.append((String(decoding: name, as: UTF8.self), inode, bytes[offset + 18]))
        offset += length
      }
    }
  }

  func write(_ file: Reference<OpenFile>, _ bytes: [UInt8]) throws(Errno) -> Int {
    try withBlock(bytes) { (block) throws(Errno) in
      try files.write(file, from: .kernel(block, at: 0), byteCount: bytes.count)
    }
  }

  func read(_ file: Reference<OpenFile>, _ count: Int) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: max(count, 1))
    let done = try withBlock(over: &bytes) { (block) throws(Errno) in
      try files.read(file, to: .kernel(block, at: 0), byteCount: count)
    }
    return Array(bytes[..<done])
  }
}

/// Lends an array's bytes as a block.
func withBlock<Result>(
  over bytes: inout [UInt8], _ body: (MemoryBlock) throws(Errno) -> Result
) throws(Errno) -> Result {
  let count = bytes.count
  let result: Swift.Result<Result, Errno> = bytes.withUnsafeMutableBytes { buffer in
    do throws(Errno) {
      return .success(
        try body(MemoryBlock(unsafeBase: buffer.baseAddress!, byteCount: count)))
    } catch {
      return .failure(error)
    }
  }
  return try result.get()
}

func withBlock<Result>(
  _ bytes: [UInt8], _ body: (MemoryBlock) throws(Errno) -> Result
) throws(Errno) -> Result {
  var copy = bytes.isEmpty ? [0] : bytes
  let count = bytes.count
  return try withBlock(over: &copy) { (block) throws(Errno) in
    try body(block.part(from: 0, byteCount: count))
  }
}

extension TestFiles {
  /// Frames that nobody has, those at hand of a CPU included.
  var freePageCount: Int {
    environment.frames.freePageCount.value + environment.frames.cachedPageCount.value
  }
}
