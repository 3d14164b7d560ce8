// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// A program that the tool started, and that ends with it: also when the tool is killed.
///
/// Context: the thread that starts it must live as long as the tool, so it is the main thread.
struct ChildProcess {
  let identifier: Int32

  /// Starts a program with these standard streams; -1 stands for /dev/null.
  ///
  /// - Parameter kept: descriptors that stay open under their own numbers.
  init(
    _ path: String, _ arguments: [String], environment: [String], output: Int32, error: Int32,
    kept: [Int32] = []
  ) throws(HostError) {
    // SAFETY: both lists end with nil, the third says its length; all live as long as the call.
    let pid = unsafe withTerminatedTexts(arguments) { arguments in
      unsafe withTerminatedTexts(environment) { environment in
        unsafe spawn_bound(
          path, arguments, environment, -1, output, error, kept, Int32(kept.count))
      }
    }
    if pid < 0 { throw HostError(-pid) }
    identifier = pid
  }

  /// Whether it has ended, without waiting; its status as a shell counts it.
  func status() -> Int32? {
    var status: Int32 = 0
    // SAFETY: the status lives for the length of the call.
    let result = unsafe waitpid(identifier, &status, WNOHANG)
    if result == 0 || (result < 0 && errno == EINTR) { return nil }
    return result < 0 ? 125 : Self.shellStatus(status)
  }

  /// Waits until it has ended.
  func wait() -> Int32 {
    while true {
      var status: Int32 = 0
      // SAFETY: the status lives for the length of the call.
      let result = unsafe waitpid(identifier, &status, 0)
      if result < 0, errno == EINTR { continue }
      return result < 0 ? 125 : Self.shellStatus(status)
    }
  }

  /// Ends it at once and waits for its end.
  func end() {
    kill(identifier, SIGKILL)
    _ = wait()
  }

  private static func shellStatus(_ status: Int32) -> Int32 {
    status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }

  /// Runs a program to its end and gives its status and what it wrote, as one line.
  static func run(
    _ path: String, _ arguments: [String], environment: [String], kept: [Int32] = []
  ) throws(ToolFailure) -> (status: Int32, text: String) {
    // SAFETY: the name is terminated.
    let output = unsafe make_memory_file("output", 0)
    if output < 0 { throw ToolFailure(.failed, HostError(-output).text, "free some memory") }
    let file = HostFile(adopting: output)
    let child: ChildProcess
    do throws(HostError) {
      child = try ChildProcess(
        path, arguments, environment: environment, output: output, error: output, kept: kept)
    } catch {
      throw ToolFailure(.failed, "\(path): \(error.text)", "install it")
    }
    let status = child.wait()
    let text = (try? file.bytes(at: 0, count: 1 << 16)) ?? []
    return (status, singleLine(String(decoding: text, as: UTF8.self)).trimmed)
  }
}

/// Calls with a list of terminated texts, which ends with nil as `execve()` wants it.
func withTerminatedTexts<Result>(
  _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  // SAFETY: each text is copied to memory of its own, which is freed after the call.
  var list = unsafe texts.map { unsafe strdup($0) }
  unsafe list.append(nil)
  defer { unsafe list.forEach { unsafe free($0) } }
  return unsafe list.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
}

extension String {
  /// The text without blanks at either end.
  var trimmed: String {
    var rest = self[...]
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }
}
