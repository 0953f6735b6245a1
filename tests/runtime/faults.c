/* The failing table: each function counts its calls, fails where it is told
 * to, and otherwise does what the real one does. */
#include "tests/runtime/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>

#include "runtime/runtime.h"

Faults faults;
static Io real;

/* Is this call to fail? Sets errno. */
static bool fails(CallKind kind) {
  long call = ++faults.calls[kind];
  if (kind == faults.kind && call == faults.at) {
    faults.fired = true;
    if (faults.signal)
      raise(faults.signal);
    errno = faults.error;
    return faults.signal == 0;
  }
  if (faults.interrupted && kind != CALL_ALLOCATE && kind != CALL_CLOSE &&
      kind != CALL_STATUS && kind != CALL_PATH_STATUS && kind != CALL_UNLINK &&
      kind != CALL_LOCK && call % 2 == 1) {
    errno = EINTR;
    return true;
  }
  return false;
}

static size_t piece(size_t size) {
  return faults.pieces && size > 1 ? 1 : size;
}

static int try_open(const char *path, int flags, mode_t mode) {
  int file = fails(CALL_OPEN) ? -1 : real.open(path, flags, mode);
  faults.files += file >= 0;
  return file;
}

static ssize_t try_read(int file, void *data, size_t size) {
  return fails(CALL_READ) ? -1 : real.read(file, data, piece(size));
}

static ssize_t try_read_at(int file, void *data, size_t size, off_t offset) {
  return fails(CALL_READ_AT) ? -1
                             : real.read_at(file, data, piece(size), offset);
}

static ssize_t try_write(int file, const void *data, size_t size) {
  return fails(CALL_WRITE) ? -1 : real.write(file, data, piece(size));
}

static int try_status(int file, struct stat *status) {
  return fails(CALL_STATUS) ? -1 : real.status(file, status);
}

static int try_path_status(const char *path, struct stat *status) {
  return fails(CALL_PATH_STATUS) ? -1 : real.path_status(path, status);
}

static int try_lock(int file) {
  return fails(CALL_LOCK) ? -1 : real.lock(file);
}

static int try_sync(int file) {
  return fails(CALL_SYNC) ? -1 : real.sync(file);
}

/* A close that fails has closed all the same. */
static int try_close(int file) {
  bool bad = fails(CALL_CLOSE);
  int error = errno, status = real.close(file);
  faults.files--;
  errno = bad ? error : errno;
  return bad ? -1 : status;
}

static int try_rename(const char *from, const char *to) {
  return fails(CALL_RENAME) ? -1 : real.rename(from, to);
}

static int try_unlink(const char *path) {
  return fails(CALL_UNLINK) ? -1 : real.unlink(path);
}

static void *try_allocate(size_t size) {
  if (size > faults.largest)
    faults.largest = size;
  void *memory = fails(CALL_ALLOCATE) ? NULL : real.allocate(size);
  if (memory)
    __atomic_add_fetch(&faults.memory, 1, __ATOMIC_RELAXED);
  return memory;
}

static void try_release(void *memory) {
  if (memory)
    __atomic_sub_fetch(&faults.memory, 1, __ATOMIC_RELAXED);
  real.release(memory);
}

void faults_install(void) {
  if (!real.open)
    real = sgrt_io;
  faults = (Faults){.at = 0};
  sgrt_io = (Io){.open = try_open,
                 .read = try_read,
                 .read_at = try_read_at,
                 .write = try_write,
                 .status = try_status,
                 .path_status = try_path_status,
                 .lock = try_lock,
                 .sync = try_sync,
                 .close = try_close,
                 .rename = try_rename,
                 .unlink = try_unlink,
                 .allocate = try_allocate,
                 .release = try_release};
}

void faults_assert_clean(void) {
  assert_int_equal(faults.memory, 0);
  assert_int_equal(faults.files, 0);
}
