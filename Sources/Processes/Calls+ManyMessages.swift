// SPDX-License-Identifier: Apache-2.0

import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls that send and receive several messages.
///
/// Linux: `__sys_sendmmsg()`, `do_recvmmsg()`.
extension Kernel {
  /// Linux: `struct mmsghdr`: a message's header, and how many bytes went.
  private static var strideOfMessages: UInt64 { 64 }
  private static var countOfMessage: UInt64 { 56 }
  /// After the first message no wait for others. Linux: `MSG_WAITFORONE`.
  private static var waitsForOne: UInt64 { 0x1_0000 }

  /// Linux: `sendmmsg`.
  ///
  /// - Returns: how many messages went; an error of the first only is told.
  func sendMessages(_ call: CallArguments) throws(Errno) -> UInt64 {
    _ = try socket(call.first)
    let count = min(call.third & 0xFFFF_FFFF, 1024)
    var done: UInt64 = 0
    while done < count {
      let place = call.second &+ done * Self.strideOfMessages
      do throws(Errno) {
        let sent = try sendMessage(call.first, place, call.fourth)
        try store(UInt32(sent), at: place &+ Self.countOfMessage)
      } catch {
        guard done > 0 else { throw error }
        break
      }
      done += 1
    }
    return done
  }

  /// Linux: `recvmmsg`. As there, the time is looked at when a message has come, not before.
  func receiveMessages(_ call: CallArguments) throws(Errno) -> UInt64 {
    var deadline = VirtualTime.never
    if call.fifth != 0 {
      let limit: TimeSpecification = try load(at: call.fifth)
      guard let time = limit.duration else { throw .EINVAL }
      deadline = machine.now.advanced(byNanoseconds: time)
    }
    _ = try socket(call.first)
    var flags = call.fourth & ~Self.waitsForOne
    let count = min(call.third & 0xFFFF_FFFF, 1024)
    var done: UInt64 = 0
    while done < count {
      let place = call.second &+ done * Self.strideOfMessages
      do throws(Errno) {
        let received = try receiveMessage(call.first, place, flags)
        try store(UInt32(received), at: place &+ Self.countOfMessage)
      } catch {
        guard done > 0 else { throw error }
        break
      }
      done += 1
      if call.fourth & Self.waitsForOne != 0 { flags |= UInt64(MessageFlags.noWaiting.rawValue) }
      if deadline <= machine.now { break }
    }
    if call.fifth != 0 {
      let now = machine.now
      let left = now < deadline ? deadline.nanoseconds - now.nanoseconds : 0
      try store(TimeSpecification(nanoseconds: left), at: call.fifth)
    }
    return done
  }
}
