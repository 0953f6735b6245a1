/* Entries: train, eval and entry become graphs.
 *
 * In: the items of the main file. Out: one Graph each, with inputs, results,
 * run settings, stores of written states and, in train, `minimize` pending for
 * autodiff. A graph is checked to the end even after an error in another.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <string.h>

/* ---- parameters --------------------------------------------------------- */

/* batch: digits[B] of train and eval. */
static Value batch_formal(Elaborator *e, const Item *item,
                          const Formal *formal) {
  const TypeExpr *type = formal->type;
  Builder *builder = e->builder;
  if (type->kind != TYPE_NAMED ||
      format_named(path_text(e, &type->path),
                   strlen(path_text(e, &type->path))) != FORMAT_NONE)
    return fail(e, type->span, "E0706",
                "a parameter of %s is a batch of a dataset: `%s: DATASET[B]`",
                item_kind_name(item->kind), formal->name);
  const Symbol *symbol = path_resolve(e, e->frame->file, &type->path,
                                      1u << ITEM_DATASET, "dataset");
  int dataset = symbol ? dataset_index(e, symbol) : -1;
  if (dataset < 0)
    return value_poison();
  const Dim *dim = type->dims;
  if (!dim || dim->next || dim->kind != DIM_EXPR)
    return fail(e, type->span, "E0725", "a batch has one size: `%s[B]`",
                symbol->name);
  Value size = eval(e, dim->value);
  if (value_is_poison(size))
    return size;
  if (size.kind != VALUE_INT || size.as.integer < 1)
    return fail(e, dim->span, "E0725",
                "a batch has a whole number of at least 1 examples, not %s",
                value_describe(e, size));
  if (!builder->graph->run.batch) /* what is timed and named by: the first */
    builder->graph->run.batch = size.as.integer;
  return dataset_batch(e, dataset, formal->name, size.as.integer, size.origin,
                       formal->span);
}

/* What every element is where the caller gives nothing: `scale: real = 1.0`.
 * False after a message. */
static bool default_value(Elaborator *e, const Formal *formal, const Type *type,
                          double *out) {
  Value value = eval(e, formal->value);
  if (value_is_poison(value))
    return false;
  bool real = type_is_real(type), truth = type->format == FORMAT_BOOL;
  bool kind = truth  ? value.kind == VALUE_BOOL
              : real ? value_is_number(value)
                     : value.kind == VALUE_INT;
  *out = truth && kind ? value.as.truth : kind ? value_number(value) : 0;
  if (kind && format_holds(type->format, *out))
    return true;
  const char *what =
      text_printf(e, "`%s` is %s", formal->name, type_text(e, type));
  if (kind)
    fail(e, formal->value->span, "E0742", "%s and cannot be %s", what,
         value_text(e, value));
  else
    fail(e, formal->value->span, "E0742",
         "%s: its default is %s known at compile time, not %s", what,
         truth  ? "true or false"
         : real ? "a number"
                : "a whole number",
         value_describe(e, value));
  return false;
}

/* `n: int`: what an entry takes is known at run time. */
static Value fail_compile_time_formal(Elaborator *e, const Formal *formal) {
  Diagnostic error = error_begin(e, formal->type->span, "E0417",
                                 "`int` is no type of a tensor");
  error_hint(e, &error,
             "`%s: i32`, known at run time; a number known at "
             "compile time is a `const`",
             formal->name);
  return error_send(e, &error);
}

/* image: u8[1, 28, 28] of an entry. */
static Value tensor_formal(Elaborator *e, const Formal *formal) {
  bool pinned;
  const char *const *label;
  if (type_is_word(formal->type, "int"))
    return fail_compile_time_formal(e, formal);
  const Type *type = type_resolve(e, formal->type, &pinned, &label);
  Graph *graph = e->builder->graph;
  if (!type)
    return value_poison();
  Input input = {.name = formal->name,
                 .source = SOURCE_ARGUMENT,
                 .dataset = -1,
                 .column = -1,
                 .has_default = formal->value != NULL};
  if (formal->value && !default_value(e, formal, type, &input.default_value))
    return value_poison();
  name_claim(e->builder->names, formal->name);
  input.value =
      emit_input(e, formal->name, type, (int)graph->input.length, formal->span);
  vec_push(&graph->input, input);
  return value_tensor(input.value, label);
}

