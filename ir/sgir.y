/* The grammar of .sgir (ir.md, section 8).
 *
 * In: tokens from sgir.l. Out: calls of the functions in read.h, one per
 * construct, in the order of the text. Newlines do not matter: every operation
 * begins with a sigil or a keyword and ends before the next. The first error of
 * syntax ends the reading; errors of meaning do not.
 */
%require "3.8"
%define api.pure full
%define api.prefix {sgir_}
%define api.token.prefix {SGIR_}
%define api.token.raw
%define api.value.type union
%define api.location.type {Span}
%define api.header.include {"ir/sgir.tab.h"}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {SgirReader *reader}

%code requires {
#include "ir/read.h"
}

%code provides {
int sgir_lex(SGIR_STYPE *value, Span *span, SgirReader *reader);
}

%code {
/* What is empty lies behind what precedes it. */
#define YYLLOC_DEFAULT(current, rhs, count)                                    \
  ((current) = (count) ? span_join((rhs)[1], (rhs)[count])                     \
                       : (Span){(rhs)[0].source, (rhs)[0].end, (rhs)[0].end})

static void sgir_error(const Span *span, SgirReader *reader,
                       const char *message);

static const Word no_word;
}

%token <Word> WORD "a word" STRING "a string" VALUE "a value (%name)"
  GLOBAL "a parameter or entry (@name)" EXPONENT "an exponent ($name)"
  LOCATION "a location (!line:column)"
%token <int64_t> INT "a whole number"
%token <double> FLOAT "a real number"
%token <Word>
  SGIR "sgir" PROGRAM "program" SOURCE "source" DATASET "dataset"
  RECIPE "recipe" PARAM "param" STATE "state" ALIAS "alias" TRAIN "train"
  EVAL "eval" ENTRY "entry" PHASE "phase" STORE "store" YIELD "yield"
  MINIMIZE "minimize" AS "as" INF "inf" NAN "nan" WEIGHTS "weights"
  FROM "from" GENERATE "generate" EXPONENTS "exponent" IN "in"
%token ARROW "->" DOTS ".." DOT_STAR ".*" DOT_STARS ".**"
  COLON ":" EQUALS "=" COMMA "," DOT "." STAR "*" SLASH "/" CARET "^"
  PLUS "+" MINUS "-"
  LPAREN "(" RPAREN ")" LBRACKET "[" RBRACKET "]" LBRACE "{" RBRACE "}"
%token BAD "a character that has no meaning here"

%type <Word> word column_reference builtin own function_path location op_name
%type <int64_t> whole
%type <WholeList> wholes
%type <Operand *> number plain_number operand named_value setting_value
  result_value term_in_parens run_value
%type <TypeText *> type dims value_type
%type <ScaleText> scale exponent
%type <BlocksText *> blocks
%type <ParamKind> param_kind
%type <EntryKind> entry_kind
%type <size_t> init_arguments
%type <SettingText> setting
%type <Buffer> steps

%%

file: header tops;

header:
  "sgir" INT word {
    if (!read_header(reader, @$, $2, $3))
      YYABORT;
  }
;

tops: %empty | tops top;

top:
  "program" STRING { read_program_name(reader, $2); }
| "source" INT STRING builtin { read_source(reader, @$, $2, $3, $4); }
| dataset_head columns "}"
| weights_head weight_list "}"
| generate_head generate_list "}" { read_generate_end(reader); }
| recipe_head rules "}"
| param_kind GLOBAL ":" value_type "=" word init_arguments param_attributes {
    read_param(reader, $1, $2, $4, $6, $7);
  }
| "alias" VALUE "=" VALUE { read_alias(reader, $2, $4, no_word); }
| "alias" VALUE "=" VALUE "in" GLOBAL { read_alias(reader, $2, $4, $6); }
| entry
;

builtin: %empty { $$ = no_word; } | WORD;

/* ---- datasets, parameters ------------------------------------------------ */

dataset_head: "dataset" word "{" { read_dataset(reader, $2); };
columns: %empty | columns column;
column:
  word ":" type "=" word "(" optional_arguments ")" {
    read_column(reader, $1, $3, $5);
  }
;

/* ---- weights and generation ---------------------------------------------- */

