// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A page of the documentation, as far as the rules look into it.
struct Document {
  let file: SourceFile

  /// The targets of its links that are no addresses of the web, with the line.
  var relativeLinks: [Token] {
    proseLines.flatMap { number, line in
      line.components(separatedBy: "](").dropFirst().compactMap { rest -> Token? in
        let target = rest.prefix { $0 != ")" && $0 != "#" }
        guard !target.isEmpty, !target.contains("://") else { return nil }
        return Token(text: String(target), line: number)
      }
    }
  }

  /// What stands between single backticks.
  var codeSpans: [Token] {
    proseLines.flatMap { number, line in
      line.components(separatedBy: "`").enumerated().compactMap { index, part in
        index % 2 == 1 ? Token(text: part, line: number) : nil
      }
    }
  }

  /// The cells of each row of its tables, headings and rulers left out.
  var rows: [(line: Int, cells: [String])] {
    var rows: [(line: Int, cells: [String])] = []
    var isBody = false
    for (number, line) in proseLines {
      guard line.hasPrefix("|") else {
        isBody = false
        continue
      }
      if line.hasPrefix("|-") {
        isBody = true
      } else if isBody {
        let cells = line.split(separator: "|", omittingEmptySubsequences: false)
        rows.append(
          (number, cells.dropFirst().dropLast().map { $0.trimmingCharacters(in: .whitespaces) }))
      }
    }
    return rows
  }

  /// The fenced blocks of a language, each as its lines.
  func blocks(of language: String) -> [(line: Int, lines: [String])] {
    var blocks: [(line: Int, lines: [String])] = []
    var open: (line: Int, lines: [String])?
    for (index, line) in file.lines.enumerated() {
      if let block = open {
        if line == "```" {
          blocks.append(block)
          open = nil
        } else {
          open = (block.line, block.lines + [line])
        }
      } else if line == "```" + language {
        open = (index + 1, [])
      }
    }
    return blocks
  }

  private var proseLines: [(Int, String)] {
    var isFenced = false
    return file.lines.enumerated().compactMap { index, line in
      if line.hasPrefix("```") {
        isFenced.toggle()
        return nil
      }
      return isFenced || line.hasPrefix("    ") ? nil : (index + 1, line)
    }
  }
}

extension Repository {
  var documents: [Document] {
    files.filter { $0.path.hasSuffix(".md") }.map { Document(file: $0) }
  }

  /// Every word of the code, of its texts and of the targets' names, and every text between
  /// backticks in its comments.
  var vocabulary: (words: Set<String>, cited: Set<String>) {
    var (words, cited): (Set<String>, Set<String>) = ([], [])
    for file in swift {
      words.formUnion(file.tokens.map(\.text))
      words.formUnion([file.target ?? ""])
      for text in file.texts {
        words.formUnion(text.text.split { !$0.isLetter && !$0.isNumber }.map(String.init))
      }
      for comment in file.comments {
        let parts = comment.text.components(separatedBy: "`")
        for index in stride(from: 1, to: parts.count, by: 2) { cited.insert(parts[index]) }
      }
    }
    return (words, cited)
  }
}
