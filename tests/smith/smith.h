/* sg-smith: random well-typed programs, and what every one of them is held to.
 *
 *   seed -- generate.c, leaves.c, make_*.c, recipe.c: a program at level plain
 *        -- check.c: the passes, with outcome.c before and after each
 *        -- native.c: batches of them compiled, beside the evaluator
 *        -- coverage.c: which ops were seen, with what, next to what
 *        -- shrink.c, edit.c: the smallest program that still fails
 *   main.c is the command line; workers.c shares seeds among processes.
 *
 * The op table drives it: each name in the `shape` column of ir/ops.def needs
 * a maker, so an op with a new shape rule does not link without one, and an op
 * that no run ever made is a failure of the run (coverage.c).
 */
#ifndef SG_TESTS_SMITH_H
#define SG_TESTS_SMITH_H

#include "compiler/pass/pass.h"
#include "ir/eval.h"

enum { SMITH_RANK = 6, SMITH_ELEMENTS = 64, SMITH_NODES = 400 };

/* ---- random numbers (case.c): splitmix64 --------------------------------- */

typedef struct {
  uint64_t state;
} Dice;

Dice dice_new(uint64_t seed, uint64_t stream);
uint64_t dice_roll(Dice *dice);
int64_t dice_below(Dice *dice, int64_t n); /* 0 .. n - 1; n > 0 */
int64_t dice_range(Dice *dice, int64_t low, int64_t high); /* both included */
bool dice_chance(Dice *dice, int percent);

/* ---- cases (case.c) ------------------------------------------------------ */

/* A program with all that it lives in. */
typedef struct {
  Arena *arena;
  Sources sources;
  Interner *interner;
  Diagnostics *diagnostics;
  Buffer messages;  /* all that was diagnosed */
  char code[8];     /* of the first error, "" if there was none */
  Program *program; /* NULL: the text was refused */
} Case;

Case *case_new(const char *name);
/* Reads a text; `program` is NULL and `messages` says why if it is refused. */
Case *case_read(const char *text, size_t length);
/* Keeps errors, and the verifier's remarks, in case `user`. */
void case_observe(void *user, const Diagnostic *diagnostic);
void case_free(Case *c); /* NULL is fine */
/* The program as text; the caller frees. */
Buffer case_print(const Case *c);
/* What two programs have in common but for names: ops, types, attributes,
 * edges, recipes. */
uint64_t case_hash(const Case *c);
size_t case_nodes(const Case *c); /* operations, leaves not counted */

/* ---- the generator (generate.c) ------------------------------------------ */

typedef struct {
  int rank;
  int64_t dim[MAX_RANK];
} Extent;

typedef struct {
  Case *c;
  Program *program;
  Graph *graph;
  NameTable *names;
  Dice dice;
  Phase phase;        /* of the nodes to come */
  const char *prefix; /* of the names of parameters: "" or "g7." */
  bool native;        /* only what compiled code has */
  bool minimizes;     /* the entry will ask for gradients */
  bool once;          /* phase update of a step with micro-batches */
  int depth;          /* of operands that are being made for operands */
  int reuse;          /* percent: an operand is a value that is there */
  int again;          /* percent: the backward pass computes it again */
  ValueId next_to;    /* an operand taken wherever it fits, or 0 */
  const char *target; /* a path that one rule is about, or NULL */
} Smith;

/* A program of one entry; of `entries` entries where the code is native. */
Case *smith_program(uint64_t seed);
Case *smith_batch(uint64_t seed, int entries);
/* Entry number `entry` of a batch alone. */
Case *smith_picked(uint64_t seed, int entry);

/* Shapes of at most SMITH_ELEMENTS elements; now and then a size is 0. */
Extent smith_extent(Smith *s, int low_rank, int high_rank);
Extent extent_of(const Smith *s, ValueId id);
int64_t extent_elements(const Extent *extent);
const Type *smith_type(Smith *s, Format format, const Extent *extent);
/* A name for a value to come: bound or a helper. */
const char *smith_name(Smith *s, const char *base);

/* A node of the phase at work, its attributes neutral. */
Node smith_node(const Smith *s, Op op, ValueId a, ValueId b, ValueId c);
/* Adds it, its type inferred and its name made; 0 if it is too large. */
ValueId smith_emit(Smith *s, Node *node);
/* One random op, or 0 if it could not be. */
ValueId smith_grow(Smith *s, Op op);
/* Can the generator make it? Ops of later levels come with the passes. */
bool smith_makes(Op op);

/* ---- operands (leaves.c); `kind` is REAL, I32 or BOOL -------------------- */

/* A value of exactly this kind and shape, there already or new. */
ValueId smith_want(Smith *s, Format kind, Extent extent);
/* The shape of a value of this kind and of a rank from `low` to `high` that has
 * elements, now and then; else false. */
bool smith_like(Smith *s, Format kind, int low, int high, Extent *out);
/* REAL more often than not; what it is next to matters. */
Format smith_kind(Smith *s);
/* A value of this kind and of a rank from `low` to `high`. */
ValueId smith_pick(Smith *s, Format kind, int low, int high);
/* The same, and it has elements. */
ValueId smith_pick_some(Smith *s, Format kind, int low, int high);
/* Whole numbers that lie in [0, limit). */
ValueId smith_indices(Smith *s, Extent extent, int64_t limit);
ValueId smith_number(Smith *s, Format kind, double value);
double smith_real(Smith *s); /* small, wide or special, exact in binary32 */
ValueId smith_param(Smith *s, Extent extent, bool state);
/* May operations of this phase read it? */
bool smith_readable(const Smith *s, ValueId id);

