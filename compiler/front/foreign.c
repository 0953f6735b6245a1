/* Hints for those who come from other languages: what they call functions,
 * parameters and methods of this one.
 *
 * In: a name that means nothing here, and what stands around it. Out: what to
 * write instead, or NULL. Nothing is reported here.
 */
#include "compiler/front/foreign.h"

#include <string.h>

/* ---- functions ---------------------------------------------------------- */

/* The second of the row whose first is `word`, or NULL. */
static const char *look_up(const char *const (*row)[2], size_t count,
                           const char *word) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(row[i][0], word) == 0)
      return row[i][1];
  return NULL;
}

const char *foreign_function(const char *name) {
  static const char *const row[][2] = {
      {"cat", "concat"},           {"concatenate", "concat"},
      {"view", "reshape"},         {"arange", "iota"},
      {"one_hot", "onehot"},       {"clip", "clamp"},
      {"topk", "top_k"},           {"flip", "reverse"},
      {"swish", "silu"},           {"mse_loss", "mse"},
      {"layernorm", "layer_norm"}, {"rmsnorm", "rms_norm"},
      {"max_pool2d", "maxpool2d"}, {"avg_pool2d", "avgpool2d"},
      {"detach", "stop_grad"},     {"stop_gradient", "stop_grad"}};
  return look_up(row, sizeof row / sizeof *row, name);
}

/* Functions that are operators here. */
static const char *operator_of(const char *name) {
  static const char *const row[][2] = {
      {"pow", "**"}, {"matmul", "@"}, {"mm", "@"},  {"bmm", "@"}, {"dot", "@"},
      {"add", "+"},  {"sub", "-"},    {"mul", "*"}, {"div", "/"}};
  return look_up(row, sizeof row / sizeof *row, name);
}

/* As an operand: what has operators of its own stands in parentheses. */
static const char *operand_text(Elaborator *e, const Expr *expr) {
  const char *text = span_text(e, expr->span);
  bool bare = strlen(text) == strlen(expr_text(e, expr));
  bool compound = expr->kind == EXPR_BINARY || expr->kind == EXPR_UNARY;
  return compound && bare ? text_printf(e, "(%s)", text) : text;
}

/* `matmul(x, y)` and `range(3)`, with what was written. */
static const char *rewritten_call(Elaborator *e, const char *name,
                                  const Arg *args) {
  const char *mark = operator_of(name);
  if (args && !args->next && strcmp(name, "range") == 0)
    return text_printf(e, "`for i in 0..%s { ... }`",
                       span_text(e, args->value->span));
  if (!mark || !args || !args->next || args->next->next)
    return NULL;
  return text_printf(e, "`%s %s %s`", operand_text(e, args->value), mark,
                     operand_text(e, args->next->value));
}

const char *foreign_function_hint(Elaborator *e, const char *name,
                                  const Expr *call) {
  static const char *const row[][2] = {
      {"range", "`for i in a..b { ... }`"},
      {"norm", "`sqrt(sum(x * x))`; `layer_norm` and `rms_norm` normalize"},
      {"len", "`?n` in a header names a size: `x: [?n]`"},
      {"float", "`real(x)`"},
      {"int", "`i32(x)`"},
      {"print", "`report name = value` in `train` or `eval`"}};
  const char *rewritten = call ? rewritten_call(e, name, call->args) : NULL;
  return rewritten ? rewritten : look_up(row, sizeof row / sizeof *row, name);
}

bool foreign_library(const char *name) {
  static const char *const word[] = {"F",   "torch", "np", "numpy",
                                     "jnp", "jax",   "tf", "math"};
  for (size_t i = 0; i < sizeof word / sizeof *word; i++)
    if (strcmp(word[i], name) == 0)
      return true;
  return false;
}

/* ---- parameters --------------------------------------------------------- */

/* Is it a word of the row of the built-in? */
static bool has_parameter(const Builtin *builtin, const char *name) {
  size_t length = strlen(name);
  const char *at = builtin->parameters;
  while (at && *at) {
    size_t word = strcspn(at, " ?");
    if (word == length && strncmp(at, name, length) == 0)
      return true;
    at += word;
    at += strspn(at, " ?");
  }
  return false;
}

const char *foreign_parameter(const Builtin *builtin, const char *name) {
  static const char *const row[][2] = {
      {"dim", "axis"},      {"keepdim", "keep"},           {"keepdims", "keep"},
      {"padding", "pad"},   {"target", "labels"},          {"dims", "axis"},
      {"kernel_size", "k"}, {"label_smoothing", "smooth"}, {"min", "low"},
      {"max", "high"},      {"ignore_index", "ignore"},    {"num_classes", "n"},
      {"tensors", "parts"}};
  const char *same = look_up(row, sizeof row / sizeof *row, name);
  return same && has_parameter(builtin, same) ? same : NULL;
}

/* ---- methods ------------------------------------------------------------ */

/* The arguments of a method, after its object: `, axis = 1`. One number is an
 * axis where the function has one. */
