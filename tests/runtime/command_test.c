/* The command line: what is refused and how it is said, run, info, and what a
 * program of unusual size or an unfriendly place does to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "runtime/runtime.h"
#include "tests/runtime/faults.h"
#include "tests/runtime/files.h"
#include "tests/runtime/program.h"

enum { EXAMPLES = 5 * BATCH, TESTS = 4 * EVAL_BATCH };

static void assert_output(const char *part) {
  if (!strstr(run_output, part))
    fail_msg("`%s` is not in: %s", part, run_output);
}

/* ---- wrong use ----------------------------------------------------------- */

static const struct {
  const char *line, *message;
} wrong[] = {
    {"", "usage: tiny train [ENTRY]"},
    {"trian", "there is no command `trian`"},
    {"--quiet", "there is no command `--quiet`"},
    {"train fit --stpes=3", "--stpes=3: there is no such option here"},
    {"train fit --step=3", "--step=3: there is no such option here"},
    {"train fit -q", "-q: there is no such option here"},
    {"train fit -o x", "-o: there is no such option here"},
    {"eval --steps=3", "--steps=3: there is no such option here"},
    {"eval --save=x", "--save=x: there is no such option here"},
    {"run classify --data=points.image=x", "there is no such option here"},
    {"info --threads=1", "there is no such option here"},
    {"info more", "more: one word too many"},
    {"train fit --steps", "--steps: this option needs a value"},
    {"train fit --steps=", "--steps needs a whole number from 1 to"},
    {"train fit --steps=0", "not `0`"},
    {"train fit --steps=-1", "not `-1`"},
    {"train fit --steps=+1", "not `+1`"},
    {"train fit --steps=1e3", "not `1e3`"},
    {"train fit --steps=9223372036854775808", "--steps needs a whole number"},
    {"train fit --steps=99999999999999999999", "--steps needs a whole number"},
    {"train fit --epochs=9223372036854775807", "epochs are too many"},
    {"train fit --threads=0", "--threads needs a whole number from 1 to 1024"},
    {"train fit --threads=1025", "--threads needs a whole number"},
    {"train fit --seed=-1", "--seed needs a whole number below 2^64"},
    {"train fit --seed=18446744073709551616", "--seed needs a whole number"},
    {"train fit --save=", "save: a name is needed"},
    {"train fit --quiet=1", "--quiet=1: this option takes no value"},
    {"train fit --steps=1 --epochs=1", "--steps and --epochs exclude"},
    {"train fit --resume=a --weights=b", "--resume and --weights exclude"},
    {"train fit --resume=a --seed=1", "exclude each other"},
    {"train fit --convert", "--convert needs --resume or --weights"},
    {"train fit again", "again: one word too many"},
    {"train fit x=y", "x=y: one word too many"},
    {"train", "train: name one of the 2 entries"},
    {"train test", "train: there is no such entry: test"},
    {"eval fit", "eval: there is no such entry: fit"},
    {"run", "run: name one of the 2 entries"},
    {"run fit", "run: there is no such entry: fit"},
    {"train fit --data=x", "x: --data needs SET.COLUMN=FILE"},
    {"train fit --data=points.x=y", "--data needs SET.COLUMN=FILE"},
    {"train fit --data=points.image", "--data needs SET.COLUMN=FILE"},
    {"train fit --data points.image=a --data points.image=b",
     "points.image=b: this column is given twice"},
    {"train fit --data=test_points.image=a",
     "--data: fit does not read test_points.image"},
    {"eval --data=points.image=a", "--data: test does not read points.image"},
    {"run classify", "classify needs x=FILE.npy (u8[2,4])"},
    {"run classify y=a", "y=a: there is no such input"},
    {"run classify x=a x=b", "x=b: this input is given twice"},
    {"run classify x=a -o b", "-o b: say -o NAME=FILE, with one of the 2"},
    {"run classify x=a --output other=b", "-o other=b: say -o NAME=FILE"},
    {"run classify x=a -o", "-o: this option needs a value"},
};

static void wrong_use_is_told(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    int status = run_line(wrong[i].line);
    assert_error(wrong[i].message);
    assert_int_equal(status, EXIT_USAGE);
    assert_string_equal(run_output, "");
    faults_assert_clean();
  }
  assert_false(file_exists("tiny.safetensors"));
  assert_false(file_exists("tiny.safetensors.lock"));
}

/* ---- help ---------------------------------------------------------------- */

