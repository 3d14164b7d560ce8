// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageTableFormats

/// What a thread registered with `rseq`. Linux: `task_struct.rseq` and its kin.
struct RestartableSequences: BitwiseCopyable {
  /// 0 for nothing.
  var address: UInt64 = 0
  var byteCount: UInt32 = 0
  /// What must stand before the instruction that an interrupted sequence goes on at.
  var signature: UInt32 = 0
}

/// Sequences of instructions that a preemption or a signal starts anew.
///
/// Linux: `kernel/rseq.c`.
extension Kernel {
  /// Linux: `rseq`.
  func registerSequences(_ call: CallArguments) throws(Errno) -> UInt64 {
    let task = current
    let old = heap[task].restartable
    let byteCount = UInt32(truncatingIfNeeded: call.second)
    let flags = UInt32(truncatingIfNeeded: call.third)
    let signature = UInt32(truncatingIfNeeded: call.fourth)
    let isSame = old.address == call.first && old.byteCount == byteCount
    if flags & SequenceArea.unregister != 0 {
      guard flags == SequenceArea.unregister, old.address != 0, isSame else { throw .EINVAL }
      guard old.signature == signature else { throw .EPERM }
      try storeProcessor(at: old.address, isRegistered: false)
      heap[task].restartable = RestartableSequences()
      return 0
    }
    guard flags == 0 else { throw .EINVAL }
    if old.address != 0 {
      guard isSame else { throw .EINVAL }
      throw old.signature == signature ? .EBUSY : .EPERM
    }
    guard byteCount >= SequenceArea.originalByteCount, call.first % SequenceArea.alignment == 0
    else { throw .EINVAL }
    let limit = M.Format.userLimit.value
    guard call.first < limit, UInt64(byteCount) <= limit - call.first else { throw .EFAULT }
    heap[task].restartable = RestartableSequences(
      address: call.first, byteCount: byteCount, signature: signature)
    do {
      try storeProcessor(at: call.first, isRegistered: true)
    } catch {
      // Linux finds out on the way back to the program.
      force(.SIGSEGV, code: SignalInformation.fromKernel, address: 0)
    }
    return 0
  }

  /// There is one CPU, one node and so one concurrency number: what is stored once stays true.
  private func storeProcessor(at address: UInt64, isRegistered: Bool) throws(Errno) {
    try store(UInt32(0), at: address)
    try store(isRegistered ? 0 : SequenceArea.noProcessor, at: address &+ 4)
    try store(UInt64(0), at: address &+ SequenceArea.nodeOffset)
  }

  /// Sends the running program to its sequence's abort instruction if it is inside of one.
  ///
  /// Linux: `rseq_handle_notify_resume()`.
  ///
  /// - Context: before a handler's frame is made, and after another task ran; may sleep.
  func leaveSequence() {
    let registered = heap[current].restartable
    guard registered.address != 0 else { return }
    do throws(Errno) {
      let place = registered.address &+ SequenceArea.sequenceOffset
      let pointer: UInt64 = try load(at: place)
      guard pointer != 0 else { return }
      let sequence: RestartableSequence = try load(at: pointer)
      try check(sequence, registered.signature)
      try store(UInt64(0), at: place)
      let stack = heap[current].stack
      let next = machine.register(.instructionPointer, of: stack)
      if next &- sequence.start < sequence.byteCount {
        machine.setRegister(.instructionPointer, of: stack, to: sequence.abort)
      }
    } catch {
      force(.SIGSEGV, code: SignalInformation.fromKernel, address: 0)
    }
  }

  /// Linux: `rseq_get_rseq_cs()`.
  private func check(_ sequence: RestartableSequence, _ signature: UInt32) throws(Errno) {
    let limit = M.Format.userLimit.value
    let (end, overflow) = sequence.start.addingReportingOverflow(sequence.byteCount)
    guard sequence.start < limit, !overflow, end < limit, sequence.abort < limit,
      sequence.version == 0, sequence.abort &- sequence.start >= sequence.byteCount
    else { throw .EINVAL }
    let found: UInt32 = try load(at: sequence.abort &- 4)
    guard found == signature else { throw .EINVAL }
  }
}
