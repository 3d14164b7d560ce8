// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// What the page cache asks of disks when pages are written.
extension FileSystems {
  /// Starts writing frames in a row to blocks in a row. The kernel's
  /// `MemoryEnvironment.startWriting` is this.
  ///
  /// - Context: as `patience` says.
  public func startWriting(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, from first: PageFrameNumber,
    block: UInt32, _ patience: Patience
  ) {
    submit(
      .write, disk: disk(of: file), block: block, frame: first, pageCount: UInt16(pageCount),
      of: file, index: index, patience)
  }
}

/// Writing by and by what nobody asked to be written.
extension FileSystems {
  /// Writes what has been dirty for long, and more where much is dirty.
  ///
  /// - Parameter isPeriodic: whether the time has come that was given last.
  /// - Returns: when to come again; `never` where nothing is dirty: then to be woken.
  /// - Context: the flusher's task; may sleep.
  ///
  /// Linux: `wb_do_writeback()`.
  public func writeBackRound(isPeriodic: Bool) -> VirtualTime {
    // What cannot be freed is lost to the disk, and damage is told to who meets it again.
    _ = try? reapOrphans(of: Disk.scratch)
    let isMany = state.value.disks[Disk.scratch].dirtyInodeCount >= FileSystemState.unusedLimit
    if isPeriodic || isMany { try? storeInodes(of: Disk.scratch) }
    while let file = spaces.oldestDirtyFile, isDue(file) {
      spaces.retain(file)
      spaces.startWriteBack(of: file, .asleep)
      // Those that became dirty behind the writer's back have their time before them.
      spaces.rotateDirtyFile(file)
      spaces.release(file)
    }
    let isClean = spaces.oldestDirtyFile == nil
    guard !isClean || state.value.disks[Disk.scratch].firstDirtyInode.reference != nil else {
      return .never
    }
    return machine.now.advanced(byNanoseconds: environment.memory.value.writeBack.interval)
  }

  private func isDue(_ file: Reference<CachedFile>) -> Bool {
    if spaces.isOverBackground { return true }
    let expiry = environment.memory.value.writeBack.expiry
    return heap[file].dirtiedAt.advanced(byNanoseconds: expiry) <= machine.now
  }
}
