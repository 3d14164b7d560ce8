// SPDX-License-Identifier: Apache-2.0
// Strings, dictionaries and closures: enough of Swift's runtime to see it work.

var words: [String: Int] = [:]
for number in 0..<1000 { words["number \(number % 37)", default: 0] += number }
let lines = words.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
print(lines.joined(separator: "\n"))
