/* Programs of unusual shape: without a dataset, without parameters, with one
 * result or hundreds, with results that are parameters; and runs that are
 * disturbed by signals or watched on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "tests/runtime/faults.h"
#include "tests/runtime/files.h"
#include "tests/runtime/program.h"

enum { EXAMPLES = 5 * BATCH, TESTS = 4 * EVAL_BATCH };

static void assert_output(const char *part) {
  if (!strstr(run_output, part))
    fail_msg("`%s` is not in: %s", part, run_output);
}

/* ---- programs of unusual size -------------------------------------------- */

enum { MANY = 300, LARGE_BATCH = 5000 };

/* result[i] = i * the sum of the labels / batch. */
static void step_many(const SgFrame *frame) {
  const unsigned char *label = (const unsigned char *)frame->input[0];
  double sum = 0;
  for (int i = 0; i < LARGE_BATCH; i++)
    sum += label[i];
  for (int i = 0; i < MANY; i++)
    ((float *)frame->arena)[i] = (float)(i * (sum / LARGE_BATCH));
}

static void results_and_batches_have_no_limit(void **state) {
  static SgResult result[MANY];
  static char name[MANY][16];
  static unsigned char labels[2 * LARGE_BATCH], file[2 * LARGE_BATCH + 8];
  static const int64_t dim[] = {LARGE_BATCH};
  const SgInput input = {"batch.label", INPUT_COLUMN, 1, 1, FORMAT_U8, 1,
                         dim,           LARGE_BATCH,  0, 0, 0};
  const uint32_t size[] = {2 * LARGE_BATCH};
  (void)state;
  for (int i = 0; i < MANY; i++) {
    snprintf(name[i], sizeof name[i], "r%d", i);
    result[i] = (SgResult){.name = name[i],
                           .format = FORMAT_F32,
                           .bytes = 4,
                           .offset = 4 * i,
                           .symbol = -1};
  }
  memset(labels + LARGE_BATCH, 2, LARGE_BATCH);
  file_put("test-labels", file, idx_make(file, 1, size, labels, sizeof labels));
  SgEntry entry[] = {{.name = "many",
                      .kind = ENTRY_KIND_EVAL,
                      .input_count = 1,
                      .input = &input,
                      .result_count = MANY,
                      .result = result,
                      .step = step_many,
                      .arena_bytes = 4 * MANY,
                      .batch = LARGE_BATCH},
                     {.name = "fit",
                      .kind = ENTRY_KIND_TRAIN,
                      .input_count = 1,
                      .input = &input,
                      .result_count = MANY,
                      .result = result,
                      .step = step_many,
                      .arena_bytes = 4 * MANY,
                      .batch = LARGE_BATCH}};
  SgProgram program = sg_program;
  program.entry = entry;
  program.entry_count = 2;
  assert_int_equal(run_program(&program, "train --log=log"), EXIT_FINE);
  assert_int_equal(run_program(&program, "eval"), EXIT_FINE);
  assert_output("r0 0.0000  r1 1.0000  r2 2.0000");
  assert_output("r299 299.0000\n");
  entry[0].result = NULL;
  entry[0].result_count = 0;
  entry[0].step = step_many;
  assert_int_equal(run_program(&program, "eval"), EXIT_FINE);
  assert_string_equal(run_output, "\n");
  faults_assert_clean();
}

/* ---- programs without a dataset ------------------------------------------ */

/* total += step */
static void step_add(const SgFrame *frame) {
  float sum, step;
  memcpy(&sum, frame->param[0], sizeof sum);
  memcpy(&step, frame->input[0], sizeof step);
  sum += step;
  memcpy(frame->param[0], &sum, sizeof sum);
}

/* Doubles its input in place. */
static void step_double(const SgFrame *frame) {
  float x;
  memcpy(&x, frame->input[0], sizeof x);
  x *= 2;
  memcpy(frame->input[0], &x, sizeof x);
}

static const SgParam total = {
    .name = "total", .format = FORMAT_F32, .bytes = 4};
