// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Files that stand for processes: they know which, and nothing else.
///
/// Linux: `pidfd_prepare()`, `fs/pidfs.c`.
extension FileSystems {
  /// An open file for the process of a serial number. Linux: `pidfd_open`.
  ///
  /// - Parameter flags: `nonBlocking` is kept.
  /// - Throws: ENOMEM.
  public func makeProcessHandle(
    _ serial: UInt32, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    try openSpecial(.process, serial, flags: flags.union(.readWrite))
  }

  /// The serial number of the process that a file stands for; nil for another file.
  public func processSerial(of file: Reference<OpenFile>) -> UInt32? {
    guard case .special(.process) = heap[file].behaviour else { return nil }
    return heap[file].attachment
  }

  /// The process whose folder of /proc a file is; nil for another file.
  ///
  /// Linux: `tgid_pidfd_to_pid()`.
  public func processIdentifier(ofFolder file: Reference<OpenFile>) -> UInt32? {
    let inode = heap[file].inode
    guard heap[inode].volume == .processes else { return nil }
    let node = ProcessNode(heap[inode].number)
    return node.file == .process && !node.isThread ? node.process : nil
  }

  static func processKey(_ serial: UInt32) -> SleepKey {
    .object(serial, channel: 0x6E)
  }

  /// A process has ended, or nobody can ask for its status any more.
  ///
  /// - Context: any; does not sleep.
  public func processChanged(_ serial: UInt32) {
    readinessChanged(Self.processKey(serial), .input.union(.normalInput))
  }

  /// How much memory a space has that counts as data. Linux: `mm_struct.data_vm`.
  ///
  /// - Complexity: O(areas).
  public func dataPageCount(of space: Reference<AddressSpace>) -> PageCount {
    areaTotals(of: space).data
  }
}
