// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// A number that is added to by writes and taken by reads. Linux: `struct eventfd_ctx`.
struct EventCounter: HeapObject {
  static var cacheName: StaticString { "eventfd_ctx" }
  static var cacheIndex: Int { 52 }

  var count: UInt64
  /// A read takes one. Linux: `EFD_SEMAPHORE`.
  let isSemaphore: Bool

  /// The most it holds.
  static var limit: UInt64 { .max - 1 }
}

/// Linux: `fs/eventfd.c`.
extension FileSystems {
  /// A file that is a counter. Linux: `eventfd2`.
  ///
  /// - Throws: ENOMEM.
  public func makeEventCounter(
    _ count: UInt32, isSemaphore: Bool, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    let counter = try allocate(EventCounter(count: UInt64(count), isSemaphore: isSemaphore))
    do {
      return try openSpecial(.eventCounter, counter.raw, flags: flags.union(.readWrite))
    } catch {
      heap.free(counter)
      throw error
    }
  }

  private func changedKey(_ counter: Reference<EventCounter>) -> SleepKey {
    .object(counter.raw, channel: 5)
  }

  func readCounter(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let counter = Reference<EventCounter>(raw: heap[file].attachment)
    guard byteCount >= 8 else { throw .EINVAL }
    while heap[counter].count == 0 {
      if heap[file].flags.contains(.nonBlocking) { throw .EAGAIN }
      guard environment.sleepInterruptibly(on: changedKey(counter)) else { throw .EINTR }
    }
    var value = heap[counter].isSemaphore ? 1 : heap[counter].count
    heap[counter].count -= value
    environment.wake(changedKey(counter))
    readinessChanged(
      .object(counter.raw, channel: Self.readinessChannel), .output.union(.normalOutput))
    try copyOut(&value, to: target)
    return 8
  }

  func writeCounter(
    _ file: Reference<OpenFile>, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let counter = Reference<EventCounter>(raw: heap[file].attachment)
    guard byteCount == 8 else { throw .EINVAL }
    var value: UInt64 = 0
    let copied = withMemoryBlock(over: &value) {
      copy(from: source, byteCount: 8, to: $0, at: 0)
    }
    guard copied == 8 else { throw .EFAULT }
    guard value != .max else { throw .EINVAL }
    while value > EventCounter.limit - heap[counter].count {
      if heap[file].flags.contains(.nonBlocking) { throw .EAGAIN }
      guard environment.sleepInterruptibly(on: changedKey(counter)) else { throw .EINTR }
    }
    heap[counter].count += value
    environment.wake(changedKey(counter))
    readinessChanged(
      .object(counter.raw, channel: Self.readinessChannel), .input.union(.normalInput))
    return 8
  }

  func counterReadiness(_ counter: Reference<EventCounter>) -> Readiness {
    var ready = Readiness()
    let count = heap[counter].count
    if count > 0 { ready.formUnion(.input) }
    if count < EventCounter.limit { ready.formUnion(.output) }
    return ready
  }

  /// Copies a plain value to where a read wants it.
  ///
  /// - Throws: EFAULT.
  /// - Context: may sleep.
  func copyOut<Value: BitwiseCopyable>(
    _ value: inout Value, to target: TransferMemory
  ) throws(Errno) {
    let size = MemoryLayout<Value>.size
    let copied = withMemoryBlock(over: &value) {
      copy(from: $0, at: 0, byteCount: size, to: target)
    }
    guard copied == size else { throw .EFAULT }
  }
}
