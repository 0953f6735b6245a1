/* What does not parse is said in the right words, once for each cause, several
 * in one run, and neither depth nor garbage can hurt.
 */
#include "tests/unit/parse_support.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- errors -------------------------------------------------------------- */

/* `text` is refused with `count` errors; the first says `words`. */
static void check_error(const char *text, unsigned count, const char *words) {
  Parse parse;
  parse_bytes(&parse, text, strlen(text));
  if (diagnostics_errors(parse.diagnostics) != count ||
      !strstr(parse.messages.data, words))
    fail_msg("%s\nexpected %u errors with: %s\ngot:\n%s", text, count, words,
             parse.messages.data);
  close_parse(&parse);
}

static void test_errors_say_what_was_expected(void **state) {
  (void)state;
  check_error("const 3 = 4\n", 1,
              "t.sg:1:7: error: expected a name, found the number `3` [E0101]");
  check_error("const A = \n", 1,
              "expected an expression, found the end of the text");
  check_error("const A = f(1 2)\n", 1,
              "expected `,`, `)` or an operator, found the number `2`");
  check_error("const A: 3\n", 1, "expected a type, found the number `3`");
  check_error("fn f(x: [a b]) = x\n", 1, "found the name `b`");
  check_error("const A = x[1; 2]\n", 1, "found `;`");
  check_error("foo\n", 1,
              "expected an item (`fn`, `module`, `entry`, ...) or "
              "the end of the text, found the name `foo`");
  check_error("fn f() {\n  fn = 3\n}\n", 1, "expected a statement or `}`");
  check_error("module M {\n  3\n}\n", 1, "expected a member");
  check_error("fn model() = 1\n", 1,
              "hint: `model` is a word of the language; as a name, write "
              "`model_`");
  check_error("fn f() {\n  b = x *\n  return b\n}\n", 1,
              "- this line is not finished");
  check_error("fn f(x real) = x\n", 1, "hint: `x: real`");
  check_error("import \"f\"\n", 1, "expected `as`, found the end of the line");
}

static void test_slips_have_words_of_their_own(void **state) {
  (void)state;
  static const char *const slip[][2] = {
      {"fn f() {\n  y = x\n    + x\n}\n",
       "a line cannot begin with `+` [E0102]"},
      {"fn f() {\n  y = x\n  // why\n}\n", "a comment begins with `#`"},
      {"fn f()\n{\n  y = x\n}\n", "t.sg:2:1: error: `{` belongs on the line"},
      {"fn f()\n  = x\n", "a line cannot begin with `=`"},
      {"fn f() {\n  if a {\n  }\n  else {\n  }\n}\n", "`else` belongs on"},
      {"def f(x):\n", "a function begins with `fn`"},
      {"class A\n", "there are no classes"},
      {"fn f() {\n  let y = x\n}\n", "a name needs no `let`"},
      {"fn f() {\n  while a {\n    y = 1\n  }\n}\n", "there is no `while`"},
      {"const A = None\n", "there is no `None`"},
      {"const A = True\n", "write `true`"},
      {"const A = f(**k)\n", "`**` cannot collect arguments"},
      {"fn f(x: real, *y) = x\n", "`*` cannot collect arguments"},
      {"fn f(x = 3) = x\n", "`x` needs a type: `:` comes before `=`"},
      {"const A = f(x: 3)\n", "an argument is given with `=`, not `:`"},
      {"const A = a < b < c\n", "write `a < b and b < c`"},
      {"const A = a == b != c\n", "comparisons do not chain"},
      {"fn f() {\n  x += 1\n}\n", "there is no `+=`"},
      {"fn f() {\n  if a = b {\n  }\n}\n", "to compare, write `==`"},
      {"fn f() {\n  g(x)\n}\n", "a call alone is no statement"},
      {"const A = .5\n", "hint: `0.5`"},
      {"const A = 5. + 1\n", "hint: `5.0`"},
      {"const A = x if c\n", "an expression has no `if`"},
      {"const A = c ? x\n", "an expression has no `?`"},
      {"const A = \"abc\nconst B = 1\n", "this string is never closed"},
      {"const A = \"\\q\"\n", "`\\q` is no escape"},
      {"const A = \"\\u{}\"\n", "`\\u` needs the number of a character"},
      {"const A = \"\\u{d800}\"\n", "`\\u` needs the number of a character"},
      {"const A = \"\\u{0}\"\n", "`\\u` needs the number of a character"},
      {"const A = a && b\n", "write `and`"},
      {"const A = !b\n", "write `not`"},
      {"const A = 'b'\n", "double quotes"},
      {"const A = a \xC3\x97 b\n", "U+00D7"},
      {"const \xC3\xA9t\xC3\xA9 = 1\n", "`\xC3\xA9t\xC3\xA9` cannot be a name"},
      {"const A = 9223372036854775808\n", "larger than 9223372036854775807"},
      {"const A = 1e309\n", "larger than 1.8e308"},
      {"const A = 1e-400\n", "smaller than 4.9e-324 and not zero"},
      {"const A = 0x10\n", "numbers are written in decimal"},
      {"const A = 3x\n", "`3x` is neither a number nor a name"},
      {"const A = 1__0\n", "`_` stands between two digits"},
      {"const A = 1_\n", "`_` stands between two digits"},
  };
  for (size_t i = 0; i < sizeof slip / sizeof *slip; i++)
    check_error(slip[i][0], 1, slip[i][1]);
}

