/* .npy files through the runtime's own table: whole arrays in and out. The
 * format is ir/npy.h's. */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- reading ------------------------------------------------------------- */

/* Complains about the file; EXIT_DATA. */
static int refused(const char *path, const char *why) {
  complain("%s: %s", path, why);
  return EXIT_DATA;
}

/* Header and checks; `header` holds NPY_MAX_HEADER bytes. */
static int read_header(Stream *stream, const char *path, char *header,
                       NpyArray *out) {
  char error[256];
  if (stream_is_gzipped(stream) || stream_limit(stream) == UINT64_MAX)
    return refused(path, "this is not a regular .npy file");
  ssize_t n = stream_read(stream, header, NPY_MAGIC);
  if (n < 0)
    return stream_status(stream);
  size_t size = npy_header_size(header, (size_t)n, error, sizeof error);
  if (size == 0)
    return refused(path, error);
  size_t rest = size > NPY_MAGIC ? size - NPY_MAGIC : 0;
  n = stream_read(stream, header + NPY_MAGIC, rest);
  if (n < 0)
    return stream_status(stream);
  if ((size_t)n < rest)
    return refused(path, "the file ends in its header");
  return npy_header_read(header, size, stream_limit(stream), out, error,
                         sizeof error)
             ? EXIT_FINE
             : refused(path, error);
}

/* The elements behind a checked header: as many bytes as it declares, which
 * the file is known to have. */
static int read_data(Stream *stream, const char *path, NpyArray *out) {
  out->data = memory_new(out->bytes, 1);
  if (!out->data)
    return out_of_memory();
  ssize_t n = stream_read(stream, out->data, out->bytes);
  if (n >= 0 && (size_t)n == out->bytes)
    return EXIT_FINE;
  sgrt_io.release(out->data);
  out->data = NULL;
  return n < 0 ? stream_status(stream)
               : refused(path, "the file cannot be read to its end");
}

int array_read(const char *path, NpyArray *out) {
  char header[NPY_MAX_HEADER];
  int status;
  *out = (NpyArray){0};
  Stream *stream = stream_open(path, &status);
  if (!stream)
    return status;
  status = read_header(stream, path, header, out);
  if (status == EXIT_FINE)
    status = read_data(stream, path, out);
  stream_close(stream);
  return status;
}

/* ---- writing ------------------------------------------------------------- */

/* Pipes and devices are written as they are. */
static bool write_straight(const char *path, const char *header, size_t size,
                           const void *data, size_t bytes) {
  int file = io_open(path, O_WRONLY);
  if (file < 0)
    return false;
  bool good =
      io_write_all(file, header, size) && io_write_all(file, data, bytes);
  int error = errno;
  good = sgrt_io.close(file) == 0 && good;
  errno = good ? errno : error;
  return good;
}

/* Everything else appears whole or not at all. False: errno. */
static bool write_new(const char *path, const char *header, size_t size,
                      const void *data, size_t bytes) {
  NewFile file;
  if (!new_file_open(&file, path))
    return false;
  if (io_write_all(file.file, header, size) &&
      io_write_all(file.file, data, bytes))
    return new_file_finish(&file);
  new_file_drop(&file);
  return false;
}

int array_write(const char *path, Format format, int64_t rank,
                const int64_t *dim, const void *data, size_t bytes) {
  char header[NPY_MAX_HEADER];
  struct stat status;
  size_t size = npy_header_write(format, (int)rank, dim, header);
  if (size == 0) {
    complain("%s: .npy cannot hold %s with %lld axes", path,
             format_info(format)->text, (long long)rank);
    return EXIT_FAILED;
  }
  bool device =
      sgrt_io.path_status(path, &status) == 0 && !S_ISREG(status.st_mode);
  if ((device ? write_straight : write_new)(path, header, size, data, bytes))
    return EXIT_FINE;
  complain("cannot write %s: %s", path, strerror(errno));
  return EXIT_FAILED;
}
