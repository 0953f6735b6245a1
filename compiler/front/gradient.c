/* `grad(loss, x)` in an entry: the gradient of one number by a parameter, by
 * all parameters of a module, or by an input.
 *
 * In: the loss and x. Out: a placeholder of the shape of x, or a list with one
 * for each parameter of the module; autodiff later puts the gradients where
 * the placeholders stand, as it does for `minimize`. From the first grad() on
 * an entry is in phase update, for what follows may wait for a gradient.
 */
#include "compiler/front/elaborate.h"

#include <string.h>

ValueId gradient_placeholder(Elaborator *e, ValueId variable, Span span) {
  const Node *node = graph_node(e->builder->graph, variable);
  const Type *type =
      type_with_format(e->program->types, node->type, FORMAT_REAL);
  return emit_input(e, name_gradient(e->builder->names, node->name), type, -1,
                    span);
}

/* ---- what may be asked -------------------------------------------------- */

static bool check_place(Elaborator *e, const BuiltinCall *call) {
  if (e->builder->graph->kind != ENTRY_TRAIN)
    return true;
  Diagnostic error =
      error_begin(e, call->call->span, "E0740",
                  "`grad` belongs in an entry or an eval; a train minimizes");
  error_hint(e, &error, "`minimize %s with optim.SGD(lr = 0.1)`",
             expr_text(e, call->expr[0]));
  error_send(e, &error);
  return false;
}

static bool check_loss(Elaborator *e, const BuiltinCall *call) {
  Value loss;
  if (!builtin_real_tensor(e, call, 0, &loss))
    return false;
  if (value_type(e, loss)->rank != 0) {
    Diagnostic error = error_begin(
        e, call->expr[0]->span, "E0701", "`grad` needs one number, `%s` is %s",
        expr_text(e, call->expr[0]), value_describe(e, loss));
    error_mark(e, &error, "%s", value_describe_sizes(e, loss));
    error_send(e, &error);
    return false;
  }
  if (!e->builder->loss)
    e->builder->loss = loss.as.tensor.id;
  if (e->builder->loss == loss.as.tensor.id)
    return true;
  fail_unsupported(e, call->expr[0]->span,
                   "taking gradients of a second loss in one entry is");
  return false;
}

static Value fail_variable(Elaborator *e, const BuiltinCall *call) {
  Diagnostic error = error_begin(
      e, call->expr[1]->span, "E0740",
      "a gradient is taken by a parameter, a model or an input; `%s` is %s",
      expr_text(e, call->expr[1]),
      call->value[1].kind == VALUE_TENSOR ? "a value computed from them"
                                          : value_describe(e, call->value[1]));
  return error_send(e, &error);
}

/* ---- gradients ---------------------------------------------------------- */

/* One for each variable, however often it is asked for. */
static ValueId gradient_of(Elaborator *e, ValueId variable, Span span) {
  Builder *builder = e->builder;
  for (size_t i = 0; i < builder->variable.length; i++)
    if (builder->variable.data[i] == variable)
      return builder->gradient.data[i];
  ValueId gradient = gradient_placeholder(e, variable, span);
  vec_push(&builder->variable, variable);
  vec_push(&builder->gradient, gradient);
  return gradient;
}

/* Parameters and states are no longer what they were once assigned. */
static Value by_tensor(Elaborator *e, const BuiltinCall *call, Value x) {
  const Node *node = graph_node(e->builder->graph, x.as.tensor.id);
  bool state =
      node->op == OP_PARAM && e->program->param.data[node->attr.index].state;
  if ((node->op != OP_PARAM && node->op != OP_INPUT) || state ||
      node_is_placeholder(node))
    return fail_variable(e, call);
  Value real;
  if (!builtin_real_tensor(e, call, 1, &real))
    return value_poison();
  return value_tensor(gradient_of(e, x.as.tensor.id, call->call->span),
                      x.as.tensor.label);
}

/* All parameters below the module's path, in the order of the program. */
static Value by_module(Elaborator *e, const BuiltinCall *call,
                       const Instance *instance) {
  size_t length = strlen(instance->path), count = 0;
  Value *item = NEW_ARRAY(e->scratch, Value, e->program->param.length + 1);
  for (size_t i = 0; i < e->program->param.length; i++) {
    const Parameter *param = &e->program->param.data[i];
    if (param->state || strncmp(param->name, instance->path, length) != 0 ||
        param->name[length] != '.')
      continue;
    ValueId variable = emit_param(e, (int)i, call->expr[1]->span);
    item[count++] = value_tensor(gradient_of(e, variable, call->call->span),
                                 param_labels(e, (int)i));
  }
  return count ? value_list(item, count) : fail_variable(e, call);
}

Value builtin_grad(Elaborator *e, const BuiltinCall *call) {
  Value x = call->value[1];
  if (!check_place(e, call) || !check_loss(e, call))
    return value_poison();
  Value gradient = x.kind == VALUE_TENSOR ? by_tensor(e, call, x)
                   : x.kind == VALUE_INSTANCE
                       ? by_module(e, call, x.as.instance)
                       : fail_variable(e, call);
  e->builder->phase = PHASE_UPDATE;
  return gradient;
}

void gradients_finish(Elaborator *e) {
  Builder *builder = e->builder;
  size_t count = builder->variable.length;
  if (count == 0)
    return;
  Minimize *minimize = NEW(e->arena, Minimize);
  minimize->loss = builder->loss;
  minimize->count = count;
  minimize->parameter =
      arena_copy(e->arena, builder->variable.data, count * sizeof(ValueId));
  minimize->placeholder =
      arena_copy(e->arena, builder->gradient.data, count * sizeof(ValueId));
  builder->graph->minimize = minimize;
}
