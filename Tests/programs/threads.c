/* SPDX-License-Identifier: Apache-2.0 */
/* Threads and what they wait for: each line must be what Linux prints. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT, WAKE, REQUEUE = 3, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, TRYLOCK_PI, WAIT_BITS, WAKE_BITS };
#define PRIVATE 128
#define REALTIME 256

static long futex(void *word, int op, uint32_t value, const void *time, void *other, uint32_t third) {
  return syscall(SYS_futex, word, op, value, time, other, third);
}
static void show(const char *what, long result) {
  if (result == -1) printf("%s: errno %d\n", what, errno);
  else printf("%s: %ld\n", what, result);
  fflush(stdout);
}
static void rest(long ms) {
  struct timespec t = {ms / 100, ms % 100 * 10000000};
  nanosleep(&t, 0);
}

/* --- pthreads */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static __thread int own = 7;
static long sum;
static int turn;

static void *add(void *argument) {
  for (int i = 0; i < 20000; i++) {
    pthread_mutex_lock(&mutex);
    sum += (long)argument;
    pthread_mutex_unlock(&mutex);
  }
  own += (int)(long)argument;
  return (void *)(long)own;
}
static void *take_turns(void *argument) {
  int mine = (int)(long)argument;
  for (int i = 0; i < 3; i++) {
    pthread_mutex_lock(&mutex);
    while (turn % 3 != mine) pthread_cond_wait(&changed, &mutex);
    printf("turn %d of thread %d\n", turn, mine);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
  }
  return 0;
}
static void *meet(void *argument) {
  long last = 0;
  for (int i = 0; i < 50; i++) last += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
  return (void *)last;
}
static void pthreads(void) {
  pthread_t threads[8];
  void *result;
  long total = 0;
  for (long i = 0; i < 8; i++) pthread_create(&threads[i], 0, add, (void *)(i + 1));
  for (int i = 0; i < 8; i++) { pthread_join(threads[i], &result); total += (long)result; }
  printf("sum %ld, thread-local %ld, own %d\n", sum, total, own);
  for (long i = 0; i < 3; i++) pthread_create(&threads[i], 0, take_turns, (void *)i);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
  pthread_barrier_init(&barrier, 0, 4);
  total = 0;
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, meet, 0);
  for (int i = 0; i < 4; i++) { pthread_join(threads[i], &result); total += (long)result; }
  printf("barrier passed %ld times\n", total);
  for (int round = 0; round < 300; round++) {
    pthread_create(&threads[0], 0, (void *(*)(void *))abs, (void *)(long)round);
    pthread_join(threads[0], &result);
  }
  printf("300 threads one after the other\n");
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_nsec += 20000000;
  if (end.tv_nsec >= 1000000000) { end.tv_nsec -= 1000000000; end.tv_sec++; }
  pthread_mutex_lock(&mutex);
  printf("timed wait: %d\n", pthread_cond_timedwait(&changed, &mutex, &end));
  pthread_mutex_unlock(&mutex);
}

/* --- robust mutexes */

static void *die_with(void *lock) {
  pthread_mutex_lock(lock);
  return 0;
}
static void robust(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_t *lock = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutex_init(lock, &attributes);
  pthread_t thread;
  pthread_create(&thread, 0, die_with, lock);
  pthread_join(thread, 0);
  printf("robust, thread: %d\n", pthread_mutex_lock(lock));
  printf("consistent: %d\n", pthread_mutex_consistent(lock));
  printf("unlocked: %d\n", pthread_mutex_unlock(lock));
  if (fork() == 0) {
    pthread_mutex_lock(lock);
    rest(20);
    _exit(0);
  }
  rest(5);
  printf("robust, process: %d\n", pthread_mutex_lock(lock));
  pthread_mutex_consistent(lock);
  pthread_mutex_unlock(lock);
  if (fork() == 0) {
    pthread_mutex_lock(lock);
    kill(getpid(), SIGKILL);
  }
  wait(0);
  int status;
  wait(&status);
  printf("robust, killed: %d\n", pthread_mutex_lock(lock));
  pthread_mutex_unlock(lock);
  printf("not made consistent: %d\n", pthread_mutex_lock(lock));
  size_t size = 0;
  void *head = 0;
  show("get_robust_list", syscall(SYS_get_robust_list, 0, &head, &size));
  printf("size %zu\n", size);
  show("set_robust_list 23", syscall(SYS_set_robust_list, head, 23));
  show("get_robust_list nobody", syscall(SYS_get_robust_list, 999999, &head, &size));
  show("get_robust_list null", syscall(SYS_get_robust_list, 0, 0, &size));
}

