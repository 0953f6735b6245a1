/* `sgc explain`: the page of a diagnostic.
 *
 * In: a code, however it is written, or the name of a warning. Out: title,
 * meaning, a wrong program, its message and the right program as plain text.
 * Source: ir/base/diagnostics.def and the pages of compiler/explain/.
 */
#include "compiler/explain.h"
#include "compiler/sg.h"
#include "ir/base/base.h"

#include <ctype.h>
#include <string.h>

/* E0301 is also e0301, 0301 and 301; W0710 is also its name, untrained. */
static bool is_called(const DiagnosticInfo *info, const char *name) {
  if (info->warning && strcmp(info->warning, name) == 0)
    return true;
  const char *code = info->code;
  if (toupper((unsigned char)*name) == *code)
    name++;
  else if (!isdigit((unsigned char)*name))
    return false;
  code++;
  return strcmp(name, code) == 0 ||
         (*code == '0' && strcmp(name, code + 1) == 0);
}

static const DiagnosticInfo *find(const char *name) {
  size_t count;
  const DiagnosticInfo *list = diagnostic_list(&count);
  for (size_t i = 0; i < count; i++)
    if (is_called(&list[i], name))
      return &list[i];
  return NULL;
}

static const char *page_text(const char *code) {
  size_t count;
  const ExplainPage *page = explain_pages(&count);
  for (size_t i = 0; i < count; i++)
    if (strcmp(page[i].code, code) == 0)
      return page[i].text;
  return "";
}

/* Fenced blocks become indented ones, headed by the name of their file. */
static void print_page(Buffer *out, const char *text) {
  bool inside = false;
  for (const char *line = text; *line;) {
    size_t length = strcspn(line, "\n");
    if (strncmp(line, "```", 3) == 0) {
      const char *name = memchr(line, ' ', length);
      if (!inside && name)
        buffer_printf(out, "%.*s:\n\n", (int)(line + length - name - 1),
                      name + 1);
      inside = !inside;
    } else {
      buffer_printf(out, "%s%.*s\n", inside && length ? "    " : "",
                    (int)length, line);
    }
    line += length + (line[length] == '\n');
  }
}

char *sg_explain(const char *name) {
  const DiagnosticInfo *info = find(name);
  if (!info)
    return NULL;
  Buffer out = {0};
  buffer_printf(&out, "%s: %s\n", info->code, info->title);
  if (info->warning)
    buffer_printf(&out,
                  "A warning: -Wno-%s silences it, -Werror=%s makes it an "
                  "error.\n",
                  info->warning, info->warning);
  buffer_char(&out, '\n');
  print_page(&out, page_text(info->code));
  return out.data;
}

char *sg_explain_list(void) {
  size_t count;
  const DiagnosticInfo *list = diagnostic_list(&count);
  Buffer out = {0};
  for (size_t i = 0; i < count; i++) {
    buffer_printf(&out, "%s  %s", list[i].code, list[i].title);
    if (list[i].warning)
      buffer_printf(&out, " (-W%s)", list[i].warning);
    buffer_char(&out, '\n');
  }
  return out.data;
}

const char *sg_explain_near(const char *name) {
  static const char *names[2 * DIAGNOSTIC_ROWS];
  size_t count, length = 0;
  const DiagnosticInfo *list = diagnostic_list(&count);
  for (size_t i = 0; i < count; i++) {
    names[length++] = list[i].code;
    if (list[i].warning)
      names[length++] = list[i].warning;
  }
  return nearest_name(name, names, length);
}
