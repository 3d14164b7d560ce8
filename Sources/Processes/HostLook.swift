// SPDX-License-Identifier: Apache-2.0

import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// What the host sends on its own: signals that it forwards, keys, its window's size.
///
/// It is looked at with the clock stopped, at times that follow from virtual time alone: a run
/// to which the host sends nothing is the same as any other.
extension Kernel {
  /// How often the host is looked at while programs run.
  static var hostLookNanoseconds: UInt64 { 20_000_000 }

  public var hasForwardedSignal: Bool {
    machine.channel.loadShared(at: ChannelLayout.signalHeadOffset)
      != state.value.forwardedCount
  }

  /// Takes what has come from the host. Context: any; does not sleep.
  func lookAtHost() {
    state.value.nextHostLook = machine.now.advanced(byNanoseconds: Self.hostLookNanoseconds)
    takeForwardedSignals()
    if fileSystems.isInteractive { _ = fileSystems.takeHostInput() }
  }

  /// Sends the program what the host forwarded. Context: any; does not sleep.
  public func takeForwardedSignals() {
    let channel = machine.channel
    var head: UInt64 = 0
    machine.withClockStopped {
      head = channel.loadShared(at: ChannelLayout.signalHeadOffset)
    }
    let room = UInt64(ChannelLayout.signalRingBytes)
    var count = state.value.forwardedCount
    guard head != count else { return }
    if head > count + room { count = head - room }
    while count < head {
      let place = ChannelLayout.signalRingOffset + Int(count % room)
      let number = channel.load(UInt8.self, at: place)
      count += 1
      guard let signal = Signal(exactly: Int(number)),
        let program = findProcess(state.value.programIdentifier)
      else { continue }
      send(SignalInformation(signal, code: SignalInformation.fromUser), to: program)
    }
    state.value.forwardedCount = count
    channel.storeShared(count, at: ChannelLayout.signalTailOffset)
  }

  /// Lets an idle machine's time pass on the host's clock, where somebody sits there.
  ///
  /// - Returns: false where it does not, or the next event is a disk's or so near that nobody
  ///   could notice.
  func waitsForHost(until time: VirtualTime) -> Bool {
    guard fileSystems.isInteractive else { return false }
    let near = machine.now.advanced(byNanoseconds: 1_000_000)
    guard time > near, time != state.value.diskEvents.next else { return false }
    fileSystems.waitForHost(until: time)
    lookAtHost()
    return true
  }
}
