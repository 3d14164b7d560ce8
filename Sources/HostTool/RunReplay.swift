// SPDX-License-Identifier: Apache-2.0

import Glibc
import MemoryEvents
import MemoryUnits

/// A recorded run that can be run again: what `RunRecord` wrote.
struct RunReplay {
  let folder: String
  private let values: [(name: String, value: String)]

  init(_ folder: String) throws(ToolFailure) {
    self.folder = folder
    guard let bytes = try? HostFile.content(of: "\(folder)/machine") else {
      throw ToolFailure(.usage, "\(folder) is no record of a run", "name one that --record made")
    }
    values = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
      let parts = line.split(separator: " ", maxSplits: 1)
      return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
    }
    guard value("schema") == RunRecord.schema else {
      throw ToolFailure(.failed, "\(folder) is of another version", "use the Quire that made it")
    }
  }

  var digest: String { value("digest") }
  var isRepeatable: Bool { value("repeatable") == "1" }
  var emulator: String { value("emulator") }

  /// What the machine was given as standard input.
  func openInput() throws(ToolFailure) -> HostFile {
    do throws(HostError) { return try HostFile(reading: "\(folder)/input") } catch {
      throw damaged
    }
  }

  /// The machine as it was, with the files that lie in the record.
  ///
  /// - Throws: `failed` where a file is not the one that was recorded.
  func plan(
    isQuiet: Bool, isVerbose: Bool, host: HostEnvironment
  ) throws(ToolFailure) -> MachinePlan {
    var options = MachineOptions()
    options.memory = ByteCount(try number("memory"))
    options.disk = ByteCount(try number("disk"))
    options.user = UInt32(truncatingIfNeeded: try number("user"))
    options.seed = try number("seed")
    options.emulatorOptions = values.filter { $0.name == "emulator-option" }.map(\.value)
    options.isQuiet = isQuiet
    options.isVerbose = isVerbose
    let kernel = try KernelImage(path: "\(folder)/kernel.elf")
    let disk = RootDisk(image: "\(folder)/root.img", digest: try digestOfFile("root.img"))
    guard kernel.digest == value("kernel"), disk.digest == value("root"),
      let arguments = try? HostFile.content(of: "\(folder)/arguments"),
      arguments.count <= ChannelLayout.argumentsBytes
    else { throw damaged }
    for word in Self.strings(of: .argument, in: arguments) { options.program.append(word) }
    for word in Self.strings(of: .bootWord, in: arguments) { options.bootWords.append(word) }
    for word in Self.strings(of: .setting, in: arguments) { options.settings.append(word) }
    return MachinePlan(
      options, kernel: kernel, disk: disk, arguments: arguments,
      scratchFolders: [CacheFolder(environment: host.variables).path, "/tmp"],
      bootTime: try number("boot-time"), terminals: try number("terminals"),
      isInteractive: value("interactive") == "1")
  }

  private var damaged: ToolFailure {
    ToolFailure(.failed, "\(folder) is not as it was recorded", "record the run again")
  }

  private func value(_ name: String) -> String {
    values.first { $0.name == name }?.value ?? ""
  }

  private func number(_ name: String) throws(ToolFailure) -> UInt64 {
    guard let number = decimalNumber(value(name)[...].utf8) else { throw damaged }
    return number
  }

  private func digestOfFile(_ name: String) throws(ToolFailure) -> String {
    guard let digest = try? ContentDigest.ofFile("\(folder)/\(name)") else { throw damaged }
    return digest
  }

  /// The strings of a tag in an argument block.
  static func strings(of tag: ArgumentTag, in block: [UInt8]) -> [String] {
    var texts: [String] = []
    var place = 0
    while place < block.count, block[place] != ArgumentTag.end.rawValue {
      let end = block[(place + 1)...].firstIndex(of: 0) ?? block.count
      if block[place] == tag.rawValue {
        texts.append(String(decoding: block[(place + 1)..<end], as: UTF8.self))
      }
      place = end + 1
    }
    return texts
  }
}
