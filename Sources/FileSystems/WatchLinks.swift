// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits

/// The links among the watches of one bucket.
struct WatchLinks<Hardware: Machine>: ListLinks {
  let heap: ObjectHeap<Hardware>

  func next(of node: Reference<Watch>) -> Reference<Watch>? { heap[node].next.reference }
  func previous(of node: Reference<Watch>) -> Reference<Watch>? {
    heap[node].previous.reference
  }
  func setNext(of node: Reference<Watch>, to next: Reference<Watch>?) {
    heap[node].next = Link(next)
  }
  func setPrevious(of node: Reference<Watch>, to previous: Reference<Watch>?) {
    heap[node].previous = Link(previous)
  }
}

/// The links among the entries of one epoll file.
struct EntryLinks<Hardware: Machine>: ListLinks {
  let heap: ObjectHeap<Hardware>

  func next(of node: Reference<EventPollEntry>) -> Reference<EventPollEntry>? {
    heap[node].next.reference
  }
  func previous(of node: Reference<EventPollEntry>) -> Reference<EventPollEntry>? {
    heap[node].previous.reference
  }
  func setNext(of node: Reference<EventPollEntry>, to next: Reference<EventPollEntry>?) {
    heap[node].next = Link(next)
  }
  func setPrevious(of node: Reference<EventPollEntry>, to previous: Reference<EventPollEntry>?) {
    heap[node].previous = Link(previous)
  }
}

/// The links among the entries of one epoll file that may have something to tell.
struct ReadyLinks<Hardware: Machine>: ListLinks {
  let heap: ObjectHeap<Hardware>

  func next(of node: Reference<EventPollEntry>) -> Reference<EventPollEntry>? {
    heap[node].readyNext.reference
  }
  func previous(of node: Reference<EventPollEntry>) -> Reference<EventPollEntry>? {
    heap[node].readyPrevious.reference
  }
  func setNext(of node: Reference<EventPollEntry>, to next: Reference<EventPollEntry>?) {
    heap[node].readyNext = Link(next)
  }
  func setPrevious(of node: Reference<EventPollEntry>, to previous: Reference<EventPollEntry>?) {
    heap[node].readyPrevious = Link(previous)
  }
}
