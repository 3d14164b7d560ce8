// SPDX-License-Identifier: Apache-2.0

/// What a handler finds on its stack, up to the floating-point state, which lies above it.
///
///     address of the restorer │ ucontext (304) │ siginfo (128)
///
/// Linux: `struct rt_sigframe`, `struct ucontext`, `struct sigcontext_64`.
public struct SignalFrame: Sendable, BitwiseCopyable {
  public var restorer: UInt64 = 0
  /// Linux: `UC_SIGCONTEXT_SS`, `UC_STRICT_RESTORE_SS`.
  public var contextFlags: UInt64 = 6
  public var contextLink: UInt64 = 0
  public var stack = SignalStack(base: 0, flags: 0, byteCount: 0)
  public var registers = SavedRegisters()
  public var mask = SignalSet.empty
  public var information = SignalInformation()
  private var informationRest = InlineArray<10, UInt64>(repeating: 0)

  public init() {}

  public static var byteCount: Int { 440 }
  /// From the frame to the ucontext, and to the siginfo.
  public static var contextOffset: UInt64 { 8 }
  public static var informationOffset: UInt64 { 312 }
}

/// Linux: `struct sigcontext_64`, 256 bytes.
public struct SavedRegisters: Sendable, BitwiseCopyable {
  public var r8: UInt64 = 0
  public var r9: UInt64 = 0
  public var r10: UInt64 = 0
  public var r11: UInt64 = 0
  public var r12: UInt64 = 0
  public var r13: UInt64 = 0
  public var r14: UInt64 = 0
  public var r15: UInt64 = 0
  public var rdi: UInt64 = 0
  public var rsi: UInt64 = 0
  public var rbp: UInt64 = 0
  public var rbx: UInt64 = 0
  public var rdx: UInt64 = 0
  public var rax: UInt64 = 0
  public var rcx: UInt64 = 0
  public var rsp: UInt64 = 0
  public var rip: UInt64 = 0
  public var flags: UInt64 = 0
  /// CS, GS, FS and SS, 16 bits each.
  public var segments: UInt64 = 0x002B_0000_0000_0033
  public var errorCode: UInt64 = 0
  public var trapNumber: UInt64 = 0
  public var oldMask: UInt64 = 0
  public var faultAddress: UInt64 = 0
  public var floatingPoint: UInt64 = 0
  private var reserved = InlineArray<8, UInt64>(repeating: 0)

  public init() {}
}
