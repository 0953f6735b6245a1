/* The grammar of .sg.
 *
 * In: tokens from sg_lex (parse.c), which has already applied the newline rule
 * and repairs the token stream after an error. Out: the tree of ast.h, left in
 * the parser by parser_add_item, parser_set_expr or parser_set_rule.
 *
 * Three things keep it free of conflicts: postfix forms live in `prim`, below
 * the operators; every statement or member that begins with a name takes
 * attributes; types only follow `:` and `->`. Errors are caught where a line
 * ends: each `error` production drops the token that did not fit, and sg_lex
 * goes on with the end of that line or of the block around it.
 */
%require "3.8"
%define api.pure full
%define api.prefix {sg_}
%define api.token.prefix {TOKEN_}
%define api.token.raw
%define api.value.type union
%define api.location.type {Span}
%define api.header.include {"compiler/front/parse.tab.h"}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {Parser *parser}

%code requires {
#include "compiler/front/ast_build.h"
}

%code provides {
int sg_lex(SG_STYPE *value, Span *span, Parser *parser);
/* How a token is written: "fn", "+:"; for ID and the like, what it is. */
const char *token_text(int kind);
}

%code {
#include "compiler/front/parser.h"

#include <string.h>

#define YYLLOC_DEFAULT(current, rhs, count)                                    \
  ((current) = rule_span((rhs), (int)(count)))
#define YYMAXDEPTH PARSE_DEPTH_LIMIT
/* bison asks for larger stacks in this way; left as they are, they end the
 * parse. They live in the arena. */
#define yyoverflow(message, states, states_size, values, values_size, spans,   \
                   spans_size, capacity)                                       \
  do {                                                                         \
    if (*(capacity) >= YYMAXDEPTH) {                                           \
      sg_error(&yylloc, parser, (message));                                    \
    } else {                                                                   \
      *(capacity) *= 2;                                                        \
      *(states) = stack_grown(parser, *(states), (size_t)(states_size));       \
      *(values) = stack_grown(parser, *(values), (size_t)(values_size));       \
      *(spans) = stack_grown(parser, *(spans), (size_t)(spans_size));          \
    }                                                                          \
  } while (0)

static void *stack_grown(Parser *parser, const void *stack, size_t size);
static void sg_error(const Span *span, Parser *parser, const char *message);
}

/* The first token says what is to be read. */
%token START_FILE START_EXPR START_RULE
%token NL "the end of the line"

%token <int64_t> INT "a whole number"
%token <double> FLOAT "a real number"
%token <Text> STRING "a string"
%token <const char *> ID "a name"

/* Reserved words: FN is the first, MINIMIZE the last. */
%token <const char *>
  FN "fn" CONST "const" ASSERT "assert" IMPORT "import" IF "if" ELSE "else"
  FOR "for" IN "in" RETURN "return" OR "or" AND "and" NOT "not" TRUE "true"
  FALSE "false" MINIMIZE "minimize"
/* Soft words, names where no keyword can stand: MODULE to REPEAT. */
%token <const char *>
  MODULE "module" OPTIMIZER "optimizer" MODEL "model" RECIPE "recipe"
  DATASET "dataset" WEIGHTS "weights" ENTRY "entry" TRAIN "train" EVAL "eval"
  GENERATE "generate" FROM "from" PARAM "param" STATE "state" AS "as"
  OVER "over" WITH "with" REPORT "report" REPEAT "repeat"

%token LPAREN "(" RPAREN ")" LBRACKET "[" RBRACKET "]" LBRACE "{" RBRACE "}"
%token PLUS "+" MINUS "-" STAR "*" SLASH "/" FLOORDIV "//" PERCENT "%"
%token POW "**" AT "@" LT "<" GT ">" LE "<=" GE ">=" EQ "==" NE "!="
%token DOT "." DOTS ".." DOTSTAR ".*" DOTSTARS ".**" ARROW "->" ASSIGN "="
%token COLON ":" COMMA "," QUESTION "?" WINDOW "+:"

%left OR
%left AND
%precedence NOT
%nonassoc LT GT LE GE EQ NE
%left PLUS MINUS
%left STAR SLASH FLOORDIV PERCENT AT
%precedence UMINUS
%right POW

