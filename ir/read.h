/* The .sgir reader inside: what lexer, grammar and the read_*.c files share.
 *
 * The grammar calls one function per construct as it recognises it, so there
 * is no syntax tree: small pieces (types, operands) are passed as values, lists
 * gather in the reader until the construct that owns them is complete. A name
 * whose definition failed is poison: later uses of it are silent.
 */
#ifndef SG_IR_READ_H
#define SG_IR_READ_H

#include "ir/ir.h"

#include <math.h>
#include <string.h>

/* A name or string with its place. Text is interned, without sigil. */
typedef struct {
  const char *text;
  size_t length;
  Span span;
} Word;

/* `[128,512/32]` behind an exponent: how long each axis is or, where elements
 * along it share the exponent, 1; and behind `/` the length of a block, else 1.
 */
typedef struct {
  int rank; /* MAX_RANK + 1: too many axes */
  int64_t count[MAX_RANK], block[MAX_RANK];
  Span span;
} BlocksText;

/* `* 2^($s + 3)`, `* zero`, or nothing (SCALE_NONE). */
typedef struct {
  ScaleKind kind;
  Word symbol; /* text NULL: static */
  Word state;  /* 2^@m.exp: a declaration whose exponent is a state's */
  int64_t exponent;
  BlocksText *blocks; /* NULL: one exponent */
  Span span;
} ScaleText;

typedef struct {
  Word format;
  int rank; /* MAX_RANK + 1: too many axes */
  int64_t dim[MAX_RANK];
  ScaleText scale;
  Span span;
} TypeText;

typedef enum {
  OPERAND_VALUE,  /* %name */
  OPERAND_PARAM,  /* @name */
  OPERAND_NUMBER, /* 0.1 * 2^3 : f64 */
  OPERAND_STRING,
  OPERAND_WORD,
  OPERAND_TERM, /* exponents: $a, ($a - $b + 3), -$a */
  OPERAND_LIST  /* [2, 2] */
} OperandKind;

typedef struct {
  OperandKind kind;
  Span span;
  Word word;        /* VALUE, PARAM, STRING, WORD */
  double number;    /* NUMBER */
  bool whole;       /* NUMBER without point or exponent */
  ScaleText scale;  /* NUMBER */
  Word format;      /* NUMBER: its element format; text NULL: the usual one */
  Word as;          /* the format it is read in; text NULL: as stored */
  Word plus, minus; /* TERM; text NULL: none */
  int64_t exponent; /* TERM */
  WholeList list;   /* LIST */
} Operand;

/* An argument of an operation or a setting: `operand` or `name = operand`. */
typedef struct {
  Word name; /* text NULL: positional */
  Operand *value;
} Argument;

/* `param`, `state` or `exponent`. */
typedef enum { PARAM_TRAINED, PARAM_STATE, PARAM_EXPONENT } ParamKind;

/* What stands left of `=`. */
typedef struct {
  bool exponent; /* $name */
  Word name;
  TypeText *type; /* NULL for exponents */
} Definition;

/* One setting of a recipe rule: `f16 / e5m2` or `name = value(arguments)`. */
typedef struct {
  Word name; /* text NULL: formats */
  Operand *value;
  Word second;                      /* after `/`; text NULL: none */
  size_t first_argument, arguments; /* in SgirReader.argument */
} SettingText;

/* A region from its `{` to the end of the entry, when its lists are checked. */
typedef struct {
  uint32_t kernel;
  Span span;
  VEC(Definition) left;
  VEC(ValueId) read; /* operands as written */
  VEC(Word) yield;
} RegionText;

typedef struct {
  Word name; /* text NULL: that of the value */
  Operand *value;
  TypeText *type;
} ResultText;

/* `!file:line:column` of one node. */
typedef struct {
  Graph *graph;
  ValueId node;
  uint32_t file, line, column;
} LocationText;

#define POISON UINT32_MAX

typedef struct SgirReader {
  Arena *arena;   /* of the program */
  Arena *scratch; /* of the reading */
  Program *program;
  Interner *interner;
  Diagnostics *diagnostics;
  uint32_t source;
  unsigned errors;
  int64_t nodes;    /* of all entries so far */
  bool refused;     /* more than a limit allows: nothing more is read */
  const char *text; /* the whole source, for the lexer */
  size_t length;
  void *scanner;
  uint32_t offset; /* of the next token */

  WordMap params;
  /* The entry being read. */
  Graph *graph;
  WordMap values, exponents;
  WordMap param_nodes;       /* by the parameter's name */
  WordMap settings, results; /* the names given so far */
  int phase;                 /* -1 before the first `phase` */
  int64_t kernels;           /* stated count, or -1 */
  Minimize *minimize;        /* the last one */
  bool in_region;
  unsigned errors_before; /* the entry */
  bool poisoned; /* the entry reads a parameter whose declaration failed */
  VEC(ResultText) result;
  VEC(RegionText) region;

  /* Lists that wait for their owner. */
  VEC(Definition) definition;
  VEC(Argument) argument;
  VEC(SettingText) setting;
  VEC(Selector) selector;
  VEC(LocationText) location;
  VEC(Source) declared; /* `source` lines: name and builtin only */
} SgirReader;

