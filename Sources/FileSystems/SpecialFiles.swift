// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What an open file is that is an object of the kernel's own, named by its `attachment`.
public enum SpecialFile: UInt8, BitwiseCopyable, Sendable {
  case eventCounter
  case eventPoll
  case timer
  case signals
  /// A terminal, or the end of a pseudo terminal that programs take for one.
  case terminal
  /// The other end of a pseudo terminal.
  case terminalMaster
  /// A process, by its serial number.
  case process
  /// A heap of buffers in /dev/dma_heap, by its number.
  case bufferHeap
  /// A buffer that programs and devices share.
  case buffer
}

/// Files that are objects of the kernel's own: each kind's verbs, in one place for each verb.
///
/// Linux: `anon_inode_getfile()` and the tables of `struct file_operations`.
extension FileSystems {
  /// An open file without a name.
  ///
  /// - Parameter attachment: the object's reference as a number; it stays the caller's if this
  ///   throws.
  /// - Throws: ENOMEM.
  func openSpecial(
    _ kind: SpecialFile, _ attachment: UInt32, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    let inode = try namelessInode()
    do {
      let kept = OpenFlags(rawValue: flags.rawValue & ~Self.passingFlags)
      let file = try enter(OpenFile(inode, .special(kind), flags: kept))
      heap[file].attachment = attachment
      return file
    } catch {
      release(inode)
      throw error
    }
  }

  /// The one inode of all files without a name, counted anew.
  private func namelessInode() throws(Errno) -> Reference<Inode> {
    if let inode = state.value.namelessInode.reference {
      retain(inode)
      return inode
    }
    var fresh = Inode(
      .nameless, of: .nameless, number: 1, mode: FileMode(rawValue: 0o600))
    stamp(&fresh, at: bootTime)
    let inode = try allocate(fresh)
    retain(inode)
    state.value.namelessInode = Link(inode)
    return inode
  }

  func readSpecial(
    _ file: Reference<OpenFile>, _ kind: SpecialFile, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    switch kind {
    case .eventCounter: try readCounter(file, to: target, byteCount: byteCount)
    case .timer: try readTimer(file, to: target, byteCount: byteCount)
    case .signals: try readSignals(file, to: target, byteCount: byteCount)
    case .terminal: try readTerminal(file, to: target, byteCount: byteCount)
    case .terminalMaster: try readMaster(file, to: target, byteCount: byteCount)
    case .eventPoll, .process, .bufferHeap, .buffer: throw .EINVAL
    }
  }

  func writeSpecial(
    _ file: Reference<OpenFile>, _ kind: SpecialFile, from source: TransferMemory,
    byteCount: Int
  ) throws(Errno) -> Int {
    switch kind {
    case .eventCounter: try writeCounter(file, from: source, byteCount: byteCount)
    case .terminal: try writeTerminal(file, from: source, byteCount: byteCount)
    case .terminalMaster: try writeMaster(file, from: source, byteCount: byteCount)
    case .timer, .signals, .eventPoll, .process, .bufferHeap, .buffer: throw .EINVAL
    }
  }

  func specialReadiness(of file: Reference<OpenFile>, _ kind: SpecialFile) -> Readiness {
    let attachment = heap[file].attachment
    switch kind {
    case .eventCounter: return counterReadiness(Reference(raw: attachment))
    case .eventPoll: return eventPollReadiness(Reference(raw: attachment))
    case .timer: return heap[Reference<TimerFile>(raw: attachment)].count > 0 ? .input : Readiness()
    case .signals: return signalReadiness(Reference(raw: attachment))
    case .terminal: return terminalReadiness(file)
    case .terminalMaster: return masterReadiness(Reference(raw: attachment))
    case .process: return environment.readiness(ofProcess: attachment)
    case .bufferHeap, .buffer:
      return .input.union(.normalInput).union(.output).union(.normalOutput)
    }
  }

  func specialReadinessKey(of file: Reference<OpenFile>, _ kind: SpecialFile) -> SleepKey {
    switch kind {
    case .signals: Self.signalKey
    case .process: Self.processKey(heap[file].attachment)
    case .terminalMaster: masterKey(Reference(raw: heap[file].attachment))
    default: .object(heap[file].attachment, channel: Self.readinessChannel)
    }
  }

  /// The last descriptor of such a file is closed. Context: any; never sleeps.
  func closeSpecial(_ file: Reference<OpenFile>, _ kind: SpecialFile) {
    let attachment = heap[file].attachment
    switch kind {
    case .eventCounter: heap.free(Reference<EventCounter>(raw: attachment))
    case .eventPoll: freeEventPoll(Reference(raw: attachment))
    case .timer: freeTimer(Reference(raw: attachment))
    case .signals: freeSignalFile(Reference(raw: attachment))
    case .terminal: closeTerminal(Reference(raw: attachment))
    case .terminalMaster: closeMaster(Reference(raw: attachment))
    case .buffer: spaces.release(Reference<CachedFile>(raw: attachment))
    case .process, .bufferHeap: break
    }
  }
}
