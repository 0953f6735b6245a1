/* Training: a resumed run, any number of threads and an interrupted run all
 * come to the same bits; what fails leaves the earlier checkpoint. */
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
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "tests/runtime/faults.h"
#include "tests/runtime/files.h"
#include "tests/runtime/program.h"

/* 5 steps an epoch and 3 examples left over. */
enum { EXAMPLES = 5 * BATCH + 3, TESTS = 4 * EVAL_BATCH };

/* sgrt_main with printf's arguments as its command line; on one thread if
 * nothing else is said. */
__attribute__((format(printf, 1, 2))) static int run(const char *format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (!strstr(line, "--threads"))
    strcat(line, " --threads=1");
  return run_line(line);
}

/* ---- the same bits ------------------------------------------------------- */

static void a_resumed_run_repeats_an_uninterrupted_one(void **state) {
  (void)state;
  assert_int_equal(run("train fit --steps=20 --save=whole"), EXIT_FINE);
  for (int k = 1; k < 20; k++) {
    assert_int_equal(run("train fit --steps=%d --save=part", k), EXIT_FINE);
    assert_int_equal(run("train fit --steps=20 --resume=part --save=part"),
                     EXIT_FINE);
    assert_files_equal("whole", "part");
  }
  /* Step by step, each from the file of the one before. */
  assert_int_equal(run("train fit --steps=1 --save=part"), EXIT_FINE);
  for (int k = 2; k <= 20; k++)
    assert_int_equal(run("train fit --steps=%d --resume part --save part", k),
                     EXIT_FINE);
  assert_files_equal("whole", "part");
  faults_assert_clean();
}

static void threads_change_no_bit(void **state) {
  (void)state;
  assert_int_equal(run("train fit --save=one --threads=1"), EXIT_FINE);
  for (int threads = 2; threads <= 8; threads++) {
    assert_int_equal(run("train fit --save=more --threads=%d", threads),
                     EXIT_FINE);
    assert_files_equal("one", "more");
  }
  assert_int_equal(run_line("train fit --save=more"), EXIT_FINE);
  assert_files_equal("one", "more");
}

static bool same_files(const char *a, const char *b) {
  size_t size_a, size_b;
  unsigned char *data_a = file_get(a, &size_a), *data_b = file_get(b, &size_b);
  bool same = size_a == size_b && memcmp(data_a, data_b, size_a) == 0;
  free(data_a);
  free(data_b);
  return same;
}

static void the_seed_decides_all_draws(void **state) {
  (void)state;
  assert_int_equal(run("train fit --save=a"), EXIT_FINE);
  assert_int_equal(run("train fit --save=b --seed=1"), EXIT_FINE);
  assert_files_equal("a", "b");
  assert_int_equal(run("train fit --save=b --seed=2"), EXIT_FINE);
  assert_false(same_files("a", "b"));
  assert_int_equal(run("train fit --save=c --seed=2"), EXIT_FINE);
  assert_files_equal("b", "c");
  assert_int_equal(run("train fit --save=d --seed=18446744073709551615"),
                   EXIT_FINE);
  /* The program's own seed: 7. */
  assert_int_equal(run("train fit_and_test --save=e"), EXIT_FINE);
  assert_int_equal(run("train fit_and_test --save=f --seed=7"), EXIT_FINE);
  assert_files_equal("e", "f");
}

/* Neither what is shown nor what is written beside changes the result. */
static void watching_changes_no_bit(void **state) {
  (void)state;
  assert_int_equal(run("train fit_and_test --save=a"), EXIT_FINE);
  assert_int_equal(
      run("train fit_and_test --save=b --quiet --log=l --save-every=1 --check"),
      EXIT_FINE);
  assert_files_equal("a", "b");
}

static int steps_counted;

static void count_step(const SgFrame *frame) {
  steps_counted += frame->step > 0;
}

