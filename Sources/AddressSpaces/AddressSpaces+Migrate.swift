// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// Why a frame stays where it is.
public enum MigrationRefusal: UInt8, Error, Equatable, Sendable, BitwiseCopyable {
  /// It is no page of a program or of a file: nobody knows who points at it.
  case notMovable = 1
  /// Somebody beside page tables and page cache holds it. Linux: a reference too many, `-EAGAIN`.
  case pinned = 2
  /// Its contents are on their way to or from a disk. Linux: `PG_locked`, `PG_writeback`.
  case underTransfer = 3
  /// There is no frame to move it to. Linux: `-ENOMEM`.
  case outOfMemory = 4
}

/// Moving the contents of a frame to another one, without its users noticing.
///
/// The kernel is not preemptive and only one CPU runs programs: between the look at a frame and
/// the last entry that leads to the new one nobody else runs, so entries go from the old frame to
/// the new one in one step each, and none says "wait" meanwhile. What is on its way to or from a
/// disk is refused, since the disk would not notice.
///
/// Linux: `migrate_pages()`, `try_to_migrate()`, `folio_migrate_mapping()`,
/// `remove_migration_ptes()`.
extension AddressSpaces {
  /// What keeps a frame from being moved now; nil where nothing does.
  ///
  /// - Precondition: the frame is the first of a block in use.
  /// - Context: any.
  public func obstacle(toMoving frame: PageFrameNumber) -> MigrationRefusal? {
    let descriptor = frames.table[frame]
    let entries = descriptor.mappings
    switch descriptor.kind {
    case .anonymous:
      guard descriptor.order == .zero, entries > 0 else { return .notMovable }
      return descriptor.references == entries ? nil : .pinned
    case .file:
      guard descriptor.order == .zero, let file = Link<CachedFile>(raw: descriptor.owner).reference
      else { return .notMovable }
      let busy = FrameFlags.locked.union(.writeback)
      guard descriptor.flags.isDisjoint(with: busy) else { return .underTransfer }
      guard descriptor.references == entries + 1,
        heap[file].pages.entry(at: descriptor.index, in: nodes) == frame.value
      else { return .pinned }
      return nil
    default: return .notMovable
    }
  }

  /// Moves a frame's contents and all its users to a frame that is looked for.
  ///
  /// - Returns: where it is now. The old frame is free.
  /// - Throws: why it stays; nothing has changed then.
  /// - Context: may reclaim; does not sleep.
  public func migrate(
    _ frame: PageFrameNumber
  ) throws(MigrationRefusal) -> PageFrameNumber {
    do throws(MigrationRefusal) {
      return try moved(frame)
    } catch {
      memory.value.migration.failedCount += 1
      throw error
    }
  }

  private func moved(_ frame: PageFrameNumber) throws(MigrationRefusal) -> PageFrameNumber {
    if let obstacle = obstacle(toMoving: frame) { throw obstacle }
    var request = frameRequest(frames.table[frame].kind, content: .uninitialized)
    // Nobody is killed for it. Linux: `alloc_migration_target()` of `alloc_contig_range()`.
    request.flags.formUnion(.ratherFails.union(.quiet))
    let target: PageFrameNumber
    do {
      target = try frames.allocate(request, relief: environment).surrender()
    } catch {
      throw .outOfMemory
    }
    // Relief may have dropped it, or begun to write it.
    if let obstacle = obstacle(toMoving: frame) {
      _ = frames.release(target)
      throw obstacle
    }
    move(frame, to: .adopt(target))
    return target
  }

  /// Moves a frame's contents and all its users to another frame.
  ///
  /// - Precondition: `obstacle` finds none; the target is of the same kind.
  /// - Complexity: O(areas that may map it · log).
  /// - Context: any; does not sleep.
  public func move(_ frame: PageFrameNumber, to block: consuming FrameBlock) {
    let target = block.surrender()
    copyBytes(from: frame, to: target)
    frames.assign(
      target, kind: frames.table[frame].kind, owner: frames.table[frame].owner,
      index: frames.table[frame].index)
    if frames.table[frame].kind == .file { replaceInCache(frame, by: target) }
    forEachPlace(of: frame) { space, page in
      var cursor = tables.cursor(heap[space].root, at: page.address)
      guard case .leaf(let leaf) = cursor.entry, leaf.frame == frame else { return }
      redirect(leaf, to: target, &cursor)
      machine.flush(.page(page.address))
      frames.unmapped(frame, at: page, space: space.raw)
      frames.mapped(target, at: page, space: space.raw)
    }
    precondition(frames.table[frame].mappings == 0, "a place that the reverse map does not know")
    frames.passOn(from: frame, to: target)
    record(.frameMigrated, frame: frame.value, owner: target.value)
    memory.value.migration.succeededCount += 1
    _ = frames.release(frame)
  }

  /// Makes an entry lead to another frame with the same rights and marks.
  private func redirect(
    _ leaf: DecodedEntry.Leaf, to target: PageFrameNumber,
    _ cursor: inout PageTableCursor<Environment.Hardware>
  ) {
    let mark: AccessMark? = leaf.isDirty ? .written : leaf.isAccessed ? .read : nil
    cursor.replace(target, leaf.protection, mark: mark)
    if leaf.isDirty, !leaf.isAccessed { _ = cursor.clearAccessed() }
  }

  /// Puts a frame in another's place in its file's table and in the list of file pages; marks
  /// stay.
  private func replaceInCache(_ frame: PageFrameNumber, by target: PageFrameNumber) {
    let descriptor = frames.table[frame]
    guard let file = Link<CachedFile>(raw: descriptor.owner).reference else {
      preconditionFailure("a page of no file")
    }
    do {
      _ = try heap[file].pages.insert(target.value, at: descriptor.index, in: nodes)
    } catch {
      preconditionFailure("an entry that was there is gone")
    }
    let isListed = !frames.table[frame].flags.contains(.unevictable)
    if heap[file].backing == .disk, isListed { replaceFilePage(frame, by: target) }
  }
}

/// What came of moving frames, since boot. Linux: `pgmigrate_success`, `pgmigrate_fail`.
public struct MigrationCounts: BitwiseCopyable, Sendable {
  public internal(set) var succeededCount: UInt64 = 0
  public internal(set) var failedCount: UInt64 = 0

  public init() {}
}
