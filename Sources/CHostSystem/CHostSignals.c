// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "CHostSystem.h"

// Everything that a handler touches. The handlers do the forwarding themselves, so that it happens
// also while the tool waits in a call.
static volatile sig_atomic_t ending_signal;
static volatile sig_atomic_t window_changed, stop_asked, was_continued;
static struct signal_ring ring;
static volatile sig_atomic_t forwarded_signal;
static volatile uint64_t forwarded_at, deadline;

enum {
  // One signal that comes twice, as `timeout` sends it to a process and to its group.
  doubled_milliseconds = 250,
  // A machine that has not taken a signal by then is stuck.
  patience_milliseconds = 1000,
};

uint64_t monotonic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t milliseconds_since(uint64_t then) {
  return (monotonic_nanoseconds() - then) / 1000000;
}

static void tick(uint64_t first_milliseconds) {
  struct itimerval timer = {
      .it_value = {.tv_sec = (time_t)(first_milliseconds / 1000),
                   .tv_usec = (suseconds_t)(first_milliseconds % 1000 * 1000)},
      .it_interval = {.tv_usec = 100000}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

static void end_by(int number) {
  if (ending_signal == 0) ending_signal = number;
  // Repeated, so that a call which was about to block is interrupted too.
  tick(100);
}

static void take_tick(void) {
  if (deadline != 0 && monotonic_nanoseconds() >= deadline) end_by(SIGALRM);
  if (forwarded_signal != 0 && ring.head != NULL &&
      load_acquire(ring.tail) < load_acquire(ring.head) &&
      milliseconds_since(forwarded_at) >= patience_milliseconds)
    end_by(forwarded_signal);
}

static void take_signal(int number) {
  int failure = errno;
  if (number == SIGALRM) {
    take_tick();
  } else if (ring.head == NULL) {
    end_by(number);
  } else if (forwarded_signal == 0) {
    uint64_t count = load_acquire(ring.head);
    ring.bytes[count % ring.size] = (uint8_t)number;
    store_release(ring.head, count + 1);
    forwarded_at = monotonic_nanoseconds();
    forwarded_signal = number;
    tick(100);
  } else if (milliseconds_since(forwarded_at) >= doubled_milliseconds) {
    end_by(number);
  }
  errno = failure;
}

static void mark_window(int number) {
  (void)number;
  window_changed = 1;
}

static void mark_stop(int number) {
  (void)number;
  stop_asked = 1;
}

static void mark_continued(int number) {
  (void)number;
  was_continued = 1;
}

static void handle(int number, void (*handler)(int)) {
  struct sigaction before, action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  sigaction(number, NULL, &before);
  // A background job of a shell without job control keeps ignoring SIGINT.
  if (before.sa_handler == SIG_IGN && number != SIGALRM) return;
  sigaction(number, &action, NULL);
}

void watch_signals(void) {
  const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
  for (size_t place = 0; place < sizeof ending / sizeof *ending; place++)
    handle(ending[place], take_signal);
  handle(SIGWINCH, mark_window);
  handle(SIGTSTP, mark_stop);
  handle(SIGCONT, mark_continued);
  struct sigaction ignoring = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignoring, NULL);
}

void forward_signals(const struct signal_ring *target) {
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  ring = target == NULL ? (struct signal_ring){0} : *target;
  sigprocmask(SIG_SETMASK, &before, NULL);
}

int watched_signal(void) { return ending_signal; }

int forwarded_any(void) { return forwarded_signal; }

int take_window_change(void) {
  if (!window_changed) return 0;
  window_changed = 0;
  return 1;
}

int take_stop(void) {
  if (!stop_asked) return 0;
  stop_asked = 0;
  return 1;
}

int take_continuation(void) {
  if (!was_continued) return 0;
  was_continued = 0;
  return 1;
}

void start_timer(uint64_t milliseconds) {
  deadline = monotonic_nanoseconds() + milliseconds * 1000000;
  tick(milliseconds);
}
