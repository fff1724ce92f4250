/* base/arena.h - memory freed all at once: one per API request, one per plan. Not thread-safe. */
#pragma once

#include <stddef.h>

struct arena {
    struct arena_block *block;
    size_t used_bytes;
};
void arena_init(struct arena *a);
void arena_fini(struct arena *a);
void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned for any type, never NULL */
void *arena_dup(struct arena *a, const void *bytes, size_t len);
char *arena_strdup(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
