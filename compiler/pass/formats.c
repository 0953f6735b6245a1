/* Chooses formats: scaled to formatted.
 *
 * In: scaled graphs over reals. Out: the same graphs where every value says in
 * which format its readers see it and every contraction in which format it
 * reads each operand (`as`). A pass later, casts makes the roundings explicit.
 * The rules are those of semantics.md, "Where values round":
 *
 *   1. a contraction reads its operands in the operand format of the recipe,
 *      made from the unrounded value; gradients may have a format of their own;
 *   2. a value that the backward pass reads otherwise, a parameter, a state and
 *      a result of rank 1 or more are rounded once, at their definition, to
 *      their store format, and every reader but a contraction sees that;
 *   3. everything else is f32: arithmetic never rounds below.
 *
 * What the backward pass computes again instead (Node.again) is read where it
 * is made, so neither it nor its original is kept by 2.
 *
 * The test of relu_grad is not a reader in the sense of 2: a bit mask is saved.
 * Inputs are not rounded: the caller keeps them while the step runs.
 *
 * Views. A reshape has no memory of its own, so a value and its views share
 * one store format and the value that owns the memory carries the rounding; a
 * view then passes it on, and rounding again changes nothing. Where a
 * contraction reads a view of a rounded value, however, it would round twice.
 * Then the owner is split: its op keeps f32 under a helper's name, and the
 * owner's name goes to a view of it that carries the rounding; the other views
 * look at the unrounded helper and round for themselves, to the same bits.
 */
#include "compiler/pass/range.h"
#include "compiler/pass/rewrite.h"
#include "compiler/pass/storage.h"

/* What is known about each value of the old graph. */
typedef struct {
  ValueId owner;   /* itself, or what a view is a view of */
  bool read_later; /* by the backward pass, other than by rules 1 and masks */
  bool is_result;
  bool needs_raw; /* a contraction or a mask reads it unrounded */
  bool split;     /* owners: see the top of the file */
  bool settled;   /* owners: `format` is what it will be */
  Format format;  /* owners: of the value and its views */
  Rounding round;
  Overflow overflow;
  Format as[MAX_INPUTS];
} Choice;

typedef struct {
  PassContext *context;
  const Graph *old;
  Choice *choice;
  const ValueId *original; /* what each value computes again, or 0 */
  GraphCopy copy;
  NameTable *names;
  ValueId *raw; /* per old owner: the unrounded helper, where split */
} Formatter;

/* ---- rule 1: contraction operands --------------------------------------- */

static Format operand_format(const Formatter *formatter, ProductKind kind,
                             ValueId id, int operand) {
  Settings settings = recipe_operand_settings(
      formatter->context->program, formatter->old, kind, id, operand);
  return settings.forward != FORMAT_NONE && format_rounds(settings.forward)
             ? settings.forward
             : FORMAT_NONE;
}

static void choose_operands(Formatter *formatter) {
  const Graph *graph = formatter->old;
  const ProductKind *kind = contraction_kinds(formatter->context->arena, graph);
  for (ValueId id = 1; id < graph->count; id++) {
    Choice *choice = &formatter->choice[id];
    OpClass class = op_info(graph_node(graph, id)->op)->class;
    bool contracts = class == CLASS_matmul || class == CLASS_conv;
    for (int i = 0; i < MAX_INPUTS; i++)
      choice->as[i] = contracts && i < 2
                          ? operand_format(formatter, kind[id], id, i)
                          : FORMAT_NONE;
  }
}

/* Does the node read this operand as it was before its own rounding? */
static bool reads_raw(const Formatter *formatter, ValueId id, int operand) {
  const Node *node = graph_node(formatter->old, id);
  return formatter->choice[id].as[operand] != FORMAT_NONE ||
         (node->op == OP_RELU_GRAD && operand == 1);
}

/* ---- rule 2: what is kept ----------------------------------------------- */

static void find_owners(Formatter *formatter) {
  const Graph *graph = formatter->old;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    formatter->choice[id].owner =
        node->op == OP_RESHAPE ? formatter->choice[node->input[0]].owner : id;
    formatter->choice[id].format = FORMAT_NONE;
  }
}

static void find_operand_reads(Formatter *formatter, ValueId id) {
  const Node *node = graph_node(formatter->old, id);
  for (int i = 0; i < node_inputs(node); i++) {
    Choice *operand = &formatter->choice[node->input[i]];
    if (reads_raw(formatter, id, i))
      operand->needs_raw = true;
    else if (node->op != OP_RESHAPE)
      operand->read_later |= node->phase == PHASE_BACKWARD;
  }
}

static void find_readers(Formatter *formatter) {
  const Graph *graph = formatter->old;
  for (size_t i = 0; i < graph->result.length; i++)
    formatter->choice[graph->result.data[i].value].is_result = true;
  for (ValueId id = 1; id < graph->count; id++)
    find_operand_reads(formatter, id);
}

