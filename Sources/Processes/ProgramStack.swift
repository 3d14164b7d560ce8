// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The stack of a program that is to begin: strings from the top down, then what points to them.
///
///     0x7fffffffeff8  8 zero bytes
///                     path of the program
///                     environment strings, argument strings
///                     platform, 16 random bytes
///                     auxiliary vector
///                     environment pointers, 0
///                     argument pointers, 0
///     stack pointer → number of arguments
///
/// Linux: `copy_strings()`, `create_elf_tables()`.
struct ProgramStack<M: Machine>: BitwiseCopyable {
  let kernel: Kernel<M>
  /// The space that is being built.
  let space: Reference<AddressSpace>
  /// A page of the kernel's, for bytes on their way.
  let scratch: MemoryBlock
  /// Strings may not come below this. Linux: `bprm->argmin`.
  let floor: UInt64
  var pointer: UInt64
  var argumentCount = 0
  var environmentCount = 0

  /// Linux: `MAX_ARG_STRLEN`.
  static var longestString: UInt64 { 131_072 }

  private var spaces: AddressSpaces<Kernel<M>> { kernel.spaces }

  /// Puts a string of the kernel's below all others, with an end mark.
  ///
  /// - Throws: `E2BIG`, `ENOMEM`. Context: may sleep.
  mutating func push(_ bytes: MemoryBlock) throws(Errno) {
    try reserve(UInt64(bytes.byteCount) + 1)
    do {
      try spaces.copyOut(
        from: bytes, at: 0, byteCount: bytes.byteCount, to: VirtualAddress(pointer), in: space)
      let end = VirtualAddress(pointer + UInt64(bytes.byteCount))
      try spaces.store(UInt8(0), at: end, in: space)
    } catch {
      throw error == .outOfMemory ? .ENOMEM : .E2BIG
    }
  }

  /// Puts a string of a program's below all others.
  ///
  /// - Throws: `EFAULT`, `E2BIG`, `ENOMEM`. Context: may sleep.
  mutating func push(
    stringAt address: UInt64, of source: Reference<AddressSpace>
  ) throws(Errno) {
    let length = try length(ofStringAt: address, in: source)
    try reserve(length + 1)
    var done: UInt64 = 0
    while done <= length {
      let count = Int(min(length + 1 - done, UInt64(scratch.byteCount)))
      do {
        try spaces.copyIn(
          from: VirtualAddress(address + done), in: source, byteCount: count, to: scratch, at: 0)
        // Another task may have written meanwhile: the end mark is ours.
        if done + UInt64(count) == length + 1 { scratch.store(UInt8(0), at: count - 1) }
        try spaces.copyOut(
          from: scratch, at: 0, byteCount: count, to: VirtualAddress(pointer + done), in: space)
      } catch {
        throw Errno(error)
      }
      done += UInt64(count)
    }
  }

  private func length(
    ofStringAt address: UInt64, in source: Reference<AddressSpace>
  ) throws(Errno) -> UInt64 {
    var total: UInt64 = 0
    while total < Self.longestString {
      let (place, overflow) = address.addingReportingOverflow(total)
      guard !overflow else { throw .EFAULT }
      do {
        return total
          + UInt64(try spaces.copyInString(from: VirtualAddress(place), in: source, to: scratch))
      } catch {
        guard error == .overflow else { throw Errno(error) }
      }
      total += UInt64(scratch.byteCount)
    }
    throw .E2BIG
  }

  private mutating func reserve(_ count: UInt64) throws(Errno) {
    guard count <= Self.longestString, pointer > floor, count < pointer - floor else {
      throw .E2BIG
    }
    pointer -= count
  }

  /// Takes the lowest string away. Linux: `remove_arg_zero()`.
  mutating func dropLowestString() throws(Errno) {
    pointer += try length(ofStringAt: pointer, in: space) + 1
  }

  /// Puts bytes below the strings, at a multiple of 16.
  mutating func place(_ bytes: MemoryBlock, byteCount: Int) throws(Errno) -> UInt64 {
    pointer = (pointer - UInt64(byteCount)) & ~15
    do {
      try spaces.copyOut(
        from: bytes, at: 0, byteCount: byteCount, to: VirtualAddress(pointer), in: space)
    } catch {
      throw Errno(error)
    }
    return pointer
  }

  /// Writes count, pointers and the auxiliary vector; returns the stack pointer.
  ///
  /// - Parameter strings: where the lowest argument begins; the others follow it.
  mutating func finish(
    strings: UInt64, _ vector: AuxiliaryVector
  ) throws(Errno) -> UInt64 {
    let words = 1 + argumentCount + 1 + environmentCount + 1 + 2 * vector.count
    let start = (pointer - UInt64(words) * 8) & ~15
    pointer = start
    var place = start
    try store(UInt64(argumentCount), at: &place)
    var string = strings
    kernel.heap[space].argumentStart = VirtualAddress(string)
    try storePointers(argumentCount, &string, at: &place)
    kernel.heap[space].argumentEnd = VirtualAddress(string)
    try storePointers(environmentCount, &string, at: &place)
    kernel.heap[space].environmentEnd = VirtualAddress(string)
    kernel.heap[space].auxiliaryStart = VirtualAddress(place)
    for index in 0..<vector.count {
      try store(vector.tags[index], at: &place)
      try store(vector.values[index], at: &place)
    }
    kernel.heap[space].auxiliaryEnd = VirtualAddress(place)
    return start
  }

  private func storePointers(
    _ count: Int, _ string: inout UInt64, at place: inout UInt64
  ) throws(Errno) {
    for _ in 0..<count {
      try store(string, at: &place)
      string += try length(ofStringAt: string, in: space) + 1
    }
    try store(UInt64(0), at: &place)
  }

  private func store(_ value: UInt64, at place: inout UInt64) throws(Errno) {
    do {
      try spaces.store(value, at: VirtualAddress(place), in: space)
    } catch {
      throw Errno(error)
    }
    place += 8
  }
}

/// The auxiliary vector while it is made. Linux: `saved_auxv`.
struct AuxiliaryVector: BitwiseCopyable {
  private(set) var tags = InlineArray<24, UInt64>(repeating: 0)
  private(set) var values = InlineArray<24, UInt64>(repeating: 0)
  private(set) var count = 0

  mutating func add(_ tag: AuxiliaryTag, _ value: UInt64) {
    tags[count] = tag.rawValue
    values[count] = value
    count += 1
  }
}
