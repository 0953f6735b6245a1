/* compiler/llvm: what is written besides results: the program's description,
 * text and executables, and the messages for what cannot be done.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/llvm/backend.h"
#include "tests/unit/backend_support.h"

/* A program, a fresh folder as working directory, and what was diagnosed. */
typedef struct {
  Lab *lab;
  char folder[40], before[4096];
  Buffer messages;
  Diagnostics *diagnostics;
  BackendOptions options;
} Bench;

static void keep_message(void *user, Severity severity, const char *text) {
  (void)severity;
  buffer_text(user, text);
}

static Bench *bench_new(void) {
  Lab *lab = lab_new(LEVEL_FINAL);
  Bench *bench = NEW(lab->arena, Bench);
  bench->lab = lab;
  bench->diagnostics = diagnostics_new(lab->arena, &lab->sources, keep_message,
                                       &bench->messages);
  bench->options = (BackendOptions){
      .march = "x86-64", .optimization = 2, .source_name = "lab.sg"};
  strcpy(bench->folder, "/tmp/sg-output-XXXXXX");
  assert_non_null(mkdtemp(bench->folder));
  assert_non_null(getcwd(bench->before, sizeof bench->before));
  assert_int_equal(chdir(bench->folder), 0);
  return bench;
}

/* Only `left` (or nothing) may be in the folder. */
static void bench_free(Bench *bench, const char *left) {
  if (left)
    assert_int_equal(unlink(left), 0);
  assert_int_equal(chdir(bench->before), 0);
  assert_int_equal(rmdir(bench->folder), 0);
  buffer_free(&bench->messages);
  lab_free(bench->lab);
}

static bool bench_write(Bench *bench, OutputKind kind, const char *path) {
  return backend_write(bench->lab->program, &bench->options, kind, path, NULL,
                       bench->diagnostics);
}

static void expect_message(const Bench *bench, const char *text) {
  if (!bench->messages.data || !strstr(bench->messages.data, text))
    fail_msg("no `%s` in: %s", text,
             bench->messages.data ? bench->messages.data : "nothing");
}

static ValueId input_f32(Lab *lab, Shape shape) {
  double *data =
      NEW_ARRAY(lab->arena, double,
                (size_t)lab_type(lab, FORMAT_F32, shape)->elements + 1);
  return lab_input(lab, FORMAT_F32, shape, data);
}

/* neg(x) for two x of one shape and one of another. */
static void three_kernels(Lab *lab) {
  static const int64_t size[] = {20, 20, 21};
  for (int i = 0; i < 3; i++) {
    ValueId x = input_f32(lab, SHAPE(size[i]));
    lab_return(lab, lab_op(lab, OP_NEG, FORMAT_F32, SHAPE(size[i]), x, 0, 0));
  }
  lab_place_apart(lab);
}

/* ---- text ---------------------------------------------------------------- */

static char *read_text(const char *path) {
  const char *error = NULL;
  size_t length;
  char *text = file_read(path, 1 << 24, &length, &error);
  assert_non_null(text);
  return text;
}

static int occurrences(const char *text, const char *what) {
  int count = 0;
  while ((text = strstr(text, what)) != NULL) {
    count++;
    text += strlen(what);
  }
  return count;
}

static void test_equal_kernels_share_code(void **state) {
  (void)state;
  Bench *bench = bench_new();
  three_kernels(bench->lab);
  assert_true(bench_write(bench, OUTPUT_LLVM, "code.ll"));
  char *text = read_text("code.ll");
  assert_int_equal(occurrences(text, "define internal void @sg.fused."), 2);
  assert_int_equal(occurrences(text, "call void @sgrt_parallel("), 3);
  free(text);
  bench_free(bench, "code.ll");
}

/* Every function says what it is for; no instruction may be reassociated. */
static void test_function_attributes(void **state) {
  (void)state;
  Bench *bench = bench_new();
  three_kernels(bench->lab);
  bench->options.march = "sapphirerapids";
  assert_true(bench_write(bench, OUTPUT_LLVM, "code.ll"));
  char *text = read_text("code.ll");
  assert_int_equal(occurrences(text, "\ndefine "), 3);
  assert_int_equal(occurrences(text, ") #0 {"), 3);
  const char *group = strstr(text, "attributes #0 = {");
  assert_non_null(group);
  text[(size_t)(group - text) + strcspn(group, "\n")] = '\0';
  assert_int_equal(occurrences(group, "\"frame-pointer\"=\"all\""), 1);
  assert_int_equal(occurrences(group, "\"target-features\"=\"+avx512vbmi\""),
                   1);
  assert_int_equal(occurrences(group, "\"tune-cpu\"=\"sapphirerapids\""), 1);
  assert_int_equal(occurrences(text, "fast "), 0);
  assert_int_equal(occurrences(text, "contract "), 0);
  free(text);
  bench_free(bench, "code.ll");
}

