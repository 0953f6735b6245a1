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
#include "compiler/front/elaborate.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One piece of a pattern string: text, `{name}`, or `{a=x,b=y}`. */
typedef struct {
  const char *text;  /* literal, or the name of a number */
  bool number;       /* `{name}` */
  bool alternatives; /* `{a=x,..}`: words */
  const char *word[8], *stands_for[8];
  int words;
} Piece;

enum { MAX_PIECES = 32, MAX_CAPTURES = 8 };

typedef struct {
  Piece piece[MAX_PIECES];
  int pieces;
} TensorPattern;

/* What the steps of a path captured in one parameter's name. */
typedef struct {
  const char *name[MAX_CAPTURES];
  const char *number[MAX_CAPTURES];
  int numbers;
  const char *word; /* what `.*` stands for */
} Captures;

/* ---- the string --------------------------------------------------------- */

/* A place inside the string literal. */
static Span inside(const Mapping *mapping, size_t begin, size_t end) {
  Span span = mapping->pattern_span;
  span.end = span.start + 1 + (uint32_t)end;
  span.start += 1 + (uint32_t)begin;
  return span;
}

static bool fail_pattern(Elaborator *e, const Mapping *mapping, size_t begin,
                         size_t end, const char *message) {
  Diagnostic error =
      error_begin(e, inside(mapping, begin, end), "E0609", "%s", message);
  error_note(e, &error,
             "`{i}` is a number that the path names as `[i]`; "
             "`{weight=w,bias=b}` a word that `.*` stands for");
  error_send(e, &error);
  return false;
}

static bool is_name(const char *text, size_t length) {
  bool name = length > 0 && !isdigit((unsigned char)text[0]);
  for (size_t i = 0; i < length; i++)
    name &= isalnum((unsigned char)text[i]) || text[i] == '_';
  return name;
}

/* "weight=w,bias=b" between the braces. */
static bool read_alternatives(Elaborator *e, const Mapping *mapping,
                              size_t begin, size_t end, Piece *piece) {
  const char *text = mapping->pattern;
  piece->alternatives = true;
  while (begin <= end) {
    size_t stop = begin, equals = 0;
    for (; stop < end && text[stop] != ','; stop++)
      equals = text[stop] == '=' ? stop : equals;
    bool good = equals > begin && piece->words < 8 &&
                is_name(text + equals + 1, stop - equals - 1);
    if (!good)
      return fail_pattern(e, mapping, begin, stop,
                          "an alternative is `word=parameter`");
    piece->word[piece->words] =
        arena_string(e->scratch, text + begin, equals - begin);
    piece->stands_for[piece->words++] =
        arena_string(e->scratch, text + equals + 1, stop - equals - 1);
    begin = stop + 1;
  }
  return true;
}

static bool read_brace(Elaborator *e, const Mapping *mapping, size_t begin,
                       size_t end, Piece *piece) {
  const char *text = mapping->pattern;
  if (memchr(text + begin, '=', end - begin))
    return read_alternatives(e, mapping, begin, end, piece);
  piece->number = true;
  piece->text = arena_string(e->scratch, text + begin, end - begin);
  return is_name(text + begin, end - begin) ||
         fail_pattern(e, mapping, begin, end, "`{..}` holds a name");
}

static bool read_pattern(Elaborator *e, const Mapping *mapping,
                         TensorPattern *out) {
  const char *text = mapping->pattern;
  *out = (TensorPattern){0};
  for (size_t at = 0; text[at];) {
    if (out->pieces == MAX_PIECES)
      return fail_pattern(e, mapping, at, at + 1, "this pattern is too long");
    Piece *piece = &out->piece[out->pieces++];
    size_t length = strcspn(text + at, "{}");
    if (length > 0) {
      piece->text = arena_string(e->scratch, text + at, length);
      at += length;
      continue;
    }
    const char *close = strchr(text + at, '}');
    if (text[at] == '}' || !close)
      return fail_pattern(e, mapping, at, at + 1, "this brace has no partner");
    size_t end = (size_t)(close - text);
    if (!read_brace(e, mapping, at + 1, end, piece))
      return false;
    at = end + 1;
  }
  return true;
}

/* ---- the path ----------------------------------------------------------- */

/* The next word of a dotted name; false at its end. */
static bool next_word(const char **at, const char **word, size_t *length) {
  if (!**at)
    return false;
  *word = *at;
  *length = strcspn(*at, ".");
  *at += *length + (*(*at + *length) == '.');
  return true;
}

static bool all_digits(const char *word, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (!isdigit((unsigned char)word[i]))
      return false;
  return length > 0;
}

/* `[i]` captures, `[3]` and `[N - 1]` are numbers known now. */
static bool match_index(Elaborator *e, const Step *step, const char *word,
                        size_t length, Captures *captures) {
  if (!all_digits(word, length))
    return false;
  bool known = step->a->kind != EXPR_NAME ||
               variable_lookup(e, step->a->text) ||
               file_find(e->frame->file, step->a->text);
  if (known) {
    int64_t index;
    return eval_int(e, step->a, "an index", &index) &&
           index == strtoll(word, NULL, 10);
  }
  if (captures->numbers == MAX_CAPTURES)
    return false;
  captures->name[captures->numbers] = step->a->text;
  captures->number[captures->numbers++] =
      arena_string(e->scratch, word, length);
  return true;
}

