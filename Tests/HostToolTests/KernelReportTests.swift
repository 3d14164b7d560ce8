// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import Testing

@testable import HostTool

@Suite struct KernelReportTests {
  private func event(
    _ kind: EventKind, detail: UInt16, frame: UInt32, owner: UInt32, value: UInt64
  ) -> MemoryEvent {
    var event = MemoryEvent(
      kind, detail: detail, process: 7, frame: frame, owner: owner, value: value)
    event.time = 12_345_678_901
    return event
  }

  @Test(arguments: [
    (0xCC0, "GFP_KERNEL"), (0xDC0, "GFP_KERNEL|__GFP_ZERO"), (0x820, "GFP_ATOMIC"),
    (0x10_0CCA, "GFP_HIGHUSER_MOVABLE"), (0x10_0CC2, "GFP_HIGHUSER"), (0x2800, "GFP_NOWAIT"),
    (0xCD1, "GFP_KERNEL|GFP_DMA|__GFP_RECLAIMABLE"), (0xC40, "GFP_NOFS"),
    (0x2_8C04, "GFP_NOIO|GFP_DMA32|__GFP_NOFAIL|__GFP_MEMALLOC"), (0, "none"),
    (0x8000_0000, "0x80000000"),
  ] as [(UInt32, String)])
  func `a request's mode reads as on Linux`(mode: UInt32, text: String) {
    #expect(KernelReport.flags(mode) == text)
  }

  @Test func `an allocation that failed is told with order, mode, zone and mobility`() {
    let failed = event(
      .allocationFailed, detail: 4 | 1 << 8 | 2 << 12, frame: 128, owner: 0xDD0, value: 203)
    #expect(
      KernelReport.lines(failed) == [
        "[   12.345678] pid 7: page allocation failure: order:4, "
          + "mode:0xdd0(GFP_KERNEL|__GFP_RECLAIMABLE|__GFP_ZERO), nodemask=(null)",
        "[   12.345678] Zone DMA32 free:812kB min:512kB type:Reclaimable",
      ])
    for mode in [0, 0x2800] as [UInt32] {
      let quiet = event(.allocationFailed, detail: 4, frame: 0, owner: mode, value: 0)
      #expect(KernelReport.lines(quiet) == [])
    }
    #expect(KernelReport.lines(MemoryEvent(.frameFreed)) == [])
  }

  @Test func `a frame that was misused is told with what was wrong`() {
    let twice = event(.frameFault, detail: 2 | 3 << 8, frame: 0x1234, owner: 0, value: 0)
    #expect(
      KernelReport.lines(twice) == [
        "[   12.345678] BUG: Bad page state in process pid 7  pfn:01234",
        "[   12.345678] page dumped because: a free frame is freed, order 3",
      ])
    let bit = event(
      .frameFault, detail: 6, frame: 9, owner: 0x4D2, value: 0xAAAA_AAAA_AAAB_AAAA)
    #expect(
      KernelReport.lines(bit) == [
        "[   12.345678] pagealloc: single bit error",
        "[   12.345678] free page pfn:00009 offset:4d2 word:aaaaaaaaaaabaaaa",
      ])
    let beyond = event(
      .frameFault, detail: 7, frame: 9, owner: 0, value: 0xDBDB_DBDB_DBDB_DB07)
    #expect(KernelReport.lines(beyond)[0] == "[   12.345678] pagealloc: memory corruption")
    #expect(KernelReport.lines(beyond)[1].contains("guard page pfn:00009 offset:000"))
  }

  @Test func `of failures one in ten seconds is told, of misuse ten in all`() {
    var statistics = RunStatistics()
    var failed = event(.allocationFailed, detail: 4, frame: 128, owner: 0xCC0, value: 203)
    for second in 0..<25 {
      failed.time = UInt64(second) * 1_000_000_000
      statistics.add(failed)
    }
    #expect(statistics.reports.count == 6)
    let fault = event(.frameFault, detail: 2, frame: 9, owner: 0, value: 0)
    for _ in 0..<20 { statistics.add(fault) }
    #expect(statistics.reports.count == 26)
    #expect(statistics.count(.frameFault) == 20 && statistics.count(.allocationFailed) == 25)
  }
}
