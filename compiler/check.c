/* What `sgc check`, `sgc fmt` and `sgc diff` ask of a context. */
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
    if (path && strcmp(path, "-") == 0)
      status = context_write(sg, path, &text);
    else if (path && *changed)
      status = context_replace(sg, path, &text);
  }
  buffer_free(&text);
  return status;
}

/* ---- two programs -------------------------------------------------------- */

/* `stage`: NULL if none was asked for. */
static sg_status advance_to(sg_context *sg, const char *stage, PassId last) {
  sg_status status = context_check_passes(sg, last);
  if (status != SG_OK)
    return status;
  return stage ? context_reach(sg, stage, last) : context_run(sg, last);
}

/* Level plain with `minimize` pending has no update to evaluate yet. */
sg_status context_advance(sg_context *sg, const char *stage) {
  static const struct {
    const char *name;
    PassId last;
  } row[] = {{"ir", PASS_rescale},
             {"scaled", PASS_scalify},
             {"formatted", PASS_formats},
             {"final", PASS_fuse},
             {"plan", PASS_plan}};
  if (!stage)
    return sg->is_sgir && !sg->option.pipeline
               ? context_check_passes(sg, -1)
               : advance_to(sg, NULL, PASS_plan);
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
    if (strcmp(row[i].name, stage) == 0)
      return advance_to(sg, stage, row[i].last);
  context_message(sg, SG_ERROR,
                  "--stage needs ir, scaled, formatted, final or plan, not "
                  "`%s`",
                  stage);
  return SG_USAGE;
}

static sg_status advanced(sg_context *sg, const char *stage) {
  sg_status status = context_program(sg);
  if (status == SG_OK)
    status = context_advance(sg, sg->is_sgir || stage ? stage : "ir");
  context_summary(sg);
  return status;
}

/* What is behind the table: how many values differ in what, and how casts,
 * measured exponents and narrow operands went up or down. */
static void print_summary(Buffer *out, const DifferenceCount *count,
                          const Facts *before, const Facts *after) {
  const char *separator = " (";
  buffer_printf(out, "%zu changed", count->changed);
  for (int i = 0; i < FACTS; i++) {
    if (!count->fact[i])
      continue;
    buffer_printf(out, "%s%s %zu", separator, fact_name[i], count->fact[i]);
    separator = ", ";
  }
  buffer_printf(out, "%s, %zu added, %zu removed\n", count->changed ? ")" : "",
                count->added, count->removed);
  struct {
    const char *what;
    size_t before, after;
  } row[] = {{"casts", facts_ops(before, "cast"), facts_ops(after, "cast")},
             {"measured exponents", facts_ops(before, "norm_exponent"),
              facts_ops(after, "norm_exponent")},
             {"rebalances", facts_ops(before, "rebalance"),
              facts_ops(after, "rebalance")},
             {"operands read narrow", facts_reads(before), facts_reads(after)}};
  separator = "";
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    if (row[i].before == row[i].after)
      continue;
    buffer_printf(out, "%s%s %zu -> %zu", separator, row[i].what, row[i].before,
                  row[i].after);
    separator = ", ";
  }
  if (*separator)
    buffer_char(out, '\n');
}

/* One text under two recipes: what else the programs hold differs by them
 * alone. */
static bool differ_by_recipe(const sg_context *a, const sg_context *b) {
  const Source *first = sources_get(&a->sources, a->main);
  const Source *second = sources_get(&b->sources, b->main);
  return a->option.recipe && b->option.recipe &&
         strcmp(a->option.recipe, b->option.recipe) != 0 &&
         first->length == second->length &&
         memcmp(first->text, second->text, first->length) == 0;
}

sg_status sg_diff(sg_context *a, sg_context *b, const char *stage,
                  const char *path, int *different) {
  *different = 0;
  sg_status status = advanced(a, stage);
  if (status == SG_OK)
    status = advanced(b, stage);
  if (status != SG_OK)
    return status;
  Arena *arena = arena_new();
  Buffer text = {0};
  bool values_only = differ_by_recipe(a, b);
  Facts *before = facts_read(arena, a->program, NULL, values_only);
  Facts *after = facts_read(arena, b->program, NULL, values_only);
  DifferenceCount count = facts_compare(&text, before, after, true);
  *different = count.changed + count.added + count.removed > 0;
  if (*different)
    print_summary(&text, &count, before, after);
  status = context_write(a, path, &text);
  buffer_free(&text);
  arena_free(arena);
  return status;
}
