// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// System calls on the machine that change little or nothing: its names, its barriers.
extension Kernel {
  /// Linux: `sethostname`.
  func setHostName(_ call: CallArguments) throws(Errno) -> UInt64 {
    let name = try systemName(at: call)
    files.value.settings.hostName = name
    return 0
  }

  /// Linux: `setdomainname`.
  func setDomainName(_ call: CallArguments) throws(Errno) -> UInt64 {
    let name = try systemName(at: call)
    files.value.settings.domainName = name
    return 0
  }

  private func systemName(at call: CallArguments) throws(Errno) -> InlineArray<65, UInt8> {
    guard identity.can(.administerSystem) else { throw .EPERM }
    let count = Int32(truncatingIfNeeded: call.second)
    guard count >= 0, count <= 64 else { throw .EINVAL }
    var name = InlineArray<65, UInt8>(repeating: 0)
    for index in 0..<Int(count) { name[index] = try load(at: call.first &+ UInt64(index)) }
    return name
  }

  /// Linux: `personality`: told again, and nothing else.
  func changePersonality(_ wish: UInt64) -> UInt64 {
    let wish = UInt32(truncatingIfNeeded: wish)
    let old = heap[process].personality
    if wish != .max { heap[process].personality = wish }
    return UInt64(old)
  }

  /// Linux: `reboot`. The machine ends with its program, not before.
  func reboot(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard identity.can(.reboot) else { throw .EPERM }
    throw .EINVAL
  }

  // Barriers

  /// Linux: `enum membarrier_cmd`.
  private enum Barrier {
    static var global: UInt32 { 1 << 0 }
    static var globalExpedited: UInt32 { 1 << 1 }
    static var registerGlobal: UInt32 { 1 << 2 }
    static var expedited: UInt32 { 1 << 3 }
    static var registerExpedited: UInt32 { 1 << 4 }
    static var core: UInt32 { 1 << 5 }
    static var registerCore: UInt32 { 1 << 6 }
    static var sequences: UInt32 { 1 << 7 }
    static var registerSequences: UInt32 { 1 << 8 }
    static var registrations: UInt32 { 1 << 9 }
    static var all: UInt32 { 0x3FF }
  }

  /// Linux: `membarrier`. With one CPU, who calls has gone through a barrier already, and has
  /// taken the others out of their sequences when it got the CPU.
  func passBarrier(_ call: CallArguments) throws(Errno) -> UInt64 {
    let command = UInt32(truncatingIfNeeded: call.first)
    let flags = UInt32(truncatingIfNeeded: call.second)
    guard flags == 0 || command == Barrier.sequences && flags == 1 else { throw .EINVAL }
    let registered = heap[process].registeredBarriers
    switch command {
    case 0: return UInt64(Barrier.all)
    case Barrier.global, Barrier.globalExpedited: return 0
    case Barrier.registerGlobal, Barrier.registerExpedited, Barrier.registerCore,
      Barrier.registerSequences:
      heap[process].registeredBarriers = registered | command
      return 0
    case Barrier.expedited, Barrier.core, Barrier.sequences:
      guard registered & (command << 1) != 0 else { throw .EPERM }
      return 0
    case Barrier.registrations: return UInt64(registered)
    default: throw .EINVAL
    }
  }

  // Namespaces

  /// Linux: `setns`, where a file is never a namespace.
  func enterNamespace(_ descriptor: UInt64) throws(Errno) -> UInt64 {
    _ = try file(descriptor)
    throw .EINVAL
  }
}
