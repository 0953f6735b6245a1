/* The halving lint: sizes that agree today only (language.md 10.5).
 *
 * In: a function of the user with `?` sizes, after its first call. Out: the
 * warning W0310 where its body fails once every even size that the call bound
 * is halved and nothing else is changed. So that a size that had to be even,
 * or large enough, is no false alarm, the body has to fail with the sizes
 * doubled as well. A trial has a graph of its own, which is thrown away, and
 * its messages are caught: it leaves no trace in the program. Functions that
 * have been called before, and say what they return, are taken at their word,
 * so that a trial costs one body, not all that it calls.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- functions that were called ------------------------------------------ */

static size_t slot_of(const CalledSet *set, const Function *function) {
  size_t i = ((uintptr_t)function >> 4) * 0x9E3779B97F4A7C15u;
  for (i &= set->capacity - 1; set->slot[i] && set->slot[i] != function;)
    i = (i + 1) & (set->capacity - 1);
  return i;
}

static bool was_called(const CalledSet *set, const Function *function) {
  return set->capacity && set->slot[slot_of(set, function)] == function;
}

static void called_grow(Elaborator *e) {
  CalledSet *set = &e->called, old = *set;
  set->capacity = old.capacity ? 2 * old.capacity : 64;
  set->slot = NEW_ARRAY(e->scratch, const Function *, set->capacity);
  for (size_t i = 0; i < old.capacity; i++)
    if (old.slot[i])
      set->slot[slot_of(set, old.slot[i])] = old.slot[i];
}

/* Is this the first call? */
static bool called_add(Elaborator *e, const Function *function) {
  CalledSet *set = &e->called;
  if (2 * set->count >= set->capacity)
    called_grow(e);
  const Function **slot = &set->slot[slot_of(set, function)];
  if (*slot)
    return false;
  *slot = function;
  set->count++;
  return true;
}

/* ---- one trial ----------------------------------------------------------- */

struct Trial {
  bool doubled;     /* else halved */
  bool changed;     /* some size was */
  bool failed;      /* something went wrong; only the first counts */
  bool misfit;      /* it was shapes that do not fit */
  Diagnostic error; /* what was said then */
  Buffer sizes;     /* "t = 512 instead of 1024" */
};

/* What depends on sizes other than by their equality says nothing here. */
static bool is_misfit(const char *code) {
  static const char *const other[] = {"E0305", "E0307", "E0308", "E0309",
                                      "E0311", "E0312", "E0313", "E0314"};
  for (size_t i = 0; i < sizeof other / sizeof *other; i++)
    if (strcmp(code, other[i]) == 0)
      return false;
  return strncmp(code, "E03", 3) == 0;
}

void trial_failed(Trial *trial, const Diagnostic *error) {
  if (trial->failed || (error && error->severity != SEVERITY_ERROR))
    return;
  trial->failed = true;
  if (!error)
    return;
  trial->misfit = is_misfit(error->code);
  trial->error = *error;
}

static int64_t changed_size(Trial *trial, const char *name, int64_t size) {
  if (size % 2 != 0 || size > INT32_MAX)
    return size;
  int64_t other = trial->doubled ? 2 * size : size / 2;
  buffer_printf(&trial->sizes, "%s%s = %" PRId64 " instead of %" PRId64,
                trial->changed ? ", " : "", name, other, size);
  trial->changed = true;
  return other;
}

/* The size of one axis in the trial; false: it has none. */
static bool trial_dim(Elaborator *e, const Dim *dim, int64_t size,
                      int64_t *out) {
  Scope *locals = &e->frame->locals;
  *out = size;
  if (dim_is_any(dim))
    return true;
  if (dim->kind == DIM_EXPR) {
    Value value = dim_eval(e, dim);
    *out = value.kind == VALUE_INT ? value.as.integer : 0;
    return *out >= 1;
  }
  const Variable *bound = scope_find(locals, dim->name);
  if (bound && bound->value.kind == VALUE_INT)
    *out = bound->value.as.integer;
  else
    *out = changed_size(e->trial, dim->name, size);
  scope_set(e, locals, dim->name, value_int(*out), dim->span);
  return true;
}

/* A tensor becomes an input of the trial's graph, in its new shape. */
static bool trial_tensor(Elaborator *e, const Type *have, BoundArg *arg) {
  int64_t dim[MAX_RANK];
  int rank = 0;
  for (const Dim *d = arg->formal->type->dims; d; d = d->next, rank++)
    if (!trial_dim(e, d, have->dim[rank], &dim[rank]))
      return false;
  const Type *type = type_make(e->program->types, have->format, rank, dim);
  if (!type)
    return false;
  arg->value = value_tensor(
      emit_input(e, arg->formal->name, type, -1, arg->formal->span), NULL);
  return true;
}

/* Arguments one by one: a later shape may speak of an earlier size. */
static bool trial_arguments(Elaborator *e, const Target *target,
                            const BoundArg *bound, const Builder *outside) {
  for (; bound->formal; bound++) {
    BoundArg one[2] = {*bound, {0}};
    if (bound->given && bound->value.kind == VALUE_TENSOR &&
        !trial_tensor(
            e, graph_node(outside->graph, bound->value.as.tensor.id)->type,
            &one[0]))
      return false;
    if (!args_define(e, one, &target->callee, &e->frame->locals, false,
                     (Span){0}))
      return false;
  }
  return true;
}

