/* Reading .sgir: kernels of several operations.
 *
 * A region flattens into consecutive nodes of one kernel. What it states about
 * its edges (left side, operand list, yield) follows from the graph, so it is
 * compared with the graph once the entry is complete.
 */
#include "ir/read.h"

void region_text_free(RegionText *region) {
  vec_free(&region->left);
  vec_free(&region->read);
  vec_free(&region->yield);
}

/* The operand list of a region names what it reads. */
static void region_operands(SgirReader *reader, RegionText *region) {
  for (size_t i = 0; i < reader->argument.length; i++) {
    const Argument *argument = &reader->argument.data[i];
    const Operand *operand = argument->value;
    if (argument->name.text ||
        (operand->kind != OPERAND_VALUE && operand->kind != OPERAND_PARAM &&
         operand->kind != OPERAND_TERM)) {
      read_error(reader, operand->span, "E0807",
                 "a region lists the values that it reads");
      continue;
    }
    vec_push(&region->read, read_operand(reader, operand));
  }
  reader->argument.length = 0;
}

/* Errors here do not stop the reading of the members. */
void read_region(SgirReader *reader, Span span, Word word) {
  RegionText region = {.span = span};
  KernelForm form = KERNEL_NONE;
  if (!kernel_form_named(word.text, &form))
    read_error(reader, word.span, "E0807",
               "`%s` is not a kernel form: fused, gemm, reduce, row or permute",
               word.text);
  if (reader->kernels < 0)
    read_error(reader, span, "E0807",
               "a region in an entry that does not state `kernels = n`");
  if (reader->in_region)
    read_error(reader, span, "E0807", "a region inside a region");
  region_operands(reader, &region);
  for (size_t i = 0; i < reader->definition.length; i++)
    vec_push(&region.left, reader->definition.data[i]);
  reader->definition.length = 0;
  if (reader->kernels >= 0) {
    vec_push(&reader->graph->kernel, (Kernel){form, 0, 0});
    region.kernel = (uint32_t)reader->graph->kernel.length - 1;
  }
  vec_push(&reader->region, region);
  reader->in_region = true;
}

/* Names are compared later; the sigil shows in the left side. */
void read_yield(SgirReader *reader, bool exponent, Word name) {
  (void)exponent;
  RegionText *region = &reader->region.data[reader->region.length - 1];
  vec_push(&region->yield, name);
}

void read_region_end(SgirReader *reader) {
  reader->in_region = false;
}

/* Value number i that leaves must be number i of the left side and of `yield`.
 */
static void check_left(SgirReader *reader, const RegionText *text, size_t i,
                       ValueId id) {
  const Node *node = graph_node(reader->graph, id);
  if (i >= text->left.length || text->left.data[i].name.text != node->name) {
    read_error(reader, text->span, "E0807",
               "%s leaves the region here, in this order, but the left side "
               "does not say so",
               node->name);
    return;
  }
  const Definition *left = &text->left.data[i];
  if (i >= text->yield.length || text->yield.data[i].text != node->name)
    read_error(reader, text->span, "E0807",
               "`yield` does not repeat the left side: %s", node->name);
  Scale scale;
  if (left->exponent != node_defines_exponent(node))
    read_error(reader, left->name.span, "E0807", "%s is of the other kind",
               node->name);
  else if (left->type && (read_type(reader, left->type, &scale) != node->type ||
                          !scale_equal(scale, node->scale)))
    read_error(reader, left->type->span, "E0807",
               "the left side's type is not that of its value");
}

typedef struct {
  SgirReader *reader;
  const RegionText *text;
  size_t count;
  bool equal;
} ReadList;

/* A visitor for region_reads. */
static void compare_read(void *user, ValueId value) {
  ReadList *list = user;
  size_t i = list->count++;
  list->equal = list->equal && i < list->text->read.length &&
                list->text->read.data[i] == value;
}

/* All that the region states, against what follows from its nodes. */
static void check_region(SgirReader *reader, const RegionText *text,
                         const ValueId *last_user) {
  const Graph *graph = reader->graph;
  const Kernel *kernel = &graph->kernel.data[text->kernel];
  if (!kernel->first) {
    read_error(reader, text->span, "E0807", "a region without operations");
    return;
  }
  Region region = {kernel->form, kernel->first, kernel->last, 0};
  size_t leaving = 0;
  for (ValueId id = region.first; id <= region.last; id++)
    if (region_leaves(graph, &region, last_user, id))
      check_left(reader, text, leaving++, id);
  if (leaving < text->left.length || leaving < text->yield.length)
    read_error(reader, text->span, "E0807",
               "the left side or `yield` lists what nothing outside reads");
  ReadList list = {reader, text, 0, true};
  region_reads(graph, &region, compare_read, &list);
  if (!list.equal || list.count != text->read.length)
    read_error(reader, text->span, "E0807",
               "the operand list is not what the region reads, in order of "
               "first use");
}

/* At the end of an entry, when all readers are known. */
void check_regions(SgirReader *reader) {
  if (reader->region.length == 0)
    return;
  ValueId *last_user = graph_last_users(reader->scratch, reader->graph);
  for (size_t i = 0; i < reader->region.length; i++)
    check_region(reader, &reader->region.data[i], last_user);
}
