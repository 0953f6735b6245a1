/* Makes every rounding an op: formatted to final.
 *
 * In: graphs where a value may have a narrow store format and a contraction
 * may read an operand `as` a narrow format. Out: graphs whose arithmetic is
 * all f32 and where only `cast` and `store` round (semantics.md, "Where values
 * round"):
 *
 *   %x : bf16 = op(..)        %x~1 : f32 = op(..);  %x : bf16 = cast(%x~1)
 *   einsum(%x as e4m3, ..)    %x.q : e4m3 = cast(%x~1), read by contractions
 *                             only, forward and backward sharing one copy
 *   einsum(@w as e4m3, ..)    %w.q : e4m3 = cast(@w), once a step
 *   relu_grad(%dy, %y)        %y.m : bool = positive(%y~1), where %y comes from
 *                             an earlier phase: a mask is kept, not the value
 *
 * The value's name stays with what most readers see. Copies stand right after
 * the definition of what they copy, so that fusion can make them there. The
 * copy of a view is a view of the copy of what owns the memory, for the same
 * reason. A result that is the old value of what the step stores is copied.
 * Values that nothing reads any more are dropped.
 */
#include "compiler/pass/rewrite.h"
#include "compiler/pass/storage.h"

/* The kinds of copies: one per format, and the mask. */
enum { COPY_MASK = FORMAT_COUNT, COPY_COUNT };

static const Format mask_format = FORMAT_BOOL;

/* What is known about each value of the old graph. */
typedef struct {
  ValueId source;  /* the value whose unrounded data its copies are made from:
                      itself, or what it is a view of */
  ValueId raw;     /* new id of its data before its own rounding, or 0 */
  ValueId rounded; /* sources: a view of the same shape that is nothing but the
                      rounded source, or 0 */
  uint32_t needs;  /* the copies that its readers ask for, a bit each */
  uint32_t makes;  /* sources: the copies to make for itself and its views */
  ValueId copy[COPY_COUNT]; /* new ids */
} Plan;

typedef struct {
  PassContext *context;
  const Graph *old;
  Plan *plan;
  const ValueId *original; /* what each value computes again, or 0 */
  GraphCopy copy;
  NameTable *names;
} Caster;

static const Node *old_node(const Caster *caster, ValueId id) {
  return graph_node(caster->old, id);
}

/* ---- what is needed ----------------------------------------------------- */

/* Values that round at their definition. A view of a rounded value has
 * nothing left to round. */
static bool node_rounds(const Caster *caster, ValueId id) {
  const Node *node = old_node(caster, id);
  if (!type_rounds(node->type) || node_is_leaf(node) || node->op == OP_CAST ||
      node->op == OP_STORE)
    return false;
  return node->op != OP_RESHAPE ||
         !type_rounds(old_node(caster, node->input[0])->type);
}

/* A view that rounds like a copy is a view of a copy. */
static bool is_view_of_copy(const Caster *caster, ValueId id) {
  const Node *node = old_node(caster, id);
  return node->op == OP_RESHAPE && node_rounds(caster, id) &&
         rounding_is_plain(&node->attr);
}

static void find_source(Caster *caster, ValueId id) {
  const Node *node = old_node(caster, id);
  Plan *plan = &caster->plan[id];
  plan->source = id;
  if (node->op != OP_RESHAPE ||
      type_rounds(old_node(caster, node->input[0])->type))
    return;
  plan->source = caster->plan[node->input[0]].source;
  if (is_view_of_copy(caster, id) &&
      type_same_shape(node->type, old_node(caster, plan->source)->type))
    caster->plan[plan->source].rounded = id;
}

static void need(Caster *caster, ValueId id, int kind) {
  Plan *plan = &caster->plan[id];
  plan->needs |= 1u << kind;
  caster->plan[plan->source].makes |= 1u << kind;
}

/* Is the second operand of this relu_grad to be a mask? */
static bool reads_mask(const Caster *caster, const Node *node) {
  if (node->op != OP_RELU_GRAD)
    return false;
  ValueId y = node->input[1];
  const Node *source = old_node(caster, caster->plan[y].source);
  return type_is_real(old_node(caster, y)->type) &&
         (source->phase < node->phase || is_view_of_copy(caster, y));
}

static void find_needs(Caster *caster, ValueId id) {
  const Node *node = old_node(caster, id);
  for (int i = 0; i < node_inputs(node); i++)
    if (node->as[i] != FORMAT_NONE)
      need(caster, node->input[i], (int)node->as[i]);
  if (reads_mask(caster, node))
    need(caster, node->input[1], COPY_MASK);
  if (is_view_of_copy(caster, id))
    caster->plan[caster->plan[id].source].makes |= 1u << node->type->format;
}

