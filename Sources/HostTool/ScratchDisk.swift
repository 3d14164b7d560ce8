// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc
import MemoryUnits

/// The scratch disk of one run: fresh ext2 in a sparse file without a name, so that nothing of it
/// is left however the tool and the emulator end.
///
/// The same size and user give the same bytes.
final class ScratchDisk {
  let size: ByteCount
  let descriptor: Int32

  /// - Parameter folders: where the file may lie; the first that can have it does.
  init(_ size: ByteCount, user: UInt32, folders: [String]) throws(ToolFailure) {
    self.size = ByteCount(size.value & ~(RootDisk.blockBytes - 1))
    descriptor = try Self.makeFile(self.size, folders: folders)
    try makeFileSystem(user: user)
  }

  deinit { close(descriptor) }

  private static func makeFile(_ size: ByteCount, folders: [String]) throws(ToolFailure) -> Int32 {
    for folder in folders {
      // SAFETY: the path is terminated.
      let file = unsafe make_unnamed_file(folder, size.value)
      if file >= 0 { return file }
    }
    // Some file systems know no files without names; memory always does.
    // SAFETY: the name is terminated.
    let file = unsafe make_memory_file("quire-scratch", size.value)
    if file >= 0 { return file }
    throw ToolFailure(
      .failed, "the scratch disk: \(HostError(-file).text)", "give a smaller --disk")
  }

  private func makeFileSystem(user: UInt32) throws(ToolFailure) {
    let maker = try RootDisk.maker()
    // A file for each 16 KiB as mke2fs has it, up to a number that takes no time to clear.
    let inodeCount = min(max(size.value >> 14, 64), 1 << 18)
    let command = [
      "mke2fs", "-q", "-F", "-t", "ext2", "-b", "\(RootDisk.blockBytes)", "-I", "128",
      "-N", "\(inodeCount)", "-m", "0", "-O", "^dir_index,^resize_inode,^ext_attr", "-E",
      "root_owner=\(user):\(user),hash_seed=\(RootDisk.identity),lazy_itable_init=0,nodiscard",
      "-U", RootDisk.identity, "/proc/self/fd/\(descriptor)",
      "\(size.value / RootDisk.blockBytes)",
    ]
    let result = try ChildProcess.run(
      maker, command, environment: RootDisk.makerEnvironment, kept: [descriptor])
    guard result.status == 0 else {
      throw ToolFailure(
        .failed, "the scratch disk: mke2fs: \(result.text)", "give a larger --disk")
    }
  }
}
