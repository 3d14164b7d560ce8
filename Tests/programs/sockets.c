// SPDX-License-Identifier: Apache-2.0
// Unix sockets without names: pairs of each kind, files passed through them, and their ends.
#include "outcomes.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static volatile int pipe_signals;
static void count_signal(int signal) { (void)signal, pipe_signals++; }

static void number(const char *name, long result) {
  if (result == -1)
    printf("%s: %s\n", name, strerrorname_np(errno));
  else
    printf("%s: %ld\n", name, result);
}

static int readiness(int file) {
  struct pollfd entry = {.fd = file, .events = 0x7fff};
  poll(&entry, 1, 0);
  return entry.revents;
}

static long send_files(int socket, const char *text, const int *files, int count) {
  char control[CMSG_SPACE(sizeof(int) * 260)] = {0};
  struct iovec part = {(void *)text, strlen(text)};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(head), files, sizeof(int) * count);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL);
}

// Receives with room for so many files; gives the first, and says what came.
static int receive_file(const char *name, int socket, int room, int flags) {
  char control[CMSG_SPACE(sizeof(int) * 16)] = {0}, text[64] = {0};
  struct iovec parts[2] = {{text, 2}, {text + 2, 40}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = control};
  message.msg_controllen = room > 0 ? CMSG_LEN(sizeof(int) * room) : 0;
  long count = recvmsg(socket, &message, flags);
  int first = -1, files = 0;
  for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
    printf("  part %d %d %zu\n", head->cmsg_level, head->cmsg_type, (size_t)head->cmsg_len);
    if (head->cmsg_type != SCM_RIGHTS) continue;
    files = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(&first, CMSG_DATA(head), sizeof(int));
    for (int index = 1; index < files; index++) {
      int other;
      memcpy(&other, CMSG_DATA(head) + index * sizeof(int), sizeof(int));
      close(other);
    }
  }
  if (count == -1)
    printf("%s: %s\n", name, strerrorname_np(errno));
  else
    printf("%s: %ld \"%s\" files %d flags %x control %zu\n", name, count, text, files,
           message.msg_flags, (size_t)message.msg_controllen);
  return first;
}

static void pair(int kind, int ends[2]) {
  if (socketpair(AF_UNIX, kind, 0, ends) != 0) exit(2);
}

static void making(void) {
  int ends[2];
  outcome("pair of inet", socketpair(AF_INET6 + 100, SOCK_STREAM, 0, ends));
  outcome("kind 99", socket(AF_UNIX, 99, 0));
  outcome("kind 4", socket(AF_UNIX, SOCK_RDM, 0));
  outcome("protocol 7", socket(AF_UNIX, SOCK_STREAM, 7));
  outcome("bad pointer", socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8));
  pair(SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, ends);
  printf("flags %x %x\n", fcntl(ends[0], F_GETFD), fcntl(ends[1], F_GETFL));
  struct stat status;
  fstat(ends[0], &status);
  printf("mode %o\n", status.st_mode);
  char link[64] = {0}, path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
  if (readlink(path, link, 63) > 0) printf("link %.8s\n", link);
  number("seek", lseek(ends[0], 0, SEEK_CUR));
  number("pread", pread(ends[0], path, 1, 0));
  number("open again", open(path, O_RDWR));
  close(ends[0]), close(ends[1]);

  int single = socket(AF_UNIX, SOCK_STREAM, 0);
  printf("unconnected readiness %x\n", readiness(single));
  number("unconnected read", read(single, path, 1));
  number("unconnected write", write(single, path, 1));
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, "/tmp/nobody-listens-here");
  outcome("connect to nothing", connect(single, (void *)&address, sizeof address));
  strcpy(address.sun_path, "/dev/null");
  outcome("connect to a device", connect(single, (void *)&address, sizeof address));
  address.sun_path[0] = 0;
  outcome("connect to no path", connect(single, (void *)&address, sizeof address));
  outcome("connect short", connect(single, (void *)&address, 1));
  address.sun_family = AF_INET;
  outcome("connect to inet", connect(single, (void *)&address, sizeof address));
  socklen_t length = sizeof address;
  outcome("peer name", getpeername(single, (void *)&address, &length));
  outcome("own name", getsockname(single, (void *)&address, &length));
  printf("family %d length %d\n", address.sun_family, length);
  outcome("not a socket", shutdown(0, SHUT_RD));
  outcome("shut badly", shutdown(single, 9));
  close(single);
}

