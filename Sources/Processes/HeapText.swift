// SPDX-License-Identifier: Apache-2.0

import FileSystems
import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// The kernel's own log, as lines of text in the channel. Linux: `printk()`.
///
/// What does not fit while the host is busy is left out: the records of the event log stay.
struct KernelText: BitwiseCopyable {
  let channel: MemoryBlock

  func put(_ byte: UInt8) {
    let head = channel.loadShared(at: ChannelLayout.textHeadOffset)
    let tail = channel.loadShared(at: ChannelLayout.textTailOffset)
    guard head &- tail < UInt64(ChannelLayout.textBytes) else { return }
    let place = Int(head & UInt64(ChannelLayout.textBytes - 1))
    channel.store(byte, at: ChannelLayout.textOffset + place)
    channel.storeShared(head &+ 1, at: ChannelLayout.textHeadOffset)
  }

  func put(_ text: StaticString) {
    var buffer = InlineArray<64, UInt8>(repeating: 0)
    let count = text.utf8CodeUnitCount
    precondition(count <= 64, "a longer text than the log's pieces are")
    withMemoryBlock(over: &buffer) { bytes in
      bytes.store(text: text, at: 0)
      for place in 0..<count { put(bytes.load(UInt8.self, at: place)) }
    }
  }

  func put(_ number: UInt64, base: UInt64 = 10) {
    var divisor: UInt64 = 1
    while number / divisor >= base { divisor *= base }
    while divisor > 0 {
      let digit = UInt8(number / divisor % base)
      put(digit < 10 ? 0x30 + digit : 0x57 + digit)
      divisor /= base
    }
  }
}

extension HeapFault {
  /// As Linux says it.
  var reason: StaticString {
    switch kind {
    case .writtenBefore: "Left Redzone overwritten"
    case .writtenAfter: "Right Redzone overwritten"
    case .writtenWhileFree: "Poison overwritten"
    case .freedTwice: "Object already free"
    case .wrongCache: "Wrong slab cache"
    case .notOwned: "Free of an address that is no object"
    case .insideObject: "Invalid object pointer"
    case .leaked: "Object remaining"
    }
  }

  /// Writes a line of the log. Linux: `slab_bug()`, `print_tracking()`.
  func write(to text: KernelText) {
    text.put(kind == .leaked ? "LEFT " : "BUG ")
    text.put(cacheName)
    text.put(": ")
    text.put(reason)
    text.put(", object 0x")
    text.put(object.value, base: 16)
    if kind.rawValue <= Kind.writtenWhileFree.rawValue {
      text.put(", first byte 0x")
      text.put(UInt64(found), base: 16)
      text.put(" instead of 0x")
      text.put(UInt64(expected), base: 16)
      text.put(offset < 0 ? " at offset -" : " at offset ")
      text.put(UInt64(offset.magnitude))
    }
    write(allocator, " allocated at ", to: text)
    write(freer, " freed at ", to: text)
    text.put("\n")
  }

  private func write(_ owner: ObjectOwner?, _ verb: StaticString, to text: KernelText) {
    guard let owner else { return }
    text.put(",")
    text.put(verb)
    var place = 0
    while let byte = owner.place.file.byte(place) {
      text.put(byte)
      place += 1
    }
    text.put(":")
    text.put(UInt64(owner.place.line))
    text.put(" by ")
    text.put(UInt64(owner.process))
  }
}

extension Kernel {
  /// Writes what the heap has found since the last time: the last of it, and how much there was.
  ///
  /// - Context: any; never sleeps.
  func writeHeapFaults() {
    let new = heap.faultCount - state.value.writtenFaultCount
    guard new > 0, let fault = heap.lastFault else { return }
    state.value.writtenFaultCount = heap.faultCount
    let text = KernelText(channel: machine.channel)
    fault.write(to: text)
    guard new > 1 else { return }
    text.put("and before it ")
    text.put(UInt64(new - 1))
    text.put(" more, see the event log\n")
  }

  /// Writes which watched objects are in use at the end, and whose they are.
  ///
  /// - Context: when the last program has ended.
  func writeLiveObjects() {
    let text = KernelText(channel: machine.channel)
    heap.visitLive { $0.write(to: text) }
  }
}
