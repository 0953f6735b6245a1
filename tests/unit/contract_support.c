/* Contractions compiled and run; see contract_support.h. */
#include "tests/unit/contract_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ir/f32math.h"
#include "runtime/abi.h"

/* ---- guarded memory ----------------------------------------------------- */

enum { CANARY = 64 };

typedef struct {
  char *map, *data;
  size_t mapped, bytes;
} Guarded;

/* `bytes` that end, rounded up to `align`, at a page that cannot be touched. */
static Guarded guarded_new(size_t bytes, size_t align) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t used = (bytes + align - 1) / align * align;
  size_t pages = (used + CANARY + page - 1) / page * page;
  Guarded g = {NULL, NULL, pages + page, bytes};
  g.map = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(g.map != MAP_FAILED);
  assert_int_equal(mprotect(g.map + pages, page, PROT_NONE), 0);
  g.data = g.map + pages - used;
  memset(g.data - CANARY, 0x5A, used + CANARY);
  return g;
}

static void guarded_check(const Guarded *g) {
  for (int i = 1; i <= CANARY; i++)
    assert_int_equal(g->data[-i], 0x5A);
}

static void guarded_free(Guarded *g) {
  munmap(g->map, g->mapped);
}

/* ---- building ----------------------------------------------------------- */

Bench *bench_new(const char *march, bool strict) {
  Arena *arena = arena_new();
  Bench *bench = NEW(arena, Bench);
  bench->arena = arena;
  sources_init(&bench->sources, arena);
  bench->program =
      program_new(arena, interner_new(arena), &bench->sources, "bench");
  bench->program->level = LEVEL_FINAL;
  bench->workshop = workshop_new(march, bench->program);
  bench->workshop->emit.strict = strict;
  return bench;
}

/* The type of an operand or result with these letters as axes. */
static const Type *axes_type(Bench *bench, const Trial *trial, Format format,
                             int rank, const int *axis) {
  int64_t dim[MAX_RANK];
  for (int i = 0; i < rank; i++)
    dim[i] = trial->size[axis[i]];
  const Type *type = type_make(bench->program->types, format, rank, dim);
  assert_non_null(type);
  return type;
}

static ValueId add_node(Bench *bench, Graph *graph, Op op, const char *name,
                        const Type *type, ValueId a, ValueId b) {
  Node node = node_make(op, PHASE_FORWARD, type, a, b, 0);
  node.name = intern(bench->program->interner, name);
  bool leaf = op == OP_INPUT;
  node.scale = scale_static(0);
  node.kernel = leaf ? 0 : 1;
  node.attr.overflow = OVERFLOW_SATURATE;
  return graph_add(graph, &node);
}

static Pattern trial_pattern(Bench *bench, const Trial *trial) {
  Pattern pattern;
  const char *error;
  size_t offset;
  assert_true(pattern_parse(bench->program->interner, trial->pattern, &pattern,
                            &error, &offset));
  return pattern;
}

/* Everything that is computed is also stored. */
static void add_kernel(Bench *bench, Graph *graph, ValueId first) {
  vec_push(&graph->kernel, (Kernel){0});
  vec_push(&graph->kernel, (Kernel){KERNEL_GEMM, first, graph->count - 1});
  graph->placement = NEW_ARRAY(bench->arena, Placement, graph->count);
  for (ValueId id = first; id < graph->count; id++)
    graph->placement[id].materialized = true;
}

/* Puts the result of einsum `id` at 2^-shift of its rule. */
static void shift_result(Graph *graph, ValueId id, int32_t shift) {
  graph_node(graph, id)->scale = scale_static(-shift);
}

