/* Constructors of statements, members and items. Each returns a new node in
 * the AST arena; see ast_build.h.
 */
#include "compiler/front/parser.h"

/* ---- statements ---------------------------------------------------------- */

/* The fields that a kind does not use stay zero; so with members and items. */
static Stmt *stmt_new(Parser *parser, StmtKind kind, Span span) {
  Stmt *stmt = NEW(parser->arena, Stmt);
  *stmt = (Stmt){.kind = kind, .span = span};
  return stmt;
}

Stmt *stmt_bind(Parser *parser, Span span, Name *names, TypeExpr *type,
                Expr *values) {
  Stmt *stmt = stmt_new(parser, STMT_BIND, span);
  stmt->names = names;
  stmt->type = type;
  stmt->values = values;
  return stmt;
}

Stmt *stmt_assign(Parser *parser, Span span, Path target, Sub *subs,
                  Expr *value) {
  Stmt *stmt = stmt_new(parser, STMT_ASSIGN, span);
  stmt->path = target;
  stmt->subs = subs;
  stmt->values = value;
  return stmt;
}

Stmt *stmt_return(Parser *parser, Span span, Expr *values) {
  Stmt *stmt = stmt_new(parser, STMT_RETURN, span);
  stmt->values = values;
  return stmt;
}

Stmt *stmt_if(Parser *parser, Span span, Expr *condition, Stmt *body,
              Stmt *otherwise) {
  Stmt *stmt = stmt_new(parser, STMT_IF, span);
  stmt->condition = condition;
  stmt->body = body;
  stmt->otherwise = otherwise;
  return stmt;
}

Stmt *stmt_for(Parser *parser, Span span, Name *names, Expr *from, Expr *to,
               Stmt *body) {
  Stmt *stmt = stmt_new(parser, STMT_FOR, span);
  stmt->names = names;
  stmt->values = from;
  stmt->range_end = to;
  stmt->body = body;
  return stmt;
}

Stmt *stmt_repeat(Parser *parser, Span span, Expr *count, Stmt *body) {
  Stmt *stmt = stmt_new(parser, STMT_REPEAT, span);
  stmt->condition = count;
  stmt->body = body;
  return stmt;
}

/* Keeps the place of what could not be read: its body is not whole. */
Stmt *stmt_error(Parser *parser, Span span) {
  return stmt_new(parser, STMT_ERROR, span);
}

Stmt *stmt_assert(Parser *parser, Span span, Expr *condition, Text message) {
  Stmt *stmt = stmt_new(parser, STMT_ASSERT, span);
  stmt->condition = condition;
  stmt->message = message.text;
  return stmt;
}

Stmt *stmt_with(Parser *parser, Path path, Arg *args, Arg *extra) {
  Stmt *stmt = stmt_new(parser, STMT_MINIMIZE, path.span);
  stmt->path = path;
  stmt->args = args;
  stmt->extra = extra;
  return stmt;
}

/* Completes what stmt_with() began. */
Stmt *stmt_minimize(Parser *parser, Span span, Expr *loss, Step *over,
                    Stmt *with) {
  (void)parser;
  with->span = span;
  with->values = loss;
  with->over = over;
  return with;
}

Stmt *stmt_report(Parser *parser, Span span, Arg *args) {
  Stmt *stmt = stmt_new(parser, STMT_REPORT, span);
  stmt->args = args;
  return stmt;
}

Stmt *stmt_attributes(Stmt *stmt, Attribute *attributes) {
  stmt->attributes = attribute_first(attributes);
  return stmt;
}

/* A NULL block is the empty one. */
Body body_block(Span span, Stmt *block) {
  return (Body){.block = block, .span = span};
}

Body body_expr(Span span, Expr *value) {
  return (Body){.is_expr = true, .value = value, .span = span};
}

Function function_new(Formal *formals, TypeExpr *result, Body body) {
  return (Function){formals, result, body};
}

/* ---- members ------------------------------------------------------------- */