%nterm <Item *> item core
%nterm <Attribute *> attributes attribute
%nterm <Function> function
%nterm <Body> body block
%nterm <Formal *> formals formal_list formal module_formals sizes
%nterm <TypeExpr *> type result type_list
%nterm <Dim *> shape dims dim_list dim
%nterm <Member *> members member_list member plain_member member_block
%nterm <Stmt *> stmts stmt_list stmt bound_stmt if_stmt otherwise with
%nterm <RuleExpr *> rules rule_list rule
%nterm <SelectorExpr *> selector_list selector
%nterm <Step *> selpath step_list step
%nterm <ColumnExpr *> columns column_list column
%nterm <Mapping *> map mappings mapping_list mapping
%nterm <Arg *> settings setting_list setting
%nterm <Arg *> args optional_args arg_list arg some_args more_args
%nterm <Expr *> expr prim exprs expr_list initial
%nterm <Sub *> subs sub_list sub
%nterm <Name *> names name_list name path_list
%nterm <Path> path parent
%nterm <Text> message
%nterm <const char *> word

%%

start:
  START_FILE items
| START_EXPR expr line_end { parser_set_expr(parser, $2); }
| START_RULE rule line_end { parser_set_rule(parser, $2); }
;

line_end: %empty | NL ;

/* ---- items --------------------------------------------------------------- */

items: %empty | item_list line_end ;
item_list:
  item { parser_add_item(parser, $1); }
| item_list NL item { parser_add_item(parser, $3); }
;
item:
  attributes core { $$ = item_attributes(parser, $2, @$, $1); }
| error { $$ = NULL; parser_lost(parser); yyclearin; yyerrok; }
;

/* Every item, and every member and statement that begins with a name, takes
 * them; which ones make sense where is the elaborator's business. */
attributes:
  %empty { $$ = NULL; }
| attributes attribute { $$ = attribute_append($1, $2); }
;
attribute: "@" word optional_args line_end {
    $$ = attribute_new(parser, span_join(@1, @3.source ? @3 : @2), $2, $3);
  }
;
optional_args:
  %empty { $$ = NULL; }
| "(" args ")" { $$ = $2; }
;

core:
  "import" path { $$ = item_import(parser, @$, $2); }
| "import" STRING "as" ID {
    $$ = item_import_file(parser, @$, $2, word_at($4, @4));
  }
| "from" path "import" names { $$ = item_from(parser, @$, $2, $4); }
| "from" STRING "import" names { $$ = item_from_file(parser, @$, $2, $4); }
| "const" ID "=" expr {
    $$ = item_const(parser, @$, word_at($2, @2), NULL, $4);
  }
| "const" ID ":" type initial {
    $$ = item_const(parser, @$, word_at($2, @2), $4, $5);
  }
| "assert" expr message { $$ = item_assert(parser, @$, $2, $3); }
| "fn" ID function {
    $$ = item_function(parser, @$, ITEM_FN, word_at($2, @2), $3);
  }
| "entry" ID sizes function {
    $$ = item_entry(parser, @$, word_at($2, @2), $3, $4);
  }
| "train" ID "(" formals ")" body {
    $$ = item_function(parser, @$, ITEM_TRAIN, word_at($2, @2),
                       function_new($4, NULL, $6));
  }
| "eval" ID "(" formals ")" body {
    $$ = item_function(parser, @$, ITEM_EVAL, word_at($2, @2),
                       function_new($4, NULL, $6));
  }
| "module" ID module_formals member_block {
    $$ = item_module(parser, @$, word_at($2, @2), $3, $4);
  }
| "optimizer" ID "(" formals ")" "for" ID ":" type member_block {
    $$ = item_optimizer(parser, @$, word_at($2, @2), $4,
                        formal_new(parser, word_at($7, @7), $9, NULL), $10);
  }
| "model" ID ":" path "(" args ")" {
    $$ = item_model(parser, @$, word_at($2, @2), $4, $6);
  }
| "recipe" ID parent "{" rules "}" {
    $$ = item_recipe(parser, @$, word_at($2, @2), $3, $5);
  }
| "dataset" ID "{" columns "}" {
    $$ = item_dataset(parser, @$, word_at($2, @2), $4);
  }
