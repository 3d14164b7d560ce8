// SPDX-License-Identifier: Apache-2.0
// The numbers of /proc: for each a thing that is done, and by how much it must change. Argument:
// a folder on a disk that can be written.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1l << 20)
static int failures;
static const char *folder;

static int read_all(const char *path, char *text, int room) {
  int file = open(path, O_RDONLY), count = 0, more;
  if (file < 0) return -1;
  while ((more = read(file, text + count, room - 1 - count)) > 0) count += more;
  text[count] = 0;
  close(file);
  return count;
}

// The number behind a word at the begin of a line; with `#N`, the Nth word of the line, from 0;
// `)N`, the Nth behind the last bracket. Hexadecimal where it says so.
static long value(const char *path, const char *field) {
  static char text[1 << 16];
  if (read_all(path, text, sizeof text) < 0) return -1;
  char name[64];
  snprintf(name, sizeof name, "%s", field);
  char *hash = strchr(name, '#'), *line = text;
  int index = 1;
  if (hash) *hash = 0, index = atoi(hash + 1);
  if (name[0] == ')') {
    line = strrchr(text, ')') + 1;
    index = atoi(name + 1);
  } else if (*name) {
    size_t length = strlen(name);
    while (line && (strncmp(line, name, length) || !strchr(" \t:", line[length]))) {
      line = strchr(line, '\n');
      if (line) line++;
    }
    if (!line) return -1;
  }
  for (int i = 0; i < index; i++) {
    line += strcspn(line, " \t\n");
    line += strspn(line, " \t");
  }
  int isHex = !strncmp(name, "Sig", 3) && strcmp(name, "SigQ");
  isHex |= !strncmp(name, "Cap", 3) || !strncmp(name, "ShdPnd", 6);
  return isHex ? (long)strtoull(line, NULL, 16) : strtol(line, NULL, 10);
}

static void changes(const char *path, const char *field, long before, long least, long most) {
  long after = value(path, field), change = after - before;
  int holds = before != -1 && after != -1 && change >= least && change <= most;
  failures += !holds;
  printf("%sok %s %s", holds ? "" : "not ", path, field);
  if (!holds) printf(" # %ld to %ld, wanted %ld to %ld more", before, after, least, most);
  putchar('\n');
}

// What a thing that is done changes: at most 8 numbers at a time.
struct wish {
  const char *path, *field;
  long least, most, before;
};
#define AFTER(action, ...)                                                         \
  do {                                                                             \
    struct wish wishes[] = {__VA_ARGS__};                                          \
    int count = sizeof wishes / sizeof *wishes;                                    \
    for (int i = 0; i < count; i++)                                                \
      wishes[i].before = value(wishes[i].path, wishes[i].field);                   \
    action;                                                                        \
    for (int i = 0; i < count; i++)                                                \
      changes(wishes[i].path, wishes[i].field, wishes[i].before, wishes[i].least,  \
              wishes[i].most);                                                     \
  } while (0)

#define MEMORY "/proc/meminfo"
#define STATUS "/proc/self/status"
#define STAT "/proc/self/stat"
#define STATM "/proc/self/statm"
#define EVENTS "/proc/vmstat"
#define IO "/proc/self/io"
#define MANY 1000000000l

static char *anonymous, *shared, *mapped;
static int file;

