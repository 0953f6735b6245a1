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
 * The same helper is what an operand's copy at a measured exponent is made of,
 * and what is measured for it.
 *
 * `as` is to nearest and saturating. Where the recipe rounds an operand
 * otherwise, the copy is a cast of its own behind the definition, shared by all
 * contractions that read the value so; it is made from the unrounded value too,
 * so an owner that rounds is split.
 */
#include "compiler/pass/range.h"
#include "compiler/pass/recipe_query.h"
#include "compiler/pass/rewrite.h"
#include "compiler/pass/storage.h"

/* A format and how it is rounded to; FORMAT_NONE: not at all. */
typedef struct {
  Format format;
  Rounding round;
  Overflow overflow;
  bool flush;
} Conversion;

/* One more form of a value: a cast of what owns the memory, a view of that. */
typedef struct Copy {
  struct Copy *next;
  Conversion how;
  bool read;     /* by a product itself, not only by way of a view */
  ValueId value; /* in the new graph, once it is there */
} Copy;

/* What is known about each value of the old graph. */
typedef struct {
  ValueId owner;   /* itself, or what a view is a view of */
  bool read_later; /* by the backward pass, other than by rules 1 and masks */
  bool is_result;
  bool needs_raw;   /* a contraction or a mask reads it unrounded */
  bool whole;       /* it reads its operand unrounded: a copy for products at
                       an exponent of its own, or what measures that */
  bool split;       /* owners: see the top of the file */
  bool settled;     /* owners: `store` is what it will be */
  Conversion store; /* owners: of the value and its views */
  Conversion as[MAX_INPUTS];
  Copy *copy; /* what its contractions read that `as` cannot say */
} Choice;

typedef struct {
  PassContext *context;
  const Graph *old;
  Choice *choice;
  const ValueId *original; /* what each value computes again, or 0 */
  GraphCopy copy;
  NameTable *names;
  ValueId *raw;  /* per old owner: the unrounded helper, where split */
  ValueId *view; /* per old view: one of that in its shape, where needed */
} Formatter;

/* ---- conversions --------------------------------------------------------- */

static Conversion conversion_none(void) {
  return (Conversion){FORMAT_NONE, ROUND_NEAREST, OVERFLOW_SATURATE, false};
}

/* Into the format of the settings, where that rounds. */
static Conversion conversion_of(const Settings *settings) {
  if (settings->forward == FORMAT_NONE || !format_rounds(settings->forward))
    return conversion_none();
  return (Conversion){settings->forward, settings_rounding(settings),
                      settings_overflow(settings), settings->subnormals == 0};
}

static bool conversion_equal(Conversion a, Conversion b) {
  return a.format == b.format && a.round == b.round &&
         a.overflow == b.overflow && a.flush == b.flush;
}

/* Does `as` say all of it? */
static bool conversion_is_plain(Conversion how) {
  Conversion plain = conversion_none();
  plain.format = how.format;
  return conversion_equal(how, plain);
}

static void conversion_set(Attributes *attr, Conversion how) {
  attr->round = how.round;
  attr->overflow = how.overflow;
  attr->flush = how.flush;
}

/* ---- rule 1: contraction operands --------------------------------------- */

static Conversion operand_conversion(const Formatter *formatter,
                                     ProductKind kind, ValueId id,
                                     int operand) {
  Settings settings = recipe_operand_settings(
      formatter->context->program, formatter->old, kind, id, operand);
  return conversion_of(&settings);
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
                          ? operand_conversion(formatter, kind[id], id, i)
                          : conversion_none();
  }
}

/* Does the node read this operand as it was before its own rounding? */
static bool reads_raw(const Formatter *formatter, ValueId id, int operand) {
  const Node *node = graph_node(formatter->old, id);
  return formatter->choice[id].as[operand].format != FORMAT_NONE ||
         formatter->choice[id].whole ||
         (node->op == OP_RELU_GRAD && operand == 1);
}

/* ---- rule 2: what is kept ----------------------------------------------- */

static void find_owners(Formatter *formatter) {
  const Graph *graph = formatter->old;
  for (ValueId id = 1; id < graph->count; id++) {
    const Node *node = graph_node(graph, id);
    formatter->choice[id].owner =
        node->op == OP_RESHAPE ? formatter->choice[node->input[0]].owner : id;
    formatter->choice[id].store = conversion_none();
  }
}

/* What the exponent of a copy is measured with: behind a held one stands what
 * is measured now, and that of a delayed one goes into its history. */
