/* What a program computes: one step of every entry, for comparing it before
 * and after a pass.
 *
 * In: a program at any level, a precision, one of the sets of inputs. Out: the
 * values, data * 2^exponent, of its results and parameters.
 */
#include "tests/smith/smith.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/rng.h"

/* ---- inputs -------------------------------------------------------------- */

static double special_number(Dice *dice) {
  static const double special[] = {
      0.0,      -0.0,      INFINITY, -INFINITY,      NAN,
      0x1p-149, -0x1p-149, 0x1p-126, 0x1.8p-127,     448,
      464.5,    57344,     65520,    0x1.fffffep127, -0x1p127,
      88.7,     -103.9,    0x1p-9,   -0.5,           2.5};
  return (double)(float)
      special[dice_below(dice, (int64_t)(sizeof special / sizeof *special))];
}

static double real_number(Dice *dice, int set) {
  double unit = 1 + (double)dice_below(dice, 1 << 23) * 0x1p-23;
  double sign = dice_chance(dice, 50) ? -1 : 1;
  switch (set) {
  case 0:
    return (double)dice_range(dice, -4, 4);
  case 1:
    return sign * (unit - 0.999);
  case 2:
    return sign * ldexp(unit, (int)dice_range(dice, -60, 60));
  default:
    return dice_chance(dice, 30) ? special_number(dice) : sign * unit;
  }
}

static double element(Dice *dice, const Type *type, int64_t limit, int set) {
  if (type_is_real(type)) {
    double x = real_number(dice, set);
    if (format_bytes(type->format) > 0 && format_bytes(type->format) < 4)
      x = (double)codec_decode(
          type->format,
          codec_encode(type->format, (float)x, OVERFLOW_SATURATE));
    return x;
  }
  if (type->format == FORMAT_BOOL)
    return (double)dice_below(dice, 2);
  if (limit > 0)
    return (double)dice_below(dice, limit);
  if (set == 2 && type->format == FORMAT_I32)
    return (double)dice_range(dice, INT32_MIN, INT32_MAX);
  bool is_signed = format_info(type->format)->kind == KIND_INT;
  return (double)dice_range(dice, is_signed ? -9 : 0, 20);
}

/* Labels keep the limits of the program as it was written, whatever a pass has
 * found to be dead. */
static const Input *reference_input(const Graph *reference,
                                    const Input *input) {
  for (size_t i = 0; i < reference->input.length; i++)
    if (strcmp(reference->input.data[i].name, input->name) == 0)
      return &reference->input.data[i];
  return NULL;
}

static void fill(const Graph *reference, const Input *input, Dice dice, int set,
                 double *data) {
  const Input *own = reference_input(reference, input);
  if (!own)
    return;
  const Type *type = graph_node(reference, own->value)->type;
  int64_t limit = graph_label_limit(reference, own->value);
  for (int64_t i = 0; i < type->elements; i++)
    data[i] = element(&dice, type, limit, set);
}

Tensor *inputs_make(Arena *arena, const Graph *graph, const Graph *reference,
                    int set) {
  size_t rounds = graph->run.accumulate > 0 ? (size_t)graph->run.accumulate : 1;
  size_t each = graph->input.length;
  Tensor *tensor = NEW_ARRAY(arena, Tensor, each * rounds + 1);
  for (size_t i = 0; i < each * rounds; i++) {
    const Input *input = &graph->input.data[i % each];
    const Type *type = graph_node(graph, input->value)->type;
    Dice dice = dice_new(rng_hash_name(input->name),
                         (uint64_t)(i / each * 8 + 3) + (uint64_t)set);
    double *data = NEW_ARRAY(arena, double, (size_t)type->elements + 1);
    fill(reference, input, dice, set, data);
    tensor[i] = (Tensor){.type = type, .data = data};
  }
  return tensor;
}

uint64_t evaluation_seed(int set) {
  return (uint64_t)set + 5;
}

/* ---- taking -------------------------------------------------------------- */

static void keep_tensor(Outcome *outcome, const char *name,
                        const Tensor *tensor) {
  vec_push(&outcome->name, name);
  vec_push(&outcome->start, outcome->number.length);
  for (int64_t i = 0; i < tensor->type->elements; i++)
    vec_push(&outcome->number, ldexp(tensor->data[i], tensor->exponent));
}

/* Exponents that are held, or are those of steps before, take a second step. */
static uint64_t steps_of(const Program *program, const Graph *graph) {
  const Recipe *recipe = program_recipe(program, graph->recipe);
  if (graph->kind != ENTRY_TRAIN || !recipe)
    return 1;
  for (size_t i = 0; i < recipe->rule.length; i++)
    if (recipe->rule.data[i].settings.every > 1 ||
        recipe->rule.data[i].settings.amax_history > 0)
      return 3;
  return 1;
}

