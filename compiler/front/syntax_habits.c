/* Habits of other languages that show in the order of tokens rather than in a
 * word: blocks without braces, statements outside of functions, other marks.
 *
 * As in syntax_slips.c: each looks at the newest tokens and at what could have
 * stood there, and reports if it recognises itself; the first one wins.
 */
#include "compiler/front/parser.h"

#include <ctype.h>
#include <string.h>

static const Token *recent(const Misfit *misfit, int n) {
  return &misfit->parser->recent[n];
}

static int kind(const Misfit *misfit, int n) {
  return recent(misfit, n)->kind;
}

/* Does token n end where the one after it begins? */
static bool touches(const Misfit *misfit, int n) {
  return recent(misfit, n)->span.end == recent(misfit, n - 1)->span.start;
}

/* The byte after the newest token. */
static char next_byte(const Misfit *misfit) {
  return misfit->parser->lexer.source->text[recent(misfit, 0)->span.end];
}

static bool is_word(const Misfit *misfit, int n, const char *word) {
  return kind(misfit, n) == TOKEN_ID &&
         strcmp(recent(misfit, n)->value.TOKEN_ID, word) == 0;
}

/* An item could stand here, so this is the top level. */
static bool at_top(const Misfit *misfit) {
  return misfit_expects(misfit, TOKEN_ENTRY) &&
         misfit_expects(misfit, TOKEN_MODULE) &&
         !misfit_expects(misfit, TOKEN_RETURN);
}

static bool report(const Misfit *misfit, const char *code, const char *hint,
                   const char *message) {
  syntax_report(misfit->parser, recent(misfit, 0)->span, code, hint, "%s",
                message);
  return true;
}

/* The line of the newest token begins a block that has no braces. */
static void set_bodiless(const Misfit *misfit) {
  Lexer *lexer = &misfit->parser->lexer;
  uint32_t line =
      source_place(lexer->source, recent(misfit, 0)->span.start).line;
  const char *text = lexer->source->text + lexer->source->lines[line - 1];
  lexer->bodiless = 1 + (uint32_t)strspn(text, " \t");
}

/* ---- blocks -------------------------------------------------------------- */

/* `if c:` and `fn f(x: [4]) -> [4]:` */
static bool habit_colon_block(const Misfit *misfit) {
  if (kind(misfit, 0) != TOKEN_COLON || !misfit_expects(misfit, TOKEN_LBRACE) ||
      !parser_peek(misfit->parser).first)
    return false;
  set_bodiless(misfit);
  return report(misfit, "E0127", "`... { ... }`, with the `}` on its own line",
                "a block stands in braces, not after `:`");
}

/* `else:` */
static bool habit_colon_else(const Misfit *misfit) {
  if (kind(misfit, 0) != TOKEN_COLON || kind(misfit, 1) != TOKEN_ELSE)
    return false;
  return report(misfit, "E0127", "`} else { ... }`",
                "a block stands in braces, not after `:`");
}

/* `recipe r`, which `:` or `{` continues. */
static bool named_recipe(const Misfit *misfit) {
  return kind(misfit, 2) == TOKEN_RECIPE && misfit->count == 2;
}

/* A header and nothing after it. */
static bool habit_no_body(const Misfit *misfit) {
  bool function = misfit_expects(misfit, TOKEN_ASSIGN);
  if (kind(misfit, 0) != TOKEN_NL || !misfit_expects(misfit, TOKEN_LBRACE) ||
      (!function && misfit->count != 1 && !named_recipe(misfit)))
    return false;
  int next = parser_peek(misfit->parser).kind;
  if (next == TOKEN_LBRACE || token_is_operator(next))
    return false;
  set_bodiless(misfit);
  return report(misfit, "E0127",
                function ? "`... { return value }`, or `... = value`"
                         : "`... {`, and `}` on a line of its own",
                "this header has no body");
}

