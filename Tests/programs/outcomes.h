// SPDX-License-Identifier: Apache-2.0
// Prints what calls came to, a line each, so that two kernels can be compared line by line.
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static inline void outcome(const char *name, long result) {
  if (result == -1)
    printf("%s: %s\n", name, strerrorname_np(errno));
  else
    printf("%s: ok\n", name);
}

// Runs a body in a child; says how it ended.
#define IN_CHILD(name, ...)                                                    \
  do {                                                                         \
    fflush(stdout);                                                            \
    pid_t child = fork();                                                      \
    if (child == 0) {                                                          \
      __VA_ARGS__;                                                             \
      _exit(0);                                                                \
    }                                                                          \
    int status = 0;                                                            \
    waitpid(child, &status, 0);                                                \
    if (WIFSIGNALED(status))                                                   \
      printf("%s: signal %d\n", name, WTERMSIG(status));                       \
    else                                                                       \
      printf("%s: exit %d\n", name, WEXITSTATUS(status));                      \
  } while (0)