/* Operands 1 and 2, perhaps a bias; the einsum; perhaps add, relu and cast. */
static void make_graph(Bench *bench, TrialCode *made) {
  const Trial *trial = &made->trial;
  Pattern pattern = trial_pattern(bench, trial);
  Graph *graph = graph_new(bench->arena, ENTRY_PLAIN, "main");
  ValueId operand[2], bias = 0;
  for (int i = 0; i < 2; i++) {
    made->type[i] = axes_type(bench, trial, trial->format[i], pattern.rank[i],
                              pattern.axis[i]);
    operand[i] =
        add_node(bench, graph, OP_INPUT, i ? "b" : "a", made->type[i], 0, 0);
  }
  made->out =
      axes_type(bench, trial, FORMAT_F32, pattern.out_rank, pattern.out_axis);
  int last = pattern.out_rank - 1;
  if (trial->bias)
    bias = add_node(
        bench, graph, OP_INPUT, "bias",
        axes_type(bench, trial, FORMAT_F32, 1, &pattern.out_axis[last]), 0, 0);
  ValueId y =
      add_node(bench, graph, OP_EINSUM, "y", made->out, operand[0], operand[1]);
  ValueId first = y;
  graph_node(graph, y)->attr.pattern =
      intern(bench->program->interner, trial->pattern);
  shift_result(graph, y, trial->shift);
  if (trial->bias) {
    y = add_node(bench, graph, OP_ADD, "z", made->out, y, bias);
    shift_result(graph, y, trial->shift);
    y = add_node(bench, graph, OP_RELU, "r", made->out, y, 0);
    shift_result(graph, y, trial->shift);
    const Type *narrow =
        type_with_format(bench->program->types, made->out, trial->result);
    y = add_node(bench, graph, OP_CAST, "q", narrow, y, 0);
    shift_result(graph, y, trial->shift);
    graph_node(graph, bias)->scale = scale_static(-trial->shift);
  }
  add_kernel(bench, graph, first);
  made->graph = graph;
}

void bench_add(Bench *bench, Trial trial) {
  TrialCode made = {.trial = trial};
  make_graph(bench, &made);
  made.code = kernel_lower(&bench->workshop->emit, made.graph, 1);
  if (!made.code)
    fail_msg("%s: %s", trial.pattern, bench->workshop->messages.data);
  for (int i = 0; i < made.code->stages; i++)
    LLVMSetLinkage(made.code->stage[i].function, LLVMExternalLinkage);
  vec_push(&bench->code, made);
}

/* ---- data --------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

/* Numbers of a few magnitudes, both signs, so that sums round in every step. */
static float some_number(uint64_t *state) {
  uint64_t word = next_random(state);
  float x = (float)(int32_t)(word >> 32) * 0x1p-31f;
  return ldexpf(x, (int)(word & 7) - 4);
}

/* Random codes of a type. */
static Guarded fill(const Type *type, uint64_t *state) {
  size_t n = (size_t)type->elements;
  Guarded data = guarded_new(type_bytes(type), format_bytes(type->format));
  float *x = malloc(n * sizeof *x);
  for (size_t i = 0; i < n; i++)
    x[i] = some_number(state);
  codec_encode_array(type->format, x, data.data, n, OVERFLOW_SATURATE);
  free(x);
  return data;
}

/* ---- the plain loop ----------------------------------------------------- */

/* Offsets of every combination of some letters into one operand, the first
 * letter slowest. */
static int64_t *offsets(Bench *bench, const Trial *trial, const int *letter,
                        int letters, const int *axis, int rank,
                        int64_t *count) {
  int64_t stride[16] = {0}, elements = 1, n = 1;
  for (int i = rank; i-- > 0; elements *= trial->size[axis[i]])
    stride[axis[i]] += elements;
  for (int i = 0; i < letters; i++)
    n *= trial->size[letter[i]];
  int64_t *offset = NEW_ARRAY(bench->arena, int64_t, (size_t)n);
  for (int64_t at = 0; at < n; at++) {
    int64_t left = at;
    for (int i = letters; i-- > 0; left /= trial->size[letter[i]])
      offset[at] += left % trial->size[letter[i]] * stride[letter[i]];
  }
  *count = n;
  return offset;
}

/* Sums, and for each how far one may be from it that rounds products too. */
typedef struct {
  float *sum, *slack;
} Sums;

