// SPDX-License-Identifier: Apache-2.0

/// What packing wants to know of an ELF file, read with every bound checked.
///
/// The kernel does its own checks when it loads the program; these are for a message that names
/// what is wrong before a machine is started.
struct ELFImage: Equatable {
  /// The dynamic linker, where the program wants one.
  var interpreter: String?
  /// Names of the libraries that it wants. ELF: `DT_NEEDED`.
  var libraries: [String] = []
  /// Folders to look for them, before and after the usual ones. ELF: `DT_RPATH`, `DT_RUNPATH`.
  var searchPaths: [String] = []

  /// A file as its size and the bytes at a place; fewer bytes come where it ends.
  struct Source {
    var size: UInt64
    var bytes: (_ offset: UInt64, _ count: Int) throws(Problem) -> [UInt8]
  }

  enum Problem: Error, Equatable {
    case notELF
    /// An ELF file of another architecture, which is named.
    case otherArchitecture(String)
    /// What is wrong with it.
    case corrupt(String)
    case unreadable(HostError)
  }

  private struct Segment {
    var kind: UInt32
    var offset: UInt64
    var address: UInt64
    var fileSize: UInt64
    var memorySize: UInt64
  }

  /// Reads a file for x86-64.
  ///
  /// - Throws: a `Problem`, also for a file that ends before what its headers promise.
  init(_ source: Source) throws(Problem) {
    let header = try Self.bytes(of: source, at: 0, count: 64, orFewer: true)
    guard header.count >= 4, header[..<4] == [0x7F, 0x45, 0x4C, 0x46] else { throw .notELF }
    guard header.count >= 20 else { throw .corrupt("its header is cut off") }
    try Self.checkArchitecture(header)
    guard header.count == 64 else { throw .corrupt("its header is cut off") }
    let kind = header.number(at: 16, bytes: 2)
    guard kind == 2 || kind == 3 else { throw .corrupt("it is not a program (type \(kind))") }
    let segments = try Self.segments(of: source, header: header)
    guard segments.contains(where: { $0.kind == 1 }) else {
      throw .corrupt("it has nothing to load")
    }
    for segment in segments where segment.kind == 3 {
      interpreter = try Self.interpreter(segment, of: source)
    }
    for segment in segments where segment.kind == 2 {
      try readDynamic(segment, of: source, loaded: segments.filter { $0.kind == 1 })
    }
  }

  private static func bytes(
    of source: Source, at offset: UInt64, count: Int, orFewer: Bool = false
  ) throws(Problem) -> [UInt8] {
    let bytes = try source.bytes(offset, count)
    if bytes.count < count, !orFewer { throw .corrupt("it is cut off") }
    return bytes
  }

  private static func checkArchitecture(_ header: [UInt8]) throws(Problem) {
    guard header[5] == 1 else { throw .otherArchitecture("big-endian") }
    let machine = header.number(at: 18, bytes: 2)
    let name: String? =
      switch (header[4], machine) {
      case (2, 62): nil
      case (1, 62): "x32"
      case (_, 3): "i386"
      case (_, 40): "ARM"
      case (_, 183): "AArch64"
      case (_, 243): "RISC-V"
      case (_, 8): "MIPS"
      case (_, 20), (_, 21): "PowerPC"
      case (_, 22): "s390"
      default: "ELF machine \(machine)"
      }
    if let name { throw .otherArchitecture(name) }
  }

  private static func segments(
    of source: Source, header: [UInt8]
  ) throws(Problem) -> [Segment] {
    let offset = header.number(at: 32, bytes: 8)
    let entrySize = header.number(at: 54, bytes: 2)
    let count = header.number(at: 56, bytes: 2)
    guard entrySize == 56, count > 0, count <= 65536 / 56 else {
      throw .corrupt("its program headers are malformed")
    }
    guard fits(offset, count * 56, in: source.size) else {
      throw .corrupt("its program headers lie beyond its end")
    }
    let table = try bytes(of: source, at: offset, count: Int(count) * 56)
    var segments: [Segment] = []
    for index in 0..<Int(count) {
      let base = index * 56
      let segment = Segment(
        kind: UInt32(table.number(at: base, bytes: 4)),
        offset: table.number(at: base + 8, bytes: 8),
        address: table.number(at: base + 16, bytes: 8),
        fileSize: table.number(at: base + 32, bytes: 8),
        memorySize: table.number(at: base + 40, bytes: 8))
      try check(segment, fileSize: source.size)
      segments.append(segment)
    }
    return segments
  }

