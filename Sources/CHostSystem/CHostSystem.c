// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CHostSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CLOSE_AT_EXEC 4u  // CLOSE_RANGE_CLOEXEC

// Between fork and exec only calls that are safe in a signal handler are made.

static void place_stream(int from, int number) {
  int source = from >= 0 ? from : open("/dev/null", O_RDWR);
  if (source == number) {
    fcntl(number, F_SETFD, 0);
  } else {
    dup2(source, number);
  }
}

static void become(pid_t parent, const char *path, char *const arguments[],
                   char *const environment[], const int streams[3],
                   const int *kept, int kept_count, int report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(125);
  setpgid(0, 0);
  struct sigaction standard = {.sa_handler = SIG_DFL};
  for (int number = 1; number < 32; number++) sigaction(number, &standard, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  // Every other descriptor is closed at exec, also those that this process was given. The report
  // moves out of the way of the standard streams.
  int moved = fcntl(report, F_DUPFD, 3);
  for (int number = 0; number < 3; number++) place_stream(streams[number], number);
  syscall(SYS_close_range, 3u, ~0u, CLOSE_AT_EXEC);
  for (int place = 0; place < kept_count; place++) fcntl(kept[place], F_SETFD, 0);
  execve(path, arguments, environment);
  int failure = errno;
  (void)!write(moved, &failure, sizeof failure);
  _exit(125);
}

pid_t spawn_bound(const char *path, char *const arguments[], char *const environment[],
                  int input, int output, int error, const int *kept, int kept_count) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;
  const int streams[3] = {input, output, error};
  pid_t parent = getpid();
  pid_t child = fork();
  if (child < 0) {
    int failure = errno;
    close(report[0]);
    close(report[1]);
    return -failure;
  }
  if (child == 0) {
    become(parent, path, arguments, environment, streams, kept, kept_count, report[1]);
    _exit(125);
  }
  close(report[1]);
  int failure = 0;
  ssize_t count;
  do {
    count = read(report[0], &failure, sizeof failure);
  } while (count < 0 && errno == EINTR);
  close(report[0]);
  return count == (ssize_t)sizeof failure ? -failure : child;
}

int make_memory_file(const char *name, uint64_t bytes) {
  int file = memfd_create(name, MFD_CLOEXEC);
  if (file < 0) return -errno;
  if (ftruncate(file, (off_t)bytes) != 0) {
    int failure = errno;
    close(file);
    return -failure;
  }
  return file;
}

int make_unnamed_file(const char *folder, uint64_t bytes) {
  int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) return -errno;
  if (ftruncate(file, (off_t)bytes) != 0) {
    int failure = errno;
    close(file);
    return -failure;
  }
  return file;
}

static int copy_by_reading(int from, int to) {
  static char buffer[1 << 18];
  for (;;) {
    ssize_t count = read(from, buffer, sizeof buffer);
    if (count == 0) return 0;
    if (count < 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    for (ssize_t done = 0; done < count;) {
      ssize_t written = write(to, buffer + done, (size_t)(count - done));
      if (written < 0) {
        if (errno == EINTR) continue;
        return -errno;
      }
      done += written;
    }
  }
}

int copy_content(const char *source, const char *target) {
  int from = open(source, O_RDONLY | O_CLOEXEC);
  if (from < 0) return -errno;
  int to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (to < 0) {
    int failure = errno;
    close(from);
    return -failure;
  }
  int result = 0;
  if (ioctl(to, FICLONE, from) != 0) {
    ssize_t count;
    do {
      count = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
    } while (count > 0);
    // Where the call is not possible, or at a file that only says its size when it is read.
    if (count < 0 || lseek(to, 0, SEEK_CUR) == 0) result = copy_by_reading(from, to);
  }
  close(from);
  if (close(to) != 0 && result == 0) result = -errno;
  return result;
}

// Copies some bytes to the same place of another file.
static int copy_part(int from, int to, off_t start, off_t end) {
  static char buffer[1 << 18];
  while (start < end) {
    size_t wanted = end - start < (off_t)sizeof buffer ? (size_t)(end - start) : sizeof buffer;
    ssize_t count = pread(from, buffer, wanted, start);
    if (count == 0) return 0;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    for (ssize_t done = 0; done < count;) {
      ssize_t written = pwrite(to, buffer + done, (size_t)(count - done), start + done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return -errno;
      done += written;
    }
    start += count;
  }
  return 0;
}

int copy_with_holes(int from, const char *target) {
  struct stat state;
  if (fstat(from, &state) != 0) return -errno;
  int to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (to < 0) return -errno;
  int result = ftruncate(to, state.st_size) == 0 ? 0 : -errno;
  for (off_t end = 0; result == 0 && end < state.st_size;) {
    off_t start = lseek(from, end, SEEK_DATA);
    if (start < 0 && errno == ENXIO) break;
    // What knows of no holes is data from end to end.
    if (start < 0) start = end;
    end = lseek(from, start, SEEK_HOLE);
    if (end <= start) end = state.st_size;
    result = copy_part(from, to, start, end);
  }
  if (close(to) != 0 && result == 0) result = -errno;
  return result;
}

int wait_readable(int descriptor, uint64_t microseconds) {
  struct pollfd wish = {.fd = descriptor, .events = POLLIN};
  struct timespec time = {.tv_sec = (time_t)(microseconds / 1000000),
                          .tv_nsec = (long)(microseconds % 1000000 * 1000)};
  return ppoll(&wish, 1, &time, NULL) > 0;
}

static uint64_t nanoseconds(struct timespec time) {
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int read_facts(const char *path, int follow, struct file_facts *facts) {
  struct stat state;
  if (fstatat(AT_FDCWD, path, &state, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) return -errno;
  facts->device = state.st_dev;
  facts->inode = state.st_ino;
  facts->size = (uint64_t)state.st_size;
  facts->mode = state.st_mode;
  facts->links = (uint32_t)state.st_nlink;
  facts->modified = nanoseconds(state.st_mtim);
  facts->changed = nanoseconds(state.st_ctim);
  return 0;
}

int may_read(const char *path) {
  return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 ? 0 : -errno;
}

int touch_file(const char *path) {
  return utimensat(AT_FDCWD, path, NULL, 0) == 0 ? 0 : -errno;
}

int set_time(const char *path, uint64_t seconds) {
  const struct timespec time = {.tv_sec = (time_t)seconds};
  const struct timespec times[2] = {time, time};
  return utimensat(AT_FDCWD, path, times, 0) == 0 ? 0 : -errno;
}

int may_execute(const char *path) {
  return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : -errno;
}
