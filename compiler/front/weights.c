/* `weights model from "file"`: which tensor of a weight file fills which
 * parameter.
 *
 * In: mappings `"layers.{i}.{weight=w,bias=b}" -> layers[i].attn.*`. Out: one
 * WeightTensor for each parameter of the model. The right side is a pattern
 * over the model's parameters; `[i]` captures the number that `{i}` stands for
 * on the left, and `.*` the word that an alternative of `{a=x,b=y}` names. A
 * parameter must be filled exactly once, a mapping must fill at least one.
 * Without mappings the names are equal.
 */
#include "compiler/front/weights.h"

#include <inttypes.h>
#include <string.h>

/* ---- mappings ----------------------------------------------------------- */

typedef struct {
  const char *model;
  Weights *weights;
  Span *filled; /* by parameter: where it was mapped */
} Filling;

static bool read_options(Elaborator *e, const Mapping *mapping,
                         bool *transpose) {
  *transpose = false;
  for (const Arg *arg = mapping->args; arg; arg = arg->next) {
    if (!arg->name || strcmp(arg->name, "transpose") != 0) {
      Diagnostic error =
          error_begin(e, arg->name ? arg->name_span : arg->value->span, "E0612",
                      "a mapping has no such option");
      error_hint(e, &error, "`transpose = true`");
      error_send(e, &error);
      return false;
    }
    if (!eval_condition(e, arg->value, "transpose", transpose))
      return false;
  }
  return true;
}

/* A parameter of the model, by its name below it; NULL for the others. */
static const char *name_below(const Filling *filling, const Parameter *param) {
  size_t length = strlen(filling->model);
  bool below = !param->state &&
               strncmp(param->name, filling->model, length) == 0 &&
               param->name[length] == '.';
  return below ? param->name + length + 1 : NULL;
}

/* "BF16[2048, 768]" */
static const char *file_tensor_text(Elaborator *e, const HeaderTensor *tensor) {
  Buffer out = {0};
  buffer_printf(&out, "%s[", tensor->dtype);
  for (int i = 0; i < tensor->rank; i++)
    buffer_printf(&out, "%s%" PRId64, i ? ", " : "", tensor->dim[i]);
  buffer_char(&out, ']');
  return buffer_take(e, &out);
}

static void fail_twice(Elaborator *e, const Filling *filling,
                       const Mapping *mapping, int param) {
  Diagnostic error =
      error_begin(e, mapping->span, "E0610", "two tensors fill %s",
                  e->program->param.data[param].name);
  error_label(e, &error, filling->filled[param], "the first is mapped here");
  error_send(e, &error);
}

static bool tensor_taken(Elaborator *e, const Filling *filling,
                         const Mapping *mapping, const char *tensor) {
  for (size_t i = 0; i < filling->weights->tensor.length; i++) {
    const WeightTensor *other = &filling->weights->tensor.data[i];
    if (other->tensor != tensor)
      continue;
    fail(e, mapping->span, "E0611", "tensor \"%s\" also fills %s", tensor,
         e->program->param.data[other->param].name);
    return true;
  }
  return false;
}

static bool fill(Elaborator *e, Filling *filling, const Mapping *mapping,
                 const char *tensor, int param, bool transpose) {
  if (filling->filled[param].source) {
    fail_twice(e, filling, mapping, param);
    return false;
  }
  if (tensor_taken(e, filling, mapping, tensor))
    return false;
  const Type *type = e->program->param.data[param].type;
  if (transpose && type->rank != 2) {
    fail(e, mapping->span, "E0612", "%s is %s: only two axes are transposed",
         e->program->param.data[param].name, type_text(e, type));
    return false;
  }
  filling->filled[param] = mapping->span;
  vec_push(&filling->weights->tensor,
           (WeightTensor){tensor, param, transpose, mapping->span});
  return true;
}

