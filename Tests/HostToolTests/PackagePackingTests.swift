// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import HostTool

/// A host with a package database, all below a temporary folder.
struct PackagedHost {
  let folder: TemporaryFolder
  var root: String { folder.path }
  var database: String { "\(root)/dpkg" }
  private var status = ""

  init() throws {
    folder = try TemporaryFolder()
    try HostFolder.make("\(root)/dpkg/info")
    try HostFolder.make("\(root)/dpkg/alternatives")
  }

  /// Installs a package: its fields, and the paths below the root that it lists and has.
  mutating func install(
    _ name: String, _ fields: String = "", files: [String] = [], listName: String? = nil
  ) throws {
    status += "Package: \(name)\nStatus: install ok installed\nArchitecture: amd64\n"
    status += fields.isEmpty ? "" : fields + "\n"
    status += "Description: words\n about it\n Depends: nothing\n\n"
    try HostFile.write(Array(status.utf8), to: "\(database)/status")
    let list = (["/."] + files.map { root + $0 }).joined(separator: "\n") + "\n"
    try HostFile.write(Array(list.utf8), to: "\(database)/info/\(listName ?? name).list")
    for file in files where (try? FileFacts(root + file)) == nil {
      try HostFolder.make(HostFolder.folder(of: root + file) ?? "/")
      try HostFile.write(Array(name.utf8), to: root + file)
    }
  }

  func script(_ path: String, _ line: String) throws {
    try HostFolder.make(HostFolder.folder(of: root + path) ?? "/")
    try HostFile.write(Array("#!\(line)\n".utf8), to: root + path)
    chmod(root + path, 0o755)
  }

  /// What is packed for a program, as paths below the root.
  func packed(_ program: String, files: [String] = []) throws -> Set<String> {
    var packing = ProgramPacking(
      lookup: ProgramLookup(folders: ["\(root)/bin"], currentFolder: root),
      guestFolders: ["\(root)/bin"])
    try packing.packProgram(root + program)
    for file in files { try packing.packFile(root + file, as: nil) }
    try packing.packPackages(DebianPackages(folder: database))
    var paths: Set<String> = []
    for (path, entry) in packing.contents.entries where path.hasPrefix(root + "/") {
      if case .folder = entry { continue }
      paths.insert(String(path.dropFirst(root.utf8.count)))
    }
    return paths
  }
}

