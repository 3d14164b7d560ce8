// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The page about system calls, made from the table that the kernel executes.
struct CoveragePage {
  /// One line of the table.
  struct Entry: Equatable {
    let section: String
    let call: String
    /// The expression behind `return`.
    let action: String

    var isAccepted: Bool { action == "0" && CoveragePage.complete[call] == nil }
    var isRefused: Bool { action.hasPrefix("try refuse") }

    /// The errno that the table names.
    var errno: String {
      guard let start = action.range(of: " .E") else { return "" }
      return "E" + action[start.upperBound...].prefix { $0.isLetter || $0.isNumber }
    }

    /// The function that serves the call.
    var function: String {
      let name = action.hasPrefix("try ") ? String(action.dropFirst(4)) : action
      return String(name.prefix { $0.isLetter || $0.isNumber })
    }
  }

  let entries: [Entry]
  /// Every call of Linux.
  let numbers: [String: Int]

  /// Calls that do nothing, and are right to.
  static let complete: [String: String] = [:]

  /// Calls that succeed without the effect that Linux's have.
  static let accepted: [String: String] = [:]

  /// What calls that are served do not do.
  static let limits: [String: String] = [
    "clone": "no namespaces (EINVAL)",
    "clone3": "no namespaces, no control groups (EINVAL)",
    "fcntl": "no leases (EINVAL)",
    "preadv2": "no RWF_NOWAIT, no RWF_ATOMIC (EOPNOTSUPP)",
    "pwritev2": "no RWF_NOWAIT, no RWF_ATOMIC (EOPNOTSUPP)",
    "sched_setattr": "no deadlines (EINVAL); real-time tasks wait for their turn as others do",
    "ioprio_set": "is told again, and changes nothing",
    "process_madvise": "checks its arguments: this advice changes nothing",
    "adjtimex": "the clock cannot be changed (EPERM)",
    "clock_adjtime": "the clock cannot be changed (EPERM)",
    "syslog": "the log is empty for programs",
    "futex": "no FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI (ENOSYS)",
    "sched_setscheduler": "real-time tasks wait for their turn as others do",
    "sched_setparam": "real-time tasks wait for their turn as others do",
    "personality": "is told again, and changes nothing",
    "reboot": "EINVAL for who may: the machine ends with its program",
    "setns": "no namespaces (EINVAL)",
    "pidfd_open": "no threads (EINVAL)",
    "unshare": "no namespaces (EINVAL)",
    "mmap": "no huge pages (EINVAL)",
    "fadvise64": "checks its arguments: advice changes nothing",
  ]

  init(table: SourceFile, numbers file: SourceFile) {
    var numbers: [String: Int] = [:]
    let words = file.tokens.map(\.text)
    for index in words.indices.dropLast(3) where words[index] == "case" && words[index + 2] == "=" {
      numbers[words[index + 1]] = Int(words[index + 3])
    }
    self.numbers = numbers
    entries = Self.entries(table.lines)
  }

  static func entries(_ lines: [String]) -> [Entry] {
    var entries: [Entry] = []
    var section = ""
    var names = ""
    for line in lines.drop(while: { !$0.contains("switch name {") }).dropFirst() {
      let text = line.trimmingCharacters(in: .whitespaces)
      if text.hasPrefix("default:") { break }
      if text.hasPrefix("// ") { section = String(text.dropFirst(3)) }
      if text.hasPrefix("case ") { names = "" }
      guard !text.hasPrefix("//"), !text.isEmpty else { continue }
      names += text.hasPrefix("case ") ? String(text.dropFirst(5)) : " " + text
      guard let found = names.range(of: #":\s*return "#, options: .regularExpression)
      else { continue }
      for name in names[..<found.lowerBound].split(separator: ",") {
        let call = name.trimmingCharacters(in: CharacterSet(charactersIn: " ."))
        entries.append(
          Entry(section: section, call: call, action: String(names[found.upperBound...])))
      }
      names = ""
    }
    return entries
  }

  /// What cannot be written down: calls without the reason that the page needs.
  var missingReasons: [String] {
    entries.filter { $0.isAccepted && Self.accepted[$0.call] == nil }.map(\.call)
      + Self.accepted.keys.filter { name in !entries.contains { $0.call == name && $0.isAccepted } }
  }

  var text: String {
    let served = entries.filter { !$0.isAccepted && !$0.isRefused }
    let accepted = entries.filter(\.isAccepted)
    let refused = entries.filter(\.isRefused)
    var lines = [
      "# System calls", "",
      "Made from [SystemCallTable.swift](../Sources/Processes/SystemCallTable.swift), which the",
      "kernel executes, by `TidyTests`; with `QUIRE_WRITE_DOCUMENTS=1` that suite writes this page",
      "again. Linux 6.12 has \(numbers.count) calls on x86-64. Quire serves \(served.count),",
      "accepts \(accepted.count) without effect and refuses \(refused.count) on purpose; the",
      "others fail with ENOSYS, and the log and the summary of a run name them.",
    ]
    var section = ""
    for entry in served {
      if entry.section != section {
        section = entry.section
        lines += ["", "## \(section)", "", "| number | call | served by | short of Linux |"]
        lines.append("|---|---|---|---|")
      }
      // Some answer by a value of the process at once.
      let isNamed = entry.function.first?.isLowercase == true
      let function = isNamed ? "`\(entry.function)`" : ""
      let note = Self.limits[entry.call] ?? Self.complete[entry.call] ?? ""
      lines.append("| \(number(entry)) | `\(entry.call)` | \(function) | \(note) |")
    }
    lines += ["", "## Accepted without effect", "", "| number | call | why |", "|---|---|---|"]
    lines += accepted.map {
      "| \(number($0)) | `\($0.call)` | \(Self.accepted[$0.call] ?? "") |"
    }
    lines += ["", "## Refused on purpose", "", "Where no errno stands here, it depends: what Linux"]
    lines += ["would say of the path or descriptor, and at last that the disk is read-only.", ""]
    lines += ["| number | call | refused by | errno |", "|---|---|---|---|"]
    lines += refused.map {
      "| \(number($0)) | `\($0.call)` | `\($0.function)` | \($0.errno) |"
    }
    lines += ["", "## Not there", ""] + Self.wrapped(absent)
    return lines.joined(separator: "\n") + "\n"
  }

  private var absent: [String] {
    let known = Set(entries.map(\.call))
    return numbers.filter { !known.contains($0.key) }.sorted { $0.value < $1.value }.map(\.key)
  }

  private func number(_ entry: Entry) -> String { numbers[entry.call].map { "\($0)" } ?? "?" }

  private static func wrapped(_ words: [String]) -> [String] {
    var lines = [""]
    for word in words {
      if lines[lines.count - 1].count + word.count > 92 { lines.append("") }
      if !lines[lines.count - 1].isEmpty { lines[lines.count - 1] += " " }
      lines[lines.count - 1] += word
    }
    return lines
  }
}