/* ---- copies ------------------------------------------------------------- */

static Format copy_format(int kind) {
  return kind == COPY_MASK ? mask_format : (Format)kind;
}

/* %x.q, or %x.e4m3 where several formats are needed; %x.m for the mask. */
static const char *copy_name(Caster *caster, ValueId id, int kind) {
  const char *own = old_node(caster, id)->name;
  const char *name = own ? own : "constant";
  uint32_t needs = caster->plan[id].needs;
  if (!(needs >> kind & 1))
    return name_helper(caster->names, name);
  if (kind == COPY_MASK)
    return name_suffixed(caster->names, name, "m");
  uint32_t formats = needs & ~(1u << COPY_MASK);
  bool several = (formats & (formats - 1)) != 0;
  return name_suffixed(caster->names, name,
                       several ? format_info((Format)kind)->text : "q");
}

/* The same elements in the format of a copy; no scale for a mask. */
static Node copy_node(Caster *caster, ValueId id, int kind, Op op,
                      ValueId from) {
  const Node *node = old_node(caster, id);
  TypeTable *types = caster->context->program->types;
  const Type *type = type_with_format(types, node->type, copy_format(kind));
  Phase phase =
      node_is_leaf(node) ? graph_phase(caster->copy.new) : node->phase;
  Node copy = node_make(op, phase, type, from, 0, 0);
  copy.span = node->span;
  if (kind == COPY_MASK)
    return copy;
  copy.scale = graph_node(caster->copy.new, from)->scale;
  copy.estimate = node->estimate;
  return copy;
}

static void add_source_copy(Caster *caster, ValueId id, int kind) {
  Plan *plan = &caster->plan[id];
  Op op = kind == COPY_MASK ? OP_POSITIVE : OP_CAST;
  Node copy = copy_node(caster, id, kind, op, plan->raw);
  ValueId rounded = plan->rounded;
  bool titled = rounded != 0 && kind != COPY_MASK &&
                old_node(caster, rounded)->type->format == copy_format(kind);
  copy.name =
      titled ? old_node(caster, rounded)->name : copy_name(caster, id, kind);
  copy.again = titled ? old_node(caster, rounded)->again : NULL;
  plan->copy[kind] = graph_add(caster->copy.new, &copy);
  if (titled)
    caster->copy.map[rounded] = plan->copy[kind];
}

static void add_view_copy(Caster *caster, ValueId id, int kind) {
  Plan *plan = &caster->plan[id];
  ValueId from = caster->plan[plan->source].copy[kind];
  Node copy = copy_node(caster, id, kind, OP_RESHAPE, from);
  copy.name = copy_name(caster, id, kind);
  plan->copy[kind] = graph_add(caster->copy.new, &copy);
}

static void add_copies(Caster *caster, ValueId id) {
  const Plan *plan = &caster->plan[id];
  bool is_source = plan->source == id;
  uint32_t kinds = is_source ? plan->makes : plan->needs;
  for (int kind = 0; kind < COPY_COUNT; kind++) {
    if (!(kinds >> kind & 1))
      continue;
    if (is_source)
      add_source_copy(caster, id, kind);
    else
      add_view_copy(caster, id, kind);
  }
}

/* ---- nodes -------------------------------------------------------------- */

/* The unrounded operand of a relu_grad in the phase of its relu. */
static void read_unrounded(const Caster *caster, Node *node, ValueId y) {
  if (caster->plan[y].raw != 0)
    node->input[1] = caster->plan[y].raw;
}

static void set_operands(const Caster *caster, ValueId id, Node *node) {
  const Node *old = old_node(caster, id);
  for (int i = 0; i < node_inputs(old); i++) {
    node->as[i] = FORMAT_NONE;
    if (old->as[i] != FORMAT_NONE)
      node->input[i] = caster->plan[old->input[i]].copy[old->as[i]];
  }
  if (reads_mask(caster, old))
    node->input[1] = caster->plan[old->input[1]].copy[COPY_MASK];
  else if (old->op == OP_RELU_GRAD)
    read_unrounded(caster, node, old->input[1]);
}

/* What the unrounded helper of a copy computes again: that of the original. */
static const char *raw_again(const Caster *caster, ValueId id) {
  ValueId raw = caster->plan[caster->original[id]].raw;
  return raw ? graph_node(caster->copy.new, raw)->name : NULL;
}

