/* Nodes of the graph and their names.
 *
 * In: an op, operands, the binding that is being elaborated. Out: a node whose
 * type the shape rules gave and whose name follows ir.md section 2: a value
 * bound in the source has its instance's path and its name, rebound 'n; what
 * lies between is a helper ~n of the binding it serves. When an inner name and
 * an outer one mean the same value (`logits = net(x)`) the outermost wins and
 * the other becomes an alias.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- bindings ----------------------------------------------------------- */

/* Names of a function without an instance of its own go under the instance
 * that called it. */
static const char *binding_base(Elaborator *e, const char *name) {
  const Instance *owner = e->frame->owner;
  return owner ? instance_name(e, owner, name) : name;
}

/* A name claimed before for a value that turned out to be no node. */
static const char *take_spare(Builder *builder, const char *base) {
  for (size_t i = 0; i < builder->spare.length; i++)
    if (builder->spare.data[i].base == base) {
      const char *name = builder->spare.data[i].name;
      builder->spare.data[i] = vec_pop(&builder->spare);
      return name;
    }
  return NULL;
}

/* Names are claimed when a binding begins, so that the outer of two equal
 * ones gets the plain form; what turned out to need none is given back. */
static const char *claim(Elaborator *e, const char *base) {
  const char *spare = take_spare(e->builder, base);
  return spare ? spare : name_rebinding(e->builder->names, base);
}

/* Compile-time code binds nothing in a graph. */
void binding_begin(Elaborator *e, Binding *binding, const char *name) {
  *binding = (Binding){.outer = e->binding};
  e->binding = binding;
  if (!e->builder)
    return;
  binding->base = intern(e->interner, binding_base(e, name));
  binding->name = binding->helper = claim(e, binding->base);
  binding->start = e->builder->graph->count;
}

/* The stored value itself is no value of the graph: its first new value is
 * base'2, and the helpers of that are base~n. */
void binding_begin_stored(Elaborator *e, Binding *binding, const char *base) {
  *binding = (Binding){.outer = e->binding};
  e->binding = binding;
  if (!e->builder)
    return;
  bool first = name_claim(e->builder->names, base);
  binding->base = intern(e->interner, base);
  binding->name = claim(e, binding->base);
  binding->helper = first ? binding->base : binding->name;
  binding->start = e->builder->graph->count;
}

/* Ends in ~n, with no rebinding after it. */
static bool is_helper(const char *name) {
  const char *mark = strrchr(name, '~');
  return mark && !strchr(mark, '\'');
}

static void spare_add(Builder *builder, const char *base, const char *name) {
  vec_push(&builder->spare, (SpareName){base, name});
}

/* A value made for this binding takes its name; one that existed keeps its
 * own. Constants and parameters are not renamed at all. */
static void name_value(Elaborator *e, const char *base, const char *name,
                       ValueId start, Value value) {
  Builder *builder = e->builder;
  if (value.kind != VALUE_TENSOR) {
    spare_add(builder, base, name);
    return;
  }
  Node *node = graph_node(builder->graph, value.as.tensor.id);
  if (node->op == OP_CONST || node->op == OP_PARAM) {
    spare_add(builder, base, name);
  } else if (value.as.tensor.id < start || node_is_leaf(node)) {
    alias_rename(&builder->alias, name, node->name);
  } else {
    if (!is_helper(node->name))
      alias_rename(&builder->alias, node->name, name);
    node->name = name;
  }
}

void binding_end(Elaborator *e, Binding *binding, Value value) {
  e->binding = binding->outer;
  if (binding->base)
    name_value(e, binding->base, binding->name, binding->start, value);
}

void binding_also(Elaborator *e, const Binding *binding, const char *name,
                  Value value) {
  if (!e->builder || value.kind != VALUE_TENSOR)
    return;
  const char *base = intern(e->interner, binding_base(e, name));
  name_value(e, base, claim(e, base), binding->start, value);
}

void binding_also_stored(Elaborator *e, const Binding *binding,
                         const char *base, Value value) {
  if (!e->builder || value.kind != VALUE_TENSOR)
    return;
  name_claim(e->builder->names, base);
  base = intern(e->interner, base);
  name_value(e, base, claim(e, base), binding->start, value);
}

void place_note(Elaborator *e, const Expr *expr, Value value) {
  if (!e->builder || value.kind != VALUE_TENSOR || !e->main ||
      expr->span.source != e->main->source)
    return;
  Placed placed = {expr->span, value.as.tensor.id};
  vec_push(&e->builder->place, placed);
}

/* ---- nodes -------------------------------------------------------------- */

/* All graphs count together. */
static bool graphs_full(Elaborator *e, Span span) {
  if (e->stopped)
    return true;
  if (e->nodes < limit_of(e, LIMIT_nodes)) {
    e->nodes++;
    return false;
  }
  fail_limit(e, span, LIMIT_nodes,
             "%s: the program unrolls to more than %" PRId64 " operations",
             e->builder->graph->name, limit_of(e, LIMIT_nodes));
  return true;
}

static ValueId add_node(Elaborator *e, Node *node, Span span) {
  if (graphs_full(e, span))
    return 0;
  node->span = span;
  return graph_add(e->builder->graph, node);
}

/* Every value has a name, even one made outside of any binding. */
static const char *helper_name(Elaborator *e) {
  const char *base =
      e->binding && e->binding->helper ? e->binding->helper : "value";
  return name_helper(e->builder->names, base);
}

