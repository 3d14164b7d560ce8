// SPDX-License-Identifier: Apache-2.0

/// What a program may set about the machine in /proc/sys, the policy of memory left out.
public struct SystemSettings: BitwiseCopyable {
  /// The machine's name, NUL-padded. Linux: `nodename` of uname.
  public var hostName = InlineArray<65, UInt8>(repeating: 0)
  /// NUL-padded. Linux: `domainname` of uname.
  public var domainName = InlineArray<65, UInt8>(repeating: 0)
  /// Linux: `DROP_PAGECACHE`, `DROP_SLAB` events.
  var pageCacheDropCount: UInt64 = 0
  var objectDropCount: UInt64 = 0

  init() {
    // "quire"
    hostName[0] = 0x71
    hostName[1] = 0x75
    hostName[2] = 0x69
    hostName[3] = 0x72
    hostName[4] = 0x65
    // "(none)"
    domainName[0] = 0x28
    domainName[1] = 0x6E
    domainName[2] = 0x6F
    domainName[3] = 0x6E
    domainName[4] = 0x65
    domainName[5] = 0x29
  }

  var hostNameLength: Int {
    var length = 0
    while length < 64, hostName[length] != 0 { length += 1 }
    return length
  }
}

/// What a disk did since boot. Linux: `struct disk_stats`.
struct DiskCounts: BitwiseCopyable {
  private(set) var readCount: UInt64 = 0
  private(set) var readSectors: UInt64 = 0
  private(set) var writeCount: UInt64 = 0
  private(set) var writtenSectors: UInt64 = 0
  private(set) var flushCount: UInt64 = 0

  /// Counts a transfer that ended.
  mutating func add(_ request: DiskRequest) {
    switch request.direction {
    case .read:
      readCount += 1
      readSectors += request.sectorCount
    case .write:
      writeCount += 1
      writtenSectors += request.sectorCount
    case .flush: flushCount += 1
    }
  }
}
