// SPDX-License-Identifier: Apache-2.0
// Fills a contiguous area with its own pages, then wants half of it in a row:
// contiguous FIRST-MIB SIZE-MIB [locked|transfer|full]. Prints `ok NAME` or `not ok NAME`.
#include "outcomes.h"
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define MEBIBYTE (1ul << 20)

static unsigned long first, count;  // The area, in frames.
static int pagemap, failures;

static void say(int isOk, const char *name, unsigned long value) {
  printf("%s %s # %lu\n", isOk ? "ok" : "not ok", name, value);
  fflush(stdout);
  if (!isOk) failures++;
}

static unsigned long frameOf(void *address) {
  uint64_t entry = 0;
  pread(pagemap, &entry, 8, (uintptr_t)address / PAGE * 8);
  return entry >> 63 ? entry & ((1ul << 55) - 1) : 0;
}

static int isInArea(unsigned long frame) { return frame >= first && frame < first + count; }

static unsigned long counter(const char *file, const char *name) {
  char line[256];
  unsigned long value = 0;
  FILE *text = fopen(file, "r");
  while (text && fgets(line, sizeof line, text))
    if (!strncmp(line, name, strlen(name))) sscanf(line + strlen(name), "%lu", &value);
  if (text) fclose(text);
  return value;
}

static void fill(uint64_t *page, uint64_t seed) {
  for (int i = 0; i < 512; i++) page[i] = seed * 0x9E3779B97F4A7C15ul + i;
}

static int isFilled(const uint64_t *page, uint64_t seed) {
  for (int i = 0; i < 512; i++)
    if (page[i] != seed * 0x9E3779B97F4A7C15ul + i) return 0;
  return 1;
}

static unsigned long pagesInArea(char *memory, unsigned long pages) {
  static uint64_t entries[512];
  unsigned long mine = 0;
  for (unsigned long page = 0; page < pages; page += 512) {
    pread(pagemap, entries, sizeof entries, ((uintptr_t)memory / PAGE + page) * 8);
    for (unsigned long i = 0; i < 512 && page + i < pages; i++)
      if (entries[i] >> 63 && isInArea(entries[i] & ((1ul << 55) - 1))) mine++;
  }
  return mine;
}

