/* Reading files that may be gzipped (RFC 1952), as a stream of bytes.
 *
 * In: a path. Out: the bytes of the file, or those it inflates to, over all
 * members of a gzip file. The gzip checksums are verified on the way.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <zlib.h>

/* What is behind 1 byte of deflate data at most (RFC 1951: 258 bytes for two
 * bits), and room for small files. */
enum { BUFFER_BYTES = 1 << 16, INFLATE_RATIO = 1032, INFLATE_SLACK = 4096 };

struct Stream {
  const char *path;
  int file, status;
  uint64_t limit;
  bool gzipped, member_ended;
  z_stream z;
  size_t at, end; /* what of the buffer is unread */
  unsigned char buffer[BUFFER_BYTES];
};

/* zlib allocates through the table, too. */
static voidpf zlib_allocate(voidpf user, uInt count, uInt size) {
  (void)user;
  return memory_new(count, size);
}

static void zlib_release(voidpf user, voidpf memory) {
  (void)user;
  sgrt_io.release(memory);
}

/* Complains and remembers that; -1. */
static ssize_t failed(Stream *stream, const char *why) {
  complain("cannot read %s: %s", stream->path, why);
  stream->status = EXIT_DATA;
  return -1;
}

/* Refills an empty buffer; 0 at the end of the file, -1 after a complaint. */
static ssize_t refill(Stream *stream) {
  ssize_t n = io_read(stream->file, stream->buffer, BUFFER_BYTES);
  if (n < 0)
    return failed(stream, strerror(errno));
  stream->at = 0;
  stream->end = (size_t)n;
  return n;
}

/* Files of unknown size (pipes) may hold anything. */
static void set_limit(Stream *stream) {
  struct stat status;
  stream->limit = UINT64_MAX;
  if (sgrt_io.status(stream->file, &status) != 0 || !S_ISREG(status.st_mode))
    return;
  uint64_t size = (uint64_t)status.st_size;
  if (!stream->gzipped)
    stream->limit = size;
  else if (size < UINT64_MAX / (2 * INFLATE_RATIO))
    stream->limit = size * INFLATE_RATIO + INFLATE_SLACK;
}

/* Looks at the first bytes and makes ready to inflate what is gzipped. */
static bool prepare(Stream *stream) {
  if (stream->file < 0)
    failed(stream, strerror(errno));
  if (stream->file < 0 || refill(stream) < 0)
    return false;
  stream->gzipped = stream->end >= 2 && stream->buffer[0] == 0x1f &&
                    stream->buffer[1] == 0x8b;
  set_limit(stream);
  stream->z.zalloc = zlib_allocate;
  stream->z.zfree = zlib_release;
  if (!stream->gzipped || inflateInit2(&stream->z, 16 + MAX_WBITS) == Z_OK)
    return true;
  stream->gzipped = false;
  stream->status = out_of_memory();
  return false;
}

Stream *stream_open(const char *path, int *status) {
  Stream *stream = memory_new(1, sizeof *stream);
  if (!stream) {
    *status = out_of_memory();
    return NULL;
  }
  stream->path = path;
  stream->file = io_open(path, O_RDONLY);
  if (prepare(stream)) {
    *status = EXIT_FINE;
    return stream;
  }
  *status = stream->status;
  stream_close(stream);
  return NULL;
}

void stream_close(Stream *stream) {
  if (!stream)
    return;
  if (stream->gzipped)
    inflateEnd(&stream->z);
  if (stream->file >= 0)
    sgrt_io.close(stream->file);
  sgrt_io.release(stream);
}

uint64_t stream_limit(const Stream *stream) {
  return stream->limit;
}

bool stream_is_gzipped(const Stream *stream) {
  return stream->gzipped;
}

int stream_status(const Stream *stream) {
  return stream->status;
}

/* What the buffer holds first, the rest straight from the file. */
static ssize_t read_plain(Stream *stream, unsigned char *data, size_t size) {
  size_t buffered = stream->end - stream->at;
  if (buffered > size)
    buffered = size;
  memcpy(data, stream->buffer + stream->at, buffered);
  stream->at += buffered;
  if (buffered == size)
    return (ssize_t)size;
  ssize_t n = io_read(stream->file, data + buffered, size - buffered);
  return n < 0 ? failed(stream, strerror(errno)) : (ssize_t)buffered + n;
}

/* One call of inflate; false after a complaint. */
static bool inflate_some(Stream *stream, unsigned char *data, size_t *done,
                         size_t size) {
  enum { MOST = 1 << 30 };
  z_stream *z = &stream->z;
  size_t room = size - *done;
  z->next_in = stream->buffer + stream->at;
  z->avail_in = (uInt)(stream->end - stream->at);
  z->next_out = data + *done;
  z->avail_out = room > MOST ? MOST : (uInt)room;
  int status = inflate(z, Z_NO_FLUSH);
  stream->at = (size_t)(z->next_in - stream->buffer);
  *done = (size_t)(z->next_out - data);
  stream->member_ended = status == Z_STREAM_END;
  if (status == Z_OK || status == Z_STREAM_END)
    return true;
  if (status == Z_MEM_ERROR)
    stream->status = out_of_memory();
  else
    failed(stream, "the gzip data are damaged");
  return false;
}

/* The end of the file is the end of the stream only between two members. */
static ssize_t read_gzipped(Stream *stream, unsigned char *data, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = stream->at < stream->end ? 1 : refill(stream);
    if (n < 0)
      return -1;
    if (n == 0 && stream->member_ended)
      break;
    if (n == 0)
      return failed(stream, "the gzip data end early");
    if (stream->member_ended)
      inflateReset(&stream->z);
    if (!inflate_some(stream, data, &done, size))
      return -1;
  }
  return (ssize_t)done;
}

ssize_t stream_read(Stream *stream, void *data, size_t size) {
  return stream->gzipped ? read_gzipped(stream, data, size)
                         : read_plain(stream, data, size);
}
