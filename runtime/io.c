/* The one table through which the runtime reads, writes and allocates, and
 * what makes its functions pleasant to call. */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { ALIGNMENT = 64 };

/* open and flock have other signatures than the table. */
static int real_open(const char *path, int flags, mode_t mode) {
  return open(path, flags, mode);
}

static int real_lock(int file) {
  return flock(file, LOCK_EX | LOCK_NB);
}

#if defined(__SANITIZE_ADDRESS__)
/* Ends where it is said to end, so that a step beyond is seen. */
static void *real_allocate(size_t size) {
  void *memory = NULL;
  if (posix_memalign(&memory, ALIGNMENT, size ? size : 1) != 0)
    return NULL;
  return memset(memory, 0, size ? size : 1);
}

static void real_release(void *memory) {
  free(memory);
}
#else
/* calloc leaves fresh pages alone: a large arena costs what is used of it. The
 * address it gave stands before the aligned block. */
static void *real_allocate(size_t size) {
  if (size > PTRDIFF_MAX - 2 * ALIGNMENT)
    return NULL;
  char *base = calloc(1, size + 2 * ALIGNMENT);
  if (!base)
    return NULL;
  char *memory = base + 2 * ALIGNMENT - (uintptr_t)base % ALIGNMENT;
  memcpy(memory - sizeof base, &base, sizeof base);
  return memory;
}

static void real_release(void *memory) {
  if (!memory)
    return;
  char *base;
  memcpy(&base, (char *)memory - sizeof base, sizeof base);
  free(base);
}
#endif

Io sgrt_io = {
    .open = real_open,
    .read = read,
    .read_at = pread,
    .write = write,
    .status = fstat,
    .path_status = stat,
    .lock = real_lock,
    .sync = fsync,
    .close = close,
    .rename = rename,
    .unlink = unlink,
    .allocate = real_allocate,
    .release = real_release,
};

int io_open(const char *path, int flags) {
  int file;
  do
    file = sgrt_io.open(path, flags | O_CLOEXEC, 0666);
  while (file < 0 && errno == EINTR);
  return file;
}

ssize_t io_read(int file, void *data, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = sgrt_io.read(file, (char *)data + done, size - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -1;
    if (n == 0)
      break;
    done += (size_t)n;
  }
  return (ssize_t)done;
}

ssize_t io_read_at(int file, void *data, size_t size, uint64_t offset) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = sgrt_io.read_at(file, (char *)data + done, size - done,
                                (off_t)(offset + done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -1;
    if (n == 0)
      break;
    done += (size_t)n;
  }
  return (ssize_t)done;
}

bool io_write_all(int file, const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    ssize_t n = sgrt_io.write(file, at, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      errno = n == 0 ? ENOSPC : errno;
      return false;
    }
    at += n;
    size -= (size_t)n;
  }
  return true;
}

/* Only an interrupted sync is tried again: after any other failure the kernel
 * may have dropped what could not be written. */
bool io_sync(int file) {
  int status;
  do
    status = sgrt_io.sync(file);
  while (status != 0 && errno == EINTR);
  return status == 0;
}

void *memory_new(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes))
    return NULL;
  return sgrt_io.allocate(bytes);
}

/* On a terminal the message takes the place of the live line. */
void complain(const char *format, ...) {
  va_list args;
  va_start(args, format);
  int error = errno;
  fprintf(stderr, "%s%s: ", isatty(STDERR_FILENO) ? "\r\033[K" : "",
          sg_program.name);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  errno = error;
  va_end(args);
}

int out_of_memory(void) {
  complain("out of memory");
  return EXIT_FAILED;
}