static void help_is_made_from_the_program(void **state) {
  (void)state;
  const char *const line[] = {"--help", "help", "-h"};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(run_line(line[i]), EXIT_FINE);
    assert_string_equal(run_errors, "");
    assert_output("tiny: compiled from tiny.sg by sgc by hand, recipe mixed, "
                  "15 parameters\n");
    assert_output("  train fit        B=8, 4 epochs          report loss");
    assert_output("  eval  test       5 a batch              report loss, "
                  "accuracy\n");
    assert_output("  run   classify   x: u8[2,4] -> label: i32[2], score: "
                  "bf16[2,3]\n");
  }
  assert_int_equal(run_line("--version"), EXIT_FINE);
  assert_output("tiny, compiled from tiny.sg by sgc by hand\n");
  assert_int_equal(run_line("train --help"), EXIT_FINE);
  assert_output("--resume=FILE");
  assert_output("  train fit ");
  assert_null(strstr(run_output, "classify"));
  assert_int_equal(run_line("eval -h"), EXIT_FINE);
  assert_output("--weights=FILE");
  assert_null(strstr(run_output, "--resume"));
  assert_int_equal(run_line("run --help"), EXIT_FINE);
  assert_output("-o, --output=FILE.npy");
  assert_int_equal(run_line("info --help"), EXIT_FINE);
  faults_assert_clean();
}

static void info_names_parameters_and_entries(void **state) {
  (void)state;
  assert_int_equal(run_line("info"), EXIT_FINE);
  assert_output("net.w                        f32[3,4]           * 2^-2\n");
  assert_output("opt.m.net.w                  f16[3,4]           * 2^-4  "
                "state\n");
  assert_output("program hash: 0123456789abcdef\n");
  assert_output("fit_and_test");
}

/* ---- places that cannot be written --------------------------------------- */

static int steps_counted;

static void count_step(const SgFrame *frame) {
  steps_counted += frame->step > 0;
}

static void unwritable_places_are_told_before_training(void **state) {
  static const struct {
    const char *line, *message;
  } row[] = {
      {"train fit --save=none/x", "cannot save to none/x: No such file"},
      {"train fit --save=train-images/x", "cannot save to train-images/x: Not "
                                          "a directory"},
      {"train fit --save=folder", "cannot save to folder: it is no regular"},
      {"train fit --save=.", "cannot save to .: it is no regular file"},
      {"train fit --save=/dev/full", "cannot save to /dev/full: it is no"},
      {"train fit --log=none/x", "cannot write none/x: No such file"},
      {"train fit --log=folder", "cannot write folder: Is a directory"},
  };
  struct stat about;
  (void)state;
  assert_int_equal(mkdir("folder", 0777), 0);
  program_hook = count_step;
  steps_counted = 0;
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    assert_int_equal(run_line(row[i].line), EXIT_FAILED);
    assert_error(row[i].message);
  }
  char name[400] = "train fit --save=";
  memset(name + strlen(name), 'x', 252);
  assert_int_equal(run_line(name), EXIT_FAILED);
  assert_error("File name too long");
  program_hook = NULL;
  assert_int_equal(steps_counted, 0);
  assert_int_equal(stat("/dev/full", &about), 0);
  assert_true(S_ISCHR(about.st_mode));
  assert_false(file_exists("/dev/full.lock"));
  faults_assert_clean();
}

static const char *own_path; /* of this test */

/* Runs `line` in a process of its own, whose standard output is `path`, or
 * closed if that is NULL. */
static int run_with_output(const char *line, const char *path) {
  char text[256], *word[32] = {"tiny", "--as-program"};
  int count = 2, status;
  pid_t child;
  posix_spawn_file_actions_t actions;
  strcpy(text, line);
  for (char *at = strtok(text, " "); at; at = strtok(NULL, " "))
    word[count++] = at;
  posix_spawn_file_actions_init(&actions);
  if (path)
    posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY, 0);
  else
    posix_spawn_file_actions_addclose(&actions, 1);
  posix_spawn_file_actions_addopen(&actions, 2, "errors",
                                   O_WRONLY | O_CREAT | O_TRUNC, 0666);
  assert_int_equal(posix_spawn(&child, own_path, &actions, NULL, word, environ),
                   0);
  posix_spawn_file_actions_destroy(&actions);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void lost_output_is_a_failure(void **state) {
  const char *const line[] = {"train fit --save=b --threads=1",
                              "eval --weights=a --threads=1", "info", "--help",
                              "run classify x=x.npy --weights=a"};
  const unsigned char x[2 * POINTS] = {1, 2, 3};
  (void)state;
  assert_int_equal(run_line("train fit --save=a --threads=1"), EXIT_FINE);
  assert_int_equal(
      array_write("x.npy", FORMAT_U8, 2, (int64_t[]){2, POINTS}, x, sizeof x),
      EXIT_FINE);
  for (size_t i = 0; i < sizeof line / sizeof line[0]; i++) {
    assert_int_equal(run_with_output(line[i], "/dev/null"), EXIT_FINE);
    assert_int_equal(run_with_output(line[i], "/dev/full"), EXIT_FAILED);
    assert_int_equal(run_with_output(line[i], NULL), EXIT_FAILED);
  }
  /* What was saved is whole: no output went into it. */
  assert_files_equal("a", "b");
}

