// SPDX-License-Identifier: Apache-2.0
// Calls that few programs make and many try: flags of transfers, several messages at once,
// programs begun from descriptors, scheduling in one structure, the clock's rightness.
#include "outcomes.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <time.h>

static void number(const char *name, long result) {
  if (result == -1)
    printf("%s: %s\n", name, strerrorname_np(errno));
  else
    printf("%s: %ld\n", name, result);
}

static void transfers(void) {
  int file = open("transfers", O_CREAT | O_RDWR | O_TRUNC, 0600);
  char text[8] = "abcdefg";
  struct iovec vector = {text, 7};
  for (long flags = 0; flags < 0x40; flags = flags ? flags * 2 : 1) {
    if (flags == 8) continue;
    printf("flag %ld\n", flags);
    number("write", syscall(SYS_pwritev2, file, &vector, 1, 0l, 0l, flags));
    number("read", syscall(SYS_preadv2, file, &vector, 1, 0l, 0l, flags));
    number("size", lseek(file, 0, SEEK_END));
    lseek(file, 3, SEEK_SET);
    number("write here", syscall(SYS_pwritev2, file, &vector, 1, -1l, -1l, flags));
    number("at", lseek(file, 0, SEEK_CUR));
    number("read here", syscall(SYS_preadv2, file, &vector, 1, -1l, -1l, flags));
  }
  number("unknown", syscall(SYS_pwritev2, file, &vector, 1, 0l, 0l, 0x40000000l));
  number("both", syscall(SYS_pwritev2, file, &vector, 1, 0l, 0l, 0x30l));
  number("negative", syscall(SYS_preadv2, file, &vector, 1, -2l, -1l, 0l));
  int appending = open("transfers", O_WRONLY | O_APPEND);
  number("append", syscall(SYS_pwritev2, appending, &vector, 1, 0l, 0l, 0l));
  number("size", lseek(file, 0, SEEK_END));
  number("no append", syscall(SYS_pwritev2, appending, &vector, 1, 1l, 0l, 0x20l));
  number("size", lseek(file, 0, SEEK_END));
  int ends[2];
  pipe(ends);
  number("pipe at", syscall(SYS_pwritev2, ends[1], &vector, 1, 0l, 0l, 0l));
  number("pipe", syscall(SYS_pwritev2, ends[1], &vector, 1, -1l, -1l, 2l));
  number("pipe", syscall(SYS_preadv2, ends[0], &vector, 1, -1l, -1l, 0l));
  close(ends[0]), close(ends[1]), close(file), close(appending);
}

static int byName(const void *left, const void *right) {
  return strcmp(*(char **)left, *(char **)right);
}

static void oldFolders(void) {
  struct old { unsigned long inode, next; unsigned short size; char name[]; };
  mkdir("folder", 0700), mkdir("folder/inner", 0700);
  close(open("folder/file", O_CREAT | O_WRONLY, 0600));
  symlink("file", "folder/link");
  int folder = open("folder", O_RDONLY | O_DIRECTORY);
  char buffer[1024], lines[16][64], *sorted[16];
  int count = 0;
  long got;
  while ((got = syscall(SYS_getdents, folder, buffer, sizeof buffer)) > 0)
    for (long at = 0; at < got; count++) {
      struct old *entry = (struct old *)(buffer + at);
      snprintf(lines[count], 64, "%s %d %d", entry->name, entry->size, buffer[at + entry->size - 1]);
      sorted[count] = lines[count];
      at += entry->size;
    }
  qsort(sorted, count, sizeof *sorted, byName);
  for (int i = 0; i < count; i++) puts(sorted[i]);
  lseek(folder, 0, SEEK_SET);
  number("no room", syscall(SYS_getdents, folder, buffer, 10));
  close(folder);
  number("no folder", syscall(SYS_getdents, 0, buffer, 10) < 0 ? -1 : 0);
}

