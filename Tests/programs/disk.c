// SPDX-License-Identifier: Apache-2.0
// What a disk is asked for and cannot give, and what is large: a full one, 3 GiB in a file, names
// of 255 bytes by the hundred, more dirty pages than memory. Arguments: what to do, the folder.
#include "outcomes.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static unsigned char page[PAGE];

// What a place of a file holds follows from the place.
static void fill(uint64_t place) {
  uint64_t state = place * 0x9e3779b97f4a7c15u + 1;
  for (unsigned i = 0; i < PAGE; i += 8) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    memcpy(page + i, &state, 8);
  }
}

static uint64_t sum_of(const unsigned char *bytes, size_t count) {
  uint64_t sum = 14695981039346656037u;
  for (size_t i = 0; i < count; i++) sum = (sum ^ bytes[i]) * 1099511628211u;
  return sum;
}

// Whether a file holds what was written, page by page.
static long wrong_pages(const char *path, long count) {
  unsigned char got[PAGE];
  int file = open(path, O_RDONLY);
  long wrong = 0;
  for (long i = 0; i < count; i++) {
    fill(i);
    wrong += read(file, got, PAGE) != PAGE || memcmp(got, page, PAGE);
  }
  close(file);
  return wrong;
}

static void say(const char *what, int holds) { printf("%s: %s\n", what, holds ? "yes" : "no"); }

static void full(void) {
  struct statvfs room;
  statvfs(".", &room);
  unsigned long before = room.f_bfree;
  int file = open("large", O_CREAT | O_RDWR, 0644);
  long count = 0;
  for (;; count++) {
    fill(count);
    ssize_t written = write(file, page, PAGE);
    if (written != PAGE) {
      outcome("write to a full disk", written);
      break;
    }
  }
  statvfs(".", &room);
  say("all blocks were used", room.f_bfree == 0 && count > (long)(before * 9 / 10));
  outcome("fsync", fsync(file));
  outcome("append", write(file, "x", 1));
  outcome("within", pwrite(file, page, 1, 0));
  pwrite(file, (fill(0), page), PAGE, 0);
  int other = open("other", O_CREAT | O_RDWR, 0644);
  outcome("another file's name", other < 0 ? -1 : 0);
  outcome("its first byte", write(other, "x", 1));
  outcome("a folder", mkdir("folder", 0755));
  char text[200];
  memset(text, 't', sizeof text - 1), text[sizeof text - 1] = 0;
  outcome("a long link", symlink(text, "long"));
  text[40] = 0;
  outcome("a short link", symlink(text, "short"));
  outcome("a hole", ftruncate(other, 10 * PAGE));
  outcome("room", posix_fallocate(other, 0, PAGE) ? (errno = ENOSPC, -1) : 0);
  outcome("another name", link("large", "again"));
  outcome("renamed", rename("again", "once more"));
  say("what was written is there", wrong_pages("large", count) == 0);
  outcome("cut", ftruncate(file, (count - 64) * PAGE));
  outcome("again a byte", pwrite(other, "y", 1, 5 * PAGE));
  outcome("again a folder", mkdir("folder", 0755));
  outcome("removed", unlink("large"));
  outcome("removed", unlink("once more"));
  close(file);
  statvfs(".", &room);
  say("its blocks are free", room.f_bfree > before * 9 / 10);

  long files = 0;
  char name[32];
  for (;; files++) {
    snprintf(name, sizeof name, "folder/%ld", files);
    int small = open(name, O_CREAT | O_WRONLY, 0644);
    if (small < 0) break;
    fill(files);
    if (write(small, page, 100) != 100) exit(1);
    close(small);
  }
  outcome("one file more than there are inodes", -1);
  statvfs(".", &room);
  say("all inodes were used", room.f_ffree == 0 && files > 400);
  for (long i = 0; i < files; i += 2) {
    snprintf(name, sizeof name, "folder/%ld", i);
    if (unlink(name)) exit(2);
  }
  outcome("again a file", open("folder/new", O_CREAT | O_WRONLY, 0644) < 0 ? -1 : 0);
  close(other);
}

