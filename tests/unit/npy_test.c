/* ir/npy: round trips of every type, headers as NumPy writes them, and files
 * that lie about their size, end early, or are something else.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/npy.h"
#include "ir/rng.h"

typedef struct {
  char path[64];
  char error[256];
} Place;

static void place_make(Place *place) {
  strcpy(place->path, "/tmp/npy_test.XXXXXX");
  int file = mkstemp(place->path);
  assert_true(file >= 0);
  close(file);
  place->error[0] = '\0';
}

static void place_write(const Place *place, const void *bytes, size_t size) {
  FILE *file = fopen(place->path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  fclose(file);
}

static void expect_refused(Place *place, const char *part) {
  NpyArray array;
  assert_false(
      npy_read(place->path, &array, place->error, sizeof place->error));
  assert_null(array.data);
  if (strstr(place->error, part) == NULL)
    fail_msg("\"%s\" lacks \"%s\"", place->error, part);
}

/* A file of the given version with a header text and `data` zero bytes. */
static void put_file(const Place *place, int version, const char *text,
                     size_t data) {
  static unsigned char bytes[20000];
  size_t length = strlen(text), before = version == 1 ? 10 : 12;
  memset(bytes, 0, sizeof bytes);
  memcpy(bytes, "\x93NUMPY", 6);
  bytes[6] = (unsigned char)version;
  bytes[8] = (unsigned char)length;
  bytes[9] = (unsigned char)(length >> 8);
  memcpy(bytes + before, text, length);
  place_write(place, bytes, before + length + data);
}

/* ---- what is read and written ------------------------------------------- */

static void check_round_trip(Format format, int rank, const int64_t *dim,
                             const double *data, const double *expected) {
  Place place;
  NpyArray array;
  place_make(&place);
  assert_true(npy_write_double(place.path, format, rank, dim, data, place.error,
                               sizeof place.error));
  assert_true(npy_read(place.path, &array, place.error, sizeof place.error));
  assert_int_equal(array.format, format);
  assert_int_equal(array.rank, rank);
  for (int i = 0; i < rank; i++)
    assert_int_equal(array.dim[i], dim[i]);
  double *back = calloc(array.elements, sizeof *back);
  npy_to_double(&array, back);
  for (size_t i = 0; i < array.elements; i++)
    assert_true(back[i] == expected[i] ||
                (isnan(back[i]) && isnan(expected[i])));
  free(back);
  npy_free(&array);
  unlink(place.path);
}

static void test_types(void **state) {
  (void)state;
  const double x[6] = {0, 1.5, -2.75, 1e30, NAN, 300};
  const double f16[6] = {0, 1.5, -2.75, INFINITY, NAN, 300};
  const double f32[6] = {0, 1.5, -2.75, (double)1e30f, NAN, 300};
  const double i32[6] = {0, 1, -2, 2147483647, 0, 300};
  const double i64[6] = {0, 1, -2, 0x1p63, 0, 300};
  const double u8[6] = {0, 1, 0, 255, 0, 255};
  const double u16[6] = {0, 1, 0, 65535, 0, 300};
  const double truth[6] = {0, 1, 1, 1, 0, 1};
  const int64_t dim[] = {2, 3};
  check_round_trip(FORMAT_F16, 2, dim, x, f16);
  check_round_trip(FORMAT_F32, 2, dim, x, f32);
  check_round_trip(FORMAT_F64, 2, dim, x, x);
  check_round_trip(FORMAT_I32, 2, dim, x, i32);
  check_round_trip(FORMAT_I64, 2, dim, x, i64);
  check_round_trip(FORMAT_U8, 2, dim, x, u8);
  check_round_trip(FORMAT_U16, 2, dim, x, u16);
  check_round_trip(FORMAT_BOOL, 2, dim, x, truth);
}

