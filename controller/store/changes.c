#include "controller/store/changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const struct object *ref(const struct object *obj)
{
    return obj ? object_ref(obj) : NULL;
}

void changes_fini(struct changes *set)
{
    for (size_t i = 0; i < set->count; i++) {
        object_unref(set->items[i].base);
        object_unref(set->items[i].now);
        object_unref(set->items[i].named);
    }
    free(set->items);
    free(set->slots);
    *set = (struct changes){0};
}

/* FNV-1a. */
static uint32_t hash_key(const char *key, size_t len)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)key[i]) * 16777619U;
    return hash;
}

/* The slot that holds the key, or the free one where it belongs. */
static uint32_t *slot_of(const struct changes *set, const char *key, size_t len)
{
    size_t mask = set->slot_count - 1;
    for (size_t at = hash_key(key, len) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &set->slots[at];
        if (*slot == 0)
            return slot;
        const struct object *named = set->items[*slot - 1].named;
        if (named->key_len == len && !memcmp(named->key, key, len))
            return slot;
    }
}

struct change *changes_find(const struct changes *set, const char *key, size_t len)
{
    if (set->count == 0)
        return NULL;
    uint32_t number = *slot_of(set, key, len);
    return number ? &set->items[number - 1] : NULL;
}

static void grow(struct changes *set)
{
    set->cap = set->cap ? 2 * set->cap : 8;
    set->items = xrealloc(set->items, set->cap * sizeof(*set->items));
    free(set->slots);
    set->slot_count = 2 * set->cap;
    set->slots = xcalloc(set->slot_count, sizeof(*set->slots));
    for (size_t i = 0; i < set->count; i++)
        *slot_of(set, set->items[i].named->key, set->items[i].named->key_len) = (uint32_t)i + 1;
}

void changes_set(struct changes *set, const struct object *base, const struct object *now)
{
    const struct object *named = now ? now : base;
    CHECK(named);
    struct change *c = changes_find(set, named->key, named->key_len);
    if (c) {
        const struct object *last = c->now;
        c->now = ref(now);
        object_unref(last);
        return;
    }
    if (set->count == set->cap)
        grow(set);
    CHECK(set->items);
    uint32_t *slot = slot_of(set, named->key, named->key_len);
    set->items[set->count++] =
        (struct change){.base = ref(base), .now = ref(now), .named = ref(named)};
    *slot = (uint32_t)set->count;
}

bool change_is_none(const struct object *base, const struct object *now)
{
    if (base == now)
        return true;
    return base && now && base->text_len == now->text_len &&
           !memcmp(base->text, now->text, now->text_len);
}
