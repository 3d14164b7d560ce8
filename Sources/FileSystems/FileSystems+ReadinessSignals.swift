// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Signals that open files are ready, for programs that do not wait for them.
///
/// Linux: `fasync_helper()`, `kill_fasync()`.
extension FileSystems {
  /// Whether an open file can send signals of its readiness.
  ///
  /// Linux: whether its operations have `fasync`.
  public func canSignalReadiness(_ file: Reference<OpenFile>) -> Bool {
    switch heap[file].behaviour {
    case .pipe, .socket, .random, .standardInput, .standardOutput, .standardError: true
    case .special(.terminal), .special(.terminalMaster): true
    default: false
    }
  }

  /// Begins to send signals of an open file's readiness, or ends it.
  ///
  /// - Parameter descriptor: what the signals name it by, whatever becomes of that.
  /// - Throws: ENOMEM.
  public func setSignalsReadiness(
    _ wanted: Bool, of file: Reference<OpenFile>, descriptor: UInt32
  ) throws(Errno) {
    endSignals(of: file)
    heap[file].flags.subtract(.signalsReadiness)
    guard wanted else { return }
    if let watch = try makeWatch(on: file, for: .signals(descriptor: descriptor)) {
      heap[file].signalWatch = Link(watch)
      state.value.signalWatchCount += 1
    }
    heap[file].flags.formUnion(.signalsReadiness)
  }

  /// An open file goes, or is to send no signals any more.
  func endSignals(of file: Reference<OpenFile>) {
    guard let watch = heap[file].signalWatch.reference else { return }
    heap[file].signalWatch = Link(nil)
    state.value.signalWatchCount -= 1
    freeWatch(watch)
  }

  /// Who is told of a terminal's readiness unless a program has said it: the foreground group.
  ///
  /// - Returns: nil of other files, and where there is no such group. Linux: `__tty_fasync()`.
  public func foregroundGroup(of file: Reference<OpenFile>) -> UInt32? {
    guard case .special(.terminal) = heap[file].behaviour else { return nil }
    let group = heap[Reference<Terminal>(raw: heap[file].attachment)].foregroundGroup
    return group == 0 ? nil : group
  }

  /// Sends the signals of readiness of those open files that asked for them.
  ///
  /// - Context: any; does not sleep.
  func tellOwners(_ key: SleepKey, _ reason: ReadinessReason) {
    guard state.value.signalWatchCount > 0 else { return }
    var next = state.value.watches[bucket(of: key.value)].first
    while let watch = next {
      next = heap[watch].hook.next.reference
      guard heap[watch].key == key.value, case .signals(let descriptor) = heap[watch].owner,
        concerns(reason, heap[watch].file)
      else { continue }
      environment.sendReadiness(
        of: descriptor, reason, to: heap[heap[watch].file].owner)
    }
  }

  /// A pipe's ends are told what they can do. Linux: `fasync_readers`, `fasync_writers`.
  private func concerns(_ reason: ReadinessReason, _ file: Reference<OpenFile>) -> Bool {
    guard heap[file].behaviour == .pipe else { return true }
    return reason == .output ? heap[file].flags.mayWrite : heap[file].flags.mayRead
  }
}
