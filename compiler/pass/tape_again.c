/* What the backward pass computes again.
 *
 * A value in a region (Node.remat) is not kept: where a gradient rule reads it,
 * it reads a copy in phase backward, made where it is first needed, so that it
 * lives from there on only. The copy for region R reads what lies in R as
 * copies for R too, and everything else as the backward pass has it: kept, if
 * it lies in no region, else as the copy for its own innermost one. Hence with
 * regions in regions each level is computed once more (recursive checkpointing;
 * Griewank and Walther, Evaluating Derivatives, chapter 12): the outer one's
 * copies lead to the inputs of the inner ones, whose own copies come later.
 *
 * A copy has the op, the attributes and the operands of its original, hence the
 * same bits; random values draw by the original's name (Node.again).
 */
#include "compiler/pass/gradient.h"

#include <inttypes.h>

/* The copy of a value for a region. */
struct Again {
  const char *region;
  ValueId id;
  struct Again *next;
};

/* A copy that is wanted. */
typedef struct {
  ValueId value;
  const char *region;
} Wanted;

typedef VEC(Wanted) WantedList;

static const char *region_of(const Tape *tape, ValueId value) {
  return value < tape->forward ? graph_node(tape->graph, value)->remat : NULL;
}

/* 0 if it has not been made yet. */
static ValueId copy_find(const Tape *tape, Wanted wanted) {
  const Again *again = tape->again[wanted.value];
  while (again && again->region != wanted.region)
    again = again->next;
  return again ? again->id : 0;
}

/* What the copy of a value of `region` reads in the place of `operand`; false
 * if that is no copy but the operand itself. */
static bool wants(const Tape *tape, ValueId operand, const char *region,
                  Wanted *out) {
  const char *own = region_of(tape, operand);
  *out = (Wanted){operand, own && remat_within(own, region) ? region : own};
  return own != NULL;
}

static void copy_make(Tape *tape, Wanted wanted) {
  Node node = *graph_node(tape->graph, wanted.value);
  for (int i = 0; i < node_inputs(&node); i++) {
    Wanted operand;
    if (wants(tape, node.input[i], wanted.region, &operand))
      node.input[i] = copy_find(tape, operand);
  }
  node.again = node.name;
  node.name = node.remat = NULL;
  node.phase = PHASE_BACKWARD;
  node.probe = false;
  Again *again = NEW(tape->context->arena, Again);
  *again = (Again){wanted.region, graph_add(tape->graph, &node),
                   tape->again[wanted.value]};
  tape->again[wanted.value] = again;
  vec_push(&tape->owner, wanted.value);
}

/* Puts the missing operands of the copy on the list; false if none is. */
static bool want_operands(const Tape *tape, Wanted wanted, WantedList *list) {
  const Node *node = graph_node(tape->graph, wanted.value);
  bool missing = false;
  for (int i = node_inputs(node); i-- > 0;) {
    Wanted operand;
    if (!wants(tape, node->input[i], wanted.region, &operand) ||
        copy_find(tape, operand))
      continue;
    vec_push(list, operand);
    missing = true;
  }
  return missing;
}

/* Deep regions multiply; false after a message. */
static bool may_copy(Tape *tape, ValueId value) {
  PassContext *context = tape->context;
  const Limits *limits = &context->program->sources->limits;
  if (tape->failed || tape->copies++ < limits->of[LIMIT_nodes])
    return !tape->failed;
  tape->failed = true;
  Diagnostic error = {.severity = SEVERITY_ERROR, .code = "E0711"};
  error.message =
      arena_printf(context->arena,
                   "%s: computing again takes more than %" PRId64 " operations",
                   tape->graph->name, limits->of[LIMIT_nodes]);
  error.label[error.label_count++] =
      (Label){graph_node(tape->graph, value)->span, NULL};
  error.note[error.note_count++] =
      limit_note(context->arena, limits, LIMIT_nodes);
  diagnose(context->diagnostics, &error);
  return false;
}

/* Chains may be long: what is still to be made is a list, not calls. After a
 * failure the value itself will do. */
ValueId tape_kept(Tape *tape, ValueId value) {
  const char *region = region_of(tape, value);
  if (!region || tape->failed)
    return value;
  WantedList list = {0};
  vec_push(&list, ((Wanted){value, region}));
  while (list.length > 0) {
    Wanted last = list.data[list.length - 1];
    if (copy_find(tape, last)) {
      list.length--;
    } else if (!want_operands(tape, last, &list)) {
      if (!may_copy(tape, last.value))
        break;
      copy_make(tape, last);
      list.length--;
    }
  }
  vec_free(&list);
  return tape->failed ? value : copy_find(tape, (Wanted){value, region});
}
