/* What a program holds besides its graphs: parameters and states, datasets,
 * weights of a file, generation, aliases. Part of ir.h, which includes it.
 */
#ifndef SG_IR_PROGRAM_H
#define SG_IR_PROGRAM_H

#include "ir/ir.h"

/* ---- programs (program.c) ------------------------------------------------ */

typedef enum {
  INIT_ZEROS,
  INIT_ONES,
  INIT_NORMAL,      /* a = standard deviation */
  INIT_UNIFORM,     /* [a, b) */
  INIT_CONSTANT,    /* a */
  INIT_TRUNC_NORMAL /* a = standard deviation, cut at 2 a */
} InitKind;

typedef struct {
  InitKind kind;
  double a, b;
} Init;

/* log2 of the root mean square of the initial distribution; -INFINITY if 0. */
double init_log2_rms(Init init);

const char *init_name(InitKind kind);
int init_arguments(InitKind kind); /* how many of a, b it uses */

/* A parameter or a state. Its format is that of `type` from level formatted
 * on (`real` before). Its exponent is fixed, or measured from each new value;
 * then it is kept in a state of its own, i32[], named <name>.exp. */
typedef struct {
  const char *name; /* "net.l1.w" */
  const Type *type;
  bool state;    /* not trained; lives across calls */
  bool measured; /* a state of exponents, which scalify adds: no part of the
                    model, so neither hash nor checkpoint asks for it */
  bool pinned;   /* format fixed in the text */
  Init init;
  Scale scale;          /* with a state for the exponent: 2^0 */
  const char *exponent; /* the name of that state, interned, or NULL */
  Rounding round;       /* how stores round to a narrow type */
  Span span;
} Parameter;

/* Where a dataset column comes from. */
typedef enum {
#define SOURCE(id, ...) COLUMN_##id,
#include "ir/sources.def"
  SOURCE_COUNT
} ColumnSource;

/* A row of sources.def (sources.c). */
enum { SOURCE_TEXTS = 2, SOURCE_NUMBERS = 2 };
typedef struct {
  const char *word;
  const char *text[SOURCE_TEXTS], *number[SOURCE_NUMBERS]; /* as in the row */
  bool native;
} SourceInfo;

const SourceInfo *source_info(ColumnSource source);
ColumnSource source_named(const char *word); /* SOURCE_COUNT: none */
int source_texts(ColumnSource source);
int source_numbers(ColumnSource source);
/* The name of argument 0, 1, ..: texts, then numbers; NULL behind the last. */
const char *source_argument(ColumnSource source, int argument, bool *optional);

typedef struct {
  const char *name;
  const Type *type; /* of one example: u8[28,28] */
  ColumnSource source;
  const char *text[SOURCE_TEXTS]; /* the path first, where there is one */
  int64_t number[SOURCE_NUMBERS]; /* 0: left out */
  Span span;
} Column;

typedef struct {
  const char *name;
  VEC(Column) column;
  Span span;
} Dataset;

/* One tensor of a weight file that fills one parameter. */
typedef struct {
  const char *tensor; /* its name in the file */
  int32_t param;      /* index into Program.param */
  bool transpose;     /* the file has [in, out] for [out, in] */
  Span span;
} WeightTensor;

/* `weights model from "file"`: all parameters of a model, each once. */
typedef struct {
  const char *model, *file;
  VEC(WeightTensor) tensor;
  Span span;
} Weights;

typedef enum { SAMPLE_GREEDY, SAMPLE_TOP_K, SAMPLE_TOP_P } SampleKind;
const char *sample_name(SampleKind kind); /* "greedy", "top_k", "top_p" */

/* `generate name`: a tokenizer and a sampler round entries that give logits.
 * Either `window`, which takes a whole context (ids: i32[1, T], last: i32), or
 * `prefill` (ids: i32[1, CHUNK], pos: i32, last: i32) and `decode` (ids: i32[1,
 * 1], pos: i32), which keep a cache. */
typedef struct {
  const char *name;
  const char *tokenizer, *file;          /* "bpe", "vocabulary.json" */
  const char *window, *prefill, *decode; /* names of entries, or NULL */
  SampleKind sample;
  double amount, temperature; /* k or p; 1 for greedy */
  Span span;
} Generate;

