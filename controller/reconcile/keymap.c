#include "controller/reconcile/keymap.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"

void keymap_fini(struct keymap *map)
{
    for (size_t i = 0; i < map->cap; i++)
        free(map->slots[i].key);
    free(map->slots);
    *map = (struct keymap){0};
}

static uint64_t hash_text(uint64_t seed, const char *key)
{
    uint64_t h = seed ^ 0x9e3779b97f4a7c15ULL;
    for (const unsigned char *p = (const unsigned char *)key; *p; p++) {
        h = (h ^ *p) * 0x9fb21c651e98df25ULL;
        h ^= h >> 29;
    }
    h ^= seed >> 7;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 32);
}

/* Slot of the key, or the empty slot where it belongs. */
static size_t slot_of(const struct keymap *map, const char *key, uint64_t hash)
{
    size_t i = (size_t)hash & (map->cap - 1);
    while (map->slots[i].key && (map->slots[i].hash != hash || strcmp(map->slots[i].key, key) != 0))
        i = (i + 1) & (map->cap - 1);
    return i;
}

static void grow(struct keymap *map)
{
    struct keymap bigger = {.cap = map->cap ? map->cap * 2 : 16, .seed = map->seed};
    if (map->cap == 0)
        bigger.seed = random_u64();
    bigger.slots = xcalloc(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < map->cap; i++) {
        if (!map->slots[i].key)
            continue;
        uint64_t hash = hash_text(bigger.seed, map->slots[i].key);
        bigger.slots[slot_of(&bigger, map->slots[i].key, hash)] =
            (struct keymap_slot){map->slots[i].key, map->slots[i].value, hash};
    }
    bigger.count = map->count;
    free(map->slots);
    *map = bigger;
}

void **keymap_put(struct keymap *map, const char *key)
{
    if ((map->count + 1) * 4 > map->cap * 3)
        grow(map);
    uint64_t hash = hash_text(map->seed, key);
    size_t i = slot_of(map, key, hash);
    if (!map->slots[i].key) {
        map->slots[i] = (struct keymap_slot){.key = xstrdup(key), .hash = hash};
        map->count++;
    }
    return &map->slots[i].value;
}

static struct keymap_slot *find_slot(const struct keymap *map, const char *key)
{
    if (map->count == 0)
        return NULL;
    size_t i = slot_of(map, key, hash_text(map->seed, key));
    return map->slots[i].key ? &map->slots[i] : NULL;
}

void *keymap_find(const struct keymap *map, const char *key)
{
    struct keymap_slot *slot = find_slot(map, key);
    return slot ? slot->value : NULL;
}

bool keymap_has(const struct keymap *map, const char *key)
{
    return find_slot(map, key) != NULL;
}

void *keymap_take(struct keymap *map, const char *key)
{
    struct keymap_slot *slot = find_slot(map, key);
    if (!slot)
        return NULL;
    void *value = slot->value;
    free(slot->key);
    map->count--;
    size_t mask = map->cap - 1, hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].key; i = (i + 1) & mask) {
        size_t home = (size_t)map->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* its home lies behind the hole: it may not move before it */
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    map->slots[hole] = (struct keymap_slot){0};
    return value;
}

bool keymap_next(const struct keymap *map, size_t *at, const char **key, void **value)
{
    for (; *at < map->cap; ++*at) {
        const struct keymap_slot *slot = &map->slots[*at];
        if (!slot->key)
            continue;
        *key = slot->key;
        if (value)
            *value = slot->value;
        ++*at;
        return true;
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

const char **keymap_sorted(const struct keymap *map)
{
    const char **keys = xcalloc(map->count + 1, sizeof *keys);
    size_t n = 0, at = 0;
    while (keymap_next(map, &at, &keys[n], NULL))
        n++;
    qsort(keys, n, sizeof *keys, by_text);
    return keys;
}
