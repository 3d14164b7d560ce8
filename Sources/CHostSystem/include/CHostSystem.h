// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What the tool wants of Linux and Swift cannot say well: fork with care, atomics on shared
// memory, signals, and copying by reference.

static inline uint64_t load_acquire(const void *place) {
  return __atomic_load_n((const uint64_t *)place, __ATOMIC_ACQUIRE);
}

static inline void store_release(void *place, uint64_t value) {
  __atomic_store_n((uint64_t *)place, value, __ATOMIC_RELEASE);
}

static inline void processor_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Starts a program in a process group of its own, which the kernel kills when the calling thread
/// ends, however that happens. Descriptors 0, 1 and 2 become the given ones (-1: /dev/null),
/// those of `kept` stay open under their own numbers, all others are closed.
/// Returns its pid, or minus errno, also where exec fails.
pid_t spawn_bound(const char *path, char *const arguments[], char *const environment[],
                  int input, int output, int error, const int *kept, int kept_count);

/// Memory without a name in any folder, inherited by children. Returns a descriptor or -errno.
int make_memory_file(const char *name, uint64_t bytes);

/// A sparse file on the disk of a folder that has no name in it. Returns a descriptor or -errno.
int make_unnamed_file(const char *folder, uint64_t bytes);

/// Gives `target` the content of `source`: by reference where the file system can, else copied.
/// Returns 0 or -errno.
int copy_content(const char *source, const char *target);

/// Makes `target` a copy of an open file, with holes where that has some.
/// Returns 0 or -errno.
int copy_with_holes(int from, const char *target);

uint64_t monotonic_nanoseconds(void);

/// From now on SIGINT, SIGTERM, SIGHUP and the timer set a mark that ends the machine; SIGWINCH,
/// SIGTSTP and SIGCONT set marks of their own; SIGPIPE is ignored.
void watch_signals(void);
/// The first signal that ends the machine, or 0; SIGALRM for the time limit. It is repeated, so
/// that a call which was about to block is interrupted too.
int watched_signal(void);
/// Marks SIGALRM after so many milliseconds.
void start_timer(uint64_t milliseconds);

/// Where signals for the machine go: a ring of bytes and its counters, which stay mapped.
struct signal_ring {
  void *head;
  const void *tail;
  uint8_t *bytes;
  uint64_t size;
};
/// The first of SIGINT, SIGTERM and SIGHUP goes into the ring from now on; the machine ends only
/// by the second, or where it does not take the first within a second. NULL: no longer.
void forward_signals(const struct signal_ring *target);
/// The signal that was forwarded, or 0.
int forwarded_any(void);
/// Each says once that its signal came: SIGWINCH, SIGTSTP, SIGCONT.
int take_window_change(void);
int take_stop(void);
int take_continuation(void);

/// Keeps the settings of a terminal and starts a process that sets them again if this one ends
/// without `terminal_close()`, however that happens. Returns 0 or -errno.
int terminal_open(int terminal);
/// All of cfmakeraw(), unless this process is in the background. Returns whether, or -errno.
int terminal_make_raw(int terminal);
/// The settings that the terminal had.
void terminal_restore(int terminal);
/// The same for good.
void terminal_close(int terminal);
/// The window of the first standard stream that is a terminal: rows, columns, width and height,
/// 16 bits each from the lowest; 0 where none is.
uint64_t terminal_window(void);

/// Waits until a descriptor can be read (-1: none), at most so long. Says whether it can.
int wait_readable(int descriptor, uint64_t microseconds);

/// The state of a file, in types of fixed size.
struct file_facts {
  uint64_t device, inode, size;
  uint32_t mode, links;
  /// Nanoseconds since the epoch: of the content, and of anything about the file.
  uint64_t modified, changed;
};
/// Returns 0 or -errno. `follow`: 0 tells of a symbolic link itself.
int read_facts(const char *path, int follow, struct file_facts *facts);
/// Whether this process may execute the file: 0 or -errno.
int may_execute(const char *path);
/// Whether this process may read the file: 0 or -errno.
int may_read(const char *path);
/// Says that a file was used now. Returns 0 or -errno.
int touch_file(const char *path);
/// Gives a file a time, in seconds since the epoch. Returns 0 or -errno.
int set_time(const char *path, uint64_t seconds);
