/* The abstract syntax of a .sg file: what the parser builds, what --emit=ast
 * prints and what elaboration walks. One struct a syntactic category, all in
 * the AST arena; lists are linked through `next` in source order.
 */
#ifndef SG_FRONT_AST_H
#define SG_FRONT_AST_H

#include "ir/base/base.h"

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct Item Item;

/* One or more names written with commas: `wk, wv`. */
typedef struct Name {
  const char *text;
  Span span;
  struct Name *next;
} Name;

/* ---- expressions --------------------------------------------------------- */

typedef enum {
  EXPR_INT,     /* integer */
  EXPR_FLOAT,   /* number */
  EXPR_STRING,  /* text: contents after escapes */
  EXPR_BOOL,    /* integer: 0 or 1 */
  EXPR_NAME,    /* text */
  EXPR_LIST,    /* [a, b, c]: list */
  EXPR_MEMBER,  /* left . text */
  EXPR_CALL,    /* left ( args ) */
  EXPR_INDEX,   /* left [ subs ] */
  EXPR_UNARY,   /* op left: '-' or not */
  EXPR_BINARY,  /* left op right */
  EXPR_ERROR    /* text: what was refused as it was read */
} ExprKind;

typedef enum {
  BIN_NONE, BIN_OR, BIN_AND, BIN_LT, BIN_GT, BIN_LE, BIN_GE, BIN_EQ, BIN_NE,
  BIN_ADD, BIN_SUB, BIN_MUL, BIN_DIV, BIN_FLOORDIV, BIN_MOD, BIN_MATMUL,
  BIN_POW, UN_NEG, UN_NOT
} Operator;
const char *operator_text(Operator op); /* "+", "//", "and", ... */

/* An argument: `expr` or `name = expr`. */
typedef struct Arg {
  const char *name; /* NULL: positional */
  Span name_span;
  Expr *value;
  struct Arg *next;
} Arg;

typedef enum {
  SUB_INDEX,  /* a */
  SUB_RANGE,  /* a : b, either may be NULL */
  SUB_WINDOW, /* a +: b */
  SUB_DOTS    /* .. */
} SubKind;

typedef struct Sub {
  SubKind kind;
  Expr *a, *b;
  Span span;
  struct Sub *next;
} Sub;

/* Half of a tree's memory is expressions, so they are kept small: what is in a
 * union belongs to the kinds it names. */
struct Expr {
  ExprKind kind : 8;
  Operator op : 8;
  bool parenthesized : 1;
  uint32_t depth : 15; /* 1: a leaf; at most --max-nesting, so walks recurse */
  Span span, op_span;  /* op_span: the operator, or the word after '.' */
  const char *text; /* interned: NAME, MEMBER, STRING (text_length bytes) */
  union {
    int64_t integer;
    double number;
    size_t text_length;
  };
  Expr *left, *right;
  Arg *args;  /* CALL */
  Sub *subs;  /* INDEX */
  Expr *list; /* LIST: elements through next */
  Expr *next;
};

/* ---- types and parameters ------------------------------------------------ */

typedef enum {
  DIM_EXPR,  /* an int expression; `_` is the name `_` */
  DIM_BIND,  /* ?t */
  DIM_PACK   /* .. or ..s; name may be NULL */
} DimKind;

typedef struct Dim {
  DimKind kind;
  Expr *value;
  const char *name;
  Span span;
  struct Dim *next;
} Dim;

/* A name with dots: `nn.Linear`. */
typedef struct {
  Name *part; /* at least one */
  Span span;
} Path;

typedef enum { TYPE_SHAPE, TYPE_NAMED, TYPE_TUPLE } TypeKind;

/* [dims] | path [dims]? | (type, type, ...) */
typedef struct TypeExpr {
  TypeKind kind;
  Path path;      /* NAMED */
  bool has_shape;
  Dim *dims;
  struct TypeExpr *elements; /* TUPLE, through next */
  Span span;
  struct TypeExpr *next;
} TypeExpr;

