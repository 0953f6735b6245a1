/* Smaller programs from a program.
 *
 * In: a program of one entry at level plain, and what is to change. Out: a copy
 * with the change made and all gone that it leaves dead, its types inferred
 * again; or NULL if that is no program. Ids are those of the copy: a program
 * that was read from its own text has the same.
 */
#include "tests/smith/smith.h"

#include <string.h>

typedef struct {
  Case *c; /* the copy */
  const Graph *old;
  Graph *new;
  const Edit *edit;
  bool forward; /* keep only what waits for no gradient */
  bool *live, *waits;
  ValueId *map;
  int32_t *param; /* old index -> 1 + new index */
  VEC(Parameter) params;
} Rebuild;

/* ---- what stays ---------------------------------------------------------- */

static void mark_waiting(Rebuild *r) {
  for (ValueId id = 1; id < r->old->count; id++) {
    const Node *node = graph_node(r->old, id);
    r->waits[id] = node_is_placeholder(node);
    for (int i = 0; i < node_inputs(node); i++)
      r->waits[id] |= r->waits[node->input[i]];
  }
}

static bool keeps_minimize(const Rebuild *r) {
  return r->old->minimize && !r->forward && !r->edit->drop_minimize;
}

static bool keeps_result(const Rebuild *r, size_t i) {
  ValueId value = r->old->result.data[i].value;
  return (int)i + 1 != r->edit->drop_result &&
         !(r->waits[value] && !keeps_minimize(r));
}

static void mark_roots(Rebuild *r) {
  for (size_t i = 0; i < r->old->result.length; i++)
    if (keeps_result(r, i))
      r->live[r->old->result.data[i].value] = true;
  uint32_t *users = graph_user_counts(r->c->arena, r->old);
  for (ValueId id = 1; id < r->old->count; id++)
    if (users[id] == 0 && !node_is_leaf(graph_node(r->old, id)) &&
        !r->forward && id != r->edit->drop_dead &&
        !(r->waits[id] && !keeps_minimize(r)))
      r->live[id] = true;
  if (keeps_minimize(r))
    r->live[r->old->minimize->loss] = true;
}

/* What `id` will read. */
static bool is_read(const Rebuild *r, ValueId id, int operand) {
  if (id == r->edit->input)
    return false;
  return id != r->edit->bypass || operand == r->edit->operand;
}

static void mark_live(Rebuild *r) {
  mark_roots(r);
  for (ValueId id = r->old->count; id-- > 1;) {
    const Node *node = graph_node(r->old, id);
    for (int i = 0; r->live[id] && i < node_inputs(node); i++)
      if (is_read(r, id, i))
        r->live[node->input[i]] = true;
    const Minimize *minimize = r->old->minimize;
    for (size_t i = 0; keeps_minimize(r) && r->live[id] && i < minimize->count;
         i++)
      if (minimize->placeholder[i] == id)
        r->live[minimize->parameter[i]] = true;
  }
}

/* ---- nodes --------------------------------------------------------------- */

static const Type *resized(const Rebuild *r, const Type *type) {
  int64_t dim[MAX_RANK];
  for (int i = 0; i < type->rank; i++)
    dim[i] = r->edit->from > 0 && type->dim[i] == r->edit->from ? r->edit->to
                                                                : type->dim[i];
  return type_make(r->c->program->types, type->format, type->rank, dim);
}

static int32_t mapped_param(Rebuild *r, int32_t index) {
  if (!r->param[index]) {
    Parameter param = r->c->program->param.data[index];
    param.type = resized(r, param.type);
    vec_push(&r->params, param);
    r->param[index] = (int32_t)r->params.length;
  }
  return r->param[index] - 1;
}

static void add_input(Rebuild *r, ValueId id, Node *node, Input input) {
  node->attr = attributes_neutral();
  node->attr.index = (int32_t)r->new->input.length;
  input.name = node->name;
  input.value = r->new->count;
  vec_push(&r->new->input, input);
  r->map[id] = graph_add(r->new, node);
}

static void make_neutral(Node *node) {
  Attributes neutral = attributes_neutral();
  for (int i = 0; i < PLAIN_COUNT; i++) {
    const PlainAttribute *plain = plain_attribute(i);
    size_t size = plain->kind == PLAIN_list   ? sizeof(WholeList)
                  : plain->kind == PLAIN_flag ? sizeof(bool)
                  : plain->kind == PLAIN_real ? sizeof(double)
                                              : sizeof(int64_t);
    if (!plain->required && plain->kind != PLAIN_format)
      memcpy((char *)&node->attr + plain->offset,
             (char *)&neutral + plain->offset, size);
  }
  node->attr.round = neutral.round;
  node->attr.overflow = neutral.overflow;
  node->probe = false;
}

static bool add_operation(Rebuild *r, ValueId id, Node *node) {
  const char *error;
  for (int i = 0; i < node_inputs(node); i++) {
    node->input[i] = r->map[graph_node(r->old, id)->input[i]];
    if (!node->input[i])
      return false;
  }
  if (node->op == OP_STORE)
    node->attr.index = mapped_param(r, node->attr.index);
  if (r->edit->from > 0 && node->attr.size == r->edit->from)
    node->attr.size = r->edit->to;
  if (id == r->edit->neutral)
    make_neutral(node);
  node->type =
      shape_infer(r->c->program->types, r->new, node, r->c->arena, &error);
  if (node->type)
    r->map[id] = graph_add(r->new, node);
  return node->type != NULL;
}

