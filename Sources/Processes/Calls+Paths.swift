// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Flags of calls that take paths. Linux: `AT_*`.
enum PathFlag {
  static var noFollow: UInt64 { 0x100 }
  static var removesFolder: UInt64 { 0x200 }
  static var effectiveAccess: UInt64 { 0x200 }
  static var follow: UInt64 { 0x400 }
  static var noAutomount: UInt64 { 0x800 }
  static var emptyPath: UInt64 { 0x1000 }
  /// Linux: `AT_STATX_SYNC_TYPE`.
  static var statusFreshness: UInt64 { 0x6000 }
}

/// The system calls that take paths.
extension Kernel {
  /// Linux: `AT_FDCWD`.
  static var workingFolderNumber: UInt64 { UInt64(bitPattern: -100) }

  /// As whom the running process touches files.
  public var credentials: Credentials {
    let own = identity
    var credentials = Credentials(user: own.user.files, group: own.group.files)
    credentials.groups = own.groups
    credentials.capabilities = own.effective
    credentials.root = heap[current].folder.reference.map { heap[$0].root } ?? Link(nil)
    return credentials
  }

  var folderContext: Reference<FolderContext> {
    guard let folder = heap[current].folder.reference else {
      preconditionFailure("a kernel task has no folder")
    }
    return folder
  }

  /// Runs a body with a path of the program and the folder where it begins, which is held.
  func withPath<Result>(
    _ folder: UInt64, _ address: UInt64,
    _ body: (PathText, Reference<Inode>) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try fileSystems.withPath(at: VirtualAddress(address), in: space) { (path) throws(Errno) in
      let start = try startFolder(folder, for: path)
      fileSystems.retain(start)
      defer { fileSystems.release(start) }
      return try body(path, start)
    }
  }

  private func startFolder(
    _ folder: UInt64, for path: PathText
  ) throws(Errno) -> Reference<Inode> {
    let number = Int32(truncatingIfNeeded: folder)
    if path.isAbsolute || number == -100 { return heap[folderContext].workingFolder }
    let inode = heap[try file(folder)].inode
    guard path.isEmpty || heap[inode].mode.isFolder else { throw .ENOTDIR }
    return inode
  }

  /// As who started the program. Linux: `access_override_creds()`.
  private var realCredentials: Credentials {
    let own = identity
    var credentials = credentials
    credentials.user = own.user.real
    credentials.group = own.group.real
    credentials.capabilities = own.user.real == 0 ? own.permitted : 0
    return credentials
  }

  private func find(
    _ path: PathText, _ start: Reference<Inode>, _ flags: UInt64, _ credentials: Credentials
  ) throws(Errno) -> Reference<Inode> {
    if path.isEmpty && flags & PathFlag.emptyPath != 0 {
      fileSystems.retain(start)
      return start
    }
    let last: LastLink = flags & PathFlag.noFollow != 0 ? .kept : .followed
    return try fileSystems.find(path, from: start, lastLink: last, as: credentials)
  }

  /// Runs a body with the file that a path names, held meanwhile.
  func withInode<Result>(
    _ folder: UInt64, _ address: UInt64, _ flags: UInt64, as somebody: Credentials? = nil,
    _ body: (Reference<Inode>) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try withPath(folder, address) { (path, start) throws(Errno) in
      let inode = try find(path, start, flags, somebody ?? credentials)
      defer { fileSystems.release(inode) }
      return try body(inode)
    }
  }

  /// Linux: `open`, `openat`, `creat`.
  func open(
    _ folder: UInt64, _ path: UInt64, _ flags: UInt64, _ mode: UInt64
  ) throws(Errno) -> UInt64 {
    let flags = OpenFlags(rawValue: UInt32(truncatingIfNeeded: flags))
    let file = try withPath(folder, path) { (path, start) throws(Errno) in
      try fileSystems.open(
        path, from: start, flags: flags, permissions: permissions(mode, 0o7777), as: credentials)
    }
    return try enter(file, closesOnExecute: flags.contains(.closeOnExecute))
  }

  /// Whether a path is empty and that means the descriptor itself. Linux: `AT_EMPTY_PATH`.
  private func isEmptyPath(
    _ folder: UInt64, _ path: UInt64, _ flags: UInt64
  ) throws(Errno) -> Bool {
    guard flags & PathFlag.emptyPath != 0, Int32(truncatingIfNeeded: folder) >= 0 else {
      return false
    }
    if path == 0 { return true }
    let first: UInt8 = try load(at: path)
    return first == 0
  }

  /// Linux: `stat`, `lstat`, `newfstatat`.
  func status(
    _ folder: UInt64, _ path: UInt64, _ result: UInt64, _ flags: UInt64
  ) throws(Errno) -> UInt64 {
    let allowed = PathFlag.noFollow | PathFlag.noAutomount | PathFlag.emptyPath
    guard flags & ~allowed & 0xFFFF_FFFF == 0 else { throw .EINVAL }
    if try isEmptyPath(folder, path, flags) {
      return try fileStatus(folder, result)
    }
    let status = try withInode(folder, path, flags) { (inode) throws(Errno) in
      try fileSystems.status(of: inode)
    }
    try store(status, at: result)
    return 0
  }