static Member *member_new(Parser *parser, MemberKind kind, Span span) {
  Member *member = NEW(parser->arena, Member);
  *member = (Member){.kind = kind, .span = span};
  return member;
}

Member *member_variable(Parser *parser, Span span, MemberKind kind, Name *names,
                        TypeExpr *type, Expr *value) {
  Member *member = member_new(parser, kind, span);
  member->names = names;
  member->type = type;
  member->value = value;
  return member;
}

Member *member_submodule(Parser *parser, Span span, Name *names, Expr *count,
                         Path path, Arg *args) {
  Member *member = member_new(parser, MEMBER_SUBMODULE, span);
  member->names = names;
  member->count = count;
  member->path = path;
  member->args = args;
  return member;
}

Member *member_value(Parser *parser, Span span, Name *name, Expr *value) {
  Member *member = member_new(parser, MEMBER_VALUE, span);
  member->names = name;
  member->value = value;
  return member;
}

Member *member_fn(Parser *parser, Span span, Name *name, Function function) {
  Member *member = member_new(parser, MEMBER_FN, span);
  member->names = name;
  member->function = function;
  return member;
}

Member *member_assert(Parser *parser, Span span, Expr *value, Text message) {
  Member *member = member_new(parser, MEMBER_ASSERT, span);
  member->value = value;
  member->message = message.text;
  return member;
}

Member *member_if(Parser *parser, Span span, Expr *condition, Member *body,
                  Member *otherwise) {
  Member *member = member_new(parser, MEMBER_IF, span);
  member->value = condition;
  member->body = body;
  member->otherwise = otherwise;
  return member;
}

/* The doc comment that ends where `whole` begins. The lexer's list is in the
 * order of the text. */
