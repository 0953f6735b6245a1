/* The pages of `sgc explain`, as they stand in compiler/explain/. */
#ifndef SG_EXPLAIN_H
#define SG_EXPLAIN_H

#include <stddef.h>

/* The text is Markdown: paragraphs, and fenced blocks whose first line names
 * the language and, for a file, its name: ```sg wrong.sg */
typedef struct {
  const char *code, *text;
} ExplainPage;

/* All of them, sorted by name; generated. */
const ExplainPage *explain_pages(size_t *count);

#endif
