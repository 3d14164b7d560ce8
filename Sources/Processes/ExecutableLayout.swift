// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import MemoryUnits

/// What the headers of an executable say, checked before anything is done: pure values.
///
/// Every number comes from a file that may be damaged or hostile. After `check` has returned, each
/// segment lies in the file and below the limit of user space, and no sum overflows.
///
/// Linux: the first half of `load_elf_binary()`.
struct ExecutableLayout: Equatable {
  let entry: UInt64
  let programHeaderOffset: UInt64
  let programHeaderCount: Int
  let isPositionFree: Bool
  private let fileByteCount: UInt64
  private let userLimit: UInt64

  /// The addresses of all segments, before any bias.
  private(set) var lowest = UInt64.max
  private(set) var highest: UInt64 = 0
  private(set) var codeStart = UInt64.max
  private(set) var codeEnd: UInt64 = 0
  private(set) var dataStart: UInt64 = 0
  private(set) var dataEnd: UInt64 = 0
  private(set) var alignment: UInt64 = 4096
  /// Where the program headers are in memory, if a segment holds them.
  private(set) var programHeaderAddress: UInt64 = 0
  /// Where the interpreter's path is in the file.
  private(set) var interpreterOffset: UInt64 = 0
  private(set) var interpreterByteCount = 0
  private var previousStart: UInt64 = 0

  /// - Throws: `ENOEXEC` for everything that is not an executable of this machine.
  init(
    _ header: ExecutableHeader, fileByteCount: UInt64, userLimit: UInt64
  ) throws(Errno) {
    guard header.magic == ExecutableHeader.expectedMagic, header.fileClass == 2,
      header.byteOrder == 1, header.machine == ExecutableHeader.machineX8664,
      header.type == ExecutableHeader.fixedPosition || header.type == ExecutableHeader.anyPosition,
      Int(header.programHeaderSize) == SegmentHeader.byteCount, header.programHeaderCount > 0
    else { throw .ENOEXEC }
    let byteCount = UInt64(header.programHeaderCount) * UInt64(SegmentHeader.byteCount)
    guard byteCount <= 65_536,
      Self.lies(header.programHeaderOffset, byteCount, within: fileByteCount)
    else { throw .ENOEXEC }
    entry = header.entry
    programHeaderOffset = header.programHeaderOffset
    programHeaderCount = Int(header.programHeaderCount)
    isPositionFree = header.type == ExecutableHeader.anyPosition
    self.fileByteCount = fileByteCount
    self.userLimit = userLimit
  }

  private static func lies(_ offset: UInt64, _ count: UInt64, within size: UInt64) -> Bool {
    offset <= size && count <= size - offset
  }

  /// Takes the next program header.
  ///
  /// - Throws: `ENOEXEC` if it lies about the file, or leaves user space.
  mutating func add(_ segment: SegmentHeader) throws(Errno) {
    switch segment.type {
    case SegmentHeader.load: try addLoad(segment)
    case SegmentHeader.interpreter:
      guard interpreterByteCount == 0 else { return }
      guard segment.fileByteCount >= 2, segment.fileByteCount <= 4096,
        Self.lies(segment.fileOffset, segment.fileByteCount, within: fileByteCount)
      else { throw .ENOEXEC }
      interpreterOffset = segment.fileOffset
      interpreterByteCount = Int(segment.fileByteCount)
    default: return
    }
  }

  private mutating func addLoad(_ segment: SegmentHeader) throws(Errno) {
    guard segment.fileByteCount <= segment.memoryByteCount,
      Self.lies(segment.fileOffset, segment.fileByteCount, within: fileByteCount),
      segment.address <= userLimit, segment.memoryByteCount <= userLimit - segment.address,
      segment.address & 4095 == segment.fileOffset & 4095,
      segment.address >= previousStart
    else { throw .ENOEXEC }
    guard segment.memoryByteCount > 0 else { return }
    previousStart = segment.address
    let fileEnd = segment.address + segment.fileByteCount
    let end = segment.address + segment.memoryByteCount
    lowest = min(lowest, segment.address & ~4095)
    highest = max(highest, end)
    if segment.alignment.nonzeroBitCount == 1, segment.alignment <= 1 << 30 {
      alignment = max(alignment, segment.alignment)
    }
    if Self.lies(segment.fileOffset, 0, within: programHeaderOffset),
      programHeaderOffset - segment.fileOffset < segment.fileByteCount
    {
      programHeaderAddress = programHeaderOffset - segment.fileOffset + segment.address
    }
    if segment.flags & SegmentHeader.executable != 0 {
      codeStart = min(codeStart, segment.address)
      codeEnd = max(codeEnd, fileEnd)
    }
    dataStart = max(dataStart, segment.address)
    dataEnd = max(dataEnd, fileEnd)
  }

  /// Ends the headers.
  ///
  /// - Throws: `ENOEXEC` if nothing is to be loaded, or the program begins outside of it.
  func check() throws(Errno) {
    guard lowest < highest, entry >= lowest, entry < highest else { throw .ENOEXEC }
  }

  /// How far a position-free program moves, to begin at an address or a little above.
  func bias(near address: UInt64) -> UInt64 {
    guard isPositionFree else { return 0 }
    let aligned = (address + alignment - 1) & ~(alignment - 1)
    return aligned &- (lowest & ~(alignment - 1))
  }

  /// The span of all segments in whole pages.
  var byteCount: UInt64 { ((highest + 4095) & ~4095) - lowest }
}