static void naive(Bench *bench, const TrialCode *made, const Guarded *data,
                  Sums out) {
  const Trial *trial = &made->trial;
  Pattern p = trial_pattern(bench, trial);
  int summed[16], sums = 0;
  for (int letter = 0; letter < p.letters; letter++) {
    bool free_letter = false;
    for (int i = 0; i < p.out_rank; i++)
      free_letter = free_letter || p.out_axis[i] == letter;
    if (!free_letter)
      summed[sums++] = letter;
  }
  int64_t *result[2], *inner[2], count = 0, depth = 0;
  float *x[2];
  for (int i = 0; i < 2; i++) {
    result[i] = offsets(bench, trial, p.out_axis, p.out_rank, p.axis[i],
                        p.rank[i], &count);
    inner[i] =
        offsets(bench, trial, summed, sums, p.axis[i], p.rank[i], &depth);
    size_t n = (size_t)made->type[i]->elements;
    x[i] = malloc(n * sizeof(float));
    codec_decode_array(trial->format[i], data[i].data, x[i], n);
  }
  for (int64_t at = 0; at < count; at++) {
    const float *a = x[0] + result[0][at], *b = x[1] + result[1][at];
    float sum = 0.0f, size = 0.0f;
    for (int64_t k = 0; k < depth; k++) {
      sum = fmaf(a[inner[0][k]], b[inner[1][k]], sum);
      size += fabsf(a[inner[0][k]] * b[inner[1][k]]);
    }
    out.sum[at] = sum;
    out.slack[at] = (float)(depth + 2) * 0x1p-23f * size;
  }
  free(x[0]);
  free(x[1]);
}

/* ---- running ------------------------------------------------------------ */

typedef struct {
  char *pointer[16];
  int32_t argument[16];
  Guarded shared;
} Call;

/* Stage by stage, in `pieces` contiguous ranges of random sizes, each with
 * scratch memory full of NaNs. */
static void run_stages(Bench *bench, const KernelCode *code, Call *call,
                       int pieces, uint64_t *state) {
  for (int s = 0; s < code->stages; s++) {
    const Stage *stage = &code->stage[s];
    SgKernel *kernel;
    *(void **)&kernel =
        workshop_find(bench->workshop, LLVMGetValueName(stage->function));
    assert_int_equal(stage->scratch_bytes % 64, 0);
    int64_t begin = 0;
    for (int piece = 1; begin < stage->count; piece++) {
      int64_t left = stage->count - begin;
      int64_t end =
          piece >= pieces
              ? stage->count
              : begin + (int64_t)(next_random(state) % (uint64_t)(left + 1));
      Guarded scratch = guarded_new((size_t)stage->scratch_bytes, 64);
      memset(scratch.data, 0xFF, (size_t)stage->scratch_bytes);
      kernel(call->pointer, call->argument, begin, end, scratch.data);
      guarded_check(&scratch);
      guarded_free(&scratch);
      begin = end;
    }
  }
}

/* What is stored under each value's node, from the sums. */
static void expected(const TrialCode *made, Op op, float sum, float bias,
                     void *out, int64_t at) {
  const Trial *trial = &made->trial;
  float y = f32_scale2(sum, trial->shift);
  if (op != OP_EINSUM)
    y = y + bias;
  if (op == OP_RELU || op == OP_CAST)
    y = y > 0.0f ? y : 0.0f;
  Format format = op == OP_CAST ? trial->result : FORMAT_F32;
  uint32_t code = codec_encode(format, y, OVERFLOW_SATURATE);
  size_t bytes = format_bytes(format);
  memcpy((char *)out + (size_t)at * bytes, &code, bytes);
}

static void compare_bits(const TrialCode *made, const Node *node,
                         const Guarded *found, Sums sums, const float *bias) {
  size_t bytes = format_bytes(node->type->format);
  int64_t columns =
      node->type->rank > 0 ? node->type->dim[node->type->rank - 1] : 1;
  for (int64_t i = 0; i < node->type->elements; i++) {
    uint32_t wanted = 0, got = 0;
    expected(made, node->op, sums.sum[i], bias ? bias[i % columns] : 0.0f,
             &wanted, 0);
    memcpy(&got, found->data + (size_t)i * bytes, bytes);
    if (wanted != got)
      fail_msg("%s of %s (%lld %lld %lld %lld) %s: element %lld is %x, not %x",
               op_info(node->op)->text, made->trial.pattern,
               (long long)made->trial.size[0], (long long)made->trial.size[1],
               (long long)made->trial.size[2], (long long)made->trial.size[3],
               format_info(made->trial.format[0])->text, (long long)i, got,
               wanted);
  }
}

