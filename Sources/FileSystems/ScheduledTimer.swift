// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits

/// Something that is due at a time, in the kernel's queue of such things while it is started.
///
/// Linux: `struct hrtimer`.
public struct ScheduledTimer: HeapObject {
  public static var cacheName: StaticString { "hrtimer" }
  public static var cacheIndex: Int { 53 }

  /// Whom it tells.
  public enum Owner: UInt8, BitwiseCopyable, Sendable {
    /// A timer file.
    case file
    /// A process's ITIMER_REAL.
    case alarm
    /// A timer of `timer_create`.
    case program
  }

  public let owner: Owner
  /// The owner's reference as a number.
  public let ownerRaw: UInt32
  /// When it is due, while it is in the queue; afterwards when it was.
  public var deadline = VirtualTime.never
  /// Between equal deadlines, the one that was started first is taken first.
  public var sequence: UInt64 = 0
  public var isQueued = false

  var hook = TreeHook<ScheduledTimer>()

  public init(_ owner: Owner, _ ownerRaw: UInt32) {
    self.owner = owner
    self.ownerRaw = ownerRaw
  }
}

/// The links of timers in the queue.
public struct ScheduledTimerLinks<Hardware: Machine>: TreeHooks {
  let heap: ObjectHeap<Hardware>

  public init(heap: ObjectHeap<Hardware>) { self.heap = heap }

  public func hook(of node: Reference<ScheduledTimer>) -> TreeHook<ScheduledTimer> {
    heap[node].hook
  }
  public func withHook(
    of node: Reference<ScheduledTimer>, _ body: (inout TreeHook<ScheduledTimer>) -> Void
  ) {
    body(&heap[node].hook)
  }
}