  /// Linux: `fstat`.
  func fileStatus(_ descriptor: UInt64, _ result: UInt64) throws(Errno) -> UInt64 {
    try store(fileSystems.status(of: file(descriptor)), at: result)
    return 0
  }

  /// Linux: `statx`.
  func extendedStatus(_ call: CallArguments) throws(Errno) -> UInt64 {
    let freshness = call.third & PathFlag.statusFreshness
    let allowed =
      PathFlag.noFollow | PathFlag.noAutomount | PathFlag.emptyPath | PathFlag.statusFreshness
    guard call.third & ~allowed & 0xFFFF_FFFF == 0, freshness != PathFlag.statusFreshness,
      call.fourth & 0x8000_0000 == 0
    else { throw .EINVAL }
    let status: FileStatus
    if try isEmptyPath(call.first, call.second, call.third) {
      status = try fileSystems.status(of: file(call.first))
    } else {
      status = try withInode(call.first, call.second, call.third) { (inode) throws(Errno) in
        try fileSystems.status(of: inode)
      }
    }
    try store(ExtendedFileStatus(status), at: call.fifth)
    return 0
  }

  /// Linux: `statfs`, `fstatfs`.
  func treeStatus(path: UInt64, _ result: UInt64) throws(Errno) -> UInt64 {
    let status = try withInode(Self.workingFolderNumber, path, 0) { (inode) throws(Errno) in
      fileSystems.treeStatus(of: inode)
    }
    try store(status, at: result)
    return 0
  }

  func treeStatus(descriptor: UInt64, _ result: UInt64) throws(Errno) -> UInt64 {
    try store(fileSystems.treeStatus(of: heap[file(descriptor)].inode), at: result)
    return 0
  }

  /// Linux: `access`, `faccessat`, `faccessat2`.
  func checkAccess(
    _ folder: UInt64, _ path: UInt64, _ mode: UInt64, _ flags: UInt64
  ) throws(Errno) -> UInt64 {
    guard mode & ~7 == 0 else { throw .EINVAL }
    let allowed = PathFlag.noFollow | PathFlag.effectiveAccess | PathFlag.emptyPath
    guard flags & ~allowed == 0 else { throw .EINVAL }
    let somebody = flags & PathFlag.effectiveAccess != 0 ? credentials : realCredentials
    return try withInode(folder, path, flags, as: somebody) { (inode) throws(Errno) in
      if mode != 0 {
        let wish = AccessWish(rawValue: UInt16(mode))
        try fileSystems.checkAccess(to: inode, wish, as: somebody)
      }
      return 0
    }
  }

  /// Linux: `readlink`, `readlinkat`.
  func readLink(
    _ folder: UInt64, _ path: UInt64, _ target: UInt64, _ byteCount: UInt64
  ) throws(Errno) -> UInt64 {
    let count = Int32(truncatingIfNeeded: byteCount)
    guard count > 0 else { throw .EINVAL }
    let memory = TransferMemory.program(VirtualAddress(target), in: space)
    let flags = PathFlag.noFollow | PathFlag.emptyPath
    return try withInode(folder, path, flags) { (inode) throws(Errno) in
      guard heap[inode].mode.isLink else {
        // An empty path names the folder itself, and is then called missing.
        let first: UInt8 = try load(at: path)
        throw first == 0 ? .ENOENT : .EINVAL
      }
      return UInt64(try fileSystems.readLink(inode, to: memory, byteCount: Int(count)))
    }
  }

  /// Linux: `getcwd`.
  func workingFolderPath(_ call: CallArguments) throws(Errno) -> UInt64 {
    let memory = TransferMemory.program(VirtualAddress(call.first), in: space)
    let folder = heap[folderContext].workingFolder
    let room = Int(min(call.second, 4096))
    return UInt64(
      try fileSystems.copyPath(
        of: folder, below: credentials.root.reference, to: memory, byteCount: room))
  }

  /// Linux: `chdir`.
  func changeFolder(path: UInt64) throws(Errno) -> UInt64 {
    let inode = try withInode(Self.workingFolderNumber, path, 0) { (inode) throws(Errno) in
      try fileSystems.checkWorkingFolder(inode, as: credentials)
      fileSystems.retain(inode)
      return inode
    }
    setWorkingFolder(inode)
    return 0
  }

  /// Linux: `fchdir`.
  func changeFolder(descriptor: UInt64) throws(Errno) -> UInt64 {
    let inode = heap[try file(descriptor)].inode
    try fileSystems.checkWorkingFolder(inode, as: credentials)
    fileSystems.retain(inode)
    setWorkingFolder(inode)
    return 0
  }

  private func setWorkingFolder(_ inode: Reference<Inode>) {
    let context = folderContext
    let old = heap[context].workingFolder
    heap[context].workingFolder = inode
    fileSystems.release(old)
  }

  /// Linux: `umask`.
  func changeCreationMask(_ mask: UInt64) -> UInt64 {
    let context = folderContext
    let old = heap[context].creationMask
    heap[context].creationMask = UInt32(mask & 0o777)
    return UInt64(old)
  }
}