/* A second name of a value: recipes and filters accept both. */
typedef struct {
  const char *name, *value;       /* interned */
  uint32_t same_name, same_value; /* the next such, from 1; 0: none */
} Alias;

typedef struct {
  VEC(Alias) list;
  WordMap by_name, by_value; /* the newest of each, from 1 */
} AliasTable;

/* Those of the values of one graph, by its name; NULL: of every graph. */
typedef struct {
  const char *graph;
  AliasTable table;
  Span span; /* where a text first names the graph */
} GraphAliases;

/* Where the program text makes a value: an expression that is bound to a name
 * or returned, and what its value is called. A value of several turns or calls
 * has a row for each. Elaboration leaves them; no text holds them. */
typedef struct {
  Span span;
  const char *graph, *value;
} ValuePlace;

enum { SGIR_VERSION = 1 };

typedef struct {
  Arena *arena; /* types, names, parameters: lives for the compilation */
  Interner *interner;
  TypeTable *types;
  Sources *sources;
  const char *name; /* of the main file, without folder and suffix */
  Level level;
  bool part;     /* --entry left entries of the text out */
  uint32_t text; /* the number of the .sgir source it was read from, or 0 */
  VEC(Parameter) param;
  VEC(Dataset) dataset;
  VEC(Weights) weights;
  VEC(Generate) generate;
  VEC(Recipe) recipe;
  VEC(GraphAliases) alias;
  WordMap alias_of; /* a graph's place in `alias`, from 1 */
  VEC(ValuePlace) place;
  VEC(Graph *) graph;
} Program;

/* ---- aliases (alias.c); all names are interned --------------------------- */

/* Adds a second name, unless it is known. */
void alias_put(AliasTable *table, const char *name, const char *value);
/* The same where `name` was a value's own name until now: its second names
 * become those of `value`. Nothing if either is NULL or both are the same. */
void alias_rename(AliasTable *table, const char *name, const char *value);
/* A second name of `value`, or NULL; and the next one. */
const Alias *alias_first(const AliasTable *table, const char *value);
const Alias *alias_next(const AliasTable *table, const Alias *alias);
/* What a value is called of which `name` is a second name, or NULL. */
const char *alias_value(const AliasTable *table, const char *name);
/* The second names of a graph's values, by the name of the graph: made when
 * first asked for. The pointer holds until another graph is asked for. */
AliasTable *program_alias(Program *program, const char *graph);
const AliasTable *program_alias_of(const Program *program, const char *graph);
/* What is said of every graph becomes the only graph's own. */
void program_alias_settle(Program *program);
/* A second name of value `value` of a graph, or of any graph if `graph` is
 * NULL: does `test` say yes to one? */
bool program_any_alias(const Program *program, const char *graph,
                       const char *value,
                       bool (*test)(const char *name, const void *data),
                       const void *data);
/* What a value of the graph is called of which `name` is a second name. */
const char *program_alias_value(const Program *program, const char *graph,
                                const char *name);
/* alias_rename of a value of this graph. */
void program_alias_rename(Program *program, const char *graph, const char *name,
                          const char *value);
void program_alias_free(Program *program);
size_t alias_table_bytes(const AliasTable *table); /* of memory, about */
void alias_table_free(AliasTable *table);

Program *program_new(Arena *arena, Interner *interner, Sources *sources,
                     const char *name);
/* Releases what the program and its graphs keep on the heap; everything else
 * is the arena's. NULL is fine. */
void program_free(Program *program);
Graph *program_graph(const Program *program, const char *name);
/* Does `text`, as a command line has it, mean the entry `name`? Its name does;
 * of one of several sizes, `f.64`, also `f[64]`, and `f`, which means all. */
bool entry_is_called(const char *name, const char *text);
bool program_has_op(const Program *program, Op op); /* in any graph */
Recipe *program_recipe(const Program *program, const char *name);
int program_param(const Program *program, const char *name); /* -1: none */
/* The exponent that a parameter starts with: its fixed one, or the first value
 * of the state that holds it. */
int32_t param_start_exponent(const Program *program, const Parameter *param);
/* 64-bit hash over parameter names, shapes and state flags: what a checkpoint
 * must agree with (semantics.md, Files). Measured exponents do not count. */
uint64_t program_hash(const Program *program);

#endif
