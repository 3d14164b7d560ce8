// SPDX-License-Identifier: Apache-2.0
// Timers: alarms, interval timers, timers of programs, sleeps on clocks.
#include "outcomes.h"
#include <sys/time.h>
#include <time.h>

static volatile int count, code, overruns, value;
static void note(int number, siginfo_t *information, void *context) {
  count++;
  code = information->si_code;
  overruns = information->si_overrun;
  value = information->si_value.sival_int;
}

static void handle(int number) {
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
  sigaction(number, &action, 0);
}

static void burn(int wanted) {
  for (volatile long i = 0; count < wanted && i < 2000000000; i++) {}
}

static void test_intervals(void) {
  handle(SIGALRM);
  handle(SIGVTALRM);
  handle(SIGPROF);
  printf("alarm: %u %u %u\n", alarm(10), alarm(5), alarm(0));
  struct itimerval setting = {{0, 5000}, {0, 10000}}, old;
  outcome("real", setitimer(ITIMER_REAL, &setting, 0));
  while (count < 3) pause();
  getitimer(ITIMER_REAL, &old);
  printf("real: code %d interval %ld\n", code, (long)old.it_interval.tv_usec);
  memset(&setting, 0, sizeof setting);
  setitimer(ITIMER_REAL, &setting, &old);
  getitimer(ITIMER_REAL, &old);
  printf("stopped: %ld\n", (long)old.it_value.tv_usec);
  count = 0;
  setting.it_value.tv_usec = 20000;
  outcome("virtual", setitimer(ITIMER_VIRTUAL, &setting, 0));
  burn(1);
  printf("virtual: %d\n", count);
  outcome("profile", setitimer(ITIMER_PROF, &setting, 0));
  burn(2);
  printf("profile: %d\n", count);
  outcome("unknown", setitimer(3, &setting, 0));
  setting.it_value.tv_usec = 1000000;
  outcome("wrong", setitimer(ITIMER_REAL, &setting, 0));
  outcome("null", getitimer(ITIMER_REAL, (void *)1));
}

static void test_program_timers(void) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
  event.sigev_value.sival_int = 77;
  handle(SIGRTMIN);
  timer_t timer;
  outcome("create", timer_create(CLOCK_MONOTONIC, &event, &timer));
  struct itimerspec setting = {{0, 0}, {0, 5000000}}, old;
  count = 0;
  outcome("set", timer_settime(timer, 0, &setting, 0));
  while (count < 1) pause();
  printf("expired: code %d value %d\n", code, value);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, 0);
  setting.it_interval.tv_nsec = 1000000;
  timer_settime(timer, 0, &setting, 0);
  usleep(30000);
  sigprocmask(SIG_UNBLOCK, &set, 0);
  printf("overruns: %d %d\n", overruns > 5, timer_getoverrun(timer) >= 0);
  timer_gettime(timer, &old);
  printf("interval: %ld\n", old.it_interval.tv_nsec);
  outcome("delete", timer_delete(timer));
  event.sigev_notify = SIGEV_NONE;
  outcome("silent", timer_create(CLOCK_REALTIME, &event, &timer));
  setting = (struct itimerspec){{0, 0}, {100, 0}};
  timer_settime(timer, 0, &setting, 0);
  timer_gettime(timer, &old);
  printf("left: %ld\n", (long)old.it_value.tv_sec);
  timer_delete(timer);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = 99;
  outcome("no signal", timer_create(CLOCK_REALTIME, &event, &timer));
  outcome("no clock", timer_create(99, 0, &timer));
}

static void test_sleeps(void) {
  struct timespec now, later, wrong = {0, 1000000000}, left = {9, 9};
  for (int clock = 0; clock <= 11; clock++)
    if (clock < 8 || clock == 11) printf("clock %d: %d\n", clock, clock_gettime(clock, &now));
  clock_gettime(CLOCK_MONOTONIC, &now);
  later = now;
  later.tv_nsec += 20000000;
  if (later.tv_nsec >= 1000000000) later.tv_sec++, later.tv_nsec -= 1000000000;
  printf("until: %d\n", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &later, 0));
  clock_gettime(CLOCK_MONOTONIC, &now);
  printf("passed: %d\n", now.tv_sec > later.tv_sec || now.tv_nsec >= later.tv_nsec);
  printf("past: %d\n", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &(struct timespec){1, 0}, 0));
  printf("wrong: %d\n", clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, 0));
  printf("no clock: %d\n", clock_nanosleep(99, 0, &now, 0));
  struct itimerval setting = {{0, 0}, {0, 10000}};
  setitimer(ITIMER_REAL, &setting, 0);
  outcome("interrupted", nanosleep(&(struct timespec){5, 0}, &left));
  printf("left: %ld\n", (long)left.tv_sec);
  clockid_t clock;
  clock_getcpuclockid(getpid(), &clock);
  printf("own clock: %d\n", clock_gettime(clock, &now));
  outcome("set process time", clock_settime(CLOCK_PROCESS_CPUTIME_ID, &now));
}

int main(void) {
  test_intervals();
  test_program_timers();
  test_sleeps();
}
