// SPDX-License-Identifier: Apache-2.0

import FileSystems
import KernelHeap
import Machine

/// A program's open files by descriptor, in blocks of 64 made when they are first needed.
///
/// Linux: `struct files_struct`, `struct fdtable`.
struct DescriptorTable: HeapObject {
  static var cacheName: StaticString { "files_cache" }
  static var cacheIndex: Int { 8 }

  /// Tasks that share it.
  var users: UInt32 = 1
  var blocks = InlineArray<64, Link<DescriptorBlock>>(repeating: Link(nil))

  init() {}

  mutating func block(at index: Int) -> Link<DescriptorBlock> {
    withMemoryBlock(over: &blocks) { $0.load(Link<DescriptorBlock>.self, at: index * 4) }
  }

  /// The most descriptors. Linux: `RLIMIT_NOFILE`'s ceiling, here the table's.
  static var capacity: Int { blockCount * DescriptorBlock.capacity }
  static var blockCount: Int { 64 }
}

/// 64 neighbouring descriptors.
struct DescriptorBlock: HeapObject {
  static var cacheName: StaticString { "fdtable" }
  static var cacheIndex: Int { 17 }

  /// A bit for each descriptor that is in use; one that is reserved has no file yet.
  var used: UInt64 = 0
  /// A bit for each that a new program does not get. Linux: `close_on_exec`.
  var closesOnExecute: UInt64 = 0
  var files = InlineArray<64, Link<OpenFile>>(repeating: Link(nil))

  init() {}

  /// A slot's file. By the bytes: an element of the array would copy the array.
  mutating func file(at slot: Int) -> Link<OpenFile> {
    withMemoryBlock(over: &files) { $0.load(Link<OpenFile>.self, at: slot * 4) }
  }

  static var capacity: Int { 64 }
}
