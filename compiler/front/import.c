/* Files: where `import` looks, what it reads, and that no two files need each
 * other.
 *
 * `import nn` finds nn.sg next to the importing file, then in the -I folders,
 * then in the library inside the compiler. A file is read once, however many
 * import it; its constants are its own.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- locating ----------------------------------------------------------- */

/* Where an import leads: a file of the system or of the library. */
typedef struct {
  const char *key;  /* canonical */
  const char *name; /* as messages show it */
  const char *root; /* canonical folder that its own imports stay in */
  const StandardFile *standard;
  bool outside; /* it exists, but beyond the root */
} Location;

static const StandardFile *standard_find(const char *name) {
  size_t count;
  const StandardFile *file = standard_library(&count);
  for (size_t i = 0; i < count; i++)
    if (strcmp(file[i].name, name) == 0)
      return &file[i];
  return NULL;
}

bool import_is_standard(const char *name) {
  return standard_find(name) != NULL;
}

static Location locate_standard(Elaborator *e, const StandardFile *standard) {
  const char *name = text_printf(e, "std/%s.sg", standard->name);
  return (Location){.key = name, .name = name, .standard = standard};
}

/* Is the canonical path `key` below the canonical folder `root`? Links have
 * been followed, so one that leads out of the folder is out of it. */
static bool is_below(const char *key, const char *root) {
  size_t length = strlen(root);
  return strncmp(key, root, length) == 0 &&
         (key[length] == '/' || strcmp(root, "/") == 0);
}

/* A folder as realpath gives it; NULL if there is none. */
static const char *canonical_folder(Elaborator *e, const char *path) {
  char *canonical = realpath(*path ? path : ".", NULL);
  const char *folder = canonical ? text_printf(e, "%s", canonical) : NULL;
  free(canonical);
  return folder;
}

/* The canonical path makes two ways to one file one file. */
static bool locate_at(Elaborator *e, const char *path, Location *out) {
  if (access(path, F_OK) != 0)
    return false;
  char *canonical = realpath(path, NULL);
  out->key = text_printf(e, "%s", canonical ? canonical : path);
  out->name = path;
  free(canonical);
  return true;
}

/* "blocks/moe.sg" of `import "blocks/moe.sg" as moe` and "nn.sg" of
 * `import nn`. */
static const char *import_path(Elaborator *e, const Item *item) {
  if (item->file)
    return item->file;
  Buffer out = {0};
  for (const Name *part = item->path.part; part; part = part->next)
    buffer_printf(&out, "%s%s", part == item->path.part ? "" : "/", part->text);
  buffer_text(&out, ".sg");
  return buffer_take(e, &out);
}

/* The folder of a file, with the slash at its end. */
static const char *folder_of(Elaborator *e, const char *name) {
  const char *slash = strrchr(name, '/');
  return slash ? arena_string(e->scratch, name, (size_t)(slash + 1 - name))
               : "";
}

/* A file below `root`, found at `path`; one beyond it is remembered. */
static bool locate_below(Elaborator *e, const char *root, const char *path,
                         Location *out) {
  Location found = {0};
  if (!root || !locate_at(e, path, &found))
    return false;
  if (!is_below(found.key, root)) {
    out->outside = true;
    return false;
  }
  found.root = root;
  *out = found;
  return true;
}

/* Next to the importing file. By its plain name a file does not find itself: a
 * recipes.sg may import the library's recipes. */
static bool locate_beside(Elaborator *e, const FileScope *from,
                          const Item *item, const char *path, Location *out) {
  const char *name = sources_get(e->sources, from->source)->name;
  const char *beside = text_printf(e, "%s%s", folder_of(e, name), path);
  Location found = {0};
  if (from->builtin || !locate_below(e, from->root, beside, &found)) {
    out->outside |= found.outside;
    return false;
  }
  if (!item->file && strcmp(found.key, from->key) == 0)
    return false;
  *out = found;
  return true;
}

/* An import stays below the folder of the main file, or below the -I folder
 * in which it or its importer was found: a program cannot read what its user
 * did not point at. */
static bool locate(Elaborator *e, const FileScope *from, const Item *item,
                   Location *out) {
  const char *path = import_path(e, item);
  *out = (Location){0};
  if (path[0] == '/') {
    out->outside = true;
    return false;
  }
  if (locate_beside(e, from, item, path, out))
    return true;
  for (size_t i = 0; i < e->options->include_count; i++) {
    const char *folder = e->options->include[i];
    if (locate_below(e, canonical_folder(e, folder),
                     text_printf(e, "%s/%s", folder, path), out))
      return true;
  }
  const StandardFile *standard = item->file || item->path.part->next
                                     ? NULL
                                     : standard_find(item->path.part->text);
  if (standard && !out->outside)
    *out = locate_standard(e, standard);
  return out->standard != NULL;
}