static void options(void) {
  int ends[2], value = 0;
  pair(SOCK_DGRAM, ends);
  socklen_t length = sizeof value;
  int asked[] = {SO_TYPE, SO_ERROR, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN, SO_REUSEADDR, 999};
  for (unsigned index = 0; index < sizeof asked / sizeof *asked; index++) {
    value = -7, length = sizeof value;
    long result = getsockopt(ends[0], SOL_SOCKET, asked[index], &value, &length);
    printf("option %d: %s %d %d\n", asked[index], result ? strerrorname_np(errno) : "ok", value,
           length);
  }
  value = 1;
  outcome("reuse", setsockopt(ends[0], SOL_SOCKET, SO_REUSEADDR, &value, sizeof value));
  getsockopt(ends[0], SOL_SOCKET, SO_REUSEADDR, &value, &length);
  printf("reuse %d\n", value);
  value = 10000;
  outcome("buffer", setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, sizeof value));
  getsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, &length);
  printf("buffer %d\n", value);
  outcome("level", getsockopt(ends[0], 6, 1, &value, &length));
  struct ucred owner;
  length = sizeof owner;
  getsockopt(ends[0], SOL_SOCKET, SO_PEERCRED, &owner, &length);
  printf("owner %d %d %d\n", owner.pid == getpid(), owner.uid == getuid(), length);
  value = 1;
  setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &value, sizeof value);
  send_files(ends[0], "who", NULL, 0);
  receive_file("with credentials", ends[1], 8, 0);
  close(ends[0]), close(ends[1]);
}

static void bytes(void) {
  int ends[2];
  char text[64] = {0};
  pair(SOCK_STREAM, ends);
  printf("readiness %x\n", readiness(ends[0]));
  number("nothing", recv(ends[0], text, 8, MSG_DONTWAIT));
  number("write", write(ends[1], "hello ", 6));
  number("send", send(ends[1], "world", 5, 0));
  printf("readiness %x\n", readiness(ends[0]));
  int waiting = 0;
  ioctl(ends[0], FIONREAD, &waiting);
  printf("waiting %d\n", waiting);
  number("look", recv(ends[0], text, 60, MSG_PEEK));
  printf("%s\n", text);
  memset(text, 0, sizeof text);
  number("read", read(ends[0], text, 8));
  printf("%s\n", text);
  number("to nowhere", recv(ends[0], (void *)8, 3, 0));
  number("from nowhere", send(ends[1], (void *)8, 3, 0));
  number("empty", send(ends[1], text, 0, 0));
  outcome("shut", shutdown(ends[1], SHUT_WR));
  printf("readiness %x %x\n", readiness(ends[0]), readiness(ends[1]));
  number("rest", read(ends[0], text, 60));
  number("end", read(ends[0], text, 60));
  number("after the end", send(ends[1], "x", 1, MSG_NOSIGNAL));
  number("with signal", write(ends[1], "x", 1));
  printf("signals %d\n", pipe_signals);
  number("other way", write(ends[0], "back", 4));
  close(ends[0]);
  printf("readiness %x\n", readiness(ends[1]));
  number("what came before", read(ends[1], text, 60));
  number("then", read(ends[1], text, 60));
  close(ends[1]);

  pair(SOCK_STREAM, ends);
  if (write(ends[0], "unread", 6) != 6) exit(2);
  close(ends[1]);
  printf("readiness %x\n", readiness(ends[0]));
  number("reset", read(ends[0], text, 8));
  number("once", read(ends[0], text, 8));
  number("send", send(ends[0], text, 8, MSG_NOSIGNAL));
  close(ends[0]);
}

static void packets(int kind, const char *name) {
  int ends[2];
  char text[64] = {0};
  printf("%s\n", name);
  pair(kind, ends);
  number("first", send(ends[0], "first one", 9, 0));
  number("empty", send(ends[0], "", 0, 0));
  number("second", write(ends[0], "second", 6));
  number("short", recv(ends[1], text, 5, MSG_PEEK));
  number("length", recv(ends[1], text, 5, MSG_PEEK | MSG_TRUNC));
  receive_file("first", ends[1], 0, 0);
  number("nothing in it", recv(ends[1], text, 5, 0));
  number("cut", recv(ends[1], text, 3, MSG_TRUNC));
  number("none", recv(ends[1], text, 3, MSG_DONTWAIT));
  char *large = calloc(1, 300000);
  number("too large", send(ends[0], large, 300000, 0));
  number("large", send(ends[0], large, 150000, MSG_DONTWAIT));
  number("received", recv(ends[1], large, 300000, 0));
  free(large);
  number("lost", send(ends[0], "lost", 4, 0));
  number("to nowhere", recv(ends[1], (void *)8, 4, 0));
  number("none", recv(ends[1], text, 3, MSG_DONTWAIT));
  number("last", send(ends[0], "last", 4, 0));
  int before = pipe_signals;
  close(ends[1]);
  printf("readiness %x\n", readiness(ends[0]));
  number("peer gone", send(ends[0], "x", 1, 0));
  number("again", send(ends[0], "x", 1, 0));
  number("receive", recv(ends[0], text, 3, MSG_DONTWAIT));
  printf("signals %d\n", pipe_signals - before);
  close(ends[0]);
}

