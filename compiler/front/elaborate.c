/* The front end's second half: syntax trees to a Program at level plain.
 *
 * In: the number of the main source and the options of the command line. Out:
 * parameters, datasets, recipes and one graph per train, eval and entry, or
 * NULL after messages. The order is that of language.md 10: items and
 * constants, models, entries.
 */
#include "compiler/front/elaborate.h"

#include <string.h>

/* "mlp" of "examples/mlp/mlp.sg". */
static const char *program_name(Elaborator *e, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  const char *dot = strrchr(name, '.');
  size_t length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
  return intern_n(e->interner, name, length);
}

/* What the program keeps is in its own arena; the trees and all values go. */
static void elaborator_free(Elaborator *e) {
  for (size_t i = 0; i < e->files.length; i++) {
    vec_free(&e->files.data[i]->entry);
    word_map_free(&e->files.data[i]->index);
  }
  word_map_free(&e->prelude);
  word_map_free(&e->listed);
  vec_free(&e->files);
  vec_free(&e->param_label);
  vec_free(&e->reported);
  vec_free(&e->cause);
  vec_free(&e->recipe_set);
  vec_free(&e->recipe);
  arena_free(e->scratch);
}

/* Every step goes on after errors where there is something left to check. */
static void run(Elaborator *e, uint32_t main) {
  FileScope *file = file_main(e, main);
  if (!file)
    return;
  defines_check(e);
  entries_elaborate(e, file);
}

Program *elaborate(Arena *arena, Interner *interner, Sources *sources,
                   uint32_t main, const FrontOptions *options,
                   Diagnostics *diagnostics) {
  Elaborator e = {.arena = arena,
                  .scratch = arena_new(),
                  .interner = interner,
                  .sources = sources,
                  .options = options,
                  .diagnostics = diagnostics};
  unsigned errors = diagnostics_errors(diagnostics);
  const char *name = program_name(&e, sources_get(sources, main)->name);
  e.program = program_new(arena, interner, sources, name);
  e.param_names = name_table_new(e.scratch, interner, NULL);
  e.define_used = NEW_ARRAY(e.scratch, bool, options->define_count + 1);
  prelude_define(&e);
  run(&e, main);
  elaborator_free(&e);
  if (diagnostics_errors(diagnostics) == errors)
    return e.program;
  program_free(e.program);
  return NULL;
}