static void keep_results(Outcome *outcome, const Program *program,
                         const Evaluator *evaluator, const Graph *graph,
                         const char *step) {
  Interner *interner = program->interner;
  for (size_t i = 0; i < graph->result.length; i++)
    keep_tensor(
        outcome,
        intern_printf(interner, "%s%s", graph->result.data[i].name, step),
        evaluator_value(evaluator, graph, graph->result.data[i].value));
}

static bool run_entry(Outcome *outcome, Arena *arena, const Program *program,
                      const Program *reference, Evaluator *evaluator,
                      const Graph *graph, int set, bool once) {
  const char *error = NULL;
  const Graph *plain = program_graph(reference, graph->name);
  Tensor *inputs = inputs_make(arena, graph, plain, set);
  uint64_t steps = once ? 1 : steps_of(reference, plain);
  for (uint64_t step = 1; step <= steps; step++) {
    if (!evaluator_step(evaluator, graph, step, inputs, &error)) {
      outcome->error = error;
      return false;
    }
    if (step == 1 || step == steps)
      keep_results(outcome, program, evaluator, graph,
                   step == 1 ? "" : ", last step");
  }
  return true;
}

Outcome outcome_take(const Program *program, const Program *reference,
                     Precision precision, int set, bool once) {
  Outcome outcome = {.taken = true};
  Arena *arena = arena_new();
  Evaluator *evaluator =
      evaluator_new(program, precision, evaluation_seed(set));
  for (size_t i = 0; outcome.taken && i < program->graph.length; i++)
    outcome.taken = run_entry(&outcome, arena, program, reference, evaluator,
                              program->graph.data[i], set, once);
  for (size_t i = 0; i < program->param.length; i++)
    keep_tensor(
        &outcome,
        intern_printf(program->interner, "@%s", program->param.data[i].name),
        evaluator_param(evaluator, (int)i));
  outcome.certified = evaluator_certified(evaluator);
  if (outcome.error)
    outcome.error = intern(program->interner, outcome.error);
  evaluator_free(evaluator);
  arena_free(arena);
  return outcome;
}

void outcome_free(Outcome *outcome) {
  vec_free(&outcome->name);
  vec_free(&outcome->start);
  vec_free(&outcome->number);
}

/* ---- comparing ----------------------------------------------------------- */

static bool same_value(double a, double b) {
  return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static size_t tensor_end(const Outcome *outcome, size_t i) {
  return i + 1 < outcome->start.length ? outcome->start.data[i + 1]
                                       : outcome->number.length;
}

/* A result by its name; names come from different interners. */
static size_t find_tensor(const Outcome *outcome, const char *name,
                          size_t guess) {
  size_t count = outcome->name.length;
  for (size_t i = 0; i < count; i++) {
    size_t at = (guess + i) % count;
    if (strcmp(outcome->name.data[at], name) == 0)
      return at;
  }
  return count;
}

static bool same_tensor(const Outcome *a, size_t i, const Outcome *b, size_t j,
                        Arena *arena, const char **what) {
  size_t n = tensor_end(a, i) - a->start.data[i];
  if (n != tensor_end(b, j) - b->start.data[j]) {
    *what = arena_printf(arena, "%s has another shape", a->name.data[i]);
    return false;
  }
  for (size_t k = 0; k < n; k++) {
    double x = a->number.data[a->start.data[i] + k];
    double y = b->number.data[b->start.data[j] + k];
    if (same_value(x, y))
      continue;
    *what = arena_printf(arena, "%s, element %zu: %a before, %a after",
                         a->name.data[i], k, x, y);
    return false;
  }
  return true;
}

bool outcome_agrees(const Outcome *before, const Outcome *after,
                    const char *prefix, Arena *arena, const char **what) {
  if (before->taken != after->taken) {
    *what = arena_printf(arena, "evaluated %s only: %s",
                         before->taken ? "before" : "after",
                         before->taken ? after->error : before->error);
    return false;
  }
  for (size_t i = 0; before->taken && i < before->name.length; i++) {
    const char *name = before->name.data[i];
    if (prefix && strncmp(name, prefix, strlen(prefix)) == 0)
      continue;
    size_t j = find_tensor(after, name, i);
    if (j == after->name.length) {
      *what = arena_printf(arena, "%s is gone", name);
      return false;
    }
    if (!same_tensor(before, i, after, j, arena, what))
      return false;
  }
  return true;
}
