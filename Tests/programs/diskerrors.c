// SPDX-License-Identifier: Apache-2.0
// What programs see of a disk that cannot be written or read any more.
// Arguments: "write" and a folder on a disk of which every write fails, or "read" and a file whose
// second page cannot be read.
#include "outcomes.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sys/wait.h>

static void writing(const char *folder) {
  char path[256];
  snprintf(path, sizeof path, "%s/file", folder);
  int first = open(path, O_CREAT | O_RDWR, 0600), second = open(path, O_RDWR);
  outcome("write", write(first, "written", 7));
  outcome("fsync", fsync(first));
  outcome("fsync again", fsync(first));
  outcome("fsync of another", fsync(second));
  outcome("fsync of another again", fdatasync(second));
  int third = open(path, O_RDWR);
  outcome("fsync of a later one", fsync(third));
  outcome("syncfs", syncfs(first));
  outcome("syncfs again", syncfs(first));
  char buffer[8] = "";
  outcome("read", pread(first, buffer, 7, 0));
  printf("what was written is there: %s\n", buffer);
  outcome("write", pwrite(second, "changed", 7, 0));
  outcome("sync_file_range", sync_file_range(second, 0, 4096, 7));
  outcome("sync_file_range again", sync_file_range(second, 0, 4096, 7));
  outcome("fsync of the first", fsync(first));
  char *map = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, first, 0);
  map[0] = 'C';
  outcome("msync", msync(map, PAGE, MS_SYNC));
  outcome("close", close(first));
  int waiting = open(path, O_RDWR | O_SYNC);
  outcome("synchronous write", write(waiting, "again", 5));
  outcome("unlink", unlink(path));
}

static sigjmp_buf back;
static siginfo_t seen;
static void caught(int signal, siginfo_t *info, void *context) {
  seen = *info;
  siglongjmp(back, 1);
}

static void reading(const char *path) {
  char buffer[3 * PAGE];
  int file = open(path, O_RDONLY);
  printf("up to the damage: %ld\n", (long)read(file, buffer, sizeof buffer));
  outcome("at the damage", read(file, buffer, sizeof buffer));
  outcome("again", read(file, buffer, sizeof buffer));
  printf("behind it: %ld\n", (long)pread(file, buffer, PAGE, 2 * PAGE));
  char *map = mmap(0, 3 * PAGE, PROT_READ, MAP_PRIVATE, file, 0);
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &action, 0);
  for (int page = 0; page < 3; page++) {
    if (sigsetjmp(back, 1) == 0)
      printf("page %d: %d\n", page, *(volatile char *)(map + page * PAGE));
    else
      printf("page %d: signal %d code %d at %ld\n", page, seen.si_signo, seen.si_code,
             (long)((char *)seen.si_addr - map));
  }
  int ends[2];
  pipe(ends);
  outcome("as a call's argument", write(ends[1], map + PAGE, 10));
}

int main(int count, char **words) {
  setvbuf(stdout, 0, _IONBF, 0);
  if (words[1][0] == 'w') writing(words[2]); else reading(words[2]);
  return 0;
}
