/* The verifier: for each invariant one program that breaks it and nothing
 * else, made from a sound one by one change. */
#include "tests/unit/verify_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static const char *const plain_text =
    "sgir 1 plain\n"
    "recipe r { default : f32 }\n"
    "param @w : real[3] = ones\n"
    "param @v : real[3] = ones\n"
    "train @f(%x : f32[2,3], %ids : i32[2]) -> (%loss : real[]) recipe = r {\n"
    "phase forward\n"
    "  %y : real[2,3] = add(%x, @w)\n"
    "  %z : real[2,3] = relu(%y)\n"
    "  %pin : f16[2,3] = neg(%z, pinned)\n"
    "  %loss : real[] = sum(%z, \"a b ->\")\n"
    "  minimize %loss (@w -> %d.w : real[3])\n"
    "phase update\n"
    "  %w'2 : real[3] = sub(@w, %d.w)\n"
    "  store @w, %w'2\n"
    "}\n";

static const char *const scaled_text =
    "sgir 1 scaled\n"
    "param @w : real[3,3] * 2^-2 = ones\n"
    "entry @f(%x : real[2,3] * 2^0, %ids : i32[2]) -> (%y : real[2,3] * 2^$m) "
    "{\n"
    "phase forward\n"
    "  $s = norm_exponent(%x, by = l2)\n"
    "  $m = max_exponent(($s + 1), 0)\n"
    "  %a : real[2,3] * 2^$m = rebalance(%x)\n"
    "  %b : real[2,3] * 2^$m = relu(%a)\n"
    "  %y : real[2,3] * 2^$m = add(%a, %b)\n"
    "  %q : real[2,3] * 2^1 = rebalance(%x)\n"
    "  %r : real[2,3] * 2^0 = sqrt(%q)\n"
    "  %e : real[2,3] * 2^0 = einsum(%x, @w, \"b i, o i -> b o\", shift = -2)\n"
    "  %best : i32[2] = argmax(%e, axis = 1)\n"
    "  %w~1 : real[3,3] * 2^-2 = neg(@w)\n"
    "  store @w, %w~1\n"
    "}\n";

static const char *const formatted_text =
    "sgir 1 formatted\n"
    "param @w : f16[3,3] * 2^-2 = ones\n"
    "entry @f(%x : f32[2,3] * 2^0) -> (%y : bf16[2,3] * 2^0) {\n"
    "phase forward\n"
    "  %y : bf16[2,3] * 2^0 = einsum(%x as e4m3, @w as e4m3, \"b i, o i -> b "
    "o\", shift = -2)\n"
    "  %z : bf16[2,3] * 2^0 = relu(%y)\n"
    "}\n";

/* ---- structure ---------------------------------------------------------- */

static void operand_later(void) {
  node("%y")->input[0] = value("%z");
}

static void operand_missing(void) {
  node("%z")->input[0] = 0;
}

static void operand_too_many(void) {
  node("%z")->input[1] = value("%y");
}

static void op_unknown(void) {
  node("%z")->op = OP_COUNT;
}

static void type_missing(void) {
  node("%z")->type = NULL;
}

static void param_unknown(void) {
  node("@w")->attr.index = 7;
}

static void store_unknown(void) {
  store_node()->attr.index = -1;
}

static void input_unknown(void) {
  node("%ids")->attr.index = 5;
}

static void input_of_another(void) {
  node("%ids")->attr.index = 0;
}

static void graphs_are_in_order(void **state) {
  (void)state;
  EXPECT(plain_text,
         {operand_later, "f: %y: operand 1 does not come before it\n"},
         {operand_missing, "f: %z: operand 1 does not come before it\n"},
         {operand_too_many, "f: %z: relu has an operand too many\n"},
         {op_unknown, "f: %z: it has no op or no phase\n"},
         {type_missing, "f: %z: it has no type\n"},
         {param_unknown, "f: @w: there is no parameter number 7\n"},
         {store_unknown, "f: value 10: there is no parameter number -1\n"},
         {input_unknown, "f: %ids: there is no input number 5\n"},
         {input_of_another, "f: %ids: input number 0 is another value\n"});
}

/* ---- entries ------------------------------------------------------------ */

static void input_renamed(void) {
  graph()->input.data[0].name = "image";
}

static void input_without_node(void) {
  graph()->input.data[1].value = value("%y");
  node("%ids")->attr.index = -1;
}

static void result_missing(void) {
  graph()->result.data[0].value = 0;
}

static void result_of_store(void) {
  ValueId id = 1;
  while (graph_node(graph(), id) != store_node())
    id++;
  graph()->result.data[0].value = id;
}

static void recipe_missing(void) {
  graph()->recipe = "s";
}

static void loss_missing(void) {
  graph()->minimize->loss = 99;
}