static void lengths_come_from_options_then_the_program(void **state) {
  static const struct {
    const char *options;
    int steps;
  } row[] = {{"fit", 4 * 5},
             {"fit --epochs=2", 10},
             {"fit --steps=7", 7},
             {"fit_and_test", 12},
             {"fit_and_test --epochs=1", 5}};
  (void)state;
  program_hook = count_step;
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    steps_counted = 0;
    assert_int_equal(run("train %s", row[i].options), EXIT_FINE);
    assert_int_equal(steps_counted, row[i].steps);
  }
  program_hook = NULL;
}

/* ---- the order of the examples ------------------------------------------- */

static unsigned char epoch_of_image[2][256]; /* 1: seen in this epoch */
static unsigned char first_image[2];
static bool labels_match;

/* Examples are numbered in their first feature; labels follow from it. */
static void note_examples(const SgFrame *frame) {
  uint64_t epoch = (frame->step - 1) / 5;
  const unsigned char *image = (const unsigned char *)frame->input[0];
  const unsigned char *label = (const unsigned char *)frame->input[1];
  for (int i = 0; i < BATCH; i++) {
    epoch_of_image[epoch][image[i * POINTS]]++;
    labels_match &= label[i] == image[i * POINTS] % CLASSES;
  }
  if (frame->step % 5 == 1)
    first_image[epoch] = image[0];
}

/* 40 of the 43 examples, none of them twice, in another order each epoch. */
static void an_epoch_shows_an_example_once(void **state) {
  unsigned char images[EXAMPLES * POINTS] = {0}, labels[EXAMPLES];
  unsigned char file[512];
  (void)state;
  for (int i = 0; i < EXAMPLES; i++) {
    images[i * POINTS] = (unsigned char)i;
    labels[i] = (unsigned char)(i % CLASSES);
  }
  const uint32_t size[] = {EXAMPLES, POINTS};
  file_put("train-images", file,
           idx_make(file, 2, size, images, sizeof images));
  file_put("train-labels", file, idx_make(file, 1, size, labels, EXAMPLES));
  memset(epoch_of_image, 0, sizeof epoch_of_image);
  labels_match = true;
  program_hook = note_examples;
  assert_int_equal(run("train fit --epochs=2"), EXIT_FINE);
  program_hook = NULL;
  assert_true(labels_match);
  for (int epoch = 0; epoch < 2; epoch++) {
    int shown = 0;
    for (int i = 0; i < EXAMPLES; i++) {
      assert_in_range(epoch_of_image[epoch][i], 0, 1);
      shown += epoch_of_image[epoch][i];
    }
    assert_int_equal(shown, 5 * BATCH);
  }
  assert_memory_not_equal(epoch_of_image[0], epoch_of_image[1], 256);
  assert_int_not_equal(first_image[0], first_image[1]);
}

/* ---- results and progress ------------------------------------------------ */

static void results_and_progress_have_their_streams(void **state) {
  (void)state;
  assert_int_equal(run("train fit"), EXIT_FINE);
  assert_int_equal(strncmp(run_output, "step 20  loss ", 14), 0);
  assert_non_null(strstr(run_output, "  accuracy "));
  assert_null(strstr(run_output, "eighths"));
  assert_error("step 5/20  loss ");
  assert_error(" examples/s  left 0:0");
  assert_null(strchr(run_errors, '\r'));
  assert_int_equal(run("train fit --quiet"), EXIT_FINE);
  assert_string_equal(run_errors, "");
  assert_int_equal(run("eval"), EXIT_FINE);
  assert_int_equal(strncmp(run_output, "loss ", 5), 0);
}

/* Number behind `key` in a text. */
static double number_after(const char *text, const char *key) {
  const char *at = strstr(text, key);
  assert_non_null(at);
  return strtod(at + strlen(key), NULL);
}

