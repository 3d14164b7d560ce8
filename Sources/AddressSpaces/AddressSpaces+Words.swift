// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageTableFormats

/// What waiting for a word of memory needs: which memory it is, and changing it in one step.
///
/// Linux: `get_futex_key()`, `futex_cmpxchg_value_locked()`.
extension AddressSpaces {
  /// Where a word is kept that others may share.
  public enum WordPlace: BitwiseCopyable {
    /// In private memory: its address in its space says which it is.
    case space
    /// In a page of a file, or of memory that forks share.
    case file(Reference<CachedFile>, pageIndex: UInt64)
  }

  /// The memory behind an address, whoever maps it where.
  ///
  /// A page that may be written is its space's own from here on.
  ///
  /// - Throws: `badAddress` where nothing may be read, and of private memory that cannot change.
  /// - Context: may sleep.
  public func place(
    ofWordAt address: VirtualAddress, in space: Reference<AddressSpace>
  ) throws(MemoryError) -> WordPlace {
    _ = try residentFrame(of: space, address, .read)
    guard let area = area(in: space, at: address.page) else { throw .badAddress }
    if heap[area].isPrivate, heap[area].protection.contains(.write) {
      _ = try residentFrame(of: space, address, .write)
      return .space
    }
    guard let file = heap[area].file.reference else { throw .badAddress }
    return .file(file, pageIndex: heap[area].index(of: address.page))
  }

  /// Changes a word in one step: nobody runs between the look and the change.
  ///
  /// - Parameter body: the new value for an old one; nil leaves it. It may not sleep.
  /// - Returns: what was there.
  /// - Throws: `badAddress` where the program may not write.
  /// - Precondition: the address is a multiple of 4.
  /// - Context: may sleep before the look.
  @discardableResult
  public func update(
    wordAt address: VirtualAddress, in space: Reference<AddressSpace>,
    _ body: (UInt32) -> UInt32?
  ) throws(MemoryError) -> UInt32 {
    precondition(address.value & 3 == 0, "a word lies in one page")
    let frame = try residentFrame(of: space, address, .write)
    let place = Int(address.offsetInPage.value)
    return machine.withBytes(of: frame) { bytes in
      let old = bytes.load(UInt32.self, at: place)
      if let new = body(old) { bytes.store(new, at: place) }
      return old
    }
  }
}
