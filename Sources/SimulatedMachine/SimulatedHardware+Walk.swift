// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageTableFormats

/// Who accesses memory.
public enum Privilege: Sendable { case user, kernel }

/// Why an access did not happen. x86: the bits of the page fault's error code.
public enum AccessFault: Error, Equatable, Sendable {
  /// No entry maps the address.
  case missing
  /// The entry forbids it, write protection, SMEP and SMAP included.
  case rights
  /// The entry, or a table, lies beyond RAM.
  case reserved
  /// No such address: not a page fault but, on x86, a general protection fault.
  case notCanonical
}

extension SimulatedHardware {
  /// An access as the CPU does it: by its cached translation, however stale, or else by a walk
  /// that sets the accessed and dirty bits and is cached.
  ///
  /// A forbidden access forgets the translation that forbade it, as x86 does, so that a fault
  /// on a stale translation is met once.
  func access(
    _ address: VirtualAddress, _ kind: Trap.Access, by privilege: Privilege, on cpu: Int
  ) throws(AccessFault) -> PhysicalAddress {
    let outcome: Result<PhysicalAddress, AccessFault> = state.withLock { state in
      state.spend(.look)
      if let cached = cached(address, &state.processors[cpu]) {
        guard allows(cached.protection, kind, by: privilege) else {
          state.processors[cpu].translations.remove(page: cached.page, shift: cached.shift)
          return .failure(.rights)
        }
        if kind != .write || cached.isDirty { return .success(target(cached, address)) }
      }
      do throws(AccessFault) {
        let entry = try walk(address, kind, by: privilege, on: cpu, &state)
        return .success(target(entry, address))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }

  private func cached(
    _ address: VirtualAddress, _ processor: inout HardwareState.Processor
  ) -> TranslationCache.Entry? {
    for level in 0..<Format.levelCount {
      let shift = Format.pageSize(level: level).shift
      if let entry = processor.translations.entry(at: address, shift: shift) { return entry }
    }
    return nil
  }

  private func target(
    _ entry: TranslationCache.Entry, _ address: VirtualAddress
  ) -> PhysicalAddress {
    entry.frame.address + ByteCount(address.value & ((1 << entry.shift) - 1))
  }

  private func allows(
    _ protection: Protection, _ kind: Trap.Access, by privilege: Privilege
  ) -> Bool {
    guard protection.contains(.user) == (privilege == .user) else { return false }
    return switch kind {
    case .read: protection.contains(.read)
    case .write: protection.contains(.write)
    case .execute: protection.contains(.execute)
    }
  }

  private func walk(
    _ address: VirtualAddress, _ kind: Trap.Access, by privilege: Privilege, on cpu: Int,
    _ state: inout HardwareState
  ) throws(AccessFault) -> TranslationCache.Entry {
    state.spend(.walk)
    guard Format.canonical(address.value) == address else { throw .notCanonical }
    guard let root = state.processors[cpu].root else { throw .missing }
    var (table, level) = start(address, root, state.processors[cpu].translations)
    while true {
      let place = try entryAddress(address, table: table, level: level)
      let raw = loadEntry(place)
      switch Format.decode(raw, level: level) {
      case .empty, .software: throw .missing
      case .table(let next):
        guard level > 0 else { throw .reserved }
        table = next
        level -= 1
        state.processors[cpu].translations.remember(
          table: table, level: level, shift: Format.pageSize(level: level + 1).shift,
          for: address)
      case .leaf(let leaf):
        guard leaf.protection.isAccessible else { throw .missing }
        guard allows(leaf.protection, kind, by: privilege) else { throw .rights }
        let size = Format.pageSize(level: level)
        guard leaf.frame.address.value + size.bytes <= UInt64(memory.byteCount) else {
          throw .reserved
        }
        storeEntry(Format.marking(raw, kind == .write ? .written : .read), at: place)
        let entry = TranslationCache.Entry(
          page: address.value >> size.shift, shift: size.shift, frame: leaf.frame,
          protection: leaf.protection, isDirty: leaf.isDirty || kind == .write)
        state.processors[cpu].translations.insert(entry, generator: &state.generator)
        return entry
      }
    }
  }

  /// The lowest remembered table on the way, or the root.
  private func start(
    _ address: VirtualAddress, _ root: PageFrameNumber, _ cache: TranslationCache
  ) -> (PageFrameNumber, Int) {
    for level in 0..<Format.levelCount - 1 {
      let shift = Format.pageSize(level: level + 1).shift
      if let table = cache.table(level: level, shift: shift, for: address) {
        return (table, level)
      }
    }
    return (root, Format.levelCount - 1)
  }

  /// What the tables say now, caches aside, changing nothing.
  func translate(
    _ address: VirtualAddress, root: PageFrameNumber
  ) -> (leaf: DecodedEntry.Leaf, level: Int)? {
    var table = root
    for level in stride(from: Format.levelCount - 1, through: 0, by: -1) {
      guard let place = try? entryAddress(address, table: table, level: level) else {
        return nil
      }
      switch Format.decode(loadEntry(place), level: level) {
      case .empty, .software: return nil
      case .leaf(let leaf): return (leaf, level)
      case .table(let next): table = next
      }
    }
    return nil
  }

  private func entryAddress(
    _ address: VirtualAddress, table: PageFrameNumber, level: Int
  ) throws(AccessFault) -> Int {
    let index = Format.index(of: address, level: level)
    let place = Int(table.address.value) + index * Format.entryByteCount
    guard place + Format.entryByteCount <= memory.byteCount else { throw .reserved }
    return place
  }

  private func loadEntry(_ place: Int) -> UInt64 {
    Format.entryByteCount == 4
      ? UInt64(memory.all.load(UInt32.self, at: place))
      : memory.all.load(UInt64.self, at: place)
  }

  private func storeEntry(_ entry: UInt64, at place: Int) {
    if Format.entryByteCount == 4 {
      memory.all.store(UInt32(truncatingIfNeeded: entry), at: place)
    } else {
      memory.all.store(entry, at: place)
    }
  }
}
