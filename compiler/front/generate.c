/* `generate name { .. }`: a tokenizer and a sampler round entries that give
 * logits.
 *
 * In: the settings, after all entries were elaborated. Out: a Generate of the
 * program. What the runtime will feed the entries is checked here against
 * their graphs: positions and tokens as i32, logits [V] out.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- entries ------------------------------------------------------------ */

/* What an entry of each role takes: `first` is the size of its tokens' second
 * axis, 0 for any; `scalars` numbers follow. */
typedef struct {
  const char *word, *takes;
  int64_t first;
  size_t scalars;
} Role;

static const Role role_table[] = {
    {"window", "(ids: i32[1, T], last: i32)", 0, 1},
    {"prefill", "(ids: i32[1, CHUNK], pos: i32, last: i32)", 0, 2},
    {"decode", "(ids: i32[1, 1], pos: i32)", 1, 1},
};
enum { ROLES = sizeof role_table / sizeof *role_table };

static const Type *input_type(const Graph *graph, size_t i) {
  return graph_node(graph, graph->input.data[i].value)->type;
}

static bool takes_role(const Graph *graph, const Role *role) {
  if (graph->kind != ENTRY_PLAIN || graph->input.length != role->scalars + 1)
    return false;
  const Type *ids = input_type(graph, 0);
  bool fits = ids->format == FORMAT_I32 && ids->rank == 2 && ids->dim[0] == 1 &&
              (role->first == 0 || ids->dim[1] == role->first);
  for (size_t i = 1; i <= role->scalars; i++)
    fits &= input_type(graph, i)->format == FORMAT_I32 &&
            input_type(graph, i)->rank == 0;
  return fits;
}

/* The number of logits, or -1: one result [V] of real numbers. */
static int64_t logit_count(const Graph *graph) {
  if (graph->result.length != 1)
    return -1;
  const Type *type = graph_node(graph, graph->result.data[0].value)->type;
  return type->rank == 1 && type_is_real(type) ? type->dim[0] : -1;
}

static const char *fail_entry(Elaborator *e, const Arg *arg, const Role *role,
                              const char *message) {
  Diagnostic error = error_begin(e, arg->value->span, "E0734", "%s", message);
  error_note(e, &error,
             "`%s` is an entry %s -> [V], whose result are the logits",
             role->word, role->takes);
  error_send(e, &error);
  return NULL;
}

/* The entry must be compiled, too. */
static const char *generate_entry(Elaborator *e, const Arg *arg,
                                  const Role *role, int64_t *logits) {
  const Expr *expr = arg->value;
  if (expr->kind != EXPR_NAME)
    return fail_entry(e, arg, role, "an entry is given by its name");
  const Graph *graph = program_graph(e->program, expr->text);
  if (!graph) {
    Candidates candidates = {0};
    for (size_t i = 0; i < e->program->graph.length; i++)
      vec_push(&candidates, e->program->graph.data[i]->name);
    const char *near = did_you_mean(e, expr->text, &candidates);
    return fail_entry(e, arg, role,
                      text_printf(e, "there is no entry `%s`%s%s", expr->text,
                                  near ? "; " : "", near ? near : ""));
  }
  int64_t count = logit_count(graph);
  if (!takes_role(graph, role) || count < 0)
    return fail_entry(e, arg, role,
                      text_printf(e, "entry `%s` cannot serve as `%s`",
                                  expr->text, role->word));
  if (*logits && *logits != count)
    return fail_entry(
        e, arg, role,
        text_printf(e, "entry `%s` gives %" PRId64 " logits, another %" PRId64,
                    expr->text, count, *logits));
  *logits = count;
  return graph->name;
}

/* ---- tokenizer and sampler ---------------------------------------------- */

static bool generate_tokenizer(Elaborator *e, const Expr *expr, Generate *out) {
  bool call = expr->kind == EXPR_CALL && expr->left->kind == EXPR_NAME &&
              strcmp(expr->left->text, "bpe") == 0 && expr->args &&
              !expr->args->next && !expr->args->name;
  Value file = call ? eval(e, expr->args->value) : value_poison();
  if (call && value_is_poison(file))
    return false;
  if (!call || file.kind != VALUE_STRING) {
    Diagnostic error =
        error_begin(e, expr->span, "E0735", "this is no tokenizer");
    error_hint(e, &error, "`bpe(\"tokenizer.json\")`");
    error_send(e, &error);
    return false;
  }
  out->tokenizer = "bpe";
  out->file = intern(e->interner, file.as.text);
  return true;
}

static bool sampler_number(Elaborator *e, const Arg *arg, const char *what,
                           double least, double most, double *out) {
  Value value = eval(e, arg->value);
  if (value_is_poison(value))
    return false;
  if (value_is_number(value) && value_number(value) > least &&
      value_number(value) <= most) {
    *out = value_number(value);
    return true;
  }
  if (isinf(most))
    fail(e, arg->value->span, "E0735", "%s is a number above %g, not %s", what,
         least, value_describe(e, value));
  else
    fail(e, arg->value->span, "E0735", "%s is a number above %g, up to %g",
         what, least, most);
  return false;
}