/* A leaf comes in the format that it has. */
static bool may_round(const Node *node) {
  return type_is_real(node->type) && !node_is_leaf(node) &&
         node->op != OP_CAST && node->op != OP_STORE;
}

static void set_format(Choice *owner, Format format, Rounding round,
                       Overflow overflow) {
  if (owner->settled || format == FORMAT_NONE)
    return;
  owner->settled = true;
  if (!format_rounds(format))
    return;
  owner->format = format;
  owner->round = round;
  owner->overflow = overflow;
}

/* The store format of the recipe, where rule 2 or a pin asks for one. */
static void choose_store(Formatter *formatter, ValueId id) {
  const Node *node = graph_node(formatter->old, id);
  const Choice *choice = &formatter->choice[id];
  Choice *owner = &formatter->choice[choice->owner];
  const Node *owner_node = graph_node(formatter->old, choice->owner);
  if (!type_is_real(node->type) || !may_round(owner_node))
    return;
  Settings settings =
      recipe_value_settings(formatter->context->program, formatter->old, id);
  bool saved = choice->read_later && owner_node->phase == PHASE_FORWARD;
  bool kept = (saved || choice->is_result) && node->type->rank > 0;
  if (!kept && !node->pinned)
    return;
  set_format(owner, settings.forward, settings_rounding(&settings),
             settings_overflow(&settings));
}

/* A new value of a parameter that others read too has the format of the
 * parameter: they see what the next step will. */
static void choose_stored(Formatter *formatter, const uint32_t *users,
                          ValueId id) {
  const Node *store = graph_node(formatter->old, id);
  ValueId value = store->input[0];
  ValueId owner = formatter->choice[value].owner;
  const Program *program = formatter->context->program;
  const Parameter *param = &program->param.data[store->attr.index];
  if (store->op != OP_STORE || users[value] < 2 ||
      !may_round(graph_node(formatter->old, owner)))
    return;
  Settings settings = recipe_param_settings(
      program, graph_recipe(program, formatter->old), param);
  set_format(&formatter->choice[owner], param->type->format, param->round,
             settings_overflow(&settings));
}

/* What is computed again rounds where its original does, and only there: its
 * readers see the same bits. */
static void choose_again(Formatter *formatter) {
  const Graph *graph = formatter->old;
  const ValueId *original = formatter->original;
  for (ValueId id = 1; id < graph->count; id++) {
    Choice *choice = &formatter->choice[id];
    const Node *node = graph_node(graph, id);
    const Node *from = graph_node(graph, original[id]);
    if (!original[id] || choice->owner != id || node->op != from->op ||
        node->type != from->type || node->pinned != from->pinned)
      continue;
    const Choice *first =
        &formatter->choice[formatter->choice[original[id]].owner];
    choice->settled = first->settled;
    choice->format = first->format;
    choice->round = first->round;
    choice->overflow = first->overflow;
  }
}

static void choose_formats(Formatter *formatter) {
  const Graph *graph = formatter->old;
  const uint32_t *users = graph_user_counts(formatter->context->arena, graph);
  for (ValueId id = 1; id < graph->count; id++)
    if (graph_node(graph, id)->op == OP_STORE)
      choose_stored(formatter, users, id);
  for (ValueId id = 1; id < graph->count; id++)
    choose_store(formatter, id);
  choose_again(formatter);
  for (ValueId id = 1; id < graph->count; id++) {
    const Choice *choice = &formatter->choice[id];
    Choice *owner = &formatter->choice[choice->owner];
    owner->split |= choice->owner != id && choice->needs_raw &&
                    owner->format != FORMAT_NONE;
  }
}

/* ---- writing the new graph ---------------------------------------------- */

/* The format of a value in the new graph. */
static Format final_format(const Formatter *formatter, ValueId id) {
  const Node *node = graph_node(formatter->old, id);
  const Choice *owner = &formatter->choice[formatter->choice[id].owner];
  const Node *owner_node =
      graph_node(formatter->old, formatter->choice[id].owner);
  const Program *program = formatter->context->program;
  if (node->op == OP_STORE || owner_node->op == OP_PARAM) {
    int32_t index =
        node->op == OP_STORE ? node->attr.index : owner_node->attr.index;
    return program->param.data[index].type->format;
  }
  if (owner->format != FORMAT_NONE)
    return owner->format;
  bool given = owner_node->op == OP_CAST || node_is_leaf(owner_node);
  return given && owner_node->type->format != FORMAT_REAL
             ? owner_node->type->format
             : FORMAT_F32;
}

/* The operand formats that remain: where the value is already stored in that
 * format, rounded the same way, reading it gives the same bits. */
static void set_operands(const Formatter *formatter, ValueId id, Node *node) {
  for (int i = 0; i < MAX_INPUTS; i++) {
    Format as = formatter->choice[id].as[i];
    node->as[i] = as;
    if (as == FORMAT_NONE)
      continue;
    const Node *operand = graph_node(formatter->copy.new, node->input[i]);
    bool plain = operand->attr.round == ROUND_NEAREST &&
                 operand->attr.overflow == OVERFLOW_SATURATE;
    if (operand->type->format == as && (plain || node_is_leaf(operand)))
      node->as[i] = FORMAT_NONE;
  }
}