static void take(void) {
  anonymous = mmap(0, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (long i = 0; i < 8 * MIB; i += 4096) anonymous[i] = 1;
}
static void give(void) { munmap(anonymous, 8 * MIB); }
static void write_again(void) {
  take();
  if (!fork()) _exit(0);
  wait(0);
  anonymous[0] = 2;
  give();
}
static void share(void) {
  shared = mmap(0, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (long i = 0; i < 4 * MIB; i += 4096) shared[i] = 1;
}
static void unshare_it(void) { munmap(shared, 4 * MIB); }
static void write_file(void) {
  char path[256], block[65536];
  memset(block, 'w', sizeof block);
  snprintf(path, sizeof path, "%s/numbers", folder);
  file = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
  for (int i = 0; i < 64; i++)
    if (write(file, block, sizeof block) != sizeof block) exit(1);
}
static void map_file(void) {
  mapped = mmap(0, 4 * MIB, PROT_READ, MAP_SHARED, file, 0);
  for (long i = 0; i < 4 * MIB; i += 4096) (void)*(volatile char *)(mapped + i);
}
static void unmap_file(void) { munmap(mapped, 4 * MIB); }
static void sync_file(void) { fsync(file); }
static void lose_file(void) {
  char path[256];
  close(file);
  snprintf(path, sizeof path, "%s/numbers", folder);
  unlink(path);
}
static void spread(void) {
  // A table for each.
  anonymous = mmap(0, 512 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
  for (long i = 0; i < 512 * MIB; i += 2 * MIB) anonymous[i] = 1;
}
static void gather(void) { munmap(anonymous, 512 * MIB); }
static void use_stack(void) {
  volatile char room[4 * MIB];
  for (long i = sizeof room - 1; i >= 0; i -= 4096) room[i] = 1;
}
static void open_many(void) {
  for (int i = 0; i < 500; i++) open("/proc/self/status", O_RDONLY);
}
static void close_many(void) { for (int i = 4; i < 1024; i++) close(i); }
static pid_t children[40];
static void fork_many(void) {
  for (int i = 0; i < 40; i++) if (!(children[i] = fork())) for (;;) pause();
}
static void end_many(void) {
  for (int i = 0; i < 40; i++) kill(children[i], SIGKILL), waitpid(children[i], 0, 0);
}
static void *wait_thread(void *argument) { for (;;) pause(); }
static void begin_thread(void) {
  pthread_t thread;
  pthread_create(&thread, 0, wait_thread, 0);
}
static void nothing(int signal) {}
static void compute(void) {
  // A tenth of a second and more, whatever an instruction takes.
  struct timespec start, now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  do {
    for (volatile int i = 0; i < 100000; i++) {}
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 150);
}
static void call_much(void) {
  struct rusage start, now;
  getrusage(RUSAGE_SELF, &start);
  do {
    for (int i = 0; i < 2000; i++) close(open("/proc/self/maps", O_RDONLY));
    getrusage(RUSAGE_SELF, &now);
  } while ((now.ru_stime.tv_sec - start.ru_stime.tv_sec) * 1000 +
               (now.ru_stime.tv_usec - start.ru_stime.tv_usec) / 1000 < 150);
}
static void child_computes(void) {
  if (!fork()) { compute(), take(), _exit(0); }
  wait(0);
}
static void pause_a_while(void) {
  struct timespec time = {1, 200000000};
  nanosleep(&time, 0);
}
static void take_turns(void) {
  int ends[2];
  char byte;
  if (pipe(ends)) return;
  if (!fork()) {
    for (int i = 0; i < 50; i++) usleep(100), write(ends[1], "x", 1);
    _exit(0);
  }
  for (int i = 0; i < 50; i++) if (read(ends[0], &byte, 1) != 1) break;
  wait(0);
  close(ends[0]), close(ends[1]);
}
static void compete(void) {
  pid_t child = fork();
  if (!child) for (;;) {}
  compute();
  kill(child, SIGKILL), waitpid(child, 0, 0);
}
// In all threads, or one of them would take what is sent.
static void block_signals(void) {
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGRTMIN + 3), sigaddset(&set, SIGUSR1);
  AFTER(sigprocmask(SIG_BLOCK, &set, 0), {STATUS, "SigBlk", 1, MANY * MANY});
}
static void queue_signals(void) {
  for (int i = 0; i < 3; i++) sigqueue(getpid(), SIGRTMIN + 3, (union sigval){0});
  pthread_kill(pthread_self(), SIGUSR1);
}
static void be_somebody(void) {
  gid_t groups[] = {5, 7};
  setgroups(2, groups), setresgid(100, 200, 300), setresuid(1000, 2000, 3000);
}

static void memory(void) {
  AFTER(take(), {MEMORY, "MemFree", -9000, -7900}, {MEMORY, "MemAvailable", -9000, -7000},
        {MEMORY, "AnonPages", 8192, 8300}, {MEMORY, "Committed_AS", 8192, 8300},
        {MEMORY, "Active", 0, MANY}, {EVENTS, "nr_anon_pages", 2048, 2100},
        {EVENTS, "pgfault", 2048, 2200}, {EVENTS, "nr_free_pages", -2300, -1980});
  // Some stay at hand of the processor.
  AFTER(give(), {MEMORY, "MemFree", 4000, 9000}, {MEMORY, "AnonPages", -8300, -8192},
        {EVENTS, "pgfree", 2048, 2300});
  AFTER((take(), give()), {EVENTS, "pgalloc_dma32", 2048, 2400}, {EVENTS, "pgfree", 2048, 2400});
  AFTER(write_again(), {EVENTS, "pgreuse", 1, 100});
  AFTER(take(), {STATUS, "VmSize", 8192, 8300}, {STATUS, "VmData", 8192, 8300},
        {STATUS, "VmRSS", 8192, 8300}, {STATUS, "RssAnon", 8192, 8300}, {STATM, "#0", 2048, 2100},
        {STATM, "#1", 2048, 2100}, {STATM, "#5", 2048, 2100}, {STAT, ")22", 2048, 2100});
  AFTER(give(), {STATUS, "VmSize", -8300, -8192}, {STATUS, "VmRSS", -8300, -8192},
        {STATUS, "VmPeak", 0, 0}, {STATUS, "VmHWM", 0, 100}, {STAT, ")21", -9 * MIB, -8 * MIB});
  AFTER((take(), spread()), {STATUS, "VmPeak", 500000, 600000});
  gather();
  AFTER((take(), take(), take()), {STATUS, "VmHWM", 1, 30000}, {STAT, ")8", 6000, 7000});
  AFTER(share(), {MEMORY, "Shmem", 4096, 4200}, {MEMORY, "Cached", 4096, 4200},
        {MEMORY, "Mapped", 4096, 4200}, {STATUS, "RssShmem", 4096, 4200},
        {STATM, "#2", 1024, 1100}, {EVENTS, "nr_shmem", 1024, 1100});
  AFTER(unshare_it(), {MEMORY, "Shmem", -4200, -4096}, {STATUS, "RssShmem", -4200, -4096});
  AFTER(spread(), {MEMORY, "PageTables", 1024, 1100}, {STATUS, "VmPTE", 1024, 1100},
        {EVENTS, "nr_page_table_pages", 256, 280});
  AFTER(gather(), {MEMORY, "PageTables", -1100, -1024});
  AFTER(use_stack(), {STATUS, "VmStk", 3900, 4300});
}

static void files(void) {
  AFTER(write_file(), {MEMORY, "Dirty", 2000, 5000}, {MEMORY, "Cached", 4096, 4300},
        {MEMORY, "Inactive(file)", 1, MANY}, {IO, "wchar", 4 * MIB, 5 * MIB},
        {IO, "syscw", 64, 90}, {IO, "write_bytes", 4 * MIB, 5 * MIB},
        {EVENTS, "nr_dirtied", 1024, 1200}, {EVENTS, "nr_file_pages", 1024, 1200});
  AFTER(sync_file(), {MEMORY, "Dirty", -5000, -1}, {EVENTS, "nr_written", 1, 2000},
        {EVENTS, "pgpgout", 4096, 5000});
  AFTER(map_file(), {MEMORY, "Mapped", 4096, 4200}, {STATUS, "RssFile", 4096, 4200},
        {EVENTS, "nr_mapped", 1024, 1100});
  AFTER(unmap_file(), {MEMORY, "Mapped", -4200, -4096}, {STATUS, "RssFile", -4200, -4096});
  AFTER(lose_file(), {MEMORY, "Cached", -4300, -4000});
  AFTER((write_file(), ftruncate(file, 0)), {IO, "cancelled_write_bytes", 1, 5 * MIB});
  lose_file();
  AFTER((lseek(open("/proc/self/exe", O_RDONLY), 0, SEEK_SET), read(3, malloc(1000), 1000)),
        {IO, "rchar", 1000, 10000}, {IO, "syscr", 1, 10});
  AFTER(open_many(), {MEMORY, "Slab", 20, 2000}, {MEMORY, "SUnreclaim", 20, 2000},
        {STATUS, "FDSize", 256, 1024}, {"/proc/sys/fs/file-nr", "#0", 500, 510});
  AFTER(close_many(), {"/proc/sys/fs/file-nr", "#0", -510, -490});
  // Names that were looked up stay in memory, and can be given back.
  AFTER(
      {
        char path[256];
        for (int i = 0; i < 900; i++) {
          snprintf(path, sizeof path, "%s/a name of its own %d", folder, i);
          open(path, O_CREAT | O_WRONLY, 0600);
        }
      },
      {MEMORY, "SReclaimable", 50, 2000}, {MEMORY, "KReclaimable", 50, 2000},
      {MEMORY, "Buffers", 1, 2000});
  close_many();
}

static void processes(void) {
  AFTER(fork_many(), {MEMORY, "KernelStack", 40 * 8, 40 * 32}, {"/proc/loadavg", "#4", 40, 41},
        {"/proc/stat", "processes", 40, 40});
  AFTER(end_many(), {MEMORY, "KernelStack", -40 * 32, -40 * 8});
  block_signals();
  AFTER(begin_thread(), {STATUS, "Threads", 1, 1}, {STAT, ")18", 1, 1});
  AFTER(compute(), {STAT, ")12", 10, 40}, {"/proc/stat", "cpu", 10, 40});
  AFTER(call_much(), {STAT, ")13", 10, 60}, {"/proc/stat", "cpu#3", 10, 60});
  AFTER(child_computes(), {STAT, ")14", 10, 40}, {STAT, ")9", 2048, 3000});
  AFTER(pause_a_while(), {"/proc/uptime", "#0", 1, 2}, {"/proc/uptime", "#1", 1, 2},
        {"/proc/stat", "cpu#4", 110, 130});
  AFTER(take_turns(), {STATUS, "voluntary_ctxt_switches", 40, 70}, {"/proc/stat", "ctxt", 80, 300});
  AFTER(compete(), {STATUS, "nonvoluntary_ctxt_switches", 3, 1000});
  AFTER(setpriority(PRIO_PROCESS, 0, 5), {STAT, ")17", 5, 5}, {STAT, ")16", 5, 5});
  AFTER(signal(SIGUSR2, nothing), {STATUS, "SigCgt", 1l << 11, 1l << 11});
  AFTER(signal(SIGHUP, SIG_IGN), {STATUS, "SigIgn", 1, 1});
  AFTER(queue_signals(), {STATUS, "ShdPnd", 1, MANY * MANY},
        {STATUS, "SigPnd", 1 << 9, 1 << 9}, {STATUS, "SigQ", 4, 4});
  AFTER(umask(077), {STATUS, "Umask", 55, 77});
  AFTER(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), {STATUS, "NoNewPrivs", 1, 1});
  struct rlimit limit = {64 * MIB, 128 * MIB};
  AFTER(setrlimit(RLIMIT_RSS, &limit), {STAT, ")23", -9223372036854775807, 1});
  AFTER(prctl(PR_SET_PDEATHSIG, 9), {STATUS, "Pid", 0, 0});
  int score = open("/proc/self/oom_score_adj", O_WRONLY);
  AFTER(write(score, "500", 3), {"/proc/self/oom_score_adj", "#0", 500, 500},
        {"/proc/self/oom_score", "#0", 300, 400});
  AFTER(setpgid(0, 0), {STAT, ")3", 0, 100000});
  AFTER(be_somebody(), {STATUS, "Uid", 1000, 1000}, {STATUS, "Uid#2", 2000, 2000},
        {STATUS, "Uid#3", 3000, 3000}, {STATUS, "Gid", 100, 100}, {STATUS, "Gid#2", 200, 200},
        {STATUS, "Groups#2", 7, 7}, {STATUS, "CapEff", -MANY * MANY, -1},
        {STATUS, "CapPrm", -MANY * MANY, 0});
}

int main(int count, char **arguments) {
  setvbuf(stdout, 0, _IONBF, 0);
  folder = count > 1 ? arguments[1] : "/tmp";
  struct rlimit limit = {1024, 4096};
  setrlimit(RLIMIT_NOFILE, &limit);
  memory();
  files();
  processes();
  printf("%d wrong\n", failures);
  return failures > 0;
}
