/* One operation of .sgir while it is read: what read_op.c and
 * read_attribute.c share.
 */
#ifndef SG_IR_READ_OP_H
#define SG_IR_READ_OP_H

#include "ir/read.h"

/* What an operation's line says beyond the node itself. */
typedef struct {
  SgirReader *reader;
  Node *node;
  Span span;
  const Operand *shift; /* NULL: none is written */
  AttributeSet given;
} OpText;

/* Is the value this word? */
bool attribute_word(const Operand *value, const char *word);
/* Sets a named attribute of the node; each at most once, and only on ops that
 * have it. */
void read_attribute(OpText *op, const Argument *argument);
/* Reports what the op cannot do without and was not given. */
void check_presence(const OpText *op);

#endif
