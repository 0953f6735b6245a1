/* Syntax errors that deserve words of their own: habits from other languages,
 * and the slips that people make in this one.
 *
 * Each slip is a function that looks at the newest tokens and at what could
 * have stood there, and reports if it recognises itself; the first one wins.
 */
#include "compiler/front/parser.h"

#include <ctype.h>
#include <string.h>

/* The n-th newest token. */
static const Token *recent(const Misfit *misfit, int n) {
  return &misfit->parser->recent[n];
}

/* True if the n-th newest token is the first of its statement or item. */
static bool begins_statement(const Misfit *misfit, int n) {
  int before = recent(misfit, n + 1)->kind;
  return before == TOKEN_NL || before == TOKEN_LBRACE ||
         before == TOKEN_RBRACE || before == TOKEN_START_FILE;
}

#define PATH_BYTES                                                             \
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."

/* The dotted name that ends before byte `end`, as it is written. */
static const char *path_source(const Parser *parser, uint32_t end) {
  const char *text = parser->lexer.source->text;
  uint32_t start = end;
  while (start > 0 && text[start - 1] && strchr(PATH_BYTES, text[start - 1]))
    start--;
  return arena_printf(parser->arena, "%.*s", (int)(end - start), text + start);
}

enum { CALL_SHOWN = 60 };

/* The call whose `(` is `open`; its arguments only if it is short and ends on
 * its line. */
static const char *call_source(const Parser *parser, const Token *open) {
  const char *text = parser->lexer.source->text + open->span.start;
  const char *path = path_source(parser, open->span.start);
  int depth = 0;
  for (int i = 0; i < CALL_SHOWN && text[i] && text[i] != '\n'; i++) {
    depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    if (depth == 0)
      return arena_printf(parser->arena, "%s%.*s", path, i + 1, text);
  }
  return arena_printf(parser->arena, "%s(...)", path);
}

/* Two labels: the second says where it began. */
static void report_pair(const Misfit *misfit, const char *code,
                        const char *message, Label first, Label second,
                        const char *hint) {
  Diagnostic diagnostic = {.code = code,
                           .message = message,
                           .label = {first, second},
                           .label_count = 2,
                           .hint = hint};
  diagnose(misfit->parser->diagnostics, &diagnostic);
}

/* ---- lines and blocks ---------------------------------------------------- */

/* The line may have ended well, or too early: `fn f() -> real` before `= x`. */
static bool slip_operator_first(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = recent(misfit, 0), *end = recent(misfit, 1);
  Token next;
  if (token->kind == TOKEN_NL) {
    next = parser_peek(parser);
    end = token;
    token = &next;
  }
  if (!token_is_operator(token->kind) || !token->first)
    return false;
  const char *text = token_text(token->kind);
  if (token->kind == TOKEN_FLOORDIV) {
    syntax_report(parser, token->span, "E0117", "a comment begins with `#`",
                  "a line cannot begin with `//`");
    return true;
  }
  const char *message =
      arena_printf(parser->arena, "a line cannot begin with `%s`", text);
  if (end->kind != TOKEN_NL) {
    syntax_report(parser, token->span, "E0102", NULL, "%s", message);
    return true;
  }
  uint32_t line = source_place(parser->lexer.source, end->span.start).line;
  bool header = token->kind == TOKEN_ASSIGN || token->kind == TOKEN_ARROW ||
                token->kind == TOKEN_COLON;
  report_pair(misfit, "E0102", message, (Label){token->span, NULL},
              (Label){end->span, "the statement ended here"},
              arena_printf(parser->arena, "end line %u with `%s`%s", line, text,
                           header ? ""
                                  : ", or put the expression in "
                                    "parentheses"));
  return true;
}

/* `fn` or another word that begins definitions, at the margin of a block
 * that is still open. */
static bool slip_block_cut(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Lexer *lexer = &parser->lexer;
  const Token *token = recent(misfit, 0);
  if (!parser_blocks_cut(parser))
    return false;
  unclosed_report(parser, lexer->brackets.data[lexer->brackets.length - 1],
                  token->span,
                  arena_printf(parser->arena, "`%s` cannot stand inside it",
                               token_text(token->kind)));
  return true;
}

/* `else` after a newline: the `if` had ended there. */
static bool slip_else_first(const Misfit *misfit) {
  const Token *token = recent(misfit, 0);
  if (token->kind != TOKEN_ELSE || recent(misfit, 1)->kind != TOKEN_NL)
    return false;
  report_pair(
      misfit, "E0126", "`else` belongs on the line of the `}` before it",
      (Label){token->span, NULL},
      (Label){recent(misfit, 1)->span, "the `if` ended here"}, "`} else {`");
  return true;
}