/* f32 under a helper's name, then the rounded view under the value's own. */
static void add_split(Formatter *formatter, ValueId id, Node *node) {
  TypeTable *types = formatter->context->program->types;
  Node raw = *node;
  raw.name = name_helper(formatter->names, node->name);
  raw.type = type_with_format(types, node->type, FORMAT_F32);
  raw.attr.round = ROUND_NEAREST;
  raw.attr.overflow = OVERFLOW_SATURATE;
  raw.pinned = raw.probe = false;
  ValueId first = formatter->raw[formatter->original[id]];
  raw.again = first ? graph_node(formatter->copy.new, first)->name : NULL;
  formatter->raw[id] = graph_add(formatter->copy.new, &raw);
  Attributes attr = node->attr;
  node->op = OP_RESHAPE;
  node->attr = node_make(OP_RESHAPE, node->phase, node->type, 0, 0, 0).attr;
  node->attr.round = attr.round;
  node->attr.overflow = attr.overflow;
  for (int i = 0; i < MAX_INPUTS; i++) {
    node->input[i] = i == 0 ? formatter->raw[id] : 0;
    node->as[i] = FORMAT_NONE;
  }
}

static void format_node(Formatter *formatter, ValueId id) {
  const Program *program = formatter->context->program;
  Node node = graph_copy_prepare(&formatter->copy, id);
  const Choice *owner = &formatter->choice[formatter->choice[id].owner];
  if (type_is_real(node.type))
    node.type = type_with_format(program->types, node.type,
                                 final_format(formatter, id));
  if (may_round(graph_node(formatter->old, id)) && type_rounds(node.type)) {
    node.attr.round = owner->round;
    node.attr.overflow = owner->overflow;
  }
  if (node.op == OP_STORE) {
    const Parameter *param = &program->param.data[node.attr.index];
    Settings settings = recipe_param_settings(
        program, graph_recipe(program, formatter->old), param);
    node.attr.round = param->round;
    node.attr.overflow = settings_overflow(&settings);
  }
  set_operands(formatter, id, &node);
  if (node.op == OP_RESHAPE && owner->split)
    node.input[0] = formatter->raw[formatter->choice[id].owner];
  else if (owner->split)
    add_split(formatter, id, &node);
  formatter->copy.map[id] = graph_add(formatter->copy.new, &node);
}

static bool formats_are_possible(PassContext *context, const Graph *graph) {
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->type->format != FORMAT_F64)
      continue;
    diagnose_error(context->diagnostics, node->span, "E0510",
                   "%s is f64: this version computes in f32",
                   node->name ? node->name : "a constant");
    return false;
  }
  return true;
}

static Graph *format_graph(PassContext *context, const Graph *old) {
  Arena *arena = context->arena;
  Formatter formatter = {.context = context, .old = old};
  formatter.choice = NEW_ARRAY(arena, Choice, old->count);
  formatter.raw = NEW_ARRAY(arena, ValueId, old->count);
  formatter.original = graph_originals(arena, old);
  find_owners(&formatter);
  choose_operands(&formatter);
  find_readers(&formatter);
  choose_formats(&formatter);
  formatter.copy = graph_copy_begin(arena, old);
  formatter.names = name_table_new(arena, context->program->interner, old);
  for (ValueId id = 1; id < old->count; id++)
    format_node(&formatter, id);
  graph_copy_finish(&formatter.copy);
  return formatter.copy.new;
}

/* ---- parameters --------------------------------------------------------- */

/* A program without entries has parameters, perhaps, but no recipe. */
static void format_param(const Program *program, const Recipe *recipe,
                         Parameter *param) {
  if (!type_is_real(param->type))
    return;
  Settings settings = recipe ? recipe_param_settings(program, recipe, param)
                             : settings_unset();
  param->round = settings_rounding(&settings);
  if (param->pinned && param->type->format != FORMAT_REAL)
    return;
  bool rounds = param->type->rank > 0 && settings.forward != FORMAT_NONE &&
                format_rounds(settings.forward);
  param->type = type_with_format(program->types, param->type,
                                 rounds ? settings.forward : FORMAT_F32);
}

bool pass_formats(PassContext *context) {
  Program *program = context->program;
  const Recipe **storage = storage_recipes(context->arena, program);
  bool good = true;
  for (size_t i = 0; i < program->graph.length; i++)
    good &= formats_are_possible(context, program->graph.data[i]);
  if (!good)
    return false;
  for (size_t i = 0; i < program->param.length; i++)
    format_param(program, storage[i], &program->param.data[i]);
  for (size_t i = 0; i < program->graph.length; i++)
    graph_replace(program, i, format_graph(context, program->graph.data[i]));
  range_check(context);
  return diagnostics_errors(context->diagnostics) == 0; /* -Werror=range */
}