static const char *doc_before(const Parser *parser, Span whole) {
  size_t low = 0, high = parser->lexer.docs.length;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const Doc *doc = &parser->lexer.docs.data[middle];
    if (doc->before == whole.start)
      return doc->text;
    if (doc->before < whole.start)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

Member *member_attributes(Parser *parser, Member *member, Span whole,
                          Attribute *attributes) {
  member->attributes = attribute_first(attributes);
  member->doc = doc_before(parser, whole);
  return member;
}

RuleExpr *rule_new(Parser *parser, Span span, SelectorExpr *selectors,
                   Arg *settings) {
  RuleExpr *rule = NEW(parser->arena, RuleExpr);
  *rule =
      (RuleExpr){.selectors = selectors, .settings = settings, .span = span};
  return rule;
}

ColumnExpr *column_new(Parser *parser, Span span, Word name, TypeExpr *type,
                       Expr *value) {
  ColumnExpr *column = NEW(parser->arena, ColumnExpr);
  *column = (ColumnExpr){
      .name = name.text, .type = type, .value = value, .span = span};
  return column;
}

Mapping *mapping_new(Parser *parser, Span span, Text pattern, Step *path,
                     Arg *args) {
  Mapping *mapping = NEW(parser->arena, Mapping);
  *mapping = (Mapping){.pattern = pattern.text,
                       .pattern_span = pattern.span,
                       .path = path,
                       .args = args,
                       .span = span};
  return mapping;
}

/* ---- items --------------------------------------------------------------- */

static Item *item_new(Parser *parser, ItemKind kind, Span span, Word name) {
  Item *item = NEW(parser->arena, Item);
  *item = (Item){
      .kind = kind, .name = name.text, .name_span = name.span, .span = span};
  return item;
}

/* A recipe without parent has a path without parts. */
static void item_set_path(Item *item, Path path) {
  item->path = path;
  item->has_path = path.part != NULL;
}

/* The file's name, or the message of an assert; NULL text if there is none. */
static void item_set_file(Item *item, Text file) {
  item->file = file.text;
  item->file_span = file.span;
}

/* A file is known by the last word of its path. */
Item *item_import(Parser *parser, Span span, Path path) {
  const Name *last = path.part;
  while (last->next)
    last = last->next;
  Item *item =
      item_new(parser, ITEM_IMPORT, span, word_at(last->text, last->span));
  item_set_path(item, path);
  return item;
}

Item *item_import_file(Parser *parser, Span span, Text file, Word name) {
  Item *item = item_new(parser, ITEM_IMPORT, span, name);
  item_set_file(item, file);
  return item;
}

Item *item_from(Parser *parser, Span span, Path path, Name *names) {
  Item *item = item_new(parser, ITEM_FROM, span, (Word){0});
  item_set_path(item, path);
  item->names = names;
  return item;
}

Item *item_from_file(Parser *parser, Span span, Text file, Name *names) {
  Item *item = item_new(parser, ITEM_FROM, span, (Word){0});
  item_set_file(item, file);
  item->names = names;
  return item;
}

Item *item_const(Parser *parser, Span span, Word name, TypeExpr *type,
                 Expr *value) {
  Item *item = item_new(parser, ITEM_CONST, span, name);
  item->type = type;
  item->value = value;
  return item;
}

Item *item_assert(Parser *parser, Span span, Expr *value, Text message) {
  Item *item = item_new(parser, ITEM_ASSERT, span, (Word){0});
  item->value = value;
  item_set_file(item, message);
  return item;
}

Item *item_function(Parser *parser, Span span, ItemKind kind, Word name,
                    Function function) {
  Item *item = item_new(parser, kind, span, name);
  item->function = function;
  return item;
}

Item *item_entry(Parser *parser, Span span, Word name, Formal *sizes,
                 Function function) {
  Item *item = item_function(parser, span, ITEM_ENTRY, name, function);
  item->sizes = sizes;
  return item;
}

Item *item_module(Parser *parser, Span span, Word name, Formal *formals,
                  Member *members) {
  Item *item = item_new(parser, ITEM_MODULE, span, name);
  item->formals = formals;
  item->members = members;
  return item;
}

Item *item_optimizer(Parser *parser, Span span, Word name, Formal *formals,
                     Formal *weight, Member *members) {
  Item *item = item_new(parser, ITEM_OPTIMIZER, span, name);
  item->formals = formals;
  item->weight = weight->name;
  item->type = weight->type;
  item->members = members;
  return item;
}

Item *item_model(Parser *parser, Span span, Word name, Path path, Arg *args) {
  Item *item = item_new(parser, ITEM_MODEL, span, name);
  item_set_path(item, path);
  item->args = args;
  return item;
}

Item *item_recipe(Parser *parser, Span span, Word name, Path parent,
                  RuleExpr *rules) {
  Item *item = item_new(parser, ITEM_RECIPE, span, name);
  item_set_path(item, parent);
  item->rules = rules;
  return item;
}

Item *item_dataset(Parser *parser, Span span, Word name, ColumnExpr *columns) {
  Item *item = item_new(parser, ITEM_DATASET, span, name);
  item->columns = columns;
  return item;
}

Item *item_weights(Parser *parser, Span span, Path path, Text file, Arg *args,
                   Mapping *mappings) {
  Item *item = item_new(parser, ITEM_WEIGHTS, span, (Word){0});
  item_set_path(item, path);
  item_set_file(item, file);
  item->args = args;
  item->mappings = mappings;
  return item;
}

Item *item_generate(Parser *parser, Span span, Word name, Arg *settings) {
  Item *item = item_new(parser, ITEM_GENERATE, span, name);
  item->args = settings;
  return item;
}

Item *item_attributes(Parser *parser, Item *item, Span whole,
                      Attribute *attributes) {
  item->attributes = attribute_first(attributes);
  item->doc = doc_before(parser, whole);
  return item;
}

/* ---- what a parse leaves ------------------------------------------------- */

void parser_add_item(Parser *parser, Item *item) {
  parser->items = item_append(parser->items, item);
}

void parser_lost(Parser *parser) {
  parser->lost = true;
}

void parser_set_expr(Parser *parser, Expr *expr) {
  parser->expr = expr;
}

void parser_set_rule(Parser *parser, RuleExpr *rule) {
  parser->rule = rule;
}