/* Runs the body in a graph of its own; all that it counts is taken back. */
static void trial_run(Elaborator *e, const Target *target,
                      const BoundArg *bound, Span call, Trial *trial) {
  Builder *outside = e->builder;
  Binding *binding = e->binding;
  unsigned failures = e->failures;
  int64_t work = e->work, nodes = e->nodes, bytes = e->constant_bytes;
  Builder builder = {.phase = outside->phase};
  Frame frame = {.file = target->file,
                 .instance = target->instance,
                 .function = target->function,
                 .what = target->what,
                 .call = call};
  frame.owner = target->instance ? target->instance : e->frame->owner;
  builder.graph =
      graph_new(e->scratch, outside->graph->kind, outside->graph->name);
  builder.names = name_table_new(e->scratch, e->interner, NULL);
  e->builder = &builder;
  e->binding = NULL;
  e->trial = trial;
  frame_push(e, &frame);
  if (!trial_arguments(e, target, bound, outside))
    trial_failed(trial, NULL);
  else if (trial->changed)
    target_run(e, target);
  frame_pop(e);
  e->trial = NULL;
  e->binding = binding;
  e->builder = outside;
  e->failures = failures;
  e->work = work;
  e->nodes = nodes;
  e->constant_bytes = bytes;
  graph_free(builder.graph);
  builder_free(&builder);
}

/* ---- what is tried, and what is said ------------------------------------- */

/* Values that belong to the graph of the call, other than tensors, cannot be
 * taken along. */
static bool is_portable(Value value) {
  if (value.kind != VALUE_LIST)
    return value.kind != VALUE_BATCH;
  for (size_t i = 0; i < value.as.list.count; i++)
    if (value.as.list.item[i].kind == VALUE_TENSOR ||
        !is_portable(value.as.list.item[i]))
      return false;
  return true;
}

/* A pack may hold any number of axes, and the body looks after itself. */
static bool is_tried(const Target *target, const BoundArg *bound) {
  bool binds = false;
  if (target->file->builtin)
    return false;
  for (; bound->formal; bound++) {
    const TypeExpr *type = bound->formal->type;
    if (type->kind == TYPE_TUPLE || !is_portable(bound->value))
      return false;
    for (const Dim *dim = type->dims; dim; dim = dim->next) {
      if (dim->kind == DIM_PACK)
        return false;
      binds |= dim->kind == DIM_BIND;
    }
  }
  return binds;
}

/* The picture of the mistake, and the sizes that show it. */
static void coincidence_warn(Elaborator *e, Trial *trial) {
  Diagnostic warning = trial->error;
  warning.severity = SEVERITY_WARNING;
  warning.code = "W0310";
  warning.message = text_printf(e, "this fits the present sizes only: %s",
                                trial->error.message);
  if (warning.note_count == DIAGNOSTIC_NOTES)
    warning.note_count--;
  memmove(warning.note + 1, warning.note,
          (size_t)warning.note_count * sizeof *warning.note);
  warning.note[0] = text_printf(e, "tried with %s", trial->sizes.data);
  warning.note_count++;
  error_send(e, &warning);
}

void coincidence_check(Elaborator *e, const Target *target,
                       const BoundArg *bound, Span call) {
  if (e->trial || !e->builder || !called_add(e, target->function) ||
      e->failures || !is_tried(target, bound) ||
      warning_level(diagnostics_warnings(e->diagnostics), "W0310") ==
          WARNING_OFF)
    return;
  Trial half = {0}, twice = {.doubled = true};
  trial_run(e, target, bound, call, &half);
  if (half.misfit)
    trial_run(e, target, bound, call, &twice);
  if (half.misfit && twice.misfit)
    coincidence_warn(e, &half);
  buffer_free(&half.sizes);
  buffer_free(&twice.sizes);
}

/* ---- functions inside a trial -------------------------------------------- */

static bool says_its_result(const TypeExpr *type) {
  if (!type || type->kind == TYPE_TUPLE)
    return false;
  for (const Dim *dim = type->dims; dim; dim = dim->next)
    if (dim->kind != DIM_EXPR || dim_is_any(dim))
      return false;
  return true;
}

/* At least one argument is a tensor, so that the result is none known now. */
static bool takes_tensor(const BoundArg *bound) {
  for (; bound->formal; bound++)
    if (bound->value.kind == VALUE_TENSOR)
      return true;
  return false;
}

bool trial_takes_word(Elaborator *e, const Target *target,
                      const BoundArg *bound) {
  const TypeExpr *type = target->function->result;
  if (!e->trial || !was_called(&e->called, target->function) ||
      !takes_tensor(bound) || !says_its_result(type) ||
      type_format(e, type) == FORMAT_NONE)
    return false;
  bool pinned;
  const char *const *label;
  const Type *result = type_resolve(e, type, &pinned, &label);
  e->frame->result = result ? value_tensor(emit_input(e, target->callee.name,
                                                      result, -1, type->span),
                                           label)
                            : value_poison();
  e->frame->result_span = type->span;
  return true;
}
