// SPDX-License-Identifier: Apache-2.0
// Every pointer argument of every call × {null, one, kernel, hole, read-only, straddling,
// unaligned}: what each came to, a line each. A call that the kernel has not prints `not served`.
#include "outcomes.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

enum { NULL_, ONE, KERNEL, HOLE, CONSTANT, STRADDLING, UNALIGNED, PLACES };
static const char *const kinds[] = {"null",      "one",        "kernel",   "hole",
                                    "read-only", "straddling", "unaligned"};
static long places[PLACES];
static char *buffers; // a page for each argument, and two to be unaligned in
static char *tail;    // a page before a hole
static char file[64], other[64], folder[64], link_[64];
static int data, pipes[2], folderfd, events;

static void ignore(int number) {}

// Makes everything as it was before the call before.
static void prepare(void) {
  memset(buffers, 0, 7 * PAGE);
  memset(tail, 'x', PAGE);
  lseek(data, 0, SEEK_SET);
  lseek(folderfd, 0, SEEK_SET);
  close(open(file, O_CREAT | O_RDWR, 0600));
  unlink(other);
  unlink(link_);
  symlink("target", link_);
  kill(getpid(), SIGUSR1);
}

static long call(long number, const long a[6]) {
  long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  int isFork = number == SYS_clone || number == SYS_clone3;
  if (isFork && result == 0) _exit(0);
  if (isFork && result > 0) waitpid(result, 0, __WALL);
  return result;
}

static void attempt(const char *name, const char *shape, long number, const long good[6],
                    int argument, int place) {
  long a[6];
  prepare();
  memcpy(a, good, sizeof a);
  a[argument] = places[place];
  long result = call(number, a);
  if (result == -1)
    printf("%s %d %s: %s\n", name, argument, kinds[place], strerrorname_np(errno));
  else if (strchr(shape, 'n'))
    printf("%s %d %s: %ld\n", name, argument, kinds[place], result);
  else
    printf("%s %d %s: ok\n", name, argument, kinds[place]);
  fflush(stdout);
}

// The shape has a `p` for each argument that is a pointer, `q` if null would be to wait for ever, a
// `-` for each other, then `n` if the result is told, `f` if each attempt needs its own process.
static void check(const char *name, const char *shape, long number, long a, long b, long c, long d,
                  long e, long f) {
  const long good[6] = {a, b, c, d, e, f};
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    errno = 0;
    const long nothing[6] = {-1, -1, -1, -1, -1, -1};
    int asksByOperation = number == SYS_futex;
    if (!asksByOperation && call(number, nothing) == -1 && errno == ENOSYS) {
      printf("%s: not served\n", name);
      fflush(stdout);
      _exit(0);
    }
    for (int argument = 0; argument < 6 && shape[argument]; argument++) {
      if (!strchr("pq", shape[argument])) continue;
      for (int place = shape[argument] == 'q'; place < PLACES; place++) {
        pid_t own = strchr(shape, 'f') ? fork() : 0;
        int status = 0;
        if (own > 0) {
          waitpid(own, &status, 0);
          if (WIFSIGNALED(status))
            printf("%s %d %s: signal %d\n", name, argument, kinds[place], WTERMSIG(status));
          fflush(stdout);
          continue;
        }
        attempt(name, shape, number, good, argument, place);
        if (strchr(shape, 'f')) _exit(0);
      }
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("%s: signal %d\n", name, WTERMSIG(status));
}

#define CHECK(name, shape, a, b, c, d, e, f)                                                      \
  check(#name, shape, SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define BUFFER(index) (buffers + (index) * PAGE)
#define HERE AT_FDCWD

static void sockets(void) {
  int ends[2], single = socket(AF_UNIX, SOCK_STREAM, 0);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends)) exit(1);
  if (send(ends[1], buffers, 4096, 0) != 4096) exit(1);
  CHECK(socketpair, "---p", AF_UNIX, SOCK_STREAM, 0, BUFFER(3), 0, 0);
  CHECK(connect, "-p", single, BUFFER(1), 16, 0, 0, 0);
  CHECK(getsockname, "-pp", ends[0], BUFFER(1), BUFFER(2), 0, 0, 0);
  CHECK(getpeername, "-pp", ends[0], BUFFER(1), BUFFER(2), 0, 0, 0);
  CHECK(getsockopt, "---pp", ends[0], SOL_SOCKET, SO_TYPE, BUFFER(3), BUFFER(4), 0);
  CHECK(setsockopt, "---p", ends[0], SOL_SOCKET, SO_REUSEADDR, BUFFER(3), 4, 0);
  CHECK(sendto, "-p", ends[0], BUFFER(1), 8, 0, 0, 0);
  CHECK(recvfrom, "-p--pp", ends[0], BUFFER(1), 8, 0, BUFFER(4), BUFFER(5));
  CHECK(sendmsg, "-p", ends[0], BUFFER(1), 0, 0, 0, 0);
  CHECK(recvmsg, "-p", ends[0], BUFFER(1), 0, 0, 0, 0);
  CHECK(sendmmsg, "-p", ends[0], BUFFER(1), 1, 0, 0, 0);
  CHECK(recvmmsg, "-p--p", ends[0], BUFFER(1), 1, 0, BUFFER(4), 0);
}

