// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Every target is strict: Swift 6 mode, and each use of memory that the compiler cannot check
/// is marked `unsafe` with its reason.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Lifetimes"),
]

/// A layer of the house, importing only what is below it.
func layer(_ name: String, on dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func suite(_ name: String, of dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)")
}

let units: [Target.Dependency] = ["MemoryUnits", "IntrusiveStructures", "MemoryEvents"]
let hardware: [Target.Dependency] = units + ["Machine", "PageTableFormats"]
let mechanisms: [Target.Dependency] = hardware + ["PageFrames", "KernelHeap", "PageTables"]
let management: [Target.Dependency] =
  mechanisms
  + ["KernelMappings", "DeviceMemory", "AddressSpaces", "Compaction", "Reclaim", "OutOfMemory"]

let package = Package(
  name: "quire",
  products: [
    .library(name: "MemoryUnits", targets: ["MemoryUnits"]),
    .library(name: "IntrusiveStructures", targets: ["IntrusiveStructures"]),
    .library(name: "MemoryEvents", targets: ["MemoryEvents"]),
    .library(name: "Machine", targets: ["Machine"]),
    .library(name: "PageTableFormats", targets: ["PageTableFormats"]),
    .library(name: "MachineConformance", targets: ["MachineConformance"]),
    .library(name: "PageFrames", targets: ["PageFrames"]),
    .library(name: "KernelHeap", targets: ["KernelHeap"]),
    .library(name: "PageTables", targets: ["PageTables"]),
    .library(name: "KernelMappings", targets: ["KernelMappings"]),
    .library(name: "DeviceMemory", targets: ["DeviceMemory"]),
    .library(name: "AddressSpaces", targets: ["AddressSpaces"]),
    .library(name: "MemoryManagement", targets: ["MemoryManagement"]),
    .library(name: "Processes", targets: ["Processes"]),
    .executable(name: "quire", targets: ["quire"]),
    .executable(name: "nativebench", targets: ["nativebench"]),
    .executable(name: "simulate", targets: ["AllocatorSimulator"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
  ],
  targets: [
    // L0
    layer("MemoryUnits"),
    layer("IntrusiveStructures", on: ["MemoryUnits"]),
    layer("MemoryEvents"),
    // L1
    layer("PageTableFormats", on: ["MemoryUnits"]),
    layer("Machine", on: units + ["PageTableFormats"]),
    // L2
    layer("PageFrames", on: hardware),
    // L3
    layer("KernelHeap", on: hardware + ["PageFrames"]),
    layer("PageTables", on: hardware + ["PageFrames"]),
    suite("PageTablesTests", of: hardware + ["PageFrames", "PageTables", "SimulatedMachine"]),
    layer("KernelMappings", on: mechanisms),
    suite(
      "KernelMappingsTests",
      of: mechanisms + ["KernelMappings", "SimulatedMachine"]),
    layer("DeviceMemory", on: hardware + ["PageFrames", "KernelHeap"]),
    suite(
      "DeviceMemoryTests",
      of: hardware + ["PageFrames", "KernelHeap", "DeviceMemory", "SimulatedMachine"]),
    // L4
    layer("AddressSpaces", on: mechanisms),
    // L5
    layer("Compaction", on: mechanisms + ["AddressSpaces"]),
    layer("Reclaim", on: mechanisms + ["AddressSpaces"]),
    layer("OutOfMemory", on: mechanisms + ["AddressSpaces"]),
    layer(
      "MemoryManagement", on: mechanisms + ["KernelMappings", "DeviceMemory", "AddressSpaces"]),
    // The kernel around it
    layer("LinuxABI", on: ["MemoryUnits"]),
    layer(
      "FileSystems",
      on: mechanisms
        + ["KernelMappings", "DeviceMemory", "AddressSpaces", "Compaction", "LinuxABI"]),
    suite(
      "FileSystemsTests",
      of: management + ["MemoryManagement", "LinuxABI", "FileSystems", "SimulatedMachine"]),
    layer(
      "SelfTests",
      on: mechanisms + ["KernelMappings", "DeviceMemory", "AddressSpaces", "Compaction"]),
    suite(
      "SelfTestsTests", of: management + ["MemoryManagement", "SelfTests", "SimulatedMachine"]),
    layer(
      "Processes",
      on: management + ["MemoryManagement", "LinuxABI", "FileSystems", "SelfTests"]),
    // Machines for the host; optimised in debug builds too, since simulations are long
    .target(
      name: "SimulatedMachine", dependencies: hardware,
      swiftSettings: strict + [.unsafeFlags(["-O"])]),
    .target(name: "CHostThread"),
    .target(
      name: "NativeMachine", dependencies: hardware + ["CHostThread"], swiftSettings: strict),
    // Measures the allocators on it; `./quire bench native` builds it with the core inlined
    .executableTarget(
      name: "nativebench",
      dependencies: hardware + ["PageFrames", "KernelHeap", "NativeMachine", "CHostThread"],
      swiftSettings: strict),
    // What each of them must do
    layer("MachineConformance", on: hardware),
    suite(
      "SimulatedMachineTests", of: hardware + ["SimulatedMachine", "MachineConformance"]),
    // What they and `Tests/AllocatorSimulator`, optimised, do to the allocators
    .target(
      name: "AllocatorSimulation",
      dependencies: mechanisms + ["KernelMappings", "DeviceMemory", "SimulatedMachine"],
      path: "Tests/AllocatorSimulation", swiftSettings: strict),
    .executableTarget(
      name: "AllocatorSimulator", dependencies: ["KernelHeap", "AllocatorSimulation"],
      path: "Tests/AllocatorSimulator", swiftSettings: strict),
    suite("SimulationTests", of: ["KernelHeap", "AllocatorSimulation", "SimulatedMachine"]),
    // Optimised in debug builds too, since it is the optimiser that would break them.
    .target(
      name: "SleepScenarios", dependencies: hardware + ["PageFrames", "KernelHeap"],
      path: "Tests/SleepScenarios", swiftSettings: strict + [.unsafeFlags(["-O"])]),
    suite(
      "SleepTests",
      of: hardware + ["PageFrames", "KernelHeap", "SimulatedMachine", "SleepScenarios"]),
    // The tool
    .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "CHostSystem"),
    .target(
      name: "HostTool",
      dependencies: ["MemoryUnits", "MemoryEvents", "CLibcrypto", "CHostSystem"],
      swiftSettings: strict),
    .executableTarget(
      name: "quire",
      dependencies: [
        "MemoryUnits", "HostTool",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    // Tests
    suite(
      "ProcessesTests",
      of: management + ["MemoryManagement", "LinuxABI", "FileSystems", "Processes"]
        + ["SimulatedMachine"]),
    suite(
      "KernelSimulationTests",
      of: management + ["MemoryManagement", "LinuxABI", "FileSystems", "Processes"]
        + ["SimulatedMachine"]),
    suite("TidyTests", of: ["MemoryEvents"]),
    suite("MemoryUnitsTests", of: ["MemoryUnits"]),
    suite("HostToolTests", of: ["HostTool", "CHostSystem", "MemoryEvents", "MemoryUnits"]),
    suite("IntrusiveStructuresTests", of: ["MemoryUnits", "IntrusiveStructures"]),
    suite(
      "KernelHeapTests", of: hardware + ["PageFrames", "KernelHeap", "SimulatedMachine"]),
    suite(
      "PageFramesTests",
      of: hardware + ["PageFrames", "SimulatedMachine"]),
    suite("PageTableFormatsTests", of: ["MemoryUnits", "PageTableFormats"]),
    suite(
      "AddressSpacesTests", of: management + ["MemoryManagement", "SimulatedMachine"]),
  ],
  swiftLanguageModes: [.v6]
)