/* ---- the top level ------------------------------------------------------- */

/* `net = nn.Linear(8, 4)`: the call after the `=` at the end of `equals`, of
 * something that begins with a capital, as a module does. */
static const char *module_call(Parser *parser, Span equals) {
  const char *text = parser->lexer.source->text + equals.end;
  text += strspn(text, " ");
  const char *name = text;
  size_t length = 0;
  while (isalnum((unsigned char)text[length]) || text[length] == '_' ||
         text[length] == '.')
    if (text[length++] == '.')
      name = text + length;
  size_t end = strcspn(text, "\n#");
  while (end && text[end - 1] == ' ')
    end--;
  if (!isupper((unsigned char)*name) || text[length] != '(' || end > 60 ||
      text[end - 1] != ')')
    return NULL;
  return arena_printf(parser->arena, "%.*s", (int)end, text);
}

/* `return`, `if`, ... outside of everything, and `x = 3`. */
static bool habit_statement_outside(const Misfit *misfit) {
  int word = kind(misfit, 0);
  bool statement = word == TOKEN_RETURN || word == TOKEN_IF ||
                   word == TOKEN_FOR || word == TOKEN_REPEAT ||
                   word == TOKEN_MINIMIZE || word == TOKEN_REPORT;
  if (!at_top(misfit))
    return false;
  Parser *parser = misfit->parser;
  const char *text = token_source(parser, recent(misfit, 0));
  if (statement)
    return report(misfit, "E0128",
                  "`fn`, `entry`, `train` and `eval` hold statements",
                  arena_printf(parser->arena,
                               "`%s` cannot stand outside of a "
                               "function",
                               text));
  if (word != TOKEN_ID || parser_peek(parser).kind != TOKEN_ASSIGN)
    return false;
  const char *call = module_call(parser, parser_peek(parser).span);
  if (call)
    return report(misfit, "E0128",
                  arena_printf(parser->arena, "`model %s: %s`", text, call),
                  "a network outside of a function is a model");
  return report(misfit, "E0128",
                arena_printf(parser->arena, "`const %s = ...`", text),
                "a value outside of a function is a constant");
}

/* `pub fn f`, `export`, `static const`. */
static bool habit_modifier(const Misfit *misfit) {
  static const char *const word[] = {"export", "pub",   "public", "private",
                                     "static", "async", "inline", "extern"};
  for (size_t i = 0; i < sizeof word / sizeof *word; i++)
    if (at_top(misfit) && is_word(misfit, 0, word[i]))
      return report(misfit, "E0112", "leave it out",
                    arena_printf(misfit->parser->arena,
                                 "a definition needs no `%s`: all of a file "
                                 "can be imported",
                                 word[i]));
  return false;
}

/* `import nn as layers` and `from nn import *` */
static bool habit_import(const Misfit *misfit) {
  if (kind(misfit, 0) == TOKEN_AS && kind(misfit, 2) == TOKEN_IMPORT)
    return report(misfit, "E0129", "`import \"FILE.sg\" as name`, for a file",
                  "a library keeps its name");
  if (kind(misfit, 0) == TOKEN_STAR && kind(misfit, 1) == TOKEN_IMPORT)
    return report(misfit, "E0129", "`from nn import Linear, LayerNorm`",
                  "names are imported one by one");
  return false;
}

/* ---- headers ------------------------------------------------------------- */

/* `fn forward(self, x: [4])` */
static bool habit_self(const Misfit *misfit) {
  if (!is_word(misfit, 1, "self") || kind(misfit, 2) != TOKEN_LPAREN ||
      (kind(misfit, 0) != TOKEN_COMMA && kind(misfit, 0) != TOKEN_RPAREN))
    return false;
  syntax_report(misfit->parser, recent(misfit, 1)->span, "E0130",
                "members are named as they are: `w`, not `self.w`",
                "a function of a module has no `self`");
  return true;
}

