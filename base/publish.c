#include "base/publish.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"

/* Why nothing is freed too early.
 *
 * A reader stores the number n of the newest version it knows of into its slot, then loads
 * `current`; the writer stores `current` in publish_push, later loads the slots in publish_reclaim.
 * All four are seq_cst, so they have one order:
 *   - The scan comes before the reader's store: then the push came before the reader's load, which
 * gives that version or a newer one. The scan frees only what left before it.
 *   - The scan sees the announcement n: garbage of version n and later stays. The reader's load
 * gives n or newer, because `number` is stored after `current` and only grows.
 *   - The scan sees a later value of the same slot: the reader has left (release, read with
 * acquire), so all it did with the old version happened before the free. Hence no loop in
 * publish_enter: whichever version the load gives is protected by the announcement made before. The
 * slot is then raised to the exact number, for publish_oldest_in_use.
 *
 * A reader pins while it announces, so the pin happens before its release in publish_leave.
 * publish_reclaim reads the slots first and the pins after them: it meets the announcement, or else
 * the pin. No fences: ThreadSanitizer does not follow them, and an exchange costs the same. */

#define CACHE_LINE 64
#define IDLE       UINT64_MAX

struct garbage {
    publish_free_fn *fn;
    void *ptr;
};

/* A version is its own pin: a counter that keeps it in the list. */
struct publish_pin {
    const void *root;
    uint64_t number;
    uint64_t retired_before; /* bytes, when it became current */
    atomic_size_t pins;
    struct publish_pin *newer;
    struct garbage *garbage;
    size_t count, cap, freed;
};

struct slot {
    alignas(CACHE_LINE) _Atomic uint64_t announced;
    struct publish_pin *version; /* the reader's own note */
};

struct publish {
    alignas(CACHE_LINE) _Atomic(struct publish_pin *) current;
    _Atomic uint64_t number;
    struct slot *slots;
    unsigned slot_count;
    /* The writer's own, away from what readers load. */
    alignas(CACHE_LINE) struct publish_pin *oldest;
    struct publish_pin *newest;
    size_t garbage;
    bool reclaiming;
    _Atomic uint64_t retired_bytes; /* only grows */
};

static void *lines_alloc(size_t size)
{
    void *lines = aligned_alloc(CACHE_LINE, size);
    CHECK(lines);
    return lines;
}

static struct publish_pin *version_new(const void *root, uint64_t number)
{
    struct publish_pin *version = xcalloc(1, sizeof *version);
    version->root = root;
    version->number = number;
    atomic_init(&version->pins, 0);
    return version;
}

static void version_free(struct publish_pin *version)
{
    free(version->garbage);
    free(version);
}

struct publish *publish_new(unsigned slots, const void *initial)
{
    struct publish *p = lines_alloc(sizeof *p);
    p->slots = lines_alloc((slots ? slots : 1) * sizeof *p->slots);
    p->slot_count = slots;
    for (unsigned i = 0; i < slots; i++) {
        atomic_init(&p->slots[i].announced, IDLE);
        p->slots[i].version = NULL;
    }
    p->oldest = p->newest = version_new(initial, 0);
    p->garbage = 0;
    p->reclaiming = false;
    atomic_init(&p->number, 0);
    atomic_init(&p->retired_bytes, 0);
    atomic_init(&p->current, p->newest);
    return p;
}

/* Runs the version's garbage, at most *budget entries; true when none is left. */
static bool version_clean(struct publish *p, struct publish_pin *version, size_t *budget)
{
    while (version->freed < version->count) {
        if (*budget == 0)
            return false;
        --*budget;
        p->garbage--;
        struct garbage dead = version->garbage[version->freed++];
        dead.fn(dead.ptr);
    }
    return true;
}

void publish_free(struct publish *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->slot_count; i++)
        CHECK(atomic_load(&p->slots[i].announced) == IDLE);
    while (p->oldest) {
        struct publish_pin *version = p->oldest;
        CHECK(atomic_load(&version->pins) == 0);
        size_t all = SIZE_MAX;
        version_clean(p, version, &all);
        p->oldest = version->newer;
        version_free(version);
    }
    free(p->slots);
    free(p);
}

/* ---- writer ---- */

