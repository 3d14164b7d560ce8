// SPDX-License-Identifier: Apache-2.0
// Files beyond reading and writing: sealed memory files, room, copies, roots, limits, names.
#include "outcomes.h"
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <grp.h>
#include <sys/xattr.h>

static char folder[64];
static char path_buffer[128], other_buffer[128];

static const char *in(const char *name) {
  snprintf(path_buffer, sizeof path_buffer, "%s/%s", folder, name);
  return path_buffer;
}

static const char *also(const char *name) {
  snprintf(other_buffer, sizeof other_buffer, "%s/%s", folder, name);
  return other_buffer;
}

static void number(const char *name, long result) {
  if (result == -1)
    printf("%s: %s\n", name, strerrorname_np(errno));
  else
    printf("%s: %ld\n", name, result);
}

static int make(const char *name, const char *text) {
  int file = open(in(name), O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || write(file, text, strlen(text)) != (long)strlen(text)) exit(2);
  return file;
}

static void show(const char *name, const char *path) {
  char text[64] = {0};
  int file = open(path, O_RDONLY);
  long count = file < 0 ? -1 : read(file, text, 63);
  if (count < 0)
    printf("%s: %s\n", name, strerrorname_np(errno));
  else
    printf("%s: \"%s\"\n", name, text);
  if (file >= 0) close(file);
}

static void sealed(void) {
  int file = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);
  number("write", write(file, "0123456789", 10));
  number("seals", fcntl(file, F_GET_SEALS));
  char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  outcome("seal writes of a mapped file", fcntl(file, F_ADD_SEALS, F_SEAL_WRITE));
  munmap(shared, PAGE);
  outcome("seal size", fcntl(file, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
  outcome("grow", ftruncate(file, 20));
  outcome("shrink", ftruncate(file, 5));
  number("write beyond", pwrite(file, "abcdef", 6, 8));
  number("write within", pwrite(file, "ab", 2, 0));
  outcome("seal writes", fcntl(file, F_ADD_SEALS, F_SEAL_WRITE));
  number("write", pwrite(file, "ab", 2, 0));
  shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  printf("map to write: %s\n", shared == MAP_FAILED ? strerrorname_np(errno) : "ok");
  shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  printf("map privately: %s\n", shared == MAP_FAILED ? strerrorname_np(errno) : "ok");
  outcome("seal seals", fcntl(file, F_ADD_SEALS, F_SEAL_SEAL));
  outcome("seal more", fcntl(file, F_ADD_SEALS, F_SEAL_GROW));
  number("seals", fcntl(file, F_GET_SEALS));
  outcome("unknown seal", fcntl(file, F_ADD_SEALS, 0x1000));
  close(file);
  file = memfd_create("plain", 0);
  number("seals of a plain one", fcntl(file, F_GET_SEALS));
  outcome("seal a plain one", fcntl(file, F_ADD_SEALS, F_SEAL_GROW));
  char link[64] = {0}, name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  readlink(name, link, 63);
  printf("link %s\n", link);
  close(file);
  outcome("unknown flag", memfd_create("x", 0x100));
}

static void room(void) {
  int file = make("room", "0123456789");
  outcome("room", fallocate(file, 0, 0, 8192));
  struct stat status;
  fstat(file, &status);
  printf("size %ld\n", (long)status.st_size);
  outcome("keep size", fallocate(file, FALLOC_FL_KEEP_SIZE, 8192, 8192));
  fstat(file, &status);
  printf("size %ld\n", (long)status.st_size);
  outcome("hole", fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 4));
  char text[11] = {0};
  pread(file, text, 10, 0);
  for (int index = 0; index < 10; index++) putchar(text[index] ? text[index] : '.');
  putchar('\n');
  outcome("hole alone", fallocate(file, FALLOC_FL_PUNCH_HOLE, 2, 4));
  outcome("nothing", fallocate(file, 0, 0, 0));
  outcome("negative", fallocate(file, 0, -1, 5));
  outcome("huge", fallocate(file, 0, 0x7ffffffffffffff0, 0x7fffffff));
  outcome("unknown", fallocate(file, 0x1000, 0, 5));
  int reader = open(in("room"), O_RDONLY);
  outcome("reader", fallocate(reader, 0, 0, 5));
  int pipes[2];
  pipe(pipes);
  outcome("pipe", fallocate(pipes[1], 0, 0, 5));
  number("pipe size", fcntl(pipes[0], F_GETPIPE_SZ));
  number("set", fcntl(pipes[0], F_SETPIPE_SZ, 5000));
  number("pipe size", fcntl(pipes[1], F_GETPIPE_SZ));
  fcntl(pipes[1], F_SETFL, O_NONBLOCK);
  char *large = calloc(1, 100000);
  number("fill", write(pipes[1], large, 100000));
  number("below", fcntl(pipes[0], F_SETPIPE_SZ, 4096));
  number("back", fcntl(pipes[0], F_SETPIPE_SZ, 65536));
  number("more", write(pipes[1], large, 4096));
  free(large);
  number("of a file", fcntl(file, F_GETPIPE_SZ));
  close(pipes[0]), close(pipes[1]), close(reader), close(file);
}

