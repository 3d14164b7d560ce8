// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import MemoryUnits
import Testing

@testable import FileSystems

/// A file system in memory against a tree of dictionaries.
@Suite struct MemoryFolderTests {
  /// A file of the model; two names of one file are one node.
  final class Node {
    var children: [String: Node]?
    var bytes: [UInt8] = []

    init(isFolder: Bool) { children = isFolder ? [:] : nil }

    func contains(_ other: Node) -> Bool {
      self === other || (children ?? [:]).values.contains { $0.contains(other) }
    }
  }

  /// What the model says of a path: its folder, its last name, and what is there.
  struct Place {
    let folder: Node
    let name: String
    var node: Node? { folder.children?[name] }
  }

  struct Model {
    let root = Node(isFolder: true)

    func place(_ path: [String]) throws(Errno) -> Place {
      var folder = root
      for name in path.dropLast() {
        guard let children = folder.children else { throw .ENOTDIR }
        guard let next = children[name] else { throw .ENOENT }
        folder = next
      }
      guard folder.children != nil else { throw .ENOTDIR }
      return Place(folder: folder, name: path[path.count - 1])
    }

    func make(_ path: [String], isFolder: Bool) throws(Errno) {
      let place = try place(path)
      guard place.node == nil else { throw .EEXIST }
      place.folder.children?[place.name] = Node(isFolder: isFolder)
    }

    func remove(_ path: [String], asFolder: Bool) throws(Errno) {
      let place = try place(path)
      guard let node = place.node else { throw .ENOENT }
      if asFolder {
        guard let children = node.children else { throw .ENOTDIR }
        guard children.isEmpty else { throw .ENOTEMPTY }
      } else if node.children != nil {
        throw .EISDIR
      }
      place.folder.children?[place.name] = nil
    }

    func link(_ old: [String], _ new: [String]) throws(Errno) {
      let from = try place(old)
      guard let node = from.node else { throw .ENOENT }
      let to = try place(new)
      guard to.node == nil else { throw .EEXIST }
      guard node.children == nil else { throw .EPERM }
      to.folder.children?[to.name] = node
    }

    func rename(_ old: [String], _ new: [String], _ kind: RenameKind) throws(Errno) {
      let from = try place(old)
      let to = try place(new)
      guard let node = from.node else { throw .ENOENT }
      if kind == .exchanging, to.node == nil { throw .ENOENT }
      if kind == .fresh, to.node != nil { throw .EEXIST }
      if node.children != nil, node.contains(to.folder) { throw .EINVAL }
      if let target = to.node, target.children != nil, target.contains(from.folder) {
        throw kind == .exchanging ? .EINVAL : .ENOTEMPTY
      }
      if to.node === node { return }
      if kind != .exchanging, let target = to.node {
        if node.children != nil, target.children == nil { throw .ENOTDIR }
        if node.children == nil, target.children != nil { throw .EISDIR }
        guard target.children?.isEmpty ?? true else { throw .ENOTEMPTY }
      }
      let other = to.node
      from.folder.children?[from.name] = kind == .exchanging ? other : nil
      to.folder.children?[to.name] = node
    }
  }

  @Test(arguments: [1, 2, 3, 4]) func `names and contents are the model's`(seed: UInt64) throws {
    try TestFiles.run { test in
      let root = try test.files.makeMemoryVolume(.temporary, permissions: 0o777)
      test.files.state.value.mounts[Int(MountPlace.temporary.rawValue)].root = Link(root)
      let free = test.environment.frames.freePageCount
      let model = Model()
      var random = SplitMix(state: seed)
      for step in 0..<3000 {
        let one = path(&random)
        let other = path(&random)
        let kind: RenameKind = [.replacing, .replacing, .fresh, .exchanging].randomElement(
          using: &random)!
        let bytes = random.bytes(Int(random.next() % 6000))
        let expected: Errno?
        let found: Errno?
        switch random.next() % 8 {
        case 0, 1:
          expected = error { () throws(Errno) in try model.make(one, isFolder: true) }
          found = error { () throws(Errno) in try make(one, isFolder: true, test, root) }
        case 2:
          expected = error { () throws(Errno) in try model.make(one, isFolder: false) }
          found = error { () throws(Errno) in try make(one, isFolder: false, test, root) }
        case 3:
          expected = error { () throws(Errno) in try model.remove(one, asFolder: false) }
          found = error { () throws(Errno) in
            try at(one, test) { (path) throws(Errno) in
              try test.files.remove(path, from: root, as: .administrator)
            }
          }
        case 4:
          expected = error { () throws(Errno) in try model.remove(one, asFolder: true) }
          found = error { () throws(Errno) in
            try at(one, test) { (path) throws(Errno) in
              try test.files.removeFolder(path, from: root, as: .administrator)
            }
          }
        case 5:
          expected = error { () throws(Errno) in try model.link(one, other) }
          found = error { () throws(Errno) in try link(one, other, test, root) }
        case 6:
          expected = error { () throws(Errno) in try model.rename(one, other, kind) }
          found = error { () throws(Errno) in
            try at(one, test) { (old) throws(Errno) in
              try at(other, test) { (new) throws(Errno) in
                try test.files.rename(
                  old, from: root, to: new, from: root, kind, as: .administrator)
              }
            }
          }
        default:
          expected = nil
          found = error { () throws(Errno) in
            guard let node = try? model.place(one).node, node.children == nil else { return }
            node.bytes += bytes
            try append(bytes, one, test, root)
          }
        }
        #expect(found == expected, "seed \(seed) step \(step): \(one) \(other) \(kind)")
        if step % 200 == 199 { try compare(model.root, [], test, root, seed) }
      }
      try compare(model.root, [], test, root, seed)
      try removeAll(model.root, [], test, root)
      #expect(free.value - test.environment.frames.freePageCount.value < 64, "seed \(seed)")
    }
  }

