/* Checkpoints: what is saved comes back to the bit; what is damaged, cut off
 * or of another program is refused; a save that fails leaves the earlier
 * one. safetensors_test.c has the headers that others may write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/runtime.h"
#include "tests/runtime/faults.h"
#include "tests/runtime/files.h"
#include "tests/runtime/program.h"

static const char file_name[] = "c.safetensors";

/* ---- sessions ------------------------------------------------------------ */

/* Parameters of `program`, initialised under `seed` and made unequal. */
static Session session_make(const SgProgram *program, uint64_t seed) {
  Session session;
  assert_int_equal(session_open(&session, program, 1), EXIT_FINE);
  session_initialize(&session, seed);
  session.step = 10 * seed;
  for (int64_t p = 0; p < program->param_count; p++)
    for (int64_t i = 0; i < program->param[p].bytes; i++)
      if (program->param[p].state)
        session.param[p][i] = (char)(seed + (uint64_t)(p * 31 + i * 7) % 50);
  return session;
}

static void assert_sessions_equal(const Session *a, const Session *b) {
  for (int64_t p = 0; p < a->program->param_count; p++)
    assert_memory_equal(a->param[p], b->param[p],
                        (size_t)a->program->param[p].bytes);
}

static int save(const Session *session) {
  capture_begin();
  int status = checkpoint_save(session, file_name, "fit");
  capture_end();
  return status;
}

/* Saves a session of sg_program under `seed`. */
static void save_seed(uint64_t seed) {
  Session session = session_make(&sg_program, seed);
  assert_int_equal(save(&session), EXIT_FINE);
  session_close(&session);
}

static int load(Session *session, bool convert, const char *resume) {
  capture_begin();
  int status = checkpoint_load(session, file_name, convert, resume);
  capture_end();
  return status;
}

/* Loads into a fresh session of `program`, which is thrown away. */
static int try_load(const SgProgram *program, bool convert,
                    const char *resume) {
  Session session;
  assert_int_equal(session_open(&session, program, 1), EXIT_FINE);
  int status = load(&session, convert, resume);
  session_close(&session);
  return status;
}

/* ---- round trips --------------------------------------------------------- */

static void a_checkpoint_comes_back_to_the_bit(void **state) {
  Session saved = session_make(&sg_program, 12), loaded;
  (void)state;
  assert_int_equal(save(&saved), EXIT_FINE);
  assert_int_equal(folder_count(), 1);
  assert_int_equal(session_open(&loaded, &sg_program, 1), EXIT_FINE);
  assert_int_equal(load(&loaded, false, NULL), EXIT_FINE);
  assert_sessions_equal(&saved, &loaded);
  assert_int_equal(loaded.step, 0);
  assert_int_equal(load(&loaded, false, "fit"), EXIT_FINE);
  assert_int_equal(loaded.step, 120);
  assert_int_equal(loaded.seed, 12);
  session_close(&saved);
  session_close(&loaded);
  faults_assert_clean();
}

/* Bits that no arithmetic would keep: NaN payloads, signed zeros. */
static void every_f32_pattern_is_kept(void **state) {
  Session saved = session_make(&sg_program, 1), loaded;
  const uint32_t bits[] = {0x7fc01234, 0xffc00001, 0x7f800001, 0x80000000,
                           0x00000001, 0x7f800000, 0xff800000, 0x007fffff};
  (void)state;
  memcpy(saved.param[PARAM_W], bits, sizeof bits);
  assert_int_equal(save(&saved), EXIT_FINE);
  assert_int_equal(session_open(&loaded, &sg_program, 1), EXIT_FINE);
  assert_int_equal(load(&loaded, false, NULL), EXIT_FINE);
  assert_sessions_equal(&saved, &loaded);
  session_close(&saved);
  session_close(&loaded);
}

static void equal_sessions_save_equal_files(void **state) {
  (void)state;
  save_seed(3);
  assert_int_equal(rename(file_name, "first"), 0);
  save_seed(3);
  assert_files_equal(file_name, "first");
}