static void add_arguments(Elaborator *e, const Builtin *builtin,
                          const Arg *args, Buffer *out) {
  bool axis = args && !args->next && !args->name &&
              args->value->kind != EXPR_STRING &&
              has_parameter(builtin, "axis");
  bool shape = args && !args->name && args->value->kind != EXPR_LIST &&
               has_parameter(builtin, "shape");
  const char *before = axis ? "axis = " : shape ? "[" : "";
  for (const Arg *arg = args; arg; arg = arg->next) {
    const char *name = arg->name;
    const char *same = name ? foreign_parameter(builtin, name) : NULL;
    if (name)
      before = text_printf(e, "%s = ", same ? same : name);
    buffer_printf(out, ", %s%s", before, expr_text(e, arg->value));
    before = "";
  }
  if (shape)
    buffer_char(out, ']');
}

/* Methods that are operators here. */
static const char *operator_method(Elaborator *e, const char *name,
                                   const Expr *x, const Arg *args) {
  const char *mark = operator_of(name);
  if (!mark || !args || args->next || args->name)
    return NULL;
  return text_printf(e, "`%s %s %s`", operand_text(e, x), mark,
                     operand_text(e, args->value));
}

const char *foreign_method_hint(Elaborator *e, const char *name, const Expr *x,
                                const Expr *call) {
  const char *operation = call ? operator_method(e, name, x, call->args) : NULL;
  if (operation)
    return operation;
  if (call && (strcmp(name, "float") == 0 || strcmp(name, "int") == 0))
    return text_printf(e, "`%s(%s)`", *name == 'f' ? "real" : "i32",
                       expr_text(e, x));
  const char *same = foreign_function(name);
  const Builtin *builtin = builtin_named(same ? same : name);
  if (!builtin)
    return NULL;
  Buffer out = {0};
  buffer_printf(&out, "`%s(%s", builtin->name, expr_text(e, x));
  add_arguments(e, builtin, call ? call->args : NULL, &out);
  buffer_text(&out, ")`");
  return buffer_take(e, &out);
}

/* ---- the library -------------------------------------------------------- */

const char *library_hint(Elaborator *e, const FileScope *file, const char *name,
                         unsigned kinds) {
  static const char *const library[] = {"nn", "optim"};
  for (size_t i = 0; i < sizeof library / sizeof *library; i++) {
    FileScope *space = file_standard(e, library[i]);
    const Entry *entry = file_find(space, name);
    if (!entry || !(kinds >> entry->symbol->item->kind & 1))
      continue;
    const Entry *import = file_find(file, intern(e->interner, library[i]));
    if (import && import->symbol->space == space)
      return text_printf(e, "`%s.%s`", library[i], name);
    if (!import)
      return text_printf(e, "`import %s`, then `%s.%s`", library[i], library[i],
                         name);
  }
  return NULL;
}

/* ---- names of loops ----------------------------------------------------- */

static bool covers(Span outer, Span inner) {
  return outer.source == inner.source && outer.start <= inner.start &&
         inner.end <= outer.end;
}

static Span name_in(const Name *list, const char *name) {
  for (; list; list = list->next)
    if (list->text == name)
      return list->span;
  return (Span){0};
}

/* Where one of the statements that end before `span` binds the name within a
 * loop. `inside`: they are those of a loop that ended before it. */
static Span bound_before(const Stmt *block, const char *name, Span span,
                         bool inside) {
  for (const Stmt *stmt = block; stmt; stmt = stmt->next) {
    if (stmt->span.start >= span.start)
      break;
    bool loop = (stmt->kind == STMT_FOR || stmt->kind == STMT_REPEAT) &&
                stmt->span.end <= span.start;
    bool binds =
        (inside && stmt->kind == STMT_BIND) || (loop && stmt->kind == STMT_FOR);
    Span found = binds ? name_in(stmt->names, name) : (Span){0};
    if (!found.source)
      found = bound_before(stmt->body, name, span, inside || loop);
    if (!found.source)
      found = bound_before(stmt->otherwise, name, span, inside || loop);
    if (found.source)
      return found;
  }
  return (Span){0};
}

static Span bound_in_members(const Member *members, const char *name,
                             Span span) {
  Span found = {0};
  for (const Member *m = members; m && !found.source; m = m->next) {
    if (!covers(m->span, span))
      continue;
    found = m->kind == MEMBER_FN
                ? bound_before(m->function.body.block, name, span, false)
                : bound_in_members(m->body, name, span);
    if (!found.source && m->kind == MEMBER_IF)
      found = bound_in_members(m->otherwise, name, span);
  }
  return found;
}

Span bound_in_loop(const FileScope *file, const char *name, Span span) {
  for (const Item *item = file->ast->items; item; item = item->next) {
    Span found = {0};
    if (covers(item->function.body.span, span))
      found = bound_before(item->function.body.block, name, span, false);
    else if (item->members)
      found = bound_in_members(item->members, name, span);
    if (found.source)
      return found;
  }
  return (Span){0};
}
