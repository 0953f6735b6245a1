/* What parses: it prints to a fixed point, and the tree has the right shape,
 * values and places.
 */
#include "tests/unit/parse_support.h"

#include <stdlib.h>
#include <string.h>

/* ---- printing ------------------------------------------------------------ */

/* Canonical texts, at least one for each production of the grammar. */
static const char *const productions[] = {
    "",
    "import nn\n",
    "import lib.nn.state\n",
    "import \"blocks/moe.sg\" as moe\n",
    "from nn import Linear, RMSNorm\n",
    "from \"a.sg\" import f\n",
    "const B = 128\n",
    "const V: int\n",
    "const R: f32[2, 2] = [[1, 2], [3, 4]]\n",
    "assert B % 2 == 0\n",
    "assert B > 0, \"B must be \\\"positive\\\"\\n\"\n",
    "fn f() = 1\n",
    "fn f(x: real) -> real {}\n",
    "fn f(x: [?n, .., d + 1, _], y: f32[..s], z: i32[], w: bool = true) -> "
    "(real, [n], nn.t[..]) {\n  return x, y, z\n}\n",
    "module Empty {}\n",
    "module M(d: int, bias: bool = true) {\n"
    "  param w, v: [d, d] = normal(d ** -0.5)\n"
    "  param free: [d]\n"
    "  state m: [d] = zeros\n"
    "  state n: [d]\n"
    "  a, b: nn.Linear(d, d, bias = false)\n"
    "  layers[2 * d]: Layer()\n"
    "  @remat\n"
    "  one: Layer()\n"
    "  @probe @name(\"k\")\n"
    "  k = d / 2\n"
    "  assert d > 0\n"
    "  assert d > 1, \"wide\"\n"
    "  if bias {\n"
    "    param c: [d]\n"
    "  } else {\n"
    "    c = 0\n"
    "  }\n"
    "  if d > 3 {}\n"
    "\n"
    "  fn forward(x: [..s, d]) -> [..s, d] = x @ w\n"
    "\n"
    "  ## Adds\n"
    "  ## tokens.\n"
    "  @remat\n"
    "  fn extend(x: [d]) {\n"
    "    m = m + x\n"
    "  }\n"
    "}\n",
    "optimizer SGD(lr: real) for w: [..s] {\n"
    "  fn step(g: [..s], t: real) {\n"
    "    w = w - lr * g\n"
    "  }\n"
    "}\n",
    "optimizer O() for w: [..] {}\n",
    "model net: lib.Net(1, k = 2)\n",
    "recipe r {}\n",
    "recipe r : recipes.fp8 {\n"
    "  default : f16, scale = propagate(down)\n"
    "  matmul, conv : e4m3 / e5m2, acc = f32\n"
    "  param, state, model, from : f16\n"
    "  grad(logits), net.** : rescale = l2\n"
    "  net.l[0].w, net.l[1..n - 1].*, net.l[*].**.state : f16\n"
    "}\n",
    "dataset d {}\n",
    "dataset d {\n"
    "  image: u8[_, 28, 28] = idx(\"a\\tb\")\n"
    "  label: u8[_] = idx(\"c\")\n"
    "}\n",
    "weights net from \"m.safetensors\"\n",
    "weights net from \"m.safetensors\" (strict = true)\n",
    "weights net.a from \"m.safetensors\" {\n"
    "  \"a.{i}\" -> layers[i].w\n"
    "  \"b\" -> b.*, transpose = true\n"
    "}\n",
    "@recipe(r)\nentry e(x: f32[8]) -> [8] = x\n",
    "@recipe(r) @steps(10) @save\n"
    "train t(batch: d[4]) {\n"
    "  @rescale_grad(l2)\n"
    "  logits, aux: [4, 10] = net(batch.state), 1\n"
    "  kc[:, :, pos +: t] = k\n"
    "  self.cache[.., 0, a:b, :b, a:] = k\n"
    "  minimize loss with SGD()\n"
    "  minimize loss + 1 over net.l[0].* with optim.SGD(lr = 0.1), clip = 1.0\n"
    "  report loss, state = 1\n"
    "}\n",
    "eval v(batch: d[4]) {\n  report accuracy(x)\n}\n",
    "generate g {}\n",
    "generate g {\n  tokenizer = bpe(\"t\")\n  window = next\n}\n",
    "## Doc of f.\n##\n## More.\n@x\nfn f() = 1\n",
    "fn f(n: int) {\n"
    "  if n > 1 and not n == 3 or n < 0 {\n"
    "    x = 1\n"
    "  } else if n == 1 {\n"
    "    x = 2\n"
    "  } else {\n"
    "    x = 3\n"
    "  }\n"
    "  if n > 2 {\n"
    "    y = 1\n"
    "  }\n"
    "  for i, layer in layers {\n"
    "    x = layer(x)\n"
    "  }\n"
    "  for i in 0..n - 1 {\n"
    "    repeat 2 * n {\n"
    "      x = x + i\n"
    "    }\n"
    "  }\n"
    "  assert n > 0\n"
    "  assert n > 0, \"n\"\n"
    "  return x\n"
    "}\n",
};

