/* Messages of elaboration: places, traces and the rule of one message a cause.
 *
 * In: a place, a code, texts. Out: a Diagnostic in the form of language.md
 * 12.1. Code of the embedded library is not the user's to fix: a message that
 * arises there is shown at the call in the user's text that led to it, with
 * the library's line as a note.
 */
#include "compiler/front/elaborate.h"

#include <string.h>

const char *buffer_take(Elaborator *e, Buffer *buffer) {
  const char *text = arena_string(e->scratch, buffer->data ? buffer->data : "",
                                  buffer->length);
  buffer_free(buffer);
  return text;
}

/* All texts of messages live in the scratch arena: a message may be kept
 * until more is known about it. */
static const char *text_vprintf(Elaborator *e, const char *format,
                                va_list args) {
  Buffer buffer = {0};
  buffer_vprintf(&buffer, format, args);
  return buffer_take(e, &buffer);
}

const char *text_printf(Elaborator *e, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = text_vprintf(e, format, args);
  va_end(args);
  return text;
}

/* Where something stands, for a note; columns are left to the primary place. */
const char *place_text(Elaborator *e, Span span) {
  const Source *source = sources_get(e->sources, span.source);
  if (!source)
    return "the command line";
  return text_printf(e, "%s:%u", source->name,
                     source_place(source, span.start).line);
}

bool span_is_builtin(const Elaborator *e, Span span) {
  const Source *source = sources_get(e->sources, span.source);
  return source && source->builtin;
}

/* ---- the trace ---------------------------------------------------------- */

enum { TRACE_MAX = 6 };

/* "in net.l3, called from net, called from train fit(batch: digits[128])";
 * nothing for what stands in an entry itself. */
static const char *trace_text(Elaborator *e) {
  const Frame *frame = e->frame;
  if (frame && frame->binding)
    frame = frame->caller;
  if (!frame || !frame->what || !frame->caller)
    return NULL;
  Buffer out = {0};
  buffer_printf(&out, "in %s", frame->what);
  int shown = 1;
  for (; frame->caller && frame->caller->what; frame = frame->caller) {
    if (shown++ == TRACE_MAX) {
      buffer_text(&out, ", ...");
      break;
    }
    buffer_printf(&out, ", %s %s",
                  frame->construction ? "part of" : "called from",
                  frame->caller->what);
  }
  return buffer_take(e, &out);
}

/* ---- building ----------------------------------------------------------- */

/* The innermost call that the user wrote. */
static Span user_place(const Elaborator *e, Span span) {
  for (const Frame *frame = e->frame; frame && span_is_builtin(e, span);
       frame = frame->caller)
    if (frame->call.source)
      span = frame->call;
  return span;
}

/* The trace is taken now: the frames may be gone when the message is sent. */
Diagnostic error_begin(Elaborator *e, Span span, const char *code,
                       const char *format, ...) {
  va_list args;
  va_start(args, format);
  Diagnostic error = {.severity = SEVERITY_ERROR, .code = code};
  error.message = text_vprintf(e, format, args);
  va_end(args);
  error.trace = trace_text(e);
  Span user = user_place(e, span);
  if (user.source)
    error.label[error.label_count++].span = user;
  if (user.source && user.source != span.source)
    error_note(e, &error, "it arises at %s: `%s`", place_text(e, span),
               span_text(e, span));
  return error;
}

/* Labels of a library place would hang on the wrong line: they are left out. */
static bool moved_out(const Elaborator *e, const Diagnostic *error, Span span) {
  return !error->label_count || (span_is_builtin(e, span) &&
                                 !span_is_builtin(e, error->label[0].span));
}

void error_mark(Elaborator *e, Diagnostic *error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (error->label_count)
    error->label[0].text = text_vprintf(e, format, args);
  va_end(args);
}

/* Labels beyond the fourth are dropped: a picture with more is no help. */
void error_label(Elaborator *e, Diagnostic *error, Span span,
                 const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = text_vprintf(e, format, args);
  va_end(args);
  if (!span.source || moved_out(e, error, span) ||
      error->label_count == DIAGNOSTIC_LABELS)
    return;
  Label *label = &error->label[error->label_count++];
  label->span = span;
  label->text = *text ? text : NULL;
}

void error_note(Elaborator *e, Diagnostic *error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (error->note_count < DIAGNOSTIC_NOTES)
    error->note[error->note_count++] = text_vprintf(e, format, args);
  va_end(args);
}