/* Does the path mean this parameter, named below the model? */
static bool match_path(Elaborator *e, const Step *path, const char *name,
                       Captures *captures) {
  *captures = (Captures){0};
  const char *word;
  size_t length;
  for (const Step *step = path; step; step = step->next) {
    if (!next_word(&name, &word, &length))
      return false;
    if (step->kind == STEP_WORD && (strlen(step->word) != length ||
                                    strncmp(step->word, word, length) != 0))
      return false;
    if (step->kind == STEP_INDEX &&
        !match_index(e, step, word, length, captures))
      return false;
    if (step->kind == STEP_STAR)
      captures->word = arena_string(e->scratch, word, length);
  }
  return !*name;
}

/* The forms that a mapping has no meaning for. */
static bool check_path(Elaborator *e, const Mapping *mapping) {
  int stars = 0;
  for (const Step *step = mapping->path; step; step = step->next) {
    stars += step->kind == STEP_STAR;
    if (step->kind == STEP_STARS || step->kind == STEP_RANGE ||
        step->kind == STEP_ALL || stars > 1) {
      fail(e, step->span, "E0609",
           "a mapping's path has names, `[i]` and at most one `.*`");
      return false;
    }
  }
  return true;
}

/* ---- one tensor --------------------------------------------------------- */

static const char *captured(const Captures *captures, const char *name) {
  for (int i = 0; i < captures->numbers; i++)
    if (strcmp(captures->name[i], name) == 0)
      return captures->number[i];
  return NULL;
}

static const char *alternative(const Piece *piece, const char *stands_for) {
  for (int i = 0; stands_for && i < piece->words; i++)
    if (strcmp(piece->stands_for[i], stands_for) == 0)
      return piece->word[i];
  return NULL;
}

/* The tensor's name for what the path captured, or NULL: no alternative
 * stands for this parameter. */
static const char *tensor_name(Elaborator *e, const TensorPattern *pattern,
                               const Captures *captures) {
  Buffer out = {0};
  for (int i = 0; i < pattern->pieces; i++) {
    const Piece *piece = &pattern->piece[i];
    const char *text = piece->number ? captured(captures, piece->text)
                       : piece->alternatives
                           ? alternative(piece, captures->word)
                           : piece->text;
    if (!text) {
      buffer_free(&out);
      return NULL;
    }
    buffer_text(&out, text);
  }
  return intern(e->interner, buffer_take(e, &out));
}

/* `{i}` and `[i]` come in pairs, `{..=..}` and `.*` too. */
static bool check_pairs(Elaborator *e, const Mapping *mapping,
                        const TensorPattern *pattern) {
  bool star = false, alternatives = false;
  for (const Step *step = mapping->path; step; step = step->next)
    star |= step->kind == STEP_STAR;
  for (int i = 0; i < pattern->pieces; i++) {
    const Piece *piece = &pattern->piece[i];
    alternatives |= piece->alternatives;
    bool named = !piece->number;
    for (const Step *step = mapping->path; step && !named; step = step->next)
      named = step->kind == STEP_INDEX && step->a->kind == EXPR_NAME &&
              strcmp(step->a->text, piece->text) == 0;
    if (!named) {
      fail(e, mapping->pattern_span, "E0609",
           "`{%s}` is not named in the path: `[%s]`", piece->text, piece->text);
      return false;
    }
  }
  if (star == alternatives)
    return true;
  fail(e, mapping->pattern_span, "E0609",
       star ? "`.*` needs its words: `{weight=w,bias=b}`"
            : "the words of `{..=..}` need `.*` in the path");
  return false;
}

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
      vec_push(&candidates,
               arena_string(e->scratch, name, strcspn(name, ".")));
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
  if (!read_options(e, mapping, &transpose) || !check_path(e, mapping) ||
      !read_pattern(e, mapping, &pattern) || !check_pairs(e, mapping, &pattern))
    return false;
  for (size_t i = 0; i < e->program->param.length && fine; i++) {
    Captures captures;
    const char *name = name_below(filling, &e->program->param.data[i]);
    if (!name || !match_path(e, mapping->path, name, &captures))
      continue;
    const char *tensor = tensor_name(e, &pattern, &captures);
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

/* Every parameter has a tensor; the first few that have none are named. */
static void check_covered(Elaborator *e, const Filling *filling,
                          const Item *item) {
  enum { SHOWN = 3 };
  size_t missing = 0, all = 0;
  Buffer list = {0};
  for (size_t i = 0; i < e->program->param.length; i++) {
    const Parameter *param = &e->program->param.data[i];
    if (!name_below(filling, param))
      continue;
    all++;
    if (filling->filled[i].source)
      continue;
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
    error_hint(e, &error, "add a line `\"NAME IN THE FILE\" -> PATH`");
    error_send(e, &error);
  }
  buffer_free(&list);
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
  if (fine && item->mappings)
    check_covered(e, &filling, item);
  else if (fine)
    fill_equal(e, &filling, item->path.span);
  frame_pop(e);
  if (fine)
    vec_push(&e->program->weights, weights);
  else
    vec_free(&weights.tensor);
}