static void loss_of_many(void) {
  graph()->minimize->loss = value("%y");
}

static void pair_of_value(void) {
  graph()->minimize->parameter[0] = value("%y");
}

static void pair_of_other_type(void) {
  node("%d.w")->type = type(FORMAT_F32, "%d.w");
  node("%d.w")->pinned = true;
}

static void loss_of_the_update(void) {
  node("%loss")->phase = PHASE_UPDATE;
}

static void gradient_in_forward(void) {
  node("%w'2")->phase = PHASE_FORWARD;
}

static void minimize_forgotten(void) {
  graph()->minimize = NULL;
}

static void entry_twice(void) {
  vec_push(&text->program->graph, graph_new(text->arena, ENTRY_EVAL, "f"));
}

static void entries_are_whole(void **state) {
  (void)state;
  EXPECT(
      plain_text, {input_renamed, "f: %x: input image has another name\n"},
      {result_missing, "f: result 1 has no value or no name\n"},
      {result_of_store, "f: store @w: it is a result but no tensor\n"},
      {recipe_missing, "f: there is no recipe s\n"},
      {loss_missing, "f: minimize has no loss\n"},
      {loss_of_many, "f: %y: a loss is one real number\n"},
      {loss_of_the_update, "f: %loss: a loss is of phase forward\n"},
      {pair_of_value,
       "f: minimize pairs a parameter or input with a placeholder\n"},
      {pair_of_other_type,
       "f: %d.w: it is not real[..] of the shape of its parameter\n"},
      {gradient_in_forward, "f: %w'2: it reads a gradient in phase forward\n"},
      {minimize_forgotten, "f: 1 placeholders, but minimize pairs 0\n"},
      {entry_twice, "program: entry @f is declared twice\n"},
      {input_without_node, "f: input ids has no node of its own\n"
                           "f: 2 placeholders, but minimize pairs 1\n"});
}

/* ---- names, phases, types ----------------------------------------------- */

static void name_missing(void) {
  node("%z")->name = NULL;
}

static void name_twice(void) {
  node("%z")->name = node("%y")->name;
}

static void name_of_store(void) {
  store_node()->name = "stored";
}

static void phase_back(void) {
  node("%y")->phase = PHASE_BACKWARD;
}

static void type_wrong(void) {
  node("%y")->type = node("%w'2")->type;
  node("%z")->type = node("%w'2")->type;
  node("%pin")->type = type(FORMAT_F16, "%w'2");
  node("%loss")->attr.pattern = "a ->";
}

static void pattern_wrong(void) {
  node("%loss")->attr.pattern = "a ->";
}

static void values_have_names_phases_and_types(void **state) {
  (void)state;
  EXPECT(plain_text, {name_missing, "f: value 5: it has no name\n"},
         {name_twice, "f: %y: the name is used twice\n"},
         {name_of_store, "f: %stored: store carries no name\n"},
         {phase_back, "f: %z: phase forward after phase backward\n"},
         {type_wrong, "f: %y: its type is real[3], but its op gives "
                      "real[2,3]\n"},
         {pattern_wrong, "f: %loss: sum \"a ->\": the pattern names 1 axes for "
                         "an operand that has 2\n"});
}

/* Values, exponents and parameters may share a name. */
static void name_spaces_are_apart(void **state) {
  (void)state;
  Text *shared = text_read("sgir 1 scaled\n"
                           "param @x : real[] * 2^0 = ones\n"
                           "entry @f() {\n"
                           "phase forward\n"
                           "  $x = norm_exponent(@x, by = l2)\n"
                           "  %x : real[] * 2^$x = rebalance(@x)\n"
                           "}\n");
  assert_string_equal(text_verify(shared), "");
  text_free(shared);
}

/* ---- parameters --------------------------------------------------------- */

static void param_twice(void) {
  text->program->param.data[1].name = text->program->param.data[0].name;
}

static void param_unpinned(void) {
  text->program->param.data[1].type = type(FORMAT_F16, "@w");
}

static void param_scaled(void) {
  text->program->param.data[1].scale = scale_static(0);
}

static void param_node_type(void) {
  text->program->param.data[0].type = type(FORMAT_F16, "@w");
  text->program->param.data[0].pinned = true;
}

static void param_node_name(void) {
  node("@w")->name = "u";
}

static void param_node_twice(void) {
  Node copy = *node("@w");
  graph_add(graph(), &copy);
}

static void parameters_are_declared(void **state) {
  (void)state;
  EXPECT(plain_text, {param_twice, "@w: it is declared twice\n"},
         {param_unpinned, "@v: it is f16 at level plain without a pin\n"},
         {param_scaled, "@v: it has a scale at level plain\n"},
         {param_node_type, "f: @w: its type is not that of the parameter\n"},
         {param_node_name, "f: @u: it is not called w\n"},
         {param_node_twice, "f: @w: the name is used twice\n"});
}

