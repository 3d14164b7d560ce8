// SPDX-License-Identifier: Apache-2.0
// Signals of readiness: O_ASYNC with owners and signals of all kinds, on pipes, sockets, terminals.
#include "outcomes.h"
#include <fcntl.h>
#include <pthread.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>

// Takes all pending signals of a set and shows what came with each.
static void taken(const char *name, sigset_t *set) {
  struct timespec now = {0, 0};
  siginfo_t info;
  printf("%s:", name);
  for (int i = 0; i < 20; i++) {
    if (sigtimedwait(set, &info, &now) < 0) break;
    printf(" [%d code %d", info.si_signo, info.si_code);
    if (info.si_code == SI_KERNEL)
      printf(" pid %d uid %d]", info.si_pid, info.si_uid);
    else
      printf(" band %lx fd %d]", info.si_band, info.si_fd);
  }
  printf("\n");
}

static sigset_t all;

static void flags(const char *name, int file) {
  printf("%s: flags %o\n", name, fcntl(file, F_GETFL) & ~0100000);
}

static void watch(int file, int signal) {
  outcome("owner", fcntl(file, F_SETOWN, getpid()));
  if (signal) outcome("signal", fcntl(file, F_SETSIG, signal));
  outcome("flags", fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_ASYNC | O_NONBLOCK));
}

static void test_owners(void) {
  int ends[2];
  struct f_owner_ex owner = {7, 7};
  pipe(ends);
  printf("owner at first: %d\n", fcntl(ends[0], F_GETOWN));
  outcome("extended owner", fcntl(ends[0], F_GETOWN_EX, &owner));
  printf("kind %d number %d\n", owner.type, owner.pid);
  printf("signal at first: %d\n", fcntl(ends[0], F_GETSIG));
  outcome("a process that is not", fcntl(ends[0], F_SETOWN, 99999));
  outcome("a group that is not", fcntl(ends[0], F_SETOWN, -99999));
  outcome("the smallest number", fcntl(ends[0], F_SETOWN, 0x80000000));
  outcome("itself", fcntl(ends[0], F_SETOWN, getpid()));
  printf("it is: %d\n", fcntl(ends[0], F_GETOWN) == getpid());
  fcntl(ends[0], F_GETOWN_EX, &owner);
  printf("kind %d, itself %d\n", owner.type, owner.pid == getpid());
  outcome("its group", fcntl(ends[0], F_SETOWN, -getpgrp()));
  printf("it is: %d\n", fcntl(ends[0], F_GETOWN) == -getpgrp());
  fcntl(ends[0], F_GETOWN_EX, &owner);
  printf("kind %d, its group %d\n", owner.type, owner.pid == getpgrp());
  owner.type = 3;
  outcome("a kind that is not", fcntl(ends[0], F_SETOWN_EX, &owner));
  owner = (struct f_owner_ex){F_OWNER_PID, -1};
  outcome("a negative number", fcntl(ends[0], F_SETOWN_EX, &owner));
  owner = (struct f_owner_ex){F_OWNER_TID, getpid()};
  outcome("a thread", fcntl(ends[0], F_SETOWN_EX, &owner));
  owner = (struct f_owner_ex){9, 9};
  fcntl(ends[0], F_GETOWN_EX, &owner);
  printf("kind %d, itself %d\n", owner.type, owner.pid == getpid());
  outcome("nobody", fcntl(ends[0], F_SETOWN, 0));
  fcntl(ends[0], F_GETOWN_EX, &owner);
  printf("kind %d number %d\n", owner.type, owner.pid);
  outcome("a signal that is not", fcntl(ends[0], F_SETSIG, 65));
  outcome("the last signal", fcntl(ends[0], F_SETSIG, 64));
  printf("signal: %d\n", fcntl(ends[0], F_GETSIG));
  outcome("no address", fcntl(ends[0], F_GETOWN_EX, 1));
  outcome("no address", fcntl(ends[0], F_SETOWN_EX, 1));
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  outcome("a child", fcntl(ends[0], F_SETOWN, child));
  printf("it is: %d\n", fcntl(ends[0], F_GETOWN) == child);
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
  sigwaitinfo(&all, 0);
  printf("after its end: %d\n", fcntl(ends[0], F_GETOWN));
  close(ends[0]);
  close(ends[1]);
}

