// SPDX-License-Identifier: Apache-2.0
// Maps a file and reads all of it, as often as asked: mapped FILE TIMES. Prints a sum each time.
#include "outcomes.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(int count, char **arguments) {
  if (count != 3) return 64;
  int file = open(arguments[1], O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status)) return 1;
  const uint64_t *words = mmap(0, status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  if (words == MAP_FAILED) return 2;
  for (int round = atoi(arguments[2]); round > 0; round--) {
    uint64_t sum = 0;
    for (long i = 0; i < status.st_size / 8; i++) sum = sum * 31 + words[i];
    printf("%016lx\n", sum);
  }
  return 0;
}
