/* A disk that tells what was written to it, and that can fail.
 *
 * Loaded before the C library (LD_PRELOAD). For every file below $FAULT_ROOT it writes each operation that changes
 * the disk, with its data, to the log $FAULT_LOG: tests/fault/disk.py reads it and works out what a power cut could
 * have left. `fault_mark` writes a remark between them; `fault_arm` makes operations fail with a chosen error.
 * SQLite's -shm file is left out: it is shared memory, and worth nothing after a power cut.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { CREATE = 1, MKDIR, WRITE, CUT, SYNC, RENAME, UNLINK, RMDIR, LINK, MARK };
enum trouble { NO_TROUBLE, FAIL_WRITE, FAIL_SYNC, FAIL_RENAME };
enum { MOST_FILES = 4096 };

struct header { uint32_t kind, path, other, data; uint64_t inode; int64_t offset; };

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char root[PATH_MAX];
static size_t root_length;
static int log_file = -1;
static struct { char *path; uint64_t inode; } watched[MOST_FILES];
static struct { int kind, after, error, for_ever, seen; char name[256]; } trouble;

#define REAL(name, type, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int real_open(const char *path, int flags, mode_t mode) {
  REAL("open64", int, const char *, int, ...);
  return real(path, flags, mode);
}

__attribute__((constructor)) static void begin(void) {
  const char *where = getenv("FAULT_ROOT"), *log = getenv("FAULT_LOG");
  if (!where || !log || !realpath(where, root)) return;
  root_length = strlen(root);
  log_file = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void tell(int kind, uint64_t inode, int64_t offset, const char *path, const char *other, const void *data,
                 size_t size) {
  REAL("writev", ssize_t, int, const struct iovec *, int);
  struct header head = {kind, path ? strlen(path) : 0, other ? strlen(other) : 0, size, inode, offset};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)other, head.other},
                          {(void *)data, size}};
  ssize_t whole = sizeof head + head.path + head.other + size;
  if (log_file >= 0 && real(log_file, parts, 4) != whole) abort();
}

/* Absolute path of `path` seen from the folder `at`; 1 when it is below the root and not shared memory. */
static int below(int at, const char *path, char *whole) {
  char base[PATH_MAX] = "", link[64];
  if (log_file < 0 || !path) return 0;
  if (path[0] == '/') {
    snprintf(whole, PATH_MAX, "%s", path);
  } else {
    if (at == AT_FDCWD) {
      if (!getcwd(base, sizeof base)) return 0;
    } else {
      snprintf(link, sizeof link, "/proc/self/fd/%d", at);
      ssize_t length = readlink(link, base, sizeof base - 1);
      if (length < 0) return 0;
      base[length] = 0;
    }
    if (snprintf(whole, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
  }
  size_t length = strlen(whole);
  if (length > 4 && !strcmp(whole + length - 4, "-shm")) return 0;
  return !strncmp(whole, root, root_length) && (whole[root_length] == '/' || !whole[root_length]);
}

static uint64_t inode_at(const char *path) {
  struct stat about;
  return lstat(path, &about) ? 0 : about.st_ino;
}

static uint64_t inode_of(int file) { return file >= 0 && file < MOST_FILES && watched[file].path ? watched[file].inode : 0; }

static int troubled(int kind, const char *path) {
  if (trouble.kind != kind || (trouble.name[0] && !strstr(path, trouble.name))) return 0;
  if (trouble.seen++ < trouble.after) return 0;
  if (!trouble.for_ever && trouble.seen > trouble.after + 1) return 0;
  errno = trouble.error;
  return 1;
}

/* From the operation after the next `after` ones on (for ever, or once): fail with `error`. Kind 0 ends it. */
void fault_arm(int kind, int after, int error, int for_ever, const char *name) {
  trouble.kind = kind, trouble.after = after, trouble.error = error, trouble.for_ever = for_ever, trouble.seen = 0;
  snprintf(trouble.name, sizeof trouble.name, "%s", name);
}

/* How many operations of the armed kind were asked for since it was armed. */
int fault_seen(void) { return trouble.seen; }

void fault_mark(const char *text) {
  pthread_mutex_lock(&lock);
  tell(MARK, 0, 0, NULL, NULL, text, strlen(text));
  pthread_mutex_unlock(&lock);
}

static int opened(int at, const char *path, int flags, mode_t mode) {
  char whole[PATH_MAX];
  if (!below(at, path, whole)) {
    REAL("openat64", int, int, const char *, int, ...);
    return real(at, path, flags, mode);
  }
  pthread_mutex_lock(&lock);
  uint64_t before = inode_at(whole);
  int file = real_open(whole, flags, mode);
  if (file >= 0 && file < MOST_FILES) {
    struct stat about;
    fstat(file, &about);
    if ((flags & O_CREAT) && !before) tell(CREATE, about.st_ino, 0, whole, NULL, NULL, 0);
    else if (flags & O_TRUNC) tell(CUT, about.st_ino, 0, whole, NULL, NULL, 0);
    free(watched[file].path);
    watched[file].path = strdup(whole), watched[file].inode = about.st_ino;
  }
  pthread_mutex_unlock(&lock);
  return file;
}

#define MODE \
  mode_t mode = 0; \
  if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return opened(at, path, flags | O_LARGEFILE, mode); }

int close(int file) {
  REAL("close", int, int);
  pthread_mutex_lock(&lock);
  if (inode_of(file)) { free(watched[file].path); watched[file].path = NULL; }
  pthread_mutex_unlock(&lock);
  return real(file);
}

static ssize_t written_at(int file, const void *data, size_t size, off64_t offset) {
  REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t);
  if (!inode_of(file)) return real(file, data, size, offset);
  pthread_mutex_lock(&lock);
  ssize_t done = -1;
  if (!troubled(FAIL_WRITE, watched[file].path)) {
    done = real(file, data, size, offset);
    if (done > 0) tell(WRITE, inode_of(file), offset, watched[file].path, NULL, data, done);
  }
  pthread_mutex_unlock(&lock);
  return done;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return written_at(file, data, size, offset); }
ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) { return written_at(file, data, size, offset); }

