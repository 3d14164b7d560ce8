// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What /dev holds. The numbers are inode numbers.
enum DeviceNode: UInt8, BitwiseCopyable {
  case folder = 1
  case null, zero, full, random, urandom, terminal, console
  case descriptors, standardInput, standardOutput, standardError
  case sharedMemory
  case pseudoTerminalMaker, pseudoTerminals
  case bufferHeaps

  /// - Precondition: the number is one of an inode of /dev.
  init(number: UInt64) {
    guard let node = DeviceNode(rawValue: UInt8(truncatingIfNeeded: number)) else {
      preconditionFailure("a device that /dev has not")
    }
    self = node
  }

  /// The first and the last entry of the folder.
  static var entries: ClosedRange<UInt8> { DeviceNode.null.rawValue...bufferHeaps.rawValue }

  var name: StaticString {
    switch self {
    case .folder: "dev"
    case .null: "null"
    case .zero: "zero"
    case .full: "full"
    case .random: "random"
    case .urandom: "urandom"
    case .terminal: "tty"
    case .console: "console"
    case .descriptors: "fd"
    case .standardInput: "stdin"
    case .standardOutput: "stdout"
    case .standardError: "stderr"
    case .sharedMemory: "shm"
    case .pseudoTerminalMaker: "ptmx"
    case .pseudoTerminals: "pts"
    case .bufferHeaps: "dma_heap"
    }
  }

  var mode: FileMode {
    switch self {
    case .folder: FileMode(.folder, permissions: 0o755)
    case .sharedMemory: FileMode(.folder, permissions: 0o1777)
    case .pseudoTerminals, .bufferHeaps: FileMode(.folder, permissions: 0o755)
    case .null, .zero, .full, .random, .urandom, .terminal,
      .pseudoTerminalMaker:
      FileMode(.characterDevice, permissions: 0o666)
    case .console: FileMode(.characterDevice, permissions: 0o600)
    case .descriptors, .standardInput, .standardOutput, .standardError:
      FileMode(.link, permissions: 0o777)
    }
  }

  /// Linux: `Documentation/admin-guide/devices.txt`.
  var device: DeviceNumber {
    switch self {
    case .null: DeviceNumber(major: 1, minor: 3)
    case .zero: DeviceNumber(major: 1, minor: 5)
    case .full: DeviceNumber(major: 1, minor: 7)
    case .random: DeviceNumber(major: 1, minor: 8)
    case .urandom: DeviceNumber(major: 1, minor: 9)
    case .terminal: DeviceNumber(major: 5, minor: 0)
    case .console: DeviceNumber(major: 5, minor: 1)
    case .pseudoTerminalMaker: DeviceNumber(major: 5, minor: 2)
    default: DeviceNumber(major: 0, minor: 0)
    }
  }

  /// Where a link points.
  var target: StaticString? {
    switch self {
    case .descriptors: "/proc/self/fd"
    case .standardInput: "/proc/self/fd/0"
    case .standardOutput: "/proc/self/fd/1"
    case .standardError: "/proc/self/fd/2"
    default: nil
    }
  }
}

extension FileSystems {
  func deviceInode(_ node: DeviceNode) throws(Errno) -> Reference<Inode> {
    var fresh = Inode(.devices, of: .devices, number: UInt64(node.rawValue), mode: node.mode)
    fresh.device = node.device
    fresh.linkCount = node.mode.isFolder ? 2 : 1
    stamp(&fresh, at: bootTime)
    return try allocate(fresh)
  }

  func deviceChild(
    _ name: FileName, of folder: Reference<Inode>
  ) throws(Errno) -> Reference<Inode> {
    switch DeviceNode(number: heap[folder].number) {
    case .folder: break
    case .bufferHeaps: return try bufferHeapChild(name)
    default: return try pseudoTerminalChild(name, of: folder)
    }
    for raw in DeviceNode.entries {
      guard let node = DeviceNode(rawValue: raw), name.equals(node.name) else { continue }
      return try deviceInode(node)
    }
    throw .ENOENT
  }

  func stamp(_ inode: inout Inode, at time: TimeOfFile) {
    inode.accessed = time
    inode.modified = time
    inode.changed = time
  }

  /// What reads and writes of a device file do, wherever the file lies.
  ///
  /// - Throws: ENXIO where nobody drives such a device.
  func behaviour(ofDevice device: DeviceNumber) throws(Errno) -> OpenFile.Behaviour {
    switch (device.major, device.minor) {
    case (1, 3): return .null
    case (1, 5): return .zero
    case (1, 7): return .full
    case (1, 8), (1, 9): return .random
    case (BufferHeap.major, _): return .special(.bufferHeap)
    default: throw .ENXIO
    }
  }

  /// The next 64 bits behind /dev/urandom; from the seed, so that a run can be repeated.
  ///
  /// Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014 (SplitMix64).
  public func nextRandom() -> UInt64 {
    state.value.randomState &+= 0x9E37_79B9_7F4A_7C15
    var word = state.value.randomState
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }

  /// Fills memory with random bytes; returns how many could be written.
  ///
  /// - Context: may sleep.
  ///
  /// Linux: `getrandom`.
  public func fillRandom(_ target: TransferMemory, byteCount: Int) throws(Errno) -> Int {
    try withPathBuffer { (block) throws(Errno) in
      var done = 0
      while done < byteCount {
        let count = min(byteCount - done, block.byteCount)
        for offset in stride(from: 0, to: (count + 7) & ~7, by: 8) {
          block.store(nextRandom(), at: offset)
        }
        let copied = copy(from: block, at: 0, byteCount: count, to: target.advanced(by: done))
        done += copied
        if copied < count { break }
      }
      guard done > 0 || byteCount == 0 else { throw .EFAULT }
      return done
    }
  }
}
