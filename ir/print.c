/* Programs as .sgir text: everything around the graphs.
 *
 * The text is unique: equal programs print equal text, and reading it back
 * and printing gives it again (ir.md, sections 1 and 8).
 */
#include "ir/print.h"

#include <inttypes.h>
#include <string.h>

void value_type_print(Buffer *out, const Graph *graph, const Type *type,
                      Scale scale) {
  type_print(out, type);
  if (scale.kind == SCALE_NONE)
    return;
  buffer_text(out, " * ");
  value_scale_print(out, graph, type, scale);
}

void value_scale_print(Buffer *out, const Graph *graph, const Type *type,
                       Scale scale) {
  scale_print(out, graph, scale);
  granularity_print(out, scale.granularity, type);
}

/* Built-in files matter to locations alone. */
static void print_header(Buffer *out, const Program *program,
                         const PrintOptions *options) {
  if (print_is_excerpt(options))
    buffer_printf(out, "# an excerpt, which does not read back%s\n",
                  options->fold ? "; a line of the first element of an array "
                                  "stands for all\n# its elements unless a "
                                  "note below it says otherwise:"
                                : "");
  if (options->fold)
    fold_arrays_print(out, program);
  if (print_is_excerpt(options))
    buffer_text(out, "# ");
  buffer_printf(out, "sgir %d %s\n", SGIR_VERSION, level_name(program->level));
  buffer_text(out, "program ");
  buffer_quoted(out, program->name, strlen(program->name));
  buffer_char(out, '\n');
  for (uint32_t i = 1; program->sources && i <= program->sources->files.length;
       i++) {
    const Source *source = sources_get(program->sources, i);
    if (i == program->text || (source->builtin && !options->locations))
      continue;
    buffer_printf(out, "source %d ", print_source_number(program, i));
    buffer_quoted(out, source->name, strlen(source->name));
    buffer_text(out, source->builtin ? " builtin\n" : "\n");
  }
}

/* `windows("tokens.bin", length = 1025, stride = 1024)`. */
static void print_source(Buffer *out, const Column *column) {
  bool optional;
  int texts = source_texts(column->source);
  const char *separator = "";
  buffer_printf(out, "%s(", source_info(column->source)->word);
  for (int i = 0; i < texts; i++, separator = ", ") {
    buffer_text(out, separator);
    buffer_quoted(out, column->text[i], strlen(column->text[i]));
  }
  for (int i = 0; i < source_numbers(column->source); i++) {
    const char *name = source_argument(column->source, texts + i, &optional);
    if (optional && column->number[i] == 0)
      continue;
    buffer_printf(out, "%s%s = %" PRId64, separator, name, column->number[i]);
    separator = ", ";
  }
  buffer_char(out, ')');
}

/* Columns are aligned within their dataset. */
static void print_dataset(Buffer *out, const Dataset *dataset) {
  Lines lines = {0};
  buffer_printf(out, "\ndataset %s {\n", dataset->name);
  for (size_t i = 0; i < dataset->column.length; i++) {
    const Column *column = &dataset->column.data[i];
    lines_begin(&lines, 0, 2);
    buffer_text(&lines.text, column->name);
    lines_type(&lines);
    type_print(&lines.text, column->type);
    lines_scale(&lines);
    lines_body(&lines);
    print_source(&lines.text, column);
    lines_end(&lines);
  }
  lines_flush(&lines, out);
  buffer_text(out, "}\n");
}

/* One rule a line; `own` marks rules whose paths must match something. */
static void print_rule(Buffer *out, const Rule *rule) {
  buffer_text(out, rule->own ? "  own " : "  ");
  for (size_t i = 0; i < rule->selector.length; i++) {
    if (i > 0)
      buffer_text(out, ", ");
    selector_print(out, &rule->selector.data[i]);
  }
  buffer_text(out, " : ");
  settings_print(out, &rule->settings);
  buffer_char(out, '\n');
}

static void print_recipe(Buffer *out, const Recipe *recipe) {
  buffer_printf(out, "\nrecipe %s {\n", recipe->name);
  for (size_t i = 0; i < recipe->rule.length; i++)
    print_rule(out, &recipe->rule.data[i]);
  buffer_text(out, "}\n");
}

/* The initialiser with as many numbers as it takes. */
static void print_init(Buffer *out, Init init) {
  buffer_text(out, init_name(init.kind));
  int count = init_arguments(init.kind);
  if (count == 0)
    return;
  buffer_char(out, '(');
  buffer_float(out, init.a);
  if (count > 1) {
    buffer_text(out, ", ");
    buffer_float(out, init.b);
  }
  buffer_char(out, ')');
}

