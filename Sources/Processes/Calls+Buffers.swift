// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Requests to heaps of buffers and to buffers.
///
/// Linux: `drivers/dma-buf`.
extension Kernel {
  /// Does what a request to a heap or a buffer asks for; nil for other files.
  ///
  /// - Throws: EINVAL, EFAULT, ENOTTY, ENOMEM, EMFILE.
  /// - Context: may sleep.
  func controlBuffer(
    _ file: Reference<OpenFile>, _ request: UInt32, at address: UInt64
  ) throws(Errno) -> UInt64? {
    if let heap = fileSystems.bufferHeap(of: file) {
      try allocateBuffer(fromHeap: heap, request, at: address)
      return 0
    }
    guard fileSystems.buffer(of: file) != nil else { return nil }
    guard request == BufferRequest.synchronize else { throw .ENOTTY }
    let flags: UInt64 = try load(at: address)
    // CPU and devices see the same bytes: there is nothing to write back or to forget.
    guard BufferRequest.isValid(synchronization: flags) else { throw .EINVAL }
    return 0
  }

  /// Linux: `dma_heap_ioctl()`: what the program's value is too short for is 0.
  private func allocateBuffer(
    fromHeap heap: Int, _ request: UInt32, at address: UInt64
  ) throws(Errno) {
    guard BufferRequest.number(of: request) == 0 else { throw .EINVAL }
    let given = BufferRequest.byteCount(of: request)
    var asked = BufferAllocation()
    if BufferRequest.reads(request), given >= BufferAllocation.byteCount {
      asked = try load(at: address)
    } else if BufferRequest.reads(request), given >= 8 {
      asked.byteCount = try load(at: address)
    }
    guard asked.descriptor == 0, asked.heapFlags == 0,
      asked.descriptorFlags & ~BufferAllocation.validDescriptorFlags == 0
    else { throw .EINVAL }
    let flags = OpenFlags(rawValue: asked.descriptorFlags)
    let buffer = try fileSystems.makeBuffer(
      fromHeap: heap, byteCount: asked.byteCount, flags: flags)
    let descriptor = try enter(buffer, closesOnExecute: flags.contains(.closeOnExecute))
    asked.descriptor = UInt32(descriptor)
    // Linux leaves the descriptor open where the answer cannot be written.
    if BufferRequest.writes(request) { try store(asked, at: address) }
  }
}
