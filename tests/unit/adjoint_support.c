/* The driver of the adjoint tests; adjoint_support.h says what it checks. */
#include "tests/unit/adjoint_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "compiler/pass/gradient.h"
#include "ir/rng.h"

/* ---- dual numbers -------------------------------------------------------- */

void dual_index(const Type *type, int64_t element, int64_t index[MAX_RANK]) {
  for (int i = type->rank; i-- > 0;) {
    index[i] = element % type->dim[i];
    element /= type->dim[i];
  }
}

int64_t dual_offset(const Type *type, const int64_t index[MAX_RANK]) {
  int64_t offset = 0;
  for (int i = 0; i < type->rank; i++)
    offset = offset * type->dim[i] + index[i];
  return offset;
}

Dual dual_broadcast(const DualCall *call, int operand, int64_t element) {
  const Type *out = call->out.type, *in = call->in[operand].type;
  int64_t index[MAX_RANK], own[MAX_RANK];
  dual_index(out, element, index);
  for (int i = 0; i < in->rank; i++)
    own[i] = in->dim[i] == 1 ? 0 : index[out->rank - in->rank + i];
  return call->in[operand].data[dual_offset(in, own)];
}

Pattern dual_pattern(const DualCall *call) {
  Pattern pattern;
  const char *error = "";
  size_t offset;
  if (!pattern_parse(call->program->interner, call->node->attr.pattern,
                     &pattern, &error, &offset))
    fail_msg("%s", error);
  return pattern;
}

/* ---- cases --------------------------------------------------------------- */

AdjointCase adjoint_case(Op op) {
  return (AdjointCase){.op = op, .attr = attributes_neutral()};
}

static void add_operand(AdjointCase *c, AdjointOperand operand) {
  assert_true(c->operands < MAX_INPUTS);
  c->operand[c->operands++] = operand;
}

void adjoint_vary(AdjointCase *c, Extent extent, Fill fill, double low,
                  double high) {
  add_operand(
      c, (AdjointOperand){FORMAT_REAL, extent, true, fill, low, high, NULL});
}

void adjoint_fix(AdjointCase *c, Format format, Extent extent, Fill fill,
                 double low, double high) {
  add_operand(c,
              (AdjointOperand){format, extent, false, fill, low, high, NULL});
}

void adjoint_state(AdjointCase *c, Format format, Extent extent) {
  c->stated = true;
  c->format = format;
  c->extent = extent;
}

/* ---- one setting: which operands vary, and what else reads them ---------- */

enum { ALL_VARY = -1 };

typedef struct {
  const AdjointCase *c;
  int only;     /* the one operand that is a parameter; ALL_VARY */
  bool fan_out; /* the result is used twice, parameters once more */
  bool unused;  /* the op is there twice, once for nothing */
  Sketch *s;
  Tensor *data[MAX_INPUTS]; /* of the operands */
  double *direction[MAX_INPUTS], *derived[MAX_INPUTS];
  ValueId operand[MAX_INPUTS], y;
  double *weight;             /* u */
  double *second[MAX_INPUTS]; /* what each parameter is weighed with */
} Setting;

static const char *const operand_name[MAX_INPUTS] = {"a", "b", "c", "d",
                                                     "e", "f", "g", "h"};

static bool varies(const Setting *t, int operand) {
  return t->c->operand[operand].varies &&
         (t->only == ALL_VARY || t->only == operand);
}

static void shuffle(Sketch *s, double *data, int64_t n) {
  for (int64_t i = n; i > 1; i--) {
    int64_t j = (int64_t)(sketch_random(s) % (uint64_t)i);
    double kept = data[i - 1];
    data[i - 1] = data[j];
    data[j] = kept;
  }
}

static double fill_one(Sketch *s, const AdjointOperand *o, int operand,
                       int64_t i, int64_t n) {
  double x = sketch_uniform(s, o->low, o->high);
  if (o->fill == FILL_APART)
    x = (floor(x * 32) + operand / 8.0) / 32;
  switch (o->fill) {
  case FILL_UNIFORM:
    return x;
  case FILL_SIGNED:
  case FILL_APART:
    return sketch_random(s) & 1 ? -x : x;
  case FILL_WHOLE:
    return floor(x);
  case FILL_DISTINCT:
    return o->low + (o->high - o->low) * ((double)i + 0.5) / (double)n;
  default:
    return o->given[i];
  }
}