ssize_t write(int file, const void *data, size_t size) {
  REAL("write", ssize_t, int, const void *, size_t);
  if (!inode_of(file)) return real(file, data, size);
  pthread_mutex_lock(&lock);
  ssize_t done = -1;
  if (!troubled(FAIL_WRITE, watched[file].path)) {
    done = real(file, data, size);
    if (done > 0) tell(WRITE, inode_of(file), lseek64(file, 0, SEEK_CUR) - done, watched[file].path, NULL, data, done);
  }
  pthread_mutex_unlock(&lock);
  return done;
}

ssize_t writev(int file, const struct iovec *parts, int count) {
  REAL("writev", ssize_t, int, const struct iovec *, int);
  if (!inode_of(file)) return real(file, parts, count);
  ssize_t whole = 0;
  for (int part = 0; part < count; part++) {
    ssize_t done = write(file, parts[part].iov_base, parts[part].iov_len);
    if (done < 0) return whole ? whole : done;
    whole += done;
    if ((size_t)done < parts[part].iov_len) break;
  }
  return whole;
}

/* Copies inside the kernel have no data to tell: they are refused, and callers fall back to write. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t size) {
  REAL("sendfile64", ssize_t, int, int, off64_t *, size_t);
  if (!inode_of(out)) return real(out, in, offset, size);
  errno = ENOSYS;
  return -1;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t size) { return sendfile64(out, in, offset, size); }

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
  REAL("copy_file_range", ssize_t, int, off64_t *, int, off64_t *, size_t, unsigned);
  if (!inode_of(out)) return real(in, from, out, to, size, flags);
  errno = ENOSYS;
  return -1;
}

int fallocate64(int file, int how, off64_t offset, off64_t size) {
  REAL("fallocate64", int, int, int, off64_t, off64_t);
  if (!inode_of(file)) return real(file, how, offset, size);
  errno = EOPNOTSUPP;
  return -1;
}
int fallocate(int file, int how, off_t offset, off_t size) { return fallocate64(file, how, offset, size); }
int posix_fallocate64(int file, off64_t offset, off64_t size) {
  REAL("posix_fallocate64", int, int, off64_t, off64_t);
  return inode_of(file) ? EOPNOTSUPP : real(file, offset, size);
}
int posix_fallocate(int file, off_t offset, off_t size) { return posix_fallocate64(file, offset, size); }

int ftruncate64(int file, off64_t size) {
  REAL("ftruncate64", int, int, off64_t);
  if (!inode_of(file)) return real(file, size);
  pthread_mutex_lock(&lock);
  int failed = real(file, size);
  if (!failed) tell(CUT, inode_of(file), size, watched[file].path, NULL, NULL, 0);
  pthread_mutex_unlock(&lock);
  return failed;
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

static int synced(int file, int (*real)(int)) {
  if (!inode_of(file)) return real(file);
  pthread_mutex_lock(&lock);
  int failed = -1;
  if (!troubled(FAIL_SYNC, watched[file].path)) {
    failed = real(file);
    if (!failed) tell(SYNC, inode_of(file), 0, watched[file].path, NULL, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  return failed;
}
int fsync(int file) { REAL("fsync", int, int); return synced(file, real); }
int fdatasync(int file) { REAL("fdatasync", int, int); return synced(file, real); }

static int renamed(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
  REAL("renameat2", int, int, const char *, int, const char *, unsigned);
  char old[PATH_MAX], new[PATH_MAX];
  if (!below(to_at, to, new)) return real(from_at, from, to_at, to, flags);
  below(from_at, from, old);
  pthread_mutex_lock(&lock);
  int failed = -1;
  if (!troubled(FAIL_RENAME, new)) {
    failed = real(from_at, from, to_at, to, flags);
    if (!failed) tell(RENAME, inode_at(new), 0, old, new, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  return failed;
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return renamed(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return renamed(a, from, b, to, flags); }

int unlinkat(int at, const char *path, int flags) {
  REAL("unlinkat", int, int, const char *, int);
  char whole[PATH_MAX];
  if (!below(at, path, whole)) return real(at, path, flags);
  pthread_mutex_lock(&lock);
  uint64_t inode = inode_at(whole);
  int failed = real(at, path, flags);
  if (!failed) tell(flags & AT_REMOVEDIR ? RMDIR : UNLINK, inode, 0, whole, NULL, NULL, 0);
  pthread_mutex_unlock(&lock);
  return failed;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
  REAL("mkdirat", int, int, const char *, mode_t);
  char whole[PATH_MAX];
  if (!below(at, path, whole)) return real(at, path, mode);
  pthread_mutex_lock(&lock);
  int failed = real(at, path, mode);
  if (!failed) tell(MKDIR, inode_at(whole), 0, whole, NULL, NULL, 0);
  pthread_mutex_unlock(&lock);
  return failed;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
  REAL("linkat", int, int, const char *, int, const char *, int);
  char old[PATH_MAX], new[PATH_MAX];
  if (!below(to_at, to, new)) return real(from_at, from, to_at, to, flags);
  below(from_at, from, old);
  pthread_mutex_lock(&lock);
  int failed = real(from_at, from, to_at, to, flags);
  if (!failed) tell(LINK, inode_at(new), 0, old, new, NULL, 0);
  pthread_mutex_unlock(&lock);
  return failed;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
