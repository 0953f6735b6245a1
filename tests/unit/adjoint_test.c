/* Reverse mode against forward mode: every op that has a gradient.
 *
 * The cases are those of adjoint_families.def; adjoint_support.h says what is
 * checked of each. The last test asks for what is missing: an op with a
 * gradient rule has at least twenty cases, and each of its real operands that
 * a gradient reaches varies in some of them.
 */
#include "tests/unit/adjoint_families.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "compiler/pass/gradient.h"

static Adjoint adjoint;

#define FAMILY(name)                                                           \
  static void family_##name(void **state) {                                    \
    (void)state;                                                               \
    adjoint.duals = dual_##name;                                               \
    adjoint_##name(&adjoint);                                                  \
  }
#include "tests/unit/adjoint_families.def"

enum { CASES_LEAST = 20 };

/* Ops whose cases are still to be written; empty when the op set is done. */
static const Op pending[] = {OP_COUNT};

static bool is_pending(Op op) {
  for (size_t i = 0; pending[i] != OP_COUNT; i++)
    if (pending[i] == op)
      return true;
  return false;
}

static const char *const gradient_text[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, shape, exponent, scale,        \
           gradient, ...)                                                      \
  [OP_##id] = #gradient,
#include "ir/ops.def"
};

/* `whole` is the rule of results that are no real numbers. */
static bool has_gradient(Op op) {
  return strcmp(gradient_text[op], "none") != 0 &&
         strcmp(gradient_text[op], "leaf") != 0 &&
         strcmp(gradient_text[op], "stop") != 0 &&
         strcmp(gradient_text[op], "whole") != 0;
}

/* Operands that were real in some case and a parameter in none. */
static void find_fixed(Buffer *missing, Op op) {
  Node node = {.op = op};
  for (int i = 0; i < MAX_INPUTS; i++)
    if (adjoint.seen[op][i] && !adjoint.varied[op][i] &&
        gradient_reaches(&node, i))
      buffer_printf(missing, "  %s: operand %d never varies\n",
                    op_info(op)->text, i);
}

static void every_op_with_a_gradient_has_cases(void **state) {
  (void)state;
  Buffer missing = {0};
  for (Op op = 0; op < OP_COUNT; op++) {
    if (!has_gradient(op))
      continue;
    if (is_pending(op) != (adjoint.cases[op] < CASES_LEAST))
      buffer_printf(&missing, "  %s: %u cases of %d%s\n", op_info(op)->text,
                    adjoint.cases[op], CASES_LEAST,
                    is_pending(op) ? ", no longer pending" : "");
    find_fixed(&missing, op);
  }
  if (missing.length)
    fail_msg("\n%s", missing.data);
  buffer_free(&missing);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define FAMILY(name) cmocka_unit_test(family_##name),
#include "tests/unit/adjoint_families.def"
      cmocka_unit_test(every_op_with_a_gradient_has_cases),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