/* ---- eval ---------------------------------------------------------------- */

static void eval_needs_weights(void **state) {
  (void)state;
  assert_int_equal(run_line("eval"), EXIT_DATA);
  assert_error("there is no tiny.safetensors; `train` makes it, --weights=FILE "
               "names another");
  assert_int_equal(run_line("eval --weights=none"), EXIT_DATA);
  assert_error("cannot read none: No such file");
  assert_int_equal(run_line("eval --weights=."), EXIT_DATA);
  assert_int_equal(run_line("train fit --resume=none"), EXIT_DATA);
  assert_int_equal(run_line("train fit --weights=none"), EXIT_DATA);
  assert_int_equal(run_line("run widen n=a x=b"), EXIT_DATA);
  assert_error("cannot read a");
  faults_assert_clean();
}

static void eval_prints_its_averages(void **state) {
  double loss, accuracy;
  int end = 0;
  (void)state;
  assert_int_equal(run_line("train fit --quiet"), EXIT_FINE);
  assert_int_equal(run_line("eval"), EXIT_FINE);
  assert_int_equal(
      sscanf(run_output, "loss %lf  accuracy %lf%n", &loss, &accuracy, &end),
      2);
  assert_string_equal(run_output + end, "\n");
  assert_true(loss > 0 && accuracy >= 0 && accuracy <= 1);
  /* Twenty examples: a multiple of 1/20. */
  assert_true(accuracy * TESTS == (int)(accuracy * TESTS + 0.5));
  assert_string_equal(run_errors, "");
  char first[64];
  strcpy(first, run_output);
  assert_int_equal(
      run_line("eval test --threads=3 --data=test_points.label=test-labels"),
      EXIT_FINE);
  assert_string_equal(first, run_output);
}

/* ---- run ----------------------------------------------------------------- */

static void put_array(const char *path, Format format, int rank,
                      const int64_t *dim, const void *data, size_t bytes) {
  assert_int_equal(array_write(path, format, rank, dim, data, bytes),
                   EXIT_FINE);
}

static void run_calls_an_entry(void **state) {
  const unsigned char x[2 * POINTS] = {250, 0, 0, 0, 0, 250, 0, 0};
  const double wide[2 * POINTS] = {250, 0, 0, 0, 0, 250, 0, 0};
  const int64_t dim[] = {2, POINTS};
  NpyArray label, score;
  char first[256];
  (void)state;
  assert_int_equal(run_line("train fit --epochs=60 --quiet"), EXIT_FINE);
  put_array("x.npy", FORMAT_U8, 2, dim, x, sizeof x);
  put_array("wide.npy", FORMAT_F64, 2, dim, wide, sizeof wide);
  assert_int_equal(run_line("run classify x=x.npy"), EXIT_FINE);
  assert_int_equal(strncmp(run_output, "0 1\n", 4), 0);
  strcpy(first, run_output);
  assert_int_equal(run_line("run classify x=wide.npy -o -"), EXIT_USAGE);
  assert_int_equal(run_line("run classify x=wide.npy -o score=-"), EXIT_FINE);
  assert_string_equal(run_output, first);
  assert_int_equal(
      run_line("run classify x=x.npy -olabel=l.npy --output=score=s.npy"),
      EXIT_FINE);
  assert_string_equal(run_output, "");
  assert_int_equal(array_read("l.npy", &label), EXIT_FINE);
  assert_int_equal(array_read("s.npy", &score), EXIT_FINE);
  assert_int_equal(label.format, FORMAT_I32);
  assert_int_equal(score.format, FORMAT_F32); /* from bf16 */
  assert_true(element_value(FORMAT_I32, label.data, 1) == 1);
  assert_int_equal(score.rank, 2);
  assert_true(element_value(FORMAT_F32, score.data, 0) ==
              strtod(strchr(first, '\n') + 1, NULL));
  sgrt_io.release(label.data);
  sgrt_io.release(score.data);
  faults_assert_clean();
}

