/* Maps from interned text to numbers: open addressing over addresses. */
#include "ir/base/base.h"

/* Keys are interned: compared and hashed by address. */
static size_t slot_of(const WordMap *map, const char *key) {
  size_t mask = map->capacity - 1;
  size_t slot = ((uintptr_t)key >> 3) * 0x9e3779b97f4a7c15u >> 20 & mask;
  while (map->key[slot] && map->key[slot] != key)
    slot = (slot + 1) & mask;
  return slot;
}

/* The tables of a map have an arena of their own, replaced as it grows. */
static void map_reserve(WordMap *map, size_t capacity) {
  WordMap old = *map;
  *map = (WordMap){.capacity = capacity};
  Arena *arena = arena_new();
  map->arena = arena;
  map->key = NEW_ARRAY(arena, const char *, capacity);
  map->value = NEW_ARRAY(arena, uint32_t, capacity);
  for (size_t i = 0; i < old.capacity; i++)
    if (old.key[i])
      word_map_set(map, old.key[i], old.value[i]);
  arena_free(old.arena);
}

uint32_t word_map_get(const WordMap *map, const char *key) {
  if (map->capacity == 0)
    return 0;
  size_t slot = slot_of(map, key);
  return map->key[slot] ? map->value[slot] : 0;
}

void word_map_set(WordMap *map, const char *key, uint32_t value) {
  if (map->count * 2 >= map->capacity)
    map_reserve(map, map->capacity ? map->capacity * 2 : 64);
  size_t slot = slot_of(map, key);
  map->count += map->key[slot] == NULL;
  map->key[slot] = key;
  map->value[slot] = value;
}

void word_map_free(WordMap *map) {
  arena_free(map->arena);
  *map = (WordMap){0};
}