static void files(void) {
  CHECK(read, "-pn", data, BUFFER(1), 64, 0, 0, 0);
  CHECK(write, "-pn", pipes[1], BUFFER(1), 64, 0, 0, 0);
  CHECK(pread64, "-pn", data, BUFFER(1), 64, 0, 0, 0);
  CHECK(pwrite64, "-pn", data, BUFFER(1), 64, 0, 0, 0);
  CHECK(readv, "-pn", data, BUFFER(1), 1, 0, 0, 0);
  CHECK(writev, "-pn", data, BUFFER(1), 1, 0, 0, 0);
  CHECK(preadv, "-pn", data, BUFFER(1), 1, 0, 0, 0);
  CHECK(pwritev, "-pn", data, BUFFER(1), 1, 0, 0, 0);
  CHECK(preadv2, "-pn", data, BUFFER(1), 1, 0, 0, 0);
  CHECK(pwritev2, "-pn", data, BUFFER(1), 1, 0, 0, 0);
  CHECK(pipe, "p", BUFFER(0), 0, 0, 0, 0, 0);
  CHECK(pipe2, "p", BUFFER(0), 0, 0, 0, 0, 0);
  CHECK(sendfile, "--pn", pipes[1], data, BUFFER(2), 8, 0, 0);
  CHECK(copy_file_range, "-p-pn", data, BUFFER(1), data, BUFFER(3), 0, 0);
  CHECK(getdents64, "-p", folderfd, BUFFER(1), 4096, 0, 0, 0);
  CHECK(getdents, "-p", folderfd, BUFFER(1), 4096, 0, 0, 0);
  CHECK(fcntl, "--p", data, F_GETLK, BUFFER(2), 0, 0, 0);
  CHECK(ioctl, "--p", pipes[0], FIONREAD, BUFFER(2), 0, 0, 0);
  CHECK(poll, "p", BUFFER(0), 1, 0, 0, 0, 0);
  CHECK(ppoll, "p-qp", BUFFER(0), 1, BUFFER(2), BUFFER(3), 8, 0);
  CHECK(select, "-pppq", 8, BUFFER(1), BUFFER(2), BUFFER(3), BUFFER(4), 0);
  CHECK(pselect6, "-pppqp", 8, BUFFER(1), BUFFER(2), BUFFER(3), BUFFER(4), BUFFER(5));
  CHECK(epoll_ctl, "---p", events, EPOLL_CTL_ADD, pipes[0], BUFFER(3), 0, 0);
  CHECK(epoll_wait, "-p", events, BUFFER(1), 4, 0, 0, 0);
  CHECK(epoll_pwait, "-p--p", events, BUFFER(1), 4, 0, BUFFER(4), 8);
  CHECK(epoll_pwait2, "-p-qp", events, BUFFER(1), 4, BUFFER(3), BUFFER(4), 8);
  CHECK(memfd_create, "p", BUFFER(0), 0, 0, 0, 0, 0);
  CHECK(signalfd, "-p", -1, BUFFER(1), 8, 0, 0, 0);
  CHECK(signalfd4, "-p", -1, BUFFER(1), 8, 0, 0, 0);
  CHECK(splice, "-p-pn", data, BUFFER(1), pipes[1], BUFFER(3), 8, 0);
  CHECK(vmsplice, "-pn", pipes[1], BUFFER(1), 1, 0, 0, 0);
}

