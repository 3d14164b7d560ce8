// SPDX-License-Identifier: Apache-2.0
// Wild pointers to every call that takes one: Linux's errno, and nothing else happens.
#include "outcomes.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

static void try(const char *name, const char *kind, long number, long a, long b, long c, long d) {
  long result = syscall(number, a, b, c, d, 0, 0);
  if (result == -1)
    printf("%s %s: %s\n", name, kind, strerrorname_np(errno));
  else
    printf("%s %s: %s\n", name, kind, result == 0 ? "0" : "more");
}

int main(void) {
  char *pages = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *constant = pages + PAGE;
  mprotect(constant, PAGE, PROT_READ);
  munmap(pages + 2 * PAGE, PAGE);
  int file = open("/proc/self/exe", O_RDONLY);
  int pipes[2];
  if (file < 0 || pipe(pipes)) return 1;
  struct {
    const char *kind;
    long place;
  } places[] = {
      {"null", 0},
      {"one", 1},
      {"kernel", (long)0xffff888000001000},
      {"top", -1},
      {"hole", (long)(pages + 2 * PAGE)},
      {"straddling", (long)(pages + 2 * PAGE - 1)},
  };
  for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
    const char *k = places[i].kind;
    long p = places[i].place;
    try("read", k, SYS_read, file, p, 64, 0);
    try("pread64", k, SYS_pread64, file, p, 64, 0);
    try("write", k, SYS_write, pipes[1], p, 64, 0);
    try("readv", k, SYS_readv, file, p, 1, 0);
    try("writev", k, SYS_writev, pipes[1], p, 1, 0);
    try("open", k, SYS_open, p, O_RDONLY, 0, 0);
    try("openat", k, SYS_openat, AT_FDCWD, p, O_RDONLY, 0);
    try("stat", k, SYS_stat, p, (long)pages, 0, 0);
    try("stat result", k, SYS_stat, (long)"/", p, 0, 0);
    try("fstat", k, SYS_fstat, file, p, 0, 0);
    try("newfstatat", k, SYS_newfstatat, AT_FDCWD, p, (long)pages, 0);
    try("access", k, SYS_access, p, 0, 0, 0);
    try("readlink", k, SYS_readlink, p, (long)pages, 64, 0);
    try("readlink result", k, SYS_readlink, (long)"/proc/self/exe", p, 64, 0);
    try("getcwd", k, SYS_getcwd, p, 64, 0, 0);
    try("chdir", k, SYS_chdir, p, 0, 0, 0);
    try("execve", k, SYS_execve, p, 0, 0, 0);
    try("execve arguments", k, SYS_execve, (long)"/proc/self/exe", p == 0 ? 8 : p, 0, 0);
    try("pipe", k, SYS_pipe, p, 0, 0, 0);
    try("pipe2", k, SYS_pipe2, p, 0, 0, 0);
    try("wait4", k, SYS_wait4, -1, p, 1, 0);
    try("uname", k, SYS_uname, p, 0, 0, 0);
    try("sysinfo", k, SYS_sysinfo, p, 0, 0, 0);
    try("clock_gettime", k, SYS_clock_gettime, 0, p, 0, 0);
    try("nanosleep", k, SYS_nanosleep, p, 0, 0, 0);
    try("rt_sigaction", k, SYS_rt_sigaction, SIGUSR1, p, 0, 8);
    try("rt_sigprocmask", k, SYS_rt_sigprocmask, SIG_BLOCK, p, 0, 8);
    try("prlimit64", k, SYS_prlimit64, 0, RLIMIT_STACK, 0, p);
    try("getrusage", k, SYS_getrusage, 0, p, 0, 0);
    try("poll", k, SYS_poll, p, 1, 0, 0);
    try("getrandom", k, SYS_getrandom, p, 8, 0, 0);
    try("getdents64", k, SYS_getdents64, file, p, 64, 0);
    try("mincore", k, SYS_mincore, (long)pages, PAGE, p, 0);
    try("munmap", k, SYS_munmap, p, PAGE, 0, 0);
    try("mprotect", k, SYS_mprotect, p & ~4095, PAGE, PROT_READ, 0);
    lseek(file, 0, SEEK_SET);
  }
  try("read into a constant", "", SYS_read, file, (long)constant, 64, 0);
  try("write from a constant", "", SYS_write, pipes[1], (long)constant, 64, 0);
  puts("the machine goes on");
  return 0;
}
