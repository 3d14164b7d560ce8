// SPDX-License-Identifier: Apache-2.0

/// A right of the administrator that can be given away. Linux: `CAP_*`.
public enum Capability: UInt8, Sendable {
  case changeOwner = 0  // CAP_CHOWN
  case overrideRights = 1  // CAP_DAC_OVERRIDE
  case readAll = 2  // CAP_DAC_READ_SEARCH
  case ownAll = 3  // CAP_FOWNER
  case keepSetGroup = 4  // CAP_FSETID
  case killOthers = 5  // CAP_KILL
  case setGroup = 6  // CAP_SETGID
  case setUser = 7  // CAP_SETUID
  case setCapabilities = 8  // CAP_SETPCAP
  case lockMemory = 14  // CAP_IPC_LOCK
  case changeRoot = 18  // CAP_SYS_CHROOT
  case inspect = 19  // CAP_SYS_PTRACE
  case administerSystem = 21  // CAP_SYS_ADMIN
  case reboot = 22  // CAP_SYS_BOOT
  case setPriority = 23  // CAP_SYS_NICE
  case useResources = 24  // CAP_SYS_RESOURCE
  case makeDevices = 27  // CAP_MKNOD
  case readLog = 34  // CAP_SYSLOG

  /// A bit for each that Linux 6.12 has. Linux: `CAP_LAST_CAP`.
  public static var all: UInt64 { (1 << 41) - 1 }
  public static var count: UInt64 { 41 }
  /// Those over files. Linux: `CAP_FS_MASK`.
  public static var overFiles: UInt64 { 0x1_0800_021F }
}

/// Linux: `struct __user_cap_header_struct`.
public struct CapabilityHeader: Sendable, BitwiseCopyable {
  public var version: UInt32
  public var process: Int32

  /// Linux: `_LINUX_CAPABILITY_VERSION_1`, with 32 bits, and `_3`, with 64.
  public static var firstVersion: UInt32 { 0x1998_0330 }
  public static var secondVersion: UInt32 { 0x2007_1026 }
  public static var version: UInt32 { 0x2008_0522 }
}

/// 32 capabilities. Linux: `struct __user_cap_data_struct`.
public struct CapabilityData: Sendable, BitwiseCopyable {
  public var effective: UInt32
  public var permitted: UInt32
  public var inheritable: UInt32

  public init(effective: UInt32, permitted: UInt32, inheritable: UInt32) {
    self.effective = effective
    self.permitted = permitted
    self.inheritable = inheritable
  }
}