static bool sampler_arguments(Elaborator *e, const Expr *expr, Generate *out) {
  bool given = false;
  for (const Arg *arg = expr->args; arg; arg = arg->next) {
    if (arg->name && strcmp(arg->name, "temperature") == 0) {
      if (!sampler_number(e, arg, "the temperature", 0, INFINITY,
                          &out->temperature))
        return false;
      continue;
    }
    bool top_p = out->sample == SAMPLE_TOP_P;
    if (arg->name || given || out->sample == SAMPLE_GREEDY) {
      fail(e, arg->name ? arg->name_span : arg->value->span, "E0735",
           "`%s` takes no such argument", sample_name(out->sample));
      return false;
    }
    given = true;
    if (!sampler_number(e, arg, top_p ? "`top_p`" : "`top_k`", 0,
                        top_p ? 1 : INFINITY, &out->amount))
      return false;
    if (!top_p && out->amount != floor(out->amount)) {
      fail(e, arg->value->span, "E0735", "`top_k` takes a whole number");
      return false;
    }
  }
  if (!given && out->sample != SAMPLE_GREEDY)
    fail(e, expr->span, "E0735", "`%s` needs a number",
         sample_name(out->sample));
  return given || out->sample == SAMPLE_GREEDY;
}

static bool generate_sampler(Elaborator *e, const Expr *expr, Generate *out) {
  const Expr *head = expr->kind == EXPR_CALL ? expr->left : expr;
  int found = -1;
  for (int i = SAMPLE_GREEDY; head->kind == EXPR_NAME && i <= SAMPLE_TOP_P; i++)
    if (strcmp(sample_name((SampleKind)i), head->text) == 0)
      found = i;
  if (found < 0) {
    Diagnostic error =
        error_begin(e, expr->span, "E0735", "this is no way to sample");
    error_note(e, &error,
               "there are `greedy`, `top_k(40, temperature = 0.8)` and "
               "`top_p(0.9, temperature = 0.8)`");
    error_send(e, &error);
    return false;
  }
  out->sample = (SampleKind)found;
  return expr->kind == EXPR_CALL
             ? sampler_arguments(e, expr, out)
             : sampler_arguments(e, &(Expr){.span = expr->span}, out);
}

/* ---- the whole ---------------------------------------------------------- */

static bool fail_setting(Elaborator *e, const Arg *arg) {
  static const char *const word[] = {"tokenizer", "sample", "window", "prefill",
                                     "decode"};
  Candidates candidates = {0};
  for (size_t i = 0; i < sizeof word / sizeof *word; i++)
    vec_push(&candidates, word[i]);
  Diagnostic error = error_begin(e, arg->name_span, "E0733",
                                 "`generate` has no setting `%s`", arg->name);
  const char *near = did_you_mean(e, arg->name, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_note(e, &error,
             "settings: tokenizer, sample; window, or prefill and "
             "decode");
  error_send(e, &error);
  return false;
}

static bool generate_setting(Elaborator *e, const Arg *arg, Generate *out,
                             int64_t *logits) {
  if (strcmp(arg->name, "tokenizer") == 0)
    return generate_tokenizer(e, arg->value, out);
  if (strcmp(arg->name, "sample") == 0)
    return generate_sampler(e, arg->value, out);
  const char **slot[] = {&out->window, &out->prefill, &out->decode};
  for (int i = 0; i < ROLES; i++)
    if (strcmp(arg->name, role_table[i].word) == 0) {
      *slot[i] = generate_entry(e, arg, &role_table[i], logits);
      return *slot[i] != NULL;
    }
  return fail_setting(e, arg);
}

static bool given_twice(Elaborator *e, const Item *item, const Arg *arg) {
  for (const Arg *other = item->args; other != arg; other = other->next)
    if (strcmp(other->name, arg->name) == 0) {
      fail(e, arg->name_span, "E0733", "`%s` is given twice", arg->name);
      return true;
    }
  return false;
}

/* Exactly one way to feed the model. */
static bool check_generate(Elaborator *e, const Item *item,
                           const Generate *generate) {
  bool cached = generate->prefill && generate->decode;
  bool half = !generate->prefill != !generate->decode;
  if (generate->tokenizer && !half && cached != (generate->window != NULL))
    return true;
  Diagnostic error =
      error_begin(e, item->name_span, "E0733",
                  !generate->tokenizer ? "generate %s has no tokenizer"
                  : half   ? "generate %s needs both `prefill` and `decode`"
                  : cached ? "generate %s has `window` and `prefill`, `decode`"
                           : "generate %s has no entry that gives logits",
                  item->name);
  error_note(e, &error,
             "settings: tokenizer, sample; window, or prefill and "
             "decode");
  error_send(e, &error);
  return false;
}

void generate_elaborate(Elaborator *e, FileScope *file, const Item *item) {
  Frame frame = {.file = file};
  Generate generate = {.name = item->name,
                       .sample = SAMPLE_GREEDY,
                       .amount = 1,
                       .temperature = 1,
                       .span = item->name_span};
  int64_t logits = 0;
  bool fine = true;
  frame_push(e, &frame);
  for (const Arg *arg = item->args; arg; arg = arg->next)
    fine = !given_twice(e, item, arg) &&
           generate_setting(e, arg, &generate, &logits) && fine;
  fine = fine && check_generate(e, item, &generate);
  frame_pop(e);
  if (fine)
    vec_push(&e->program->generate, generate);
}
