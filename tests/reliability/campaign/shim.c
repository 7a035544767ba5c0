/* Preloaded into a program, makes one of its calls on files under a folder fail. The environment says which:
 *
 *   FAULT_CALLS  names as in `names` below, separated by commas; or "space" for those that need room on the disk
 *   FAULT_UNDER  the folder; calls on other files are left alone
 *   FAULT_AT     the number of the call, from 1; 0 for none
 *   FAULT_FOR    how many calls from there on are changed
 *   FAULT_HOW    "errno:N", "short:BYTES", "signal:N", which is sent before the call, or "truncate:BYTES" of the
 *                file that is read, before the call
 *   FAULT_SEEN   a file of 8 bytes that counts the calls that were eligible
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum call { OPEN, CREATE, READ, PREAD, WRITE, PWRITE, FSYNC, RENAME, FTRUNCATE, MKDIR, UNLINK, MMAP, FLOCK, FCHMOD, THREAD, CALLS };
static const char *names[CALLS] = {"open",  "create", "read",   "pread", "write", "pwrite", "fsync", "rename",
                                   "ftruncate", "mkdir", "unlink", "mmap", "flock", "fchmod", "thread"};
#define SPACE (1u << CREATE | 1u << WRITE | 1u << PWRITE | 1u << FTRUNCATE | 1u << MKDIR | 1u << RENAME | 1u << FSYNC)

static unsigned chosen;
static char under[PATH_MAX];
static size_t under_length;
static uint64_t at, lasts;
static int how_errno, how_signal;
static long how_truncate = -1;
static size_t how_short;
static _Atomic uint64_t *seen;

__attribute__((constructor)) static void start(void) {
  const char *calls = getenv("FAULT_CALLS"), *folder = getenv("FAULT_UNDER"), *how = getenv("FAULT_HOW");
  const char *first = getenv("FAULT_AT"), *number = getenv("FAULT_FOR"), *count = getenv("FAULT_SEEN");
  if (!calls || !folder || !count) return;
  int fd = open(count, O_RDWR | O_CLOEXEC);
  void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) abort();
  close(fd);
  seen = page;
  strncpy(under, folder, sizeof under - 1);
  under_length = strlen(under);
  at = first ? strtoull(first, NULL, 10) : 0;
  lasts = number ? strtoull(number, NULL, 10) : 1;
  if (how) {
    sscanf(how, "errno:%d", &how_errno);
    sscanf(how, "short:%zu", &how_short);
    sscanf(how, "signal:%d", &how_signal);
    sscanf(how, "truncate:%ld", &how_truncate);
  }
  char list[512] = "";
  strncpy(list, calls, sizeof list - 1);
  for (char *rest = NULL, *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
    if (!strcmp(name, "space")) chosen |= SPACE;
    for (int i = 0; i < CALLS; i++)
      if (!strcmp(name, names[i])) chosen |= 1u << i;
  }
}

static int inside(const char *path) {
  return !strncmp(path, under, under_length) && (path[under_length] == '/' || !path[under_length]);
}

static int link_inside(const char *link) {
  char path[PATH_MAX];
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return inside(path);
}

static int fd_inside(int fd) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return link_inside(link);
}

static int path_inside(int folder, const char *path) {
  if (path[0] == '/') return inside(path);
  return folder == AT_FDCWD ? link_inside("/proc/self/cwd") : fd_inside(folder);
}

/* True if this call, on this file if it has one, is to be changed. A signal is sent here. */
static int strikes(int fd) {
  uint64_t n = atomic_fetch_add(seen, 1) + 1;
  if (!at || n < at || n - at >= lasts) return 0;
  if (how_signal) kill(getpid(), how_signal);
  if (how_truncate >= 0 && fd >= 0) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (truncate(link, how_truncate)) abort();
  }
  return !how_signal && how_truncate < 0;
}

static int wanted(enum call call) { return seen && chosen >> call & 1; }

/* Fails the call if its turn has come; otherwise it is shortened or left as it is. */
#define FAIL(call, where, value) FAIL_ON(-1, call, where, value)
#define FAIL_ON(fd, call, where, value)            \
  if (wanted(call)) {                              \
    int kept = errno, here = (where);              \
    errno = kept;                                  \
    if (here && strikes(fd) && !how_short) {         \
      errno = how_errno;                           \
      return value;                                \
    }                                              \
  }
#define SHORTEN(call, where, size)                 \
  if (wanted(call)) {                              \
    int kept = errno, here = (where);              \
    errno = kept;                                  \
    if (here && strikes(fd)) {                       \
      if (!how_short) {                            \
        errno = how_errno;                         \
        return -1;                                 \
      }                                            \
      if (size > how_short) size = how_short;      \
    }                                              \
  }
#define NEXT(type, name, ...)                      \
  static type (*real)(__VA_ARGS__);                \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define MODE                                       \
  mode_t mode = 0;                                 \
  if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) { \
    va_list more;                                  \
    va_start(more, flags);                         \
    mode = va_arg(more, mode_t);                   \
    va_end(more);                                  \
  }
#define OPENING(folder)                                          \
  FAIL(OPEN, path_inside(folder, path), -1)                      \
  if (flags & O_CREAT) { FAIL(CREATE, path_inside(folder, path), -1) }

