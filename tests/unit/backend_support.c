/* Compiled programs beside the evaluator; see backend_support.h. */
#include "tests/unit/backend_support.h"

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
#include <unistd.h>

#include "compiler/llvm/backend.h"
#include "compiler/pass/pass.h"
#include "ir/rng.h"

enum { SEED = 1 }; /* lab_run's */

/* What the runtime offers, in C beside the code: units in three uneven ranges,
 * the last one first, so that a dependence between units shows. */
static const char runtime_text[] =
    "#include <stdint.h>\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "typedef void Kernel(char *const *, const int32_t *, int64_t, int64_t,\n"
    "                    char *);\n"
    "void (*sg_test_key)(const void *, uint64_t, int32_t *);\n"
    "void sgrt_random_key(const void *frame, uint64_t hash, int32_t *key) {\n"
    "  sg_test_key(frame, hash, key);\n"
    "}\n"
    "void sgrt_parallel(const void *frame, Kernel *kernel,\n"
    "                   char *const *pointer, const int32_t *argument,\n"
    "                   int64_t count, int64_t work, int64_t scratch_bytes) {\n"
    "  (void)frame, (void)work;\n"
    "  size_t bytes = ((size_t)scratch_bytes + 127) / 64 * 64;\n"
    "  char *scratch = aligned_alloc(64, bytes);\n"
    "  int64_t cut[] = {0, count / 3, count - count / 4, count};\n"
    "  for (int i = 2; i >= 0; i--) {\n"
    "    memset(scratch, 0xFF, bytes);\n"
    "    if (cut[i] < cut[i + 1])\n"
    "      kernel(pointer, argument, cut[i], cut[i + 1], scratch);\n"
    "  }\n"
    "  free(scratch);\n"
    "}\n";

static void test_key(const void *user, uint64_t hash, int32_t *key) {
  const SgFrame *frame = user;
  RngKey made = rng_key(frame->seed, frame->step, hash);
  memcpy(key, made.word, sizeof made.word);
}

/* ---- compiling ----------------------------------------------------------- */

typedef struct {
  char folder[32];
  char object[64], runtime[64], library[64];
  void *handle;
  const SgProgram *program;
} Built;

static void show_message(void *user, Severity severity, const char *text) {
  (void)user, (void)severity;
  print_error("%s", text);
}

static void write_runtime(const Built *built) {
  FILE *file = fopen(built->runtime, "w");
  assert_non_null(file);
  fputs(runtime_text, file);
  assert_int_equal(fclose(file), 0);
}

static void link_library(Built *built) {
  char command[512];
  snprintf(command, sizeof command,
           "${CC:-cc} -O1 -fPIC -shared -o %s %s %s -lm", built->library,
           built->runtime, built->object);
  assert_int_equal(system(command), 0);
  built->handle = dlopen(built->library, RTLD_NOW | RTLD_LOCAL);
  if (!built->handle)
    fail_msg("%s", dlerror());
  built->program = dlsym(built->handle, "sg_program");
  assert_non_null(built->program);
  void (**hook)(const void *, uint64_t, int32_t *) =
      dlsym(built->handle, "sg_test_key");
  assert_non_null(hook);
  *hook = test_key;
}

static void build_folder(Built *built) {
  strcpy(built->folder, "/tmp/sg-backend-XXXXXX");
  assert_non_null(mkdtemp(built->folder));
  snprintf(built->object, sizeof built->object, "%s/code.o", built->folder);
  snprintf(built->runtime, sizeof built->runtime, "%s/rt.c", built->folder);
  snprintf(built->library, sizeof built->library, "%s/code.so", built->folder);
}

static void remove_folder(const Built *built) {
  unlink(built->object);
  unlink(built->runtime);
  unlink(built->library);
  assert_int_equal(rmdir(built->folder), 0);
}

static void build(Lab *lab, Target target, Built *built) {
  build_folder(built);
  BackendOptions options = {.march = target.march,
                            .optimization = target.optimization,
                            .strict = true,
                            .source_name = "lab.sg"};
  Diagnostics *diagnostics =
      diagnostics_new(lab->arena, &lab->sources, show_message, NULL);
  assert_true(backend_write(lab->program, &options, OUTPUT_OBJECT,
                            built->object, NULL, diagnostics));
  write_runtime(built);
  link_library(built);
  remove_folder(built);
}

/* ---- data ---------------------------------------------------------------- */

/* A number of the evaluator as it lies in memory. */
static uint64_t element_code(Format format, double value) {
  if (format_is_float(format))
    return codec_encode(format, (float)value, OVERFLOW_INF);
  return (uint64_t)(int64_t)value;
}

static char *encode_tensor(const Type *type, const double *data) {
  size_t bytes = format_bytes(type->format);
  char *out = malloc(type_bytes(type) + 1);
  assert_non_null(out);
  for (int64_t i = 0; i < type->elements; i++) {
    uint64_t code = element_code(type->format, data[i]);
    memcpy(out + (size_t)i * bytes, &code, bytes);
  }
  return out;
}

static bool same_code(Format format, uint64_t a, uint64_t b) {
  if (a == b)
    return true;
  /* Which NaN an operation makes is not part of the meaning. */
  return format_is_float(format) && isnan(codec_decode(format, (uint32_t)a)) &&
         isnan(codec_decode(format, (uint32_t)b));
}

static void expect_tensor(const char *what, const Type *type,
                          const double *expected, const char *data) {
  size_t bytes = format_bytes(type->format);
  for (int64_t i = 0; i < type->elements; i++) {
    uint64_t got = 0, want = 0, code = element_code(type->format, expected[i]);
    memcpy(&got, data + (size_t)i * bytes, bytes);
    memcpy(&want, &code, bytes);
    if (!same_code(type->format, got, want))
      fail_msg("%s, element %lld of %lld: code %#llx, expected %#llx (%a)",
               what, (long long)i, (long long)type->elements,
               (unsigned long long)got, (unsigned long long)want, expected[i]);
  }
}

/* ---- placing ------------------------------------------------------------- */

/* Every op on its own, every value in memory of its own. */
void lab_place_apart(Lab *lab) {
  Graph *graph = lab->graph;
  graph->placement = NEW_ARRAY(lab->arena, Placement, graph->count);
  vec_push(&graph->kernel, (Kernel){KERNEL_NONE, 0, 0});
  int64_t offset = 0;
  for (ValueId id = 1; id < graph->count; id++) {
    Node *node = graph_node(graph, id);
    KernelForm form = op_kernel_form(node->op);
    Placement *place = &graph->placement[id];
    bool leaf = node->op == OP_PARAM || node->op == OP_INPUT;
    place->materialized = form != KERNEL_NONE || leaf;
    place->arena = form != KERNEL_NONE && node->op != OP_STORE;
    place->materialized &= node->op != OP_STORE;
    place->offset = offset;
    if (place->arena)
      offset += ((int64_t)type_bytes(node->type) + 63) / 64 * 64;
    if (form == KERNEL_NONE)
      continue;
    node->kernel = (uint32_t)graph->kernel.length;
    vec_push(&graph->kernel, (Kernel){form, id, id});
  }
  graph->arena_bytes = offset;
}

/* ---- running ------------------------------------------------------------- */

/* Memory of a step, filled with a pattern that is NaN in every format. */
typedef struct {
  char *arena;
  char *param[16], *input[16];
  int32_t exponent[64];
} Memory;

static void memory_make(Lab *lab, const SgEntry *entry, Memory *memory) {
  size_t bytes = ((size_t)entry->arena_bytes + 63) / 64 * 64 + 64;
  memory->arena = aligned_alloc(64, bytes);
  assert_non_null(memory->arena);
  memset(memory->arena, 0xFF, bytes);
  assert_true(entry->exponent_count <= 64);
  Evaluator *fresh = evaluator_new(lab->program, PRECISION_EDGES, SEED);
  for (size_t i = 0; i < lab->program->param.length; i++)
    memory->param[i] = encode_tensor(lab->program->param.data[i].type,
                                     evaluator_param(fresh, (int)i)->data);
  evaluator_free(fresh);
  for (size_t i = 0; i < lab->graph->input.length; i++)
    memory->input[i] = encode_tensor(lab->input[i].type, lab->input[i].data);
}

static void memory_free(Memory *memory) {
  free(memory->arena);
  for (int i = 0; i < 16; i++) {
    free(memory->param[i]);
    free(memory->input[i]);
  }
}

static const char *result_data(const Memory *memory, const SgResult *result) {
  if (result->place == SG_IN_PARAM)
    return memory->param[result->offset];
  if (result->place == SG_IN_INPUT)
    return memory->input[result->offset];
  return memory->arena + result->offset;
}

static void compare(Lab *lab, const SgEntry *entry, const Memory *memory) {
  const Graph *graph = lab->program->graph.data[0];
  assert_true(entry->result_count > 0);
  for (int64_t i = 0; i < entry->result_count; i++) {
    const SgResult *result = &entry->result[i];
    const Tensor *tensor =
        evaluator_value(lab->evaluator, graph, graph->result.data[i].value);
    assert_non_null(tensor);
    assert_int_equal(result->format, tensor->type->format);
    assert_int_equal(result->bytes, type_bytes(tensor->type));
    expect_tensor(result->name, tensor->type, tensor->data,
                  result_data(memory, result));
    int64_t exponent = result->exponent;
    if (result->symbol >= 0)
      exponent += memory->exponent[result->symbol];
    assert_int_equal(exponent, tensor->exponent);
  }
  for (size_t i = 0; i < lab->program->param.length; i++) {
    const Parameter *param = &lab->program->param.data[i];
    expect_tensor(param->name, param->type,
                  evaluator_param(lab->evaluator, (int)i)->data,
                  memory->param[i]);
  }
}

const SgProgram *lab_open(Lab *lab, void **handle) {
  Built built = {.handle = NULL};
  lab_place_apart(lab);
  build(lab, (Target){"x86-64", 2}, &built);
  *handle = built.handle;
  return built.program;
}

static void run_and_compare(Lab *lab, Target target) {
  Built built = {.handle = NULL};
  build(lab, target, &built);
  const SgEntry *entry = &built.program->entry[0];
  Memory memory = {.arena = NULL};
  memory_make(lab, entry, &memory);
  SgFrame frame = {.arena = memory.arena,
                   .param = memory.param,
                   .input = memory.input,
                   .exponent = memory.exponent,
                   .seed = SEED,
                   .step = 3};
  entry->step(&frame);
  compare(lab, entry, &memory);
  memory_free(&memory);
  dlclose(built.handle);
}

/* ---- the comparisons ----------------------------------------------------- */

static const Target targets[] = {
    {"x86-64", 2}, {"x86-64-v3", 2}, {"native", 2}, {"native", 0}};

static bool runs_here(Target target) {
  return strcmp(target.march, "x86-64-v3") != 0 ||
         (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
          __builtin_cpu_supports("f16c"));
}

static void compare_everywhere(Lab *lab) {
  evaluator_free(lab->evaluator);
  lab->evaluator = evaluator_new(lab->program, PRECISION_EDGES, SEED);
  const Graph *graph = lab->program->graph.data[0];
  const char *error = NULL;
  if (!evaluator_step(lab->evaluator, graph, 3, lab->input, &error))
    fail_msg("%s", error);
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
    if (runs_here(targets[i]))
      run_and_compare(lab, targets[i]);
}

static void return_all(Lab *lab) {
  for (ValueId id = 1; id < lab->graph->count; id++) {
    const Node *node = lab_node(lab, id);
    bool tensor = op_kernel_form(node->op) != KERNEL_NONE &&
                  !node_defines_exponent(node) && node->op != OP_STORE;
    if (tensor)
      vec_push(&lab->graph->result, (Result){node->name, id});
  }
}

void lab_compare_apart(Lab *lab) {
  if (lab->graph->result.length == 0)
    return_all(lab);
  lab_place_apart(lab);
  compare_everywhere(lab);
}

void lab_compare_fused(Lab *lab) {
  Diagnostics *diagnostics =
      diagnostics_new(lab->arena, &lab->sources, show_message, NULL);
  PassContext context = {lab->program, lab->arena, diagnostics};
  assert_true(pass_fuse(&context));
  assert_true(pass_plan(&context));
  lab->graph = lab->program->graph.data[0];
  compare_everywhere(lab);
}

void lab_return(Lab *lab, ValueId id) {
  vec_push(&lab->graph->result, (Result){lab_node(lab, id)->name, id});
}