static void test_forgotten_brackets_cost_one_message(void **state) {
  (void)state;
  check_error("fn f() {\n  y = g(x\n  return y\n}\nfn h() = 1\n", 1,
              "t.sg:2:8: error: this `(` is never closed [E0103]");
  check_error("fn f() {\n  y = [x\n}\nfn h() = 1\n", 1,
              "this `[` is never closed");
  check_error("fn f(x: real {\n  return x\n}\n", 1, "this `(` is never closed");
  check_error("const A = (1\n", 1, "the text ends here");
  check_error("fn f() {\n  y = 1\n\nfn g() = 2\n", 1,
              "t.sg:1:8: error: this `{` is never closed");
  check_error("module M {\n  fn f() {\n    y = 1\n\n  fn g() = 2\n}\n"
              "model m: M()\n",
              1, "t.sg:2:10: error: this `{` is never closed");
  check_error("fn f() {\n  if a {\n    y = 1\n", 1, "this `{` is never closed");
  check_error("fn f() = 1\n}\nfn g() = 2\n", 1, "this `}` closes nothing");
  check_error("const A = 1)\n", 1, "found `)`");
}

static void test_one_run_reports_several_errors(void **state) {
  (void)state;
  Parse parse;
  const char *text = "const A 1\n"
                     "fn f(x real) -> real {\n"
                     "  if x {\n    y = 1\n  }\n"
                     "  return y\n"
                     "}\n"
                     "module M {\n"
                     "  param w [2]\n"
                     "  fn g() {\n"
                     "    a = (1\n"
                     "    b = 2\n"
                     "    c = = 3\n"
                     "  }\n"
                     "  ok = 1\n"
                     "}\n"
                     "const B = 2\n";
  parse_bytes(&parse, text, strlen(text));
  assert_int_equal(diagnostics_errors(parse.diagnostics), 5);
  const char *at[] = {
      "t.sg:1:9:", "t.sg:2:8:", "t.sg:9:11:", "t.sg:12:5:", "t.sg:13:9:"};
  const char *rest = parse.messages.data;
  for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
    rest = strstr(rest, at[i]);
    assert_non_null(rest);
  }
  /* What was right is there: the module with its last member, and B. */
  const Item *module = parse.file->items;
  assert_int_equal(module->kind, ITEM_MODULE);
  assert_string_equal(module->members->next->names->text, "ok");
  assert_string_equal(module->next->name, "B");
  assert_null(module->next->next);
  close_parse(&parse);
}

/* ---- limits and garbage -------------------------------------------------- */

