// SPDX-License-Identifier: Apache-2.0
// Programs that deserve a signal, one by one, and the machine that goes on.
#include "outcomes.h"

static volatile int value = 0;
static const char constant[PAGE] = "read only";

static int recurse(int depth) {
  volatile char frame[1024];
  frame[0] = (char)depth;
  return recurse(depth + 1) + frame[0];
}

static void touch(unsigned long address) { *(volatile char *)address = 1; }
static char look(unsigned long address) { return *(volatile char *)address; }
static void jump(unsigned long address) { ((void (*)(void))address)(); }

static void report(int number, siginfo_t *information, void *context) {
  (void)context;
  printf("handler: signal %d code %d address %lx\n", number, information->si_code,
         (unsigned long)information->si_addr);
  fflush(stdout);
  _exit(3);
}

static void with_handler(void) {
  struct sigaction action = {.sa_sigaction = report, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  sigaction(SIGFPE, &action, 0);
}

int main(void) {
  unsigned long direct = 0xffff888000000000, text = 0xffffffff80100000;
  unsigned long stacks = 0xffffc90000000000, hole = 0x0000800000000000;
  IN_CHILD("divide by zero",
           __asm__ volatile("idivl %%ecx" ::"a"(1), "d"(0), "c"(0) : "cc"));
  IN_CHILD("jump to nowhere", jump(0x10));
  IN_CHILD("jump to data", jump((unsigned long)&value));
  IN_CHILD("jump to the kernel", jump(text));
  IN_CHILD("jump to no address", jump(hole));
  IN_CHILD("recurse for ever", recurse(0));
  IN_CHILD("write to null", touch(0));
  IN_CHILD("write to the direct map", touch(direct));
  IN_CHILD("read of the direct map", look(direct + 0x100000));
  IN_CHILD("write to the kernel", touch(text));
  IN_CHILD("read of the kernel", look(text));
  IN_CHILD("write to a kernel stack", touch(stacks + PAGE));
  IN_CHILD("write to a constant", touch((unsigned long)constant));
  IN_CHILD("write to text", touch((unsigned long)main));
  IN_CHILD("privileged instruction", __asm__ volatile("hlt"));
  IN_CHILD("port", __asm__ volatile("outb %%al, $0x80" ::"a"(0)));
  IN_CHILD("no instruction", __asm__ volatile("ud2"));
  IN_CHILD("breakpoint", __asm__ volatile("int3"));
  IN_CHILD("control register", __asm__ volatile("mov %%cr3, %%rax" ::: "rax"));
  IN_CHILD("abort", abort());
  IN_CHILD("bad stack", __asm__ volatile("mov $0x10, %%rsp; push %%rax" ::: "memory"));
  IN_CHILD("kernel's stack pointer",
           __asm__ volatile("mov $0xffffc90000001000, %%rsp; push %%rax" ::: "memory"));
  IN_CHILD("caught null", with_handler(); touch(8));
  IN_CHILD("caught constant", with_handler(); touch((unsigned long)0xdead0000));
  IN_CHILD("killed", kill(getpid(), SIGKILL));
  IN_CHILD("terminated", raise(SIGTERM));
  IN_CHILD("ignored", signal(SIGTERM, SIG_IGN); raise(SIGTERM));
  puts("the machine goes on");
  return 0;
}
