/* `grad(loss, x)` in an entry: the gradient of one number by a parameter, by
 * all parameters of a module, or by an input.
 *
 * In: the loss and x. Out: a placeholder of the shape of x, or a list with one
 * for each parameter of the module; autodiff later puts the gradients where
 * the placeholders stand, as it does for `minimize`. What waits for a gradient
 * is of phase update, and is moved behind what does not at the end.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

ValueId gradient_placeholder(Elaborator *e, ValueId variable, Span span) {
  const Node *node = graph_node(e->builder->graph, variable);
  const Type *type =
      type_with_format(e->program->types, node->type, FORMAT_REAL);
  const char *name = intern_printf(e->interner, "d.%s", node->name);
  return emit_input(e, name_rebinding(e->builder->names, name), type, -1, span);
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

/* The loss, or 0 after a message. */
static ValueId asked_loss(Elaborator *e, const BuiltinCall *call) {
  Value loss;
  if (!builtin_real_tensor(e, call, 0, &loss))
    return 0;
  if (value_type(e, loss)->rank != 0) {
    Diagnostic error = error_begin(
        e, call->expr[0]->span, "E0701", "`grad` needs one number, `%s` is %s",
        expr_text(e, call->expr[0]), value_describe(e, loss));
    error_mark(e, &error, "%s", value_describe_sizes(e, loss));
    error_send(e, &error);
    return 0;
  }
  const Node *node = graph_node(e->builder->graph, loss.as.tensor.id);
  if (!node_is_placeholder(node) &&
      (node_is_leaf(node) || node->phase == PHASE_FORWARD))
    return loss.as.tensor.id;
  fail(e, call->expr[0]->span, "E0740",
       "`%s` depends on a gradient: there are no second derivatives",
       expr_text(e, call->expr[0]));
  return 0;
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

/* One for each loss and variable, however often it is asked for. */
static ValueId gradient_of(Elaborator *e, ValueId loss, ValueId variable,
                           Span span) {
  Builder *builder = e->builder;
  for (size_t i = 0; i < builder->gradient.length; i++) {
    const GradientAsked *asked = &builder->gradient.data[i];
    if (asked->loss == loss && asked->variable == variable)
      return asked->placeholder;
  }
  ValueId gradient = gradient_placeholder(e, variable, span);
  vec_push(&builder->gradient, (GradientAsked){loss, variable, gradient});
  return gradient;
}

/* The gradients of a further loss take the operations once more. */
static bool count_loss(Elaborator *e, ValueId loss, Span span) {
  const Builder *builder = e->builder;
  for (size_t i = 0; i < builder->gradient.length; i++)
    if (builder->gradient.data[i].loss == loss)
      return true;
  e->nodes += builder->gradient.length ? builder->graph->count : 0;
  int64_t most = limit_of(e, LIMIT_nodes);
  if (e->nodes <= most)
    return true;
  fail_limit(e, span, LIMIT_nodes,
             "%s: the program unrolls to more than %" PRId64
             " operations, of which each loss takes all before it",
             builder->graph->name, most);
  return false;
}

/* Parameters and states are no longer what they were once assigned. */
static Value by_tensor(Elaborator *e, const BuiltinCall *call, ValueId loss,
                       Value x) {
  const Node *node = graph_node(e->builder->graph, x.as.tensor.id);
  bool state =
      node->op == OP_PARAM && e->program->param.data[node->attr.index].state;
  if ((node->op != OP_PARAM && node->op != OP_INPUT) || state ||
      node_is_placeholder(node))
    return fail_variable(e, call);
  Value real;
  if (!builtin_real_tensor(e, call, 1, &real))
    return value_poison();
  return value_tensor(gradient_of(e, loss, x.as.tensor.id, call->call->span),
                      x.as.tensor.label);
}

/* All parameters below the module's path, in the order of the program. */
static Value by_module(Elaborator *e, const BuiltinCall *call, ValueId loss,
                       const Instance *instance) {
  size_t length = strlen(instance->path), count = 0;
  Value *item = NEW_ARRAY(e->scratch, Value, e->program->param.length + 1);
  for (size_t i = 0; i < e->program->param.length; i++) {
    const Parameter *param = &e->program->param.data[i];
    if (param->state || strncmp(param->name, instance->path, length) != 0 ||
        param->name[length] != '.')
      continue;
    ValueId variable = emit_param(e, (int)i, call->expr[1]->span);
    item[count++] =
        value_tensor(gradient_of(e, loss, variable, call->call->span),
                     param_labels(e, (int)i));
  }
  return count ? value_list(item, count) : fail_variable(e, call);
}

Value builtin_grad(Elaborator *e, const BuiltinCall *call) {
  Value x = call->value[1];
  ValueId loss = check_place(e, call) ? asked_loss(e, call) : 0;
  if (!loss || !count_loss(e, loss, call->expr[0]->span))
    return value_poison();
  return x.kind == VALUE_TENSOR     ? by_tensor(e, call, loss, x)
         : x.kind == VALUE_INSTANCE ? by_module(e, call, loss, x.as.instance)
                                    : fail_variable(e, call);
}

/* ---- at the end --------------------------------------------------------- */

/* All that was asked of one loss. */
static Minimize *loss_minimize(Elaborator *e, ValueId loss) {
  const Builder *builder = e->builder;
  size_t count = builder->gradient.length;
  Minimize *minimize = NEW(e->arena, Minimize);
  minimize->loss = loss;
  minimize->parameter = NEW_ARRAY(e->arena, ValueId, count);
  minimize->placeholder = NEW_ARRAY(e->arena, ValueId, count);
  for (size_t i = 0; i < count; i++) {
    const GradientAsked *asked = &builder->gradient.data[i];
    if (asked->loss != loss)
      continue;
    minimize->parameter[minimize->count] = asked->variable;
    minimize->placeholder[minimize->count++] = asked->placeholder;
  }
  return minimize;
}

static bool is_minimized(const Graph *graph, ValueId loss) {
  for (const Minimize *m = graph->minimize; m; m = m->next)
    if (m->loss == loss)
      return true;
  return false;
}

/* Losses in the order of their first grad(). */
void gradients_finish(Elaborator *e) {
  Graph *graph = e->builder->graph;
  Minimize **last = &graph->minimize;
  for (size_t i = 0; i < e->builder->gradient.length; i++) {
    ValueId loss = e->builder->gradient.data[i].loss;
    if (is_minimized(graph, loss))
      continue;
    *last = loss_minimize(e, loss);
    last = &(*last)->next;
  }
}

void gradients_sort(Elaborator *e) {
  Builder *builder = e->builder;
  Graph *graph = builder->graph;
  if (builder->gradient.length == 0)
    return;
  GraphCopy copy = graph_copy_begin(e->arena, graph);
  for (int late = 0; late < 2; late++)
    for (ValueId id = 1; id < graph->count; id++) {
      const Node *node = graph_node(graph, id);
      bool waits = !node_is_leaf(node) && node->phase != PHASE_FORWARD;
      if (waits == late)
        graph_copy_node(&copy, id);
    }
  graph_copy_finish(&copy);
  for (size_t i = 0; i < builder->place.length; i++)
    builder->place.data[i].value = copy.map[builder->place.data[i].value];
  graph_free(graph);
  builder->graph = copy.new;
}
