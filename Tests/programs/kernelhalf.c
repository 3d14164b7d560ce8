// SPDX-License-Identifier: Apache-2.0
// What a program gets that reads, writes or jumps to addresses that are the kernel's: the signal,
// its code and its address, a line for each.
#include "outcomes.h"

static void report(int number, siginfo_t *information, void *context) {
  (void)context;
  printf("signal %d code %d address %lx\n", number, information->si_code,
         (unsigned long)information->si_addr);
  fflush(stdout);
  _exit(0);
}

static void touch(unsigned long address) { *(volatile char *)address = 1; }
static char look(unsigned long address) { return *(volatile char *)address; }
static void jump(unsigned long address) { ((void (*)(void))address)(); }
static void lock_word(unsigned long address) {
  __asm__ volatile("lock incq (%0)" ::"r"(address) : "memory");
}

static void attempt(const char *how, void (*body)(unsigned long), unsigned long address) {
  printf("%s %lx: ", how, address);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    struct sigaction action = {.sa_sigaction = report, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
    body(address);
    puts("nothing");
    fflush(stdout);
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    printf("ended by signal %d\n", WTERMSIG(status));
}

static void look_only(unsigned long address) { look(address); }

int main(void) {
  static const unsigned long places[] = {
      0xffff800000000000, // the first address of the kernel's half
      0xffff888000000000, // the direct map: its first page, the image, its data, devices
      0xffff888000100000, 0xffff888000101000, 0xffff888000200000, 0xffff888000fff000,
      0xffff8880fee00000, 0xffff888100000000, 0xffffc87fffffffff,
      0xffffc90000000000, // vmalloc: the guard page, the first stacks
      0xffffc90000001000, 0xffffc90000003ff8, 0xffffc90000005000, 0xffffe8ffffffffff,
      0xffffea0000000000, // the map of frames
      0xffffffff80000000, // the kernel's text, constants, data
      0xffffffff80100000, 0xffffffff80101000, 0xffffffff80200000, 0xffffffff81000000,
      0xffffffff82000000, 0xffffffffa0000000,
      0xffffffffff200000, // the fixmap
      0xffffffffff578000, 0xffffffffff5fb000, 0xffffffffff5ff000, 0xfffffffffffff000,
      0xfffffffffffffff8,
  };
  for (unsigned long index = 0; index < sizeof places / sizeof *places; index++) {
    attempt("read", look_only, places[index]);
    attempt("write", touch, places[index]);
    attempt("jump", jump, places[index]);
    attempt("lock", lock_word, places[index]);
  }
  // The end of programs' half, and addresses that no half has.
  attempt("read", look_only, 0x00007ffffffff000);
  attempt("jump", jump, 0x00007ffffffff000);
  attempt("read", look_only, 0x0000800000000000);
  attempt("write", touch, 0xffff7fffffffffff);
  puts("the machine goes on");
  return 0;
}
