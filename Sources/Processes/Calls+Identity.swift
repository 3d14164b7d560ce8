// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls on users, groups and capabilities; each is about one thread.
///
/// Linux: `kernel/sys.c`, `kernel/groups.c`, `kernel/capability.c`.
extension Kernel {
  private func number(_ argument: UInt64) -> UInt32? {
    let number = UInt32(truncatingIfNeeded: argument)
    return number == .max ? nil : number
  }

  /// `getresuid` and `getresgid`.
  func storeNumbers(_ numbers: Identity.Numbers, _ call: CallArguments) throws(Errno) -> UInt64 {
    try store(numbers.real, at: call.first)
    try store(numbers.effective, at: call.second)
    try store(numbers.saved, at: call.third)
    return 0
  }

  /// Linux: `setuid`.
  func setUser(_ argument: UInt64) throws(Errno) -> UInt64 {
    let numbers = try one(identity.user, argument, isFree: identity.can(.setUser))
    heap[current].identity.setUser(numbers)
    return 0
  }

  /// Linux: `setgid`.
  func setGroup(_ argument: UInt64) throws(Errno) -> UInt64 {
    heap[current].identity.group = try one(
      identity.group, argument, isFree: identity.can(.setGroup))
    return 0
  }

  private func one(
    _ old: Identity.Numbers, _ argument: UInt64, isFree: Bool
  ) throws(Errno) -> Identity.Numbers {
    guard let wish = number(argument) else { throw .EINVAL }
    if isFree { return Identity.Numbers(all: wish) }
    guard wish == old.real || wish == old.saved else { throw .EPERM }
    var new = old
    new.effective = wish
    new.files = wish
    return new
  }

  /// Linux: `setreuid`.
  func setTwoUsers(_ call: CallArguments) throws(Errno) -> UInt64 {
    let numbers = try two(identity.user, call, isFree: identity.can(.setUser))
    heap[current].identity.setUser(numbers)
    return 0
  }

  /// Linux: `setregid`.
  func setTwoGroups(_ call: CallArguments) throws(Errno) -> UInt64 {
    heap[current].identity.group = try two(identity.group, call, isFree: identity.can(.setGroup))
    return 0
  }

  private func two(
    _ old: Identity.Numbers, _ call: CallArguments, isFree: Bool
  ) throws(Errno) -> Identity.Numbers {
    var new = old
    if let real = number(call.first) {
      guard isFree || real == old.real || real == old.effective else { throw .EPERM }
      new.real = real
    }
    if let effective = number(call.second) {
      guard isFree || old.contains(effective) else { throw .EPERM }
      new.effective = effective
    }
    let effective = number(call.second)
    if number(call.first) != nil || (effective != nil && effective != old.real) {
      new.saved = new.effective
    }
    new.files = new.effective
    return new
  }

  /// Linux: `setresuid`.
  func setThreeUsers(_ call: CallArguments) throws(Errno) -> UInt64 {
    let numbers = try three(identity.user, call, isFree: identity.can(.setUser))
    heap[current].identity.setUser(numbers)
    return 0
  }

  /// Linux: `setresgid`.
  func setThreeGroups(_ call: CallArguments) throws(Errno) -> UInt64 {
    heap[current].identity.group = try three(
      identity.group, call, isFree: identity.can(.setGroup))
    return 0
  }

  private func three(
    _ old: Identity.Numbers, _ call: CallArguments, isFree: Bool
  ) throws(Errno) -> Identity.Numbers {
    var new = old
    if let real = number(call.first) { new.real = real }
    if let effective = number(call.second) { new.effective = effective }
    if let saved = number(call.third) { new.saved = saved }
    guard isFree || old.contains(new.real) && old.contains(new.effective) && old.contains(new.saved)
    else { throw .EPERM }
    new.files = new.effective
    return new
  }

  /// Linux: `setfsuid`, which says what was there and never fails.
  func setFileUser(_ argument: UInt64) -> UInt64 {
    let old = identity.user
    if let wish = number(argument),
      old.contains(wish) || wish == old.files || identity.can(.setUser)
    {
      heap[current].identity.setFileUser(wish)
    }
    return UInt64(old.files)
  }

  /// Linux: `setfsgid`.
  func setFileGroup(_ argument: UInt64) -> UInt64 {
    let old = identity.group
    if let wish = number(argument),
      old.contains(wish) || wish == old.files || identity.can(.setGroup)
    {
      heap[current].identity.group.files = wish
    }
    return UInt64(old.files)
  }

