/* What --fold-layers shares between comparing lines and folding them. Private
 * to it. */
#ifndef SG_IR_PRINT_FOLD_H
#define SG_IR_PRINT_FOLD_H

#include "ir/print.h"

#include <ctype.h>

static inline bool is_word(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

/* Bytes of the name that begins with a sigil at `text`. */
size_t name_length(const char *text, size_t left);

/* Is line b as line a with every index of array `word` moved by `delta`, but
 * for type, exponent, shift and place, and for names that are bound again each
 * turn? These are appended to `difference`. */
bool line_alike(const Lines *lines, const Line *a, const Line *b,
                const char *word, long delta, bool in_kernel,
                Buffer *difference);

#endif
