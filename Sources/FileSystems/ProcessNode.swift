// SPDX-License-Identifier: Apache-2.0

/// A file of /proc, as its inode's number tells it.
///
///      63       62 … 32   31 … 8       7 … 0
///      thread │ process │ descriptor │ file
struct ProcessNode: BitwiseCopyable, Equatable {
  let file: ProcessFile
  /// Of /proc/PID: a process's number, or a thread's; 0 elsewhere.
  let process: UInt32
  /// Of /proc/PID/fd and fdinfo; 0 elsewhere.
  let descriptor: UInt32
  /// It lies below /proc/PID/task.
  let isThread: Bool

  init(
    _ file: ProcessFile, process: UInt32 = 0, descriptor: UInt32 = 0, isThread: Bool = false
  ) {
    self.file = file
    self.process = process
    self.descriptor = descriptor
    self.isThread = isThread
  }

  init(_ number: UInt64) {
    guard let file = ProcessFile(rawValue: UInt8(truncatingIfNeeded: number)) else {
      preconditionFailure("a file that /proc has not")
    }
    self.file = file
    process = UInt32(truncatingIfNeeded: number >> 32 & 0x7FFF_FFFF)
    descriptor = UInt32(truncatingIfNeeded: number >> 8 & 0xFF_FFFF)
    isThread = number >> 63 != 0
  }

  var number: UInt64 {
    UInt64(isThread ? 1 : 0) << 63 | UInt64(process & 0x7FFF_FFFF) << 32
      | UInt64(descriptor & 0xFF_FFFF) << 8 | UInt64(file.rawValue)
  }

  /// Another file of the same process or thread.
  func sibling(_ file: ProcessFile, descriptor: UInt32 = 0) -> ProcessNode {
    ProcessNode(file, process: process, descriptor: descriptor, isThread: isThread)
  }

  /// What a file's folder is: of a thread's own folder, that of its process's threads.
  ///
  /// - Parameter leader: the process that a thread belongs to.
  /// - Returns: nil of /proc itself.
  func folder(leader: UInt32) -> ProcessNode? {
    switch file {
    case .folder: nil
    case .process: ProcessNode(.folder)
    case .task: ProcessNode(.tasks, process: leader)
    case .descriptor: sibling(.descriptors)
    case .descriptorFact: sibling(.descriptorFacts)
    default:
      file.entry.map { entry in
        entry.folder == .process && isThread ? sibling(.task) : sibling(entry.folder)
      }
    }
  }
}