/* A plain line averages the steps since the line before, in this run. */
static void progress_averages_its_own_steps(void **state) {
  double loss[21];
  size_t size;
  (void)state;
  assert_int_equal(run("train fit --log=log"), EXIT_FINE);
  char *log = (char *)file_get("log", &size);
  log[size] = '\0';
  char *at = log;
  for (int step = 1; step <= 20; step++, at = strchr(at, '\n') + 1)
    loss[step] = number_after(at, "\"loss\":");
  double mean = (loss[6] + loss[7] + loss[8] + loss[9] + loss[10]) / 5;
  double shown = number_after(run_errors, "step 10/20  loss ");
  assert_true(fabs(shown - mean) < 1e-2);
  assert_int_equal(run("train fit --steps=8 --save=part"), EXIT_FINE);
  assert_int_equal(run("train fit --resume=part"), EXIT_FINE);
  mean = (loss[9] + loss[10]) / 2;
  shown = number_after(run_errors, "step 10/20  loss ");
  assert_true(fabs(shown - mean) < 1e-2);
  free(log);
}

/* The last line of the log says what standard output says. */
static void the_log_has_a_line_a_step(void **state) {
  size_t size;
  int lines = 0;
  (void)state;
  assert_int_equal(run("train fit_and_test --log=log"), EXIT_FINE);
  char *log = (char *)file_get("log", &size);
  log[size] = '\0';
  for (char *at = log; (at = strchr(at, '\n')); at++)
    lines++;
  assert_int_equal(lines, 12 + 2); /* two evaluations */
  assert_non_null(strstr(log, "{\"step\":10,\"eval\":\"test\",\"loss\":"));
  assert_null(strstr(log, "eighths"));
  free(log);
  assert_int_equal(run("train fit_and_test --steps=14 --log=log "
                       "--resume=tiny.safetensors"),
                   EXIT_FINE);
  log = (char *)file_get("log", &size);
  log[size] = '\0';
  assert_non_null(strstr(log, "{\"step\":1,"));
  assert_non_null(strstr(log, "{\"step\":14,"));
  free(log);
}

static void a_log_that_breaks_is_told_and_training_goes_on(void **state) {
  (void)state;
  assert_int_equal(run("train fit --save=a"), EXIT_FINE);
  assert_int_equal(run("train fit --save=b --log=/dev/full"), EXIT_FAILED);
  assert_error("cannot write /dev/full: No space left on device; the log ends "
               "before step 1");
  assert_files_equal("a", "b");
}

/* ---- saving -------------------------------------------------------------- */

static void files_are_saved_as_often_as_asked(void **state) {
  (void)state;
  faults.calls[CALL_RENAME] = 0;
  assert_int_equal(run("train fit --save-every=6"), EXIT_FINE);
  assert_int_equal(faults.calls[CALL_RENAME], 4);
  assert_false(file_exists("tiny.safetensors.lock"));
  assert_false(file_exists("tiny.safetensors.tmp"));
}

/* Fails the n-th call of one function in the middle of training. */
static void a_failed_save_ends_the_run(void **state) {
  static const struct {
    CallKind kind;
    int error;
  } row[] = {{CALL_WRITE, ENOSPC}, {CALL_SYNC, EIO}, {CALL_RENAME, EACCES}};
  (void)state;
  assert_int_equal(run("train fit --steps=6 --save=six"), EXIT_FINE);
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    remove("c");
    faults_install();
    assert_int_equal(run("train fit --steps=6 --save=c"), EXIT_FINE);
    long calls = faults.calls[row[i].kind];
    faults_install();
    faults.kind = row[i].kind;
    faults.error = row[i].error;
    faults.at = calls + 1; /* in the second save */
    assert_int_equal(run("train fit --steps=20 --save=c --save-every=6"),
                     EXIT_FAILED);
    assert_error("cannot save c");
    assert_error("an earlier file of that name is unchanged");
    assert_files_equal("c", "six");
    assert_false(file_exists("c.tmp"));
    faults_assert_clean();
    faults_install();
    faults.kind = row[i].kind;
    faults.error = row[i].error;
    faults.at = calls + 1;
    assert_int_equal(
        run("train fit --steps=20 --save=c --save-every=6 --keep-going"),
        EXIT_FINE);
    assert_error("cannot save c");
    assert_true(faults.fired);
    faults_install();
    assert_int_equal(run("train fit --steps=20 --save=d"), EXIT_FINE);
    assert_files_equal("c", "d");
  }
}

