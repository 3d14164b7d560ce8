// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// What a page-table entry says.
public enum DecodedEntry: Hashable, Sendable, BitwiseCopyable {
  /// All zero.
  case empty
  case table(PageFrameNumber)
  case leaf(Leaf)
  case software(SoftwareEntry)

  /// A page: its frame, its rights, and what the CPU noted.
  public struct Leaf: Hashable, Sendable, BitwiseCopyable {
    public var frame: PageFrameNumber
    public var protection: Protection
    public var isAccessed: Bool
    public var isDirty: Bool

    public init(
      frame: PageFrameNumber, protection: Protection, isAccessed: Bool, isDirty: Bool
    ) {
      self.frame = frame
      self.protection = protection
      self.isAccessed = isAccessed
      self.isDirty = isDirty
    }
  }

  /// What is mapped, if anything is.
  public var leaf: Leaf? {
    if case .leaf(let leaf) = self { leaf } else { nil }
  }
}