/* --- raw futexes */

static uint32_t words[4];
static int done_order[8], done_count;

static void *wait_on(void *argument) {
  long which = (long)argument;
  long result = futex(&words[which & 1], WAIT_BITS | PRIVATE, 0, 0, 0, which & 8 ? 2 : 1);
  pthread_mutex_lock(&mutex);
  done_order[done_count++] = result == 0 ? (int)which : -errno;
  pthread_mutex_unlock(&mutex);
  return 0;
}
static void raw(void) {
  char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint32_t *only = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page + 4096, 4096);
  struct timespec brief = {0, 1000000}, wrong = {0, 1000000000}, negative = {-1, 0};
  uint32_t word = 5;
  show("wait, other value", futex(&word, WAIT, 4, 0, 0, 0));
  show("wait, unaligned", futex((char *)&word + 1, WAIT, 4, 0, 0, 0));
  show("wait, null", futex(0, WAIT, 4, 0, 0, 0));
  show("wait, hole", futex(page + 4096, WAIT | PRIVATE, 4, 0, 0, 0));
  show("wait, kernel", futex((void *)0xffff800000000000, WAIT | PRIVATE, 4, 0, 0, 0));
  show("wait, brief", futex(&word, WAIT, 5, &brief, 0, 0));
  show("wait, wrong time", futex(&word, WAIT, 5, &wrong, 0, 0));
  show("wait, negative time", futex(&word, WAIT, 5, &negative, 0, 0));
  show("wait, time in a hole", futex(&word, WAIT, 5, page + 4096, 0, 0));
  show("wait bits, past", futex(&word, WAIT_BITS, 5, &brief, 0, ~0u));
  show("wait bits, real past", futex(&word, WAIT_BITS | REALTIME, 5, &brief, 0, ~0u));
  show("wait bits, none", futex(&word, WAIT_BITS, 5, 0, 0, 0));
  show("wait, real time", futex(&word, WAIT | REALTIME, 4, 0, 0, 0));
  show("wait, read-only private", futex(only, WAIT | PRIVATE, 1, 0, 0, 0));
  show("wait, read-only shared", futex(only, WAIT, 1, 0, 0, 0));
  show("wake nobody", futex(&word, WAKE, 1, 0, 0, 0));
  show("wake hole, private", futex(page + 4096, WAKE | PRIVATE, 1, 0, 0, 0));
  show("wake hole, shared", futex(page + 4096, WAKE, 1, 0, 0, 0));
  show("wake null, private", futex(0, WAKE | PRIVATE, 1, 0, 0, 0));
  show("wake unaligned", futex((char *)&word + 2, WAKE, 1, 0, 0, 0));
  show("wake bits, none", futex(&word, WAKE_BITS, 1, 0, 0, 0));
  show("unknown", futex(&word, 99, 1, 0, 0, 0));
  show("requeue, negative", futex(&word, REQUEUE, -1, 0, &words[0], 0));
  show("requeue, other value", futex(&word, CMP_REQUEUE, 1, (void *)1, &words[0], 6));
  show("requeue to a hole", futex(&word, CMP_REQUEUE, 1, (void *)1, page + 4096, 5));
  show("wake op, unknown", futex(&word, WAKE_OP, 1, (void *)1, &words[0], 5u << 28));
  show("wake op, null", futex(&word, WAKE_OP | PRIVATE, 1, (void *)1, 0, 0));
  words[2] = 6;
  show("wake op, add", futex(&word, WAKE_OP, 1, (void *)1, &words[2], 1u << 28 | 3 << 12));
  show("wake op, or shift", futex(&word, WAKE_OP, 1, (void *)1, &words[2], 10u << 28 | 4 << 12));
  show("wake op, and not", futex(&word, WAKE_OP, 1, (void *)1, &words[2], 3u << 28 | 1 << 12));
  show("wake op, xor", futex(&word, WAKE_OP, 1, (void *)1, &words[2], 4u << 28 | 0xfff << 12));
  printf("word %x\n", words[2]);

  pthread_t threads[8];
  for (long i = 0; i < 4; i++) {
    pthread_create(&threads[i], 0, wait_on, (void *)(i << 1));
    rest(2);
  }
  show("wake 2", futex(&words[0], WAKE | PRIVATE, 2, 0, 0, 0));
  rest(2);
  show("wake shared finds none", futex(&words[0], WAKE, 9, 0, 0, 0));
  show("requeue 1 + 5", futex(&words[0], CMP_REQUEUE | PRIVATE, 0, (void *)5, &words[1], 0));
  show("nobody is left", futex(&words[0], WAKE | PRIVATE, 9, 0, 0, 0));
  show("moved ones wake", futex(&words[1], WAKE | PRIVATE, 9, 0, 0, 0));
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  for (long i = 0; i < 2; i++) {
    pthread_create(&threads[i], 0, wait_on, (void *)(i << 3));
    rest(2);
  }
  show("wake bits 2", futex(&words[0], WAKE_BITS | PRIVATE, 9, 0, 0, 2));
  rest(2);
  show("wake bits 1", futex(&words[0], WAKE_BITS | PRIVATE, 9, 0, 0, 1));
  for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
  int total = 0;
  for (int i = 0; i < done_count; i++) total += done_order[i];
  printf("%d woken, sum %d\n", done_count, total);

  uint32_t *both = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (fork() == 0) _exit(futex(both, WAIT, 0, 0, 0, 0) == 0 ? 3 : 4);
  rest(5);
  show("wake a process", futex(both, WAKE, 1, 0, 0, 0));
  int status;
  wait(&status);
  printf("status %x\n", status);
}