static void param_out_of_range(void) {
  text->program->param.data[0].scale.exponent = 127;
  node("@w")->scale.exponent = 127;
  node("%w~1")->scale.exponent = 127;
  node("%w~1")->scale.kind = SCALE_ZERO;
  node("%e")->scale.exponent = 0;
  store_node()->scale.exponent = 127;
}

static void param_node_scale(void) {
  text->program->param.data[0].scale.exponent = -3;
  node("%w~1")->scale.exponent = -3;
  node("%w~1")->op = OP_REBALANCE;
  store_node()->scale.exponent = -3;
}

static void parameters_have_static_exponents(void **state) {
  (void)state;
  EXPECT(
      scaled_text,
      {param_out_of_range, "@w: its exponent is not static and in range\n"
                           "f: @w: exponent 127 is not in [-126, 126]\n"
                           "f: %w~1: it is not known to be zero\n"
                           "f: store @w: exponent 127 is not in [-126, "
                           "126]\n"},
      {param_node_scale, "f: @w: its exponent is not that of the parameter\n"});
}

/* ---- levels ------------------------------------------------------------- */

static void scale_at_plain(void) {
  node("%z")->scale = scale_static(0);
}

static void unpinned_at_plain(void) {
  node("%pin")->pinned = false;
}

static void rebalance_at_plain(void) {
  node("%z")->op = OP_REBALANCE;
}

static void exponent_at_plain(void) {
  Node *added = node("%pin");
  added->op = OP_NORM_EXPONENT;
  added->type = type_scalar(text->program->types, FORMAT_I32);
}

static void read_as_at_plain(void) {
  node("%y")->as[0] = FORMAT_E4M3;
}

static void plain_has_no_scales(void **state) {
  (void)state;
  EXPECT(
      plain_text, {scale_at_plain, "f: %z: it has a scale at level plain\n"},
      {unpinned_at_plain, "f: %pin: format f16 at level plain without a pin\n"},
      {rebalance_at_plain, "f: %z: rebalance at level plain\n"},
      {exponent_at_plain, "f: $pin: norm_exponent at level plain\n"},
      {read_as_at_plain, "f: %y: operand 1 is read `as` a format: only "
                         "contractions do, at level formatted\n"});
}

static void rescale_left(void) {
  node("%b")->op = OP_RESCALE;
}

static void minimize_left(void) {
  text->program->level = LEVEL_SCALED;
}

static void symbol_later(void) {
  node("$m")->attr.term[0].symbol = value("$m");
}

static void symbol_of_tensor(void) {
  node("%a")->scale.symbol = value("%x");
}

static void scale_of_integer(void) {
  node("%best")->scale = scale_static(0);
}

static void symbol_of_leaf(void) {
  /* an exponent that is known before the leaf */
  Node leaf = *node("%x");
  leaf.scale.symbol = value("$m");
  leaf.name = "late";
  leaf.attr.index = 2;
  Input input = {.name = "late"};
  input.value = graph_add(graph(), &leaf);
  vec_push(&graph()->input, input);
}

static void exponent_out_of_range(void) {
  node("%q")->scale.exponent = 127;
  node("%r")->scale.exponent = 63;
}

static void operands_unaligned(void) {
  node("%b")->op = OP_REBALANCE;
  node("%b")->scale.exponent = 1;
}

static void shift_where_none_may_be(void) {
  node("%r")->scale.exponent = 1;
}

static void store_unaligned(void) {
  node("%w~1")->op = OP_REBALANCE;
  node("%w~1")->scale.exponent = -1;
}

static void root_of_symbol(void) {
  node("%q")->scale.symbol = value("$s");
}

static void term_of_nothing(void) {
  node("$m")->attr.term[1].kind = SCALE_NONE;
}

static void too_many_symbols(void) {
  Node *e = node("%e");
  e->op = OP_MUL;
  e->input[0] = value("%a");
  e->input[1] = value("%b");
  e->scale = scale_make(SCALE_NORMAL, value("$s"), 0);
}

static void symbol_without_scale(void) {
  node("%q")->scale = scale_make(SCALE_NONE, value("$s"), 0);
  node("%r")->op = OP_REBALANCE;
}

/* One exponent for each row of a value of the shape of `like`. */
static const Granularity *rows_of(const char *like) {
  const Type *type = node(like)->type;
  const Granularity *rows = NULL;
  int64_t block[] = {1, type->dim[1]};
  granularity_make(text->program->types, type, block, &rows);
  return rows;
}

static void blocks_at_run_time(void) {
  node("%a")->scale.granularity = rows_of("%a");
}