/* `module Net(nn.Module)` */
static bool habit_inherits(const Misfit *misfit) {
  if (kind(misfit, 0) != TOKEN_DOT || kind(misfit, 1) != TOKEN_ID ||
      kind(misfit, 2) != TOKEN_LPAREN || misfit->count != 1 ||
      !misfit_expects(misfit, TOKEN_COLON))
    return false;
  return report(misfit, "E0112", "`module Net(width: int) { ... }`",
                "modules have parameters here, and inherit from nothing");
}

/* `model net = Net()`, `param w = zeros` and `recipe r = recipes.fp8 {}` */
static bool habit_no_type(const Misfit *misfit) {
  int word = kind(misfit, 2);
  if (kind(misfit, 0) != TOKEN_ASSIGN || kind(misfit, 1) != TOKEN_ID ||
      !misfit_expects(misfit, TOKEN_COLON) ||
      (word != TOKEN_MODEL && word != TOKEN_PARAM && word != TOKEN_STATE &&
       word != TOKEN_RECIPE))
    return false;
  Parser *parser = misfit->parser;
  const char *text = token_source(parser, recent(misfit, 1));
  const char *hint =
      word == TOKEN_MODEL
          ? arena_printf(parser->arena, "`model %s: ...(...)`", text)
      : word == TOKEN_RECIPE
          ? arena_printf(parser->arena, "`recipe %s : recipes.fp8 { ... }`",
                         text)
          : arena_printf(parser->arena, "`%s %s: [n] = ...`", token_text(word),
                         text);
  return report(misfit, "E0113", hint,
                arena_printf(parser->arena, "after `%s` comes `:`", text));
}

/* Is the newest token a bracket that opens inside another? */
static bool in_brackets(const Misfit *misfit) {
  return misfit->parser->lexer.brackets.length > 1;
}

static bool report_array_model(const Misfit *misfit) {
  return report(misfit, "E0130", "`module Nets() { net[3]: Net(...) }`",
                "a model is one module; members can be arrays of modules");
}

/* `layers: [nn.Linear(4, 4)]`, and `w: [4] = ones` without `param` */
static bool habit_list_member(const Misfit *misfit) {
  if (kind(misfit, 0) != TOKEN_LBRACKET || kind(misfit, 1) != TOKEN_COLON ||
      kind(misfit, 2) != TOKEN_ID || !misfit_expects(misfit, TOKEN_ID) ||
      misfit_expects(misfit, TOKEN_INT))
    return false;
  if (!in_brackets(misfit))
    return report_array_model(misfit);
  Parser *parser = misfit->parser;
  const char *name = token_source(parser, recent(misfit, 2));
  const char *text = parser->lexer.source->text + recent(misfit, 0)->span.end;
  bool modules = text[strcspn(text, "(]\n")] == '(';
  return report(
      misfit, "E0130",
      arena_printf(parser->arena,
                   modules ? "`%s[3]: Module(...)`" : "`param %s: [...] = ...`",
                   name),
      modules ? "members that are an array of modules say how many"
              : "a member without `param` or `state` is a module");
}

/* `layers: nn.Linear[3](4, 4)` */
static bool habit_array_of(const Misfit *misfit) {
  if (kind(misfit, 0) != TOKEN_LBRACKET || kind(misfit, 1) != TOKEN_ID ||
      misfit->count != 2 || !misfit_expects(misfit, TOKEN_LPAREN) ||
      !misfit_expects(misfit, TOKEN_DOT))
    return false;
  if (!in_brackets(misfit))
    return report_array_model(misfit);
  return report(misfit, "E0130", "`layers[3]: nn.Linear(...)`",
                "the number of modules stands after the name of the member");
}

