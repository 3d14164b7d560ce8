// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageTableFormats

/// Segments of an executable become areas of a new address space.
///
/// Linux: `fs/binfmt_elf.c`.
extension Kernel {
  /// Where a program, or its interpreter, came to lie.
  struct LoadedImage {
    let layout: ExecutableLayout
    let bias: UInt64

    var entry: UInt64 { layout.entry &+ bias }
  }

  /// Linux: `ELF_ET_DYN_BASE`, two thirds of user space.
  private static var programBase: UInt64 { 0x5555_5555_4000 }

  /// Reads and checks the headers of an executable.
  ///
  /// - Throws: `ENOEXEC`, `EIO`, `ENOMEM`. Context: may sleep.
  func readLayout(of inode: Reference<Inode>) throws(Errno) -> ExecutableLayout {
    let header: ExecutableHeader = try loadFromFile(inode, at: 0)
    var layout = try ExecutableLayout(
      header, fileByteCount: heap[inode].byteCount, userLimit: M.Format.userLimit.value)
    for index in 0..<layout.programHeaderCount {
      try layout.add(readSegment(index, of: layout, in: inode))
    }
    try layout.check()
    return layout
  }

  private func readSegment(
    _ index: Int, of layout: ExecutableLayout, in inode: Reference<Inode>
  ) throws(Errno) -> SegmentHeader {
    let offset = layout.programHeaderOffset + UInt64(index * SegmentHeader.byteCount)
    return try loadFromFile(inode, at: offset)
  }

  /// Reads a plain value of a file; one that the file is too short for is ENOEXEC.
  private func loadFromFile<Value: BitwiseCopyable>(
    _ inode: Reference<Inode>, at offset: UInt64
  ) throws(Errno) -> Value {
    let size = MemoryLayout<Value>.size
    precondition(size <= 64, "only headers are read so")
    var buffer = InlineArray<8, UInt64>(repeating: 0)
    return try withMemoryBlock(over: &buffer) { (block) throws(Errno) in
      let count = try fileSystems.read(
        inode, at: offset, to: .kernel(block, at: 0), byteCount: size)
      guard count == size else { throw .ENOEXEC }
      return block.load(Value.self, at: 0)
    }
  }

  /// Maps all segments of a program.
  ///
  /// - Throws: `ENOMEM`, `EIO`. Context: may sleep.
  func mapProgram(
    _ layout: ExecutableLayout, of inode: Reference<Inode>, into space: Reference<AddressSpace>
  ) throws(Errno) -> LoadedImage {
    let image = LoadedImage(layout: layout, bias: layout.bias(near: Self.programBase))
    try mapSegments(of: image, inode, into: space)
    let end = (layout.highest &+ image.bias &+ 4095) & ~4095
    spaces.beginHeap(of: space, at: VirtualAddress(end))
    let codeStart = layout.codeStart == .max ? 0 : layout.codeStart
    heap[space].codeStart = VirtualAddress(codeStart &+ image.bias)
    heap[space].codeEnd = VirtualAddress(layout.codeEnd &+ image.bias)
    heap[space].dataStart = VirtualAddress(layout.dataStart &+ image.bias)
    heap[space].dataEnd = VirtualAddress(layout.dataEnd &+ image.bias)
    return image
  }

  /// Maps all segments of an interpreter where there is room.
  func mapInterpreter(
    _ layout: ExecutableLayout, of inode: Reference<Inode>, into space: Reference<AddressSpace>
  ) throws(Errno) -> LoadedImage {
    guard layout.isPositionFree else { throw .ENOEXEC }
    let base: VirtualAddress
    do {
      let size = ByteCount(layout.byteCount + layout.alignment)
      base = try spaces.map(space, MapRequest(.anywhere, byteCount: size, protection: .read))
      try spaces.unmap(space, from: base, byteCount: size)
    } catch {
      throw Errno(error)
    }
    let image = LoadedImage(layout: layout, bias: layout.bias(near: base.value))
    try mapSegments(of: image, inode, into: space)
    return image
  }

  private func mapSegments(
    of image: LoadedImage, _ inode: Reference<Inode>, into space: Reference<AddressSpace>
  ) throws(Errno) {
    guard let file = heap[inode].file.reference else { throw .EACCES }
    for index in 0..<image.layout.programHeaderCount {
      let segment = try readSegment(index, of: image.layout, in: inode)
      guard segment.type == SegmentHeader.load, segment.memoryByteCount > 0 else { continue }
      do {
        try map(segment, bias: image.bias, file, into: space)
      } catch {
        throw Errno(error)
      }
    }
  }

  private func map(
    _ segment: SegmentHeader, bias: UInt64, _ file: Reference<CachedFile>,
    into space: Reference<AddressSpace>
  ) throws(MemoryError) {
    let start = segment.address &+ bias
    let inPage = start & 4095
    let fileEnd = start &+ segment.fileByteCount
    let end = start &+ segment.memoryByteCount
    let protection = rights(of: segment)
    var anonymousStart = start & ~4095
    if segment.fileByteCount > 0 {
      _ = try spaces.map(
        space,
        MapRequest(
          .fixed(VirtualAddress(start - inPage)),
          byteCount: ByteCount(segment.fileByteCount + inPage), protection: protection,
          source: .file(file, pageIndex: segment.fileOffset >> 12)))
      anonymousStart = (fileEnd + 4095) & ~4095
      if end > fileEnd, segment.flags & SegmentHeader.writable != 0, fileEnd < anonymousStart {
        try spaces.clear(
          VirtualAddress(fileEnd), in: space, byteCount: Int(anonymousStart - fileEnd))
      }
    }
    guard end > anonymousStart else { return }
    _ = try spaces.map(
      space,
      MapRequest(
        .fixed(VirtualAddress(anonymousStart)), byteCount: ByteCount(end - anonymousStart),
        protection: protection))
  }

  private func rights(of segment: SegmentHeader) -> Protection {
    var rights = Protection(rawValue: 0)
    if segment.flags & SegmentHeader.readable != 0 { rights.formUnion(.read) }
    if segment.flags & SegmentHeader.writable != 0 { rights.formUnion(.write) }
    if segment.flags & SegmentHeader.executable != 0 { rights.formUnion(.execute) }
    return rights
  }
}
