// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Up to where the users of an open file were told that writing failed.
///
/// Linux: `f_wb_err`, `f_sb_err`.
struct ToldErrors: BitwiseCopyable {
  /// Of the file's own contents.
  var contents = WriteErrorMark()
  /// Of what leads to them, which lies on the disk among what leads to others.
  var device = WriteErrorMark()
  /// Of anything on its disk.
  var volume = WriteErrorMark()
}

/// Telling each open file of a disk once that writing failed.
extension FileSystems {
  /// Where a file that is opened now begins. Linux: `filemap_sample_wb_err()`.
  func startOfErrors(of inode: Reference<Inode>) -> ToldErrors {
    var told = ToldErrors()
    guard heap[inode].tree == .disk else { return told }
    let disk = disk(of: inode)
    if let file = heap[inode].file.reference { told.contents = heap[file].writeErrors.start }
    if let device = state.value.disks[disk].device.reference {
      told.device = heap[device].writeErrors.start
    }
    told.volume = state.value.disks[disk].writeErrors.start
    return told
  }

  /// What of a file is written at once. Linux: the `datasync` of `vfs_fsync()`.
  public enum SynchronizedPart: BitwiseCopyable, Sendable {
    case everything
    /// All but times.
    case data
  }

  /// Writes what of an open file is in memory only, and waits for it.
  ///
  /// - Throws: EIO, once for each open file, also for what failed before; EINVAL.
  /// - Context: may sleep; somebody holds the file. Linux: `vfs_fsync()`.
  public func synchronize(
    _ file: Reference<OpenFile>, _ part: SynchronizedPart = .everything
  ) throws(Errno) {
    let inode = heap[file].inode
    switch part {
    case .everything: try synchronize(inode)
    case .data: try synchronizeData(inode)
    }
    guard heap[inode].tree == .disk else { return }
    let failed = takeContentsError(of: file)
    var mark = heap[file].toldErrors.device
    guard let device = state.value.disks[disk(of: inode)].device.reference else { return }
    let deviceFailed = heap[device].writeErrors.take(since: &mark)
    heap[file].toldErrors.device = mark
    if failed || deviceFailed { throw .EIO }
  }

  /// Whether writing an open file's contents failed since it was told so.
  ///
  /// Linux: `file_check_and_advance_wb_err()`.
  public func takeContentsError(of file: Reference<OpenFile>) -> Bool {
    guard let contents = heap[heap[file].inode].file.reference else { return false }
    var mark = heap[file].toldErrors.contents
    defer { heap[file].toldErrors.contents = mark }
    return spaces.takeWriteError(of: contents, since: &mark)
  }

  /// Writes what of any file of an open file's volume is in memory only, and waits for it.
  ///
  /// - Throws: EIO, once for each open file. Context: as `synchronize`. Linux: `syncfs`.
  public func synchronizeVolume(of file: Reference<OpenFile>) throws(Errno) {
    let inode = heap[file].inode
    try synchronizeAll(heap[inode].volume)
    guard heap[inode].tree == .disk else { return }
    var mark = heap[file].toldErrors.volume
    let failed = state.value.disks[disk(of: inode)].writeErrors.take(since: &mark)
    heap[file].toldErrors.volume = mark
    if failed { throw .EIO }
  }
}
