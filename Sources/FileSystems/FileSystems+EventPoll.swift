// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Files that are watched together.
///
/// Linux: `fs/eventpoll.c`.
extension FileSystems {
  private var entryLinks: EntryLinks<Environment.Hardware> { EntryLinks(heap: heap) }
  private var readyLinks: ReadyLinks<Environment.Hardware> { ReadyLinks(heap: heap) }

  /// An epoll file that watches nothing yet. Linux: `epoll_create1`.
  ///
  /// - Throws: ENOMEM.
  public func makeEventPoll() throws(Errno) -> Reference<OpenFile> {
    let poll = try allocate(EventPoll())
    do {
      return try openSpecial(.eventPoll, poll.raw, flags: .readWrite)
    } catch {
      heap.free(poll)
      throw error
    }
  }

  func eventPoll(of file: Reference<OpenFile>) -> Reference<EventPoll>? {
    guard case .special(.eventPoll) = heap[file].behaviour else { return nil }
    return Reference(raw: heap[file].attachment)
  }

  // Control

  /// Linux: `epoll_ctl`.
  ///
  /// - Throws: EPERM of a file that is always ready, EINVAL, EEXIST, ENOENT, ELOOP, ENOMEM.
  public func change(
    _ file: Reference<OpenFile>, _ change: EventPollChange, of target: Reference<OpenFile>,
    descriptor: UInt32
  ) throws(Errno) {
    guard canPoll(target) else { throw .EPERM }
    guard file != target, let poll = eventPoll(of: file) else { throw .EINVAL }
    let found = entry(of: poll, target, descriptor)
    switch change {
    case .add(let event):
      try checkExclusive(event.flags, target)
      if let other = eventPoll(of: target) {
        guard !reaches(other, poll, depth: 0) else { throw .ELOOP }
      }
      guard found == nil else { throw .EEXIST }
      try add(event, target, descriptor, to: poll)
    case .modify(let event):
      guard !event.flags.isExclusive else { throw .EINVAL }
      guard let found else { throw .ENOENT }
      guard !heap[found].events.isExclusive else { throw .EINVAL }
      heap[found].events = event.flags.withErrors
      heap[found].data = event.data
      noteIfReady(found)
    case .remove:
      guard let found else { throw .ENOENT }
      remove(found)
    case .unknown: throw .EINVAL
    }
  }

  /// Linux: `EPOLLEXCLUSIVE_OK_BITS`.
  private func checkExclusive(
    _ flags: EventPollFlags, _ target: Reference<OpenFile>
  ) throws(Errno) {
    guard flags.isExclusive else { return }
    guard flags.rawValue & ~0xB000_015D == 0, eventPoll(of: target) == nil else { throw .EINVAL }
  }

  /// Linux: `file_can_poll()`.
  private func canPoll(_ file: Reference<OpenFile>) -> Bool {
    switch heap[file].behaviour {
    case .pipe, .socket, .special, .standardInput, .standardOutput, .standardError: true
    // /dev/random can be polled, /dev/urandom cannot.
    case .random: heap[heap[file].inode].device.minor == 8
    default: false
    }
  }

  /// Whether an epoll file watches another, directly or through others; too long a way counts.
  ///
  /// Linux: `ep_loop_check()`.
  private func reaches(
    _ poll: Reference<EventPoll>, _ target: Reference<EventPoll>, depth: Int
  ) -> Bool {
    if poll == target || depth > 4 { return true }
    var next = heap[poll].entries.first
    while let entry = next {
      next = heap[entry].hook.next.reference
      if let inner = eventPoll(of: heap[entry].file),
        reaches(inner, target, depth: depth + 1)
      {
        return true
      }
    }
    return false
  }

  private func entry(
    of poll: Reference<EventPoll>, _ file: Reference<OpenFile>, _ descriptor: UInt32
  ) -> Reference<EventPollEntry>? {
    var next = heap[file].firstEntry.reference
    while let entry = next {
      if heap[entry].poll == poll, heap[entry].descriptor == descriptor { return entry }
      next = heap[entry].nextOfFile.reference
    }
    return nil
  }

  private func add(
    _ event: EventPollEvent, _ file: Reference<OpenFile>, _ descriptor: UInt32,
    to poll: Reference<EventPoll>
  ) throws(Errno) {
    let entry = try allocate(EventPollEntry(poll, file, descriptor: descriptor, event))
    do {
      heap[entry].watch = Link(try makeWatch(on: file, for: .entry(entry)))
    } catch {
      heap.free(entry)
      throw error
    }
    heap[poll].entries.pushBack(entry, in: entryLinks)
    heap[entry].nextOfFile = heap[file].firstEntry
    heap[file].firstEntry = Link(entry)
    noteIfReady(entry)
  }