static char *repeated(const char *before, const char *piece, size_t count,
                      const char *after) {
  Buffer text = {0};
  buffer_text(&text, before);
  for (size_t i = 0; i < count; i++)
    buffer_text(&text, piece);
  buffer_text(&text, after);
  return text.data;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void test_nesting_has_a_limit_and_a_message(void **state) {
  (void)state;
  static const char *const form[][3] = {
      {"const A = ", "(", "\n"},
      {"const A = ", "[", "\n"},
      {"const A = ", "f(x, y = ", ""},
      {"const A = ", "x[a:", ""},
      {"const A = ", "-", "1\n"},
      {"const A = ", "not ", "a\n"},
      {"const A = 1", " + 1", "\n"},
      {"const A = 1", " ** 1", "\n"},
      {"const A = a", ".a", "\n"},
      {"const A = a", "(1)", "\n"},
      {"fn f() -> ", "(", "\n"},
      {"fn f() {\n", "if a {\n", ""},
      {"fn f() {\nif a {}", " else if a {}", "\n}\n"},
      {"const A = ", "f(a or b and c < d + e * -g ** ", ""}};
  for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
    char *text = repeated(form[i][0], form[i][1], 100000, form[i][2]);
    double start = seconds();
    check_error(text, 1,
                "nested deeper than 1000 levels (`--max-nesting`) [E0110]");
    assert_true(seconds() - start < 1.0); /* sanitizers are slow */
    free(text);
  }
}

static void test_nesting_below_the_limit_is_fine(void **state) {
  (void)state;
  static const char *const form[][3] = {
      {"(", "1", ")"}, {"f(a, b = ", "1", ")"}, {"x[a:", "1", "]"},
      {"-", "1", ""},  {"1 + (", "2", ")"},     {"[", "1", "]"}};
  for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
    char *open = repeated("const A = ", form[i][0], 499, form[i][1]);
    char *text = repeated(open, form[i][2], 499, "\n");
    char *once = printed(text), *twice = printed(once);
    assert_string_equal(once, twice);
    free(open), free(text), free(once), free(twice);
  }
  char *chain = repeated("fn f() {\n  if a {}", " else if a {}", 999, "\n}\n");
  char *once = printed(chain);
  check_prints(once, once);
  free(chain), free(once);
}

static void test_long_names_are_refused(void **state) {
  (void)state;
  char *text = repeated("const ", "a", 255, " = 1\n");
  Parse parse;
  parse_good(&parse, text);
  close_parse(&parse);
  free(text);
  text = repeated("const ", "a", 256, " = 1\n");
  check_error(text, 1,
              "a name has at most 255 bytes (`--max-name-bytes`); this one has "
              "256");
  free(text);
}

/* Bytes that are no program at all: one message, and no tree. */
static void check_refused(const char *text, size_t length, const char *words) {
  Parse parse;
  parse_bytes(&parse, text, length);
  assert_null(parse.file);
  assert_int_equal(diagnostics_errors(parse.diagnostics), 1);
  if (!strstr(parse.messages.data, words))
    fail_msg("expected: %s\ngot: %s", words, parse.messages.data);
  close_parse(&parse);
}

static void test_garbage_is_refused_whole(void **state) {
  (void)state;
  check_refused("const A = 1\0", 12, "the byte 0x00 at offset 11 [E0111]");
  check_refused("a\xFF", 2,
                "this text is not UTF-8: the byte 0xFF at offset 1");
  check_refused("\xC3", 1, "not UTF-8");
  check_refused("\xC0\x80", 2, "not UTF-8");
  check_refused("\xE0\x80\x80", 3, "not UTF-8");
  check_refused("\xED\xA0\x80", 3, "not UTF-8");
  check_refused("\xF4\x90\x80\x80", 4, "not UTF-8");
  check_refused("\xF0\x80\x80\x80", 4, "not UTF-8");
  check_refused("\xE2\x82", 2, "not UTF-8");
  check_refused("\x7F"
                "ELF\2\1\1\0\0",
                9, "the byte 0x7F at offset 0");
  check_refused("x\x1B[0m", 5, "no control characters: the byte 0x1B");
  size_t length = (16u << 20) + 1;
  char *large = malloc(length + 1);
  assert_non_null(large);
  memset(large, '\n', length);
  large[length] = 0;
  check_refused(large, length, "at most 16777216 (`--max-file-bytes`)");
  free(large);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_errors_say_what_was_expected),
      cmocka_unit_test(test_slips_have_words_of_their_own),
      cmocka_unit_test(test_forgotten_brackets_cost_one_message),
      cmocka_unit_test(test_one_run_reports_several_errors),
      cmocka_unit_test(test_nesting_has_a_limit_and_a_message),
      cmocka_unit_test(test_nesting_below_the_limit_is_fine),
      cmocka_unit_test(test_long_names_are_refused),
      cmocka_unit_test(test_garbage_is_refused_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
