// SPDX-License-Identifier: Apache-2.0

/// Seconds and nanoseconds since the epoch. Linux: `struct timespec` of 64-bit programs.
public struct TimeOfFile: BitwiseCopyable, Sendable, Equatable {
  public var seconds: Int64
  public var nanoseconds: Int64

  public init(seconds: Int64, nanoseconds: Int64 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}

/// What stat answers: 144 bytes in x86-64's order. Linux: `struct stat`.
public struct FileStatus: BitwiseCopyable, Sendable {
  public var device: UInt64
  public var inodeNumber: UInt64
  public var linkCount: UInt64
  public var mode: UInt32
  public var user: UInt32
  public var group: UInt32
  private var padding: UInt32 = 0
  public var specialDevice: UInt64
  public var byteCount: Int64
  public var blockSize: Int64
  /// In units of 512 bytes.
  public var sectorCount: Int64
  public var accessed: TimeOfFile
  public var modified: TimeOfFile
  public var changed: TimeOfFile
  private var unused0: Int64 = 0
  private var unused1: Int64 = 0
  private var unused2: Int64 = 0

  public init(
    device: UInt64, inodeNumber: UInt64, linkCount: UInt64, mode: UInt32, user: UInt32,
    group: UInt32, specialDevice: UInt64, byteCount: Int64, sectorCount: Int64,
    accessed: TimeOfFile, modified: TimeOfFile, changed: TimeOfFile
  ) {
    self.device = device
    self.inodeNumber = inodeNumber
    self.linkCount = linkCount
    self.mode = mode
    self.user = user
    self.group = group
    self.specialDevice = specialDevice
    self.byteCount = byteCount
    blockSize = 4096
    self.sectorCount = sectorCount
    self.accessed = accessed
    self.modified = modified
    self.changed = changed
  }

  public static var byteCountOfLayout: Int { 144 }
}

/// A time as statx answers it. Linux: `struct statx_timestamp`.
public struct ExtendedTime: BitwiseCopyable, Sendable {
  public var seconds: Int64
  public var nanoseconds: UInt32
  private var reserved: Int32 = 0

  public init(_ time: TimeOfFile) {
    seconds = time.seconds
    nanoseconds = UInt32(truncatingIfNeeded: time.nanoseconds)
  }
}

/// What statx answers: 256 bytes. Linux: `struct statx`.
public struct ExtendedFileStatus: BitwiseCopyable, Sendable {
  public var mask: UInt32
  public var blockSize: UInt32
  public var attributes: UInt64 = 0
  public var linkCount: UInt32
  public var user: UInt32
  public var group: UInt32
  public var mode: UInt16
  private var padding0: UInt16 = 0
  public var inodeNumber: UInt64
  public var byteCount: UInt64
  public var sectorCount: UInt64
  public var attributesMask: UInt64 = 0
  public var accessed: ExtendedTime
  public var born: ExtendedTime
  public var changed: ExtendedTime
  public var modified: ExtendedTime
  public var specialMajor: UInt32
  public var specialMinor: UInt32
  public var deviceMajor: UInt32
  public var deviceMinor: UInt32
  public var mountNumber: UInt64 = 0
  private var spare: InlineArray<13, UInt64> = InlineArray(repeating: 0)

  /// Linux: `STATX_BASIC_STATS`.
  public static var basicMask: UInt32 { 0x7FF }
  public static var byteCountOfLayout: Int { 256 }

  public init(_ status: FileStatus) {
    mask = Self.basicMask
    blockSize = UInt32(truncatingIfNeeded: status.blockSize)
    linkCount = UInt32(truncatingIfNeeded: status.linkCount)
    user = status.user
    group = status.group
    mode = UInt16(truncatingIfNeeded: status.mode)
    inodeNumber = status.inodeNumber
    byteCount = UInt64(status.byteCount)
    sectorCount = UInt64(status.sectorCount)
    accessed = ExtendedTime(status.accessed)
    born = ExtendedTime(TimeOfFile(seconds: 0))
    changed = ExtendedTime(status.changed)
    modified = ExtendedTime(status.modified)
    specialMajor = DeviceNumber(encoded: status.specialDevice).major
    specialMinor = DeviceNumber(encoded: status.specialDevice).minor
    deviceMajor = DeviceNumber(encoded: status.device).major
    deviceMinor = DeviceNumber(encoded: status.device).minor
  }
}

/// The number of a device. Linux: `dev_t`, `MKDEV()`.
public struct DeviceNumber: BitwiseCopyable, Sendable, Equatable {
  public var major: UInt32
  public var minor: UInt32

  public init(major: UInt32, minor: UInt32) {
    self.major = major
    self.minor = minor
  }

  /// From the form that stat answers.
  public init(encoded value: UInt64) {
    major = UInt32(value >> 8 & 0xFFF)
    minor = UInt32(value & 0xFF) | UInt32(truncatingIfNeeded: value >> 12) & 0xFFF00
  }

  /// The form that stat answers. Linux: `new_encode_dev()`.
  public var encoded: UInt64 {
    UInt64(minor & 0xFF) | UInt64(major & 0xFFF) << 8 | UInt64(minor & 0xFFF00) << 12
  }
}

/// What statfs answers: 120 bytes. Linux: `struct statfs`.
public struct FileSystemStatus: BitwiseCopyable, Sendable {
  public var kind: Int64
  public var blockSize: Int64 = 4096
  public var blockCount: UInt64
  public var freeBlockCount: UInt64
  public var availableBlockCount: UInt64
  public var fileCount: UInt64
  public var freeFileCount: UInt64
  public var identity: UInt64 = 0
  public var nameLength: Int64 = 255
  public var fragmentSize: Int64 = 4096
  public var flags: Int64
  private var spare: InlineArray<4, Int64> = InlineArray(repeating: 0)

  public init(
    kind: Int64, blockCount: UInt64, freeBlockCount: UInt64, fileCount: UInt64,
    freeFileCount: UInt64, flags: Int64
  ) {
    self.kind = kind
    self.blockCount = blockCount
    self.freeBlockCount = freeBlockCount
    availableBlockCount = freeBlockCount
    self.fileCount = fileCount
    self.freeFileCount = freeFileCount
    self.flags = flags
  }

  public static var byteCountOfLayout: Int { 120 }
  /// Linux: `EXT2_SUPER_MAGIC`.
  public static var ext2Kind: Int64 { 0xEF53 }
  /// Linux: `PROC_SUPER_MAGIC`.
  public static var procKind: Int64 { 0x9FA0 }
  /// Linux: `SYSFS_MAGIC`.
  public static var sysfsKind: Int64 { 0x6265_6572 }
  /// Linux: `TMPFS_MAGIC`, which devtmpfs has too.
  public static var memoryKind: Int64 { 0x0102_1994 }
  /// Linux: `PIPEFS_MAGIC`.
  public static var pipeKind: Int64 { 0x5049_5045 }
  /// Linux: `SOCKFS_MAGIC`.
  public static var socketKind: Int64 { 0x534F_434B }
  /// Linux: `ST_RDONLY | ST_VALID`.
  public static var readOnlyFlags: Int64 { 0x21 }
  /// Linux: `ST_VALID`.
  public static var validFlags: Int64 { 0x20 }
}
