// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames

/// What the administrator decides about programs' memory.
///
/// Linux: `vm.overcommit_memory` and its neighbours in /proc/sys/vm.
public struct MemoryPolicy: BitwiseCopyable, Sendable {
  /// How much may be promised. Linux: `vm.overcommit_memory`.
  public enum Overcommit: UInt8, BitwiseCopyable, Sendable {
    /// Whatever a single request could ever get. Linux: `OVERCOMMIT_GUESS`.
    case guess = 0
    /// Anything. Linux: `OVERCOMMIT_ALWAYS`.
    case always = 1
    /// Not more than there is. Linux: `OVERCOMMIT_NEVER`.
    case never = 2
  }

  public var overcommit = Overcommit.guess
  /// Percent of memory that counts for `never`. Linux: `vm.overcommit_ratio`.
  public var overcommitRatio: UInt32 = 50
  /// The most areas that a space may have. Linux: `vm.max_map_count`.
  public var areaLimit: UInt32 = 65_530
  /// What `never` keeps for the administrator, in KiB. Linux: `vm.admin_reserve_kbytes`.
  public var administratorReserve: UInt64 = 8192

  public init() {}

  /// What may be promised in all. Linux: `vm_commit_limit()`.
  public func commitLimit(of memory: PageCount) -> PageCount {
    PageCount(memory.value / 100 * Int(overcommitRatio)
      + memory.value % 100 * Int(overcommitRatio) / 100)
  }
}

extension AddressSpaces {
  /// Refuses pages that nobody could promise.
  ///
  /// - Throws: `outOfMemory`.
  ///
  /// Linux: `__vm_enough_memory()`.
  func checkPromise(of count: PageCount) throws(MemoryError) {
    let policy = memory.value.policy
    switch policy.overcommit {
    case .always: return
    case .guess:
      guard count.value <= frames.managedPageCount.value else { throw .outOfMemory }
    case .never:
      // The administrator's reserve is for those who are not he; programs are, unless told.
      let limit = policy.commitLimit(of: frames.managedPageCount)
      guard (memory.value.committedPageCount + count).value <= limit.value else {
        throw .outOfMemory
      }
    }
  }
}