static void messages(void) {
  int ends[2];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
  char texts[4][8] = {"one", "two2", "three", "4"}, got[4][8] = {{0}};
  struct iovec vectors[4], targets[4];
  struct mmsghdr out[4] = {{{0}}}, in[4] = {{{0}}};
  for (int i = 0; i < 4; i++) {
    vectors[i] = (struct iovec){texts[i], strlen(texts[i])};
    targets[i] = (struct iovec){got[i], 7};
    out[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    in[i].msg_hdr = (struct msghdr){.msg_iov = &targets[i], .msg_iovlen = 1};
  }
  number("none", sendmmsg(ends[0], out, 0, 0));
  number("sent", sendmmsg(ends[0], out, 3, 0));
  for (int i = 0; i < 3; i++) printf("%u ", out[i].msg_len);
  number("received", recvmmsg(ends[1], in, 2, 0, NULL));
  for (int i = 0; i < 2; i++) printf("%u %s ", in[i].msg_len, got[i]);
  number("rest", recvmmsg(ends[1], in, 4, MSG_WAITFORONE, NULL));
  printf("%u %s\n", in[0].msg_len, got[0]);
  number("nothing", recvmmsg(ends[1], in, 4, MSG_DONTWAIT, NULL));
  sendmmsg(ends[0], out, 2, 0);
  struct timespec time = {0, 0};
  number("no time", recvmmsg(ends[1], in, 4, 0, &time));
  time.tv_nsec = -1;
  number("bad time", recvmmsg(ends[1], in, 4, 0, &time));
  out[1].msg_hdr.msg_iov = (void *)1;
  number("second is bad", sendmmsg(ends[0], out, 3, 0));
  out[0].msg_hdr.msg_iov = (void *)1;
  number("first is bad", sendmmsg(ends[0], out, 3, 0));
  number("no socket", sendmmsg(0, out, 3, 0));
  number("closed", sendmmsg(99, out, 0, 0));
  close(ends[0]), close(ends[1]);
}

static void programs(const char *self) {
  char *arguments[] = {"calls", "hello", NULL}, *environment[] = {NULL};
  int file = open(self, O_RDONLY), folder = open(".", O_RDONLY | O_DIRECTORY);
  unlink("copy"), link(self, "copy"), symlink("copy", "other");
  int script = open("script", O_CREAT | O_WRONLY | O_TRUNC, 0700);
  dprintf(script, "#!%s hello\n", self);
  close(script);
  script = open("script", O_RDONLY);
#define RUN(name, ...)                                                                       \
  IN_CHILD(name, {                                                                           \
    syscall(SYS_execveat, __VA_ARGS__);                                                      \
    printf("%s\n", strerrorname_np(errno));                                                  \
    fflush(stdout);                                                                          \
  })
  RUN("descriptor", file, "", arguments, environment, AT_EMPTY_PATH);
  RUN("without the flag", file, "", arguments, environment, 0);
  RUN("in a folder", folder, "copy", arguments, environment, 0);
  RUN("a link", folder, "other", arguments, environment, 0);
  RUN("not a link", folder, "other", arguments, environment, AT_SYMLINK_NOFOLLOW);
  RUN("here", AT_FDCWD, "copy", arguments, environment, 0);
  RUN("a script", script, "", arguments, environment, AT_EMPTY_PATH);
  RUN("a script in a folder", folder, "script", arguments, environment, 0);
  RUN("a folder", folder, "", arguments, environment, AT_EMPTY_PATH);
  RUN("missing", folder, "missing", arguments, environment, 0);
  RUN("below a file", file, "x", arguments, environment, 0);
  RUN("bad descriptor", 77, "copy", arguments, environment, 0);
  RUN("bad flag", folder, "copy", arguments, environment, 1);
  IN_CHILD("fexecve", fexecve(file, arguments, environment));
}

static void descriptors(void) {
  int descriptor = -1;
  fflush(stdout);
  pid_t child = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &descriptor, 0, 0);
  if (!child) {
    struct timespec time = {0, 1000000};
    nanosleep(&time, 0);
    _exit(fcntl(descriptor, F_GETFD) == -1 && descriptor == -1 ? 5 : 6);
  }
  printf("closes on execute: %d\n", fcntl(descriptor, F_GETFD));
  struct pollfd wish = {descriptor, POLLIN, 0};
  number("poll", poll(&wish, 1, -1));
  siginfo_t end;
  number("waitid", waitid(P_PIDFD, descriptor, &end, WEXITED));
  printf("its own %d status %d\n", end.si_pid == child, end.si_status);
  outcome("signal to the dead", syscall(SYS_pidfd_send_signal, descriptor, 0, 0, 0));
  close(descriptor);
  outcome("both places", syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &descriptor, 0, 0));
  outcome("no place", syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, 1, 0, 0));
  struct clone_args arguments = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&descriptor,
                                 .exit_signal = SIGCHLD};
  child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (!child) _exit(9);
  number("waitid", waitid(P_PIDFD, descriptor, &end, WEXITED));
  printf("its own %d status %d\n", end.si_pid == child, end.si_status);
  char data[1];
  struct iovec range = {(void *)((uintptr_t)data & ~(PAGE - 1)), PAGE};
  int own = syscall(SYS_pidfd_open, getpid(), 0);
  number("cold", syscall(SYS_process_madvise, own, &range, 1, MADV_COLD, 0));
  number("flags", syscall(SYS_process_madvise, own, &range, 1, MADV_COLD, 1));
  range.iov_base = (void *)1;
  number("unaligned", syscall(SYS_process_madvise, own, &range, 1, MADV_COLD, 0));
  number("of a file", syscall(SYS_process_madvise, 0, &range, 1, MADV_COLD, 0));
  close(own), close(descriptor);
}