/* What the shape rules ask of operands was checked before, with a better
 * message; the size of the result is theirs to judge. */
static ValueId emit_node(Elaborator *e, Span span, Node node) {
  const char *error = NULL;
  node.type = shape_infer(e->program->types, e->builder->graph, &node,
                          e->scratch, &error);
  if (!node.type) {
    fail(e, span, "E0309", "%s", error);
    return 0;
  }
  node.name = node.op == OP_STORE ? NULL : helper_name(e);
  if (node.op != OP_STORE && node.phase == PHASE_FORWARD)
    node.remat = e->builder->remat;
  return add_node(e, &node, span);
}

/* What reads a gradient that grad() asked for is of phase update. */
static bool waits_for_gradient(const Elaborator *e, ValueId operand) {
  const Node *node = graph_node(e->builder->graph, operand);
  return node_is_placeholder(node) ||
         (!node_is_leaf(node) && node->phase == PHASE_UPDATE);
}

ValueId emit_many(Elaborator *e, Span span, Op op, const Type *type,
                  const Attributes *attributes, const ValueId *operand,
                  int count) {
  Node node = node_make(op, e->builder->phase, type, 0, 0, 0);
  for (int i = 0; i < count; i++) {
    if (!operand[i])
      return 0;
    node.input[i] = operand[i];
    if (node.phase == PHASE_FORWARD && waits_for_gradient(e, operand[i]))
      node.phase = PHASE_UPDATE;
  }
  if (attributes)
    node.attr = *attributes;
  return emit_node(e, span, node);
}

ValueId emit_typed(Elaborator *e, Span span, Op op, const Type *type,
                   const Attributes *attributes, ValueId a, ValueId b) {
  const ValueId operand[] = {a, b};
  int inputs = op_info(op)->inputs;
  return emit_many(e, span, op, type, attributes, operand,
                   inputs < 2 ? inputs : 2);
}

ValueId emit_three(Elaborator *e, Span span, Op op, ValueId a, ValueId b,
                   ValueId c) {
  const ValueId operand[] = {a, b, c};
  return emit_many(e, span, op, NULL, NULL, operand, 3);
}

ValueId emit(Elaborator *e, Span span, Op op, const Attributes *attributes,
             ValueId a, ValueId b) {
  return emit_typed(e, span, op, NULL, attributes, a, b);
}

/* Attributes as node_make leaves them, with a pattern. */
Attributes pattern_attribute(Elaborator *e, const char *pattern) {
  Node neutral = node_make(OP_EINSUM, PHASE_FORWARD, NULL, 0, 0, 0);
  neutral.attr.pattern = intern(e->interner, pattern);
  return neutral.attr;
}

/* A leaf for each use: constants are printed in place and cost nothing. */
ValueId emit_constant(Elaborator *e, Span span, Format format, double value) {
  Node node = node_make(OP_CONST, e->builder->phase,
                        type_scalar(e->program->types, format), 0, 0, 0);
  node.attr.value = value;
  return add_node(e, &node, span);
}

void builder_free(Builder *builder) {
  vec_free(&builder->place);
  vec_free(&builder->param);
  vec_free(&builder->written);
  vec_free(&builder->written_at);
  vec_free(&builder->spare);
  vec_free(&builder->gradient);
  alias_table_free(&builder->alias);
}

/* ---- leaves ------------------------------------------------------------- */

void builder_slot(Elaborator *e, int param) {
  Builder *builder = e->builder;
  while (builder->param.length <= (size_t)param) {
    vec_push(&builder->param, 0);
    vec_push(&builder->written, 0);
    vec_push(&builder->written_at, (Span){0});
  }
}

/* One leaf a graph: the value before the step. */
ValueId emit_param(Elaborator *e, int param, Span span) {
  builder_slot(e, param);
  ValueId *slot = &e->builder->param.data[param];
  if (*slot)
    return *slot;
  const Parameter *parameter = &e->program->param.data[param];
  Node node = node_make(OP_PARAM, e->builder->phase, parameter->type, 0, 0, 0);
  node.name = parameter->name;
  node.pinned = parameter->pinned;
  node.attr.index = param;
  return *slot = add_node(e, &node, span);
}

/* A format in the declaration of an input is a pin. */
ValueId emit_input(Elaborator *e, const char *name, const Type *type, int index,
                   Span span) {
  Node node = node_make(OP_INPUT, e->builder->phase, type, 0, 0, 0);
  node.name = intern(e->interner, name);
  node.attr.index = index;
  node.pinned = format_is_float(type->format);
  return add_node(e, &node, span);
}

/* Exists from its first reading on: a graph that never asks has no such
 * input. */
ValueId emit_step(Elaborator *e, Span span) {
  Builder *builder = e->builder;
  if (builder->step)
    return builder->step;
  Graph *graph = builder->graph;
  const char *name = name_rebinding(builder->names, "step");
  builder->step =
      emit_input(e, name, type_scalar(e->program->types, FORMAT_REAL),
                 (int)graph->input.length, span);
  if (builder->step)
    vec_push(&graph->input, (Input){.name = "step",
                                    .source = SOURCE_STEP,
                                    .dataset = -1,
                                    .column = -1,
                                    .value = builder->step});
  return builder->step;
}
