// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import KernelHeap
import KernelMappings
import LinuxABI
import Machine
import MemoryUnits

/// What file systems and disks need of the kernel around them.
///
/// The kernel forwards `startReading` to `FileSystems.startReading`, and calls
/// `FileSystems.diskCompleted` when the time that it was asked to note has come.
public protocol FileEnvironment: ProcessEnvironment {
  /// The state of this layer.
  var files: Resident<FileSystemState> { get }

  /// The kernel's own addresses.
  var mappings: KernelMappings<Hardware> { get }

  /// What devices have of memory.
  var devices: DeviceMemory<Hardware> { get }

  /// Notes that `FileSystems.diskCompleted(tag)` is to be called at a time. Events of the same
  /// time are taken in the order in which they were noted.
  func schedule(diskCompletion tag: UInt16, at time: VirtualTime)

  /// Sleeps on a key until somebody wakes it or a signal comes; false for a signal.
  ///
  /// Context: may sleep; it may return earlier, so callers look again.
  func sleepInterruptibly(on key: SleepKey) -> Bool

  /// Where the running process's files must end. Linux: `RLIMIT_FSIZE`.
  var fileByteLimit: UInt64 { get }

  /// Whether the running process may use what a disk keeps for the administrator.
  var mayUseReserve: Bool { get }

  /// As whom the running task touches files.
  var credentials: Credentials { get }

  /// Who the running process is to those at the other end of a socket.
  var socketOwner: SocketOwner { get }

  /// Tells the running process that it wanted to go beyond that. Linux: `SIGXFSZ`.
  func fileByteLimitExceeded()

  /// As `sleepInterruptibly`, and not beyond a time.
  func sleepInterruptibly(on key: SleepKey, until limit: VirtualTime) -> Bool

  // Timers

  /// Plans that `FileSystems.timerExpired` is called at a time.
  ///
  /// - Precondition: the timer is not in the queue.
  func start(_ timer: Reference<ScheduledTimer>, at time: VirtualTime)

  /// Takes a timer out of the queue, if it is there.
  func stop(_ timer: Reference<ScheduledTimer>)

  // Signals and sessions

  /// What the running process is to a terminal.
  var terminalClient: TerminalClient { get }

  /// Sends a signal of the kernel's to all processes of a group.
  func send(_ signal: Signal, toGroup group: UInt32)

  /// Sends a signal of the kernel's to the process that leads a session.
  func send(_ signal: Signal, toLeaderOf session: UInt32)

  /// Sends the signal that an open file is ready to who was named as its owner.
  ///
  /// Context: any; does not sleep. Linux: `send_sigio()`.
  func sendReadiness(of descriptor: UInt32, _ reason: ReadinessReason, to owner: FileOwner)

  /// Whether the running task blocks a signal or its process ignores it.
  func isIgnored(_ signal: Signal) -> Bool

  /// Makes a terminal the running process's own, or none.
  func setTerminal(_ terminal: Reference<Terminal>?)

  /// No process of a session has its terminal any more.
  func clearTerminal(ofSession session: UInt32)

  /// The session of a group; nil where there is no such group.
  func session(ofGroup group: UInt32) -> UInt32?

  /// Whether a signal of a set is pending for the running task, blocked or not.
  func hasSignal(of set: SignalSet) -> Bool

  /// Takes such a signal.
  func takeSignal(of set: SignalSet) -> SignalInformation?

  /// What polling a process's file finds: input once it has ended.
  func readiness(ofProcess serial: UInt32) -> Readiness

  /// Whether the host has forwarded signals that nobody has taken yet.
  var hasForwardedSignal: Bool { get }

  /// Takes them.
  func takeForwardedSignals()

}

extension FileEnvironment {
  public var fileByteLimit: UInt64 { .max }
  public func fileByteLimitExceeded() {}
  public var mayUseReserve: Bool { true }
  public var credentials: Credentials { .administrator }
  public var socketOwner: SocketOwner {
    SocketOwner(process: currentProcess, user: 0, group: 0)
  }
  public func readiness(ofProcess serial: UInt32) -> Readiness { .input.union(.hangUp) }
}