static void fail_batch_default(Elaborator *e, const Item *item,
                               const Formal *formal) {
  fail(e, formal->value->span, "E0742",
       "`%s` is a batch: it has no default, %s %s takes one a step",
       formal->name, item_kind_name(item->kind), item->name);
}

/* Inputs of the graph come in the order of the parameters. */
static bool bind_formals(Elaborator *e, const Item *item) {
  bool fine = true;
  for (const Formal *formal = item->function.formals; formal;
       formal = formal->next) {
    fine = fine && !scope_find(&e->frame->locals, formal->name);
    if (formal->value && item->kind != ITEM_ENTRY)
      fail_batch_default(e, item, formal);
    Value value = item->kind == ITEM_ENTRY ? tensor_formal(e, formal)
                                           : batch_formal(e, item, formal);
    scope_set(e, &e->frame->locals, formal->name, value, formal->span);
    fine = fine && !value_is_poison(value);
  }
  return fine;
}

/* "train fit(batch: digits[128])" for the trace. */
static const char *entry_text(Elaborator *e, const Item *item) {
  Buffer out = {0};
  buffer_printf(&out, "%s %s(", item_kind_name(item->kind),
                e->builder->graph->name);
  for (const Formal *f = item->function.formals; f; f = f->next) {
    const Variable *variable = scope_find(&e->frame->locals, f->name);
    Value value = variable ? variable->value : value_poison();
    buffer_printf(&out, "%s%s: ", f == item->function.formals ? "" : ", ",
                  f->name);
    if (value.kind == VALUE_BATCH)
      buffer_printf(&out, "%s[%" PRId64 "]",
                    e->program->dataset.data[value.as.batch.dataset].name,
                    value.as.batch.size);
    else
      buffer_text(&out, value_describe(e, value));
  }
  buffer_char(&out, ')');
  return buffer_take(e, &out);
}

/* ---- results ------------------------------------------------------------ */

/* Names of results are unique: they head columns of a log. */
void result_add(Elaborator *e, const char *name, Value value, Span span) {
  Graph *graph = e->builder->graph;
  for (size_t i = 0; i < graph->result.length; i++)
    if (strcmp(graph->result.data[i].name, name) == 0) {
      fail(e, span, "E0716", "`%s` is reported twice", name);
      return;
    }
  vec_push(&graph->result,
           (Result){intern(e->interner, name), value.as.tensor.id});
}

/* Results are values of the run, or parameters as they are; not numbers known
 * now. */
static bool is_result(Elaborator *e, Value value, Span span, const char *what) {
  if (value_is_poison(value))
    return false;
  if (value_is_number(value)) {
    fail(e, span, "E0718", "%s is known at compile time: %s", what,
         value_text(e, value));
    return false;
  }
  if (value.kind != VALUE_TENSOR) {
    fail(e, span, "E0718", "%s is %s, not a tensor", what,
         value_describe(e, value));
    return false;
  }
  if (graph_node(e->builder->graph, value.as.tensor.id)->op != OP_CONST)
    return true;
  fail(e, span, "E0718", "%s is a number known at compile time", what);
  return false;
}

/* A bare name reports what it names; an expression needs a name, which is
 * also that of its value. */
