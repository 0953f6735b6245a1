/* What lexer, token filter, grammar and syntax messages share. Private to the
 * parser.
 *
 *   text -- lex.l: tokens, newline rule, brackets
 *        -- parse.c: sg_lex repairs the stream after an error
 *        -- parse.y: grammar
 *        -- ast.c, ast_items.c: tree;  syntax_error.c: messages
 */
#ifndef SG_FRONT_PARSER_H
#define SG_FRONT_PARSER_H

#include "compiler/front/parse.tab.h"

/* Entries of bison's stack. A level of the tree takes at most six, so this is
 * only met by a text that is nested too deep in any case. */
enum { PARSE_DEPTH_LIMIT = 50000 };

typedef struct {
  int kind; /* TOKEN_... */
  Span span;
  bool first;  /* first on its line */
  bool silent; /* what is wrong with it has been said */
  SG_STYPE value;
} Token;

/* A bracket that is still open. */
typedef struct {
  int kind; /* TOKEN_LPAREN, TOKEN_LBRACKET or TOKEN_LBRACE */
  Span span;
  uint32_t indent; /* of the line it stands on */
} Bracket;

/* A doc comment, found by where the token after it begins. */
typedef struct {
  uint32_t before;
  const char *text;
} Doc;

typedef struct {
  void *scanner; /* flex's own state */
  Arena *arena;
  Interner *interner;
  Diagnostics *diagnostics;
  const Limits *limits;
  const Source *source;
  uint32_t number;        /* of the source */
  uint32_t offset, start; /* end and begin of the piece being read */
  uint32_t line;          /* where its line begins */
  uint32_t last_end;      /* end of the last token but NL */
  int last;               /* kind of the last token; YYEOF before the first */
  bool first;             /* no token on this line yet */
  bool quiet;             /* while an error is skipped: say nothing */
  bool refused;           /* nested too deep: nothing more is read or said */
  bool ended;             /* only the end is left to read */
  uint32_t bodiless; /* column of a header whose `{` is missing, as was said:
                        lines that stand further right follow from it; or 0 */
  VEC(Bracket) brackets;
  Bracket unclosed; /* dropped for want of its `)` or `]`; or kind 0 */
  Buffer doc;       /* of the doc comment being read */
  VEC(Doc) docs;
  const char *word[TOKEN_REPEAT + 1]; /* the keywords, interned, by kind */
} Lexer;

void lexer_init(Lexer *lexer, Arena *arena, Interner *interner,
                const Sources *sources, uint32_t source,
                Diagnostics *diagnostics);
void lexer_free(Lexer *lexer);
/* The next token; TOKEN_YYEOF again and again at the end. A piece that is no
 * token is diagnosed and comes as TOKEN_SG_UNDEF. */
Token lexer_next(Lexer *lexer);
/* True if newlines are white space here. */
bool lexer_in_parens(const Lexer *lexer);
/* Forgets the parentheses opened since the last open brace; returns the
 * innermost, or kind 0. */
Bracket lexer_drop_parens(Lexer *lexer);
/* Nothing more is read, and nothing more said. */
void lexer_refuse(Lexer *lexer);
Span lexer_span(const Lexer *lexer, uint32_t start, uint32_t end);
/* Reports at bytes [start, end), unless the lexer is quiet. */
void lexer_error(Lexer *lexer, uint32_t start, uint32_t end, const char *code,
                 const char *hint, const char *format, ...) SG_PRINTF(6, 7);

/* Reading one literal (literal.c). What cannot be read is diagnosed: false, or
 * TOKEN_SG_UNDEF. */
bool literal_integer(Lexer *lexer, const char *text, size_t length,
                     int64_t *value);
bool literal_number(Lexer *lexer, const char *text, size_t length,
                    double *value);
/* `text` includes the quotes. */
Text literal_string(Lexer *lexer, const char *text, size_t length);
int literal_bare_point(Lexer *lexer, const char *text, size_t length,
                       double *value);
int literal_unterminated(Lexer *lexer);
int literal_bad_number(Lexer *lexer, const char *text);
int literal_bad_text(Lexer *lexer, const char *text);

struct Parser {
  Lexer lexer;
  Arena *arena;
  Diagnostics *diagnostics;
  int start;        /* TOKEN_START_...; 0 once it was handed out */
  VEC(Token) queue; /* to be handed out before the lexer's, last first */
  Token recent[4];  /* handed out: [0] is the newest */
  bool skipping;    /* after an error, to the end of the line or block */
  uint32_t silent_until; /* end of a comment of another language, or 0 */
  bool lost;        /* File.lost */
  Item *items;      /* ring */
  Expr *expr;
  RuleExpr *rule;
};

/* The newest token does not fit: reports it and arranges for the rest of its
 * line, or of the block around it, to be skipped. */
void parser_syntax_error(Parser *parser, const int *expected, int count);
/* Refuses the text, once, because of the expression at `span`. */
void parser_too_deep(Parser *parser, Span span);
/* The token that comes next; it still comes. */
Token parser_peek(Parser *parser);
/* How many open blocks lack their `}`: the newest token begins an item or a
 * member no further right than the lines where they were opened. */
size_t parser_blocks_cut(const Parser *parser);
/* True if the newest token is a keyword at the start of a line where the line
 * before should have gone on. */
bool parser_line_unfinished(const Parser *parser);
/* True for what joins two parts of one line and so cannot begin one. */
bool token_is_operator(int kind);

/* ---- messages (syntax_error.c, syntax_slips.c) --------------------------- */

/* The tokens that would have fitted; the newest token did not. */
typedef struct {
  Parser *parser;
  const int *expected;
  int count;
} Misfit;

void syntax_error_report(const Misfit *misfit);
/* Recognises a slip that deserves words of its own, and reports it. */
bool syntax_slip_report(const Misfit *misfit);
/* The same for habits of other languages (syntax_habits.c). */
bool syntax_habit_report(const Misfit *misfit);
bool misfit_expects(const Misfit *misfit, int kind);
/* Reports one label, an optional hint. */
void syntax_report(Parser *parser, Span span, const char *code,
                   const char *hint, const char *format, ...) SG_PRINTF(5, 6);
/* `bracket` is never closed; `end`, if known, is where it should be, as the
 * text says. */
void unclosed_report(Parser *parser, Bracket bracket, Span end,
                     const char *text);
/* `None`, `True`, `False`: values of other languages; false: it is none. */
bool foreign_value_report(Parser *parser, Span span, const char *text);
/* The bytes of a token as they are written, cut to a printable length. */
const char *token_source(const Parser *parser, const Token *token);

#endif
