/* --diagnostics=json: each message as one line of JSON, for editors.
 *
 * In: a Diagnostic, or a message of our own without a place. Out: one object
 * with the members file, line, col, end, severity, code, warning, message,
 * labels, notes, hint, trace; those without a value are null or empty. Lines
 * and columns count from 1, columns in bytes; `end` is behind the last byte.
 */
#include "compiler/context.h"

#include <jansson.h>
#include <string.h>

/* Texts may quote a source that is no UTF-8: what JSON cannot hold becomes
 * `?`. */
static json_t *text_json(const char *text) {
  if (!text)
    return json_null();
  json_t *value = json_string(text);
  if (value)
    return value;
  Buffer plain = {0};
  for (; *text; text++)
    buffer_char(&plain, (unsigned char)*text < 0x80 ? *text : '?');
  value = json_string(plain.data);
  buffer_free(&plain);
  return value;
}

static json_t *place_json(const Source *source, uint32_t offset) {
  Place place = source_place(source, offset);
  return json_pack("{s:I, s:I}", "line", (json_int_t)place.line, "col",
                   (json_int_t)place.column);
}

/* Adds file, line, col and end; all null without a place. */
static void add_place(json_t *object, const Sources *sources, Span span) {
  const Source *source = sources_get(sources, span.source);
  json_object_set_new(object, "file", text_json(source ? source->name : NULL));
  if (!source) {
    json_object_set_new(object, "line", json_null());
    json_object_set_new(object, "col", json_null());
    json_object_set_new(object, "end", json_null());
    return;
  }
  uint32_t end = span.end > span.start ? span.end : span.start + 1;
  json_t *start = place_json(source, span.start);
  json_object_update(object, start);
  json_decref(start);
  json_object_set_new(object, "end", place_json(source, end));
}

static json_t *labels_json(const Diagnostic *diagnostic,
                           const Sources *sources) {
  json_t *list = json_array();
  for (int i = 0; i < diagnostic->label_count; i++) {
    json_t *label = json_object();
    add_place(label, sources, diagnostic->label[i].span);
    json_object_set_new(label, "text", text_json(diagnostic->label[i].text));
    json_array_append_new(list, label);
  }
  return list;
}

static json_t *notes_json(const Diagnostic *diagnostic) {
  json_t *list = json_array();
  for (int i = 0; i < diagnostic->note_count; i++)
    json_array_append_new(list, text_json(diagnostic->note[i]));
  return list;
}

static json_t *diagnostic_object(const Diagnostic *diagnostic,
                                 const Sources *sources) {
  static const char *const word[] = {"error", "warning", "remark"};
  const DiagnosticInfo *info =
      diagnostic->code ? diagnostic_info(diagnostic->code) : NULL;
  json_t *object = json_object();
  Span nowhere = {0};
  add_place(object, sources,
            diagnostic->label_count ? diagnostic->label[0].span : nowhere);
  json_object_set_new(object, "severity",
                      text_json(word[diagnostic->severity]));
  json_object_set_new(object, "code", text_json(diagnostic->code));
  json_object_set_new(object, "warning",
                      text_json(info ? info->warning : NULL));
  json_object_set_new(object, "message", text_json(diagnostic->message));
  json_object_set_new(object, "labels", labels_json(diagnostic, sources));
  json_object_set_new(object, "notes", notes_json(diagnostic));
  json_object_set_new(object, "hint", text_json(diagnostic->hint));
  json_object_set_new(object, "trace", text_json(diagnostic->trace));
  return object;
}

void diagnostic_json(Buffer *out, const Diagnostic *diagnostic,
                     const Sources *sources) {
  json_t *object = diagnostic_object(diagnostic, sources);
  size_t size = json_dumpb(object, NULL, 0, JSON_COMPACT);
  char *text = arena_alloc(sources->arena, size + 1);
  json_dumpb(object, text, size, JSON_COMPACT);
  buffer_add(out, text, size);
  buffer_char(out, '\n');
  json_decref(object);
}
