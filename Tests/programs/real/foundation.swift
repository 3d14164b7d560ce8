// SPDX-License-Identifier: Apache-2.0
import Foundation

struct Entry: Codable, Equatable {
  var name: String
  var values: [Int]
}

let entries = (0..<5).map { Entry(name: "entry \($0)", values: Array(0..<$0)) }
let encoder = JSONEncoder()
encoder.outputFormatting = [.sortedKeys]
let data = try encoder.encode(entries)
print(String(decoding: data, as: UTF8.self))
print(try JSONDecoder().decode([Entry].self, from: data) == entries)
let file = URL(fileURLWithPath: "written.json")
try data.write(to: file, options: .atomic)
print(try Data(contentsOf: file).count, FileManager.default.fileExists(atPath: "written.json"))
let formatter = DateFormatter()
formatter.locale = Locale(identifier: "en_US_POSIX")
formatter.timeZone = TimeZone(secondsFromGMT: 0)
formatter.dateFormat = "yyyy-MM-dd HH:mm"
print(formatter.string(from: Date(timeIntervalSince1970: 86_400)))
let queue = DispatchQueue(label: "sum")
let sum = queue.sync { (1...100).reduce(0, +) }
DispatchQueue.concurrentPerform(iterations: 8) { _ in _ = [UInt8](repeating: 1, count: 10_000) }
print(sum, "naïve".uppercased(), "a,b,c".components(separatedBy: ","))
let word = String(repeating: "quire ", count: 1000)
print(word.split(separator: " ").count, Set(word).count)
exit(3)