static void copies(void) {
  int from = make("from", "0123456789"), to = make("to", "abcdefghij");
  lseek(from, 2, SEEK_SET), lseek(to, 0, SEEK_SET);
  number("copy", copy_file_range(from, NULL, to, NULL, 4, 0));
  off_t start = 8, end = 9;
  number("copy at", copy_file_range(from, &start, to, &end, 10, 0));
  printf("%ld %ld %ld\n", (long)start, (long)end, (long)lseek(from, 0, SEEK_CUR));
  show("copied", in("to"));
  start = 0, end = 2;
  number("over itself", copy_file_range(from, &start, from, &end, 5, 0));
  start = 100;
  number("beyond", copy_file_range(from, &start, to, NULL, 5, 0));
  number("flags", copy_file_range(from, NULL, to, NULL, 5, 1));
  int appending = open(in("to"), O_WRONLY | O_APPEND);
  start = 0;
  number("appending", copy_file_range(from, &start, appending, NULL, 5, 0));
  number("to a reader", copy_file_range(from, &start, open(in("to"), O_RDONLY), NULL, 5, 0));
  int pipes[2];
  pipe(pipes);
  number("to a pipe", copy_file_range(from, &start, pipes[1], NULL, 5, 0));
  close(pipes[0]), close(pipes[1]), close(from), close(to), close(appending);
}

static long open_how(const char *path, int flags, int mode, int resolve, unsigned size) {
  struct open_how how[2] = {{.flags = flags, .mode = mode, .resolve = resolve}};
  int base = open(folder, O_PATH | O_DIRECTORY);
  long result = syscall(SYS_openat2, base, path, how, size);
  int error = errno;
  close(base);
  if (result >= 0) close(result), result = 0;
  errno = error;
  return result;
}

static void resolving(void) {
  unsigned size = sizeof(struct open_how);
  close(make("plain", "x"));
  mkdir(in("inner"), 0755);
  outcome("plain", open_how("plain", O_RDONLY, 0, 0, size));
  outcome("unknown flag", open_how("plain", 1u << 30, 0, 0, size));
  outcome("mode alone", open_how("plain", O_RDONLY, 0644, 0, size));
  outcome("mode", open_how("fresh", O_RDONLY | O_CREAT, 0644, 0, size));
  outcome("bad mode", open_how("fresh", O_RDONLY | O_CREAT, 0100644, 0, size));
  outcome("unknown resolve", open_how("plain", O_RDONLY, 0, 0x1000, size));
  outcome("short", open_how("plain", O_RDONLY, 0, 0, size - 8));
  outcome("long", open_how("plain", O_RDONLY, 0, 0, size + 8));
}

static void names(void) {
  close(make("one", "1")), close(make("two", "2"));
  outcome("exchange", renameat2(AT_FDCWD, in("one"), AT_FDCWD, also("two"), RENAME_EXCHANGE));
  show("one", in("one"));
  outcome("with none", renameat2(AT_FDCWD, in("one"), AT_FDCWD, also("no"), RENAME_EXCHANGE));
  outcome("not over", renameat2(AT_FDCWD, in("one"), AT_FDCWD, also("two"), RENAME_NOREPLACE));
  outcome("both", renameat2(AT_FDCWD, in("one"), AT_FDCWD, also("two"), 3));
  mkdir(in("outer"), 0755), mkdir(in("outer/child"), 0755);
  outcome("with a folder",
          renameat2(AT_FDCWD, in("one"), AT_FDCWD, also("outer"), RENAME_EXCHANGE));
  struct stat status;
  stat(in("one"), &status);
  printf("one is a folder: %d links %ld\n", S_ISDIR(status.st_mode), (long)status.st_nlink);
  outcome("into itself", rename(in("one"), also("one/child/deeper")));
  outcome("with its child",
          renameat2(AT_FDCWD, in("one"), AT_FDCWD, also("one/child"), RENAME_EXCHANGE));
  outcome("over one with names", rename(in("inner"), also("one")));
  outcome("dot", rename(in("one/."), also("x")));

  int nameless = open(folder, O_TMPFILE | O_RDWR, 0600);
  if (write(nameless, "nameless", 8) != 8) exit(2);
  fstat(nameless, &status);
  printf("links %ld mode %o\n", (long)status.st_nlink, status.st_mode);
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", nameless);
  outcome("name it", linkat(AT_FDCWD, link, AT_FDCWD, in("named"), AT_SYMLINK_FOLLOW));
  show("named", in("named"));
  close(nameless);
  nameless = open(folder, O_TMPFILE | O_RDWR | O_EXCL, 0600);
  snprintf(link, sizeof link, "/proc/self/fd/%d", nameless);
  outcome("never", linkat(AT_FDCWD, link, AT_FDCWD, in("never"), AT_SYMLINK_FOLLOW));
  close(nameless);
  outcome("to read", open(folder, O_TMPFILE | O_RDONLY, 0600));
  outcome("in a file", open(in("two"), O_TMPFILE | O_RDWR, 0600));
}

