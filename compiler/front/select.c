/* Which graphs an entry makes, and which of them are wanted.
 *
 * In: entries, one of them perhaps for several sizes, and --entry. Out: the
 * names of their graphs: `f`, or `f.64` and `f.256` of `entry f[T in 64, 256]`.
 */
#include "compiler/front/elaborate.h"

#include <inttypes.h>

/* ---- several sizes ------------------------------------------------------ */

/* The size number `i` of `entry f[T in 64, 256]`, checked against those before
 * it; poison after a message. */
static Value entry_size(Elaborator *e, const Item *item, const Expr *expr,
                        const int64_t *before, size_t count) {
  Value size = eval_count(e, expr, "a size of an entry");
  if (value_is_poison(size))
    return size;
  if (size.as.integer < 1)
    return fail(e, expr->span, "E0743",
                "a size of an entry is at least 1, not %" PRId64,
                size.as.integer);
  for (size_t i = 0; i < count; i++)
    if (before[i] == size.as.integer)
      return fail(e, expr->span, "E0743",
                  "entry %s has the size %" PRId64 " twice", item->name,
                  size.as.integer);
  return size;
}

size_t entry_sizes(Elaborator *e, FileScope *file, const Item *item,
                   int64_t **out) {
  int64_t most = limit_of(e, LIMIT_entries);
  size_t count = 0;
  for (const Expr *expr = item->sizes ? item->sizes->value : NULL; expr;
       expr = expr->next)
    count++;
  *out = NEW_ARRAY(e->scratch, int64_t, count + 1);
  Frame frame = {.file = file, .function = item};
  frame_push(e, &frame);
  frame.what = text_printf(e, "%s %s", item_kind_name(item->kind), item->name);
  count = 0;
  for (const Expr *expr = item->sizes ? item->sizes->value : NULL; expr;
       expr = expr->next) {
    if ((int64_t)count == most) {
      fail_limit(e, expr->span, LIMIT_entries, "more than %" PRId64 " entries",
                 most);
      break;
    }
    Value size = entry_size(e, item, expr, *out, count);
    if (!value_is_poison(size))
      (*out)[count++] = size.as.integer;
  }
  frame_pop(e);
  return count;
}

const char *entry_name(Elaborator *e, const Item *item, const int64_t *size) {
  return size ? intern_printf(e->interner, "%s.%" PRId64, item->name, *size)
              : item->name;
}

bool item_is_entry(const Item *item) {
  return item->kind == ITEM_TRAIN || item->kind == ITEM_EVAL ||
         item->kind == ITEM_ENTRY;
}

/* ---- --entry ------------------------------------------------------------ */

bool entry_is_selected(const Elaborator *e, const char *name) {
  const FrontOptions *options = e->options;
  for (size_t i = 0; i < options->entry_count; i++)
    if (entry_is_called(name, options->entry[i]))
      return true;
  return options->entry_count == 0;
}

/* The names of all graphs that the file's entries make. */
static void entry_names(Elaborator *e, FileScope *file, Candidates *out) {
  for (const Item *item = file->ast->items; item; item = item->next) {
    int64_t *size;
    size_t count = item_is_entry(item) ? entry_sizes(e, file, item, &size) : 0;
    if (item_is_entry(item) && !item->sizes)
      vec_push(out, item->name);
    for (size_t i = 0; i < count; i++)
      vec_push(out, entry_name(e, item, &size[i]));
  }
}

/* With the list: there are few entries, and each name tells. */
static void fail_selection(Elaborator *e, FileScope *file, const char *name) {
  Candidates candidates = {0};
  Buffer list = {0};
  entry_names(e, file, &candidates);
  for (size_t i = 0; i < candidates.length; i++)
    buffer_printf(&list, "%s%s", i ? ", " : "", candidates.data[i]);
  const char *near = did_you_mean(e, name, &candidates);
  Diagnostic error = error_begin(
      e, (Span){0}, "E0707", "--entry=%s: there is no entry of that name%s%s",
      name, near ? "; " : "", near ? near : "");
  if (list.length)
    error_note(e, &error, "entries: %s", list.data);
  else
    error_note(e, &error, "the program has no entries");
  buffer_free(&list);
  error_send(e, &error);
}

void selection_check(Elaborator *e, FileScope *file) {
  if (file->ast->lost || e->options->entry_count == 0)
    return;
  Candidates names = {0};
  entry_names(e, file, &names);
  for (size_t i = 0; i < e->options->entry_count; i++) {
    bool known = false;
    for (size_t k = 0; k < names.length; k++)
      known |= entry_is_called(names.data[k], e->options->entry[i]);
    if (!known)
      fail_selection(e, file, e->options->entry[i]);
  }
  vec_free(&names);
}