static void test_shapes(void **state) {
  (void)state;
  static double x[5000];
  for (int i = 0; i < 5000; i++)
    x[i] = i;
  check_round_trip(FORMAT_F64, 0, NULL, x, x);
  check_round_trip(FORMAT_F64, 1, (int64_t[]){5000}, x, x);
  check_round_trip(FORMAT_F32, 1, (int64_t[]){0}, x, x);
  check_round_trip(FORMAT_I32, 8, (int64_t[]){1, 2, 1, 2, 1, 2, 1, 2}, x, x);
}

/* Byte for byte what numpy.save writes. */
static void test_header_text(void **state) {
  (void)state;
  char header[NPY_MAX_HEADER];
  size_t size = npy_header_write(FORMAT_F32, 2, (int64_t[]){128, 784}, header);
  assert_int_equal(size, 128);
  const char *text = "{'descr': '<f4', 'fortran_order': False, "
                     "'shape': (128, 784), }";
  assert_memory_equal(header, "\x93NUMPY\x01\x00\x76\x00", 10);
  assert_memory_equal(header + 10, text, strlen(text));
  assert_int_equal(header[127], '\n');
  size = npy_header_write(FORMAT_U8, 1, (int64_t[]){3}, header);
  assert_non_null(strstr(header + 10, "'|u1'"));
  assert_non_null(strstr(header + 10, "(3,)"));
  assert_int_equal(size % 64, 0);
  assert_int_equal(npy_header_write(FORMAT_E4M3, 0, NULL, header), 0);
  assert_int_equal(npy_header_write(FORMAT_F32, 9, NULL, header), 0);
}

static void test_versions(void **state) {
  (void)state;
  Place place;
  NpyArray array;
  place_make(&place);
  for (int version = 1; version <= 3; version++) {
    put_file(&place, version,
             "{\"shape\": (3L, 2), 'fortran_order':False,'descr' : '=i8'}  \n",
             48);
    assert_true(npy_read(place.path, &array, place.error, sizeof place.error));
    assert_true(array.format == FORMAT_I64 && array.rank == 2);
    assert_true(array.elements == 6 && array.bytes == 48);
    npy_free(&array);
  }
  put_file(&place, 4, "{}", 0);
  expect_refused(&place, "version 4.0");
  unlink(place.path);
}

/* ---- what is refused ---------------------------------------------------- */

static void test_refused_headers(void **state) {
  (void)state;
  static const struct {
    const char *header;
    size_t data;
    const char *message;
  } files[] = {
      {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", 16,
       "np.ascontiguousarray(x)"},
      {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8,
       "x.astype('<f4')"},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", 16,
       "'<c8' is not read"},
      {"{'descr': '|f4', 'fortran_order': False, 'shape': (2,), }", 8,
       "'|f4' is not read"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8,
       "records"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 8,
       "declares 12 bytes of data, the file has 8"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 8,
       "declares 4 bytes of data, the file has 8"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': "
       "(1000000000000,), }",
       8, "declares 4000000000000 bytes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': "
       "(4294967296, 4294967296), }",
       8, "too large"},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': "
       "(2305843009213693952,), }",
       0, "too large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': "
       "(99999999999999999999,), }",
       8, "too long"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': "
       "(1,1,1,1,1,1,1,1,1), }",
       4, "more than 8 axes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4,
       "a size is expected"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': 4}", 16,
       "a shape is expected"},
      {"{'descr': '<f4', 'fortran_order': False}", 4, "each of descr"},
      {"{'descr': '<f4', 'descr': '<f4', 'shape': ()}", 4, "each of descr"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", 4,
       "each of descr"},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", 4, "True or False"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", 4, "the end"},
      {"{'descr': '<f4", 4, "an element type is expected"},
      {"{'descr' '<f4'}", 4, "`:` is expected"},
      {"{'descr': '<f4' 'shape': ()}", 4, "`,` or `}`"},
      {"{'shape': (1 2)}", 4, "`,` or `)`"},
      {"", 4, "`{` is expected"},
  };
  Place place;
  place_make(&place);
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    put_file(&place, 1 + (int)(i % 3), files[i].header, files[i].data);
    expect_refused(&place, files[i].message);
  }
  unlink(place.path);
}