/* ---- read.c -------------------------------------------------------------- */

void read_error(SgirReader *reader, Span span, const char *code,
                const char *format, ...) SG_PRINTF(4, 5);
/* The same with a did-you-mean hint, sigil before the name, when `near` is not
 * NULL. */
void read_error_near(SgirReader *reader, Span span, const char *code,
                     const char *sigil, const char *near, const char *format,
                     ...) SG_PRINTF(6, 7);

/* E0711: more than this limit allows; a note names the option. Nothing more is
 * read. */
void read_error_limit(SgirReader *reader, Span span, LimitId limit,
                      const char *format, ...) SG_PRINTF(4, 5);

Operand *operand_new(SgirReader *reader, OperandKind kind, Span span,
                     Word word);
TypeText *type_text_new(SgirReader *reader, Word format, Span span);
void type_text_dim(TypeText *type, int64_t dim);
BlocksText *blocks_text_new(SgirReader *reader);
void blocks_text_axis(BlocksText *blocks, int64_t count, int64_t block);
/* NULL after an error; scale may be NULL when `type` may carry none. */
const Type *read_type(SgirReader *reader, const TypeText *type, Scale *scale);
/* The exponent; blocks belong to a type and are an error here. */
bool read_scale(SgirReader *reader, const ScaleText *text, Scale *scale);
/* The format called `word`, or FORMAT_NONE after an error. */
Format read_format(SgirReader *reader, Word word);
/* A whole number in [low, high], or an error that names `what`. */
bool read_whole(SgirReader *reader, const Operand *operand, const char *what,
                int64_t low, int64_t high, int64_t *out);

/* `sgir 1 plain`; false: give up. */
bool read_header(SgirReader *reader, Span span, int64_t version, Word level);
void read_program_name(SgirReader *reader, Word name);
void read_source(SgirReader *reader, Span span, int64_t number, Word name,
                 Word builtin);
/* `graph` is no_word: of every graph. */
void read_alias(SgirReader *reader, Word name, Word value, Word graph);
/* Arguments of the initialiser and trailing attributes are in the lists. */
void read_param(SgirReader *reader, ParamKind kind, Word name, TypeText *type,
                Word init, size_t init_arguments);

/* Notes `!line:column` for a node; an empty word is no location. */
void read_location(SgirReader *reader, Word text, ValueId node);

/* ---- read_recipe.c ------------------------------------------------------- */

void read_dataset(SgirReader *reader, Word name);
void read_column(SgirReader *reader, Word name, TypeText *type, Word source);
void read_weights(SgirReader *reader, Word model, Word file);
void read_weight(SgirReader *reader, Word tensor, Word param, Word option);
void read_generate(SgirReader *reader, Word name);
void read_generate_entry(SgirReader *reader, Word what, Word entry);
void read_generate_call(SgirReader *reader, Word what, Word function);
void read_generate_end(SgirReader *reader);
void read_recipe(SgirReader *reader, Word name);
void read_selector(SgirReader *reader, Span span, Word function, Word path);
void read_rule(SgirReader *reader, Span span, Word own);
/* Gives entries without a recipe the train's, else f32. */
void read_default_recipes(SgirReader *reader);

/* ---- read_entry.c -------------------------------------------------------- */

void read_entry(SgirReader *reader, Span span, EntryKind kind, Word name);
/* `%x : f32[] = 1.0`: an argument that may be left out. */
void read_input_default(SgirReader *reader, Word name, TypeText *type,
                        const Operand *number);
void read_input(SgirReader *reader, Word name, TypeText *type, Word source,
                Word column);
void read_run_setting(SgirReader *reader, Word name, Operand *value);
void read_phase(SgirReader *reader, Word name);
void read_minimize(SgirReader *reader, Span span, Operand *loss);
void read_minimize_pair(SgirReader *reader, ValueId parameter, Word placeholder,
                        TypeText *type);
void read_entry_end(SgirReader *reader);

/* ---- read_op.c ----------------------------------------------------------- */

/* Adds a node to the entry; POISON if it is one too many. */
ValueId read_node(SgirReader *reader, const Node *node);
ValueId find_value(SgirReader *reader, Word name);
ValueId find_param(SgirReader *reader, Word name);
/* The value of a VALUE, PARAM or NUMBER operand; POISON after an error. */
ValueId read_operand(SgirReader *reader, const Operand *operand);
/* Adds a name to the entry; an error if it is taken. */
void define_value(SgirReader *reader, Word name, ValueId value);
void read_operation(SgirReader *reader, Span span, Word op, Word location);
void read_list_number(SgirReader *reader, Span span, WholeList *list,
                      int64_t number);
void read_store(SgirReader *reader, Span span, Word param, Word location);

/* ---- read_region.c ------------------------------------------------------- */

/* `form` with the lists up to `{`, and the end at `}`. */
void read_region(SgirReader *reader, Span span, Word form);
void read_yield(SgirReader *reader, bool exponent, Word name);
void read_region_end(SgirReader *reader);
void region_text_free(RegionText *region);
/* Compares what regions state with what their ops do; needs all users. */
void check_regions(SgirReader *reader);

/* ---- sgir.l -------------------------------------------------------------- */

void read_lexer_free(SgirReader *reader);

#endif