static void test_pipe(int signal) {
  int ends[2];
  char buffer[65536];
  printf("-- a pipe, signal %d\n", signal);
  pipe(ends);
  watch(ends[0], signal);
  flags("reader", ends[0]);
  taken("nothing yet", &all);
  write(ends[1], "a", 1);
  write(ends[1], "b", 1);
  taken("two writes", &all);
  write(ends[1], buffer, 10000);
  taken("three pages", &all);
  watch(ends[1], signal);
  read(ends[0], buffer, 10);
  read(ends[0], buffer, 9);
  taken("two reads", &all);
  while (write(ends[1], buffer, 4096) > 0) {}
  taken("filled", &all);
  read(ends[0], buffer, 4096);
  taken("room", &all);
  while (read(ends[0], buffer, sizeof buffer) > 0) {}
  taken("emptied", &all);
  outcome("off", fcntl(ends[0], F_SETFL, O_NONBLOCK));
  flags("reader", ends[0]);
  write(ends[1], "a", 1);
  taken("nobody is told", &all);
  outcome("on", fcntl(ends[0], F_SETFL, O_NONBLOCK | O_ASYNC));
  int other = dup(ends[0]);
  close(ends[0]);
  write(ends[1], "a", 1);
  taken("by the first number", &all);
  close(ends[1]);
  taken("no writer", &all);
  close(other);
  pipe(ends);
  watch(ends[1], signal);
  close(ends[0]);
  taken("no reader", &all);
  close(ends[1]);
}

static void test_splice(void) {
  int ends[2], others[2];
  pipe(ends);
  pipe(others);
  watch(others[0], SIGRTMIN + 3);
  watch(ends[1], SIGRTMIN + 4);
  write(ends[1], "spliced", 7);
  outcome("tee", tee(ends[0], others[1], 3, 0));
  taken("tee", &all);
  outcome("splice", splice(ends[0], 0, others[1], 0, 3, 0));
  taken("splice", &all);
  close(ends[0]);
  close(ends[1]);
  close(others[0]);
  close(others[1]);
}

static void test_socket(int kind, int signal) {
  int ends[2];
  char buffer[4096];
  printf("-- a socket of kind %d, signal %d\n", kind, signal);
  socketpair(AF_UNIX, kind, 0, ends);
  watch(ends[0], signal);
  flags("socket", ends[0]);
  send(ends[1], "a", 1, 0);
  send(ends[1], "b", 1, 0);
  taken("two messages", &all);
  recv(ends[0], buffer, 10, 0);
  taken("received", &all);
  memset(buffer, 1, sizeof buffer);
  while (send(ends[0], buffer, 4096, MSG_DONTWAIT) > 0) {}
  taken("filled", &all);
  int count = 0;
  while (recv(ends[1], buffer, 4096, MSG_DONTWAIT) > 0) count++;
  taken("room", &all);
  outcome("shut", shutdown(ends[1], SHUT_WR));
  taken("shut", &all);
  outcome("shut", shutdown(ends[1], SHUT_RDWR));
  taken("shut both", &all);
  close(ends[1]);
  taken("closed", &all);
  close(ends[0]);
  socketpair(AF_UNIX, kind, 0, ends);
  int value = getpid(), got = 0, one = 1;
  outcome("FIOSETOWN", ioctl(ends[0], 0x8901, &value));
  outcome("SIOCGPGRP", ioctl(ends[0], 0x8904, &got));
  printf("the owner: %d\n", got == value);
  outcome("FIOASYNC", ioctl(ends[0], FIOASYNC, &one));
  flags("socket", ends[0]);
  send(ends[1], "a", 1, 0);
  taken("a message", &all);
  one = 0;
  outcome("FIOASYNC", ioctl(ends[0], FIOASYNC, &one));
  send(ends[1], "a", 1, 0);
  taken("off", &all);
  close(ends[0]);
  close(ends[1]);
}

static void test_terminal(void) {
  struct f_owner_ex owner;
  printf("-- a terminal\n");
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  grantpt(master);
  unlockpt(master);
  int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  fcntl(slave, F_SETSIG, SIGRTMIN + 5);
  fcntl(master, F_SETSIG, SIGRTMIN + 6);
  outcome("slave", fcntl(slave, F_SETFL, O_RDWR | O_ASYNC | O_NONBLOCK));
  fcntl(slave, F_GETOWN_EX, &owner);
  printf("kind %d, itself %d\n", owner.type, owner.pid == getpid());
  outcome("master", fcntl(master, F_SETFL, O_RDWR | O_ASYNC | O_NONBLOCK));
  flags("slave", slave);
  struct termios settings;
  tcgetattr(slave, &settings);
  settings.c_lflag &= ~ECHO;
  tcsetattr(slave, TCSANOW, &settings);
  write(master, "half", 4);
  usleep(20000);
  taken("half a line", &all);
  write(master, " a line\n", 8);
  usleep(20000);
  taken("a line", &all);
  char buffer[100];
  read(slave, buffer, 100);
  write(slave, "shown", 5);
  usleep(20000);
  taken("output", &all);
  read(master, buffer, 100);
  settings.c_lflag &= ~ICANON;
  tcsetattr(slave, TCSANOW, &settings);
  usleep(20000);
  taken("another mode", &all);
  write(master, "keys", 4);
  usleep(20000);
  taken("keys", &all);
  close(slave);
  close(master);
}

