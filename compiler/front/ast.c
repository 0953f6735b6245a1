/* Constructors of expressions, types, parameters and selectors. Each returns a
 * new node in the AST arena; see ast_build.h.
 */
#include "compiler/front/parser.h"

#include <string.h>

/* The join of all places; symbols that matched nothing have none. */
Span rule_span(const Span *rhs, int count) {
  Span span = {0};
  for (int i = 1; i <= count; i++)
    span = span_join(span, rhs[i]);
  return span;
}

Word word_at(const char *text, Span span) {
  return (Word){text, span};
}

Name *name_new(Parser *parser, const char *text, Span span) {
  Name *name = NEW(parser->arena, Name);
  *name = (Name){.text = text, .span = span};
  return name;
}

Path path_new(Name *parts, Span span) {
  return (Path){parts, span};
}

/* ---- expressions --------------------------------------------------------- */

/* A leaf; those that have parts count them with contain(). */
static Expr *expr_new(Parser *parser, ExprKind kind, Span span) {
  Expr *expr = NEW(parser->arena, Expr);
  *expr = (Expr){.kind = kind, .span = span, .depth = 1};
  return expr;
}

/* Makes `expr` one level deeper than its part; past the limit the text is
 * refused, and counting begins again so that this is said once. */
static void contain(Parser *parser, Expr *expr, const Expr *part) {
  if (part && part->depth >= expr->depth)
    expr->depth = part->depth + 1;
  if (expr->depth > (uint64_t)parser->lexer.limits->of[LIMIT_nesting]) {
    parser_too_deep(parser, expr->span);
    expr->depth = 1;
  }
}

Expr *expr_integer(Parser *parser, Span span, int64_t value) {
  Expr *expr = expr_new(parser, EXPR_INT, span);
  expr->integer = value;
  return expr;
}

Expr *expr_number(Parser *parser, Span span, double value) {
  Expr *expr = expr_new(parser, EXPR_FLOAT, span);
  expr->number = value;
  return expr;
}

Expr *expr_string(Parser *parser, Span span, Text text) {
  Expr *expr = expr_new(parser, EXPR_STRING, span);
  expr->text = text.text;
  expr->text_length = text.length;
  return expr;
}

Expr *expr_bool(Parser *parser, Span span, bool value) {
  Expr *expr = expr_new(parser, EXPR_BOOL, span);
  expr->integer = value;
  return expr;
}

/* `None` and the like are names to the grammar; they are refused here. */
Expr *expr_name(Parser *parser, Span span, const char *text) {
  bool foreign = foreign_value_report(parser, span, text);
  Expr *expr = expr_new(parser, foreign ? EXPR_ERROR : EXPR_NAME, span);
  expr->text = text;
  expr->text_length = strlen(text);
  return expr;
}

Expr *expr_list(Parser *parser, Span span, Expr *elements) {
  Expr *expr = expr_new(parser, EXPR_LIST, span);
  expr->list = elements;
  for (const Expr *element = elements; element; element = element->next)
    contain(parser, expr, element);
  return expr;
}

Expr *expr_member(Parser *parser, Span span, Expr *left, Word word) {
  Expr *expr = expr_new(parser, EXPR_MEMBER, span);
  expr->left = left;
  expr->text = word.text;
  expr->text_length = strlen(word.text);
  expr->op_span = word.span;
  contain(parser, expr, left);
  return expr;
}

Expr *expr_call(Parser *parser, Span span, Expr *left, Arg *args) {
  Expr *expr = expr_new(parser, EXPR_CALL, span);
  expr->left = left;
  expr->args = args;
  contain(parser, expr, left);
  for (const Arg *arg = args; arg; arg = arg->next)
    contain(parser, expr, arg->value);
  return expr;
}

Expr *expr_index(Parser *parser, Span span, Expr *left, Sub *subs) {
  Expr *expr = expr_new(parser, EXPR_INDEX, span);
  expr->left = left;
  expr->subs = subs;
  contain(parser, expr, left);
  for (const Sub *sub = subs; sub; sub = sub->next) {
    contain(parser, expr, sub->a);
    contain(parser, expr, sub->b);
  }
  return expr;
}

