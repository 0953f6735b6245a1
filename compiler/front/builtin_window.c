/* Convolutions and pools: conv1d, conv2d, maxpool1d, maxpool2d, avgpool1d,
 * avgpool2d.
 *
 * In: images [n, y, z, c] or signals [n, t, c], weights [c_out, window..,
 * c / groups], and how windows move: one whole number for every axis or a list
 * with one each. Out: one op, whose lists are left out where they say what is
 * usual. Sizes are checked here, where there are names to speak of.
 */
#include "compiler/front/elaborate.h"
#include "ir/window.h"

#include <inttypes.h>
#include <string.h>

/* conv2d has two spatial axes, maxpool1d one: the digit of the name. */
static int spatial_of(const BuiltinCall *call) {
  return strpbrk(call->builtin->name, "123")[0] - '0';
}

static const char *parameter_name(Elaborator *e, const BuiltinCall *call,
                                  int i) {
  const char *at = call->builtin->parameters;
  for (; i > 0; i--)
    at = strchr(at, ' ') + 1;
  return text_printf(e, "%.*s", (int)strcspn(at, " ?"), at);
}

/* ---- whole numbers ------------------------------------------------------ */

static bool fail_numbers(Elaborator *e, const BuiltinCall *call, int i,
                         int least) {
  int spatial = spatial_of(call);
  fail(e, call->expr[i]->span, "E0341",
       "`%s` of `%s` is a whole number of at least %d%s, not %s",
       parameter_name(e, call, i), call->builtin->name, least,
       spatial > 1 ? text_printf(e, ", or a list of %d", spatial) : "",
       value_describe(e, call->value[i]));
  return false;
}

static bool number_of(Value value, int least, int32_t *out) {
  if (value.kind != VALUE_INT || value.as.integer < least ||
      value.as.integer > INT32_MAX)
    return false;
  *out = (int32_t)value.as.integer;
  return true;
}

/* One number each spatial axis; `usual` where the argument is missing. */
static bool window_numbers(Elaborator *e, const BuiltinCall *call, int i,
                           int least, int usual, WholeList *out) {
  Value value = call->value[i];
  *out = (WholeList){.count = spatial_of(call)};
  bool list = call->expr[i] && value.kind == VALUE_LIST;
  if (list && value.as.list.count != (size_t)out->count)
    return fail_numbers(e, call, i, least);
  for (int k = 0; k < out->count; k++) {
    out->at[k] = usual;
    Value one = list ? value.as.list.item[k] : value;
    if (call->expr[i] && !number_of(one, least, &out->at[k]))
      return fail_numbers(e, call, i, least);
  }
  return true;
}

/* A list that says what is usual is not written. */
static WholeList without_usual(WholeList list, int usual) {
  for (int i = 0; i < list.count; i++)
    if (list.at[i] != usual)
      return list;
  return (WholeList){0};
}

/* ---- images ------------------------------------------------------------- */

static const char *image_form(int spatial) {
  return spatial == 1 ? "[n, t, c]" : "[n, y, z, c]";
}

static bool image_argument(Elaborator *e, const BuiltinCall *call, int i,
                           const char *form, Value *out) {
  if (!builtin_real_tensor(e, call, i, out))
    return false;
  if (value_type(e, *out)->rank == spatial_of(call) + 2)
    return true;
  Diagnostic error = error_begin(
      e, call->expr[i]->span, "E0302", "`%s` takes `%s` as %s, but gets %s",
      call->builtin->name, parameter_name(e, call, i), form,
      type_text(e, value_type(e, *out)));
  error_mark(e, &error, "%s", value_describe_sizes(e, *out));
  error_send(e, &error);
  return false;
}

/* The windows themselves, or a message that shows image and window. */
static bool check_windows(Elaborator *e, const BuiltinCall *call, Value x,
                          const Attributes *attr, const int64_t *window) {
  const Type *type = value_type(e, x);
  Windows windows;
  const char *why = NULL;
  if (windows_make(attr, type->rank - 2, type->dim + 1, window, e->scratch,
                   &why, &windows))
    return true;
  Diagnostic error = error_begin(e, call->call->span, "E0342", "`%s` %s",
                                 call->builtin->name, why);
  error_label(e, &error, call->expr[0]->span, "%s", value_describe_sizes(e, x));
  error_note(e, &error, "a window must fit into the image and its padding");
  error_send(e, &error);
  return false;
}

/* Images keep their number and, in pools, their channels; a plane that keeps
 * its sizes keeps their names. */
static const char *const *image_labels(Elaborator *e, Value x, ValueId result,
                                       const char *channels) {
  const char **label = NEW_ARRAY(e->scratch, const char *, MAX_RANK);
  const Type *from = value_type(e, x);
  const Type *to = graph_node(e->builder->graph, result)->type;
  for (int i = 0; x.as.tensor.label && i + 1 < from->rank; i++)
    if (from->dim[i] == to->dim[i])
      label[i] = x.as.tensor.label[i];
  label[from->rank - 1] = channels;
  return label;
}

static const char *label_of(Value value, int axis) {
  return value.as.tensor.label ? value.as.tensor.label[axis] : NULL;
}

/* ---- convolutions ------------------------------------------------------- */

static void mark_channels(Elaborator *e, Diagnostic *error,
                          const BuiltinCall *call, Value x, Value w) {
  error_mark(e, error, "%s", value_describe_sizes(e, w));
  error_label(e, error, call->expr[0]->span, "%s", value_describe_sizes(e, x));
}

