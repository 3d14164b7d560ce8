// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

/// The steps of building a program's address space: stack, strings, scripts, segments, vector.
///
/// A local of one `execve`, which nobody else sees while that sleeps.
struct ProgramBuilder<M: Machine>: BitwiseCopyable {
  let kernel: Kernel<M>
  let scratch: ScratchPages
  /// The path in `scratch`, as it was given.
  let pathLength: Int
  let folder: Reference<Inode>
  /// The file to run; a script's interpreter once the script is read. Held.
  var inode: Reference<Inode>
  let space: Reference<AddressSpace>

  private typealias Strings = Kernel<M>.ProgramStrings
  private var files: FileSystems<Kernel<M>> { kernel.fileSystems }

  /// Linux: `STACK_TOP_MAX`; what is mapped of the stack at first.
  private static var stackTop: UInt64 { 0x7FFF_FFFF_F000 }
  private static var firstStackByteCount: UInt64 { 33 * 4096 }
  /// Linux: `BINPRM_MAX_RECURSION` and one more.
  private static var deepestScript: Int { 5 }
  /// Linux: `BINPRM_BUF_SIZE`.
  private static var scriptLineBytes: Int { 256 }

  mutating func build(_ strings: Kernel<M>.ProgramStrings) throws(Errno) -> Kernel<M>.ReadyProgram {
    var stack = try makeStack()
    try stack.push(scratch.path.part(from: 0, byteCount: pathLength))
    let nameAddress = stack.pointer
    try pushStrings(strings, &stack)
    try followScripts(&stack)
    let stringsStart = stack.pointer
    let layout = try kernel.readLayout(of: inode)
    let image = try kernel.mapProgram(layout, of: inode, into: space)
    var entry = image.entry
    var interpreterBase: UInt64 = 0
    if layout.interpreterByteCount > 0 {
      let interpreter = try loadInterpreter(layout)
      entry = interpreter.entry
      interpreterBase = interpreter.bias &+ interpreter.layout.lowest
    }
    var vector = makeVector(image, interpreterBase)
    try addPlaced(&vector, &stack, nameAddress)
    let pointer = try stack.finish(strings: stringsStart, vector)
    kernel.heap[space].stackStart = VirtualAddress(pointer)
    return Kernel<M>.ReadyProgram(
      space: space, executable: inode, entry: entry, stackPointer: pointer, name: shortName)
  }

  private func makeStack() throws(Errno) -> ProgramStack<M> {
    let limit = kernel.stackLimit
    let start = Self.stackTop - Self.firstStackByteCount
    var protection = Protection.read
    protection.formUnion(.write)
    do {
      _ = try kernel.spaces.map(
        space,
        MapRequest(
          .fixed(VirtualAddress(start)), byteCount: ByteCount(Self.firstStackByteCount),
          protection: protection, attributes: .growsDown))
    } catch {
      throw Errno(error)
    }
    kernel.heap[space].stackLimit = ByteCount(limit)
    // Linux: the gap below the stack is its limit, at least 128 MiB and at most 5/6 of it all.
    let gap = max(min(limit, Self.stackTop / 6 * 5), 128 << 20)
    kernel.heap[space].mapCeiling = VirtualAddress((Self.stackTop - gap) & ~4095)
    let room = max(min(limit / 4, 6 << 20), 32 * 4096)
    return ProgramStack(
      kernel: kernel, space: space, scratch: scratch.transit, floor: Self.stackTop - room,
      pointer: Self.stackTop - 8)
  }

  // Strings, from the last to the first

  private func pushStrings(
    _ strings: Kernel<M>.ProgramStrings, _ stack: inout ProgramStack<M>
  ) throws(Errno) {
    switch strings {
    case .program(let arguments, let environment, let source):
      let environmentCount = try count(environment, in: source)
      let argumentCount = try count(arguments, in: source)
      try pushArray(environment, environmentCount, of: source, &stack)
      try pushArray(arguments, argumentCount, of: source, &stack)
      stack.environmentCount = environmentCount
      stack.argumentCount = argumentCount
      if argumentCount == 0 {
        // Linux: an empty argv[0] instead of none.
        try stack.push(scratch.path.part(from: 0, byteCount: 0))
        stack.argumentCount = 1
      }
    case .block(let block):
      stack.environmentCount = try pushAll(.environment, of: block, &stack)
      stack.argumentCount = try pushAll(.argument, of: block, &stack)
    }
  }

  private func count(
    _ array: UInt64, in source: Reference<AddressSpace>
  ) throws(Errno) -> Int {
    guard array != 0 else { return 0 }
    var count = 0
    while try pointer(array, count, in: source) != 0 {
      count += 1
      guard count < 0x10_0000 else { throw .E2BIG }
    }
    return count
  }

  private func pointer(
    _ array: UInt64, _ index: Int, in source: Reference<AddressSpace>
  ) throws(Errno) -> UInt64 {
    do {
      return try kernel.spaces.load(
        UInt64.self, at: VirtualAddress(array &+ UInt64(index) * 8), in: source)
    } catch {
      throw Errno(error)
    }
  }

  private func pushArray(
    _ array: UInt64, _ count: Int, of source: Reference<AddressSpace>,
    _ stack: inout ProgramStack<M>
  ) throws(Errno) {
    for index in (0..<count).reversed() {
      try stack.push(stringAt: pointer(array, index, in: source), of: source)
    }
  }

