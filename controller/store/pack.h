/* controller/store/pack.h - several things in one allocation: an object, its strings and its view.
 *
 * Private to the store. The same code runs twice: first into a scratch arena to learn the size,
 * then into one block of exactly that size. Control thread. */
#pragma once

#include <stddef.h>

#include "base/arena.h"

struct pack {
    struct arena *scratch; /* measuring: not NULL */
    char *block;           /* writing: `used` bytes of it are taken */
    size_t used;
};

/* Zeroed, aligned for any type of the views. */
void *pack_alloc(struct pack *p, size_t size);
/* Bytes as they come, for the caller to fill. */
char *pack_room(struct pack *p, size_t size);
/* A copy with a NUL added. */
char *pack_bytes(struct pack *p, const void *bytes, size_t len);
/* A copy of text, or a constant when many objects say the same; "" for NULL. */
const char *pack_str(struct pack *p, const char *text);

/* The constants of pack_str, by number: at most PACK_COMMON_COUNT, in an order that stored views
 * rely on. */
#define PACK_COMMON_COUNT 20
const char *pack_common(size_t number);
/* The number of a text that pack_str gave, by its address; PACK_COMMON_COUNT when it is none. */
size_t pack_common_find(const char *text);