  private func remove(_ entry: Reference<EventPollEntry>) {
    let poll = heap[entry].poll
    let file = heap[entry].file
    if let watch = heap[entry].watch.reference { freeWatch(watch) }
    if heap[entry].isReady { heap[poll].ready.remove(entry, in: readyLinks) }
    heap[poll].entries.remove(entry, in: entryLinks)
    if heap[file].firstEntry.reference == entry {
      heap[file].firstEntry = heap[entry].nextOfFile
    } else {
      var next = heap[file].firstEntry.reference
      while let candidate = next {
        next = heap[candidate].nextOfFile.reference
        if next == entry { heap[candidate].nextOfFile = heap[entry].nextOfFile }
      }
    }
    heap.free(entry)
  }

  /// A file goes: nobody watches it any more. Linux: `eventpoll_release()`.
  func removeEntries(of file: Reference<OpenFile>) {
    while let entry = heap[file].firstEntry.reference { remove(entry) }
  }

  func freeEventPoll(_ poll: Reference<EventPoll>) {
    while let entry = heap[poll].entries.first { remove(entry) }
    heap.free(poll)
  }

  // Readiness

  private func eventsNow(_ entry: Reference<EventPollEntry>) -> UInt32 {
    UInt32(readiness(of: heap[entry].file).rawValue) & heap[entry].events.wanted
  }

  private func noteIfReady(_ entry: Reference<EventPollEntry>) {
    if eventsNow(entry) != 0 { makeReady(entry) }
  }

  /// Linux: `ep_poll_callback()`.
  func noteReady(_ entry: Reference<EventPollEntry>, _ events: Readiness) {
    guard heap[entry].events.wanted & UInt32(events.rawValue) != 0 else { return }
    makeReady(entry)
  }

  private func makeReady(_ entry: Reference<EventPollEntry>) {
    let poll = heap[entry].poll
    if !heap[entry].isReady {
      heap[entry].isReady = true
      heap[poll].ready.pushBack(entry, in: readyLinks)
    }
    environment.wake(waitKey(poll))
    // Another epoll file may watch this one; cycles were refused.
    readinessChanged(readyKey(poll), .input.union(.normalInput))
  }

  private func waitKey(_ poll: Reference<EventPoll>) -> SleepKey { .object(poll.raw, channel: 4) }

  func readyKey(_ poll: Reference<EventPoll>) -> SleepKey {
    .object(poll.raw, channel: Self.readinessChannel)
  }

  /// Linux: `ep_eventpoll_poll()`.
  func eventPollReadiness(_ poll: Reference<EventPoll>) -> Readiness {
    var next = heap[poll].ready.first
    while let entry = next {
      if eventsNow(entry) != 0 { return .input.union(.normalInput) }
      next = heap[entry].readyHook.next.reference
    }
    return Readiness()
  }

  /// Hands over what is ready now, up to a number; what is ready by level stays so.
  ///
  /// - Throws: what the body throws, if it refused the first event.
  /// - Context: may sleep, in the body.
  ///
  /// Linux: `ep_send_events()`.
  public func takeEvents(
    of file: Reference<OpenFile>, atMost limit: Int,
    _ body: (Int, EventPollEvent) throws(Errno) -> Void
  ) throws(Errno) -> Int {
    guard let poll = eventPoll(of: file) else { throw .EINVAL }
    var taken = 0
    var left = heap[poll].ready.count
    while left > 0, taken < limit, let entry = heap[poll].ready.popFront(in: readyLinks) {
      left -= 1
      heap[entry].isReady = false
      let events = eventsNow(entry)
      guard events != 0 else { continue }
      let flags = heap[entry].events
      let data = heap[entry].data
      if flags.isOnce {
        heap[entry].events = flags.spent
      } else if !flags.isEdge {
        heap[entry].isReady = true
        heap[poll].ready.pushBack(entry, in: readyLinks)
      }
      // The entry may be gone once the body has slept.
      do {
        try body(taken, EventPollEvent(flags: EventPollFlags(rawValue: events), data: data))
      } catch {
        if taken > 0 { return taken }
        throw error
      }
      taken += 1
    }
    return taken
  }

  /// Sleeps until something may be ready; false for a signal. Context: may sleep.
  public func waitForEvents(of file: Reference<OpenFile>) -> Bool {
    guard let poll = eventPoll(of: file) else { return true }
    return environment.sleepInterruptibly(on: waitKey(poll))
  }
}
