/* How elaboration says what is wrong (message.c). Part of elaborate.h, which
 * includes it.
 */
#ifndef SG_FRONT_MESSAGE_H
#define SG_FRONT_MESSAGE_H

#include "compiler/front/elaborate.h"

/* error_begin() .. error_send(): a message at `span` with a trace of the calls
 * that led there. A place inside the embedded library moves out to the call in
 * the user's text. One message per place and code. */
Diagnostic error_begin(Elaborator *e, Span span, const char *code,
                       const char *format, ...) SG_PRINTF(4, 5);
/* Text beside the primary place. */
void error_mark(Elaborator *e, Diagnostic *error, const char *format, ...)
    SG_PRINTF(3, 4);
void error_label(Elaborator *e, Diagnostic *error, Span span,
                 const char *format, ...) SG_PRINTF(4, 5);
void error_note(Elaborator *e, Diagnostic *error, const char *format, ...)
    SG_PRINTF(3, 4);
void error_hint(Elaborator *e, Diagnostic *error, const char *format, ...)
    SG_PRINTF(3, 4);
Value error_send(Elaborator *e, Diagnostic *error); /* poison */
/* One message a cause: was `what` (an interned name, a symbol) found missing
 * in `where` (a file) before? */
bool cause_reported(Elaborator *e, const void *what, const void *where);
/* The limit in force. */
int64_t limit_of(const Elaborator *e, LimitId limit);
/* The everyday form. */
Value fail(Elaborator *e, Span span, const char *code, const char *format, ...)
    SG_PRINTF(4, 5);
/* E0711: more than this limit allows; a note names the option. What would go
 * on to grow is stopped. */
Value fail_limit(Elaborator *e, Span span, LimitId limit, const char *format,
                 ...) SG_PRINTF(4, 5);
/* Poison without a message: the parser has said what is wrong. */
Value fail_silent(Elaborator *e);
void warn(Elaborator *e, Span span, const char *code, const char *format, ...)
    SG_PRINTF(4, 5);
const char *text_printf(Elaborator *e, const char *format, ...) SG_PRINTF(2, 3);
/* To find equal names in a list: names_begin, then for each name whether it
 * came before. Lists do not nest. */
void names_begin(Elaborator *e);
bool name_twice(Elaborator *e, const char *name);
/* "mlp.sg:29" */
const char *place_text(Elaborator *e, Span span);
/* Copies the buffer into the scratch arena and frees it. */
const char *buffer_take(Elaborator *e, Buffer *buffer);

#endif