static void test_every_production_prints_as_itself(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof productions / sizeof *productions; i++)
    check_prints(productions[i], productions[i]);
}

static void check_expr(const char *text, const char *canonical) {
  Buffer in = {0}, out = {0};
  buffer_printf(&in, "const A = %s\n", text);
  buffer_printf(&out, "const A = %s\n", canonical);
  check_prints(in.data, out.data);
  buffer_free(&in);
  buffer_free(&out);
}

static void test_parentheses_only_where_precedence_needs_them(void **state) {
  (void)state;
  static const char *const same[] = {
      "a + b * c",
      "(a + b) * c",
      "a - (b - c)",
      "a - b - c",
      "a ** b ** c",
      "(a ** b) ** c",
      "-a ** b",
      "(-a) ** b",
      "a ** -b",
      "a ** -b ** c",
      "-a * b",
      "-(a * b)",
      "--a",
      "not not a",
      "not a == b",
      "(not a) == b",
      "not (a and b)",
      "a or b and c",
      "(a or b) and c",
      "(a < b) == (c < d)",
      "(a < b) < c",
      "a + (not b)",
      "(-a).b",
      "(a + b)(c)[d]",
      "a // b / c % d",
      "a @ (b @ c)",
      "[a, [b]][0]",
      "f(x = -1)(2)",
      "a.b.c(d.e)[f]",
      "a[1:2, :, .., b +: c]",
      "a ** (b + c)",
      "a != b and c >= d",
      "0.5 * 1e+20",
  };
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    check_expr(same[i], same[i]);
}

static void test_spelling_becomes_canonical(void **state) {
  (void)state;
  check_expr("((a))", "a");
  check_expr("(a*b)+(-(c))", "a * b + -c");
  check_expr("a and(b and c)", "a and (b and c)");
  check_expr("50_257 + 1E-5 + 1_0.2_5", "50257 + 1e-05 + 10.25");
  check_expr("f(a,\n  b,  # comment\n  c,\n)", "f(a, b, c)");
  check_expr("[1,\n 2]", "[1, 2]");
  check_expr("\"\\u{41}\\u{e9}\\n\"", "\"A\xC3\xA9\\n\"");
  check_expr("x[a :b+1]", "x[a:b + 1]");
  check_expr("1.x", "1.x");
  check_prints("\xEF\xBB\xBF# mark\r\nfn f(x: real,)->real{y=x;return y;}\r\n",
               "fn f(x: real) -> real {\n  y = x\n  return y\n}\n");
  check_prints("@a\n@b()\nfn f()=1;;fn g()=2", "@a @b\nfn f() = 1\n\n"
                                               "fn g() = 2\n");
}

static void test_newlines_end_statements(void **state) {
  (void)state;
  check_prints("fn f() {\n  a = x +\n    y\n  b = (x\n    + y)\n"
               "  c = g(x,\n    y)\n  for l in m { x = l }\n}\n",
               "fn f() {\n  a = x + y\n  b = x + y\n  c = g(x, y)\n"
               "  for l in m {\n    x = l\n  }\n}\n");
  check_prints("weights m from \"f\" {\n  \"a\" -> b.*\n  \"c\" -> d.**\n}\n",
               "weights m from \"f\" {\n  \"a\" -> b.*\n  \"c\" -> d.**\n}\n");
}

static void test_soft_words_are_names_where_no_keyword_can_stand(void **state) {
  (void)state;
  static const char *const soft[] = {
      "module", "optimizer", "model",    "recipe", "dataset", "weights",
      "entry",  "train",     "eval",     "param",  "state",   "from",
      "as",     "over",      "generate", "with",   "report",  "repeat"};
  for (size_t i = 0; i < sizeof soft / sizeof *soft; i++) {
    Buffer text = {0};
    buffer_printf(&text,
                  "@%s(%s = 1)\nconst A = x.%s(%s = 2).%s\n\n"
                  "recipe r {\n  %s, a.%s : f16\n}\n",
                  soft[i], soft[i], soft[i], soft[i], soft[i], soft[i],
                  soft[i]);
    check_prints(text.data, text.data);
    buffer_free(&text);
  }
}

