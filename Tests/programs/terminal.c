// SPDX-License-Identifier: Apache-2.0
// Terminals: a pseudo terminal's lines, keys, echo, settings, sizes and sessions.
#include "outcomes.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;

// Linux hands what is echoed on by a worker of its own, so that it may come in pieces.
static void settle(int file) {
  int before, count = -1;
  do {
    before = count;
    usleep(5000);
    if (ioctl(file, FIONREAD, &count) < 0) return;
  } while (count != before);
}

static void show(const char *name, int file) {
  char bytes[256];
  struct pollfd ready = {file, POLLIN, 0};
  printf("%s:", name);
  if (poll(&ready, 1, 20) == 1 && ready.revents & POLLIN) {
    if (file == master) settle(file);
    ssize_t count = read(file, bytes, sizeof bytes);
    printf(" %zd", count);
    for (int i = 0; i < count; i++)
      if (bytes[i] < 32 || bytes[i] > 126) printf(" \\%02x", bytes[i] & 255);
      else printf(" %c", bytes[i]);
  }
  printf("\n");
}

static void type(const char *text) { write(master, text, strlen(text)); }

static void open_pair(void) {
  master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  int number = -1, lock = 0;
  outcome("number", ioctl(master, TIOCGPTN, &number));
  char name[32];
  snprintf(name, sizeof name, "/dev/pts/%d", number);
  outcome("locked", open(name, O_RDWR | O_NOCTTY));
  outcome("unlock", ioctl(master, TIOCSPTLCK, &lock));
  slave = open(name, O_RDWR | O_NOCTTY);
  printf("terminal: %d %d %d\n", slave >= 0, isatty(slave), isatty(master));
}

static void test_lines(void) {
  type("hel\177lo\n");
  show("echo", master);
  show("line", slave);
  type("one two\027three\n");
  show("echo", master);
  show("word", slave);
  type("gone\025left\n");
  show("echo", master);
  show("kill", slave);
  type("a\tb\177\177c\n");
  show("tab", master);
  show("tab", slave);
  type("\001\026\003x\n");
  show("control", master);
  show("literal", slave);
  type("half");
  int count;
  ioctl(slave, FIONREAD, &count);
  printf("readable: %d\n", count);
  type("\004");
  show("end of file", slave);
  type("\004");
  char byte;
  printf("end: %zd\n", read(slave, &byte, 1));
  type("two\nlines\n");
  show("first", slave);
  show("second", slave);
  show("echo", master);
  write(slave, "out\tput\n", 8);
  show("output", master);
}

static void test_settings(void) {
  struct termios old, new;
  outcome("get", tcgetattr(slave, &old));
  printf("flags: %x %x %x %x\n", old.c_iflag, old.c_oflag, old.c_cflag, old.c_lflag);
  new = old;
  new.c_lflag &= ~(ICANON | ECHO);
  new.c_cc[VMIN] = 3;
  new.c_cc[VTIME] = 0;
  outcome("set", tcsetattr(slave, TCSANOW, &new));
  type("ab");
  struct pollfd ready = {slave, POLLIN, 0};
  printf("two of three: %d\n", poll(&ready, 1, 20));
  type("c");
  show("three", slave);
  new.c_cc[VMIN] = 0;
  new.c_cc[VTIME] = 1;
  tcsetattr(slave, TCSANOW, &new);
  char byte;
  printf("time: %zd\n", read(slave, &byte, 1));
  type("xy");
  tcflush(slave, TCIFLUSH);
  printf("flushed: %zd\n", read(slave, &byte, 1));
  new.c_oflag &= ~OPOST;
  tcsetattr(slave, TCSANOW, &new);
  write(slave, "raw\n", 4);
  show("raw", master);
  tcsetattr(slave, TCSAFLUSH, &old);
  struct winsize size = {11, 22, 0, 0};
  outcome("resize", ioctl(master, TIOCSWINSZ, &size));
  memset(&size, 0, sizeof size);
  ioctl(slave, TIOCGWINSZ, &size);
  printf("size: %d %d\n", size.ws_row, size.ws_col);
  outcome("no terminal", ioctl(slave, TIOCGPGRP, &size));
  outcome("pipe", tcgetattr(99, &new));
}

static volatile int got;
static void note(int number) { got = number; }

static void test_session(void) {
  IN_CHILD("session", {
    setsid();
    outcome("no tty", open("/dev/tty", O_RDWR));
    outcome("take", ioctl(slave, TIOCSCTTY, 0));
    printf("group: %d %d\n", tcgetpgrp(slave) == getpid(), tcgetsid(slave) == getpid());
    int tty = open("/dev/tty", O_RDWR);
    printf("tty: %d\n", tty >= 0);
    signal(SIGINT, note);
    signal(SIGQUIT, note);
    signal(SIGWINCH, note);
    type("junk\003");
    usleep(1000);
    printf("interrupt: %d\n", got);
    show("echo", master);
    type("\034");
    usleep(1000);
    printf("quit: %d\n", got);
    struct winsize size = {33, 44, 0, 0};
    ioctl(master, TIOCSWINSZ, &size);
    usleep(1000);
    printf("window: %d\n", got);
    outcome("wrong group", tcsetpgrp(slave, 1));
    outcome("no group", tcsetpgrp(slave, 30000));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      setpgid(0, 0);
      char byte;
      signal(SIGTTOU, SIG_IGN);
      outcome("background set", tcsetpgrp(slave, getpid()));
      signal(SIGTSTP, SIG_DFL);
      fflush(stdout);
      read(slave, &byte, 1);
      _exit(3);
    }
    int status;
    usleep(10000);
    type("\032");
    waitpid(child, &status, WUNTRACED);
    printf("stopped: %d %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    signal(SIGTTOU, SIG_IGN);
    outcome("back", tcsetpgrp(slave, getpid()));
    kill(child, SIGCONT);
    waitpid(child, &status, WUNTRACED);
    printf("background read: %d %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    printf("killed: %d\n", WTERMSIG(status));
    signal(SIGHUP, note);
    fflush(stdout);
  });
}

static void test_hang_up(void) {
  struct pollfd ready = {slave, POLLIN, 0};
  char byte;
  close(master);
  int count = poll(&ready, 1, 0);
  printf("hung up: %d %x\n", count, ready.revents);
  printf("end: %zd\n", read(slave, &byte, 1));
  outcome("write", write(slave, "x", 1));
  close(slave);
  open_pair();
  write(slave, "last", 4);
  close(slave);
  show("rest", master);
  outcome("closed", read(master, &byte, 1));
  close(master);
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  open_pair();
  test_lines();
  test_settings();
  test_session();
  open_pair();
  test_hang_up();
}