static void fill_operand(Setting *t, int operand) {
  Sketch *s = t->s;
  const AdjointOperand *o = &t->c->operand[operand];
  Tensor *tensor = t->data[operand];
  int64_t n = tensor->type->elements;
  for (int64_t i = 0; i < n; i++)
    tensor->data[i] = fill_one(s, o, operand, i, n);
  if (o->fill == FILL_DISTINCT)
    shuffle(s, tensor->data, n);
}

/* Random numbers of either sign. */
static double *random_numbers(Sketch *s, int64_t n) {
  double *out = NEW_ARRAY(s->arena, double, (size_t)n);
  for (int64_t i = 0; i < n; i++)
    out[i] = sketch_uniform(s, 0.25, 1) * (sketch_random(s) & 1 ? -1 : 1);
  return out;
}

static void add_operands(Setting *t) {
  for (int i = 0; i < t->c->operands; i++) {
    const AdjointOperand *o = &t->c->operand[i];
    t->operand[i] =
        varies(t, i)
            ? sketch_param(t->s, operand_name[i], o->extent)
            : sketch_labels(t->s, operand_name[i], o->format, o->extent,
                            o->format == FORMAT_REAL ? 0 : 1);
  }
}

static ValueId add_case(Setting *t, const char *name) {
  const AdjointCase *c = t->c;
  Node node = node_make(c->op, PHASE_FORWARD, NULL, 0, 0, 0);
  memcpy(node.input, t->operand, sizeof node.input);
  node.attr = c->attr;
  if (c->pattern)
    node.attr.pattern = intern(t->s->program->interner, c->pattern);
  if (c->stated)
    node.type = sketch_type(t->s, c->format, c->extent);
  return sketch_add(t->s, name, &node);
}

static Extent extent_of(Sketch *s, ValueId id) {
  const Type *type = graph_node(sketch_graph(s), id)->type;
  Extent extent = {.rank = type->rank};
  memcpy(extent.dim, type->dim, sizeof extent.dim);
  return extent;
}

static const char *const total_pattern[] = {NULL,
                                            "a ->",
                                            "a b ->",
                                            "a b c ->",
                                            "a b c d ->",
                                            "a b c d e ->",
                                            "a b c d e f ->",
                                            "a b c d e f g ->",
                                            "a b c d e f g h ->"};

/* <weights, x>, with the weights as data named `name`. */
static ValueId weighed(Sketch *s, ValueId x, const char *name,
                       double **weights) {
  Extent extent = extent_of(s, x);
  size_t at = sketch_graph(s)->input.length;
  ValueId w = sketch_input(s, name, extent);
  *weights = random_numbers(s, s->input[at].type->elements);
  s->input[at].data = *weights;
  ValueId product = sketch_op(s, NULL, OP_MUL, x, w, 0);
  if (extent.rank == 0)
    return product;
  return sketch_pattern(s, NULL, OP_SUM, product, 0,
                        total_pattern[extent.rank]);
}

/* loss = <u, y>, and with fan-out <u, y> + <u', y> + sum of <w, parameter>,
 * where u' = u. */
static void add_loss(Setting *t) {
  Sketch *s = t->s;
  ValueId loss = weighed(s, t->y, "u", &t->weight);
  if (t->fan_out) {
    Interner *interner = s->program->interner;
    double *again;
    ValueId more = weighed(s, t->y, "u.again", &again);
    memcpy(again, t->weight,
           (size_t)graph_node(sketch_graph(s), t->y)->type->elements *
               sizeof *again);
    loss = sketch_op(s, NULL, OP_ADD, loss, more, 0);
    for (int i = 0; i < t->c->operands; i++)
      if (varies(t, i)) {
        const char *name = intern_printf(interner, "w.%s", operand_name[i]);
        more = weighed(s, t->operand[i], name, &t->second[i]);
        loss = sketch_op(s, NULL, OP_ADD, loss, more, 0);
      }
  }
  sketch_return(s, "loss", loss);
  sketch_return(s, "y", t->y);
  sketch_minimize(s, loss);
}

static void evaluate(Setting *t) {
  const char *error = "";
  if (!evaluator_step(t->s->evaluator, sketch_graph(t->s), 1, t->s->input,
                      &error))
    fail_msg("%s", error);
}

