// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// What the page cache asks of disks when pages are written.
extension FileSystems {
  /// The block of a page of a file, allocated if it has none. The kernel's
  /// `MemoryEnvironment.reserve` is this.
  ///
  /// - Context: may sleep.
  public func reserve(
    _ file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> UInt32 {
    throw .accessDenied
  }

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
  /// - Returns: when to come again; `never` where nothing is dirty: then to be woken.
  /// - Context: the flusher's task; may sleep.
  ///
  /// Linux: `wb_do_writeback()`.
  public func writeBackRound() -> VirtualTime {
    while let file = spaces.oldestDirtyFile, isDue(file) {
      spaces.retain(file)
      spaces.startWriteBack(of: file, .asleep)
      // Those that became dirty behind the writer's back have their time before them.
      spaces.rotateDirtyFile(file)
      spaces.release(file)
    }
    guard spaces.oldestDirtyFile != nil else { return .never }
    return machine.now.advanced(byNanoseconds: environment.memory.value.writeBack.interval)
  }

  private func isDue(_ file: Reference<CachedFile>) -> Bool {
    if spaces.isOverBackground { return true }
    let expiry = environment.memory.value.writeBack.expiry
    return heap[file].dirtiedAt.advanced(byNanoseconds: expiry) <= machine.now
  }
}
