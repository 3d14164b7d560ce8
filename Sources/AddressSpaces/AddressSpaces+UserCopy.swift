// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// Copies between the kernel and a program, by a software walk: the kernel itself never faults
/// on a user address (design, decision 6).
///
/// Each page is made resident first, as if the program had touched it, so a copy may sleep
/// between two pages.
///
/// Linux: `copy_from_user()`, `copy_to_user()`, `strncpy_from_user()`.
extension AddressSpaces {
  /// Copies from a program.
  ///
  /// - Throws: `badAddress` if a page may not be read; bytes before it are copied.
  /// - Context: may sleep.
  public func copyIn(
    from address: VirtualAddress, in space: Reference<AddressSpace>, byteCount: Int,
    to block: MemoryBlock, at offset: Int
  ) throws(MemoryError) {
    try forEachPart(of: space, address, byteCount, .read) { bytes, place, count, done in
      block.copy(from: bytes, at: place, to: offset + done, byteCount: count)
    }
  }

  /// Copies to a program.
  ///
  /// - Throws: `badAddress` if a page may not be written; bytes before it are copied.
  /// - Context: may sleep.
  public func copyOut(
    from block: MemoryBlock, at offset: Int, byteCount: Int, to address: VirtualAddress,
    in space: Reference<AddressSpace>
  ) throws(MemoryError) {
    try forEachPart(of: space, address, byteCount, .write) { bytes, place, count, done in
      bytes.copy(from: block, at: offset + done, to: place, byteCount: count)
    }
  }

  /// Writes zeros to a program. Linux: `clear_user()`. Context: may sleep.
  public func clear(
    _ address: VirtualAddress, in space: Reference<AddressSpace>, byteCount: Int
  ) throws(MemoryError) {
    try forEachPart(of: space, address, byteCount, .write) { bytes, place, count, _ in
      bytes.clear(from: place, byteCount: count)
    }
  }

  /// Reads one plain value. Linux: `get_user()`. Context: may sleep.
  public func load<Value: BitwiseCopyable>(
    _ type: Value.Type, at address: VirtualAddress, in space: Reference<AddressSpace>
  ) throws(MemoryError) -> Value {
    let size = MemoryLayout<Value>.size
    let place = Int(address.offsetInPage.value)
    if place + size <= Int(PageSize.base.bytes) {
      let frame = try residentFrame(of: space, address, .read)
      return machine.withBytes(of: frame) { $0.load(type, at: place) }
    }
    // The largest is a signal's frame, and a program puts it wherever its stack is.
    precondition(size <= 512, "only small values are read at once")
    var scratch = InlineArray<64, UInt64>(repeating: 0)
    return try withMemoryBlock(over: &scratch) { (block) throws(MemoryError) in
      try copyIn(from: address, in: space, byteCount: size, to: block, at: 0)
      return block.load(type, at: 0)
    }
  }

  /// Writes one plain value. Linux: `put_user()`. Context: may sleep.
  public func store<Value: BitwiseCopyable>(
    _ value: Value, at address: VirtualAddress, in space: Reference<AddressSpace>
  ) throws(MemoryError) {
    let size = MemoryLayout<Value>.size
    let place = Int(address.offsetInPage.value)
    if place + size <= Int(PageSize.base.bytes) {
      let frame = try residentFrame(of: space, address, .write)
      machine.withBytes(of: frame) { $0.store(value, at: place) }
      return
    }
    var copy = value
    try withMemoryBlock(over: &copy) { (block) throws(MemoryError) in
      try copyOut(from: block, at: 0, byteCount: size, to: address, in: space)
    }
  }

  /// Copies a string that ends in a zero byte, without that byte; returns its length.
  ///
  /// - Throws: `badAddress`; `overflow` if no zero byte comes within the block's size.
  /// - Context: may sleep.
  public func copyInString(
    from address: VirtualAddress, in space: Reference<AddressSpace>, to block: MemoryBlock
  ) throws(MemoryError) -> Int {
    var length = 0
    while length < block.byteCount {
      guard let place = address.advanced(by: ByteCount(UInt64(length))) else { throw .badAddress }
      let frame = try residentFrame(of: space, place, .read)
      let offset = Int(place.offsetInPage.value)
      let count = min(Int(PageSize.base.bytes) - offset, block.byteCount - length)
      let start = length
      let end: Int? = machine.withBytes(of: frame) { bytes in
        var index = 0
        while index < count {
          let byte = bytes.load(UInt8.self, at: offset + index)
          if byte == 0 { return start + index }
          block.store(byte, at: start + index)
          index += 1
        }
        return nil
      }
      if let end { return end }
      length += count
    }
    throw .overflow
  }

  /// Visits the bytes of a range, page by page: block, offset and count there, and bytes done.
  ///
  /// - Throws: `badAddress` at the first page that does not allow the access.
  /// - Context: may sleep between pages; the body may not.
  public func forEachPart(
    of space: Reference<AddressSpace>, _ address: VirtualAddress, _ byteCount: Int,
    _ access: FaultAccess, _ body: (MemoryBlock, Int, Int, Int) -> Void
  ) throws(MemoryError) {
    var done = 0
    while done < byteCount {
      guard let place = address.advanced(by: ByteCount(UInt64(done))) else { throw .badAddress }
      let frame = try residentFrame(of: space, place, access)
      let offset = Int(place.offsetInPage.value)
      let count = min(Int(PageSize.base.bytes) - offset, byteCount - done)
      machine.withBytes(of: frame) { body($0, offset, count, done) }
      done += count
    }
  }

  /// The frame behind a user address, after whatever fault it takes.
  ///
  /// - Throws: `badAddress` where the program would get a signal, `outOfMemory`.
  /// - Context: may sleep. The frame is not retained: it is used before the next sleep.
  ///
  /// Linux: `fault_in_readable()`, `follow_page()`.
  public func residentFrame(
    of space: Reference<AddressSpace>, _ address: VirtualAddress, _ access: FaultAccess
  ) throws(MemoryError) -> PageFrameNumber {
    guard address < Format.userLimit else { throw .badAddress }
    while true {
      if let leaf = tables.translate(heap[space].root, address)?.leaf,
        leaf.protection.contains(access == .write ? .user.union(.write) : .user.union(.read))
      {
        return leaf.frame
      }
      switch handleFault(in: space, at: address, access: access) {
      case .resolved: continue
      case .signal: throw .badAddress
      case .outOfMemory: throw .outOfMemory
      }
    }
  }
}
