/* The safetensors format: headers by hand, of all the kinds that must be read
 * and that must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"
#include "tests/runtime/faults.h"
#include "tests/runtime/files.h"
#include "tests/runtime/program.h"

static const char file_name[] = "f.safetensors";

static const int64_t dim_w[] = {CLASSES, POINTS}, dim_b[] = {CLASSES};
static const SgParam params[] = {{.name = "net.w",
                                  .format = FORMAT_F32,
                                  .rank = 2,
                                  .dim = dim_w,
                                  .bytes = 48},
                                 {.name = "net.b",
                                  .format = FORMAT_F32,
                                  .rank = 1,
                                  .dim = dim_b,
                                  .bytes = 12}};
static const SgProgram program = {
    .name = "weights", .param_count = 2, .param = params};

/* Loads into a session that is thrown away. */
static int try_load(const char *resume) {
  Session session;
  assert_int_equal(session_open(&session, &program, 1), EXIT_FINE);
  capture_begin();
  int status = checkpoint_load(&session, file_name, false, resume);
  capture_end();
  session_close(&session);
  return status;
}

/* ---- headers by hand ----------------------------------------------------- */

#define W                                                                      \
  "\"net.w\":{\"dtype\":\"F32\",\"shape\":[3,4],\"data_offsets\":[0,48]}"
#define B(begin, end)                                                          \
  "\"net.b\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[" begin        \
  "," end "]}"

typedef struct {
  const char *header;
  size_t data;         /* bytes behind it */
  const char *message; /* NULL: it fits */
} Foreign;

static const Foreign foreign[] = {
    {"{" W "," B("48", "60") "}", 60, NULL},
    {"  \n\t{" W "," B("48", "60") "}  ", 60, NULL},
    {"{" B("48", "60") "," W "}", 60, NULL},
    {"{\"__metadata__\":{\"format\":\"pt\"}," W "," B("48", "60") "}", 60,
     NULL},
    {"{" W "," B("48", "60") ",\"z\":{\"dtype\":\"I8\",\"shape\":[0],"
                             "\"data_offsets\":[60,60]}}",
     60, "it has z, which is unknown here"},
    {"{" W "," B("52", "64") "}", 64, "net.b leaves a hole before it"},
    {"{" W "," B("44", "56") "}", 56, "net.b overlaps another one"},
    {"{" W "," B("48", "60") "}", 64, "the last bytes belong to no tensor"},
    {"{" W "," B("48", "60") "}", 59, "goes beyond the end of the file"},
    {"{" W "," W "," B("48", "60") "}", 60, "duplicate"},
    {"{" W "," B("60", "48") "}", 60, "net.b ends before it begins"},
    {"{" W "," B("48", "61") "}", 61, "net.b has more or fewer bytes"},
    {"{" W "," B("-1", "11") "}", 60, "data_offsets that are no sizes"},
    {"{" W "," B("48.0", "60") "}", 60, "data_offsets that are no sizes"},
    {"{" W "," B("48", "99999999999999999999") "}", 60, "no JSON"},
    {"{" W "," B("9223372036854775807", "9223372036854775807") "}", 60,
     "net.b has more or fewer bytes"},
    {"{" W ",\"net.b\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],"
     "\"data_offsets\":[48,48]}}",
     48, "net.b has a shape that is no shape, or too large"},
    {"{" W ",\"net.b\":{\"dtype\":\"F32\",\"shape\":[1152921504606846976],"
     "\"data_offsets\":[48,48]}}",
     48, "net.b has a shape that is no shape, or too large"},
    {"{" W ",\"net.b\":{\"dtype\":\"F32\",\"shape\":[-3],"
     "\"data_offsets\":[48,60]}}",
     60, "net.b has a shape that is no shape, or too large"},
    {"{" W ",\"net.b\":{\"dtype\":\"F4\",\"shape\":[3],"
     "\"data_offsets\":[48,49]}}",
     49, "net.b has more or fewer bytes"},
    {"{" W ",\"net.b\":{\"dtype\":\"F5\",\"shape\":[3],"
     "\"data_offsets\":[48,60]}}",
     60, "net.b has an element type that is not known"},
    {"{" W ",\"net.b\":{\"dtype\":\"F32\",\"shape\":[3]}}", 60,
     "net.b lacks its dtype, shape or data_offsets"},
    {"{" W ",\"net.b\":{\"dtype\":\"F32\",\"data_offsets\":[48,60]}}", 60,
     "net.b lacks its dtype, shape or data_offsets"},
    {"{" W ",\"net.b\":{\"shape\":[3],\"data_offsets\":[48,60]}}", 60,
     "net.b lacks its dtype, shape or data_offsets"},
    {"{" W ",\"net.b\":7}", 60, "net.b lacks its dtype"},
    {"{" W ",\"net.b\":{\"dtype\":\"F32\",\"shape\":[3],"
     "\"data_offsets\":[48,60,60]}}",
     60, "net.b lacks its dtype, shape or data_offsets"},
    {"{\"__metadata__\":{\"a\":1}," W "," B("48", "60") "}", 60,
     "__metadata__ holds something but texts"},
    {"{\"__metadata__\":[]," W "," B("48", "60") "}", 60,
     "__metadata__ is no object"},
    {"{\"__metadata__\":{\"format\":\"scalegraph\",\"version\":\"2\"}," W
     "," B("48", "60") "}",
     60, "its version is unknown"},
    {"{\"__metadata__\":{\"format\":\"scalegraph\",\"version\":\"1\"}," W
     "," B("48", "60") "}",
     60, "its checksum is missing"},
    {"{\"__metadata__\":{\"crc32\":\"00000000\"}," W "," B("48", "60") "}", 60,
     "it is damaged (the checksum differs)"},
    {"{\"__metadata__\":{\"crc32\": \"00000000\"}," W "," B("48", "60") "}", 60,
     "its checksum is damaged"},
    {"{\"__metadata__\":{\"crc32\":\"0000000\"}," W "," B("48", "60") "}", 60,
     "its checksum is damaged"},
    {"{" W "," B("48", "60") ",\"net.w.exp\":{\"dtype\":\"F32\",\"shape\":[],"
                             "\"data_offsets\":[60,64]}}",
     64, "net.w.exp is no exponent"},
    {"{" W "," B("48", "60") "} x", 60, "no JSON"},
    {"{" W "," B("48", "60"), 60, "no JSON"},
    {"[1]", 0, "no JSON object"},
    {"7", 0, "no JSON"},
    {"", 0, "no JSON"},
    {"{}", 0, "it has no net.w"},
    {"{\"\xff\":1}", 0, "no JSON"},
    {"{\"a\\u0000b\":1}", 0, "no JSON"},
};

