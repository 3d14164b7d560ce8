// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "CHostSystem.h"

// The terminal's own settings, and a process that sets them again when the tool has gone.
static struct termios original;
static int guard_pipe = -1;
static pid_t guard = -1;

// Waits for words: 'r' the terminal is raw, 'c' it is as it was, 'd' done. Where the tool goes
// without a word its end of the pipe closes.
static void keep_guard(int terminal, int words) {
  for (int number = 1; number < 32; number++) signal(number, SIG_IGN);
  // A session of its own: no signal to the tool's group finds it, and no terminal stops it.
  setsid();
  dup2(terminal, 0);
  dup2(words, 1);
  syscall(SYS_close_range, 2u, ~0u, 0u);
  char word = 'c';
  for (;;) {
    char next;
    ssize_t count = read(1, &next, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    word = next;
    if (word == 'd') _exit(0);
  }
  if (word == 'r') tcsetattr(0, TCSANOW, &original);
  _exit(0);
}

static void tell_guard(char word) { (void)!write(guard_pipe, &word, 1); }

static int is_in_foreground(int terminal) { return tcgetpgrp(terminal) == getpgrp(); }

int terminal_open(int terminal) {
  if (tcgetattr(terminal, &original) != 0) return -errno;
  int words[2];
  if (pipe2(words, O_CLOEXEC) != 0) return -errno;
  guard = fork();
  if (guard < 0) {
    int failure = errno;
    close(words[0]);
    close(words[1]);
    return -failure;
  }
  if (guard == 0) {
    close(words[1]);
    keep_guard(terminal, words[0]);
  }
  close(words[0]);
  guard_pipe = words[1];
  return 0;
}

int terminal_make_raw(int terminal) {
  // Whoever changes a terminal from the background is stopped.
  if (guard_pipe < 0 || !is_in_foreground(terminal)) return 0;
  struct termios raw = original;
  cfmakeraw(&raw);
  tell_guard('r');
  return tcsetattr(terminal, TCSADRAIN, &raw) == 0 ? 1 : -errno;
}

void terminal_restore(int terminal) {
  if (guard_pipe < 0) return;
  if (is_in_foreground(terminal)) tcsetattr(terminal, TCSADRAIN, &original);
  tell_guard('c');
}

void terminal_close(int terminal) {
  if (guard_pipe < 0) return;
  terminal_restore(terminal);
  tell_guard('d');
  close(guard_pipe);
  guard_pipe = -1;
  while (waitpid(guard, NULL, 0) < 0 && errno == EINTR) {
  }
}

uint64_t terminal_window(void) {
  struct winsize size;
  for (int terminal = 0; terminal < 3; terminal++)
    if (ioctl(terminal, TIOCGWINSZ, &size) == 0)
      return (uint64_t)size.ws_row | (uint64_t)size.ws_col << 16 |
             (uint64_t)size.ws_xpixel << 32 | (uint64_t)size.ws_ypixel << 48;
  return 0;
}
