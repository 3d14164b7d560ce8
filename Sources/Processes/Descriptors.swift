// SPDX-License-Identifier: Apache-2.0

import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine

/// Descriptors of programs: looking up, handing out, closing.
///
/// Linux: `fs/file.c`.
extension Kernel {
  /// The running task's table.
  var descriptors: Reference<DescriptorTable> {
    guard let table = heap[current].descriptors.reference else {
      preconditionFailure("a kernel task has no descriptors")
    }
    return table
  }

  /// The table that stands for a process's: its leader's, or that of a thread which still has one.
  private func descriptors(of process: Reference<Process>) -> Reference<DescriptorTable>? {
    if process == self.process { return heap[current].descriptors.reference }
    var next = heap[process].tasks.first
    while let task = next {
      if let table = heap[task].descriptors.reference { return table }
      next = heap[task].threadHook.next.reference
    }
    return nil
  }

  /// How many descriptors the running task's table has room for: `select` looks at no others.
  ///
  /// At least 256, as a shell leaves it to its programs: it had 255 open.
  /// Linux: `fdt->max_fds`, a power of two from `alloc_fdtable()`.
  var descriptorCapacity: Int {
    let table = descriptors
    var capacity = 256
    for index in 0..<DescriptorTable.blockCount
    where heap[table].block(at: index).reference != nil {
      while capacity <= index * DescriptorBlock.capacity { capacity *= 2 }
    }
    return capacity
  }

  private func block(
    of descriptor: UInt32, in table: Reference<DescriptorTable>
  ) -> Reference<DescriptorBlock>? {
    let index = Int(descriptor >> 6)
    guard index < DescriptorTable.blockCount else { return nil }
    return heap[table].block(at: index).reference
  }

  /// The open file of the running process, not counted anew.
  ///
  /// - Throws: `EBADF`.
  func file(_ descriptor: UInt64) throws(Errno) -> Reference<OpenFile> {
    let number = UInt32(truncatingIfNeeded: descriptor)
    guard let file = file(number, in: descriptors) else { throw .EBADF }
    return file
  }

  private func file(
    _ descriptor: UInt32, in table: Reference<DescriptorTable>
  ) -> Reference<OpenFile>? {
    guard let block = block(of: descriptor, in: table) else { return nil }
    return heap[block].file(at: Int(descriptor & 63)).reference
  }

  func file(_ descriptor: UInt32, of process: Reference<Process>) -> Reference<OpenFile>? {
    guard let table = descriptors(of: process) else { return nil }
    return file(descriptor, in: table)
  }

  /// Slots that a process's table has room for now. Linux: `fdtable.max_fds`.
  func descriptorSlotCount(of process: Reference<Process>) -> UInt32 {
    guard let table = descriptors(of: process) else { return 0 }
    var last = UInt32(DescriptorTable.capacity)
    while last > 64, block(of: last - 1, in: table) == nil { last -= 64 }
    return last
  }

  /// The lowest open descriptor from a number on.
  func nextDescriptor(from first: UInt32, of process: Reference<Process>) -> UInt32? {
    guard let table = descriptors(of: process) else { return nil }
    var descriptor = first
    while descriptor < UInt32(DescriptorTable.capacity) {
      guard block(of: descriptor, in: table) != nil else {
        descriptor = (descriptor | 63) + 1
        continue
      }
      if file(descriptor, in: table) != nil { return descriptor }
      descriptor += 1
    }
    return nil
  }

  /// Runs a body with a file that stays open, whatever others close meanwhile.
  ///
  /// Linux: `fdget()`.
  func withFile<Result>(
    _ descriptor: UInt64, _ body: (Reference<OpenFile>) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let file = try file(descriptor)
    fileSystems.retain(file)
    defer { fileSystems.release(file) }
    return try body(file)
  }

