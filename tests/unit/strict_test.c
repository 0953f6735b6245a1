/* Compiled --strict code equals the evaluator, bit for bit, over 20 train
 * steps of examples/mlp, in f32 and fp8, and of a program with states, for
 * several processors and thread counts. Full size in an optimised build, small
 * under sanitizers.
 *
 * The object is linked with the runtime into a shared object and called in
 * this process, on the same inputs as the evaluator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/context.h"
#include "ir/eval.h"
#include "ir/rng.h"
#include "runtime/runtime.h"

enum { STEPS = 20 };

typedef struct {
  const char *hidden, *batch;
} Size;
static const Size small = {"HIDDEN=33", "B=9"};
#ifdef SG_POISON_ARENAS
static const Size full = {"HIDDEN=33", "B=9"};
#else
static const Size full = {"HIDDEN=512", "B=128"};
#endif

static void on_message(void *user, sg_severity severity, const char *text) {
  (void)user;
  (void)severity;
  fputs(text, stderr);
}

/* ---- a program, compiled and loaded -------------------------------------- */

typedef struct {
  sg_context *sg;
  const Graph *graph; /* the train entry at level final */
  void *library;
  const SgProgram *program;
  const SgEntry *entry;
  int (*session_open)(Session *, const SgProgram *, int);
  void (*session_initialize)(Session *, uint64_t);
  void (*session_close)(Session *);
  int (*run_open)(Run *, const SgEntry *);
  void (*run_close)(Run *);
  int (*run_step)(const Session *, Run *, uint64_t);
} Loaded;

static void load_functions(Loaded *loaded) {
  loaded->program = dlsym(loaded->library, "sg_program");
  *(void **)&loaded->session_open = dlsym(loaded->library, "session_open");
  *(void **)&loaded->session_initialize =
      dlsym(loaded->library, "session_initialize");
  *(void **)&loaded->session_close = dlsym(loaded->library, "session_close");
  *(void **)&loaded->run_open = dlsym(loaded->library, "run_open");
  *(void **)&loaded->run_close = dlsym(loaded->library, "run_close");
  *(void **)&loaded->run_step = dlsym(loaded->library, "run_step");
  assert_non_null(loaded->program);
  assert_true(loaded->session_open && loaded->run_step);
}

static void load(Loaded *loaded, const char *path, const char *recipe,
                 const char *march, Size size) {
  char object[] = "/tmp/sg-strict-XXXXXX.o", shared[64], command[2048];
  int file = mkstemps(object, 2);
  assert_true(file >= 0);
  close(file);
  snprintf(shared, sizeof shared, "%.*s.so", (int)strlen(object) - 2, object);
  *loaded = (Loaded){.sg = sg_open(on_message, NULL)};
  sg_context *sg = loaded->sg;
  assert_int_equal(sg_set(sg, "recipe", recipe), SG_OK);
  assert_int_equal(sg_set(sg, "strict", "1"), SG_OK);
  assert_int_equal(sg_set(sg, "march", march), SG_OK);
  assert_int_equal(sg_set(sg, "define", size.hidden), SG_OK);
  assert_int_equal(sg_set(sg, "define", size.batch), SG_OK);
  assert_int_equal(sg_load(sg, path), SG_OK);
  assert_int_equal(sg_emit(sg, "obj", object), SG_OK);
  loaded->graph = program_graph(sg->program, "fit");
  assert_non_null(loaded->graph);
  snprintf(command, sizeof command,
           "cc -shared -Wl,-Bsymbolic -o %s %s -Wl,-u,session_open,-u,run_open "
           "%s %s -ljansson -lz -fopenmp -lm",
           shared, object, SG_TEST_RUNTIME, SG_TEST_LINK_FLAGS);
  assert_int_equal(system(command), 0);
  loaded->library = dlopen(shared, RTLD_NOW | RTLD_LOCAL);
  if (!loaded->library)
    fail_msg("%s", dlerror());
  unlink(object);
  unlink(shared);
  load_functions(loaded);
  for (int64_t i = 0; i < loaded->program->entry_count; i++)
    if (strcmp(loaded->program->entry[i].name, "fit") == 0)
      loaded->entry = &loaded->program->entry[i];
  assert_non_null(loaded->entry);
}

/* ---- the same inputs for both ------------------------------------------- */

static void fill(const Loaded *loaded, Run *run, Tensor *tensor,
                 uint64_t step) {
  for (size_t i = 0; i < loaded->graph->input.length; i++) {
    const Input *input = &loaded->graph->input.data[i];
    if (input->source == SOURCE_STEP)
      continue;
    int64_t limit = loaded->entry->input[i].limit;
    RngKey key = rng_key(7, step, rng_hash_name(input->name));
    for (int64_t k = 0; k < tensor[i].type->elements; k++) {
      uint8_t byte = (uint8_t)(rng_u32(key, (uint64_t)k) %
                               (limit ? (uint32_t)limit : 256));
      tensor[i].data[k] = byte;
      run->input[i][k] = (char)byte;
    }
  }
}

