// SPDX-License-Identifier: Apache-2.0
// Signals: handlers and their frames, stops, stacks, repeated calls, masks; each line as on Linux.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int got, code;
static void *volatile address;
static sigjmp_buf back;

static void note(int number, siginfo_t *information, void *context) {
  got = number;
  code = information->si_code;
}

static void leave(int number, siginfo_t *information, void *context) {
  got = number;
  code = information->si_code;
  address = information->si_addr;
  siglongjmp(back, 1);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  sigaction(number, &action, 0);
}

static int deeper(int depth) {
  volatile char room[4096];
  room[0] = depth;
  return deeper(depth + 1) + room[0];
}

static void test_faults(void) {
  handle(SIGSEGV, leave, 0);
  handle(SIGFPE, leave, 0);
  handle(SIGILL, leave, 0);
  if (!sigsetjmp(back, 1)) *(volatile int *)0x1234 = 1;
  printf("write: %d code %d address %p\n", got, code, address);
  if (!sigsetjmp(back, 1)) *(volatile int *)0xffff888000000000 = 1;
  printf("kernel: %d code %d address %p\n", got, code, address);
  if (!sigsetjmp(back, 1)) *(volatile char *)test_faults = 1;
  printf("code: %d code %d %d\n", got, code, address == (void *)test_faults);
  volatile int seven = 7, zero = 0;
  if (!sigsetjmp(back, 1)) printf("%d\n", seven / zero);
  printf("divide: %d code %d\n", got, code);
  if (!sigsetjmp(back, 1)) __builtin_trap();
  printf("invalid: %d code %d\n", got, code);
  if (!sigsetjmp(back, 1)) ((void (*)(void))0x10)();
  printf("jump: %d code %d address %p\n", got, code, address);
  static char other[65536];
  stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
  sigaltstack(&stack, 0);
  handle(SIGSEGV, leave, SA_ONSTACK);
  if (!sigsetjmp(back, 1)) deeper(0);
  printf("overflow: %d code %d\n", got, code);
}

static void test_children(void) {
  int status;
  int child = fork();
  if (child == 0)
    for (;;) pause();
  kill(child, SIGSTOP);
  waitpid(child, &status, WUNTRACED);
  printf("stopped: %d %d\n", WIFSTOPPED(status), WSTOPSIG(status));
  kill(child, SIGCONT);
  waitpid(child, &status, WCONTINUED);
  printf("continued: %d\n", WIFCONTINUED(status));
  kill(child, SIGTERM);
  waitpid(child, &status, 0);
  printf("terminated: %d %d\n", WIFSIGNALED(status), WTERMSIG(status));
  child = fork();
  if (child == 0)
    for (;;) {}
  struct timespec wish = {0, 20000000};
  nanosleep(&wish, 0);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  printf("busy: %d\n", WTERMSIG(status));
  child = fork();
  if (child == 0) {
    int ends[2];
    if (pipe(ends) != 0) _exit(8);
    close(ends[0]);
    _exit(write(ends[1], "x", 1) == 1 ? 9 : 10);
  }
  waitpid(child, &status, 0);
  printf("pipe: %d %d\n", WIFSIGNALED(status), WTERMSIG(status));
}

static void test_interruption(void) {
  handle(SIGALRM, note, 0);
  alarm(1);
  int result = pause();
  printf("pause: %d %d signal %d\n", result, errno == EINTR, got);
  handle(SIGALRM, note, SA_RESTART);
  int ends[2], status;
  if (pipe(ends) != 0) return;
  got = 0;
  int child = fork();
  if (child == 0) {
    sleep(2);
    _exit(write(ends[1], "k", 1) != 1);
  }
  alarm(1);
  char letter;
  result = read(ends[0], &letter, 1);
  printf("repeated: %d %c signal %d\n", result, letter, got);
  wait(&status);
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  handle(SIGUSR1, note, 0);
  got = 0;
  sigprocmask(SIG_BLOCK, &set, &old);
  raise(SIGUSR1);
  printf("blocked: %d, ", got);
  sigprocmask(SIG_SETMASK, &old, 0);
  printf("then %d\n", got);
}

// A stop in the middle of a wait does not make it longer.
static void test_stopped_wait(void) {
  int status, child = fork();
  if (child == 0) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int result = poll(0, 0, 1000);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
    printf("poll over a stop: %d, in time %d\n", result, seconds >= 1 && seconds < 1.5);
    _exit(0);
  }
  usleep(200000);
  kill(child, SIGSTOP);
  waitpid(child, &status, WUNTRACED);
  usleep(500000);
  kill(child, SIGCONT);
  waitpid(child, &status, 0);
}

static void spoil(int number) {
  __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2; fninit" ::
                       : "xmm0", "xmm1", "xmm2");
  got++;
}

static void test_floating_point(void) {
  struct sigaction action = {.sa_handler = spoil, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  got = 0;
  struct itimerval timer = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &timer, 0);
  double sum = 0, product = 1;
  for (long index = 1; index < 6000000; index++) {
    sum += 1.0 / index;
    product = product * 0.9999999 + 1e-9;
  }
  timer = (struct itimerval){{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &timer, 0);
  printf("sums: %.12f %.12f, interrupted %d\n", sum, product, got > 3);
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  test_faults();
  test_children();
  test_interruption();
  test_stopped_wait();
  test_floating_point();
  return 0;
}
