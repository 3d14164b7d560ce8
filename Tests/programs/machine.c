// SPDX-License-Identifier: Apache-2.0
// The machine that a program sees: a line for each promise of the design that is not kept.
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static int failures;

static void expect(const char *what, int holds) {
  printf("%s %s\n", holds ? "ok" : "not ok", what);
  failures += !holds;
}

static int fileHolds(const char *path, const char *text) {
  char buffer[8192];
  int file = open(path, O_RDONLY);
  if (file < 0) return 0;
  ssize_t count = 0, more;
  while ((more = read(file, buffer + count, sizeof buffer - 1 - count)) > 0) count += more;
  buffer[count] = 0;
  close(file);
  return strstr(buffer, text) != 0;
}

static int isDevice(const char *path, int major_, int minor_) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISCHR(status.st_mode) &&
         status.st_rdev == makedev(major_, minor_);
}

static int leadsTo(const char *path, const char *target) {
  char text[256];
  ssize_t count = readlink(path, text, sizeof text - 1);
  return count > 0 && (text[count] = 0, strcmp(text, target) == 0);
}

static void devices(void) {
  expect("/dev/null", isDevice("/dev/null", 1, 3));
  expect("/dev/zero", isDevice("/dev/zero", 1, 5));
  expect("/dev/full", isDevice("/dev/full", 1, 7));
  expect("/dev/random", isDevice("/dev/random", 1, 8));
  expect("/dev/urandom", isDevice("/dev/urandom", 1, 9));
  expect("/dev/tty", isDevice("/dev/tty", 5, 0));
  expect("/dev/fd", leadsTo("/dev/fd", "/proc/self/fd"));
  expect("/dev/stdin", leadsTo("/dev/stdin", "/proc/self/fd/0"));
  expect("/dev/stdout", leadsTo("/dev/stdout", "/proc/self/fd/1"));
  expect("/dev/stderr", leadsTo("/dev/stderr", "/proc/self/fd/2"));
  struct stat status;
  expect("/dev/shm", stat("/dev/shm", &status) == 0 && (status.st_mode & 07777) == 01777);
  int zero = open("/dev/zero", O_RDWR);
  char *own = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
  expect("/dev/zero mapped for one", own != MAP_FAILED && own[4096] == 0 && (own[0] = 1));
  char *all = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
  expect("/dev/zero mapped for all", all != MAP_FAILED && all[0] == 0);
  if (all != MAP_FAILED) {
    if (fork() == 0) _exit(all[1] = 7);
    wait(0);
    expect("a child's write to it is seen", all[1] == 7);
  }
}

static void processes(void) {
  expect("the program is process 2", getpid() == 2 && getppid() == 1);
  expect("process 1 is not killed", kill(1, SIGKILL) == 0 && kill(1, 0) == 0);
  char state = 0;
  FILE *stat = fopen("/proc/1/stat", "r");
  if (stat) fscanf(stat, "1 (init) %c", &state);
  expect("process 1 sleeps", state == 'S');
  if (stat) fclose(stat);
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      usleep(1000);
      _exit(getppid() == 1 ? 0 : 1);
    }
    _exit(0);
  }
  waitpid(child, 0, 0);
  usleep(20000);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d", child + 1);
  expect("process 1 reaps orphans", access(path, F_OK) == -1 && errno == ENOENT);
}

