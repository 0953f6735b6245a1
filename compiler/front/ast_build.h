/* How the grammar's actions build the tree: one constructor a production, all
 * nodes in the parser's AST arena. Private to the parser; the tree itself is
 * described in ast.h.
 *
 * A list under construction is a ring: the value is its last node, whose
 * `next` is the first, so appending is O(1) and left recursion keeps the parse
 * stack flat. TYPE_first() opens the ring into an ordinary list. Appending
 * NULL (what a broken statement leaves behind) changes nothing.
 */
#ifndef SG_FRONT_AST_BUILD_H
#define SG_FRONT_AST_BUILD_H

#include "compiler/front/ast.h"

typedef struct Parser Parser;

#define RING(Type, word)                                                       \
  static inline Type *word##_append(Type *last, Type *node) {                  \
    if (!node)                                                                 \
      return last;                                                             \
    node->next = last ? last->next : node;                                     \
    if (last)                                                                  \
      last->next = node;                                                       \
    return node;                                                               \
  }                                                                            \
  static inline Type *word##_first(Type *last) {                               \
    Type *first = last ? last->next : NULL;                                    \
    if (last)                                                                  \
      last->next = NULL;                                                       \
    return first;                                                              \
  }

RING(Name, name)
RING(Expr, expr)
RING(Arg, arg)
RING(Sub, sub)
RING(Dim, dim)
RING(TypeExpr, type)
RING(Formal, formal)
RING(Attribute, attribute)
RING(Step, step)
RING(SelectorExpr, selector)
RING(Stmt, stmt)
RING(Member, member)
RING(RuleExpr, rule)
RING(ColumnExpr, column)
RING(Mapping, mapping)
RING(Item, item)
#undef RING

/* A string literal after escapes; interned. */
typedef struct {
  const char *text;
  size_t length;
  Span span;
} Text;

/* A word that defines or is something, with its place. */
typedef struct {
  const char *text;
  Span span;
} Word;

/* Where a rule of `count` symbols stands: rhs[1] .. rhs[count]; symbols that
 * matched nothing have no place. */
Span rule_span(const Span *rhs, int count);

Word word_at(const char *text, Span span);
Name *name_new(Parser *parser, const char *text, Span span);
Path path_new(Name *parts, Span span);

/* ---- expressions (ast.c). `op` is the place of the operator -------------- */

Expr *expr_integer(Parser *parser, Span span, int64_t value);
Expr *expr_number(Parser *parser, Span span, double value);
Expr *expr_string(Parser *parser, Span span, Text text);
Expr *expr_bool(Parser *parser, Span span, bool value);
Expr *expr_name(Parser *parser, Span span, const char *text);
Expr *expr_list(Parser *parser, Span span, Expr *elements);
Expr *expr_member(Parser *parser, Span span, Expr *left, Word word);
Expr *expr_call(Parser *parser, Span span, Expr *left, Arg *args);
Expr *expr_index(Parser *parser, Span span, Expr *left, Sub *subs);
Expr *expr_unary(Parser *parser, Span span, Operator op, Span op_span,
                 Expr *operand);
Expr *expr_binary(Parser *parser, Span span, Operator op, Span op_span,
                  Expr *left, Expr *right);
Expr *expr_parenthesized(Expr *expr, Span span);

Arg *arg_new(Parser *parser, Word name, Expr *value);
Sub *sub_new(Parser *parser, Span span, SubKind kind, Expr *a, Expr *b);

/* ---- types, parameters, selectors ---------------------------------------- */

Dim *dim_new(Parser *parser, Span span, DimKind kind, Expr *value,
             const char *name);
TypeExpr *type_shape(Parser *parser, Span span, Dim *dims);
TypeExpr *type_named(Parser *parser, Span span, Path path, bool has_shape,
                     Dim *dims);
TypeExpr *type_tuple(Parser *parser, Span span, TypeExpr *elements);
Formal *formal_new(Parser *parser, Word name, TypeExpr *type, Expr *value);
Attribute *attribute_new(Parser *parser, Span span, const char *word,
                         Arg *args);
Step *step_new(Parser *parser, Span span, StepKind kind, const char *word,
               Expr *a, Expr *b);
SelectorExpr *selector_new(Parser *parser, Span span, Word function,
                           Step *path);

/* ---- statements, members, items (ast_items.c) ---------------------------- */

