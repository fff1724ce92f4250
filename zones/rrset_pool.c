/* zones/rrset_pool.c - equal small sets are one object: open addressing over set pointers; declared
 * in rrset_build.h. */
#include <stdlib.h>

#include "base/check.h"
#include "zones/hash.h"
#include "zones/rrset_build.h"
#include "zones/sizes.h"

#define POOL_MIN 64

/* Never 0, which stands for an empty slot. */
static uint32_t pool_hash(const struct rrset *set)
{
    size_t head = sizeof *set;
    return 1 | (uint32_t)hash_join(hash_bytes(set->body, rrset_bytes(set) - head),
                                   (uint64_t)set->type << 32 | set->count);
}

/* The slot where a search begins. */
static size_t pool_home(const struct rrset_pool *pool, uint32_t hash)
{
    return (hash >> 1) & pool->mask;
}

static void pool_room(struct rrset_pool *pool, size_t slots)
{
    CHECK(slots <= UINT32_MAX / 2); /* a larger table would need more of the hash */
    pool->slot = xmalloc(slots * sizeof(struct rrset *));
    pool->hash = xcalloc(slots, sizeof *pool->hash);
    pool->mask = slots - 1;
}

void rrset_pool_init(struct rrset_pool *pool)
{
    *pool = (struct rrset_pool){0};
    pool_room(pool, POOL_MIN);
}

void rrset_pool_fini(struct rrset_pool *pool)
{
    CHECK(pool->used == 0);
    free(pool->slot);
    free(pool->hash);
    *pool = (struct rrset_pool){0};
}

/* The slot that holds an equal set, or the empty one where it belongs. */
static size_t pool_slot(const struct rrset_pool *pool, const struct rrset *set, uint32_t hash)
{
    size_t i = pool_home(pool, hash);
    while (pool->hash[i] != 0 && (pool->hash[i] != hash || !rrset_equal(pool->slot[i], set)))
        i = (i + 1) & pool->mask;
    return i;
}

static void pool_put(struct rrset_pool *pool, size_t i, struct rrset *set, uint32_t hash)
{
    pool->slot[i] = set;
    pool->hash[i] = hash;
}

static void pool_resize(struct rrset_pool *pool, size_t slots)
{
    struct rrset_pool old = *pool;
    pool_room(pool, slots);
    for (size_t i = 0; i <= old.mask; i++) {
        if (old.hash[i] == 0)
            continue;
        size_t at = pool_home(pool, old.hash[i]);
        while (pool->hash[at] != 0)
            at = (at + 1) & pool->mask;
        pool_put(pool, at, old.slot[i], old.hash[i]);
    }
    free(old.slot);
    free(old.hash);
}

struct rrset *rrset_pool_adopt(struct rrset_pool *pool, struct rrset *fresh)
{
    pool->bytes += size_allocated(rrset_bytes(fresh));
    return fresh;
}

struct rrset *rrset_pool_intern(struct rrset_pool *pool, struct rrset *fresh)
{
    uint32_t hash = pool_hash(fresh);
    size_t i = pool_slot(pool, fresh, hash);
    if (pool->hash[i] != 0) {
        free(fresh);
        rrset_ref(pool->slot[i]);
        return pool->slot[i];
    }
    fresh->is_interned = true;
    pool_put(pool, i, fresh, hash);
    pool->used++;
    if (pool->used * 4 > (pool->mask + 1) * 3)
        pool_resize(pool, (pool->mask + 1) * 2);
    return rrset_pool_adopt(pool, fresh);
}

/* Takes the set out and closes the gap, so that every probe sequence stays unbroken. */
static void pool_remove(struct rrset_pool *pool, const struct rrset *set)
{
    size_t gap = pool_slot(pool, set, pool_hash(set));
    CHECK(pool->hash[gap] != 0 && pool->slot[gap] == set);
    for (size_t i = (gap + 1) & pool->mask; pool->hash[i] != 0; i = (i + 1) & pool->mask) {
        size_t home = pool_home(pool, pool->hash[i]);
        if (((i - home) & pool->mask) >= ((i - gap) & pool->mask)) {
            pool_put(pool, gap, pool->slot[i], pool->hash[i]);
            gap = i;
        }
    }
    pool->hash[gap] = 0;
    pool->used--;
    if (pool->mask >= POOL_MIN && pool->used * 8 < pool->mask)
        pool_resize(pool, (pool->mask + 1) / 2);
}

void rrset_ref(struct rrset *set)
{
    set->refs++;
    CHECK(set->refs != 0);
}

void rrset_unref(struct rrset_pool *pool, struct rrset *set)
{
    CHECK(set->refs > 0);
    if (--set->refs > 0)
        return;
    if (set->is_interned)
        pool_remove(pool, set);
    pool->bytes -= size_allocated(rrset_bytes(set));
    free(set);
}
