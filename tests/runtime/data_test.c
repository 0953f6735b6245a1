/* Datasets: idx, npy and raw columns, plain and gzipped, whole and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/runtime.h"
#include "tests/runtime/faults.h"
#include "tests/runtime/files.h"
#include "tests/runtime/program.h"

enum { COUNT = 9 };

static const SgEntry *fit_entry(void) {
  return find_entry(&sg_program, "fit");
}

/* Opens the data of an entry with what it says captured. */
static int open_data(const SgProgram *program, const SgEntry *entry,
                     DatasetData *data) {
  capture_begin();
  int status = dataset_open(program, entry, NULL, 0, data);
  capture_end();
  return status;
}

/* Opens and closes. */
static int try_data(const SgProgram *program, const SgEntry *entry) {
  DatasetData data;
  int status = open_data(program, entry, &data);
  if (status == EXIT_FINE)
    dataset_close(program, entry, &data);
  return status;
}

static int try_fit(void) {
  return try_data(&sg_program, fit_entry());
}

static size_t make_images(unsigned char *file, unsigned char *data) {
  const uint32_t size[] = {COUNT, POINTS};
  for (int i = 0; i < COUNT * POINTS; i++)
    data[i] = (unsigned char)(i * 37);
  return idx_make(file, 2, size, data, COUNT * POINTS);
}

static size_t make_labels(unsigned char *file) {
  const uint32_t size[] = {COUNT};
  unsigned char data[COUNT];
  for (int i = 0; i < COUNT; i++)
    data[i] = (unsigned char)(i % CLASSES);
  return idx_make(file, 1, size, data, COUNT);
}

/* ---- whole files --------------------------------------------------------- */

static void plain_and_gzipped_read_the_same(void **state) {
  unsigned char images[256], labels[64], values[COUNT * POINTS];
  size_t bytes = make_images(images, values), more = make_labels(labels);
  (void)state;
  for (int gzipped = 0; gzipped < 2; gzipped++) {
    void (*put)(const char *, const void *, size_t) =
        gzipped ? file_put_gzipped : file_put;
    DatasetData data;
    put("train-images", images, bytes);
    put("train-labels", labels, more);
    assert_int_equal(open_data(&sg_program, fit_entry(), &data), EXIT_FINE);
    assert_int_equal(data.count, COUNT);
    assert_int_equal(data.column[0].stride, POINTS);
    assert_memory_equal(data.column[0].data, values, sizeof values);
    assert_int_equal(data.column[1].data[4], 4 % CLASSES);
    dataset_close(&sg_program, fit_entry(), &data);
  }
  faults_assert_clean();
}

/* gzip files may be joined: their contents follow one another. */
static void members_of_a_gzip_file_join(void **state) {
  unsigned char images[256], values[COUNT * POINTS], joined[512];
  size_t bytes = make_images(images, values), first, second;
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  file_put_gzipped("a", images, 20);
  file_put_gzipped("b", images + 20, bytes - 20);
  unsigned char *a = file_get("a", &first), *b = file_get("b", &second);
  memcpy(joined, a, first);
  memcpy(joined + first, b, second);
  file_put("train-images", joined, first + second);
  assert_int_equal(try_fit(), EXIT_FINE);
  memcpy(joined + first + second, "garbage", 7);
  file_put("train-images", joined, first + second + 7);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("damaged");
  free(a);
  free(b);
  faults_assert_clean();
}

/* More than the buffer of a stream, and no round number of it. */
static void large_files_read_whole(void **state) {
  enum { MANY = 70001 };
  unsigned char *values = malloc(MANY * POINTS), *file = malloc(MANY * 5);
  const uint32_t images[] = {MANY, POINTS}, labels[] = {MANY};
  (void)state;
  for (int i = 0; i < MANY * POINTS; i++)
    values[i] = (unsigned char)(i ^ i >> 8);
  size_t bytes = idx_make(file, 2, images, values, MANY * POINTS);
  for (int gzipped = 0; gzipped < 2; gzipped++) {
    DatasetData data;
    (gzipped ? file_put_gzipped : file_put)("train-images", file, bytes);
    memset(values, 1, MANY);
    unsigned char *more = malloc(MANY + 64);
    size_t label_bytes = idx_make(more, 1, labels, values, MANY);
    file_put("train-labels", more, label_bytes);
    free(more);
    assert_int_equal(open_data(&sg_program, fit_entry(), &data), EXIT_FINE);
    assert_int_equal(data.count, MANY);
    assert_memory_equal(data.column[0].data, file + 12, MANY * POINTS);
    dataset_close(&sg_program, fit_entry(), &data);
  }
  free(values);
  free(file);
  faults_assert_clean();
}

