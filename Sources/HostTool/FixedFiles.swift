// SPDX-License-Identifier: Apache-2.0

/// What is on every root disk: folders to mount on, and a small /etc that is no host's.
enum FixedFiles {
  /// What the kernel mounts on.
  static func addFolders(to contents: inout RootContents) {
    for folder in ["/dev", "/proc", "/run", "/sys", "/var", "/var/scratch"] {
      contents.addFolder(folder, permissions: 0o755)
    }
    contents.addFolder("/tmp", permissions: 0o1777)
  }

  static func add(to contents: inout RootContents) {
    addFolders(to: &contents)
    contents.addFolder("/etc", permissions: 0o755)
    contents.addFolder("/root", permissions: 0o700)
    contents.addText(
      "/etc/passwd",
      """
      root:x:0:0:root:/root:/bin/sh
      daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
      user:x:1000:1000:user:/:/bin/sh
      nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin

      """)
    contents.addText(
      "/etc/group",
      """
      root:x:0:
      daemon:x:1:
      tty:x:5:
      user:x:1000:
      nogroup:x:65534:

      """)
    contents.addText("/etc/hosts", "127.0.0.1\tlocalhost quire\n")
    contents.addText("/etc/hostname", "quire\n")
    contents.addText("/etc/localtime", universalTime)
    contents.addText(
      "/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
  }

  /// Coordinated universal time as tzfile(5) has it: version 2, one type, no change.
  private static var universalTime: String {
    let counts = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\u{1}\0\0\0\u{4}"
    let header = "TZif2" + String(repeating: "\0", count: 15) + counts
    let body = "\0\0\0\0\0\0UTC\0"
    return header + body + header + body + "\nUTC0\n"
  }
}
