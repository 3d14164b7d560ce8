// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// The tree of /sys. Linux: `fs/sysfs`, `fs/kernfs`.
extension FileSystems {
  func systemInode(_ node: SystemNode) throws(Errno) -> Reference<Inode> {
    if node.file == .folder, let root = mountRoot(.system) {
      retain(root)
      return root
    }
    var fresh = Inode(.system, of: .system, number: node.number, mode: node.file.mode)
    if node.file.mode.isFolder {
      fresh.linkCount = 2
    } else {
      // Linux: an attribute is said to have a page.
      fresh.byteCount = 4096
    }
    stamp(&fresh, at: bootTime)
    return try allocate(fresh)
  }

  func systemChild(
    _ name: FileName, of folder: Reference<Inode>
  ) throws(Errno) -> Reference<Inode> {
    let node = SystemNode(heap[folder].number)
    if name.equals("..") {
      guard let above = node.folder else { throw .ENOENT }
      return try systemInode(above)
    }
    for raw in SystemFile.numbers {
      guard let file = SystemFile(rawValue: raw), file.entry?.folder == node.file else { continue }
      for instance in 0..<SystemNode.limit(file) {
        let child = child(file, instance, of: node)
        if exists(child), name.equals(child.name) { return try systemInode(child) }
      }
    }
    throw .ENOENT
  }

  private func child(_ file: SystemFile, _ instance: UInt8, of folder: SystemNode) -> SystemNode {
    SystemNode(file, instance: SystemNode.limit(file) > 1 ? instance : folder.instance)
  }

  /// The folder of a disk or an area is there if the machine has it.
  private func exists(_ node: SystemNode) -> Bool {
    switch node.file {
    case .disk: hasDisk(Int(node.instance))
    case .contiguousArea: Int(node.instance) < frames.contiguousAreaCount
    default: true
    }
  }

  /// Whether the machine has a disk.
  func hasDisk(_ index: Int) -> Bool { state.value.disks[index].byteCount > 0 }

  func prependSystemPath(_ node: SystemNode, to path: inout PathText) throws(Errno) {
    var current = node
    while let above = current.folder {
      try prepend(current.name, to: &path)
      try prepend("/", to: &path)
      current = above
    }
    try prepend("/sys", to: &path)
  }

  /// Lists a folder of /sys; positions are: 0 and 1 the dots, then eight for each file by number.
  func listSystem(
    _ folder: Reference<Inode>, from start: UInt64, _ listing: inout FolderListing
  ) -> UInt64 {
    let node = SystemNode(heap[folder].number)
    let end = (UInt64(SystemFile.numbers.upperBound) + 1) * UInt64(SystemNode.largest)
    var position = start
    while position < end {
      guard listSystemFile(at: position, of: node, &listing) else { return position }
      position += 1
    }
    return position
  }

  /// Adds the entry of a position, if it belongs to the folder; false if it does not fit.
  private func listSystemFile(
    at position: UInt64, of node: SystemNode, _ listing: inout FolderListing
  ) -> Bool {
    if position < 2 {
      return listing.add(
        inode: node.number, next: position + 1, kind: FileMode.folder.entryKind,
        name: position == 0 ? "." : "..")
    }
    let instance = UInt8(position & 7)
    guard let file = SystemFile(rawValue: UInt8(position >> 3)),
      file.entry?.folder == node.file, instance < SystemNode.limit(file)
    else { return true }
    let child = child(file, instance, of: node)
    guard exists(child) else { return true }
    return listing.add(
      inode: child.number, next: position + 1, kind: file.mode.entryKind, name: child.name)
  }
}
