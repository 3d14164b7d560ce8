// SPDX-License-Identifier: Apache-2.0
// Waiting for files: poll, select, epoll by level, edge and once, eventfd, timerfd, signalfd.
#include "outcomes.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

static void show(const char *name, int count, struct epoll_event *events) {
  printf("%s: %d", name, count);
  for (int i = 0; i < count; i++) printf(" [%x %lu]", events[i].events, (long)events[i].data.u64);
  printf("\n");
}

static int wait_now(int poll, struct epoll_event *events) { return epoll_wait(poll, events, 8, 0); }

static void test_poll(void) {
  int ends[2];
  pipe(ends);
  struct pollfd files[3] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}, {99, POLLIN, 0}};
  printf("poll: %d", poll(files, 3, 0));
  printf(" %x %x %x\n", files[0].revents, files[1].revents, files[2].revents);
  write(ends[1], "x", 1);
  printf("poll: %d", poll(files, 2, -1));
  printf(" %x %x\n", files[0].revents, files[1].revents);
  close(ends[1]);
  printf("hang-up: %d", poll(files, 1, -1));
  printf(" %x\n", files[0].revents);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  struct timeval limit = {1, 0};
  printf("select: %d\n", select(ends[0] + 1, &set, 0, 0, &limit));
  FD_SET(98, &set);
  outcome("select of a closed file", select(99, &set, 0, 0, 0));
  close(ends[0]);
  pipe(ends);
  if (fork() == 0) {
    usleep(20000);
    write(ends[1], "y", 1);
    _exit(0);
  }
  files[0].fd = ends[0];
  printf("woken: %d %x\n", poll(files, 1, 5000), files[0].revents);
  wait(0);
  close(ends[0]);
  close(ends[1]);
}

static void test_epoll(void) {
  struct epoll_event events[8], event = {.events = EPOLLIN};
  int all = epoll_create1(EPOLL_CLOEXEC), ends[2];
  outcome("create with a wrong flag", epoll_create1(1));
  outcome("create of nothing", epoll_create(0));
  pipe(ends);
  event.data.u64 = 7;
  outcome("add", epoll_ctl(all, EPOLL_CTL_ADD, ends[0], &event));
  outcome("add again", epoll_ctl(all, EPOLL_CTL_ADD, ends[0], &event));
  outcome("add itself", epoll_ctl(all, EPOLL_CTL_ADD, all, &event));
  outcome("add closed", epoll_ctl(all, EPOLL_CTL_ADD, 99, &event));
  outcome("add null", epoll_ctl(all, EPOLL_CTL_ADD, ends[1], 0));
  outcome("modify missing", epoll_ctl(all, EPOLL_CTL_MOD, ends[1], &event));
  outcome("remove missing", epoll_ctl(all, EPOLL_CTL_DEL, ends[1], 0));
  outcome("not an epoll", epoll_ctl(ends[0], EPOLL_CTL_ADD, ends[1], &event));
  outcome("unknown", epoll_ctl(all, 9, ends[0], &event));
  int file = open("/proc/self/exe", O_RDONLY);
  outcome("a file", epoll_ctl(all, EPOLL_CTL_ADD, file, &event));
  outcome("no room", epoll_wait(all, events, 0, 0));
  show("nothing", wait_now(all, events), events);
  write(ends[1], "ab", 2);
  show("level", wait_now(all, events), events);
  show("level", wait_now(all, events), events);
  event.events = EPOLLIN | EPOLLET;
  outcome("edge", epoll_ctl(all, EPOLL_CTL_MOD, ends[0], &event));
  show("edge", wait_now(all, events), events);
  show("edge", wait_now(all, events), events);
  write(ends[1], "c", 1);
  show("edge", wait_now(all, events), events);
  event.events = EPOLLIN | EPOLLONESHOT;
  epoll_ctl(all, EPOLL_CTL_MOD, ends[0], &event);
  show("once", wait_now(all, events), events);
  write(ends[1], "d", 1);
  show("once", wait_now(all, events), events);
  epoll_ctl(all, EPOLL_CTL_MOD, ends[0], &event);
  show("once more", wait_now(all, events), events);
  event.events = EPOLLOUT;
  event.data.u64 = 8;
  epoll_ctl(all, EPOLL_CTL_ADD, ends[1], &event);
  show("writer", wait_now(all, events), events);
  int outer = epoll_create1(0);
  event.events = EPOLLIN;
  event.data.u64 = 9;
  outcome("nested", epoll_ctl(outer, EPOLL_CTL_ADD, all, &event));
  outcome("circle", epoll_ctl(all, EPOLL_CTL_ADD, outer, &event));
  show("outer", wait_now(outer, events), events);
  close(ends[1]);
  event.events = EPOLLIN;
  event.data.u64 = 7;
  epoll_ctl(all, EPOLL_CTL_MOD, ends[0], &event);
  show("hang-up", wait_now(all, events), events);
  char rest[8];
  printf("rest: %zd\n", read(ends[0], rest, 8));
  show("hang-up", wait_now(all, events), events);
  close(ends[0]);
  show("closed", wait_now(all, events), events);
  outcome("gone", epoll_wait(99, events, 8, 0));
  close(all);
  close(outer);
  close(file);
}

