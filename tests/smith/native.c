/* Compiled code beside the evaluator (testing.md O6).
 *
 * In: a program at level plain whose ops have code, many entries a module. Out:
 * a verdict. It is brought to level final, compiled for every target with
 * strict results, loaded into this process and run on all sets of inputs, each
 * entry with another number of threads. Results, exponents and parameters
 * equal the evaluator's to the bit; which NaN an operation makes is free.
 *
 * The code calls two functions of the runtime; they are here, with threads
 * that split every kernel, however small it is.
 */
#include "tests/smith/smith.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/llvm/backend.h"
#include "ir/rng.h"
#include "runtime/abi.h"

enum { STEP = 3, MOST_THREADS = 8, EXPONENTS = 512 };

typedef struct {
  const char *name, *march;
  int optimization;
} Target;

static const Target targets[] = {
    {"x86-64/0", "x86-64", 0},       {"x86-64/1", "x86-64", 1},
    {"x86-64/2", "x86-64", 2},       {"x86-64/3", "x86-64", 3},
    {"x86-64-v3/0", "x86-64-v3", 0}, {"x86-64-v3/2", "x86-64-v3", 2},
    {"native/1", "native", 1},       {"native/2", "native", 2},
    {"native/3", "native", 3}};
enum { TARGETS = sizeof targets / sizeof *targets };

static bool runs_here(const Target *target) {
  return strcmp(target->march, "x86-64-v3") != 0 ||
         (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
          __builtin_cpu_supports("f16c"));
}

/* ---- the runtime's part -------------------------------------------------- */

typedef struct {
  SgKernel *kernel;
  char *const *pointer;
  const int32_t *argument;
  int64_t begin, end;
  char *scratch;
} Share;

static void *run_share(void *user) {
  const Share *share = user;
  share->kernel(share->pointer, share->argument, share->begin, share->end,
                share->scratch);
  return NULL;
}

/* The team of a frame is the number of threads; each gets a range of its own
 * and scratch memory that holds NaN. The last begins first. */
void sgrt_parallel(const SgFrame *frame, SgKernel *kernel, char *const *pointer,
                   const int32_t *argument, int64_t count, int64_t work,
                   int64_t scratch_bytes) {
  int threads = *(const int *)frame->team;
  size_t bytes = ((size_t)scratch_bytes + 127) / 64 * 64;
  Share share[MOST_THREADS];
  pthread_t thread[MOST_THREADS];
  bool started[MOST_THREADS] = {false};
  (void)work;
  for (int i = threads; i-- > 0;) {
    share[i] = (Share){kernel,
                       pointer,
                       argument,
                       count * i / threads,
                       count * (i + 1) / threads,
                       aligned_alloc(64, bytes)};
    if (!share[i].scratch)
      abort();
    memset(share[i].scratch, 0xFF, bytes);
    if (share[i].begin == share[i].end)
      continue;
    started[i] =
        i > 0 && pthread_create(&thread[i], NULL, run_share, &share[i]) == 0;
    if (!started[i])
      run_share(&share[i]);
  }
  for (int i = 0; i < threads; i++) {
    if (started[i])
      pthread_join(thread[i], NULL);
    free(share[i].scratch);
  }
}

void sgrt_random_key(const SgFrame *frame, uint64_t name_hash, int32_t *key) {
  RngKey made = rng_key(frame->seed, frame->step, name_hash);
  memcpy(key, made.word, sizeof made.word);
}

/* ---- numbers as they lie in memory --------------------------------------- */

static uint64_t element_code(Format format, double value) {
  if (format_is_float(format))
    return codec_encode(format, (float)value, OVERFLOW_INF);
  return (uint64_t)(int64_t)value;
}

static char *encoded(Arena *arena, const Type *type, const double *data) {
  size_t bytes = format_bytes(type->format);
  char *out = arena_alloc(arena, type_bytes(type) + 64);
  for (int64_t i = 0; i < type->elements; i++) {
    uint64_t code = element_code(type->format, data[i]);
    memcpy(out + (size_t)i * bytes, &code, bytes);
  }
  return out;
}

