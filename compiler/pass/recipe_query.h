/* Which rule speaks of which value: the part of recipe_query.c that rescale.c
 * and recipe_check.c use too.
 */
#ifndef SG_PASS_RECIPE_QUERY_H
#define SG_PASS_RECIPE_QUERY_H

#include "compiler/pass/pass.h"

/* Does the path mean the value `name` of a graph, or the parameter if `graph`
 * is NULL, by this or by another name of it (program->alias)? The name is
 * interned or NULL. */
bool path_matches(const Program *program, const Graph *graph, const char *path,
                  const char *name);
/* "logits", interned, for a value "d.logits" of phase backward, else NULL. */
const char *gradient_base(const Program *program, const Node *node);
/* A rule that names a format for a value, a parameter or an operand, and which
 * of its formats counts there. */
typedef struct {
  const Rule *rule;
  const char *which; /* "forward", "gradient", "wgrad" or "dgrad" */
  Format format;
} Vote;
typedef VEC(Vote) Votes;
/* The rules that speak of its format, the one that decides last; what the text
 * pins and that single numbers are f32 overrules them all. Added to *votes,
 * which the caller frees. */
void recipe_value_votes(const Program *program, const Graph *graph, ValueId id,
                        Votes *votes);
void recipe_operand_votes(const Program *program, const Graph *graph,
                          ProductKind kind, ValueId id, int operand,
                          Votes *votes);
/* Does the selector speak of value `id`'s own storage? */
bool selector_selects(const Program *program, const Graph *graph, ValueId id,
                      const Selector *selector);
/* Does it speak of the storage of a parameter or state? */
bool selector_selects_param(const Program *program, const Parameter *param,
                            const Selector *selector);
/* Does the path match a name of this value that is not that of a parameter's
 * new value? The name is interned. (recipe_place.c) */
bool path_means_value(const Program *program, const Graph *graph,
                      const char *path, const char *name);
/* Does it mean a value that the forward pass of some entry computes? */
bool path_is_computed(const Program *program, const char *path);
/* Why nothing carries out these settings for this selector; NULL: something
 * does. Rescales and what no selector can have are left to the caller.
 * (recipe_place.c) */
const char *misplaced_setting(const Program *program, const Selector *selector,
                              const Settings *settings);
/* Is it a copy of a value for a product that wants it at an exponent of its
 * own (operand_scale.c)? And the value that it is a copy of, or itself. */
bool node_is_operand_copy(const Graph *graph, ValueId id);
ValueId operand_value(const Graph *graph, ValueId id);
/* The parameter that an operand is, seen through casts and moves, or NULL. */
const Node *operand_param(const Graph *graph, ValueId id);
/* A whole number made real: where an integer input enters the arithmetic. */
bool node_enters(const Graph *graph, const Node *node);

#endif
