/* The table of scale rules says what the rules do: for every value of every
 * program in tests/pass/scalify/ the arithmetic of the row, evaluated with the
 * levels of the operands, gives the level of the result. And each name of the
 * table is one of those programs.
 */
#include "compiler/pass/scale_rules.h"
#include "tests/unit/text_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char folder[] = "tests/pass/scalify/";

/* ---- arithmetic: sums, products, r(..), ^2 of numbers held as logarithms - */

typedef struct {
  const char *at;
  double a, b, factor; /* log2 */
} Formula;

static double sum(Formula *formula);

static void expect_text(Formula *formula, const char *text) {
  while (*formula->at == ' ')
    formula->at++;
  size_t length = strlen(text);
  if (strncmp(formula->at, text, length) != 0)
    fail_msg("`%s` expected at `%s`", text, formula->at);
  formula->at += length;
}

static bool take(Formula *formula, const char *text) {
  while (*formula->at == ' ')
    formula->at++;
  if (strncmp(formula->at, text, strlen(text)) != 0)
    return false;
  expect_text(formula, text);
  return true;
}

static double atom(Formula *formula) {
  double value;
  if (take(formula, "r(")) {
    value = sum(formula) / 2;
    expect_text(formula, ")");
  } else if (take(formula, "a")) {
    value = formula->a;
  } else if (take(formula, "b")) {
    value = formula->b;
  } else if (take(formula, "F")) {
    value = formula->factor;
  } else {
    expect_text(formula, "1");
    value = 0;
  }
  return take(formula, "^2") ? 2 * value : value;
}

static double product(Formula *formula) {
  double value = atom(formula);
  for (;;) {
    if (take(formula, "*"))
      value += atom(formula);
    else if (take(formula, "/"))
      value -= atom(formula);
    else
      return value;
  }
}

static double sum(Formula *formula) {
  double value = product(formula);
  while (take(formula, "+"))
    value = log2(exp2(value) + exp2(product(formula)));
  return value;
}

/* ---- one value ----------------------------------------------------------- */

static bool has_level(const Node *node) {
  return node->scale.kind == SCALE_NORMAL && isfinite(node->estimate.log2_rms);
}

/* Rules that speak of one run-time exponent at most, and of operands that are
 * not known to be zero, infinite or NaN. */
static bool is_static(const Graph *graph, const Node *node) {
  bool is = has_level(node) && node->scale.symbol == 0;
  for (int i = 0; i < node_inputs(node); i++) {
    const Node *operand = graph_node(graph, node->input[i]);
    is &= !type_is_real(operand->type) ||
          (has_level(operand) && operand->scale.symbol == 0);
  }
  return is;
}

static bool check_value(const Graph *graph, ValueId id, const char *file) {
  const Node *node = graph_node(graph, id);
  const char *text = scale_rule_info(node->op)->arithmetic;
  const char *factor = node->estimate.factor;
  if (!is_static(graph, node) || (factor && *factor == '='))
    return false;
  double level[2] = {0, 0};
  int count = 0;
  for (int i = 0; i < node_inputs(node) && count < 2; i++) {
    const Node *operand = graph_node(graph, node->input[i]);
    if (type_is_real(operand->type))
      level[count++] = node_level(operand);
  }
  Formula formula = {text, level[0], level[1],
                     factor ? node->estimate.log2_factor : 0};
  double expected = sum(&formula);
  assert_int_equal(*formula.at, '\0');
  if (fabs(expected - node_level(node)) > 1e-9)
    fail_msg("%s: %s %s: %s = 2^%.17g, but the level is %.17g", file,
             op_info(node->op)->text, node->name ? node->name : "", text,
             expected, node_level(node));
  return true;
}

/* ---- programs ------------------------------------------------------------ */

static Text *read_program(const char *file) {
  char path[512];
  size_t length;
  const char *error;
  snprintf(path, sizeof path, "%s%s", folder, file);
  char *bytes = file_read(path, 1 << 20, &length, &error);
  if (!bytes)
    fail_msg("%s: %s", path, error);
  Text *text = text_read(bytes);
  free(bytes);
  return text;
}

/* Which ops were met; false if scalify refuses the program, as it should one.
 */
static bool check_program(const char *file, bool *met) {
  Text *text = read_program(file);
  PassContext context = {text->program, text->arena, text->diagnostics};
  PassId pass[PASS_COUNT];
  size_t passes = 0;
  int first = passes_behind(text->program);
  if (first == PASS_rescale) /* it would drop what nothing reads */
    first = PASS_scalify;
  for (int id = first; id <= PASS_scalify; id++)
    pass[passes++] = (PassId)id;
  bool done = passes_run(&context, pass, passes, true, &(PassHooks){0});
  for (size_t g = 0; done && g < text->program->graph.length; g++) {
    const Graph *graph = text->program->graph.data[g];
    for (ValueId id = 1; id < graph->count; id++)
      if (check_value(graph, id, file))
        met[graph_node(graph, id)->op] = true;
  }
  text_free(text);
  return done;
}

static void arithmetic_of_the_table_is_that_of_the_rules(void **state) {
  (void)state;
  static bool met[OP_COUNT];
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  int done = 0, refused = 0;
  for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
    size_t length = strlen(entry->d_name);
    if (length < 5 || strcmp(entry->d_name + length - 5, ".sgir") != 0)
      continue;
    if (check_program(entry->d_name, met))
      done++;
    else
      refused++;
  }
  closedir(dir);
  assert_true(done > 30);
  assert_true(refused <= 2);
  for (int op = 0; op < OP_COUNT; op++)
    if (!met[op] && *scale_rule_info((Op)op)->arithmetic && op != OP_RESCALE &&
        op != OP_SET_SCALE && op != OP_STORE && !op_is_marker((Op)op))
      fail_msg("no program has a static value of %s", op_info((Op)op)->text);
}

static void names_are_programs(void **state) {
  (void)state;
  size_t count;
  const ScaleRuleInfo *row = scale_rule_list(&count);
  for (size_t i = 0; i < count; i++) {
    char path[512];
    size_t length;
    const char *error;
    snprintf(path, sizeof path, "%s%s.sgir", folder, row[i].name);
    char *bytes = file_read(path, 1 << 20, &length, &error);
    if (!bytes)
      fail_msg("%s: %s", path, error);
    free(bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arithmetic_of_the_table_is_that_of_the_rules),
      cmocka_unit_test(names_are_programs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