typedef struct Formal {
  const char *name;
  TypeExpr *type;
  Expr *value; /* default, or NULL */
  Span span;   /* of the name */
  struct Formal *next;
} Formal;

/* @word or @word(args). */
typedef struct Attribute {
  const char *word;
  Arg *args;
  Span span;
  struct Attribute *next;
} Attribute;

/* ---- paths with globs ---------------------------------------------------- */

typedef enum {
  STEP_WORD,  /* the first word, or .word */
  STEP_STAR,  /* .*  */
  STEP_STARS, /* .** */
  STEP_INDEX, /* [expr] */
  STEP_RANGE, /* [a .. b] */
  STEP_ALL    /* [*] */
} StepKind;

typedef struct Step {
  StepKind kind;
  const char *word;
  Expr *a, *b;
  Span span;
  struct Step *next;
} Step;

/* selpath, or word(selpath): `grad(logits)`. */
typedef struct SelectorExpr {
  const char *function; /* "grad", or NULL */
  Span function_span;
  Step *path;
  Span span;
  struct SelectorExpr *next;
} SelectorExpr;

/* ---- statements ---------------------------------------------------------- */

typedef enum {
  STMT_BIND,     /* names : type = values */
  STMT_ASSIGN,   /* target[subs] = values (state) */
  STMT_RETURN,   /* values */
  STMT_IF,       /* condition, body, otherwise */
  STMT_FOR,      /* names in values (.. range_end), body */
  STMT_REPEAT,   /* condition is the count, body */
  STMT_ASSERT,   /* condition, message */
  STMT_MINIMIZE, /* values, over, path(args), extra */
  STMT_REPORT,   /* args */
  STMT_ERROR     /* could not be read; diagnosed */
} StmtKind;

struct Stmt {
  StmtKind kind;
  Attribute *attributes;
  Name *names;
  TypeExpr *type;
  Path path;        /* ASSIGN target; MINIMIZE optimizer */
  Sub *subs;        /* ASSIGN */
  Expr *values;     /* through next */
  Expr *range_end;  /* FOR a .. b */
  Expr *condition;
  const char *message; /* ASSERT, or NULL */
  Step *over;       /* MINIMIZE, or NULL */
  Arg *args;        /* MINIMIZE optimizer arguments; REPORT */
  Arg *extra;       /* MINIMIZE: after the optimizer */
  Stmt *body, *otherwise; /* otherwise: block or one IF */
  Span span;
  Stmt *next;
};

/* { statements } or = expression. */
typedef struct {
  bool is_expr;
  Expr *value;
  Stmt *block;
  Span span;
} Body;

/* ---- items and members --------------------------------------------------- */

typedef struct {
  Formal *formals;
  TypeExpr *result; /* or NULL */
  Body body;
} Function;

typedef enum {
  MEMBER_PARAM,     /* names : type = value */
  MEMBER_STATE,     /* names : type = value */
  MEMBER_SUBMODULE, /* names : path(args), or names [count] : path(args) */
  MEMBER_VALUE,     /* names = value */
  MEMBER_FN,        /* names: one; function */
  MEMBER_ASSERT,    /* value, message */
  MEMBER_IF         /* value, body, otherwise */
} MemberKind;

typedef struct Member {
  MemberKind kind;
  Attribute *attributes;
  const char *doc; /* the `##` lines before it, or NULL */
  Name *names;
  TypeExpr *type;
  Expr *value; /* default, value or condition; may be NULL */
  Expr *count; /* SUBMODULE arrays */
  Path path;
  Arg *args;
  Function function;
  const char *message;
  struct Member *body, *otherwise;
  Span span;
  struct Member *next;
} Member;

typedef struct RuleExpr {
  SelectorExpr *selectors;
  Arg *settings;
  Span span;
  struct RuleExpr *next;
} RuleExpr;

/* name : type = source expression. */
typedef struct ColumnExpr {
  const char *name;
  TypeExpr *type;
  Expr *value;
  Span span;
  struct ColumnExpr *next;
} ColumnExpr;

