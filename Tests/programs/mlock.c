// SPDX-License-Identifier: Apache-2.0
// Locking memory: mlock and its kin, what they refuse, and what becomes of locked pages.
#include "outcomes.h"
#include <fcntl.h>
#include <sys/resource.h>

enum { ON_FAULT = 1, DONT_NEED_LOCKED = 24, COLD = 20, PAGE_OUT = 21 };
static const int rw = PROT_READ | PROT_WRITE, pa = MAP_PRIVATE | MAP_ANONYMOUS;

// Pages of their own, with nothing beside them to merge with.
static char *region(size_t pages, int protection, int flags, int file) {
  char *place = mmap(0, (pages + 2) * PAGE, PROT_NONE, pa, -1, 0);
  if (place == MAP_FAILED) exit(1);
  place = mmap(place + PAGE, pages * PAGE, protection, flags | MAP_FIXED, file, 0);
  if (place == MAP_FAILED) exit(1);
  return place;
}

static char *anonymous(size_t pages, int protection) {
  return region(pages, protection, pa, -1);
}

// A number of kilobytes from /proc/self/status.
static long status(const char *key) {
  static char text[8192];
  int file = open("/proc/self/status", O_RDONLY);
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  text[count > 0 ? count : 0] = 0;
  char *line = strstr(text, key);
  return line ? atol(line + strlen(key) + 1) : -1;
}

static void locked(const char *name) { printf("%s: %ld kB locked\n", name, status("VmLck")); }

// What /proc/self/smaps says of the area at an address.
static void area(const char *name, const void *place) {
  FILE *file = fopen("/proc/self/smaps", "r");
  static char line[4096];
  int is_here = 0;
  printf("%s:", name);
  while (file && fgets(line, sizeof line, file)) {
    unsigned long start, end;
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
      is_here = start <= (uintptr_t)place && (uintptr_t)place < end;
    if (!is_here) continue;
    if (!strncmp(line, "Size:", 5)) printf(" size %ld", atol(line + 5));
    if (!strncmp(line, "Rss:", 4)) printf(" resident %ld", atol(line + 4));
    if (!strncmp(line, "Locked:", 7)) printf(" locked %ld", atol(line + 7));
    if (!strncmp(line, "VmFlags:", 8))
      printf("%s%s", strstr(line, " lo") ? " lo" : "", strstr(line, " lf") ? " lf" : "");
  }
  printf("\n");
  if (file) fclose(file);
}

static void arguments(void) {
  char *m = anonymous(8, rw);
  outcome("mlock no bytes", mlock(m, 0));
  outcome("mlock unaligned", mlock(m + 1, 1));
  area("one page", m);
  outcome("mlock over a border", mlock(m + PAGE + 5, PAGE));
  locked("three pages");
  outcome("mlock of all addresses", mlock(0, SIZE_MAX));
  outcome("munlock of all addresses", munlock(0, SIZE_MAX));
  outcome("mlock that wraps", mlock(m, -4096ul));
  outcome("mlock of the last page", mlock((void *)-4096ul, 4096));
  outcome("mlock of the kernel", mlock((void *)0xffff888000000000, PAGE));
  outcome("mlock of a hole", mlock((void *)0x200000, PAGE));
  outcome("munlock of a hole", munlock((void *)0x200000, PAGE));
  outcome("mlock2 of unknown flags", mlock2(m, PAGE, 2));
  outcome("mlockall of nothing", mlockall(0));
  outcome("mlockall on fault alone", mlockall(MCL_ONFAULT));
  outcome("mlockall of unknown flags", mlockall(8 | MCL_CURRENT));
  outcome("munlock", munlock(m, 8 * PAGE));
  locked("nothing");
  outcome("munlock again", munlock(m, 8 * PAGE));
  outcome("munlockall", munlockall());
}

