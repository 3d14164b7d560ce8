// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The targets of a manifest with what each declares to depend on.
///
/// It reads the few forms that the manifests are written in: lists, named lists and their sums.
struct Manifest {
  private(set) var dependencies: [String: [String]] = [:]
  private var lists: [String: [String]] = [:]

  init(_ file: SourceFile) {
    let text = file.lines.filter {
      !$0.trimmingCharacters(in: .whitespaces).hasPrefix("//")
    }.joined(separator: "\n")
    let name = #""([A-Za-z]+)""#
    let sum = #"((?:\w+|\[[^\]]*\])(?:\s*\+\s*(?:\w+|\[[^\]]*\]))*)"#
    let lists = #"let (\w+): \[Target\.Dependency\] =\s*"# + sum
    for match in Self.matches(lists, text) { self.lists[match[0]] = values(match[1]) }
    let brief = #"(?:layer|suite)\(\s*"# + name + #"(?:,\s*(?:on|of):\s*"# + sum + ")?"
    for match in Self.matches(brief, text) {
      dependencies[match[0]] = values(match.count > 1 ? match[1] : "")
    }
    let target = #"\.(?:target|executableTarget|testTarget|systemLibrary)\(\s*name:\s*"# + name
      + #"(?:,\s*dependencies:\s*"# + sum + ")?"
    for match in Self.matches(target, text) {
      dependencies[match[0]] = values(match.count > 1 ? match[1] : "")
    }
  }

  private func values(_ sum: String) -> [String] {
    var values: [String] = []
    for match in Self.matches(#"\[([^\]]*)\]|(\w+)"#, sum) {
      guard match[0].contains("\"") else {
        values += lists[match[0]] ?? []
        continue
      }
      // `.product(name:package:)` and `core("…")` name a module first, then where it is from.
      let items = match[0].replacingOccurrences(
        of: #", package: "[^"]*""#, with: "", options: .regularExpression)
      values += Self.matches(#""(\w+)""#, items).map { $0[0] }
    }
    return values
  }

  /// The groups that took part in each match.
  private static func matches(_ pattern: String, _ text: String) -> [[String]] {
    guard let expression = try? NSRegularExpression(pattern: pattern) else {
      preconditionFailure("a pattern that is none: \(pattern)")
    }
    let whole = NSRange(text.startIndex..., in: text)
    return expression.matches(in: text, range: whole).map { match in
      (1..<match.numberOfRanges).compactMap { group in
        Range(match.range(at: group), in: text).map { String(text[$0]) }
      }
    }
  }
}