static bool add_node(Rebuild *r, ValueId id) {
  Node node = *graph_node(r->old, id);
  node.type = resized(r, node.type);
  if (!node.type)
    return false;
  if (id == r->edit->input && !node_is_leaf(&node) && node.name) {
    Node leaf = node_make(OP_INPUT, PHASE_FORWARD, node.type, 0, 0, 0);
    leaf.name = node.name;
    add_input(r, id, &leaf, (Input){.source = SOURCE_ARGUMENT});
  } else if (id == r->edit->bypass) {
    ValueId other = r->map[node.input[r->edit->operand]];
    if (!other || graph_node(r->new, other)->type != node.type)
      return false;
    r->map[id] = other;
  } else if (node.op == OP_INPUT && !node_is_placeholder(&node)) {
    add_input(r, id, &node, r->old->input.data[node.attr.index]);
  } else if (node.op == OP_PARAM) {
    node.attr.index = mapped_param(r, node.attr.index);
    r->map[id] = graph_add(r->new, &node);
  } else if (node_is_leaf(&node)) {
    r->map[id] = graph_add(r->new, &node);
  } else {
    return add_operation(r, id, &node);
  }
  return true;
}

/* ---- the program --------------------------------------------------------- */

static bool add_results(Rebuild *r) {
  for (size_t i = 0; i < r->old->result.length; i++) {
    Result result = r->old->result.data[i];
    result.value = r->map[result.value];
    if (!keeps_result(r, i))
      continue;
    if (!result.value)
      return false;
    vec_push(&r->new->result, result);
  }
  return true;
}

/* Pairs whose placeholder is still read. */
static void add_minimize(Rebuild *r) {
  const Minimize *old = r->old->minimize;
  Minimize *minimize = NEW(r->c->arena, Minimize);
  minimize->loss = r->map[old->loss];
  minimize->parameter = NEW_ARRAY(r->c->arena, ValueId, old->count);
  minimize->placeholder = NEW_ARRAY(r->c->arena, ValueId, old->count);
  for (size_t i = 0; i < old->count; i++) {
    if (!r->map[old->placeholder[i]])
      continue;
    minimize->parameter[minimize->count] = r->map[old->parameter[i]];
    minimize->placeholder[minimize->count++] = r->map[old->placeholder[i]];
  }
  r->new->minimize = minimize->count > 0 ? minimize : NULL;
}

static Graph *new_graph(Rebuild *r) {
  Graph *graph = graph_new(r->c->arena, r->old->kind, r->old->name);
  graph->recipe = r->old->recipe;
  graph->run = r->old->run;
  if (r->edit->plain_entry || r->forward) {
    graph->kind = ENTRY_PLAIN;
    if (r->edit->plain_entry)
      graph->run = (RunSettings){0};
  }
  return graph;
}

static void finish(Rebuild *r) {
  Program *program = r->c->program;
  Graph *old = program->graph.data[0];
  program->graph.data[0] = r->new;
  graph_free(old);
  program->param.length = 0;
  for (size_t i = 0; i < r->params.length; i++)
    vec_push(&program->param, r->params.data[i]);
  Recipe *recipe = &program->recipe.data[0];
  if (r->edit->drop_rule > 0)
    recipe_remove_rule(recipe, (size_t)r->edit->drop_rule - 1);
}

/* Fills the new graph; false if it cannot be one. */
static bool rebuild(Rebuild *r) {
  size_t count = r->old->count;
  r->live = NEW_ARRAY(r->c->arena, bool, count);
  r->waits = NEW_ARRAY(r->c->arena, bool, count);
  r->map = NEW_ARRAY(r->c->arena, ValueId, count);
  r->param = NEW_ARRAY(r->c->arena, int32_t, r->c->program->param.length + 1);
  mark_waiting(r);
  mark_live(r);
  for (ValueId id = 1; id < count; id++)
    if (r->live[id] && !add_node(r, id))
      return false;
  if (!add_results(r))
    return false;
  if (keeps_minimize(r))
    add_minimize(r);
  return true;
}

static Case *edited(const Case *c, const Edit *edit, bool forward) {
  Buffer text = case_print(c), violations = {0};
  Rebuild r = {
      .c = case_read(text.data, text.length), .edit = edit, .forward = forward};
  buffer_free(&text);
  bool good = r.c->program && r.c->program->graph.length == 1;
  if (good) {
    r.old = r.c->program->graph.data[0];
    r.new = new_graph(&r);
    good = rebuild(&r);
    if (good)
      finish(&r);
    else
      graph_free(r.new);
    good = good && program_verify(r.c->program, &violations) == 0;
    vec_free(&r.params);
    buffer_free(&violations);
  }
  if (good)
    return r.c;
  case_free(r.c);
  return NULL;
}

Case *case_edited(const Case *c, const Edit *edit) {
  return edited(c, edit, false);
}

Case *case_forward(const Case *c) {
  Edit none = {0};
  return edited(c, &none, true);
}
