// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// Copies of what went into a machine and came out of it, for a record of the run.
///
/// Input is kept always, in a file without a name, since nobody knows before the end whether the
/// run leaves a bundle; output only where a record was asked for.
final class RunCopies {
  let input: Int32
  let output: Int32
  let error: Int32

  init(_ record: RunRecord?, folders: [String]) throws(ToolFailure) {
    input = Self.unnamedFile(folders)
    guard let record else {
      output = -1
      error = -1
      return
    }
    output = try Self.make(record.path("output"))
    error = try Self.make(record.path("error"))
  }

  deinit {
    for file in [input, output, error] where file >= 0 { close(file) }
  }

  private static func unnamedFile(_ folders: [String]) -> Int32 {
    for folder in folders {
      // SAFETY: the path is terminated.
      let file = unsafe make_unnamed_file(folder, 0)
      if file >= 0 { return file }
    }
    // SAFETY: the name is terminated.
    return unsafe make_memory_file("input", 0)
  }

  private static func make(_ path: String) throws(ToolFailure) -> Int32 {
    // SAFETY: the path is terminated.
    let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    if file >= 0 { return file }
    throw ToolFailure(.failed, "\(path): \(HostError(errno).text)", "name a new folder")
  }
}
