// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Limits that are looked at while a program runs: of its time and of its data.
extension Kernel {
  private static var second: UInt64 { 1_000_000_000 }

  /// Plans when a process's time is next compared with its limit. Linux: `update_rlimit_cpu()`.
  func applyProcessorLimit(to process: Reference<Process>) {
    let limit = heap[process].limits[Resource.processorTime.rawValue]
    let (soft, overflow) = limit.current.multipliedReportingOverflow(by: Self.second)
    heap[process].processorLimit = overflow ? 0 : max(soft, 1)
    state.value.exitWork.formUnion(.timer)
  }

  /// SIGXCPU each second beyond the limit, SIGKILL beyond the largest.
  ///
  /// Linux: `check_process_timers()`.
  func checkProcessorLimit(of process: Reference<Process>, _ ran: UInt64) {
    let due = heap[process].processorLimit
    guard due != 0, due <= ran else { return }
    let index = Resource.processorTime.rawValue
    let limit = heap[process].limits[index]
    let (hard, overflow) = limit.maximum.multipliedReportingOverflow(by: Self.second)
    guard overflow || ran < hard else {
      heap[process].processorLimit = 0
      return sendFromKernel(.SIGKILL, to: process)
    }
    sendFromKernel(.SIGXCPU, to: process)
    heap[process].limits[index] = ResourceLimit(
      current: limit.current + 1, maximum: limit.maximum)
    applyProcessorLimit(to: process)
  }

  /// Whether so much more private writable memory is within the limit of data.
  ///
  /// Linux: `may_expand_vm()`.
  func mayHaveMoreData(_ byteCount: UInt64) -> Bool {
    let limit = heap[process].limits[Resource.data.rawValue].current
    guard limit != .max else { return true }
    let pages = UInt64(fileSystems.dataPageCount(of: space).value)
    let more = byteCount &+ 4095 < byteCount ? byteCount >> 12 : (byteCount &+ 4095) >> 12
    return pages + more <= limit >> 12
  }
}
