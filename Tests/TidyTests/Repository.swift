// SPDX-License-Identifier: Apache-2.0

import Foundation

/// One text file of the repository.
struct SourceFile {
  /// From the repository's root, with slashes.
  let path: String
  let lines: [String]
  /// Of Swift files: words and signs outside of comments and texts.
  let tokens: [Token]
  let comments: [Token]
  let texts: [Token]

  init(_ path: String, _ text: String) {
    self.path = path
    var lines = text.components(separatedBy: "\n")
    if lines.last == "" { lines.removeLast() }
    self.lines = lines
    let scanner = SourceScanner(path.hasSuffix(".swift") ? text : "")
    (tokens, comments, texts) = (scanner.tokens, scanner.comments, scanner.texts)
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  var isManifest: Bool { name == "Package.swift" }
  var name: String { String(path.split(separator: "/").last ?? "") }

  /// The target that it belongs to, nil outside of `Sources`, `Kernel/Sources` and `Tests`.
  var target: String? {
    let parts = path.split(separator: "/").map(String.init)
    if parts.count > 2, parts[0] == "Sources" { return parts[1] }
    // Other folders of tests hold programs for machines, and scripts.
    if parts.count > 2, parts[0] == "Tests", parts[1].first?.isUppercase == true {
      return parts[1]
    }
    if parts.count > 3, parts[0] == "Kernel", parts[1] == "Sources" { return parts[2] }
    return nil
  }

  var text: String { lines.joined(separator: "\n") }
}

/// What a rule found.
struct Finding: CustomStringConvertible, Equatable {
  let path: String
  let line: Int
  let reason: String

  var description: String { "\(path):\(line): \(reason)" }
}

/// The files of this repository that people write.
struct Repository {
  let files: [SourceFile]

  static let shared = Repository(at: root)

  static let root: URL = {
    var folder = URL(filePath: #filePath).resolvingSymlinksInPath()
    for _ in 0..<3 { folder.deleteLastPathComponent() }
    return folder
  }()

  private init(at root: URL) {
    var paths = Self.files(of: root, deep: false)
    for folder in [".ci", "Sources", "Kernel", "Tests", "Documentation"] {
      paths += Self.files(of: root.appending(path: folder), deep: true).map { "\(folder)/\($0)" }
    }
    files = paths.sorted().compactMap { path in
      guard let data = try? Data(contentsOf: root.appending(path: path)),
        let text = String(data: data, encoding: .utf8)
      else { return nil }
      return SourceFile(path, text)
    }
  }

  /// What is built or fetched has no author here.
  private static func isBuilt(_ name: String) -> Bool {
    name.hasPrefix(".build") || name == "Package.resolved" || name == "__pycache__"
      || name == ".git" || name.hasSuffix(".img") || name.hasSuffix(".elf")
  }

  private static func files(of folder: URL, deep: Bool) -> [String] {
    let disk = FileManager.default
    var result: [String] = []
    for name in (try? disk.contentsOfDirectory(atPath: folder.path)) ?? [] {
      guard !isBuilt(name) else { continue }
      let place = folder.appending(path: name)
      var isFolder: ObjCBool = false
      guard disk.fileExists(atPath: place.path, isDirectory: &isFolder) else { continue }
      if !isFolder.boolValue {
        result.append(name)
      } else if deep {
        result += files(of: place, deep: true).map { "\(name)/\($0)" }
      }
    }
    return result
  }

  var swift: [SourceFile] { files.filter { $0.isSwift && !$0.isManifest } }

  func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }
}

/// The layers and what composes them: compiled for no operating system, without a heap.
let coreTargets: Set<String> = [
  "MemoryUnits", "IntrusiveStructures", "MemoryEvents", "PageTableFormats", "Machine",
  "PageFrames", "KernelHeap", "PageTables", "KernelMappings", "AddressSpaces",
  "Compaction", "Reclaim",
  "OutOfMemory", "MemoryManagement", "LinuxABI", "FileSystems", "SelfTests", "Processes",
  "MachineConformance", "DeviceMemory",
]