static void passing(void) {
  int ends[2], pipes[2];
  char text[64] = {0};
  pair(SOCK_STREAM, ends);
  if (pipe(pipes) != 0) exit(2);
  number("plain", send(ends[0], "a", 1, 0));
  number("with one", send_files(ends[0], "bcd", &pipes[1], 1));
  number("plain", send(ends[0], "e", 1, 0));
  close(pipes[1]);
  int looked = receive_file("look", ends[1], 4, MSG_PEEK);
  int passed = receive_file("with one", ends[1], 4, MSG_CMSG_CLOEXEC);
  printf("closes %d\n", fcntl(passed, F_GETFD));
  number("through it", write(passed, "text", 4));
  close(passed), close(looked);
  number("read", read(pipes[0], text, 60));
  number("end", read(pipes[0], text, 60));
  receive_file("rest", ends[1], 4, 0);
  int many[] = {0, 1, 2, pipes[0]};
  number("with four", send_files(ends[0], "four", many, 4));
  close(receive_file("room for two", ends[1], 2, 0));
  number("with four", send_files(ends[0], "four", many, 4));
  receive_file("no room", ends[1], 0, 0);
  int bad[] = {0, 77};
  number("closed one", send_files(ends[0], "bad", bad, 2));
  int hundreds[260] = {0};
  number("too many", send_files(ends[0], "bad", hundreds, 254));
  number("most", send_files(ends[0], "most", hundreds, 253));
  number("plain read", read(ends[1], text, 60));
  // What nobody receives is closed: the pipe's last end is in the queue, then gone.
  if (pipe(pipes) != 0) exit(2);
  send_files(ends[0], "x", &pipes[1], 1);
  close(pipes[1]);
  close(ends[0]), close(ends[1]);
  number("end of a lost end", read(pipes[0], text, 1));
  // Sockets that hold only each other.
  if (pipe(pipes) != 0) exit(2);
  pair(SOCK_DGRAM, ends);
  send_files(ends[0], "pipe", &pipes[1], 1);
  send_files(ends[0], "itself", &ends[1], 1);
  send_files(ends[1], "other", &ends[0], 1);
  close(pipes[1]);
  close(ends[0]), close(ends[1]);
  struct pollfd entry = {.fd = pipes[0], .events = POLLIN};
  // Linux looks for circles when sockets are closed, and some time later.
  for (int turn = 0; turn < 100 && poll(&entry, 1, 100) == 0; turn++) {
    pair(SOCK_DGRAM, ends);
    close(ends[0]), close(ends[1]);
  }
  printf("circle %x\n", entry.revents);
}

// A parent and a child that wait for each other.
static void waiting(void) {
  int ends[2];
  pair(SOCK_STREAM, ends);
  fflush(stdout);
  if (fork() == 0) {
    close(ends[0]);
    char *text = malloc(400000);
    long total = 0, count;
    while ((count = read(ends[1], text, 10007)) > 0) {
      for (long index = 0; index < count; index++)
        if (text[index] != (char)((total + index) * 31)) _exit(9);
      total += count;
    }
    dprintf(ends[1], "%ld", total);
    _exit(0);
  }
  close(ends[1]);
  char *text = malloc(400000), answer[32] = {0};
  for (long index = 0; index < 400000; index++) text[index] = (char)(index * 31);
  number("all", write(ends[0], text, 400000));
  shutdown(ends[0], SHUT_WR);
  number("answer", recv(ends[0], answer, 6, MSG_WAITALL));
  printf("%s\n", answer);
  int status;
  wait(&status);
  printf("status %x\n", status);
  close(ends[0]);
}

int main(void) {
  signal(SIGPIPE, count_signal);
  making();
  options();
  bytes();
  packets(SOCK_DGRAM, "datagrams");
  packets(SOCK_SEQPACKET, "packets");
  passing();
  waiting();
  return 0;
}
