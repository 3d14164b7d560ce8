// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats

/// The translations and tables that one CPU remembers, as stale as hardware may leave them.
///
/// An entry stays until it is flushed, pushed out by another, or forgotten at random; nothing
/// that the kernel writes into a page table changes it.
struct TranslationCache: Sendable {
  struct Entry: Sendable {
    var page: UInt64
    var shift: UInt64
    var frame: PageFrameNumber
    var protection: Protection
    var isDirty: Bool

    /// The frames from the first on that this entry reaches.
    var frameCount: UInt32 { 1 << UInt32(shift - PageSize.base.shift) }
  }

  private struct Key: Hashable { let page: UInt64, shift: UInt64 }
  private struct TableKey: Hashable { let prefix: UInt64, level: Int }

  private let capacity: Int
  private var entries: [Entry] = []
  /// Only looked up, never walked, so its order decides nothing.
  private var places: [Key: Int] = [:]
  private var userCounts: [UInt32: Int] = [:]
  private var largeUserCount = 0
  private var tables: [TableKey: PageFrameNumber] = [:]

  init(capacity: Int) { self.capacity = max(capacity, 1) }

  var count: Int { entries.count }

  func entry(at address: VirtualAddress, shift: UInt64) -> Entry? {
    places[Key(page: address.value >> shift, shift: shift)].map { entries[$0] }
  }

  mutating func insert(_ entry: Entry, generator: inout SeededGenerator) {
    remove(page: entry.page, shift: entry.shift)
    if entries.count == capacity || (!entries.isEmpty && generator.oneIn(64)) {
      removeEntry(at: generator.number(below: entries.count))
    }
    places[Key(page: entry.page, shift: entry.shift)] = entries.count
    entries.append(entry)
    count(entry, by: 1)
  }

  mutating func remove(page: UInt64, shift: UInt64) {
    guard let place = places[Key(page: page, shift: shift)] else { return }
    removeEntry(at: place)
  }

  /// Forgets what an address-wise flush forgets: its translations, and all tables.
  mutating func flush(_ address: VirtualAddress, shifts: [UInt64]) {
    for shift in shifts { remove(page: address.value >> shift, shift: shift) }
    tables.removeAll(keepingCapacity: true)
  }

  /// Forgets all that is not global, and all tables.
  mutating func flushSpace() {
    let global = entries.filter { $0.protection.contains(.global) }
    flushEverything()
    for entry in global {
      places[Key(page: entry.page, shift: entry.shift)] = entries.count
      entries.append(entry)
      count(entry, by: 1)
    }
  }

  mutating func flushEverything() {
    entries.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    userCounts.removeAll(keepingCapacity: true)
    tables.removeAll(keepingCapacity: true)
    largeUserCount = 0
  }

  // Tables on the way to a translation. x86: the paging-structure caches.

  /// The remembered table of a level on the way to an address.
  func table(level: Int, shift: UInt64, for address: VirtualAddress) -> PageFrameNumber? {
    tables[TableKey(prefix: address.value >> shift, level: level)]
  }

  mutating func remember(
    table: PageFrameNumber, level: Int, shift: UInt64, for address: VirtualAddress
  ) {
    tables[TableKey(prefix: address.value >> shift, level: level)] = table
  }

  // What is remembered

  /// Whether a user translation or a remembered table leads to any of these frames.
  func reachesFromUser(_ frames: Range<UInt32>) -> Bool {
    if !userCounts.isEmpty, frames.contains(where: { userCounts[$0] != nil }) { return true }
    if largeUserCount > 0, entries.contains(where: { isUser($0) && overlaps($0, frames) }) {
      return true
    }
    return tables.contains { frames.contains($0.value.value) }
  }

  /// Whether any translation or remembered table leads to any of these frames.
  func reaches(_ frames: Range<UInt32>) -> Bool {
    entries.contains { overlaps($0, frames) }
      || tables.contains { frames.contains($0.value.value) }
  }

  private func overlaps(_ entry: Entry, _ frames: Range<UInt32>) -> Bool {
    entry.frame.value < frames.upperBound
      && frames.lowerBound < entry.frame.value + entry.frameCount
  }

  private func isUser(_ entry: Entry) -> Bool { entry.protection.contains(.user) }

  private mutating func removeEntry(at place: Int) {
    let entry = entries[place]
    places[Key(page: entry.page, shift: entry.shift)] = nil
    count(entry, by: -1)
    let last = entries.removeLast()
    if place < entries.count {
      entries[place] = last
      places[Key(page: last.page, shift: last.shift)] = place
    }
  }

  private mutating func count(_ entry: Entry, by step: Int) {
    guard isUser(entry) else { return }
    if entry.frameCount > 1 {
      largeUserCount += step
      return
    }
    let sum = userCounts[entry.frame.value, default: 0] + step
    userCounts[entry.frame.value] = sum == 0 ? nil : sum
  }
}
