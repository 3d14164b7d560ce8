// SPDX-License-Identifier: Apache-2.0

import Glibc
import MemoryEvents
import MemoryUnits
import Testing

@testable import HostTool

struct MissingPathsTests {
  @Test func `paths that the host has and the disk has not are named once`() throws {
    let folder = try TemporaryFolder()
    try HostFolder.make("\(folder.path)/empty")
    for name in ["data", "packed"] { try HostFile.write([], to: "\(folder.path)/\(name)") }
    var contents = RootContents()
    try contents.pack("\(folder.path)/packed")
    let told = ["data", "none", "data", "./packed", "empty", "../data"].map {
      "\(folder.path)/\($0)"
    }
    // What lies in /tmp is the machine's own, wherever a test's folder is.
    let missing = MissingPaths(told: told, packed: contents)
    let isOwn = folder.path.hasPrefix("/tmp/")
    #expect(missing.paths == (isOwn ? [] : ["\(folder.path)/data"]))
    #expect(MissingPaths(told: ["/etc/hostname", "/proc/none", "relative"], packed: contents).paths
      == ((try? FileFacts("/etc/hostname"))?.kind == .regular ? ["/etc/hostname"] : []))
  }

  @Test func `a folder of shared data stands for what is in it`() throws {
    let contents = RootContents()
    let missing = MissingPaths(
      told: ["/usr/share/doc", "/usr/bin/env", "/usr/bin/env"],
      packed: contents)
    #expect(missing.text?.contains("not on the root disk: ") == true)
    #expect(missing.text?.contains("/usr/share/doc") == false)
    #expect(missing.text?.contains("add --file /usr") == true)
    #expect(MissingPaths().text == nil)
  }

  @Test func `hidden files of the home are settings unless a program lives beside them`() {
    let home = "/root"
    var contents = RootContents()
    #expect(MissingPaths.isSetting("\(home)/.tool/lib/part", contents))
    contents.addText("\(home)/.tool/bin/tool", "")
    #expect(!MissingPaths.isSetting("\(home)/.tool/lib/part", contents))
    #expect(MissingPaths.isSetting("\(home)/.profile", contents))
    #expect(!MissingPaths.isSetting("\(home)/tool", contents))
  }

  @Test func `the kernel's texts are read from the channel`() throws {
    let memory = try GuestMemory(ByteCount(1 << 20))
    let text = Array("/usr/bin/env\0/none/at/all\0".utf8)
    for start in stride(from: 0, to: text.count, by: 8) {
      let part = Array(text[start..<min(start + 8, text.count)])
      memory.store(
        part.number(at: 0, bytes: part.count), ChannelLayout.missingPathTextOffset + start)
    }
    memory.store(UInt64(text.count), ChannelLayout.missingPathsOffset)
    #expect(MissingPaths(memory, packed: RootContents()).paths.count == 1)
    memory.store(UInt64.max, ChannelLayout.missingPathsOffset)
    #expect(MissingPaths(memory, packed: RootContents()).paths.count == 1)
  }
}
