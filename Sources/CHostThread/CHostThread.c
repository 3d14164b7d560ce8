// SPDX-License-Identifier: Apache-2.0
#include "CHostThread.h"

__thread uint8_t host_cpu_number __attribute__((tls_model("initial-exec")));

uint64_t host_resident_bytes(void) {
  char text[128];
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  if (count <= 0) return 0;
  text[count] = 0;
  char *second;
  strtoull(text, &second, 10);
  return strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int word_count;
static char **words;

// glibc hands what main() gets to these functions too.
__attribute__((constructor)) static void keep_words(int count, char **list) {
  word_count = count;
  words = list;
}

const char *program_word(int place) { return place < word_count ? words[place] : NULL; }
