// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Compaction
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// The texts of /proc/sys, and what writing to them sets.
///
/// A setting that the kernel obeys can be written; one that is as it is has mode 0444, and
/// opening it for writing is refused, also for the administrator.
///
/// Linux: `kernel/sysctl.c`, `fs/proc/proc_sysctl.c`.
extension FileSystems {
  func writeSetting(_ file: ProcessFile, to writer: inout TextWriter<Environment>) {
    let policy = environment.memory.value.policy
    switch file {
    case .systemType: writer.put("Linux")
    case .release: writer.put("6.12.0-quire")
    case .systemVersion: writer.put("#1 Quire")
    case .hostName: writeHostName(to: &writer)
    case .domainName: writeDomainName(to: &writer)
    case .processLimit: writer.put("32768")
    case .threadLimit: writer.put(UInt64(environment.activity.threadLimit))
    case .groupLimit, .overflowUser, .overflowGroup:
      writer.put(file == .groupLimit ? 65_536 : 65_534)
    case .lastCapability: writer.put("40")
    case .addressRandomization: writer.put(state.value.seed == 0 ? "0" : "2")
    case .corePattern: writer.put("core")
    case .tainted: writer.put("0")
    case .bootIdentifier: writeIdentifier(state.value.bootIdentifier, to: &writer)
    case .freshIdentifier: writeIdentifier((nextRandom(), nextRandom()), to: &writer)
    case .entropy, .poolSize: writer.put("256")
    case .overcommitMode: writer.put(UInt64(policy.overcommit.rawValue))
    case .overcommitRatio: writer.put(UInt64(policy.overcommitRatio))
    case .areaLimit: writer.put(UInt64(policy.areaLimit))
    case .smallestAddress: writer.put("65536")
    case .minimumFree: writer.put(UInt64(frames.minimumFreeKibibytes))
    case .administratorReserve: writer.put(policy.administratorReserve)
    case .userReserve: writer.put(UInt64(min(frames.freePageCount.kibibytes / 32, 131_072)))
    case .fileLimit: writer.put("9223372036854775807")
    case .fileCount:
      writer.put(state.value.openFileCount)
      writer.put("\t0\t9223372036854775807")
    case .fragmentationThreshold:
      writer.put(UInt64(environment.memory.value.compaction.threshold))
    case .descriptorLimit: writer.put("1048576")
    case .pipeLimit: writer.put("1048576")
    default: writeConstant(file, to: &writer)
    }
    writer.put("\n")
  }

  /// Settings of what is as Linux starts with it.
  private func writeConstant(_ file: ProcessFile, to writer: inout TextWriter<Environment>) {
    switch file {
    case .swappiness: writer.put("60")
    case .watermarkScale: writer.put("10")
    case .lowMemoryReserve: writer.put("256\t256\t32\t0")
    case .dirtyRatio: writer.put("20")
    case .dirtyBackgroundRatio: writer.put("10")
    case .dirtyExpiry: writer.put("3000")
    case .dirtyInterval: writer.put("500")
    case .cachePressure: writer.put("100")
    case .swapCluster: writer.put("3")
    case .dumpTasks: writer.put("1")
    default: writer.put("0")
    }
  }

  func writeHostName(to writer: inout TextWriter<Environment>) {
    let settings = state.value.settings
    for index in 0..<settings.hostNameLength { writer.put(byte: settings.hostName[index]) }
  }

  private func writeDomainName(to writer: inout TextWriter<Environment>) {
    let settings = state.value.settings
    for index in 0..<64 where settings.domainName[index] != 0 {
      writer.put(byte: settings.domainName[index])
    }
  }

  /// A version-4 identifier. RFC 9562.
  private func writeIdentifier(
    _ words: (UInt64, UInt64), to writer: inout TextWriter<Environment>
  ) {
    let high = words.0 & ~0xF000 | 0x4000
    let low = words.1 & ~(3 << 62) | 1 << 63
    writer.put(hexadecimal: high >> 32, width: 8)
    writer.put("-")
    writer.put(hexadecimal: high >> 16 & 0xFFFF, width: 4)
    writer.put("-")
    writer.put(hexadecimal: high & 0xFFFF, width: 4)
    writer.put("-")
    writer.put(hexadecimal: low >> 48, width: 4)
    writer.put("-")
    writer.put(hexadecimal: low & 0xFFFF_FFFF_FFFF, width: 12)
  }

  /// Whether a setting lets itself be read or written at all: the administrator's rights do not
  /// widen a setting's mode. Linux: `proc_sys_permission()`,
  /// `kernfs_fop_open()`.
  func isSettable(_ inode: Reference<Inode>, _ wish: AccessWish) -> Bool {
    let isGuarded =
      heap[inode].tree == .system && heap[inode].mode.isRegular
      || heap[inode].tree == .processes && ProcessNode(heap[inode].number).file.isSetting
    guard isGuarded else { return true }
    return AccessWish(rawValue: heap[inode].mode.permissions >> 6 & 7).isSuperset(of: wish)
  }

