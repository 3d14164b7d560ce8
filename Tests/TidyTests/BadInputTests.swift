// SPDX-License-Identifier: Apache-2.0

import Testing

/// Tests/programs/badinput.c tries bad pointers with every call that takes one.
@Suite struct BadInputTests {
  /// Served calls whose arguments are all numbers, or whose pointers are never followed.
  static let withoutPointers: Set<String> = [
    "lseek", "close", "close_range", "dup", "dup2", "dup3", "fsync", "fdatasync", "sync", "syncfs",
    "sync_file_range", "fadvise64", "fallocate", "flock", "ftruncate", "fchmod", "fchown",
    "fchdir", "umask", "readahead", "tee", "eventfd", "eventfd2", "epoll_create",
    "epoll_create1", "timerfd_create", "timer_getoverrun", "timer_delete", "memfd_secret",
    "brk", "mlockall", "munlockall", "remap_file_pages", "pkey_alloc", "pkey_free",
    "getpid", "gettid", "getppid", "fork", "vfork", "exit", "exit_group", "getpgid", "getpgrp",
    "setpgid", "getsid", "setsid", "sched_yield", "sched_getscheduler",
    "sched_get_priority_max", "sched_get_priority_min", "getpriority", "setpriority",
    "ioprio_get", "ioprio_set", "personality", "membarrier",
    "getuid", "geteuid", "getgid", "getegid", "getgroups", "setuid", "setreuid", "setresuid",
    "setgid", "setregid", "setresgid", "setfsuid", "setfsgid",
    "rt_sigreturn", "pause", "kill", "tgkill", "tkill", "alarm", "pidfd_open", "restart_syscall",
    "pidfd_getfd", "setns", "reboot", "vhangup", "unshare", "socket", "shutdown", "syslog",
  ]

  @Test func `every served call with a pointer is tried with bad ones`() throws {
    let repository = Repository.shared
    let program = try #require(repository.file("Tests/programs/badinput.c"))
    let page = try #require(repository.file("Sources/Processes/SystemCallTable.swift"))
    let tried = Set(
      program.lines.compactMap { line in
        line.split(separator: "(").count > 1 && line.contains("CHECK(")
          ? line.split(separator: "(")[1].split(separator: ",").first.map(String.init) : nil
      })
    let served = Set(CoveragePage.entries(page.lines).filter { !$0.isRefused }.map(\.call))
    #expect(served.count > 100)
    #expect(served.subtracting(tried).subtracting(Self.withoutPointers).sorted() == [])
    #expect(tried.intersection(Self.withoutPointers).sorted() == [])
  }
}
