// SPDX-License-Identifier: Apache-2.0

/// Where things are in the channel: RAM above `--memory` that only the machine's outside and the
/// kernel's edge know.
///
///     0        mailbox: counters, exit status, places     (1 page)
///     0x1000   arguments                                  (124 KiB)
///     0x20000  kernel's text log                          (128 KiB)
///     0x40000  stderr ring                                (256 KiB)
///     0x80000  paths that were not there               (256 KiB)
///     0xC0000  ring of files that are copied out        (256 KiB)
///     0x100000 stdin ring                                 (1 MiB)
///     0x200000 stdout ring                                (1 MiB)
///     0x400000 event ring                                 (4 MiB: 131,072 records)
///
/// A ring's head counts all that was ever written, its tail all that was ever read; a place is
/// the count modulo the ring's size. Writer and reader own one counter each, in cache lines of
/// their own. All numbers are little-endian.
public enum ChannelLayout {
  public static var byteCount: Int { 0x80_0000 }
  public static var magic: UInt64 { 0x3148_4345_5249_5551 }  // "QUIRECH1"

  // Mailbox: written by the host before the start
  public static var magicOffset: Int { 0x000 }
  public static var memoryBytesOffset: Int { 0x008 }
  public static var argumentBytesOffset: Int { 0x010 }
  /// Bit n: standard stream n is a terminal; those streams are the machine's console.
  ///
  /// Where bit 0 is set the host puts its terminal into raw mode (all of `cfmakeraw`, so that
  /// Ctrl-C is a byte and a newline is only that) and the machine's console does what a terminal
  /// does: echo, lines, signals of keys, carriage returns. Where it is not, the console writes
  /// bytes as they are.
  public static var terminalsOffset: Int { 0x018 }
  /// Seed of all randomness; 0: nothing is random.
  public static var seedOffset: Int { 0x020 }
  /// 1: input is handed over as it comes, so a read may get less than it asked for, and the host
  /// serves the idle words below; 0: a read gets what it asked for, or all up to the end of the
  /// input. The host sets it for `--interactive` and wherever bit 0 of `terminals` is set.
  public static var interactiveOffset: Int { 0x028 }
  /// Seconds since the epoch at which virtual time begins; 0: the kernel's own fixed time.
  public static var bootTimeOffset: Int { 0x030 }
  /// Bytes of each disk, 8 bytes each, root first; 0 where there is none.
  public static var diskBytesOffset: Int { 0x040 }

  // Mailbox: counters, a cache line each
  public static var eventHeadOffset: Int { 0x400 }
  public static var eventTailOffset: Int { 0x440 }
  public static var inputHeadOffset: Int { 0x480 }
  public static var inputTailOffset: Int { 0x4C0 }
  /// Kernel: all bytes of input that it ever asked for; the host reads no further than this.
  public static var inputWantedOffset: Int { 0x500 }
  /// Host: 1 once the input has ended (after the last byte is in the ring).
  public static var inputEndedOffset: Int { 0x540 }
  public static var outputHeadOffset: Int { 0x580 }
  public static var outputTailOffset: Int { 0x5C0 }
  public static var errorHeadOffset: Int { 0x600 }
  public static var errorTailOffset: Int { 0x640 }
  public static var textHeadOffset: Int { 0x680 }
  public static var textTailOffset: Int { 0x6C0 }
  /// Host: bit n is set once nobody reads stream n any more (EPIPE on the next write).
  public static var closedStreamsOffset: Int { 0x700 }
  /// Host: the size of its terminal's window, 16 bits each: rows, columns, width and height in
  /// pixels, rows lowest (Linux's `struct winsize`); 0 where it has none. Stored before the start
  /// and at every SIGWINCH; a change becomes SIGWINCH for the console's foreground group.
  public static var windowSizeOffset: Int { 0x740 }
  /// Host: how many signals it has forwarded; signal n (from 0) is the byte at `n % 64` of the
  /// ring, stored before the count. SIGINT and SIGTERM (any that the tool forwards) go to the
  /// program itself, as `kill` would send them. A 65th that the kernel has not taken is dropped.
  public static var signalHeadOffset: Int { 0x780 }
  /// Kernel: how many it has taken.
  public static var signalTailOffset: Int { 0x7C0 }
  /// Bytes of the ring of forwarded signals.
  public static var signalRingBytes: Int { 64 }