static void holes_and_rights(void) {
  char *m = anonymous(8, rw);
  munmap(m + 4 * PAGE, PAGE);
  outcome("mlock around a hole", mlock(m, 8 * PAGE));
  area("before the hole", m);
  area("behind the hole", m + 5 * PAGE);
  outcome("munlock around a hole", munlock(m + 2 * PAGE, 6 * PAGE));
  locked("before the hole");
  munlock(m, 4 * PAGE);
  m = anonymous(4, PROT_NONE);
  outcome("mlock of no rights", mlock(m, 4 * PAGE));
  area("no rights", m);
  munmap(m, 4 * PAGE);
  m = anonymous(4, PROT_READ);
  outcome("mlock read-only", mlock(m, 4 * PAGE));
  area("read-only", m);
  outcome("mprotect to write", mprotect(m, 4 * PAGE, rw));
  area("writable", m);
  munmap(m, 4 * PAGE);
  m = anonymous(4, PROT_EXEC);
  outcome("mlock execute-only", mlock(m, 4 * PAGE));
  munmap(m, 4 * PAGE);
  m = region(4, PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
  outcome("mlock shared", mlock(m, 4 * PAGE));
  area("shared", m);
  munmap(m, 4 * PAGE);
  locked("nothing");
}

static void files(void) {
  int file = memfd_create("file", 0);
  if (ftruncate(file, 6 * PAGE)) exit(1);
  char *m = region(8, PROT_READ, MAP_PRIVATE, file);
  outcome("mlock beyond a file's end", mlock(m, 8 * PAGE));
  area("the file", m);
  char *other = region(6, rw, MAP_SHARED, file);
  outcome("mlock of the same pages", mlock(other, 6 * PAGE));
  area("shared by two", other);
  outcome("msync", msync(other, PAGE, MS_SYNC));
  outcome("msync that invalidates", msync(other, PAGE, MS_INVALIDATE));
  outcome("cut", ftruncate(file, 2 * PAGE));
  area("the rest", other);
  IN_CHILD("behind the end", other[3 * PAGE] = 1);
  munmap(m, 8 * PAGE);
  munmap(other, 6 * PAGE);
  close(file);
  locked("nothing");
}

static void on_fault(void) {
  char *m = anonymous(8, rw);
  outcome("mlock2 on fault", mlock2(m, 8 * PAGE, ON_FAULT));
  area("untouched", m);
  m[PAGE] = 1;
  m[3 * PAGE] = 1;
  area("two touched", m);
  outcome("mlock of a part", mlock(m + 2 * PAGE, 3 * PAGE));
  area("first part", m);
  area("second part", m + 2 * PAGE);
  area("third part", m + 5 * PAGE);
  outcome("mlock2 of all", mlock2(m, 8 * PAGE, ON_FAULT));
  area("one again", m);
  munmap(m, 8 * PAGE);
  locked("nothing");
}

static void advice(void) {
  char *m = anonymous(8, rw);
  memset(m, 1, 8 * PAGE);
  mlock(m, 4 * PAGE);
  outcome("MADV_DONTNEED of locked", madvise(m, PAGE, MADV_DONTNEED));
  outcome("MADV_FREE of locked", madvise(m, PAGE, MADV_FREE));
  outcome("MADV_COLD of locked", madvise(m, PAGE, COLD));
  outcome("MADV_PAGEOUT of locked", madvise(m, PAGE, PAGE_OUT));
  outcome("MADV_REMOVE of locked", madvise(m, PAGE, MADV_REMOVE));
  outcome("MADV_WILLNEED of locked", madvise(m, PAGE, MADV_WILLNEED));
  outcome("MADV_DONTNEED over a border", madvise(m + 3 * PAGE, 2 * PAGE, MADV_DONTNEED));
  outcome("MADV_DONTNEED of unlocked", madvise(m + 4 * PAGE, PAGE, MADV_DONTNEED));
  outcome("MADV_DONTNEED_LOCKED", madvise(m + 2 * PAGE, 4 * PAGE, DONT_NEED_LOCKED));
  area("locked", m);
  printf("bytes %d %d %d %d\n", m[0], m[2 * PAGE], m[4 * PAGE], m[6 * PAGE]);
  munlock(m, 8 * PAGE);
  outcome("MADV_REMOVE of private", madvise(m, PAGE, MADV_REMOVE));
  munmap(m, 8 * PAGE);
  int file = memfd_create("file", 0);
  if (ftruncate(file, 4 * PAGE)) exit(1);
  m = region(4, rw, MAP_SHARED, file);
  memset(m, 2, 4 * PAGE);
  char *copy = region(4, rw, MAP_PRIVATE, file);
  copy[PAGE] = 3;
  outcome("MADV_FREE of a file", madvise(m, PAGE, MADV_FREE));
  outcome("MADV_REMOVE of a copy", madvise(copy, PAGE, MADV_REMOVE));
  outcome("MADV_REMOVE of a file", madvise(m, 2 * PAGE, MADV_REMOVE));
  printf("bytes %d %d %d, of the copy %d %d\n", m[0], m[PAGE], m[2 * PAGE], copy[0], copy[PAGE]);
  munmap(m, 4 * PAGE);
  munmap(copy, 4 * PAGE);
  close(file);
}

static void moves(void) {
  char *m = anonymous(4, rw);
  mlock(m, 4 * PAGE);
  mprotect(m + PAGE, PAGE, PROT_READ);
  area("a page of other rights", m + PAGE);
  mprotect(m + PAGE, PAGE, rw);
  area("all", m);
  char *moved = mremap(m, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
  area("grown", moved);
  moved = mremap(moved, 8 * PAGE, 6 * PAGE, 0);
  area("shrunk", moved);
  char *target = anonymous(6, rw);
  moved = mremap(moved, 6 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  area("moved", moved);
  munmap(moved + PAGE, PAGE);
  locked("less a page");
  char *more = region(3, rw, pa | MAP_LOCKED, -1);
  area("MAP_LOCKED", more);
  more = mmap(more, PAGE, rw, pa | MAP_FIXED, -1, 0);
  locked("less the first of it");
  munmap(more, 3 * PAGE);
  munmap(moved, 6 * PAGE);
  locked("nothing");
}

static void everything(void) {
  char *m = anonymous(3, rw);
  outcome("mlockall of what there is", mlockall(MCL_CURRENT));
  area("there before", m);
  char *next = anonymous(3, rw);
  area("there after", next);
  outcome("mlockall of what comes", mlockall(MCL_FUTURE));
  next = anonymous(3, rw);
  area("came", next);
  outcome("mlockall of what comes, on fault", mlockall(MCL_FUTURE | MCL_ONFAULT));
  next = anonymous(3, rw);
  next[PAGE] = 1;
  area("came on fault", next);
  area("there before", m);
  IN_CHILD("a child's locks", _exit(status("VmLck")));
  IN_CHILD("a child's future", m = anonymous(3, rw); _exit(status("VmLck")));
  outcome("munlockall", munlockall());
  locked("nothing");
  next = anonymous(3, rw);
  area("came after that", next);
}

// The lowest address of the stack as it is now.
static char *lowest_of_stack(void) {
  FILE *file = fopen("/proc/self/maps", "r");
  static char line[4096];
  unsigned long start = 0;
  while (file && fgets(line, sizeof line, file))
    if (strstr(line, "[stack]")) sscanf(line, "%lx", &start);
  if (file) fclose(file);
  return (char *)start;
}

static void set_limit(unsigned long bytes) {
  struct rlimit limit;
  getrlimit(RLIMIT_MEMLOCK, &limit);
  limit.rlim_cur = bytes;
  if (setrlimit(RLIMIT_MEMLOCK, &limit)) exit(1);
}

static void limits(void) {
  char *m = anonymous(40, rw), *stack = lowest_of_stack();
  // Nobody has the administrator's right to lock.
  if (geteuid() == 0 && setresuid(65534, 65534, 65534)) exit(1);
  set_limit(16 * PAGE);
  outcome("mlock to the limit", mlock(m, 16 * PAGE));
  outcome("mlock beyond", mlock(m + 16 * PAGE, PAGE));
  outcome("mlock of the same", mlock(m + 4 * PAGE, 12 * PAGE));
  outcome("mlock of more", mlock(m + 4 * PAGE, 13 * PAGE));
  outcome("mlock2 of more", mlock2(m, 17 * PAGE, ON_FAULT));
  outcome("mlock of far too much", mlock(m, 1ul << 40));
  outcome("mlock that wraps", mlock(m, -4096ul));
  locked("at the limit");
  outcome("mlockall of what there is", mlockall(MCL_CURRENT));
  outcome("mmap locked", (long)mmap(0, PAGE, rw, pa | MAP_LOCKED, -1, 0));
  outcome("mmap", (long)mmap(0, PAGE, rw, pa, -1, 0));
  outcome("mremap", (long)mremap(m, 16 * PAGE, 17 * PAGE, MREMAP_MAYMOVE));
  outcome("munlock", munlock(m, 8 * PAGE));
  outcome("mmap locked", (long)mmap(0, 8 * PAGE, rw, pa | MAP_LOCKED, -1, 0));
  outcome("mmap locked over the same",
          (long)mmap(m + 8 * PAGE, PAGE, rw, pa | MAP_LOCKED | MAP_FIXED, -1, 0));
  outcome("munlockall", munlockall());
  outcome("mlockall of what comes", mlockall(MCL_FUTURE));
  outcome("mmap of 16", (long)(m = mmap(0, 16 * PAGE, rw, pa, -1, 0)));
  outcome("mmap of one more", (long)mmap(0, PAGE, rw, pa, -1, 0));
  outcome("sbrk", (long)sbrk(PAGE));
  munlockall();
  outcome("sbrk", (long)sbrk(PAGE));
  outcome("mlock of the stack's end", mlock(stack, PAGE));
  IN_CHILD("a child's stack", *(stack - 32 * PAGE) = 1);
  *(stack - 8 * PAGE) = 1;
  locked("a stack that grew");
  fflush(stdout);
  pid_t child = vfork();
  if (child == 0) {
    *(volatile char *)(stack - 32 * PAGE) = 1;
    _exit(0);
  }
  int end;
  waitpid(child, &end, 0);
  printf("the stack beyond the limit: signal %d\n", WTERMSIG(end));
  munlockall();
  set_limit(0);
  outcome("mlock without a limit's worth", mlock(m, PAGE));
  outcome("mlock of nothing", mlock(m, 0));
  outcome("mlock2 of unknown flags", mlock2(m, PAGE, 4));
  outcome("mlockall", mlockall(MCL_FUTURE));
  outcome("mlockall on fault alone", mlockall(MCL_ONFAULT));
  outcome("mmap locked", (long)mmap(0, PAGE, rw, pa | MAP_LOCKED, -1, 0));
  outcome("munlock", munlock(m, PAGE));
  outcome("munlockall", munlockall());
  set_limit(100);
  outcome("mlock of nothing", mlock(m, 0));
  outcome("mlock of a page", mlock(m, PAGE));
}

int main(int count, char **words) {
  if (count > 1) {
    locked(words[1]);
    area("a new program's page", anonymous(2, rw));
    return 0;
  }
  arguments();
  holes_and_rights();
  files();
  on_fault();
  advice();
  moves();
  everything();
  fflush(stdout);
  if (fork() == 0) {
    mlockall(MCL_CURRENT | MCL_FUTURE);
    execl("/proc/self/exe", words[0], "after execve", (char *)0);
    _exit(1);
  }
  wait(0);
  fflush(stdout);
  if (fork() == 0) {
    limits();
    exit(0);
  }
  wait(0);
  printf("end\n");
}
