// SPDX-License-Identifier: Apache-2.0

import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What each system call does: one line for each that Quire has. `Documentation/coverage` is made
/// from this file.
///
/// Linux: `arch/x86/entry/syscalls/syscall_64.tbl`.
extension Kernel {
  func perform(_ number: UInt64, _ call: CallArguments) throws(Errno) -> UInt64 {
    guard number < 512, let name = SystemCall(rawValue: UInt16(number)) else {
      return try refuse(number)
    }
    let here = Self.workingFolderNumber
    switch name {
    // Files
    case .read: return try read(call)
    case .write: return try write(call)
    case .readv: return try readVector(call)
    case .writev: return try writeVector(call)
    case .pread64: return try readAt(call)
    case .pwrite64: return try writeAt(call)
    case .preadv: return try readVectorAt(call)
    case .pwritev: return try writeVectorAt(call)
    case .preadv2: return try readVectorFlagged(call)
    case .pwritev2: return try writeVectorFlagged(call)
    case .lseek: return try seek(call)
    case .close: return try close(call.first)
    case .close_range: return try closeRange(call)
    case .dup: return try duplicate(call.first, from: 0, closesOnExecute: false)
    case .dup2: return try duplicateOver(call, flags: 0, sameIsFine: true)
    case .dup3: return try duplicateOver(call, flags: call.third, sameIsFine: false)
    case .fcntl: return try controlFile(call)
    case .flock: return try lockFile(call)
    case .ioctl: return try controlDevice(call)
    case .pipe: return try makePipe(at: call.first, flags: 0)
    case .pipe2: return try makePipe(at: call.first, flags: call.second)
    case .sendfile: return try sendFile(call)
    case .splice: return try splice(call)
    case .tee: return try tee(call)
    case .vmsplice: return try spliceMemory(call)
    case .getdents64: return try listFolder(call, .current)
    case .getdents: return try listFolder(call, .older)
    case .sync_file_range: return try synchronizeRange(call)
    case .readahead: return try readAhead(call)
    case .fallocate: return try changeRoom(call)
    case .copy_file_range: return try copyRange(call)
    case .memfd_create: return try makeMemoryFile(call)
    case .fsync: return try synchronize(call.first)
    case .fdatasync: return try synchronizeData(call.first)
    case .sync: return try synchronizeAll()
    case .syncfs: return try synchronizeVolume(call.first)
    case .fadvise64: return try adviseFile(call)
    case .poll: return try poll(call)
    case .ppoll: return try pollWithMask(call)
    case .select: return try select(call)
    case .pselect6: return try selectWithMask(call)
    case .epoll_create: return try makeEventPoll(size: call.first)
    case .epoll_create1: return try makeEventPoll(flags: call.first)
    case .epoll_ctl: return try controlEventPoll(call)
    case .epoll_wait: return try waitForEvents(call)
    case .epoll_pwait: return try waitForEventsWithMask(call)
    case .epoll_pwait2: return try waitForEventsUntil(call)
    case .eventfd: return try makeEventCounter(call.first, flags: 0)
    case .eventfd2: return try makeEventCounter(call.first, flags: call.second)
    case .timerfd_create: return try makeTimerFile(call)
    case .timerfd_settime: return try setTimerFile(call)
    case .timerfd_gettime: return try timerFileSetting(call)
    case .signalfd: return try makeSignalFile(call, flags: 0)
    case .signalfd4: return try makeSignalFile(call, flags: call.fourth)
    case .ftruncate: return try cut(descriptor: call.first, to: call.second)
    case .fchmod: return try setPermissions(descriptor: call.first, call.second)
    case .fchown: return try setOwner(descriptor: call.first, call.second, call.third)

    // Sockets
    case .socket: return try makeSocket(call)
    case .socketpair: return try makeSocketPair(call)
    case .connect: return try connect(call)
    case .getsockname: return try socketName(call)
    case .getpeername: return try peerName(call)
    case .shutdown: return try shutSocket(call)
    case .getsockopt: return try socketOption(call)
    case .setsockopt: return try setSocketOption(call)
    case .sendto: return try sendTo(call)
    case .sendmsg: return try sendMessage(call.first, call.second, call.third)
    case .recvfrom: return try receiveFrom(call)
    case .recvmsg: return try receiveMessage(call.first, call.second, call.third)
    case .sendmmsg: return try sendMessages(call)
    case .recvmmsg: return try receiveMessages(call)

    // Paths
    case .open: return try open(here, call.first, call.second, call.third)
    case .openat: return try open(call.first, call.second, call.third, call.fourth)
    case .openat2: return try openExtended(call)
    case .creat: return try open(here, call.first, 0o1101, call.second)
    case .stat: return try status(here, call.first, call.second, 0)
    case .lstat: return try status(here, call.first, call.second, 0x100)
    case .newfstatat: return try status(call.first, call.second, call.third, call.fourth)
    case .fstat: return try fileStatus(call.first, call.second)
    case .statx: return try extendedStatus(call)
    case .statfs: return try treeStatus(path: call.first, call.second)
    case .fstatfs: return try treeStatus(descriptor: call.first, call.second)
    case .access: return try checkAccess(here, call.first, call.second, 0)
    case .faccessat: return try checkAccess(call.first, call.second, call.third, 0)
    case .faccessat2: return try checkAccess(call.first, call.second, call.third, call.fourth)
    case .readlink: return try readLink(here, call.first, call.second, call.third)
    case .readlinkat: return try readLink(call.first, call.second, call.third, call.fourth)
    case .getcwd: return try workingFolderPath(call)
    case .chdir: return try changeFolder(path: call.first)
    case .fchdir: return try changeFolder(descriptor: call.first)
    case .chroot: return try changeRoot(call.first)
    case .umask: return changeCreationMask(call.first)
    case .mkdir: return try makeFolder(here, call.first, call.second)
    case .mkdirat: return try makeFolder(call.first, call.second, call.third)
    case .mknod: return try makeNode(here, call.first, call.second, call.third)
    case .mknodat: return try makeNode(call.first, call.second, call.third, call.fourth)
    case .symlink: return try makeSymbolicLink(call.first, here, call.second)
    case .symlinkat: return try makeSymbolicLink(call.first, call.second, call.third)
    case .link: return try makeLink(here, call.first, here, call.second, flags: 0)
    case .linkat:
      return try makeLink(call.first, call.second, call.third, call.fourth, flags: call.fifth)
    case .unlink: return try removeName(here, call.first, flags: 0)
    case .rmdir: return try removeName(here, call.first, flags: PathFlag.removesFolder)
    case .unlinkat: return try removeName(call.first, call.second, flags: call.third)
    case .rename: return try rename(here, call.first, here, call.second, flags: 0)
    case .renameat: return try rename(call.first, call.second, call.third, call.fourth, flags: 0)
    case .renameat2:
      return try rename(call.first, call.second, call.third, call.fourth, flags: call.fifth)
    case .chmod: return try setPermissions(here, call.first, call.second, flags: 0)
    case .fchmodat: return try setPermissions(call.first, call.second, call.third, flags: 0)
    case .fchmodat2:
      return try setPermissions(call.first, call.second, call.third, flags: call.fourth)
    case .chown: return try setOwner(here, call.first, call.second, call.third, flags: 0)
    case .lchown:
      return try setOwner(here, call.first, call.second, call.third, flags: PathFlag.noFollow)
    case .fchownat:
      return try setOwner(call.first, call.second, call.third, call.fourth, flags: call.fifth)
    case .truncate: return try cut(path: call.first, to: call.second)
    case .utime: return try setTimesInSeconds(call)
    case .utimes: return try setTimesInMicroseconds(here, call.first, call.second)
    case .futimesat:
      return try setTimesInMicroseconds(call.first, call.second, call.third)
    case .utimensat: return try setTimes(call)

    case .getxattr, .setxattr, .removexattr:
      return try refuseAttribute(call.first, call.second, 0)
    case .lgetxattr, .lsetxattr, .lremovexattr:
      return try refuseAttribute(call.first, call.second, PathFlag.noFollow)
    case .fgetxattr, .fsetxattr, .fremovexattr:
      return try refuseAttribute(descriptor: call.first, call.second)
    case .listxattr: return try listAttributes(call.first, 0)
    case .llistxattr: return try listAttributes(call.first, PathFlag.noFollow)
    case .flistxattr: return try listAttributes(descriptor: call.first)

    // Memory
    case .mmap: return try mapMemory(call)
    case .munmap: return try unmapMemory(call)
    case .mprotect: return try protectMemory(call)
    case .brk: return setBreak(call)
    case .mremap: return try remapMemory(call)
    case .madvise: return try adviseMemory(call)
    case .mincore: return try residency(call)
    case .msync: return try synchronizeMemory(call)
    case .mlock: return try lockMemory(call)
    case .mlock2: return try lockMemoryWithFlags(call)
    case .munlock: return try unlockMemory(call)
    case .mlockall: return try lockAllMemory(call)
    case .munlockall: return unlockAllMemory()

    // Processes
    case .getpid: return UInt64(heap[process].identifier)
    case .gettid: return UInt64(heap[current].identifier)
    case .getppid: return parentIdentifier
    case .fork: return try fork()
    case .vfork: return try vfork()
    case .clone: return try clone(call)
    case .clone3: return try cloneWithStructure(call)
    case .execve: return try execute(here, call.first, call.second, call.third, flags: 0)
    case .execveat:
      return try execute(call.first, call.second, call.third, call.fourth, flags: call.fifth)
    case .exit: return exit(call)
    case .exit_group: return exitGroup(call)
    case .wait4: return try wait4(call)
    case .waitid: return try waitForInformation(call)
    case .getpgid: return try group(of: call.first)
    case .getpgrp: return try group(of: 0)
    case .setpgid: return try setGroup(call)
    case .getsid: return try session(of: call.first)
    case .setsid: return try makeSession()
    case .set_tid_address: return setIdentifierAddress(call)
    case .set_robust_list: return try setRobustList(call)
    case .get_robust_list: return try robustList(call)
    case .rseq: return try registerSequences(call)
    case .futex: return try futex(call)
    case .arch_prctl: return try setThreadPointer(call)
    case .prctl: return try controlProcess(call)
    case .sched_yield: return yieldProcessor()
    case .sched_getaffinity: return try processorMask(call)
    case .sched_setaffinity: return try setProcessorMask(call)
    case .sched_getscheduler: return try policy(of: call.first)
    case .sched_setscheduler:
      return try setPolicy(call.first, call.second, call.third)
    case .sched_getparam: return try priority(call)
    case .sched_setparam: return try setPolicy(call.first, nil, call.second)
    case .sched_getattr: return try attributes(call)
    case .sched_setattr: return try setAttributes(call)
    case .ioprio_get: return try transferPriority(call)
    case .ioprio_set: return try setTransferPriority(call)
    case .sched_get_priority_max: return try largestPriority(of: call.first)
    case .sched_get_priority_min: return try smallestPriority(of: call.first)
    case .sched_rr_get_interval: return try turn(call)
    case .getpriority: return try niceness(call)
    case .setpriority: return try setNiceness(call)
    case .getcpu: return try processorNumber(call)
    case .membarrier: return try passBarrier(call)
    case .personality: return changePersonality(call.first)
    case .pidfd_open: return try openProcess(call)
    case .pidfd_send_signal: return try signalProcess(call)
    case .pidfd_getfd: return try takeDescriptor(call)
    case .process_vm_readv: return try transferMemory(call, writes: false)
    case .process_vm_writev: return try transferMemory(call, writes: true)
    case .process_madvise: return try adviseOther(call)
    case .getrlimit: return try changeLimit(of: 0, call.first, new: nil, old: call.second)
    case .setrlimit: return try changeLimit(of: 0, call.first, new: call.second, old: nil)
    case .prlimit64:
      return try changeLimit(
        of: call.first, call.second, new: call.third == 0 ? nil : call.third,
        old: call.fourth == 0 ? nil : call.fourth)
    case .getrusage: return try resourceUsage(call)
    case .times: return try times(call)

    // Users
    case .getuid: return UInt64(identity.user.real)
    case .geteuid: return UInt64(identity.user.effective)
    case .getgid: return UInt64(identity.group.real)
    case .getegid: return UInt64(identity.group.effective)
    case .getresuid: return try storeNumbers(identity.user, call)
    case .getresgid: return try storeNumbers(identity.group, call)
    case .getgroups: return try groups(call)
    case .setuid: return try setUser(call.first)
    case .setgid: return try setGroup(call.first)
    case .setreuid: return try setTwoUsers(call)
    case .setregid: return try setTwoGroups(call)
    case .setresuid: return try setThreeUsers(call)
    case .setresgid: return try setThreeGroups(call)
    case .setfsuid: return setFileUser(call.first)
    case .setfsgid: return setFileGroup(call.first)
    case .setgroups: return try setGroups(call)
    case .capget: return try capabilities(call)
    case .capset: return try setCapabilities(call)
    case .unshare: return try unshare(call)
    case .setns: return try enterNamespace(call.first)
    case .reboot: return try reboot(call)
    case .restart_syscall: throw .EINTR

    // Signals
    case .rt_sigaction: return try setSignalAction(call)
    case .rt_sigprocmask: return try changeSignalMask(call)
    case .rt_sigpending: return try pendingSignals(call)
    case .rt_sigsuspend: return try suspendForSignal(call)
    case .rt_sigreturn: return returnFromHandler()
    case .sigaltstack: return try setAlternateStack(call)
    case .pause: return try pause()
    case .kill: return try kill(call)
    case .tgkill: return try killTask(group: call.first, task: call.second, signal: call.third)
    case .tkill: return try killTask(group: nil, task: call.first, signal: call.second)
    case .rt_sigqueueinfo: return try queueSignal(call)
    case .rt_tgsigqueueinfo: return try queueTaskSignal(call)
    case .rt_sigtimedwait: return try waitForSignal(call)
    case .vhangup: return try hangUpTerminal()

    // Time
    case .clock_gettime: return try clockTime(call)
    case .clock_getres: return try clockResolution(call)
    case .gettimeofday: return try timeOfDay(call)
    case .time: return try time(call)
    case .nanosleep: return try sleep(call)
    case .clock_nanosleep: return try clockSleep(call)
    case .alarm: return try setAlarm(call)
    case .getitimer: return try intervalTimer(call)
    case .setitimer: return try setIntervalTimer(call)
    case .timer_create: return try createTimer(call)
    case .timer_settime: return try setProgramTimer(call)
    case .timer_gettime: return try programTimerSetting(call)
    case .timer_getoverrun: return try programTimerOverruns(call)
    case .timer_delete: return try deleteTimer(call)
    case .clock_settime: return try refuseToSetClock(call.first)
    case .settimeofday: throw .EPERM
    case .adjtimex: return try adjustClock(0, call.first)
    case .clock_adjtime: return try adjustClock(call.first, call.second)

    // The machine
    case .uname: return try systemName(call)
    case .sysinfo: return try systemInformation(call)
    case .sethostname: return try setHostName(call)
    case .setdomainname: return try setDomainName(call)
    case .getrandom: return try randomBytes(call)
    case .syslog: return try controlLog(call)

    // In name only
    case .name_to_handle_at, .open_by_handle_at, .landlock_create_ruleset, .landlock_add_rule,
      .landlock_restrict_self:
      return try refuse(number, .EOPNOTSUPP)
    case .mount, .umount2, .pivot_root, .kcmp, .swapon, .swapoff, .acct, .init_module,
      .finit_module, .delete_module, .kexec_load, .kexec_file_load, .iopl, .ioperm, .ptrace, .bpf,
      .userfaultfd, .fanotify_init, .lookup_dcookie, .nfsservctl, .io_uring_setup:
      return try refuse(number, .EPERM)
    case .perf_event_open: return try refuse(number, .EACCES)
    case .pkey_alloc: return try refuse(number, .ENOSPC)
    case .quotactl, .quotactl_fd: return try refuse(number, .ESRCH)
    default: return try refuse(number)
    }
  }

