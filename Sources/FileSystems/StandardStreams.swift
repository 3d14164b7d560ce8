// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// One of the two streams to the host.
struct OutputStream: BitwiseCopyable {
  enum Name: UInt8, BitwiseCopyable {
    case output = 1
    case error = 2
  }

  let name: Name
  /// All bytes that were ever written.
  var writtenCount: UInt64 = 0
  /// Bytes written since the host was seen to have taken everything.
  var pendingCount = 0
  /// When the host was last looked at.
  var lastLook = VirtualTime.zero
  /// Nobody reads the stream any more.
  var isClosed = false
  /// A task is copying into the ring: its memory may have to be read in meanwhile.
  var isBusy = false

  init(_ name: Name) { self.name = name }

  var ringOffset: Int {
    name == .output ? ChannelLayout.outputOffset : ChannelLayout.errorOffset
  }
  var ringByteCount: Int {
    name == .output ? ChannelLayout.outputBytes : ChannelLayout.errorBytes
  }
  var headOffset: Int {
    name == .output ? ChannelLayout.outputHeadOffset : ChannelLayout.errorHeadOffset
  }
  var tailOffset: Int {
    name == .output ? ChannelLayout.outputTailOffset : ChannelLayout.errorTailOffset
  }
}

/// The stream from the host.
struct InputStream: BitwiseCopyable {
  /// All bytes that programs ever read.
  var readCount: UInt64 = 0
  /// A task is copying out of the ring.
  var isBusy = false
}

/// What the host was seen to have done, with the clock stopped.
private struct HostView {
  var isClosed = false
  var isInterrupted = false
  var headCount: UInt64 = 0
}

/// The standard streams: rings in the memory shared with the host.
///
/// How fast the host is must not be seen. So the tail of an output ring is never looked at to
/// learn how much room there is: the kernel counts what it wrote, and when that fills the ring it
/// waits, with the clock stopped, until the host has taken all. Whether anybody still reads is
/// looked at then, and at most every 20 ms of virtual time. A read asks the host for its bytes and
/// waits with the clock stopped until they are there or the input has ended.
extension FileSystems {
  /// Writes all to a stream.
  ///
  /// - Throws: EPIPE where nobody reads it any more, EFAULT if nothing could be read.
  /// - Context: may sleep, to read the program's memory.
  func writeStream(
    _ name: OutputStream.Name, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    lock(name.rawValue)
    defer { unlock(name.rawValue) }
    lookAtHost(name)
    guard !stream(name).isClosed else { throw .EPIPE }
    let ring = machine.channel.part(
      from: stream(name).ringOffset, byteCount: stream(name).ringByteCount)
    var done = 0
    while done < byteCount {
      if stream(name).pendingCount == ring.byteCount {
        waitUntilTaken(name)
        guard !stream(name).isClosed else { break }
      }
      let place = Int(stream(name).writtenCount % UInt64(ring.byteCount))
      let room = min(ring.byteCount - stream(name).pendingCount, ring.byteCount - place)
      let count = min(byteCount - done, room)
      let copied = copy(
        from: source.advanced(by: done), byteCount: count, to: ring, at: place)
      note(copied, on: name)
      done += copied
      if copied < count { break }
    }
    guard done > 0 || byteCount == 0 || stream(name).isClosed else { throw .EFAULT }
    if done == 0, byteCount > 0 { throw .EPIPE }
    record(.streamTransferred, detail: UInt16(name.rawValue), value: UInt64(done))
    return done
  }

  /// Writes what the kernel itself has to say to the standard output.
  ///
  /// - Context: may sleep.
  public func say(_ text: MemoryBlock, byteCount: Int) {
    // Where nobody reads it any more, nobody misses it.
    _ = try? writeStream(.output, from: .kernel(text, at: 0), byteCount: byteCount)
  }

  /// Reads as many bytes as asked for, up to 64 KiB, or up to the input's end; of input that is
  /// handed over as it comes, what is there.
  ///
  /// - Throws: EFAULT, EINTR where the host forwards a signal meanwhile, EAGAIN.
  /// - Context: may sleep.
  func readInput(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    if byteCount == 0 { return 0 }
    lock(0)
    defer { unlock(0) }
    let channel = machine.channel
    let wanted = min(byteCount, 65536)
    let first = state.value.input.readCount
    while isInteractive, !hasHostInput {
      if heap[file].flags.contains(.nonBlocking) { throw .EAGAIN }
      guard environment.sleepInterruptibly(on: Self.inputKey) else { throw .EINTR }
    }
    let available = try waitForInput(upTo: first + UInt64(wanted)) - first
    let ring = channel.part(
      from: ChannelLayout.inputOffset, byteCount: ChannelLayout.inputBytes)
    let total = min(wanted, Int(available))
    var done = 0
    while done < total {
      let place = Int((first + UInt64(done)) % UInt64(ring.byteCount))
      let count = min(total - done, ring.byteCount - place)
      let copied = copy(from: ring, at: place, byteCount: count, to: target.advanced(by: done))
      done += copied
      if copied < count { break }
    }
    guard done > 0 || total == 0 else { throw .EFAULT }
    state.value.input.readCount = first + UInt64(done)
    channel.storeShared(first + UInt64(done), at: ChannelLayout.inputTailOffset)
    record(.streamTransferred, detail: 0, value: UInt64(done))
    return done
  }