/* For code that may round products: within the slack. */
static void compare_near(const TrialCode *made, const Node *node,
                         const Guarded *found, Sums sums) {
  const float *got = (const float *)(const void *)found->data;
  for (int64_t i = 0; i < node->type->elements; i++) {
    float wanted = f32_scale2(sums.sum[i], made->trial.shift);
    float slack = f32_scale2(sums.slack[i], made->trial.shift);
    if (!(fabsf(got[i] - wanted) <= slack))
      fail_msg("%s: element %lld is %a, not %a", made->trial.pattern,
               (long long)i, (double)got[i], (double)wanted);
  }
}

/* Fresh results, a fresh work area, `pieces` ranges for each stage. */
static void run_once(Bench *bench, const TrialCode *made, Sums sums,
                     Guarded *data, int pieces, uint64_t *state) {
  const KernelCode *code = made->code;
  Guarded result[16];
  Call call = {.shared = guarded_new((size_t)code->shared_bytes, 64)};
  memset(call.shared.data, 0xFF, (size_t)code->shared_bytes);
  for (size_t i = 0; i < code->pointer.length; i++) {
    const KernelPointer *pointer = &code->pointer.data[i];
    const Node *node = graph_node(made->graph, pointer->value);
    if (pointer->written) {
      result[i] =
          guarded_new(type_bytes(node->type), format_bytes(node->type->format));
      call.pointer[i] = result[i].data;
    } else {
      call.pointer[i] = data[pointer->value - 1].data;
    }
  }
  call.pointer[code->pointer.length] = call.shared.data;
  for (size_t i = 0; i < code->argument.length; i++) {
    const KernelArgument *argument = &code->argument.data[i];
    call.argument[argument->index] = argument->shift.exponent;
  }
  run_stages(bench, code, &call, pieces, state);
  for (size_t i = 0; i < code->pointer.length; i++) {
    if (!code->pointer.data[i].written)
      continue;
    const Node *node = graph_node(made->graph, code->pointer.data[i].value);
    if (bench->workshop->emit.strict)
      compare_bits(made, node, &result[i], sums,
                   made->trial.bias ? (const float *)(const void *)data[2].data
                                    : NULL);
    else if (node->op == OP_EINSUM)
      compare_near(made, node, &result[i], sums);
    guarded_check(&result[i]);
    guarded_free(&result[i]);
  }
  guarded_check(&call.shared);
  guarded_free(&call.shared);
}

static void check_trial(Bench *bench, const TrialCode *made, uint64_t seed) {
  uint64_t state = seed;
  int inputs = made->trial.bias ? 3 : 2;
  Guarded data[3];
  for (int i = 0; i < inputs; i++)
    data[i] = fill(graph_node(made->graph, (ValueId)i + 1)->type, &state);
  size_t n = (size_t)made->out->elements;
  Sums sums = {malloc(n * sizeof(float)), malloc(n * sizeof(float))};
  naive(bench, made, data, sums);
  run_once(bench, made, sums, data, 1, &state);
  run_once(bench, made, sums, data, 4, &state);
  run_once(bench, made, sums, data, 1000, &state);
  free(sums.sum);
  free(sums.slack);
  for (int i = 0; i < inputs; i++) {
    guarded_check(&data[i]);
    guarded_free(&data[i]);
  }
}

void bench_check(Bench *bench) {
  workshop_load(bench->workshop);
  for (size_t i = 0; i < bench->code.length; i++)
    check_trial(bench, &bench->code.data[i], i + 1);
}

void bench_free(Bench *bench) {
  workshop_free(bench->workshop);
  for (size_t i = 0; i < bench->code.length; i++)
    graph_free(bench->code.data[i].graph);
  vec_free(&bench->code);
  program_free(bench->program);
  sources_free(&bench->sources);
  arena_free(bench->arena);
}
