// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The tree of /proc.
extension FileSystems {
  func processInode(_ node: ProcessNode) throws(Errno) -> Reference<Inode> {
    if node.file == .folder, let root = mountRoot(.processes) {
      retain(root)
      return root
    }
    var fresh = Inode(
      .processes, of: .processes, number: node.number, mode: node.file.mode)
    fresh.linkCount = node.file.mode.isFolder ? 2 : 1
    if let process = describe(node) {
      fresh.user = process.effectiveUser
      fresh.group = process.effectiveGroup
    }
    stamp(&fresh, at: currentTime)
    return try allocate(fresh)
  }

  /// The process or thread whose file a node is; nil of the others and where it is gone.
  func describe(_ node: ProcessNode) -> ProcessDescription? {
    guard node.process != 0 else { return nil }
    return node.isThread
      ? environment.describe(thread: node.process) : environment.describe(process: node.process)
  }

  /// The folder that a file of /proc is in; nil of /proc itself.
  func folder(of node: ProcessNode) -> ProcessNode? {
    let leader = node.file == .task ? describe(node)?.leader : nil
    return node.folder(leader: leader ?? node.process)
  }

  func processChild(_ name: FileName, of folder: Reference<Inode>) throws(Errno) -> Reference<Inode>
  {
    let node = ProcessNode(heap[folder].number)
    if name.equals("..") {
      guard let above = self.folder(of: node) else { throw .ENOENT }
      return try processInode(above)
    }
    if node.process != 0, describe(node) == nil { throw .ENOENT }
    if let number = name.number {
      return try numberedChild(number, of: node)
    }
    for raw in ProcessFile.numbers {
      guard let file = ProcessFile(rawValue: raw), let entry = file.entry,
        holds(node, file, entry), name.equals(entry.name)
      else { continue }
      return try processInode(node.sibling(file))
    }
    throw .ENOENT
  }

  /// Whether a file lies in a folder: a thread's has all of its process's but the threads.
  private func holds(
    _ folder: ProcessNode, _ file: ProcessFile, _ entry: ProcessFile.Entry
  ) -> Bool {
    if folder.file == .task { return entry.folder == .process && file != .tasks }
    if file == .slabinfo && !tellsSlabs { return false }
    return entry.folder == folder.file
  }

  private func numberedChild(
    _ number: UInt32, of node: ProcessNode
  ) throws(Errno) -> Reference<Inode> {
    switch node.file {
    case .folder:
      // A thread's folder can be entered, though it is not listed.
      guard number != 0, environment.describe(thread: number) != nil else { throw .ENOENT }
      return try processInode(
        ProcessNode(
          .process, process: number, isThread: environment.describe(process: number) == nil))
    case .tasks:
      guard let thread = environment.describe(thread: number), thread.leader == node.process
      else { throw .ENOENT }
      return try processInode(ProcessNode(.task, process: number, isThread: true))
    case .descriptors:
      let leader = self.leader(of: node)
      guard let file = environment.openFile(descriptor: number, of: leader) else {
        throw .ENOENT
      }
      let link = try processInode(node.sibling(.descriptor, descriptor: number))
      heap[link].mode = FileMode(.link, permissions: permissions(of: heap[file].flags))
      return link
    case .descriptorFacts:
      guard environment.openFile(descriptor: number, of: leader(of: node)) != nil else {
        throw .ENOENT
      }
      return try processInode(node.sibling(.descriptorFact, descriptor: number))
    default: throw .ENOENT
    }
  }

  /// The process that a process's or thread's node speaks of; 0 where it is gone.
  func leader(of node: ProcessNode) -> UInt32 {
    node.isThread ? describe(node)?.leader ?? 0 : node.process
  }

  /// The mode of a descriptor's link says how it is open. Linux: `tid_fd_update_inode()`.
  private func permissions(of flags: OpenFlags) -> UInt16 {
    (flags.mayRead ? 0o500 : 0) | (flags.mayWrite ? 0o300 : 0)
  }

  /// Where a link leads that is more than its text: to a file that perhaps no path leads to.
  ///
  /// - Returns: the file, counted for the caller; nil of a link that is only text.
  /// - Throws: ENOENT where the process or what it stands for is gone.
  func directTarget(of link: Reference<Inode>) throws(Errno) -> Reference<Inode>? {
    guard heap[link].tree == .processes else { return nil }
    let node = ProcessNode(heap[link].number)
    let target: Reference<Inode>?
    switch node.file {
    case .executable: target = describe(node)?.executable
    case .workingFolder: target = describe(node)?.workingFolder
    case .root: target = state.value.root.reference
    case .descriptor:
      let file = environment.openFile(descriptor: node.descriptor, of: leader(of: node))
      target = file.map { heap[$0].inode }
    default: return nil
    }
    guard let target else { throw .ENOENT }
    retain(target)
    return target
  }