/* --- locks that know their owner */

static uint32_t lock_word;
static void *lock_it(void *argument) {
  long result = futex(&lock_word, LOCK_PI | PRIVATE, 0, 0, 0, 0);
  int mine = (lock_word & 0x3fffffff) == (uint32_t)syscall(SYS_gettid);
  if (argument) rest(20);
  futex(&lock_word, UNLOCK_PI | PRIVATE, 0, 0, 0, 0);
  return (void *)(result * 2 + mine);
}
static void owned(void) {
  pthread_t threads[2];
  void *result;
  struct timespec past = {0, 1};
  lock_word = 0;
  show("lock", futex(&lock_word, LOCK_PI | PRIVATE, 0, 0, 0, 0));
  show("lock again", futex(&lock_word, LOCK_PI | PRIVATE, 0, 0, 0, 0));
  for (long i = 0; i < 2; i++) { pthread_create(&threads[i], 0, lock_it, 0); rest(2); }
  printf("waited for: %d\n", lock_word >> 31);
  show("plain wake", futex(&lock_word, WAKE | PRIVATE, 1, 0, 0, 0));
  show("unlock", futex(&lock_word, UNLOCK_PI | PRIVATE, 0, 0, 0, 0));
  for (int i = 0; i < 2; i++) { pthread_join(threads[i], &result); printf("got %ld\n", (long)result); }
  show("unlock what is not locked", futex(&lock_word, UNLOCK_PI | PRIVATE, 0, 0, 0, 0));
  lock_word = 999999;
  show("nobody's", futex(&lock_word, LOCK_PI | PRIVATE, 0, 0, 0, 0));
  lock_word = 0;
  pthread_create(&threads[0], 0, lock_it, (void *)1);
  rest(5);
  show("another's, tried", futex(&lock_word, TRYLOCK_PI | PRIVATE, 0, 0, 0, 0));
  show("another's, brief", futex(&lock_word, LOCK_PI | PRIVATE, 0, &past, 0, 0));
  show("another's, unlocked", futex(&lock_word, UNLOCK_PI | PRIVATE, 0, 0, 0, 0));
  show("another's", futex(&lock_word, LOCK_PI | PRIVATE, 0, 0, 0, 0));
  pthread_join(threads[0], &result);
  show("null", futex(0, LOCK_PI | PRIVATE, 0, 0, 0, 0));
}

