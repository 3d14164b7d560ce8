// SPDX-License-Identifier: Apache-2.0

import Foundation
import MemoryEvents
import Testing

/// What the documentation says is there, is there.
@Suite struct DocumentsTests {
  static func brokenLinks(_ document: Document, exists: (String) -> Bool) -> [Finding] {
    let folder = document.file.path.split(separator: "/").dropLast().map(String.init)
    return document.relativeLinks.compactMap { link in
      var place = folder
      for part in link.text.split(separator: "/").map(String.init) where part != "." {
        if part != ".." {
          place.append(part)
        } else if place.popLast() == nil {
          place.append(part)
        }
      }
      if exists(place.joined(separator: "/")) { return nil }
      return Finding(path: document.file.path, line: link.line, reason: "no \(link.text)")
    }
  }

  /// Names in a document's code spans that the code has not.
  ///
  /// What has a capital or a parenthesis claims to be a name. It is ours if all its words are in
  /// the code, and Linux's if a comment of the code cites it or it has an underscore.
  static func unknownNames(
    _ document: Document, words: Set<String>, cited: Set<String>
  ) -> [Finding] {
    document.codeSpans.compactMap { span in
      let text = span.text
      let isName = text.allSatisfy { $0.isLetter || $0.isNumber || "_.:()<>".contains($0) }
      guard isName, text.first?.isLetter == true,
        text.contains(where: { $0.isUppercase || $0 == "(" }),
        !text.contains("_") || text.contains(":"),
        !cited.contains(text), !cited.contains(text + "()")
      else { return nil }
      let parts = text.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.map(String.init)
      guard let unknown = parts.first(where: { !words.contains($0) && $0 != "_" }) else {
        return nil
      }
      return Finding(path: document.file.path, line: span.line, reason: "no \(unknown) in the code")
    }
  }

  /// Rows of a table that do not say `| number | `name` | …`, and numbers without a row.
  static func misnumbered(_ document: Document, _ kinds: [(Int, String)]) -> [String] {
    var left = Dictionary(uniqueKeysWithValues: kinds.map { ("`\($0.1)`", $0.0) })
    var wrong: [String] = []
    for row in document.rows where Int(row.cells[0]) != nil {
      guard let number = left[row.cells[1]] else { continue }
      left[row.cells[1]] = nil
      if Int(row.cells[0]) != number { wrong.append("\(row.cells[1]) is \(number)") }
    }
    return wrong + left.keys.map { "\($0) has no row" }
  }

  /// Blocks of Swift that no file among the tests has, line by line, at any indentation.
  static func untestedBlocks(_ document: Document, tests: [SourceFile]) -> [Finding] {
    document.blocks(of: "swift").compactMap { block in
      let wanted = block.lines.map { $0.trimmingCharacters(in: .whitespaces) }
      let isTested = tests.contains { file in
        let lines = file.lines.map { $0.trimmingCharacters(in: .whitespaces) }
        return lines.indices.contains { lines[$0...].starts(with: wanted) }
      }
      if isTested { return nil }
      return Finding(path: document.file.path, line: block.line, reason: "no test has this")
    }
  }

  @Test func `links lead somewhere`() {
    #expect(Repository.shared.documents.count > 8)
    for document in Repository.shared.documents {
      let broken = Self.brokenLinks(document) { path in
        FileManager.default.fileExists(atPath: Repository.root.appending(path: path).path)
      }
      #expect(broken == [])
    }
  }

  @Test func `names in the documentation are in the code`() {
    let (words, cited) = Repository.shared.vocabulary
    for document in Repository.shared.documents
    where document.file.path.hasPrefix("Documentation/")
      && !["coverage.md", "NamesForLinuxReaders.md"].contains(document.file.name)
    {
      #expect(Self.unknownNames(document, words: words, cited: cited) == [])
    }
  }

  @Test func `every name for Linux's readers is declared where the table says`() throws {
    let page = try #require(Repository.shared.file("Documentation/NamesForLinuxReaders.md"))
    let rows = Document(file: page).rows
    #expect(rows.count > 60)
    for row in rows {
      let link = try #require(row.cells[2].components(separatedBy: "](../").last?.dropLast())
      let file = try #require(Repository.shared.file(String(link)), "\(row.cells)")
      let words = Set(file.tokens.map(\.text))
      for span in row.cells[1].components(separatedBy: "`") where span.first?.isLetter == true {
        let name = span.prefix { $0 != "(" }.split(separator: ".").last.map(String.init) ?? ""
        #expect(Self.declared(in: file).contains(name), "\(name) is not in \(link)")
        for label in span.drop(while: { $0 != "(" }).split(whereSeparator: { !$0.isLetter }) {
          #expect(words.contains(String(label)), "\(label) is not in \(link)")
        }
      }
    }
  }

