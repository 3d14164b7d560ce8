// SPDX-License-Identifier: Apache-2.0
// Locks on files: ranges of processes, of open files, and of whole files.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name(int result) { return result == 0 ? "ok" : strerrorname_np(errno); }

static int lock(int file, int command, short type, off_t start, off_t length) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(file, command, &lock);
}

static void show(int file, const char *what, short type, off_t start, off_t length) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  int result = fcntl(file, F_GETLK, &lock);
  if (result != 0) {
    printf("%s: %s\n", what, name(result));
  } else if (lock.l_type == F_UNLCK) {
    printf("%s: free\n", what);
  } else {
    printf("%s: %s %ld+%ld %s\n", what, lock.l_type == F_WRLCK ? "write" : "read",
           (long)lock.l_start, (long)lock.l_len, lock.l_pid == getppid() ? "parent" : "other");
  }
  fflush(stdout);
}

// Runs a body in a child and waits for it.
#define CHILD(body)                \
  do {                             \
    fflush(stdout);                \
    pid_t child = fork();          \
    if (child == 0) {              \
      body;                        \
      fflush(stdout);              \
      _exit(0);                    \
    }                              \
    waitpid(child, NULL, 0);       \
  } while (0)

static void noop(int signal) { (void)signal; }

int main(void) {
  char path[] = "/tmp/locks-XXXXXX";
  int file = mkstemp(path);
  if (write(file, "0123456789", 10) != 10) return 1;
  printf("write 2+4: %s\n", name(lock(file, F_SETLK, F_WRLCK, 2, 4)));
  printf("own get: ");
  show(file, "self", F_WRLCK, 0, 0);
  CHILD({
    show(file, "child all", F_WRLCK, 0, 0);
    show(file, "child 0+2", F_WRLCK, 0, 2);
    show(file, "child read 3+1", F_RDLCK, 3, 1);
    printf("child set: %s\n", name(lock(file, F_SETLK, F_RDLCK, 5, 1)));
    printf("child set 6: %s\n", name(lock(file, F_SETLK, F_WRLCK, 6, 10)));
  });
  // A range inside another falls out of it.
  printf("unlock 3+1: %s\n", name(lock(file, F_SETLK, F_UNLCK, 3, 1)));
  CHILD({
    show(file, "first part", F_WRLCK, 0, 0);
    show(file, "behind the hole", F_WRLCK, 3, 0);
    printf("hole: %s\n", name(lock(file, F_SETLK, F_WRLCK, 3, 1)));
  });
  printf("downgrade: %s\n", name(lock(file, F_SETLK, F_RDLCK, 0, 0)));
  CHILD({
    show(file, "read beside read", F_RDLCK, 0, 0);
    show(file, "write beside read", F_WRLCK, 100, 1);
  });
  // Closing any descriptor of the file gives up the process's locks.
  int other = open(path, O_RDONLY);
  close(other);
  CHILD(show(file, "after close", F_WRLCK, 0, 0));
  // Rights, kinds and ranges.
  int reader = open(path, O_RDONLY);
  int writer = open(path, O_WRONLY);
  printf("write lock of a reader: %s\n", name(lock(reader, F_SETLK, F_WRLCK, 0, 1)));
  printf("read lock of a writer: %s\n", name(lock(writer, F_SETLK, F_RDLCK, 0, 1)));
  printf("kind 7: %s\n", name(lock(file, F_SETLK, 7, 0, 1)));
  printf("before the start: %s\n", name(lock(file, F_SETLK, F_WRLCK, -1, 1)));
  printf("negative length: %s\n", name(lock(file, F_SETLK, F_WRLCK, 4, -4)));
  printf("too negative: %s\n", name(lock(file, F_SETLK, F_WRLCK, 4, -5)));
  printf("overflow: %s\n", name(lock(file, F_SETLK, F_WRLCK, 0x7fffffffffffffff, 2)));
  struct flock end = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -2, .l_len = 2};
  printf("from the end: %s\n", name(fcntl(file, F_SETLK, &end)));
  CHILD(show(file, "what is there", F_WRLCK, 5, 0));
  lock(file, F_SETLK, F_UNLCK, 0, 0);
  // A child waits until the parent gives the lock up.
  int ends[2];
  if (pipe(ends) != 0) return 1;
  lock(file, F_SETLK, F_WRLCK, 0, 0);
  fflush(stdout);
  pid_t waiting = fork();
  if (waiting == 0) {
    int result = lock(file, F_SETLKW, F_WRLCK, 0, 0);
    dprintf(1, "child has it: %s\n", name(result));
    _exit(0);
  }
  usleep(20000);
  dprintf(1, "parent lets go\n");
  lock(file, F_SETLK, F_UNLCK, 0, 0);
  waitpid(waiting, NULL, 0);
  // Two that wait for each other.
  lock(file, F_SETLK, F_WRLCK, 0, 1);
  pid_t rival = fork();
  if (rival == 0) {
    lock(file, F_SETLK, F_WRLCK, 1, 1);
    if (write(ends[1], "x", 1) != 1) _exit(1);
    int result = lock(file, F_SETLKW, F_WRLCK, 0, 1);
    dprintf(1, "rival: %s\n", name(result));
    _exit(0);
  }
  char byte;
  if (read(ends[0], &byte, 1) != 1) return 1;
  usleep(20000);
  printf("deadlock: %s\n", name(lock(file, F_SETLKW, F_WRLCK, 1, 1)));
  fflush(stdout);
  lock(file, F_SETLK, F_UNLCK, 0, 0);
  waitpid(rival, NULL, 0);
  // A signal ends a wait.
  rival = fork();
  if (rival == 0) {
    lock(file, F_SETLK, F_WRLCK, 0, 0);
    if (write(ends[1], "x", 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  if (read(ends[0], &byte, 1) != 1) return 1;
  struct sigaction action = {.sa_handler = noop};
  sigaction(SIGALRM, &action, NULL);
  ualarm(20000, 0);
  printf("interrupted: %s\n", name(lock(file, F_SETLKW, F_WRLCK, 0, 0)));
  kill(rival, SIGKILL);
  waitpid(rival, NULL, 0);
  printf("after its death: %s\n", name(lock(file, F_SETLK, F_WRLCK, 0, 0)));
  lock(file, F_SETLK, F_UNLCK, 0, 0);
  // Open files' own locks.
  int second = open(path, O_RDWR);
  printf("ofd: %s\n", name(lock(file, F_OFD_SETLK, F_WRLCK, 0, 5)));
  printf("ofd of another: %s\n", name(lock(second, F_OFD_SETLK, F_WRLCK, 4, 1)));
  printf("ofd behind it: %s\n", name(lock(second, F_OFD_SETLK, F_WRLCK, 5, 1)));
  printf("process beside ofd: %s\n", name(lock(second, F_SETLK, F_RDLCK, 0, 1)));
  close(file);
  printf("after close: %s\n", name(lock(second, F_OFD_SETLK, F_WRLCK, 0, 0)));
  file = open(path, O_RDWR);
  // Whole files.
  printf("flock: %s\n", name(flock(file, LOCK_SH)));
  printf("shared too: %s\n", name(flock(second, LOCK_SH | LOCK_NB)));
  printf("exclusive: %s\n", name(flock(second, LOCK_EX | LOCK_NB)));
  printf("unlock: %s\n", name(flock(file, LOCK_UN)));
  printf("exclusive now: %s\n", name(flock(second, LOCK_EX | LOCK_NB)));
  int twin = dup(second);
  printf("its twin: %s\n", name(flock(twin, LOCK_EX | LOCK_NB)));
  close(second);
  printf("twin keeps it: %s\n", name(flock(file, LOCK_EX | LOCK_NB)));
  close(twin);
  printf("nobody has it: %s\n", name(flock(file, LOCK_EX | LOCK_NB)));
  printf("no operation: %s\n", name(flock(file, 0)));
  printf("closed: %s\n", name(flock(99, LOCK_SH)));
  unlink(path);
  return 0;
}
