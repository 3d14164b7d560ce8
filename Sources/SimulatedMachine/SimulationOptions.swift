// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// What a simulated machine is made of.
public struct SimulationOptions: Sendable {
  /// RAM, from physical address 0 on; only what is touched costs the host memory.
  public var frameCount: Int
  /// The frames that the direct map reaches; the rest is HIGHMEM, seen through windows.
  public var directMapFrameCount: Int
  public var cpuCount: Int
  /// Seeds evictions from the translation caches, disks and interleaving.
  public var seed: UInt64
  public var initialContent: InitialContent
  /// What happens when the frame events contradict each other, or a frame is freed that a CPU
  /// can still reach.
  public var violationResponse: ViolationResponse
  public var eventStorage: EventStorage
  public var freedFrames: FreedFrames
  /// The bytes of each disk, root first.
  public var diskByteCounts: [Int]
  /// Translations that each CPU caches.
  public var cachedTranslationCount: Int
  /// Where the kernel under test maps physical address 0. Linux: `PAGE_OFFSET`.
  public var directMapAddress = VirtualAddress(0xFFFF_8880_0000_0000)

  public init(
    frameCount: Int, directMapFrameCount: Int? = nil, cpuCount: Int = 1, seed: UInt64 = 1,
    initialContent: InitialContent = .zeroed, violationResponse: ViolationResponse = .trap,
    eventStorage: EventStorage = .kept, freedFrames: FreedFrames = .untouched,
    diskByteCounts: [Int] = [], cachedTranslationCount: Int = 256
  ) {
    precondition(frameCount > 0 && (1...CPUNumber.maximumCount).contains(cpuCount))
    self.frameCount = frameCount
    self.directMapFrameCount = min(directMapFrameCount ?? frameCount, frameCount)
    self.cpuCount = cpuCount
    self.seed = seed
    self.initialContent = initialContent
    self.violationResponse = violationResponse
    self.eventStorage = eventStorage
    self.freedFrames = freedFrames
    self.diskByteCounts = diskByteCounts
    self.cachedTranslationCount = cachedTranslationCount
  }

  /// What RAM holds before anybody wrote to it.
  public enum InitialContent: Sendable { case zeroed, garbage }

  public enum ViolationResponse: Sendable {
    /// Stops the test process with the reason.
    case trap
    /// Appends the reason to `violations`.
    case collect
    /// Nothing is checked.
    case ignore
  }

  /// Whether events stay readable; frame events are checked in any case.
  public enum EventStorage: Sendable { case kept, dropped }

  /// What happens to the bytes of a frame when it is freed.
  public enum FreedFrames: Sendable { case untouched, poisoned }
}
