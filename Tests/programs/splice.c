/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes between pipes and files without a program's memory in between: each line as on Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void show(const char *name, long value) {
  if (value < 0) printf("%s: %s\n", name, strerror(errno));
  else printf("%s: %ld\n", name, value);
}

static uint32_t sum(const unsigned char *bytes, size_t count) {
  uint32_t sum = 17;
  for (size_t i = 0; i < count; i++) sum = sum * 31 + bytes[i];
  return sum;
}

static int file_of(size_t count) {
  char name[] = "/tmp/spliceXXXXXX";
  int file = mkstemp(name);
  unlink(name);
  for (size_t i = 0; i < count; i++) {
    unsigned char byte = (unsigned char)(i * 7 + (i >> 8));
    if (write(file, &byte, 1) != 1) exit(1);
  }
  lseek(file, 0, SEEK_SET);
  return file;
}

static void through_a_pipe(void) {
  int ends[2], source = file_of(150001), target = file_of(0);
  pipe(ends);
  long total = 0, moved;
  while ((moved = splice(source, NULL, ends[1], NULL, 50000, SPLICE_F_MOVE)) > 0)
    for (long left = moved; left > 0;) {
      long out = splice(ends[0], NULL, target, NULL, (size_t)left, SPLICE_F_MORE);
      if (out <= 0) exit(1);
      left -= out;
      total += out;
    }
  show("at the end", moved);
  show("moved", total);
  show("source stands at", lseek(source, 0, SEEK_CUR));
  show("target stands at", lseek(target, 0, SEEK_CUR));
  unsigned char *bytes = malloc(300000);
  show("read", pread(source, bytes, 300000, 0));
  uint32_t before = sum(bytes, 150001);
  show("read", pread(target, bytes, 300000, 0));
  show("the same bytes", before == sum(bytes, 150001));

  loff_t in = 149990, out = 5;
  show("with a place", splice(source, &in, ends[1], NULL, 100, 0));
  show("place", in);
  show("source still at", lseek(source, 0, SEEK_CUR));
  show("to a place", splice(ends[0], NULL, target, &out, 6, 0));
  show("place", out);
  show("the rest", splice(ends[0], NULL, target, &out, 100, 0));
  show("nothing there", splice(ends[0], NULL, target, &out, 100, SPLICE_F_NONBLOCK));
  show("beyond the end", (in = 1 << 20, splice(source, &in, ends[1], NULL, 100, 0)));
  show("read", pread(target, bytes, 20, 0));
  show("sum", sum(bytes, 20));

  lseek(source, 0, SEEK_SET);
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  show("into a small pipe", splice(source, NULL, ends[1], NULL, 10000, 0));
  show("into a full pipe", splice(source, NULL, ends[1], NULL, 10000, SPLICE_F_NONBLOCK));
  close(ends[1]);
  show("the last bytes", splice(ends[0], NULL, target, NULL, 10000, 0));
  show("nobody writes", splice(ends[0], NULL, target, NULL, 10000, 0));
  close(ends[0]);
  close(source);
  close(target);
  free(bytes);
}

static void between_pipes(void) {
  int one[2], two[2];
  char text[64] = {0};
  pipe(one);
  pipe(two);
  write(one[1], "hello, world", 12);
  show("tee", tee(one[0], two[1], 5, 0));
  show("tee all", tee(one[0], two[1], 100, 0));
  show("copied", read(two[0], text, 63));
  puts(text);
  show("splice", splice(one[0], NULL, two[1], NULL, 7, 0));
  memset(text, 0, 64);
  show("moved", read(two[0], text, 63));
  puts(text);
  memset(text, 0, 64);
  show("left", read(one[0], text, 63));
  puts(text);
  show("tee of nothing", tee(one[0], two[1], 5, SPLICE_F_NONBLOCK));
  show("splice of nothing", splice(one[0], NULL, two[1], NULL, 5, SPLICE_F_NONBLOCK));
  struct iovec parts[] = {{"ab", 2}, {"", 0}, {"cdef", 4}};
  show("vmsplice", vmsplice(one[1], parts, 3, 0));
  memset(text, 0, 64);
  struct iovec room[] = {{text, 3}, {text + 10, 20}};
  show("vmsplice out", vmsplice(one[0], room, 2, 0));
  printf("%s %s\n", text, text + 10);
  show("no parts", vmsplice(one[1], parts, 0, 0));
  close(two[0]);
  write(one[1], "x", 1);
  signal(SIGPIPE, SIG_IGN);
  show("nobody reads", splice(one[0], NULL, two[1], NULL, 5, 0));
  show("tee: nobody reads", tee(one[0], two[1], 5, 0));
  show("vmsplice: nobody reads", vmsplice(two[1], parts, 3, 0));
  close(one[1]);
  show("still there", read(one[0], text, 10));
  show("nobody writes", tee(one[0], two[1], 5, 0));
  close(one[0]);
  close(two[1]);
}

