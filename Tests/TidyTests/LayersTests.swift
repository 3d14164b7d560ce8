// SPDX-License-Identifier: Apache-2.0

import Testing

/// A layer imports only what is below it, and the manifest says so.
@Suite struct LayersTests {
  /// Where each target stands; it imports only from lower floors.
  static let floors: [String: Int] = [
    // L0
    "MemoryUnits": 0, "IntrusiveStructures": 1, "MemoryEvents": 1,
    // L1
    "PageTableFormats": 2, "Machine": 3,
    // L2
    "PageFrames": 4,
    // L3
    "KernelHeap": 5, "PageTables": 5, "KernelMappings": 6, "DeviceMemory": 6,
    // L4, L5
    "AddressSpaces": 7, "Compaction": 8, "Reclaim": 8, "OutOfMemory": 8, "MemoryManagement": 9,
    "SelfTests": 9,
    // The kernel around it
    "LinuxABI": 1, "FileSystems": 10, "Processes": 11,
    // Machines stand on L0 and L1 alone
    "SimulatedMachine": 4, "MachineConformance": 4, "CProcessor": 0, "BareMetalMachine": 4,
    "CTestPrograms": 0,
    // The host's own processor as a machine, and what measures the allocators on it
    "CHostThread": 0, "NativeMachine": 4, "nativebench": 20,
    "machinetest": 20, "kernel": 20,
    // The tool knows the records and nothing of the kernel
    "CLibcrypto": 0, "CHostSystem": 0, "HostTool": 2, "quire": 3,
  ]

  /// What some targets may not import although it is below them.
  static func isKeptApart(_ target: String, _ module: String) -> Bool {
    switch target {
    case "SimulatedMachine", "BareMetalMachine", "MachineConformance": (floors[module] ?? 0) > 3
    case "HostTool", "quire": !["MemoryUnits", "MemoryEvents", "HostTool"].contains(module)
      && !["CLibcrypto", "CHostSystem"].contains(module)
    case "LinuxABI": module != "MemoryUnits"
    default: module == "HostTool" || module == "SimulatedMachine" || module == "CHostSystem"
    }
  }

  static func imports(_ file: SourceFile) -> [Token] {
    file.tokens.indices.dropLast().compactMap { index in
      guard file.tokens[index].text == "import" else { return nil }
      return file.tokens[index + 1]
    }
  }

  static func upwardImports(_ file: SourceFile) -> [Finding] {
    guard !file.path.hasPrefix("Tests/"), let target = file.target else { return [] }
    guard let floor = floors[target] else {
      return [Finding(path: file.path, line: 1, reason: "\(target) has no floor in this test")]
    }
    return imports(file).compactMap { module in
      guard let other = floors[module.text] else { return nil }
      if other < floor && !isKeptApart(target, module.text) { return nil }
      return Finding(
        path: file.path, line: module.line, reason: "\(target) imports \(module.text)")
    }
  }

  /// Modules that come with Swift or the system, and need no dependency.
  static let given: Set<String> = ["Foundation", "Glibc", "Synchronization", "Testing", "Swift"]

  static func undeclaredImports(_ file: SourceFile, _ manifest: Manifest) -> [Finding] {
    guard let target = file.target, let declared = manifest.dependencies[target] else {
      return []
    }
    return imports(file).compactMap { module in
      if given.contains(module.text) || declared.contains(module.text) { return nil }
      return Finding(
        path: file.path, line: module.line, reason: "\(module.text) is no dependency of \(target)")
    }
  }

  /// Dependencies that no import of the target implies: arrows of the picture that are not there.
  static func unusedDependencies(
    _ manifest: Manifest, _ path: String, imports: [String: Set<String>]
  ) -> [Finding] {
    manifest.dependencies.sorted { $0.key < $1.key }.flatMap { target, declared -> [Finding] in
      // A suite may offer its files more than they use today.
      if target.hasSuffix("Tests") { return [] }
      var reached = imports[target] ?? []
      var open = Array(reached)
      while let module = open.popLast() {
        for next in imports[module] ?? [] where reached.insert(next).inserted { open.append(next) }
      }
      return declared.filter { !reached.contains($0) }.map {
        Finding(path: path, line: 1, reason: "\(target) does not need \($0)")
      }
    }
  }

  static var manifests: [(path: String, files: [SourceFile], manifest: Manifest)] {
    ["Package.swift", "Kernel/Package.swift"].compactMap { path in
      guard let file = Repository.shared.file(path) else { return nil }
      let inner = path.hasPrefix("Kernel/")
      let files = Repository.shared.swift.filter { $0.path.hasPrefix("Kernel/") == inner }
      return (path, files, Manifest(file))
    }
  }

  @Test func `imports go downward only`() {
    #expect(Repository.shared.swift.flatMap(Self.upwardImports) == [])
  }

  @Test func `every import is a dependency of its target`() {
    #expect(Self.manifests.count == 2)
    for (_, files, manifest) in Self.manifests {
      #expect(files.flatMap { Self.undeclaredImports($0, manifest) } == [])
      let targets = Set(files.compactMap(\.target))
      #expect(targets.subtracting(manifest.dependencies.keys) == [])
    }
  }

  @Test func `the manifest draws no arrow that is not there`() {
    var imports: [String: Set<String>] = [:]
    for file in Repository.shared.swift {
      guard let target = file.target else { continue }
      imports[target, default: []].formUnion(Self.imports(file).map(\.text))
    }
    for (path, _, manifest) in Self.manifests {
      #expect(Self.unusedDependencies(manifest, path, imports: imports) == [])
    }
  }

  @Test func `the rules of layers find what breaks them`() {
    let upward = SourceFile("Sources/PageFrames/A.swift", "import MemoryUnits\nimport Reclaim\n")
    #expect(Self.upwardImports(upward).map(\.line) == [2])
    let beside = SourceFile("Sources/KernelHeap/A.swift", "import PageTables\n")
    #expect(Self.upwardImports(beside).count == 1)
    let machine = SourceFile("Sources/SimulatedMachine/A.swift", "import PageFrames\n")
    #expect(Self.upwardImports(machine).count == 1)
    #expect(Self.upwardImports(SourceFile("Sources/New/A.swift", "")).count == 1)
    let manifest = Manifest(
      SourceFile(
        "Package.swift",
        """
        let base: [Target.Dependency] = ["A", "B"]
        let more: [Target.Dependency] = base + ["C"]
          layer("D"), layer("E", on: more + ["D"]),
          .target(name: "F", dependencies: ["E", .product(name: "G", package: "g")]),
        """))
    #expect(manifest.dependencies["D"] == [])
    #expect(manifest.dependencies["E"] == ["A", "B", "C", "D"])
    #expect(manifest.dependencies["F"] == ["E", "G"])
    let file = SourceFile("Sources/E/A.swift", "import A\nimport Z\n")
    #expect(Self.undeclaredImports(file, manifest).map(\.line) == [2])
    let imports: [String: Set<String>] = ["E": ["A", "C"], "C": ["B"], "F": ["E", "G"]]
    let unused = Self.unusedDependencies(manifest, "Package.swift", imports: imports)
    #expect(unused.map(\.reason) == ["E does not need D"])
  }
}
