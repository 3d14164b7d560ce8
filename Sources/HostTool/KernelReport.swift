// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// What Linux's kernel log would say of a record, in its words.
enum KernelReport {
  /// - Returns: no line where Linux says nothing.
  static func lines(_ event: MemoryEvent) -> [String] {
    let text: [String] =
      switch EventKind(rawValue: event.kind) {
      case .allocationFailed: failure(event)
      case .frameFault: fault(event)
      default: []
      }
    return text.map { stamp(event.time) + $0 }
  }

  /// Linux: `warn_alloc()`, and the line of the zone in `show_free_areas()`.
  private static func failure(_ event: MemoryEvent) -> [String] {
    let mode = event.owner
    // A record of somebody who had no request, or `__GFP_NOWARN`.
    guard mode != 0, mode & 1 << 13 == 0 else { return [] }
    let order = event.detail & 0xFF
    let zone = ["DMA", "DMA32", "Normal", "HighMem"][Int(event.detail >> 8 & 3)]
    let types = ["Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate"]
    let type = Int(event.detail >> 12)
    return [
      "\(name(event)): page allocation failure: order:\(order), "
        + "mode:0x\(hexadecimal(UInt64(mode)))(\(flags(mode))), nodemask=(null)",
      "Zone \(zone) free:\(event.value * 4)kB min:\(UInt64(event.frame) * 4)kB"
        + " type:\(type < types.count ? types[type] : "?")",
    ]
  }

  /// Linux: `bad_page()`, `check_poison_mem()`.
  private static func fault(_ event: MemoryEvent) -> [String] {
    let kinds = [
      1: "a frame that is not the allocator's is freed", 2: "a free frame is freed",
      3: "a block is freed by another order than its own",
      4: "a frame that others hold is freed", 5: "a frame that is mapped is freed",
    ]
    let frame = hexadecimal(UInt64(event.frame), digits: 5)
    switch event.detail & 0xFF {
    case 6, 7:
      let pattern: UInt64 = event.detail & 0xFF == 6 ? 0xAA : 0xDB
      let wrong = (event.value >> UInt64(event.owner % 8 * 8) & 0xFF) ^ pattern
      let what = wrong & (wrong &- 1) == 0 ? "single bit error" : "memory corruption"
      let place = event.detail & 0xFF == 6 ? "free page" : "guard page"
      return [
        "pagealloc: \(what)",
        "\(place) pfn:\(frame) offset:\(hexadecimal(UInt64(event.owner), digits: 3)) "
          + "word:\(hexadecimal(event.value, digits: 16))",
      ]
    case let kind:
      return [
        "BUG: Bad page state in process \(name(event))  pfn:\(frame)",
        "page dumped because: \(kinds[Int(kind)] ?? "kind \(kind)"), order \(event.detail >> 8)",
      ]
    }
  }

  /// Linux: `%pGg`.
  static func flags(_ mode: UInt32) -> String {
    var (left, names) = (mode, [String]())
    for (name, mask) in table where left & mask == mask {
      names.append(name)
      left &= ~mask
    }
    if left != 0 { names.append("0x" + hexadecimal(UInt64(left))) }
    return names.isEmpty ? "none" : names.joined(separator: "|")
  }

  /// The sets first, as in Linux's `__def_gfpflag_names`.
  private static let table: [(String, UInt32)] = [
    ("GFP_HIGHUSER_MOVABLE", 0x10_0CCA), ("GFP_HIGHUSER", 0x10_0CC2), ("GFP_USER", 0x10_0CC0),
    ("GFP_KERNEL_ACCOUNT", 0x40_0CC0), ("GFP_KERNEL", 0xCC0), ("GFP_NOFS", 0xC40),
    ("GFP_ATOMIC", 0x820), ("GFP_NOIO", 0xC00), ("GFP_NOWAIT", 0x2800), ("GFP_DMA", 1),
    ("GFP_DMA32", 4), ("__GFP_RECLAIM", 0xC00), ("__GFP_HIGHMEM", 1 << 1),
    ("__GFP_MOVABLE", 1 << 3), ("__GFP_RECLAIMABLE", 1 << 4), ("__GFP_HIGH", 1 << 5),
    ("__GFP_IO", 1 << 6), ("__GFP_FS", 1 << 7), ("__GFP_ZERO", 1 << 8),
    ("__GFP_DIRECT_RECLAIM", 1 << 10), ("__GFP_KSWAPD_RECLAIM", 1 << 11),
    ("__GFP_WRITE", 1 << 12), ("__GFP_NOWARN", 1 << 13), ("__GFP_RETRY_MAYFAIL", 1 << 14),
    ("__GFP_NOFAIL", 1 << 15), ("__GFP_NORETRY", 1 << 16), ("__GFP_MEMALLOC", 1 << 17),
    ("__GFP_COMP", 1 << 18), ("__GFP_NOMEMALLOC", 1 << 19), ("__GFP_HARDWALL", 1 << 20),
    ("__GFP_THISNODE", 1 << 21), ("__GFP_ACCOUNT", 1 << 22), ("__GFP_ZEROTAGS", 1 << 23),
  ]

  private static func name(_ event: MemoryEvent) -> String { "pid \(event.process)" }

  /// Linux: `print_time()`.
  private static func stamp(_ time: UInt64) -> String {
    let seconds = String(time / 1_000_000_000)
    let micros = String(time / 1000 % 1_000_000)
    return "[" + String(repeating: " ", count: max(0, 5 - seconds.utf8.count)) + seconds + "."
      + String(repeating: "0", count: 6 - micros.utf8.count) + micros + "] "
  }

  private static func hexadecimal(_ value: UInt64, digits: Int = 1) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}
