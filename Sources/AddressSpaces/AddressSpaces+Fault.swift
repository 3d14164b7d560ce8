// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

extension AddressSpaces {
  /// Makes an access of a program possible, or says which signal it deserves.
  ///
  /// trap → area → rights → what the entry says now → frames → page table → retry the access.
  ///
  /// - Context: may sleep, to read a file's page.
  /// - Complexity: O(log areas) and one page.
  ///
  /// Linux: `handle_mm_fault()`.
  public func handleFault(
    in space: Reference<AddressSpace>, at address: VirtualAddress, access: FaultAccess
  ) -> FaultOutcome {
    memory.value.faultCount += 1
    let outcome = attempt(in: space, at: address, access: access)
    if case .signal(let number, let code, let culprit) = outcome {
      record(.faultRefused, detail: UInt16(number) << 8 | UInt16(code), value: culprit.value)
    }
    return outcome
  }

  private func attempt(
    in space: Reference<AddressSpace>, at address: VirtualAddress, access: FaultAccess
  ) -> FaultOutcome {
    guard address < Format.userLimit else { return MemorySignal.unmapped(address) }
    var isMajor = false
    while true {
      guard let area = area(in: space, at: address.page)
        ?? grownStack(in: space, to: address.page)
      else { return MemorySignal.unmapped(address) }
      guard allows(heap[area].protection, access) else {
        return MemorySignal.forbidden(address)
      }
      // Private pages are not the disk's. Linux: `fault_dirty_shared_page()`.
      let isSharedWrite = access == .write && !heap[area].isPrivate
      do {
        let step = try resolve(
          Fault(space: space, area: area, address: address, access: access, isMajor: isMajor))
        switch step {
        case .done:
          if isMajor {
            heap[space].majorFaultCount += 1
            memory.value.majorFaultCount += 1
          } else {
            heap[space].minorFaultCount += 1
          }
          if isSharedWrite, memory.value.dirtyPageCount > .zero { throttleWriter() }
          return .resolved
        case .sleptForDisk: isMajor = true
        case .slept: break
        case .beyondFile: return MemorySignal.beyondFile(address)
        }
      } catch .outOfMemory {
        return .outOfMemory
      } catch {
        return MemorySignal.beyondFile(address)
      }
    }
  }

  /// Whether an area's rights allow an access; on x86 what may be written or run may be read.
  func allows(_ protection: Protection, _ access: FaultAccess) -> Bool {
    switch access {
    case .write: protection.contains(.write)
    case .execute: protection.contains(.execute)
    case .read: !protection.isDisjoint(with: .read.union(.write).union(.execute))
    }
  }

  /// The decision table.
  private func resolve(_ fault: Fault) throws(MemoryError) -> FaultStep {
    var cursor = tables.cursor(heap[fault.space].root, at: fault.page.address)
    switch cursor.entry {
    case .empty:
      // Linux: `check_stable_address_space()`.
      if heap[fault.space].isReaped { return .beyondFile }
      if let file = heap[fault.area].file.reference {
        return try mapFilePage(fault, of: file)
      }
      return fault.access == .write
        ? try mapFreshPage(fault, &cursor) : try mapZeroPage(fault, &cursor)
    case .leaf(let leaf):
      guard fault.access == .write, !leaf.protection.contains(.write) else {
        machine.flush(.page(fault.page.address))
        record(.faultSpurious, frame: leaf.frame.value, value: fault.address.value)
        return .done
      }
      return try makeWritable(fault, leaf, &cursor)
    case .software, .table:
      // Neither swap nor migration exists yet, and a cursor never shows a table.
      preconditionFailure("an entry that nobody writes")
    }
  }

  /// A write to an untouched private page. Linux: `do_anonymous_page()`.
  private func mapFreshPage(
    _ fault: Fault, _ cursor: inout PageTableCursor<Environment.Hardware>
  ) throws(MemoryError) -> FaultStep {
    let region = try ensureRegion(of: fault.area)
    let frame = try allocateFrame(.anonymous, content: .zeroed)
    do {
      try prepare(&cursor)
    } catch {
      _ = frames.release(frame)
      throw error
    }
    enter(fault, anonymous: frame, region: region, &cursor)
    record(.faultDemandZero, frame: frame.value, value: fault.address.value)
    return .done
  }

  /// A read of an untouched private page: all of them see one frame of zeros.
  private func mapZeroPage(
    _ fault: Fault, _ cursor: inout PageTableCursor<Environment.Hardware>
  ) throws(MemoryError) -> FaultStep {
    try prepare(&cursor)
    let rights = userRights(heap[fault.area].protection)
    put(memory.value.zeroFrame, rights.subtracting(.write).union(.uncounted), &cursor)
    record(.faultZeroPage, value: fault.address.value)
    return .done
  }