static bool same_code(Format format, uint64_t a, uint64_t b) {
  return a == b ||
         (format_is_float(format) && isnan(codec_decode(format, (uint32_t)a)) &&
          isnan(codec_decode(format, (uint32_t)b)));
}

/* ---- what the evaluator says --------------------------------------------- */

/* Of one set of inputs. */
typedef struct {
  char **param, **input; /* to start from; inputs of all entries in a row */
  char **result, **stored;
  int32_t *exponent; /* of results */
} Expected;

typedef struct {
  Case *c;
  const Program *reference;
  Arena *arena;
  Verdict *verdict;
  size_t inputs, results; /* of all entries */
  Expected expected[INPUT_SETS];
  const SgProgram *code;
  const char *target;
} Native;

static char **encoded_params(Native *n, Evaluator *evaluator) {
  const Program *program = n->c->program;
  char **out = NEW_ARRAY(n->arena, char *, program->param.length + 1);
  for (size_t i = 0; i < program->param.length; i++)
    out[i] = encoded(n->arena, program->param.data[i].type,
                     evaluator_param(evaluator, (int)i)->data);
  return out;
}

static bool expect_entry(Native *n, Evaluator *evaluator, const Graph *graph,
                         int set, size_t *input, size_t *result) {
  Expected *e = &n->expected[set];
  const char *error = "";
  Tensor *given = inputs_make(n->arena, graph,
                              program_graph(n->reference, graph->name), set);
  if (!evaluator_step(evaluator, graph, STEP, given, &error)) {
    verdict_fail(n->verdict, "native", "the evaluator: %s", error);
    return false;
  }
  for (size_t i = 0; i < graph->input.length; i++)
    e->input[(*input)++] =
        encoded(n->arena, graph_node(graph, graph->input.data[i].value)->type,
                given[i].data);
  for (size_t i = 0; i < graph->result.length; i++) {
    const Tensor *tensor =
        evaluator_value(evaluator, graph, graph->result.data[i].value);
    e->exponent[*result] = tensor->exponent;
    e->result[(*result)++] = encoded(n->arena, tensor->type, tensor->data);
  }
  return true;
}

static bool expect(Native *n, int set) {
  const Program *program = n->c->program;
  Expected *e = &n->expected[set];
  size_t input = 0, result = 0;
  Evaluator *evaluator =
      evaluator_new(program, PRECISION_EDGES, evaluation_seed(set));
  e->param = encoded_params(n, evaluator);
  e->input = NEW_ARRAY(n->arena, char *, n->inputs + 1);
  e->result = NEW_ARRAY(n->arena, char *, n->results + 1);
  e->exponent = NEW_ARRAY(n->arena, int32_t, n->results + 1);
  bool good = true;
  for (size_t i = 0; good && i < program->graph.length; i++)
    good = expect_entry(n, evaluator, program->graph.data[i], set, &input,
                        &result);
  e->stored = encoded_params(n, evaluator);
  evaluator_free(evaluator);
  return good;
}

/* ---- what the code says -------------------------------------------------- */

static bool same_data(Native *n, const char *entry, const char *name,
                      const Type *type, const char *want, const char *got) {
  size_t bytes = format_bytes(type->format);
  for (int64_t i = 0; i < type->elements; i++) {
    uint64_t a = 0, b = 0;
    memcpy(&a, want + (size_t)i * bytes, bytes);
    memcpy(&b, got + (size_t)i * bytes, bytes);
    if (same_code(type->format, a, b))
      continue;
    verdict_fail(n->verdict, "native",
                 "%s, entry %s, %s, element %lld: code %#llx, expected %#llx",
                 n->target, entry, name, (long long)i, (unsigned long long)b,
                 (unsigned long long)a);
    return false;
  }
  return true;
}

static const char *place_of(const SgResult *result, const SgFrame *frame) {
  if (result->place == SG_IN_PARAM)
    return frame->param[result->offset];
  if (result->place == SG_IN_INPUT)
    return frame->input[result->offset];
  return frame->arena + result->offset;
}