  /// Takes what a program wrote to a file of /proc.
  ///
  /// - Returns: the bytes taken: all of them.
  /// - Throws: EINVAL for what is no such value, EIO where nothing can be written, EFAULT, EACCES,
  ///   ESRCH, ENOMEM.
  /// - Context: may sleep.
  func writeText(
    of file: Reference<OpenFile>, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let node = ProcessNode(heap[heap[file].inode].number)
    // Linux: `proc_reg_write()` of a file without a write, and `vfs_write()`.
    guard node.file.mode.permissions & 0o200 != 0 else {
      throw node.process == 0 ? .EIO : .EINVAL
    }
    if byteCount == 0 { return 0 }
    let frame = try allocateFrames(.zero)
    defer { freeFrames(frame, .zero) }
    let block = bytes(of: frame)
    let count = min(byteCount, 4095)
    guard copy(from: source, byteCount: count, to: block, at: 0) == count else { throw .EFAULT }
    try apply(SettingInput(block, byteCount: count), to: node)
    return byteCount
  }

  private func apply(_ input: SettingInput, to node: ProcessNode) throws(Errno) {
    switch node.file {
    case .name: try environment.rename(thread: node.process, to: input.name)
    case .outOfMemoryAdjustment:
      let value = try input.number(-1000...1000)
      try environment.setOutOfMemoryAdjustment(of: leader(of: node), to: Int32(value))
    case .outOfMemoryLegacy:
      // Linux: `oom_adj_write()`: -17 forbids it, 15 is the most.
      let value = try input.number(-17...15)
      let adjustment = value == -17 ? -1000 : value == 15 ? 1000 : value * 1000 / 17
      try environment.setOutOfMemoryAdjustment(of: leader(of: node), to: Int32(adjustment))
    case .overcommitMode:
      let value = try input.number(0...2)
      environment.memory.value.policy.overcommit = .init(rawValue: UInt8(value)) ?? .guess
    case .overcommitRatio:
      environment.memory.value.policy.overcommitRatio = UInt32(
        try input.number(0...Int64(Int32.max)))
    case .areaLimit:
      environment.memory.value.policy.areaLimit = UInt32(
        try input.number(0...Int64(Int32.max)))
    case .hostName: state.value.settings.hostName = input.hostName
    case .compactMemory:
      _ = try input.number(1...1)
      Compaction(environment).compactAll()
    case .fragmentationThreshold:
      environment.memory.value.compaction.threshold = UInt32(try input.number(0...1000))
    case .dropCaches: try dropCaches(try input.number(1...7))
    default: throw .EINVAL
    }
  }

  /// Lets go of what can be had again. Linux: `drop_caches_sysctl_handler()`.
  private func dropCaches(_ bits: Int64) throws(Errno) {
    if bits & 1 != 0 {
      environment.dropFilePages()
      state.value.settings.pageCacheDropCount += 1
    }
    if bits & 2 != 0 {
      _ = shrinkInodes(to: 0)
      state.value.settings.objectDropCount += 1
    }
  }
}

/// What a program wrote to a setting.
struct SettingInput: BitwiseCopyable {
  private let block: MemoryBlock
  private let byteCount: Int

  init(_ block: MemoryBlock, byteCount: Int) {
    self.block = block
    self.byteCount = byteCount
  }

  private func byte(_ index: Int) -> UInt8 { block.load(UInt8.self, at: index) }

  private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte >= 0x09 && byte <= 0x0D }

  /// The one number that it is, with white space around it.
  ///
  /// - Throws: EINVAL for anything else, and for a number out of range.
  ///
  /// Linux: `proc_dointvec_minmax()`, `kstrtoint()`.
  func number(_ range: ClosedRange<Int64>) throws(Errno) -> Int64 {
    var place = 0
    var end = byteCount
    while end > 0, isSpace(byte(end - 1)) || byte(end - 1) == 0 { end -= 1 }
    while place < end, isSpace(byte(place)) { place += 1 }
    let isNegative = place < end && byte(place) == 0x2D
    if isNegative { place += 1 }
    guard place < end, end - place <= 18 else { throw .EINVAL }
    var value: Int64 = 0
    while place < end {
      guard byte(place) >= 0x30, byte(place) <= 0x39 else { throw .EINVAL }
      value = value * 10 + Int64(byte(place) - 0x30)
      place += 1
    }
    if isNegative { value = -value }
    guard range.contains(value) else { throw .EINVAL }
    return value
  }

  /// A thread's name: the first 15 bytes. Linux: `comm_write()`.
  var name: InlineArray<16, UInt8> {
    var name = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<min(byteCount, 15) { name[index] = byte(index) }
    return name
  }

  /// A machine's name: up to the line's end. Linux: `_proc_do_string()`.
  var hostName: InlineArray<65, UInt8> {
    var name = InlineArray<65, UInt8>(repeating: 0)
    for index in 0..<min(byteCount, 64) {
      if byte(index) == 0x0A || byte(index) == 0 { break }
      name[index] = byte(index)
    }
    return name
  }
}