static void report_one(Elaborator *e, const Arg *arg) {
  const Expr *expr = arg->value;
  const char *name = arg->name                 ? arg->name
                     : expr->kind == EXPR_NAME ? expr->text
                                               : NULL;
  if (!name) {
    Diagnostic error = error_begin(e, expr->span, "E0717",
                                   "a reported expression needs a name");
    error_hint(e, &error, "`report NAME = %s`", expr_text(e, expr));
    error_send(e, &error);
    return;
  }
  Binding binding;
  Value value;
  if (arg->name) {
    binding_begin(e, &binding, name);
    value = eval(e, expr);
    binding_end(e, &binding, value);
  } else {
    value = eval(e, expr);
  }
  e->builder->failed |= value_is_poison(value);
  if (!is_result(e, value, expr->span, text_printf(e, "`%s`", name)))
    return;
  const Type *type = value_type(e, value);
  if (type->rank != 0 || !format_is_real(type->format)) {
    fail(e, expr->span, "E0703", "`report` shows one real number, `%s` is %s",
         name, value_describe_sizes(e, value));
    return;
  }
  result_add(e, name, value, arg->name ? arg->name_span : expr->span);
}

/* In the body of the entry itself: a function has no reader. */
void report_statement(Elaborator *e, const Stmt *stmt) {
  if (!e->builder || e->frame->caller ||
      e->builder->graph->kind == ENTRY_PLAIN) {
    fail(e, stmt->span, "E0719", "`report` belongs in train or eval");
    return;
  }
  for (const Arg *arg = stmt->args; arg; arg = arg->next)
    report_one(e, arg);
}

/* Checked like the result of a function; clean: nothing in the body failed. */
static void entry_results(Elaborator *e, const Item *item, bool clean) {
  Frame *frame = e->frame;
  Value value = frame->result;
  if (value.kind == VALUE_NOTHING) {
    if (clean)
      fail(e, item->name_span, "E0405", "entry %s returns nothing", item->name);
    return;
  }
  MatchRole role = {.span = frame->result_span,
                    .taker = text_printf(e, "entry %s", item->name),
                    .verb = "is declared",
                    .got = "returns",
                    .code = "E0303"};
  if (value_is_poison(value) ||
      (item->function.result &&
       !type_match(e, item->function.result, &value, &role)))
    return;
  if (value.kind != VALUE_LIST) {
    if (is_result(e, value, frame->result_span, "this result"))
      result_add(e, "out", value, frame->result_span);
    return;
  }
  for (size_t i = 0; i < value.as.list.count; i++)
    if (is_result(e, value.as.list.item[i], frame->result_span, "this result"))
      result_add(e, text_printf(e, "out%zu", i), value.as.list.item[i],
                 frame->result_span);
}

/* ---- one graph ---------------------------------------------------------- */

/* A result is a value `out`, the parts of one are out0, out1, ...; a name that
 * the source has for it stays. */
Value entry_output(Elaborator *e, const Expr *expr, const char *name) {
  if (expr->kind == EXPR_NAME)
    return eval(e, expr);
  Binding binding;
  binding_begin(e, &binding, name);
  Value value = eval(e, expr);
  bool list = value.kind == VALUE_LIST;
  binding_end(e, &binding, list ? value_poison() : value);
  for (size_t i = 0; list && i < value.as.list.count; i++)
    binding_also(e, &binding, text_printf(e, "%s%zu", name, i),
                 value.as.list.item[i]);
  return value;
}

static void run_entry_body(Elaborator *e, const Item *item) {
  const Body *body = &item->function.body;
  if (!body->is_expr) {
    run_statements(e, body->block);
    return;
  }
  e->frame->result = entry_output(e, body->value, "out");
  e->frame->result_span = body->value->span;
  place_note(e, body->value, e->frame->result);
}

static void check_train(Elaborator *e, const Item *item) {
  if (!e->builder->minimize)
    fail(e, item->name_span, "E0702", "train %s minimizes nothing", item->name);
}

/* An eval without a batch or a report would run for nothing. */
static void check_eval(Elaborator *e, const Item *item) {
  if (e->builder->graph->result.length == 0 &&
      e->frame->result.kind == VALUE_NOTHING)
    fail(e, item->name_span, "E0723", "eval %s reports nothing", item->name);
  if (!e->builder->graph->run.batch)
    fail(e, item->name_span, "E0726", "eval %s needs a batch of a dataset",
         item->name);
}