/* --- clone, clone3 and their ends */

struct arguments { uint64_t flags, pidfd, child, parent, signal, stack, size, tls, ids, id_count, group, more[2]; };
static long clone3(struct arguments *a, size_t size) { return syscall(SYS_clone3, a, size); }

static void cloned(void) {
  static struct arguments a;
  int status;
  memset(&a, 0, sizeof a);
  show("clone3 small", clone3(&a, 56));
  show("clone3 large", clone3(&a, 5000));
  show("clone3 null", clone3(0, 88));
  a.more[0] = 1;
  show("clone3 unknown tail", clone3(&a, sizeof a));
  a.more[0] = 0;
  a.signal = 65;
  show("clone3 signal", clone3(&a, 88));
  a.signal = SIGCHLD;
  a.flags = 0x10000;
  show("clone3 thread with signal", clone3(&a, 88));
  a.signal = 0;
  show("clone3 thread alone", clone3(&a, 88));
  a.flags = 0x800;
  show("clone3 handlers alone", clone3(&a, 88));
  a.flags = SIGCHLD;
  show("clone3 signal in flags", clone3(&a, 88));
  a.flags = 0;
  a.stack = 4096;
  show("clone3 stack without size", clone3(&a, 88));
  a.stack = 0;
  a.size = 4096;
  show("clone3 size without stack", clone3(&a, 88));
  a.size = 0;
  a.signal = SIGCHLD;
  int pid = 0;
  a.flags = 0x00100000;
  a.parent = (uint64_t)&pid;
  long child = clone3(&a, sizeof a);
  if (child == 0) _exit(9);
  printf("parent's word %d\n", pid == child);
  printf("waited %d ", waitpid(child, &status, 0) == child);
  printf("status %x\n", status);
  show("clone thread alone", syscall(SYS_clone, 0x10000, 0, 0, 0, 0));
  show("unshare nothing", syscall(SYS_unshare, 0));
  show("unshare files, folder", syscall(SYS_unshare, 0x600));
  show("unshare unknown", syscall(SYS_unshare, 1));
}

static void *leave_all(void *argument) {
  rest(3);
  if (argument == 0) syscall(SYS_exit_group, 21);
  if (argument == (void *)1) kill(getpid(), SIGTERM);
  if (argument == (void *)2) execl("/proc/self/exe", "threads", "begun", (char *)0);
  if (argument == (void *)3) rest(3);
  return 0;
}
static void *sleep_long(void *argument) {
  if ((long)argument & 1) pause();
  rest(100000);
  return 0;
}
static void ends(void) {
  for (long way = 0; way < 4; way++) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      pthread_t thread;
      if (way < 3) for (long i = 0; i < 5; i++) pthread_create(&thread, 0, sleep_long, (void *)i);
      pthread_create(&thread, 0, leave_all, (void *)way);
      if (way == 3) syscall(SYS_exit, 33);
      rest(100000);
    }
    int status;
    printf("waited %d ", waitpid(child, &status, 0) == child);
    printf("status %x\n", status);
  }
}

/* --- waiting */

/* What is fatal for one thread ends all of them before they do anything more. */
static void fatal(void) {
  int status;
  sigset_t set;
  for (int signal = SIGTERM; signal; signal = signal == SIGTERM ? SIGUSR1 : 0) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      pthread_t thread;
      pthread_create(&thread, 0, sleep_long, 0);
      // It begins with all signals blocked.
      rest(3);
      sigemptyset(&set);
      sigaddset(&set, signal);
      sigprocmask(SIG_BLOCK, &set, 0);
      kill(getpid(), signal);
      puts("not ended");
      fflush(stdout);
      _exit(3);
    }
    waitpid(child, &status, 0);
    printf("fatal for another thread: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  }
}