static void tensors_are_aligned_and_named(void **state) {
  size_t size;
  (void)state;
  save_seed(3);
  unsigned char *file = file_get(file_name, &size);
  assert_int_equal(file[0] % 8, 0);
  assert_int_equal(file[8], '{');
  free(file);
  int fd = io_open(file_name, 0);
  Safetensors header;
  assert_int_equal(safetensors_open(&header, file_name, fd), EXIT_FINE);
  assert_int_equal(header.count, 2 * PARAM_COUNT);
  for (size_t i = 0; i < header.count; i++)
    assert_int_equal(header.tensor[i].begin %
                         format_bytes((Format)header.tensor[i].format),
                     0);
  const FileTensor *momentum = safetensors_find(&header, "opt.m.net.w");
  assert_string_equal(momentum->dtype, "F16");
  assert_int_equal(momentum->dim[1], POINTS);
  assert_non_null(safetensors_find(&header, "opt.m.net.w.exp"));
  assert_string_equal(safetensors_metadata(&header, "program"), "tiny");
  assert_string_equal(safetensors_metadata(&header, "program_hash"),
                      "0123456789abcdef");
  assert_string_equal(safetensors_metadata(&header, "step"), "30");
  safetensors_close(&header);
  sgrt_io.close(fd);
  faults_assert_clean();
}

/* ---- damage -------------------------------------------------------------- */

static void every_cut_is_refused(void **state) {
  size_t size;
  (void)state;
  save_seed(4);
  unsigned char *file = file_get(file_name, &size);
  for (size_t n = 0; n < size; n++) {
    file_put(file_name, file, n);
    assert_int_equal(try_load(&sg_program, true, NULL), EXIT_DATA);
    assert_error(file_name);
  }
  file = realloc(file, size + 1);
  file[size] = 0;
  file_put(file_name, file, size + 1);
  assert_int_equal(try_load(&sg_program, true, NULL), EXIT_DATA);
  assert_error("belong to no tensor");
  free(file);
  faults_assert_clean();
}