/* Order matters: results first, then the update, then the stores. */
static void finish_entry(Elaborator *e, const Item *item, unsigned failures) {
  bool clean = e->failures == failures && !e->builder->failed;
  if (item->kind == ITEM_TRAIN && clean)
    check_train(e, item);
  if (item->kind == ITEM_TRAIN)
    minimize_finish(e);
  gradients_finish(e);
  if (item->kind == ITEM_EVAL && clean)
    check_eval(e, item);
  if (item->kind == ITEM_ENTRY)
    entry_results(e, item, clean);
  else if (e->frame->result.kind != VALUE_NOTHING &&
           !value_is_poison(e->frame->result))
    fail(e, e->frame->result_span, "E0724", "%s has no results; `report` them",
         item_kind_name(item->kind));
  states_store(e);
}

static void keep_aliases(Elaborator *e) {
  const AliasTable *aliases = &e->builder->alias;
  AliasTable *kept = program_alias(e->program, e->builder->graph->name);
  for (size_t i = 0; i < aliases->list.length; i++)
    alias_put(kept, aliases->list.data[i].name, aliases->list.data[i].value);
}

/* Names are final now. */
static void keep_places(Elaborator *e) {
  const Graph *graph = e->builder->graph;
  for (size_t i = 0; i < e->builder->place.length; i++) {
    Placed placed = e->builder->place.data[i];
    ValuePlace place = {placed.span, graph->name,
                        placed.value < graph->count
                            ? graph_node(graph, placed.value)->name
                            : NULL};
    if (placed.value && place.value)
      vec_push(&e->program->place, place);
  }
}

static EntryKind entry_kind(const Item *item) {
  return item->kind == ITEM_TRAIN  ? ENTRY_TRAIN
         : item->kind == ITEM_EVAL ? ENTRY_EVAL
                                   : ENTRY_PLAIN;
}

/* The graph joins the program even after an error: later checks look for it
 * by name. `size`: what the entry's size is in this graph, or NULL. */
static void entry_elaborate(Elaborator *e, FileScope *file, const Item *item,
                            const int64_t *size, const Item *train) {
  Builder builder = {.phase = PHASE_FORWARD};
  Frame frame = {.file = file, .function = item};
  unsigned failures = e->failures;
  builder.graph =
      graph_new(e->arena, entry_kind(item), entry_name(e, item, size));
  builder.graph->span = item->name_span;
  builder.names = name_table_new(e->scratch, e->interner, NULL);
  builder.regions = name_table_new(e->scratch, e->interner, NULL);
  e->builder = &builder;
  frame_push(e, &frame);
  frame.what =
      text_printf(e, "%s %s", item_kind_name(item->kind), builder.graph->name);
  if (size) {
    Value value = value_int(*size);
    value.origin = item->sizes->name;
    scope_set(e, &frame.locals, item->sizes->name, value, item->sizes->span);
  }
  run_settings(e, file, item, &builder.graph->run);
  builder.graph->recipe = recipe_of_entry(e, file, item, train);
  if (bind_formals(e, item)) {
    frame.what = entry_text(e, item);
    run_entry_body(e, item);
    finish_entry(e, item, failures);
  }
  frame_pop(e);
  gradients_sort(e);
  keep_aliases(e);
  keep_places(e);
  builder_free(&builder);
  e->builder = NULL;
  vec_push(&e->program->graph, builder.graph);
}

/* ---- the main file ------------------------------------------------------ */

/* The one train, whose recipe the other entries inherit. */
static const Item *find_train(Elaborator *e, const FileScope *file) {
  const Item *train = NULL;
  for (const Item *item = file->ast->items; item; item = item->next) {
    if (item->kind != ITEM_TRAIN)
      continue;
    if (train) {
      Diagnostic error =
          error_begin(e, item->name_span, "E0704", "a program has one train");
      error_label(e, &error, train->name_span, "the first is here");
      error_send(e, &error);
    } else {
      train = item;
    }
  }
  return train;
}