  /// Gives an open file the lowest free descriptor from a number on; the caller's count goes
  /// with it, also when this fails.
  ///
  /// - Throws: `EMFILE`, `ENOMEM`.
  func enter(
    _ file: Reference<OpenFile>, from first: UInt32 = 0, closesOnExecute: Bool
  ) throws(Errno) -> UInt64 {
    do {
      let descriptor = try freeDescriptor(from: first)
      try put(file, at: descriptor, closesOnExecute: closesOnExecute)
      return UInt64(descriptor)
    } catch {
      fileSystems.release(file)
      throw error
    }
  }

  private var descriptorLimit: UInt32 {
    let limit = heap[process].limits[Resource.openFiles.rawValue].current
    return UInt32(min(limit, UInt64(DescriptorTable.capacity)))
  }

  private func freeDescriptor(from first: UInt32) throws(Errno) -> UInt32 {
    let limit = descriptorLimit
    let table = descriptors
    var descriptor = first
    while descriptor < limit {
      guard let block = block(of: descriptor, in: table) else { return descriptor }
      let free = ~heap[block].used >> UInt64(descriptor & 63)
      if free != 0 {
        let found = descriptor + UInt32(free.trailingZeroBitCount)
        guard found < limit else { throw .EMFILE }
        return found
      }
      descriptor = (descriptor | 63) + 1
    }
    throw .EMFILE
  }

  /// - Precondition: the descriptor is below the limit, and free.
  private func put(
    _ file: Reference<OpenFile>, at descriptor: UInt32, closesOnExecute: Bool
  ) throws(Errno) {
    let table = descriptors
    let found = block(of: descriptor, in: table)
    let block: Reference<DescriptorBlock>
    if let found {
      block = found
    } else {
      block = try allocate(DescriptorBlock())
      heap[table].blocks[Int(descriptor >> 6)] = Link(block)
    }
    let bit = UInt64(1) << UInt64(descriptor & 63)
    heap[block].used |= bit
    if closesOnExecute {
      heap[block].closesOnExecute |= bit
    } else {
      heap[block].closesOnExecute &= ~bit
    }
    heap[block].files[Int(descriptor & 63)] = Link(file)
  }

  /// Takes a descriptor's file out of the table; nil if it had none.
  private func take(
    _ descriptor: UInt32, of table: Reference<DescriptorTable>
  ) -> Reference<OpenFile>? {
    guard let block = block(of: descriptor, in: table) else { return nil }
    let index = Int(descriptor & 63)
    let file = heap[block].file(at: index).reference
    heap[block].files[index] = Link(nil)
    heap[block].used &= ~(1 << UInt64(index))
    heap[block].closesOnExecute &= ~(1 << UInt64(index))
    return file
  }

  /// Linux: `close`.
  func close(_ descriptor: UInt64) throws(Errno) -> UInt64 {
    let number = UInt32(truncatingIfNeeded: descriptor)
    let table = descriptors
    guard let file = take(number, of: table) else { throw .EBADF }
    close(file, of: table)
    return 0
  }

  /// Ends what a table has of a file that left it. Linux: `filp_close()`.
  private func close(_ file: Reference<OpenFile>, of table: Reference<DescriptorTable>) {
    fileSystems.removeLocks(ofTable: table.raw, on: file)
    fileSystems.release(file)
  }

  /// Linux: `close_range`.
  func closeRange(_ call: CallArguments) throws(Errno) -> UInt64 {
    let first = UInt32(truncatingIfNeeded: call.first)
    let last = UInt32(truncatingIfNeeded: call.second)
    guard first <= last, call.third & ~6 == 0 else { throw .EINVAL }
    var next = nextDescriptor(from: first, of: process)
    while let descriptor = next, descriptor <= last {
      if call.third & 4 != 0 {
        try setClosesOnExecute(UInt64(descriptor), true)
      } else {
        _ = try close(UInt64(descriptor))
      }
      next = nextDescriptor(from: descriptor + 1, of: process)
    }
    return 0
  }

