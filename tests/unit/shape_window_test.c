/* Types of convolutions and pools, and what their rules refuse. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/text_support.h"

/* One operation over %x, %w, %s in a program; what the reader says. */
static void expect(const char *type, const char *op, const char *message) {
  Arena *arena = arena_new();
  const char *source = arena_printf(
      arena,
      "sgir 1 plain program \"t\"\nrecipe f32 { default : f32, scale = none }\n"
      "entry @f(%%x : real[2,9,8,6], %%w : real[4,3,3,6], %%s : real[2,6], "
      "%%b : u8[2,9,8,6], %%e : real[0,9,8,6])\n  -> (%%y : %s) recipe = f32 "
      "{\nphase forward\n  %%y : %s = %s\n}\n",
      type, type, op);
  Text *text = text_read_bytes(source, strlen(source));
  if (message) {
    assert_null(text->program);
    assert_non_null(text->messages.data);
    if (!strstr(text->messages.data, message))
      fail_msg("%s: %s", op, text->messages.data);
  } else if (!text->program) {
    fail_msg("%s: %s", op, text->messages.data);
  }
  text_free(text);
  arena_free(arena);
}

static void convolutions_have_a_type(void **state) {
  (void)state;
  expect("real[2,7,6,4]", "conv(%x, %w)", NULL);
  expect("real[2,9,8,4]", "conv(%x, %w, pad = [1, 1])", NULL);
  expect("real[2,4,6,4]", "conv(%x, %w, stride = [2, 1])", NULL);
  expect("real[2,5,2,4]", "conv(%x, %w, dilation = [2, 3])", NULL);
  expect("real[0,7,6,4]", "conv(%e, %w)", NULL);
  expect("real[2,11,10,6]", "conv_grad_input(%x, %y)", "no value %y");
  expect("real[6,1,1,6]", "conv_grad_weight(%x, %x)", NULL);
}

static void convolutions_refuse(void **state) {
  (void)state;
  expect("real[2,7,6,4]", "conv(%x, %s)",
         "conv needs images and weights [c_out, window.., c] of one rank, not "
         "real[2,9,8,6] and real[2,6]");
  expect("real[2,7,6,4]", "conv(%s, %w)",
         "conv needs images [n, spatial.., c] with 1 to 3 spatial axes, not "
         "real[2,6]");
  expect("real[2,7,6,4]", "conv(%x, %w, groups = 2)",
         "conv of real[2,9,8,6] with weights real[4,3,3,6] in 2 groups: the "
         "channels do not fit");
  expect("real[2,7,6,4]", "conv(%x, %w, groups = 0)", "do not fit");
  expect("real[2,7,6,4]", "conv(%x, %w, stride = [1])",
         "conv needs `stride` as a list of 2 numbers of at least 1");
  expect("real[2,7,6,4]", "conv(%x, %w, stride = [0, 1])", "of at least 1");
  expect("real[2,7,6,4]", "conv(%x, %w, dilation = [0, 1])", "`dilation`");
  expect("real[2,7,6,4]", "conv(%x, %w, dilation = [5, 1])",
         "conv has a window of 11 over an image of 9 along spatial axis 0");
  expect("real[2,7,6,4]", "conv(%b, %w)", "works on real numbers");
  expect("real[2,9,8,6]", "conv_grad_input(%x, %w)",
         "conv_grad_input of real[2,9,8,6] cannot be real[2,9,8,6]: the "
         "forward pass gives real[2,7,6,4]");
  expect("real[2,6]", "conv_grad_weight(%x, %x)",
         "conv_grad_weight needs weights");
}

static void pools_have_a_type(void **state) {
  (void)state;
  expect("real[2,8,7,6]", "maxpool(%x, window = [2, 2])", NULL);
  expect("real[2,5,4,6]",
         "avgpool(%x, window = [2, 2], stride = [2, 2], pad = [1, 0])", NULL);
  expect("real[2,10,8,6]", "avgpool_grad(%x, window = [2, 1])", NULL);
  expect("real[2,9,8,6]", "maxpool_grad(%x, %x, window = [1, 1])", NULL);
}

static void pools_refuse(void **state) {
  (void)state;
  expect("real[2,8,7,6]", "maxpool(%x, window = [2])",
         "maxpool needs `window` as a list of 2 numbers");
  expect("real[2,8,7,6]", "maxpool(%x)", "window");
  expect("real[2,8,7,6]", "maxpool(%x, window = [2, 2], pad = [2, 0])",
         "maxpool pads by 2 and its window is 2: a window would lie outside "
         "the image");
  expect("real[2,8,7,6]", "avgpool(%x, window = [0, 2])", "window");
  expect("real[2,9,8,6]", "maxpool_grad(%x, %x, window = [2, 2])", "cannot be");
  expect("real[2,6]", "avgpool(%s, window = [2])", "images");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolutions_have_a_type),
      cmocka_unit_test(convolutions_refuse),
      cmocka_unit_test(pools_have_a_type),
      cmocka_unit_test(pools_refuse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