/* Models and datasets are made even if nothing uses them: they are checked,
 * and a checkpoint holds all parameters. */
static void define_declarations(Elaborator *e, const FileScope *file) {
  for (const Item *item = file->ast->items; item; item = item->next) {
    const Entry *entry = item->name ? file_find(file, item->name) : NULL;
    if (entry && entry->symbol->item != item)
      continue;
    if (item->kind == ITEM_MODEL)
      model_value(e, entry->symbol);
    else if (item->kind == ITEM_DATASET)
      dataset_index(e, entry->symbol);
  }
}

/* Generation feeds entries of the executable; where only some are compiled, a
 * generate of others is left out. */
static bool generate_selected(const Elaborator *e, const Item *item) {
  if (e->options->entry_count == 0)
    return true;
  for (const Arg *arg = item->args; arg; arg = arg->next) {
    bool entry =
        arg->value->kind == EXPR_NAME && strcmp(arg->name, "sample") != 0;
    if (entry && !program_graph(e->program, arg->value->text))
      return false;
  }
  return true;
}

/* They name parameters and entries, so they come when those are known. */
static void define_uses(Elaborator *e, FileScope *file) {
  weight_file_check_used(e, file);
  for (const Item *item = file->ast->items; item; item = item->next) {
    const Entry *entry = item->name ? file_find(file, item->name) : NULL;
    if (item->kind == ITEM_WEIGHTS)
      weights_elaborate(e, file, item);
    else if (item->kind == ITEM_GENERATE && entry->symbol->item == item &&
             generate_selected(e, item))
      generate_elaborate(e, file, item);
  }
}

/* A train that evaluates needs the eval in the same executable. */
static void check_eval_selected(Elaborator *e) {
  for (size_t i = 0; i < e->program->graph.length; i++) {
    const Graph *graph = e->program->graph.data[i];
    if (graph->run.eval_entry &&
        !program_graph(e->program, graph->run.eval_entry))
      fail(e, graph->span, "E0727",
           "%s evaluates %s every %" PRId64 " steps: add --entry=%s",
           graph->name, graph->run.eval_entry, graph->run.eval_every,
           graph->run.eval_entry);
  }
}

/* One graph of an entry, if it is wanted. */
static void size_elaborate(Elaborator *e, FileScope *file, const Item *item,
                           const int64_t *size, const Item *train) {
  if (e->stopped)
    return;
  if (!entry_is_selected(e, entry_name(e, item, size))) {
    e->program->part = true;
    return;
  }
  int64_t most = limit_of(e, LIMIT_entries);
  if ((int64_t)e->program->graph.length < most) {
    entry_elaborate(e, file, item, size, train);
    return;
  }
  fail_limit(e, item->name_span, LIMIT_entries, "more than %" PRId64 " entries",
             most);
  e->stopped = true;
}

/* One graph for each size, all with the same parameters and states. */
static void item_elaborate(Elaborator *e, FileScope *file, const Item *item,
                           const Item *train) {
  int64_t *size;
  size_t count = entry_sizes(e, file, item, &size);
  if (!item->sizes)
    size_elaborate(e, file, item, NULL, train);
  for (size_t i = 0; i < count; i++)
    size_elaborate(e, file, item, &size[i], train);
}

/* Only the main file has entries; an imported file lends its definitions. */
void entries_elaborate(Elaborator *e, FileScope *file) {
  define_declarations(e, file);
  recipes_check(e, file);
  const Item *train = find_train(e, file);
  selection_check(e, file);
  for (const Item *item = file->ast->items; item && !e->stopped;
       item = item->next) {
    const Entry *entry = item->name ? file_find(file, item->name) : NULL;
    if (item_is_entry(item) && entry->symbol->item == item)
      item_elaborate(e, file, item, train);
  }
  check_eval_selected(e);
  if (e->failures == 0)
    define_uses(e, file);
}
