// SPDX-License-Identifier: Apache-2.0

import Testing

/// Names are words, and files say nothing about where they were written.
@Suite struct NamesTests {
  /// Abbreviations that may stand in prose only, and names that say nothing.
  static let bannedWords: Set<String> = [
    "pfn", "vma", "pte", "gfp", "pgd", "pud", "pmd", "utility", "utilities", "util", "utils",
    "helper", "helpers", "misc", "common", "manager",
  ]
  /// Names of other people's interfaces.
  static let foreign: Set<String> = ["FileManager"]

  /// The words of a name: `pageTableEntry` has three.
  static func words(of name: String) -> [String] {
    var words: [String] = []
    var previous: Character = "_"
    for character in name {
      if !character.isLetter {
        words.append("")
      } else if character.isUppercase, !previous.isUppercase {
        words.append(character.lowercased())
      } else {
        if words.isEmpty { words.append("") }
        words[words.count - 1] += character.lowercased()
      }
      previous = character
    }
    return words.filter { !$0.isEmpty }
  }

  static func bannedNames(_ file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    let stem = file.name.split(separator: ".").first.map(String.init) ?? ""
    for name in [stem, file.target ?? ""]
    where words(of: name).contains(where: bannedWords.contains) {
      findings.append(Finding(path: file.path, line: 1, reason: "the name \(name)"))
    }
    for token in file.tokens
    where !token.text.hasPrefix("`") && !foreign.contains(token.text)
      && words(of: token.text).contains(where: bannedWords.contains)
    {
      findings.append(Finding(path: file.path, line: token.line, reason: "the name \(token.text)"))
    }
    return findings
  }

  // The marks themselves stand nowhere, not even here.
  static let unfinished = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
  static let elsewhere = [
    "/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/", "Cla" + "ude", "Anthro" + "pic",
    "ChatG" + "PT", "Copi" + "lot", "sub" + "agent",
  ]

  static func unfinishedMarks(_ file: SourceFile) -> [Finding] {
    findings(of: unfinished, in: file, wholeWords: true)
  }

  static func placesElsewhere(_ file: SourceFile) -> [Finding] {
    findings(of: elsewhere, in: file, wholeWords: false)
  }

  private static func findings(
    of marks: [String], in file: SourceFile, wholeWords: Bool
  ) -> [Finding] {
    var findings: [Finding] = []
    for (index, line) in file.lines.enumerated() {
      for mark in marks where line.contains(mark) {
        if wholeWords {
          let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
          guard words.contains(Substring(mark)) else { continue }
        }
        findings.append(Finding(path: file.path, line: index + 1, reason: mark))
      }
    }
    return findings
  }

  /// Programs that people run. What the packer does for one of them it does for all.
  static let programs: Set<String> = [
    "python", "python2", "python3", "busybox", "perl", "bash", "dash", "zsh", "ruby", "node",
    "nodejs", "java", "php", "lua", "gcc", "clang", "git", "vim", "emacs", "nginx", "redis",
    "sqlite", "sqlite3", "postgres", "mysql", "memcached", "stress", "valgrind", "ffmpeg",
  ]

  /// What is asked for by verb: the shell of `quire shell`, and the shells that complete words.
  static let shells: Set<String> = [
    "Sources/HostTool/ShellProgram.swift", "Sources/quire/ShellCommand.swift",
    "Sources/quire/CompletionsCommand.swift",
  ]

  static func programNames(_ file: SourceFile) -> [Finding] {
    guard !shells.contains(file.path) else { return [] }
    guard file.target == "HostTool" || file.target == "quire" else { return [] }
    var findings: [Finding] = []
    for text in file.texts {
      for word in text.text.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" })
      {
        guard programs.contains(word.lowercased()) else { continue }
        findings.append(Finding(path: file.path, line: text.line, reason: "the program \(word)"))
      }
    }
    return findings
  }

  @Test func `names are words`() {
    #expect(Repository.shared.swift.flatMap(Self.bannedNames) == [])
  }

  @Test func `nothing is left for later, and nothing says where it was written`() {
    #expect(Repository.shared.files.flatMap(Self.unfinishedMarks) == [])
    #expect(Repository.shared.files.flatMap(Self.placesElsewhere) == [])
  }

  @Test func `the packer knows no program by name`() {
    #expect(Repository.shared.swift.flatMap(Self.programNames) == [])
  }

  @Test func `the rules of names find what breaks them`() {
    func banned(_ line: String) -> Int {
      Self.bannedNames(SourceFile("Sources/A/B.swift", line + "\n")).count
    }
    #expect(banned("let firstPFN = 1") == 1)
    #expect(banned("func pteValue() {}") == 1)
    #expect(banned("struct MemoryManager {}") == 1)
    #expect(banned("/// Linux: `pte_alloc()`, vma") == 0)
    #expect(banned("let miscounted = descriptive") == 0)
    #expect(Self.bannedNames(SourceFile("Sources/A/FrameHelpers.swift", "")).count == 1)
    #expect(Self.words(of: "getUserPFN") == ["get", "user", "pfn"])
    let mark = "// " + Self.unfinished[0] + ": later\n// " + Self.unfinished[2] + Self.unfinished[2]
    #expect(Self.unfinishedMarks(SourceFile("Sources/A/B.swift", mark)).map(\.line) == [1])
    let path = SourceFile("Kernel/build.sh", "cd " + Self.elsewhere[0] + "main\n")
    #expect(Self.placesElsewhere(path).count == 1)
    let packer = SourceFile("Sources/HostTool/A.swift", "let a = \"/usr/lib/python3\" // perl\n")
    #expect(Self.programNames(packer).count == 1)
    #expect(Self.programNames(SourceFile("Sources/A/A.swift", "let a = \"perl\"\n")) == [])
  }
}