struct PackagePackingTests {
  /// A program that needs nothing to be found by its bytes: a static one of the host's.
  private static func placeProgram(_ host: PackagedHost, _ path: String) throws {
    let source = try #require(
      ["/bin/busybox", "/usr/sbin/ldconfig"].first { (try? FileFacts($0)) != nil })
    try HostFolder.make(HostFolder.folder(of: host.root + path) ?? "/")
    try HostFile.write(try HostFile.content(of: source), to: host.root + path)
    chmod(host.root + path, 0o755)
  }

  @Test func `the packages of a program and what they depend on are packed whole`() throws {
    var host = try PackagedHost()
    try Self.placeProgram(host, "/usr/bin/tool")
    try host.install(
      "tool", "Depends: data (>= 1), one-of | other, missing\nPre-Depends: first:any",
      files: ["/usr/bin/tool", "/usr/share/tool/words"])
    try host.install("data", "Depends: deeper", files: ["/usr/share/data/all"])
    try host.install("deeper", "Depends: tool", files: ["/usr/share/deeper/all"])
    try host.install("other", files: ["/usr/share/other/all"])
    try host.install("first", "Multi-Arch: same", files: ["/f"], listName: "first:amd64")
    try host.install("stranger", "Depends: tool", files: ["/usr/share/stranger"])
    #expect(
      try host.packed("/usr/bin/tool") == [
        "/usr/bin/tool", "/usr/share/tool/words", "/usr/share/data/all", "/usr/share/deeper/all",
        "/usr/share/other/all", "/f",
      ])
  }

  @Test func `a program's packages bring what they recommend, their dependencies do not`() throws {
    var host = try PackagedHost()
    try Self.placeProgram(host, "/bin/tool")
    try host.install(
      "tool", "Source: set (1)\nDepends: data\nRecommends: more\nSuggests: rest, doc",
      files: ["/bin/tool"])
    try host.install("data", "Recommends: never", files: ["/data"])
    try host.install("more", files: ["/more"])
    try host.install("rest", "Source: set", files: ["/rest"])
    try host.install("doc", files: ["/doc"])
    try host.install("never", files: ["/never"])
    #expect(try host.packed("/bin/tool") == ["/bin/tool", "/data", "/more", "/rest"])
  }

  @Test func `a virtual package is provided by what is installed`() throws {
    var host = try PackagedHost()
    try Self.placeProgram(host, "/bin/tool")
    try host.install("tool", "Depends: service", files: ["/bin/tool"])
    try host.install("server", "Provides: service (= 2), thing", files: ["/server"])
    #expect(try host.packed("/bin/tool") == ["/bin/tool", "/server"])
  }

  @Test func `a diverted file is packed from where it went, and its owner found`() throws {
    var host = try PackagedHost()
    try Self.placeProgram(host, "/bin/tool.real")
    try host.install("tool", files: ["/bin/tool"])
    try host.install("wrap", files: ["/bin/tool"])
    try host.install("unrelated", files: ["/unrelated"])
    try HostFile.write(
      Array("\(host.root)/bin/tool\n\(host.root)/bin/tool.real\nwrap\n".utf8),
      to: "\(host.database)/diversions")
    #expect(try host.packed("/bin/tool.real") == ["/bin/tool.real"])
    var wrapped = host
    try Self.placeProgram(wrapped, "/bin/tool")
    try wrapped.install("beside", files: ["/beside"])
    #expect(try wrapped.packed("/bin/tool") == ["/bin/tool"])
  }

  @Test func `scripts bring their interpreters and those interpreters' packages`() throws {
    var host = try PackagedHost()
    try Self.placeProgram(host, "/bin/shell")
    try Self.placeProgram(host, "/bin/env")
    try host.install("shell", files: ["/bin/shell", "/shell-data"])
    try host.script("/direct", " \(host.root)/bin/shell -e")
    try host.script("/split", "\(host.root)/bin/env -S shell -u")
    #expect(try host.packed("/direct") == ["/direct", "/bin/shell", "/shell-data"])
    #expect(
      try host.packed("/split") == ["/split", "/bin/env", "/bin/shell", "/shell-data"])
    try host.script("/none", "/no/such/interpreter")
    #expect(throws: ToolFailure.self) { try host.packed("/none") }
    try Self.placeProgram(host, "/plain")
    #expect(
      try host.packed("/plain", files: ["/direct"]) == [
        "/plain", "/direct", "/bin/shell", "/shell-data",
      ])
  }

  @Test func `a file that the user names brings its package`() throws {
    var host = try PackagedHost()
    try Self.placeProgram(host, "/plain")
    try host.install("headers", "Depends: more", files: ["/include/one.h", "/include/two.h"])
    try host.install("more", files: ["/include/three.h"])
    #expect(
      try host.packed("/plain", files: ["/include/one.h"]) == [
        "/plain", "/include/one.h", "/include/two.h", "/include/three.h",
      ])
  }

  @Test func `a virtual environment brings itself and the program that it stands on`() throws {
    var host = try PackagedHost()
    try Self.placeProgram(host, "/bin/base")
    try host.install("base", files: ["/bin/base", "/base-library"])
    try HostFolder.make("\(host.root)/own/env/bin")
    try HostFolder.make("\(host.root)/own/env/site")
    try HostFile.write([1], to: "\(host.root)/own/env/site/module")
    try Self.placeProgram(host, "/own/env/bin/base")
    try HostFile.write(
      Array("home = \(host.root)/bin\nversion = 3\n".utf8),
      to: "\(host.root)/own/env/pyvenv.cfg")
    let expected: Set<String> = [
      "/own/env/bin/base", "/own/env/site/module", "/own/env/pyvenv.cfg", "/bin/base",
      "/base-library",
    ]
    #expect(try host.packed("/own/env/bin/base") == expected)
    try host.script("/own/env/bin/script", "\(host.root)/own/env/bin/base")
    #expect(try host.packed("/own/env/bin/script") == expected.union(["/own/env/bin/script"]))
  }

  @Test func `a prefix brings the folders beside its programs`() throws {
    let host = try PackagedHost()
    try Self.placeProgram(host, "/opt/kit/bin/tool")
    try Self.placeProgram(host, "/opt/kit/bin/other")
    for file in ["lib/a.so", "libexec/helper", "share/words", "src/not-needed"] {
      let path = "\(host.root)/opt/kit/\(file)"
      try HostFolder.make(HostFolder.folder(of: path) ?? "/")
      try HostFile.write([], to: path)
    }
    symlink("opt/kit/bin/tool", "\(host.root)/alias")
    let expected: Set<String> = [
      "/opt/kit/bin/tool", "/opt/kit/lib/a.so", "/opt/kit/libexec/helper", "/opt/kit/share/words",
    ]
    #expect(try host.packed("/opt/kit/bin/tool") == expected)
    #expect(try host.packed("/alias") == expected.union(["/alias"]))
    #expect(ProgramPrefix(of: "/usr/bin/tool") == nil)
    #expect(ProgramPrefix(of: "/bin/tool") == nil)
  }

  @Test func `listed files that are gone or documentation are left out`() throws {
    var host = try PackagedHost()
    try Self.placeProgram(host, "/bin/tool")
    try host.install("tool", files: ["/bin/tool", "/gone", "/there"])
    try HostFolder.remove("\(host.root)/gone")
    #expect(try host.packed("/bin/tool") == ["/bin/tool", "/there"])
    #expect(PackageFiles.isDocumentation("/usr/share/man/man1/x.1.gz"))
    #expect(PackageFiles.isDocumentation("/usr/share/doc/x/copyright"))
    #expect(!PackageFiles.isDocumentation("/usr/share/document"))
  }

  @Test func `without a database the closure alone is packed`() throws {
    let host = try PackagedHost()
    try Self.placeProgram(host, "/bin/tool")
    try HostFolder.remove(host.database)
    #expect(try host.packed("/bin/tool") == ["/bin/tool"])
  }

  @Test(arguments: [
    ("a", [["a"]]), ("a (>= 1), b | c:any [amd64]", [["a"], ["b", "c"]]), ("", []),
    ("x (= 1) <!nocheck> |y", [["x", "y"]]),
  ])
  func `relationship fields are read`(field: String, groups: [[String]]) {
    #expect(DebianPackages.groups(field) == groups)
  }

  @Test func `every installed package of this host has its files`() throws {
    guard let packages = DebianPackages() else { return }
    #expect(packages.packages.count > 20)
    #expect(packages.essential.count > 5)
    let files = PackageFiles(packages)
    let owners = files.owners(of: ["/usr/bin/env", "/bin/sh"])
    #expect(!owners.isEmpty)
    for owner in owners { #expect(files.files(of: owner).count > 3) }
  }

  @Test func `files of packages keep their time and their other names, the user's do not`() throws {
    var host = try PackagedHost()
    try Self.placeProgram(host, "/bin/tool")
    try Self.placeProgram(host, "/own")
    try host.install("tool", files: ["/bin/tool", "/data"])
    link("\(host.root)/data", "\(host.root)/data-again")
    for file in ["/data", "/own"] {
      var times = [timeval(tv_sec: 1_000_000, tv_usec: 5), timeval(tv_sec: 1_000_000, tv_usec: 5)]
      utimes(host.root + file, &times)
    }
    var packing = ProgramPacking(lookup: ProgramLookup(folders: [], currentFolder: host.root))
    try packing.packProgram("\(host.root)/bin/tool")
    for file in ["/own", "/data-again"] { try packing.packFile(host.root + file, as: nil) }
    try packing.packPackages(DebianPackages(folder: host.database))
    let disk = try RootDisk(
      packing.contents, cache: CacheFolder(path: "\(host.root)/cache"))
    for (file, words) in [
      ("data", ["mtime: 0x000f4240", "Links: 2"]), ("own", ["mtime: 0x67748580", "Links: 1"]),
    ] {
      let result = try ChildProcess.run(
        "/usr/sbin/debugfs", ["debugfs", "-R", "stat \(host.root)/\(file)", disk.image],
        environment: [])
      for word in words { #expect(result.text.contains(word), "\(file): \(result.text)") }
    }
  }

  @Test func `the digest of an unchanged state is remembered, a fresh state is not`() throws {
    let folder = try TemporaryFolder()
    let cache = CacheFolder(path: "\(folder.path)/cache")
    try HostFile.write([1], to: "\(folder.path)/file")
    func state() throws -> ContentState {
      var contents = RootContents()
      try contents.pack("\(folder.path)/file")
      return try ContentState(contents, maker: "/bin/sh")
    }
    let digest = String(repeating: "a", count: 64)
    var count = 0
    func make() -> String {
      count += 1
      return digest
    }
    #expect(try !state().isSettled)
    for _ in 0..<2 { #expect(try cache.remembered(state(), make: make) == digest) }
    #expect(count == 2)
    usleep(2_100_000)
    for _ in 0..<2 { #expect(try cache.remembered(state(), make: make) == digest) }
    #expect(count == 3)
    try HostFile.write([2], to: "\(folder.path)/file")
    #expect(try cache.remembered(state(), make: make) == digest)
    #expect(count == 4)
  }
}