static void print_parameter(Lines *lines, const Parameter *param) {
  lines_begin(lines, 0, 0)->role = LINE_OP;
  buffer_printf(&lines->text, "%s @%s",
                param->measured ? "exponent"
                : param->state  ? "state"
                                : "param",
                param->name);
  lines_type(lines);
  type_print(&lines->text, param->type);
  lines_scale(lines);
  if (param->exponent)
    buffer_printf(&lines->text, "2^@%s", param->exponent);
  else
    value_scale_print(&lines->text, NULL, param->type, param->scale);
  lines_body(lines);
  print_init(&lines->text, param->init);
  if (param->pinned)
    buffer_text(&lines->text, ", pinned");
  if (param->round != ROUND_NEAREST)
    buffer_printf(&lines->text, ", round = %s", rounding_name(param->round));
  lines_end(lines);
}

/* Parameters and states in the order of declaration, which a checkpoint keeps.
 */
void parameter_lines(Lines *lines, const Program *program,
                     const PrintOptions *options) {
  for (size_t i = 0; i < program->param.length; i++) {
    int selected = param_selected(program, (int)i, options);
    if (!selected)
      continue;
    print_parameter(lines, &program->param.data[i]);
    lines->line.data[lines->line.length - 1].comment = selected < 0;
  }
}

static void print_parameters(Buffer *out, const Program *program,
                             const PrintOptions *options) {
  Lines lines = {0};
  parameter_lines(&lines, program, options);
  if (lines.line.length > 0)
    buffer_char(out, '\n');
  if (options->fold)
    lines_fold(&lines, program);
  lines_flush(&lines, out);
}

/* One line a parameter, in the order of the map. */
static void print_weights(Buffer *out, const Program *program,
                          const Weights *weights) {
  buffer_printf(out, "\nweights %s from ", weights->model);
  buffer_quoted(out, weights->file, strlen(weights->file));
  buffer_text(out, " {\n");
  for (size_t i = 0; i < weights->tensor.length; i++) {
    const WeightTensor *tensor = &weights->tensor.data[i];
    buffer_text(out, "  ");
    buffer_quoted(out, tensor->tensor, strlen(tensor->tensor));
    buffer_printf(out, " -> @%s%s\n", program->param.data[tensor->param].name,
                  tensor->transpose ? ", transpose" : "");
  }
  buffer_text(out, "}\n");
}

static void print_entry_name(Buffer *out, const char *what, const char *name) {
  if (name)
    buffer_printf(out, "  %s = @%s\n", what, name);
}

static void print_generate(Buffer *out, const Generate *generate) {
  buffer_printf(out, "\ngenerate %s {\n  tokenizer = %s(", generate->name,
                generate->tokenizer);
  buffer_quoted(out, generate->file, strlen(generate->file));
  buffer_text(out, ")\n");
  print_entry_name(out, "window", generate->window);
  print_entry_name(out, "prefill", generate->prefill);
  print_entry_name(out, "decode", generate->decode);
  buffer_printf(out, "  sample = %s(", sample_name(generate->sample));
  if (generate->sample != SAMPLE_GREEDY) {
    if (generate->sample == SAMPLE_TOP_K)
      buffer_printf(out, "%.0f", generate->amount);
    else
      buffer_float(out, generate->amount);
    buffer_text(out, ", temperature = ");
    buffer_float(out, generate->temperature);
  }
  buffer_text(out, ")\n}\n");
}

/* With one graph there is no need to say whose they are. */
static void print_graph_aliases(Lines *lines, const Program *program,
                                const char *graph) {
  const AliasTable *table = program_alias_of(program, graph);
  for (size_t i = 0; table && i < table->list.length; i++) {
    const Alias *alias = &table->list.data[i];
    lines_begin_plain(lines, 0);
    buffer_printf(&lines->text, "alias %%%s = %%%s", alias->name, alias->value);
    if (graph && program->graph.length > 1)
      buffer_printf(&lines->text, " in @%s", graph);
    lines_end(lines);
  }
}

static void print_aliases(Buffer *out, const Program *program,
                          const PrintOptions *options) {
  Lines lines = {0};
  print_graph_aliases(&lines, program, NULL);
  for (size_t i = 0; i < program->graph.length; i++)
    print_graph_aliases(&lines, program, program->graph.data[i]->name);
  if (lines.text.length > 0)
    buffer_char(out, '\n');
  if (options->fold)
    lines_fold(&lines, program);
  lines_flush(&lines, out);
}

/* ---- entries ------------------------------------------------------------ */

static const char *const entry_word[] = {"entry", "train", "eval"};

/* `%batch.image : u8[128,28,28] = digits.image`; nothing after the type for an
 * argument. */