weights_head: "weights" word "from" STRING "{" {
    read_weights(reader, $2, $4);
  }
;
weight_list: %empty | weight_list weight;
weight:
  STRING "->" GLOBAL { read_weight(reader, $1, $3, no_word); }
| STRING "->" GLOBAL "," word { read_weight(reader, $1, $3, $5); }
;

generate_head: "generate" word "{" { read_generate(reader, $2); };
generate_list: %empty | generate_list generate_setting;
generate_setting:
  word "=" GLOBAL { read_generate_entry(reader, $1, $3); }
| word "=" word "(" optional_arguments ")" {
    read_generate_call(reader, $1, $3);
  }
;

param_kind:
  "param" { $$ = PARAM_TRAINED; }
| "state" { $$ = PARAM_STATE; }
| "exponent" { $$ = PARAM_EXPONENT; }
;
init_arguments:
  %empty { $$ = 0; }
| "(" numbers ")" { $$ = reader->argument.length; }
;
numbers:
  number { vec_push(&reader->argument, (Argument){no_word, $1}); }
| numbers "," number { vec_push(&reader->argument, (Argument){no_word, $3}); }
;
param_attributes: %empty | param_attributes "," param_attribute;
param_attribute:
  WORD { vec_push(&reader->argument, (Argument){$1, NULL}); }
| WORD "=" word {
    Operand *value = operand_new(reader, OPERAND_WORD, @3, $3);
    vec_push(&reader->argument, (Argument){$1, value});
  }
;

/* ---- recipes ------------------------------------------------------------- */

recipe_head: "recipe" word "{" { read_recipe(reader, $2); };
rules: %empty | rules rule;
rule:
  selectors ":" settings { read_rule(reader, @$, no_word); }
| own selectors ":" settings { read_rule(reader, @$, $1); }
;
own: word;

selectors: selector | selectors "," selector;
selector:
  steps {
    Word path = {NULL, $1.length, @1};
    path.text = intern_n(reader->interner, $1.data, $1.length);
    buffer_free(&$1);
    read_selector(reader, @$, no_word, path);
  }
| word "(" function_path ")" { read_selector(reader, @$, $1, $3); }
;
function_path:
  steps {
    $$ = (Word){intern_n(reader->interner, $1.data, $1.length), $1.length, @1};
    buffer_free(&$1);
  }
;

steps:
  word { $$ = (Buffer){0}; buffer_text(&$$, $1.text); }
| steps "." word { $$ = $1; buffer_printf(&$$, ".%s", $3.text); }
| steps ".*" { $$ = $1; buffer_text(&$$, ".*"); }
| steps ".**" { $$ = $1; buffer_text(&$$, ".**"); }
| steps "[" INT "]" { $$ = $1; buffer_printf(&$$, "[%jd]", (intmax_t)$3); }
| steps "[" "*" "]" { $$ = $1; buffer_text(&$$, "[*]"); }
| steps "[" INT ".." INT "]" {
    $$ = $1;
    buffer_printf(&$$, "[%jd..%jd]", (intmax_t)$3, (intmax_t)$5);
  }
;
%destructor { buffer_free(&$$); } <Buffer>;

settings:
  setting { vec_push(&reader->setting, $1); }
| settings "," setting { vec_push(&reader->setting, $3); }
;
setting:
  word {
    $$ = (SettingText){.value = operand_new(reader, OPERAND_WORD, @1, $1)};
  }
| word "/" word {
    $$ = (SettingText){.value = operand_new(reader, OPERAND_WORD, @1, $1),
                       .second = $3};
  }
| word "=" setting_value {
    $$ = (SettingText){.name = $1, .value = $3};
    $$.first_argument = $$.arguments = reader->argument.length;
  }
| word "=" word "(" {
    $<size_t>$ = reader->argument.length;
  } setting_arguments ")" {
    $$ = (SettingText){.name = $1,
                       .value = operand_new(reader, OPERAND_WORD, @3, $3),
                       .first_argument = $<size_t>5,
                       .arguments = reader->argument.length};
  }
;
setting_value:
  word { $$ = operand_new(reader, OPERAND_WORD, @1, $1); }
