// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// What the tool takes from its own environment.
public struct HostEnvironment: Sendable {
  public var variables: [String: String]

  public init(variables: [String: String]) { self.variables = variables }

  /// The environment of this process.
  public static var current: HostEnvironment {
    var variables: [String: String] = [:]
    // SAFETY: environ is a list of terminated texts that ends with nil; nothing changes it here.
    var place = unsafe environ
    while let text = unsafe place.pointee {
      let pair = unsafe String(cString: text)
      if let equals = pair.firstIndex(of: "=") {
        variables[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
      }
      unsafe place = place.advanced(by: 1)
    }
    return HostEnvironment(variables: variables)
  }

  var programFolders: [String] {
    let path = variables["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    // An empty part stands for the current folder.
    return path.split(separator: ":", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? "." : String($0) }
  }

  /// The emulator's path.
  func emulator() throws(ToolFailure) -> String {
    for folder in programFolders + ["/usr/bin", "/usr/local/bin"] {
      let path = "\(folder)/qemu-system-x86_64"
      // SAFETY: the path is terminated.
      if unsafe may_execute(path) == 0 { return path }
    }
    throw ToolFailure(
      .failed, "qemu-system-x86_64 is missing", "apt-get install qemu-system-x86")
  }
}