  /// Linux: `dup`, and `fcntl` with `F_DUPFD`.
  func duplicate(
    _ descriptor: UInt64, from first: UInt64, closesOnExecute: Bool
  ) throws(Errno) -> UInt64 {
    let file = try file(descriptor)
    guard first < UInt64(descriptorLimit) else { throw .EINVAL }
    fileSystems.retain(file)
    return try enter(file, from: UInt32(first), closesOnExecute: closesOnExecute)
  }

  /// Linux: `dup2`, `dup3`.
  func duplicate(
    _ descriptor: UInt64, to target: UInt64, closesOnExecute: Bool
  ) throws(Errno) -> UInt64 {
    let file = try file(descriptor)
    let number = UInt32(truncatingIfNeeded: target)
    guard number < descriptorLimit else { throw .EBADF }
    fileSystems.retain(file)
    let old = take(number, of: descriptors)
    do {
      try put(file, at: number, closesOnExecute: closesOnExecute)
    } catch {
      fileSystems.release(file)
      throw error
    }
    if let old { close(old, of: descriptors) }
    return UInt64(number)
  }

  func closesOnExecute(_ descriptor: UInt64) throws(Errno) -> Bool {
    _ = try file(descriptor)
    let number = UInt32(truncatingIfNeeded: descriptor)
    guard let block = block(of: number, in: descriptors) else { throw .EBADF }
    return heap[block].closesOnExecute >> UInt64(number & 63) & 1 != 0
  }

  func closesOnExecute(descriptor: UInt32, of process: Reference<Process>) -> Bool {
    guard let table = descriptors(of: process), let block = block(of: descriptor, in: table)
    else { return false }
    return heap[block].closesOnExecute >> UInt64(descriptor & 63) & 1 != 0
  }

  func setClosesOnExecute(_ descriptor: UInt64, _ closes: Bool) throws(Errno) {
    let file = try file(descriptor)
    try put(file, at: UInt32(truncatingIfNeeded: descriptor), closesOnExecute: closes)
  }

  // Whole tables

  /// A copy for a child. Linux: `dup_fd()`.
  func duplicate(
    _ table: Reference<DescriptorTable>
  ) throws(Errno) -> Reference<DescriptorTable> {
    let copy = try allocate(DescriptorTable())
    for index in 0..<DescriptorTable.blockCount {
      guard let block = heap[table].block(at: index).reference, heap[block].used != 0
      else { continue }
      do {
        heap[copy].blocks[index] = Link(try allocate(heap[block]))
      } catch {
        release(copy)
        throw error
      }
      for slot in 0..<64 {
        if let file = heap[block].file(at: slot).reference { fileSystems.retain(file) }
      }
    }
    return copy
  }

  /// Counts one task less; the last closes all.
  func release(_ table: Reference<DescriptorTable>) {
    heap[table].users -= 1
    guard heap[table].users == 0 else { return }
    for index in 0..<DescriptorTable.blockCount {
      guard let block = heap[table].block(at: index).reference else { continue }
      for slot in 0..<64 {
        guard let file = heap[block].file(at: slot).reference else { continue }
        heap[block].files[slot] = Link(nil)
        close(file, of: table)
      }
      heap.free(block)
    }
    heap.free(table)
  }

  /// Closes what a new program does not get, in a table of its own. Linux: `do_close_on_exec()`.
  func closeDescriptorsForProgram(_ task: Reference<Task>) {
    guard var table = heap[task].descriptors.reference else { return }
    if heap[table].users > 1, let copy = try? duplicate(table) {
      heap[table].users -= 1
      heap[task].descriptors = Link(copy)
      table = copy
    }
    for index in 0..<DescriptorTable.blockCount {
      guard let block = heap[table].block(at: index).reference else { continue }
      while heap[block].closesOnExecute != 0 {
        let slot = UInt32(heap[block].closesOnExecute.trailingZeroBitCount)
        if let file = take(UInt32(index) << 6 | slot, of: table) { close(file, of: table) }
      }
    }
  }
}