| "weights" path "from" STRING optional_args map {
    $$ = item_weights(parser, @$, $2, $4, $5, $6);
  }
| "generate" ID "{" settings "}" {
    $$ = item_generate(parser, @$, word_at($2, @2), $4);
  }
;

parent:
  %empty { $$ = (Path){0}; }
| ":" path { $$ = $2; }
;
module_formals:
  %empty { $$ = NULL; }
| "(" formals ")" { $$ = $2; }
;

/* ---- functions and types ------------------------------------------------- */

function: "(" formals ")" result body { $$ = function_new($2, $4, $5); } ;
result:
  %empty { $$ = NULL; }
| "->" type { $$ = $2; }
;
sizes:
  %empty { $$ = NULL; }
| "[" ID "in" exprs "]" { $$ = formal_new(parser, word_at($2, @2), NULL, $4); }
;
body: block | "=" expr { $$ = body_expr(@$, $2); } ;
block: "{" stmts "}" { $$ = body_block(@$, $2); } ;

formals:
  %empty { $$ = NULL; }
| formal_list { $$ = formal_first($1); }
| formal_list "," { $$ = formal_first($1); }
;
formal_list:
  formal { $$ = formal_append(NULL, $1); }
| formal_list "," formal { $$ = formal_append($1, $3); }
;
formal: ID ":" type initial {
    $$ = formal_new(parser, word_at($1, @1), $3, $4);
  }
;
initial:
  %empty { $$ = NULL; }
| "=" expr { $$ = $2; }
;

/* Types stand after `:` and `->` only, so `[` never indexes there. */
type:
  shape { $$ = type_shape(parser, @$, $1); }
| path { $$ = type_named(parser, @$, $1, false, NULL); }
| path shape { $$ = type_named(parser, @$, $1, true, $2); }
| "(" type_list ")" { $$ = type_tuple(parser, @$, type_first($2)); }
;
type_list: /* at least two */
  type "," type { $$ = type_append(type_append(NULL, $1), $3); }
| type_list "," type { $$ = type_append($1, $3); }
;
shape: "[" dims "]" { $$ = $2; } ;
dims:
  %empty { $$ = NULL; }
| dim_list { $$ = dim_first($1); }
;
dim_list:
  dim { $$ = dim_append(NULL, $1); }
| dim_list "," dim { $$ = dim_append($1, $3); }
;
/* `_` is an expression to the grammar. */
dim:
  expr { $$ = dim_new(parser, @$, DIM_EXPR, $1, NULL); }
| "?" ID { $$ = dim_new(parser, @$, DIM_BIND, NULL, $2); }
| ".." { $$ = dim_new(parser, @$, DIM_PACK, NULL, NULL); }
| ".." ID { $$ = dim_new(parser, @$, DIM_PACK, NULL, $2); }
;

/* ---- members ------------------------------------------------------------- */

member_block: "{" members "}" { $$ = $2; } ;
members:
  %empty { $$ = NULL; }
| member_list line_end { $$ = member_first($1); }
;
member_list:
  member { $$ = member_append(NULL, $1); }
| member_list NL member { $$ = member_append($1, $3); }
;
member:
  attributes plain_member { $$ = member_attributes(parser, $2, @$, $1); }
| "assert" expr message { $$ = member_assert(parser, @$, $2, $3); }
| "if" expr member_block { $$ = member_if(parser, @$, $2, $3, NULL); }
| "if" expr member_block "else" member_block {
    $$ = member_if(parser, @$, $2, $3, $5);
  }
| error { $$ = NULL; parser_lost(parser); yyclearin; yyerrok; }
;
/* Every member but `assert` and `if`; a name alone does not tell them apart,
 * the mark after it does. */
plain_member:
  "param" names ":" type initial {
    $$ = member_variable(parser, @$, MEMBER_PARAM, $2, $4, $5);
  }
| "state" names ":" type initial {
    $$ = member_variable(parser, @$, MEMBER_STATE, $2, $4, $5);
  }
| names ":" path "(" args ")" {
    $$ = member_submodule(parser, @$, $1, NULL, $3, $5);
  }
| name "[" expr "]" ":" path "(" args ")" {
    $$ = member_submodule(parser, @$, $1, $3, $6, $8);
  }
