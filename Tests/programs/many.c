/* SPDX-License-Identifier: Apache-2.0 */
/* More processes and threads than a machine likes; for machines, never for a host. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int reap(void) {
  int count = 0, status;
  while (wait(&status) > 0) count += WIFEXITED(status) && WEXITSTATUS(status) == 7;
  return count;
}

/* All alive at once: each says so, and ends when the pipe is closed. */
static void processes(int wanted) {
  int go[2], here[2], made = 0;
  char byte;
  if (pipe(go) || pipe(here)) exit(1);
  for (; made < wanted; made++) {
    pid_t child = fork();
    if (child < 0) { printf("fork %d: errno %d\n", made, errno); break; }
    if (!child) {
      close(go[1]);
      if (write(here[1], "x", 1) != 1) _exit(1);
      if (read(go[0], &byte, 1) != 0) _exit(2);
      _exit(7);
    }
  }
  for (int i = 0; i < made; i++) if (read(here[0], &byte, 1) != 1) exit(3);
  printf("%d at once\n", made);
  close(go[1]);
  printf("%d ended\n", reap());
}

/* A process and its children fork until they may not. */
static void bomb(int most) {
  struct rlimit limit = {most, most};
  int told[2];
  char byte;
  long count = 0;
  if (pipe(told)) exit(1);
  pid_t first = fork();
  if (!first) {
    close(told[0]);
    setpgid(0, 0);
    if (setrlimit(RLIMIT_NPROC, &limit) || setuid(1000)) _exit(1);
    while (1) {
      pid_t child = fork();
      if (child < 0) {
        if (errno != EAGAIN) _exit(2);
        if (write(told[1], "x", 1) != 1) _exit(3);
        pause();
      }
    }
  }
  close(told[1]);
  /* Each process is refused once, so that this ends when there are as many as may be. */
  while (count < most && read(told[0], &byte, 1) == 1) count++;
  printf("%ld were refused\n", count);
  kill(-first, SIGKILL);
  while (read(told[0], &byte, 1) == 1) count++;
  waitpid(first, 0, 0);
  printf("all are gone: %s\n", count == most ? "yes" : "no");
  pid_t after = fork();
  if (!after) _exit(7);
  printf("and others begin: %d\n", reap());
}

/* Without a limit: the machine's own ends it. */
static void wild(void) {
  int made = 0;
  for (;; made++) {
    pid_t child = fork();
    if (child < 0) break;
    if (!child) { for (;;) pause(); }
  }
  int error = errno;
  printf("the machine refuses: %s\n", error == EAGAIN || error == ENOMEM ? "yes" : "no");
  fprintf(stderr, "after %d\n", made);
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);
  reap();
  printf("and lives\n");
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long sum;
static void *touch(void *argument) {
  size_t size = 1 << 20;
  for (int round = 0; round < 20; round++) {
    unsigned char *memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return (void *)1;
    for (size_t i = 0; i < size; i += 4096) memory[i] = (unsigned char)(long)argument;
    long own = 0;
    for (size_t i = 0; i < size; i += 4096) own += memory[i];
    munmap(memory, size);
    pthread_mutex_lock(&lock);
    sum += own;
    pthread_mutex_unlock(&lock);
  }
  return 0;
}
static void threads(int wanted) {
  pthread_t all[64];
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  for (long i = 0; i < wanted; i++) {
    int error = pthread_create(&all[i], &attributes, touch, (void *)(i % 8 + 1));
    if (error) { printf("thread %ld: error %d\n", i, error); exit(1); }
  }
  for (int i = 0; i < wanted; i++) pthread_join(all[i], 0);
  printf("sum %ld\n", sum);
}
static void sleepers(int wanted) {
  for (int i = 0; i < wanted; i++) {
    if (!fork()) {
      struct timespec time = {i % 7, (i * 7919 % 1000) * 1000000L};
      nanosleep(&time, 0);
      _exit(7);
    }
  }
  printf("%d slept\n", reap());
}

int main(int count, char **arguments) {
  setvbuf(stdout, 0, _IONBF, 0);
  int number = count > 2 ? atoi(arguments[2]) : 0;
  if (!strcmp(arguments[1], "processes")) processes(number);
  if (!strcmp(arguments[1], "bomb")) bomb(number);
  if (!strcmp(arguments[1], "wild")) wild();
  if (!strcmp(arguments[1], "threads")) threads(number);
  if (!strcmp(arguments[1], "sleepers")) sleepers(number);
  return 0;
}
