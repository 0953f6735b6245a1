/* What `sgc check` and `sgc fmt` ask of a context. */
#include "compiler/context.h"

#include <string.h>

sg_status sg_check(sg_context *sg) {
  sg_status status = context_program(sg);
  if (status == SG_OK)
    status = context_run(sg, PASS_plan);
  context_summary(sg);
  return status;
}

static sg_status format_status(sg_context *sg, FormatResult result,
                               const char *name) {
  switch (result) {
  case FORMAT_DONE:
    return SG_OK;
  case FORMAT_FAILED:
    context_summary(sg);
    return SG_PROGRAM;
  case FORMAT_UNSAFE:
    break;
  }
  context_message(sg, SG_ERROR,
                  "internal error: the layout of %s would change what it says; "
                  "it stays as it is",
                  name);
  return SG_INTERNAL;
}

sg_status sg_format(sg_context *sg, const char *path, int *changed) {
  *changed = 0;
  if (!sg->main || sg->is_sgir) {
    context_message(sg, SG_ERROR,
                    "fmt lays out .sg files; a .sgir file has one "
                    "layout only, which --emit prints");
    return SG_USAGE;
  }
  const Source *source = sources_get(&sg->sources, sg->main);
  Buffer text = {0};
  sg_status status =
      format_status(sg,
                    source_format(&text, sg->interner, &sg->sources, sg->main,
                                  sg->diagnostics),
                    source->name);
  if (status == SG_OK) {
    *changed =
        text.length != source->length ||
        (text.length && memcmp(text.data, source->text, text.length) != 0);
    if (path && (*changed || strcmp(path, "-") == 0))
      status = context_write(sg, path, &text);
  }
  buffer_free(&text);
  return status;
}
