// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Waiting for files to become ready, by the key that each kind of file tells its changes with.
///
/// Linux: `poll_wait()`, `__wake_up()` with a key.
extension FileSystems {
  private var watchLinks: WatchLinks<Environment.Hardware> { WatchLinks(heap: heap) }

  func bucket(of key: UInt64) -> Int {
    Int((key ^ (key >> 6) ^ (key >> 32)) & UInt64(FileSystemState.watchBucketCount - 1))
  }

  /// What an open file tells changes of its readiness with; nil where that never changes.
  func readinessKey(of file: Reference<OpenFile>) -> SleepKey? {
    switch heap[file].behaviour {
    case .pipe:
      guard let pipe = heap[heap[file].inode].pipe.reference else { return nil }
      return .object(pipe.raw, channel: Self.readinessChannel)
    case .socket:
      guard let socket = socket(of: file) else { return nil }
      return readinessKey(socket)
    case .special(let kind): return specialReadinessKey(of: file, kind)
    case .standardInput: return Self.inputKey
    default: return nil
    }
  }

  static var readinessChannel: UInt8 { 0x70 }
  /// Input of the first stream came, where it comes as it likes.
  static var inputKey: SleepKey { .object(0, channel: 0x71) }

  /// Tells those that watch a key that something may be ready now.
  ///
  /// - Parameter events: what may have become ready.
  /// - Context: any; does not sleep.
  func readinessChanged(_ key: SleepKey, _ events: Readiness) {
    let place = bucket(of: key.value)
    var next = state.value.watches[place].first
    while let watch = next {
      next = heap[watch].hook.next.reference
      guard heap[watch].key == key.value else { continue }
      switch heap[watch].owner {
      case .table(let table):
        heap[table].isTriggered = true
        environment.wake(.object(table.raw, channel: Self.readinessChannel))
      case .entry(let entry): noteReady(entry, events)
      case .signals: continue
      }
    }
  }

  /// Begins to watch; nil where the file's readiness never changes.
  ///
  /// - Throws: ENOMEM.
  func makeWatch(
    on file: Reference<OpenFile>, for owner: Watch.Owner
  ) throws(Errno) -> Reference<Watch>? {
    guard let key = readinessKey(of: file) else { return nil }
    let watch = try allocate(Watch(key, owner: owner, file: file))
    state.value.watches[bucket(of: key.value)].pushBack(watch, in: watchLinks)
    return watch
  }

  func freeWatch(_ watch: Reference<Watch>) {
    state.value.watches[bucket(of: heap[watch].key)].remove(watch, in: watchLinks)
    heap.free(watch)
  }

  // Tables of polling tasks

  /// A table for one call that waits for files.
  ///
  /// - Throws: ENOMEM.
  public func makePollTable() throws(Errno) -> Reference<PollTable> {
    try allocate(PollTable())
  }

  /// Lets a table's task be woken by a file, which stays open until the table is freed.
  ///
  /// - Throws: ENOMEM.
  public func watch(
    _ file: Reference<OpenFile>, for table: Reference<PollTable>
  ) throws(Errno) {
    guard let watch = try makeWatch(on: file, for: .table(table)) else { return }
    retain(file)
    heap[watch].nextOfOwner = heap[table].first
    heap[table].first = Link(watch)
  }

  /// Forgets that anything has changed, before a task looks at its files.
  public func beginLook(_ table: Reference<PollTable>) { heap[table].isTriggered = false }

  /// Sleeps until a watched file may have changed since `beginLook`; false for a signal.
  ///
  /// - Context: may sleep; not longer than the task's limit.
  public func waitForChange(_ table: Reference<PollTable>) -> Bool {
    if heap[table].isTriggered { return true }
    return environment.sleepInterruptibly(
      on: .object(table.raw, channel: Self.readinessChannel))
  }

  /// Ends all of a table's watches, and the table.
  public func free(_ table: Reference<PollTable>) {
    var next = heap[table].first.reference
    while let watch = next {
      next = heap[watch].nextOfOwner.reference
      let file = heap[watch].file
      freeWatch(watch)
      release(file)
    }
    heap.free(table)
  }
}
