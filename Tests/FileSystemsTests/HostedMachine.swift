// SPDX-License-Identifier: Apache-2.0

import FileSystems
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats
import SimulatedMachine

/// The outside of a test's machine: a disk, and a host at the channel's other end.
final class TestHost {
  /// The root disk.
  var disk: [UInt8] = []
  /// The scratch disk.
  var scratch: [UInt8] = []
  /// Sectors of the scratch disk that cannot be written.
  var stuckSectors: Range<UInt64> = 0..<0
  /// Sectors that cannot be read.
  var badSectors: Set<UInt64> = []
  var transfers: [UInt16: DiskTransfer] = [:]
  /// Pages that were ever read, for counting.
  var pagesRead: [UInt64] = []
  var largestPageFlight = 0

  /// What the program will find on its input.
  var input: [UInt8] = []
  var output: [UInt8] = []
  var error: [UInt8] = []
  /// Timers that are started, and what the terminal of the one process and its signals are.
  var timers: [UInt32] = []
  var terminal: UInt32 = 0
  var sentSignals: [String] = []
  var groups: [UInt32] = []
  var pendingSignal: Signal?
  /// Streams that nobody reads.
  var closedStreams: UInt64 = 0
  var windowCount = 0

  /// Disk completions that are due, in the order of their submission.
  var events: [(time: VirtualTime, tag: UInt16)] = []
  var isFlusherWoken = false
  /// Runs while a task sleeps interruptibly, instead of other tasks; false is a signal.
  var whileAsleep: (() -> Bool)?
  /// Processes, for /proc.
  var processes: [UInt32] = []
  var spaceOfProcess: UInt32 = 0
  /// Threads beside the first one, with their process.
  var threads: [UInt32: UInt32] = [:]
  var activity = KernelActivity()
  var name: [UInt8] = []
  var adjustment: Int32 = 0
  var dropCount = 0
  var hidesMemory = false
  var descriptors: [UInt32: UInt32] = [:]
}

/// A simulated machine with a disk and a host that take turns whenever the clock stands still.
struct HostedMachine: Machine {
  typealias Format = X8664Format

  let simulation: SimulatedMachine<X8664Format>
  let reference: Unmanaged<TestHost>

  var host: TestHost { reference.takeUnretainedValue() }

  init(_ options: SimulationOptions, _ host: TestHost) {
    simulation = SimulatedMachine(options)
    reference = Unmanaged.passRetained(host)
  }

  func tearDown() {
    simulation.tearDown()
    reference.release()
  }

  var directMap: DirectMap { simulation.directMap }

  func withBytes<Result, Failure: Error>(
    of frame: PageFrameNumber, _ body: (MemoryBlock) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try simulation.withBytes(of: frame, body)
  }

  func activate(root: PageFrameNumber) { simulation.activate(root: root) }
  func flush(_ scope: FlushScope) { simulation.flush(scope) }
  var currentCPU: CPUNumber { CPUNumber.boot }
  func prepare(_ stack: KernelStack, entry: TaskEntry) {}
  func switchContext(from current: KernelStack, to next: KernelStack) {}
  func register(_ name: UserRegister, of stack: KernelStack) -> UInt64 { 0 }
  func setRegister(_ name: UserRegister, of stack: KernelStack, to value: UInt64) {}
  func resetUserState(of stack: KernelStack) {}
  var now: VirtualTime { simulation.now }

  /// The host does what the body would wait for.
  func withClockStopped(_ body: () -> Void) {
    host.windowCount += 1
    host.serve(channel)
    body()
  }

  func setTimer(_ deadline: VirtualTime) {}
  func advance(to time: VirtualTime) { simulation.advance(to: time) }
  func record(_ event: MemoryEvent) { simulation.record(event) }
  var channel: MemoryBlock { simulation.channel }

  func submit(_ transfer: DiskTransfer) {
    precondition(host.transfers[transfer.tag] == nil, "the tag is in flight")
    host.transfers[transfer.tag] = transfer
    let pages = host.transfers.values.reduce(0) { $0 + Int($1.byteCount.value) / 4096 }
    host.largestPageFlight = max(host.largestPageFlight, pages)
  }

  func finish(tag: UInt16) -> Bool {
    guard let transfer = host.transfers.removeValue(forKey: tag) else {
      fatalError("no such transfer")
    }
    if transfer.direction == .flush { return true }
    return transfer.disk == 0
      ? perform(transfer, on: &host.disk) : perform(transfer, on: &host.scratch)
  }

  private func perform(_ transfer: DiskTransfer, on disk: inout [UInt8]) -> Bool {
    let first = Int(transfer.sector) * 512
    let count = Int(transfer.byteCount.value)
    let sectors = transfer.sector..<transfer.sector + UInt64(count / 512)
    guard first + count <= disk.count else { return false }
    if transfer.disk == 0, sectors.contains(where: host.badSectors.contains) { return false }
    if transfer.disk == 1, transfer.direction == .write, host.stuckSectors.overlaps(sectors) {
      return false
    }
    let block = directMap.block(at: transfer.address, byteCount: transfer.byteCount)
    if transfer.direction == .read {
      for page in 0..<UInt64(count / 4096) {
        host.pagesRead.append(transfer.sector / 8 + page)
      }
      disk.withUnsafeBytes { bytes in
        for offset in stride(from: 0, to: count, by: 8) {
          block.store(
            bytes.loadUnaligned(fromByteOffset: first + offset, as: UInt64.self), at: offset)
        }
      }
    } else {
      for offset in 0..<count { disk[first + offset] = block.load(UInt8.self, at: offset) }
    }
    return true
  }

  func halt() -> Never { fatalError("the machine halted") }
}

extension TestHost {
  /// Does all that the kernel waits for: takes output, hands over input.
  func serve(_ channel: MemoryBlock) {
    channel.storeShared(closedStreams, at: ChannelLayout.closedStreamsOffset)
    take(
      &output, channel, ChannelLayout.outputOffset, ChannelLayout.outputBytes,
      ChannelLayout.outputHeadOffset, ChannelLayout.outputTailOffset)
    take(
      &error, channel, ChannelLayout.errorOffset, ChannelLayout.errorBytes,
      ChannelLayout.errorHeadOffset, ChannelLayout.errorTailOffset)
    let wanted = channel.loadShared(at: ChannelLayout.inputWantedOffset)
    var head = channel.loadShared(at: ChannelLayout.inputHeadOffset)
    while head < wanted, Int(head) < input.count {
      channel.store(
        input[Int(head)], at: ChannelLayout.inputOffset + Int(head) % ChannelLayout.inputBytes)
      head += 1
    }
    channel.storeShared(head, at: ChannelLayout.inputHeadOffset)
    if head < wanted { channel.storeShared(1, at: ChannelLayout.inputEndedOffset) }
  }

  private func take(
    _ stream: inout [UInt8], _ channel: MemoryBlock, _ offset: Int, _ size: Int, _ headOffset: Int,
    _ tailOffset: Int
  ) {
    let head = channel.loadShared(at: headOffset)
    var tail = channel.loadShared(at: tailOffset)
    while tail < head {
      stream.append(channel.load(UInt8.self, at: offset + Int(tail) % size))
      tail += 1
    }
    channel.storeShared(tail, at: tailOffset)
  }
}
