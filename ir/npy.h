/* NumPy's .npy files: a short text header, then the elements.
 *
 * Read: versions 1 to 3, C order, little-endian f2 f4 f8 i4 i8 u1 u2 b1.
 * Written: version 1. A header is untrusted: its sizes are checked against the
 * size of the file before any memory is asked for. Depends on the C library
 * and codec only. Every failing function writes one line to error[0 .. size).
 * Source: numpy.lib.format, "NPY format".
 */
#ifndef SG_IR_NPY_H
#define SG_IR_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/codec.h"

/* Header limit as NumPy's own; MAGIC: bytes that tell the header's size. */
enum { NPY_MAX_RANK = 8, NPY_MAX_HEADER = 10000, NPY_MAGIC = 12 };

typedef struct {
  Format format;
  int rank;
  int64_t dim[NPY_MAX_RANK];
  size_t elements, bytes; /* of the data */
  void *data;             /* owned: npy_free */
} NpyArray;

/* ---- headers in memory --------------------------------------------------- */

/* Where the data begins, from the first `length` (NPY_MAGIC are enough) bytes
 * of a file; 0 with *error if this is no .npy header or too long a one. */
size_t npy_header_size(const void *bytes, size_t length, char *error,
                       size_t error_size);
/* Reads a header of npy_header_size() bytes; out->data stays NULL. The data
 * must fill a file of file_size bytes exactly. */
bool npy_header_read(const void *header, size_t size, uint64_t file_size,
                     NpyArray *out, char *error, size_t error_size);
/* Writes a header to out, which has room for NPY_MAX_HEADER bytes. Returns its
 * size, or 0 for a format without a NumPy type. */
size_t npy_header_write(Format format, int rank, const int64_t *dim, char *out);

/* ---- files --------------------------------------------------------------- */

bool npy_read(const char *path, NpyArray *out, char *error, size_t error_size);
void npy_free(NpyArray *array);
/* The elements by value; out has room for array->elements. */
void npy_to_double(const NpyArray *array, double *out);
/* Writes numbers as `format`: floats rounded to nearest even, overflow to
 * infinity; integers truncated toward zero and saturated, NaN as 0. */
bool npy_write_double(const char *path, Format format, int rank,
                      const int64_t *dim, const double *data, char *error,
                      size_t error_size);

#endif