| name "=" expr { $$ = member_value(parser, @$, $1, $3); }
| "fn" name function { $$ = member_fn(parser, @$, $2, $3); }
;

/* ---- statements ---------------------------------------------------------- */

stmts:
  %empty { $$ = NULL; }
| stmt_list line_end { $$ = stmt_first($1); }
;
stmt_list:
  stmt { $$ = stmt_append(NULL, $1); }
| stmt_list NL stmt { $$ = stmt_append($1, $3); }
;
stmt:
  attributes bound_stmt { $$ = stmt_attributes($2, $1); }
| "return" exprs { $$ = stmt_return(parser, @$, $2); }
| if_stmt
| "for" names "in" expr block {
    $$ = stmt_for(parser, @$, $2, $4, NULL, $5.block);
  }
| "for" names "in" expr ".." expr block {
    $$ = stmt_for(parser, @$, $2, $4, $6, $7.block);
  }
| "repeat" expr block { $$ = stmt_repeat(parser, @$, $2, $3.block); }
| "assert" expr message { $$ = stmt_assert(parser, @$, $2, $3); }
| "minimize" expr with { $$ = stmt_minimize(parser, @$, $2, NULL, $3); }
| "minimize" expr "over" selpath with {
    $$ = stmt_minimize(parser, @$, $2, $4, $5);
  }
| "report" some_args { $$ = stmt_report(parser, @$, $2); }
| error { $$ = stmt_error(parser, @$); yyclearin; yyerrok; }
;
/* There are no expression statements: what begins with a name binds it, or
 * writes into a state. */
bound_stmt:
  names "=" exprs { $$ = stmt_bind(parser, @$, $1, NULL, $3); }
| names ":" type "=" exprs { $$ = stmt_bind(parser, @$, $1, $3, $5); }
| path "[" subs "]" "=" expr { $$ = stmt_assign(parser, @$, $1, $3, $6); }
;
/* Braces are mandatory, so no `else` dangles. */
if_stmt: "if" expr block otherwise {
    $$ = stmt_if(parser, @$, $2, $3.block, $4);
  }
;
otherwise:
  %empty { $$ = NULL; }
| "else" block { $$ = $2.block; }
| "else" if_stmt { $$ = $2; }
;
with: "with" path "(" args ")" more_args {
    $$ = stmt_with(parser, $2, $4, $6);
  }
;
message:
  %empty { $$ = (Text){0}; }
| "," STRING { $$ = $2; }
;

/* ---- recipes, data, weights, generation ---------------------------------- */

rules:
  %empty { $$ = NULL; }
| rule_list line_end { $$ = rule_first($1); }
;
rule_list:
  rule { $$ = rule_append(NULL, $1); }
| rule_list NL rule { $$ = rule_append($1, $3); }
;
rule:
  selector_list ":" some_args {
    $$ = rule_new(parser, @$, selector_first($1), $3);
  }
| error { $$ = NULL; parser_lost(parser); yyclearin; yyerrok; }
;
selector_list:
  selector { $$ = selector_append(NULL, $1); }
| selector_list "," selector { $$ = selector_append($1, $3); }
;
/* A path, or the gradient of one: `grad(logits)`. */
selector:
  selpath { $$ = selector_new(parser, @$, (Word){0}, $1); }
| ID "(" selpath ")" { $$ = selector_new(parser, @$, word_at($1, @1), $3); }
;
selpath: step_list { $$ = step_first($1); } ;
step_list:
  word {
    $$ = step_append(NULL, step_new(parser, @$, STEP_WORD, $1, NULL, NULL));
  }
| step_list step { $$ = step_append($1, $2); }
;
step:
  "." word { $$ = step_new(parser, @$, STEP_WORD, $2, NULL, NULL); }
| ".*" { $$ = step_new(parser, @$, STEP_STAR, NULL, NULL, NULL); }
| ".**" { $$ = step_new(parser, @$, STEP_STARS, NULL, NULL, NULL); }
| "[" expr "]" { $$ = step_new(parser, @$, STEP_INDEX, NULL, $2, NULL); }
| "[" "*" "]" { $$ = step_new(parser, @$, STEP_ALL, NULL, NULL, NULL); }
| "[" expr ".." expr "]" {
    $$ = step_new(parser, @$, STEP_RANGE, NULL, $2, $4);
  }
