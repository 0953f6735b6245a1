/* What other languages call the things of this one (foreign.c). */
#ifndef SG_FRONT_FOREIGN_H
#define SG_FRONT_FOREIGN_H

#include "compiler/front/elaborate.h"

/* What to write instead of `call`, of an unknown function, or NULL. */
const char *foreign_function_hint(Elaborator *e, const char *name,
                                  const Expr *call);
/* The built-in function that another language calls `name`, or NULL. */
const char *foreign_function(const char *name);
/* The parameter of `builtin` that another language calls `name`, or NULL. */
const char *foreign_parameter(const Builtin *builtin, const char *name);
/* Is it the name of a library of another language: `F`, `torch`? */
bool foreign_library(const char *name);
/* What to write instead of `x.name(...)`, or of `x.name` where `call` is NULL;
 * NULL: nothing that would surely be right. `x` is the object as written. */
const char *foreign_method_hint(Elaborator *e, const char *name, const Expr *x,
                                const Expr *call);
/* For an unknown name: the item of the library that was meant, as "`optim.SGD`"
 * with the import that it takes. `kinds`: bits 1 << ITEM_X. Or NULL. */
const char *library_hint(Elaborator *e, const FileScope *file, const char *name,
                         unsigned kinds);
/* The place in a loop before `span` where its function bound `name`: such a
 * name ends with each turn. No source: there is none. */
Span bound_in_loop(const FileScope *file, const char *name, Span span);

#endif
