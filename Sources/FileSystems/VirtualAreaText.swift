// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import LinuxABI
import Machine
import MemoryUnits

/// /proc/vmallocinfo: one line for each area of the kernel's addresses, the lowest first.
extension FileSystems {
  /// Linux: `vmalloc_info_show()`.
  func writeVirtualAreas(to writer: inout TextWriter<Environment>) {
    let areas = environment.mappings.areas
    areas.visit { area in
      putRange(of: area, &writer)
      writer.put(" ")
      writer.put(area.caller)
      let pages = UInt64(area.pageCount.value)
      switch area.purpose {
      case .memory, .kernelStack:
        writer.put(" pages=")
        writer.put(pages)
        writer.put(" vmalloc N0=")
        writer.put(pages)
      case .frames: writer.put(" vmap")
      case .device:
        writer.put(" phys=0x")
        writer.put(hexadecimal: area.device.value, width: 16)
        writer.put(" ioremap")
      case .coherent: writer.put(" dma-coherent")
      }
      writer.put("\n")
    }
    areas.visitLazy { area in
      putRange(of: area, &writer)
      writer.put(" unpurged vm_area\n")
    }
  }

  /// From the first address to the one behind the guard page, and the bytes between.
  private func putRange(
    of area: VirtualAreaDescription, _ writer: inout TextWriter<Environment>
  ) {
    let size = (area.pageCount + PageCount(1)).bytes
    writer.put("0x")
    writer.put(hexadecimal: area.start.value, width: 16)
    writer.put("-0x")
    writer.put(hexadecimal: (area.start + size).value, width: 16)
    writer.put(" ")
    writer.put(size.value, width: 7)
  }
}