static void test_assembly(void **state) {
  (void)state;
  Bench *bench = bench_new();
  three_kernels(bench->lab);
  bench->options.march = "x86-64-v3";
  assert_true(bench_write(bench, OUTPUT_ASSEMBLY, "code.s"));
  char *text = read_text("code.s");
  assert_true(occurrences(text, "%ymm") > 0);
  assert_int_equal(occurrences(text, "%zmm"), 0);
  assert_true(occurrences(text, "sg_program:") == 1);
  free(text);
  bench_free(bench, "code.s");
}

/* ---- the description ----------------------------------------------------- */

static void test_description(void **state) {
  (void)state;
  Lab *lab = lab_new(LEVEL_FINAL);
  Init init = {INIT_NORMAL, 0.25, 0};
  int w = lab_new_param(lab, "net.w", FORMAT_F16, SHAPE(4, 7), init,
                        scale_static(-2));
  ValueId x =
      lab_op(lab, OP_CAST, FORMAT_F32, SHAPE(4, 7), lab_param(lab, w), 0, 0);
  lab_scale(lab, x, -2);
  ValueId label =
      lab_input(lab, FORMAT_U8, SHAPE(2, 2), (double[]){1, 2, 3, 0});
  ValueId flat = lab_op(lab, OP_RESHAPE, FORMAT_U8, SHAPE(4), label, 0, 0);
  ValueId loss = lab_op(lab, OP_SOFTMAX_XENT, FORMAT_F32, SHAPE(4), x, flat, 0);
  lab_scale(lab, loss, 0);
  ValueId e = lab_op(lab, OP_NORM_EXPONENT, FORMAT_I32, SCALAR, x, 0, 0);
  ValueId y = lab_op(lab, OP_REBALANCE, FORMAT_F32, SHAPE(4, 7), x, 0, 0);
  lab_node(lab, y)->scale = scale_make(SCALE_NORMAL, e, 3);
  lab_return(lab, loss);
  lab_return(lab, y);
  void *handle = NULL;
  const SgProgram *program = lab_open(lab, &handle);
  assert_int_equal(program->abi_version, SG_ABI_VERSION);
  assert_string_equal(program->source, "lab.sg");
  assert_string_equal(program->target, "x86-64");
  assert_string_equal(program->features, "");
  assert_int_equal(program->strict, 1);
  assert_true(program->hash == program_hash(lab->program));
  assert_int_equal(program->param_count, 1);
  assert_string_equal(program->param[0].name, "net.w");
  assert_int_equal(program->param[0].format, FORMAT_F16);
  assert_int_equal(program->param[0].dim[1], 7);
  assert_int_equal(program->param[0].bytes, 56);
  assert_int_equal(program->param[0].scaled, 1);
  assert_int_equal(program->param[0].exponent, -2);
  assert_int_equal(program->param[0].init, INIT_NORMAL);
  assert_true(program->param[0].a == 0.25);
  assert_int_equal(program->entry_count, 1);
  const SgEntry *entry = &program->entry[0];
  assert_string_equal(entry->name, "main");
  assert_int_equal(entry->input_count, 1);
  assert_int_equal(entry->input[0].limit, 7);
  assert_int_equal(entry->input[0].bytes, 4);
  assert_int_equal(entry->exponent_count, 1);
  assert_int_equal(entry->result_count, 2);
  assert_int_equal(entry->result[0].symbol, -1);
  assert_int_equal(entry->result[1].symbol, 0);
  assert_int_equal(entry->result[1].exponent, 3);
  assert_int_equal(entry->result[1].place, SG_IN_ARENA);
  assert_int_equal(entry->flops, 0);
  dlclose(handle);
  lab_free(lab);
}

/* ---- executables --------------------------------------------------------- */

