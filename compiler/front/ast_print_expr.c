/* Expressions, types and paths as canonical text: parentheses only where
 * precedence needs them, `a:b` and `a..b` tight, every other operator between
 * spaces. See ast_print.c.
 */
#include "compiler/front/ast_print.h"

/* ---- expressions --------------------------------------------------------- */

/* The grammar's levels, loosest first. */
typedef enum {
  LEVEL_OR = 1,
  LEVEL_AND,
  LEVEL_NOT,
  LEVEL_COMPARE,
  LEVEL_SUM,
  LEVEL_PRODUCT,
  LEVEL_NEGATIVE,
  LEVEL_POWER,
  LEVEL_PRIMARY
} Level;

static const struct {
  const char *text;
  Level level;
} operators[] = {
    [BIN_NONE] = {"", LEVEL_PRIMARY}, [BIN_OR] = {"or", LEVEL_OR},
    [BIN_AND] = {"and", LEVEL_AND},   [BIN_LT] = {"<", LEVEL_COMPARE},
    [BIN_GT] = {">", LEVEL_COMPARE},  [BIN_LE] = {"<=", LEVEL_COMPARE},
    [BIN_GE] = {">=", LEVEL_COMPARE}, [BIN_EQ] = {"==", LEVEL_COMPARE},
    [BIN_NE] = {"!=", LEVEL_COMPARE}, [BIN_ADD] = {"+", LEVEL_SUM},
    [BIN_SUB] = {"-", LEVEL_SUM},     [BIN_MUL] = {"*", LEVEL_PRODUCT},
    [BIN_DIV] = {"/", LEVEL_PRODUCT}, [BIN_FLOORDIV] = {"//", LEVEL_PRODUCT},
    [BIN_MOD] = {"%", LEVEL_PRODUCT}, [BIN_MATMUL] = {"@", LEVEL_PRODUCT},
    [BIN_POW] = {"**", LEVEL_POWER},  [UN_NEG] = {"-", LEVEL_NEGATIVE},
    [UN_NOT] = {"not", LEVEL_NOT},
};

/* As it is written, without spaces; "" for BIN_NONE. */
const char *operator_text(Operator op) {
  return operators[op].text;
}

/* Negative literals exist in trees made by hand; they print as a `-` does. */
static Level expr_level(const Expr *expr) {
  switch (expr->kind) {
  case EXPR_UNARY:
  case EXPR_BINARY:
    return operators[expr->op].level;
  case EXPR_INT:
    return expr->integer < 0 ? LEVEL_NEGATIVE : LEVEL_PRIMARY;
  case EXPR_FLOAT:
    return expr->number < 0 ? LEVEL_NEGATIVE : LEVEL_PRIMARY;
  default:
    return LEVEL_PRIMARY;
  }
}

/* Prints `expr` where the grammar wants at least `level`. */
static void print_at(Buffer *out, const Expr *expr, Level level) {
  bool parens = expr_level(expr) < level;
  if (parens)
    buffer_char(out, '(');
  expr_print(out, expr);
  if (parens)
    buffer_char(out, ')');
}

void print_exprs(Buffer *out, const Expr *list) {
  for (const Expr *expr = list; expr; expr = expr->next) {
    expr_print(out, expr);
    if (expr->next)
      buffer_text(out, ", ");
  }
}

void print_args(Buffer *out, const Arg *args) {
  for (const Arg *arg = args; arg; arg = arg->next) {
    if (arg->name)
      buffer_printf(out, "%s = ", arg->name);
    expr_print(out, arg->value);
    if (arg->next)
      buffer_text(out, ", ");
  }
}

/* At most one of the four forms of an index. */
static void print_sub(Buffer *out, const Sub *sub) {
  if (sub->kind == SUB_DOTS)
    buffer_text(out, "..");
  if (sub->a)
    expr_print(out, sub->a);
  if (sub->kind == SUB_RANGE)
    buffer_char(out, ':');
  if (sub->kind == SUB_WINDOW)
    buffer_text(out, " +: ");
  if (sub->b)
    expr_print(out, sub->b);
}

void print_subs(Buffer *out, const Sub *subs) {
  buffer_char(out, '[');
  for (const Sub *sub = subs; sub; sub = sub->next) {
    print_sub(out, sub);
    if (sub->next)
      buffer_text(out, ", ");
  }
  buffer_char(out, ']');
}

/* Comparisons do not chain and powers group to the right; a negative exponent
 * needs no parentheses. */
static void print_binary(Buffer *out, const Expr *expr) {
  Level level = operators[expr->op].level;
  Level left = level, right = level + 1;
  if (level == LEVEL_COMPARE)
    left = level + 1;
  if (level == LEVEL_POWER) {
    left = LEVEL_PRIMARY;
    right = LEVEL_NEGATIVE;
  }
  print_at(out, expr->left, left);
  buffer_printf(out, " %s ", operators[expr->op].text);
  print_at(out, expr->right, right);
}