static Tensor *operand_tensor(Setting *t, int operand) {
  int param = program_param(t->s->program, operand_name[operand]);
  if (param >= 0)
    return evaluator_param(t->s->evaluator, param);
  const Graph *graph = sketch_graph(t->s);
  for (size_t i = 0; i < graph->input.length; i++)
    if (strcmp(graph->input.data[i].name, operand_name[operand]) == 0)
      return &t->s->input[i];
  fail_msg("operand %s is lost", operand_name[operand]);
  return NULL;
}

/* Random data and directions, and the derived gradients there. */
static void first_step(Setting *t) {
  Sketch *s = t->s;
  s->evaluator = evaluator_new(s->program, PRECISION_F64, 7);
  for (int i = 0; i < t->c->operands; i++) {
    t->data[i] = operand_tensor(t, i);
    fill_operand(t, i);
    t->direction[i] = random_numbers(s, t->data[i]->type->elements);
  }
  evaluate(t);
  for (int i = 0; i < t->c->operands; i++)
    if (varies(t, i)) {
      const char *name =
          intern_printf(s->program->interner, "d.%s", operand_name[i]);
      size_t bytes = (size_t)t->data[i]->type->elements * sizeof(double);
      t->derived[i] = arena_copy(s->arena, sketch_result(s, name), bytes);
    }
}

static Setting setting_new(const AdjointCase *c, int only) {
  return (Setting){.c = c, .only = only, .s = sketch_new(ENTRY_TRAIN)};
}

static void setting_build(Setting *t) {
  /* By name, so that new ops leave the numbers of the old ones alone. */
  t->s->seed = rng_hash_name(op_info(t->c->op)->text);
  add_operands(t);
  if (t->unused)
    add_case(t, "unused");
  t->y = add_case(t, "y");
  add_loss(t);
}

static void setting_derive(Setting *t) {
  setting_build(t);
  sketch_pass(t->s, PASS_autodiff);
  first_step(t);
}

/* ---- for other oracles --------------------------------------------------- */

Sketch *adjoint_program(const AdjointCase *c) {
  Setting t = setting_new(c, ALL_VARY);
  setting_build(&t);
  return t.s;
}

void adjoint_fill(const AdjointCase *c, Sketch *s,
                  const int raise[MAX_INPUTS]) {
  Setting t = {.c = c, .only = ALL_VARY, .s = s};
  s->seed = rng_hash_name(op_info(c->op)->text) + 1;
  for (int i = 0; i < c->operands; i++) {
    t.data[i] = operand_tensor(&t, i);
    fill_operand(&t, i);
    Tensor *tensor = t.data[i];
    if (!type_is_real(tensor->type))
      continue;
    for (int64_t j = 0; j < tensor->type->elements; j++)
      tensor->data[j] =
          ldexp((double)(float)tensor->data[j], raise[i] - tensor->exponent);
  }
}

static void SG_PRINTF(2, 3) setting_fail(Setting *t, const char *format, ...) {
  Buffer text = {0};
  va_list args;
  va_start(args, format);
  buffer_vprintf(&text, format, args);
  va_end(args);
  fail_msg("%s: %s\n%s", op_info(t->c->op)->text, text.data, sketch_text(t->s));
}

/* ---- forward mode -------------------------------------------------------- */

static DualRule *dual_rule(const Adjoint *a, Op op) {
  for (const DualRow *row = a->duals; row->rule; row++)
    if (row->op == op)
      return row->rule;
  fail_msg("%s has no dual rule in its family", op_info(op)->text);
  return NULL;
}

/* The op in the direction that is `direction[i]` in operand i, 0 where NULL. */
static DualTensor forward(const Adjoint *a, Setting *t,
                          double *const direction[MAX_INPUTS]) {
  Sketch *s = t->s;
  const Node *node = graph_node(sketch_graph(s), sketch_find(s, "y"));
  DualCall call = {.program = s->program, .node = node};
  call.inputs = t->c->operands;
  call.evaluated = sketch_result(s, "y");
  call.out.type = node->type;
  call.out.data = NEW_ARRAY(s->arena, Dual, (size_t)node->type->elements);
  for (int i = 0; i < call.inputs; i++) {
    call.in[i].type = t->data[i]->type;
    int64_t n = t->data[i]->type->elements;
    call.in[i].data = NEW_ARRAY(s->arena, Dual, (size_t)n);
    for (int64_t j = 0; j < n; j++)
      call.in[i].data[j] =
          dual(t->data[i]->data[j], direction[i] ? direction[i][j] : 0);
  }
  dual_rule(a, t->c->op)(&call);
  return call.out;
}

