// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// The bootable images: `Kernel/build.sh` builds them, for no operating system at all.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Lifetimes"),
]

/// A module of the core, from the package around this one.
func core(_ name: String) -> Target.Dependency { .product(name: name, package: "quire") }

let package = Package(
  name: "Kernel",
  products: [
    .executable(name: "kernel", targets: ["kernel"]),
    .executable(name: "machinetest", targets: ["machinetest"]),
  ],
  dependencies: [.package(name: "quire", path: "..")],
  targets: [
    .target(name: "CProcessor"),
    .target(
      name: "BareMetalMachine",
      dependencies: [
        "CProcessor", core("MemoryUnits"), core("MemoryEvents"), core("Machine"),
        core("PageTableFormats"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "kernel",
      dependencies: [
        "BareMetalMachine", core("MemoryUnits"), core("MemoryEvents"), core("Machine"),
        core("PageFrames"), core("KernelMappings"), core("MemoryManagement"), core("Processes"),
      ],
      swiftSettings: strict),
    // A second image, that tests the machine below the first: `Tests/boot`.
    .target(name: "CTestPrograms"),
    .executableTarget(
      name: "machinetest",
      dependencies: [
        "BareMetalMachine", "CTestPrograms", core("MemoryUnits"), core("MemoryEvents"),
        core("Machine"), core("PageTableFormats"),
      ],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