static int sigpending_of(int signal) {
  sigset_t set;
  sigpending(&set);
  return sigismember(&set, signal);
}

static int thread_pipe[2];
static volatile int thread_number;
static void *thread_waits(void *unused) {
  siginfo_t info;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 1);
  thread_number = syscall(SYS_gettid);
  struct f_owner_ex owner = {F_OWNER_TID, thread_number};
  fcntl(thread_pipe[0], F_SETOWN_EX, &owner);
  fcntl(thread_pipe[0], F_SETSIG, SIGRTMIN + 1);
  fcntl(thread_pipe[0], F_SETFL, O_ASYNC);
  write(thread_pipe[1], "a", 1);
  sigwaitinfo(&set, &info);
  printf("a thread: signal %d code %d\n", info.si_signo, info.si_code);
  return 0;
}

static volatile sig_atomic_t seen_code, seen_descriptor;
static void handler(int signal, siginfo_t *info, void *context) {
  seen_code = info->si_code;
  seen_descriptor = info->si_fd;
}

static void test_others(void) {
  int ends[2];
  printf("-- others\n");
  pthread_t thread;
  pipe(thread_pipe);
  pthread_create(&thread, 0, thread_waits, 0);
  pthread_join(thread, 0);

  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, 0);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR1);
  sigprocmask(SIG_UNBLOCK, &one, 0);
  pipe(ends);
  watch(ends[0], SIGUSR1);
  write(ends[1], "a", 1);
  printf("handled: code %d, its number %d\n", seen_code, seen_descriptor == ends[0]);
  outcome("codes of its own", fcntl(ends[0], F_SETSIG, SIGCHLD));
  write(ends[1], "a", 1);
  taken("codes of its own", &all);

  sigset_t poll_set;
  sigemptyset(&poll_set);
  sigaddset(&poll_set, SIGRTMIN + 2);
  int signals = signalfd(-1, &poll_set, 0);
  fcntl(ends[0], F_SETSIG, SIGRTMIN + 2);
  write(ends[1], "a", 1);
  struct signalfd_siginfo record;
  read(signals, &record, sizeof record);
  printf("signalfd: %d code %d band %x its number %d pid %d\n", record.ssi_signo,
         record.ssi_code, record.ssi_band, record.ssi_fd == ends[0], record.ssi_pid);

  fcntl(ends[0], F_SETSIG, 0);
  IN_CHILD("without a handler", {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigprocmask(SIG_UNBLOCK, &set, 0);
    fcntl(ends[0], F_SETOWN, getpid());
    write(ends[1], "a", 1);
  });
  fcntl(ends[0], F_SETOWN, 0);
  IN_CHILD("another user's file", {
    setuid(65534);
    fcntl(ends[0], F_SETOWN, getppid());
    write(ends[1], "a", 1);
  });
  printf("nothing came of it: %d\n", sigpending_of(SIGIO));
  // Files that send none.
  int file = open("/proc/self/exe", O_RDONLY), null = open("/dev/null", O_RDWR), on = 1;
  outcome("a file", fcntl(file, F_SETFL, O_ASYNC));
  flags("a file", file);
  outcome("a file's FIOASYNC", ioctl(file, FIOASYNC, &on));
  outcome("null", fcntl(null, F_SETFL, O_ASYNC));
  flags("null", null);
  int random = open("/dev/urandom", O_RDONLY);
  outcome("random", fcntl(random, F_SETFL, O_ASYNC));
  flags("random", random);
  int owner = getpid();
  outcome("FIOSETOWN of a pipe", ioctl(ends[0], 0x8901, &owner));
}

int main(void) {
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, 0);
  test_owners();
  test_pipe(0);
  test_pipe(SIGRTMIN + 2);
  test_pipe(SIGUSR2);
  test_splice();
  test_socket(SOCK_STREAM, 0);
  test_socket(SOCK_STREAM, SIGRTMIN + 2);
  test_socket(SOCK_DGRAM, SIGRTMIN + 2);
  test_socket(SOCK_SEQPACKET, SIGRTMIN + 2);
  test_terminal();
  test_others();
  fflush(stdout);
  return 0;
}