static const SgInput step_input = {
    .name = "step", .source = INPUT_STEP, .format = FORMAT_F32, .bytes = 4};
static const SgInput x_input = {
    .name = "x", .source = INPUT_ARGUMENT, .format = FORMAT_F32, .bytes = 4};
static const SgResult total_result = {.name = "total",
                                      .format = FORMAT_F32,
                                      .bytes = 4,
                                      .place = SG_IN_PARAM,
                                      .symbol = -1};
/* Times 2^3. */
static const SgResult twice_result = {.name = "twice",
                                      .format = FORMAT_F32,
                                      .bytes = 4,
                                      .place = SG_IN_INPUT,
                                      .exponent = 3,
                                      .symbol = -1};
static const SgEntry plain_entries[] = {
    {.name = "add",
     .kind = ENTRY_KIND_TRAIN,
     .input_count = 1,
     .input = &step_input,
     .result_count = 1,
     .result = &total_result,
     .step = step_add},
    {.name = "twice",
     .kind = ENTRY_KIND_PLAIN,
     .input_count = 1,
     .input = &x_input,
     .result_count = 1,
     .result = &twice_result,
     .step = step_double},
};

/* sg_program without datasets; with one parameter or none. */
static SgProgram plain_program(int64_t params) {
  SgProgram program = sg_program;
  program.param = &total;
  program.param_count = params;
  program.dataset_count = 0;
  program.entry = plain_entries;
  program.entry_count = 2;
  return program;
}

static void steps_count_without_a_dataset(void **state) {
  const SgProgram program = plain_program(1);
  (void)state;
  assert_int_equal(run_program(&program, "train"), EXIT_USAGE);
  assert_error("add has no dataset to tell how long it trains: give --steps=N");
  assert_int_equal(run_program(&program, "train --epochs=2"), EXIT_USAGE);
  assert_error("add has no dataset, so no epochs: give --steps=N");
  assert_int_equal(run_program(&program, "train --steps=4"), EXIT_FINE);
  assert_output("step 4  total 10.0000\n");
  const char *const again = "train --steps=100 --resume=tiny.safetensors";
  assert_int_equal(run_program(&program, again), EXIT_FINE);
  assert_output("step 100  total 5050.0000\n");
  assert_null(strstr(run_errors, "examples/s"));
  assert_int_equal(run_program(&program, again), EXIT_USAGE);
  assert_error("tiny.safetensors: step 100 of 100 is done already");
  assert_int_equal(run_program(&program, "eval"), EXIT_USAGE);
  assert_error("eval: this program has no such entry");
  faults_assert_clean();
}

static void eval_needs_something_to_average(void **state) {
  SgProgram program = plain_program(1);
  SgEntry entry = plain_entries[0];
  (void)state;
  assert_int_equal(run_program(&program, "train --steps=4"), EXIT_FINE);
  entry.kind = ENTRY_KIND_EVAL;
  program.entry = &entry;
  program.entry_count = 1;
  assert_int_equal(run_program(&program, "eval"), EXIT_USAGE);
  assert_error("add reads no dataset: there is nothing to average over");
  SgInput input = {.name = "batch.label",
                   .source = INPUT_COLUMN,
                   .dataset = 1,
                   .column = 1,
                   .format = FORMAT_U8};
  entry.input = &input;
  program.dataset_count = sg_program.dataset_count;
  assert_int_equal(run_program(&program, "eval"), EXIT_DATA);
  assert_error("add has no batch to fill from test_points");
  faults_assert_clean();
}