/* The parameter's codes are those of the evaluator's data. */
static void compare_param(const Loaded *loaded, const Session *session,
                          Evaluator *evaluator, int index, int step) {
  const SgParam *param = &loaded->program->param[index];
  const Tensor *tensor = evaluator_param(evaluator, index);
  Format format = (Format)param->format;
  for (int64_t i = 0; i < tensor->type->elements; i++) {
    float value, wanted = (float)tensor->data[i];
    codec_decode_array(format,
                       session->param[index] + (size_t)i * format_bytes(format),
                       &value, 1);
    if (memcmp(&value, &wanted, sizeof value) != 0)
      fail_msg("step %d, %s, element %lld: compiled %a, evaluator %a", step,
               param->name, (long long)i, (double)value, (double)wanted);
  }
}

static double compiled_result(const Loaded *loaded, const Session *session,
                              const Run *run, size_t index) {
  const SgResult *result = &loaded->entry->result[index];
  const char *data = result->place == SG_IN_ARENA ? run->arena + result->offset
                     : result->place == SG_IN_PARAM
                         ? session->param[result->offset]
                         : run->input[result->offset];
  float value;
  codec_decode_array((Format)result->format, data, &value, 1);
  int32_t exponent = (int32_t)result->exponent;
  if (result->symbol >= 0)
    exponent += run->exponent[result->symbol];
  return ldexp((double)value, exponent);
}

static void compare_results(const Loaded *loaded, const Session *session,
                            const Run *run, Evaluator *evaluator, int step) {
  for (size_t i = 0; i < loaded->graph->result.length; i++) {
    const Result *result = &loaded->graph->result.data[i];
    const Tensor *tensor =
        evaluator_value(evaluator, loaded->graph, result->value);
    double wanted = ldexp(tensor->data[0], tensor->exponent);
    double value = compiled_result(loaded, session, run, i);
    if (memcmp(&value, &wanted, sizeof value) != 0)
      fail_msg("step %d, result %s: compiled %a, evaluator %a", step,
               result->name, value, wanted);
  }
}

/* ---- 20 steps ----------------------------------------------------------- */

static void compare_steps(const char *path, const char *recipe,
                          const char *march, int threads, Size size) {
  Loaded loaded;
  Session session;
  Run run;
  load(&loaded, path, recipe, march, size);
  const Graph *graph = loaded.graph;
  assert_int_equal(loaded.session_open(&session, loaded.program, threads), 0);
  loaded.session_initialize(&session, 1);
  assert_int_equal(loaded.run_open(&run, loaded.entry), 0);
  Evaluator *evaluator = evaluator_new(loaded.sg->program, PRECISION_EDGES, 1);
  Arena *arena = arena_new();
  Tensor *tensor = NEW_ARRAY(arena, Tensor, graph->input.length);
  for (size_t i = 0; i < graph->input.length; i++) {
    const Type *type = graph_node(graph, graph->input.data[i].value)->type;
    tensor[i].type = type;
    tensor[i].data = NEW_ARRAY(arena, double, (size_t)type->elements);
  }
  for (int step = 1; step <= STEPS; step++) {
    const char *error = NULL;
    fill(&loaded, &run, tensor, (uint64_t)step);
    assert_int_equal(loaded.run_step(&session, &run, (uint64_t)step), 0);
    if (!evaluator_step(evaluator, graph, (uint64_t)step, tensor, &error))
      fail_msg("%s", error);
    compare_results(&loaded, &session, &run, evaluator, step);
    for (int i = 0; i < loaded.program->param_count; i++)
      compare_param(&loaded, &session, evaluator, i, step);
  }
  evaluator_free(evaluator);
  arena_free(arena);
  loaded.run_close(&run);
  loaded.session_close(&session);
  sg_close(loaded.sg);
}

static void compare_runs(const char *recipe, const char *march, int threads,
                         Size size) {
  compare_steps("examples/mlp/mlp.sg", recipe, march, threads, size);
}

/* Exponents that are measured at run time: of states and of operands. */
static void measured_on_this_processor(void **state) {
  (void)state;
  static const char *const recipe[] = {"fp8_state16", "states8", "params"};
  for (size_t i = 0; i < sizeof recipe / sizeof *recipe; i++)
    compare_steps("tests/unit/Inputs/measured.sg", recipe[i], "native", 2,
                  small);
}

static void f32_on_this_processor(void **state) {
  (void)state;
  compare_runs("f32", "native", 2, full);
}

static void fp8_on_this_processor(void **state) {
  (void)state;
  compare_runs("fp8", "native", 2, full);
}

static void fp8_on_one_and_eight_threads(void **state) {
  (void)state;
  compare_runs("fp8", "native", 1, full);
  compare_runs("fp8", "native", 8, full);
}

static void f32_on_x86_64_v3(void **state) {
  (void)state;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    skip();
  compare_runs("f32", "x86-64-v3", 2, full);
}

static void fp8_on_x86_64_v3(void **state) {
  (void)state;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    skip();
  compare_runs("fp8", "x86-64-v3", 2, full);
}

/* Multiply-add is a library call there: small sizes only. */
static void fp8_on_plain_x86_64(void **state) {
  (void)state;
  compare_runs("fp8", "x86-64", 2, small);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(f32_on_this_processor),
      cmocka_unit_test(fp8_on_this_processor),
      cmocka_unit_test(fp8_on_one_and_eight_threads),
      cmocka_unit_test(f32_on_x86_64_v3),
      cmocka_unit_test(fp8_on_x86_64_v3),
      cmocka_unit_test(fp8_on_plain_x86_64),
      cmocka_unit_test(measured_on_this_processor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
