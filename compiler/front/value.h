/* What an expression gives while a program is elaborated. Part of elaborate.h,
 * which includes it.
 */
#ifndef SG_FRONT_VALUE_H
#define SG_FRONT_VALUE_H

#include "compiler/front/front.h"

typedef struct Elaborator Elaborator;
typedef struct FileScope FileScope;
typedef struct Symbol Symbol;
typedef struct Instance Instance;
typedef struct Builtin Builtin;
typedef struct Value Value;

/* ---- values (value.c) --------------------------------------------------- */

typedef enum {
  VALUE_POISON,  /* an error was diagnosed; silent from here on */
  VALUE_NOTHING, /* of a function that returns nothing */
  VALUE_INT,     /* compile-time */
  VALUE_REAL,    /* compile-time */
  VALUE_BOOL,    /* compile-time */
  VALUE_STRING,  /* compile-time */
  VALUE_LIST,   /* of values; also what a function with several results gives */
  VALUE_TENSOR, /* a node of the graph */
  VALUE_PARAM,  /* a parameter or state: becomes a tensor when it is read */
  VALUE_STEP,   /* `step`: becomes a tensor when it is read */
  VALUE_INSTANCE, /* of a module */
  VALUE_ARRAY,    /* of instances */
  VALUE_BATCH,    /* of a dataset */
  VALUE_METHOD,   /* a function bound to its instance */
  VALUE_SYMBOL,   /* a function, module, import, ... by name */
  VALUE_BUILTIN,  /* a built-in operation by name */
  VALUE_FORMAT,   /* `f32`; called, it converts */
  VALUE_PACK      /* the sizes that `..s` bound */
} ValueKind;

/* A run of sizes and, for messages, the source expression of each (or NULL). */
typedef struct {
  int rank;
  int64_t dim[MAX_RANK];
  const char *label[MAX_RANK];
} Sizes;

struct Value {
  ValueKind kind;
  /* INT: the expression that a message prints beside the number (`768 = D`);
   * ARRAY: that of its length. Where that is a name of the function's own
   * (`inner`), the caller knows it as `given`, or as the bare number. */
  const char *origin, *given;
  bool inner;
  union {
    int64_t integer;
    double real;
    bool truth;
    const char *text;
    struct {
      Value *item;
      size_t count;
    } list; /* LIST, ARRAY */
    struct {
      ValueId id;
      const char *const *label; /* of each axis, or NULL */
    } tensor;
    int param; /* index into Program.param */
    Instance *instance;
    struct {
      Instance *instance;
      const Member *member;
    } method;
    struct {
      int dataset;
      int64_t size;
      const ValueId *column; /* INPUT node of each column */
      const char *label;     /* of the batch size */
    } batch;
    const Symbol *symbol;
    const Builtin *builtin;
    Format format;
    const Sizes *pack;
  } as;
};

Value value_poison(void);
Value value_int(int64_t integer);
Value value_real(double real);
Value value_bool(bool truth);
Value value_string(const char *text);
Value value_list(Value *item, size_t count);
Value value_tensor(ValueId id, const char *const *label);
static inline bool value_is_poison(Value value) {
  return value.kind == VALUE_POISON;
}
/* An int or a real known now. */
bool value_is_number(Value value);
double value_number(Value value);
/* Can a number or truth that is known now be every element of a tensor of this
 * format? Then also which. */
bool value_fills(Value value, Format format, double *number);
const Type *value_type(const Elaborator *e, Value value); /* TENSOR */
/* "a number", "[128, 512]", "u8[128, 28, 28]", "an instance of MLP", ... */
const char *value_describe(Elaborator *e, Value value);
/* "[128, 512] = [b, hidden]" or, without source expressions, "[128, 512]". */
const char *value_describe_sizes(Elaborator *e, Value value);
/* "[8, 512]" and "u8[8, 512]" (real is left out). */
const char *type_text(Elaborator *e, const Type *type);
const char *shape_text(Elaborator *e, const Type *type);
/* The compile-time value as text: "768", "0.1", "true". */
const char *value_text(Elaborator *e, Value value);
bool format_is_real(Format format); /* `real` or a floating-point format */
bool format_is_whole(Format format);

#endif