/* ---- damaged files ------------------------------------------------------- */

static void every_truncation_is_refused(void **state) {
  unsigned char images[256], values[COUNT * POINTS];
  size_t bytes = make_images(images, values), packed;
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  for (size_t n = 0; n < bytes; n++) {
    file_put("train-images", images, n);
    assert_int_equal(try_fit(), EXIT_DATA);
    assert_error("train-images");
  }
  file_put_gzipped("train-images", images, bytes);
  unsigned char *gzipped = file_get("train-images", &packed);
  for (size_t n = 0; n < packed; n++) {
    file_put("train-images", gzipped, n);
    assert_int_equal(try_fit(), EXIT_DATA);
    assert_error("train-images");
  }
  free(gzipped);
  faults_assert_clean();
}

/* Truncated before it is gzipped: the gzip data are fine, the idx data not. */
static void every_truncation_inside_gzip_is_refused(void **state) {
  unsigned char images[256], values[COUNT * POINTS];
  size_t bytes = make_images(images, values);
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  for (size_t n = 0; n < bytes; n++) {
    file_put_gzipped("train-images", images, n);
    assert_int_equal(try_fit(), EXIT_DATA);
  }
  images[bytes] = 0;
  file_put_gzipped("train-images", images, bytes + 1);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("more data follow");
  faults_assert_clean();
}

/* A flip in a plain header is refused; one in gzip data either is, or changes
 * nothing (a time stamp, a flag for text). */
