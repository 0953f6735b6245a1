/* What the two halves of the printer share: the parts of a line. Each appends
 * to `out` and ends no line. Private to the printer.
 */
#ifndef SG_FRONT_AST_PRINT_H
#define SG_FRONT_AST_PRINT_H

#include "compiler/front/ast.h"

void print_exprs(Buffer *out, const Expr *list);  /* a, b */
void print_args(Buffer *out, const Arg *args);    /* a, n = b */
void print_subs(Buffer *out, const Sub *subs);    /* [a, b:c] */
void print_steps(Buffer *out, const Step *path);  /* a.*.b[0] */
void print_path(Buffer *out, const Path *path);   /* a.b */
void print_names(Buffer *out, const Name *names); /* a, b */
/* `: type = value`, as far as there is something to say. */
void print_typed(Buffer *out, const TypeExpr *type, const Expr *value);
void print_formals(Buffer *out, const Formal *formals); /* (a: t, b: t = v) */

#endif
