// SPDX-License-Identifier: Apache-2.0
// The mmap family: errors and effects.
#include "outcomes.h"

static void *anonymous(size_t pages, int protection) {
  void *place = mmap(0, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) exit(1);
  return place;
}

static void errors_of_mmap(void) {
  int rw = PROT_READ | PROT_WRITE, pa = MAP_PRIVATE | MAP_ANONYMOUS;
  char *m = anonymous(4, rw);
  outcome("mmap no bytes", (long)mmap(0, 0, rw, pa, -1, 0));
  outcome("mmap fixed unaligned", (long)mmap(m + 1, PAGE, rw, pa | MAP_FIXED, -1, 0));
  outcome("mmap neither shared nor private", (long)mmap(0, PAGE, rw, MAP_ANONYMOUS, -1, 0));
  outcome("mmap bad descriptor", (long)mmap(0, PAGE, PROT_READ, MAP_PRIVATE, 99, 0));
  outcome("mmap offset unaligned", (long)mmap(0, PAGE, PROT_READ, MAP_PRIVATE, 0, 1));
  outcome("mmap too long", (long)mmap(0, 1ul << 48, rw, pa | MAP_NORESERVE, -1, 0));
  outcome("mmap noreplace on mapped", (long)mmap(m, PAGE, rw, pa | MAP_FIXED_NOREPLACE, -1, 0));
  outcome("mmap noreplace on free",
          (long)mmap((void *)0x100000, PAGE, rw, pa | MAP_FIXED_NOREPLACE, -1, 0));
  int pipes[2];
  if (pipe(pipes)) exit(1);
  outcome("mmap of a pipe", (long)mmap(0, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0));
  outcome("munmap no bytes", munmap(m, 0));
  outcome("munmap unaligned", munmap(m + 1, PAGE));
  outcome("munmap kernel", munmap((void *)0xffff888000000000, PAGE));
  outcome("munmap hole", munmap((void *)0x200000, 16 * PAGE));
  outcome("munmap middle", munmap(m + PAGE, PAGE));
  outcome("munmap around hole", munmap(m, 4 * PAGE));
}

static void errors_of_mprotect(void) {
  char *m = anonymous(8, PROT_READ | PROT_WRITE);
  munmap(m + 4 * PAGE, PAGE);
  outcome("mprotect unaligned", mprotect(m + 1, PAGE, PROT_READ));
  outcome("mprotect no bytes", mprotect(m, 0, PROT_READ));
  outcome("mprotect hole", mprotect(m + 2 * PAGE, 4 * PAGE, PROT_READ));
  IN_CHILD("write before the hole", m[3 * PAGE] = 1);
  IN_CHILD("write behind the hole", m[5 * PAGE] = 1);
  IN_CHILD("write where nothing changed", m[0] = 1);
  outcome("mprotect unknown bits", mprotect(m, PAGE, 0x40));
  outcome("mprotect none", mprotect(m, PAGE, PROT_NONE));
  IN_CHILD("read of none", (void)*(volatile char *)m);
  outcome("mprotect again", mprotect(m, PAGE, PROT_READ | PROT_WRITE));
  m[0] = 7;
  printf("kept %d\n", m[0]);
}

static void errors_of_mremap(void) {
  char *m = anonymous(8, PROT_READ | PROT_WRITE);
  memset(m, 5, 8 * PAGE);
  munmap(m + 4 * PAGE, PAGE);
  outcome("mremap no bytes", (long)mremap(m, PAGE, 0, MREMAP_MAYMOVE));
  outcome("mremap unaligned", (long)mremap(m + 1, PAGE, PAGE, MREMAP_MAYMOVE));
  outcome("mremap unknown flags", (long)mremap(m, PAGE, PAGE, 0x100));
  outcome("mremap fixed alone", (long)mremap(m, PAGE, PAGE, MREMAP_FIXED, m + PAGE));
  outcome("mremap hole", (long)mremap(m + 4 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
  outcome("mremap across", (long)mremap(m + 3 * PAGE, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE));
  outcome("mremap grow blocked", (long)mremap(m, PAGE, 2 * PAGE, 0));
  char *moved = mremap(m, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
  outcome("mremap grow", (long)moved);
  printf("moved %d %d %d\n", moved[0], moved[4 * PAGE - 1], moved[63 * PAGE]);
  outcome("mremap shrink", (long)mremap(moved, 64 * PAGE, PAGE, 0));
  IN_CHILD("read behind", (void)*(volatile char *)(moved + PAGE));
}

static void errors_of_madvise(void) {
  char *m = anonymous(4, PROT_READ | PROT_WRITE);
  memset(m, 9, 4 * PAGE);
  outcome("madvise unknown", madvise(m, PAGE, 9999));
  outcome("madvise unknown, no bytes", madvise(m, 0, 9999));
  outcome("madvise unaligned", madvise(m + 1, PAGE, MADV_DONTNEED));
  outcome("madvise dontneed", madvise(m + PAGE, PAGE, MADV_DONTNEED));
  printf("after dontneed %d %d %d\n", m[0], m[PAGE], m[2 * PAGE]);
  munmap(m + 2 * PAGE, PAGE);
  outcome("madvise hole", madvise(m, 4 * PAGE, MADV_DONTNEED));
  printf("after hole %d %d\n", m[0], m[3 * PAGE]);
  unsigned char vector[4];
  m[0] = 1;
  outcome("mincore", mincore(m, PAGE, vector));
  printf("resident %d\n", vector[0] & 1);
  outcome("mincore unaligned", mincore(m + 1, PAGE, vector));
  outcome("mincore hole", mincore(m, 4 * PAGE, vector));
  outcome("mincore bad vector", mincore(m, PAGE, (void *)8));
  outcome("msync both", msync(m, PAGE, MS_ASYNC | MS_SYNC));
  outcome("msync unaligned", msync(m + 1, PAGE, MS_SYNC));
  outcome("msync none", msync(m, PAGE, 0));
  outcome("msync hole", msync(m + 2 * PAGE, PAGE, MS_SYNC));
}

static void heap_and_fork(void) {
  char *start = sbrk(0);
  outcome("brk grow", brk(start + 10 * PAGE));
  start[9 * PAGE] = 3;
  outcome("brk shrink", brk(start + PAGE));
  IN_CHILD("read behind the break", (void)*(volatile char *)(start + 9 * PAGE));
  outcome("brk below", brk((void *)4096));
  char *shared = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char *private = anonymous(1, PROT_READ | PROT_WRITE);
  shared[0] = private[0] = 1;
  IN_CHILD("child writes", shared[0] = 2; private[0] = 2);
  printf("shared %d private %d\n", shared[0], private[0]);
  IN_CHILD("child sees", _exit(shared[0] * 10 + private[0]));
}

int main(void) {
  errors_of_mmap();
  errors_of_mprotect();
  errors_of_mremap();
  errors_of_madvise();
  heap_and_fork();
  return 0;
}
