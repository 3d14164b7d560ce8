// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Which inodes are in memory, who holds them, and which of them are kept for later.
///
/// An inode of the disk that nobody holds stays, with its pages, until too many do; those of
/// other trees are made when they are looked up and go with their last holder.
extension FileSystems {
  /// Counts one more holder; there may be none, as of a file that is only mapped.
  ///
  /// Linux: `ihold()`.
  public func retain(_ inode: Reference<Inode>) {
    if heap[inode].references == 0, heap[inode].tree == .disk {
      if heap[inode].linkCount == 0 { removeOrphan(inode) } else { removeUnused(inode) }
    }
    heap[inode].references += 1
  }

  /// Counts one more holder of an inode with a name that may have none.
  func hold(_ inode: Reference<Inode>) {
    if heap[inode].references == 0 { removeUnused(inode) }
    heap[inode].references += 1
  }

  /// Counts one holder less. Linux: `iput()`.
  ///
  /// - Context: any; never sleeps.
  public func release(_ inode: Reference<Inode>) {
    precondition(heap[inode].references > 0, "an inode was released too often")
    heap[inode].references -= 1
    guard heap[inode].references == 0 else { return }
    if heap[inode].tree == .memory { return discardMemory(inode) }
    guard heap[inode].tree == .disk else { return discard(inode) }
    if heap[inode].linkCount == 0 { return pushOrphan(inode) }
    pushUnused(inode)
    // Many may have to be written first: then only a few are looked at each time.
    trimUnused(to: FileSystemState.unusedLimit, looks: 8)
  }

  /// The inodes that nobody uses. Linux: `super_cache_count()`.
  public var unusedInodeCount: Int { Int(state.value.unusedCount) }

  /// Lets go of inodes that nobody uses, for their memory; says whether any went.
  ///
  /// - Context: reclaim; never sleeps.
  ///
  /// Linux: `prune_icache_sb()`.
  public func shrinkInodes(to limit: UInt32) -> Bool {
    let before = state.value.inodeCount
    trimUnused(to: limit, looks: state.value.unusedCount)
    return state.value.inodeCount < before
  }

  /// The inode of a number if it is in memory, counted for the caller.
  ///
  /// - Throws: EIO.
  func cachedInode(
    _ number: UInt32, of volume: MountPlace
  ) throws(Errno) -> Reference<Inode>? {
    var link = state.value.inodeTable[chain(number)]
    while let inode = link.reference {
      if heap[inode].number == UInt64(number), heap[inode].volume == volume {
        // Without name and user it is about to go: only a damaged disk leads to it.
        if heap[inode].linkCount == 0, heap[inode].references == 0 { throw .EIO }
        if heap[inode].references == 0 { removeUnused(inode) }
        heap[inode].references += 1
        return inode
      }
      link = heap[inode].nextOfChain
    }
    return nil
  }

  func enter(_ inode: Reference<Inode>, _ number: UInt32) {
    heap[inode].nextOfChain = state.value.inodeTable[chain(number)]
    state.value.inodeTable[chain(number)] = Link(inode)
    state.value.inodeCount += 1
  }

  /// Lets go of the folder in which a file was found. Nothing is freed here, since that may be
  /// what asks for it.
  func releaseParent(of child: Reference<Inode>) {
    guard let folder = heap[child].parent.reference else { return }
    heap[child].parent = Link(nil)
    heap[folder].references -= 1
    guard heap[folder].references == 0 else { return }
    if heap[folder].linkCount == 0 { pushOrphan(folder) } else { pushUnused(folder) }
  }

  /// Frees an inode that is in no chain.
  func discard(_ inode: Reference<Inode>) {
    releaseParent(of: inode)
    if let file = heap[inode].file.reference {
      // Areas may map it still; of a file in memory they keep the contents alone.
      heap[file].owner = 0
      spaces.release(file)
    }
    if let text = heap[inode].linkText { byteHeap.free(at: text) }
    heap.free(inode)
  }

  private func chain(_ number: UInt32) -> Int {
    Int(number) & (FileSystemState.inodeChainCount - 1)
  }

  private func pushUnused(_ inode: Reference<Inode>) {
    let first = state.value.firstUnused
    heap[inode].previousUnused = Link(nil)
    heap[inode].nextUnused = first
    if let first = first.reference {
      heap[first].previousUnused = Link(inode)
    } else {
      state.value.lastUnused = Link(inode)
    }
    state.value.firstUnused = Link(inode)
    state.value.unusedCount += 1
  }

  private func removeUnused(_ inode: Reference<Inode>) {
    let next = heap[inode].nextUnused
    let previous = heap[inode].previousUnused
    if let next = next.reference {
      heap[next].previousUnused = previous
    } else {
      state.value.lastUnused = previous
    }
    if let previous = previous.reference {
      heap[previous].nextUnused = next
    } else {
      state.value.firstUnused = next
    }
    heap[inode].nextUnused = Link(nil)
    heap[inode].previousUnused = Link(nil)
    state.value.unusedCount -= 1
  }

  /// Frees the inodes that were unused for longest, except those that areas still map or whose
  /// pages are being read. With the last file found in a folder that one is unused, too.
  ///
  /// - Parameter looks: how many that must stay are looked at.
  private func trimUnused(to limit: UInt32, looks: UInt32) {
    var looks = looks
    while state.value.unusedCount > limit, looks > 0,
      let inode = state.value.lastUnused.reference
    {
      removeUnused(inode)
      guard isFreeable(inode) else {
        looks -= 1
        pushUnused(inode)
        continue
      }
      removeFromChain(inode)
      discard(inode)
    }
  }

  private func isFreeable(_ inode: Reference<Inode>) -> Bool {
    guard heap[inode].dirt == .none else { return false }
    guard let file = heap[inode].file.reference else { return true }
    return heap[file].users == 1 && heap[file].dirtyCount == .zero
      && heap[file].writebackCount == .zero && !hasTransfer(of: file)
  }

  func removeFromChain(_ inode: Reference<Inode>) {
    let place = chain(UInt32(heap[inode].number))
    state.value.inodeCount -= 1
    guard state.value.inodeTable[place].reference != inode else {
      state.value.inodeTable[place] = heap[inode].nextOfChain
      return
    }
    var link = state.value.inodeTable[place]
    while let current = link.reference {
      link = heap[current].nextOfChain
      if link.reference == inode {
        heap[current].nextOfChain = heap[inode].nextOfChain
        return
      }
    }
    preconditionFailure("an inode outside its chain")
  }
}