static void fail_nothing(Elaborator *e, const Filling *filling,
                         const Mapping *mapping) {
  Candidates candidates = {0};
  for (size_t i = 0; i < e->program->param.length; i++) {
    const char *name = name_below(filling, &e->program->param.data[i]);
    if (name)
      vec_push(&candidates, arena_string(e->scratch, name, strcspn(name, ".")));
  }
  Diagnostic error =
      error_begin(e, mapping->path->span, "E0608",
                  "this fills no parameter of `%s`", filling->model);
  const char *near = did_you_mean(e, mapping->path->word, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_note(e, &error, "names are listed by `--emit=names`");
  error_send(e, &error);
}

static bool apply_mapping(Elaborator *e, Filling *filling,
                          const Mapping *mapping) {
  TensorPattern pattern;
  bool transpose, any = false, fine = true;
  if (!read_options(e, mapping, &transpose) || !weight_path_check(e, mapping) ||
      !tensor_pattern_read(e, mapping, &pattern) ||
      !tensor_pattern_check(e, mapping, &pattern))
    return false;
  for (size_t i = 0; i < e->program->param.length && fine; i++) {
    Captures captures;
    const char *name = name_below(filling, &e->program->param.data[i]);
    if (!name || !weight_path_match(e, mapping->path, name, &captures))
      continue;
    const char *tensor = tensor_pattern_name(e, &pattern, &captures);
    any |= tensor != NULL;
    fine = !tensor || fill(e, filling, mapping, tensor, (int)i, transpose);
  }
  if (fine && !any)
    fail_nothing(e, filling, mapping);
  return fine && any;
}

/* ---- the whole ---------------------------------------------------------- */

/* Equal names: the parameter's own is the tensor's. */
static void fill_equal(Elaborator *e, Filling *filling, Span span) {
  for (size_t i = 0; i < e->program->param.length; i++) {
    const Parameter *param = &e->program->param.data[i];
    if (name_below(filling, param))
      vec_push(&filling->weights->tensor,
               (WeightTensor){param->name, (int)i, false, span});
  }
}

/* The file's tensors that no parameter takes and that have the shape of
 * `type`: how many, and the last of them. */
static size_t unused_of_shape(const Filling *filling, const WeightFile *file,
                              const Type *type, const HeaderTensor **out) {
  size_t count = 0;
  for (size_t i = 0; i < file->count; i++) {
    const HeaderTensor *tensor = &file->tensor[i];
    bool fits = tensor->rank == type->rank;
    for (int k = 0; fits && k < type->rank; k++)
      fits = tensor->dim[k] == type->dim[k];
    for (size_t w = 0; fits && w < filling->weights->tensor.length; w++)
      fits = filling->weights->tensor.data[w].tensor != tensor->name;
    if (fits)
      *out = tensor;
    count += fits;
  }
  return count;
}

/* `"model.norm.weight" -> norm.g`, if the file leaves no doubt. */
static void hint_mapping(Elaborator *e, const Filling *filling,
                         const Parameter *param, Diagnostic *error) {
  const HeaderTensor *tensor = NULL;
  const WeightFile *file = e->options->weight_file;
  if (!file || unused_of_shape(filling, file, param->type, &tensor) != 1) {
    error_hint(e, error, "add a line `\"NAME IN THE FILE\" -> %s`",
               name_below(filling, param));
    return;
  }
  error_note(e, error, "%s has one unused tensor of that shape: \"%s\"  %s",
             file->path, tensor->name, file_tensor_text(e, tensor));
  error_hint(e, error, "add `\"%s\" -> %s`", tensor->name,
             name_below(filling, param));
}

/* Every parameter has a tensor; the first few that have none are named. */
static void check_covered(Elaborator *e, const Filling *filling,
                          const Item *item) {
  enum { SHOWN = 3 };
  size_t missing = 0, all = 0;
  const Parameter *first = NULL;
  Buffer list = {0};
  for (size_t i = 0; i < e->program->param.length; i++) {
    const Parameter *param = &e->program->param.data[i];
    if (!name_below(filling, param))
      continue;
    all++;
    if (filling->filled[i].source)
      continue;
    first = first ? first : param;
    if (missing++ < SHOWN)
      buffer_printf(&list, "%s%s  %s", missing > 1 ? ", " : "", param->name,
                    type_text(e, param->type));
  }
  if (missing > SHOWN)
    buffer_text(&list, ", ...");
  if (missing > 0) {
    Diagnostic error =
        error_begin(e, item->path.span, "E0604",
                    "%zu of %zu parameters of `%s` ha%s no tensor in the map",
                    missing, all, filling->model, missing == 1 ? "s" : "ve");
    error_note(e, &error, "missing: %s", list.data);
    hint_mapping(e, filling, first, &error);
    error_send(e, &error);
  }
  buffer_free(&list);
}

/* ---- against a file ----------------------------------------------------- */

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* The one map of the program, or the one that names such a file. */
static bool file_is_meant(const Elaborator *e, const Item *item) {
  size_t maps = 0;
  for (const Item *i = e->main->ast->items; i; i = i->next)
    maps += i->kind == ITEM_WEIGHTS;
  return maps == 1 || strcmp(base_name(e->options->weight_file->path),
                             base_name(item->file)) == 0;
}

static void fail_no_tensor(Elaborator *e, const WeightFile *file,
                           const WeightTensor *wanted) {
  Candidates candidates = {0};
  for (size_t i = 0; i < file->count; i++)
    vec_push(&candidates, file->tensor[i].name);
  Diagnostic error =
      error_begin(e, wanted->span, "E0613", "%s has no tensor \"%s\"",
                  file->path, wanted->tensor);
  const char *near = did_you_mean(e, wanted->tensor, &candidates);
  if (near)
    error_mark(e, &error, "%s", near);
  error_note(e, &error, "it would fill %s",
             e->program->param.data[wanted->param].name);
  error_send(e, &error);
}

/* Shapes agree, crosswise where the map transposes; real numbers fill real
 * parameters. */
static void check_tensor(Elaborator *e, const WeightTensor *wanted,
                         const HeaderTensor *tensor) {
  const Parameter *param = &e->program->param.data[wanted->param];
  const Type *type = param->type;
  bool real = strchr("FB", tensor->dtype[0]) && strcmp(tensor->dtype, "BOOL");
  bool same = tensor->rank == type->rank, cross = type->rank == 2 && same;
  for (int i = 0; i < type->rank && i < tensor->rank; i++) {
    same &= tensor->dim[i] == type->dim[i];
    cross &= tensor->dim[1 - (i & 1)] == type->dim[i];
  }
  if (real && (wanted->transpose ? cross : same))
    return;
  Diagnostic error = error_begin(
      e, wanted->span, "E0615", "tensor \"%s\" is %s%s, but %s is %s",
      wanted->tensor, file_tensor_text(e, tensor),
      wanted->transpose ? " before it is transposed" : "", param->name,
      type_text(e, type));
  if (real && same != cross && (wanted->transpose ? same : cross))
    error_hint(e, &error,
               wanted->transpose ? "leave `transpose = true` out"
                                 : "`, transpose = true`");
  error_send(e, &error);
}

static void check_file(Elaborator *e, const Weights *weights,
                       const WeightFile *file) {
  for (size_t i = 0; i < weights->tensor.length; i++) {
    const WeightTensor *wanted = &weights->tensor.data[i];
    const HeaderTensor *found = NULL;
    for (size_t k = 0; k < file->count && !found; k++)
      if (file->tensor[k].name == wanted->tensor)
        found = &file->tensor[k];
    if (found)
      check_tensor(e, wanted, found);
    else
      fail_no_tensor(e, file, wanted);
  }
}

/* An option that checks nothing is a mistake, not a wish. */
void weight_file_check_used(Elaborator *e, const FileScope *file) {
  if (!e->options->weight_file)
    return;
  for (const Item *item = file->ast->items; item; item = item->next)
    if (item->kind == ITEM_WEIGHTS && file_is_meant(e, item))
      return;
  fail(e, (Span){0}, "E0616",
       "--check-weights=%s: no map of weights is for that file",
       e->options->weight_file->path);
}

static const char *weights_model(Elaborator *e, const FileScope *file,
                                 const Item *item) {
  const Symbol *model =
      path_resolve(e, file, &item->path, 1u << ITEM_MODEL, "model");
  if (!model || value_is_poison(model_value(e, model)))
    return NULL;
  for (size_t i = 0; i < e->program->weights.length; i++)
    if (strcmp(e->program->weights.data[i].model, model->name) == 0) {
      Diagnostic error = error_begin(e, item->path.span, "E0614",
                                     "`%s` has two weight files", model->name);
      error_label(e, &error, e->program->weights.data[i].span,
                  "the first is here");
      error_send(e, &error);
      return NULL;
    }
  return model->name;
}

void weights_elaborate(Elaborator *e, FileScope *file, const Item *item) {
  Frame frame = {.file = file};
  frame_push(e, &frame);
  const char *model = weights_model(e, file, item);
  Weights weights = {.model = model, .span = item->path.span};
  weights.file = intern(e->interner, item->file);
  Filling filling = {model, &weights, NULL};
  filling.filled = NEW_ARRAY(e->scratch, Span, e->program->param.length + 1);
  bool fine = model != NULL;
  if (fine && item->args)
    fine = !value_is_poison(fail(e, item->args->value->span, "E0612",
                                 "`weights` takes the name of a file only"));
  for (const Mapping *map = item->mappings; model && map; map = map->next)
    fine = apply_mapping(e, &filling, map) && fine;
  fine = fine && !file->ast->lost; /* a line that could not be read may fill */
  if (fine && item->mappings)
    check_covered(e, &filling, item);
  else if (fine)
    fill_equal(e, &filling, item->path.span);
  if (fine && e->options->weight_file && file_is_meant(e, item))
    check_file(e, &weights, e->options->weight_file);
  frame_pop(e);
  if (fine)
    vec_push(&e->program->weights, weights);
  else
    vec_free(&weights.tensor);
}