/* ---- interruption -------------------------------------------------------- */

static int interrupt_number;
static uint64_t interrupt_step;

static void interrupt(const SgFrame *frame) {
  if (frame->step == interrupt_step)
    raise(interrupt_number);
}

static void an_interrupted_run_saves_first(void **state) {
  static const int number[] = {SIGINT, SIGTERM, SIGHUP};
  (void)state;
  assert_int_equal(run("train fit --save=whole"), EXIT_FINE);
  for (int i = 0; i < 3; i++)
    for (uint64_t step = 1; step < 20; step++) {
      interrupt_number = number[i];
      interrupt_step = step;
      program_hook = interrupt;
      remove("part");
      assert_int_equal(run("train fit --save=part"), 128 + number[i]);
      assert_error("interrupted after step ");
      assert_string_equal(run_output, "");
      program_hook = NULL;
      assert_int_equal(run("train fit --resume=part --save=part"), EXIT_FINE);
      assert_files_equal("whole", "part");
    }
  /* In the last step there is nothing left to interrupt. */
  interrupt_step = 20;
  program_hook = interrupt;
  assert_int_equal(run("train fit --save=part"), EXIT_FINE);
  assert_files_equal("whole", "part");
  program_hook = NULL;
  faults_assert_clean();
}

static void interrupt_twice(const SgFrame *frame) {
  if (frame->step != 3)
    return;
  raise(SIGINT);
  raise(SIGTERM);
}

/* In a process of its own, as it ends there. */
static void a_second_signal_ends_at_once(void **state) {
  int status;
  (void)state;
  assert_int_equal(run("train fit --steps=2 --save=a"), EXIT_FINE);
  assert_int_equal(run("train fit --steps=2 --save=b"), EXIT_FINE);
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    program_hook = interrupt_twice;
    _exit(run("train fit --save=b --threads=1"));
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status));
  assert_int_equal(WTERMSIG(status), SIGTERM);
  assert_files_equal("a", "b");
  /* Its lock is gone with it. */
  assert_int_equal(run("train fit --save=b"), EXIT_FINE);
  assert_false(file_exists("b.lock"));
}

/* Before the first step there is nothing to save, and much to lose. */
static void nothing_is_saved_before_the_first_step(void **state) {
  struct sigaction ignored = {.sa_handler = SIG_IGN}, before;
  (void)state;
  assert_int_equal(run("train fit --steps=2 --save=a"), EXIT_FINE);
  assert_int_equal(run("train fit --steps=2 --save=b"), EXIT_FINE);
  /* Ignored signals stay ignored. */
  assert_int_equal(sigaction(SIGINT, &ignored, &before), 0);
  interrupt_number = SIGINT;
  interrupt_step = 2;
  program_hook = interrupt;
  assert_int_equal(run("train fit --steps=2 --save=b"), EXIT_FINE);
  program_hook = NULL;
  assert_int_equal(sigaction(SIGINT, &before, NULL), 0);
  assert_files_equal("a", "b");
}

/* ---- locks --------------------------------------------------------------- */