// A signal for the process is the first thread's, if that wants it, and disturbs no other.
static sem_t shared_end;
static volatile int shared_count;
static void count_shared(int signal) { shared_count++; }
static int wait_absolute(long nanoseconds) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  time.tv_nsec += nanoseconds;
  time.tv_sec += time.tv_nsec / 1000000000;
  time.tv_nsec %= 1000000000;
  return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, 0);
}
static void *send_shared(void *argument) {
  long blocks = (long)argument;
  for (int i = 0; i < 3; i++) {
    printf("shared: slept %d\n", wait_absolute(20000000));
    kill(getpid(), SIGUSR1);
    int result = wait_absolute(20000000);
    printf("shared: slept %d, %d came\n", blocks ? 0 : result, shared_count);
  }
  sem_post(&shared_end);
  return 0;
}
static void shared_signals(void) {
  struct sigaction action = {.sa_handler = count_shared}, old;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaction(SIGUSR1, &action, &old);
  for (long blocks = 0; blocks < 2; blocks++) {
    pthread_t thread;
    int interrupted = 0;
    shared_count = 0;
    sem_init(&shared_end, 0, 0);
    pthread_create(&thread, 0, send_shared, (void *)blocks);
    if (blocks) pthread_sigmask(SIG_BLOCK, &set, 0);
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 20;
    while (sem_timedwait(&shared_end, &limit) < 0 && errno == EINTR) interrupted++;
    pthread_join(thread, 0);
    printf("shared: the first thread was interrupted %d times\n", interrupted);
  }
  pthread_sigmask(SIG_UNBLOCK, &set, 0);
  sigaction(SIGUSR1, &old, 0);
}

static void waits(void) {
  int status;
  siginfo_t info;
  show("wait4 flags", syscall(SYS_wait4, -1, &status, 0x10, 0));
  show("wait4 nobody", syscall(SYS_wait4, -1, &status, WNOHANG, 0));
  show("waitid without kind", syscall(SYS_waitid, P_ALL, 0, &info, WNOHANG, 0));
  show("waitid kind", syscall(SYS_waitid, 9, 0, &info, WEXITED, 0));
  show("waitid nobody", syscall(SYS_waitid, P_ALL, 0, &info, WEXITED, 0));
  pid_t child = fork();
  if (child == 0) { rest(3); _exit(5); }
  memset(&info, 1, sizeof info);
  show("waitid not yet", syscall(SYS_waitid, P_PID, child, &info, WEXITED | WNOHANG, 0));
  printf("pid %d signal %d\n", info.si_pid, info.si_signo);
  show("waitid leaves it", syscall(SYS_waitid, P_PID, child, &info, WEXITED | WNOWAIT, 0));
  printf("pid %d signal %d code %d status %d\n", info.si_pid == child, info.si_signo, info.si_code, info.si_status);
  show("wait4 clone", syscall(SYS_wait4, child, &status, 0x80000000, 0));
  show("waitid takes it", syscall(SYS_waitid, P_PID, child, 0, WEXITED, 0));
  show("waitid again", syscall(SYS_waitid, P_PID, child, 0, WEXITED, 0));
  child = fork();
  if (child == 0) { kill(getpid(), SIGSTOP); rest(20); _exit(6); }
  show("stopped", waitid(P_PID, child, &info, WSTOPPED));
  printf("code %d status %d\n", info.si_code, info.si_status);
  kill(child, SIGCONT);
  show("went on", waitid(P_PID, child, &info, WCONTINUED));
  printf("code %d status %d\n", info.si_code, info.si_status);
  show("killed", waitid(P_PID, child, &info, WEXITED));
  printf("code %d status %d\n", info.si_code, info.si_status);
}

int main(int count, char **arguments) {
  setvbuf(stdout, 0, _IOLBF, 0);
  if (count > 1) {
    printf("begun by a thread, leader %d\n", getpid() == syscall(SYS_gettid));
    return 44;
  }
  pthreads();
  shared_signals();
  robust();
  raw();
  owned();
  cloned();
  ends();
  fatal();
  waits();
  return 0;
}