static void every_flipped_bit_is_found(void **state) {
  unsigned char images[256], values[COUNT * POINTS];
  size_t bytes = make_images(images, values), packed;
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  for (size_t bit = 0; bit < 8 * 12; bit++) {
    images[bit / 8] ^= (unsigned char)(1 << bit % 8);
    file_put("train-images", images, bytes);
    assert_int_equal(try_fit(), EXIT_DATA);
    images[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
  file_put_gzipped("train-images", images, bytes);
  unsigned char *gzipped = file_get("train-images", &packed);
  for (size_t bit = 0; bit < 8 * packed; bit++) {
    DatasetData data;
    gzipped[bit / 8] ^= (unsigned char)(1 << bit % 8);
    file_put("train-images", gzipped, packed);
    gzipped[bit / 8] ^= (unsigned char)(1 << bit % 8);
    int status = open_data(&sg_program, fit_entry(), &data);
    if (status != EXIT_FINE) {
      assert_int_equal(status, EXIT_DATA);
      continue;
    }
    assert_memory_equal(data.column[0].data, values, sizeof values);
    dataset_close(&sg_program, fit_entry(), &data);
  }
  free(gzipped);
  faults_assert_clean();
}

static void put_images(unsigned char type, int rank, const uint32_t *size,
                       size_t bytes) {
  unsigned char file[512], values[256] = {0};
  size_t n = idx_make(file, rank, size, values, bytes);
  file[2] = type;
  file_put("train-images", file, n);
}

static void wrong_types_and_shapes_are_named(void **state) {
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  put_images(0x0d, 2, (uint32_t[]){COUNT, POINTS}, COUNT * POINTS);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("element type 0x0d; column image holds u8[4]");
  put_images(0x0b, 2, (uint32_t[]){COUNT, POINTS}, COUNT * POINTS);
  assert_int_equal(try_fit(), EXIT_DATA);
  put_images(8, 3, (uint32_t[]){COUNT, 2, 2}, COUNT * POINTS);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("3 axes; an example of column image is u8[4]");
  put_images(8, 0, NULL, 0);
  assert_int_equal(try_fit(), EXIT_DATA);
  put_images(8, 2, (uint32_t[]){COUNT, 5}, COUNT * 5);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("axis 1 has size 5; an example of column image is u8[4]");
  put_images(8, 2, (uint32_t[]){0, POINTS}, 0);
  assert_int_equal(try_fit(), EXIT_DATA);
  put_images(8, 2, (uint32_t[]){COUNT - 1, POINTS}, (COUNT - 1) * POINTS);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("column label has 9 examples, another has 8");
  file_put("train-images", "PK\3\4 no idx at all", 19);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("two zero bytes");
  remove("train-images");
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("cannot read train-images: No such file");
  assert_int_equal(mkdir("train-images", 0777), 0);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("cannot read train-images: Is a directory");
  faults_assert_clean();
}

/* What the header promises is not allocated on trust. */
static void sizes_are_checked_before_memory_is_asked_for(void **state) {
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  put_images(8, 2, (uint32_t[]){UINT32_MAX, POINTS}, COUNT * POINTS);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("4294967295 examples of 4 bytes, but only 36 bytes follow");
  size_t size;
  unsigned char *plain = file_get("train-images", &size);
  file_put_gzipped("train-images", plain, size);
  free(plain);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("4294967295 examples");
  assert_true(faults.largest < 1 << 20);
  faults_assert_clean();
}

static void labels_outside_the_classes_are_named(void **state) {
  unsigned char file[64];
  size_t bytes = make_labels(file);
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  file[8 + 6] = CLASSES;
  file_put("train-labels", file, bytes);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("train-labels: label 3 at example 6 is outside [0, 3)");
  file[8 + 6] = 255;
  file_put("train-labels", file, bytes);
  assert_int_equal(try_fit(), EXIT_DATA);
  assert_error("label 255 at example 6");
  file[8 + 6] = CLASSES - 1;
  file_put("train-labels", file, bytes);
  assert_int_equal(try_fit(), EXIT_FINE);
  faults_assert_clean();
}

static void redirected_columns_come_from_elsewhere(void **state) {
  unsigned char file[64];
  size_t bytes = make_labels(file);
  const Redirect redirect[] = {{0, 1, "elsewhere"}};
  DatasetData data;
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  remove("train-labels");
  memset(file + 8, 2, COUNT);
  file_put("elsewhere", file, bytes);
  assert_int_equal(dataset_open(&sg_program, fit_entry(), redirect, 1, &data),
                   EXIT_FINE);
  assert_int_equal(data.column[1].data[0], 2);
  dataset_close(&sg_program, fit_entry(), &data);
  faults_assert_clean();
}

/* ---- other columns ------------------------------------------------------- */

static const int64_t dim_pair[] = {2};

/* A program with one entry that reads one column. */
typedef struct {
  SgColumn column;
  SgDataset dataset;
  SgInput input;
  SgEntry entry;
  SgProgram program;
} Small;

/* Examples of two elements, batches of one. */
static Small *small_new(int64_t source, int64_t format, int64_t limit) {
  Small *small = calloc(1, sizeof *small);
  assert_non_null(small);
  small->column = (SgColumn){"c", source, "column", format, 1, dim_pair};
  small->dataset = (SgDataset){"set", 1, &small->column};
  small->input = (SgInput){
      .name = "batch.c",
      .source = INPUT_COLUMN,
      .format = format,
      .bytes = 2 * (int64_t)format_bytes((Format)format),
      .limit = limit,
  };
  small->entry = (SgEntry){
      .name = "e", .input_count = 1, .input = &small->input, .batch = 1};
  small->program = (SgProgram){.name = "small",
                               .dataset_count = 1,
                               .dataset = &small->dataset,
                               .entry_count = 1,
                               .entry = &small->entry};
  return small;
}

static void assert_small(const Small *small, const void *data, size_t size) {
  DatasetData out;
  assert_int_equal(open_data(&small->program, &small->entry, &out), EXIT_FINE);
  assert_int_equal(out.count * out.column[0].stride, size);
  assert_memory_equal(out.column[0].data, data, size);
  dataset_close(&small->program, &small->entry, &out);
}

static void wide_idx_elements_are_big_endian(void **state) {
  static const unsigned char words[] = {0, 0, 0x0c, 2,    0,    0,   0,
                                        1, 0, 0,    0,    2,    0,   0,
                                        1, 2, 0xff, 0xff, 0xff, 0xfe};
  const int32_t value[] = {258, -2};
  const float one[] = {1.0f, -0.5f};
  unsigned char floats[20] = {0, 0, 0x0d, 2,    0, 0, 0,    1, 0, 0,
                              0, 2, 0x3f, 0x80, 0, 0, 0xbf, 0, 0, 0};
  (void)state;
  Small *small = small_new(SOURCE_IDX, FORMAT_I32, 0);
  file_put("column", words, sizeof words);
  assert_small(small, value, sizeof value);
  small->input.limit = 1000;
  assert_int_equal(try_data(&small->program, &small->entry), EXIT_DATA);
  assert_error("label -2 at example 0 is outside [0, 1000)");
  free(small);
  small = small_new(SOURCE_IDX, FORMAT_F32, 0);
  file_put("column", floats, sizeof floats);
  assert_small(small, one, sizeof one);
  free(small);
  faults_assert_clean();
}

static void npy_columns_have_their_type(void **state) {
  const float value[3][2] = {{1, 2}, {3, 4}, {5, 6}};
  const int64_t dim[] = {3, 2};
  size_t size;
  (void)state;
  assert_int_equal(
      array_write("column", FORMAT_F32, 2, dim, value, sizeof value),
      EXIT_FINE);
  Small *small = small_new(SOURCE_NPY, FORMAT_F32, 0);
  assert_small(small, value, sizeof value);
  unsigned char *file = file_get("column", &size);
  for (size_t n = 0; n < size; n++) {
    file_put("column", file, n);
    assert_int_equal(try_data(&small->program, &small->entry), EXIT_DATA);
  }
  file_put("column", file, size);
  free(file);
  small->column.format = small->input.format = FORMAT_I32;
  assert_int_equal(try_data(&small->program, &small->entry), EXIT_DATA);
  assert_error("it holds f32 of 2 axes; an example of column c is i32[2]");
  free(small);
  faults_assert_clean();
}

static void raw_columns_are_whole_examples(void **state) {
  const int32_t value[] = {1, 2, 3, 4};
  (void)state;
  Small *small = small_new(SOURCE_RAW, FORMAT_I32, 0);
  file_put("column", value, sizeof value);
  assert_small(small, value, sizeof value);
  for (size_t n = 0; n < sizeof value; n++) {
    file_put("column", value, n);
    assert_int_equal(try_data(&small->program, &small->entry),
                     n == 8 ? EXIT_FINE : EXIT_DATA);
  }
  free(small);
  faults_assert_clean();
}

/* Programs that the compiler would not make are refused all the same. */
static void inputs_that_no_column_fills_are_refused(void **state) {
  (void)state;
  Small *small = small_new(SOURCE_RAW, FORMAT_I32, 0);
  small->input.bytes = 12;
  assert_int_equal(try_data(&small->program, &small->entry), EXIT_FAILED);
  assert_error("batch.c of e cannot be filled from column c of set");
  SgInput two[] = {small->input, {.name = "x", .source = INPUT_ARGUMENT}};
  two[0].bytes = 8;
  small->entry.input = two;
  small->entry.input_count = 2;
  file_put("column", "12345678", 8);
  assert_int_equal(try_data(&small->program, &small->entry), EXIT_USAGE);
  assert_error("e reads x, which its dataset set does not hold");
  free(small);
  faults_assert_clean();
}

/* ---- faults -------------------------------------------------------------- */

/* Fails the first, second, ... call of one function until none is left. */
static void sweep(CallKind kind, int error, int expected) {
  long at = 0;
  do {
    faults_install();
    faults.kind = kind;
    faults.at = ++at;
    faults.error = error;
    int status = try_fit();
    assert_int_equal(status, faults.fired ? expected : EXIT_FINE);
    faults_assert_clean();
  } while (faults.fired);
  assert_true(at > 1);
}

static void every_failing_call_is_survived(void **state) {
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  sweep(CALL_ALLOCATE, ENOMEM, EXIT_FAILED);
  sweep(CALL_OPEN, EMFILE, EXIT_DATA);
  sweep(CALL_READ, EIO, EXIT_DATA);
  sweep(CALL_STATUS, EIO, EXIT_FINE);
  sweep(CALL_CLOSE, EIO, EXIT_FINE);
}

static void short_and_interrupted_reads_go_on(void **state) {
  (void)state;
  datasets_put(COUNT, EVAL_BATCH);
  faults.pieces = faults.interrupted = true;
  assert_int_equal(try_fit(), EXIT_FINE);
  faults_assert_clean();
}

static int setup(void **state) {
  faults_install();
  return folder_enter(state);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, folder_leave)
  const struct CMUnitTest tests[] = {
      TEST(plain_and_gzipped_read_the_same),
      TEST(members_of_a_gzip_file_join),
      TEST(large_files_read_whole),
      TEST(every_truncation_is_refused),
      TEST(every_truncation_inside_gzip_is_refused),
      TEST(every_flipped_bit_is_found),
      TEST(wrong_types_and_shapes_are_named),
      TEST(sizes_are_checked_before_memory_is_asked_for),
      TEST(labels_outside_the_classes_are_named),
      TEST(redirected_columns_come_from_elsewhere),
      TEST(wide_idx_elements_are_big_endian),
      TEST(npy_columns_have_their_type),
      TEST(raw_columns_are_whole_examples),
      TEST(inputs_that_no_column_fills_are_refused),
      TEST(every_failing_call_is_survived),
      TEST(short_and_interrupted_reads_go_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