static void two_runs_do_not_share_a_file(void **state) {
  Lock lock;
  (void)state;
  assert_int_equal(run("train fit --steps=2 --save=a"), EXIT_FINE);
  assert_int_equal(lock_take(&lock, "b"), EXIT_FINE);
  assert_int_equal(run("train fit --steps=2 --save=b"), EXIT_FAILED);
  assert_error("cannot save to b: another run is saving to it");
  assert_false(file_exists("b"));
  assert_int_equal(run("train fit --steps=2 --save=c"), EXIT_FINE);
  lock_give_back(&lock);
  assert_int_equal(run("train fit --steps=2 --save=b"), EXIT_FINE);
  file_put("b.lock", "", 0); /* of a run that was killed */
  assert_int_equal(run("train fit --steps=2 --save=b"), EXIT_FINE);
  assert_false(file_exists("b.lock"));
  assert_files_equal("a", "b");
  faults_assert_clean();
}

/* ---- faults -------------------------------------------------------------- */

static void every_failing_allocation_is_survived(void **state) {
  long at = 0;
  (void)state;
  assert_int_equal(run("train fit_and_test --save=old"), EXIT_FINE);
  do {
    assert_int_equal(run("train fit_and_test --save=c"), EXIT_FINE);
    faults_install();
    faults.kind = CALL_ALLOCATE;
    faults.error = ENOMEM;
    faults.at = ++at;
    int status = run("train fit_and_test --save=c --log=l --steps=13 "
                     "--resume=c --threads=2");
    if (faults.fired)
      assert_int_equal(status, EXIT_FAILED);
    else
      assert_int_equal(status, EXIT_FINE);
    /* After the save, a line of the log or a sync can still be lost. */
    if (faults.fired && !same_files("c", "old"))
      assert_true(strstr(run_errors, "the log ends before step") ||
                  strstr(run_errors, "its folder cannot be synced"));
    assert_int_equal(faults.memory, 0);
    assert_int_equal(faults.files, 0);
    assert_false(file_exists("c.tmp"));
    assert_false(file_exists("c.lock"));
  } while (faults.fired);
  assert_true(at > 20);
}

static void every_failing_call_ends_cleanly(void **state) {
  static const CallKind kind[] = {CALL_OPEN,   CALL_READ,   CALL_READ_AT,
                                  CALL_WRITE,  CALL_STATUS, CALL_PATH_STATUS,
                                  CALL_LOCK,   CALL_SYNC,   CALL_CLOSE,
                                  CALL_RENAME, CALL_UNLINK};
  (void)state;
  assert_int_equal(run("train fit_and_test --save=old"), EXIT_FINE);
  for (size_t i = 0; i < sizeof kind / sizeof kind[0]; i++) {
    long at = 0;
    do {
      faults_install();
      assert_int_equal(run("train fit_and_test --save=c"), EXIT_FINE);
      faults_install();
      faults.kind = kind[i];
      faults.error = EIO;
      faults.at = ++at;
      int status = run("train fit_and_test --save=c --steps=13 --resume=c");
      assert_in_range(status, EXIT_FINE, EXIT_DATA);
      assert_true(status == EXIT_FINE || faults.fired);
      assert_int_not_equal(status, EXIT_USAGE);
      if (status != EXIT_FINE)
        assert_true(strlen(run_errors) > 0);
      faults_assert_clean();
      faults.at = 0;
      assert_int_equal(run("eval --weights=c"), EXIT_FINE);
      remove("c.lock");
    } while (at < 100 && faults.fired);
    assert_true(at > 1);
  }
}

static void short_and_interrupted_calls_change_nothing(void **state) {
  (void)state;
  assert_int_equal(run("train fit_and_test --save=a"), EXIT_FINE);
  faults.pieces = faults.interrupted = true;
  assert_int_equal(run("train fit_and_test --save=b"), EXIT_FINE);
  assert_int_equal(run("train fit_and_test --save=b --steps=13 --resume=b"),
                   EXIT_FINE);
  faults.pieces = faults.interrupted = false;
  assert_int_equal(run("train fit_and_test --save=a --steps=13 --resume=a"),
                   EXIT_FINE);
  assert_files_equal("a", "b");
}

/* ---- numbers ------------------------------------------------------------- */

