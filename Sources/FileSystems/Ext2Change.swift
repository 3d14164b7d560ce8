// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Changes of ext2. Who calls these has checked that it may be (rights, kinds, mounts, that the
/// names are there or not), and keeps others from changing names, or the file's contents,
/// meanwhile. What they are given is held by the caller.
extension FileSystems {
  /// Makes a file with a name.
  ///
  /// - Parameter target: of a link: its text.
  /// - Returns: the file, counted for the caller.
  /// - Throws: EROFS, ENOSPC, EMLINK, ENAMETOOLONG for a link's text, EIO, ENOMEM.
  /// - Context: may sleep.
  func diskMake(
    _ name: FileName, in folder: Reference<Inode>, _ new: NewFile, target: MemoryBlock?
  ) throws(Errno) -> Reference<Inode> {
    throw .EROFS
  }

  /// Makes a file without a name. Linux: `ext2_tmpfile()`.
  func diskMakeNameless(
    in folder: Reference<Inode>, _ new: NewFile
  ) throws(Errno) -> Reference<Inode> {
    throw .EROFS
  }

  /// Gives a file one more name.
  func diskLink(
    _ inode: Reference<Inode>, _ name: FileName, in folder: Reference<Inode>
  ) throws(Errno) {
    throw .EROFS
  }

  /// Removes a name that is no folder's.
  func diskRemove(
    _ inode: Reference<Inode>, _ name: FileName, from folder: Reference<Inode>
  ) throws(Errno) {
    throw .EROFS
  }

  /// Removes a folder.
  ///
  /// - Throws: also ENOTEMPTY.
  func diskRemoveFolder(
    _ inode: Reference<Inode>, _ name: FileName, from folder: Reference<Inode>
  ) throws(Errno) {
    throw .EROFS
  }

  /// Moves a name; what stands under the new one loses it.
  ///
  /// - Throws: also ENOTEMPTY where a folder to replace is not empty.
  func diskRename(
    _ move: NameMove, _ inode: Reference<Inode>, replacing target: Reference<Inode>?
  ) throws(Errno) {
    throw .EROFS
  }

  /// Exchanges what two names stand for.
  func diskExchange(
    _ move: NameMove, _ first: Reference<Inode>, _ second: Reference<Inode>
  ) throws(Errno) {
    throw .EROFS
  }

  /// Writes bytes into a file, which grows if need be; nothing of them is more than
  /// `largestByteCount` of its volume.
  ///
  /// - Returns: the bytes written; fewer where the disk is full or the source's memory ends.
  /// - Throws: ENOSPC, EFAULT, EIO, ENOMEM, if nothing was written.
  func diskWrite(
    _ inode: Reference<Inode>, at position: UInt64, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    throw .EROFS
  }

  /// Makes a file end at a byte. Linux: `ext2_setsize()`.
  func diskTruncate(_ inode: Reference<Inode>, to byteCount: UInt64) throws(Errno) {
    throw .EROFS
  }

  /// Takes note that mode, owner or times of an inode have changed in memory.
  ///
  /// Linux: `mark_inode_dirty()`.
  func diskNoteChanged(_ inode: Reference<Inode>) {}

  /// Writes what of a file is in memory only, and waits for it.
  ///
  /// - Throws: EIO. Linux: `ext2_fsync()`.
  func diskSynchronize(_ inode: Reference<Inode>) throws(Errno) {}

  /// Writes what of all files of a disk is in memory only, and waits for it.
  func diskSynchronizeAll(_ volume: MountPlace) throws(Errno) {}

  /// Where the largest file of a disk ends. Linux: `s_maxbytes`.
  func diskLargestByteCount(_ volume: MountPlace) -> UInt64 { 0x20_0000_0000 }

  /// Whether a folder has nothing but its dots.
  func diskIsEmpty(_ folder: Reference<Inode>) throws(Errno) -> Bool { true }
}