/* A stand-in for the runtime library: main counts the entries. */
static void write_runtime(void) {
  FILE *file = fopen("rt.c", "w");
  assert_non_null(file);
  fputs("extern const long sg_program[];\n"
        "void sgrt_parallel(void) {}\n"
        "int main(void) { return 40 + (int)sg_program[13 - 1]; }\n",
        file);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(system("${CC:-cc} -c rt.c -o -rt.o"), 0);
  assert_int_equal(unlink("rt.c"), 0);
}

static void test_executable(void **state) {
  (void)state;
  Bench *bench = bench_new();
  three_kernels(bench->lab);
  write_runtime();
  bench->options.runtime = "-rt.o";
  if (!bench_write(bench, OUTPUT_EXECUTABLE, "-x"))
    fail_msg("%s", bench->messages.data);
  int status = system("./-x");
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 41);
  struct stat file;
  assert_int_equal(stat("-x", &file), 0);
  assert_true((file.st_mode & S_IXUSR) != 0);
  assert_int_equal(unlink("-rt.o"), 0);
  bench_free(bench, "-x");
}

static void test_link_errors(void **state) {
  (void)state;
  static const struct {
    const char *cc, *runtime, *message;
  } cases[] = {{"no-such-driver", "rt.a", "cannot run the linker driver"},
               {"false", "rt.a", "linking failed: `false` gave status 1"},
               {NULL, "missing.a", "missing.a"},
               {NULL, NULL, "libsgrt.a was not found"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Bench *bench = bench_new();
    three_kernels(bench->lab);
    bench->options.cc = cases[i].cc;
    bench->options.runtime = cases[i].runtime;
    assert_false(bench_write(bench, OUTPUT_EXECUTABLE, "program"));
    expect_message(bench, cases[i].message);
    expect_message(bench, "E0794");
    bench_free(bench, NULL);
  }
}

/* ---- refusals ------------------------------------------------------------ */

static void test_unknown_cpu(void **state) {
  (void)state;
  Bench *bench = bench_new();
  three_kernels(bench->lab);
  bench->options.march = "x86-64-v5";
  assert_false(bench_write(bench, OUTPUT_OBJECT, "code.o"));
  expect_message(bench, "E0791");
  expect_message(bench, "did you mean `x86-64-v");
  bench_free(bench, NULL);
}

static void test_unwritable(void **state) {
  (void)state;
  Bench *bench = bench_new();
  three_kernels(bench->lab);
  assert_false(bench_write(bench, OUTPUT_OBJECT, "no/such/code.o"));
  expect_message(bench, "E0796");
  bench_free(bench, NULL);
}

/* A value that could not be computed as the evaluator does is refused. */
static void test_refused_values(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    Bench *bench = bench_new();
    Lab *lab = bench->lab;
    Format format = i == 0 ? FORMAT_F16 : i == 1 ? FORMAT_F64 : FORMAT_F32;
    ValueId x = input_f32(lab, SHAPE(3, 3));
    ValueId y = lab_op(lab, OP_NEG, format, SHAPE(3, 3), x, 0, 0);
    lab_node(lab, y)->name = intern(lab->program->interner, "net.y");
    lab_place_apart(lab);
    if (i == 2)
      lab_node(lab, y)->kernel = 0;
    assert_false(bench_write(bench, OUTPUT_OBJECT, "code.o"));
    expect_message(bench, "E0790");
    expect_message(bench, "`neg`");
    expect_message(bench, "%net.y");
    bench_free(bench, NULL);
  }
}

static void test_without_plan(void **state) {
  (void)state;
  Bench *bench = bench_new();
  ValueId x = input_f32(bench->lab, SHAPE(3));
  lab_op(bench->lab, OP_NEG, FORMAT_F32, SHAPE(3), x, 0, 0);
  assert_false(bench_write(bench, OUTPUT_OBJECT, "code.o"));
  expect_message(bench, "E0795");
  bench_free(bench, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_equal_kernels_share_code),
      cmocka_unit_test(test_function_attributes),
      cmocka_unit_test(test_assembly),
      cmocka_unit_test(test_description),
      cmocka_unit_test(test_executable),
      cmocka_unit_test(test_link_errors),
      cmocka_unit_test(test_unknown_cpu),
      cmocka_unit_test(test_unwritable),
      cmocka_unit_test(test_refused_values),
      cmocka_unit_test(test_without_plan),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