static void test_counter(void) {
  uint64_t value = 0;
  int counter = eventfd(3, EFD_NONBLOCK);
  struct pollfd file = {counter, POLLIN | POLLOUT, 0};
  poll(&file, 1, 0);
  printf("counter: %x", file.revents);
  printf(" %zd", read(counter, &value, 8));
  printf(" %lu\n", value);
  outcome("empty", read(counter, &value, 8));
  outcome("small", read(counter, &value, 4));
  value = UINT64_MAX;
  outcome("too much", write(counter, &value, 8));
  value = UINT64_MAX - 1;
  outcome("full", write(counter, &value, 8));
  poll(&file, 1, 0);
  printf("counter: %x\n", file.revents);
  value = 1;
  outcome("beyond", write(counter, &value, 8));
  close(counter);
  counter = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  for (int i = 0; i < 3; i++) {
    value = 0;
    ssize_t got = read(counter, &value, 8);
    printf("semaphore: %zd %lu\n", got, value);
  }
  close(counter);
  outcome("flags", eventfd(0, 0x10));
}

static void test_timer(void) {
  struct itimerspec setting = {{0, 10000000}, {0, 20000000}}, old;
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  uint64_t count = 0;
  outcome("not yet", read(timer, &count, 8));
  outcome("set", timerfd_settime(timer, 0, &setting, 0));
  timerfd_gettime(timer, &old);
  printf("left: %d %ld\n", old.it_value.tv_nsec > 15000000, old.it_interval.tv_nsec);
  struct pollfd file = {timer, POLLIN, 0};
  printf("poll: %d %x\n", poll(&file, 1, 1000), file.revents);
  printf("read: %zd", read(timer, &count, 8));
  printf(" %d\n", count >= 1);
  usleep(35000);
  read(timer, &count, 8);
  printf("missed: %d\n", count >= 2);
  memset(&setting, 0, sizeof setting);
  timerfd_settime(timer, 0, &setting, &old);
  printf("stopped: %ld\n", old.it_interval.tv_nsec);
  setting.it_value.tv_nsec = 1000000000;
  outcome("wrong", timerfd_settime(timer, 0, &setting, 0));
  setting.it_value.tv_nsec = 1;
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, 0);
  printf("past: %d\n", poll(&file, 1, 1000));
  outcome("clock", timerfd_create(77, 0));
  outcome("flags", timerfd_create(CLOCK_MONOTONIC, 1));
  outcome("other file", timerfd_gettime(0, &old));
  close(timer);
}

static void test_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, 0);
  int file = signalfd(-1, &set, SFD_NONBLOCK);
  struct signalfd_siginfo got[4];
  outcome("none", read(file, got, sizeof got));
  outcome("small", read(file, got, 127));
  kill(getpid(), SIGUSR1);
  sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 5});
  sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 6});
  struct pollfd ready = {file, POLLIN, 0};
  printf("poll: %d\n", poll(&ready, 1, 0));
  ssize_t count = read(file, got, sizeof got);
  printf("read: %zd\n", count);
  for (int i = 0; i < (int)(count / sizeof got[0]); i++)
    printf("%d code %d own %d value %d\n", got[i].ssi_signo == SIGUSR1, got[i].ssi_code,
           got[i].ssi_pid == getpid(), got[i].ssi_int);
  close(file);
}

static void test_epoll_socket(void) {
  struct epoll_event events[8], event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = 5};
  int all = epoll_create1(0), ends[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  outcome("add a socket", epoll_ctl(all, EPOLL_CTL_ADD, ends[0], &event));
  show("nothing sent", wait_now(all, events), events);
  write(ends[1], "x", 1);
  show("sent", wait_now(all, events), events);
  close(ends[1]);
  show("closed", wait_now(all, events), events);
  close(ends[0]);
  show("both", wait_now(all, events), events);
  close(all);
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  test_poll();
  test_epoll();
  test_epoll_socket();
  test_counter();
  test_timer();
  test_signals();
}
