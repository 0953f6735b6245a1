/* The op table and the small closed vocabularies of the IR.
 *
 * Everything here is a list that exists once: the ops come from ops.def, the
 * words from arrays indexed by their enum.
 */
#include "ir/ir.h"

#include <string.h>

/* The class column is an OpClass; `none` and friends are its suffixes. */
static const OpInfo op_table[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, ...)                           \
  [OP_##id] = {text, inputs, attributes, CLASS_##class},
#include "ir/ops.def"
};

/* The kernel forms by the names that the form column uses. */
enum {
  FORM_none = KERNEL_NONE,
  FORM_fused = KERNEL_FUSED,
  FORM_gemm = KERNEL_GEMM,
  FORM_reduce = KERNEL_REDUCE,
  FORM_row = KERNEL_ROW,
  FORM_permute = KERNEL_PERMUTE
};
static const KernelForm op_form[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale,        \
           gradient, eval, form, lower)                                        \
  [OP_##id] = (KernelForm)FORM_##form,
#include "ir/ops.def"
};

static const char *const level_text[] = {"plain", "scaled", "formatted",
                                         "final"};
static const char *const norm_text[NORM_COUNT] = {"l1", "l2", "max"};
static const char *const phase_text[PHASE_COUNT] = {"forward", "backward",
                                                    "accumulate", "update"};
static const char *const form_text[] = {"none",   "fused", "gemm",
                                        "reduce", "row",   "permute"};

static const char *const sample_text[] = {"greedy", "top_k", "top_p"};

const OpInfo *op_info(Op op) {
  return &op_table[op];
}

/* The words of the shape column tell the two kinds from other ops. */
static const char *const op_shape[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, ...) [OP_##id] = #shape,
#include "ir/ops.def"
};

bool op_is_marker(Op op) {
  return strcmp(op_shape[op], "marker") == 0;
}

bool op_is_random(Op op) {
  return strcmp(op_shape[op], "random") == 0;
}

/* Linear: a hundred short words, once per op of a text. */
Op op_named(const char *text) {
  for (int op = 0; op < OP_COUNT; op++)
    if (strcmp(op_table[op].text, text) == 0)
      return (Op)op;
  return OP_COUNT;
}

const char *level_name(Level level) {
  return level_text[level];
}

/* False, and *out untouched, for any other word. */
bool level_named(const char *text, Level *out) {
  for (int level = LEVEL_PLAIN; level <= LEVEL_FINAL; level++) {
    if (strcmp(level_text[level], text) != 0)
      continue;
    *out = (Level)level;
    return true;
  }
  return false;
}

const char *norm_name(Norm norm) {
  return norm_text[norm];
}

const char *why_name(Why why) {
  static const char *const name[] = {"text", "loss",  "norm",    "update",
                                     "rule", "range", "operand", "store"};
  return name[why];
}

const char *sample_name(SampleKind kind) {
  return sample_text[kind];
}

const char *phase_name(Phase phase) {
  return phase_text[phase];
}

const char *kernel_form_name(KernelForm form) {
  return form_text[form];
}

bool kernel_form_named(const char *text, KernelForm *out) {
  for (int form = KERNEL_FUSED; form <= KERNEL_PERMUTE; form++) {
    if (strcmp(form_text[form], text) != 0)
      continue;
    *out = (KernelForm)form;
    return true;
  }
  return false;
}

KernelForm op_kernel_form(Op op) {
  return op_form[op];
}