/* ---- reading ------------------------------------------------------------ */

/* A file is elaborated once per compilation, whatever it is called. */
static FileScope *loaded(const Elaborator *e, const char *key) {
  for (size_t i = 0; i < e->files.length; i++)
    if (strcmp(e->files.data[i]->key, key) == 0)
      return e->files.data[i];
  return NULL;
}

/* The main file's own name for this one, which -D options use. */
static const char *main_name(Elaborator *e, const char *key) {
  Location location;
  bool asked = e->options->define_count > 0 && e->main;
  for (const Item *item = asked ? e->main->ast->items : NULL; item;
       item = item->next)
    if (item->kind == ITEM_IMPORT && locate(e, e->main, item, &location) &&
        strcmp(location.key, key) == 0)
      return item->name;
  return NULL;
}

/* The file is known before its items are read, so that a cycle meets it. */
static FileScope *file_add(Elaborator *e, uint32_t source, const char *key) {
  FileScope *file = NEW(e->scratch, FileScope);
  file->key = key;
  file->source = source;
  file->builtin = sources_get(e->sources, source)->builtin;
  vec_push(&e->files, file);
  file->ast =
      parse_file(e->scratch, e->interner, e->sources, source, e->diagnostics);
  if ((int64_t)arena_used(e->scratch) > limit_of(e, LIMIT_memory_bytes))
    e->stopped = true; /* the parser has said so */
  return file;
}

/* `loading` marks the files on the way from the main file to this one. */
static FileScope *file_load(Elaborator *e, const Location *location,
                            uint32_t source) {
  FileScope *file = file_add(e, source, location->key);
  file->known_as = main_name(e, location->key);
  file->root = location->root;
  file->loading = true;
  if (file->ast)
    file_define(e, file);
  file->loading = false;
  return file;
}

/* Reads the text; messages name the file as the importer wrote it. */
static bool add_source(Elaborator *e, const Location *location, Span span,
                       uint32_t *source) {
  if (location->standard) {
    *source = sources_add(e->sources, location->name, location->standard->text,
                          location->standard->length, true);
    return true;
  }
  size_t length;
  const char *error = NULL;
  int64_t most = limit_of(e, LIMIT_file_bytes);
  char *text = file_read(location->name, (size_t)most, &length, &error);
  if (error == file_too_large) {
    fail(e, span, "E0119",
         "%s is too large; a source file has at most %" PRId64
         " bytes (`--max-file-bytes`)",
         location->name, most);
    return false;
  }
  if (!text) {
    fail(e, span, "E0226", "cannot read %s: %s", location->name, error);
    return false;
  }
  *source = sources_add(e->sources, location->name, text, length, false);
  sources_mark_file(e->sources, *source);
  free(text);
  return true;
}

static FileScope *fail_outside(Elaborator *e, const Item *item) {
  Span span = item->file ? item->file_span : item->path.span;
  Diagnostic error =
      error_begin(e, span, "E0229", "%s lies outside of the program's folder",
                  import_path(e, item));
  error_note(e, &error,
             "imports, and links that they follow, stay below the folder of "
             "the main file or below an -I folder");
  error_hint(e, &error, "add its folder with `-I DIR` and import it by name");
  error_send(e, &error);
  return NULL;
}

/* `import self` in self.sg finds no other file of that name. */
static bool imports_itself(Elaborator *e, const FileScope *from,
                           const Item *item) {
  const char *name = sources_get(e->sources, from->source)->name;
  Location found = {0};
  return locate_at(
             e,
             text_printf(e, "%s%s", folder_of(e, name), import_path(e, item)),
             &found) &&
         strcmp(found.key, from->key) == 0;
}

static FileScope *fail_missing(Elaborator *e, const FileScope *from,
                               const Item *item) {
  Span span = item->file ? item->file_span : item->path.span;
  const char *path = import_path(e, item);
  if (imports_itself(e, from, item)) {
    fail(e, span, "E0207", "%s imports itself: a cycle", path);
    return NULL;
  }
  Diagnostic error =
      error_begin(e, span, "E0206", "cannot find %s to import", path);
  if (!item->file) {
    Candidates candidates = {0};
    size_t count;
    const StandardFile *standard = standard_library(&count);
    for (size_t i = 0; i < count; i++)
      vec_push(&candidates, standard[i].name);
    const char *near = did_you_mean(e, path_text(e, &item->path), &candidates);
    if (near)
      error_mark(e, &error, "%s", near);
  }
  error_note(e, &error,
             "searched next to the file, in -I folders and in the "
             "standard library");
  error_send(e, &error);
  return NULL;
}

