// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// Bytes of the kernel's heap that somebody owns, to be given back exactly once.
///
/// A lost one traps in debug builds. Who keeps the address in a table `surrender()`s the token,
/// and adopts it again (`KernelHeap.adopt`) to give it back.
@frozen
public struct HeapBlock: ~Copyable {
  /// Aligned to the largest power of two that divides `byteCount`, up to a page: powers of two
  /// to themselves, 96 to 32, 192 to 64.
  public let address: PhysicalAddress
  /// What may be used: what was asked for, rounded up to the class. Linux: `ksize()`.
  public let byteCount: ByteCount
  /// The cache that it is an object of; 0 for whole pages and for no bytes.
  let cacheIndex: Int

  init(_ address: PhysicalAddress, _ byteCount: ByteCount, cacheIndex: Int = 0) {
    self.address = address
    self.byteCount = byteCount
    self.cacheIndex = cacheIndex
  }

  deinit { assertionFailure("a block of the heap was lost") }

  /// Ends the token; from now on the address is what the caller keeps.
  public consuming func surrender() -> PhysicalAddress {
    let address = address
    discard self
    return address
  }
}
