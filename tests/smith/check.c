/* What every program is held to (testing.md O1 and O7).
 *
 * In: a program at level plain. Out: a verdict. A random order of passes is
 * carried out; behind each the program satisfies the verifier, prints to a
 * text that reads back and prints the same, and computes what it computed
 * before, to the bit:
 *
 *   plain to plain      in binary64 and binary32
 *   plain to scaled     the same, if no operation overflowed or underflowed
 *   scaled to formatted in binary64 and binary32, which ignore formats
 *   from formatted on   in binary32 and with every rounding
 *
 * Half of the time the next pass gets the program that was read back, so that
 * text which loses a meaning shows. autodiff is compared in the forward pass:
 * before it there are no gradients to evaluate.
 */
#include "tests/smith/smith.h"

#include <stdio.h>
#include <string.h>

void verdict_fail(Verdict *verdict, const char *check, const char *format,
                  ...) {
  va_list args;
  if (verdict->check[0])
    return;
  snprintf(verdict->check, sizeof verdict->check, "%s", check);
  va_start(args, format);
  vsnprintf(verdict->message, sizeof verdict->message, format, args);
  va_end(args);
}

typedef struct {
  Case *c;
  const Program *reference; /* as generated */
  Dice dice;
  Verdict *verdict;
  int set[INPUT_SETS], sets;
  Outcome outcome[INPUT_SETS][2]; /* of the program as it is */
  bool pending;                   /* the outcomes are of the forward pass */
  void (*seen)(void *user, const Program *program);
  void *user;
} Check;

static bool failed(const Check *check) {
  return check->verdict->check[0] != 0;
}

/* ---- text ---------------------------------------------------------------- */

/* The program read back from its text, or NULL after a failure. */
static Case *read_back(Check *check) {
  const char *level = level_name(check->c->program->level);
  Buffer first = case_print(check->c);
  Case *again = case_read(first.data, first.length);
  if (!again->program) {
    verdict_fail(check->verdict, "print", "%s text is refused: %s", level,
                 again->messages.data);
  } else {
    Buffer second = case_print(again);
    if (strcmp(first.data, second.data) != 0)
      verdict_fail(check->verdict, "print",
                   "%s text is another after reading it back", level);
    buffer_free(&second);
  }
  buffer_free(&first);
  if (failed(check)) {
    case_free(again);
    return NULL;
  }
  return again;
}

static void verify(Check *check) {
  Buffer text = {0};
  if (program_verify(check->c->program, &text) > 0)
    verdict_fail(check->verdict, "verify", "%s", text.data);
  buffer_free(&text);
}

/* ---- values -------------------------------------------------------------- */

static Precision precision_of(Level level, int which) {
  if (which == 0)
    return PRECISION_F32;
  return level >= LEVEL_FORMATTED ? PRECISION_EDGES : PRECISION_F64;
}

/* Does the pass leave precision `which` alone that is taken at both levels? */
static bool is_comparable(const Outcome *before, const Outcome *after,
                          Level from, Level to, int which) {
  if (which == 1 && from < LEVEL_FORMATTED && to >= LEVEL_FORMATTED)
    return false;
  return from != LEVEL_PLAIN || to == LEVEL_PLAIN ||
         (before->certified && after->certified);
}

static void take(Check *check, const Program *program, bool once,
                 Outcome out[INPUT_SETS][2]) {
  for (int i = 0; i < check->sets; i++)
    for (int which = 0; which < 2; which++)
      out[i][which] = outcome_take(program, check->reference,
                                   precision_of(program->level, which),
                                   check->set[i], once);
}

static void release(Check *check) {
  for (int i = 0; i < check->sets; i++)
    for (int which = 0; which < 2; which++)
      outcome_free(&check->outcome[i][which]);
}

static void compare(Check *check, PassId pass, Level from,
                    Outcome after[INPUT_SETS][2]) {
  const PassInfo *info = pass_info(pass);
  Level to = check->c->program->level;
  const char *what = "";
  /* scale_of tells how a value is represented, which scalify decides. */
  bool skip = from == LEVEL_PLAIN && to != LEVEL_PLAIN &&
              program_has_op(check->c->program, OP_SCALE_OF);
  for (int i = 0; !skip && i < check->sets; i++)
    for (int which = 0; which < 2; which++) {
      const Outcome *before = &check->outcome[i][which];
      check->verdict->compared[pass]++;
      if (!is_comparable(before, &after[i][which], from, to, which))
        continue;
      check->verdict->certified[pass]++;
      if (!outcome_agrees(before, &after[i][which], check->pending ? "@" : NULL,
                          check->c->arena, &what))
        verdict_fail(check->verdict, info->name, "inputs %d, %s: %s",
                     check->set[i],
                     which == 0              ? "f32"
                     : to >= LEVEL_FORMATTED ? "edges"
                                             : "f64",
                     what);
    }
}

