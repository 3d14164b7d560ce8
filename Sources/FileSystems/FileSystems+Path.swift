// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// From a file back to its path: there is no cache of names, since each inode of the disk knows
/// the entry by which it was found.
extension FileSystems {
  /// Writes a file's path at the end of a path buffer.
  ///
  /// - Throws: ENAMETOOLONG, ENOENT where a folder does not list it, EIO, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `d_path()`.
  func path(of inode: Reference<Inode>, in block: MemoryBlock) throws(Errno) -> PathText {
    var path = PathText(block: block, start: block.byteCount)
    switch heap[inode].tree {
    case .disk: try prependDiskPath(of: inode, to: &path)
    case .memory: try prependMemoryPath(of: inode, to: &path)
    case .nameless: try prepend("anon_inode:[object]", to: &path)
    case .devices:
      if let number = pseudoTerminalNumber(of: inode) {
        try prepend(decimal: UInt64(number), to: &path)
        try prepend("/dev/pts/", to: &path)
        break
      }
      let node = DeviceNode(number: heap[inode].number)
      if node != .folder {
        try prepend(node.name, to: &path)
        try prepend("/", to: &path)
      }
      try prepend("/dev", to: &path)
    case .sockets:
      try prepend("]", to: &path)
      try prepend(decimal: heap[inode].number, to: &path)
      try prepend("socket:[", to: &path)
    case .processes: try prependProcessPath(ProcessNode(heap[inode].number), to: &path)
    case .system: try prependSystemPath(SystemNode(heap[inode].number), to: &path)
    case .pipes:
      try prepend("]", to: &path)
      try prepend(decimal: heap[inode].number, to: &path)
      try prepend("pipe:[", to: &path)
    case .streams:
      if isTerminal(heap[inode].number) {
        try prepend("/dev/console", to: &path)
      } else {
        try prepend("]", to: &path)
        try prepend(decimal: heap[inode].number, to: &path)
        try prepend("pipe:[", to: &path)
      }
    }
    return path
  }

  /// Copies a folder's path with an end mark; returns the bytes, that one included.
  ///
  /// - Parameter root: where the path begins; what is not below it is said to be out of reach.
  /// - Throws: ERANGE if there is not so much room, and as `path(of:in:)`.
  /// - Context: may sleep.
  ///
  /// Linux: `getcwd`.
  public func copyPath(
    of inode: Reference<Inode>, below root: Reference<Inode>? = nil,
    to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    try withPathBuffer { (block) throws(Errno) in
      let room = block.part(from: 0, byteCount: block.byteCount - 1)
      block.store(UInt8(0), at: block.byteCount - 1)
      var path = try path(of: inode, in: room)
      if let root { try begin(&path, at: root) }
      let count = path.byteCount + 1
      guard count <= byteCount else { throw .ERANGE }
      return try deliver(block, at: path.start, byteCount: count, to: target)
    }
  }

  /// Takes the path of another root from the front. Linux: `prepend_path()`.
  private func begin(_ path: inout PathText, at root: Reference<Inode>) throws(Errno) {
    let whole = path
    let start = try withPathBuffer { (block) throws(Errno) -> Int? in
      let above = try self.path(of: root, in: block)
      if above.byteCount == 1 { return whole.start }
      guard whole.byteCount >= above.byteCount else { return nil }
      for index in 0..<above.byteCount {
        let byte = above.block.load(UInt8.self, at: above.start + index)
        guard byte == whole.block.load(UInt8.self, at: whole.start + index) else { return nil }
      }
      let rest = whole.start + above.byteCount
      guard rest < whole.end else { return rest }
      return whole.block.load(UInt8.self, at: rest) == PathText.slash ? rest : nil
    }
    guard let start else { return try prepend("(unreachable)", to: &path) }
    path.start = start
    if path.isEmpty { try prepend("/", to: &path) }
  }

  /// Puts a file's path into the kernel's own memory; returns its length.
  ///
  /// - Throws: ENAMETOOLONG, and as `path(of:in:)`.
  /// - Context: may sleep.
  public func storePath(
    of inode: Reference<Inode>, in target: MemoryBlock
  ) throws(Errno) -> Int {
    try withPathBuffer { (block) throws(Errno) in
      let path = try path(of: inode, in: block)
      guard path.byteCount <= target.byteCount else { throw .ENAMETOOLONG }
      target.copy(from: block, at: path.start, to: 0, byteCount: path.byteCount)
      return path.byteCount
    }
  }

  /// Linux: a path that leads nowhere any more says so.
  private func prependMemoryPath(
    of inode: Reference<Inode>, to path: inout PathText
  ) throws(Errno) {
    var current = inode
    if let entry = heap[inode].entry.reference, heap[entry].isRemoved {
      try prepend(" (deleted)", to: &path)
    }
    while !isMountRoot(current) {
      guard let entry = heap[current].entry.reference else { break }
      let count = Int(heap[entry].byteCount)
      guard path.start > count else { throw .ENAMETOOLONG }
      path.start -= count
      copyName(of: entry, to: path.block, at: path.start)
      try prepend("/", to: &path)
      guard let folder = heap[entry].folder.reference else { return }
      current = folder
    }
    try prepend(heap[current].volume.path, to: &path)
  }

  private func prependDiskPath(
    of inode: Reference<Inode>, to path: inout PathText
  ) throws(Errno) {
    if inode == state.value.root.reference { return try prepend("/", to: &path) }
    var current = inode
    retain(current)
    defer { release(current) }
    while !isMountRoot(current) {
      guard heap[current].linkCount > 0, let parent = heap[current].parent.reference else {
        throw .ENOENT
      }
      let place = heap[current].entryOffset
      retain(parent)
      release(current)
      current = parent
      try prependName(at: place, in: parent, to: &path)
      try prepend("/", to: &path)
    }
    if current != state.value.root.reference {
      try prepend(heap[current].volume.path, to: &path)
    }
  }

  private func prependName(
    at offset: UInt32, in folder: Reference<Inode>, to path: inout PathText
  ) throws(Errno) {
    guard let file = heap[folder].file.reference else { throw .EIO }
    let frame = try page(of: file, index: UInt64(offset) / 4096)
    defer { _ = frames.release(frame) }
    let block = bytes(of: frame)
    let limit = state.value.disks[disk(of: folder)].volume.inodeCount
    guard let entry = Ext2Entry(reading: block, at: Int(offset & 4095), inodeCount: limit) else {
      throw .EIO
    }
    guard path.start >= entry.nameLength, entry.nameLength > 0 else { throw .ENAMETOOLONG }
    path.start -= entry.nameLength
    path.block.copy(
      from: block, at: entry.nameOffset, to: path.start, byteCount: entry.nameLength)
  }

  func prepend(_ text: StaticString, to path: inout PathText) throws(Errno) {
    guard path.start >= text.utf8CodeUnitCount else { throw .ENAMETOOLONG }
    path.start -= text.utf8CodeUnitCount
    path.block.store(text: text, at: path.start)
  }

  func prepend(decimal value: UInt64, to path: inout PathText) throws(Errno) {
    var rest = value
    repeat {
      guard path.start > 0 else { throw .ENAMETOOLONG }
      path.start -= 1
      path.block.store(UInt8(0x30 + rest % 10), at: path.start)
      rest /= 10
    } while rest > 0
  }
}
