// SPDX-License-Identifier: Apache-2.0
// Scatters free memory by giving back every other page, and gathers it again: compact PAGES.
// Prints `ok NAME` or `not ok NAME`.
#include "outcomes.h"
#include <fcntl.h>

static int failures;

static void say(int isOk, const char *name, long value) {
  printf("%s %s # %ld\n", isOk ? "ok" : "not ok", name, value);
  if (!isOk) failures++;
}

// Free blocks of 2 MiB and more, of all zones.
static long largeBlocks(void) {
  char line[512];
  long sum = 0;
  FILE *text = fopen("/proc/buddyinfo", "r");
  while (text && fgets(line, sizeof line, text)) {
    long counts[11] = {0};
    char *place = strstr(line, "zone");
    int read = 0;
    if (!place || sscanf(place, "zone %*s%n", &read) < 0) continue;
    place += read;
    for (int order = 0; order < 11; order++) counts[order] = strtol(place, &place, 10);
    sum += counts[9] + 2 * counts[10];
  }
  if (text) fclose(text);
  return sum;
}

static long counter(const char *name) {
  char line[256];
  long value = -1;
  FILE *text = fopen("/proc/vmstat", "r");
  while (text && fgets(line, sizeof line, text))
    if (!strncmp(line, name, strlen(name))) sscanf(line + strlen(name), "%ld", &value);
  if (text) fclose(text);
  return value;
}

static long gather(const char *value) {
  int file = open("/proc/sys/vm/compact_memory", O_WRONLY);
  long result = write(file, value, strlen(value));
  close(file);
  return result;
}

int main(int count, char **arguments) {
  if (count != 2) return 64;
  long pages = atol(arguments[1]);
  uint64_t *memory = mmap(
    0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  for (long page = 0; page < pages; page++) memory[page * 512] = page * 77;
  for (long page = 0; page < pages; page += 2)
    madvise(memory + page * 512, PAGE, MADV_DONTNEED);
  // A child shares the pages that are left, so each is in two page tables.
  int ends[2];
  pipe(ends);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(ends[1]);
    read(ends[0], &byte, 1);
    for (long page = 1; page < pages; page += 2)
      if (memory[page * 512] != page * 77) _exit(1);
    _exit(0);
  }
  long before = largeBlocks();
  outcome("2 is no value", gather("2"));
  long moved = counter("pgmigrate_success ");
  outcome("1 is", gather("1"));
  long after = largeBlocks();
  say(after >= before + pages / 2 / 512 * 8 / 10, "free memory is in large blocks again", after);
  say(counter("pgmigrate_success ") - moved > pages / 10, "pages were moved",
      counter("pgmigrate_success ") - moved);
  say(counter("compact_migrate_scanned ") > 0 && counter("compact_free_scanned ") > 0,
      "both scanners are counted", counter("compact_migrate_scanned "));
  close(ends[1]);
  int status = 1;
  waitpid(child, &status, 0);
  say(status == 0, "the child reads what was written", status);
  long wrong = 0;
  for (long page = 1; page < pages; page += 2) wrong += memory[page * 512] != page * 77;
  say(wrong == 0, "so does its parent", wrong);
  return failures != 0;
}
