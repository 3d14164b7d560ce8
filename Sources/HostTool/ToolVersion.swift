// SPDX-License-Identifier: Apache-2.0

/// What a result depends on besides the program.
public enum ToolVersion {
  /// The tool's own version.
  public static var number: String { "0.1.0" }

  public static func lines(host: HostEnvironment) throws(ToolFailure) -> [String] {
    let kernel = try KernelImage(host: host)
    let emulator = try host.emulator()
    return [
      "quire \(number)", "kernel \(kernel.digest)", try MachineRun.emulatorVersion(emulator),
    ]
  }
}