Stmt *stmt_bind(Parser *parser, Span span, Name *names, TypeExpr *type,
                Expr *values);
Stmt *stmt_assign(Parser *parser, Span span, Path target, Sub *subs,
                  Expr *value);
Stmt *stmt_return(Parser *parser, Span span, Expr *values);
Stmt *stmt_if(Parser *parser, Span span, Expr *condition, Stmt *body,
              Stmt *otherwise);
Stmt *stmt_for(Parser *parser, Span span, Name *names, Expr *from, Expr *to,
               Stmt *body);
Stmt *stmt_repeat(Parser *parser, Span span, Expr *count, Stmt *body);
Stmt *stmt_error(Parser *parser, Span span);
Stmt *stmt_assert(Parser *parser, Span span, Expr *condition, Text message);
Stmt *stmt_minimize(Parser *parser, Span span, Expr *loss, Step *over,
                    Stmt *with);
/* The optimizer of a `minimize`, before the rest of it is known. */
Stmt *stmt_with(Parser *parser, Path path, Arg *args, Arg *extra);
Stmt *stmt_report(Parser *parser, Span span, Arg *args);
Stmt *stmt_attributes(Stmt *stmt, Attribute *attributes);

Body body_block(Span span, Stmt *block);
Body body_expr(Span span, Expr *value);
Function function_new(Formal *formals, TypeExpr *result, Body body);

Member *member_variable(Parser *parser, Span span, MemberKind kind, Name *names,
                        TypeExpr *type, Expr *value);
Member *member_submodule(Parser *parser, Span span, Name *names, Expr *count,
                         Path path, Arg *args);
Member *member_value(Parser *parser, Span span, Name *name, Expr *value);
Member *member_fn(Parser *parser, Span span, Name *name, Function function);
Member *member_assert(Parser *parser, Span span, Expr *value, Text message);
Member *member_if(Parser *parser, Span span, Expr *condition, Member *body,
                  Member *otherwise);
/* `whole` begins at the attributes: that is where a doc comment ends. */
Member *member_attributes(Parser *parser, Member *member, Span whole,
                          Attribute *attributes);

RuleExpr *rule_new(Parser *parser, Span span, SelectorExpr *selectors,
                   Arg *settings);
ColumnExpr *column_new(Parser *parser, Span span, Word name, TypeExpr *type,
                       Expr *value);
Mapping *mapping_new(Parser *parser, Span span, Text pattern, Step *path,
                     Arg *args);

Item *item_import(Parser *parser, Span span, Path path);
Item *item_import_file(Parser *parser, Span span, Text file, Word name);
Item *item_from(Parser *parser, Span span, Path path, Name *names);
Item *item_from_file(Parser *parser, Span span, Text file, Name *names);
Item *item_const(Parser *parser, Span span, Word name, TypeExpr *type,
                 Expr *value);
Item *item_assert(Parser *parser, Span span, Expr *value, Text message);
/* ITEM_FN, ITEM_TRAIN and ITEM_EVAL. */
Item *item_function(Parser *parser, Span span, ItemKind kind, Word name,
                    Function function);
/* `sizes`: T, and as its value the sizes; NULL without. */
Item *item_entry(Parser *parser, Span span, Word name, Formal *sizes,
                 Function function);
Item *item_module(Parser *parser, Span span, Word name, Formal *formals,
                  Member *members);
Item *item_optimizer(Parser *parser, Span span, Word name, Formal *formals,
                     Formal *weight, Member *members);
Item *item_model(Parser *parser, Span span, Word name, Path path, Arg *args);
/* `parent.part` is NULL if the recipe inherits nothing. */
Item *item_recipe(Parser *parser, Span span, Word name, Path parent,
                  RuleExpr *rules);
Item *item_dataset(Parser *parser, Span span, Word name, ColumnExpr *columns);
Item *item_weights(Parser *parser, Span span, Path path, Text file, Arg *args,
                   Mapping *mappings);
Item *item_generate(Parser *parser, Span span, Word name, Arg *settings);
Item *item_attributes(Parser *parser, Item *item, Span whole,
                      Attribute *attributes);

/* What a finished parse leaves in the parser. */
void parser_add_item(Parser *parser, Item *item);
/* An item, member, rule or column could not be read. */
void parser_lost(Parser *parser);
void parser_set_expr(Parser *parser, Expr *expr);
void parser_set_rule(Parser *parser, RuleExpr *rule);

#endif