  /// The text of a link of /proc, at the end of a path buffer.
  func processLinkTarget(
    of link: Reference<Inode>, in block: MemoryBlock
  ) throws(Errno) -> PathText {
    if let target = try directTarget(of: link) {
      defer { release(target) }
      return try path(of: target, in: block)
    }
    var path = PathText(block: block, start: block.byteCount)
    let own = UInt64(environment.currentProcess)
    switch ProcessNode(heap[link].number).file {
    case .selfLink: try prepend(decimal: own, to: &path)
    case .threadSelf:
      try prepend(decimal: UInt64(environment.currentThread), to: &path)
      try prepend("/task/", to: &path)
      try prepend(decimal: own, to: &path)
    case .mountsLink: try prepend("self/mounts", to: &path)
    default: throw .EIO
    }
    return path
  }

  func prependProcessPath(_ node: ProcessNode, to path: inout PathText) throws(Errno) {
    var current = node
    while let above = folder(of: current) {
      switch current.file {
      case .process, .task: try prepend(decimal: UInt64(current.process), to: &path)
      case .descriptor, .descriptorFact:
        try prepend(decimal: UInt64(current.descriptor), to: &path)
      default: if let entry = current.file.entry { try prepend(entry.name, to: &path) }
      }
      try prepend("/", to: &path)
      current = above
    }
    try prepend("/proc", to: &path)
  }

  /// Lists a folder of /proc; positions are: 0 and 1 the dots, then files by number, then from
  /// 256 on the processes or descriptors.
  func listProcesses(
    _ folder: Reference<Inode>, from start: UInt64, _ listing: inout FolderListing
  ) throws(Errno) -> UInt64 {
    let node = ProcessNode(heap[folder].number)
    var position = start
    while position < Self.firstNumberedPosition {
      guard listFile(at: position, of: node, heap[folder].number, &listing) else {
        return position
      }
      position += 1
    }
    while let number = numberedEntry(of: node, from: position - Self.firstNumberedPosition) {
      let place = Self.firstNumberedPosition + UInt64(number)
      let child = numberedNode(number, in: node)
      guard
        listing.add(
          inode: child.number, next: place + 1, kind: child.file.mode.entryKind, number: number)
      else { return place }
      position = place + 1
    }
    return position
  }

  private static var firstNumberedPosition: UInt64 { 256 }

  /// Adds the entry of a position, if it belongs to the folder; false if it does not fit.
  private func listFile(
    at position: UInt64, of node: ProcessNode, _ number: UInt64, _ listing: inout FolderListing
  ) -> Bool {
    if position < 2 {
      return listing.add(
        inode: number, next: position + 1, kind: FileMode.folder.entryKind,
        name: position == 0 ? "." : "..")
    }
    guard let file = ProcessFile(rawValue: UInt8(position)), let entry = file.entry,
      holds(node, file, entry)
    else { return true }
    return listing.add(
      inode: node.sibling(file).number, next: position + 1,
      kind: file.mode.entryKind, name: entry.name)
  }

  private func numberedNode(_ number: UInt32, in node: ProcessNode) -> ProcessNode {
    switch node.file {
    case .folder: ProcessNode(.process, process: number)
    case .tasks: ProcessNode(.task, process: number, isThread: true)
    case .descriptorFacts: node.sibling(.descriptorFact, descriptor: number)
    default: node.sibling(.descriptor, descriptor: number)
    }
  }

  private func numberedEntry(of node: ProcessNode, from number: UInt64) -> UInt32? {
    guard let first = UInt32(exactly: number) else { return nil }
    switch node.file {
    case .folder: return environment.firstProcess(after: first == 0 ? 0 : first - 1)
    case .tasks: return environment.firstThread(after: first == 0 ? 0 : first - 1, of: node.process)
    case .descriptors, .descriptorFacts:
      return environment.firstDescriptor(from: first, of: leader(of: node))
    default: return nil
    }
  }

  /// Since the epoch.
  var currentTime: TimeOfFile {
    let now = machine.now.nanoseconds
    return TimeOfFile(
      seconds: Int64(state.value.bootTime + now / 1_000_000_000),
      nanoseconds: Int64(now % 1_000_000_000))
  }

  var bootTime: TimeOfFile { TimeOfFile(seconds: Int64(state.value.bootTime)) }
}