/* A header that ends with its line, and `{` on the next one. */
static bool slip_brace_first(const Misfit *misfit) {
  const Token *token = recent(misfit, 0);
  if (token->kind != TOKEN_NL || !misfit_expects(misfit, TOKEN_LBRACE))
    return false;
  Token brace = parser_peek(misfit->parser);
  if (brace.kind != TOKEN_LBRACE)
    return false;
  report_pair(misfit, "E0115", "`{` belongs on the line that it completes",
              (Label){brace.span, NULL},
              (Label){token->span, "the line ended here"}, NULL);
  return true;
}

/* ---- words of other languages -------------------------------------------- */

static const struct {
  const char *word, *message, *hint;
} foreign[] = {
    {"def", "a function begins with `fn`",
     "`fn name(x: real) -> real { ... }`"},
    {"func", "a function begins with `fn`",
     "`fn name(x: real) -> real { ... }`"},
    {"function", "a function begins with `fn`",
     "`fn name(x: real) -> real { ... }`"},
    {"class", "there are no classes: layers are modules",
     "`module Name(d: int) { ... }`"},
    {"struct", "there are no structures: layers are modules",
     "`module Name(d: int) { ... }`"},
    {"let", "a name needs no `let`",
     "`name = value`; at the top level, `const name = value`"},
    {"var", "a name needs no `var`",
     "`name = value`; at the top level, `const name = value`"},
    {"while", "there is no `while`: a program unrolls to a finite graph",
     "`repeat n { ... }` or `for i in 0..n { ... }`"},
    {"elif", "`elif` is written `else if`", "`} else if condition {`"},
    {"elsif", "`elsif` is written `else if`", "`} else if condition {`"},
    {"elseif", "`elseif` is written `else if`", "`} else if condition {`"},
    {"try", "there are no exceptions", NULL},
    {"print", "a program prints nothing by itself",
     "`report name = value` in `train` or `eval`"},
    {"pass", "an empty block needs no `pass`", "`{}`"},
};

/* The word itself may fit as a name; then what follows it does not. */
static bool slip_foreign_word(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  for (int n = 0; n < 2; n++) {
    const Token *token = recent(misfit, n);
    if (token->kind != TOKEN_ID || !begins_statement(misfit, n))
      continue;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
      if (strcmp(foreign[i].word, token->value.TOKEN_ID) == 0) {
        syntax_report(parser, token->span, "E0112", foreign[i].hint, "%s",
                      foreign[i].message);
        return true;
      }
  }
  return false;
}

/* Is the innermost bracket that of `x[`? */
static bool is_subscript(const Parser *parser) {
  const Lexer *lexer = &parser->lexer;
  if (!lexer->brackets.length)
    return false;
  Bracket bracket = lexer->brackets.data[lexer->brackets.length - 1];
  uint32_t start = bracket.span.start;
  const char *text = lexer->source->text;
  return bracket.kind == TOKEN_LBRACKET && start > 0 &&
         strchr(PATH_BYTES ")]", text[start - 1]);
}

/* These are names to the lexer, so nothing else would refuse them here. */
bool foreign_value_report(Parser *parser, Span span, const char *text) {
  static const char *const value[][2] = {
      {"None", "leave the argument out, or give it a value"},
      {"True", "write `true`"},
      {"False", "write `false`"}};
  for (size_t i = 0; i < sizeof value / sizeof *value; i++)
    if (strcmp(value[i][0], text) == 0) {
      syntax_report(parser, span, "E0120",
                    i == 0 && is_subscript(parser)
                        ? "write `new`, for an axis of size 1"
                        : value[i][1],
                    "there is no `%s`", text);
      return true;
    }
  return false;
}

/* `*args` and `**kwargs`, in a header or in a call. */
static bool slip_star_argument(const Misfit *misfit) {
  const Token *token = recent(misfit, 0);
  int before = recent(misfit, 1)->kind;
  if ((token->kind != TOKEN_POW && token->kind != TOKEN_STAR) ||
      (before != TOKEN_LPAREN && before != TOKEN_COMMA) ||
      !misfit_expects(misfit, TOKEN_ID))
    return false;
  syntax_report(misfit->parser, token->span, "E0121",
                "write each parameter and each argument by name",
                "`%s` cannot collect arguments", token_text(token->kind));
  return true;
}

/* ---- marks that are close ------------------------------------------------ */

/* A whole number in the header of a module is a size as a rule. */
static const char *likely_type(const Misfit *misfit, const Token *equals) {
  Parser *parser = misfit->parser;
  const Source *source = parser->lexer.source;
  const char *line =
      source->text +
      source->lines[source_place(source, equals->span.start).line - 1];
  bool module = strncmp(line + strspn(line, " "), "module ", 7) == 0;
  return module && parser_peek(parser).kind == TOKEN_INT ? "int" : "real";
}