static void test_long_header(void **state) {
  (void)state;
  Place place;
  place_make(&place);
  unsigned char bytes[16] = "\x93NUMPY\x02\x00\xff\xff\xff\xff";
  place_write(&place, bytes, 16);
  expect_refused(&place, "4294967295 bytes is too long");
  memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
  place_write(&place, bytes, 16);
  expect_refused(&place, "ends in its header");
  unlink(place.path);
}

/* Every prefix of a good file is refused, and so is one byte more. */
static void test_truncated(void **state) {
  (void)state;
  Place place;
  NpyArray array;
  char bytes[256] = {0};
  place_make(&place);
  size_t size = npy_header_write(FORMAT_I32, 1, (int64_t[]){5}, bytes);
  size += 5 * 4;
  for (size_t length = 0; length < size; length++) {
    place_write(&place, bytes, length);
    expect_refused(&place, "");
  }
  place_write(&place, bytes, size + 1);
  expect_refused(&place, "declares 20 bytes of data, the file has 21");
  place_write(&place, bytes, size);
  assert_true(npy_read(place.path, &array, place.error, sizeof place.error));
  npy_free(&array);
  unlink(place.path);
}

/* Damage at random places: any answer, but none from outside the buffers. */
static void test_garbage(void **state) {
  (void)state;
  char good[256];
  size_t size = npy_header_write(FORMAT_F32, 2, (int64_t[]){3, 4}, good);
  RngKey key = rng_key(1, 2, 3);
  uint64_t draw = 0;
  int accepted = 0;
  for (int round = 0; round < 20000; round++) {
    char *bytes = malloc(size);
    char error[64];
    NpyArray array;
    memcpy(bytes, good, size);
    for (int i = 0; i < 1 + round % 4; i++) {
      uint32_t at = rng_u32(key, draw++) % (uint32_t)size;
      bytes[at] = (char)rng_u32(key, draw++);
    }
    size_t declared = npy_header_size(bytes, size, error, sizeof error);
    if (declared != 0 && declared <= size)
      accepted += npy_header_read(bytes, declared, size + 48, &array, error,
                                  sizeof error);
    free(bytes);
  }
  assert_in_range(accepted, 1, 19999);
}

static void test_other_files(void **state) {
  (void)state;
  Place place;
  place_make(&place);
  const char zip[] = "PK\x03\x04, a zip and no array";
  place_write(&place, zip, sizeof zip);
  expect_refused(&place, "not a .npy file");
  unlink(place.path);
  strcpy(place.path, "/tmp");
  expect_refused(&place, "");
  strcpy(place.path, "/no/such/file.npy");
  expect_refused(&place, "No such file");
  double x = 1;
  assert_false(npy_write_double("/no/such/file.npy", FORMAT_F32, 0, NULL, &x,
                                place.error, sizeof place.error));
  assert_non_null(strstr(place.error, "No such file"));
  assert_false(npy_write_double("/tmp/x.npy", FORMAT_E4M3, 0, NULL, &x,
                                place.error, sizeof place.error));
  assert_string_equal(place.error, "e4m3 has no .npy type");
}

static void test_full_device(void **state) {
  (void)state;
  char error[128];
  double x = 1;
  if (access("/dev/full", W_OK) != 0)
    skip();
  assert_false(npy_write_double("/dev/full", FORMAT_F32, 0, NULL, &x, error,
                                sizeof error));
  assert_non_null(strstr(error, "cannot write"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_types),
      cmocka_unit_test(test_shapes),
      cmocka_unit_test(test_header_text),
      cmocka_unit_test(test_versions),
      cmocka_unit_test(test_refused_headers),
      cmocka_unit_test(test_long_header),
      cmocka_unit_test(test_truncated),
      cmocka_unit_test(test_garbage),
      cmocka_unit_test(test_other_files),
      cmocka_unit_test(test_full_device),
  };
  return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