/* `fn f(int n)` */
static bool habit_type_first(const Misfit *misfit) {
  static const char *const word[] = {"int", "bool", "str", "real", "float",
                                     "f32", "f16",  "i32", "u8",   "double"};
  int before = kind(misfit, 2);
  if (kind(misfit, 0) != TOKEN_ID ||
      (before != TOKEN_LPAREN && before != TOKEN_COMMA) ||
      !misfit_expects(misfit, TOKEN_COLON))
    return false;
  Parser *parser = misfit->parser;
  for (size_t i = 0; i < sizeof word / sizeof *word; i++)
    if (is_word(misfit, 1, word[i]))
      return report(misfit, "E0130",
                    arena_printf(parser->arena, "`%s: %s`",
                                 token_source(parser, recent(misfit, 0)),
                                 word[i]),
                    "the type stands after the name");
  return false;
}

/* ---- marks --------------------------------------------------------------- */

/* Up to the end of the comment, on whatever line, nothing is said. */
static void skip_comment(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const char *text = parser->lexer.source->text;
  const char *end = strstr(text + recent(misfit, 0)->span.start, "*/");
  parser->silent_until = end ? (uint32_t)(end + 2 - text) : UINT32_MAX;
}

/* `2 // the width`, `2 / * two * /` */
static bool habit_comment(const Misfit *misfit) {
  bool slashes =
      kind(misfit, 0) == TOKEN_ID &&
      (kind(misfit, 1) == TOKEN_FLOORDIV || kind(misfit, 2) == TOKEN_FLOORDIV);
  bool star = (kind(misfit, 0) == TOKEN_STAR || kind(misfit, 0) == TOKEN_POW) &&
              kind(misfit, 1) == TOKEN_SLASH && touches(misfit, 1);
  bool first = kind(misfit, 0) == TOKEN_SLASH && next_byte(misfit) == '*';
  if (!slashes && !star && !first)
    return false;
  if (!slashes)
    skip_comment(misfit);
  int at = first ? 0 : star || kind(misfit, 1) == TOKEN_FLOORDIV ? 1 : 2;
  syntax_report(misfit->parser, recent(misfit, at)->span, "E0117",
                "`# ...`, to the end of the line", "a comment begins with `#`");
  return true;
}

/* `x++`, `x[0] += 1`, `x := 1` */
static bool habit_update(const Misfit *misfit) {
  bool twice =
      (kind(misfit, 0) == TOKEN_PLUS || kind(misfit, 0) == TOKEN_MINUS) &&
      kind(misfit, 1) == TOKEN_ID &&
      parser_peek(misfit->parser).kind == kind(misfit, 0);
  if (twice && misfit_expects(misfit, TOKEN_ASSIGN)) {
    Parser *parser = misfit->parser;
    const char *name = token_source(parser, recent(misfit, 1));
    const char *mark = token_text(kind(misfit, 0));
    return report(
        misfit, "E0122",
        arena_printf(parser->arena, "`%s = %s %s 1`", name, name, mark),
        arena_printf(parser->arena, "there is no `%s%s`", mark, mark));
  }
  if (kind(misfit, 0) == TOKEN_ASSIGN && kind(misfit, 1) == TOKEN_COLON &&
      touches(misfit, 1))
    return report(misfit, "E0122", "`name = value`",
                  "a name is bound by `=`, not `:=`");
  if (kind(misfit, 1) == TOKEN_RBRACKET && kind(misfit, 0) >= TOKEN_PLUS &&
      kind(misfit, 0) <= TOKEN_AT && next_byte(misfit) == '=')
    return report(misfit, "E0122", "write the old value out on the right side",
                  "a part of a state is set by `=` alone");
  return false;
}

/* `a <> b`, `a === b` */
static bool habit_unequal(const Misfit *misfit) {
  bool unequal = kind(misfit, 0) == TOKEN_GT && kind(misfit, 1) == TOKEN_LT;
  bool equal = kind(misfit, 0) == TOKEN_ASSIGN &&
               (kind(misfit, 1) == TOKEN_EQ || kind(misfit, 1) == TOKEN_NE);
  if ((!unequal && !equal) || !touches(misfit, 1))
    return false;
  return report(misfit, "E0131",
                unequal || kind(misfit, 1) == TOKEN_NE ? "`a != b`"
                                                       : "`a == b`",
                "equality is tested by `==` and `!=`");
}

