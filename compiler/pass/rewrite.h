/* What the passes at level plain share: reachability, axis patterns, names,
 * and the rewriting of single nodes into equal, simpler ones.
 *
 * Every rewrite here is exact: it changes no bit of any value in any precision
 * of the evaluator (NaN payloads apart). What only mathematics allows, such as
 * reassociation, is not done.
 */
#ifndef SG_PASS_REWRITE_H
#define SG_PASS_REWRITE_H

#include "compiler/pass/pass.h"

/* ---- reachability (rewrite.c) -------------------------------------------- */

/* Which nodes matter: stores, probes, results, inputs and a pending minimize,
 * and all that they depend on. graph->count entries. */
bool *graph_live(Arena *arena, const Graph *graph);
/* A copy in `arena` without the other nodes. */
Graph *graph_swept(Arena *arena, const Graph *graph);
/* Puts `graph` in the place of the program's graph number `index`. */
void graph_replace(Program *program, size_t index, Graph *graph);

/* ---- names (rewrite.c) --------------------------------------------------- */

/* An unnamed temporary: its name ends in ~n. */
bool name_is_helper(const char *name);
/* The number of instances round a name: the dots in it. */
int name_depth(const char *name);

/* ---- patterns (rewrite.c) ------------------------------------------------ */

/* The letters of the axes of one tensor, or of a contraction's sum. */
typedef struct {
  int rank;
  const char *letter[2 * MAX_RANK]; /* interned */
} Letters;

/* Letters of operand `operand` of a pattern, or of its result (-1). */
Letters pattern_letters(const Pattern *pattern, int operand);
/* Customary letters for a tensor of some rank: "o", "b o", "b t o", ... */
Letters letters_customary(Interner *interner, int rank);
bool letters_have(const Letters *letters, const char *letter);
/* Those of `letters` that `other` has too, in order. */
Letters letters_common(const Letters *letters, const Letters *other);
/* Both lists hold the same letters in the same order. */
bool letters_equal(const Letters *a, const Letters *b);
/* "b i, o i -> b o": the interned text; `b` may be NULL. */
const char *letters_pattern(Interner *interner, const Letters *a,
                            const Letters *b, const Letters *out);
/* Parses the pattern of a verified node, which cannot fail. */
Pattern node_pattern(const Program *program, const Node *node);

/* ---- exact rewrites (simplify_fold.c, simplify_einsum.c) ----------------- */

typedef struct Merge Merge;

/* The graph being built. `readers` counts, for each of its values, the readers
 * it will have; NULL where nobody knows. */
typedef struct {
  Program *program;
  Arena *arena;
  Graph *graph;
  const uint32_t *readers;
  Merge *merge;
} Rewrite;

Rewrite rewrite_begin(Program *program, Arena *arena, Graph *graph);
/* Rewrites *node, whose operands are values of the graph and which is not yet
 * added, as far as the rules go. Returns the value of the graph that it equals,
 * or 0 if *node, possibly changed, remains to be added. */
ValueId rewrite_node(const Rewrite *rewrite, Node *node);
/* Rules over single numbers and over structure; true if *node changed. */
bool rewrite_constant(const Rewrite *rewrite, Node *node);
bool rewrite_structure(const Rewrite *rewrite, Node *node);
/* Transpositions next to a contraction become part of its pattern. */
bool rewrite_einsum(const Rewrite *rewrite, Node *node);
/* The operand that *node merely repeats, or 0. */
ValueId rewrite_identity(const Rewrite *rewrite, const Node *node);

/* Hash-consing: an earlier remembered value of the same phase that the same op
 * makes from the same operands; 0 if there is none or the op has effects or
 * randomness. */
ValueId merge_find(const Rewrite *rewrite, const Node *node);
void merge_remember(Rewrite *rewrite, ValueId id);

#endif