/* `fn f(x = 3)` */
static bool slip_assign_for_colon(const Misfit *misfit) {
  const Token *token = recent(misfit, 0), *name = recent(misfit, 1);
  if (token->kind != TOKEN_ASSIGN || name->kind != TOKEN_ID ||
      misfit->count != 1 || !misfit_expects(misfit, TOKEN_COLON))
    return false;
  const char *text = token_source(misfit->parser, name);
  syntax_report(misfit->parser, token->span, "E0113",
                arena_printf(misfit->parser->arena, "`%s: %s = ...`", text,
                             likely_type(misfit, token)),
                "`%s` needs a type: `:` comes before `=`", text);
  return true;
}

/* `f(lr: 0.1)` */
static bool slip_colon_for_assign(const Misfit *misfit) {
  const Token *token = recent(misfit, 0), *name = recent(misfit, 1);
  int before = recent(misfit, 2)->kind;
  const Lexer *lexer = &misfit->parser->lexer;
  if (token->kind != TOKEN_COLON || name->kind != TOKEN_ID ||
      (before != TOKEN_LPAREN && before != TOKEN_COMMA) ||
      !lexer_in_parens(lexer) ||
      lexer->brackets.data[lexer->brackets.length - 1].kind != TOKEN_LPAREN)
    return false;
  syntax_report(misfit->parser, token->span, "E0124",
                arena_printf(misfit->parser->arena, "`%s = ...`",
                             token_source(misfit->parser, name)),
                "an argument is given with `=`, not `:`");
  return true;
}

static bool is_comparison(int kind) {
  return kind == TOKEN_LT || kind == TOKEN_GT || kind == TOKEN_LE ||
         kind == TOKEN_GE || kind == TOKEN_EQ || kind == TOKEN_NE;
}

/* Only a second comparison cannot follow where `and` could. */
static bool slip_chained_comparison(const Misfit *misfit) {
  const Token *token = recent(misfit, 0);
  if (!is_comparison(token->kind) || !misfit_expects(misfit, TOKEN_AND))
    return false;
  syntax_report(misfit->parser, token->span, "E0114",
                "for `a < b < c`, write `a < b and b < c`",
                "comparisons do not chain");
  return true;
}

/* `x += 1` */
static bool slip_update(const Misfit *misfit) {
  const Token *token = recent(misfit, 0), *name = recent(misfit, 1);
  const char *next = misfit->parser->lexer.source->text + token->span.end;
  if (token->kind < TOKEN_PLUS || token->kind > TOKEN_AT || *next != '=' ||
      name->kind != TOKEN_ID || !misfit_expects(misfit, TOKEN_ASSIGN))
    return false;
  Parser *parser = misfit->parser;
  const char *text = token_source(parser, name);
  const char *mark = token_text(token->kind);
  syntax_report(
      parser, token->span, "E0122",
      arena_printf(parser->arena, "`%s = %s %s ...`", text, text, mark),
      "there is no `%s=`", mark);
  return true;
}

/* `if a = b` */
static bool slip_assign_for_equal(const Misfit *misfit) {
  const Token *token = recent(misfit, 0);
  if (token->kind != TOKEN_ASSIGN || !misfit_expects(misfit, TOKEN_EQ) ||
      !misfit_expects(misfit, TOKEN_LBRACE))
    return false;
  syntax_report(misfit->parser, token->span, "E0125", "to compare, write `==`",
                "`=` cannot stand in a condition");
  return true;
}

/* After `s.put` at the beginning of a statement. */
static bool in_path_statement(const Misfit *misfit) {
  return misfit->count == 2 && misfit_expects(misfit, TOKEN_LBRACKET) &&
         misfit_expects(misfit, TOKEN_DOT);
}

/* `loss.backward()` and `optimizer.step()` */
static bool is_training_call(const Token *name) {
  static const char *const word[] = {"step", "backward", "zero_grad"};
  for (size_t i = 0; name->kind == TOKEN_ID && i < 3; i++)
    if (strcmp(name->value.TOKEN_ID, word[i]) == 0)
      return true;
  return false;
}

/* `layer: nn.Linear(3, 3)` among statements: something that begins with a
 * capital, as a module does, behind a colon. */
