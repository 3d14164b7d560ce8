// SPDX-License-Identifier: Apache-2.0

import Glibc
import MemoryEvents
import MemoryUnits

/// How a run ended, and what there is to tell about it.
struct RunResult {
  /// Why it ended, by the names that `--json` uses.
  enum Cause: String { case exit, signal, oom, timeout, deadlock, quire }

  var cause: Cause
  /// The tool's exit status.
  var status: Int32
  /// The number of the signal that ended the program, or nil.
  var signal: Int32?
  /// What went wrong, where something did.
  var failure: ToolFailure?

  /// Whether it is Quire that failed, so that everything to run it again is to be kept.
  var leavesBundle = false
  /// What could not be copied out, where the program itself went wrong before.
  private(set) var unsaved: ToolFailure?

  /// Why the digest may differ the next time, or nil where it may not.
  var unrepeatable: String?

  /// What the program missed although the host has it.
  var missing = MissingPaths()

  var statistics = RunStatistics()
  var peakResident = PageCount.zero
  var managed = PageCount.zero
  var digest = ""
  /// Instructions from the kernel's entry to the program's first.
  var startInstructions: UInt64 = 0
  /// Instructions from the kernel's entry to the last record of the log: virtual time less that
  /// in which nothing ran.
  var instructions: UInt64 = 0

  /// What the channel's exit state means.
  ///
  /// - Parameters:
  ///   - value: the mailbox's exit value.
  ///   - text: the end of the kernel's log.
  init(_ state: ExitState, value: UInt64, options: MachineOptions, text: String) {
    let number = Int32(truncatingIfNeeded: value & 0xFF)
    switch state {
    case .exited: self.init(.exit, number)
    case .signalled:
      self.init(.signal, 128 + number)
      signal = number
    case .outOfMemory:
      self.init(.oom, 128 + 9)
      signal = 9
    case .deadlocked:
      self.init(
        .deadlock,
        ToolFailure(.failed, "every process waits for another for ever", "look at its last steps"))
    case .notStarted: self.init(.quire, Self.startFailure(value, options: options))
    case .tooSmall:
      let least = value == 0 ? "more --memory" : "at least --memory \((value + 1023) >> 10)K"
      self.init(
        .quire,
        ToolFailure(
          .failed, "\(options.memory.readable) of memory are too little",
          "give \(least)"))
    case .wordRefused:
      self.init(.quire, Self.wordFailure(RefusedWord(encoded: value), options: options))
    case .kernelFailed, .running:
      let said = text.isEmpty ? "it said nothing" : text
      self.init(
        .quire, ToolFailure(.failed, "the kernel stopped: \(said)", "run it with --verbose"))
      leavesBundle = true
    }
  }

  init(_ cause: Cause, _ status: Int32) {
    self.cause = cause
    self.status = status
  }

  init(_ cause: Cause, _ failure: ToolFailure) {
    self.cause = cause
    status = failure.status.rawValue
    self.failure = failure
  }

  /// A program that succeeded has not, if what it made is lost.
  mutating func note(_ failures: [(path: String, why: String)]) {
    guard let first = failures.first, failure == nil else { return }
    let more = failures.count > 1 ? " (and \(failures.count - 1) more)" : ""
    let line = ToolFailure(
      .failed, "--save \(first.path): \(first.why)\(more)", "check both paths")
    if status == 0 {
      cause = .quire
      failure = line
      status = line.status.rawValue
    } else {
      unsaved = line
    }
  }

  private static func startFailure(_ number: UInt64, options: MachineOptions) -> ToolFailure {
    let error = HostError(Int32(truncatingIfNeeded: number))
    let name = options.program.first ?? ""
    switch number {
    case 2: return ToolFailure(.notFound, "\(name): \(error.text)", "check the path")
    case 12:
      return ToolFailure(
        .failed, "\(name) does not fit in \(options.memory.readable)", "give more --memory")
    default:
      let remedy =
        error.number == EIO ? "give a root disk that is whole" : "give a program for x86-64"
      return ToolFailure(.notExecutable, "\(name): \(error.text)", remedy)
    }
  }

  private static func wordFailure(
    _ refused: RefusedWord, options: MachineOptions
  ) -> ToolFailure {
    let isSetting = refused.tag == ArgumentTag.setting.rawValue
    let words = isSetting ? options.settings : options.kernelWords
    let index = Int(refused.index)
    let word = index < words.count ? words[index] : "?"
    if !isSetting, word.hasPrefix("cma=") {
      return areaFailure(String(word.dropFirst(4)), Int32(refused.error))
    }
    guard isSetting else {
      if Int32(refused.error) == EINVAL {
        return ToolFailure(
          .usage, "boot word \(word): no such value", "see Documentation/BootWords.md")
      }
      return ToolFailure(.usage, "unknown boot word \(word)", "see ./quire help run")
    }
    switch Int32(refused.error) {
    case ENOENT, ENOTDIR:
      return ToolFailure(
        .usage, "--set \(word): the kernel has no such setting", "look below /proc/sys")
    case EINVAL, ERANGE:
      return ToolFailure(.usage, "--set \(word): no such value", "give one that Linux takes")
    default:
      return ToolFailure(
        .usage, "--set \(word): this setting cannot be changed yet", "leave it out")
    }
  }

  /// A contiguous area that the machine cannot have.
  private static func areaFailure(_ area: String, _ error: Int32) -> ToolFailure {
    let reason =
      switch error {
      case EFAULT: ("not all of it is memory", "give less, or a lower base")
      case EEXIST: ("the kernel or another area is there", "give another base")
      case EXDEV: ("it is larger than its zone, or lies in two", "give less, or another base")
      case ENOSPC: ("no place is large enough", "give less, or a higher limit")
      case E2BIG: ("a machine has eight areas at most", "give fewer")
      default: ("no area can be so", "give a size, and a base that is a multiple of 4M")
      }
    return ToolFailure(.usage, "--cma \(area): \(reason.0)", reason.1)
  }

  /// The kernel's share of RAM: what the page allocator never got.
  func kernelShare(of memory: ByteCount) -> ByteCount {
    let managed = managed.bytes
    return managed.value > 0 && managed < memory ? memory - managed : .zero
  }
}

/// The names of signals, as `kill -l` has them.
enum SignalNames {
  private static let names = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
  ]

  static func name(of number: Int32) -> String {
    number >= 1 && number <= names.count ? "SIG\(names[Int(number) - 1])" : "signal \(number)"
  }
}
