// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import LinuxABI
import MemoryUnits

/// Files that are watched together. Linux: `struct eventpoll`.
struct EventPoll: HeapObject {
  static var cacheName: StaticString { "eventpoll" }
  static var cacheIndex: Int { 50 }

  var entries = LinkedList<Reference<EventPollEntry>>()
  /// Entries that may have something to tell, in the order in which it came.
  var ready = LinkedList<Reference<EventPollEntry>>()
  /// A mark for walks through epoll files that watch each other.
  var isVisited = false
}

/// One file that an epoll file watches, under one descriptor. Linux: `struct epitem`.
struct EventPollEntry: HeapObject {
  static var cacheName: StaticString { "eventpoll_epi" }
  static var cacheIndex: Int { 51 }

  let poll: Reference<EventPoll>
  let file: Reference<OpenFile>
  let descriptor: UInt32
  var events: EventPollFlags
  var data: UInt64
  var isReady = false

  var watch = Link<Watch>(nil)
  var hook = ListHook<EventPollEntry>()
  var readyHook = ListHook<EventPollEntry>()
  /// The next entry of any epoll file for the same open file.
  var nextOfFile = Link<EventPollEntry>(nil)

  init(
    _ poll: Reference<EventPoll>, _ file: Reference<OpenFile>, descriptor: UInt32,
    _ event: EventPollEvent
  ) {
    self.poll = poll
    self.file = file
    self.descriptor = descriptor
    events = event.flags.withErrors
    data = event.data
  }
}

/// What is wanted of a file, and how. Linux: the `EPOLL` flags.
public struct EventPollFlags: BitwiseCopyable, Equatable {
  public var rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Once for each change. Linux: `EPOLLET`.
  public var isEdge: Bool { rawValue & 1 << 31 != 0 }
  /// Once, until it is asked for again. Linux: `EPOLLONESHOT`.
  public var isOnce: Bool { rawValue & 1 << 30 != 0 }
  /// For one of those that watch a file. Linux: `EPOLLEXCLUSIVE`.
  public var isExclusive: Bool { rawValue & 1 << 28 != 0 }

  /// What is asked about the file itself.
  var wanted: UInt32 { rawValue & 0x0FFF_FFFF }

  /// Errors and hang-ups are told whether they were asked for or not.
  var withErrors: Self {
    Self(rawValue: rawValue | UInt32(Readiness.error.union(.hangUp).rawValue))
  }

  /// What is left of an entry that has told its one event. Linux: `EP_PRIVATE_BITS`.
  var spent: Self { Self(rawValue: rawValue & 0xF000_0000) }
}

/// What is wanted, and what came with it. Linux: `struct epoll_event`, of 12 bytes.
public struct EventPollEvent: BitwiseCopyable {
  public var flags: EventPollFlags
  public var data: UInt64

  public init(flags: EventPollFlags, data: UInt64) {
    self.flags = flags
    self.data = data
  }
}

/// What `epoll_ctl` does with an entry.
public enum EventPollChange: BitwiseCopyable {
  case add(EventPollEvent)
  case modify(EventPollEvent)
  case remove
  /// Linux has no such operation.
  case unknown
}
