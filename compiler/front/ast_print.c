/* The tree as canonical .sg text.
 *
 * In: an AST, from the parser or made by hand. Out: text that parses to the
 * same tree, so printing what was parsed from it gives the same bytes. Two
 * spaces of indent, one statement a line, one blank line between items; runs of
 * imports and of constants stay together. What the tree does not hold is not
 * printed: `#` comments, empty parentheses and blocks that may be left out.
 */
#include "compiler/front/ast_print.h"

#include <string.h>

/* ---- lines --------------------------------------------------------------- */

static void begin_line(Buffer *out, int indent) {
  buffer_printf(out, "%*s", 2 * indent, "");
}

/* A line of its own above what the attributes belong to. */
static void print_attributes(Buffer *out, const Attribute *attributes,
                             int indent) {
  if (!attributes)
    return;
  begin_line(out, indent);
  for (const Attribute *a = attributes; a; a = a->next) {
    buffer_printf(out, "@%s", a->word);
    if (a->args) {
      buffer_char(out, '(');
      print_args(out, a->args);
      buffer_char(out, ')');
    }
    buffer_char(out, a->next ? ' ' : '\n');
  }
}

static void print_doc(Buffer *out, const char *doc, int indent) {
  while (doc) {
    size_t length = strcspn(doc, "\n");
    begin_line(out, indent);
    buffer_printf(out, "##%s%.*s\n", length ? " " : "", (int)length, doc);
    doc = doc[length] ? doc + length + 1 : NULL;
  }
}

/* The tail of an `assert`. */
static void print_message(Buffer *out, const char *message) {
  if (!message)
    return;
  buffer_text(out, ", ");
  buffer_quoted(out, message, strlen(message));
}

/* ---- statements ---------------------------------------------------------- */

static void print_stmt(Buffer *out, const Stmt *stmt, int indent);

/* Ends behind the `}`, on whose line an `else` may follow. */
static void print_block(Buffer *out, const Stmt *block, int indent) {
  if (!block) {
    buffer_text(out, "{}");
    return;
  }
  buffer_text(out, "{\n");
  for (const Stmt *stmt = block; stmt; stmt = stmt->next)
    print_stmt(out, stmt, indent + 1);
  begin_line(out, indent);
  buffer_char(out, '}');
}

/* An `if` alone in its `else` continues the chain; both ways of writing it are
 * the same tree. */
static void print_if(Buffer *out, const Stmt *stmt, int indent) {
  for (;; stmt = stmt->otherwise) {
    buffer_text(out, "if ");
    expr_print(out, stmt->condition);
    buffer_char(out, ' ');
    print_block(out, stmt->body, indent);
    if (!stmt->otherwise)
      return;
    buffer_text(out, " else ");
    if (stmt->otherwise->kind != STMT_IF || stmt->otherwise->next)
      break;
  }
  print_block(out, stmt->otherwise, indent);
}

/* Both forms: over a list, and over a range. */
static void print_for(Buffer *out, const Stmt *stmt, int indent) {
  buffer_text(out, "for ");
  print_names(out, stmt->names);
  buffer_text(out, " in ");
  expr_print(out, stmt->values);
  if (stmt->range_end) {
    buffer_text(out, "..");
    expr_print(out, stmt->range_end);
  }
  buffer_char(out, ' ');
  print_block(out, stmt->body, indent);
}

/* minimize loss [over path] with optimizer(args)[, settings] */
static void print_minimize(Buffer *out, const Stmt *stmt) {
  buffer_text(out, "minimize ");
  expr_print(out, stmt->values);
  if (stmt->over) {
    buffer_text(out, " over ");
    print_steps(out, stmt->over);
  }
  buffer_text(out, " with ");
  print_path(out, &stmt->path);
  buffer_char(out, '(');
  print_args(out, stmt->args);
  buffer_char(out, ')');
  if (stmt->extra) {
    buffer_text(out, ", ");
    print_args(out, stmt->extra);
  }
}

/* Everything between the indent and the end of the last line. */
static void print_stmt_text(Buffer *out, const Stmt *stmt, int indent) {
  switch (stmt->kind) {
  case STMT_BIND:
    print_names(out, stmt->names);
    print_typed(out, stmt->type, NULL);
    buffer_text(out, " = ");
    print_exprs(out, stmt->values);
    break;
  case STMT_ASSIGN:
    print_path(out, &stmt->path);
    print_subs(out, stmt->subs);
    print_typed(out, NULL, stmt->values);
    break;
  case STMT_RETURN:
    buffer_text(out, "return ");
    print_exprs(out, stmt->values);
    break;
  case STMT_IF:
    print_if(out, stmt, indent);
    break;
  case STMT_FOR:
    print_for(out, stmt, indent);
    break;
  case STMT_REPEAT:
    buffer_text(out, "repeat ");
    expr_print(out, stmt->condition);
    buffer_char(out, ' ');
    print_block(out, stmt->body, indent);
    break;
  case STMT_ASSERT:
    buffer_text(out, "assert ");
    expr_print(out, stmt->condition);
    print_message(out, stmt->message);
    break;
  case STMT_MINIMIZE:
    print_minimize(out, stmt);
    break;
  case STMT_REPORT:
    buffer_text(out, "report ");
    print_args(out, stmt->args);
    break;
  case STMT_ERROR: /* a tree with errors is not printed */
    break;
  }
}

