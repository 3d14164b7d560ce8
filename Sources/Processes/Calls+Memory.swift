// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageTableFormats

/// The system calls on the program's own memory.
extension Kernel {
  /// Linux: `MAP_*`.
  private enum MapFlag {
    static var shared: UInt64 { 0x01 }
    static var priv: UInt64 { 0x02 }
    static var sharedValidate: UInt64 { 0x03 }
    static var kind: UInt64 { 0x0F }
    static var fixed: UInt64 { 0x10 }
    static var anonymous: UInt64 { 0x20 }
    static var growsDown: UInt64 { 0x100 }
    static var locked: UInt64 { 0x2000 }
    static var noReserve: UInt64 { 0x4000 }
    static var populate: UInt64 { 0x8000 }
    static var hugePages: UInt64 { 0x4_0000 }
    static var fixedNoReplace: UInt64 { 0x10_0000 }
  }

  /// Linux: `PROT_*`.
  private func protection(_ bits: UInt64) -> Protection {
    Protection(rawValue: UInt8(bits & 7))
  }

  private func memoryResult<Result>(
    _ body: () throws(MemoryError) -> Result
  ) throws(Errno) -> Result {
    do {
      return try body()
    } catch {
      throw Errno(error)
    }
  }

  /// Linux: `mmap`.
  func mapMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = call.fourth
    let kind = flags & MapFlag.kind
    guard call.sixth & 4095 == 0, flags & MapFlag.hugePages == 0 else { throw .EINVAL }
    guard kind == MapFlag.priv || kind == MapFlag.shared || kind == MapFlag.sharedValidate
    else { throw .EINVAL }
    let isShared = kind != MapFlag.priv
    guard call.second > 0 else { throw .EINVAL }
    var request = MapRequest(
      placement(call.first, flags), byteCount: ByteCount(call.second),
      protection: protection(call.third))
    if isShared { request.attributes.formUnion(.shared) }
    if flags & MapFlag.noReserve != 0 { request.attributes.formUnion(.noReserve) }
    if flags & MapFlag.growsDown != 0 { request.attributes.formUnion(.growsDown) }
    if flags & MapFlag.locked != 0 { request.attributes.formUnion(.locked) }
    request.populates = flags & MapFlag.populate != 0
    if !isShared, request.protection.contains(.write), flags & MapFlag.growsDown == 0 {
      guard mayHaveMoreData(call.second) else { throw .ENOMEM }
    }
    let space = space
    guard flags & MapFlag.anonymous == 0 else {
      let complete = request
      return try memoryResult { () throws(MemoryError) in
        isShared
          ? try spaces.mapShared(space, complete).value : try spaces.map(space, complete).value
      }
    }
    return try withFile(call.fifth) { (file) throws(Errno) in
      try addSource(file, pageIndex: call.sixth >> 12, isShared: isShared, to: &request)
      let complete = request
      // Linux: `mmap_zero()`.
      let isNew = isShared && heap[file].behaviour == .zero
      return try memoryResult { () throws(MemoryError) in
        isNew
          ? try spaces.mapShared(space, complete).value : try spaces.map(space, complete).value
      }
    }
  }

  private func placement(_ address: UInt64, _ flags: UInt64) -> MapRequest.Placement {
    if flags & MapFlag.fixedNoReplace != 0 { return .fixedNoReplace(VirtualAddress(address)) }
    if flags & MapFlag.fixed != 0 { return .fixed(VirtualAddress(address)) }
    return address == 0 ? .anywhere : .hint(VirtualAddress(address))
  }

  private func addSource(
    _ file: Reference<OpenFile>, pageIndex: UInt64, isShared: Bool, to request: inout MapRequest
  ) throws(Errno) {
    guard heap[file].flags.mayRead else { throw .EACCES }
    if heap[file].behaviour == .zero {
      guard !isShared || heap[file].flags.mayWrite || !request.protection.contains(.write)
      else { throw .EACCES }
      return
    }
    if let buffer = fileSystems.buffer(of: file) {
      return try addBuffer(buffer, file, pageIndex: pageIndex, isShared: isShared, to: &request)
    }
    guard heap[file].behaviour == .regular,
      let cached = heap[heap[file].inode].file.reference
    else { throw .ENODEV }
    if isShared, fileSystems.isSealedAgainstWrites(file) {
      guard !request.protection.contains(.write) else { throw .EPERM }
      request.maximumProtection = Protection.read.union(.execute)
    }
    if isShared, !heap[file].flags.mayWrite {
      guard !request.protection.contains(.write) else { throw .EACCES }
      request.maximumProtection = Protection.read.union(.execute)
    }
    request.source = .file(cached, pageIndex: pageIndex)
  }

  /// Maps a part of a buffer, of which nobody has a copy of his own.
  ///
  /// Linux: `dma_buf_mmap_internal()`, `cma_heap_mmap()`.
  private func addBuffer(
    _ buffer: Reference<CachedFile>, _ file: Reference<OpenFile>, pageIndex: UInt64,
    isShared: Bool, to request: inout MapRequest
  ) throws(Errno) {
    if isShared, !heap[file].flags.mayWrite {
      guard !request.protection.contains(.write) else { throw .EACCES }
      request.maximumProtection = Protection.read.union(.execute)
    }
    let pages = heap[buffer].byteCount >> 12
    let wanted = (request.byteCount.value &+ 4095) >> 12
    guard isShared, pageIndex <= pages, wanted <= pages - pageIndex else { throw .EINVAL }
    request.source = .file(buffer, pageIndex: pageIndex)
  }

  /// Linux: `munmap`.
  func unmapMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    let space = space
    try memoryResult { () throws(MemoryError) in
      try spaces.unmap(
        space, from: VirtualAddress(call.first), byteCount: ByteCount(call.second))
    }
    return 0
  }

  /// Linux: `mprotect`.
  func protectMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.third & ~7 == 0 else { throw .EINVAL }
    let space = space
    try memoryResult { () throws(MemoryError) in
      try spaces.protect(
        space, from: VirtualAddress(call.first), byteCount: ByteCount(call.second),
        protection(call.third))
    }
    return 0
  }

  /// Linux: `brk`.
  func setBreak(_ call: CallArguments) -> UInt64 {
    let space = space
    let old = heap[space].breakEnd.value
    if call.first > old, !mayHaveMoreData(call.first - old) { return old }
    return spaces.setBreak(space, to: VirtualAddress(call.first)).value
  }

  /// Linux: `mremap`.
  func remapMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.fourth & ~3 == 0, call.fourth != 2 else { throw .EINVAL }
    let placement: RemapPlacement
    switch call.fourth {
    case 3: placement = .fixed(VirtualAddress(call.fifth))
    case 1: placement = .movable
    default: placement = .inPlace
    }
    let space = space
    if call.third > call.second {
      guard mayHaveMoreData(call.third - call.second) else { throw .ENOMEM }
    }
    return try memoryResult { () throws(MemoryError) in
      try spaces.remap(
        space, from: VirtualAddress(call.first), byteCount: ByteCount(call.second),
        to: ByteCount(call.third), placement
      ).value
    }
  }

  /// Linux: `madvise`.
  func adviseMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    let advice: MemoryAdvice
    switch call.third {
    case 0, 1, 2, 3, 12, 13, 14, 15, 16, 17: advice = .none
    case 4: advice = .discard
    case 8: advice = .discardLater
    case 9: advice = .punchHole
    case 10: advice = .keepFromFork
    case 11: advice = .giveToFork
    case 18: advice = .wipeOnFork
    case 19: advice = .keepOnFork
    case 20, 21: advice = .deactivate
    case 22: advice = .populateForReading
    case 23: advice = .populateForWriting
    case 24: advice = .discardLocked
    default: throw .EINVAL
    }
    let space = space
    try memoryResult { () throws(MemoryError) in
      try spaces.advise(
        space, from: VirtualAddress(call.first), byteCount: ByteCount(call.second), advice)
    }
    return 0
  }

  /// Linux: `mincore`.
  func residency(_ call: CallArguments) throws(Errno) -> UInt64 {
    let start = VirtualAddress(call.first)
    guard start.isPageAligned else { throw .EINVAL }
    guard call.first <= M.Format.userLimit.value,
      call.second <= M.Format.userLimit.value - call.first
    else { throw .ENOMEM }
    let space = space
    let count = ByteCount(call.second).pagesRoundedUp.value
    for index in 0..<UInt64(count) {
      var isResident = false
      try memoryResult { () throws(MemoryError) in
        try spaces.visitResidency(
          space, from: VirtualAddress(call.first + index << 12), byteCount: ByteCount(4096)
        ) { (_, resident) throws(MemoryError) in isResident = resident }
      }
      try store(UInt8(isResident ? 1 : 0), at: call.third &+ index)
    }
    return 0
  }
}
