// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Memory that the compiler cannot check is used in few places, each with its reason.
@Suite struct UnsafeTests {
  static func mayBeUnsafe(_ path: String) -> Bool {
    let folders = [
      "Sources/Machine/", "Sources/SimulatedMachine/", "Kernel/", "Sources/HostTool/",
      "Sources/CHostSystem/", "Sources/NativeMachine/", "Sources/nativebench/",
    ]
    return folders.contains { path.hasPrefix($0) }
      || path.hasPrefix("Sources/KernelHeap/ObjectHeap")
  }

  /// The lines that hold `unsafe`, as an expression's mark or as an attribute.
  private static func unsafeLines(_ file: SourceFile) -> [Int] {
    var lines: [Int] = []
    for token in file.tokens where token.text == "unsafe" && lines.last != token.line {
      lines.append(token.line)
    }
    return lines
  }

  static func unsafeOutside(_ file: SourceFile) -> [Finding] {
    guard !mayBeUnsafe(file.path) else { return [] }
    return unsafeLines(file).map {
      Finding(path: file.path, line: $0, reason: "unsafe outside of the machine")
    }
  }

  /// Each `unsafe` has a reason: a SAFETY line that ends at most three lines above it, or above
  /// an `unsafe` of the same block that is as near.
  static func unexplained(_ file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    var explained = -100
    for line in unsafeLines(file) {
      let nearest = reason(above: line, in: file)
      if let nearest, line - nearest <= 4 {
        explained = line
      } else if line - explained <= 4, !isSeparated(explained, line, in: file) {
        explained = line
      } else {
        findings.append(
          Finding(path: file.path, line: line, reason: "unsafe without a SAFETY line"))
      }
    }
    return findings
  }

  /// The last line of the nearest SAFETY comment above a line.
  private static func reason(above line: Int, in file: SourceFile) -> Int? {
    let reasons = file.comments.filter { $0.text.hasPrefix("// SAFETY: ") }
    guard let start = reasons.last(where: { $0.line < line }) else { return nil }
    var end = start.line
    while end < line - 1, file.lines[end].trimmingCharacters(in: .whitespaces).hasPrefix("//") {
      end += 1
    }
    return end
  }

  /// Whether a blank line lies between, so that the second is in another declaration or step.
  private static func isSeparated(_ first: Int, _ second: Int, in file: SourceFile) -> Bool {
    file.lines[first..<second - 1].contains { $0.allSatisfy(\.isWhitespace) }
  }

  static func architectureConditions(_ file: SourceFile) -> [Finding] {
    guard file.target != "Machine", let target = file.target, coreTargets.contains(target)
    else { return [] }
    return file.tokens.indices.dropFirst().compactMap { index in
      let (token, before) = (file.tokens[index], file.tokens[index - 1])
      guard token.text == "arch", before.text == "if" else { return nil }
      return Finding(path: file.path, line: token.line, reason: "#if arch in the core")
    }
  }

  @Test func `only the machines, the object heap and the host tool are unsafe`() {
    #expect(Repository.shared.swift.flatMap(Self.unsafeOutside) == [])
    #expect(Repository.shared.swift.flatMap(Self.architectureConditions) == [])
  }

  @Test func `each unsafe says why it is right`() {
    #expect(Repository.shared.swift.flatMap(Self.unexplained) == [])
  }

  @Test func `the rules of safety find what breaks them`() {
    let used = "func f() {\n  unsafe g()\n}\n"
    #expect(Self.unsafeOutside(SourceFile("Sources/PageFrames/A.swift", used)).map(\.line) == [2])
    #expect(Self.unsafeOutside(SourceFile("Sources/Machine/A.swift", used)) == [])
    #expect(Self.unexplained(SourceFile("Sources/Machine/A.swift", used)).map(\.line) == [2])
    let explained =
      "func f() {\n  // SAFETY: g is right,\n  // and so on.\n  unsafe g()\n  unsafe h()\n"
    #expect(Self.unexplained(SourceFile("Sources/Machine/A.swift", explained)) == [])
    let next = explained + "}\n\nfunc i() {\n  unsafe j()\n"
    #expect(Self.unexplained(SourceFile("Sources/Machine/A.swift", next)).map(\.line) == [9])
    let text = "let a = \"unsafe\" // unsafe\n"
    #expect(Self.unsafeOutside(SourceFile("Sources/PageFrames/A.swift", text)) == [])
    let condition = SourceFile("Sources/Reclaim/A.swift", "#if arch(x86_64)\n#endif\n")
    #expect(Self.architectureConditions(condition).count == 1)
  }
}