static void print_stmt(Buffer *out, const Stmt *stmt, int indent) {
  print_attributes(out, stmt->attributes, indent);
  begin_line(out, indent);
  print_stmt_text(out, stmt, indent);
  buffer_char(out, '\n');
}

/* What follows the name: parameters, result, body. */
static void print_function(Buffer *out, const Function *function, int indent) {
  print_formals(out, function->formals);
  if (function->result) {
    buffer_text(out, " -> ");
    type_expr_print(out, function->result);
  }
  if (function->body.is_expr) {
    print_typed(out, NULL, function->body.value);
    return;
  }
  buffer_char(out, ' ');
  print_block(out, function->body.block, indent);
}

/* ---- members ------------------------------------------------------------- */

static void print_members(Buffer *out, const Member *members, int indent);

/* One or more instances, or an array of them. */
static void print_submodule(Buffer *out, const Member *member) {
  print_names(out, member->names);
  if (member->count) {
    buffer_char(out, '[');
    expr_print(out, member->count);
    buffer_char(out, ']');
  }
  buffer_text(out, ": ");
  print_path(out, &member->path);
  buffer_char(out, '(');
  print_args(out, member->args);
  buffer_char(out, ')');
}

/* Members have no `else if`. */
static void print_member_if(Buffer *out, const Member *member, int indent) {
  buffer_text(out, "if ");
  expr_print(out, member->value);
  buffer_char(out, ' ');
  print_members(out, member->body, indent);
  if (member->otherwise) {
    buffer_text(out, " else ");
    print_members(out, member->otherwise, indent);
  }
}

/* As print_stmt_text(). */
static void print_member_text(Buffer *out, const Member *member, int indent) {
  switch (member->kind) {
  case MEMBER_PARAM:
  case MEMBER_STATE:
    buffer_text(out, member->kind == MEMBER_PARAM ? "param " : "state ");
    print_names(out, member->names);
    print_typed(out, member->type, member->value);
    break;
  case MEMBER_SUBMODULE:
    print_submodule(out, member);
    break;
  case MEMBER_VALUE:
    print_names(out, member->names);
    print_typed(out, NULL, member->value);
    break;
  case MEMBER_FN:
    buffer_text(out, "fn ");
    print_names(out, member->names);
    print_function(out, &member->function, indent);
    break;
  case MEMBER_ASSERT:
    buffer_text(out, "assert ");
    expr_print(out, member->value);
    print_message(out, member->message);
    break;
  case MEMBER_IF:
    print_member_if(out, member, indent);
    break;
  }
}

/* A block of members; a method has a blank line above it. */
static void print_members(Buffer *out, const Member *members, int indent) {
  if (!members) {
    buffer_text(out, "{}");
    return;
  }
  buffer_text(out, "{\n");
  for (const Member *member = members; member; member = member->next) {
    if (member->kind == MEMBER_FN && member != members)
      buffer_char(out, '\n');
    print_doc(out, member->doc, indent + 1);
    print_attributes(out, member->attributes, indent + 1);
    begin_line(out, indent + 1);
    print_member_text(out, member, indent + 1);
    buffer_char(out, '\n');
  }
  begin_line(out, indent);
  buffer_char(out, '}');
}

/* ---- items --------------------------------------------------------------- */

/* Four forms: by path or by file, whole or in part. */
static void print_import(Buffer *out, const Item *item) {
  buffer_text(out, item->kind == ITEM_FROM ? "from " : "import ");
  if (item->has_path)
    print_path(out, &item->path);
  else
    buffer_quoted(out, item->file, strlen(item->file));
  if (item->kind == ITEM_FROM) {
    buffer_text(out, " import ");
    print_names(out, item->names);
  } else if (!item->has_path) {
    buffer_printf(out, " as %s", item->name);
  }
}

/* Modules and optimizers differ in their head only. */
static void print_module(Buffer *out, const Item *item) {
  bool optimizer = item->kind == ITEM_OPTIMIZER;
  buffer_printf(out, "%s %s", optimizer ? "optimizer" : "module", item->name);
  if (item->formals || optimizer)
    print_formals(out, item->formals);
  if (optimizer) {
    buffer_printf(out, " for %s", item->weight);
    print_typed(out, item->type, NULL);
  }
  buffer_char(out, ' ');
  print_members(out, item->members, 0);
}

/* A whole recipe; the colons have spaces on both sides, as settings are read
 * in columns. */
static void print_rules(Buffer *out, const Item *item) {
  buffer_printf(out, "recipe %s", item->name);
  if (item->has_path) {
    buffer_text(out, " : ");
    print_path(out, &item->path);
  }
  buffer_text(out, item->rules ? " {\n" : " {");
  for (const RuleExpr *rule = item->rules; rule; rule = rule->next) {
    const char *before = "  ";
    for (const SelectorExpr *s = rule->selectors; s; s = s->next) {
      buffer_text(out, before);
      before = ", ";
      if (s->function)
        buffer_printf(out, "%s(", s->function);
      print_steps(out, s->path);
      if (s->function)
        buffer_char(out, ')');
    }
    buffer_text(out, " : ");
    print_args(out, rule->settings);
    buffer_char(out, '\n');
  }
  buffer_char(out, '}');
}