/* "pattern" -> selpath, args. */
typedef struct Mapping {
  const char *pattern;
  Span pattern_span;
  Step *path;
  Arg *args;
  Span span;
  struct Mapping *next;
} Mapping;

typedef enum {
  ITEM_IMPORT,    /* path, or file as name */
  ITEM_FROM,      /* path or file, names */
  ITEM_CONST,     /* name, type or NULL, value or NULL */
  ITEM_ASSERT,    /* value, file = message */
  ITEM_FN,        /* function */
  ITEM_MODULE,    /* formals, members */
  ITEM_OPTIMIZER, /* formals, for name : type, members */
  ITEM_MODEL,     /* path(args) */
  ITEM_RECIPE,    /* path = parent, rules */
  ITEM_DATASET,   /* columns */
  ITEM_WEIGHTS,   /* path from file (args) mappings */
  ITEM_ENTRY,     /* function */
  ITEM_TRAIN,     /* function */
  ITEM_EVAL,      /* function */
  ITEM_GENERATE   /* args */
} ItemKind;

struct Item {
  ItemKind kind;
  Attribute *attributes;
  const char *doc;  /* the `##` lines before it, or NULL */
  const char *name; /* what it defines; IMPORT: the name it is known by */
  Span name_span;
  Path path;
  bool has_path;
  const char *file; /* IMPORT, FROM, WEIGHTS: the string; ASSERT: message */
  Span file_span;
  Name *names;      /* FROM */
  TypeExpr *type;   /* CONST; OPTIMIZER: type of its weight */
  Expr *value;
  const char *weight; /* OPTIMIZER: the name after `for` */
  Formal *formals;
  Function function;
  Formal *sizes;    /* ENTRY f[T in 64, 256]: T, the value its sizes; or NULL */
  Member *members;
  RuleExpr *rules;
  ColumnExpr *columns;
  Mapping *mappings;
  Arg *args;
  Span span;
  Item *next;
};

typedef struct {
  uint32_t source;
  Item *items;
  bool lost; /* an item, member, rule or column could not be read: a name that
                is not there may have been in it */
} File;

/* ---- parser (lex.l, parse.y, parse.c) ------------------------------------ */

/* Parses source number `source`. Syntax errors are diagnosed, several in one
 * run; the items that could be read are returned even then (NULL only if the
 * input is refused whole: not UTF-8, a NUL byte, too large). */
File *parse_file(Arena *arena, Interner *interner, const Sources *sources,
                 uint32_t source, Diagnostics *diagnostics);
/* Parses `text` (a -D value, a --recipe-set rule) as a source of its own. */
Expr *parse_expr_text(Arena *arena, Interner *interner, Sources *sources,
                      const char *origin, const char *text,
                      Diagnostics *diagnostics);
RuleExpr *parse_rule_text(Arena *arena, Interner *interner, Sources *sources,
                          const char *origin, const char *text,
                          Diagnostics *diagnostics);

/* ---- printing (ast_print.c) ---------------------------------------------- */

/* The tree as canonical .sg text: parsing it gives the same tree. */
void ast_print(Buffer *out, const File *file);
void expr_print(Buffer *out, const Expr *expr);
void type_expr_print(Buffer *out, const TypeExpr *type);
/* One token a line: `line:column kind text`, for --emit=tokens. */
void tokens_print(Buffer *out, const Sources *sources, uint32_t source,
                  Interner *interner, Diagnostics *diagnostics);

/* ---- layout (format.c) --------------------------------------------------- */

typedef enum {
  FORMAT_DONE,
  FORMAT_FAILED, /* the source has errors, which were diagnosed */
  FORMAT_UNSAFE  /* the text would not say the same: a fault of the formatter */
} FormatResult;

/* Appends source number `source` in canonical layout: same tokens, same
 * comments, hence the same tree, which is checked. */
FormatResult source_format(Buffer *out, Interner *interner, Sources *sources,
                           uint32_t source, Diagnostics *diagnostics);

#endif
