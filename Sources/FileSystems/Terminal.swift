// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// A terminal: lines on their way to programs, and who works at it.
///
/// The console's other side is the host; a pseudo terminal's is a file of its own, the master.
///
///     block: 0 input (4 KiB) │ 4096 where lines end (512) │ 8192 to the master (8 KiB)
///
/// Linux: `struct tty_struct` and `struct n_tty_data`.
public struct Terminal: HeapObject {
  public static var cacheName: StaticString { "tty_struct" }
  public static var cacheIndex: Int { 56 }

  /// The number in /dev/pts; nil for the console.
  let number: UInt32?
  /// The first of four frames.
  let block: PageFrameNumber
  public internal(set) var settings = TerminalSettings.standard
  public internal(set) var window = WindowSize(rows: 0, columns: 0)
  /// The session that it controls, 0 for none, and its foreground group.
  public internal(set) var session: UInt32 = 0
  public internal(set) var foregroundGroup: UInt32 = 0

  // Input: all bytes that ever came, that were ever read, and up to the end of the last line.
  var inputCount: UInt64 = 0
  var readCount: UInt64 = 0
  var lineCount: UInt64 = 0
  /// The next byte is no key. Linux: `lnext`.
  var isLiteralNext = false
  /// ECHOPRT has begun to show erased characters.
  var isErasing = false
  /// A task is copying: its memory may have to be read in meanwhile.
  var isBusy = false

  // Output
  /// Where the next character appears, and where the line that is typed began.
  var column: UInt32 = 0
  var lineColumn: UInt32 = 0
  /// Ctrl-S.
  var isStopped = false
  /// Not all was written: a signal tells when there is room. Linux: `TTY_DO_WRITE_WAKEUP`.
  var wantsRoomSignal = false
  var outputCount: UInt64 = 0
  var takenCount: UInt64 = 0

  // Ends
  var openCount: UInt32 = 0
  var hasMaster = false
  /// Nobody has opened the master's other end yet.
  var isFresh = true
  /// Linux: `TTY_PTY_LOCK`.
  var isLocked = true
  /// The other side has gone.
  var isHungUp = false
  /// Another terminal of /dev/pts, for searches.
  var nextTerminal = Link<Terminal>(nil)

  init(number: UInt32?, block: PageFrameNumber) {
    self.number = number
    self.block = block
  }

  var isPseudo: Bool { number != nil }
  var pendingCount: Int { Int(inputCount - readCount) }
  var pendingOutputCount: Int { Int(outputCount - takenCount) }

  static var blockOrder: Order { Order(2) }
  /// Linux: `N_TTY_BUF_SIZE`.
  static var inputByteCount: Int { 4096 }
  static var lineEndsOffset: Int { 4096 }
  static var outputOffset: Int { 8192 }
  static var outputByteCount: Int { 8192 }
  /// Room that programs leave for echoes.
  static var echoByteCount: Int { 512 }
}

extension FileSystems {
  func terminalBlock(_ terminal: Reference<Terminal>) -> MemoryBlock {
    machine.directMap.block(
      at: heap[terminal].block.address, byteCount: Terminal.blockOrder.pageCount.bytes)
  }

  /// Makes a terminal. Throws: ENOMEM.
  func makeTerminal(number: UInt32?) throws(Errno) -> Reference<Terminal> {
    let block = try allocateFrames(Terminal.blockOrder, content: .zeroed)
    do {
      return try allocate(Terminal(number: number, block: block))
    } catch {
      freeFrames(block, Terminal.blockOrder)
      throw error
    }
  }

  func freeTerminal(_ terminal: Reference<Terminal>) {
    freeFrames(heap[terminal].block, Terminal.blockOrder)
    heap.free(terminal)
  }

  func inputKey(_ terminal: Reference<Terminal>) -> SleepKey { .object(terminal.raw, channel: 5) }
  func roomKey(_ terminal: Reference<Terminal>) -> SleepKey { .object(terminal.raw, channel: 6) }
  func outputKey(_ terminal: Reference<Terminal>) -> SleepKey {
    .object(terminal.raw, channel: 7)
  }
  func terminalKey(_ terminal: Reference<Terminal>) -> SleepKey {
    .object(terminal.raw, channel: Self.readinessChannel)
  }
  func masterKey(_ terminal: Reference<Terminal>) -> SleepKey {
    .object(terminal.raw, channel: 0x73)
  }

  /// Something may be read, or a reader would not wait any more.
  func inputChanged(_ terminal: Reference<Terminal>) {
    environment.wake(inputKey(terminal))
    readinessChanged(terminalKey(terminal), .input.union(.normalInput))
  }

  /// There is room for input again.
  func inputTaken(_ terminal: Reference<Terminal>) {
    environment.wake(roomKey(terminal))
    readinessChanged(masterKey(terminal), .output.union(.normalOutput))
  }

  /// Linux: `n_tty_poll()`.
  func terminalReadiness(_ file: Reference<OpenFile>) -> Readiness {
    let terminal = Reference<Terminal>(raw: heap[file].attachment)
    if heap[terminal].isHungUp {
      return .input.union(.output).union(.error).union(.hangUp).union(.normalInput)
        .union(.normalOutput)
    }
    var ready = Readiness()
    if hasInput(terminal, isPoll: true) { ready.formUnion(.input.union(.normalInput)) }
    if !heap[terminal].isPseudo || outputRoom(terminal) > 0 {
      ready.formUnion(.output.union(.normalOutput))
    }
    return ready
  }

  /// Whether a read finds something. Linux: `input_available_p()`.
  func hasInput(_ terminal: Reference<Terminal>, isPoll: Bool = false) -> Bool {
    let settings = heap[terminal].settings
    if settings.has(.lines) { return heap[terminal].lineCount != heap[terminal].readCount }
    let minimum = Int(settings.character(.minimum))
    let isCounted = isPoll && settings.character(.time) == 0 && minimum > 0
    return heap[terminal].pendingCount >= (isCounted ? minimum : 1)
  }
}