/* ---- tree and places ----------------------------------------------------- */

static void check_span(const Parse *parse, Span span, const char *text) {
  const Source *source = sources_get(&parse->sources, span.source);
  assert_non_null(source);
  assert_int_equal(span.end - span.start, strlen(text));
  assert_memory_equal(source->text + span.start, text, strlen(text));
}

static void test_places_of_expressions(void **state) {
  (void)state;
  Parse parse;
  parse_good(&parse, "const A = (d + 1) / nn.f(x, k = -y[2:3])\n");
  const Item *item = parse.file->items;
  check_span(&parse, item->span, "const A = (d + 1) / nn.f(x, k = -y[2:3])");
  check_span(&parse, item->name_span, "A");
  const Expr *quotient = item->value;
  assert_int_equal(quotient->op, BIN_DIV);
  assert_int_equal(quotient->depth, 5);
  check_span(&parse, quotient->op_span, "/");
  check_span(&parse, quotient->left->span, "(d + 1)");
  assert_true(quotient->left->parenthesized);
  check_span(&parse, quotient->left->op_span, "+");
  const Expr *call = quotient->right;
  check_span(&parse, call->span, "nn.f(x, k = -y[2:3])");
  check_span(&parse, call->left->op_span, "f");
  const Arg *arg = call->args->next;
  check_span(&parse, arg->name_span, "k");
  check_span(&parse, arg->value->span, "-y[2:3]");
  check_span(&parse, arg->value->left->subs->span, "2:3");
  assert_null(arg->next);
  close_parse(&parse);
}

static void test_places_leave_out_what_is_around(void **state) {
  (void)state;
  Parse parse;
  parse_good(&parse, "## doc\n@recipe(r)\n@b\n"
                     "fn f(x: f32[?n]) -> (real, [n]) {\n"
                     "  @probe y = x\n}\n");
  const Item *item = parse.file->items;
  check_span(&parse, item->attributes->span, "@recipe(r)");
  check_span(&parse, item->attributes->next->span, "@b");
  assert_string_equal(item->doc, "doc");
  check_span(&parse, item->span,
             "fn f(x: f32[?n]) -> (real, [n]) {\n  @probe y = x\n}");
  const Function *function = &item->function;
  check_span(&parse, function->formals->span, "x");
  check_span(&parse, function->formals->type->span, "f32[?n]");
  check_span(&parse, function->formals->type->dims->span, "?n");
  check_span(&parse, function->result->elements->next->span, "[n]");
  check_span(&parse, function->body.block->span, "y = x");
  check_span(&parse, function->body.block->names->span, "y");
  close_parse(&parse);
}

static void test_statements_fill_their_fields(void **state) {
  (void)state;
  Parse parse;
  parse_good(&parse, "train t(b: d[4]) {\n"
                     "  for i in 0..9 { x = i }\n"
                     "  minimize l over m.* with o.S(lr = 1), clip = 2\n"
                     "  repeat 3 { x = 1 }\n"
                     "  s.c[0] = x\n}\n");
  assert_int_equal(parse.file->items->kind, ITEM_TRAIN);
  const Stmt *loop = parse.file->items->function.body.block;
  assert_int_equal(loop->kind, STMT_FOR);
  assert_int_equal(loop->values->integer, 0);
  assert_int_equal(loop->range_end->integer, 9);
  const Stmt *minimize = loop->next;
  check_span(&parse, minimize->span,
             "minimize l over m.* with o.S(lr = 1), clip = 2");
  assert_int_equal(minimize->over->next->kind, STEP_STAR);
  assert_string_equal(minimize->path.part->next->text, "S");
  assert_string_equal(minimize->args->name, "lr");
  assert_string_equal(minimize->extra->name, "clip");
  const Stmt *repeat = minimize->next;
  assert_int_equal(repeat->condition->integer, 3);
  const Stmt *assign = repeat->next;
  assert_int_equal(assign->kind, STMT_ASSIGN);
  check_span(&parse, assign->path.span, "s.c");
  assert_null(assign->next);
  close_parse(&parse);
}