/* ---- expressions --------------------------------------------------------- */

/* `lambda x: x` and `fn(x) x` */
static bool habit_lambda(const Misfit *misfit) {
  bool word = kind(misfit, 0) == TOKEN_ID && is_word(misfit, 1, "lambda");
  bool function = kind(misfit, 0) == TOKEN_FN && kind(misfit, 1) != TOKEN_NL &&
                  misfit_expects(misfit, TOKEN_INT);
  if (!word && !function)
    return false;
  syntax_report(misfit->parser, recent(misfit, word)->span, "E0132",
                "`fn name(x: [..s]) -> [..s] = ...` at the top level",
                "a function is no value: it is defined and called by name");
  return true;
}

/* `x[0:4:2]` */
static bool habit_slice_step(const Misfit *misfit) {
  const Lexer *lexer = &misfit->parser->lexer;
  size_t open = lexer->brackets.length;
  if (kind(misfit, 0) != TOKEN_COLON || !open ||
      lexer->brackets.data[open - 1].kind != TOKEN_LBRACKET ||
      !misfit_expects(misfit, TOKEN_RBRACKET) ||
      (kind(misfit, 2) != TOKEN_COLON && kind(misfit, 1) != TOKEN_COLON))
    return false;
  return report(misfit, "E0133",
                "`x[a:b]`, or a `reshape` that splits the axis",
                "a slice has no step");
}

/* `[f(i) for i in list]` */
static bool habit_comprehension(const Misfit *misfit) {
  if (kind(misfit, 0) != TOKEN_FOR || !lexer_in_parens(&misfit->parser->lexer))
    return false;
  return report(misfit, "E0134", "`for i in 0..n { ... }`, as a statement",
                "a list is written out: `[a, b]`");
}

/* `{1, 2}` and `(1, 2)` */
static bool habit_collection(const Misfit *misfit) {
  bool braces =
      kind(misfit, 0) == TOKEN_LBRACE && misfit_expects(misfit, TOKEN_INT);
  bool tuple = kind(misfit, 0) == TOKEN_COMMA &&
               misfit_expects(misfit, TOKEN_RPAREN) &&
               misfit_expects(misfit, TOKEN_PLUS);
  if (!braces && !tuple)
    return false;
  return report(
      misfit, "E0134", "a list is `[a, b]`; several results are `return a, b`",
      braces ? "`{` opens a block, not a value" : "parentheses hold one value");
}

/* Lines that follow from a mistake which has been reported: those of a block
 * without braces, and of a comment. */
static bool is_consequence(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = recent(misfit, 0);
  if (token->span.start < parser->silent_until)
    return true;
  uint32_t margin = parser->lexer.bodiless;
  return margin &&
         (source_place(parser->lexer.source, token->span.start).column >
              margin ||
          token->kind == TOKEN_ELSE ||
          (token->kind == TOKEN_COLON && kind(misfit, 1) == TOKEN_ELSE));
}

bool syntax_habit_report(const Misfit *misfit) {
  if (is_consequence(misfit))
    return true;
  static bool (*const habits[])(const Misfit *) = {
      habit_comment,    habit_colon_else,  habit_colon_block,
      habit_no_body,    habit_modifier,    habit_statement_outside,
      habit_import,     habit_self,        habit_inherits,
      habit_no_type,    habit_list_member, habit_array_of,
      habit_type_first, habit_update,      habit_unequal,
      habit_lambda,     habit_slice_step,  habit_comprehension,
      habit_collection};
  for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
    if (habits[i](misfit))
      return true;
  return false;
}