  /// What becomes of a call that a signal interrupts. Linux: `ERESTARTSYS` and its kin.
  func restart(of number: UInt64) -> Task.Restart {
    switch SystemCall(rawValue: UInt16(truncatingIfNeeded: number)) {
    case .nanosleep, .clock_nanosleep, .poll, .ppoll, .select, .pselect6, .pause,
      .rt_sigsuspend:
      .withoutHandler
    case .futex: futexRestart
    // These say so and are not made again, whatever the signal did.
    case .epoll_wait, .epoll_pwait, .epoll_pwait2, .rt_sigtimedwait, .restart_syscall: .none
    default: .system
    }
  }

  private func yieldProcessor() -> UInt64 {
    yield()
    return 0
  }

  private func duplicateOver(
    _ call: CallArguments, flags: UInt64, sameIsFine: Bool
  ) throws(Errno) -> UInt64 {
    let closes = UInt64(0o2000000)
    guard flags & ~closes == 0 else { throw .EINVAL }
    if UInt32(truncatingIfNeeded: call.first) == UInt32(truncatingIfNeeded: call.second) {
      _ = try file(call.first)
      guard sameIsFine else { throw .EINVAL }
      return call.second & 0xFFFF_FFFF
    }
    return try duplicate(call.first, to: call.second, closesOnExecute: flags & closes != 0)
  }

  /// `fadvise64` speaks of the future only.
  private func adviseFile(_ call: CallArguments) throws(Errno) -> UInt64 {
    let file = try file(call.first)
    guard call.fourth <= 5 else { throw .EINVAL }
    guard heap[file].behaviour != .pipe, heap[file].behaviour != .socket else {
      throw .ESPIPE
    }
    return 0
  }
}
