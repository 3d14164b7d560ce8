// SPDX-License-Identifier: Apache-2.0
//
// What memory operations cost, in guest instructions. No C library; runs on Linux and on Quire, as
// a program or as the first process. With -m32 it is a program of 32 bits.
//
//     gcc -O2 -ffreestanding -fno-stack-protector -nostdlib -static -o guest guest.c
//     guest [ROW | ROW:PAGES:ORDER]...
//
// Under `qemu -icount shift=0` the time stamp ticks once per guest instruction (twice a turn of
// the calibration loop). On Quire RDTSC traps and answers virtual time, on Linux it is direct:
// the cost of reading the time is measured first and taken off, and each figure is over many
// repetitions. Each row is measured five times; a line is `NAME MEDIAN SPREAD`, the spread being
// the largest figure less the smallest, of the last four: the first one fills caches and lists.
// Rows of pages take another number of them, touched in another order (0 upwards, 1 downwards,
// 2 scattered), where that is asked for; what a page costs should hardly change.
// Before them stand three facts: the time stamp at the program's first instruction, and the
// memory that the kernel counts in all and as free, in KiB.

typedef unsigned long word;

#define PAGE 4096UL
#define ROUNDS 5
#define PAGES 1024UL
#define AREAS 1000UL

// --- system calls

#ifdef __x86_64__
enum {
  READ = 0, WRITE = 1, CLOSE = 3, MMAP = 9, MPROTECT = 10, MUNMAP = 11, BRK = 12, PIPE = 22,
  MREMAP = 25, MADVISE = 28, MLOCK = 149, MUNLOCK = 150, NANOSLEEP = 35, FORK = 57, EXIT = 60, WAIT4 = 61,
  SYSINFO = 99, GETPPID = 110
};
#else
// MMAP is mmap2, whose offset counts pages.
enum {
  EXIT = 1, FORK = 2, READ = 3, WRITE = 4, CLOSE = 6, PIPE = 42, BRK = 45, GETPPID = 64,
  MUNMAP = 91, WAIT4 = 114, SYSINFO = 116, MPROTECT = 125, MLOCK = 150, MUNLOCK = 151,
  NANOSLEEP = 162, MREMAP = 163, MMAP = 192, MADVISE = 219
};
#endif

enum { NONE = 0, READABLE = 1, WRITABLE = 3 };
enum { SHARED = 1, PRIVATE = 2, ANONYMOUS = 0x20, POPULATE = 0x8000 };
enum { MAY_MOVE = 1, DONT_NEED = 4 };

