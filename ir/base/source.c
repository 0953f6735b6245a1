/* Source files: text, lines, and reading whole files with a limit. */
#include "ir/base/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void sources_init(Sources *sources, Arena *arena) {
  *sources = (Sources){.arena = arena, .limits = limits_standard()};
}

void sources_free(Sources *sources) {
  vec_free(&sources->files);
}

static void index_lines(Arena *arena, Source *source) {
  uint32_t count = 1;
  for (size_t i = 0; i < source->length; i++)
    count += source->text[i] == '\n';
  uint32_t *lines = NEW_ARRAY(arena, uint32_t, count), line = 1;
  for (size_t i = 0; i < source->length; i++)
    if (source->text[i] == '\n')
      lines[line++] = (uint32_t)i + 1;
  source->lines = lines;
  source->line_count = count;
}

uint32_t sources_add(Sources *sources, const char *name, const char *text,
                     size_t length, bool builtin) {
  Source *source = NEW(sources->arena, Source);
  source->name = arena_string(sources->arena, name, strlen(name));
  source->text = arena_string(sources->arena, text, length);
  source->length = length;
  source->builtin = builtin;
  index_lines(sources->arena, source);
  vec_push(&sources->files, source);
  return (uint32_t)sources->files.length;
}

const Source *sources_get(const Sources *sources, uint32_t number) {
  if (number == 0 || number > sources->files.length)
    return NULL;
  return sources->files.data[number - 1];
}

Place source_place(const Source *source, uint32_t offset) {
  uint32_t low = 0, high = source->line_count;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (source->lines[middle] <= offset)
      low = middle;
    else
      high = middle;
  }
  return (Place){low + 1, offset - source->lines[low] + 1};
}

void sources_mark_file(Sources *sources, uint32_t number) {
  sources->files.data[number - 1]->file = true;
}

Span span_join(Span a, Span b) {
  if (a.source != b.source || a.source == 0)
    return a.source ? a : b;
  return (Span){a.source, a.start < b.start ? a.start : b.start,
                a.end > b.end ? a.end : b.end};
}

const char file_too_large[] = "the file is too large";

/* Grows as it reads, so that pipes and /dev/stdin work like files; `size` is
 * how much there seems to be. */
static char *read_stream(FILE *stream, size_t size, size_t limit,
                         size_t *length, const char **error) {
  Buffer buffer = {0};
  vec_grow_((void **)&buffer.data, &buffer.capacity,
            (size < limit ? size : 0) + 1, 1);
  char chunk[16384];
  size_t n;
  buffer_add(&buffer, "", 0);
  while ((n = fread(chunk, 1, sizeof chunk, stream)) > 0) {
    if (n > limit - buffer.length) {
      *error = file_too_large;
      buffer_free(&buffer);
      return NULL;
    }
    buffer_add(&buffer, chunk, n);
  }
  if (ferror(stream)) {
    *error = strerror(errno);
    buffer_free(&buffer);
    return NULL;
  }
  *length = buffer.length;
  return buffer.data;
}

char *file_read(const char *path, size_t limit, size_t *length,
                const char **error) {
  bool standard = strcmp(path, "-") == 0;
  FILE *stream = standard ? stdin : fopen(path, "rb");
  struct stat status;
  if (!stream) {
    *error = strerror(errno);
    return NULL;
  }
  char *text = NULL;
  bool known = fstat(fileno(stream), &status) == 0;
  size_t size = known && S_ISREG(status.st_mode) ? (size_t)status.st_size : 0;
  if (known && S_ISDIR(status.st_mode))
    *error = "it is a directory";
  else if (size > limit)
    *error = file_too_large;
  else
    text = read_stream(stream, size, limit, length, error);
  if (!standard)
    fclose(stream);
  return text;
}