/* One result needs no name; weights are loaded if there are any to load. */
static void one_result_needs_no_name(void **state) {
  const double x = 2.75;
  const SgProgram program = plain_program(0);
  NpyArray out;
  (void)state;
  assert_int_equal(array_write("x", FORMAT_F64, 0, NULL, &x, sizeof x),
                   EXIT_FINE);
  assert_int_equal(run_program(&program, "run x=x"), EXIT_FINE);
  assert_string_equal(run_output, "44\n");
  assert_int_equal(run_program(&program, "run x=x -o y"), EXIT_FINE);
  assert_int_equal(array_read("y", &out), EXIT_FINE);
  assert_true(element_value(out.format, out.data, 0) == 44);
  sgrt_io.release(out.data);
  assert_int_equal(run_program(&program, "run twice -o twice=z -- x=x"),
                   EXIT_FINE);
  assert_files_equal("y", "z");
  assert_int_equal(run_program(&program, "run x=x -o y -o z"), EXIT_USAGE);
  assert_error("-o: twice has one result");
  assert_int_equal(run_program(&program, "run x=x --weights=none"), EXIT_DATA);
  faults_assert_clean();
}

static void every_failing_call_of_run_is_survived(void **state) {
  static const CallKind kind[] = {CALL_OPEN, CALL_READ,   CALL_WRITE,
                                  CALL_SYNC, CALL_RENAME, CALL_CLOSE};
  const float x = 1;
  const SgProgram program = plain_program(0);
  (void)state;
  assert_int_equal(array_write("x", FORMAT_F32, 0, NULL, &x, sizeof x),
                   EXIT_FINE);
  for (size_t i = 0; i < sizeof kind / sizeof kind[0]; i++) {
    long at = 0;
    do {
      faults_install();
      faults.kind = kind[i];
      faults.at = ++at;
      faults.error = EIO;
      int status = run_program(&program, "run x=x -o y --threads=1");
      assert_in_range(status, EXIT_FINE, EXIT_DATA);
      assert_true(status == EXIT_FINE || strlen(run_errors) > 0);
      assert_true(faults.fired || status == EXIT_FINE);
      assert_true(status != EXIT_FINE || file_exists("y"));
      assert_false(file_exists("y.tmp"));
      faults_assert_clean();
      remove("y");
    } while (faults.fired);
    assert_true(at > 1);
  }
}

/* ---- places -------------------------------------------------------------- */

static void folders_of_saved_files_are_synced(void **state) {
  (void)state;
  assert_int_equal(mkdir("sub", 0777), 0);
  faults_install();
  assert_int_equal(run_line("train fit --save=sub/c"), EXIT_FINE);
  assert_int_equal(faults.calls[CALL_SYNC], 2);
  assert_true(file_exists("sub/c"));
  assert_false(file_exists("sub/c.lock"));
  assert_int_equal(unlink("sub/c"), 0);
  assert_int_equal(rmdir("sub"), 0);
}

static void file_systems_without_locks_are_told_of(void **state) {
  (void)state;
  faults.kind = CALL_LOCK;
  faults.at = 1;
  faults.error = ENOSYS;
  assert_int_equal(run_line("train fit --threads=1"), EXIT_FINE);
  assert_error("this file system knows no locks");
  faults_assert_clean();
}

/* ---- signals at any moment ----------------------------------------------- */

static const char signalled[] = "train fit --steps=9 --resume=c --save=c "
                                "--save-every=2 --threads=1";

/* A run from 3 to 9 steps that gets SIGINT at one call; what it leaves leads
 * to the bits of an undisturbed one. */
static bool try_signal(CallKind kind, long at) {
  remove("c");
  assert_int_equal(link("three", "c"), 0);
  faults_install();
  faults.kind = kind;
  faults.at = at;
  faults.signal = SIGINT;
  signals_catch(); /* until it does so itself, a signal would end this test */
  int status = run_line(signalled);
  bool fired = faults.fired;
  assert_true(status == EXIT_FINE || status == 128 + SIGINT);
  faults_assert_clean();
  assert_false(file_exists("c.tmp"));
  assert_false(file_exists("c.lock"));
  if (status == 128 + SIGINT)
    assert_error("interrupted ");
  if (strstr(run_errors, "interrupted before the first step"))
    assert_files_equal("c", "three");
  faults_install();
  if (status != EXIT_FINE)
    assert_int_equal(run_line(signalled), EXIT_FINE);
  assert_files_equal("c", "nine");
  return fired;
}

