/* Limits: their names, their standard values, and how messages name them. */
#include "ir/base/base.h"

#include <inttypes.h>
#include <string.h>

static const LimitInfo limit_table[LIMIT_COUNT] = {
#define LIMIT(id, name, standard, largest, counts)                             \
  {name, standard, largest, counts},
#include "ir/base/limits.def"
};

const LimitInfo *limit_info(LimitId limit) {
  return &limit_table[limit];
}

LimitId limit_named(const char *name) {
  for (int i = 0; i < LIMIT_COUNT; i++)
    if (strcmp(limit_table[i].name, name) == 0)
      return (LimitId)i;
  return LIMIT_COUNT;
}

Limits limits_standard(void) {
  Limits limits;
  for (int i = 0; i < LIMIT_COUNT; i++)
    limits.of[i] = limit_table[i].standard;
  return limits;
}

const char *limit_note(Arena *arena, const Limits *limits, LimitId limit) {
  const LimitInfo *info = &limit_table[limit];
  return arena_printf(arena, "`--max-%s=%" PRId64 "` limits the %s", info->name,
                      limits->of[limit], info->counts);
}
