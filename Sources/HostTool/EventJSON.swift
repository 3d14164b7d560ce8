// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// The event log as JSON Lines: the schema's version first, then a line for each record, all
/// values integers but the kind's name.
enum EventJSON {
  static var header: [UInt8] {
    Array("{\"schema\":\"quire-events\",\"version\":1}\n".utf8)
  }

  static func line(_ event: MemoryEvent) -> [UInt8] {
    var line: [UInt8] = []
    line.reserveCapacity(128)
    add("{\"time\":", event.time, to: &line)
    line += ",\"kind\":\"".utf8
    line += EventNames.name(of: event.kind).utf8
    add("\",\"process\":", UInt64(event.process), to: &line)
    add(",\"frame\":", UInt64(event.frame), to: &line)
    add(",\"owner\":", UInt64(event.owner), to: &line)
    add(",\"value\":", event.value, to: &line)
    add(",\"detail\":", UInt64(event.detail), to: &line)
    line += "}\n".utf8
    return line
  }

  private static func add(_ name: String, _ value: UInt64, to line: inout [UInt8]) {
    line += name.utf8
    line += String(value).utf8
  }
}

/// Text as a JSON string.
func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\t": result += "\\t"
    default:
      if scalar.value < 0x20 {
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
  }
  return result + "\""
}
