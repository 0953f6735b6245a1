/* How values and parameters are stored: what scalify, formats and casts ask. */
#ifndef SG_PASS_STORAGE_H
#define SG_PASS_STORAGE_H

#include "compiler/pass/pass.h"

/* A float format that f32 does not fit in. */
static inline bool format_rounds(Format format) {
  return format_is_float(format) && format_bytes(format) < sizeof(float);
}
static inline bool type_rounds(const Type *type) {
  return format_rounds(type->format);
}
/* What `round` and `overflow` of some settings mean when they are not set:
 * casts round to nearest even and saturate. */
static inline Rounding settings_rounding(const Settings *settings) {
  return settings->round < 0 ? ROUND_NEAREST : (Rounding)settings->round;
}
static inline Overflow settings_overflow(const Settings *settings) {
  return settings->overflow < 0 ? OVERFLOW_SATURATE
                                : (Overflow)settings->overflow;
}

/* The recipe that fixes how parameters and states are stored for the whole
 * program: the train's, or the first entry's where there is no train. NULL
 * without entries. */
const Recipe *storage_recipe(const Program *program);
/* The recipe of each parameter and state, in the order of Program.param: that
 * of storage_recipe, but for a state that the train does not have, which the
 * first entry that has it decides. NULL without entries. */
const Recipe **storage_recipes(Arena *arena, const Program *program);

/* Are all values in formats that this version computes in? E0510: f64 is not.
 * (formats.c) */
bool formats_are_possible(PassContext *context, const Graph *graph);

#endif