Expr *expr_unary(Parser *parser, Span span, Operator op, Span op_span,
                 Expr *operand) {
  Expr *expr = expr_new(parser, EXPR_UNARY, span);
  expr->op = op;
  expr->op_span = op_span;
  expr->left = operand;
  contain(parser, expr, operand);
  return expr;
}

Expr *expr_binary(Parser *parser, Span span, Operator op, Span op_span,
                  Expr *left, Expr *right) {
  Expr *expr = expr_new(parser, EXPR_BINARY, span);
  expr->op = op;
  expr->op_span = op_span;
  expr->left = left;
  expr->right = right;
  contain(parser, expr, left);
  contain(parser, expr, right);
  return expr;
}

/* No node of its own: the place grows to the parentheses. */
Expr *expr_parenthesized(Expr *expr, Span span) {
  expr->span = span;
  expr->parenthesized = true;
  return expr;
}

Arg *arg_new(Parser *parser, Word name, Expr *value) {
  Arg *arg = NEW(parser->arena, Arg);
  *arg = (Arg){.name = name.text, .name_span = name.span, .value = value};
  return arg;
}

Sub *sub_new(Parser *parser, Span span, SubKind kind, Expr *a, Expr *b) {
  Sub *sub = NEW(parser->arena, Sub);
  *sub = (Sub){.kind = kind, .a = a, .b = b, .span = span};
  return sub;
}

/* ---- types, parameters, selectors ---------------------------------------- */

Dim *dim_new(Parser *parser, Span span, DimKind kind, Expr *value,
             const char *name) {
  Dim *dim = NEW(parser->arena, Dim);
  *dim = (Dim){.kind = kind, .value = value, .name = name, .span = span};
  return dim;
}

/* The fields that a kind does not use stay zero, here and below. */
static TypeExpr *type_new(Parser *parser, TypeKind kind, Span span) {
  TypeExpr *type = NEW(parser->arena, TypeExpr);
  *type = (TypeExpr){.kind = kind, .span = span};
  return type;
}

TypeExpr *type_shape(Parser *parser, Span span, Dim *dims) {
  TypeExpr *type = type_new(parser, TYPE_SHAPE, span);
  type->has_shape = true;
  type->dims = dims;
  return type;
}

TypeExpr *type_named(Parser *parser, Span span, Path path, bool has_shape,
                     Dim *dims) {
  TypeExpr *type = type_new(parser, TYPE_NAMED, span);
  type->path = path;
  type->has_shape = has_shape;
  type->dims = dims;
  return type;
}

TypeExpr *type_tuple(Parser *parser, Span span, TypeExpr *elements) {
  TypeExpr *type = type_new(parser, TYPE_TUPLE, span);
  type->elements = elements;
  return type;
}

Formal *formal_new(Parser *parser, Word name, TypeExpr *type, Expr *value) {
  Formal *formal = NEW(parser->arena, Formal);
  *formal = (Formal){
      .name = name.text, .type = type, .value = value, .span = name.span};
  return formal;
}

Attribute *attribute_new(Parser *parser, Span span, const char *word,
                         Arg *args) {
  Attribute *attribute = NEW(parser->arena, Attribute);
  *attribute = (Attribute){.word = word, .args = args, .span = span};
  return attribute;
}

Step *step_new(Parser *parser, Span span, StepKind kind, const char *word,
               Expr *a, Expr *b) {
  Step *step = NEW(parser->arena, Step);
  *step = (Step){.kind = kind, .word = word, .a = a, .b = b, .span = span};
  return step;
}

SelectorExpr *selector_new(Parser *parser, Span span, Word function,
                           Step *path) {
  SelectorExpr *selector = NEW(parser->arena, SelectorExpr);
  *selector = (SelectorExpr){.function = function.text,
                             .function_span = function.span,
                             .path = path,
                             .span = span};
  return selector;
}
