// SPDX-License-Identifier: Apache-2.0

/// The head of an executable file. Linux: `struct elf64_hdr`.
public struct ExecutableHeader: Sendable, BitwiseCopyable {
  /// 0x7F, E, L, F; then class, byte order, version, and ABI.
  public var magic: UInt32
  public var fileClass: UInt8
  public var byteOrder: UInt8
  public var identVersion: UInt8
  public var abi: UInt8
  private var identPadding: UInt64
  public var type: UInt16
  public var machine: UInt16
  public var version: UInt32
  public var entry: UInt64
  public var programHeaderOffset: UInt64
  public var sectionHeaderOffset: UInt64
  public var flags: UInt32
  public var headerSize: UInt16
  public var programHeaderSize: UInt16
  public var programHeaderCount: UInt16
  public var sectionHeaderSize: UInt16
  public var sectionHeaderCount: UInt16
  public var sectionNameIndex: UInt16

  public static var byteCount: Int { 64 }
  /// Linux: `ELFMAG`.
  public static var expectedMagic: UInt32 { 0x464C_457F }
  /// Linux: `ET_EXEC`, `ET_DYN`.
  public static var fixedPosition: UInt16 { 2 }
  public static var anyPosition: UInt16 { 3 }
  /// Linux: `EM_X86_64`.
  public static var machineX8664: UInt16 { 62 }
}

/// One segment of an executable. Linux: `struct elf64_phdr`.
public struct SegmentHeader: Sendable, BitwiseCopyable {
  public var type: UInt32
  public var flags: UInt32
  public var fileOffset: UInt64
  public var address: UInt64
  public var physicalAddress: UInt64
  public var fileByteCount: UInt64
  public var memoryByteCount: UInt64
  public var alignment: UInt64

  public static var byteCount: Int { 56 }
  /// Linux: `PT_LOAD`, `PT_INTERP`, `PT_PHDR`, `PT_GNU_STACK`.
  public static var load: UInt32 { 1 }
  public static var interpreter: UInt32 { 3 }
  public static var programHeaders: UInt32 { 6 }
  public static var stackRights: UInt32 { 0x6474_E551 }
  /// Linux: `PF_X`, `PF_W`, `PF_R`.
  public static var executable: UInt32 { 1 }
  public static var writable: UInt32 { 2 }
  public static var readable: UInt32 { 4 }
}

/// What the kernel tells a program beside its arguments. Linux: `AT_*`.
public enum AuxiliaryTag: UInt64, Sendable {
  case end = 0
  case programHeaders = 3
  case programHeaderSize = 4
  case programHeaderCount = 5
  case pageSize = 6
  case interpreterBase = 7
  case flags = 8
  case entry = 9
  case user = 11
  case effectiveUser = 12
  case group = 13
  case effectiveGroup = 14
  case platform = 15
  case hardwareCapabilities = 16
  case clockTicks = 17
  case secure = 23
  case random = 25
  case hardwareCapabilities2 = 26
  case executableName = 31
  case minimumSignalStack = 51
}