/* Operands of the same level need no parentheses: both are right-recursive. */
static void print_unary(Buffer *out, const Expr *expr) {
  buffer_text(out, expr->op == UN_NOT ? "not " : "-");
  print_at(out, expr->left, operators[expr->op].level);
}

/* Member, call or index, on anything that is not an operation. */
static void print_postfix(Buffer *out, const Expr *expr) {
  print_at(out, expr->left, LEVEL_PRIMARY);
  if (expr->kind == EXPR_MEMBER) {
    buffer_printf(out, ".%s", expr->text);
  } else if (expr->kind == EXPR_INDEX) {
    print_subs(out, expr->subs);
  } else {
    buffer_char(out, '(');
    print_args(out, expr->args);
    buffer_char(out, ')');
  }
}

void expr_print(Buffer *out, const Expr *expr) {
  switch (expr->kind) {
  case EXPR_INT:
    buffer_printf(out, "%lld", (long long)expr->integer);
    break;
  case EXPR_FLOAT:
    buffer_float(out, expr->number);
    break;
  case EXPR_STRING:
    buffer_quoted(out, expr->text, expr->text_length);
    break;
  case EXPR_BOOL:
    buffer_text(out, expr->integer ? "true" : "false");
    break;
  case EXPR_NAME:
  case EXPR_ERROR:
    buffer_text(out, expr->text);
    break;
  case EXPR_LIST:
    buffer_char(out, '[');
    print_exprs(out, expr->list);
    buffer_char(out, ']');
    break;
  case EXPR_MEMBER:
  case EXPR_CALL:
  case EXPR_INDEX:
    print_postfix(out, expr);
    break;
  case EXPR_UNARY:
    print_unary(out, expr);
    break;
  case EXPR_BINARY:
    print_binary(out, expr);
    break;
  }
}

/* ---- names, types, parameters -------------------------------------------- */

/* The words of a list or of a path. */
static void print_words(Buffer *out, const Name *names, const char *between) {
  for (const Name *name = names; name; name = name->next)
    buffer_printf(out, "%s%s", name->text, name->next ? between : "");
}

void print_names(Buffer *out, const Name *names) {
  print_words(out, names, ", ");
}

void print_path(Buffer *out, const Path *path) {
  print_words(out, path->part, ".");
}

/* Sizes, `?t`, `..s` and `..`. */
static void print_dims(Buffer *out, const Dim *dims) {
  buffer_char(out, '[');
  for (const Dim *dim = dims; dim; dim = dim->next) {
    if (dim->kind == DIM_EXPR)
      expr_print(out, dim->value);
    else
      buffer_printf(out, "%s%s", dim->kind == DIM_BIND ? "?" : "..",
                    dim->name ? dim->name : "");
    if (dim->next)
      buffer_text(out, ", ");
  }
  buffer_char(out, ']');
}

/* Recursion is as deep as brackets nest, at most --max-nesting. */
void type_expr_print(Buffer *out, const TypeExpr *type) {
  if (type->kind == TYPE_TUPLE) {
    const char *before = "(";
    for (const TypeExpr *element = type->elements; element;
         element = element->next, before = ", ") {
      buffer_text(out, before);
      type_expr_print(out, element);
    }
    buffer_char(out, ')');
    return;
  }
  if (type->kind == TYPE_NAMED)
    print_path(out, &type->path);
  if (type->has_shape)
    print_dims(out, type->dims);
}

/* `: type = value`, as far as there is something to say. */
void print_typed(Buffer *out, const TypeExpr *type, const Expr *value) {
  if (type) {
    buffer_text(out, ": ");
    type_expr_print(out, type);
  }
  if (value) {
    buffer_text(out, " = ");
    expr_print(out, value);
  }
}

void print_formals(Buffer *out, const Formal *formals) {
  buffer_char(out, '(');
  for (const Formal *formal = formals; formal; formal = formal->next) {
    buffer_text(out, formal->name);
    print_typed(out, formal->type, formal->value);
    if (formal->next)
      buffer_text(out, ", ");
  }
  buffer_char(out, ')');
}

void print_steps(Buffer *out, const Step *path) {
  for (const Step *step = path; step; step = step->next)
    switch (step->kind) {
    case STEP_WORD:
      buffer_printf(out, "%s%s", step == path ? "" : ".", step->word);
      break;
    case STEP_STAR:
      buffer_text(out, ".*");
      break;
    case STEP_STARS:
      buffer_text(out, ".**");
      break;
    case STEP_ALL:
      buffer_text(out, "[*]");
      break;
    case STEP_INDEX:
    case STEP_RANGE:
      buffer_char(out, '[');
      expr_print(out, step->a);
      if (step->kind == STEP_RANGE) {
        buffer_text(out, "..");
        expr_print(out, step->b);
      }
      buffer_char(out, ']');
      break;
    }
}