| plain_number
;
setting_arguments: setting_argument | setting_arguments "," setting_argument;
setting_argument:
  setting_value { vec_push(&reader->argument, (Argument){no_word, $1}); }
| word "=" plain_number { vec_push(&reader->argument, (Argument){$1, $3}); }
;

/* ---- entries ------------------------------------------------------------- */

entry:
  entry_head "(" inputs ")" results run_settings "{" items "}" {
    read_entry_end(reader);
  }
;
entry_head: entry_kind GLOBAL { read_entry(reader, @$, $1, $2); };
entry_kind:
  "train" { $$ = ENTRY_TRAIN; }
| "eval" { $$ = ENTRY_EVAL; }
| "entry" { $$ = ENTRY_PLAIN; }
;

inputs: %empty | input_list;
input_list: input | input_list "," input;
input:
  VALUE ":" value_type { read_input(reader, $1, $3, no_word, no_word); }
| VALUE ":" value_type "=" plain_number {
    read_input_default(reader, $1, $3, $5);
  }
| VALUE ":" value_type "=" word column_reference {
    read_input(reader, $1, $3, $5, $6);
  }
;
column_reference: %empty { $$ = no_word; } | "." word { $$ = $2; };

results: %empty | "->" "(" result_list ")";
result_list: result | result_list "," result;
result:
  result_value ":" value_type {
    vec_push(&reader->result, (ResultText){no_word, $1, $3});
  }
| word "=" result_value ":" value_type {
    vec_push(&reader->result, (ResultText){$1, $3, $5});
  }
| STRING "=" result_value ":" value_type {
    vec_push(&reader->result, (ResultText){$1, $3, $5});
  }
;
result_value:
  VALUE { $$ = operand_new(reader, OPERAND_VALUE, @1, $1); }
| GLOBAL { $$ = operand_new(reader, OPERAND_PARAM, @1, $1); }
| number
;

run_settings: %empty | run_setting_list;
run_setting_list: run_setting | run_setting_list "," run_setting;
run_setting: word "=" run_value { read_run_setting(reader, $1, $3); };
run_value:
  word { $$ = operand_new(reader, OPERAND_WORD, @1, $1); }
| plain_number
;

/* ---- operations ---------------------------------------------------------- */

items: %empty | items item;
item:
  "phase" word { read_phase(reader, $2); }
| "store" GLOBAL "," arguments location {
    read_store(reader, @$, $2, $5);
  }
| minimize_head "(" pairs ")"
| operation
;

minimize_head: "minimize" operand { read_minimize(reader, @$, $2); };
pairs: pair | pairs "," pair;
pair:
  GLOBAL "->" VALUE ":" value_type {
    read_minimize_pair(reader, find_param(reader, $1), $3, $5);
  }
| VALUE "->" VALUE ":" value_type {
    read_minimize_pair(reader, find_value(reader, $1), $3, $5);
  }
;

operation:
  definitions "=" op_name "(" optional_arguments ")" location {
    read_operation(reader, @$, $3, $7);
  }
| definitions "=" region_head items yield "}" { read_region_end(reader); }
| region_head items yield "}" { read_region_end(reader); }
;
region_head:
  op_name "(" optional_arguments ")" "{" { read_region(reader, @$, $1); }
;
op_name: WORD;
location: %empty { $$ = no_word; } | LOCATION;

definitions: definition | definitions "," definition;
definition:
  VALUE ":" value_type {
    vec_push(&reader->definition, (Definition){false, $1, $3});
  }
| EXPONENT { vec_push(&reader->definition, (Definition){true, $1, NULL}); }
;

yield: %empty | "yield" yield_list;
yield_list: yielded | yield_list "," yielded;
yielded:
  VALUE { read_yield(reader, false, $1); }
| EXPONENT { read_yield(reader, true, $1); }
;

optional_arguments: %empty | arguments;
arguments: argument | arguments "," argument;
argument:
  operand { vec_push(&reader->argument, (Argument){no_word, $1}); }
| word "=" named_value { vec_push(&reader->argument, (Argument){$1, $3}); }
;

operand:
  VALUE { $$ = operand_new(reader, OPERAND_VALUE, @1, $1); }
