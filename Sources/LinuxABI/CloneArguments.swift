// SPDX-License-Identifier: Apache-2.0

/// What `clone3` is asked for. Linux: `struct clone_args`, its third version.
public struct CloneArguments: Sendable, BitwiseCopyable {
  public var flags: UInt64 = 0
  public var descriptorAt: UInt64 = 0
  public var childIdentifierAt: UInt64 = 0
  public var parentIdentifierAt: UInt64 = 0
  public var exitSignal: UInt64 = 0
  /// The lowest byte of the child's stack, 0 for the parent's.
  public var stack: UInt64 = 0
  public var stackByteCount: UInt64 = 0
  public var threadPointer: UInt64 = 0
  public var identifiersAt: UInt64 = 0
  public var identifierCount: UInt64 = 0
  public var controlGroup: UInt64 = 0

  public init() {}

  /// Linux: `CLONE_ARGS_SIZE_VER0`.
  public static var smallestByteCount: UInt64 { 64 }
}