  /// Linux: `getgroups`.
  func groups(_ call: CallArguments) throws(Errno) -> UInt64 {
    let room = Int32(truncatingIfNeeded: call.first)
    guard room >= 0 else { throw .EINVAL }
    var count: UInt64 = 0
    var next = identity.groups.reference
    while let list = next {
      count += UInt64(heap[list].count)
      next = heap[list].next.reference
    }
    guard room > 0 else { return count }
    guard count <= UInt64(room) else { throw .EINVAL }
    var place = call.second
    next = identity.groups.reference
    while let list = next {
      for index in 0..<heap[list].count {
        try store(heap[list].group(at: index), at: place)
        place &+= 4
      }
      next = heap[list].next.reference
    }
    return count
  }

  /// Linux: `setgroups`.
  func setGroups(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard identity.can(.setGroup) else { throw .EPERM }
    let count = UInt32(truncatingIfNeeded: call.first)
    guard count <= 65_536 else { throw .EINVAL }
    let first = try makeGroups(count, at: call.second)
    releaseGroups(of: current)
    heap[current].identity.groups = Link(first)
    return 0
  }

  private func makeGroups(
    _ count: UInt32, at address: UInt64
  ) throws(Errno) -> Reference<GroupList>? {
    guard count > 0 else { return nil }
    let first = try allocate(GroupList())
    var last = first
    do throws(Errno) {
      for index in 0..<count {
        let group: UInt32 = try load(at: address &+ UInt64(index) * 4)
        if heap[last].count == GroupList.capacity {
          let next = try allocate(GroupList())
          heap[last].next = Link(next)
          last = next
        }
        heap[last].append(group)
      }
    } catch {
      release(first)
      throw error
    }
    return first
  }

  // Capabilities

  /// How many words of 32 a version has. Linux: `cap_validate_magic()`.
  private func wordCount(at address: UInt64) throws(Errno) -> UInt64 {
    let version: UInt32 = try load(at: address)
    switch version {
    case CapabilityHeader.firstVersion: return 1
    case CapabilityHeader.secondVersion, CapabilityHeader.version: return 2
    default:
      try store(CapabilityHeader.version, at: address)
      throw .EINVAL
    }
  }

  /// Linux: `capget`.
  func capabilities(_ call: CallArguments) throws(Errno) -> UInt64 {
    let count: UInt64
    do {
      count = try wordCount(at: call.first)
    } catch {
      // Whoever has no room for an answer asks for the version.
      if error == .EINVAL && call.second == 0 { return 0 }
      throw error
    }
    guard call.second != 0 else { return 0 }
    let header: CapabilityHeader = try load(at: call.first)
    guard header.process >= 0 else { throw .EINVAL }
    var task = current
    if header.process != 0 {
      guard let found = findTask(UInt32(header.process)) else { throw .ESRCH }
      task = found
    }
    let identity = heap[task].identity
    for word in 0..<count {
      let shift = word * 32
      try store(
        CapabilityData(
          effective: UInt32(truncatingIfNeeded: identity.effective >> shift),
          permitted: UInt32(truncatingIfNeeded: identity.permitted >> shift),
          inheritable: UInt32(truncatingIfNeeded: identity.inheritable >> shift)),
        at: call.second &+ word * 12)
    }
    return 0
  }

  /// Linux: `capset`.
  func setCapabilities(_ call: CallArguments) throws(Errno) -> UInt64 {
    let count = try wordCount(at: call.first)
    let header: CapabilityHeader = try load(at: call.first)
    guard header.process == 0 || header.process == Int32(heap[current].identifier) else {
      throw .EPERM
    }
    var new = identity
    new.effective = 0
    new.permitted = 0
    new.inheritable = 0
    for word in 0..<count {
      let data: CapabilityData = try load(at: call.second &+ word * 12)
      new.effective |= UInt64(data.effective) << (word * 32) & Capability.all
      new.permitted |= UInt64(data.permitted) << (word * 32) & Capability.all
      new.inheritable |= UInt64(data.inheritable) << (word * 32) & Capability.all
    }
    let old = identity
    guard new.effective & ~new.permitted == 0, new.permitted & ~old.permitted == 0,
      new.inheritable & ~(old.inheritable | old.bounding) == 0,
      old.can(.setCapabilities) || new.inheritable & ~(old.inheritable | old.permitted) == 0
    else { throw .EPERM }
    new.ambient &= new.permitted & new.inheritable
    heap[current].identity = new
    return 0
  }
}