static void sixty_four_bits_pass_unrounded(void **state) {
  const int64_t n[] = {INT64_MAX, INT64_MIN + 1}, dim[] = {2};
  const float x = 0x1.fffffep-3f;
  NpyArray out;
  (void)state;
  assert_int_equal(run_line("train fit --quiet"), EXIT_FINE);
  put_array("n", FORMAT_I64, 1, dim, n, sizeof n);
  put_array("x", FORMAT_F32, 0, NULL, &x, sizeof x);
  assert_int_equal(run_line("run widen n=n x=x -o n=m -o x=y"), EXIT_FINE);
  assert_files_equal("n", "m");
  assert_files_equal("x", "y");
  assert_int_equal(array_read("m", &out), EXIT_FINE);
  assert_memory_equal(out.data, n, sizeof n);
  sgrt_io.release(out.data);
  faults_assert_clean();
}

static void inputs_that_do_not_fit_are_told(void **state) {
  static const double bad[] = {256, -1, 1.5, 1e300, 0.0 / 0.0};
  static const char *const message[] = {"256", "-1", "1.5", "e+300", "nan"};
  const int64_t dim[] = {2, POINTS}, other[] = {POINTS, 2};
  double wide[2 * POINTS] = {0};
  (void)state;
  assert_int_equal(run_line("train fit --quiet"), EXIT_FINE);
  put_array("x", FORMAT_F64, 2, other, wide, sizeof wide);
  assert_int_equal(run_line("run classify x=x"), EXIT_DATA);
  assert_error("x: it holds f64[4,2]; input x needs u8[2,4]");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    wide[3] = bad[i];
    put_array("x", FORMAT_F64, 2, dim, wide, sizeof wide);
    assert_int_equal(run_line("run classify x=x"), EXIT_DATA);
    assert_error("x: element 3 is ");
    assert_error(message[i]);
  }
  file_put("x", "not numpy at all", 16);
  assert_int_equal(run_line("run classify x=x"), EXIT_DATA);
  assert_error("x: this is not a .npy file");
  file_put("x", "", 0);
  assert_int_equal(run_line("run classify x=x"), EXIT_DATA);
  assert_int_equal(run_line("run classify x=/dev/null"), EXIT_DATA);
  faults_assert_clean();
}

static void results_that_cannot_be_written_are_told(void **state) {
  const unsigned char x[2 * POINTS] = {0};
  const int64_t dim[] = {2, POINTS};
  (void)state;
  assert_int_equal(run_line("train fit --quiet"), EXIT_FINE);
  put_array("x", FORMAT_U8, 2, dim, x, sizeof x);
  assert_int_equal(run_line("run classify x=x -o label=none/y"), EXIT_FAILED);
  assert_error("cannot write none/y: No such file");
  assert_int_equal(run_line("run classify x=x -o label=/dev/full"),
                   EXIT_FAILED);
  assert_error("cannot write /dev/full: No space left");
  file_put("y", "old", 3);
  faults.kind = CALL_WRITE;
  faults.at = 2;
  faults.error = ENOSPC;
  faults.calls[CALL_WRITE] = 0;
  assert_int_equal(run_line("run classify x=x -o label=y"), EXIT_FAILED);
  size_t size;
  free(file_get("y", &size));
  assert_int_equal(size, 3);
  assert_false(file_exists("y.tmp"));
  faults_assert_clean();
}

static void every_failing_allocation_of_run_is_survived(void **state) {
  const unsigned char x[2 * POINTS] = {0};
  const int64_t dim[] = {2, POINTS};
  long at = 0;
  (void)state;
  assert_int_equal(run_line("train fit --quiet"), EXIT_FINE);
  put_array("x", FORMAT_U8, 2, dim, x, sizeof x);
  do {
    faults_install();
    faults.kind = CALL_ALLOCATE;
    faults.at = ++at;
    faults.error = ENOMEM;
    int status = run_line("run classify x=x -o score=s --threads=1");
    assert_int_equal(status, faults.fired ? EXIT_FAILED : EXIT_FINE);
    if (faults.fired)
      assert_error("emory"); /* out of memory; Cannot allocate memory */
    faults_assert_clean();
  } while (faults.fired);
  at = 0;
  do {
    faults_install();
    faults.kind = CALL_ALLOCATE;
    faults.at = ++at;
    faults.error = ENOMEM;
    int status = run_line("eval --threads=1");
    assert_int_equal(status, faults.fired ? EXIT_FAILED : EXIT_FINE);
    faults_assert_clean();
  } while (faults.fired);
}

