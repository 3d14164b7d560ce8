// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// What a file is to `execve()`.
enum ProgramFile: Equatable {
  case image(ELFImage)
  /// A script: its interpreter and the rest of its `#!` line.
  case script(interpreter: String, rest: String)

  /// Reads what a file is.
  ///
  /// - Throws: `notExecutable` (126) with the reason, `failed` where the host cannot read it.
  init(_ path: String) throws(ToolFailure) {
    do throws(ELFImage.Problem) {
      self = .image(try Self.image(of: path))
    } catch {
      switch error {
      case .notELF:
        self = try Self.script(path)
      case .otherArchitecture(let name):
        throw ToolFailure(
          .notExecutable, "\(path) is a program for \(name), and the machine is x86-64",
          "give a program for x86-64")
      case .corrupt(let what):
        throw ToolFailure(
          .notExecutable, "\(path) is a corrupt ELF file: \(what)", "give a whole program")
      case .unreadable(let error):
        throw Self.unreadable(path, error)
      }
    }
  }

  /// The ELF facts of a file.
  static func image(of path: String) throws(ELFImage.Problem) -> ELFImage {
    let file = try open(path)
    let size = try Self.size(of: path)
    let descriptor = file.descriptor
    let source = ELFImage.Source(size: size) { (offset, count) throws(ELFImage.Problem) in
      do throws(HostError) {
        return try HostFile.bytes(of: descriptor, at: offset, count: count)
      } catch {
        throw .unreadable(error)
      }
    }
    let image = try ELFImage(source)
    // The source reads the descriptor, so the file stays open up to here.
    extendLifetime(file)
    return image
  }

  private static func open(_ path: String) throws(ELFImage.Problem) -> HostFile {
    do throws(HostError) { return try HostFile(reading: path) } catch { throw .unreadable(error) }
  }

  private static func size(of path: String) throws(ELFImage.Problem) -> UInt64 {
    do throws(HostError) { return try FileFacts(path).size } catch { throw .unreadable(error) }
  }

  private static func unreadable(_ path: String, _ error: HostError) -> ToolFailure {
    let status: ToolStatus = error.isMissing ? .notFound : .notExecutable
    return ToolFailure(status, "\(path): \(error.text)", "give a program that can be read")
  }

  private static func script(_ path: String) throws(ToolFailure) -> ProgramFile {
    let start: [UInt8]
    do throws(HostError) {
      let file = try HostFile(reading: path)
      start = try file.bytes(at: 0, count: 256)
    } catch {
      throw unreadable(path, error)
    }
    guard let line = ScriptLine(start) else {
      throw ToolFailure(
        .notExecutable, "\(path) is neither an ELF program nor a script with #!",
        "name its interpreter: quire run -- INTERPRETER \(path)")
    }
    return .script(interpreter: line.interpreter, rest: line.rest)
  }
}

/// The first line of a script, as Linux reads it: at most 256 bytes, one argument.
struct ScriptLine: Equatable {
  var interpreter: String
  /// All that follows the interpreter, one argument to it.
  var rest: String

  /// Linux: `load_script()`.
  init?(_ start: [UInt8]) {
    guard start.count >= 2, start[0] == UInt8(ascii: "#"), start[1] == UInt8(ascii: "!") else {
      return nil
    }
    let line = start[2...].prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
    let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    let trimmed = line.drop(while: isBlank)
    let name = trimmed.prefix { !isBlank($0) }
    guard !name.isEmpty else { return nil }
    var tail = trimmed[name.endIndex...].drop(while: isBlank)
    while let last = tail.last, isBlank(last) { tail.removeLast() }
    interpreter = String(decoding: name, as: UTF8.self)
    rest = String(decoding: tail, as: UTF8.self)
  }
}

/// Finds programs as a shell does.
struct ProgramLookup {
  /// The folders of PATH, in order.
  var folders: [String]
  var currentFolder: String

  /// The absolute path of a program that may be executed; links in it are not followed.
  ///
  /// - Throws: `notFound` (127), `notExecutable` (126).
  func path(of name: String) throws(ToolFailure) -> String {
    if name.isEmpty {
      throw ToolFailure(.notFound, "the program's name is empty", "name a program")
    }
    if name.contains("/") {
      let path = HostFolder.absolute(name, from: currentFolder)
      if let failure = Self.obstacle(to: path, named: name) { throw failure }
      return path
    }
    var refused: ToolFailure?
    for folder in folders {
      let path = HostFolder.absolute(name, from: HostFolder.absolute(folder, from: currentFolder))
      guard let failure = Self.obstacle(to: path, named: name) else { return path }
      if failure.status == .notExecutable, refused == nil { refused = failure }
    }
    throw refused
      ?? ToolFailure(
        .notFound, "\(name) is not in any folder of PATH", "install it or give its path")
  }

  private static func obstacle(to path: String, named name: String) -> ToolFailure? {
    do throws(HostError) {
      let facts = try FileFacts(path)
      if facts.kind == .folder {
        return ToolFailure(.notExecutable, "\(name) is a folder", "give a program")
      }
      guard facts.kind == .regular else {
        return ToolFailure(.notExecutable, "\(name) is not a regular file", "give a program")
      }
      // SAFETY: the path is terminated.
      if unsafe may_execute(path) != 0 || facts.permissions & 0o111 == 0 {
        return ToolFailure(.notExecutable, "\(name) is not executable", "chmod +x \(path)")
      }
      return nil
    } catch {
      if error.isMissing {
        return ToolFailure(.notFound, "\(name) does not exist", "check the path")
      }
      return ToolFailure(.notExecutable, "\(name): \(error.text)", "give a program")
    }
  }
}
