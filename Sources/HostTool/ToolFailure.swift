// SPDX-License-Identifier: Apache-2.0

/// Why the tool itself cannot do what was asked: one line and an exit status.
public struct ToolFailure: Error, Equatable, Sendable {
  public var status: ToolStatus
  /// What went wrong.
  public var what: String
  /// What the user can do about it.
  public var remedy: String

  public init(_ status: ToolStatus, _ what: String, _ remedy: String) {
    self.status = status
    self.what = what
    self.remedy = remedy
  }

  /// `quire: what went wrong: what to do`, without any line break that came in from outside.
  public var line: String { singleLine("quire: \(what): \(remedy)") }
}

/// The exit statuses that are the tool's own. A program's own status is passed through.
public enum ToolStatus: Int32, Sendable {
  case usage = 64
  case timedOut = 124
  /// Quire failed, or the machine stopped.
  case failed = 125
  case notExecutable = 126
  case notFound = 127
}

/// The text with every control character as a space.
func singleLine(_ text: String) -> String {
  var line = ""
  for scalar in text.unicodeScalars {
    line.unicodeScalars.append(scalar.value < 0x20 || scalar.value == 0x7F ? " " : scalar)
  }
  return line
}

/// Does something with the host and turns what goes wrong into a failure of the tool's.
func attempting<Result>(
  _ what: String, _ remedy: String, _ body: () throws(HostError) -> Result
) throws(ToolFailure) -> Result {
  do throws(HostError) {
    return try body()
  } catch {
    throw ToolFailure(.failed, "\(what): \(error.text)", remedy)
  }
}