static void put_foreign(const Foreign *row) {
  static unsigned char file[4096];
  size_t length = strlen(row->header);
  memset(file, 0, sizeof file);
  file[0] = (unsigned char)length;
  file[1] = (unsigned char)(length >> 8);
  memcpy(file + 8, row->header, length);
  file_put(file_name, file, 8 + length + row->data);
}

static void foreign_headers_are_read_strictly(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
    put_foreign(&foreign[i]);
    int status = try_load(NULL);
    if (foreign[i].message)
      assert_error(foreign[i].message);
    assert_int_equal(status, foreign[i].message ? EXIT_DATA : EXIT_FINE);
    assert_int_equal(try_load("fit"), EXIT_DATA);
  }
  faults_assert_clean();
}

/* Weights without a position cannot be gone on from. */
static void foreign_weights_have_no_position(void **state) {
  (void)state;
  put_foreign(&foreign[0]);
  assert_int_equal(try_load("fit"), EXIT_DATA);
  assert_error("no training run can be resumed from it");
}

static void lengths_are_not_believed(void **state) {
  unsigned char file[64] = {0};
  (void)state;
  for (int byte = 0; byte < 8; byte++) {
    memset(file, 0, sizeof file);
    file[byte] = 0xff;
    file_put(file_name, file, sizeof file);
    faults.largest = 0;
    assert_int_equal(try_load(NULL), EXIT_DATA);
    assert_true(faults.largest < 1 << 20);
  }
  memset(file, 0xff, sizeof file);
  file_put(file_name, file, sizeof file);
  assert_int_equal(try_load(NULL), EXIT_DATA);
  faults_assert_clean();
}

/* Nesting is bounded: no stack overflow. */
static void deep_nesting_is_refused(void **state) {
  enum { DEPTH = 100000 };
  unsigned char *file = malloc(DEPTH + 8);
  (void)state;
  memset(file, '[', DEPTH + 8);
  memset(file, 0, 8);
  file[0] = DEPTH & 255;
  file[1] = DEPTH >> 8 & 255;
  file[2] = DEPTH >> 16;
  file_put(file_name, file, DEPTH + 8);
  assert_int_equal(try_load(NULL), EXIT_DATA);
  free(file);
  faults_assert_clean();
}

static int setup(void **state) {
  faults_install();
  return folder_enter(state);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, folder_leave)
  const struct CMUnitTest tests[] = {
      TEST(foreign_headers_are_read_strictly),
      TEST(foreign_weights_have_no_position),
      TEST(lengths_are_not_believed),
      TEST(deep_nesting_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