  private func pushAll(
    _ tag: ArgumentTag, of block: MemoryBlock, _ stack: inout ProgramStack<M>
  ) throws(Errno) -> Int {
    let arguments = BootArguments(block)
    let count = arguments.count(of: tag)
    for index in (0..<count).reversed() {
      guard let bytes = arguments.string(tag, index) else { throw .EINVAL }
      try stack.push(bytes)
    }
    return count
  }

  // Scripts

  /// Goes from a script to its interpreter, as often as need be.
  private mutating func followScripts(_ stack: inout ProgramStack<M>) throws(Errno) {
    var script = scratch.path.part(from: 0, byteCount: pathLength)
    for _ in 0..<Self.deepestScript {
      scratch.head.clear(from: 0, byteCount: Self.scriptLineBytes)
      let count = try files.read(
        inode, at: 0, to: .kernel(scratch.head, at: 0), byteCount: Self.scriptLineBytes)
      guard let line = ScriptLine(in: scratch.head, byteCount: count) else { return }
      guard line.interpreterLength > 0 else { throw .ENOEXEC }
      try stack.dropLowestString()
      try stack.push(script)
      if line.optionLength > 0 {
        try stack.push(
          scratch.head.part(from: line.optionOffset, byteCount: line.optionLength))
        stack.argumentCount += 1
      }
      let interpreter = scratch.head.part(
        from: line.interpreterOffset, byteCount: line.interpreterLength)
      try stack.push(interpreter)
      stack.argumentCount += 1
      // The next script's path must outlive the next line.
      scratch.head.copy(from: interpreter, at: 0, to: 2048, byteCount: interpreter.byteCount)
      script = scratch.head.part(from: 2048, byteCount: interpreter.byteCount)
      let next = try find(script)
      files.endRunning(inode)
      inode = next
    }
    throw .ELOOP
  }

  private func find(_ path: MemoryBlock) throws(Errno) -> Reference<Inode> {
    try files.withPath(copying: path) { (text) throws(Errno) in
      try kernel.findExecutable(text, from: folder)
    }
  }

  private func loadInterpreter(_ layout: ExecutableLayout) throws(Errno) -> Kernel<M>.LoadedImage {
    let size = layout.interpreterByteCount
    let count = try files.read(
      inode, at: layout.interpreterOffset, to: .kernel(scratch.head, at: 0), byteCount: size)
    guard count == size, scratch.head.load(UInt8.self, at: size - 1) == 0 else { throw .ENOEXEC }
    var length = 0
    while scratch.head.load(UInt8.self, at: length) != 0 { length += 1 }
    let interpreter = try find(scratch.head.part(from: 0, byteCount: length))
    defer { files.endRunning(interpreter) }
    let interpreterLayout: ExecutableLayout
    do {
      interpreterLayout = try kernel.readLayout(of: interpreter)
    } catch {
      throw error == .ENOEXEC ? .ELIBBAD : error
    }
    return try kernel.mapInterpreter(interpreterLayout, of: interpreter, into: space)
  }

  // The vector

  private func makeVector(
    _ image: Kernel<M>.LoadedImage, _ interpreterBase: UInt64
  ) -> AuxiliaryVector {
    let credentials = kernel.credentials
    var vector = AuxiliaryVector()
    vector.add(.minimumSignalStack, 2048)
    vector.add(.hardwareCapabilities, Self.processorFeatures)
    vector.add(.pageSize, 4096)
    vector.add(.clockTicks, ProcessTimes.ticksPerSecond)
    let headers = image.layout.programHeaderAddress
    vector.add(.programHeaders, headers == 0 ? 0 : headers &+ image.bias)
    vector.add(.programHeaderSize, UInt64(SegmentHeader.byteCount))
    vector.add(.programHeaderCount, UInt64(image.layout.programHeaderCount))
    vector.add(.interpreterBase, interpreterBase)
    vector.add(.flags, 0)
    vector.add(.entry, image.entry)
    vector.add(.user, UInt64(kernel.identity.user.real))
    vector.add(.effectiveUser, UInt64(credentials.user))
    vector.add(.group, UInt64(kernel.identity.group.real))
    vector.add(.effectiveGroup, UInt64(credentials.group))
    vector.add(.secure, 0)
    return vector
  }

  /// CPUID 1, EDX, of the fixed model. Linux: `ELF_HWCAP`.
  private static var processorFeatures: UInt64 { 0x078B_FBFF }

  private func addPlaced(
    _ vector: inout AuxiliaryVector, _ stack: inout ProgramStack<M>, _ nameAddress: UInt64
  ) throws(Errno) {
    stack.pointer &= ~15
    scratch.transit.store(text: "x86_64", at: 0)
    scratch.transit.store(UInt8(0), at: 6)
    let platform = try stack.place(scratch.transit, byteCount: 7)
    scratch.transit.store(files.nextRandom(), at: 0)
    scratch.transit.store(files.nextRandom(), at: 8)
    let random = try stack.place(scratch.transit, byteCount: 16)
    vector.add(.random, random)
    vector.add(.hardwareCapabilities2, 0)
    vector.add(.executableName, nameAddress)
    vector.add(.platform, platform)
    vector.add(.end, 0)
  }

  /// The path's last name, cut to 15 bytes. Linux: `__set_task_comm()`.
  private var shortName: InlineArray<16, UInt8> {
    var name = InlineArray<16, UInt8>(repeating: 0)
    var start = 0
    for index in 0..<pathLength where scratch.path.load(UInt8.self, at: index) == 0x2F {
      start = index + 1
    }
    for index in 0..<min(15, pathLength - start) {
      name[index] = scratch.path.load(UInt8.self, at: start + index)
    }
    return name
  }
}
