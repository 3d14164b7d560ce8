// SPDX-License-Identifier: Apache-2.0

import Testing

/// The core runs before and below any heap, and decides nothing by what the host happens to be.
@Suite struct CoreLanguageTests {
  /// Words that the core does not say, and why.
  static let forbidden: [String: String] = [
    "class": "a class needs a heap", "actor": "an actor needs a heap",
    "String": "a string needs a heap", "Array": "an array needs a heap",
    "Dictionary": "a dictionary needs a heap, and its order is the host's",
    "Set": "a set needs a heap, and its order is the host's",
    "Hasher": "its seed is the host's", "AnyObject": "an object needs a heap",
    "Float": "no floating point in the kernel", "Double": "no floating point in the kernel",
    "async": "tasks are the kernel's own", "await": "tasks are the kernel's own",
    "Foundation": "no host library", "Glibc": "no host library", "Dispatch": "no host library",
    "print": "texts go to the channel", "weak": "reference counting needs a heap",
    "KeyPath": "a key path needs a heap",
  ]

  static func beyondTheCore(_ file: SourceFile) -> [Finding] {
    guard let target = file.target, coreTargets.contains(target) else { return [] }
    let tokens = withoutHostParts(file)
    return tokens.indices.compactMap { index in
      let before = index > 0 ? tokens[index - 1].text : ""
      let after = index + 1 < tokens.count ? tokens[index + 1].text : ""
      guard let reason = reason(before, tokens[index].text, after) else { return nil }
      return Finding(path: file.path, line: tokens[index].line, reason: reason)
    }
  }

  /// The tokens without what stands between `#if … !hasFeature(Embedded)` and its `#endif`, which
  /// no image contains.
  private static func withoutHostParts(_ file: SourceFile) -> [Token] {
    var hidden: Set<Int> = []
    var conditions: [Bool] = []
    for (index, line) in file.lines.enumerated() {
      let text = line.drop { $0 == " " }
      if text.hasPrefix("#if ") {
        conditions.append(text.contains("!hasFeature(Embedded)") && !text.contains("||"))
      } else if text.hasPrefix("#else"), let last = conditions.popLast() {
        conditions.append(last && text.hasPrefix("#elseif"))
      } else if text.hasPrefix("#endif") {
        _ = conditions.popLast()
      } else if conditions.contains(true) {
        hidden.insert(index + 1)
      }
    }
    return file.tokens.filter { !hidden.contains($0.line) }
  }

  private static func reason(_ before: String, _ word: String, _ after: String) -> String? {
    // A member may have such a name: `.weak`.
    if before != ".", let reason = forbidden[word] { return "\(word): \(reason)" }
    if word == "any", after.first?.isUppercase == true { return "any: an existential needs a heap" }
    if word == "escaping", before == "@" { return "an escaping closure needs a heap" }
    if word == "let", before == "static" { return "static let: there are no globals here" }
    if word == "[", before == ":" || before == ">", after.first?.isUppercase == true {
      return "an array needs a heap"
    }
    return nil
  }

  @Test func `the core needs no heap and no host`() {
    #expect(coreTargets.isSubset(of: Set(Repository.shared.swift.compactMap(\.target))))
    #expect(Repository.shared.swift.flatMap(Self.beyondTheCore) == [])
  }

  @Test func `the rule of the core finds what breaks it`() {
    for line in [
      "import Foundation", "final class A {}", "let a: any B", "func f(_ a: @escaping () -> Void)",
      "var a: String", "func f() -> [Int]", "var a: [Int]", "static let a = 1", "var a: Set<Int>",
      "func f() async", "let a = 1.0 as Double",
      "#if !hasFeature(Embedded)\n#else\nclass A {}\n#endif",
    ] {
      let found = Self.beyondTheCore(SourceFile("Sources/PageFrames/A.swift", line + "\n"))
      #expect(found.count == 1, "\(line)")
      #expect(Self.beyondTheCore(SourceFile("Sources/HostTool/A.swift", line + "\n")) == [])
    }
    for line in [
      "#if DEBUG && !hasFeature(Embedded)\nclass A {}\n#endif",
      "/// A class, any String", "let a: StaticString = \"class\"", "static var a: Int { 1 }",
      "let a = b[C.d]", "case .weak: 1", "var a = InlineArray<4, Int>(repeating: 0)",
    ] {
      #expect(Self.beyondTheCore(SourceFile("Sources/PageFrames/A.swift", line + "\n")) == [])
    }
  }
}
