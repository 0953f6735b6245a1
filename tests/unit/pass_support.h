/* For the tests of the passes: a program sketched through the IR's interface.
 *
 *   Sketch *s = sketch_new(ENTRY_TRAIN);
 *   ValueId w = sketch_param(s, "net.w", EXTENT(3, 4));
 *   ValueId y = sketch_op(s, "y", OP_RELU, w, 0, 0);
 *   ValueId loss = sketch_pattern(s, "loss", OP_SUM, y, 0, "a b ->");
 *   sketch_minimize(s, loss);
 *   sketch_pass(s, PASS_autodiff);
 *   sketch_run(s, PRECISION_F64);
 *   const double *dw = sketch_result(s, "d.net.w");
 *   sketch_free(s);
 */
#ifndef SG_TESTS_PASS_SUPPORT_H
#define SG_TESTS_PASS_SUPPORT_H

#include "compiler/pass/pass.h"
#include "ir/eval.h"

typedef struct {
  int rank;
  int64_t dim[MAX_RANK];
} Extent;

#define EXTENT(...)                                                            \
  ((Extent){sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}})
#define EXTENT_SCALAR ((Extent){0, {0}})

typedef struct {
  Arena *arena;
  Sources sources;
  Program *program;
  Diagnostics *diagnostics;
  Buffer messages; /* all that was diagnosed */
  unsigned warnings, errors;
  NameTable *names;
  Phase phase; /* of the nodes to come */
  Tensor input[32];
  Evaluator *evaluator; /* of the last run */
  uint64_t seed;        /* of the random numbers to come */
} Sketch;

Sketch *sketch_new(EntryKind kind);
void sketch_free(Sketch *s);
Graph *sketch_graph(const Sketch *s);
uint64_t sketch_random(Sketch *s);
/* Uniform in [low, high), exact in binary32. */
double sketch_uniform(Sketch *s, double low, double high);
const Type *sketch_type(Sketch *s, Format format, Extent extent);

/* Leaves. Inputs hold random numbers: reals in [0.5, 1.5), else 0 .. limit-1.
 */
ValueId sketch_param(Sketch *s, const char *name, Extent extent);
ValueId sketch_state(Sketch *s, const char *name, Extent extent);
ValueId sketch_input(Sketch *s, const char *name, Extent extent);
ValueId sketch_labels(Sketch *s, const char *name, Format format, Extent extent,
                      int64_t limit);
ValueId sketch_number(Sketch *s, double value);
/* Ops; the type is inferred. NULL for a name: a helper of "t". */
ValueId sketch_op(Sketch *s, const char *name, Op op, ValueId a, ValueId b,
                  ValueId c);
ValueId sketch_pattern(Sketch *s, const char *name, Op op, ValueId a, ValueId b,
                       const char *pattern);
/* convert, cast, reshape, splat, broadcast: the type is stated. */
ValueId sketch_shaped(Sketch *s, const char *name, Op op, ValueId a,
                      Format format, Extent extent, const char *pattern);
/* Any op with its attributes set; the type is inferred into *node. */
ValueId sketch_add(Sketch *s, const char *name, Node *node);
void sketch_store(Sketch *s, const char *param, ValueId value);
void sketch_return(Sketch *s, const char *name, ValueId value);
/* Minimises `loss` over all parameters that are no states; each gradient is
 * also returned under its name. Sets phase update. Placeholder of the i-th
 * parameter: sketch_graph(s)->minimize->placeholder[i]. */
void sketch_minimize(Sketch *s, ValueId loss);
/* A recipe for the graph, and rules for it. `selectors` as in a .sg file:
 * "loss, norm", "grad(logits)", "net.l1". */
void sketch_recipe(Sketch *s, const char *name);
void sketch_rule(Sketch *s, const char *selectors, Settings settings);

/* Runs one pass with the verifier behind it. */
bool sketch_try(Sketch *s, PassId pass);
/* The same; it must succeed without an error. */
void sketch_pass(Sketch *s, PassId pass);
/* The graph as text, in the sketch's memory. */
const char *sketch_text(Sketch *s);
/* A value of the graph by name; 0: none. */
ValueId sketch_find(const Sketch *s, const char *name);
/* Evaluates one step in a fresh evaluator. */
void sketch_run(Sketch *s, Precision precision);
const double *sketch_data(Sketch *s, ValueId id);
/* Data of a result of the last run, by its name. */
const double *sketch_result(Sketch *s, const char *name);

/* What a step leaves: results, then parameters. */
enum { SKETCH_NUMBERS = 4096 };
typedef struct {
  double number[SKETCH_NUMBERS];
  size_t count;
} Outcome;

/* Runs a step and keeps what it leaves, in the sketch's memory. */
Outcome *sketch_outcome(Sketch *s, Precision precision);
/* Equal bits; of NaN, the position. */
void sketch_expect_equal(Sketch *s, const Outcome *before,
                         const Outcome *after);
/* Runs a pass, which must change no bit in binary64 and binary32. */
void sketch_pass_exactly(Sketch *s, PassId pass);

/* The two-layer perceptron of the design's listings, with batch 4 and layers
 * 12, 5, 3; as a front end hands it over, before autodiff. */
void sketch_perceptron(Sketch *s);

#endif
