// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// Tells the machine's outside the text of each path that was not there, once.
///
/// The log has a hash of every such path. The texts lie beside it in the channel, in a table of a
/// fixed size; what does not fit any more is in the log only.
extension FileSystems {
  /// Notes that a path led nowhere.
  ///
  /// - Parameters:
  ///   - path: as it was before the walk; its buffer's start still holds it, unless links that
  ///     were followed took its place.
  ///   - folder: where a relative path begins. It is told for the working folder only.
  ///   - digest: of the path, before the walk.
  ///
  /// Context: may sleep, the first time that a relative path is missed.
  func noteMissing(_ path: PathText, from folder: Reference<Inode>, digest: UInt64) {
    let text = path.block.part(from: 0, byteCount: path.byteCount)
    guard MissingPathTable.digest(of: text) == digest else { return }
    if text.load(UInt8.self, at: 0) == PathText.slash {
      record(.pathMissing, value: digest)
      MissingPathTable(channel: machine.channel).add(digest: digest, of: text)
      return
    }
    // The same name in two folders is two paths.
    let own = digest ^ heap[folder].number &* 0x9E37_79B9_7F4A_7C15
    record(.pathMissing, value: own)
    guard !MissingPathTable(channel: machine.channel).holds(own), isWorkingFolder(folder),
      heap[folder].tree == .disk
    else { return }
    // What names no folder any more, or fits in no path, is in the log only.
    try? withPathBuffer { (block) throws(Errno) in
      let above = try self.path(of: folder, in: block).bytes
      let whole = block.part(from: 0, byteCount: above.byteCount + 1 + text.byteCount)
      guard whole.byteCount <= block.byteCount - above.byteCount else { throw .ENAMETOOLONG }
      whole.copy(from: above, at: 0, to: 0, byteCount: above.byteCount)
      whole.store(PathText.slash, at: above.byteCount)
      whole.copy(from: text, at: 0, to: above.byteCount + 1, byteCount: text.byteCount)
      MissingPathTable(channel: machine.channel).add(digest: own, of: whole)
    }
  }

  private func isWorkingFolder(_ folder: Reference<Inode>) -> Bool {
    environment.describe(process: environment.currentProcess)?.workingFolder == folder
  }
}

/// The texts of missing paths in the channel: a hash table of their digests, and the texts one
/// after the other, each ended by a zero byte.
struct MissingPathTable {
  let channel: MemoryBlock

  private var usedOffset: Int { ChannelLayout.missingPathsOffset }
  private var slotsOffset: Int { ChannelLayout.missingPathsOffset + 0x1000 }
  private static var slotCount: UInt64 { 2048 }
  /// Slots that are looked at for a digest.
  private static var probeCount: UInt64 { 8 }

  /// FNV-1a.
  static func digest(of text: MemoryBlock) -> UInt64 {
    PathText(block: text, start: 0).digest
  }

  func holds(_ digest: UInt64) -> Bool {
    for step in 0..<Self.probeCount
    where channel.load(UInt64.self, at: slot(digest, step)) == digest { return true }
    return false
  }

  /// Adds a text unless it is there or there is no room.
  ///
  /// - Complexity: O(length of the text); O(1) if it is there.
  func add(digest: UInt64, of text: MemoryBlock) {
    for step in 0..<Self.probeCount {
      let place = slot(digest, step)
      let found = channel.load(UInt64.self, at: place)
      if found == digest { return }
      guard found == 0 else { continue }
      let used = Int(channel.loadShared(at: usedOffset))
      guard used + text.byteCount + 1 <= ChannelLayout.missingPathTextBytes else { return }
      channel.store(digest, at: place)
      let target = ChannelLayout.missingPathTextOffset + used
      channel.copy(from: text, at: 0, to: target, byteCount: text.byteCount)
      channel.store(UInt8(0), at: target + text.byteCount)
      channel.storeShared(UInt64(used + text.byteCount + 1), at: usedOffset)
      return
    }
  }

  private func slot(_ digest: UInt64, _ step: UInt64) -> Int {
    slotsOffset + 8 * Int((digest &+ step) % Self.slotCount)
  }
}
