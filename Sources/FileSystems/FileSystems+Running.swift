// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Files that run are not written, and files that are open for writing do not run.
///
/// Linux: `deny_write_access()`, `get_write_access()`, `i_writecount`.
extension FileSystems {
  /// Notes one program more that runs a file.
  ///
  /// - Throws: ETXTBSY of one that is open for writing. Context: any.
  public func beginRunning(_ inode: Reference<Inode>) throws(Errno) {
    guard heap[inode].writerCount == 0 else { throw .ETXTBSY }
    heap[inode].runnerCount += 1
  }

  /// The same, and one holder more, of a file that runs already.
  public func retainRunning(_ inode: Reference<Inode>) {
    retain(inode)
    heap[inode].runnerCount += 1
  }

  /// One program less that runs a file, and one holder less.
  public func endRunning(_ inode: Reference<Inode>) {
    precondition(heap[inode].runnerCount > 0, "a program ended too often")
    heap[inode].runnerCount -= 1
    release(inode)
  }

  /// Notes an opening that may write, where it is one.
  ///
  /// - Returns: whether it is, so that `endWriting` is due.
  /// - Throws: ETXTBSY of a file that runs. Context: any.
  func beginWriting(_ inode: Reference<Inode>, _ flags: OpenFlags) throws(Errno) -> Bool {
    let tree = heap[inode].tree
    guard heap[inode].mode.isRegular, tree == .disk || tree == .memory, flags.mayWrite else {
      return false
    }
    guard heap[inode].runnerCount == 0 else { throw .ETXTBSY }
    heap[inode].writerCount += 1
    return true
  }

  func endWriting(_ inode: Reference<Inode>) {
    precondition(heap[inode].writerCount > 0, "a file was closed too often")
    heap[inode].writerCount -= 1
  }
}
