// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import Machine
import MemoryUnits

/// Somebody who is told when the readiness behind a key changes: a task that polls, an entry of
/// an epoll file, or who is sent signals.
///
/// Linux: `wait_queue_entry_t` of a file's wait queue, and `struct fasync_struct`.
struct Watch: HeapObject {
  static var cacheName: StaticString { "eppoll_entry" }
  static var cacheIndex: Int { 60 }

  /// Whom it tells.
  enum Owner: BitwiseCopyable {
    case table(Reference<PollTable>)
    case entry(Reference<EventPollEntry>)
    /// The owner of the open file, by signals.
    case signals(descriptor: UInt32)
  }

  let key: UInt64
  let owner: Owner
  /// What a table's task looks at, which stays open as long.
  let file: Reference<OpenFile>
  /// Among the watches of the key's bucket.
  var hook = ListHook<Watch>()
  /// The next one of the same table.
  var nextOfOwner = Link<Watch>(nil)

  init(_ key: SleepKey, owner: Owner, file: Reference<OpenFile>) {
    self.key = key.value
    self.owner = owner
    self.file = file
  }
}

/// What a task in `poll` or `select` waits for.
///
/// Linux: `struct poll_wqueues`.
public struct PollTable: HeapObject {
  public static var cacheName: StaticString { "poll_wqueues" }
  public static var cacheIndex: Int { 49 }

  /// Something changed since the task last looked.
  var isTriggered = false
  var first = Link<Watch>(nil)
}
