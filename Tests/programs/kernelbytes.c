// SPDX-License-Identifier: Apache-2.0
// What a program makes the kernel keep bytes of: messages, names and texts of links in memory, sets
// of poll and select. Without an argument it prints how the rows kmalloc-N of /proc/slabinfo grew;
// with one it goes on while allocations fail on purpose, and prints what it was told.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static char text[101], name[220];

static long active(const char *row) {
  static char line[512];
  long count = 0, size = strlen(row);
  FILE *file = fopen("/proc/slabinfo", "r");
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, row, size) && line[size] == ' ') sscanf(line + size, "%ld", &count);
  fclose(file);
  return count;
}

static void path(char *to, int number) { sprintf(to, "/tmp/%s%d", name, number); }

static void count_rows(void) {
  char place[256], bytes[200];
  int ends[2];
  long before = active("kmalloc-224");
  socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
  for (int i = 0; i < 200; i++) send(ends[0], bytes, sizeof bytes, 0);
  printf("messages %ld\n", active("kmalloc-224") - before);
  long texts = active("kmalloc-112"), names = active("kmalloc-192");
  for (int i = 0; i < 300; i++) {
    path(place, 100 + i);
    symlink(text, place);
  }
  printf("texts %ld\n", active("kmalloc-112") - texts);
  printf("names %ld\n", active("kmalloc-192") - names);
}

/// Whether a call did what it should, or said that there is no memory; counts the latter.
static int holds(long result, long wanted, int error, int *count) {
  if (result == wanted) return 1;
  if (result != -1 || errno != error) {
    printf("%ld instead of %ld, errno %d\n", result, wanted, errno);
    exit(1);
  }
  ++*count;
  return 0;
}

static void go_on(void) {
  int ends[2], links = 0, messages = 0, polls = 0, selects = 0;
  char place[256], bytes[200], found[200];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends)) exit(2);
  for (int i = 0; i < 4000; i++) {
    path(place, i);
    if (holds(symlink(text, place), 0, ENOMEM, &links)) {
      if (readlink(place, found, sizeof found) != 100 || memcmp(text, found, 100)) exit(3);
      if (unlink(place)) exit(4);
    }
    memset(bytes, i, sizeof bytes);
    if (holds(send(ends[0], bytes, sizeof bytes, 0), 200, ENOBUFS, &messages))
      if (recv(ends[1], found, sizeof found, 0) != 200 || memcmp(bytes, found, 200)) exit(5);
    struct pollfd files[30] = {{ends[0], POLLOUT, 0}, {ends[1], POLLIN, 0}};
    for (int k = 2; k < 30; k++) files[k].fd = -1;
    if (holds(poll(files, 30, -1), 1, ENOMEM, &polls) && files[0].revents != POLLOUT) exit(6);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    if (holds(select(ends[1] + 1, 0, &set, 0, 0), 1, ENOMEM, &selects) &&
        !FD_ISSET(ends[0], &set))
      exit(7);
  }
  printf("links %d messages %d polls %d selects %d\n", links > 9, messages > 9, polls > 9,
         selects > 9);
}

int main(int count, char **arguments) {
  memset(text, 't', 100);
  memset(name, 'n', 200);
  if (count > 1) go_on();
  else count_rows();
  return 0;
}
