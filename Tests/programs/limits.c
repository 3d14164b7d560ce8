/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, priorities and attributes of processes: each line must be what Linux prints. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void show(const char *what, long result) {
  if (result == -1) printf("%s: errno %d\n", what, errno);
  else printf("%s: %ld\n", what, result);
  fflush(stdout);
}
static void end_of(const char *what, pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (WIFSIGNALED(status)) printf("%s: signal %d\n", what, WTERMSIG(status));
  else printf("%s: status %d\n", what, WEXITSTATUS(status));
  fflush(stdout);
}
static void limit(int what, rlim_t soft, rlim_t hard) {
  struct rlimit new = {soft, hard};
  if (setrlimit(what, &new)) perror("setrlimit");
}

/* --- limits of time and memory */

static volatile sig_atomic_t signals;
static void count(int number) { (void)number; signals++; }
static void spin(void) { for (;;) {} }

static void limits(void) {
  struct rlimit is;
  pid_t child = fork();
  if (!child) { limit(RLIMIT_CPU, 1, 5); spin(); }
  end_of("a second of time", child);
  child = fork();
  if (!child) { signal(SIGXCPU, count); limit(RLIMIT_CPU, 1, 2); spin(); }
  end_of("two seconds at most", child);
  child = fork();
  if (!child) {
    signal(SIGXCPU, count);
    limit(RLIMIT_CPU, 1, 9);
    while (signals < 2) {}
    getrlimit(RLIMIT_CPU, &is);
    _exit((int)is.rlim_cur);
  }
  end_of("the limit after two signals", child);
  child = fork();
  if (!child) {
    limit(RLIMIT_DATA, 4 << 20, RLIM_INFINITY);
    errno = 0;
    show("8 MiB beyond the limit of data", mmap(0, 8 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    show("8 MiB that cannot be written", mmap(0, 8 << 20, 1, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    show("8 MiB that are shared", mmap(0, 8 << 20, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    show("the heap", sbrk(8 << 20) == (void *)-1 ? -1 : 0);
    _exit(0);
  }
  end_of("data", child);
  child = fork();
  if (!child) {
    limit(RLIMIT_NPROC, 0, 0);
    if (setuid(54321)) _exit(9);
    show("fork without a process left", fork());
    pthread_t thread;
    printf("a thread without one left: %d\n", pthread_create(&thread, 0, (void *(*)(void *))pause, 0));
    fflush(stdout);
    show("a larger limit", setrlimit(RLIMIT_NPROC, &(struct rlimit){1, 1}));
    show("limits of another", prlimit(1, RLIMIT_NPROC, 0, &is));
    _exit(0);
  }
  end_of("processes", child);
  show("soft above hard", setrlimit(RLIMIT_CORE, &(struct rlimit){2, 1}));
  show("a limit that there is not", getrlimit(16, &is));
  show("of nobody", prlimit(999999, RLIMIT_CPU, 0, &is));
  show("at a bad address", syscall(SYS_getrlimit, RLIMIT_CPU, 1));
}

/* --- priorities */

static void *nicer(void *unused) {
  (void)unused;
  show("nice of a thread", setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 7));
  show("it is", getpriority(PRIO_PROCESS, 0));
  return 0;
}
static void priorities(void) {
  struct sched_param parameter = {0};
  struct timespec turn;
  cpu_set_t set;
  show("policy", sched_getscheduler(0));
  show("policy of a negative number", sched_getscheduler(-1));
  show("policy of nobody", sched_getscheduler(999999));
  show("parameter", sched_getparam(0, &parameter));
  show("no parameter", sched_getparam(0, 0));
  printf("priority %d\n", parameter.sched_priority);
  for (int policy = -1; policy < 9; policy++) {
    printf("policy %d: %d to %d\n", policy, sched_get_priority_min(policy), sched_get_priority_max(policy));
  }
  show("batch", sched_setscheduler(0, SCHED_BATCH, &parameter));
  show("it is", sched_getscheduler(0));
  show("reset on fork", sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &parameter));
  show("it is", sched_getscheduler(0));
  pid_t child = fork();
  if (!child) _exit(sched_getscheduler(0));
  end_of("a child's policy", child);
  parameter.sched_priority = 1;
  show("a priority without real time", sched_setparam(0, &parameter));
  show("normal with one", sched_setscheduler(0, SCHED_OTHER, &parameter));
  parameter.sched_priority = 100;
  show("too high a priority", sched_setscheduler(0, SCHED_FIFO, &parameter));
  parameter.sched_priority = 0;
  show("real time without", sched_setscheduler(0, SCHED_RR, &parameter));
  show("a policy that there is not", sched_setscheduler(0, 4, &parameter));
  show("a negative one", sched_setscheduler(0, -1, &parameter));
  show("bad address", sched_setscheduler(0, 0, (void *)1));
  show("turn", sched_rr_get_interval(0, &turn));
  show("turn of a negative number", sched_rr_get_interval(-1, &turn));
  show("nice", getpriority(PRIO_PROCESS, 0));
  show("nicer", setpriority(PRIO_PROCESS, 0, 5));
  show("it is", getpriority(PRIO_PROCESS, 0));
  show("raw", syscall(SYS_getpriority, PRIO_PROCESS, 0));
  show("beyond the end", setpriority(PRIO_PROCESS, 0, 99));
  show("it is", getpriority(PRIO_PROCESS, 0));
  pthread_t thread;
  child = fork();
  if (!child) {
    pthread_create(&thread, 0, nicer, 0);
    pthread_join(thread, 0);
    _exit(getpriority(PRIO_PROCESS, 0));
  }
  end_of("a child's nice", child);
  show("of what there is not", getpriority(3, 0));
  show("of nobody", getpriority(PRIO_PROCESS, 999999));
  show("to nobody", setpriority(PRIO_PGRP, 999999, 3));
  child = fork();
  if (!child) {
    if (setuid(54321)) _exit(9);
    show("less nice", setpriority(PRIO_PROCESS, 0, 1));
    show("nice of another's", setpriority(PRIO_PROCESS, getppid(), 19));
    show("all of a user", getpriority(PRIO_USER, 54321));
    parameter.sched_priority = 1;
    show("real time", sched_setscheduler(0, SCHED_FIFO, &parameter));
    _exit(0);
  }
  end_of("without rights", child);
  show("processors", sched_getaffinity(0, sizeof set, &set));
  show("in too little room", syscall(SYS_sched_getaffinity, 0, 4, &set));
  show("in odd room", syscall(SYS_sched_getaffinity, 0, 13, &set));
  show("of nobody", sched_getaffinity(999999, sizeof set, &set));
  show("the same ones", sched_setaffinity(0, sizeof set, &set));
  CPU_ZERO(&set);
  show("none", sched_setaffinity(0, sizeof set, &set));
  show("at a bad address", syscall(SYS_sched_setaffinity, 0, 8, 1));
  unsigned node = 9;
  show("getcpu", syscall(SYS_getcpu, 0, &node, 0) | (long)node);
}

/* --- attributes */

static void attributes(void) {
  int value = -1;
  show("signal at a parent's end", prctl(PR_SET_PDEATHSIG, SIGUSR1));
  show("asked", prctl(PR_GET_PDEATHSIG, &value));
  printf("it is %d\n", value);
  show("a signal that there is not", prctl(PR_SET_PDEATHSIG, 65));
  show("none", prctl(PR_SET_PDEATHSIG, 0));
  show("dumpable", prctl(PR_GET_DUMPABLE));
  show("not any more", prctl(PR_SET_DUMPABLE, 0));
  show("dumpable", prctl(PR_GET_DUMPABLE));
  show("too much so", prctl(PR_SET_DUMPABLE, 2));
  show("again", prctl(PR_SET_DUMPABLE, 1));
  show("keeps capabilities", prctl(PR_GET_KEEPCAPS));
  show("set", prctl(PR_SET_KEEPCAPS, 1));
  show("keeps capabilities", prctl(PR_GET_KEEPCAPS));
  show("security bits", prctl(PR_GET_SECUREBITS));
  show("unset", prctl(PR_SET_KEEPCAPS, 0));
  show("neither", prctl(PR_SET_KEEPCAPS, 2));
  show("CAP_CHOWN bounds", prctl(PR_CAPBSET_READ, 0));
  show("no capability", prctl(PR_CAPBSET_READ, 64));
  show("slack", prctl(PR_GET_TIMERSLACK));
  show("set", prctl(PR_SET_TIMERSLACK, 1000));
  show("slack", prctl(PR_GET_TIMERSLACK));
  show("as it was", prctl(PR_SET_TIMERSLACK, 0));
  show("slack", prctl(PR_GET_TIMERSLACK));
  show("gains nothing", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  show("with a wrong argument", prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
  pid_t child = fork();
  if (!child) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    show("set back", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    _exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  }
  end_of("gains nothing", child);
  show("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
  show("raised", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 40, 0, 0));
  show("cleared", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  show("what there is not", prctl(12345, 0, 0, 0, 0));
  show("personality", syscall(SYS_personality, 0xFFFFFFFF));
  show("changed", syscall(SYS_personality, 0x0040000));
  show("personality", syscall(SYS_personality, 0));
  show("barriers", syscall(SYS_membarrier, 0, 0, 0) > 0 ? 1 : 0);
  show("unregistered", syscall(SYS_membarrier, 8, 0, 0));
  show("registered", syscall(SYS_membarrier, 16, 0, 0));
  show("passed", syscall(SYS_membarrier, 8, 0, 0));
  show("with a flag", syscall(SYS_membarrier, 8, 1, 0));
  show("two at once", syscall(SYS_membarrier, 24, 0, 0));
  show("restart without a call", syscall(SYS_restart_syscall));
  show("reboot without magic", syscall(SYS_reboot, 1, 2, 3, 0));
  child = fork();
  if (!child) {
    if (setuid(54321)) _exit(9);
    show("a name for the machine", sethostname("x", 1));
    show("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x01234567, 0));
    _exit(0);
  }
  end_of("without rights", child);
  show("enter no namespace", syscall(SYS_setns, -1, 0));
}

/* --- orphans */

static void orphans(void) {
  int ends[2], value = -1;
  show("adopts orphans", prctl(PR_SET_CHILD_SUBREAPER, 1));
  prctl(PR_GET_CHILD_SUBREAPER, &value);
  printf("it does: %d\n", value);
  if (pipe(ends)) return;
  pid_t child = fork();
  if (!child) {
    pid_t grandchild = fork();
    if (!grandchild) {
      char byte;
      close(ends[1]);
      if (read(ends[0], &byte, 1) != 0) _exit(3);
      _exit(getppid() == getpgrp() ? 42 : 43);
    }
    _exit(0);
  }
  end_of("the parent", child);
  close(ends[1]);
  close(ends[0]);
  end_of("the orphan, now this one's", -1);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  if (pipe(ends)) return;
  child = fork();
  if (!child) {
    pid_t grandchild = fork();
    if (!grandchild) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (write(ends[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    char byte;
    if (read(ends[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  end_of("a parent that is missed", child);
  close(ends[1]);
  char byte;
  show("its child has ended", read(ends[0], &byte, 1));
  close(ends[0]);
}

/* --- descriptors of processes */

static void handles(void) {
  siginfo_t information;
  pid_t child = fork();
  if (!child) for (;;) pause();
  int handle = (int)syscall(SYS_pidfd_open, child, 0);
  struct pollfd entry = {handle, POLLIN, 0};
  show("a descriptor", handle >= 0);
  show("closed at exec", fcntl(handle, F_GETFD));
  show("ready", poll(&entry, 1, 0));
  show("read", read(handle, &information, 1));
  show("signal 0", syscall(SYS_pidfd_send_signal, handle, 0, 0, 0));
  show("not yet", waitid(P_PIDFD, (id_t)handle, &information, WEXITED | WNOHANG));
  show("flags", syscall(SYS_pidfd_send_signal, handle, 0, 0, 3));
  show("a signal that there is not", syscall(SYS_pidfd_send_signal, handle, 65, 0, 0));
  show("its standard output", syscall(SYS_pidfd_getfd, handle, 1, 0) >= 0);
  char path[32];
  snprintf(path, sizeof path, "/proc/%d", (int)child);
  int folder = open(path, O_RDONLY | O_DIRECTORY);
  show("signal 0 to its folder", syscall(SYS_pidfd_send_signal, folder, 0, 0, 0));
  show("waited for its folder", waitid(P_PIDFD, (id_t)folder, &information, WEXITED | WNOHANG));
  show("what it has not", syscall(SYS_pidfd_getfd, handle, 99, 0));
  show("killed", syscall(SYS_pidfd_send_signal, handle, SIGTERM, 0, 0));
  show("ready", poll(&entry, 1, -1));
  printf("events %x\n", (unsigned)entry.revents);
  show("waited", waitid(P_PIDFD, (id_t)handle, &information, WEXITED));
  printf("of it: %d, code %d, status %d\n", information.si_pid == child, information.si_code, information.si_status);
  show("waited again", waitid(P_PIDFD, (id_t)handle, &information, WEXITED));
  show("signal to nobody", syscall(SYS_pidfd_send_signal, handle, 0, 0, 0));
  show("to nobody's folder", syscall(SYS_pidfd_send_signal, folder, 0, 0, 0));
  close(folder);
  folder = open("/proc", O_RDONLY | O_DIRECTORY);
  show("to the folder of all", syscall(SYS_pidfd_send_signal, folder, 0, 0, 0));
  close(folder);
  show("of nobody", syscall(SYS_pidfd_open, 999999, 0));
  show("of 0", syscall(SYS_pidfd_open, 0, 0));
  show("unknown flags", syscall(SYS_pidfd_open, getpid(), 1));
  show("a file", syscall(SYS_pidfd_send_signal, 0, 0, 0, 0));
  show("waited for a file", waitid(P_PIDFD, 0, &information, WEXITED));
  close(handle);
}

/* --- another's memory */

static void others_memory(void) {
  static char theirs[20000], mine[20000];
  int ends[2];
  if (pipe(ends)) return;
  memset(theirs, 'p', sizeof theirs);
  pid_t child = fork();
  if (!child) {
    for (int i = 0; i < (int)sizeof theirs; i++) theirs[i] = (char)('a' + i % 26);
    if (write(ends[1], "x", 1) != 1) _exit(1);
    raise(SIGSTOP);
    _exit(theirs[5] == 'Z' && theirs[15000] == 'Z' && theirs[15001] != 'Z' ? 42 : 1);
  }
  char byte;
  if (read(ends[0], &byte, 1) != 1) return;
  waitpid(child, 0, WUNTRACED);
  struct iovec local[2] = {{mine, 5000}, {mine + 5000, 15000}}, remote = {theirs, sizeof theirs};
  show("read", process_vm_readv(child, local, 2, &remote, 1, 0));
  int wrong = 0;
  for (int i = 0; i < (int)sizeof mine; i++) wrong += mine[i] != 'a' + i % 26;
  printf("wrong bytes: %d\n", wrong);
  memset(mine, 'Z', sizeof mine);
  struct iovec pieces[2] = {{theirs + 5, 1}, {theirs + 10000, 5001}};
  struct iovec from = {mine, 5002};
  show("written", process_vm_writev(child, &from, 1, pieces, 2, 0));
  struct iovec hole = {(void *)16, 100};
  show("a hole", process_vm_readv(child, local, 1, &hole, 1, 0));
  struct iovec half[2] = {{theirs, 10}, {(void *)16, 10}};
  show("up to a hole", process_vm_readv(child, local, 1, half, 2, 0));
  show("with flags", process_vm_readv(child, local, 1, &remote, 1, 1));
  show("too many pieces", process_vm_readv(child, local, 1025, &remote, 1, 0));
  show("nothing", process_vm_readv(child, local, 0, &remote, 1, 0));
  show("nobody's", process_vm_readv(999999, local, 1, &remote, 1, 0));
  kill(child, SIGCONT);
  end_of("the other", child);
}

/* --- what was used */

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }
static void *work(void *unused) {
  struct rusage usage;
  struct timespec clock;
  (void)unused;
  do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &clock); while (clock.tv_nsec < 100000000 && !clock.tv_sec);
  getrusage(RUSAGE_THREAD, &usage);
  printf("a thread's time is its own: %d\n", seconds(usage.ru_utime) + seconds(usage.ru_stime) < 0.5);
  return 0;
}
static void used(void) {
  struct rusage usage;
  struct tms times_used;
  pthread_t thread;
  pthread_create(&thread, 0, work, 0);
  pthread_join(thread, 0);
  for (int i = 0; i < 3; i++) usleep(1000);
  getrusage(RUSAGE_SELF, &usage);
  printf("it slept: %d\n", usage.ru_nvcsw >= 3);
  struct timespec before, after, rest = {0, 300000000};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  nanosleep(&rest, 0);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  printf("sleep takes no time of the processor: %d\n",
         (after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec < 100000000);
  pid_t child = fork();
  if (!child) {
    int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
    static char buffer[1 << 20];
    do {
      for (int i = 0; i < 20; i++) if (read(zero, buffer, sizeof buffer) < 0 || write(null, buffer, 1) < 0) _exit(1);
      getrusage(RUSAGE_SELF, &usage);
    } while (seconds(usage.ru_stime) < 0.2);
    _exit(seconds(usage.ru_stime) > seconds(usage.ru_utime) ? 42 : 1);
  }
  end_of("time in the kernel", child);
  child = fork();
  if (!child) {
    do {
      for (volatile int i = 0; i < 1000000; i++) {}
      getrusage(RUSAGE_SELF, &usage);
    } while (seconds(usage.ru_utime) < 0.2);
    _exit(seconds(usage.ru_stime) < seconds(usage.ru_utime) ? 42 : 1);
  }
  end_of("time in the program", child);
  getrusage(RUSAGE_CHILDREN, &usage);
  printf("children's: %d\n", seconds(usage.ru_stime) >= 0.15 && seconds(usage.ru_utime) >= 0.15);
  times(&times_used);
  printf("in ticks: %d\n", times_used.tms_cstime >= 15 && times_used.tms_cutime >= 15);
  show("of whom", getrusage(2, &usage));
}

int main(int count, char **arguments) {
  struct { const char *name; void (*run)(void); } parts[] = {
    {"limits", limits}, {"priorities", priorities}, {"attributes", attributes}, {"orphans", orphans},
    {"handles", handles}, {"memory", others_memory}, {"used", used},
  };
  setpgid(0, 0);
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (count > 1 && strcmp(arguments[1], parts[i].name)) continue;
    printf("--- %s\n", parts[i].name);
    fflush(stdout);
    pid_t child = fork();
    if (!child) { setpgid(0, 0); parts[i].run(); fflush(stdout); _exit(0); }
    end_of(parts[i].name, child);
  }
}