// What Linux calls the bits of CPUID that it shows, by register.
struct bits {
  unsigned leaf, edx;
  const char *names[32];
};
static const struct bits shown[] = {
    {1, 1, {"fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", 0, "sep", "mtrr",
            "pge", "mca", "cmov", "pat", "pse36", "pn", "clflush", 0, "dts", "acpi", "mmx", "fxsr",
            "sse", "sse2", "ss", "ht", "tm", "ia64", "pbe"}},
    {1, 0, {"pni", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est", "tm2", "ssse3",
            "cid", "sdbg", "fma", "cx16", "xtpr", "pdcm", 0, "pcid", "dca", "sse4_1", "sse4_2",
            "x2apic", "movbe", "popcnt", "tsc_deadline_timer", "aes", "xsave", 0, "avx", "f16c",
            "rdrand", "hypervisor"}},
    {0x80000001, 1, {[11] = "syscall", [20] = "nx", [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm"}},
    {0x80000001, 0, {"lahf_lm", [5] = "abm"}},
};

static void processor(void) {
  for (int i = 0; i < 4; i++) {
    unsigned a, b, c, d;
    __cpuid(shown[i].leaf, a, b, c, d);
    for (int bit = 0; bit < 32; bit++) {
      char word[32], line[64];
      if (!shown[i].names[bit]) continue;
      snprintf(word, sizeof word, " %s", shown[i].names[bit]);
      int isShown = 0;
      for (int end = 0; end < 2; end++) {
        snprintf(line, sizeof line, "%s%c", word, " \n"[end]);
        isShown |= fileHolds("/proc/cpuinfo", line);
      }
      int has = ((shown[i].edx ? d : c) >> bit & 1) != 0;
      if (has != isShown) {
        snprintf(line, sizeof line, "cpuinfo's flag%s is CPUID's", word);
        expect(line, 0);
      }
    }
  }
  expect("cpuinfo's flags are CPUID's", failures == 0);
  unsigned name[13] = {0};
  for (int i = 0; i < 3; i++)
    __cpuid(0x80000002 + i, name[4 * i], name[4 * i + 1], name[4 * i + 2], name[4 * i + 3]);
  expect("cpuinfo's model is CPUID's", fileHolds("/proc/cpuinfo", (char *)name));
  for (int index = 0; index < 4; index++) {
    unsigned a, b, c, d;
    __cpuid_count(4, index, a, b, c, d);
    unsigned ways = (b >> 22) + 1, line = (b & 4095) + 1, sets = c + 1;
    char path[96], text[32];
    const char *folder = "/sys/devices/system/cpu/cpu0/cache/index";
    snprintf(path, sizeof path, "%s%d/size", folder, index);
    snprintf(text, sizeof text, "%uK\n", ways * line * sets / 1024);
    int isRight = fileHolds(path, text);
    snprintf(path, sizeof path, "%s%d/ways_of_associativity", folder, index);
    snprintf(text, sizeof text, "%u\n", ways);
    isRight &= fileHolds(path, text);
    snprintf(path, sizeof path, "%s%d/number_of_sets", folder, index);
    snprintf(text, sizeof text, "%u\n", sets);
    isRight &= fileHolds(path, text);
    snprintf(path, sizeof path, "%s%d/level", folder, index);
    snprintf(text, sizeof text, "%u\n", a >> 5 & 7);
    isRight &= fileHolds(path, text);
    snprintf(path, sizeof path, "%s%d/type", folder, index);
    static const char *const types[] = {"-", "Data", "Instruction", "Unified"};
    isRight &= fileHolds(path, types[a & 3]);
    snprintf(text, sizeof text, "cache %d is CPUID's", index);
    expect(text, isRight);
  }
}

static void system_(void) {
  expect("/sys/devices/system/cpu/online", fileHolds("/sys/devices/system/cpu/online", "0\n"));
  expect("one processor is configured", sysconf(_SC_NPROCESSORS_CONF) == 1);
  expect("no huge pages by themselves",
         fileHolds("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"));
  expect("the root disk's sectors", fileHolds("/sys/block/vda/queue/hw_sector_size", "512\n"));
  expect("/sys is mounted", fileHolds("/proc/mounts", "sysfs /sys sysfs rw,") &&
                                fileHolds("/proc/self/mountinfo", " /sys rw,"));
  expect("/sys is not written",
         open("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY) == -1 && errno == EACCES);
}

static long counted(const char *name) {
  char text[1024], *place;
  int file = open("/proc/self/io", O_RDONLY);
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  if (count < 0) return -1;
  text[count] = 0;
  place = strstr(text, name);
  return place ? atol(place + strlen(name)) : -1;
}

static void transfers(void) {
  char data[8192] = {1};
  long bytes = counted("rchar: "), calls = counted("syscr: ");
  int zero = open("/dev/zero", O_RDWR);
  read(zero, data, 5000);
  pread(zero, data, 3000, 0);
  long more = counted("rchar: ") - bytes;
  expect("reads are counted", more >= 8000 && more < 8500 && counted("syscr: ") - calls == 4);
  bytes = counted("wchar: "), calls = counted("syscw: ");
  write(zero, data, 700);
  expect("writes are counted",
         counted("wchar: ") - bytes == 700 && counted("syscw: ") - calls == 1);
  bytes = counted("\nread_bytes: ");
  expect("a program was read from the disk", bytes > 0 && bytes % 4096 == 0);
}

static void owners(void) {
  if (fork() == 0) {
    gid_t groups[] = {7, 9, 11};
    setgroups(3, groups);
    setresgid(2001, 2002, 2003);
    setresuid(1000, 1001, 1002);
    const char *status = "/proc/self/status";
    failures = 0;
    expect("its users", fileHolds(status, "Uid:\t1000\t1001\t1002\t1001\n"));
    expect("its groups", fileHolds(status, "Gid:\t2001\t2002\t2003\t2002\n"));
    expect("its other groups", fileHolds(status, "Groups:\t7 9 11 \n"));
    expect("its capabilities", fileHolds(status, "CapPrm:\t0000000000000000\n") &&
                                   fileHolds(status, "CapEff:\t0000000000000000\n") &&
                                   fileHolds(status, "CapBnd:\t000001ffffffffff\n"));
    fflush(stdout);
    _exit(failures != 0);
  }
  int ended = 0;
  wait(&ended);
  failures += ended != 0;
}

static void limits(void) {
  struct rlimit limit;
  expect("stack 8 MiB", getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur == 8 << 20);
  expect("no core", getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0);
  expect("1024 of 4096 files", getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 1024 &&
                                   limit.rlim_max == 4096);
  expect("8 MiB locked", getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == 8 << 20);
  expect("memory without limit",
         getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY);
}

int main(void) {
  struct utsname name;
  uname(&name);
  expect("Linux 6.12.0-quire on x86_64", !strcmp(name.sysname, "Linux") &&
                                             !strcmp(name.release, "6.12.0-quire") &&
                                             !strcmp(name.machine, "x86_64"));
  expect("its name is /proc's", fileHolds("/proc/sys/kernel/hostname", name.nodename));
  expect("its release is /proc's", fileHolds("/proc/version", name.release));
  cpu_set_t set;
  expect("one processor", sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1 &&
                              sysconf(_SC_NPROCESSORS_ONLN) == 1);
  expect("without AVX", __builtin_cpu_supports("sse4.2") && !__builtin_cpu_supports("avx"));
  expect("cpuinfo says so", fileHolds("/proc/cpuinfo", "sse4_2") && !fileHolds("/proc/cpuinfo", "avx"));
  expect("the clock began in 2026", time(0) >= 1767225600 && time(0) < 1767225600 + 3600);
  expect("all rights", getuid() == 0 && fileHolds("/proc/self/status", "CapEff:\t000001ffffffffff"));
  struct sysinfo memory;
  char text[64];
  sysinfo(&memory);
  snprintf(text, sizeof text, "%8lu kB\n", memory.totalram / 1024);
  expect("sysinfo is meminfo", fileHolds("/proc/meminfo", text));
  expect("/tmp, /run, /dev/shm in memory", fileHolds("/proc/mounts", "tmpfs /tmp tmpfs rw") &&
                                               fileHolds("/proc/mounts", "tmpfs /run tmpfs rw") &&
                                               fileHolds("/proc/mounts", " /dev/shm tmpfs rw"));
  expect("environment", getenv("PATH") && getenv("HOME") && !strcmp(getenv("LANG"), "C.UTF-8"));
  processor();
  devices();
  system_();
  transfers();
  fflush(stdout);
  owners();
  limits();
  processes();
  // It goes with the program, and is counted.
  if (fork() == 0) pause();
  return failures != 0;
}
