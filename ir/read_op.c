/* Reading .sgir: operations and stores.
 *
 * An operation becomes a node whose type, attributes and shift are checked
 * against what the op makes of its operands, so that a hand-edited text is
 * wrong where it was edited.
 */
#include "ir/read_op.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- names -------------------------------------------------------------- */

/* The later definition wins, so that later uses mean what they seem to. */
void define_value(SgirReader *reader, Word name, ValueId value) {
  if (word_map_get(&reader->values, name.text))
    read_error(reader, name.span, "E0804", "%%%s is defined twice", name.text);
  word_map_set(&reader->values, name.text, value);
}

static void define_exponent(SgirReader *reader, Word name, ValueId value) {
  if (word_map_get(&reader->exponents, name.text))
    read_error(reader, name.span, "E0804", "$%s is defined twice", name.text);
  word_map_set(&reader->exponents, name.text, value);
}

/* For did-you-mean: over all values of the entry so far. */
static const char *nearest_value(const SgirReader *reader, const char *name) {
  if (diagnostics_full(reader->diagnostics))
    return NULL;
  VEC(const char *) names = {0};
  for (size_t i = 0; i < reader->values.capacity; i++)
    if (reader->values.key[i])
      vec_push(&names, reader->values.key[i]);
  const char *found = nearest_name(name, names.data, names.length);
  vec_free(&names);
  return found;
}

ValueId read_node(SgirReader *reader, const Node *node) {
  int64_t most = reader->program->sources->limits.of[LIMIT_nodes];
  if (reader->nodes++ < most)
    return graph_add(reader->graph, node);
  if (!reader->refused)
    read_error_limit(reader, node->span, LIMIT_nodes,
                     "more than %" PRId64 " operations", most);
  return POISON;
}

/* Unknown names are reported once and are poison afterwards. */
ValueId find_value(SgirReader *reader, Word name) {
  ValueId value = word_map_get(&reader->values, name.text);
  if (value)
    return value;
  read_error_near(reader, name.span, "E0804", "%",
                  nearest_value(reader, name.text),
                  "no value %%%s is defined above", name.text);
  word_map_set(&reader->values, name.text, POISON);
  return POISON;
}

/* The exponent of a parameter that has it in a state: what the entry has read
 * that state as. */
static bool find_state_exponent(SgirReader *reader, Word name,
                                const Parameter *param, Node *node) {
  for (ValueId id = reader->graph->count; id-- > 1;) {
    const Node *other = graph_node(reader->graph, id);
    if (other->op != OP_STATE_EXPONENT ||
        graph_node(reader->graph, other->input[0])->name != param->exponent)
      continue;
    node->scale.symbol = id;
    return true;
  }
  read_error(reader, name.span, "E0804",
             "@%s is read before its exponent: no state_exponent(@%s) above",
             name.text, param->exponent);
  reader->poisoned = true;
  return false;
}

/* Parameters are found once an entry; their nodes carry what the declaration
 * says. */
ValueId find_param(SgirReader *reader, Word name) {
  uint32_t number = word_map_get(&reader->params, name.text);
  if (number == 0)
    read_error(reader, name.span, "E0804", "no parameter or state @%s",
               name.text);
  if (number == 0 || number == POISON) {
    reader->poisoned = true;
    return POISON;
  }
  ValueId known = word_map_get(&reader->param_nodes, name.text);
  if (known)
    return known;
  const Parameter *param = &reader->program->param.data[number - 1];
  Node node = node_make(OP_PARAM, PHASE_FORWARD, param->type, 0, 0, 0);
  node.name = param->name;
  node.scale = param->scale;
  if (param->exponent && !find_state_exponent(reader, name, param, &node))
    return POISON;
  node.pinned = param->pinned;
  node.attr.index = (int32_t)number - 1;
  node.span = name.span;
  ValueId id = read_node(reader, &node);
  word_map_set(&reader->param_nodes, name.text, id);
  return id;
}

/* ---- operands ----------------------------------------------------------- */

/* The format of a number that states none. */
static Format usual_format(const SgirReader *reader, const Operand *operand) {
  if (operand->whole)
    return FORMAT_I32;
  return reader->program->level >= LEVEL_FORMATTED ? FORMAT_F32 : FORMAT_REAL;
}

