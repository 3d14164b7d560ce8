// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// What `clone` shares or does. Linux: `CLONE_*`.
public struct CloneFlags: FlagSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static var memory: Self { Self(rawValue: 0x100) }  // CLONE_VM
  public static var folder: Self { Self(rawValue: 0x200) }  // CLONE_FS
  public static var files: Self { Self(rawValue: 0x400) }  // CLONE_FILES
  public static var handlers: Self { Self(rawValue: 0x800) }  // CLONE_SIGHAND
  public static var pidDescriptor: Self { Self(rawValue: 0x1000) }  // CLONE_PIDFD
  public static var traced: Self { Self(rawValue: 0x2000) }  // CLONE_PTRACE
  public static var vfork: Self { Self(rawValue: 0x4000) }  // CLONE_VFORK
  public static var parent: Self { Self(rawValue: 0x8000) }  // CLONE_PARENT
  public static var thread: Self { Self(rawValue: 0x1_0000) }  // CLONE_THREAD
  public static var semaphores: Self { Self(rawValue: 0x4_0000) }  // CLONE_SYSVSEM
  public static var setThreadPointer: Self { Self(rawValue: 0x8_0000) }  // CLONE_SETTLS
  public static var parentSetTID: Self { Self(rawValue: 0x10_0000) }  // CLONE_PARENT_SETTID
  public static var childClearTID: Self { Self(rawValue: 0x20_0000) }  // CLONE_CHILD_CLEARTID
  public static var childSetTID: Self { Self(rawValue: 0x100_0000) }  // CLONE_CHILD_SETTID
  /// Kept from old times, without effect on Linux too. Linux: `CLONE_DETACHED`.
  public static var detached: Self { Self(rawValue: 0x40_0000) }
  public static var untraced: Self { Self(rawValue: 0x80_0000) }  // CLONE_UNTRACED
  public static var inputOutput: Self { Self(rawValue: 0x8000_0000) }  // CLONE_IO
  /// Of `clone3` only. Linux: `CLONE_CLEAR_SIGHAND`.
  public static var clearHandlers: Self { Self(rawValue: 0x1_0000_0000) }

  /// All but namespaces and control groups. What System V semaphores
  /// undo, who traces, and whose queue of transfers it is makes no difference here.
  public static var known: Self {
    memory.union(folder).union(files).union(handlers).union(traced).union(vfork).union(parent)
      .union(thread).union(semaphores).union(setThreadPointer).union(parentSetTID)
      .union(childClearTID).union(childSetTID).union(detached).union(untraced)
      .union(inputOutput).union(clearHandlers).union(pidDescriptor)
  }
}

/// How a process ended or changed, as `wait4` tells it.
public struct WaitStatus: Equatable, Sendable, BitwiseCopyable {
  public let value: UInt32

  init(value: UInt32) { self.value = value }

  /// It ended by itself. Linux: `WIFEXITED()`.
  public static func exited(_ code: UInt8) -> Self { Self(value: UInt32(code) << 8) }
  /// A signal ended it. Linux: `WIFSIGNALED()`, `WCOREDUMP()`.
  public static func signalled(_ signal: Signal, dumped: Bool) -> Self {
    Self(value: UInt32(signal.number) | (dumped ? 0x80 : 0))
  }
  /// A signal stopped it. Linux: `WIFSTOPPED()`.
  public static func stopped(_ signal: Signal) -> Self {
    Self(value: UInt32(signal.number) << 8 | 0x7F)
  }
  public static var continued: Self { Self(value: 0xFFFF) }

  /// The signal that ended it, 0 for none.
  public var signalNumber: UInt8 { UInt8(value & 0x7F) }
  public var exitCode: UInt8 { UInt8(value >> 8 & 0xFF) }

  /// What happened, as `siginfo_t` says it. Linux: `CLD_*`.
  public var childCode: ChildCode {
    if self == .continued { return .continued }
    if value & 0xFF == 0x7F { return .stopped }
    if signalNumber == 0 { return .exited }
    return value & 0x80 != 0 ? .dumped : .killed
  }

  /// What goes with it: an exit code or a signal. Linux: `si_status`.
  public var childValue: UInt8 {
    switch childCode {
    case .continued: Signal.SIGCONT.number
    case .stopped, .exited, .trapped: exitCode
    case .killed, .dumped: signalNumber
    }
  }
}

/// Linux: `W*` flags of `wait4`.
public enum WaitOption {
  public static var noHang: UInt64 { 1 }
  public static var untraced: UInt64 { 2 }
  /// Of `waitid` only. Linux: `WEXITED`.
  public static var ended: UInt64 { 4 }
  public static var continued: UInt64 { 8 }
  /// Of `waitid` only. Linux: `WNOWAIT`.
  public static var leave: UInt64 { 0x100_0000 }
  public static var all: UInt64 { 0x4000_0000 }
  public static var clone: UInt64 { 0x8000_0000 }
  public static var noThread: UInt64 { 0x2000_0000 }
}