static void blocks_of_a_product(void) {
  node("%e")->scale.granularity = rows_of("%e");
}

static void blocks_of_another_shape(void) {
  const Granularity *columns = NULL;
  granularity_make(text->program->types, node("@w")->type, (int64_t[]){3, 1},
                   &columns);
  node("%q")->scale.granularity = columns;
}

static void blocks_of_a_parameter(void) {
  node("%w~1")->scale.granularity = rows_of("@w");
}

static void store_of_another_exponent(void) {
  store_node()->scale.exponent++;
}

static void scales_are_consistent(void **state) {
  (void)state;
  EXPECT(
      scaled_text, {rescale_left, "f: %b: rescale is left after level plain\n"},
      {symbol_later, "f: $m: its exponent is not defined before it\n"},
      {symbol_of_tensor,
       "f: %a: its exponent refers to a value that is none\n"},
      {scale_of_integer, "f: %best: a scale on i32\n"},
      {symbol_of_leaf, "f: %late: a leaf has a static exponent\n"},
      {exponent_out_of_range, "f: %q: exponent 127 is not in [-126, 126]\n"},
      {operands_unaligned, "f: %y: its operands have different exponents\n"},
      {shift_where_none_may_be,
       "f: %r: sqrt cannot shift, but its exponents imply -1\n"},
      {store_unaligned,
       "f: store @w: its exponent is not that of the parameter\n"},
      {store_of_another_exponent,
       "f: store @w: its exponent is not that of the parameter\n"},
      {blocks_at_run_time,
       "f: %a: blocks have static exponents\n"
       "f: %b: its scale has other blocks than its operand's\n"
       "f: %y: add reads tensors with one exponent each\n"},
      {blocks_of_a_product,
       "f: %e: einsum gives a tensor with one exponent\n"
       "f: %best: argmax reads tensors with one exponent each\n"},
      {blocks_of_another_shape,
       "f: %q: the blocks of its scale do not fit its shape\n"
       "f: %r: sqrt reads tensors with one exponent each\n"},
      {blocks_of_a_parameter,
       "f: %w~1: its scale has other blocks than its operand's\n"
       "f: store @w: store reads tensors with one exponent each\n"},
      {root_of_symbol, "f: %r: sqrt needs a static exponent\n"},
      {term_of_nothing, "f: $m: term 2 is no exponent\n"},
      {too_many_symbols, "f: %e: its shift has too many run-time exponents\n"},
      {symbol_without_scale, "f: %q: it has a symbol but no scale\n"});
  expect(plain_text, minimize_left, "f: minimize is left after level plain\n");
}

static void real_at_formatted(void) {
  node("%z")->type = type(FORMAT_REAL, "%z");
}

static void param_real_at_formatted(void) {
  text->program->param.data[0].type = type(FORMAT_REAL, "@w");
  node("@w")->type = type(FORMAT_REAL, "@w");
}

static void read_as_by_relu(void) {
  node("%z")->as[0] = FORMAT_E4M3;
}

static void read_as_integer(void) {
  node("%y")->as[1] = FORMAT_I32;
}

static void kernel_at_formatted(void) {
  node("%z")->kernel = 1;
}

static void kernels_at_formatted(void) {
  vec_push(&graph()->kernel, (Kernel){KERNEL_NONE, 0, 0});
  vec_push(&graph()->kernel, (Kernel){KERNEL_GEMM, value("%y"), value("%y")});
  vec_push(&graph()->kernel, (Kernel){KERNEL_FUSED, value("%z"), value("%z")});
  node("%y")->kernel = 1;
  node("%z")->kernel = 2;
}

static void formatted_has_formats(void **state) {
  (void)state;
  EXPECT(
      formatted_text,
      {real_at_formatted, "f: %z: it is real at level formatted\n"},
      {param_real_at_formatted, "@w: it is real at level formatted\n"
                                "f: @w: it is real at level formatted\n"},
      {read_as_by_relu, "f: %z: operand 1 is read `as` a format: only "
                        "contractions do, at level formatted\n"},
      {read_as_integer, "f: %y: operand 2 is read as i32\n"},
      {kernel_at_formatted, "f: %z: it names a kernel, but there are none\n"},
      {kernels_at_formatted, "f: kernels before level final\n"});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(graphs_are_in_order),
      cmocka_unit_test(entries_are_whole),
      cmocka_unit_test(values_have_names_phases_and_types),
      cmocka_unit_test(name_spaces_are_apart),
      cmocka_unit_test(parameters_are_declared),
      cmocka_unit_test(parameters_have_static_exponents),
      cmocka_unit_test(plain_has_no_scales),
      cmocka_unit_test(scales_are_consistent),
      cmocka_unit_test(formatted_has_formats),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