| VALUE "as" word { $$ = operand_new(reader, OPERAND_VALUE, @1, $1);
                    $$->as = $3; }
| GLOBAL { $$ = operand_new(reader, OPERAND_PARAM, @1, $1); }
| GLOBAL "as" word { $$ = operand_new(reader, OPERAND_PARAM, @1, $1);
                     $$->as = $3; }
| number
| number "*" scale { $$ = $1; $$->scale = $3; }
| number ":" word { $$ = $1; $$->format = $3; }
| number "*" scale ":" word { $$ = $1; $$->scale = $3; $$->format = $5; }
| STRING { $$ = operand_new(reader, OPERAND_STRING, @1, $1); }
| WORD { $$ = operand_new(reader, OPERAND_WORD, @1, $1); }
| EXPONENT { $$ = operand_new(reader, OPERAND_TERM, @1, no_word);
             $$->plus = $1; }
| term_in_parens
;
named_value:
  "[" wholes "]" {
    $$ = operand_new(reader, OPERAND_LIST, @$, no_word);
    $$->list = $2;
  }
| word { $$ = operand_new(reader, OPERAND_WORD, @1, $1); }
| plain_number
| EXPONENT { $$ = operand_new(reader, OPERAND_TERM, @1, no_word);
             $$->plus = $1; }
| term_in_parens
| STRING { $$ = operand_new(reader, OPERAND_STRING, @1, $1); }
| VALUE { $$ = operand_new(reader, OPERAND_VALUE, @1, $1); }
;

wholes:
  INT { $$ = (WholeList){0}; read_list_number(reader, @1, &$$, $1); }
| wholes "," INT { $$ = $1; read_list_number(reader, @3, &$$, $3); }
;

/* ($a + 3), (-$b), (-$b + 3), ($a - $b), ($a - $b + 3) */
term_in_parens:
  "(" EXPONENT whole ")" {
    $$ = operand_new(reader, OPERAND_TERM, @$, no_word);
    $$->plus = $2; $$->exponent = $3;
  }
| "(" "-" EXPONENT ")" {
    $$ = operand_new(reader, OPERAND_TERM, @$, no_word);
    $$->minus = $3;
  }
| "(" "-" EXPONENT whole ")" {
    $$ = operand_new(reader, OPERAND_TERM, @$, no_word);
    $$->minus = $3; $$->exponent = $4;
  }
| "(" EXPONENT "-" EXPONENT ")" {
    $$ = operand_new(reader, OPERAND_TERM, @$, no_word);
    $$->plus = $2; $$->minus = $4;
  }
| "(" EXPONENT "-" EXPONENT whole ")" {
    $$ = operand_new(reader, OPERAND_TERM, @$, no_word);
    $$->plus = $2; $$->minus = $4; $$->exponent = $5;
  }
;
whole: "+" INT { $$ = $2; } | "-" INT { $$ = -$2; };

/* ---- types, numbers, words ----------------------------------------------- */

value_type:
  type
| type "*" scale { $$ = $1; $$->scale = $3; $$->span = @$; }
;
type:
  word "[" "]" { $$ = type_text_new(reader, $1, @$); }
| dims "]" { $$ = $1; $$->span = @$; }
;
dims:
  word "[" INT { $$ = type_text_new(reader, $1, @$); type_text_dim($$, $3); }
| dims "," INT { $$ = $1; type_text_dim($$, $3); }
;

scale:
  INT "^" exponent {
    $$ = $3; $$.span = @$;
    if ($1 != 2)
      read_error(reader, @1, "E0806", "scales are powers of two");
  }
| INT "^" exponent blocks "]" {
    $$ = $3; $$.span = @$; $$.blocks = $4; $4->span = span_join(@4, @5);
    if ($1 != 2)
      read_error(reader, @1, "E0806", "scales are powers of two");
  }
| EXPONENT {
    $$ = (ScaleText){.span = @$};
    read_error(reader, @1, "E0810",
               "scales are powers of two in this version: write 2^$%s",
               $1.text);
  }
| WORD {
    $$ = (ScaleText){.span = @$};
    if (strcmp($1.text, "zero") == 0)
      $$.kind = SCALE_ZERO;
    else if (strcmp($1.text, "any") == 0)
      $$.kind = SCALE_ANY;
    else
      read_error(reader, @1, "E0806",
                 "a scale is 2^exponent, `zero` or `any`, not `%s`", $1.text);
  }
