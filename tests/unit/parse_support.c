#include "tests/unit/parse_support.h"

#include <stdlib.h>
#include <string.h>

static void collect(void *user, Severity severity, const char *rendered) {
  assert_int_equal(severity, SEVERITY_ERROR);
  buffer_text(user, rendered);
}

void open_parse(Parse *parse) {
  *parse = (Parse){.arena = arena_new()};
  parse->interner = interner_new(parse->arena);
  sources_init(&parse->sources, parse->arena);
  parse->diagnostics =
      diagnostics_new(parse->arena, &parse->sources, collect, &parse->messages);
  buffer_add(&parse->messages, "", 0);
}

void parse_bytes(Parse *parse, const char *text, size_t length) {
  open_parse(parse);
  uint32_t source = sources_add(&parse->sources, "t.sg", text, length, false);
  parse->file = parse_file(parse->arena, parse->interner, &parse->sources,
                           source, parse->diagnostics);
}

void close_parse(Parse *parse) {
  buffer_free(&parse->messages);
  sources_free(&parse->sources);
  arena_free(parse->arena);
}

void parse_good(Parse *parse, const char *text) {
  parse_bytes(parse, text, strlen(text));
  if (diagnostics_errors(parse->diagnostics))
    fail_msg("%s\n%s", text, parse->messages.data);
  assert_non_null(parse->file);
}

char *printed(const char *text) {
  Parse parse;
  Buffer out = {0};
  parse_good(&parse, text);
  buffer_add(&out, "", 0);
  ast_print(&out, parse.file);
  close_parse(&parse);
  return out.data;
}

void check_prints(const char *text, const char *canonical) {
  char *once = printed(text), *twice = printed(once);
  assert_string_equal(once, canonical);
  assert_string_equal(twice, once);
  free(once);
  free(twice);
}