/* The largest magnitude of a finite number among the operands. */
static double largest_operand(const Setting *t) {
  double largest = 0;
  for (int i = 0; i < t->c->operands; i++)
    for (int64_t j = 0; j < t->data[i]->type->elements; j++)
      if (isfinite(t->data[i]->data[j]))
        largest = fmax(largest, fabs(t->data[i]->data[j]));
  return largest;
}

/* Beside cancelling terms as large as an operand. */
static bool values_agree(double a, double b, double largest) {
  return a == b || (isnan(a) && isnan(b)) ||
         fabs(a - b) <= 1e-12 * fmax(fmax(fabs(a), fabs(b)), largest);
}

static void check_values(const Adjoint *a, Setting *t) {
  double *none[MAX_INPUTS] = {0};
  DualTensor y = forward(a, t, none);
  const double *value = sketch_result(t->s, "y");
  double largest = largest_operand(t);
  for (int64_t i = 0; i < y.type->elements; i++) {
    if (!values_agree(y.data[i].v, value[i], largest))
      setting_fail(t, "element %d is %.17g, by the dual rule %.17g", (int)i,
                   value[i], y.data[i].v);
    if (y.data[i].d != 0)
      setting_fail(t, "the dual rule moves where nothing moves");
  }
}

/* d loss along a direction, and the sum of the magnitudes of its terms. */
typedef struct {
  double sum, magnitude;
} Inner;

static void inner_add(Inner *inner, double x, double y) {
  inner->sum += x * y;
  inner->magnitude += fabs(x * y);
}

static Inner inner_forward(const Adjoint *a, Setting *t,
                           double *const direction[MAX_INPUTS]) {
  Inner inner = {0, 0};
  DualTensor y = forward(a, t, direction);
  for (int64_t i = 0; i < y.type->elements; i++)
    inner_add(&inner, t->weight[i] * (t->fan_out ? 2 : 1), y.data[i].d);
  for (int i = 0; i < t->c->operands; i++)
    for (int64_t j = 0;
         t->second[i] && direction[i] && j < t->data[i]->type->elements; j++)
      inner_add(&inner, t->second[i][j], direction[i][j]);
  return inner;
}

static Inner inner_reverse(Setting *t, double *const direction[MAX_INPUTS]) {
  Inner inner = {0, 0};
  for (int i = 0; i < t->c->operands; i++)
    for (int64_t j = 0; direction[i] && j < t->data[i]->type->elements; j++)
      inner_add(&inner, t->derived[i][j], direction[i][j]);
  return inner;
}

static void check_direction(const Adjoint *a, Setting *t,
                            double *const direction[MAX_INPUTS]) {
  Inner jv = inner_forward(a, t, direction);
  Inner jtu = inner_reverse(t, direction);
  if (!(fabs(jv.sum - jtu.sum) <=
        1e-12 * (jv.magnitude + jtu.magnitude) + 1e-15))
    setting_fail(t, "<u, J v> is %.17g, <J' u, v> is %.17g", jv.sum, jtu.sum);
}

/* Each element of J' u by the dual rule in its direction. */
static void check_elements(const Adjoint *a, Setting *t, int operand) {
  int64_t n = t->data[operand]->type->elements;
  double *unit[MAX_INPUTS] = {0};
  unit[operand] = NEW_ARRAY(t->s->arena, double, (size_t)n);
  for (int64_t j = 0; n <= 64 && j < n; j++) {
    unit[operand][j] = 1;
    check_direction(a, t, unit);
    unit[operand][j] = 0;
  }
}

/* ---- differences --------------------------------------------------------- */

static double loss_along(Setting *t, double *const direction[MAX_INPUTS],
                         double h) {
  for (int i = 0; i < t->c->operands; i++)
    for (int64_t j = 0; direction[i] && j < t->data[i]->type->elements; j++)
      t->data[i]->data[j] += h * direction[i][j];
  evaluate(t);
  return sketch_result(t->s, "loss")[0];
}