#ifdef __x86_64__
static inline word call(word number, word a, word b, word c, word d, word e, word f) {
  register word r10 __asm__("r10") = d;
  register word r8 __asm__("r8") = e;
  register word r9 __asm__("r9") = f;
  word result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#else
// The sixth argument is always 0 here; it goes into the register of the frame's base.
static inline word call(word number, word a, word b, word c, word d, word e, word f) {
  word result;
  (void)f;
  __asm__ volatile("push %%ebp\n xor %%ebp, %%ebp\n int $0x80\n pop %%ebp"
                   : "=a"(result)
                   : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                   : "memory");
  return result;
}
#endif

static inline word call3(word number, word a, word b, word c) {
  return call(number, a, b, c, 0, 0, 0);
}

static void print(const char *text) {
  word length = 0;
  while (text[length]) length++;
  call3(WRITE, 1, (word)text, length);
}

static void print_number(word value) {
  char digits[24];
  int place = 24;
  digits[--place] = 0;
  do digits[--place] = '0' + value % 10; while (value /= 10);
  print(digits + place);
}

static void stop(word status) {
  for (;;) call3(EXIT, status, 0, 0);
}

// A call that has to succeed.
static word checked(const char *what, word result) {
  if (result > -PAGE) {
    print("guest: ");
    print(what);
    print(" failed with ");
    print_number(-result);
    print("\n");
    stop(1);
  }
  return result;
}

static word map(word bytes, word protection, word flags) {
  return checked("mmap", call(MMAP, 0, bytes, protection, PRIVATE | ANONYMOUS | flags, -1, 0));
}

static void unmap(word address, word bytes) {
  checked("munmap", call3(MUNMAP, address, bytes, 0));
}

static void protect(word address, word bytes, word protection) {
  checked("mprotect", call3(MPROTECT, address, bytes, protection));
}

static word break_at(word address) { return call3(BRK, address, 0, 0); }

static word fork_child(void) { return checked("fork", call3(FORK, 0, 0, 0)); }

static void wait_child(void) { checked("wait4", call(WAIT4, -1, 0, 0, 0, 0, 0)); }

// --- time

static inline word time_stamp(void) {
  unsigned low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
#ifdef __x86_64__
  return (word)high << 32 | low;
#else
  // No row takes 2^32 instructions.
  (void)high;
  return low;
#endif
}

static word start_time;
// What two readings in a row differ by.
static word reading_cost;

static inline void start(void) { start_time = time_stamp(); }

static inline word elapsed(void) {
  word time = time_stamp() - start_time;
  return time > reading_cost ? time - reading_cost : 0;
}

// How many pages the rows of pages take, and the step from one that is touched to the next.
static word row_pages = PAGES, row_step = 1;

// The program's own turns of a loop are part of every kernel's figure: a few instructions a page.
static void write_pages(word address, word pages) {
  for (word page = 0; page < pages; page++) *(volatile char *)(address + page * PAGE) = 1;
}

// Every page of a row once, in the row's order.
static void write_row(word address) {
  word page = 0;
  for (word left = row_pages; left > 0; left--) {
    *(volatile char *)(address + page * PAGE) = 1;
    page += row_step;
    if (page >= row_pages) page -= row_pages;
  }
}

static void read_row(word address) {
  word page = 0;
  for (word left = row_pages; left > 0; left--) {
    (void)*(volatile char *)(address + page * PAGE);
    page += row_step;
    if (page >= row_pages) page -= row_pages;
  }
}

static word touched_row(void) {
  word address = map(row_pages * PAGE, WRITABLE, 0);
  write_row(address);
  return address;
}

static word touched(word pages) {
  word address = map(pages * PAGE, WRITABLE, 0);
  write_pages(address, pages);
  return address;
}

// --- rows: each gives the instructions of one operation

static word calibration(void) {
  start();
  word turns = 1000000;
  __asm__ volatile("1: dec %0\n jnz 1b" : "+r"(turns));
  return elapsed();
}

static word getppid_call(void) {
  start();
  for (int turn = 0; turn < 1000; turn++) call3(GETPPID, 0, 0, 0);
  return elapsed() / 1000;
}

static word demand_zero(void) {
  word address = map(row_pages * PAGE, WRITABLE, 0);
  start();
  write_row(address);
  word time = elapsed();
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

static word zero_page_read(void) {
  word address = map(row_pages * PAGE, WRITABLE, 0);
  start();
  read_row(address);
  word time = elapsed();
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

static word zero_page_write(void) {
  word address = map(row_pages * PAGE, WRITABLE, 0);
  read_row(address);
  start();
  write_row(address);
  word time = elapsed();
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

// The child holds its copies and sleeps while the parent writes.
static word copy_on_write(void) {
  word address = touched_row();
  int ready[2], go[2];
  char byte = 0;
  checked("pipe", call3(PIPE, (word)ready, 0, 0));
  checked("pipe", call3(PIPE, (word)go, 0, 0));
  if (fork_child() == 0) {
    call3(WRITE, ready[1], (word)&byte, 1);
    call3(READ, go[0], (word)&byte, 1);
    stop(0);
  }
  call3(READ, ready[0], (word)&byte, 1);
  start();
  write_row(address);
  word time = elapsed();
  call3(WRITE, go[1], (word)&byte, 1);
  wait_child();
  for (int end = 0; end < 2; end++) {
    call3(CLOSE, ready[end], 0, 0);
    call3(CLOSE, go[end], 0, 0);
  }
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

// The child is gone: the parent is the only one to use the pages again.
static word copy_on_write_reuse(void) {
  word address = touched_row();
  if (fork_child() == 0) stop(0);
  wait_child();
  start();
  write_row(address);
  word time = elapsed();
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

static word unmap_touched(void) {
  word address = touched_row();
  start();
  unmap(address, row_pages * PAGE);
  return elapsed() / row_pages;
}

static word discard_touched(void) {
  word address = touched_row();
  start();
  checked("madvise", call3(MADVISE, address, row_pages * PAGE, DONT_NEED));
  word time = elapsed();
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

static word populate(void) {
  start();
  word address = map(row_pages * PAGE, WRITABLE, POPULATE);
  word time = elapsed();
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

static word lock_untouched(void) {
  word address = map(row_pages * PAGE, WRITABLE, 0);
  start();
  checked("mlock", call3(MLOCK, address, row_pages * PAGE, 0));
  word time = elapsed();
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

static word lock_resident(void) {
  word address = touched_row();
  start();
  checked("mlock", call3(MLOCK, address, row_pages * PAGE, 0));
  word time = elapsed();
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

static word unlock_page(void) {
  word address = touched_row();
  checked("mlock", call3(MLOCK, address, row_pages * PAGE, 0));
  start();
  checked("munlock", call3(MUNLOCK, address, row_pages * PAGE, 0));
  word time = elapsed();
  unmap(address, row_pages * PAGE);
  return time / row_pages;
}

static word map_unmap(void) {
  start();
  for (int turn = 0; turn < 256; turn++) unmap(map(PAGE, WRITABLE, 0), PAGE);
  return elapsed() / 256;
}

static word map_touch_unmap(void) {
  start();
  for (int turn = 0; turn < 256; turn++) unmap(touched(1), PAGE);
  return elapsed() / 256;
}

// One page in the middle of 64: three areas, then one again. A call each, so half of the two.
static word protect_page(void) {
  word address = touched(64);
  start();
  for (int turn = 0; turn < 256; turn++) {
    protect(address + 32 * PAGE, PAGE, READABLE);
    protect(address + 32 * PAGE, PAGE, WRITABLE);
  }
  word time = elapsed();
  unmap(address, 64 * PAGE);
  return time / 512;
}

static word protect_touched(void) {
  word address = touched(PAGES);
  start();
  for (int turn = 0; turn < 4; turn++) {
    protect(address, PAGES * PAGE, READABLE);
    protect(address, PAGES * PAGE, WRITABLE);
  }
  word time = elapsed();
  unmap(address, PAGES * PAGE);
  return time / 8;
}

static word areas[AREAS];

// Neighbours have other rights, so that none merges.
static void map_areas(void) {
  for (word index = 0; index < AREAS; index++)
    areas[index] = map(PAGE, index & 1 ? READABLE : WRITABLE, 0);
}

static void unmap_areas(void) {
  for (word index = 0; index < AREAS; index++) unmap(areas[index], PAGE);
}

// Knuth's generator: the same order in every run.
static void shuffle_areas(void) {
  unsigned long long state = 1;
  for (word left = AREAS; left > 1; left--) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    word place = (word)(state >> 33) % left, area = areas[place];
    areas[place] = areas[left - 1];
    areas[left - 1] = area;
  }
}

static word map_thousand(void) {
  start();
  map_areas();
  word time = elapsed();
  unmap_areas();
  return time / AREAS;
}

static word unmap_thousand(void) {
  map_areas();
  shuffle_areas();
  start();
  unmap_areas();
  return elapsed() / AREAS;
}

// A page of other rights stands behind the area, so that it has to move.
static word remap(void) {
  word address = map((PAGES + 1) * PAGE, WRITABLE, 0);
  protect(address + PAGES * PAGE, PAGE, NONE);
  write_pages(address, PAGES);
  start();
  word moved = checked(
    "mremap", call(MREMAP, address, PAGES * PAGE, 4 * PAGES * PAGE, MAY_MOVE, 0, 0));
  word time = elapsed();
  unmap(moved, 4 * PAGES * PAGE);
  unmap(address + PAGES * PAGE, PAGE);
  return time;
}

static word grow_break_by_pages(int touches) {
  word first = break_at(0), last = first;
  start();
  for (int turn = 0; turn < 256; turn++) {
    if (break_at(last + PAGE) != last + PAGE) checked("brk", -12);
    if (touches) *(volatile char *)last = 1;
    last += PAGE;
  }
  word time = elapsed();
  break_at(first);
  return time / 256;
}

static word grow_break(void) { return grow_break_by_pages(0); }

static word grow_break_touched(void) { return grow_break_by_pages(1); }

static word forks(int count) {
  start();
  for (int turn = 0; turn < count; turn++) {
    if (fork_child() == 0) stop(0);
    wait_child();
  }
  return elapsed() / count;
}

static word fork_small(void) { return forks(16); }

static word fork_large(void) {
  word bytes = 64UL << 20, address = touched(bytes / PAGE);
  word time = forks(2);
  unmap(address, bytes);
  return time;
}

// From the touch for which there is no memory to the victim's end, seen by its parent. What it
// takes grows with the machine, whose memory the victim has nearly all.
static word kill_for_memory(void) {
  word shared = checked("mmap", call(MMAP, 0, PAGE, WRITABLE, SHARED | ANONYMOUS, -1, 0));
  volatile word *last_touch = (word *)shared;
  *last_touch = 0;
  if (fork_child() == 0) {
    for (;;) {
      word address = map(PAGES * PAGE, WRITABLE, 0);
      for (word page = 0; page < PAGES; page++) {
        *last_touch = time_stamp();
        *(volatile char *)(address + page * PAGE) = 1;
      }
    }
  }
  wait_child();
  word time = time_stamp() - *last_touch;
  unmap(shared, PAGE);
  return time - reading_cost;
}

// --- the table

static const struct { const char *name; word (*measure)(void); } rows[] = {
  {"demand-zero", demand_zero},
  {"zero-page-read", zero_page_read},
  {"zero-page-write", zero_page_write},
  {"copy-on-write", copy_on_write},
  {"copy-on-write-reuse", copy_on_write_reuse},
  {"munmap-page", unmap_touched},
  {"dontneed-page", discard_touched},
  {"populate-page", populate},
  {"mlock-untouched", lock_untouched},
  {"mlock-resident", lock_resident},
  {"munlock-page", unlock_page},
  {"mmap-munmap", map_unmap},
  {"mmap-touch-munmap", map_touch_unmap},
  {"mprotect-page", protect_page},
  {"mprotect-1024", protect_touched},
  {"mmap-1000", map_thousand},
  {"munmap-1000", unmap_thousand},
  {"mremap-4096", remap},
  {"brk", grow_break},
  {"brk-touch", grow_break_touched},
  {"fork-small", fork_small},
  {"fork-64m", fork_large},
  {"getppid", getppid_call},
  {"memory-kill", kill_for_memory},
};

static void measure_row(const char *name, word (*measure)(void)) {
  word times[ROUNDS];
  for (int round = 0; round < ROUNDS; round++) {
    word time = measure();
    int place = round;
    // The first round stays in front, the others are sorted.
    while (place > 1 && times[place - 1] > time) {
      times[place] = times[place - 1];
      place--;
    }
    times[place] = time;
  }
  print(name);
  print(" ");
  print_number((times[2] + times[3]) / 2);
  print(" ");
  print_number(times[ROUNDS - 1] - times[1]);
  print("\n");
}

// Whether a row is what an argument names, up to its end or a colon.
static int names_row(const char *name, const char *argument) {
  while (*name && *name == *argument) name++, argument++;
  return !*name && (!*argument || *argument == ':');
}

static word number_after_colon(const char **text) {
  word number = 0;
  while (**text && **text != ':') ++*text;
  if (**text) ++*text;
  for (; **text >= '0' && **text <= '9'; ++*text) number = number * 10 + (**text - '0');
  return number;
}

static word common_divisor(word a, word b) { return b == 0 ? a : common_divisor(b, a % b); }

static void measure_argument(const char *argument, word (*measure)(void)) {
  const char *text = argument;
  row_pages = number_after_colon(&text);
  word order = number_after_colon(&text);
  row_step = 1;
  if (row_pages == 0) row_pages = PAGES;
  if (order == 1) row_step = row_pages - 1;
  if (order == 2) {
    row_step = row_pages * 5 / 8;
    while (common_divisor(row_step, row_pages) != 1) row_step++;
  }
  measure_row(argument, measure);
}

static void print_fact(const char *name, word value) {
  print(name);
  print(" ");
  print_number(value);
  print(" 0\n");
}

// The words of `struct sysinfo` that are used: total, free, and the unit of both.
enum { TOTAL = 4, FREE = 5, UNIT = 13 };

static void print_memory(void) {
  word facts[32];
  checked("sysinfo", call3(SYSINFO, (word)facts, 0, 0));
  word unit = (unsigned)facts[UNIT];
  print_fact("memory-total", unit == 1 ? facts[TOTAL] / 1024 : facts[TOTAL] * (unit / 1024));
  print_fact("memory-free", unit == 1 ? facts[FREE] / 1024 : facts[FREE] * (unit / 1024));
}

// Linux goes on with its boot while its first program runs.
static void let_boot_end(void) {
  word seconds[2] = {3, 0};
  call3(NANOSLEEP, (word)seconds, 0, 0);
}

__attribute__((used)) static void run(word *stack) {
  word first_time = time_stamp();
  word count = stack[0];
  char **names = (char **)(stack + 1);
  word least = -1;
  let_boot_end();
  for (int turn = 0; turn < 16; turn++) {
    start();
    word time = time_stamp() - start_time;
    if (time < least) least = time;
  }
  reading_cost = least;
  print_fact("boot", first_time);
  print_memory();
  measure_row("calibration", calibration);
  for (word row = 0; row < sizeof rows / sizeof *rows; row++) {
    if (count < 2) measure_row(rows[row].name, rows[row].measure);
    for (word index = 1; index < count; index++)
      if (names_row(rows[row].name, names[index]))
        measure_argument(names[index], rows[row].measure);
  }
  stop(0);
}

#ifdef __x86_64__
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n ud2");
#else
__asm__(".globl _start\n_start: mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n"
        " call run\n ud2");
#endif