  /// A write to a page that is mapped read-only. Linux: `do_wp_page()`.
  private func makeWritable(
    _ fault: Fault, _ leaf: DecodedEntry.Leaf,
    _ cursor: inout PageTableCursor<Environment.Hardware>
  ) throws(MemoryError) -> FaultStep {
    let page = fault.page.address
    if !heap[fault.area].isPrivate {
      if let file = heap[fault.area].file.reference, needsNote(leaf.frame, of: file) {
        return try noteWrite(to: leaf.frame, of: file, heap[fault.area].index(of: fault.page))
      }
      cursor.protect(userRights(heap[fault.area].protection))
      memory.value.reuseCount &+= 1
      machine.flush(.page(page))
      record(.faultMakeWritable, frame: leaf.frame.value, value: fault.address.value)
      return .done
    }
    let isZero = leaf.protection.contains(.uncounted)
    if !isZero, frames.table[leaf.frame].kind == .anonymous,
      frames.table[leaf.frame].references == 1
    {
      frames.table[leaf.frame].flags.insert(.exclusive)
      cursor.protect(userRights(heap[fault.area].protection))
      memory.value.reuseCount &+= 1
      machine.flush(.page(page))
      record(.faultReuse, frame: leaf.frame.value, value: fault.address.value)
      return .done
    }
    return try copyOnWrite(fault, leaf, isZero: isZero, &cursor)
  }

  private func copyOnWrite(
    _ fault: Fault, _ leaf: DecodedEntry.Leaf, isZero: Bool,
    _ cursor: inout PageTableCursor<Environment.Hardware>
  ) throws(MemoryError) -> FaultStep {
    // Reclaim may take the old frame out of the table while the new one is looked for.
    if !isZero { frames.retain(leaf.frame) }
    defer { if !isZero { _ = frames.release(leaf.frame) } }
    let region = try ensureRegion(of: fault.area)
    let copy = try allocateFrame(.anonymous, content: isZero ? .zeroed : .uninitialized)
    guard case .leaf(let now) = cursor.entry, now.frame == leaf.frame else {
      _ = frames.release(copy)
      return .slept
    }
    if !isZero { copyBytes(from: leaf.frame, to: copy) }
    let page = fault.page.address
    _ = cursor.take()
    // The old translation is forgotten before its frame may be freed or the new one written.
    machine.flush(.page(page))
    if !isZero {
      if heap[fault.area].attributes.contains(.locked) { unlock(leaf.frame) }
      leave(leaf.frame, page: fault.page, space: fault.space)
    }
    enter(fault, anonymous: copy, region: region, &cursor)
    record(.faultCopyOnWrite, frame: copy.value, value: fault.address.value)
    return .done
  }

  /// Maps a new private frame, writable, for the only user that it has.
  func enter(
    _ fault: Fault, anonymous frame: PageFrameNumber, region: Reference<AnonymousRegion>,
    _ cursor: inout PageTableCursor<Environment.Hardware>
  ) {
    frames.assign(
      frame, kind: .anonymous, owner: region.raw, index: heap[fault.area].index(of: fault.page))
    frames.table[frame].flags.insert(.exclusive)
    frames.mapped(frame, at: fault.page, space: fault.space.raw)
    put(frame, userRights(heap[fault.area].protection), &cursor)
    heap[fault.space].anonymousCount += PageCount(1)
    memory.value.anonymousPageCount += PageCount(1)
    if heap[fault.area].attributes.contains(.locked) { lock(frame) }
    notePeak(of: fault.space)
  }

  /// Makes the tables that lead to the cursor's entry, reclaiming if need be.
  @inline(__always)
  func prepare(
    _ cursor: inout PageTableCursor<Environment.Hardware>
  ) throws(MemoryError) {
    if cursor.level > 0 { try makeTables(&cursor) }
  }

  private func makeTables(
    _ cursor: inout PageTableCursor<Environment.Hardware>
  ) throws(MemoryError) {
    while true {
      do {
        try cursor.makeTables()
        return
      } catch {
        let shortfall = Shortfall(order: .zero, zoneLimit: .normal, kind: .pageTable)
        guard case .progress = environment.relieve(shortfall) else { throw .outOfMemory }
      }
    }
  }

  /// Enters a frame where the tables are there already.
  @inline(__always)
  func put(
    _ frame: PageFrameNumber, _ rights: Protection,
    _ cursor: inout PageTableCursor<Environment.Hardware>
  ) {
    do {
      try cursor.set(frame, rights)
    } catch {
      preconditionFailure("the tables were not prepared")
    }
  }

  func userRights(_ protection: Protection) -> Protection { protection.union(.user) }

  func copyBytes(from source: PageFrameNumber, to target: PageFrameNumber) {
    machine.withBytes(of: source) { from in
      machine.withBytes(of: target) { to in
        to.copy(from: from, at: 0, to: 0, byteCount: Int(PageSize.base.bytes))
      }
    }
  }

  @inline(__always)
  func notePeak(of space: Reference<AddressSpace>) {
    let resident = heap[space].residentCount
    if heap[space].peakResidentCount < resident { heap[space].peakResidentCount = resident }
  }
}

/// One fault on its way through the decision table.
struct Fault: BitwiseCopyable {
  let space: Reference<AddressSpace>
  let area: Reference<Area>
  let address: VirtualAddress
  let access: FaultAccess
  /// The page was read from a disk for this fault.
  let isMajor: Bool

  var page: PageNumber { address.page }
}

/// How far one pass of the decision table came.
enum FaultStep {
  case done
  /// The task slept: areas and entries may be others now, so everything is looked up again.
  case slept
  /// … and a disk was read for it.
  case sleptForDisk
  case beyondFile
}