/* Both shapes, with the channels that differ. */
static bool fail_channels(Elaborator *e, const BuiltinCall *call, Value x,
                          Value w, int64_t groups) {
  const Type *a = value_type(e, x), *b = value_type(e, w);
  int64_t have = a->dim[a->rank - 1], want = b->dim[b->rank - 1];
  const char *name = call->builtin->name;
  Diagnostic error =
      have % groups || b->dim[0] % groups
          ? error_begin(e, call->expr[1]->span, "E0340",
                        "`%s` in %" PRId64 " groups cannot divide %" PRId64
                        " channels into %" PRId64,
                        name, groups, have, b->dim[0])
      : groups == 1
          ? error_begin(e, call->expr[1]->span, "E0340",
                        "`%s`: the weights are for %" PRId64
                        " channels, but the image has %" PRId64,
                        name, want, have)
          : error_begin(e, call->expr[1]->span, "E0340",
                        "`%s`: the weights are for %" PRId64 " channels in "
                        "each of %" PRId64
                        " groups, but the image has %" PRId64,
                        name, want, groups, have / groups);
  mark_channels(e, &error, call, x, w);
  error_note(e, &error, "weights are [c_out, %s, c / groups]",
             spatial_of(call) == 1 ? "k" : "ky, kz");
  error_send(e, &error);
  return false;
}

static bool groups_argument(Elaborator *e, const BuiltinCall *call, int i,
                            int64_t *groups) {
  int32_t number = 1;
  if (call->expr[i] && !number_of(call->value[i], 1, &number)) {
    fail(e, call->expr[i]->span, "E0341",
         "`groups` is a whole number of at least 1, not %s",
         value_describe(e, call->value[i]));
    return false;
  }
  *groups = number;
  return true;
}

/* Arguments: x, w, stride, pad, dilation, groups. */
static bool conv_attributes(Elaborator *e, const BuiltinCall *call,
                            Attributes *attr) {
  *attr = attributes_neutral();
  if (!window_numbers(e, call, 2, 1, 1, &attr->stride) ||
      !window_numbers(e, call, 3, 0, 0, &attr->pad) ||
      !window_numbers(e, call, 4, 1, 1, &attr->dilation) ||
      !groups_argument(e, call, 5, &attr->groups))
    return false;
  attr->stride = without_usual(attr->stride, 1);
  attr->pad = without_usual(attr->pad, 0);
  attr->dilation = without_usual(attr->dilation, 1);
  return true;
}

Value builtin_conv(Elaborator *e, const BuiltinCall *call) {
  Value x, w;
  Attributes attr;
  int spatial = spatial_of(call);
  if (!image_argument(e, call, 0, image_form(spatial), &x) ||
      !image_argument(e, call, 1,
                      spatial == 1 ? "[c_out, k, c]" : "[c_out, ky, kz, c]",
                      &w) ||
      !conv_attributes(e, call, &attr))
    return value_poison();
  const Type *a = value_type(e, x), *b = value_type(e, w);
  int64_t channels = a->dim[a->rank - 1];
  if (channels % attr.groups || b->dim[0] % attr.groups ||
      b->dim[b->rank - 1] != channels / attr.groups)
    fail_channels(e, call, x, w, attr.groups);
  else if (check_windows(e, call, x, &attr, b->dim + 1)) {
    ValueId id = emit(e, call->call->span, OP_CONV, &attr, x.as.tensor.id,
                      w.as.tensor.id);
    if (id)
      return value_tensor(id, image_labels(e, x, id, label_of(w, 0)));
  }
  return value_poison();
}

/* ---- pools -------------------------------------------------------------- */

/* A window that is all padding has no maximum, and no average worth having. */
static bool check_padding(Elaborator *e, const BuiltinCall *call,
                          const Attributes *attr) {
  for (int i = 0; i < attr->window.count; i++)
    if (attr->pad.count && attr->pad.at[i] >= attr->window.at[i]) {
      fail(e, call->expr[3]->span, "E0342",
           "`pad` of `%s` is less than the window: %d is not less than %d",
           call->builtin->name, attr->pad.at[i], attr->window.at[i]);
      return false;
    }
  return true;
}

/* Arguments: x, k, stride (usually k), pad. */
static Value pool(Elaborator *e, const BuiltinCall *call, Op op) {
  Value x;
  Attributes attr = attributes_neutral();
  int64_t window[MAX_SPATIAL];
  if (!image_argument(e, call, 0, image_form(spatial_of(call)), &x) ||
      !window_numbers(e, call, 1, 1, 1, &attr.window) ||
      !window_numbers(e, call, 2, 1, 1, &attr.stride) ||
      !window_numbers(e, call, 3, 0, 0, &attr.pad))
    return value_poison();
  if (!call->expr[2])
    attr.stride = attr.window;
  attr.stride = without_usual(attr.stride, 1);
  attr.pad = without_usual(attr.pad, 0);
  for (int i = 0; i < attr.window.count; i++)
    window[i] = attr.window.at[i];
  if (!check_padding(e, call, &attr) ||
      !check_windows(e, call, x, &attr, window))
    return value_poison();
  ValueId id = emit(e, call->call->span, op, &attr, x.as.tensor.id, 0);
  int last = value_type(e, x)->rank - 1;
  return id ? value_tensor(id, image_labels(e, x, id, label_of(x, last)))
            : value_poison();
}

Value builtin_maxpool(Elaborator *e, const BuiltinCall *call) {
  return pool(e, call, OP_MAXPOOL);
}

Value builtin_avgpool(Elaborator *e, const BuiltinCall *call) {
  return pool(e, call, OP_AVGPOOL);
}
