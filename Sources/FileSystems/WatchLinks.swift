// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits

/// The links among the watches of one bucket.
struct WatchLinks<Hardware: Machine>: ListHooks {
  let heap: ObjectHeap<Hardware>

  func hook(of node: Reference<Watch>) -> ListHook<Watch> { heap[node].hook }
  func withHook(of node: Reference<Watch>, _ body: (inout ListHook<Watch>) -> Void) {
    body(&heap[node].hook)
  }
}

/// The links among the entries of one epoll file.
struct EntryLinks<Hardware: Machine>: ListHooks {
  let heap: ObjectHeap<Hardware>

  func hook(of node: Reference<EventPollEntry>) -> ListHook<EventPollEntry> { heap[node].hook }
  func withHook(
    of node: Reference<EventPollEntry>, _ body: (inout ListHook<EventPollEntry>) -> Void
  ) {
    body(&heap[node].hook)
  }
}

/// The links among the entries of one epoll file that may have something to tell.
struct ReadyLinks<Hardware: Machine>: ListHooks {
  let heap: ObjectHeap<Hardware>

  func hook(of node: Reference<EventPollEntry>) -> ListHook<EventPollEntry> { heap[node].readyHook }
  func withHook(
    of node: Reference<EventPollEntry>, _ body: (inout ListHook<EventPollEntry>) -> Void
  ) {
    body(&heap[node].readyHook)
  }
}