static void many_words_are_no_overflow(void **state) {
  char line[4000] = "run classify";
  (void)state;
  for (int i = 0; i < 60; i++)
    strcat(line, " -o score=s");
  assert_int_equal(run_line(line), EXIT_USAGE);
  assert_error("classify needs x=FILE.npy");
  faults_assert_clean();
}

/* ---- machines that do not fit -------------------------------------------- */

static void other_processors_are_refused(void **state) {
  SgProgram program = sg_program;
  (void)state;
  program.target = "vax";
  program.features = " bcd  polynomial";
  assert_int_equal(run_program(&program, "train fit"), EXIT_FAILED);
  assert_error("compiled for vax, which needs bcd; this processor lacks it");
  assert_int_equal(run_program(&program, "info"), EXIT_FINE);
  assert_int_equal(run_program(&program, "train --help"), EXIT_FINE);
  program = sg_program;
  program.abi_version++;
  assert_int_equal(run_program(&program, "info"), EXIT_FAILED);
  assert_error("another version of the runtime");
}

#if defined(__x86_64__)
static void flushed_subnormals_are_refused(void **state) {
  unsigned before = _mm_getcsr();
  (void)state;
  for (unsigned bit = 0; bit < 2; bit++) {
    _mm_setcsr(before | (bit ? 0x8000u : 0x0040u)); /* FTZ, DAZ */
    int status = run_line("train fit --threads=1");
    _mm_setcsr(before);
    assert_int_equal(status, EXIT_FAILED);
    assert_error("the floating-point mode was changed");
  }
  _mm_setcsr(before | 0x003fu); /* flags of past exceptions */
  int status = run_line("train fit --threads=1");
  _mm_setcsr(before);
  assert_int_equal(status, EXIT_FINE);
  faults_assert_clean();
}
#endif

/* ---- threads ------------------------------------------------------------- */

enum { UNITS = 1000 };

static void mark(char *const *pointer, const int32_t *argument, int64_t begin,
                 int64_t end, char *scratch) {
  if (argument[0])
    memset(scratch, 1, (size_t)argument[0]);
  for (int64_t i = begin; i < end; i++)
    pointer[0][i]++;
}

/* Every unit once, whatever the numbers; scratch is aligned and private. */
static void units_are_done_once(void **state) {
  char unit[UNITS];
  (void)state;
  for (int threads = 1; threads <= 5; threads++) {
    Team *team;
    assert_int_equal(team_open(&team, threads), EXIT_FINE);
    SgFrame frame = {.team = team};
    for (int64_t count = 0; count <= UNITS; count = count * 2 + 1)
      for (int32_t scratch = 0; scratch <= 4096; scratch += 4096) {
        char *const pointer[] = {unit};
        memset(unit, 0, sizeof unit);
        sgrt_parallel(&frame, mark, pointer, &scratch, count, 1 << 30, scratch);
        for (int64_t i = 0; i < UNITS; i++)
          assert_int_equal(unit[i], i < count);
      }
    team_close(team);
  }
  faults_assert_clean();
}

static int setup(void **state) {
  faults_install();
  program_hook = NULL;
  int status = folder_enter(state);
  datasets_put(EXAMPLES, TESTS);
  return status;
}

/* With `--as-program` first, this is the tiny program itself. */
int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--as-program") == 0)
    return sgrt_main(argc - 1, argv + 1);
  own_path = realpath("/proc/self/exe", NULL);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, folder_leave)
  const struct CMUnitTest tests[] = {
    TEST(wrong_use_is_told),
    TEST(help_is_made_from_the_program),
    TEST(info_names_parameters_and_entries),
    TEST(unwritable_places_are_told_before_training),
    TEST(lost_output_is_a_failure),
    TEST(eval_needs_weights),
    TEST(eval_prints_its_averages),
    TEST(run_calls_an_entry),
    TEST(sixty_four_bits_pass_unrounded),
    TEST(inputs_that_do_not_fit_are_told),
    TEST(results_that_cannot_be_written_are_told),
    TEST(every_failing_allocation_of_run_is_survived),
    TEST(many_words_are_no_overflow),
    TEST(other_processors_are_refused),
#if defined(__x86_64__)
    TEST(flushed_subnormals_are_refused),
#endif
    TEST(units_are_done_once),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  free((char *)own_path);
  return failed;
}