  /// Keeps other tasks out of a stream, since copying may sleep.
  func lock(_ stream: UInt8) {
    while isBusy(stream) { environment.sleep(on: streamKey(stream)) }
    setBusy(stream, true)
  }

  private func unlock(_ stream: UInt8) {
    setBusy(stream, false)
    environment.wake(streamKey(stream))
  }

  private func streamKey(_ stream: UInt8) -> SleepKey { .object(0, channel: 0x74 + stream) }

  private func isBusy(_ stream: UInt8) -> Bool {
    switch stream {
    case 0: state.value.input.isBusy
    case 1: state.value.output.isBusy
    default: state.value.error.isBusy
    }
  }

  private func setBusy(_ stream: UInt8, _ isBusy: Bool) {
    switch stream {
    case 0: state.value.input.isBusy = isBusy
    case 1: state.value.output.isBusy = isBusy
    default: state.value.error.isBusy = isBusy
    }
  }

  func stream(_ name: OutputStream.Name) -> OutputStream {
    name == .output ? state.value.output : state.value.error
  }

  func setStream(_ name: OutputStream.Name, _ stream: OutputStream) {
    if name == .output {
      state.value.output = stream
    } else {
      state.value.error = stream
    }
  }

  /// Counts bytes that are in the ring now and shows them to the host.
  private func note(_ count: Int, on name: OutputStream.Name) {
    var changed = stream(name)
    changed.writtenCount += UInt64(count)
    changed.pendingCount += count
    setStream(name, changed)
    machine.channel.storeShared(changed.writtenCount, at: changed.headOffset)
  }

  /// Waits until the host has taken all that was written.
  func waitUntilTaken(_ name: OutputStream.Name) {
    let channel = machine.channel
    var changed = stream(name)
    var view = HostView()
    machine.withClockStopped {
      while channel.loadShared(at: changed.tailOffset) != changed.writtenCount {
        view.isClosed = isClosed(name, channel)
        if view.isClosed { break }
      }
    }
    changed.pendingCount = 0
    changed.isClosed = view.isClosed
    changed.lastLook = machine.now
    setStream(name, changed)
  }

  /// Looks now and then whether anybody still reads.
  private func lookAtHost(_ name: OutputStream.Name) {
    var changed = stream(name)
    guard changed.lastLook.advanced(byNanoseconds: 20_000_000) <= machine.now else { return }
    let channel = machine.channel
    var view = HostView()
    machine.withClockStopped { view.isClosed = isClosed(name, channel) }
    changed.isClosed = view.isClosed
    changed.lastLook = machine.now
    setStream(name, changed)
  }

  private func isClosed(_ name: OutputStream.Name, _ channel: MemoryBlock) -> Bool {
    channel.loadShared(at: ChannelLayout.closedStreamsOffset) >> UInt64(name.rawValue) & 1 != 0
  }

  /// Asks the host for input up to a count and waits for it; returns the count that is there.
  private func waitForInput(upTo count: UInt64) throws(Errno) -> UInt64 {
    let channel = machine.channel
    let first = state.value.input.readCount
    let isInteractive = isInteractive
    var view = HostView()
    channel.storeShared(count, at: ChannelLayout.inputWantedOffset)
    machine.withClockStopped {
      repeat {
        // The end is looked at first: what came before it is in the ring then.
        view.isClosed = channel.loadShared(at: ChannelLayout.inputEndedOffset) != 0
        view.headCount = channel.loadShared(at: ChannelLayout.inputHeadOffset)
        view.isInterrupted = environment.hasForwardedSignal
      } while view.headCount < count && !view.isClosed && !view.isInterrupted
        && !(isInteractive && view.headCount > first)
      // What came beyond the count is the host's haste, and not to be seen.
      view.headCount = min(view.headCount, count)
    }
    if view.isInterrupted, view.headCount < count, !view.isClosed {
      environment.takeForwardedSignals()
      throw .EINTR
    }
    return view.headCount
  }

  /// Whether a read of the input would not wait; input that is not handed over as it comes is
  /// waited for with the clock stopped, and so always there.
  var hasHostInput: Bool {
    guard isInteractive else { return true }
    let channel = machine.channel
    let first = state.value.input.readCount
    var view = HostView()
    channel.storeShared(first + 4096, at: ChannelLayout.inputWantedOffset)
    machine.withClockStopped {
      view.isClosed = channel.loadShared(at: ChannelLayout.inputEndedOffset) != 0
      view.headCount = channel.loadShared(at: ChannelLayout.inputHeadOffset)
    }
    return view.isClosed || view.headCount > first
  }
}
