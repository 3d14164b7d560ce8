// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import LinuxABI
import MemoryUnits
import Testing

@testable import FileSystems

/// Files of /proc that can be written.
@Suite struct SettingTests {
  private func set(_ test: TestFiles, _ path: String, _ text: String) throws {
    let file = try test.open(path, .writeOnly)
    defer { test.files.release(file) }
    #expect(try test.write(file, [UInt8](text.utf8)) == text.utf8.count)
  }

  @Test func `a setting that the kernel obeys reads as it was written`() throws {
    try ProcessFolderTests.run { test in
      for (name, old, new) in [
        ("vm/overcommit_memory", "0", "2"), ("vm/overcommit_ratio", "50", "80"),
        ("vm/max_map_count", "65530", "100"), ("kernel/hostname", "quire", "other"),
      ] {
        #expect(try test.text("/proc/sys/" + name) == old + "\n")
        try set(test, "/proc/sys/" + name, new + "\n")
        #expect(try test.text("/proc/sys/" + name) == new + "\n")
      }
      let policy = test.environment.memory.value.policy
      #expect(policy.overcommit == .never && policy.areaLimit == 100)
      try set(test, "/proc/sys/vm/drop_caches", "3")
      #expect(test.host.dropCount == 1)
    }
  }

  @Test func `what is no such value is refused and changes nothing`() throws {
    try ProcessFolderTests.run { test in
      for text in ["3", "-1", "x", "1x", " ", "99999999999999999999"] {
        #expect(throws: Errno.EINVAL) { try set(test, "/proc/sys/vm/overcommit_memory", text) }
      }
      let kept = try test.text("/proc/sys/vm/overcommit_memory")
      #expect(kept == "0\n")
      #expect(throws: Errno.EINVAL) { try set(test, "/proc/self/oom_score_adj", "1001") }
    }
  }

  @Test func `what cannot be set cannot be opened for writing by anybody`() throws
  {
    try ProcessFolderTests.run { test in
      for name in ["vm/swappiness", "kernel/osrelease", "fs/file-max"] {
        #expect(throws: Errno.EACCES) { _ = try test.open("/proc/sys/" + name, .writeOnly) }
      }
      #expect(throws: Errno.EACCES) { _ = try test.open("/proc/sys/vm/drop_caches") }
      #expect(throws: Errno.EIO) { try set(test, "/proc/meminfo", "1") }
      #expect(throws: Errno.EINVAL) { try set(test, "/proc/self/maps", "1") }
    }
  }

  @Test func `names and adjustments reach the process`() throws {
    try ProcessFolderTests.run { test in
      try set(test, "/proc/self/comm", "a name that is too long")
      #expect(test.host.name == [UInt8]("a name that is ".utf8) + [0])
      try set(test, "/proc/self/oom_score_adj", " -17\n")
      #expect(try test.text("/proc/self/oom_score_adj") == "-17\n")
      try set(test, "/proc/self/oom_adj", "-17")
      #expect(test.host.adjustment == -1000)
      #expect(try test.text("/proc/self/oom_adj") == "-17\n")
      try set(test, "/proc/self/oom_adj", "15")
      #expect(test.host.adjustment == 1000)
    }
  }
}