static FileScope *fail_cycle(Elaborator *e, const FileScope *from,
                             const Item *item, const FileScope *file) {
  Span span = item->file ? item->file_span : item->path.span;
  if (file == from) {
    fail(e, span, "E0207", "%s imports itself: a cycle", import_path(e, item));
    return NULL;
  }
  Diagnostic error =
      error_begin(e, span, "E0207", "%s is importing this file: a cycle",
                  sources_get(e->sources, file->source)->name);
  error_hint(e, &error, "move what both need into a file of its own");
  error_send(e, &error);
  return NULL;
}

/* Too many files, or too many on the way to this one? */
static bool refuse_imports(Elaborator *e, Span span) {
  if ((int64_t)e->files.length > limit_of(e, LIMIT_imports))
    fail_limit(e, span, LIMIT_imports, "more than %" PRId64 " imported files",
               limit_of(e, LIMIT_imports));
  else if (e->import_depth >= limit_of(e, LIMIT_import_depth))
    fail_limit(e, span, LIMIT_import_depth,
               "imports are nested more than %" PRId64 " deep",
               limit_of(e, LIMIT_import_depth));
  else
    return false;
  return true;
}

/* Syntax errors in an imported file are reported there; its name here is
 * poison. */
FileScope *import_file(Elaborator *e, const FileScope *from, const Item *item) {
  Location location;
  if (!locate(e, from, item, &location))
    return location.outside ? fail_outside(e, item)
                            : fail_missing(e, from, item);
  FileScope *file = loaded(e, location.key);
  if (file && (file->loading || file->main))
    return fail_cycle(e, from, item, file);
  if (file)
    return file;
  uint32_t source;
  Span span = item->file ? item->file_span : item->path.span;
  if (refuse_imports(e, span) || !add_source(e, &location, span, &source))
    return NULL;
  e->import_depth++;
  file = file_load(e, &location, source);
  e->import_depth--;
  return file->ast ? file : NULL;
}

/* The library is always reachable by the compiler itself: default recipes
 * live there. */
FileScope *file_standard(Elaborator *e, const char *name) {
  Location location = locate_standard(e, standard_find(name));
  FileScope *file = loaded(e, location.key);
  if (file)
    return file;
  uint32_t source;
  add_source(e, &location, (Span){0}, &source);
  return file_load(e, &location, source);
}

/* The main file may be standard input or a buffer: then its name is its key. */
FileScope *file_main(Elaborator *e, uint32_t source) {
  const char *name = sources_get(e->sources, source)->name;
  Location location;
  if (!locate_at(e, name, &location))
    location.key = name;
  FileScope *file = file_add(e, source, location.key);
  file->root = canonical_folder(e, folder_of(e, name));
  file->main = true;
  e->main = file;
  if (file->ast)
    file_define(e, file);
  return file->ast ? file : NULL;
}

/* ---- -D options --------------------------------------------------------- */

static void constant_names(const FileScope *file, const char *prefix,
                           Elaborator *e, Candidates *out) {
  for (size_t i = 0; i < file->entry.length; i++)
    if (file->entry.data[i].symbol->item->kind == ITEM_CONST)
      vec_push(out, text_printf(e, "%s%s%s", prefix ? prefix : "",
                                prefix ? "." : "", file->entry.data[i].name));
}

/* "did you mean `imp.W`?" for W, or for what is nearly that; or NULL. */
static const char *nearest_constant(Elaborator *e, const char *name) {
  Candidates candidates = {0};
  constant_names(e->main, NULL, e, &candidates);
  for (size_t f = 0; f < e->files.length; f++) {
    const FileScope *file = e->files.data[f];
    if (!file->known_as)
      continue;
    const Entry *entry = file_find(file, intern(e->interner, name));
    if (entry && entry->symbol->item->kind == ITEM_CONST) {
      vec_free(&candidates);
      return text_printf(e, "did you mean `%s.%s`?", file->known_as, name);
    }
    constant_names(file, file->known_as, e, &candidates);
  }
  return did_you_mean(e, name, &candidates);
}

/* An option that changes nothing is a mistake, not a wish. */
void defines_check(Elaborator *e) {
  if (e->main->ast->lost)
    return;
  for (size_t i = 0; i < e->options->define_count; i++) {
    if (e->define_used[i])
      continue;
    const char *name = e->options->define[i].name;
    const char *near = nearest_constant(e, name);
    Diagnostic error = error_begin(
        e, (Span){0}, "E0208", "-D %s: there is no constant of that name%s%s",
        name, near ? "; " : "", near ? near : "");
    error_send(e, &error);
  }
}
