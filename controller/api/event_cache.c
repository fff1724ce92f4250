#include "controller/api/event_cache.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"

struct slot {
    const struct object *obj; /* owns a reference, so that no other object has its address */
    const struct resource *res;
    unsigned variant;
    enum include_object include;
    uint64_t revision;
    int64_t second;
    char *text; /* NULL: free */
    size_t len;
};

struct event_cache {
    struct slot slots[EVENT_CACHE_SLOTS];
    uint64_t made, copied;
};

struct event_cache *event_cache_new(void)
{
    return xcalloc(1, sizeof(struct event_cache));
}

static void slot_clear(struct slot *slot)
{
    object_unref(slot->obj);
    free(slot->text);
    *slot = (struct slot){0};
}

void event_cache_free(struct event_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < EVENT_CACHE_SLOTS; i++)
        slot_clear(&cache->slots[i]);
    free(cache);
}

/* Forms that need a tree and show nothing beside the object itself. */
static bool is_shared(const struct render *r, const struct object *obj)
{
    if (r->sub || obj->kind->id == KIND_IDENTITY)
        return false;
    if (r->res->form == RESOURCE_EVENTS_V1)
        return true;
    return r->res->form == RESOURCE_STORED && r->variant == ACCEPT_TABLE;
}

/* Revisions of one kind's events lie close together, so the latest ones have slots of their own;
 * forms of one event stand apart. */
static struct slot *slot_of(struct event_cache *cache, const struct render *r, uint64_t revision)
{
    uint64_t form = (uint64_t)r->variant * 4 + (uint64_t)r->include;
    return &cache->slots[(revision + form * 37) % EVENT_CACHE_SLOTS];
}

static bool is_of(const struct slot *slot, const struct render *r, const struct object *obj,
                  uint64_t revision, int64_t second)
{
    return slot->text && slot->obj == obj && slot->res == r->res && slot->variant == r->variant &&
           slot->include == r->include && slot->revision == revision && slot->second == second;
}

void event_cache_render(struct event_cache *cache, const struct render *r, const struct object *obj,
                        uint64_t revision, struct buf_out *out)
{
    if (!is_shared(r, obj)) {
        render_alone(r, obj, revision, false, out);
        return;
    }
    struct slot *slot = slot_of(cache, r, revision);
    int64_t second = clock_now_us() / 1000000;
    if (is_of(slot, r, obj, revision, second)) {
        buf_put(out, slot->text, slot->len);
        cache->copied++;
        return;
    }
    size_t start = out->len, len;
    render_alone(r, obj, revision, false, out);
    cache->made++;
    len = out->len - start;
    if (len > EVENT_CACHE_TEXT_MAX)
        return;
    slot_clear(slot);
    *slot = (struct slot){.obj = object_ref(obj),
                          .res = r->res,
                          .variant = r->variant,
                          .include = r->include,
                          .revision = revision,
                          .second = second,
                          .text = xstrndup(out->data + start, len),
                          .len = len};
}

uint64_t event_cache_made(const struct event_cache *cache)
{
    return cache->made;
}

uint64_t event_cache_copied(const struct event_cache *cache)
{
    return cache->copied;
}
