// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What a simulation found wrong, for a test and for a program that has no test around it.
public enum Findings {
  private static let all = Mutex<[String]>([])

  /// Takes what was found since the last call.
  public static func take() -> [String] {
    all.withLock { found in
      defer { found = [] }
      return found
    }
  }

  fileprivate static func add(_ finding: String) {
    all.withLock { if $0.count < 20 { $0.append(finding) } }
  }
}

/// Notes a place where something does not hold.
func expect(
  _ holds: Bool, _ what: @autoclosure () -> String = "", file: String = #fileID, line: Int = #line
) {
  if !holds { Findings.add("\(file):\(line) \(what())") }
}
