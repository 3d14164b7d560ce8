// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// `prctl`: attributes of a thread or a process that have no call of their own.
///
/// Linux: `kernel/sys.c`, `security/commoncap.c`.
extension Kernel {
  /// Linux: the `PR_` options.
  private enum Control: UInt64 {
    case setParentEndSignal = 1
    case parentEndSignal, isDumpable, setDumpable
    case keepsCapabilities = 7
    case setKeepsCapabilities
    case setName = 15
    case name
    case isFiltered = 21
    case inBoundingSet = 23
    case dropFromBoundingSet
    case clockAccess = 25
    case securityBits = 27
    case setSecurityBits, setTimerSlack, timerSlack
    case setAdoptsOrphans = 36
    case adoptsOrphans, setGainsNothing, gainsNothing, clearIdentifierAddress
    case setRefusesHugePages, refusesHugePages
    case ambientSet = 47
  }

  /// Linux: `prctl`. Options of kernels that were built with more are EINVAL.
  func controlProcess(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard let option = Control(rawValue: call.first & 0xFFFF_FFFF) else { throw .EINVAL }
    let task = current
    let process = process
    switch option {
    case .setParentEndSignal:
      guard call.second <= 64 else { throw .EINVAL }
      heap[task].parentEndSignal = Signal(exactly: Int(call.second))
    case .parentEndSignal:
      try store(UInt32(heap[task].parentEndSignal?.number ?? 0), at: call.second)
    case .isDumpable: return heap[process].isDumpable ? 1 : 0
    case .setDumpable:
      guard call.second <= 1 else { throw .EINVAL }
      heap[process].isDumpable = call.second == 1
    case .setName: try setName(at: call.second)
    case .name: try store(heap[task].name, at: call.second)
    case .isFiltered: return 0
    case .clockAccess: try store(UInt32(1), at: call.second)
    case .setTimerSlack: heap[task].timerSlack = call.second == 0 ? 50_000 : call.second
    case .timerSlack: return heap[task].timerSlack
    case .setAdoptsOrphans: heap[process].adoptsOrphans = call.second != 0
    case .adoptsOrphans: try store(UInt32(heap[process].adoptsOrphans ? 1 : 0), at: call.second)
    case .setGainsNothing:
      guard call.second == 1, call.third | call.fourth | call.fifth == 0 else { throw .EINVAL }
      heap[task].identity.gainsNothing = true
    case .gainsNothing:
      guard call.second | call.third | call.fourth | call.fifth == 0 else { throw .EINVAL }
      return heap[task].identity.gainsNothing ? 1 : 0
    case .clearIdentifierAddress: try store(heap[task].clearIdentifierAt.value, at: call.second)
    case .setRefusesHugePages:
      guard call.third | call.fourth | call.fifth == 0 else { throw .EINVAL }
      heap[process].refusesHugePages = call.second != 0
    case .refusesHugePages:
      guard call.second | call.third | call.fourth | call.fifth == 0 else { throw .EINVAL }
      return heap[process].refusesHugePages ? 1 : 0
    default: return try controlCapabilities(option, call)
    }
    return 0
  }

  private func setName(at address: UInt64) throws(Errno) {
    var name = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<15 {
      name[index] = try load(at: address &+ UInt64(index))
      if name[index] == 0 { break }
    }
    heap[current].name = name
  }

  /// The options on capabilities. Linux: `cap_task_prctl()`.
  private func controlCapabilities(
    _ option: Control, _ call: CallArguments
  ) throws(Errno) -> UInt64 {
    var new = identity
    let isKnown = call.second < Capability.count
    switch option {
    case .inBoundingSet:
      guard isKnown else { throw .EINVAL }
      return new.bounding >> call.second & 1
    case .dropFromBoundingSet:
      guard new.can(.setCapabilities) else { throw .EPERM }
      guard isKnown else { throw .EINVAL }
      new.bounding &= ~(1 << call.second)
    case .keepsCapabilities: return new.keepsCapabilities ? 1 : 0
    case .setKeepsCapabilities:
      guard call.second <= 1 else { throw .EINVAL }
      guard !new.security.contains(.keepLocked) else { throw .EPERM }
      new.keepsCapabilities = call.second == 1
    case .securityBits: return UInt64(new.security.rawValue)
    case .setSecurityBits:
      guard let bits = new.security(changedTo: call.second) else { throw .EPERM }
      new.security = bits
    case .ambientSet: return try changeAmbientSet(call)
    default: throw .EINVAL
    }
    heap[current].identity = new
    return 0
  }

  /// Linux: `PR_CAP_AMBIENT`.
  private func changeAmbientSet(_ call: CallArguments) throws(Errno) -> UInt64 {
    var new = identity
    guard call.fourth | call.fifth == 0 else { throw .EINVAL }
    if call.second == 4 {
      guard call.third == 0 else { throw .EINVAL }
      new.ambient = 0
      heap[current].identity = new
      return 0
    }
    guard call.third < Capability.count else { throw .EINVAL }
    let bit = UInt64(1) << call.third
    switch call.second {
    case 1: return new.ambient & bit != 0 ? 1 : 0
    case 2:
      guard new.permitted & new.inheritable & bit != 0, !new.security.contains(.noAmbientRaise)
      else { throw .EPERM }
      new.ambient |= bit
    case 3: new.ambient &= ~bit
    default: throw .EINVAL
    }
    heap[current].identity = new
    return 0
  }
}
