// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// /sys/kernel/mm/cma/NAME.
///
/// Linux: `mm/cma_sysfs.c`; `extent` is what `cma/NAME/{base_pfn,count,used}` of its debugfs say.
/// Who holds what, and what was in the way, Linux does not tell.
extension FileSystems {
  func writeArea(_ node: SystemNode, to writer: inout TextWriter<Environment>) {
    let index = Int(node.instance)
    let area = frames.contiguousArea(index)
    switch node.file {
    case .servedPages: writeLine(area.successFrameCount, to: &writer)
    case .failedPages: writeLine(area.failureFrameCount, to: &writer)
    case .releasedPages: writeLine(area.releasedFrameCount, to: &writer)
    case .extent:
      put("first ", UInt64(area.range.first.value), to: &writer)
      put(" pages ", UInt64(area.range.count.value), to: &writer)
      put(" used ", UInt64((area.range.count - area.availableCount).value), to: &writer)
      writer.put("\n")
    case .holders:
      frames.visitHolders(ofArea: index) { holder in
        put("first ", UInt64(holder.range.first.value), to: &writer)
        put(" pages ", UInt64(holder.range.count.value), to: &writer)
        put(" process ", UInt64(holder.process), to: &writer)
        writer.put("\n")
      }
    default: writeBlockers(ofArea: index, to: &writer)
    }
  }

  /// The frames that were in the way last, the oldest first.
  private func writeBlockers(ofArea index: Int, to writer: inout TextWriter<Environment>) {
    frames.visitBlockers(ofArea: index) { blocker in
      put("frame ", UInt64(blocker.frame.value), to: &writer)
      switch MigrationRefusal(rawValue: blocker.reason) {
      case .pinned: writer.put(" pinned")
      case .underTransfer: writer.put(" under-io")
      case .outOfMemory: writer.put(" no-target")
      default: writer.put(" unmovable")
      }
      switch blocker.descriptor.kind {
      case .anonymous: writer.put(" anonymous")
      case .file: writer.put(" file")
      default: writer.put(" kernel")
      }
      put(" index ", blocker.descriptor.index, to: &writer)
      put(" references ", UInt64(blocker.descriptor.references), to: &writer)
      put(" mappings ", UInt64(blocker.descriptor.mappings), to: &writer)
      writer.put("\n")
    }
  }

  private func writeLine(_ count: UInt64, to writer: inout TextWriter<Environment>) {
    writer.put(count)
    writer.put("\n")
  }

  private func put(
    _ name: StaticString, _ value: UInt64, to writer: inout TextWriter<Environment>
  ) {
    writer.put(name)
    writer.put(value)
  }
}
