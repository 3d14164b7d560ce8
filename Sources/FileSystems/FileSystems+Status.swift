// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What is known of files, and what may be done with them.
extension FileSystems {
  /// Linux: `vfs_getattr()`.
  ///
  /// - Context: may sleep, to read where a link of /proc points.
  public func status(of inode: Reference<Inode>) throws(Errno) -> FileStatus {
    let length =
      heap[inode].mode.isLink && heap[inode].tree == .processes ? 64 : heap[inode].byteCount
    var sectorCount = heap[inode].sectorCount
    if heap[inode].tree == .memory, let file = heap[inode].file.reference {
      sectorCount = UInt64(heap[file].pageCount.value) * 8
    }
    return FileStatus(
      device: heap[inode].treeDevice.encoded, inodeNumber: heap[inode].number,
      linkCount: UInt64(heap[inode].linkCount), mode: UInt32(heap[inode].mode.rawValue),
      user: heap[inode].user, group: heap[inode].group,
      specialDevice: heap[inode].device.encoded, byteCount: Int64(length),
      sectorCount: Int64(sectorCount),
      accessed: heap[inode].accessed,
      modified: heap[inode].modified,
      changed: heap[inode].changed)
  }

  /// Linux: `fstat`.
  public func status(of file: Reference<OpenFile>) throws(Errno) -> FileStatus {
    try status(of: heap[file].inode)
  }

  /// What statfs says of the tree that a file belongs to.
  public func treeStatus(of inode: Reference<Inode>) -> FileSystemStatus {
    switch heap[inode].tree {
    case .disk: return volumeStatus(of: disk(of: inode))
    case .memory: return memoryStatus(of: heap[inode].volume)
    case .sockets: return emptyTree(FileSystemStatus.socketKind)
    case .processes: return emptyTree(FileSystemStatus.procKind)
    case .system: return emptyTree(FileSystemStatus.sysfsKind)
    case .devices: return emptyTree(FileSystemStatus.memoryKind)
    case .pipes, .streams, .nameless: return emptyTree(FileSystemStatus.pipeKind)
    }
  }

  private func emptyTree(_ kind: Int64) -> FileSystemStatus {
    FileSystemStatus(
      kind: kind, blockCount: 0, freeBlockCount: 0, fileCount: 0, freeFileCount: 0,
      flags: FileSystemStatus.validFlags)
  }

  /// Whether somebody may do what they want with a file.
  ///
  /// - Throws: EACCES, EROFS.
  ///
  /// Linux: `faccessat`.
  public func checkAccess(
    to inode: Reference<Inode>, _ wish: AccessWish, as credentials: Credentials
  ) throws(Errno) {
    let mode = heap[inode].mode
    if wish.contains(.write), isReadOnly(heap[inode].volume),
      mode.isRegular || mode.isFolder || mode.isLink
    {
      throw .EROFS
    }
    guard allows(inode, wish, as: credentials) else { throw .EACCES }
  }

  /// Checks that a file can be somebody's working folder.
  ///
  /// - Throws: ENOTDIR, EACCES.
  ///
  /// Linux: `chdir`.
  public func checkWorkingFolder(
    _ inode: Reference<Inode>, as credentials: Credentials
  ) throws(Errno) {
    guard heap[inode].mode.isFolder else { throw .ENOTDIR }
    guard allows(inode, .execute, as: credentials) else { throw .EACCES }
  }

  /// Moves an open file's place.
  ///
  /// - Returns: the new offset.
  /// - Throws: ESPIPE of what has no place, EINVAL, ENXIO beyond the end for data and holes.
  ///
  /// Whether a text has no end that could be sought. Linux: `seq_lseek()`.
  private func isMadeInParts(_ file: Reference<OpenFile>) -> Bool {
    let inode = heap[file].inode
    guard heap[inode].tree == .processes else { return false }
    let name = ProcessNode(heap[inode].number).file
    return !name.isSetting && name != .arguments && name != .environment && name != .auxiliary
  }

  /// Linux: `lseek`.
  public func seek(
    _ file: Reference<OpenFile>, to offset: Int64, from origin: SeekOrigin
  ) throws(Errno) -> UInt64 {
    let base: UInt64
    switch heap[file].behaviour {
    case .special(.buffer): return try seekBuffer(file, to: offset, from: origin)
    case .pipe, .socket, .standardInput, .standardOutput, .standardError, .absent, .special:
      throw .ESPIPE
    case .pathOnly: throw .EBADF
    case .null, .zero, .full, .random: return 0
    case .regular, .folder: base = heap[heap[file].inode].byteCount
    case .text:
      guard origin == .start || origin == .current || !isMadeInParts(file) else { throw .EINVAL }
      base = heap[heap[file].inode].tree == .system ? 4096 : 0
    }
    let start: Int64
    switch origin {
    case .start: start = 0
    case .current: start = Int64(heap[file].position)
    case .end: start = Int64(base)
    case .data, .hole:
      guard offset >= 0, UInt64(offset) < base else { throw .ENXIO }
      let place = try firstByte(of: file, from: UInt64(offset), origin)
      heap[file].position = place
      return place
    }
    let (place, overflow) = start.addingReportingOverflow(offset)
    guard !overflow, place >= 0 else { throw .EINVAL }
    heap[file].position = UInt64(place)
    return UInt64(place)
  }

  /// What can be done with an open file without waiting. Linux: `vfs_poll()`.
  public func readiness(of file: Reference<OpenFile>) -> Readiness {
    switch heap[file].behaviour {
    case .pipe: return pipeReadiness(of: file)
    case .socket: return socketReadiness(of: file)
    case .pathOnly: return .invalid
    case .special(let kind): return specialReadiness(of: file, kind)
    case .standardInput: return hasHostInput ? .input.union(.normalInput) : Readiness()
    case .standardOutput, .standardError: return .output.union(.normalOutput)
    default: return .input.union(.normalInput).union(.output).union(.normalOutput)
    }
  }

  /// Whether an open file is a terminal: what `TCGETS` answers to.
  public func isTerminal(_ file: Reference<OpenFile>) -> Bool { terminal(of: file) != nil }

  func isTerminal(_ stream: UInt64) -> Bool { state.value.terminals >> stream & 1 != 0 }

  /// Bytes that a read would give at once. Linux: `FIONREAD`.
  public func readableByteCount(of file: Reference<OpenFile>) throws(Errno) -> UInt32 {
    switch heap[file].behaviour {
    case .pipe:
      guard let pipe = heap[heap[file].inode].pipe.reference else { throw .EIO }
      return UInt32(heap[pipe].byteCount)
    case .socket:
      guard let socket = socket(of: file) else { throw .EIO }
      return readableByteCount(of: socket)
    case .regular:
      let size = heap[heap[file].inode].byteCount
      let rest = size > heap[file].position ? size - heap[file].position : 0
      return UInt32(truncatingIfNeeded: min(rest, UInt64(Int32.max)))
    default: throw .ENOTTY
    }
  }
}
