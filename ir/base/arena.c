/* Arenas: memory by lifetime. A list of blocks, bump allocation, one release.
 * Blocks come from calloc, so memory is zeroed without a second pass. */
#include "ir/base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Block {
  struct Block *next;
  size_t used, size;
  _Alignas(max_align_t) unsigned char data[];
} Block;

struct Arena {
  Block *head;
  size_t used;
};

enum { BLOCK_SIZE = 64 * 1024, ALIGNMENT = _Alignof(max_align_t) };

/* Out of memory is not survivable for a compiler: say so, once, and stop. The
 * exit code is that of an internal error (language.md 13.1). */
static void *checked(void *memory) {
  if (!memory) {
    fputs("sgc: out of memory\n", stderr);
    exit(70);
  }
  return memory;
}

bool checked_mul(size_t a, size_t b, size_t *out) {
  size_t product;
  if (__builtin_mul_overflow(a, b, &product))
    return false;
  *out = product;
  return true;
}

Arena *arena_new(void) {
  return checked(calloc(1, sizeof(Arena)));
}

void arena_free(Arena *arena) {
  if (!arena)
    return;
  for (Block *block = arena->head, *next; block; block = next) {
    next = block->next;
#ifdef SG_POISON_ARENAS
    memset(block->data, 0xdd, block->size);
#endif
    free(block);
  }
  free(arena);
}

void *arena_alloc(Arena *arena, size_t size) {
  if (size > SIZE_MAX - ALIGNMENT - sizeof(Block))
    checked(NULL);
  size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  Block *block = arena->head;
  if (!block || block->size - block->used < size) {
    size_t capacity = size > BLOCK_SIZE / 4 ? size : BLOCK_SIZE;
    Block *fresh = checked(calloc(1, sizeof(Block) + capacity));
    fresh->size = capacity;
    if (block && capacity == size) { /* keep filling the current block */
      fresh->next = block->next;
      block->next = fresh;
    } else {
      fresh->next = block;
      arena->head = fresh;
    }
    block = fresh;
  }
  void *memory = block->data + block->used;
  block->used += size;
  arena->used += size;
  return memory;
}

void *arena_array(Arena *arena, size_t count, size_t size) {
  size_t bytes;
  if (!checked_mul(count, size, &bytes))
    checked(NULL);
  return arena_alloc(arena, bytes);
}

void *arena_copy(Arena *arena, const void *data, size_t size) {
  void *copy = arena_alloc(arena, size);
  if (size)
    memcpy(copy, data, size);
  return copy;
}

char *arena_string(Arena *arena, const char *text, size_t length) {
  char *copy = arena_alloc(arena, length + 1);
  if (length)
    memcpy(copy, text, length);
  return copy;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  Buffer buffer = {0};
  buffer_vprintf(&buffer, format, args);
  va_end(args);
  char *copy = arena_string(arena, buffer.data, buffer.length);
  buffer_free(&buffer);
  return copy;
}

size_t arena_used(const Arena *arena) {
  return arena->used;
}

void vec_grow_(void **data, size_t *capacity, size_t length, size_t size) {
  if (length <= *capacity)
    return;
  size_t wanted = *capacity ? *capacity * 2 : 8, bytes;
  if (wanted < length)
    wanted = length;
  if (!checked_mul(wanted, size, &bytes))
    checked(NULL);
  *data = checked(realloc(*data, bytes));
  *capacity = wanted;
}

void vec_release_(void *data) {
  free(data);
}
