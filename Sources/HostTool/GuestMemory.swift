// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc
import MemoryEvents
import MemoryUnits

/// The machine's RAM as this process sees it: what `--memory` asked for, and the channel above.
///
/// It is memory without a file's name, so nothing of it outlives the tool and QEMU.
@safe
final class GuestMemory {
  /// What `--memory` asked for: the channel begins there.
  let size: ByteCount
  let descriptor: Int32
  private let base: UnsafeMutableRawPointer
  let byteCount: Int

  init(_ size: ByteCount) throws(ToolFailure) {
    // QEMU rounds the size of RAM up to 8 KiB.
    let total = (size.value + UInt64(ChannelLayout.byteCount) + 8191) & ~8191
    // SAFETY: the name is terminated.
    let file = unsafe make_memory_file("quire-ram", total)
    if file < 0 {
      throw ToolFailure(.failed, "memory: \(HostError(-file).text)", "give a smaller --memory")
    }
    // SAFETY: a new mapping at a place of the kernel's choice; it is unmapped with this object.
    let mapping = unsafe mmap(nil, Int(total), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
      close(file)
      throw ToolFailure(
        .failed, "memory: \(HostError(errno).text)", "give a smaller --memory")
    }
    self.size = size
    descriptor = file
    // SAFETY: kept by this object alone, which unmaps it.
    unsafe base = mapping
    byteCount = Int(total)
  }

  deinit {
    // SAFETY: mapped in init; nobody else has the pointer.
    unsafe munmap(base, byteCount)
    close(descriptor)
  }

  /// Reads a word of the channel's mailbox; all that was written before it is visible then.
  func load(_ offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset & 7 == 0 && offset + 8 <= ChannelLayout.byteCount)
    // SAFETY: the offset is aligned and inside the mapping.
    return unsafe load_acquire(base + Int(size.value) + offset)
  }

  /// Writes a word of the channel's mailbox after all that was written before.
  func store(_ value: UInt64, _ offset: Int) {
    precondition(offset >= 0 && offset & 7 == 0 && offset + 8 <= ChannelLayout.byteCount)
    // SAFETY: the offset is aligned and inside the mapping.
    unsafe store_release(base + Int(size.value) + offset, value)
  }

  /// Calls with a part of the channel. The guest may write there too, so only the counters say
  /// what is whole.
  func withChannel<Result, Failure: Error>(
    at offset: Int, count: Int,
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(offset >= 0 && count >= 0 && offset + count <= ChannelLayout.byteCount)
    // SAFETY: the span lies inside the mapping.
    return try unsafe body(
      UnsafeMutableRawBufferPointer(start: base + Int(size.value) + offset, count: count))
  }

  /// A little-endian number anywhere in RAM, or nil beyond its end.
  func number(at address: UInt64, bytes: Int) -> UInt64? {
    guard address <= UInt64(byteCount), UInt64(bytes) <= UInt64(byteCount) - address else {
      return nil
    }
    var value: UInt64 = 0
    for index in (0..<bytes).reversed() {
      // SAFETY: `address + index` was checked to lie inside the mapping.
      let byte = unsafe base.load(fromByteOffset: Int(address) + index, as: UInt8.self)
      value = value << 8 | UInt64(byte)
    }
    return value
  }
}
