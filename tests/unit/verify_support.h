/* For the tests of the verifier: read a sound program, break one thing in it,
 * compare what the verifier says.
 */
#ifndef SG_VERIFY_SUPPORT_H
#define SG_VERIFY_SUPPORT_H

#include "tests/unit/text_support.h"

/* The program under test, between expect_each's reading and checking it. */
extern Text *text;

Graph *graph(void);
Node *node(const char *name);
ValueId value(const char *name);
/* The shape of value `like` in another format. */
const Type *type(Format format, const char *like);
Node *store_node(void);

/* One change and every line that the verifier must then say. */
typedef struct {
  void (*change)(void);
  const char *expected;
} Change;

/* Applies `change` to a fresh copy of the program, which is sound before, and
 * compares what the verifier says. */
void expect(const char *source, void (*change)(void), const char *expected);
/* Applies each change to a fresh copy of the program, which is sound before. */
void expect_each(const char *source, const Change *change, size_t count);

#define EXPECT(source, ...)                                                    \
  do {                                                                         \
    const Change table[] = {__VA_ARGS__};                                      \
    expect_each(source, table, sizeof table / sizeof *table);                  \
  } while (0)

#endif