struct attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
  uint32_t least, most;
  unsigned char more[16];
};

static long get(struct attributes *all, unsigned size) {
  memset(all, 0xee, sizeof *all);
  long result = syscall(SYS_sched_getattr, 0, all, size, 0);
  number("attributes", result);
  if (!result)
    printf("size %u policy %u flags %lx nice %d priority %u last %x\n", all->size, all->policy,
           all->flags, all->nice, all->priority, all->most);
  return result;
}

static void set(const char *name, struct attributes all) {
  number(name, syscall(SYS_sched_setattr, 0, &all, 0));
  printf("size %u nice %d policy %lx\n", all.size, getpriority(PRIO_PROCESS, 0),
         syscall(SYS_sched_getscheduler, 0));
}

static void scheduling(void) {
  struct attributes all;
  setpriority(PRIO_PROCESS, 0, 0);
  get(&all, 48), get(&all, 56), get(&all, 72), get(&all, 40), get(&all, 4097);
  number("nowhere", syscall(SYS_sched_getattr, 0, 0, 48, 0));
  number("flags", syscall(SYS_sched_getattr, 0, &all, 48, 1));
  number("nobody", syscall(SYS_sched_getattr, 999999, &all, 48, 0));
  struct attributes plain = {.size = 48};
#define WITH(...) ({ struct attributes new = plain; __VA_ARGS__; new; })
  set("nice 7", WITH(new.nice = 7));
  set("nice 100", WITH(new.nice = 100));
  set("short", WITH(new.size = 40));
  set("long", WITH(new.size = 5000));
  set("longer", WITH(new.size = 72));
  set("longer, not 0", WITH(new.size = 72, new.more[9] = 1));
  set("no size", WITH(new.size = 0, new.nice = 3));
  set("policy 9", WITH(new.policy = 9));
  set("policy -1", WITH(new.policy = -1));
  set("deadline", WITH(new.policy = 6));
  set("priority of a normal one", WITH(new.priority = 4));
  set("unknown flag", WITH(new.flags = 0x1000));
  set("same policy", WITH(new.flags = 8, new.policy = 3, new.nice = 9));
  set("same nice", WITH(new.flags = 0x10, new.nice = 12));
  set("batch", WITH(new.policy = 3, new.nice = 11));
  set("reset", WITH(new.flags = 1, new.nice = 11));
  get(&all, 56);
  number("flags", syscall(SYS_sched_setattr, 0, &plain, 2));
  number("nowhere", syscall(SYS_sched_setattr, 0, 0, 0));

  for (long wish = 0; wish < 8; wish++) {
    if (wish == 1) continue;
    printf("class %ld\n", wish);
    number("set", syscall(SYS_ioprio_set, 1, 0, wish << 13 | (wish ? 3 : 0)));
    number("get", syscall(SYS_ioprio_get, 1, 0));
  }
  number("none with a level", syscall(SYS_ioprio_set, 1, 0, 1));
  number("kind 0", syscall(SYS_ioprio_get, 0, 0));
  number("kind 4", syscall(SYS_ioprio_get, 4, 0));
  number("nobody", syscall(SYS_ioprio_get, 1, 999999));
  number("nobody's", syscall(SYS_ioprio_get, 3, 4444));
}

