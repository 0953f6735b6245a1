/* Patterns of tensor names against paths of parameters (weight_pattern.c). */
#ifndef SG_FRONT_WEIGHTS_H
#define SG_FRONT_WEIGHTS_H

#include "compiler/front/elaborate.h"

/* One piece of a pattern string: text, `{name}`, or `{a=x,b=y}`. */
typedef struct {
  const char *text;  /* literal, or the name of a number */
  bool number;       /* `{name}` */
  bool alternatives; /* `{a=x,..}`: words */
  const char *word[8], *stands_for[8];
  int words;
} Piece;

enum { MAX_PIECES = 32, MAX_CAPTURES = 8 };

typedef struct {
  Piece piece[MAX_PIECES];
  int pieces;
} TensorPattern;

/* What the steps of a path captured in one parameter's name. */
typedef struct {
  const char *name[MAX_CAPTURES];
  const char *number[MAX_CAPTURES];
  int numbers;
  const char *word; /* what `.*` stands for */
} Captures;

/* Parses the string of a mapping; false after a message. */
bool tensor_pattern_read(Elaborator *e, const Mapping *mapping,
                         TensorPattern *out);
/* Refuses steps that have no meaning in a map; false after a message. */
bool weight_path_check(Elaborator *e, const Mapping *mapping);
/* `{i}` and `[i]` come in pairs, `{..=..}` and `.*` too; false after a
 * message. */
bool tensor_pattern_check(Elaborator *e, const Mapping *mapping,
                          const TensorPattern *pattern);
/* Does the path mean the parameter called `name` below its model? Then what
 * its steps captured. */
bool weight_path_match(Elaborator *e, const Step *path, const char *name,
                       Captures *captures);
/* The tensor's name (interned) for what a path captured, or NULL: no
 * alternative stands for that parameter. */
const char *tensor_pattern_name(Elaborator *e, const TensorPattern *pattern,
                                const Captures *captures);

#endif