  private static func check(_ segment: Segment, fileSize: UInt64) throws(Problem) {
    guard segment.kind == 1 || segment.kind == 2 || segment.kind == 3 else { return }
    guard fits(segment.offset, segment.fileSize, in: fileSize) else {
      throw .corrupt("a segment lies beyond its end")
    }
    guard segment.kind == 1 else { return }
    guard segment.fileSize <= segment.memorySize else {
      throw .corrupt("a segment is larger in the file than in memory")
    }
    guard fits(segment.address, segment.memorySize, in: 0x7FFF_FFFF_F000) else {
      throw .corrupt("a segment lies beyond the user's addresses")
    }
    guard segment.address & 0xFFF == segment.offset & 0xFFF else {
      throw .corrupt("a segment is not aligned")
    }
  }

  private static func interpreter(
    _ segment: Segment, of source: Source
  ) throws(Problem) -> String {
    guard segment.fileSize >= 2, segment.fileSize <= 4096 else {
      throw .corrupt("its interpreter's name is malformed")
    }
    let name = try bytes(of: source, at: segment.offset, count: Int(segment.fileSize))
    guard let end = name.firstIndex(of: 0), end > 0 else {
      throw .corrupt("its interpreter's name has no end")
    }
    return String(decoding: name[..<end], as: UTF8.self)
  }

  private mutating func readDynamic(
    _ segment: Segment, of source: Source, loaded: [Segment]
  ) throws(Problem) {
    guard segment.fileSize <= 1 << 20 else { throw .corrupt("its dynamic section is too large") }
    let table = try Self.bytes(of: source, at: segment.offset, count: Int(segment.fileSize))
    var wanted: [UInt64] = []
    var paths: [UInt64] = []
    var stringsAddress: UInt64?
    var stringsSize: UInt64 = 0
    for base in stride(from: 0, to: table.count - 15, by: 16) {
      let tag = table.number(at: base, bytes: 8)
      let value = table.number(at: base + 8, bytes: 8)
      if tag == 0 { break }
      switch tag {
      case 1: wanted.append(value)
      case 5: stringsAddress = value
      case 10: stringsSize = value
      case 15, 29: paths.append(value)
      default: break
      }
    }
    if wanted.isEmpty && paths.isEmpty { return }
    let home = loaded.first { segment in
      guard let address = stringsAddress, address >= segment.address else { return false }
      return Self.fits(address - segment.address, stringsSize, in: segment.fileSize)
    }
    guard let home, let address = stringsAddress, stringsSize <= 1 << 24 else {
      throw .corrupt("its dynamic strings lie in no segment")
    }
    let strings = try Self.bytes(
      of: source, at: home.offset + (address - home.address), count: Int(stringsSize))
    for place in wanted { libraries.append(try Self.text(in: strings, at: place)) }
    for place in paths {
      let list = try Self.text(in: strings, at: place)
      searchPaths += list.split(separator: ":").map(String.init)
    }
  }

  private static func text(in strings: [UInt8], at place: UInt64) throws(Problem) -> String {
    guard place < UInt64(strings.count), let end = strings[Int(place)...].firstIndex(of: 0) else {
      throw .corrupt("a dynamic string has no end")
    }
    return String(decoding: strings[Int(place)..<end], as: UTF8.self)
  }

  private static func fits(_ offset: UInt64, _ count: UInt64, in size: UInt64) -> Bool {
    offset <= size && count <= size - offset
  }
}

extension [UInt8] {
  /// A little-endian number.
  ///
  /// - Precondition: it lies in the array.
  func number(at offset: Int, bytes: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in (0..<bytes).reversed() { value = value << 8 | UInt64(self[offset + index]) }
    return value
  }

  /// Writes a little-endian number.
  ///
  /// - Precondition: it lies in the array.
  mutating func setNumber(_ value: UInt64, at offset: Int, bytes: Int) {
    for index in 0..<bytes {
      self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
    }
  }
}
