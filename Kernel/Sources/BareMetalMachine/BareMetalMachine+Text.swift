// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryEvents
import MemoryUnits

/// The kernel's text log: what a person reads when something went wrong. Linux: `printk()`.
///
/// Text goes to the channel's ring, or to the serial line as long as there is no channel.
extension BareMetalMachine {
  public func write(_ text: StaticString) {
    withTextWindow {
      for index in 0..<text.utf8CodeUnitCount {
        // SAFETY: inside the literal.
        put(unsafe text.utf8Start[index])
      }
    }
  }

  /// Writes a number with `0x` and all digits that it needs.
  public func write(hexadecimal value: UInt64) {
    withTextWindow {
      put(0x30)
      put(0x78)
      var shift = UInt64(max(0, 60 - value.leadingZeroBitCount / 4 * 4))
      while true {
        let digit = UInt8(truncatingIfNeeded: value >> shift & 15)
        put(digit < 10 ? 0x30 + digit : 0x57 + digit)
        if shift == 0 { break }
        shift -= 4
      }
    }
  }

  public func write(decimal value: UInt64) {
    withTextWindow {
      var divisor: UInt64 = 1
      while value / divisor >= 10 { divisor *= 10 }
      while divisor > 0 {
        put(0x30 + UInt8(value / divisor % 10))
        divisor /= 10
      }
    }
  }

  /// Bytes may have to wait for the host, so the clock stands still meanwhile.
  private func withTextWindow(_ body: () -> Void) {
    if state.channel == 0 || state.isReporting { return body() }
    withClockStopped(body)
  }

  private func put(_ byte: UInt8) {
    let channel = state.channel
    guard channel != 0 else { return processor_port_write8(Ports.serial, byte) }
    let headPlace = channel &+ UInt64(ChannelLayout.textHeadOffset)
    let tailPlace = channel &+ UInt64(ChannelLayout.textTailOffset)
    let head = shared_load64(headPlace)
    let size = UInt64(ChannelLayout.textBytes)
    while head &- shared_load64(tailPlace) >= size { processor_pause() }
    shared_store8(channel &+ UInt64(ChannelLayout.textOffset) &+ head & (size - 1), byte)
    shared_store64(headPlace, head &+ 1)
  }

  /// Writes how the machine ends into the mailbox.
  public func leave(_ state: ExitState, value: UInt64) {
    let channel = self.state.channel
    guard channel != 0 else { return }
    shared_store64(channel &+ UInt64(ChannelLayout.exitValueOffset), value)
    shared_store64(channel &+ UInt64(ChannelLayout.exitStateOffset), state.rawValue)
  }
}
