// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// The names of event kinds in exports: those of `EventKind`'s cases.
enum EventNames {
  static func name(of kind: UInt16) -> String {
    EventKind(rawValue: kind).map { "\($0)" } ?? "kind\(kind)"
  }

  /// The faults in the order and with the words of the summary.
  static let faults: [(kind: EventKind, word: String)] = [
    (.faultDemandZero, "demand zero"), (.faultZeroPage, "zero page"),
    (.faultCopyOnWrite, "copy on write"), (.faultReuse, "reuse"),
    (.faultFileMinor, "file minor"), (.faultFileMajor, "file major"),
    (.faultStackGrowth, "stack growth"), (.faultMakeWritable, "made writable"),
    (.faultSpurious, "spurious"), (.faultRefused, "refused"),
  ]
}
