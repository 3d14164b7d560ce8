// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The form of files: licence, length, width.
@Suite struct LayoutTests {
  static let license = "SPDX-License-Identifier: Apache-2.0"
  static let commentable: Set<String> = [
    "swift", "c", "h", "S", "ld", "sh", "py", "modulemap", "run", "quire",
  ]

  static func missingLicense(_ file: SourceFile) -> [Finding] {
    let kind = file.name.split(separator: ".").last.map(String.init) ?? ""
    guard commentable.contains(kind) else { return [] }
    // Tools read the first line of scripts and of manifests.
    let first = file.lines.first ?? ""
    let line = first.hasPrefix("#!") || first.hasPrefix("// swift-tools-version") ? 1 : 0
    let found = line < file.lines.count ? file.lines[line] : ""
    let comments = ["// \(license)", "# \(license)", "/* \(license) */"]
    if comments.contains(found) { return [] }
    return [Finding(path: file.path, line: line + 1, reason: "the licence line is not first")]
  }

  static func tooLong(_ file: SourceFile) -> [Finding] {
    guard file.lines.count > 500 else { return [] }
    return [Finding(path: file.path, line: 501, reason: "\(file.lines.count) lines, 500 allowed")]
  }

  static func tooWide(_ file: SourceFile) -> [Finding] {
    file.lines.enumerated().compactMap { index, line in
      guard line.count > 100 else { return nil }
      return Finding(path: file.path, line: index + 1, reason: "\(line.count) columns of 100")
    }
  }

  static func trailingSpace(_ file: SourceFile) -> [Finding] {
    file.lines.enumerated().compactMap { index, line in
      guard line.last == " " || line.last == "\t" else { return nil }
      return Finding(path: file.path, line: index + 1, reason: "space at the end of the line")
    }
  }

  static func tooLongFunctions(_ file: SourceFile) -> [Finding] {
    bodies(in: file).compactMap { first, last in
      let lines = file.lines[first - 1..<last].filter { !isDispatch($0) }
      guard lines.count > 70 else { return nil }
      return Finding(path: file.path, line: first, reason: "\(lines.count) lines, 70 allowed")
    }
  }

  /// A case with its one statement behind it: `case .x: return y`.
  private static func isDispatch(_ line: String) -> Bool {
    let text = line.trimmingCharacters(in: .whitespaces)
    guard text.hasPrefix("case ") || text.hasPrefix("default:") else { return false }
    guard let colon = text.range(of: ": ") else { return false }
    return !text[colon.upperBound...].isEmpty
  }

  /// First and last line of each function, initialiser, subscript and computed property.
  private static func bodies(in file: SourceFile) -> [(Int, Int)] {
    let tokens = file.tokens
    return tokens.indices.compactMap { index in
      guard ["func", "init", "subscript", "deinit", "var"].contains(tokens[index].text),
        index == 0 || tokens[index - 1].text != ".",
        let open = bodyStart(after: index, in: tokens)
      else { return nil }
      return (tokens[index].line, tokens[closing(open, in: tokens)].line)
    }
  }

  private static let nextDeclaration: Set<String> = [
    "}", "=", "@", "func", "var", "let", "init", "subscript", "static", "public", "private",
    "mutating", "struct", "enum", "extension", "protocol", "associatedtype", "typealias", "case",
  ]

  private static func bodyStart(after index: Int, in tokens: [Token]) -> Int? {
    var depth = 0
    for place in index + 1..<max(tokens.count, index + 1) {
      let text = tokens[place].text
      if text == "(" || text == "[" { depth += 1 }
      if text == ")" || text == "]" { depth -= 1 }
      guard depth == 0 else { continue }
      if text == "{" { return place }
      // An operator's own name may be one of these signs.
      if nextDeclaration.contains(text), place > index + 2 { return nil }
    }
    return nil
  }

  private static func closing(_ open: Int, in tokens: [Token]) -> Int {
    var depth = 0
    for place in open..<tokens.count {
      if tokens[place].text == "{" { depth += 1 }
      if tokens[place].text == "}" { depth -= 1 }
      if depth == 0 { return place }
    }
    return tokens.count - 1
  }

  @Test func `every file begins with its licence`() {
    #expect(Repository.shared.files.flatMap(Self.missingLicense) == [])
  }

  @Test func `files, functions and lines are short`() {
    let swift = Repository.shared.swift
    #expect(swift.count > 200)
    #expect(swift.flatMap(Self.tooLong) == [])
    #expect(swift.flatMap(Self.tooLongFunctions) == [])
    #expect(swift.flatMap(Self.tooWide) == [])
    #expect(swift.flatMap(Self.trailingSpace) == [])
  }

  @Test func `the rules of layout find what breaks them`() {
    let long = String(repeating: "let x = 1\n", count: 501)
    let wide = "// " + String(repeating: "é", count: 98)
    #expect(Self.missingLicense(SourceFile("Sources/A/B.swift", "import C\n")).count == 1)
    #expect(Self.missingLicense(SourceFile("x.sh", "#!/bin/sh\n# \(Self.license)\n")) == [])
    #expect(Self.tooLong(SourceFile("Sources/A/B.swift", long)).count == 1)
    #expect(Self.tooWide(SourceFile("Sources/A/B.swift", wide)).count == 1)
    #expect(Self.tooWide(SourceFile("Sources/A/B.swift", String(wide.dropLast()))) == [])
    #expect(Self.trailingSpace(SourceFile("Sources/A/B.swift", "let x = 1 \n")).count == 1)
  }

  @Test func `a long function is found, unless it only dispatches`() {
    func function(_ line: String, _ head: String = "func f<T>(_ x: T) -> Int") -> SourceFile {
      let body = String(repeating: line, count: 69)
      return SourceFile("Sources/A/B.swift", "\(head) {\n\(body)}\nlet y = 1\n")
    }
    #expect(Self.tooLongFunctions(function("  a()\n")).map(\.line) == [1])
    #expect(Self.tooLongFunctions(function("  a()\n", "var x: Int")).map(\.line) == [1])
    #expect(Self.tooLongFunctions(function("  a()\n", "static func == (a: A) -> B")).count == 1)
    #expect(Self.tooLongFunctions(function("  case .a: return b(c)\n")) == [])
    #expect(Self.tooLongFunctions(function("  case .a:\n")).count == 1)
    #expect(Self.tooLongFunctions(function("  // {\n")).count == 1)
  }
}