static void print_input(Buffer *out, const Program *program, const Graph *graph,
                        const Input *input) {
  const Node *node = graph_node(graph, input->value);
  buffer_printf(out, "%%%s : ", input->name);
  value_type_print(out, graph, node->type, node->scale);
  if (input->has_default && type_is_real(node->type)) {
    buffer_text(out, " = ");
    buffer_float(out, input->default_value);
  } else if (input->has_default) {
    buffer_printf(out, " = %" PRId64, (int64_t)input->default_value);
  }
  if (input->source == SOURCE_STEP)
    buffer_text(out, " = step");
  if (input->source == SOURCE_COLUMN) {
    const Dataset *dataset = &program->dataset.data[input->dataset];
    buffer_printf(out, " = %s.%s", dataset->name,
                  dataset->column.data[input->column].name);
  }
}

/* `%loss : real[]`, `loss = %loss~2 : real[]`, `@w : ..`, `lr = 0.1 : ..`. */
static void print_result(Buffer *out, const Graph *graph,
                         const Result *result) {
  const Node *node = graph_node(graph, result->value);
  bool named = node->name && strcmp(node->name, result->name) == 0;
  if (!named) {
    print_word(out, result->name);
    buffer_text(out, " = ");
  }
  if (node->op == OP_CONST && type_is_real(node->type))
    buffer_float(out, node->attr.value);
  else if (node->op == OP_CONST)
    buffer_printf(out, "%" PRId64, (int64_t)node->attr.value);
  else
    buffer_printf(out, "%c%s", node->op == OP_PARAM ? '@' : '%',
                  node->name ? node->name : "?");
  buffer_text(out, " : ");
  value_type_print(out, graph, node->type, node->scale);
}

/* Settings that are 0 were not given. */
static void print_number(Buffer *out, const char **separator, const char *name,
                         int64_t number) {
  if (number == 0)
    return;
  buffer_printf(out, "%s%s = %" PRId64, *separator, name, number);
  *separator = ", ";
}

/* What stands between results and `{`: the recipe, run settings and, once there
 * are any, the number of kernels, which tells a fused graph from an unfused
 * one. */
static void print_settings(Buffer *out, const Graph *graph) {
  const RunSettings *run = &graph->run;
  const char *separator = " ";
  if (graph->recipe) {
    buffer_printf(out, "%srecipe = %s", separator, graph->recipe);
    separator = ", ";
  }
  print_number(out, &separator, "epochs", run->epochs);
  print_number(out, &separator, "steps", run->steps);
  print_number(out, &separator, "log_every", run->log_every);
  print_number(out, &separator, "save_every", run->save_every);
  print_number(out, &separator, "eval_every", run->eval_every);
  if (run->eval_entry) {
    buffer_printf(out, "%seval_entry = %s", separator, run->eval_entry);
    separator = ", ";
  }
  print_number(out, &separator, "seed", run->seed);
  print_number(out, &separator, "batch", run->batch);
  print_number(out, &separator, "accumulate", run->accumulate);
  if (graph->kernel.length > 0)
    buffer_printf(out, "%skernels = %zu", separator, graph->kernel.length - 1);
}

/* Inputs, results and settings of one entry. */
void entry_print_head(Buffer *out, const Program *program, const Graph *graph) {
  buffer_printf(out, "%s @%s(", entry_word[graph->kind], graph->name);
  for (size_t i = 0; i < graph->input.length; i++) {
    buffer_text(out, i > 0 ? ", " : "");
    print_input(out, program, graph, &graph->input.data[i]);
  }
  buffer_char(out, ')');
  for (size_t i = 0; i < graph->result.length; i++) {
    buffer_text(out, i > 0 ? ", " : " -> (");
    print_result(out, graph, &graph->result.data[i]);
  }
  if (graph->result.length > 0)
    buffer_char(out, ')');
  print_settings(out, graph);
}

/* Head, body and closing brace of one entry. */
static void print_entry(Buffer *out, const Program *program, const Graph *graph,
                        const PrintOptions *options) {
  buffer_char(out, '\n');
  entry_print_head(out, program, graph);
  buffer_text(out, " {\n");
  graph_print(out, program, graph, options);
  buffer_text(out, "}\n");
}

void program_print(Buffer *out, const Program *program,
                   const PrintOptions *options) {
  bool whole = options->filter_count == 0 && options->phase == 0;
  print_header(out, program, options);
  for (size_t i = 0; whole && i < program->dataset.length; i++)
    print_dataset(out, &program->dataset.data[i]);
  for (size_t i = 0; whole && i < program->recipe.length; i++)
    print_recipe(out, &program->recipe.data[i]);
  print_parameters(out, program, options);
  for (size_t i = 0; whole && i < program->weights.length; i++)
    print_weights(out, program, &program->weights.data[i]);
  if (whole)
    print_aliases(out, program, options);
  for (size_t i = 0; i < program->graph.length; i++) {
    const Graph *graph = program->graph.data[i];
    if (!options->entry || entry_is_called(graph->name, options->entry))
      print_entry(out, program, graph, options);
  }
  for (size_t i = 0; whole && i < program->generate.length; i++)
    print_generate(out, &program->generate.data[i]);
}