static void paths(void) {
  CHECK(open, "p", file, O_RDONLY, 0, 0, 0, 0);
  CHECK(openat, "-p", HERE, file, O_RDONLY, 0, 0, 0);
  CHECK(openat2, "-pp", HERE, file, BUFFER(2), 24, 0, 0);
  CHECK(creat, "p", file, 0600, 0, 0, 0, 0);
  CHECK(stat, "pp", file, BUFFER(1), 0, 0, 0, 0);
  CHECK(lstat, "pp", file, BUFFER(1), 0, 0, 0, 0);
  CHECK(fstat, "-p", data, BUFFER(1), 0, 0, 0, 0);
  CHECK(newfstatat, "-pp", HERE, file, BUFFER(2), 0, 0, 0);
  CHECK(statx, "-p--p", HERE, file, 0, 0x7ff, BUFFER(4), 0);
  CHECK(statfs, "pp", file, BUFFER(1), 0, 0, 0, 0);
  CHECK(fstatfs, "-p", data, BUFFER(1), 0, 0, 0, 0);
  CHECK(access, "p", file, 4, 0, 0, 0, 0);
  CHECK(faccessat, "-p", HERE, file, 4, 0, 0, 0);
  CHECK(faccessat2, "-p", HERE, file, 4, 0, 0, 0);
  CHECK(readlink, "ppn", link_, BUFFER(1), 64, 0, 0, 0);
  CHECK(readlinkat, "-ppn", HERE, link_, BUFFER(2), 64, 0, 0);
  CHECK(getcwd, "p", BUFFER(0), 4096, 0, 0, 0, 0);
  CHECK(chdir, "p", folder, 0, 0, 0, 0, 0);
  CHECK(mkdir, "p", other, 0700, 0, 0, 0, 0);
  CHECK(mkdirat, "-p", HERE, other, 0700, 0, 0, 0);
  CHECK(mknod, "p", other, S_IFREG | 0600, 0, 0, 0, 0);
  CHECK(mknodat, "-p", HERE, other, S_IFREG | 0600, 0, 0, 0);
  CHECK(rmdir, "p", folder, 0, 0, 0, 0, 0);
  CHECK(symlink, "pp", "target", other, 0, 0, 0, 0);
  CHECK(symlinkat, "p-p", "target", HERE, other, 0, 0, 0);
  CHECK(link, "pp", file, other, 0, 0, 0, 0);
  CHECK(linkat, "-p-p", HERE, file, HERE, other, 0, 0);
  CHECK(unlink, "p", file, 0, 0, 0, 0, 0);
  CHECK(unlinkat, "-p", HERE, file, 0, 0, 0, 0);
  CHECK(rename, "pp", file, other, 0, 0, 0, 0);
  CHECK(renameat, "-p-p", HERE, file, HERE, other, 0, 0);
  CHECK(renameat2, "-p-p", HERE, file, HERE, other, 0, 0);
  CHECK(chmod, "p", file, 0600, 0, 0, 0, 0);
  CHECK(fchmodat, "-p", HERE, file, 0600, 0, 0, 0);
  CHECK(fchmodat2, "-p", HERE, file, 0600, 0, 0, 0);
  CHECK(chown, "p", file, 0, 0, 0, 0, 0);
  CHECK(lchown, "p", file, 0, 0, 0, 0, 0);
  CHECK(fchownat, "-p", HERE, file, 0, 0, 0, 0);
  CHECK(truncate, "p", file, 8, 0, 0, 0, 0);
  CHECK(utime, "pp", file, BUFFER(1), 0, 0, 0, 0);
  CHECK(utimes, "pp", file, BUFFER(1), 0, 0, 0, 0);
  CHECK(futimesat, "-pp", HERE, file, BUFFER(2), 0, 0, 0);
  CHECK(utimensat, "-pp", HERE, file, BUFFER(2), 0, 0, 0);
}

static void attributes(void) {
  CHECK(listxattr, "pp", file, BUFFER(1), 64, 0, 0, 0);
  CHECK(llistxattr, "pp", file, BUFFER(1), 64, 0, 0, 0);
  CHECK(flistxattr, "-p", data, BUFFER(1), 64, 0, 0, 0);
  CHECK(chroot, "pf", folder, 0, 0, 0, 0, 0);
}

