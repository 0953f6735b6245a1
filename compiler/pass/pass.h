/* Graph to graph: the passes and the loop that runs them. */
#ifndef SG_PASS_PASS_H
#define SG_PASS_PASS_H

#include "ir/ir.h"

typedef enum {
#define PASS(name, ...) PASS_##name,
#include "compiler/pass/passes.def"
  PASS_COUNT
} PassId;

/* What a pass may use. `arena` is fresh for its results and lives as long as
 * the program; `program->arena` holds names and types. */
typedef struct {
  Program *program;
  Arena *arena;
  Diagnostics *diagnostics;
} PassContext;

/* Rebuilds every graph of the program in place of the old one; false after an
 * error was diagnosed. The driver sets program->level afterwards. */
typedef bool PassRun(PassContext *context);

#define PASS(name, ...) PassRun pass_##name;
#include "compiler/pass/passes.def"

typedef struct {
  const char *name;
  Level from, to;
  const char *help;
  PassRun *run;
} PassInfo;

const PassInfo *pass_info(PassId pass);
PassId pass_named(const char *text, size_t length); /* PASS_COUNT: none */

/* Called around each pass; any member may be NULL. */
typedef struct {
  void *user;
  void (*before)(void *user, const PassInfo *pass, const Program *program);
  void (*after)(void *user, const PassInfo *pass, const Program *program,
                double seconds);
} PassHooks;

/* Runs `count` passes, each of which must fit the program's level; from
 * `rescale` on, no `minimize` is left. Verifies after each when `verify`. False
 * after an error; a verifier failure is an internal error that names the pass,
 * told as a remark: false without a counted error means just that. */
bool passes_run(PassContext *context, const PassId *list, size_t count,
                bool verify, const PassHooks *hooks);

/* Does an entry still wait for its gradients? */
bool minimize_pending(const Program *program);
/* How many of passes.def's rows a program read from .sgir has behind it, by
 * its level and contents. */
int passes_behind(const Program *program);

/* ---- recipe questions that several passes ask (recipe_query.c) ---------- */

/* The recipe of a graph; never NULL (resolved by elaboration or the reader). */
const Recipe *graph_recipe(const Program *program, const Graph *graph);
/* Does `scale = none` hold for the whole recipe (default rule)? */
bool recipe_is_unscaled(const Recipe *recipe);
/* The settings in force for value `id`'s own storage: default, then its class,
 * role, and path and grad() rules by name, the last match of each field. */
Settings recipe_value_settings(const Program *program, const Graph *graph,
                               ValueId id);
/* Is a contraction a weight-gradient product (wgrad), an input-gradient product
 * (dgrad), or a forward one? */
typedef enum { PRODUCT_FORWARD, PRODUCT_DGRAD, PRODUCT_WGRAD } ProductKind;
/* The kind of each node if it is a contraction; graph->count entries. */
ProductKind *contraction_kinds(Arena *arena, const Graph *graph);
/* The settings in force for the operands of contraction `id`, a product of this
 * kind. */
Settings recipe_operand_settings(const Program *program, const Graph *graph,
                                 ProductKind kind, ValueId id, int operand);
Settings recipe_param_settings(const Program *program, const Recipe *recipe,
                               const Parameter *param);
/* Diagnoses selectors of own rules that match nothing (E0502) and settings
 * that this version cannot carry out (E0503); false if there were any. Call it
 * before the first pass: simplify drops names that a rule may mean. */
bool recipe_check(PassContext *context);

#endif
