// SPDX-License-Identifier: Apache-2.0

/// The root that Linux unpacks at boot: a program as /init, and the console that it writes to.
///
/// Source: Linux's Documentation/driver-api/early-userspace/buffer-format.rst, format `newc`.
struct RAMArchive {
  private(set) var bytes: [UInt8] = []

  init(program: [UInt8]) {
    add("dev", mode: 0o040_755)
    add("dev/console", mode: 0o020_600, device: (5, 1))
    add("init", mode: 0o100_755, content: program)
    add("TRAILER!!!", mode: 0)
  }

  private mutating func add(
    _ name: String, mode: Int, device: (major: Int, minor: Int) = (0, 0), content: [UInt8] = []
  ) {
    let path = Array(name.utf8) + [0]
    let fields = [
      bytes.count, mode, 0, 0, 1, 0, content.count, 0, 0, device.major, device.minor, path.count, 0,
    ]
    bytes += Array("070701".utf8)
    for field in fields {
      let digits = String(field, radix: 16, uppercase: true)
      bytes += Array((String(repeating: "0", count: 8 - digits.count) + digits).utf8)
    }
    bytes += path
    pad()
    bytes += content
    pad()
  }

  private mutating func pad() {
    while bytes.count % 4 != 0 { bytes.append(0) }
  }
}