void error_hint(Elaborator *e, Diagnostic *error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  error->hint = text_vprintf(e, format, args);
  va_end(args);
}

/* ---- sending ------------------------------------------------------------ */

/* No one reads more messages than this. */
enum { MESSAGES_MAX = 1000 };

/* One message per place and code: the same text is elaborated once for each
 * entry and each instance, with other numbers. */
static bool reported_before(Elaborator *e, const Diagnostic *error) {
  Reported now = {error->label_count ? error->label[0].span : (Span){0},
                  error->code};
  if (e->reported.length >= MESSAGES_MAX)
    return true;
  for (size_t i = 0; i < e->reported.length; i++) {
    const Reported *old = &e->reported.data[i];
    if (now.span.source && old->span.source == now.span.source &&
        old->span.start == now.span.start && old->span.end == now.span.end &&
        strcmp(old->code, now.code) == 0)
      return true;
  }
  vec_push(&e->reported, now);
  return false;
}

bool cause_reported(Elaborator *e, const void *cause, const void *where) {
  for (size_t i = 0; i < e->cause.length; i++)
    if (e->cause.data[i].what == cause && e->cause.data[i].where == where)
      return true;
  if (!e->trial)
    vec_push(&e->cause, (Cause){cause, where});
  return false;
}

/* Counts every failure, shown or not, so that a caller can tell whether what
 * it elaborated is whole. */
Value error_send(Elaborator *e, Diagnostic *error) {
  e->failures += error->severity == SEVERITY_ERROR;
  if (e->trial)
    trial_failed(e->trial, error);
  else if (!reported_before(e, error))
    diagnose(e->diagnostics, error);
  if (e->reported.length >= MESSAGES_MAX && diagnostics_full(e->diagnostics))
    e->stopped = true;
  return value_poison();
}

Value fail(Elaborator *e, Span span, const char *code, const char *format,
           ...) {
  va_list args;
  va_start(args, format);
  const char *text = text_vprintf(e, format, args);
  va_end(args);
  Diagnostic error = error_begin(e, span, code, "%s", text);
  return error_send(e, &error);
}

int64_t limit_of(const Elaborator *e, LimitId limit) {
  return e->sources->limits.of[limit];
}

Value fail_limit(Elaborator *e, Span span, LimitId limit, const char *format,
                 ...) {
  va_list args;
  va_start(args, format);
  const char *text = text_vprintf(e, format, args);
  va_end(args);
  Diagnostic error = error_begin(e, span, "E0711", "%s", text);
  e->stopped = limit == LIMIT_work || limit == LIMIT_memory_bytes ||
               limit == LIMIT_nodes || limit == LIMIT_constant_bytes ||
               limit == LIMIT_modules || limit == LIMIT_selectors;
  error_note(e, &error, "%s",
             limit_note(e->scratch, &e->sources->limits, limit));
  return error_send(e, &error);
}

Value fail_silent(Elaborator *e) {
  if (e->trial)
    trial_failed(e->trial, NULL);
  e->failures++;
  return value_poison();
}

/* Warnings take the same road, but fail nothing. */
void warn(Elaborator *e, Span span, const char *code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = text_vprintf(e, format, args);
  va_end(args);
  Diagnostic warning = error_begin(e, span, code, "%s", text);
  warning.severity = SEVERITY_WARNING;
  error_send(e, &warning);
}

/* ---- names -------------------------------------------------------------- */

enum { SHORTEST_PREFIX = 3 };

/* `eps` for `epsilon`, `std` for `stddev`: one is the beginning of the other.
 */
static const char *prefix_name(const char *name, const Candidates *candidates) {
  size_t length = strlen(name);
  for (size_t i = 0; i < candidates->length; i++) {
    size_t other = strlen(candidates->data[i]);
    size_t common = length < other ? length : other;
    if (common >= SHORTEST_PREFIX && length != other &&
        strncmp(name, candidates->data[i], common) == 0)
      return candidates->data[i];
  }
  return NULL;
}

const char *did_you_mean(Elaborator *e, const char *name,
                         Candidates *candidates) {
  bool shown = !diagnostics_full(e->diagnostics);
  const char *near =
      shown ? nearest_name(name, candidates->data, candidates->length) : NULL;
  if (!near && shown)
    near = prefix_name(name, candidates);
  vec_free(candidates);
  return near ? text_printf(e, "did you mean `%s`?", near) : NULL;
}
