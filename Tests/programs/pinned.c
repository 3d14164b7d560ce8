// SPDX-License-Identifier: Apache-2.0
// Locks 4 MiB of a file and reads more than fits in memory: pinned FILE, of 60 MiB, in 32 MiB.
#include "outcomes.h"
#include <fcntl.h>
#include <sys/resource.h>

#define PART (4ul << 20)
#define WHOLE (60ul << 20)

static volatile unsigned sum;

static void touch(const char *start, size_t bytes) {
  for (size_t place = 0; place < bytes; place += PAGE) sum += start[place];
}

// Whether a part is in memory, and how often the disk was read to touch it.
static void look(const char *name, char *part) {
  static unsigned char pages[PART / PAGE];
  struct rusage before, after;
  size_t present = 0;
  if (mincore(part, PART, pages)) exit(1);
  for (size_t page = 0; page < PART / PAGE; page++) present += pages[page] & 1;
  getrusage(RUSAGE_SELF, &before);
  touch(part, PART);
  getrusage(RUSAGE_SELF, &after);
  printf("%s: %s in memory, %s\n", name, present == PART / PAGE ? "all" : "not all",
         after.ru_majflt == before.ru_majflt ? "not read again" : "read again");
}

int main(int count, char **words) {
  if (count != 2) return 64;
  int file = open(words[1], O_RDONLY);
  char *all = mmap(0, WHOLE, PROT_READ, MAP_PRIVATE, file, 0);
  if (all == MAP_FAILED) return 1;
  if (mlock(all, PART)) return 2;
  touch(all + PART, WHOLE - PART);
  look("locked", all);
  look("beside it", all + PART);
  // A child has no locks, but its parent's pages stay for it too.
  fflush(stdout);
  if (fork() == 0) {
    touch(all + PART, WHOLE - PART);
    look("a child's", all);
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  if (munlock(all, PART)) return 3;
  touch(all + PART, WHOLE - PART);
  look("unlocked", all);
  return 0;
}