/* One column a line. */
static void print_dataset(Buffer *out, const Item *item) {
  buffer_printf(out, "dataset %s {%s", item->name, item->columns ? "\n" : "");
  for (const ColumnExpr *c = item->columns; c; c = c->next) {
    buffer_printf(out, "  %s", c->name);
    print_typed(out, c->type, c->value);
    buffer_char(out, '\n');
  }
  buffer_char(out, '}');
}

/* One setting a line. */
static void print_generate(Buffer *out, const Item *item) {
  buffer_printf(out, "generate %s {%s", item->name, item->args ? "\n" : "");
  for (const Arg *arg = item->args; arg; arg = arg->next) {
    buffer_printf(out, "  %s = ", arg->name);
    expr_print(out, arg->value);
    buffer_char(out, '\n');
  }
  buffer_char(out, '}');
}

/* One line of a `weights` block. */
static void print_mapping(Buffer *out, const Mapping *mapping) {
  buffer_text(out, "  ");
  buffer_quoted(out, mapping->pattern, strlen(mapping->pattern));
  buffer_text(out, " -> ");
  print_steps(out, mapping->path);
  if (mapping->args) {
    buffer_text(out, ", ");
    print_args(out, mapping->args);
  }
  buffer_char(out, '\n');
}

/* An empty block says nothing, so none is printed. */
static void print_weights(Buffer *out, const Item *item) {
  buffer_text(out, "weights ");
  print_path(out, &item->path);
  buffer_text(out, " from ");
  buffer_quoted(out, item->file, strlen(item->file));
  if (item->args) {
    buffer_text(out, " (");
    print_args(out, item->args);
    buffer_char(out, ')');
  }
  if (!item->mappings)
    return;
  buffer_text(out, " {\n");
  for (const Mapping *m = item->mappings; m; m = m->next)
    print_mapping(out, m);
  buffer_char(out, '}');
}

/* fn, entry, train and eval read the same after their word. */
static void print_function_item(Buffer *out, const Item *item) {
  const char *word = item->kind == ITEM_FN      ? "fn"
                     : item->kind == ITEM_ENTRY ? "entry"
                     : item->kind == ITEM_TRAIN ? "train"
                                                : "eval";
  buffer_printf(out, "%s %s", word, item->name);
  if (item->sizes) {
    buffer_printf(out, "[%s in ", item->sizes->name);
    print_exprs(out, item->sizes->value);
    buffer_char(out, ']');
  }
  print_function(out, &item->function, 0);
}

/* The item itself, with its last newline. */
static void print_item(Buffer *out, const Item *item) {
  switch (item->kind) {
  case ITEM_IMPORT:
  case ITEM_FROM:
    print_import(out, item);
    break;
  case ITEM_CONST:
    buffer_printf(out, "const %s", item->name);
    print_typed(out, item->type, item->value);
    break;
  case ITEM_ASSERT:
    buffer_text(out, "assert ");
    expr_print(out, item->value);
    print_message(out, item->file);
    break;
  case ITEM_FN:
  case ITEM_ENTRY:
  case ITEM_TRAIN:
  case ITEM_EVAL:
    print_function_item(out, item);
    break;
  case ITEM_MODULE:
  case ITEM_OPTIMIZER:
    print_module(out, item);
    break;
  case ITEM_MODEL:
    buffer_printf(out, "model %s: ", item->name);
    print_path(out, &item->path);
    buffer_char(out, '(');
    print_args(out, item->args);
    buffer_char(out, ')');
    break;
  case ITEM_RECIPE:
    print_rules(out, item);
    break;
  case ITEM_DATASET:
    print_dataset(out, item);
    break;
  case ITEM_WEIGHTS:
    print_weights(out, item);
    break;
  case ITEM_GENERATE:
    print_generate(out, item);
    break;
  }
  buffer_char(out, '\n');
}

/* Imports among themselves and constants among themselves make one paragraph,
 * unless something stands above the item. */
static bool same_paragraph(const Item *a, const Item *b) {
  bool imports = (a->kind == ITEM_IMPORT || a->kind == ITEM_FROM) &&
                 (b->kind == ITEM_IMPORT || b->kind == ITEM_FROM);
  bool constants =
      a->kind == b->kind && (a->kind == ITEM_CONST || a->kind == ITEM_ASSERT);
  return (imports || constants) && !b->doc && !b->attributes;
}

void ast_print(Buffer *out, const File *file) {
  for (const Item *item = file->items; item; item = item->next) {
    print_doc(out, item->doc, 0);
    print_attributes(out, item->attributes, 0);
    print_item(out, item);
    if (item->next && !same_paragraph(item, item->next))
      buffer_char(out, '\n');
  }
}