static void an_infinity_ends_a_checked_run(void **state) {
  Session session;
  const float infinity = 1.0f / 0.0f;
  (void)state;
  assert_int_equal(session_open(&session, &sg_program, 1), EXIT_FINE);
  memcpy(session.param[PARAM_B], &infinity, sizeof infinity);
  assert_int_equal(checkpoint_save(&session, "bad", "fit"), EXIT_FINE);
  session_close(&session);
  assert_int_equal(run("train fit --weights=bad --save=c"), EXIT_FINE);
  remove("c");
  assert_int_equal(run("train fit --weights=bad --save=c --check"),
                   EXIT_NUMERICS);
  assert_error("check: loss is ");
  assert_error("after step 1");
  assert_false(file_exists("c"));
}

static void saturation_ends_a_checked_run(void **state) {
  Session session;
  const SgEntry empty = {.name = "empty"};
  const Run none = {.entry = &empty};
  (void)state;
  assert_int_equal(session_open(&session, &sg_program, 1), EXIT_FINE);
  assert_int_equal(check_numbers(&session, &none), EXIT_FINE);
  const uint16_t most = 0x7bff; /* 65504 */
  memcpy(session.param[PARAM_MOMENTUM] + 2, &most, sizeof most);
  capture_begin();
  int status = check_numbers(&session, &none);
  capture_end();
  assert_int_equal(status, EXIT_NUMERICS);
  assert_error("opt.m.net.w: 1 of 12 elements are saturated at 65504 (times "
               "2^-4)");
  session_close(&session);
}

/* ---- data that do not fit ------------------------------------------------ */

static void evaluation_data_are_checked_before_training(void **state) {
  (void)state;
  datasets_put(EXAMPLES, TESTS + 1);
  assert_int_equal(run("train fit_and_test"), EXIT_DATA);
  assert_error("test: a batch of 5 does not divide the 21 examples of "
               "test_points; a batch of 3 or 7 does");
  assert_int_equal(run("train fit"), EXIT_FINE);
  assert_int_equal(run("eval"), EXIT_DATA);
  datasets_put(EXAMPLES, 3);
  assert_int_equal(run("eval"), EXIT_DATA);
  assert_error("a batch of 5 is more than the 3 examples of test_points; a "
               "batch of 3 divides them");
  datasets_put(EXAMPLES, 13);
  assert_int_equal(run("eval"), EXIT_DATA);
  assert_error("a batch of 1 or 13 does");
  datasets_put(BATCH - 1, TESTS);
  assert_int_equal(run("train fit"), EXIT_DATA);
  assert_error("dataset points has 7 examples, fewer than one batch of 8");
  datasets_put(BATCH, TESTS);
  assert_int_equal(run("train fit"), EXIT_FINE);
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
      TEST(a_second_signal_ends_at_once), /* forks: before there are threads */
      TEST(a_resumed_run_repeats_an_uninterrupted_one),
      TEST(threads_change_no_bit),
      TEST(the_seed_decides_all_draws),
      TEST(watching_changes_no_bit),
      TEST(lengths_come_from_options_then_the_program),
      TEST(an_epoch_shows_an_example_once),
      TEST(results_and_progress_have_their_streams),
      TEST(progress_averages_its_own_steps),
      TEST(the_log_has_a_line_a_step),
      TEST(a_log_that_breaks_is_told_and_training_goes_on),
      TEST(files_are_saved_as_often_as_asked),
      TEST(a_failed_save_ends_the_run),
      TEST(an_interrupted_run_saves_first),
      TEST(nothing_is_saved_before_the_first_step),
      TEST(two_runs_do_not_share_a_file),
      TEST(every_failing_allocation_is_survived),
      TEST(every_failing_call_ends_cleanly),
      TEST(short_and_interrupted_calls_change_nothing),
      TEST(an_infinity_ends_a_checked_run),
      TEST(saturation_ends_a_checked_run),
      TEST(evaluation_data_are_checked_before_training),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