/* The op in f32 under a helper's name, and a cast with the value's own. */
static void add_rounded(Caster *caster, ValueId id, Node *node) {
  TypeTable *types = caster->context->program->types;
  Node cast = *node;
  node->name = name_helper(caster->names, node->name);
  node->type = type_with_format(types, node->type, FORMAT_F32);
  Attributes attr = node->attr, plain = attributes_neutral();
  rounding_copy(&node->attr, &plain);
  node->pinned = node->probe = false;
  node->again = raw_again(caster, id);
  ValueId raw = graph_add(caster->copy.new, node);
  caster->plan[id].raw = raw;
  cast.op = OP_CAST;
  cast.attr = plain;
  rounding_copy(&cast.attr, &attr);
  for (int i = 0; i < MAX_INPUTS; i++)
    cast.input[i] = i == 0 ? raw : 0;
  caster->copy.map[id] = graph_add(caster->copy.new, &cast);
}

/* A rounded view of another shape than what it is a view of. */
static void add_view(Caster *caster, ValueId id) {
  const Node *old = old_node(caster, id);
  const Plan *source = &caster->plan[caster->plan[id].source];
  Node view = copy_node(caster, id, (int)old->type->format, OP_RESHAPE,
                        source->copy[old->type->format]);
  view.name = old->name;
  view.pinned = old->pinned;
  view.probe = old->probe;
  view.again = old->again;
  caster->copy.map[id] = graph_add(caster->copy.new, &view);
}

/* A parameter takes f32 or its own format; a value that was rounded to another
 * one is widened, which changes nothing. */
static void widen_stored(Caster *caster, Node *store) {
  ValueId id = store->input[0];
  Node value = *graph_node(caster->copy.new, id);
  if (!type_rounds(value.type) || value.type->format == store->type->format)
    return;
  TypeTable *types = caster->context->program->types;
  const Type *wide = type_with_format(types, value.type, FORMAT_F32);
  Node cast = node_make(OP_CAST, store->phase, wide, id, 0, 0);
  cast.name = name_helper(caster->names, value.name);
  cast.span = store->span;
  cast.scale = value.scale;
  cast.estimate = value.estimate;
  store->input[0] = graph_add(caster->copy.new, &cast);
}

static void cast_node(Caster *caster, ValueId id) {
  if (is_view_of_copy(caster, id)) {
    if (caster->copy.map[id] == 0)
      add_view(caster, id);
  } else {
    Node node = graph_copy_prepare(&caster->copy, id);
    set_operands(caster, id, &node);
    if (node.op == OP_STORE)
      widen_stored(caster, &node);
    if (node_rounds(caster, id)) {
      add_rounded(caster, id, &node);
    } else {
      caster->copy.map[id] = graph_add(caster->copy.new, &node);
      caster->plan[id].raw = caster->copy.map[id];
    }
  }
  add_copies(caster, id);
}

/* ---- results ------------------------------------------------------------ */

/* A result is the old value of a parameter, or a view of it, and the step
 * stores a new one: it needs memory of its own. The cast changes no bit. */
static void detach_result(Caster *caster, Result *result) {
  Graph *graph = caster->copy.new;
  Node value = *graph_node(graph, result->value);
  const Node *base = &value;
  while (base->op == OP_RESHAPE)
    base = graph_node(graph, base->input[0]);
  if (base->op != OP_PARAM || !type_is_real(value.type) ||
      !graph_store(graph, base->attr.index))
    return;
  Node cast =
      node_make(OP_CAST, graph_phase(graph), value.type, result->value, 0, 0);
  cast.attr.overflow = OVERFLOW_INF;
  cast.name = name_helper(caster->names, value.name);
  cast.span = value.span;
  cast.scale = value.scale;
  cast.estimate = value.estimate;
  result->value = graph_add(graph, &cast);
}

static Graph *cast_graph(PassContext *context, const Graph *old) {
  Caster caster = {.context = context, .old = old};
  caster.plan = NEW_ARRAY(context->arena, Plan, old->count);
  for (ValueId id = 1; id < old->count; id++)
    find_source(&caster, id);
  for (ValueId id = 1; id < old->count; id++)
    find_needs(&caster, id);
  caster.original = graph_originals(context->arena, old);
  caster.copy = graph_copy_begin(context->arena, old);
  caster.names =
      name_table_new(context->arena, context->program->interner, old);
  for (ValueId id = 1; id < old->count; id++)
    cast_node(&caster, id);
  graph_copy_finish(&caster.copy);
  for (size_t i = 0; i < caster.copy.new->result.length; i++)
    detach_result(&caster, &caster.copy.new->result.data[i]);
  Graph *swept = graph_swept(context->arena, caster.copy.new);
  graph_free(caster.copy.new);
  return swept;
}

bool pass_casts(PassContext *context) {
  Program *program = context->program;
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    if (!formats_are_possible(context, graph)) /* a text may have such */
      return false;
    graph_replace(program, i, cast_graph(context, graph));
  }
  return true;
}
