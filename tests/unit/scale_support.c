/* Recipes, runs and comparisons; see scale_support.h. */
#include "tests/unit/scale_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

/* ---- recipes ------------------------------------------------------------ */

static Settings stored_as(Format format) {
  Settings settings = settings_unset();
  settings.forward = settings.gradient = format;
  return settings;
}

static void propagate(Sketch *s, Format format) {
  Settings settings = stored_as(format);
  settings.scaling = SCALING_PROPAGATE;
  sketch_rule(s, "default", settings);
  settings = stored_as(FORMAT_F32);
  settings.scaling = SCALING_FIXED;
  sketch_rule(s, "param, state", settings);
}

void recipe_scaled(Sketch *s) {
  sketch_recipe(s, "scaled");
  propagate(s, FORMAT_F32);
}

void recipe_store(Sketch *s, const char *selectors, Format format) {
  sketch_rule(s, selectors, stored_as(format));
}

void recipe_operands(Sketch *s, Format forward, Format gradient) {
  Settings settings = settings_unset();
  settings.forward = forward;
  settings.gradient = gradient;
  sketch_rule(s, "matmul", settings);
}

void recipe_fp8(Sketch *s) {
  sketch_recipe(s, "fp8");
  propagate(s, FORMAT_BF16);
  recipe_operands(s, FORMAT_E4M3, FORMAT_E5M2);
  Settings rescale = settings_unset();
  rescale.rescale_grad = NORM_L2;
  sketch_rule(s, "loss", rescale);
}

/* ---- programs ----------------------------------------------------------- */

ValueId sketch_normal(Sketch *s, const char *name, Extent extent,
                      double level) {
  ValueId id = sketch_param(s, name, extent);
  s->program->param.data[graph_node(sketch_graph(s), id)->attr.index].init =
      (Init){INIT_NORMAL, exp2(level), 0};
  return id;
}

void sketch_passes(Sketch *s, PassId first, PassId last) {
  for (PassId pass = first; pass <= last; pass++)
    sketch_pass(s, pass);
}

const Node *sketch_node(const Sketch *s, const char *name) {
  ValueId id = sketch_find(s, name);
  if (id == 0)
    fail_msg("no value %s", name);
  const Graph *graph = sketch_graph(s);
  /* A measured exponent and the value rescaled by it share a name. */
  while (node_defines_exponent(graph_node(graph, id)))
    for (id++; graph_node(graph, id)->name == NULL ||
               strcmp(graph_node(graph, id)->name, name) != 0;)
      id++;
  return graph_node(graph, id);
}

void sketch_train_step(Sketch *s) {
  sketch_perceptron(s);
  for (size_t i = 0; i < s->program->param.length; i++)
    s->program->param.data[i].init = s->program->param.data[i].type->rank == 2
                                         ? (Init){INIT_NORMAL, 0.25, 0}
                                         : (Init){INIT_ZEROS, 0, 0};
  ValueId momentum = sketch_state(s, "net.m", EXTENT(3, 5));
  ValueId kept =
      sketch_op(s, "net.m~1", OP_MUL, momentum, sketch_number(s, 0.9), 0);
  const Minimize *minimize = sketch_graph(s)->minimize;
  ValueId gradient = 0;
  for (size_t i = 0; i < minimize->count; i++)
    if (graph_node(sketch_graph(s), minimize->placeholder[i])->type->rank == 2)
      gradient = minimize->placeholder[i];
  ValueId next = sketch_op(s, "net.m'2", OP_ADD, kept, gradient, 0);
  sketch_store(s, "net.m", next);
  sketch_return(s, "logits", sketch_find(s, "logits"));
  sketch_passes(s, PASS_simplify, PASS_rescale);
}

/* ---- runs --------------------------------------------------------------- */

static void record_add(Sketch *s, Record *record, const char *name,
                       const Tensor *tensor) {
  size_t n = (size_t)tensor->type->elements;
  double *data = NEW_ARRAY(s->arena, double, n + 1);
  for (size_t i = 0; i < n; i++)
    data[i] = ldexp(tensor->data[i], tensor->exponent);
  record->name[record->count] = name;
  record->data[record->count] = data;
  record->length[record->count++] = n;
}

static void record_values(Sketch *s, Record *record) {
  const Graph *graph = sketch_graph(s);
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    const Tensor *tensor = evaluator_value(s->evaluator, graph, id);
    if (node->name != NULL && node->op != OP_PARAM &&
        !node_defines_exponent(node) && tensor != NULL)
      record_add(s, record, node->name, tensor);
  }
}

Record sketch_record(Sketch *s, Precision precision, int steps) {
  const char *error = "";
  evaluator_free(s->evaluator);
  s->evaluator = evaluator_new(s->program, precision, 7);
  for (int step = 1; step <= steps; step++)
    if (!evaluator_step(s->evaluator, sketch_graph(s), (uint64_t)step, s->input,
                        &error))
      fail_msg("%s", error);
  return sketch_values(s);
}