static bool slip_local_module(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = recent(misfit, 0), *name = recent(misfit, 1);
  if (token->kind != TOKEN_LPAREN || name->kind != TOKEN_ID ||
      !misfit_expects(misfit, TOKEN_ASSIGN) ||
      !isupper((unsigned char)*name->value.TOKEN_ID))
    return false;
  const char *text = parser->lexer.source->text;
  size_t before = name->span.end - strlen(path_source(parser, name->span.end));
  while (before > 0 && text[before - 1] == ' ')
    before--;
  if (before == 0 || text[before - 1] != ':')
    return false;
  syntax_report(parser, name->span, "E0116",
                "put it before `fn`, beside the parameters of the module",
                "a module is no local value: it is a member of a module");
  return true;
}

/* `f(x)` and `s.put(x)` as a statement. */
static bool slip_call_statement(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = recent(misfit, 0);
  bool name = recent(misfit, 1)->kind == TOKEN_ID &&
              misfit_expects(misfit, TOKEN_ASSIGN);
  if (token->kind != TOKEN_LPAREN || (!name && !in_path_statement(misfit)))
    return false;
  const char *call = call_source(parser, token);
  const char *hint =
      arena_printf(parser->arena, "give the result a name: `y = %s`", call);
  syntax_report(parser, token->span, "E0116",
                is_training_call(recent(misfit, 1))
                    ? "`minimize loss with optim.SGD(...)`, in `train`"
                    : hint,
                "a call alone is no statement: nothing has side effects");
  return true;
}

/* `s.h = x` and `s.h += x` */
static bool slip_member_assigned(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = recent(misfit, 0);
  const char *next = parser->lexer.source->text + token->span.end;
  bool update =
      token->kind >= TOKEN_PLUS && token->kind <= TOKEN_AT && *next == '=';
  if ((token->kind != TOKEN_ASSIGN && !update) || !in_path_statement(misfit))
    return false;
  const char *path = path_source(parser, recent(misfit, 1)->span.end);
  const char *mark = token_text(token->kind);
  if (update)
    syntax_report(
        parser, token->span, "E0122",
        arena_printf(parser->arena, "`%s[..] = %s %s ...`", path, path, mark),
        "there is no `%s=`", mark);
  else
    syntax_report(
        parser, token->span, "E0101",
        arena_printf(parser->arena, "`%s[..] = ...` sets all of it", path),
        "a state of a model is set part by part");
  return true;
}

/* `net.layers.0.w` */
static bool slip_index_after_point(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = recent(misfit, 0), *point = recent(misfit, 1);
  if (token->kind != TOKEN_INT || point->kind != TOKEN_DOT ||
      !misfit_expects(misfit, TOKEN_ID) || misfit_expects(misfit, TOKEN_INT))
    return false;
  const char *rest = parser->lexer.source->text + token->span.end;
  syntax_report(parser, token->span, "E0101",
                arena_printf(parser->arena, "`%s[%s]%.*s`",
                             path_source(parser, point->span.start),
                             token_source(parser, token),
                             (int)strspn(rest, PATH_BYTES), rest),
                "an index stands in brackets");
  return true;
}

/* `.5` */
static bool slip_bare_point(const Misfit *misfit) {
  Parser *parser = misfit->parser;
  const Token *token = recent(misfit, 0);
  if (token->kind != TOKEN_DOT || !misfit_expects(misfit, TOKEN_FLOAT))
    return false;
  Token digits = parser_peek(parser);
  if (digits.kind != TOKEN_INT || digits.span.start != token->span.end)
    return false;
  syntax_report(
      parser, token->span, "E0107",
      arena_printf(parser->arena, "`0.%s`", token_source(parser, &digits)),
      "a real number needs a digit before the point");
  return true;
}

/* `y = x if c else z` and `c ? x : z` */
static bool slip_conditional(const Misfit *misfit) {
  const Token *token = recent(misfit, 0);
  if ((token->kind != TOKEN_IF && token->kind != TOKEN_QUESTION) ||
      !misfit_expects(misfit, TOKEN_PLUS))
    return false;
  syntax_report(misfit->parser, token->span, "E0123",
                "the statement `if` chooses, at compile time",
                "an expression has no `%s`", token_text(token->kind));
  return true;
}

/* From the most particular to the most general. */
bool syntax_slip_report(const Misfit *misfit) {
  static bool (*const slips[])(const Misfit *) = {
      slip_block_cut,        syntax_habit_report,     slip_bare_point,
      slip_operator_first,   slip_else_first,         slip_brace_first,
      slip_foreign_word,     slip_star_argument,      slip_assign_for_colon,
      slip_colon_for_assign, slip_chained_comparison, slip_update,
      slip_assign_for_equal, slip_local_module,       slip_call_statement,
      slip_member_assigned,  slip_index_after_point,  slip_conditional};
  for (size_t i = 0; i < sizeof slips / sizeof *slips; i++)
    if (slips[i](misfit))
      return true;
  return false;
}
