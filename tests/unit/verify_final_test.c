/* The verifier at level final: roundings, kernels, memory. */
#include "tests/unit/verify_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static const char *const final_text =
    "sgir 1 final\n"
    "param @w : f16[3] * 2^-1 = ones\n"
    "entry @f(%x : f32[2,3] * 2^0, %g : f32[3] * 2^-1)"
    " -> (%q : e4m3[2,3] * 2^0, %t : f32[2] * 2^0) kernels = 4 {\n"
    "phase forward\n"
    "  %y : f32[2,3] * 2^0, %q : e4m3[2,3] * 2^0 = fused(%x) {\n"
    "    %y : f32[2,3] * 2^0 = relu(%x)\n"
    "    %q : e4m3[2,3] * 2^0 = cast(%y)\n"
    "    yield %y, %q\n"
    "  }\n"
    "  %flat : f32[6] * 2^0 = reshape(%y)\n"
    "  %t : f32[2] * 2^0 = sum(%y, \"a b -> a\")\n"
    "phase update\n"
    "  %w'2 : f32[3] * 2^-1 = neg(%g)\n"
    "  store @w, %w'2\n"
    "}\n";

/* ---- level final -------------------------------------------------------- */

static void arithmetic_in_narrow(void) {
  node("%w'2")->type = type(FORMAT_F16, "%w'2");
}

static void view_of_another_format(void) {
  node("%flat")->type = type(FORMAT_F64, "%flat");
  node("%flat")->pinned = true;
}

static void store_of_another_format(void) {
  node("%w'2")->op = OP_CAST;
  node("%w'2")->type = type(FORMAT_BF16, "%w'2");
}

static void read_as_at_final(void) {
  node("%t")->as[0] = FORMAT_E4M3;
}

static void only_casts_round(void **state) {
  (void)state;
  EXPECT(final_text,
         {arithmetic_in_narrow,
          "f: %w'2: neg gives f16: only cast and store round below f32\n"},
         {view_of_another_format, "f: %flat: a view of f32 is not f64\n"},
         {store_of_another_format, "f: store @w: it stores bf16 into f16\n"},
         {read_as_at_final, "f: %t: operand 1 is read `as` a format: only "
                            "contractions do, at level formatted\n"});
}

static void kernel_unknown(void) {
  node("%y")->kernel = 9;
}

static void kernel_of_none(void) {
  node("%t")->kernel = 0;
}

static void kernel_of_view(void) {
  node("%flat")->kernel = 1;
}

static void kernel_split(void) {
  node("%w'2")->kernel = 1;
}

static void kernel_empty(void) {
  vec_push(&graph()->kernel, (Kernel){KERNEL_FUSED, 0, 0});
}

static void kernel_extent(void) {
  graph()->kernel.data[1].last = value("%t");
}

static void kernel_overlap(void) {
  graph()->kernel.data[1].first = value("%y");
  graph()->kernel.data[1].last = value("%y");
  node("%q")->kernel = 1;
  graph()->kernel.data[1].last = 200;
}

static void kernels_are_runs(void **state) {
  (void)state;
  EXPECT(final_text, {kernel_unknown, "f: %y: there is no kernel 9\n"},
         {kernel_of_none, "f: %t: it belongs to no kernel\n"},
         {kernel_of_view, "f: %flat: reshape belongs to kernel 1\n"},
         {kernel_split, "f: %w'2: kernel 1 does not follow kernel 2\n"
                        "f: store @w: kernel 4 does not follow kernel 1\n"},
         {kernel_empty, "f: the last kernels have no members\n"},
         {kernel_extent, "f: kernel 1 has no extent\n"},
         {kernel_overlap, "f: kernel 1 has no extent\n"});
}

static Placement *place(const char *name, int64_t offset, int64_t bytes,
                        uint32_t first, uint32_t last) {
  if (!graph()->placement)
    graph()->placement = NEW_ARRAY(text->arena, Placement, graph()->count);
  graph()->arena_bytes = 256;
  Placement *placement = &graph()->placement[value(name)];
  *placement = (Placement){.materialized = true,
                           .arena = true,
                           .offset = offset,
                           .bytes = bytes,
                           .first_use = first,
                           .last_use = last};
  return placement;
}

static void placed_well(void) {
  place("%y", 0, 64, 1, 2);
  place("%q", 64, 32, 1, 5);
  place("%t", 128, 64, 2, 5);
  place("%w'2", 0, 64, 3, 4); /* over what is dead */
  place("%flat", 0, 64, 1, 2)->base = value("%y");
}

static void placed_outside(void) {
  placed_well();
  graph()->arena_bytes = 128;
}

static void placed_before(void) {
  placed_well();
  place("%y", -64, 64, 1, 2);
}

static void placed_over_the_living(void) {
  placed_well();
  place("%t", 60, 64, 2, 5);
}

static void placed_in_place(void) {
  placed_well();
  place("%t", 0, 64, 2, 5);
  place("%w'2", 192, 64, 3, 4);
}

static void placed_backwards(void) {
  placed_well();
  place("%w'2", 0, 64, 4, 3);
}

static void placed_on_nothing(void) {
  placed_well();
  place("%flat", 0, 64, 1, 2)->base = 99;
}

static void memory_is_not_shared(void **state) {
  (void)state;
  EXPECT(
      final_text, {placed_well, ""},
      {placed_outside, "f: %t: its memory is not inside the arena\n"},
      {placed_before, "f: %y: its memory is not inside the arena\n"},
      {placed_over_the_living,
       "f: %t: its memory overlaps that of %y, which lives\n"
       "f: %t: its memory overlaps that of %q, which lives\n"
       "f: %w'2: its memory overlaps that of %t, which lives\n"},
      {placed_in_place, "f: %t: its memory overlaps that of %y, which lives\n"},
      {placed_backwards, "f: %w'2: its life ends before it begins\n"},
      {placed_on_nothing, "f: %flat: it is a view of nothing\n"});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_casts_round),
      cmocka_unit_test(kernels_are_runs),
      cmocka_unit_test(memory_is_not_shared),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