Record sketch_values(Sketch *s) {
  size_t most = sketch_graph(s)->count + s->program->param.length;
  Record record = {0, NEW_ARRAY(s->arena, const char *, most),
                   NEW_ARRAY(s->arena, const double *, most),
                   NEW_ARRAY(s->arena, size_t, most)};
  record_values(s, &record);
  for (size_t i = 0; i < s->program->param.length; i++)
    record_add(s, &record, s->program->param.data[i].name,
               evaluator_param(s->evaluator, (int)i));
  return record;
}

static void expect_equal(const char *name, const double *a, const double *b,
                         size_t n) {
  for (size_t i = 0; i < n; i++)
    if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
      fail_msg("%s, element %zu: %a and %a", name, i, a[i], b[i]);
}

size_t record_expect_equal(const Record *a, const Record *b) {
  size_t common = 0;
  for (size_t i = 0; i < a->count; i++)
    for (size_t j = 0; j < b->count; j++) {
      if (strcmp(a->name[i], b->name[j]) != 0)
        continue;
      assert_int_equal(a->length[i], b->length[j]);
      expect_equal(a->name[i], a->data[i], b->data[j], a->length[i]);
      common++;
    }
  return common;
}

double sketch_rms(Sketch *s, ValueId id) {
  const Tensor *tensor = evaluator_value(s->evaluator, sketch_graph(s), id);
  assert_non_null(tensor);
  double squares = 0;
  for (int64_t i = 0; i < tensor->type->elements; i++)
    squares += tensor->data[i] * tensor->data[i];
  return sqrt(squares / (double)tensor->type->elements);
}

/* ---- random programs ---------------------------------------------------- */

enum { SIDE = 4, RANDOM_OPS = 45 };

/* The values so far by shape: [4,4], [4] and []. */
typedef struct {
  Sketch *s;
  bool rescales;
  ValueId value[3][RANDOM_OPS + 16];
  int count[3];
} Mill;

static void mill_add(Mill *mill, int rank, ValueId id) {
  mill->value[rank][mill->count[rank]++] = id;
}

static ValueId mill_pick(Mill *mill, int rank) {
  uint64_t n = (uint64_t)mill->count[rank];
  return mill->value[rank][sketch_random(mill->s) % n];
}

static Extent mill_extent(int rank) {
  return rank == 2   ? EXTENT(SIDE, SIDE)
         : rank == 1 ? EXTENT(SIDE)
                     : EXTENT_SCALAR;
}

static void mill_unary(Mill *mill, Op op, int rank) {
  mill_add(mill, rank,
           sketch_op(mill->s, NULL, op, mill_pick(mill, rank), 0, 0));
}

/* Sums and products, some with a shorter operand that is repeated. */
static void mill_binary(Mill *mill, Op op) {
  int rank = (int)(sketch_random(mill->s) % 3);
  int other = (int)(sketch_random(mill->s) % (uint64_t)(rank + 1));
  ValueId a = mill_pick(mill, rank), b = mill_pick(mill, other);
  mill_add(mill, rank, sketch_op(mill->s, NULL, op, a, b, 0));
}

/* a where a > b, else b or 0. */
static void mill_choice(Mill *mill, int rank) {
  Sketch *s = mill->s;
  ValueId a = mill_pick(mill, rank), b = mill_pick(mill, rank);
  ValueId mask = sketch_op(s, NULL, OP_GT, a, b, 0);
  ValueId other = sketch_random(s) % 2 ? b : sketch_number(s, 0);
  mill_add(mill, rank, sketch_op(s, NULL, OP_SELECT, mask, a, other));
}

static void mill_view(Mill *mill) {
  Sketch *s = mill->s;
  ValueId flat = sketch_shaped(s, NULL, OP_RESHAPE, mill_pick(mill, 2),
                               FORMAT_REAL, EXTENT(SIDE * SIDE), NULL);
  ValueId back =
      sketch_random(s) % 2 ? sketch_op(s, NULL, OP_NEG, flat, 0, 0) : flat;
  mill_add(mill, 2,
           sketch_shaped(s, NULL, OP_RESHAPE, back, FORMAT_REAL, mill_extent(2),
                         NULL));
}

static void mill_pattern(Mill *mill, Op op, int rank, const char *pattern) {
  ValueId b = op == OP_EINSUM ? mill_pick(mill, 2) : 0;
  mill_add(mill, rank,
           sketch_pattern(mill->s, NULL, op, mill_pick(mill, 2), b, pattern));
}

/* An op with `axis` 0 and one more attribute. */
static ValueId mill_along(Mill *mill, Op op, ValueId a, ValueId b, ValueId c,
                          int64_t start, int64_t size) {
  Node node = node_make(op, mill->s->phase, NULL, a, b, c);
  if (op == OP_SLICE)
    node.attr.start = start;
  if (op == OP_PAD)
    node.attr.low = start;
  if (op_info(op)->attributes & ATTR(SIZE))
    node.attr.size = size;
  return sketch_add(mill->s, NULL, &node);
}

