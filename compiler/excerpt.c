/* Options that choose what is printed, held against what is: what has no effect
 * is a mistake, and said.
 */
#include "compiler/context.h"

#include <string.h>

PrintOptions context_print_options(const sg_context *sg) {
  const Options *option = &sg->option;
  return (PrintOptions){.locations = option->locations,
                        .filter = option->filter.data,
                        .filter_count = option->filter.length,
                        .phase = option->phase,
                        .fold = option->fold_layers};
}

/* ---- what prints --------------------------------------------------------- */

sg_status context_check_prints(sg_context *sg, bool text, const char *what) {
  const Options *option = &sg->option;
  const char *name = option->filter.length ? "--filter"
                     : option->phase       ? "--phase"
                     : option->fold_layers ? "--fold-layers"
                     : option->locations   ? "--print-locs"
                                           : NULL;
  bool prints = text || option->print_before.length ||
                option->print_after.length || option->print_diff;
  if (!name || prints)
    return SG_OK;
  context_message(sg, SG_ERROR,
                  "%s is about values that --emit=ir to plan and "
                  "--print-after print; %s prints none",
                  name, what);
  return SG_USAGE;
}

/* Why `pass` does not run, or NULL. */
static const char *idle_reason(const sg_context *sg, PassId pass, int last) {
  const Options *option = &sg->option;
  if (option->pipeline) {
    const char *name = pass_info(pass)->name;
    for (const char *at = option->pipeline; *at;) {
      size_t length = strcspn(at, ",");
      if (strlen(name) == length && memcmp(name, at, length) == 0)
        return NULL;
      at += length + (at[length] == ',');
    }
    return "--pass-pipeline leaves this pass out";
  }
  if ((int)pass < sg->passes_done)
    return "the program is behind this pass";
  return (int)pass > last ? "the passes end before this one" : NULL;
}

static sg_status check_list(sg_context *sg, const char *option,
                            const TextList *list, int last) {
  for (size_t i = 0; i < list->length; i++) {
    PassId pass = pass_named(list->data[i], strlen(list->data[i]));
    const char *why = pass == PASS_COUNT ? NULL : idle_reason(sg, pass, last);
    if (!why)
      continue;
    context_message(sg, SG_ERROR, "--%s=%s prints nothing: %s", option,
                    list->data[i], why);
    return SG_USAGE;
  }
  return SG_OK;
}

sg_status context_check_passes(sg_context *sg, int last) {
  const Options *option = &sg->option;
  if (option->stop_after) {
    int stop = (int)pass_named(option->stop_after, strlen(option->stop_after));
    last = stop < last ? stop : last;
  }
  sg_status status =
      check_list(sg, "print-before", &option->print_before, last);
  return status == SG_OK
             ? check_list(sg, "print-after", &option->print_after, last)
             : status;
}

/* ---- what is matched ----------------------------------------------------- */

const char *context_nearest_value(const sg_context *sg, const char *glob) {
  const Program *program = sg->program;
  VEC(const char *) names = {0};
  for (size_t i = 0; i < program->param.length; i++)
    vec_push(&names, program->param.data[i].name);
  for (size_t g = 0; g < program->graph.length; g++)
    for (ValueId id = 1; id < program->graph.data[g]->count; id++)
      if (graph_node(program->graph.data[g], id)->name)
        vec_push(&names, graph_node(program->graph.data[g], id)->name);
  const char *near = nearest_name(glob, names.data, names.length);
  vec_free(&names);
  return near;
}

void context_no_match(sg_context *sg, const char *glob, const char *where) {
  const char *near = context_nearest_value(sg, glob);
  context_message(sg, SG_ERROR,
                  "--filter=%s matches no value %s%s%s%s; names are listed by "
                  "--emit=names",
                  glob, where, near ? "; did you mean `" : "", near ? near : "",
                  near ? "`?" : "");
}

void context_note_filters(sg_context *sg, const Program *program) {
  const TextList *filter = &sg->option.filter;
  if (!sg->filter_met)
    sg->filter_met = NEW_ARRAY(sg->arena, bool, filter->length + 1);
  for (size_t i = 0; i < filter->length; i++) {
    PrintOptions one = {.filter = filter->data + i, .filter_count = 1};
    if (!sg->filter_met[i])
      sg->filter_met[i] = program_selected(program, &one) > 0;
  }
}

sg_status context_check_filters(sg_context *sg) {
  const TextList *filter = &sg->option.filter;
  for (size_t i = 0; i < filter->length; i++) {
    if (sg->filter_met && sg->filter_met[i])
      continue;
    context_no_match(sg, filter->data[i], "in what the passes print");
    return SG_USAGE;
  }
  return SG_OK;
}