/* A node of its own for each number that is written. */
static ValueId read_constant(SgirReader *reader, const Operand *operand) {
  Format format = operand->format.text ? read_format(reader, operand->format)
                                       : usual_format(reader, operand);
  Scale scale;
  if (format == FORMAT_NONE || !read_scale(reader, &operand->scale, &scale))
    return POISON;
  const Type *type = type_scalar(reader->program->types, format);
  if (!type_is_real(type) && !operand->whole) {
    read_error(reader, operand->span, "E0805",
               "a number with a point cannot be %s", operand->format.text);
    return POISON;
  }
  Phase phase = reader->phase < 0 ? PHASE_FORWARD : (Phase)reader->phase;
  Node node = node_make(OP_CONST, phase, type, 0, 0, 0);
  node.attr.value = operand->number;
  node.scale = scale;
  node.span = operand->span;
  return read_node(reader, &node);
}

/* An exponent as a whole number: what a store into a state of exponents takes.
 */
static ValueId find_exponent(SgirReader *reader, Word name) {
  ValueId value = word_map_get(&reader->exponents, name.text);
  if (!value)
    read_error(reader, name.span, "E0804", "no exponent $%s is defined above",
               name.text);
  return value ? value : POISON;
}

ValueId read_operand(SgirReader *reader, const Operand *operand) {
  switch (operand->kind) {
  case OPERAND_VALUE:
    return find_value(reader, operand->word);
  case OPERAND_PARAM:
    return find_param(reader, operand->word);
  case OPERAND_NUMBER:
    return read_constant(reader, operand);
  case OPERAND_TERM:
    if (operand->minus.text || operand->exponent != 0)
      break;
    return find_exponent(reader, operand->plus);
  default:
    break;
  }
  read_error(reader, operand->span, "E0803",
             "expected a value, a parameter or a number");
  return POISON;
}

/* ---- positional arguments ----------------------------------------------- */

/* Parsed here for the place of an error inside the string; what it means for
 * the op, shape_infer says. */
static void read_pattern(OpText *op, const Operand *operand) {
  const char *error;
  size_t offset;
  Pattern pattern;
  op->node->attr.pattern = operand->word.text;
  op->given |= ATTR(PATTERN);
  if (!pattern_parse(op->reader->interner, operand->word.text, &pattern, &error,
                     &offset)) {
    Span span = operand->span;
    if (span.start + 1 + offset < span.end)
      span.start = span.end = span.start + 1 + (uint32_t)offset;
    read_error(op->reader, span, "E0805", "%s", error);
  }
}

/* A run-time exponent with a constant, or a constant. */
static void read_term(OpText *op, int number, const Operand *operand) {
  ScaleText text = {.kind = SCALE_NORMAL,
                    .symbol = operand->plus,
                    .exponent = operand->exponent,
                    .span = operand->span};
  if (operand->kind == OPERAND_NUMBER && operand->whole)
    text.exponent = (int64_t)operand->number;
  else if (operand->kind != OPERAND_TERM || operand->minus.text)
    read_error(op->reader, operand->span, "E0806",
               "expected an exponent: $a, ($a + 3) or a whole number");
  read_scale(op->reader, &text, &op->node->attr.term[number]);
}

static void read_input_operand(OpText *op, int number, const Operand *operand) {
  ValueId value = read_operand(op->reader, operand);
  op->node->input[number] = value;
  if (operand->as.text)
    op->node->as[number] = read_format(op->reader, operand->as);
}

/* Operands beyond the least number are values, never numbers or words. */
static int operand_limit(Op op, const Operand *operand) {
  bool value = operand->kind == OPERAND_VALUE || operand->kind == OPERAND_PARAM;
  return (op_info(op)->attributes & ATTR(MANY)) && value ? MAX_INPUTS
                                                         : op_info(op)->inputs;
}

/* One positional argument; the pattern and the terms of max_exponent follow
 * the operands. */
static void read_positional(OpText *op, int number, const Operand *operand) {
  const OpInfo *info = op_info(op->node->op);
  if (number < operand_limit(op->node->op, operand))
    read_input_operand(op, number, operand);
  else if (operand->kind == OPERAND_STRING &&
           (info->attributes & ATTR(PATTERN)) && !(op->given & ATTR(PATTERN)))
    read_pattern(op, operand);
  else if ((info->attributes & ATTR(TERMS)) && number < 2)
    read_term(op, number, operand);
  else if (attribute_word(operand, "pinned"))
    op->node->pinned = true;
  else if (attribute_word(operand, "probe"))
    op->node->probe = true;
  else
    read_error(op->reader, operand->span, "E0803",
               "`%s` takes no such argument", info->text);
}

/* How many positional arguments an op must have at least. */
static int positional_count(const OpInfo *info) {
  return info->inputs + (info->attributes & ATTR(TERMS) ? 2 : 0);
}

