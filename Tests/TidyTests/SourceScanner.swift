// SPDX-License-Identifier: Apache-2.0

/// A word, number or sign of Swift code. Signs are single characters.
struct Token: Equatable {
  var text: String
  /// From 1.
  var line: Int
}

/// Splits Swift source into code, comments and string literals.
///
/// It knows as much of the language as the rules need: nested comments, escapes, interpolation
/// (whose code counts as part of the text), texts of several lines, raw texts, names in backticks.
struct SourceScanner {
  private(set) var tokens: [Token] = []
  private(set) var comments: [Token] = []
  private(set) var texts: [Token] = []

  private let bytes: [UInt8]
  private var place = 0
  private var line = 1

  init(_ source: String) {
    bytes = Array(source.utf8)
    while place < bytes.count { scanOne() }
  }

  private mutating func scanOne() {
    let byte = bytes[place]
    if byte == UInt8(ascii: "\n") {
      line += 1
      place += 1
    } else if byte == UInt8(ascii: " ") {
      place += 1
    } else if starts("//") {
      keep(in: \.comments) { $0.skipLine() }
    } else if starts("/*") {
      keep(in: \.comments) { $0.skipComment() }
    } else if let pounds = rawTextPounds() {
      keep(in: \.texts) { $0.skipText(pounds: pounds) }
    } else if byte == UInt8(ascii: "`") {
      keep(in: \.tokens) { $0.skipBackticks() }
    } else if Self.isWordByte(byte) {
      keep(in: \.tokens) { $0.skipWord() }
    } else {
      keep(in: \.tokens) { $0.place += 1 }
    }
  }

  private mutating func keep(
    in list: WritableKeyPath<Self, [Token]>, _ skip: (inout Self) -> Void
  ) {
    let (start, first) = (place, line)
    skip(&self)
    let text = String(decoding: bytes[start..<min(place, bytes.count)], as: UTF8.self)
    self[keyPath: list].append(Token(text: text, line: first))
  }

  private mutating func skipLine() {
    while place < bytes.count, bytes[place] != UInt8(ascii: "\n") { place += 1 }
  }

  private mutating func skipComment() {
    var depth = 0
    repeat {
      if starts("/*") {
        depth += 1
        place += 2
      } else if starts("*/") {
        depth -= 1
        place += 2
      } else {
        step()
      }
    } while depth > 0 && place < bytes.count
  }

  private mutating func skipBackticks() {
    place += 1
    while place < bytes.count, bytes[place] != UInt8(ascii: "`") { step() }
    place += 1
  }

  private mutating func skipWord() {
    while place < bytes.count, Self.isWordByte(bytes[place]) { place += 1 }
  }

  /// The number of `#` before a text that begins here; nil where none does.
  private func rawTextPounds() -> Int? {
    var end = place
    while end < bytes.count, bytes[end] == UInt8(ascii: "#") { end += 1 }
    return end < bytes.count && bytes[end] == UInt8(ascii: "\"") ? end - place : nil
  }

  private mutating func skipText(pounds: Int) {
    place += pounds
    let quote = starts("\"\"\"") ? "\"\"\"" : "\""
    place += quote.utf8.count
    let end = quote + String(repeating: "#", count: pounds)
    let escape = "\\" + String(repeating: "#", count: pounds)
    while place < bytes.count, !starts(end) {
      if starts(escape + "(") {
        place += escape.utf8.count
        skipInterpolation()
      } else if starts(escape) {
        place += escape.utf8.count
        step()
      } else {
        step()
      }
    }
    place += end.utf8.count
  }

  private mutating func skipInterpolation() {
    var depth = 0
    repeat {
      if let pounds = rawTextPounds() {
        skipText(pounds: pounds)
        continue
      }
      if starts("(") { depth += 1 }
      if starts(")") { depth -= 1 }
      step()
    } while depth > 0 && place < bytes.count
  }

  private mutating func step() {
    if place < bytes.count, bytes[place] == UInt8(ascii: "\n") { line += 1 }
    place += 1
  }

  private func starts(_ text: String) -> Bool {
    var index = place
    for byte in text.utf8 {
      guard index < bytes.count, bytes[index] == byte else { return false }
      index += 1
    }
    return true
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
      true
    default: false
    }
  }
}
