// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What a terminal shows of what is typed, and how it takes it back.
///
/// Linux: `echo_char()`, `eraser()`, `do_output_char()` of `drivers/tty/n_tty.c`.
extension FileSystems {
  static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }

  /// A byte of a character that began before.
  private func isContinuation(_ byte: UInt8, _ settings: TerminalSettings) -> Bool {
    settings.has(.utf8) && byte & 0xC0 == 0x80
  }

  /// Shows a typed byte, control characters as `^X`.
  func echo(_ byte: UInt8, _ terminal: Reference<Terminal>, _ settings: TerminalSettings) {
    if settings.has(.echoControl), Self.isControl(byte), byte != 0x09 {
      emit(0x5E, terminal)
      emit(byte ^ 0x40, terminal)
      heap[terminal].column += 2
    } else {
      put(byte, terminal, settings)
    }
  }

  /// Ends what ECHOPRT shows.
  func finishErasing(_ terminal: Reference<Terminal>, _ settings: TerminalSettings) {
    guard heap[terminal].isErasing else { return }
    put(0x2F, terminal, settings)
    heap[terminal].isErasing = false
  }

  /// Erases a character, a word or the line, as the key says.
  func erase(_ key: UInt8, _ terminal: Reference<Terminal>, _ settings: TerminalSettings) {
    guard heap[terminal].inputCount != heap[terminal].lineCount else { return }
    let isSingle = settings.isKey(.erase, key)
    let isWord = !isSingle && settings.isKey(.wordErase, key)
    if !isSingle, !isWord, forgetsLine(terminal, settings) { return }
    var hasWord = false
    while heap[terminal].inputCount != heap[terminal].lineCount {
      var place = heap[terminal].inputCount
      var byte: UInt8
      repeat {
        place -= 1
        byte = inputByte(place, terminal)
      } while isContinuation(byte, settings) && place != heap[terminal].lineCount
      // Half a character is not erased.
      if isContinuation(byte, settings) { break }
      if isWord {
        if Self.isWordPart(byte) {
          hasWord = true
        } else if hasWord {
          break
        }
      }
      heap[terminal].inputCount = place
      if settings.has(.echo) { showErased(byte, isSingle: isSingle, terminal, settings) }
      if isSingle { break }
    }
    if heap[terminal].inputCount == heap[terminal].lineCount, settings.has(.echo) {
      finishErasing(terminal, settings)
    }
  }

  private static func isWordPart(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
    // Linux: `isalnum()` of Latin-1's letters.
    case 0xC0...0xD6, 0xD8...0xF6, 0xF8...0xFF: true
    default: false
    }
  }

  /// Drops the line at once where it is not erased before one's eyes.
  private func forgetsLine(
    _ terminal: Reference<Terminal>, _ settings: TerminalSettings
  ) -> Bool {
    guard settings.has(.echo) else {
      heap[terminal].inputCount = heap[terminal].lineCount
      return true
    }
    let isErased =
      settings.has(.echoKill) && settings.has(.echoKillByErasing) && settings.has(.echoErase)
    guard !isErased else { return false }
    heap[terminal].inputCount = heap[terminal].lineCount
    finishErasing(terminal, settings)
    echo(settings.character(.kill), terminal, settings)
    if settings.has(.echoKill) { put(0x0A, terminal, settings) }
    return true
  }

  private func showErased(
    _ byte: UInt8, isSingle: Bool, _ terminal: Reference<Terminal>,
    _ settings: TerminalSettings
  ) {
    if settings.has(.echoPrint) {
      if !heap[terminal].isErasing {
        put(0x5C, terminal, settings)
        heap[terminal].isErasing = true
      }
      echo(byte, terminal, settings)
    } else if isSingle, !settings.has(.echoErase) {
      echo(settings.character(.erase), terminal, settings)
    } else if byte == 0x09 {
      eraseTab(terminal, settings)
    } else {
      let isControl = Self.isControl(byte)
      if isControl, settings.has(.echoControl) { rubOut(terminal, settings) }
      if !isControl || settings.has(.echoControl) { rubOut(terminal, settings) }
    }
  }

  private func rubOut(_ terminal: Reference<Terminal>, _ settings: TerminalSettings) {
    put(0x08, terminal, settings)
    put(0x20, terminal, settings)
    put(0x08, terminal, settings)
  }

  /// Goes back over a tab: as many columns as the characters before it left.
  private func eraseTab(_ terminal: Reference<Terminal>, _ settings: TerminalSettings) {
    var columns: UInt32 = 0
    var isAfterTab = false
    var place = heap[terminal].inputCount
    while place != heap[terminal].lineCount {
      place -= 1
      let byte = inputByte(place, terminal)
      if byte == 0x09 {
        isAfterTab = true
        break
      } else if Self.isControl(byte) {
        if settings.has(.echoControl) { columns += 2 }
      } else if !isContinuation(byte, settings) {
        columns += 1
      }
    }
    if !isAfterTab { columns += heap[terminal].lineColumn }
    for _ in 0..<(8 - columns & 7) {
      emit(0x08, terminal)
      if heap[terminal].column > 0 { heap[terminal].column -= 1 }
    }
  }

  /// Sends a byte to the terminal's other side, as the output's settings have it.
  func put(_ byte: UInt8, _ terminal: Reference<Terminal>, _ settings: TerminalSettings) {
    guard settings.has(.process), processesOutput(terminal) else { return emit(byte, terminal) }
    switch byte {
    case 0x0A:
      if settings.has(.newlineToReturnNewline) {
        heap[terminal].column = 0
        heap[terminal].lineColumn = 0
        emit(0x0D, terminal)
      } else {
        if settings.has(.newlineReturns) { heap[terminal].column = 0 }
        heap[terminal].lineColumn = heap[terminal].column
      }
      emit(byte, terminal)
    case 0x0D:
      if settings.has(.noReturnAtStart), heap[terminal].column == 0 { return }
      if settings.has(.returnBecomesNewline) {
        if settings.has(.newlineReturns) { heap[terminal].column = 0 }
        emit(0x0A, terminal)
      } else {
        heap[terminal].column = 0
        emit(byte, terminal)
      }
      heap[terminal].lineColumn = heap[terminal].column
    case 0x09:
      let spaces = 8 - heap[terminal].column & 7
      heap[terminal].column += spaces
      guard settings.outputFlags & TerminalOutput.tabsToSpaces.rawValue == 0x1800 else {
        return emit(byte, terminal)
      }
      for _ in 0..<spaces { emit(0x20, terminal) }
    case 0x08:
      if heap[terminal].column > 0 { heap[terminal].column -= 1 }
      emit(byte, terminal)
    default:
      if !Self.isControl(byte), !isContinuation(byte, settings) { heap[terminal].column += 1 }
      let isLower = byte >= 0x61 && byte <= 0x7A
      emit(settings.has(.upperCase) && isLower ? byte - 0x20 : byte, terminal)
    }
  }
}
