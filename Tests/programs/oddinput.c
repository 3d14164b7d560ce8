// SPDX-License-Identifier: Apache-2.0
// Links in a circle, names of 255 bytes, 1,000 open files, a pipe that nobody reads or empties,
// and the machine that a program sees where Linux on any machine says the same.
#include "outcomes.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[32];

static void links(void) {
  symlink("second", "first");
  symlink("first", "second");
  outcome("open a circle", open("first", O_RDONLY));
  outcome("stat a circle", access("first/x", F_OK));
  struct stat status;
  outcome("lstat a circle", lstat("first", &status));
  symlink(".", "here");
  char path[512] = "";
  for (int i = 0; i < 40; i++) strcat(path, "here/");
  outcome("40 links", access(path, F_OK));
  strcat(path, "here/");
  outcome("41 links", access(path, F_OK));
  unlink("first");
  unlink("second");
  unlink("here");
}

static void names(void) {
  char name[300];
  memset(name, 'n', sizeof name);
  name[255] = 0;
  outcome("a name of 255 bytes", open(name, O_CREAT | O_RDWR, 0600));
  outcome("found again", access(name, F_OK));
  outcome("removed", unlink(name));
  name[255] = 'n';
  name[256] = 0;
  outcome("a name of 256 bytes", open(name, O_CREAT | O_RDWR, 0600));
  outcome("a folder of 256 bytes", mkdir(name, 0700));
  char path[5000];
  memset(path, '/', sizeof path);
  path[4095] = 0;
  outcome("a path of 4095 bytes", access(path, F_OK));
  path[4095] = '/';
  path[4096] = 0;
  outcome("a path of 4096 bytes", access(path, F_OK));
}

static void descriptors(void) {
  struct rlimit limit = {1000, 1000};
  outcome("limit", setrlimit(RLIMIT_NOFILE, &limit));
  int last = -1, count = 0;
  for (;; count++) {
    int next = open("/dev/null", O_RDONLY);
    if (next < 0) break;
    last = next;
  }
  outcome("one more", -1);
  printf("the last of them is %d\n", last);
  outcome("pipe without room", pipe((int[2]){0, 0}));
  close(last);
  outcome("one is free again", open("/dev/null", O_RDONLY) == last ? 0 : -1);
  for (int i = 3; i <= last; i++) close(i);
}

static void unread(void) {
  int ends[2];
  if (pipe2(ends, O_NONBLOCK)) return;
  char page[PAGE];
  memset(page, 'p', sizeof page);
  long total = 0, written;
  while ((written = write(ends[1], page, sizeof page)) > 0) total += written;
  outcome("a full pipe", written);
  printf("it holds %ld bytes\n", total);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  outcome("a pipe without a reader", write(ends[1], page, 1));
  close(ends[1]);
  IN_CHILD("killed by the pipe", {
    int own[2];
    signal(SIGPIPE, SIG_DFL);
    pipe(own);
    close(own[0]);
    write(own[1], "x", 1);
  });
}

int main(void) {
  snprintf(folder, sizeof folder, "/tmp/oddinput-%d", (int)getpid());
  if (mkdir(folder, 0700) || chdir(folder)) return 1;
  links();
  names();
  descriptors();
  unread();
  chdir("/");
  rmdir(folder);
  puts("the machine goes on");
  return 0;
}