static bool compare_results(Native *n, const Graph *graph, const SgEntry *entry,
                            const SgFrame *frame, const Expected *e,
                            size_t first) {
  for (int64_t i = 0; i < entry->result_count; i++) {
    const SgResult *result = &entry->result[i];
    const Type *type = graph_node(graph, graph->result.data[i].value)->type;
    int64_t exponent = result->exponent;
    if (result->symbol >= 0)
      exponent += frame->exponent[result->symbol];
    if (!same_data(n, graph->name, result->name, type,
                   e->result[first + (size_t)i], place_of(result, frame)))
      return false;
    if (exponent == e->exponent[first + (size_t)i])
      continue;
    verdict_fail(n->verdict, "native",
                 "%s, entry %s, %s: exponent %lld, expected %d", n->target,
                 graph->name, result->name, (long long)exponent,
                 e->exponent[first + (size_t)i]);
    return false;
  }
  return true;
}

static bool run_entry(Native *n, size_t index, int set, char **param,
                      size_t input, size_t result, int threads) {
  const SgEntry *entry = &n->code->entry[index];
  int32_t exponent[EXPONENTS] = {0};
  size_t bytes = ((size_t)entry->arena_bytes + 63) / 64 * 64 + 64;
  char *memory = aligned_alloc(64, bytes);
  if (!memory || entry->exponent_count > EXPONENTS)
    abort();
  memset(memory, 0xFF, bytes);
  SgFrame frame = {.arena = memory,
                   .param = param,
                   .input = n->expected[set].input + input,
                   .exponent = exponent,
                   .seed = evaluation_seed(set),
                   .step = STEP,
                   .team = &threads};
  entry->step(&frame);
  bool good = compare_results(n, n->c->program->graph.data[index], entry,
                              &frame, &n->expected[set], result);
  free(memory);
  return good;
}

static void run_set(Native *n, int set, int turn) {
  const Program *program = n->c->program;
  const Expected *e = &n->expected[set];
  Arena *arena = arena_new();
  char **param = NEW_ARRAY(arena, char *, program->param.length + 1);
  size_t input = 0, result = 0;
  bool good = true;
  for (size_t i = 0; i < program->param.length; i++)
    param[i] = arena_copy(arena, e->param[i],
                          type_bytes(program->param.data[i].type) + 64);
  for (size_t i = 0; good && i < program->graph.length; i++) {
    int threads = 1 + (int)((i + (size_t)turn) % MOST_THREADS);
    good = run_entry(n, i, set, param, input, result, threads);
    input += program->graph.data[i]->input.length;
    result += program->graph.data[i]->result.length;
  }
  for (size_t i = 0; good && i < program->param.length; i++)
    good = same_data(n, "(any)", program->param.data[i].name,
                     program->param.data[i].type, e->stored[i], param[i]);
  arena_free(arena);
}

/* ---- building ------------------------------------------------------------ */

static bool to_final(Native *n) {
  static const PassId list[] = {PASS_simplify, PASS_autodiff, PASS_rescale,
                                PASS_scalify,  PASS_formats,  PASS_casts,
                                PASS_fuse,     PASS_plan};
  PassContext context = {n->c->program, n->c->arena, n->c->diagnostics};
  if (n->c->program && passes_run(&context, list, 8, true, NULL))
    return true;
  if (n->c->code[0])
    memcpy(n->verdict->code, n->c->code, sizeof n->c->code);
  else
    verdict_fail(n->verdict, "native", "the passes: %s", n->c->messages.data);
  return false;
}

