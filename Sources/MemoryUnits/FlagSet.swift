// SPDX-License-Identifier: Apache-2.0

/// An option set that compiles where nothing may allocate.
///
/// `OptionSet` makes its array literal by going through a sequence, which an image without a
/// heap refuses as soon as a type conforms. The core combines flags with `union`; a literal is
/// for hosts.
public protocol FlagSet: OptionSet where RawValue: FixedWidthInteger {}

extension FlagSet {
  /// The empty set.
  public init() { self.init(rawValue: 0) }

  public init(arrayLiteral elements: Self...) {
    var value: RawValue = 0
    for index in 0..<elements.count { value |= elements[index].rawValue }
    self.init(rawValue: value)
  }
}
