/* -MD: what a file was made from, as a rule for make and ninja. */
#include "compiler/context.h"

/* As make reads file names. */
static void print_name(Buffer *out, const char *name) {
  for (; *name; name++) {
    if (*name == ' ' || *name == '#' || *name == '\\')
      buffer_char(out, '\\');
    if (*name == '$')
      buffer_char(out, '$');
    buffer_char(out, *name);
  }
}

sg_status sg_dependencies(sg_context *sg, const char *const *target,
                          size_t targets, const char *path) {
  Buffer text = {0};
  for (size_t i = 0; i < targets; i++) {
    buffer_text(&text, i ? " " : "");
    print_name(&text, target[i]);
  }
  buffer_char(&text, ':');
  for (uint32_t i = 1; i <= sg->sources.files.length; i++) {
    const Source *source = sources_get(&sg->sources, i);
    if (!source->file)
      continue;
    buffer_text(&text, " \\\n  ");
    print_name(&text, source->name);
  }
  buffer_char(&text, '\n');
  sg_status status = context_write(sg, path, &text);
  buffer_free(&text);
  return status;
}
