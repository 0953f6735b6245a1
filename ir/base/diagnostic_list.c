/* The list of all diagnostics, and which warnings are on.
 *
 * In: a code, or the text of a -W option. Out: the row of diagnostics.def, or
 * the level of each warning. Idea: a warning is known by its name alone, so
 * the command line has no list of its own.
 */
#include "ir/base/base.h"

#include <assert.h>
#include <string.h>

static const DiagnosticInfo row[] = {
#define ERROR(code, title) {#code, NULL, title},
#define WARNING(code, name, title) {#code, name, title},
#include "ir/base/diagnostics.def"
#undef ERROR
#undef WARNING
};

enum { ROWS = sizeof row / sizeof row[0] };
_Static_assert(sizeof row / sizeof row[0] <= DIAGNOSTIC_ROWS,
               "DIAGNOSTIC_ROWS is too small");

const DiagnosticInfo *diagnostic_list(size_t *count) {
  *count = ROWS;
  return row;
}

/* Rows are sorted by digits; few are looked up. */
const DiagnosticInfo *diagnostic_info(const char *code) {
  for (size_t i = 0; i < ROWS; i++)
    if (strcmp(row[i].code, code) == 0)
      return &row[i];
  return NULL;
}

/* ---- which warnings are on ----------------------------------------------- */

WarningLevel warning_level(const WarningSet *set, const char *code) {
  const DiagnosticInfo *info = diagnostic_info(code);
  assert(info);
  size_t i = (size_t)(info - row);
  return set->off[i]                                           ? WARNING_OFF
         : set->error[i] || (set->all_errors && !set->kept[i]) ? WARNING_ERROR
                                                               : WARNING_ON;
}

/* One warning: `on` and `error` as its options say. */
static void set_one(WarningSet *set, size_t i, bool negated, bool error) {
  if (!error) {
    set->off[i] = negated;
    return;
  }
  set->error[i] = !negated;
  set->kept[i] = negated;
  if (!negated)
    set->off[i] = false;
}

bool warning_option(WarningSet *set, const char *text) {
  bool negated = strncmp(text, "no-", 3) == 0;
  if (negated)
    text += 3;
  if (strcmp(text, "error") == 0) {
    set->all_errors = !negated;
    return true;
  }
  bool error = strncmp(text, "error=", 6) == 0;
  if (error)
    text += 6;
  bool all = strcmp(text, "all") == 0, found = all;
  for (size_t i = 0; i < ROWS; i++)
    if (row[i].warning && (all || strcmp(row[i].warning, text) == 0)) {
      set_one(set, i, negated, error);
      found = true;
    }
  return found;
}