static void clocks(void) {
  struct timex clock;
  memset(&clock, 0xee, sizeof clock);
  clock.modes = 0;
  number("adjtimex", adjtimex(&clock));
  printf("%ld %ld %ld %ld %ld\n", clock.offset, clock.precision, clock.tolerance, clock.tick,
         clock.ppsfreq);
  static const int others[] = {CLOCK_MONOTONIC, 77, CLOCK_PROCESS_CPUTIME_ID, CLOCK_TAI,
                               CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE};
  for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
    clock.modes = 0;
    number("another clock", clock_adjtime(others[i], &clock));
  }
  number("bad place", clock_adjtime(CLOCK_REALTIME, (void *)1));
  IN_CHILD("somebody", {
    setuid(1000);
    clock.modes = ADJ_FREQUENCY;
    number("changes the clock", adjtimex(&clock));
    clock.modes = 0;
    number("reads it", adjtimex(&clock) >= 0 ? 0 : -1);
    number("reads the log", syscall(SYS_syslog, 3, &clock, 1));
    number("its size", syscall(SYS_syslog, 10, 0, 0));
    number("real time for transfers", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    number("of others", syscall(SYS_ioprio_set, 1, 1, 2 << 13));
    fflush(stdout);
  });
  number("no such question", syscall(SYS_syslog, 11, 0, 0));
  number("nowhere", syscall(SYS_syslog, 3, 0, 10));
}

static void busy(const char *self) {
  char *arguments[] = {"calls", "hello", NULL}, *environment[] = {NULL};
  unlink("running"), unlink("writing");
  int from = open(self, O_RDONLY), writing = open("writing", O_CREAT | O_RDWR, 0755);
  char buffer[65536];
  for (ssize_t got; (got = read(from, buffer, sizeof buffer)) > 0;)
    if (write(writing, buffer, got) != got) exit(2);
  IN_CHILD("begin what is written", {
    execve("writing", arguments, environment);
    number("execve", -1);
  });
  close(writing);
  IN_CHILD("once it is closed", execve("writing", arguments, environment));
  int ends[2];
  pipe(ends);
  pid_t child = fork();
  if (!child) {
    dup2(ends[0], 0), close(ends[1]);
    char *waiting[] = {"calls", "wait", "x", "y", NULL};
    execve("writing", waiting, environment);
    _exit(1);
  }
  struct stat status;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/exe", child);
  stat("writing", &status);
  // Until the child runs it.
  for (struct stat other = {0}; other.st_ino != status.st_ino; stat(path, &other)) usleep(1000);
  outcome("write what runs", open("writing", O_WRONLY) < 0 ? -1 : 0);
  outcome("cut it at opening", open("writing", O_RDWR | O_TRUNC) < 0 ? -1 : 0);
  outcome("cut it", truncate("writing", 10));
  outcome("read it", close(open("writing", O_RDONLY)));
  outcome("rename it", rename("writing", "running"));
  outcome("remove it", unlink("running"));
  close(ends[0]), close(ends[1]);
  waitpid(child, NULL, 0);
}

static void cutting(void) {
  int file = open("cut", O_CREAT | O_RDWR | O_TRUNC, 0600);
  char page[PAGE];
  memset(page, 'f', sizeof page);
  for (int i = 0; i < 3; i++) write(file, page, sizeof page);
  char *own = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  for (int i = 0; i < 3; i++) own[i * PAGE + 3000] = 'p';
  outcome("cut", ftruncate(file, PAGE + 100));
  IN_CHILD("before the end", putchar(own[3000]));
  IN_CHILD("the page of the end", printf("%c%d\n", own[PAGE + 3000], own[PAGE + 2999]));
  IN_CHILD("behind it", putchar(own[2 * PAGE + 3000]));
  outcome("longer again", ftruncate(file, 3 * PAGE));
  printf("%c %c %d\n", own[3000], own[PAGE + 3000], own[2 * PAGE + 3000]);
  munmap(own, 3 * PAGE);
  close(file);
}

int main(int count, char **arguments) {
  if (count > 3) return read(0, arguments[0], 1) != 0;
  if (count > 1) {
    printf("hello from %s\n", count > 2 ? "a script" : "a program");
    return 4;
  }
  setvbuf(stdout, 0, _IONBF, 0);
  char folder[] = "/tmp/calls-XXXXXX", self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0 || !mkdtemp(folder) || chdir(folder)) return 1;
  self[length] = 0;
  char copy[64];
  snprintf(copy, sizeof copy, "%s/calls", folder);
  int from = open(self, O_RDONLY), to = open(copy, O_CREAT | O_WRONLY, 0755);
  char buffer[65536];
  for (ssize_t got; (got = read(from, buffer, sizeof buffer)) > 0;)
    if (write(to, buffer, got) != got) return 2;
  close(from), close(to);
  transfers();
  oldFolders();
  messages();
  programs(copy);
  descriptors();
  scheduling();
  clocks();
  busy(copy);
  cutting();
  puts("the end");
  return 0;
}