// What belongs to others.
static void rights(void) {
  mkdir(in("sticky"), 0777);
  chmod(in("sticky"), 01777);
  close(make("sticky/mine", "m")), close(make("sticky/theirs", "t"));
  chown(in("sticky/theirs"), 1000, 1000);
  chmod(in("sticky/mine"), 0666);
  chmod(folder, 0755);
  int group[] = {2000};
  close(make("grouped", "g"));
  chown(in("grouped"), 0, 2000), chmod(in("grouped"), 0640);
  IN_CHILD("as a user", {
    setgroups(1, (void *)group);
    setgid(1000), setuid(1000);
    outcome("remove another's", unlink(in("sticky/mine")));
    outcome("rename another's", rename(in("sticky/mine"), also("sticky/x")));
    outcome("rename over another's", rename(in("sticky/theirs"), also("sticky/mine")));
    outcome("write another's", open(in("sticky/mine"), O_WRONLY));
    outcome("remove own", unlink(in("sticky/theirs")));
    outcome("read as of the group", open(in("grouped"), O_RDONLY));
    outcome("write as of the group", open(in("grouped"), O_WRONLY));
    outcome("make", open(in("mine"), O_WRONLY | O_CREAT, 0644));
    outcome("change the mode", chmod(in("grouped"), 0777));
    outcome("give away", chown(in("sticky/mine"), 1000, -1));
    outcome("root", chroot(folder));
    fflush(stdout);
  });
  int file = make("program", "x");
  struct stat status;
  fchmod(file, 06775);
  write(file, "y", 1);
  fstat(file, &status);
  printf("after the administrator wrote %o\n", status.st_mode);
  fchown(file, 1000, 1000);
  fstat(file, &status);
  printf("after it was given away %o\n", status.st_mode);
  fchmod(file, 06775);
  IN_CHILD("as a user", {
    setgroups(0, NULL);
    setgid(1000), setuid(1000);
    write(file, "y", 1);
    fflush(stdout);
  });
  fstat(file, &status);
  printf("after the user wrote %o\n", status.st_mode);
  fchmod(file, 06765);
  IN_CHILD("as a user", {
    setgid(1000), setuid(1000);
    ftruncate(file, 1);
    fflush(stdout);
  });
  fstat(file, &status);
  printf("after the user cut %o\n", status.st_mode);
  close(file);
}

static void limits(void) {
  int file = make("limited", "");
  // The child's own output could be cut: it tells its parent what came.
  long *results = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  IN_CHILD("limited", {
    struct rlimit limit = {10, 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    results[0] = write(file, "0123456789ab", 12);
    results[1] = write(file, "x", 1) == -1 ? errno : 0;
    results[2] = ftruncate(file, 11) == -1 ? errno : 0;
    results[3] = fallocate(file, 0, 0, 11) == -1 ? errno : 0;
    signal(SIGXFSZ, SIG_DFL);
    write(file, "x", 1);
  });
  for (int index = 0; index < 4; index++) printf("limited %d: %ld\n", index, results[index]);
  close(file);
  struct rlimit open_files;
  getrlimit(RLIMIT_NOFILE, &open_files);
  int wanted = open_files.rlim_max < 4096 ? open_files.rlim_max : 4096;
  open_files.rlim_cur = wanted;
  outcome("limit", setrlimit(RLIMIT_NOFILE, &open_files));
  number("far", dup2(0, 4000));
  number("too far", dup2(0, 4096));
  number("from", fcntl(0, F_DUPFD, 3999));
  number("next", fcntl(0, F_DUPFD, 3999));
  close(3999), close(4000), close(4001);
  int count = 0, last = -1, next;
  while ((next = open("/dev/null", O_RDONLY)) >= 0) last = next, count++;
  printf("all: %s last %d\n", strerrorname_np(errno), last);
  outcome("close all", close_range(3, ~0u, 0));
  number("first", open("/dev/null", O_RDONLY));
  close(3);
}

static void roots(void) {
  mkdir(in("jail"), 0755), mkdir(in("jail/etc"), 0755);
  close(make("jail/inside", "inside"));
  symlink("/inside", in("jail/link"));
  IN_CHILD("in another root", {
    outcome("root", chroot(in("jail")));
    outcome("folder", chdir("/"));
    show("file", "/inside");
    show("link", "/link");
    show("above", "/../../inside");
    outcome("outside", open("/tmp", O_RDONLY));
    char text[64] = {0};
    getcwd(text, 64);
    printf("%s\n", text);
    outcome("a file", chroot("/inside"));
    fflush(stdout);
  });
}

static void attributes(void) {
  char value[16];
  int file = make("attributes", "x");
  number("list missing", listxattr(in("missing"), value, 16));
  number("get missing", getxattr(in("missing"), "user.a", value, 16));
  number("bad name", getxattr(in("attributes"), (void *)8, value, 16));
  close(file);
}

static int removed(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

int main(void) {
  snprintf(folder, sizeof folder, "/tmp/files-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  umask(022);
  sealed();
  room();
  copies();
  resolving();
  names();
  rights();
  limits();
  roots();
  attributes();
  nftw(folder, removed, 8, FTW_DEPTH | FTW_PHYS);
  outcome("gone", rmdir(folder));
  return 0;
}