static void processes(void) {
  const char *const none[] = {0};
  CHECK(execve, "pppf", "/does/not/exist", none, none, 0, 0, 0);
  CHECK(execveat, "-pppf", HERE, "/does/not/exist", none, none, 0, 0);
  CHECK(wait4, "-p-p", -1, BUFFER(1), WNOHANG, BUFFER(3), 0, 0);
  CHECK(waitid, "--p-p", P_ALL, 0, BUFFER(2), WNOHANG | WEXITED, BUFFER(4), 0);
  CHECK(clone, "--ppf", CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, BUFFER(2),
        BUFFER(3), 0, 0);
  CHECK(clone3, "pf", BUFFER(0), 88, 0, 0, 0, 0);
  CHECK(set_robust_list, "pf", BUFFER(0), 24, 0, 0, 0, 0);
  CHECK(get_robust_list, "-pp", 0, BUFFER(1), BUFFER(2), 0, 0, 0);
  CHECK(set_tid_address, "pf", BUFFER(0), 0, 0, 0, 0, 0);
  CHECK(rseq, "pf", BUFFER(0), 32, 0, 0, 0, 0);
  CHECK(futex, "p--p", BUFFER(0), 0, 1, BUFFER(3), 0, 0);
  CHECK(arch_prctl, "-p", 0x1003, BUFFER(1), 0, 0, 0, 0);
  CHECK(prctl, "-p", 15, BUFFER(1), 0, 0, 0, 0);
  CHECK(sched_getaffinity, "--p", 0, 128, BUFFER(2), 0, 0, 0);
  CHECK(sched_setaffinity, "--p", 0, 8, BUFFER(2), 0, 0, 0);
  CHECK(sched_getparam, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(sched_setparam, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(sched_setscheduler, "--p", 0, 0, BUFFER(2), 0, 0, 0);
  CHECK(sched_rr_get_interval, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(sched_getattr, "-p", 0, BUFFER(1), 48, 0, 0, 0);
  CHECK(sched_setattr, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(getcpu, "pp", BUFFER(0), BUFFER(1), 0, 0, 0, 0);
  CHECK(getrlimit, "-p", RLIMIT_STACK, BUFFER(1), 0, 0, 0, 0);
  CHECK(setrlimit, "-p", RLIMIT_CORE, BUFFER(1), 0, 0, 0, 0);
  CHECK(prlimit64, "--pp", 0, RLIMIT_CORE, BUFFER(2), BUFFER(3), 0, 0);
  CHECK(getrusage, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(times, "p", BUFFER(0), 0, 0, 0, 0, 0);
  CHECK(getresuid, "ppp", BUFFER(0), BUFFER(1), BUFFER(2), 0, 0, 0);
  CHECK(getresgid, "ppp", BUFFER(0), BUFFER(1), BUFFER(2), 0, 0, 0);
  CHECK(setgroups, "-p", 1, BUFFER(1), 0, 0, 0, 0);
  CHECK(capget, "pp", BUFFER(0), BUFFER(1), 0, 0, 0, 0);
  CHECK(capset, "pp", BUFFER(0), BUFFER(1), 0, 0, 0, 0);
  CHECK(uname, "p", BUFFER(0), 0, 0, 0, 0, 0);
  CHECK(sysinfo, "p", BUFFER(0), 0, 0, 0, 0, 0);
  CHECK(getrandom, "pn", BUFFER(0), 8, 0, 0, 0, 0);
  // A length of 0 takes the machine's names away: whoever this runs on keeps them.
  struct utsname names;
  uname(&names);
  CHECK(sethostname, "p", BUFFER(0), 0, 0, 0, 0, 0);
  syscall(SYS_sethostname, names.nodename, strlen(names.nodename));
  CHECK(setdomainname, "p", BUFFER(0), 0, 0, 0, 0, 0);
  syscall(SYS_setdomainname, names.domainname, strlen(names.domainname));
  int self = syscall(SYS_pidfd_open, getpid(), 0);
  CHECK(pidfd_send_signal, "--p", self, 0, BUFFER(2), 0, 0, 0);
  CHECK(process_madvise, "-p", self, BUFFER(1), 1, MADV_COLD, 0, 0);
  close(self);
  CHECK(process_vm_readv, "-p-p", getpid(), BUFFER(1), 1, BUFFER(3), 1, 0);
  CHECK(process_vm_writev, "-p-p", getpid(), BUFFER(1), 1, BUFFER(3), 1, 0);
}

static void signals(void) {
  CHECK(rt_sigaction, "-pp", SIGUSR2, BUFFER(1), BUFFER(2), 8, 0, 0);
  CHECK(rt_sigprocmask, "-pp", SIG_BLOCK, BUFFER(1), BUFFER(2), 8, 0, 0);
  CHECK(rt_sigpending, "p", BUFFER(0), 8, 0, 0, 0, 0);
  CHECK(rt_sigsuspend, "p", BUFFER(0), 8, 0, 0, 0, 0);
  CHECK(rt_sigtimedwait, "ppq", BUFFER(0), BUFFER(1), BUFFER(2), 8, 0, 0);
  CHECK(rt_sigqueueinfo, "--p", getpid(), 0, BUFFER(2), 0, 0, 0);
  CHECK(rt_tgsigqueueinfo, "---p", getpid(), getpid(), 0, BUFFER(3), 0, 0);
  CHECK(sigaltstack, "ppf", BUFFER(0), BUFFER(1), 0, 0, 0, 0);
}

static void moments(void) {
  CHECK(clock_gettime, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(adjtimex, "p", BUFFER(0), 0, 0, 0, 0, 0);
  CHECK(clock_adjtime, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(clock_getres, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(gettimeofday, "pp", BUFFER(0), BUFFER(1), 0, 0, 0, 0);
  CHECK(time, "p", BUFFER(0), 0, 0, 0, 0, 0);
  CHECK(nanosleep, "pp", BUFFER(0), BUFFER(1), 0, 0, 0, 0);
  CHECK(clock_nanosleep, "--pp", 0, 0, BUFFER(2), BUFFER(3), 0, 0);
  CHECK(getitimer, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(setitimer, "-pp", 0, BUFFER(1), BUFFER(2), 0, 0, 0);
  CHECK(timer_create, "-pp", 0, BUFFER(1), BUFFER(2), 0, 0, 0);
  CHECK(timer_settime, "--pp", 0, 0, BUFFER(2), BUFFER(3), 0, 0);
  CHECK(timer_gettime, "-p", 0, BUFFER(1), 0, 0, 0, 0);
  CHECK(timerfd_settime, "--pp", data, 0, BUFFER(2), BUFFER(3), 0, 0);
  CHECK(timerfd_gettime, "-p", data, BUFFER(1), 0, 0, 0, 0);
}

static void memory(void) {
  char *area = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mmap, "pf", 0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(munmap, "pf", area, PAGE, 0, 0, 0, 0);
  CHECK(mprotect, "pf", area, PAGE, PROT_READ, 0, 0, 0);
  CHECK(mremap, "pf", area, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0, 0);
  CHECK(madvise, "pf", area, PAGE, MADV_WILLNEED, 0, 0, 0);
  CHECK(mincore, "p-p", area, PAGE, BUFFER(2), 0, 0, 0);
  CHECK(msync, "p", area, PAGE, MS_ASYNC, 0, 0, 0);
  CHECK(mlock, "pf", area, PAGE, 0, 0, 0, 0);
  CHECK(mlock2, "pf", area, PAGE, 0, 0, 0, 0);
  CHECK(munlock, "p", area, PAGE, 0, 0, 0, 0);
}

int main(void) {
  snprintf(folder, sizeof folder, "/tmp/badinput-%d", getpid());
  snprintf(file, sizeof file, "%s/file", folder);
  snprintf(other, sizeof other, "%s/other", folder);
  snprintf(link_, sizeof link_, "%s/link", folder);
  buffers = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *run = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  tail = run + PAGE;
  munmap(run + 2 * PAGE, PAGE);
  mprotect(run, PAGE, PROT_READ);
  if (mkdir(folder, 0700)) return 1;
  data = open(file, O_CREAT | O_RDWR, 0600);
  folderfd = open(folder, O_RDONLY | O_DIRECTORY);
  events = epoll_create1(0);
  if (data < 0 || folderfd < 0 || pipe2(pipes, O_NONBLOCK)) return 1;
  char text[256] = "the file's contents";
  if (write(data, text, sizeof text) != sizeof text) return 1;
  if (write(pipes[1], text, 16) != 16) return 1;
  signal(SIGUSR1, ignore);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, 0);
  places[ONE] = 1;
  places[KERNEL] = (long)0xffff888000001000;
  places[HOLE] = (long)(run + 2 * PAGE);
  places[CONSTANT] = (long)run;
  places[STRADDLING] = (long)(run + 2 * PAGE - 1);
  places[UNALIGNED] = (long)(buffers + 6 * PAGE + 1);
  files();
  paths();
  attributes();
  processes();
  signals();
  moments();
  memory();
  sockets();
  unlink(file);
  unlink(other);
  unlink(link_);
  rmdir(folder);
  puts("the machine goes on");
  return 0;
}