;
exponent:
  INT { $$ = (ScaleText){.kind = SCALE_NORMAL, .exponent = $1}; }
| "-" INT { $$ = (ScaleText){.kind = SCALE_NORMAL, .exponent = -$2}; }
| EXPONENT { $$ = (ScaleText){.kind = SCALE_NORMAL, .symbol = $1}; }
| GLOBAL { $$ = (ScaleText){.kind = SCALE_NORMAL, .state = $1}; }
| "(" EXPONENT whole ")" {
    $$ = (ScaleText){.kind = SCALE_NORMAL, .symbol = $2, .exponent = $3};
  }
;
blocks:
  "[" INT { $$ = blocks_text_new(reader); blocks_text_axis($$, $2, 1); }
| "[" INT "/" INT { $$ = blocks_text_new(reader); blocks_text_axis($$, $2, $4); }
| blocks "," INT { $$ = $1; blocks_text_axis($$, $3, 1); }
| blocks "," INT "/" INT { $$ = $1; blocks_text_axis($$, $3, $5); }
;

number: plain_number
| "inf" { $$ = operand_new(reader, OPERAND_NUMBER, @$, no_word);
          $$->number = INFINITY; }
| "-" "inf" { $$ = operand_new(reader, OPERAND_NUMBER, @$, no_word);
              $$->number = -INFINITY; }
| "nan" { $$ = operand_new(reader, OPERAND_NUMBER, @$, no_word);
          $$->number = NAN; }
;
plain_number:
  INT { $$ = operand_new(reader, OPERAND_NUMBER, @$, no_word);
        $$->number = (double)$1; $$->whole = true; }
| "-" INT { $$ = operand_new(reader, OPERAND_NUMBER, @$, no_word);
            $$->number = -(double)$2; $$->whole = true; }
| FLOAT { $$ = operand_new(reader, OPERAND_NUMBER, @$, no_word);
          $$->number = $1; }
| "-" FLOAT { $$ = operand_new(reader, OPERAND_NUMBER, @$, no_word);
              $$->number = -$2; }
;

/* Keywords are ordinary words wherever a name is expected. */
word:
  WORD | "sgir" | "program" | "source" | "dataset" | "recipe" | "param"
| "state" | "alias" | "train" | "eval" | "entry" | "phase" | "store" | "yield"
| "minimize" | "as" | "inf" | "nan" | "weights" | "from" | "generate"
| "exponent" | "in"
;

%%

enum { SHOWN = 4 };

/* Keywords and punctuation in quotes, kinds of token in words. */
static void add_symbol(Buffer *out, yysymbol_kind_t kind) {
  const char *name = yysymbol_name(kind);
  bool words = strncmp(name, "a ", 2) == 0 || strncmp(name, "an ", 3) == 0 ||
               kind == YYSYMBOL_YYEOF;
  buffer_printf(out, words ? "%s" : "`%s`", name);
}

/* "unexpected `)`; expected a word or `]`"; a long list would not help. */
static int yyreport_syntax_error(const yypcontext_t *context,
                                 SgirReader *reader) {
  yysymbol_kind_t expected[SHOWN];
  yysymbol_kind_t found = yypcontext_token(context);
  if (found == YYSYMBOL_BAD)
    return 0; /* the lexer has said so */
  Buffer text = {0};
  buffer_text(&text, "unexpected ");
  add_symbol(&text, found);
  int count = yypcontext_expected_tokens(context, expected, SHOWN);
  for (int i = 0; i < count; i++) {
    buffer_text(&text, i == 0            ? "; expected "
                       : i + 1 < count ? ", "
                                       : " or ");
    add_symbol(&text, expected[i]);
  }
  read_error(reader, *yypcontext_location(context), "E0801", "%s", text.data);
  buffer_free(&text);
  return 0;
}

/* With custom messages bison calls this only when its stack is full. */
static void sgir_error(const Span *span, SgirReader *reader,
                       const char *message) {
  (void)message;
  read_error(reader, *span, "E0801", "the text is nested too deeply");
}
