// SPDX-License-Identifier: Apache-2.0

import Glibc
import Machine
import MemoryUnits
import Synchronization

/// The RAM of a simulated machine: one shared file in memory, seen whole, as direct map, and
/// through windows that end with their use.
///
/// The host gives memory only for pages that are touched, so a gibibyte costs nothing by itself.
@safe
final class PhysicalMemory: @unchecked Sendable {
  let byteCount: Int
  let channelBytes: Int
  private let isOpen = Atomic<Bool>(true)
  private let hostBlocks = Mutex<[HostBlock]>([])
  private let file: Int32
  private let whole: UnsafeMutableRawPointer
  private let directBase: UnsafeMutableRawPointer
  private let directBytes: Int
  private let windows: UnsafeMutableRawPointer
  private let channelBase: UnsafeMutableRawPointer

  /// Windows are used in turn, so that one is long closed before its address comes back.
  private static var windowCount: Int { 1024 }
  private static var pageBytes: Int { Int(PageSize.base.bytes) }

  init(frameCount: Int, directFrameCount: Int, channelBytes: Int) {
    byteCount = frameCount * Self.pageBytes
    directBytes = directFrameCount * Self.pageBytes
    self.channelBytes = channelBytes
    file = Self.openMemoryFile()
    precondition(ftruncate(file, off_t(byteCount)) == 0, "no memory file of this size")
    let both = PROT_READ | PROT_WRITE
    // SAFETY: fresh mappings of our own file; every failure stops.
    unsafe whole = Self.map(byteCount, both, MAP_SHARED, file)
    unsafe directBase = Self.map(max(directBytes, 1), both, MAP_SHARED, file)
    unsafe windows = Self.map(
      Self.windowCount * Self.pageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1)
    unsafe channelBase = Self.map(channelBytes, both, MAP_PRIVATE | MAP_ANONYMOUS, -1)
  }

  deinit { close() }

  /// Gives everything back to the host; what is abandoned with a task may keep this object.
  func close() {
    guard isOpen.exchange(false, ordering: .relaxed) else { return }
    // SAFETY: the four mappings of `init`, reached by nobody once the machine is torn down.
    unsafe munmap(whole, byteCount)
    unsafe munmap(directBase, max(directBytes, 1))
    unsafe munmap(windows, Self.windowCount * Self.pageBytes)
    unsafe munmap(channelBase, channelBytes)
    hostBlocks.withLock { blocks in
      for block in blocks { unsafe munmap(block.base, block.byteCount) }
      blocks.removeAll()
    }
    Glibc.close(file)
  }

  /// What the kernel reaches at a fixed offset.
  var directMap: MemoryBlock {
    // SAFETY: lives as long as this; only the machine's users reach it.
    unsafe MemoryBlock(unsafeBase: directBase, byteCount: directBytes)
  }

  /// All of RAM, for the machine's own walks and devices.
  var all: MemoryBlock {
    // SAFETY: as for `directMap`.
    unsafe MemoryBlock(unsafeBase: whole, byteCount: byteCount)
  }

  var channel: MemoryBlock {
    // SAFETY: as for `directMap`.
    unsafe MemoryBlock(unsafeBase: channelBase, byteCount: channelBytes)
  }

  /// The frame's bytes in the direct map, or nil beyond it.
  func directBlock(of frame: PageFrameNumber) -> MemoryBlock? {
    let offset = Int(frame.address.value)
    guard offset + Self.pageBytes <= directBytes else { return nil }
    return directMap.part(from: offset, byteCount: Self.pageBytes)
  }

  /// Makes a window show a frame. Linux: `kmap_local_page()`.
  func openWindow(_ index: Int, on frame: PageFrameNumber) -> MemoryBlock {
    precondition(Int(frame.address.value) < byteCount, "a frame beyond RAM")
    // SAFETY: the slot is ours; it is replaced as a whole.
    let slot = unsafe windows + (index % Self.windowCount) * Self.pageBytes
    let mapped = unsafe mmap(
      slot, Self.pageBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
      off_t(frame.address.value))
    precondition(unsafe mapped == slot, "the host refused a window")
    return unsafe MemoryBlock(unsafeBase: slot, byteCount: Self.pageBytes)
  }

  /// Makes every further use of a window a fault of the host.
  func closeWindow(_ index: Int) {
    // SAFETY: the slot is ours.
    let slot = unsafe windows + (index % Self.windowCount) * Self.pageBytes
    unsafe mprotect(slot, Self.pageBytes, PROT_NONE)
  }

  /// Zeroed memory of the host that is no part of the machine, given back with it.
  func hostMemory(byteCount: Int) -> MemoryBlock {
    precondition(byteCount > 0, "no bytes asked for")
    // SAFETY: a new mapping, unmapped in `close`.
    let base = unsafe Self.map(
      byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)
    let block = unsafe HostBlock(base: base, byteCount: byteCount)
    hostBlocks.withLock { $0.append(block) }
    return unsafe MemoryBlock(unsafeBase: base, byteCount: byteCount)
  }

  @safe
  private struct HostBlock: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
  }

  private static func map(
    _ count: Int, _ protection: Int32, _ flags: Int32, _ file: Int32
  ) -> UnsafeMutableRawPointer {
    // SAFETY: a new mapping at a place of the host's choice.
    let base = unsafe mmap(nil, count, protection, flags | Int32(MAP_NORESERVE), file, 0)
    guard let base = unsafe base, unsafe base != MAP_FAILED else {
      fatalError("the host has no address space for this machine")
    }
    return unsafe base
  }

  private static func openMemoryFile() -> Int32 {
    typealias Create = @convention(c) (UnsafePointer<CChar>?, UInt32) -> Int32
    // SAFETY: glibc has had memfd_create with this signature since 2.27; it is variadic-free
    // but not imported, for want of _GNU_SOURCE.
    let symbol = unsafe dlsym(nil, "memfd_create")
    guard let symbol = unsafe symbol else { fatalError("the host has no memfd_create") }
    let create = unsafe unsafeBitCast(symbol, to: Create.self)
    let closeOnExecution: UInt32 = 1
    let file = unsafe create("quire-simulated-ram", closeOnExecution)
    precondition(file >= 0, "the host has no memory files")
    return file
  }
}