;

columns:
  %empty { $$ = NULL; }
| column_list line_end { $$ = column_first($1); }
;
column_list:
  column { $$ = column_append(NULL, $1); }
| column_list NL column { $$ = column_append($1, $3); }
;
column:
  ID ":" type "=" expr {
    $$ = column_new(parser, @$, word_at($1, @1), $3, $5);
  }
| error { $$ = NULL; parser_lost(parser); yyclearin; yyerrok; }
;

map:
  %empty { $$ = NULL; }
| "{" mappings "}" { $$ = $2; }
;
mappings:
  %empty { $$ = NULL; }
| mapping_list line_end { $$ = mapping_first($1); }
;
mapping_list:
  mapping { $$ = mapping_append(NULL, $1); }
| mapping_list NL mapping { $$ = mapping_append($1, $3); }
;
/* `"layer.{i}.weight" -> layers[i].w, transpose = true` */
mapping:
  STRING "->" selpath more_args {
    $$ = mapping_new(parser, @$, $1, $3, $4);
  }
| error { $$ = NULL; parser_lost(parser); yyclearin; yyerrok; }
;

settings:
  %empty { $$ = NULL; }
| setting_list line_end { $$ = arg_first($1); }
;
setting_list:
  setting { $$ = arg_append(NULL, $1); }
| setting_list NL setting { $$ = arg_append($1, $3); }
;
setting:
  ID "=" expr { $$ = arg_new(parser, word_at($1, @1), $3); }
| error { $$ = NULL; parser_lost(parser); yyclearin; yyerrok; }
;

/* ---- expressions --------------------------------------------------------- */

args:
  %empty { $$ = NULL; }
| arg_list { $$ = arg_first($1); }
| arg_list "," { $$ = arg_first($1); }
;
some_args: arg_list { $$ = arg_first($1); } ;
more_args:
  %empty { $$ = NULL; }
| "," arg_list { $$ = arg_first($2); }
;
arg_list:
  arg { $$ = arg_append(NULL, $1); }
| arg_list "," arg { $$ = arg_append($1, $3); }
;
/* `=` is no operator: the token after the word decides. */
arg:
  expr { $$ = arg_new(parser, (Word){0}, $1); }
| word "=" expr { $$ = arg_new(parser, word_at($1, @1), $3); }
;

exprs: expr_list { $$ = expr_first($1); } ;
expr_list:
  expr { $$ = expr_append(NULL, $1); }
| expr_list "," expr { $$ = expr_append($1, $3); }
;

/* Unary operators stand here and postfix forms in `prim`, so `-x.y` can only be
 * read in one way. */
expr:
  prim
| "-" expr %prec UMINUS { $$ = expr_unary(parser, @$, UN_NEG, @1, $2); }
| "not" expr { $$ = expr_unary(parser, @$, UN_NOT, @1, $2); }
| expr "or" expr { $$ = expr_binary(parser, @$, BIN_OR, @2, $1, $3); }
| expr "and" expr { $$ = expr_binary(parser, @$, BIN_AND, @2, $1, $3); }
| expr "<" expr { $$ = expr_binary(parser, @$, BIN_LT, @2, $1, $3); }
| expr ">" expr { $$ = expr_binary(parser, @$, BIN_GT, @2, $1, $3); }
| expr "<=" expr { $$ = expr_binary(parser, @$, BIN_LE, @2, $1, $3); }
| expr ">=" expr { $$ = expr_binary(parser, @$, BIN_GE, @2, $1, $3); }
| expr "==" expr { $$ = expr_binary(parser, @$, BIN_EQ, @2, $1, $3); }
| expr "!=" expr { $$ = expr_binary(parser, @$, BIN_NE, @2, $1, $3); }
| expr "+" expr { $$ = expr_binary(parser, @$, BIN_ADD, @2, $1, $3); }
| expr "-" expr { $$ = expr_binary(parser, @$, BIN_SUB, @2, $1, $3); }
| expr "*" expr { $$ = expr_binary(parser, @$, BIN_MUL, @2, $1, $3); }
| expr "/" expr { $$ = expr_binary(parser, @$, BIN_DIV, @2, $1, $3); }
| expr "//" expr { $$ = expr_binary(parser, @$, BIN_FLOORDIV, @2, $1, $3); }
| expr "%" expr { $$ = expr_binary(parser, @$, BIN_MOD, @2, $1, $3); }
| expr "@" expr { $$ = expr_binary(parser, @$, BIN_MATMUL, @2, $1, $3); }
| expr "**" expr { $$ = expr_binary(parser, @$, BIN_POW, @2, $1, $3); }
;
prim:
  INT { $$ = expr_integer(parser, @$, $1); }
