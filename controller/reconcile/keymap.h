/* controller/reconcile/keymap.h - text keys to pointers: what controllers remember between syncs;
 * private to controller/reconcile.
 *
 * Open addressing with backward shifts, hashed with a key of its own, so that nobody who names
 * objects can aim at one slot. Keys are copied, values are the caller's. Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keymap_slot {
    char *key; /* owned; NULL: empty */
    void *value;
    uint64_t hash;
};
struct keymap {
    struct keymap_slot *slots;
    size_t count, cap;
    uint64_t seed;
};
/* {0} is an empty map too. */
void keymap_fini(struct keymap *map);
/* Place of the value of key, made (NULL inside) when absent. Valid until the map changes. */
void **keymap_put(struct keymap *map, const char *key);
/* The value, or NULL. */
void *keymap_find(const struct keymap *map, const char *key);
bool keymap_has(const struct keymap *map, const char *key);
/* Removes the key; returns its value, or NULL. */
void *keymap_take(struct keymap *map, const char *key);
/* Walks in no particular order: start with *at = 0; false at the end. The map must not change
 * meanwhile. */
bool keymap_next(const struct keymap *map, size_t *at, const char **key, void **value);
/* All keys in byte order, borrowed until the map changes; the array is the caller's to free. */
const char **keymap_sorted(const struct keymap *map);