  private func path(_ random: inout SplitMix) -> [String] {
    (0...Int(random.next() % 3)).map { _ in ["a", "b", "c", "d"].randomElement(using: &random)! }
  }

  private func error(_ body: () throws(Errno) -> Void) -> Errno? {
    do {
      try body()
      return nil
    } catch {
      return error
    }
  }

  private func at<Result>(
    _ path: [String], _ test: TestFiles, _ body: (PathText) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try withBlock([UInt8](path.joined(separator: "/").utf8)) { (block) throws(Errno) in
      try test.files.withPath(copying: block, body)
    }
  }

  private func make(
    _ path: [String], isFolder: Bool, _ test: TestFiles, _ root: Reference<Inode>
  ) throws(Errno) {
    let new = NewFile(
      mode: FileMode(isFolder ? .folder : .regular, permissions: 0o755), user: 0, group: 0)
    try at(path, test) { (path) throws(Errno) in
      try test.files.make(new, at: path, from: root, as: .administrator)
    }
  }

  private func link(
    _ old: [String], _ new: [String], _ test: TestFiles, _ root: Reference<Inode>
  ) throws(Errno) {
    let inode = try at(old, test) { (path) throws(Errno) in
      try test.files.find(path, from: root, lastLink: .kept)
    }
    defer { test.files.release(inode) }
    try at(new, test) { (path) throws(Errno) in
      try test.files.link(inode, at: path, from: root, as: .administrator)
    }
  }

  private func open(
    _ path: [String], _ flags: OpenFlags, _ test: TestFiles, _ root: Reference<Inode>
  ) throws(Errno) -> Reference<OpenFile> {
    try at(path, test) { (path) throws(Errno) in
      try test.files.open(path, from: root, flags: flags)
    }
  }

  private func append(
    _ bytes: [UInt8], _ path: [String], _ test: TestFiles, _ root: Reference<Inode>
  ) throws(Errno) {
    let file = try open(path, .writeOnly.union(.append), test, root)
    defer { test.files.release(file) }
    _ = try test.write(file, bytes)
  }

  private func compare(
    _ node: Node, _ path: [String], _ test: TestFiles, _ root: Reference<Inode>, _ seed: UInt64
  ) throws {
    for (name, child) in node.children ?? [:] {
      let inside = path + [name]
      let file = try open(inside, OpenFlags(rawValue: 0), test, root)
      defer { test.files.release(file) }
      let status = try test.files.status(of: file)
      if let children = child.children {
        let folders = children.values.filter { $0.children != nil }.count
        #expect(status.linkCount == UInt64(2 + folders), "seed \(seed) \(inside)")
        try compare(child, inside, test, root, seed)
      } else {
        #expect(try test.contents(of: file) == child.bytes, "seed \(seed) \(inside)")
      }
    }
  }

  private func removeAll(
    _ node: Node, _ path: [String], _ test: TestFiles, _ root: Reference<Inode>
  ) throws(Errno) {
    for (name, child) in node.children ?? [:] {
      let inside = path + [name]
      try removeAll(child, inside, test, root)
      try at(inside, test) { (text) throws(Errno) in
        if child.children == nil {
          try test.files.remove(text, from: root, as: .administrator)
        } else {
          try test.files.removeFolder(text, from: root, as: .administrator)
        }
      }
    }
  }
}