static void test_numbers_have_exact_values(void **state) {
  (void)state;
  Parse parse;
  parse_good(&parse, "const A = [9223372036854775807, 1_000, 007, 0.1, 1e-5, "
                     "4.9e-324, 1.7976931348623157e308, 0e99]\n");
  const Expr *n = parse.file->items->value->list;
  assert_true(n->integer == INT64_MAX);
  n = n->next;
  assert_true(n->integer == 1000);
  n = n->next;
  assert_true(n->integer == 7);
  n = n->next;
  assert_true(n->number == 0.1);
  n = n->next;
  assert_true(n->number == 1e-5);
  n = n->next;
  assert_true(n->number == 4.9e-324);
  n = n->next;
  assert_true(n->number == 1.7976931348623157e308);
  n = n->next;
  assert_true(n->kind == EXPR_FLOAT && n->number == 0);
  close_parse(&parse);
}

static void test_strings_are_decoded(void **state) {
  (void)state;
  Parse parse;
  parse_good(&parse, "const A = \"a\\n\\t\\\"\\\\\\u{20AC}\\u{1f600}\xC3\xA9 "
                     "# no comment\"\n");
  const Expr *string = parse.file->items->value;
  assert_string_equal(string->text, "a\n\t\"\\\xE2\x82\xAC\xF0\x9F\x98\x80"
                                    "\xC3\xA9 # no comment");
  assert_int_equal(string->text_length, strlen(string->text));
  close_parse(&parse);
}

/* Texts on the command line. */
static void test_expressions_and_rules_of_the_command_line(void **state) {
  (void)state;
  Parse parse;
  Buffer out = {0};
  open_parse(&parse);
  Expr *expr = parse_expr_text(parse.arena, parse.interner, &parse.sources,
                               "-D B", " 2*D+1 ", parse.diagnostics);
  assert_non_null(expr);
  expr_print(&out, expr);
  assert_string_equal(out.data, "2 * D + 1");
  RuleExpr *rule = parse_rule_text(
      parse.arena, parse.interner, &parse.sources, "--recipe-set",
      "net.l1, param: f16, scale = fixed", parse.diagnostics);
  assert_non_null(rule);
  assert_string_equal(rule->selectors->next->path->word, "param");
  assert_string_equal(rule->settings->next->name, "scale");
  assert_int_equal(diagnostics_errors(parse.diagnostics), 0);
  assert_null(parse_expr_text(parse.arena, parse.interner, &parse.sources,
                              "-D B", "", parse.diagnostics));
  assert_null(parse_expr_text(parse.arena, parse.interner, &parse.sources,
                              "-D B", "1 2", parse.diagnostics));
  assert_null(parse_rule_text(parse.arena, parse.interner, &parse.sources,
                              "--recipe-set", "net.l1", parse.diagnostics));
  assert_null(parse_rule_text(parse.arena, parse.interner, &parse.sources,
                              "--recipe-set", "a: b\nc: d", parse.diagnostics));
  assert_int_equal(diagnostics_errors(parse.diagnostics), 4);
  assert_non_null(strstr(parse.messages.data, "-D B:1:3: error: expected"));
  assert_non_null(strstr(parse.messages.data, "--recipe-set:1:7: error:"));
  buffer_free(&out);
  close_parse(&parse);
}

static void test_tokens_are_listed(void **state) {
  (void)state;
  Parse parse;
  Buffer out = {0};
  open_parse(&parse);
  const char *text = "fn f(\n  a.** +: 0..L) = \"x\"; 1.5 # end\n";
  uint32_t source =
      sources_add(&parse.sources, "t.sg", text, strlen(text), false);
  tokens_print(&out, &parse.sources, source, parse.interner, parse.diagnostics);
  assert_string_equal(out.data, "1:1 word fn\n1:4 name f\n1:5 mark (\n"
                                "2:3 name a\n2:4 mark .**\n2:8 mark +:\n"
                                "2:11 integer 0\n2:12 mark ..\n2:14 name L\n"
                                "2:15 mark )\n2:17 mark =\n2:19 string \"x\"\n"
                                "2:22 newline\n2:24 number 1.5\n"
                                "2:27 newline\n2:27 end\n");
  buffer_free(&out);
  close_parse(&parse);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_production_prints_as_itself),
      cmocka_unit_test(test_parentheses_only_where_precedence_needs_them),
      cmocka_unit_test(test_spelling_becomes_canonical),
      cmocka_unit_test(test_newlines_end_statements),
      cmocka_unit_test(test_soft_words_are_names_where_no_keyword_can_stand),
      cmocka_unit_test(test_places_of_expressions),
      cmocka_unit_test(test_places_leave_out_what_is_around),
      cmocka_unit_test(test_statements_fill_their_fields),
      cmocka_unit_test(test_numbers_have_exact_values),
      cmocka_unit_test(test_strings_are_decoded),
      cmocka_unit_test(test_expressions_and_rules_of_the_command_line),
      cmocka_unit_test(test_tokens_are_listed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