/* False if an operand is missing or poison: nothing more can be said. */
static bool read_arguments(OpText *op) {
  SgirReader *reader = op->reader;
  const OpInfo *info = op_info(op->node->op);
  unsigned errors = reader->errors;
  int positional = 0;
  for (size_t i = 0; i < reader->argument.length; i++) {
    const Argument *argument = &reader->argument.data[i];
    if (argument->name.text)
      read_attribute(op, argument);
    else
      read_positional(op, positional++, argument->value);
  }
  reader->argument.length = 0;
  if (positional < positional_count(info))
    read_error(reader, op->span, "E0803", "`%s` needs %d operand%s", info->text,
               positional_count(info), positional_count(info) > 1 ? "s" : "");
  check_presence(op);
  bool good = reader->errors == errors;
  for (int i = 0; i < MAX_INPUTS; i++)
    good = good && op->node->input[i] != POISON;
  return good;
}

/* ---- checks ------------------------------------------------------------- */

/* No shift written means 0. */
static bool shift_matches(SgirReader *reader, const Operand *written,
                          Shift shift) {
  if (!written)
    return shift_is_zero(shift);
  if (written->kind == OPERAND_NUMBER)
    return !shift.plus && !shift.minus &&
           written->number == (double)shift.exponent;
  ValueId plus = 0, minus = 0;
  if (written->plus.text)
    plus = word_map_get(&reader->exponents, written->plus.text);
  if (written->minus.text)
    minus = word_map_get(&reader->exponents, written->minus.text);
  return plus == shift.plus && minus == shift.minus &&
         written->exponent == shift.exponent;
}

/* The written shift must be what the scales give. Ops without the attribute
 * must have shift 0, which the verifier sees to. */
static void check_shift(OpText *op, ValueId id) {
  SgirReader *reader = op->reader;
  if (!(op_info(op->node->op)->attributes & ATTR(SHIFT)))
    return;
  Shift shift = node_shift(reader->graph, id);
  if (shift_matches(reader, op->shift, shift))
    return;
  Buffer text = {0};
  shift_print(&text, reader->graph, shift);
  read_error(reader, op->shift ? op->shift->span : op->span, "E0806",
             "the scales give shift = %s here", text.data);
  buffer_free(&text);
}

/* The type on the left must be the one the op gives. */
static bool check_type(OpText *op, Span span) {
  SgirReader *reader = op->reader;
  const char *error = NULL;
  const Type *type = shape_infer(reader->program->types, reader->graph,
                                 op->node, reader->scratch, &error);
  if (!type) {
    read_error(reader, span, "E0805", "%s", error);
    return false;
  }
  if (type == op->node->type)
    return true;
  Buffer text = {0};
  type_print(&text, type);
  read_error(reader, span, "E0805", "`%s` gives %s here",
             op_info(op->node->op)->text, text.data);
  buffer_free(&text);
  return false;
}

/* ---- kernels ------------------------------------------------------------ */

/* Members of a region join its kernel; an op alone makes its own, once the
 * entry has kernels. */
static uint32_t kernel_of(SgirReader *reader, const OpText *op) {
  Graph *graph = reader->graph;
  KernelForm form = op_kernel_form(op->node->op);
  if (reader->kernels < 0 || form == KERNEL_NONE)
    return 0;
  if (reader->in_region)
    return reader->region.data[reader->region.length - 1].kernel;
  vec_push(&graph->kernel, (Kernel){form, graph->count, graph->count});
  return (uint32_t)graph->kernel.length - 1;
}

/* first and last follow the members as they are added. */
static void extend_kernel(SgirReader *reader, ValueId id) {
  uint32_t index = graph_node(reader->graph, id)->kernel;
  if (index == 0)
    return;
  Kernel *kernel = &reader->graph->kernel.data[index];
  kernel->last = id;
  if (!kernel->first)
    kernel->first = id;
}

/* The node is complete but for its kernel. */
static ValueId add_node(OpText *op, Word location) {
  SgirReader *reader = op->reader;
  op->node->kernel = kernel_of(reader, op);
  ValueId id = read_node(reader, op->node);
  if (id == POISON)
    return POISON;
  extend_kernel(reader, id);
  read_location(reader, location, id);
  return id;
}

/* ---- operations --------------------------------------------------------- */

