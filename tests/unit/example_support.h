/* For the oracles: programs of examples/ or from text, at any level, run by the
 * evaluator on reproducible inputs.
 *
 *   Trial *t = trial_new(&(TrialSource){.file = "examples/mlp/mlp.sg",
 *                                       .define = {"B=4"}, .recipe = "fp8"},
 *                        PASS_scalify);
 *   trial_run(t, PRECISION_F32, 3);
 *   ... trial_value(t, "loss") ...
 *   trial_free(t);
 */
#ifndef SG_TESTS_EXAMPLE_SUPPORT_H
#define SG_TESTS_EXAMPLE_SUPPORT_H

#include "compiler/context.h"
#include "ir/eval.h"

enum { DEFINES_MOST = 12 };

typedef struct {
  const char *file; /* from the source folder, or NULL: `text` */
  const char *text;
  const char *entry;  /* NULL: the first */
  const char *recipe; /* NULL: as the program says */
  const char *rule;   /* for --recipe-set, or NULL */
  const char *define[DEFINES_MOST + 1];
} TrialSource;

/* Examples at sizes of a moment; an entry, a recipe and a rule follow. */
#define MLP .file = "examples/mlp/mlp.sg", .define = {"HIDDEN=32", "B=8"}
#define LLAMA                                                                  \
  .file = "examples/llama/llama.sg",                                           \
  .define = {"L=2",  "D=16",   "H=4",     "G=2", "F=24",                       \
             "V=50", "CTX=16", "CHUNK=4", "B=2"}
#define GPT2                                                                   \
  .file = "examples/gpt/gpt2.sg",                                              \
  .define = {"L=2", "D=16", "H=2", "V=50", "T=8", "B=2"}
/* Layers that the backward pass computes again. */
#define AGAIN(optimizer)                                                       \
  .text = "import optim\n"                                                     \
          "dataset points {\n  x: f32[_, 8] = idx(\"x\")\n"                    \
          "  y: u8[_] = idx(\"y\")\n}\n"                                       \
          "module Layer {\n  param w: [8, 8] = normal(0.4)\n"                  \
          "  fn forward(x: [?b, 8]) -> [b, 8] {\n"                             \
          "    h = tanh(x @ w.T)\n    return x + h * h\n  }\n}\n"              \
          "module Net {\n  @remat\n  layers[3]: Layer()\n"                     \
          "  fn forward(x: [?b, 8]) -> [b, 8] {\n"                             \
          "    for layer in layers { x = layer(x) }\n    return x\n  }\n}\n"   \
          "model net: Net()\n@recipe(fp8)\n"                                   \
          "train fit(batch: points[4]) {\n  logits = net(batch.x)\n"           \
          "  loss = cross_entropy(logits, batch.y)\n"                          \
          "  minimize loss with optim." optimizer "\n  report loss\n}\n",      \
  .entry = "fit"

typedef struct {
  sg_context *sg;
  Program *program;
  Graph *graph;
  Evaluator *evaluator;
  size_t rounds;  /* micro-batches a step */
  Tensor *input;  /* of each micro-batch: one per Graph.input */
  bool certified; /* all steps so far */
} Trial;

/* Elaborates and runs the passes up to `last`; PASS_COUNT: none. Fails the test
 * if that fails. */
Trial *trial_new(const TrialSource *source, PassId last);
void trial_free(Trial *t);
/* A fresh evaluator; steps 1 .. steps must succeed. */
void trial_run(Trial *t, Precision precision, int steps);
/* One more step; true if it succeeds. */
bool trial_step(Trial *t, uint64_t step);
/* The inputs of a step: standard normal reals, whole numbers where they choose
 * within their limit, else of a byte. A function of name, step and element. */
void trial_fill(Trial *t, uint64_t step);
/* A value of the last step by its name or that of a result, or the parameter of
 * that name; NULL. */
const Tensor *trial_value(const Trial *t, const char *name);

/* data * 2^exponent of both, equal to the bit but for the payload of a NaN. */
bool tensors_equal(const Tensor *a, const Tensor *b);
/* All parameters, and all values of the last step that have a name in both, are
 * equal; how many values that were. Fails the test otherwise. */
size_t trials_expect_equal(const Trial *a, const Trial *b);

#endif