  // Mailbox: idle words. An interactive machine in which nobody can run stores how long it may
  // wait, then a higher sequence number, and waits with its clock stopped. Once that time has
  // passed on the host's own clock, or input, its end, a signal or another window has come (and
  // is in its place), the host stores how much has passed and then the same number. So a
  // keystroke can come before a time limit, and `sleep 1` lasts a second.
  /// Kernel: nanoseconds; all ones for no limit.
  public static var idleLimitOffset: Int { 0x840 }
  /// Kernel: the number of the wait.
  public static var idleSequenceOffset: Int { 0x848 }
  /// Host: nanoseconds that passed, at most the limit.
  public static var idlePassedOffset: Int { 0x880 }
  /// Host: the number of the last wait that it ended.
  public static var idleAnsweredOffset: Int { 0x888 }

  // Mailbox: the end, written by the kernel; the state last
  public static var exitStateOffset: Int { 0x800 }
  /// Exit code of the program, or the signal's number.
  public static var exitValueOffset: Int { 0x808 }
  /// Physical address of the first frame descriptor, and their number.
  public static var frameTableOffset: Int { 0x810 }
  public static var frameCountOffset: Int { 0x818 }
  /// Virtual time at the program's first instruction, in nanoseconds since the PVH entry.
  public static var firstInstructionOffset: Int { 0x820 }
  /// … of which this passed although nothing ran; the rest is instructions.
  public static var firstIdleOffset: Int { 0x828 }
  /// Virtual time that passed although nothing ran, in nanoseconds.
  public static var idleTimeOffset: Int { 0x830 }

  /// Host: the ring of forwarded signals, a byte each.
  public static var signalRingOffset: Int { 0x8C0 }

  /// Kernel: all bytes of `SaveRecord`s that it ever sent; host: all that it ever took.
  public static var saveHeadOffset: Int { 0x940 }
  public static var saveTailOffset: Int { 0x980 }

  public static var argumentsOffset: Int { 0x1000 }
  public static var argumentsBytes: Int { 0x1F000 }
  public static var textOffset: Int { 0x2_0000 }
  public static var textBytes: Int { 0x2_0000 }
  public static var errorOffset: Int { 0x4_0000 }
  public static var errorBytes: Int { 0x4_0000 }
  /// Kernel: bytes of text used so far, then from 0x1000 on its own index of them.
  public static var missingPathsOffset: Int { 0x8_0000 }
  /// Kernel: each path that a program looked for in vain, once, ended by a zero byte.
  public static var missingPathTextOffset: Int { 0x8_5000 }
  public static var missingPathTextBytes: Int { 0x3_B000 }
  public static var saveOffset: Int { 0xC_0000 }
  public static var saveBytes: Int { 0x4_0000 }
  public static var inputOffset: Int { 0x10_0000 }
  public static var inputBytes: Int { 0x10_0000 }
  public static var outputOffset: Int { 0x20_0000 }
  public static var outputBytes: Int { 0x10_0000 }
  public static var eventOffset: Int { 0x40_0000 }
  public static var eventCount: Int { 0x2_0000 }
}

/// How a machine ended.
public enum ExitState: UInt64, Sendable {
  case running = 0
  /// The program ended by itself; the value is its exit code.
  case exited = 1
  /// A signal ended the program; the value is its number.
  case signalled = 2
  /// As `signalled`, and the signal came from the OOM killer.
  case outOfMemory = 3
  /// Every process waits for another for ever.
  case deadlocked = 4
  /// The program could not be started; the value is Linux's errno.
  case notStarted = 5
  /// The kernel found itself wrong and stopped; the text log says where.
  case kernelFailed = 6
  /// The machine is too small; the value is the smallest size in bytes.
  case tooSmall = 7
  /// A boot word or a setting is none of the kernel's; the value is a `RefusedWord`.
  case wordRefused = 8
}

/// A word that the kernel was started with and does not take.
public struct RefusedWord: Equatable, Sendable, BitwiseCopyable {
  /// `ArgumentTag.bootWord` or `.setting`.
  public var tag: UInt8
  /// Linux's errno: ENOENT for a name that there is not, EINVAL for a value that cannot be.
  public var error: UInt16
  /// Its place among those of the same tag.
  public var index: UInt32

  public init(tag: UInt8, error: UInt16, index: UInt32) {
    self.tag = tag
    self.error = error
    self.index = index
  }

  public init(encoded: UInt64) {
    tag = UInt8(truncatingIfNeeded: encoded >> 48)
    error = UInt16(truncatingIfNeeded: encoded >> 32)
    index = UInt32(truncatingIfNeeded: encoded)
  }

  public var encoded: UInt64 { UInt64(tag) << 48 | UInt64(error) << 32 | UInt64(index) }
}