/* Leaves, stores and kernel forms are words of the text, but no operations. */
static Op read_op_name(SgirReader *reader, Word word) {
  KernelForm form;
  Op op = op_named(word.text);
  Node node = {.op = op};
  if (op != OP_COUNT && op != OP_STORE && !node_is_leaf(&node))
    return op;
  const char *names[OP_COUNT];
  for (int i = 0; i < OP_COUNT; i++)
    names[i] = op_info((Op)i)->text;
  if (op != OP_COUNT)
    read_error(reader, word.span, "E0803",
               "`%s` is not written as an operation", word.text);
  else if (kernel_form_named(word.text, &form))
    read_error(reader, word.span, "E0807",
               "the kernel form `%s` needs its operations in { }", word.text);
  else
    read_error_near(reader, word.span, "E0803", "",
                    nearest_name(word.text, names, OP_COUNT),
                    "there is no operation `%s`", word.text);
  return OP_COUNT;
}

/* The one value on the left side; poison from here on if the line is wrong. */
static bool take_definition(SgirReader *reader, Span span, Definition *out) {
  size_t count = reader->definition.length;
  if (count > 0)
    *out = reader->definition.data[0];
  for (size_t i = 1; i < count; i++)
    define_value(reader, reader->definition.data[i].name, POISON);
  reader->definition.length = 0;
  if (count > 1)
    read_error(reader, span, "E0801", "an operation defines one value");
  return count == 1;
}

/* Values and exponents have name spaces of their own. */
static void define(SgirReader *reader, const Definition *definition,
                   ValueId id) {
  if (definition->exponent)
    define_exponent(reader, definition->name, id);
  else
    define_value(reader, definition->name, id);
}

/* Name, type and scale from the left side; false after an error. */
static bool apply_definition(OpText *op, const Definition *definition) {
  SgirReader *reader = op->reader;
  Node *node = op->node;
  node->name = definition->name.text;
  if (definition->exponent != node_defines_exponent(node)) {
    read_error(reader, definition->name.span, "E0801", "`%s` defines %s name",
               op_info(node->op)->text,
               node_defines_exponent(node) ? "a $" : "a %");
    return false;
  }
  node->type = definition->exponent
                   ? type_scalar(reader->program->types, FORMAT_I32)
                   : read_type(reader, definition->type, &node->scale);
  return node->type != NULL;
}

/* Arguments and left side are both read before giving up, for all their errors.
 */
static ValueId build_operation(SgirReader *reader, Span span, Op code,
                               const Definition *definition, Word location) {
  Phase phase = reader->phase < 0 ? PHASE_FORWARD : (Phase)reader->phase;
  Node node = node_make(code, phase, NULL, 0, 0, 0);
  node.span = span;
  OpText op = {.reader = reader, .node = &node, .span = span};
  if (reader->phase < 0)
    read_error(reader, span, "E0801", "an operation before the first phase");
  bool defined = apply_definition(&op, definition);
  bool arguments = read_arguments(&op);
  if (!arguments || !defined || !check_type(&op, definition->name.span))
    return POISON;
  ValueId id = add_node(&op, location);
  if (id != POISON)
    check_shift(&op, id);
  return id;
}

/* The name is defined in any case: as poison after an error. */
void read_operation(SgirReader *reader, Span span, Word word, Word location) {
  Definition definition;
  if (!take_definition(reader, span, &definition)) {
    reader->argument.length = 0;
    return;
  }
  Op code = read_op_name(reader, word);
  ValueId id = POISON;
  if (code != OP_COUNT)
    id = build_operation(reader, span, code, &definition, location);
  reader->argument.length = 0;
  define(reader, &definition, id);
}

/* What a store overwrites; NULL after an error. An entry that only stores into
 * a parameter whose exponent is measured has no use for the old exponent. */
static const Parameter *find_stored(SgirReader *reader, Word name) {
  uint32_t number = word_map_get(&reader->params, name.text);
  bool known = number != 0 && number != POISON;
  if (known && reader->program->param.data[number - 1].exponent)
    return &reader->program->param.data[number - 1];
  ValueId node = find_param(reader, name);
  return node == POISON ? NULL : &reader->program->param.data[number - 1];
}

/* The stored type is that of the parameter, and so is the exponent unless it is
 * measured. */
void read_store(SgirReader *reader, Span span, Word param, Word location) {
  const Parameter *target = find_stored(reader, param);
  Phase phase = reader->phase < 0 ? PHASE_FORWARD : (Phase)reader->phase;
  Node node = node_make(OP_STORE, phase, NULL, 0, 0, 0);
  node.span = span;
  OpText op = {.reader = reader, .node = &node, .span = span};
  if (reader->phase < 0)
    read_error(reader, span, "E0801", "a store before the first phase");
  if (!read_arguments(&op) || !target)
    return;
  node.type = target->type;
  node.scale = target->exponent
                   ? graph_node(reader->graph, node.input[0])->scale
                   : target->scale;
  node.attr.index = (int32_t)(target - reader->program->param.data);
  if (check_type(&op, span))
    add_node(&op, location);
}