/* ---- makers: one a shape rule; 0 if nothing fitting could be made -------- */

typedef ValueId Maker(Smith *s, Op op);
#define OP(id, text, inputs, attributes, class, shape, ...) Maker make_##shape;
#include "ir/ops.def"

/* ---- recipes (recipe.c) -------------------------------------------------- */

/* A random recipe named `name`, which recipe_check accepts. */
void smith_recipe(Smith *s, const char *name);

/* ---- outcomes (outcome.c) ------------------------------------------------ */

/* What one step of every entry leaves, and the last of several. */
typedef struct {
  bool taken;     /* false: `error` says why */
  bool certified; /* evaluator_certified */
  const char *error;
  VEC(const char *) name; /* of results and parameters, interned */
  VEC(size_t) start;      /* where its numbers begin */
  VEC(double) number;
} Outcome;

/* Input sets: small whole numbers, normal, wide, special. */
enum { INPUT_SETS = 4 };

/* The inputs of an entry, a pure function of their names, of their types and
 * limits in the reference, and of the set. */
Tensor *inputs_make(Arena *arena, const Graph *graph, const Graph *reference,
                    int set);
uint64_t evaluation_seed(int set);
/* `reference`: the program as it was before any pass. `once`: one step only,
 * as of a forward pass, which updates nothing. */
Outcome outcome_take(const Program *program, const Program *reference,
                     Precision precision, int set, bool once);
void outcome_free(Outcome *outcome);
/* Equal to the bit, NaN apart, in all that `before` has; else *what names the
 * first difference (in `arena`). Parameters are left out where `before` is a
 * forward pass alone. */
bool outcome_agrees(const Outcome *before, const Outcome *after,
                    const char *prefix, Arena *arena, const char **what);

/* ---- checks (check.c) ---------------------------------------------------- */

typedef struct {
  char check[24];    /* "" if it passed: "print", "verify", "simplify", .. */
  char message[480]; /* one line */
  char code[8];      /* a pass refused the program with this error */
  unsigned refused;  /* entries that have no code (E0790) */
  unsigned compared[PASS_COUNT], certified[PASS_COUNT];
} Verdict;

/* All checks of one program at level plain; `seed` picks the order of passes
 * and the input sets. `seen` may be NULL: it is called with the program at
 * each level. */
void check_case(const Case *c, uint64_t seed, int sets, Verdict *verdict,
                void (*seen)(void *user, const Program *program), void *user);
void verdict_fail(Verdict *verdict, const char *check, const char *format, ...)
    SG_PRINTF(3, 4);

/* ---- native code (native.c) ---------------------------------------------- */

/* Compiles a program of level plain for every target, runs each entry with 1
 * to 8 threads, compares with the evaluator. `only`: of the targets, such as
 * "x86-64-v3/2", or "turn": the one whose turn it is by the seed; NULL: all. */
void check_native(const Case *c, uint64_t seed, const char *only,
                  Verdict *verdict);

/* ---- coverage (coverage.c) ----------------------------------------------- */

/* Plain numbers only: workers write it to memory that they share. */
typedef struct {
  uint64_t made[OP_COUNT]; /* at any level */
  uint64_t format[OP_COUNT][FORMAT_COUNT];
  uint64_t rank[OP_COUNT][MAX_RANK + 1];
  uint64_t edge[OP_COUNT][OP_COUNT]; /* [producer][reader] */
  /* Bit 3 * rank + kind: what an op gives and what it takes. */
  uint32_t gives[OP_COUNT], takes[OP_COUNT];
  bool chooses[OP_COUNT]; /* was an index of something */
} Coverage;

void coverage_add(Coverage *coverage, const Program *program);
void coverage_merge(Coverage *into, const Coverage *from);
/* What was not seen; returns the number of ops that were never made. */
unsigned coverage_report(const Coverage *coverage, bool pairs);

/* ---- editing and shrinking (edit.c, shrink.c) ---------------------------- */

typedef struct {
  ValueId input;  /* this value becomes an input */
  ValueId bypass; /* this one gives way to its operand `operand` */
  int operand;
  ValueId drop_dead; /* this store, or value that nobody reads */
  int drop_result;   /* 1 + its index */
  bool drop_minimize;
  int64_t from, to; /* every size `from` becomes `to`; 0: none */
  ValueId neutral;  /* this one loses its optional attributes */
  int drop_rule;    /* 1 + its index, of the one recipe */
  bool plain_entry; /* no train, no run settings */
} Edit;

/* A copy of a program of one entry with the edit made and all gone that it
 * leaves dead; NULL if the result is no program. */
Case *case_edited(const Case *c, const Edit *edit);
/* The forward pass of a program with `minimize` pending, as one that can be
 * evaluated. */
Case *case_forward(const Case *c);
/* "edge:OP:OP", or the name of a check of check_case, "native", "crash". */
bool still_fails(const Case *c, const char *check, uint64_t seed);
/* The smallest program found; takes over `c`. */
Case *shrink(Case *c, const char *check, uint64_t seed, bool verbose);

/* ---- many seeds (workers.c) ---------------------------------------------- */

typedef struct {
  uint64_t first, last;
  int jobs, sets, batch; /* batch > 0: native, entries a module */
  bool coverage, pairs, quiet;
  double seconds;     /* stop after as many; 0: never */
  const char *ledger; /* append a row to this file, or NULL */
  const char *only;   /* target, or NULL */
} Campaign;

/* Exit code: 0, or 1 if anything was found. */
int campaign_run(const Campaign *campaign);

#endif