static void large(void) {
  static const uint64_t places[] = {0, (1ul << 31) - PAGE / 2, (1ul << 31) + 123456,
                                    (1ul << 32) - PAGE, 3ul << 30, (3ul << 30) + 4095};
  int file = open("sparse", O_CREAT | O_RDWR | O_TRUNC, 0644);
  outcome("3 GiB", ftruncate(file, 3ll << 30));
  for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
    if (places[i] == (1ul << 32) - PAGE) continue;
    fill(places[i]);
    printf("at %lu: %zd\n", places[i], pwrite(file, page, PAGE, places[i]));
  }
  struct stat status;
  fstat(file, &status);
  printf("size %ld\n", (long)status.st_size);
  say("blocks are few", status.st_blocks < 200);
  for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
    unsigned char got[3 * PAGE] = {0};
    off_t start = places[i] < PAGE ? 0 : places[i] - PAGE;
    printf("sought %ld: ", (long)lseek(file, start, SEEK_SET));
    ssize_t count = read(file, got, sizeof got);
    printf("%zd bytes, %016lx\n", count, sum_of(got, count > 0 ? count : 0));
  }
  printf("end %ld\n", (long)lseek(file, 0, SEEK_END));
  unsigned char *mapped = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 3ll << 30);
  printf("mapped %016lx\n", sum_of(mapped, PAGE));
  mapped[7] ^= 1;
  printf("a byte changed %016lx\n", sum_of(mapped, PAGE));
  outcome("msync", msync(mapped, PAGE, MS_SYNC));
  unsigned char byte = 0;
  pread(file, &byte, 1, (3ll << 30) + 7);
  say("read as it was mapped", byte == mapped[7]);
  outcome("cut to 2 GiB and a half page", ftruncate(file, (2ll << 30) + PAGE / 2));
  outcome("and back", ftruncate(file, 3ll << 30));
  unsigned char got[PAGE];
  pread(file, got, PAGE, 2ll << 30);
  printf("the cut page %016lx\n", sum_of(got, PAGE));
  outcome("without O_LARGEFILE", open("sparse", O_RDONLY) < 0 ? -1 : 0);
  close(file);
}

static void names(void) {
  char name[256];
  memset(name, 'n', 255), name[255] = 0;
  long made = 0;
  mkdir("names", 0755), chdir("names");
  for (int i = 0; i < 300; i++) {
    name[snprintf(name, 8, "%04d", i)] = '-';
    int file = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
    made += file >= 0;
    close(file);
  }
  printf("%ld names of 255 bytes\n", made);
  for (int i = 0; i < 300; i += 3) {
    name[snprintf(name, 8, "%04d", i)] = '-';
    made -= unlink(name) == 0;
  }
  memset(name, 'm', 255);
  outcome("a folder of 255 bytes", mkdir(name, 0755));
  char other[256];
  memset(other, 'l', 255), other[255] = 0;
  outcome("a link of 255 bytes", symlink(name, other));
  outcome("renamed", rename(name, "short"));
  outcome("renamed", rename("short", name));
  printf("%ld are left\n", made);
  chdir("..");
}

static void dirty(void) {
  long count = (60 << 20) / PAGE;
  int file = open("written", O_CREAT | O_RDWR | O_TRUNC, 0644);
  for (long i = 0; i < count; i++) {
    fill(i);
    if (write(file, page, PAGE) != PAGE) exit(1);
  }
  say("60 MiB are written and read", wrong_pages("written", count) == 0);
  close(file);
  unlink("written");
  file = open("mapped", O_CREAT | O_RDWR | O_TRUNC, 0644);
  if (ftruncate(file, count * PAGE)) exit(2);
  unsigned char *memory = mmap(0, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  for (long i = 0; i < count; i++) {
    // Not in order: a page is written again while it is on its way to the disk.
    long place = i * 7 % count;
    fill(place);
    memcpy(memory + place * PAGE, page, PAGE);
  }
  outcome("msync", msync(memory, count * PAGE, MS_SYNC));
  munmap(memory, count * PAGE);
  say("60 MiB are stored and read", wrong_pages("mapped", count) == 0);
  close(file);
}

int main(int count, char **arguments) {
  setvbuf(stdout, 0, _IONBF, 0);
  if (count < 3 || chdir(arguments[2])) return 9;
  if (!strcmp(arguments[1], "full")) full();
  if (!strcmp(arguments[1], "large")) large();
  if (!strcmp(arguments[1], "names")) names();
  if (!strcmp(arguments[1], "dirty")) dirty();
  return 0;
}