int open(const char *path, int flags, ...) {
  NEXT(int, open, const char *, int, ...);
  MODE OPENING(AT_FDCWD) return real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  NEXT(int, open64, const char *, int, ...);
  MODE OPENING(AT_FDCWD) return real(path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
  NEXT(int, openat, int, const char *, int, ...);
  MODE OPENING(folder) return real(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
  NEXT(int, openat64, int, const char *, int, ...);
  MODE OPENING(folder) return real(folder, path, flags, mode);
}
FILE *fopen(const char *path, const char *mode) {
  NEXT(FILE *, fopen, const char *, const char *);
  FAIL(OPEN, path_inside(AT_FDCWD, path), NULL) return real(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
  NEXT(FILE *, fopen64, const char *, const char *);
  FAIL(OPEN, path_inside(AT_FDCWD, path), NULL) return real(path, mode);
}

ssize_t read(int fd, void *to, size_t size) {
  NEXT(ssize_t, read, int, void *, size_t);
  SHORTEN(READ, fd_inside(fd), size) return real(fd, to, size);
}
ssize_t readv(int fd, const struct iovec *to, int count) {
  NEXT(ssize_t, readv, int, const struct iovec *, int);
  FAIL(READ, fd_inside(fd), -1) return real(fd, to, count);
}
ssize_t pread(int fd, void *to, size_t size, off_t from) {
  NEXT(ssize_t, pread, int, void *, size_t, off_t);
  SHORTEN(PREAD, fd_inside(fd), size) return real(fd, to, size, from);
}
ssize_t pread64(int fd, void *to, size_t size, off64_t from) {
  NEXT(ssize_t, pread64, int, void *, size_t, off64_t);
  SHORTEN(PREAD, fd_inside(fd), size) return real(fd, to, size, from);
}
ssize_t write(int fd, const void *from, size_t size) {
  NEXT(ssize_t, write, int, const void *, size_t);
  SHORTEN(WRITE, fd_inside(fd), size) return real(fd, from, size);
}
ssize_t writev(int fd, const struct iovec *from, int count) {
  NEXT(ssize_t, writev, int, const struct iovec *, int);
  FAIL(WRITE, fd_inside(fd), -1) return real(fd, from, count);
}
ssize_t pwrite(int fd, const void *from, size_t size, off_t to) {
  NEXT(ssize_t, pwrite, int, const void *, size_t, off_t);
  SHORTEN(PWRITE, fd_inside(fd), size) return real(fd, from, size, to);
}
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t to) {
  NEXT(ssize_t, pwrite64, int, const void *, size_t, off64_t);
  SHORTEN(PWRITE, fd_inside(fd), size) return real(fd, from, size, to);
}

int fsync(int fd) {
  NEXT(int, fsync, int);
  FAIL(FSYNC, fd_inside(fd), -1) return real(fd);
}
int fdatasync(int fd) {
  NEXT(int, fdatasync, int);
  FAIL(FSYNC, fd_inside(fd), -1) return real(fd);
}
int rename(const char *from, const char *to) {
  NEXT(int, rename, const char *, const char *);
  FAIL(RENAME, path_inside(AT_FDCWD, to), -1) return real(from, to);
}
int ftruncate64(int fd, off64_t size) {
  NEXT(int, ftruncate64, int, off64_t);
  FAIL(FTRUNCATE, fd_inside(fd), -1) return real(fd, size);
}
int ftruncate(int fd, off_t size) {
  NEXT(int, ftruncate, int, off_t);
  FAIL(FTRUNCATE, fd_inside(fd), -1) return real(fd, size);
}
int mkdir(const char *path, mode_t mode) {
  NEXT(int, mkdir, const char *, mode_t);
  FAIL(MKDIR, path_inside(AT_FDCWD, path), -1) return real(path, mode);
}
int unlink(const char *path) {
  NEXT(int, unlink, const char *);
  FAIL(UNLINK, path_inside(AT_FDCWD, path), -1) return real(path);
}
int flock(int fd, int what) {
  NEXT(int, flock, int, int);
  FAIL(FLOCK, fd_inside(fd), -1) return real(fd, what);
}
int fchmod(int fd, mode_t mode) {
  NEXT(int, fchmod, int, mode_t);
  FAIL(FCHMOD, fd_inside(fd), -1) return real(fd, mode);
}
void *mmap(void *where, size_t size, int access, int flags, int fd, off_t from) {
  NEXT(void *, mmap, void *, size_t, int, int, int, off_t);
  FAIL_ON(fd, MMAP, fd >= 0 && fd_inside(fd), MAP_FAILED) return real(where, size, access, flags, fd, from);
}
void *mmap64(void *where, size_t size, int access, int flags, int fd, off64_t from) {
  NEXT(void *, mmap64, void *, size_t, int, int, int, off64_t);
  FAIL_ON(fd, MMAP, fd >= 0 && fd_inside(fd), MAP_FAILED) return real(where, size, access, flags, fd, from);
}
/* Threads belong to no folder. As under `ulimit -u`, those that live count: FAULT_AT of them are too many. */
struct started {
  void *(*run)(void *);
  void *with;
};
static _Atomic uint64_t live;

static void ended(void *started) {
  atomic_fetch_sub(&live, 1);
  free(started);
}

static void *running(void *arg) {
  struct started *started = arg;
  void *result;
  pthread_cleanup_push(ended, started);
  result = started->run(started->with);
  pthread_cleanup_pop(1);
  return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *with) {
  NEXT(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (!wanted(THREAD)) return real(thread, how, run, with);
  uint64_t now = atomic_fetch_add(&live, 1) + 1;
  /* The most that lived at a time are counted. */
  uint64_t most = atomic_load(seen);
  while (now > most && !atomic_compare_exchange_weak(seen, &most, now)) {
  }
  struct started *started = malloc(sizeof *started);
  started->run = run;
  started->with = with;
  int failed = at && now >= at ? how_errno : real(thread, how, running, started);
  if (failed) ended(started);
  return failed;
}