static double difference(Setting *t, double *const direction[MAX_INPUTS],
                         double h) {
  Tensor kept[MAX_INPUTS];
  for (int i = 0; i < t->c->operands; i++) {
    kept[i] = *t->data[i];
    size_t bytes = (size_t)kept[i].type->elements * sizeof(double);
    kept[i].data = arena_copy(t->s->arena, kept[i].data, bytes);
  }
  double loss[2];
  for (int side = 0; side < 2; side++) {
    loss[side] = loss_along(t, direction, side ? h : -h);
    for (int i = 0; i < t->c->operands; i++)
      memcpy(t->data[i]->data, kept[i].data,
             (size_t)kept[i].type->elements * sizeof(double));
  }
  return (loss[1] - loss[0]) / (2 * h);
}

/* The derivative by extrapolation over halved steps; of all estimates the one
 * that its neighbours confirm best (Ridders, Advances in Engineering Software
 * 4, 1982). The first step, 2^-10, keeps within the fills' distance to kinks.
 */
static double measured_slope(Setting *t, double *const direction[MAX_INPUTS]) {
  enum { STEPS = 7 };
  double table[STEPS][STEPS], best = NAN, doubt = INFINITY;
  for (int i = 0; i < STEPS; i++) {
    table[i][0] = difference(t, direction, ldexp(1, -10 - i));
    double factor = 1;
    for (int j = 1; j <= i; j++) {
      factor *= 4;
      table[i][j] =
          (factor * table[i][j - 1] - table[i - 1][j - 1]) / (factor - 1);
      double change = fmax(fabs(table[i][j] - table[i][j - 1]),
                           fabs(table[i][j] - table[i - 1][j - 1]));
      if (change > doubt)
        continue;
      doubt = change;
      best = table[i][j];
    }
  }
  return best;
}

static void check_difference(Setting *t, double *const direction[MAX_INPUTS]) {
  double measured = measured_slope(t, direction);
  Inner jtu = inner_reverse(t, direction);
  if (!(fabs(measured - jtu.sum) <= 1e-7 * fmax(jtu.magnitude, 1e-3)))
    setting_fail(t, "derived %.12g, measured %.12g", jtu.sum, measured);
}

/* ---- a case -------------------------------------------------------------- */

static void check_setting(const Adjoint *a, Setting t) {
  setting_derive(&t);
  check_values(a, &t);
  double *all[MAX_INPUTS] = {0};
  for (int i = 0; i < t.c->operands; i++) {
    if (!varies(&t, i))
      continue;
    double *one[MAX_INPUTS] = {0};
    one[i] = all[i] = t.direction[i];
    check_direction(a, &t, one);
    check_elements(a, &t, i);
  }
  check_direction(a, &t, all);
  check_difference(&t, all);
  sketch_free(t.s);
}

static void remember(Adjoint *a, const AdjointCase *c) {
  a->cases[c->op]++;
  for (int i = 0; i < c->operands; i++) {
    a->varied[c->op][i] |= c->operand[i].varies;
    a->seen[c->op][i] |= c->operand[i].format == FORMAT_REAL;
  }
}

void adjoint_check(Adjoint *a, const AdjointCase *c) {
  int varying = 0;
  if (a->visit) {
    a->visit(c);
    return;
  }
  remember(a, c);
  for (int i = 0; i < c->operands; i++) {
    if (!c->operand[i].varies)
      continue;
    varying++;
    check_setting(a, setting_new(c, i));
  }
  assert_true(varying > 0);
  if (varying > 1)
    check_setting(a, setting_new(c, ALL_VARY));
  Setting busy = setting_new(c, ALL_VARY);
  busy.fan_out = busy.unused = true;
  check_setting(a, busy);
}

void adjoint_expect(const AdjointCase *c, int operand, const double *expected) {
  Setting t = setting_new(c, ALL_VARY);
  setting_derive(&t);
  for (int64_t i = 0; i < t.data[operand]->type->elements; i++)
    t.weight[i % graph_node(sketch_graph(t.s), t.y)->type->elements] = 1;
  evaluate(&t);
  const double *derived =
      sketch_result(t.s, intern_printf(t.s->program->interner, "d.%s",
                                       operand_name[operand]));
  for (int64_t i = 0; i < t.data[operand]->type->elements; i++)
    if (derived[i] != expected[i])
      setting_fail(&t, "d.%s[%d] is %g, expected %g", operand_name[operand],
                   (int)i, derived[i], expected[i]);
  sketch_free(t.s);
}