| FLOAT { $$ = expr_number(parser, @$, $1); }
| STRING { $$ = expr_string(parser, @$, $1); }
| "true" { $$ = expr_bool(parser, @$, true); }
| "false" { $$ = expr_bool(parser, @$, false); }
| ID { $$ = expr_name(parser, @$, $1); }
| "(" expr ")" { $$ = expr_parenthesized($2, @$); }
| "[" exprs "]" { $$ = expr_list(parser, @$, $2); }
| prim "." word { $$ = expr_member(parser, @$, $1, word_at($3, @3)); }
| prim "(" args ")" { $$ = expr_call(parser, @$, $1, $3); }
| prim "[" subs "]" { $$ = expr_index(parser, @$, $1, $3); }
;

subs: sub_list { $$ = sub_first($1); } ;
sub_list:
  sub { $$ = sub_append(NULL, $1); }
| sub_list "," sub { $$ = sub_append($1, $3); }
;
/* An index, a slice, a window of fixed length, or all axes in between. */
sub:
  expr { $$ = sub_new(parser, @$, SUB_INDEX, $1, NULL); }
| ":" { $$ = sub_new(parser, @$, SUB_RANGE, NULL, NULL); }
| expr ":" { $$ = sub_new(parser, @$, SUB_RANGE, $1, NULL); }
| ":" expr { $$ = sub_new(parser, @$, SUB_RANGE, NULL, $2); }
| expr ":" expr { $$ = sub_new(parser, @$, SUB_RANGE, $1, $3); }
| expr "+:" expr { $$ = sub_new(parser, @$, SUB_WINDOW, $1, $3); }
| ".." { $$ = sub_new(parser, @$, SUB_DOTS, NULL, NULL); }
;

/* ---- names --------------------------------------------------------------- */

names: name_list { $$ = name_first($1); } ;
name_list:
  name { $$ = name_append(NULL, $1); }
| name_list "," name { $$ = name_append($1, $3); }
;
name: ID { $$ = name_new(parser, $1, @1); } ;

path: path_list { $$ = path_new(name_first($1), @$); } ;
path_list:
  ID { $$ = name_append(NULL, name_new(parser, $1, @1)); }
| path_list "." word { $$ = name_append($1, name_new(parser, $3, @3)); }
;

/* Soft words are ordinary after `@` and `.`, before `=` in arguments and in
 * selectors. */
word:
  ID | "module" | "optimizer" | "model" | "recipe" | "dataset" | "weights"
| "entry" | "train" | "eval" | "generate" | "from" | "param" | "state" | "as"
| "over" | "with" | "report" | "repeat"
;

%%

const char *token_text(int kind) {
  return yysymbol_name((yysymbol_kind_t)kind);
}

/* Hands over the set of tokens that could have stood here. api.token.raw makes
 * token kinds and symbol kinds the same numbers. */
static int yyreport_syntax_error(const yypcontext_t *context, Parser *parser) {
  yysymbol_kind_t kinds[YYNTOKENS];
  int expected[YYNTOKENS];
  int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
  if (count < 0)
    return count;
  for (int i = 0; i < count; i++)
    expected[i] = (int)kinds[i];
  parser_syntax_error(parser, expected, count);
  return 0;
}

/* A copy with twice the room. */
static void *stack_grown(Parser *parser, const void *stack, size_t size) {
  return memcpy(arena_array(parser->arena, size, 2), stack, size);
}

/* With custom messages bison calls this for one thing only: its stack is at
 * YYMAXDEPTH. */
static void sg_error(const Span *span, Parser *parser, const char *message) {
  (void)message;
  parser_too_deep(parser, *span);
}
