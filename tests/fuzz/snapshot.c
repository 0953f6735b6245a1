/* What a program computes: one step of every entry, on fixed inputs.
 *
 * In: a verified program at any level. Out: the bits of its results and
 * parameters. Only programs of little work are evaluated, so that a fuzzer
 * spends its time on programs and not on sums.
 */
#include "tests/fuzz/snapshot.h"

#include "ir/eval.h"

#include <math.h>
#include <string.h>

enum { CHEAP = 1 << 21 };

static const Precision precision[2] = {PRECISION_F32, PRECISION_EDGES};

/* ---- cost ---------------------------------------------------------------- */

/* An initial value costs as much as so many operations. */
enum { INITIAL_COST = 32 };

/* A bound on the work of one node: each of its elements may need all of its
 * largest operand. */
static size_t node_cost(const Graph *graph, const Node *node) {
  size_t largest = 0, cost;
  for (int i = 0; i < node_inputs(node); i++) {
    size_t n = (size_t)graph_node(graph, node->input[i])->type->elements;
    largest = n > largest ? n : largest;
  }
  if (!checked_mul((size_t)node->type->elements, largest + 1, &cost) ||
      cost > CHEAP || largest > CHEAP)
    return CHEAP + 1;
  return cost + largest;
}

/* Micro-batches of a step. */
static size_t graph_rounds(const Graph *graph) {
  return graph->run.accumulate > 0 ? (size_t)graph->run.accumulate : 1;
}

static bool is_cheap(const Program *program) {
  size_t cost = 0;
  for (size_t i = 0; i < program->param.length; i++) {
    size_t n = (size_t)program->param.data[i].type->elements, fill;
    if (!checked_mul(n, INITIAL_COST, &fill) || fill > CHEAP - cost)
      return false;
    cost += fill;
  }
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    if (graph->minimize || graph_rounds(graph) > 16)
      return false;
    for (ValueId id = 1; id < graph->count; id++) {
      cost += node_cost(graph, graph_node(graph, id)) * graph_rounds(graph);
      if (cost > CHEAP)
        return false;
    }
  }
  return true;
}

/* ---- inputs -------------------------------------------------------------- */

static double input_element(const Type *type, int64_t limit, int64_t i) {
  if (type_is_real(type))
    return (double)(i * 7 % 13 - 6) * 0.375;
  if (type->format == FORMAT_BOOL)
    return (double)(i % 2);
  return (double)(i * 5 % (limit > 0 ? limit : 100));
}

static Tensor *inputs_make(Arena *arena, const Graph *graph) {
  size_t count = graph->input.length * graph_rounds(graph);
  Tensor *tensor = NEW_ARRAY(arena, Tensor, count + 1);
  for (size_t i = 0; i < count; i++) {
    ValueId value = graph->input.data[i % graph->input.length].value;
    const Type *type = graph_node(graph, value)->type;
    int64_t limit = graph_label_limit(graph, value);
    double *data = NEW_ARRAY(arena, double, (size_t)type->elements + 1);
    for (int64_t j = 0; j < type->elements; j++)
      data[j] = input_element(type, limit, j);
    tensor[i] = (Tensor){.type = type, .data = data};
  }
  return tensor;
}

/* ---- taking -------------------------------------------------------------- */

static void keep_tensor(Snapshot *snapshot, int which, const Tensor *tensor) {
  for (int64_t i = 0; i < tensor->type->elements; i++)
    vec_push(&snapshot->value[which], ldexp(tensor->data[i], tensor->exponent));
}

static bool run_entries(Snapshot *snapshot, int which, Arena *arena,
                        const Program *program, Evaluator *evaluator) {
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    const char *error = NULL;
    if (!evaluator_step(evaluator, graph, 1, inputs_make(arena, graph), &error))
      return false;
    for (size_t j = 0; j < graph->result.length; j++)
      keep_tensor(
          snapshot, which,
          evaluator_value(evaluator, graph, graph->result.data[j].value));
  }
  for (size_t i = 0; i < program->param.length; i++)
    if (!program->param.data[i].measured)
      keep_tensor(snapshot, which, evaluator_param(evaluator, (int)i));
  return true;
}

Snapshot snapshot_take(const Program *program) {
  Snapshot snapshot = {.level = program->level};
  /* What tells how a value is represented differs between levels. */
  if (!is_cheap(program) || program_has_op(program, OP_SCALE_OF))
    return snapshot;
  Arena *arena = arena_new();
  for (int which = 0; which < 2; which++) {
    Evaluator *evaluator = evaluator_new(program, precision[which], 5);
    snapshot.taken[which] =
        run_entries(&snapshot, which, arena, program, evaluator);
    snapshot.certified[which] = evaluator_certified(evaluator);
    evaluator_free(evaluator);
  }
  arena_free(arena);
  return snapshot;
}

void snapshot_free(Snapshot *snapshot) {
  vec_free(&snapshot->value[0]);
  vec_free(&snapshot->value[1]);
}

/* ---- comparing ----------------------------------------------------------- */

static bool same_value(double a, double b) {
  return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

bool snapshot_agrees(const Snapshot *before, const Snapshot *after,
                     Level level) {
  int which = level >= LEVEL_FORMATTED;
  bool free_to_differ = level == LEVEL_PLAIN && after->level == LEVEL_SCALED &&
                        !(before->certified[which] && after->certified[which]);
  if (!before->taken[which] || !after->taken[which] || free_to_differ)
    return true;
  if (before->value[which].length != after->value[which].length)
    return false;
  for (size_t i = 0; i < before->value[which].length; i++)
    if (!same_value(before->value[which].data[i], after->value[which].data[i]))
      return false;
  return true;
}
