// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Where a walk over a tree of files stands: four pages that outlive every sleep.
private struct SaveWork: BitwiseCopyable {
  /// Entries of one folder.
  let listing: MemoryBlock
  /// The path from the top of the tree, empty for the top itself.
  let path: MemoryBlock
  /// The open folders from the top down: each a raw reference and the length of its path.
  let levels: MemoryBlock
  let data: MemoryBlock

  init(_ block: MemoryBlock) {
    listing = block.part(from: 0, byteCount: 4096)
    path = block.part(from: 4096, byteCount: 4096)
    levels = block.part(from: 8192, byteCount: 4096)
    data = block.part(from: 12288, byteCount: 4096)
    depth = 0
    pathCount = 0
  }

  // The first 24 bytes of `levels`: what the host has taken, depth, length of the path.
  var taken: MemoryBlock { levels.part(from: 0, byteCount: 8) }
  var depth: Int {
    get { Int(levels.load(UInt32.self, at: 8)) }
    nonmutating set { levels.store(UInt32(newValue), at: 8) }
  }
  var pathCount: Int {
    get { Int(levels.load(UInt32.self, at: 12)) }
    nonmutating set { levels.store(UInt32(newValue), at: 12) }
  }

  static var largestDepth: Int { 500 }

  func push(_ folder: Reference<OpenFile>) {
    levels.store(folder.raw, at: 24 + depth * 8)
    levels.store(UInt32(pathCount), at: 28 + depth * 8)
    depth += 1
  }

  var top: Reference<OpenFile> {
    Reference(raw: levels.load(UInt32.self, at: 16 + depth * 8))
  }

  /// The path is the top folder's again.
  func returnToTop() { pathCount = Int(levels.load(UInt32.self, at: 20 + depth * 8)) }

  /// Adds a name to the path; false where it does not fit.
  func append(_ name: MemoryBlock, at offset: Int, byteCount: Int) -> Bool {
    var count = pathCount
    guard count + 1 + byteCount < path.byteCount else { return false }
    if count > 0 {
      path.store(PathText.slash, at: count)
      count += 1
    }
    path.copy(from: name, at: offset, to: count, byteCount: byteCount)
    pathCount = count + byteCount
    return true
  }
}

/// Copying files and folders out of the machine.
extension FileSystems {
  /// Sends what a path names to the host: a file, or a folder with all that is in it.
  ///
  /// Links on the way to it are followed, those inside it are sent as they are. What cannot be
  /// read is named to the host, and the rest goes on.
  ///
  /// - Parameter number: the host's number of the wish.
  /// - Context: may sleep; as the administrator.
  public func save(_ path: MemoryBlock, number: UInt32) {
    guard let first = try? allocateFrames(Order(2)) else { return }
    defer { freeFrames(first, Order(2)) }
    let block = machine.directMap.block(
      at: first.address, byteCount: Order(2).pageCount.bytes)
    let work = SaveWork(block)
    let stream = SaveStream(machine, taken: work.taken)
    let start = stream.sentCount
    stream.send(.begin, number: number, work.path, 0)
    do throws(Errno) {
      let inode = try findToSave(path)
      defer { release(inode) }
      send(inode, work, stream)
    } catch {
      stream.send(.failure, number: UInt32(error.rawValue), work.path, 0)
    }
    while work.depth > 0 { sendNext(work, stream) }
    stream.send(.end, work.path, 0)
    record(.streamTransferred, detail: 3, value: stream.sentCount - start)
  }

  private func findToSave(_ path: MemoryBlock) throws(Errno) -> Reference<Inode> {
    let root = try rootFolder()
    defer { release(root) }
    return try withPath(copying: path) { (text) throws(Errno) in try find(text, from: root) }
  }

  /// Sends the next entry of the deepest open folder, or closes it.
  private func sendNext(
    _ work: SaveWork, _ stream: SaveStream<Environment.Hardware>
  ) {
    let folder = work.top
    work.returnToTop()
    let layout = FolderEntryLayout.self
    guard isListed(folder, work, stream) else {
      release(folder)
      work.depth -= 1
      return
    }
    do throws(Errno) {
      // One at a time, since what is inside may be a folder that needs the page.
      heap[folder].position = work.listing.load(UInt64.self, at: layout.nextOffset)
      var length = 0
      while work.listing.load(UInt8.self, at: layout.nameOffset + length) != 0 { length += 1 }
      let name = FileName(block: work.listing, offset: layout.nameOffset, byteCount: length)
      if name.equals(".") || name.equals("..") { return }
      guard work.append(work.listing, at: layout.nameOffset, byteCount: length) else {
        throw Errno.ENAMETOOLONG
      }
      let parent = heap[folder].inode
      let part = work.listing.part(from: layout.nameOffset, byteCount: length)
      let inode = try withPath(copying: part) { (text) throws(Errno) in
        try find(text, from: parent, lastLink: .kept)
      }
      defer { release(inode) }
      send(inode, work, stream)
    } catch {
      fail(error, work, stream)
    }
  }

  /// Reads the next entries of a folder; false at its end, and where it cannot be read further.
  private func isListed(
    _ folder: Reference<OpenFile>, _ work: SaveWork,
    _ stream: SaveStream<Environment.Hardware>
  ) -> Bool {
    do throws(Errno) {
      return try list(folder, to: .kernel(work.listing, at: 0), byteCount: 4096) > 0
    } catch {
      fail(error, work, stream)
      return false
    }
  }

  private func fail(
    _ error: Errno, _ work: SaveWork, _ stream: SaveStream<Environment.Hardware>
  ) {
    stream.send(.failure, number: UInt32(error.rawValue), work.path, work.pathCount)
  }

  private func send(
    _ inode: Reference<Inode>, _ work: SaveWork, _ stream: SaveStream<Environment.Hardware>
  ) {
    let mode = heap[inode].mode
    let permissions = UInt32(mode.permissions)
    do throws(Errno) {
      switch mode.kind {
      case .folder:
        guard work.depth < SaveWork.largestDepth else { throw Errno.ELOOP }
        let folder = try open(inode, flags: OpenFlags(rawValue: 0))
        stream.send(.folder, number: permissions, work.path, work.pathCount)
        work.push(folder)
      case .regular:
        let file = try open(inode, flags: OpenFlags(rawValue: 0))
        defer { release(file) }
        stream.send(.file, number: permissions, work.path, work.pathCount)
        while true {
          let count = try read(file, to: .kernel(work.data, at: 0), byteCount: 4096)
          if count == 0 { break }
          stream.send(.data, work.data, count)
        }
      case .link:
        work.data.store(UInt8(0), at: 0)
        let count = try readLink(inode, to: .kernel(work.data, at: 1), byteCount: 4095)
        stream.send(.link, work.path, work.pathCount, work.data, count + 1)
      default:
        throw Errno.ENXIO
      }
    } catch {
      fail(error, work, stream)
    }
  }
}