static void a_signal_at_any_call_ends_in_order(void **state) {
  static const CallKind kind[] = {CALL_OPEN,   CALL_READ,  CALL_READ_AT,
                                  CALL_WRITE,  CALL_SYNC,  CALL_RENAME,
                                  CALL_UNLINK, CALL_CLOSE, CALL_ALLOCATE};
  (void)state;
  assert_int_equal(run_line("train fit --steps=3 --save=three --threads=1"),
                   EXIT_FINE);
  assert_int_equal(run_line("train fit --steps=9 --save=nine --threads=1"),
                   EXIT_FINE);
  for (size_t i = 0; i < sizeof kind / sizeof kind[0]; i++) {
    long at = 1;
    while (try_signal(kind[i], at))
      at++;
    assert_true(at > 1);
  }
}

/* ---- the live line ------------------------------------------------------- */

/* The slave end of a new terminal of so many columns. */
static int terminal_new(unsigned short columns, int *master) {
  struct winsize window = {.ws_row = 24, .ws_col = columns};
  *master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
  assert_true(*master >= 0);
  assert_int_equal(grantpt(*master), 0);
  assert_int_equal(unlockpt(*master), 0);
  int terminal = open(ptsname(*master), O_RDWR | O_NOCTTY);
  assert_true(terminal >= 0);
  assert_int_equal(ioctl(terminal, TIOCSWINSZ, &window), 0);
  return terminal;
}

/* Trains `entry` with standard error on a terminal; returns what it showed. */
static const char *train_on_terminal(const char *entry,
                                     unsigned short columns) {
  static char shown[4096];
  char name[64], threads[] = "--threads=1", train[] = "train";
  char *word[] = {train, train, strcpy(name, entry), threads, NULL};
  int master, terminal = terminal_new(columns, &master);
  capture_begin();
  int captured = dup(STDERR_FILENO);
  dup2(terminal, STDERR_FILENO);
  int status = sgrt_main(4, word);
  dup2(captured, STDERR_FILENO);
  capture_end();
  ssize_t n = read(master, shown, sizeof shown - 1);
  shown[n > 0 ? n : 0] = '\0';
  close(captured);
  close(terminal);
  close(master);
  assert_int_equal(status, EXIT_FINE);
  return shown;
}

static void a_terminal_has_a_live_line(void **state) {
  (void)state;
  setenv("TERM", "xterm", 1);
  const char *shown = train_on_terminal("fit_and_test", 100);
  assert_int_equal(strncmp(shown, "\r\033[Kstep 1/12  loss ", 20), 0);
  assert_non_null(strstr(shown, "\r\033[Kstep 12/12  loss "));
  assert_non_null(strstr(shown, " examples/s  left 0:00"));
  assert_non_null(strstr(shown, "\r\033[Kstep 10  test: loss "));
  /* Without the rate where there is no room, and never over the edge. */
  shown = train_on_terminal("fit_and_test", 64);
  assert_null(strstr(shown, "examples/s"));
  assert_non_null(strstr(shown, " ms  left 0:00"));
  shown = train_on_terminal("fit", 20);
  const char *last = strrchr(shown, '[');
  assert_non_null(last);
  assert_int_equal(strcspn(last + 2, "\r\n"), 19);
  /* A dumb one gets plain lines. */
  setenv("TERM", "dumb", 1);
  assert_null(strchr(train_on_terminal("fit", 100), '\033'));
}

static int setup(void **state) {
  faults_install();
  program_hook = NULL;
  int status = folder_enter(state);
  datasets_put(EXAMPLES, TESTS);
  return status;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, folder_leave)
  const struct CMUnitTest tests[] = {
      TEST(results_and_batches_have_no_limit),
      TEST(steps_count_without_a_dataset),
      TEST(eval_needs_something_to_average),
      TEST(one_result_needs_no_name),
      TEST(every_failing_call_of_run_is_survived),
      TEST(folders_of_saved_files_are_synced),
      TEST(file_systems_without_locks_are_told_of),
      TEST(a_signal_at_any_call_ends_in_order),
      TEST(a_terminal_has_a_live_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
