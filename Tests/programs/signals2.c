// SPDX-License-Identifier: Apache-2.0
// Signals: queues, values, waits without handlers, stacks, hostile frames, groups.
#include "outcomes.h"
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static volatile int order[16], values[16], codes[16], count;
static void note(int number, siginfo_t *information, void *context) {
  order[count] = number;
  codes[count] = information->si_code;
  values[count++] = information->si_value.sival_int;
}

static void handle(int number, int flags) {
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | flags};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, 0);
}

static void show(const char *name) {
  printf("%s:", name);
  for (int i = 0; i < count; i++)
    printf(" [%d code %d value %d]", order[i], codes[i], codes[i] == SI_QUEUE ? values[i] : 0);
  printf("\n");
  count = 0;
}

static void test_queue(void) {
  sigset_t all, pending;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, 0);
  handle(SIGUSR1, 0);
  handle(SIGRTMIN, 0);
  handle(SIGRTMIN + 1, 0);
  for (int i = 1; i <= 3; i++) {
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 10 + i});
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 20 + i});
  }
  kill(getpid(), SIGRTMIN);
  syscall(SYS_tgkill, getpid(), getpid(), SIGRTMIN);
  sigpending(&pending);
  printf("pending: %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2));
  sigprocmask(SIG_UNBLOCK, &all, 0);
  show("order");
  struct rlimit limit = {2, 2};
  IN_CHILD("limit", {
    setrlimit(RLIMIT_SIGPENDING, &limit);
    setuid(12345);
    sigprocmask(SIG_BLOCK, &all, 0);
    for (int i = 0; i < 3; i++)
      outcome("queue", sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
  });
  siginfo_t forged = {.si_code = SI_USER};
  outcome("forged", syscall(SYS_rt_sigqueueinfo, 1, SIGUSR1, &forged));
  outcome("no signal", syscall(SYS_rt_sigqueueinfo, getpid(), 65, &forged));
  outcome("kill nobody", kill(30000, 0));
  outcome("kill 65", kill(getpid(), 65));
  outcome("group nobody", kill(-30000, SIGTERM));
  outcome("tgkill 0", syscall(SYS_tgkill, 0, getpid(), 0));
  outcome("tgkill other", syscall(SYS_tgkill, 1, getpid(), 0));
}

static void test_wait(void) {
  sigset_t set;
  siginfo_t got;
  struct timespec limit = {0, 1000000};
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, 0);
  outcome("nothing", sigtimedwait(&set, &got, &limit));
  sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 4});
  printf("took: %d", sigwaitinfo(&set, &got) == SIGRTMIN);
  printf(" value %d\n", got.si_value.sival_int);
  pid_t child = fork();
  if (child == 0) _exit(5);
  printf("child: %d", sigwaitinfo(&set, &got) == SIGCHLD);
  printf(" code %d status %d own %d\n", got.si_code, got.si_status, got.si_pid == child);
  waitpid(child, 0, 0);
  limit.tv_nsec = -1;
  outcome("wrong", sigtimedwait(&set, &got, &limit));
  handle(SIGALRM, SA_RESTART);
  limit.tv_sec = 5;
  limit.tv_nsec = 0;
  ualarm(1000, 0);
  outcome("interrupted", sigtimedwait(&set, &got, &limit));
  count = 0;
  sigprocmask(SIG_UNBLOCK, &set, 0);
}

static char room[65536];
static void look(int number) {
  stack_t now;
  char here;
  sigaltstack(0, &now);
  printf("on it: %d flags %x\n", &here > room && &here < room + sizeof room, now.ss_flags);
}

static void test_stack(void) {
  stack_t stack = {.ss_sp = room, .ss_size = sizeof room, .ss_flags = SS_AUTODISARM};
  outcome("disarm", sigaltstack(&stack, 0));
  struct sigaction action = {.sa_handler = look, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &action, 0);
  raise(SIGUSR1);
  sigaltstack(0, &stack);
  printf("after: %x\n", stack.ss_flags);
  stack = (stack_t){.ss_sp = room, .ss_size = sizeof room};
  sigaltstack(&stack, 0);
  raise(SIGUSR1);
  stack.ss_size = 100;
  outcome("small", sigaltstack(&stack, 0));
  stack.ss_flags = 8;
  outcome("flags", sigaltstack(&stack, 0));
  stack = (stack_t){.ss_flags = SS_DISABLE};
  outcome("disable", sigaltstack(&stack, 0));
}

static int kind;
static void spoil(int number, siginfo_t *information, void *context) {
  ucontext_t *frame = context;
  if (kind == 0) frame->uc_mcontext.gregs[REG_RIP] = 0x8000000000000000;
  if (kind == 1) frame->uc_mcontext.gregs[REG_RSP] = 0x8000000000000000;
  if (kind == 2) frame->uc_mcontext.fpregs = (void *)0x8000000000000000;
  if (kind == 3) frame->uc_mcontext.gregs[REG_EFL] = -1;
  if (kind == 4) frame->uc_mcontext.fpregs->mxcsr = -1;
  if (kind == 5) memset(&frame->uc_mcontext.gregs, 0xff, sizeof frame->uc_mcontext.gregs);
}

static void test_frames(void) {
  struct sigaction action = {.sa_sigaction = spoil, .sa_flags = SA_SIGINFO};
  for (kind = 0; kind < 6; kind++) {
    // A stack beyond all addresses is another fault in emulators.
    if (kind == 1 || kind == 3 || kind == 4) continue;
    IN_CHILD("spoiled", {
      sigaction(SIGUSR1, &action, 0);
      raise(SIGUSR1);
    });
  }
  IN_CHILD("no frame", {
    asm volatile("xor %%esp, %%esp; mov $15, %%eax; syscall" ::: "memory");
  });
  IN_CHILD("wild handler", {
    signal(SIGUSR1, (void (*)(int))0x8000000000000000);
    raise(SIGUSR1);
  });
}

static void test_groups(void) {
  int status;
  outcome("setsid", (setpgid(0, 0), setsid()));
  outcome("negative group", setpgid(0, -1));
  outcome("no process", setpgid(30000, 0));
  outcome("no group", setpgid(0, 30000));
  outcome("getpgid", getpgid(30000));
  outcome("getsid", getsid(30000));
  pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    _exit(6);
  }
  waitpid(child, &status, WUNTRACED);
  printf("stopped: %d\n", WIFSTOPPED(status));
  kill(child, SIGCONT);
  waitpid(child, &status, WCONTINUED);
  printf("continued: %d\n", WIFCONTINUED(status));
  waitpid(child, &status, 0);
  printf("ended: %d\n", WEXITSTATUS(status));
  IN_CHILD("orphans", {
    setsid();
    signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);
    printf("goes on\n");
    fflush(stdout);
  });
  handle(SIGCHLD, SA_NOCLDWAIT);
  child = fork();
  if (child == 0) _exit(0);
  while (waitpid(child, 0, 0) == -1 && errno == EINTR) {}
  outcome("not waited", waitpid(child, 0, 0));
}

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  test_queue();
  test_wait();
  test_stack();
  test_frames();
  test_groups();
}
