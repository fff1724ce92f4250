#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define ARENA_FIRST 4096
#define ARENA_LAST  65536 /* blocks double up to this size */

struct arena_block {
    struct arena_block *next;
    size_t used, cap;
    max_align_t bytes[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_fini(struct arena *a)
{
    while (a->block) {
        struct arena_block *next = a->block->next;
        free(a->block);
        a->block = next;
    }
    arena_init(a);
}

/* A new block at the head, or behind it when the head still has more room than would be left in the
 * new one. */
static struct arena_block *add_block(struct arena *a, size_t need)
{
    struct arena_block *head = a->block;
    size_t cap = !head ? ARENA_FIRST : head->cap < ARENA_LAST ? head->cap * 2 : ARENA_LAST;
    bool own = need > cap / 4; /* big ones get a block of their own */
    if (own)
        cap = need;
    struct arena_block *block = xcalloc(1, sizeof(*block) + cap);
    block->cap = cap;
    if (own && head) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        a->block = block;
    }
    return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
    CHECK(size < SIZE_MAX / 4);
    size_t unit = sizeof(max_align_t);
    size_t need = (size ? size + unit - 1 : unit) / unit * unit;
    struct arena_block *block = a->block;
    if (!block || block->cap - block->used < need)
        block = add_block(a, need);
    void *ptr = (char *)block->bytes + block->used;
    block->used += need;
    a->used_bytes += need;
    return ptr;
}

void *arena_dup(struct arena *a, const void *bytes, size_t len)
{
    void *copy = arena_alloc(a, len);
    if (len)
        memcpy(copy, bytes, len);
    return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
    return arena_dup(a, text, strlen(text) + 1);
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    CHECK(len >= 0);
    char *text = arena_alloc(a, (size_t)len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
