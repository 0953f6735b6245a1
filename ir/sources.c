/* The table of sources.def. */
#include "ir/ir.h"

#include <string.h>

static const SourceInfo table[SOURCE_COUNT] = {
#define TEXTS(...) {__VA_ARGS__}
#define NUMBERS(...) {__VA_ARGS__}
#define SOURCE(id, word, texts, numbers, native) {word, texts, numbers, native},
#include "ir/sources.def"
};

const SourceInfo *source_info(ColumnSource source) {
  return &table[source];
}

ColumnSource source_named(const char *word) {
  for (int i = 0; i < SOURCE_COUNT; i++)
    if (strcmp(table[i].word, word) == 0)
      return (ColumnSource)i;
  return SOURCE_COUNT;
}

int source_texts(ColumnSource source) {
  int count = 0;
  while (count < SOURCE_TEXTS && table[source].text[count])
    count++;
  return count;
}

int source_numbers(ColumnSource source) {
  int count = 0;
  while (count < SOURCE_NUMBERS && table[source].number[count])
    count++;
  return count;
}

const char *source_argument(ColumnSource source, int argument,
                            bool *optional) {
  int texts = source_texts(source), numbers = source_numbers(source);
  *optional = false;
  if (argument < texts)
    return table[source].text[argument];
  if (argument >= texts + numbers)
    return NULL;
  const char *name = table[source].number[argument - texts];
  *optional = name[0] == '?';
  return name + *optional;
}