/* The loaded library, or NULL. */
static void *build(Native *n, const Target *target) {
  char folder[] = "/tmp/sg-smith-XXXXXX", object[64], library[64];
  char command[256];
  if (!mkdtemp(folder)) {
    verdict_fail(n->verdict, "native", "there is no place in /tmp");
    return NULL;
  }
  snprintf(object, sizeof object, "%s/code.o", folder);
  snprintf(library, sizeof library, "%s/code.so", folder);
  BackendOptions options = {.march = target->march,
                            .optimization = target->optimization,
                            .strict = true,
                            .source_name = "smith.sg"};
  void *handle = NULL;
  snprintf(command, sizeof command, "${CC:-cc} -shared -o %s %s -lm", library,
           object);
  if (!backend_write(n->c->program, &options, OUTPUT_OBJECT, object, NULL,
                     n->c->diagnostics))
    verdict_fail(n->verdict, "native", "%s: %s", target->name,
                 n->c->messages.data);
  else if (system(command) != 0 ||
           !(handle = dlopen(library, RTLD_NOW | RTLD_LOCAL)))
    verdict_fail(n->verdict, "native", "%s: the code does not load",
                 target->name);
  unlink(object);
  unlink(library);
  rmdir(folder);
  return handle;
}

/* ---- entries that have no code ------------------------------------------- */

static void drop_entry(Program *program, size_t at) {
  graph_free(program->graph.data[at]);
  program->graph.length--;
  memmove(program->graph.data + at, program->graph.data + at + 1,
          (program->graph.length - at) * sizeof *program->graph.data);
}

/* The entry that an E0790 names, "value %y of e3: ..", or -1. */
static int64_t refused_entry(const Native *n) {
  const char *text = n->c->messages.data ? n->c->messages.data : "";
  const char *of = strstr(text, " of ");
  for (size_t i = 0; of && i < n->c->program->graph.length; i++) {
    const char *name = n->c->program->graph.data[i]->name;
    size_t length = strlen(name);
    if (strncmp(of + 4, name, length) == 0 && of[4 + length] == ':')
      return (int64_t)i;
  }
  return -1;
}

/* Leaves out what the back end refuses by name; anything else is a fault. */
static bool keep_compiled(Native *n) {
  BackendOptions options = {
      .march = "x86-64", .strict = true, .source_name = "smith.sg"};
  while (n->c->program->graph.length > 0) {
    n->c->messages.length = 0;
    n->c->code[0] = 0;
    Diagnostics *fresh =
        diagnostics_new(n->c->arena, &n->c->sources, NULL, NULL);
    diagnostics_observe(fresh, case_observe, n->c);
    if (backend_write(n->c->program, &options, OUTPUT_LLVM, "/dev/null", NULL,
                      fresh))
      return true;
    int64_t entry = strcmp(n->c->code, "E0790") == 0 ? refused_entry(n) : -1;
    if (entry < 0) {
      verdict_fail(n->verdict, "native", "%s", n->c->messages.data);
      return false;
    }
    drop_entry(n->c->program, (size_t)entry);
    n->verdict->refused++;
  }
  return false;
}

static void check_target(Native *n, const Target *target, int turn) {
  void *handle = build(n, target);
  if (!handle)
    return;
  n->target = target->name;
  n->code = dlsym(handle, "sg_program");
  for (int set = 0; set < INPUT_SETS && !n->verdict->check[0]; set++)
    run_set(n, set, turn + set);
  dlclose(handle);
}

/* `only` and the seed choose among the targets. */
static bool is_wanted(int target, const char *only, uint64_t seed) {
  if (only && strcmp(only, "turn") == 0)
    return seed % TARGETS == (uint64_t)target;
  return !only || strcmp(only, targets[target].name) == 0;
}

void check_native(const Case *c, uint64_t seed, const char *only,
                  Verdict *verdict) {
  Buffer text = case_print(c);
  Native n = {.c = case_read(text.data, text.length),
              .reference = c->program,
              .arena = arena_new(),
              .verdict = verdict};
  buffer_free(&text);
  bool good = to_final(&n) && keep_compiled(&n);
  for (size_t i = 0; good && i < n.c->program->graph.length; i++) {
    n.inputs += n.c->program->graph.data[i]->input.length;
    n.results += n.c->program->graph.data[i]->result.length;
  }
  for (int set = 0; good && set < INPUT_SETS; set++)
    good = expect(&n, set);
  for (int i = 0; good && i < TARGETS && !verdict->check[0]; i++)
    if (runs_here(&targets[i]) && is_wanted(i, only, seed))
      check_target(&n, &targets[i], i + (int)(seed % MOST_THREADS));
  arena_free(n.arena);
  case_free(n.c);
}