/* Rows that are joined, padded, written over, sorted and summed by index. */
static ValueId mill_moved(Mill *mill, ValueId x, ValueId y) {
  Sketch *s = mill->s;
  ValueId order = mill_along(mill, OP_ARGSORT, mill_pick(mill, 1), 0, 0, 0, 0);
  ValueId top = mill_along(mill, OP_SLICE, y, 0, 0, 0, SIDE - 2);
  switch (sketch_random(s) % 6) {
  case 0:
    return mill_along(mill, OP_CONCAT, top,
                      mill_along(mill, OP_SLICE, x, 0, 0, 1, 2), 0, 0, 0);
  case 1:
    return mill_along(mill, OP_PAD, top, mill_pick(mill, 0), 0, 2, 0);
  case 2: {
    ValueId start = mill_along(mill, OP_SLICE, order, 0, 0, 0, 1);
    ValueId at = sketch_shaped(s, NULL, OP_RESHAPE, start, FORMAT_I32,
                               EXTENT_SCALAR, NULL);
    ValueId row = mill_along(mill, OP_WINDOW, y, at, 0, 0, 1);
    return mill_along(mill, OP_WINDOW_WRITE, x, row, at, 0, 0);
  }
  case 3:
    return mill_along(mill, OP_GATHER, x, order, 0, 0, 0);
  case 4:
    return mill_along(mill, OP_SCATTER, x, y, order, 0, 0);
  default:
    return mill_along(mill, OP_SCATTER_ADD, x, order, 0, 0, SIDE);
  }
}

static void mill_move(Mill *mill) {
  ValueId x = mill_pick(mill, 2), y = mill_pick(mill, 2);
  mill_add(mill, 2, mill_moved(mill, x, y));
}

static void mill_relu_grad(Mill *mill) {
  mill_add(mill, 2,
           sketch_op(mill->s, NULL, OP_RELU_GRAD, mill_pick(mill, 2),
                     mill_pick(mill, 2), 0));
}

static void mill_op(Mill *mill) {
  Sketch *s = mill->s;
  int rank = (int)(sketch_random(s) % 3);
  switch (sketch_random(s) % 20) {
  case 0:
    mill_unary(mill, OP_RELU, rank);
    break;
  case 1:
    mill_unary(mill, OP_NEG, rank);
    break;
  case 2:
  case 3:
    mill_binary(mill, OP_ADD);
    break;
  case 4:
    mill_binary(mill, OP_SUB);
    break;
  case 5:
    mill_binary(mill, OP_MUL);
    break;
  case 6:
    mill_view(mill);
    break;
  case 7:
    mill_pattern(mill, OP_SUM, 1, "a b -> b");
    break;
  case 8:
    mill_pattern(mill, OP_MEAN, 0, "a b ->");
    break;
  case 9:
  case 10:
    mill_pattern(mill, OP_EINSUM, 2, "a k, b k -> a b");
    break;
  case 11:
    mill_pattern(mill, OP_TRANSPOSE, 2, "a b -> b a");
    break;
  case 12:
    mill_binary(mill, OP_MAXIMUM);
    break;
  case 13:
    mill_binary(mill, OP_MINIMUM);
    break;
  case 14:
    mill_unary(mill, OP_ABS, rank);
    break;
  case 15:
    mill_choice(mill, rank);
    break;
  case 16:
  case 17:
    mill_move(mill);
    break;
  case 18:
    mill_unary(mill, mill->rescales ? OP_RESCALE : OP_SQRT, rank);
    break;
  default:
    mill_relu_grad(mill);
  }
}

static void mill_leaves(Mill *mill) {
  static const char *const name[] = {"p.a", "p.b", "p.c", "q.a", "q.b", "r.a"};
  static const int rank[] = {2, 2, 2, 1, 1, 0};
  for (int i = 0; i < 6; i++)
    mill_add(mill, rank[i],
             i % 3 == 2 ? sketch_state(mill->s, name[i], mill_extent(rank[i]))
                        : sketch_normal(mill->s, name[i], mill_extent(rank[i]),
                                        i - 2.3));
  mill_add(mill, 2, sketch_input(mill->s, "x", mill_extent(2)));
  mill_add(mill, 0, sketch_number(mill->s, 0.3));
}

void sketch_random_program(Sketch *s, uint64_t seed, bool rescales) {
  Mill mill = {.s = s, .rescales = rescales};
  s->seed = seed;
  mill_leaves(&mill);
  for (int i = 0; i < RANDOM_OPS; i++) {
    s->phase = (Phase)(i * 3 / RANDOM_OPS);
    mill_op(&mill);
  }
  s->phase = PHASE_UPDATE;
  sketch_store(s, "p.a", mill_pick(&mill, 2));
  sketch_store(s, "q.a", mill_pick(&mill, 1));
  sketch_store(s, "r.a", mill_pick(&mill, 0));
  sketch_return(s, "m", mill_pick(&mill, 2));
  sketch_return(s, "v", mill_pick(&mill, 1));
  sketch_return(s, "n", mill_pick(&mill, 0));
}
