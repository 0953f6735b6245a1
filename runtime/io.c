/* The one table through which the runtime reads, writes and allocates. */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int real_open(const char *path, int flags, mode_t mode) {
  return open(path, flags, mode);
}

static void *aligned_zeroed(size_t size) {
  size_t rounded = (size + 63) & ~(size_t)63;
  if (rounded < size)
    return NULL;
  void *memory = aligned_alloc(64, rounded ? rounded : 64);
  if (memory)
    memset(memory, 0, rounded ? rounded : 64);
  return memory;
}

Io sgrt_io = {real_open, read,   write,  fsync,          close,
              rename,    unlink, aligned_zeroed, free};

/* Files grow the buffer by doubling, so that pipes work like files. */
unsigned char *io_read_file(const char *path, size_t limit, size_t *size) {
  int file = sgrt_io.open(path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0)
    return NULL;
  size_t capacity = 1 << 16, length = 0;
  unsigned char *data = sgrt_io.allocate(capacity);
  ssize_t n = data ? 1 : -1;
  while (n > 0) {
    if (length + 1 >= capacity) {
      unsigned char *larger =
          length < limit ? sgrt_io.allocate(capacity * 2) : NULL;
      if (!larger) {
        errno = length < limit ? ENOMEM : EFBIG;
        n = -1;
        break;
      }
      memcpy(larger, data, length);
      sgrt_io.release(data);
      data = larger;
      capacity *= 2;
    }
    n = sgrt_io.read(file, data + length, capacity - length - 1);
    if (n < 0 && errno == EINTR)
      n = 1;
    else if (n > 0)
      length += (size_t)n;
  }
  int error = errno;
  sgrt_io.close(file);
  if (n < 0) {
    sgrt_io.release(data);
    errno = error;
    return NULL;
  }
  *size = length;
  return data;
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

void complain(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s: ", sg_program.name);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
}