static void refused(void) {
  int ends[2], other[2], file = file_of(100), appending;
  char name[] = "/tmp/spliceXXXXXX";
  loff_t place = 0;
  close(mkstemp(name));
  appending = open(name, O_WRONLY | O_APPEND);
  unlink(name);
  pipe(ends);
  pipe(other);
  write(ends[1], "data", 4);
  show("no bytes", splice(-1, NULL, -1, NULL, 0, 99));
  show("flags", splice(file, NULL, ends[1], NULL, 5, 16));
  show("no source", splice(99, NULL, ends[1], NULL, 5, 0));
  show("no target", splice(file, NULL, 99, NULL, 5, 0));
  show("no pipe", splice(file, NULL, file, NULL, 5, 0));
  show("a pipe's place", splice(ends[0], &place, file, NULL, 5, 0));
  show("a pipe's place", splice(file, NULL, ends[1], &place, 5, 0));
  show("a bad place", splice(file, (loff_t *)8, ends[1], NULL, 5, 0));
  show("the wrong end", splice(file, NULL, ends[0], NULL, 5, 0));
  show("the wrong end", splice(ends[1], NULL, file, NULL, 5, 0));
  show("the same pipe", splice(ends[0], NULL, ends[1], NULL, 5, 0));
  show("appending", splice(ends[0], NULL, appending, NULL, 5, 0));
  int folder = open("/", O_RDONLY | O_DIRECTORY);
  show("a folder", splice(folder, NULL, ends[1], NULL, 5, 0));
  show("tee: flags", tee(ends[0], other[1], 5, 16));
  show("tee: no bytes", tee(99, 99, 0, 0));
  show("tee: a file", tee(file, ends[1], 5, 0));
  show("tee: the same", tee(ends[0], ends[1], 5, 0));
  show("tee: the wrong end", tee(ends[1], other[1], 5, 0));
  struct iovec bad = {(void *)8, 5};
  show("vmsplice: a file", vmsplice(file, &bad, 1, 0));
  show("vmsplice: no memory", vmsplice(other[1], &bad, 1, 0));
  show("vmsplice: bad vector", vmsplice(other[1], (void *)8, 1, 0));
  show("vmsplice: too many", vmsplice(other[1], &bad, 1025, 0));
  char text[10];
  show("nothing was lost", read(ends[0], text, 10));
  close(folder);
  close(file);
  close(appending);
  for (int i = 0; i < 2; i++) close(ends[i]), close(other[i]);
}

static int waiting[2];

static void *writer(void *unused) {
  (void)unused;
  usleep(20000);
  write(waiting[1], "late", 4);
  return NULL;
}

static void waits(void) {
  int sockets[2];
  char text[16] = {0};
  pthread_t thread;
  pipe(waiting);
  socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
  pthread_create(&thread, NULL, writer, NULL);
  show("waited", splice(waiting[0], NULL, sockets[0], NULL, 100, 0));
  pthread_join(thread, NULL);
  show("through a socket", read(sockets[1], text, 15));
  puts(text);
  write(sockets[1], "back", 4);
  show("from a socket", splice(sockets[0], NULL, waiting[1], NULL, 100, 0));
  show("read", read(waiting[0], text, 15));
  puts(text);
  int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
  show("from /dev/zero", splice(zero, NULL, waiting[1], NULL, 8192, 0) > 0);
  show("to /dev/null", splice(waiting[0], NULL, null, NULL, 100, 0));
  close(waiting[0]);
  close(waiting[1]);
}

int main(void) {
  through_a_pipe();
  between_pipes();
  refused();
  waits();
  return 0;
}
