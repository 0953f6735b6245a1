/* Inside `rearrange`: what its files share.
 *
 * rearrange_pattern.c reads the pattern, rearrange_sizes.c finds the size of
 * each axis, rearrange.c emits the nodes.
 */
#ifndef SG_FRONT_REARRANGE_H
#define SG_FRONT_REARRANGE_H

#include "compiler/front/elaborate.h"

enum { MAX_ATOMS = 4 * MAX_RANK };

/* A name or `...`; text as written, with its place in the string. */
typedef struct {
  const char *name; /* NULL: `...` */
  size_t offset;
  int group;
} Atom;

/* An axis of one side: `(h e)`, a name, `1` or `...`. */
typedef struct {
  size_t offset, length;
} Group;

typedef struct {
  Atom atom[MAX_ATOMS];
  Group group[MAX_ATOMS];
  int atoms, groups;
  int dots; /* the group that is `...` alone, or -1 */
} Side;

/* One axis after splitting. */
typedef struct {
  const char *name;
  int64_t size;
  bool known;
  const char *label;
  int group; /* of the left side */
  size_t offset;
  bool dots; /* one of the axes that `...` stands for */
} Letter;

typedef struct {
  Elaborator *e;
  const BuiltinCall *call;
  const Expr *string;
  const char *text, *at;
  Value operand;
  const Type *type;
  Side side[2];
  Letter letter[MAX_RANK];
  int letters;
} Rearrange;

/* The place of some bytes of the literal; the whole of it where escapes make
 * that unsure. */
Span rearrange_place(const Rearrange *r, size_t offset, size_t length);
/* Diagnoses there; false. */
bool rearrange_fail(Rearrange *r, size_t offset, size_t length,
                    const char *code, const char *message);
/* Reads both sides; false after a message. */
bool rearrange_parse(Rearrange *r);
/* Lists the axes after splitting and finds their sizes. */
bool rearrange_sizes(Rearrange *r);

#endif
