// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// What a module offers to others is described where it is declared.
@Suite struct CommentsTests {
  static let types: Set<String> = ["struct", "enum", "protocol", "class", "typealias"]
  static let modifiers: Set<String> = [
    "static", "mutating", "nonmutating", "consuming", "borrowing", "final",
  ]

  /// A type or function with the line and the words before its name.
  struct Declaration {
    let name: String
    let line: Int
    let isPublic: Bool
    let isFunction: Bool
  }

  /// Types and named functions, in order.
  static func declarations(_ file: SourceFile) -> [Declaration] {
    let tokens = file.tokens
    return tokens.indices.dropLast().compactMap { index in
      let isFunction = tokens[index].text == "func"
      guard isFunction || types.contains(tokens[index].text) else { return nil }
      var first = index
      while first > 0, modifiers.contains(tokens[first - 1].text) { first -= 1 }
      let isPublic = first > 0 && tokens[first - 1].text == "public"
      return Declaration(
        name: tokens[index + 1].text, line: tokens[isPublic ? first - 1 : first].line,
        isPublic: isPublic, isFunction: isFunction)
    }
  }

  /// The functions that protocols require, by name; who conforms need not say it all again.
  static func requirements(_ files: [SourceFile]) -> Set<String> {
    var names: Set<String> = []
    for file in files {
      let tokens = file.tokens
      for index in tokens.indices where tokens[index].text == "protocol" {
        var depth = 0
        for place in index..<tokens.count {
          if tokens[place].text == "{" { depth += 1 }
          if tokens[place].text == "}" {
            depth -= 1
            if depth == 0 { break }
          }
          if depth == 1, tokens[place].text == "func" { names.insert(tokens[place + 1].text) }
        }
      }
    }
    return names
  }

  /// Public types and functions of the core without a doc comment.
  ///
  /// Operators say by their sign what they do; initialisers and properties by their labels.
  static func undescribed(_ file: SourceFile, required: Set<String>) -> [Finding] {
    guard let target = file.target, coreTargets.contains(target) else { return [] }
    return declarations(file).compactMap { declaration in
      guard declaration.isPublic, declaration.name.first?.isLetter == true,
        !declaration.isFunction || !required.contains(declaration.name),
        !hasComment(above: declaration.line, in: file)
      else { return nil }
      return Finding(
        path: file.path, line: declaration.line, reason: "\(declaration.name) is not described")
    }
  }

  private static func hasComment(above line: Int, in file: SourceFile) -> Bool {
    var index = line - 2
    while index >= 0 {
      let text = file.lines[index].trimmingCharacters(in: .whitespaces)
      // Linux's name for something of ours, which the compiler then names.
      if text.hasPrefix("///") || text.hasPrefix("@available(*, unavailable") { return true }
      guard ["@", "//", "#if"].contains(where: text.hasPrefix) else { return false }
      index -= 1
    }
    return false
  }

  @Test func `public types and functions of the core are described`() {
    let files = Repository.shared.swift
    let required = Self.requirements(files.filter { coreTargets.contains($0.target ?? "") })
    #expect(required.isSuperset(of: ["withBytes", "relieve", "decode"]))
    #expect(files.flatMap { Self.undescribed($0, required: required) } == [])
  }

  @Test func `the rule of comments finds what breaks it`() {
    func found(_ source: String) -> [Int] {
      let file = SourceFile("Sources/PageFrames/A.swift", source)
      return Self.undescribed(file, required: ["run"]).map(\.line)
    }
    #expect(found("public struct A {\n  public static func b() {}\n}\n") == [1, 2])
    #expect(found("/// A.\npublic struct A {\n/// B.\n@inline(never)\npublic func b() {}\n}") == [])
    #expect(found("/// A.\n\npublic enum A {}\n") == [3])
    #expect(found("struct A {\n  func b() {}\n  public func run() {}\n}\n") == [])
    let source = "protocol A { func b()\n var c: Int { get }\n func d() }\nfunc e() {}\n"
    #expect(Self.requirements([SourceFile("Sources/A/A.swift", source)]) == ["b", "d"])
  }
}