static void count_retired(struct publish *p, size_t bytes)
{
    uint64_t before = atomic_load_explicit(&p->retired_bytes, memory_order_relaxed);
    atomic_store_explicit(&p->retired_bytes, before + bytes, memory_order_relaxed);
}

void publish_retire(struct publish *p, publish_free_fn *fn, void *ptr)
{
    publish_retire_sized(p, fn, ptr, 0);
}

void publish_retire_sized(struct publish *p, publish_free_fn *fn, void *ptr, size_t bytes)
{
    struct publish_pin *version = p->newest;
    if (version->count == version->cap) {
        version->cap = version->cap ? version->cap * 2 : 16;
        version->garbage = xrealloc(version->garbage, version->cap * sizeof *version->garbage);
    }
    version->garbage[version->count++] = (struct garbage){.fn = fn, .ptr = ptr};
    p->garbage++;
    count_retired(p, bytes + sizeof *version->garbage);
}

uint64_t publish_push(struct publish *p, const void *root)
{
    struct publish_pin *version = version_new(root, p->newest->number + 1);
    version->retired_before = atomic_load_explicit(&p->retired_bytes, memory_order_relaxed);
    count_retired(p, sizeof *version); /* stays as long as an older one is pinned */
    p->newest->newer = version;
    p->newest = version;
    atomic_store(&p->current, version);
    atomic_store(&p->number, version->number);
    return version->number;
}

uint64_t publish_version(const struct publish *p)
{
    return p->newest->number;
}

const void *publish_current(const struct publish *p)
{
    return p->newest->root;
}

uint64_t publish_oldest_in_use(const struct publish *p)
{
    uint64_t oldest = p->newest->number;
    for (unsigned i = 0; i < p->slot_count; i++) {
        uint64_t announced = atomic_load(&p->slots[i].announced);
        if (announced < oldest)
            oldest = announced;
    }
    return oldest;
}

size_t publish_reclaim(struct publish *p, size_t budget)
{
    CHECK(!p->reclaiming);
    p->reclaiming = true;
    size_t left = budget ? budget : SIZE_MAX;
    uint64_t in_use = publish_oldest_in_use(p);
    while (p->oldest->number < in_use) {
        struct publish_pin *version = p->oldest;
        if (atomic_load_explicit(&version->pins, memory_order_acquire) > 0)
            break;
        if (!version_clean(p, version, &left))
            break;
        p->oldest = version->newer;
        version_free(version);
    }
    p->reclaiming = false;
    return p->garbage;
}

/* ---- readers ---- */

const void *publish_enter(struct publish *p, unsigned slot, uint64_t *version)
{
    CHECK(slot < p->slot_count);
    struct slot *s = &p->slots[slot];
    CHECK(atomic_load_explicit(&s->announced, memory_order_relaxed) == IDLE);
    uint64_t known = atomic_load_explicit(&p->number, memory_order_acquire);
    atomic_store(&s->announced, known);
    s->version = atomic_load(&p->current);
    if (s->version->number != known)
        atomic_store_explicit(&s->announced, s->version->number, memory_order_release);
    if (version)
        *version = s->version->number;
    return s->version->root;
}

void publish_leave(struct publish *p, unsigned slot)
{
    CHECK(slot < p->slot_count && p->slots[slot].version);
    p->slots[slot].version = NULL;
    atomic_store_explicit(&p->slots[slot].announced, IDLE, memory_order_release);
}

static struct publish_pin *version_pin(struct publish_pin *version)
{
    atomic_fetch_add_explicit(&version->pins, 1, memory_order_relaxed);
    return version;
}

struct publish_pin *publish_pin(struct publish *p, unsigned slot)
{
    CHECK(slot < p->slot_count && p->slots[slot].version);
    return version_pin(p->slots[slot].version);
}

struct publish_pin *publish_pin_current(struct publish *p)
{
    return version_pin(p->newest);
}

const void *publish_pin_root(const struct publish_pin *pin)
{
    return pin->root;
}

void publish_unpin(struct publish_pin *pin)
{
    size_t before = atomic_fetch_sub_explicit(&pin->pins, 1, memory_order_release);
    CHECK(before > 0);
}

uint64_t publish_pin_bytes(const struct publish *p, const struct publish_pin *pin)
{
    return atomic_load_explicit(&p->retired_bytes, memory_order_relaxed) - pin->retired_before;
}