// A file whose pages are in memory, some of them in the area; they are written later.
static char *makeFile(int *descriptor, unsigned long pages) {
  *descriptor = open("/var/scratch/transfer", O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (*descriptor < 0 || ftruncate(*descriptor, pages * PAGE)) return MAP_FAILED;
  char *file = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *descriptor, 0);
  if (file == MAP_FAILED) return file;
  for (unsigned long page = 0; page < pages; page++)
    fill((uint64_t *)(file + page * PAGE), page + 1000000);
  fsync(*descriptor);
  return file;
}

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  first = strtoul(argv[1], 0, 0) * MEBIBYTE / PAGE;
  count = strtoul(argv[2], 0, 0) * MEBIBYTE / PAGE;
  const char *mode = argc > 3 ? argv[3] : "";
  pagemap = open("/proc/self/pagemap", O_RDONLY);
  int heap = open("/dev/dma_heap/reserved", O_RDWR);
  if (pagemap < 0 || heap < 0) return perror("open"), 1;

  // Borrow the area until nine tenths of it are this program's.
  unsigned long limit = 512 * MEBIBYTE / PAGE, pages = 0, mine = 0, filePages = 64;
  char *memory = mmap(
    0, limit * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  char *file = MAP_FAILED;
  int descriptor = -1;
  while (mine < count * 92 / 100 && pages < limit) {
    for (int i = 0; i < 128; i++, pages++) fill((uint64_t *)(memory + pages * PAGE), pages);
    mine = pagesInArea(memory, pages);
    if (!strcmp(mode, "transfer") && file == MAP_FAILED && mine > 0) {
      file = makeFile(&descriptor, filePages);
      if (file == MAP_FAILED) return perror("file"), 1;
    }
  }
  say(mine >= count * 9 / 10, "the area holds this program's pages: nine tenths of it", mine);
  say(counter("/proc/meminfo", "CmaFree:") <= count * PAGE / 1024 / 10, "CmaFree agrees",
      counter("/proc/meminfo", "CmaFree:"));

  // Room elsewhere to move to: what lies outside of the area goes.
  unsigned long given = 0;
  int isFull = !strcmp(mode, "full");
  for (unsigned long page = 0; !isFull && page < pages && given < 24 * MEBIBYTE / PAGE; page++)
    if (!isInArea(frameOf(memory + page * PAGE))) {
      madvise(memory + page * PAGE, PAGE, MADV_DONTNEED);
      given++;
    }
  mine = pagesInArea(memory, pages);
  say(mine >= count * 9 / 10, "… still when it is asked for", mine);

  unsigned long want = isFull ? count : count / 2, lockedPage = 0, lockedFrame = 0, fileFrame = 0;
  if (!strcmp(mode, "locked")) {
    for (; lockedPage < pages; lockedPage++) {
      lockedFrame = frameOf(memory + lockedPage * PAGE);
      if (lockedFrame >= first && lockedFrame < first + want) break;
    }
    say(mlock(memory + lockedPage * PAGE, PAGE) == 0, "a page of it is locked", lockedFrame);
  }
  if (file != MAP_FAILED) {
    unsigned long inWay = 0;
    for (unsigned long page = 0; page < filePages; page++) {
      fill((uint64_t *)(file + page * PAGE), page + 2000000);
      unsigned long frame = frameOf(file + page * PAGE);
      if (frame >= first && frame < first + want) fileFrame = frame, inWay++;
    }
    say(inWay > 0, "pages of a file are in it", inWay);
    if (sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE)) return perror("sync"), 1;
  }

  struct dma_heap_allocation_data request = {.len = want * PAGE, .fd_flags = O_RDWR | O_CLOEXEC};
  int result = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &request);
  if (isFull) {
    unsigned long right = 0;
    say(result == -1 && errno == ENOMEM, "with nowhere to move to it fails", errno);
    say(counter("/proc/vmstat", "cma_alloc_fail ") == 1, "vmstat counts it", 1);
    say(counter("/proc/vmstat", "oom_kill ") == 0, "nobody is killed for it", 0);
    for (unsigned long page = 0; page < pages; page++)
      right += isFilled((uint64_t *)(memory + page * PAGE), page);
    say(right == pages, "every page of the program is what it was", right);
    return failures != 0;
  }
  say(result == 0, "half of it is allocated in a row", want * PAGE);
  if (result) return perror("ioctl"), 1;

  unsigned long moved = counter("/proc/vmstat", "pgmigrate_success ");
  say(moved > 0, "pages were moved for it", moved);
  say(counter("/proc/vmstat", "cma_alloc_success ") == 1, "vmstat counts one request", 1);
  char *buffer = mmap(0, want * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, request.fd, 0);
  if (buffer == MAP_FAILED) return perror("mmap"), 1;
  unsigned long start = 0, inRow = 0, zeros = 0;
  for (unsigned long page = 0; page < want; page++) {
    const uint64_t *words = (uint64_t *)(buffer + page * PAGE);
    int isZero = 1;
    for (int i = 0; i < 512; i++)
      if (words[i]) isZero = 0;
    zeros += isZero;
    unsigned long frame = frameOf(buffer + page * PAGE);
    if (page == 0) start = frame;
    if (frame == start + page && isInArea(frame)) inRow++;
  }
  say(inRow == want, "its frames are in a row, in the area", start);
  say(zeros == want, "its bytes are zero", zeros);
  memset(buffer, 0xA5, want * PAGE);

  unsigned long right = 0, kept = 0;
  for (unsigned long page = 0; page < pages; page++) {
    const uint64_t *words = (uint64_t *)(memory + page * PAGE);
    if (!frameOf((void *)words)) continue;
    kept++;
    right += isFilled(words, page);
  }
  say(right == kept && kept == pages - given, "every page of the program is what it was", right);
  if (lockedFrame) {
    unsigned long now = frameOf(memory + lockedPage * PAGE);
    say(now && now != lockedFrame && !(now >= start && now < start + want),
        "the locked page was moved", now);
    say(isFilled((uint64_t *)(memory + lockedPage * PAGE), lockedPage),
        "the locked page is what it was", lockedPage);
  }
  if (file != MAP_FAILED) {
    char line[256];
    unsigned long named = 0;
    FILE *text = fopen("/sys/kernel/mm/cma/reserved/blockers", "r");
    while (text && fgets(line, sizeof line, text))
      if (strstr(line, "under-io file")) named++;
    say(named > 0, "what was on its way to the disk is named", named);
    unsigned long now = frameOf(file), same = 0;
    for (unsigned long page = 0; page < filePages; page++) {
      unsigned long frame = frameOf(file + page * PAGE);
      if (frame >= start && frame < start + want) now = 0;
      same += isFilled((uint64_t *)(file + page * PAGE), page + 2000000);
    }
    say(now != 0, "… and was moved when it had arrived", fileFrame);
    say(same == filePages, "the file is what was written", same);
    static uint64_t page[512];
    fsync(descriptor);
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    same = 0;
    for (unsigned long index = 0; index < filePages; index++)
      if (pread(descriptor, page, PAGE, index * PAGE) == PAGE && isFilled(page, index + 2000000))
        same++;
    say(same == filePages, "… on the disk too", same);
  }
  munmap(buffer, want * PAGE);
  close(request.fd);
  say(counter("/sys/kernel/mm/cma/reserved/release_pages_success", "") == want,
      "the buffer's frames go back", want);
  return failures != 0;
}