static void every_flipped_bit_is_refused(void **state) {
  size_t size;
  (void)state;
  save_seed(4);
  unsigned char *file = file_get(file_name, &size);
  for (size_t bit = 0; bit < 8 * size; bit++) {
    file[bit / 8] ^= (unsigned char)(1 << bit % 8);
    file_put(file_name, file, size);
    assert_int_equal(try_load(&sg_program, true, NULL), EXIT_DATA);
    assert_int_equal(try_load(&sg_program, true, "fit"), EXIT_DATA);
    file[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
  free(file);
  faults_assert_clean();
}

/* ---- other programs ------------------------------------------------------ */

/* sg_program with other parameters; the caller edits what it likes. */
typedef struct {
  SgParam param[PARAM_COUNT + 1];
  SgProgram program;
} Edited;

static void edit(Edited *edited) {
  memcpy(edited->param, sg_program.param, PARAM_COUNT * sizeof(SgParam));
  edited->param[PARAM_COUNT] = edited->param[PARAM_B];
  edited->param[PARAM_COUNT].name = "net.more";
  edited->program = sg_program;
  edited->program.param = edited->param;
}

static void checkpoints_of_other_programs_are_refused(void **state) {
  static const int64_t dim[] = {POINTS, CLASSES};
  Edited other;
  (void)state;
  save_seed(5);
  edit(&other);
  other.program.hash++;
  assert_int_equal(try_load(&other.program, true, NULL), EXIT_DATA);
  assert_error("another program (its hash differs)");
  edit(&other);
  other.param[PARAM_W].dim = dim;
  assert_int_equal(try_load(&other.program, true, NULL), EXIT_DATA);
  assert_error("net.w is F32[3,4] there and f32[4,3] here");
  edit(&other);
  other.param[PARAM_W].rank = 1;
  assert_int_equal(try_load(&other.program, true, NULL), EXIT_DATA);
  edit(&other);
  other.program.param_count++;
  assert_int_equal(try_load(&other.program, true, NULL), EXIT_DATA);
  assert_error("it has no net.more (f32[3])");
  edit(&other);
  other.program.param_count--;
  assert_int_equal(try_load(&other.program, true, NULL), EXIT_DATA);
  assert_error("it has seen, which is unknown here");
  edit(&other);
  other.param[PARAM_SEEN].format = FORMAT_F32;
  assert_int_equal(try_load(&other.program, true, NULL), EXIT_DATA);
  assert_error("seen is I32[] there and f32[] here");
  faults_assert_clean();
}

static void a_run_goes_on_from_its_own_entry_only(void **state) {
  (void)state;
  save_seed(5);
  assert_int_equal(try_load(&sg_program, false, "fit"), EXIT_FINE);
  assert_int_equal(try_load(&sg_program, false, "fit_and_test"), EXIT_DATA);
  assert_error("saved by train fit, not by fit_and_test");
}

/* ---- other formats ------------------------------------------------------- */

/* net.w as f16 * 2^exponent. */
static void edit_w(Edited *edited, int64_t exponent) {
  edit(edited);
  edited->param[PARAM_W].format = FORMAT_F16;
  edited->param[PARAM_W].bytes = 2 * CLASSES * POINTS;
  edited->param[PARAM_W].exponent = exponent;
}

static void save_w(float first) {
  Session session = session_make(&sg_program, 6);
  float w[CLASSES * POINTS] = {0};
  for (int i = 1; i < CLASSES * POINTS; i++)
    w[i] = (float)i / 8;
  w[0] = first;
  memcpy(session.param[PARAM_W], w, sizeof w);
  assert_int_equal(save(&session), EXIT_FINE);
  session_close(&session);
}

static void exact_conversions_are_made(void **state) {
  Session session;
  Edited other;
  (void)state;
  save_w(1.0f); /* exponent -2: the value 0.25 */
  edit_w(&other, 1);
  assert_int_equal(session_open(&session, &other.program, 1), EXIT_FINE);
  assert_int_equal(load(&session, false, "fit"), EXIT_FINE);
  assert_string_equal(run_errors, "");
  for (int i = 0; i < CLASSES * POINTS; i++)
    assert_true(element_value(FORMAT_F16, session.param[PARAM_W], i) ==
                (i ? i / 8.0 : 1.0) / 8);
  session_close(&session);
  faults_assert_clean();
}

static void lossy_conversions_need_to_be_asked_for(void **state) {
  Session session;
  Edited other;
  (void)state;
  save_w(1.0f + 0x1p-11f);
  edit_w(&other, -2);
  assert_int_equal(try_load(&other.program, false, NULL), EXIT_DATA);
  assert_error("net.w: 1 of 12 elements cannot be held exactly by f16 * 2^-2; "
               "--convert rounds them");
  assert_int_equal(session_open(&session, &other.program, 1), EXIT_FINE);
  assert_int_equal(load(&session, true, NULL), EXIT_FINE);
  assert_error("net.w: 1 of 12 elements were rounded to f16 * 2^-2");
  assert_true(element_value(FORMAT_F16, session.param[PARAM_W], 0) == 1);
  session_close(&session);
  /* Beyond the range: saturates, which is a loss. */
  save_w(65536);
  assert_int_equal(try_load(&other.program, false, NULL), EXIT_DATA);
  /* The same format, another exponent: exact, unless it underflows. */
  edit(&other);
  other.param[PARAM_W].exponent = 5;
  assert_int_equal(try_load(&other.program, false, NULL), EXIT_FINE);
  save_w(0x1.8p-149f * 2);
  assert_int_equal(try_load(&other.program, false, NULL), EXIT_DATA);
  faults_assert_clean();
}

/* From f64 to a narrow format in one rounding: 1 + 2^-11 + 2^-40 is above the
 * middle of two f16 neighbours, but binary32 would round it to the middle. */
static void conversions_round_once(void **state) {
  static const char header[] =
      "{\"w\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}";
  static const int64_t dim[] = {2};
  const SgParam param = {
      .name = "w", .format = FORMAT_F16, .rank = 1, .dim = dim, .bytes = 4};
  const SgProgram program = {.name = "p", .param_count = 1, .param = &param};
  const double value[] = {1 + 0x1p-11 + 0x1p-40, -1 - 0x1p-11};
  unsigned char file[256] = {(unsigned char)strlen(header)};
  Session session;
  (void)state;
  memcpy(file + 8, header, strlen(header));
  memcpy(file + 8 + strlen(header), value, sizeof value);
  file_put(file_name, file, 8 + strlen(header) + sizeof value);
  assert_int_equal(session_open(&session, &program, 1), EXIT_FINE);
  assert_int_equal(load(&session, true, NULL), EXIT_FINE);
  assert_true(element_value(FORMAT_F16, session.param[0], 0) == 1 + 0x1p-10);
  assert_true(element_value(FORMAT_F16, session.param[0], 1) == -1);
  session_close(&session);
}

/* ---- faults -------------------------------------------------------------- */

static bool files_equal(const char *a, const char *b) {
  size_t size_a, size_b;
  unsigned char *data_a = file_get(a, &size_a), *data_b = file_get(b, &size_b);
  bool equal = size_a == size_b && memcmp(data_a, data_b, size_a) == 0;
  free(data_a);
  free(data_b);
  return equal;
}

/* Fails the n-th call for n = 1, 2, ... while `next` replaces `old`. */
static void sweep_saving(CallKind kind, int error) {
  Session next = session_make(&sg_program, 8);
  long at = 0;
  do {
    save_seed(7);
    long memory = faults.memory, files = faults.files;
    faults.calls[kind] = 0;
    faults.kind = kind;
    faults.error = error;
    faults.fired = false;
    faults.at = ++at;
    int status = save(&next);
    bool fired = faults.fired;
    faults.at = 0;
    assert_int_equal(status, fired ? EXIT_FAILED : EXIT_FINE);
    assert_int_equal(faults.memory, memory);
    assert_int_equal(faults.files, files);
    assert_false(file_exists("c.safetensors.tmp"));
    if (fired)
      assert_error(file_name);
    bool kept = files_equal(file_name, "old");
    /* After the rename, the new one is there and only its safety in doubt. */
    bool renamed = strstr(run_errors, "its folder cannot be synced") != NULL;
    assert_true(kept == (fired && !renamed));
    assert_true(kept || files_equal(file_name, "new"));
  } while (faults.fired);
  assert_true(at > 1);
  session_close(&next);
}

static void a_failed_save_leaves_the_earlier_one(void **state) {
  (void)state;
  save_seed(7);
  assert_int_equal(rename(file_name, "old"), 0);
  save_seed(8);
  assert_int_equal(rename(file_name, "new"), 0);
  sweep_saving(CALL_ALLOCATE, ENOMEM);
  sweep_saving(CALL_OPEN, ENOSPC);
  sweep_saving(CALL_WRITE, ENOSPC);
  sweep_saving(CALL_WRITE, EIO);
  sweep_saving(CALL_SYNC, EIO);
  sweep_saving(CALL_RENAME, EACCES);
  sweep_saving(CALL_UNLINK, EACCES);
  sweep_saving(CALL_SYNC, EDQUOT);
  faults_assert_clean();
}

/* The close of the file counts, that of the folder does not. */
static void a_failed_close_is_a_failed_save(void **state) {
  (void)state;
  save_seed(7);
  assert_int_equal(rename(file_name, "old"), 0);
  save_seed(7);
  Session next = session_make(&sg_program, 8);
  faults.calls[CALL_CLOSE] = 0;
  faults.kind = CALL_CLOSE;
  faults.error = EIO;
  faults.at = 1;
  assert_int_equal(save(&next), EXIT_FAILED);
  assert_files_equal(file_name, "old");
  assert_int_equal(folder_count(), 2);
  session_close(&next);
  faults_assert_clean();
}

static void short_and_interrupted_calls_go_on(void **state) {
  (void)state;
  save_seed(9);
  assert_int_equal(rename(file_name, "straight"), 0);
  faults.pieces = faults.interrupted = true;
  save_seed(9);
  assert_int_equal(try_load(&sg_program, false, "fit"), EXIT_FINE);
  faults.pieces = faults.interrupted = false;
  assert_files_equal(file_name, "straight");
  faults_assert_clean();
}

static void every_failing_call_of_loading_is_survived(void **state) {
  static const struct {
    CallKind kind;
    int error, expected;
  } row[] = {{CALL_ALLOCATE, ENOMEM, EXIT_FAILED},
             {CALL_OPEN, EACCES, EXIT_DATA},
             {CALL_STATUS, EIO, EXIT_DATA},
             {CALL_READ_AT, EIO, EXIT_DATA}};
  Edited other;
  (void)state;
  save_w(2);
  edit_w(&other, -2); /* goes through a buffer */
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    long at = 0;
    do {
      Session session;
      assert_int_equal(session_open(&session, &other.program, 1), EXIT_FINE);
      faults.calls[row[i].kind] = 0;
      faults.fired = false;
      faults.kind = row[i].kind;
      faults.error = row[i].error;
      faults.at = ++at;
      int status = load(&session, false, "fit");
      faults.at = 0;
      assert_int_equal(status, faults.fired ? row[i].expected : EXIT_FINE);
      session_close(&session);
      faults_assert_clean();
    } while (faults.fired);
    assert_true(at > 1);
  }
}

/* A full disk as the kernel reports it, at each size it can have. */
static void a_file_that_may_not_grow_is_a_failed_save(void **state) {
  size_t size;
  struct rlimit before, limit;
  (void)state;
  save_seed(7);
  free(file_get(file_name, &size));
  assert_int_equal(rename(file_name, "old"), 0);
  Session next = session_make(&sg_program, 8);
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  for (size_t most = 0; most < size; most += 7) {
    save_seed(7);
    limit = before;
    limit.rlim_cur = most;
    capture_begin();
    setrlimit(RLIMIT_FSIZE, &limit);
    int status = checkpoint_save(&next, file_name, "fit");
    setrlimit(RLIMIT_FSIZE, &before);
    capture_end();
    assert_int_equal(status, EXIT_FAILED);
    assert_files_equal(file_name, "old");
    assert_int_equal(folder_count(), 2);
  }
  session_close(&next);
}

static void leftovers_of_a_killed_save_are_replaced(void **state) {
  (void)state;
  file_put("c.safetensors.tmp", "half of it", 10);
  save_seed(7);
  assert_int_equal(folder_count(), 1);
  assert_int_equal(try_load(&sg_program, false, NULL), EXIT_FINE);
}

/* ---- names --------------------------------------------------------------- */

static void names_with_quotes_come_back(void **state) {
  static const SgParam param = {
      .name = "a\"b\\c\td", .format = FORMAT_F32, .bytes = 4, .init = 1};
  static const SgProgram program = {
      .name = "\"quoted\"", .param_count = 1, .param = &param};
  Session session;
  (void)state;
  assert_int_equal(session_open(&session, &program, 1), EXIT_FINE);
  session_initialize(&session, 1);
  assert_int_equal(save(&session), EXIT_FINE);
  memset(session.param[0], 0, 4);
  assert_int_equal(load(&session, false, "fit"), EXIT_FINE);
  assert_true(element_value(FORMAT_F32, session.param[0], 0) == 1);
  session_close(&session);
}

static void a_program_without_parameters_saves_too(void **state) {
  static const SgProgram program = {.name = "none"};
  Session session;
  (void)state;
  assert_int_equal(session_open(&session, &program, 1), EXIT_FINE);
  assert_int_equal(save(&session), EXIT_FINE);
  assert_int_equal(load(&session, false, "fit"), EXIT_FINE);
  session_close(&session);
  faults_assert_clean();
}

static int setup(void **state) {
  faults_install();
  return folder_enter(state);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, folder_leave)
  const struct CMUnitTest tests[] = {
      TEST(a_checkpoint_comes_back_to_the_bit),
      TEST(every_f32_pattern_is_kept),
      TEST(equal_sessions_save_equal_files),
      TEST(tensors_are_aligned_and_named),
      TEST(every_cut_is_refused),
      TEST(every_flipped_bit_is_refused),
      TEST(checkpoints_of_other_programs_are_refused),
      TEST(a_run_goes_on_from_its_own_entry_only),
      TEST(exact_conversions_are_made),
      TEST(lossy_conversions_need_to_be_asked_for),
      TEST(conversions_round_once),
      TEST(a_failed_save_leaves_the_earlier_one),
      TEST(a_failed_close_is_a_failed_save),
      TEST(short_and_interrupted_calls_go_on),
      TEST(every_failing_call_of_loading_is_survived),
      TEST(a_file_that_may_not_grow_is_a_failed_save),
      TEST(leftovers_of_a_killed_save_are_replaced),
      TEST(names_with_quotes_come_back),
      TEST(a_program_without_parameters_saves_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