  /// The names that a file declares.
  private static func declared(in file: SourceFile) -> Set<String> {
    let keywords: Set<String> = [
      "struct", "enum", "protocol", "class", "typealias", "func", "var", "let", "case",
    ]
    let words = file.tokens.map(\.text)
    return Set(
      words.indices.dropLast().filter { keywords.contains(words[$0]) }.map { words[$0 + 1] })
  }

  @Test func `every kind of event has its row`() throws {
    let page = try #require(Repository.shared.file("Documentation/EventLog.md"))
    let kinds = EventKind.allCases.map { (Int($0.rawValue), "\($0)") }
    #expect(Self.misnumbered(Document(file: page), kinds) == [])
    let frames = FrameKind.allCases.map { (Int($0.rawValue), "\($0)") }
    #expect(Self.misnumbered(Document(file: page), frames) == [])
  }

  @Test func `every window to the host is on the page about determinism`() throws {
    let page = try #require(Repository.shared.file("Documentation/Determinism.md")).text
    let machines = ["SimulatedMachine", "MachineConformance", "machinetest", "Machine"]
    for file in Repository.shared.swift where !file.path.hasPrefix("Tests/") {
      guard !machines.contains(file.target ?? "") else { continue }
      let words = file.tokens.map(\.text)
      let calls = words.indices.filter { index in
        words[index] == "withClockStopped" && index > 0 && words[index - 1] != "func"
      }
      #expect(calls.isEmpty || page.contains(file.name), "\(file.path) opens a window")
    }
  }

  @Test func `the page about system calls is the table that the kernel executes`() throws {
    let shared = Repository.shared
    let table = try #require(shared.file("Sources/Processes/SystemCallTable.swift"))
    let numbers = try #require(shared.file("Sources/LinuxABI/SystemCall.swift"))
    let page = CoveragePage(table: table, numbers: numbers)
    #expect(page.entries.count > 100)
    #expect(page.missingReasons == [])
    #expect(page.entries.filter(\.isAccepted).count <= 20)
    let place = Repository.root.appending(path: "Documentation/coverage.md")
    if ProcessInfo.processInfo.environment["QUIRE_WRITE_DOCUMENTS"] != nil {
      try Data(page.text.utf8).write(to: place)
    }
    let current = try String(decoding: Data(contentsOf: place), as: UTF8.self)
    #expect(current == page.text, "write it again with QUIRE_WRITE_DOCUMENTS=1")
  }

  @Test func `the text's examples in Swift are in the tests`() {
    let tests = Repository.shared.swift.filter { $0.path.hasPrefix("Tests/") }
    for document in Repository.shared.documents {
      #expect(Self.untestedBlocks(document, tests: tests) == [])
    }
  }

  @Test func `the rules of documents find what breaks them`() {
    let source = """
      # A [b](B.md#c) and [d](https://e.f), `Frame` and `kfree()`, [up](../G.swift).
      | a | b |
      |---|---|
      | 1 | `one` |
      | 3 | `two` |
      ```swift
      let x = 1
      ```
      """
    let document = Document(file: SourceFile("Documentation/A.md", source))
    let broken = Self.brokenLinks(document) { $0 == "Documentation/B.md" }
    #expect(broken.map(\.reason) == ["no ../G.swift"])
    #expect(Self.unknownNames(document, words: ["one"], cited: ["kfree()"]).count == 1)
    #expect(Self.misnumbered(document, [(1, "one"), (2, "two"), (4, "four")]).count == 2)
    #expect(Self.untestedBlocks(document, tests: []).count == 1)
    let test = SourceFile("Tests/A/B.swift", "func a() {\n  let x = 1\n}\n")
    #expect(Self.untestedBlocks(document, tests: [test]) == [])
    let lines = [
      "switch name {", "// Files", "case .a, .b: return 0", "case .c,", ".d:", "return try e(f)",
    ]
    #expect(CoveragePage.entries(lines).map(\.call) == ["a", "b", "c", "d"])
    #expect(CoveragePage.entries(lines).map(\.function) == ["0", "0", "e", "e"])
  }
}
