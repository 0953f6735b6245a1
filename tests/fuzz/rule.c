/* Fuzz target: one rule of a recipe, as --recipe-set takes it.
 *
 * In: any bytes. Promises: those of sg.c, of a small program to whose recipe
 * the rule is added.
 */
#include "compiler/front/front.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const char program_text[] =
    "import nn\n"
    "import optim\n"
    "dataset d {\n"
    "  x: u8[_, 3] = idx(\"x\")\n"
    "  y: u8[_]    = idx(\"y\")\n"
    "}\n"
    "module M {\n"
    "  layers[2]: nn.Linear(3, 3)\n"
    "  state m: [3] = zeros\n"
    "  fn forward(x: [?n, 3]) -> [n, 3] {\n"
    "    for layer in layers { x = relu(layer(x)) }\n"
    "    m = m + mean(x, axis = 0)\n"
    "    return x\n"
    "  }\n"
    "}\n"
    "model net: M()\n"
    "@recipe(recipes.fp8)\n"
    "train fit(batch: d[2]) {\n"
    "  z = net(real(batch.x))\n"
    "  loss = cross_entropy(z, batch.y)\n"
    "  minimize loss with optim.SGD(lr = 0.1, momentum = 0.9)\n"
    "}\n"
    "import recipes\n";

static const char *rule_text(Compilation *c, const uint8_t *data, size_t size) {
  return arena_string(c->arena, (const char *)data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > FUZZ_INPUT_LIMIT)
    return 0;
  Compilation c;
  compilation_open(&c, "input.sg", program_text, strlen(program_text));
  const char *rule = rule_text(&c, data, size);
  FrontOptions options = {.recipe_set = &rule, .recipe_set_count = 1};
  Program *program = elaborate(c.arena, c.interner, &c.sources, c.source,
                               &options, c.diagnostics);
  promise_diagnosed(&c, program == NULL);
  if (program) {
    promise_reads_back(program);
    promise_passes(&c, program);
  }
  program_free(program);
  compilation_close(&c);
  return 0;
}
