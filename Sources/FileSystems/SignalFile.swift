// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Signals that are read as a file. Linux: `struct signalfd_ctx`.
struct SignalFile: HeapObject {
  static var cacheName: StaticString { "signalfd_ctx" }
  static var cacheIndex: Int { 55 }

  var mask: SignalSet
}

/// Linux: `fs/signalfd.c`.
extension FileSystems {
  /// Linux: `signalfd4` without a descriptor.
  ///
  /// - Throws: ENOMEM.
  public func makeSignalFile(
    _ mask: SignalSet, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    let owner = try allocate(SignalFile(mask: mask))
    do {
      let file = try openSpecial(.signals, owner.raw, flags: flags.union(.readWrite))
      state.value.signalFileCount += 1
      return file
    } catch {
      heap.free(owner)
      throw error
    }
  }

  /// Linux: `signalfd4` with a descriptor.
  ///
  /// - Throws: EINVAL of another kind of file.
  public func setSignals(_ file: Reference<OpenFile>, to mask: SignalSet) throws(Errno) {
    guard case .special(.signals) = heap[file].behaviour else { throw .EINVAL }
    heap[Reference<SignalFile>(raw: heap[file].attachment)].mask = mask
    signalsChanged()
  }

  func freeSignalFile(_ owner: Reference<SignalFile>) {
    state.value.signalFileCount -= 1
    heap.free(owner)
  }

  /// Some signal has become pending somewhere. Context: any; does not sleep.
  public func signalsChanged() {
    guard state.value.signalFileCount > 0 else { return }
    environment.wake(Self.signalKey)
    readinessChanged(Self.signalKey, .input.union(.normalInput))
  }

  static var signalKey: SleepKey { .object(0, channel: 0x6F) }

  /// As many of the running task's pending signals as fit, 128 bytes each.
  func readSignals(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let owner = Reference<SignalFile>(raw: heap[file].attachment)
    guard byteCount >= SignalFileRecord.byteCount else { throw .EINVAL }
    var done = 0
    while done + SignalFileRecord.byteCount <= byteCount {
      guard let information = environment.takeSignal(of: heap[owner].mask) else {
        if done > 0 { break }
        if heap[file].flags.contains(.nonBlocking) { throw .EAGAIN }
        guard environment.sleepInterruptibly(on: Self.signalKey) else { throw .EINTR }
        continue
      }
      var record = SignalFileRecord(information)
      do {
        try copyOut(&record, to: target.advanced(by: done))
      } catch {
        if done > 0 { break }
        throw error
      }
      done += SignalFileRecord.byteCount
    }
    return done
  }

  func signalReadiness(_ owner: Reference<SignalFile>) -> Readiness {
    environment.hasSignal(of: heap[owner].mask) ? .input : Readiness()
  }
}