static ValueId measured_by(const Graph *graph, ValueId symbol) {
  const Node *node = graph_node(graph, symbol);
  if (node->op == OP_HELD_EXPONENT)
    return node->input[1];
  if (node->op != OP_DELAYED_EXPONENT)
    return 0;
  int32_t history = graph_node(graph, node->input[0])->attr.index;
  return graph_node(graph, graph_store(graph, history))->input[0];
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

static void find_copies(Formatter *formatter) {
  const Graph *graph = formatter->old;
  for (ValueId id = 1; id < graph->count; id++) {
    if (!node_is_operand_copy(graph, id))
      continue;
    ValueId symbol = graph_node(graph, id)->scale.symbol;
    formatter->choice[id].whole = true;
    for (; symbol && graph_node(graph, symbol)->op != OP_NORM_EXPONENT;)
      symbol = measured_by(graph, symbol);
    bool own = symbol && graph_node(graph, symbol)->input[0] ==
                             graph_node(graph, id)->input[0];
    if (own)
      formatter->choice[symbol].whole = true;
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

/* The first to settle it wins, f32 included. */
static void set_store(Choice *owner, const Settings *settings) {
  if (owner->settled || settings->forward == FORMAT_NONE)
    return;
  owner->settled = true;
  owner->store = conversion_of(settings);
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
  set_store(owner, &settings);
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
  settings.forward = param->type->format;
  settings.round = (int)param->round;
  set_store(&formatter->choice[formatter->choice[value].owner], &settings);
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
    choice->store = first->store;
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
                    owner->store.format != FORMAT_NONE;
    const Node *node = graph_node(graph, id);
    if (choice->whole) {
      Choice *read = &formatter->choice[node->input[0]];
      Choice *from = &formatter->choice[read->owner];
      from->split |= from->store.format != FORMAT_NONE;
    }
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
  if (owner->store.format != FORMAT_NONE)
    return owner->store.format;
  bool given = owner_node->op == OP_CAST || node_is_leaf(owner_node);
  return given && owner_node->type->format != FORMAT_REAL
             ? owner_node->type->format
             : FORMAT_F32;
}

/* ---- operands that are rounded in a way of their own --------------------- */

static Copy *find_copy(const Choice *choice, Conversion how) {
  Copy *copy = choice->copy;
  while (copy && !conversion_equal(copy->how, how))
    copy = copy->next;
  return copy;
}

static Copy *ask_for_copy(Formatter *formatter, ValueId id, Conversion how) {
  Choice *choice = &formatter->choice[id];
  Copy *copy = find_copy(choice, how);
  if (copy)
    return copy;
  copy = NEW(formatter->context->arena, Copy);
  *copy = (Copy){NULL, how, false, 0};
  Copy **last = &choice->copy;
  while (*last)
    last = &(*last)->next;
  return *last = copy;
}

/* Is the value stored as the contraction reads it? A leaf and a cast of the
 * text are what they are. */
static bool is_stored_as(const Formatter *formatter, ValueId id,
                         Conversion how) {
  ValueId owner = formatter->choice[id].owner;
  return final_format(formatter, id) == how.format &&
         (!may_round(graph_node(formatter->old, owner)) ||
          conversion_equal(formatter->choice[owner].store, how));
}

/* Leaves to each edge what is left to do: nothing, `as`, or a copy. */
static void choose_copies(Formatter *formatter) {
  for (ValueId id = 1; id < formatter->old->count; id++)
    for (int i = 0; i < node_inputs(graph_node(formatter->old, id)); i++) {
      ValueId operand = graph_node(formatter->old, id)->input[i];
      Conversion *as = &formatter->choice[id].as[i];
      if (as->format == FORMAT_NONE)
        continue;
      if (is_stored_as(formatter, operand, *as))
        *as = conversion_none();
      else if (!conversion_is_plain(*as)) {
        ValueId owner = formatter->choice[operand].owner;
        ask_for_copy(formatter, owner, *as);
        ask_for_copy(formatter, operand, *as)->read = true;
        formatter->choice[owner].split |=
            formatter->choice[owner].store.format != FORMAT_NONE;
      }
    }
}

/* The name of the copy that the original of `id` has in the same form, by which
 * this one draws; NULL: it has none, or `id` is an original. */
static const char *copy_again(const Formatter *formatter, ValueId id,
                              Conversion how) {
  ValueId first = formatter->original[id];
  const Copy *copy = first ? find_copy(&formatter->choice[first], how) : NULL;
  return copy ? graph_node(formatter->copy.new, copy->value)->name : NULL;
}

/* %x.q, or %x.e4m3 where there are several; of what only a view is read of, a
 * helper. */
static const char *copy_name(Formatter *formatter, ValueId id,
                             const Copy *copy) {
  const char *name = graph_node(formatter->old, id)->name;
  if (!copy->read)
    return name_helper(formatter->names, name);
  bool several = formatter->choice[id].copy->next != NULL;
  return name_suffixed(formatter->names, name,
                       several ? format_info(copy->how.format)->text : "q");
}

static void add_copies(Formatter *formatter, ValueId id) {
  TypeTable *types = formatter->context->program->types;
  const Choice *choice = &formatter->choice[id];
  const Node *old = graph_node(formatter->old, id);
  bool is_owner = choice->owner == id;
  for (Copy *copy = choice->copy; copy; copy = copy->next) {
    ValueId from = choice->split ? formatter->raw[id] : formatter->copy.map[id];
    if (!is_owner)
      from = find_copy(&formatter->choice[choice->owner], copy->how)->value;
    Phase phase =
        node_is_leaf(old) ? graph_phase(formatter->copy.new) : old->phase;
    Node node = node_make(is_owner ? OP_CAST : OP_RESHAPE, phase,
                          type_with_format(types, old->type, copy->how.format),
                          from, 0, 0);
    node.name = copy_name(formatter, id, copy);
    node.again = copy_again(formatter, id, copy->how);
    node.span = old->span;
    node.scale = graph_node(formatter->copy.new, from)->scale;
    node.estimate = graph_node(formatter->copy.new, from)->estimate;
    if (is_owner)
      conversion_set(&node.attr, copy->how);
    copy->value = graph_add(formatter->copy.new, &node);
  }
}

/* What contractions read: the copy, or the value `as` a format. */
static void set_operands(const Formatter *formatter, ValueId id, Node *node) {
  const Node *old = graph_node(formatter->old, id);
  for (int i = 0; i < node_inputs(old); i++) {
    Conversion as = formatter->choice[id].as[i];
    node->as[i] = conversion_is_plain(as) ? as.format : FORMAT_NONE;
    if (!conversion_is_plain(as))
      node->input[i] = find_copy(&formatter->choice[old->input[i]], as)->value;
  }
}

/* f32 under a helper's name, then the rounded view under the value's own. */
static void add_split(Formatter *formatter, ValueId id, Node *node) {
  TypeTable *types = formatter->context->program->types;
  Node raw = *node;
  raw.name = name_helper(formatter->names, node->name);
  raw.type = type_with_format(types, node->type, FORMAT_F32);
  Attributes attr = node->attr, plain = attributes_neutral();
  rounding_copy(&raw.attr, &plain);
  raw.pinned = raw.probe = false;
  ValueId first = formatter->raw[formatter->original[id]];
  raw.again = first ? graph_node(formatter->copy.new, first)->name : NULL;
  formatter->raw[id] = graph_add(formatter->copy.new, &raw);
  node->op = OP_RESHAPE;
  node->attr = plain;
  rounding_copy(&node->attr, &attr);
  for (int i = 0; i < MAX_INPUTS; i++) {
    node->input[i] = i == 0 ? formatter->raw[id] : 0;
    node->as[i] = FORMAT_NONE;
  }
}

/* The value before its own rounding, in its own shape. */
static ValueId unrounded(Formatter *formatter, ValueId id, const Node *reader) {
  const Choice *choice = &formatter->choice[id];
  if (!formatter->choice[choice->owner].split)
    return formatter->copy.map[id];
  ValueId raw = formatter->raw[choice->owner];
  const Node *from = graph_node(formatter->copy.new, raw);
  const Node *shown = graph_node(formatter->old, id);
  if (type_same_shape(from->type, shown->type))
    return raw;
  if (formatter->view[id])
    return formatter->view[id];
  TypeTable *types = formatter->context->program->types;
  Node view =
      node_make(OP_RESHAPE, reader->phase,
                type_with_format(types, shown->type, FORMAT_F32), raw, 0, 0);
  view.name = name_helper(formatter->names, shown->name);
  view.span = shown->span;
  view.scale = from->scale;
  view.estimate = from->estimate;
  return formatter->view[id] = graph_add(formatter->copy.new, &view);
}

static void format_node(Formatter *formatter, ValueId id) {
  const Program *program = formatter->context->program;
  Node node = graph_copy_prepare(&formatter->copy, id);
  const Choice *owner = &formatter->choice[formatter->choice[id].owner];
  if (type_is_real(node.type))
    node.type = type_with_format(program->types, node.type,
                                 final_format(formatter, id));
  if (may_round(graph_node(formatter->old, id)) && type_rounds(node.type))
    conversion_set(&node.attr, owner->store);
  if (node.op == OP_STORE) {
    const Parameter *param = &program->param.data[node.attr.index];
    Settings settings = recipe_param_settings(
        program, graph_recipe(program, formatter->old), param);
    conversion_set(&node.attr, (Conversion){param->type->format, param->round,
                                            settings_overflow(&settings),
                                            settings.subnormals == 0});
  }
  set_operands(formatter, id, &node);
  if (formatter->choice[id].whole)
    node.input[0] =
        unrounded(formatter, graph_node(formatter->old, id)->input[0], &node);
  if (node.op == OP_RESHAPE && owner->split)
    node.input[0] = formatter->raw[formatter->choice[id].owner];
  else if (owner->split)
    add_split(formatter, id, &node);
  formatter->copy.map[id] = graph_add(formatter->copy.new, &node);
  add_copies(formatter, id);
}

bool formats_are_possible(PassContext *context, const Graph *graph) {
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
  formatter.view = NEW_ARRAY(arena, ValueId, old->count);
  find_owners(&formatter);
  find_copies(&formatter);
  choose_operands(&formatter);
  find_readers(&formatter);
  choose_formats(&formatter);
  choose_copies(&formatter);
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
  Settings settings =
      recipe ? recipe_param_settings(program, recipe, param) : settings_unset();
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