/* The values of the program as it is; of a pending one, of its forward pass. */
static void first_outcomes(Check *check) {
  check->pending = minimize_pending(check->c->program);
  Case *forward = check->pending ? case_forward(check->c) : check->c;
  if (!forward) {
    verdict_fail(check->verdict, "forward", "there is no forward pass");
    check->sets = 0;
    return;
  }
  take(check, forward->program, check->pending, check->outcome);
  /* Error texts live as long as the case: name them before it goes. */
  if (forward != check->c) {
    for (int i = 0; i < check->sets; i++)
      for (int which = 0; which < 2; which++) {
        Outcome *outcome = &check->outcome[i][which];
        for (size_t j = 0; j < outcome->name.length; j++)
          outcome->name.data[j] =
              intern(check->c->interner, outcome->name.data[j]);
        if (outcome->error)
          outcome->error = intern(check->c->interner, outcome->error);
      }
    case_free(forward);
  }
  for (int i = 0; i < check->sets; i++)
    if (!check->outcome[i][0].taken)
      verdict_fail(check->verdict, "evaluate", "%s",
                   check->outcome[i][0].error);
}

/* ---- passes -------------------------------------------------------------- */

static void replace_case(Check *check, Case *again) {
  /* Outcomes hold names of the old case. */
  for (int i = 0; i < check->sets; i++)
    for (int which = 0; which < 2; which++) {
      Outcome *outcome = &check->outcome[i][which];
      for (size_t j = 0; j < outcome->name.length; j++)
        outcome->name.data[j] = intern(again->interner, outcome->name.data[j]);
      if (outcome->error)
        outcome->error = intern(again->interner, outcome->error);
    }
  case_free(check->c);
  check->c = again;
}

static void after_pass(Check *check, PassId pass, Level from) {
  Outcome after[INPUT_SETS][2];
  bool same_stage = check->pending && minimize_pending(check->c->program);
  if (!same_stage) {
    take(check, check->c->program, false, after);
    compare(check, pass, from, after);
    release(check);
    memcpy(check->outcome, after, sizeof after);
    check->pending = false;
  }
  Case *again = failed(check) ? NULL : read_back(check);
  if (!again)
    return;
  if (check->seen)
    check->seen(check->user, check->c->program);
  if (dice_chance(&check->dice, 50))
    replace_case(check, again);
  else
    case_free(again);
}

/* false: the pipeline ends here. */
static bool run_pass(Check *check, PassId pass) {
  Case *c = check->c;
  PassContext context = {c->program, c->arena, c->diagnostics};
  Level from = c->program->level;
  bool done = passes_run(&context, &pass, 1, true, NULL);
  if (!done && !c->code[0]) {
    verdict_fail(check->verdict, "verify", "after %s: %s",
                 pass_info(pass)->name,
                 c->messages.data ? c->messages.data : "no message");
    return false;
  }
  if (!done) {
    memcpy(check->verdict->code, c->code, sizeof c->code);
    return false;
  }
  after_pass(check, pass, from);
  return !failed(check);
}

/* Levels fix the order but at plain and final. */
static int random_pipeline(Check *check, PassId *list) {
  Dice *dice = &check->dice;
  int count = 0;
  for (int64_t i = dice_below(dice, 3); i-- > 0;)
    list[count++] = PASS_simplify;
  if (minimize_pending(check->c->program) || dice_chance(dice, 30))
    list[count++] = PASS_autodiff;
  for (int64_t i = dice_below(dice, 3); i-- > 0;)
    list[count++] = dice_chance(dice, 50) ? PASS_simplify : PASS_rescale;
  if (dice_chance(dice, 70))
    list[count++] = PASS_rescale;
  if (dice_chance(dice, 30))
    list[count++] = PASS_simplify;
  list[count++] = PASS_scalify;
  list[count++] = PASS_formats;
  list[count++] = PASS_casts;
  for (int64_t i = dice_range(dice, 1, 2); i-- > 0;)
    list[count++] = PASS_fuse;
  list[count++] = PASS_plan;
  return count;
}

static bool start(Check *check, const Case *c) {
  Buffer text = case_print(c);
  Buffer violations = {0};
  check->c = case_read(text.data, text.length);
  if (program_verify(c->program, &violations) > 0)
    verdict_fail(check->verdict, "verify", "as generated: %s", violations.data);
  if (!check->c->program)
    verdict_fail(check->verdict, "print", "plain text is refused: %s",
                 check->c->messages.data);
  buffer_free(&text);
  buffer_free(&violations);
  return !failed(check);
}

void check_case(const Case *c, uint64_t seed, int sets, Verdict *verdict,
                void (*seen)(void *user, const Program *program), void *user) {
  PassId list[16];
  Check check = {.verdict = verdict, .seen = seen, .user = user, .sets = sets};
  check.reference = c->program;
  *verdict = (Verdict){.check = ""};
  check.dice = dice_new(seed, 7);
  int rotate = (int)dice_below(&check.dice, INPUT_SETS);
  for (int i = 0; i < sets; i++)
    check.set[i] = (i + rotate) % INPUT_SETS;
  if (!start(&check, c)) {
    case_free(check.c);
    return;
  }
  PassContext context = {check.c->program, check.c->arena,
                         check.c->diagnostics};
  if (!recipe_check(&context)) {
    memcpy(verdict->code, check.c->code, sizeof verdict->code);
    case_free(check.c);
    return;
  }
  Case *again = read_back(&check);
  case_free(again);
  if (again)
    verify(&check);
  if (again && !failed(&check))
    first_outcomes(&check);
  if (seen && again)
    seen(user, check.c->program);
  int count = failed(&check) ? 0 : random_pipeline(&check, list);
  for (int i = 0; i < count && run_pass(&check, list[i]); i++) {
  }
  release(&check);
  case_free(check.c);
}
