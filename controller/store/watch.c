#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "controller/store/store_private.h"

struct ring_event {
    struct store_event event; /* owns its references */
    int64_t at_us;
};

struct watch {
    struct list link;    /* in its ring */
    struct store *store; /* NULL: closed or crashed */
    enum kind_id kind;
    uint64_t next; /* number of the next event to give out */
    loop_fn *wake;
    void *arg;
    struct store_event
        given; /* the last one, with references of its own: the ring may drop it meanwhile */
};

/* ---- rings ---- */

void history_init(struct history *h, const struct store_opts *opts, uint64_t start)
{
    *h = (struct history){
        .max_bytes = opts->history_bytes, .max_age_us = opts->history_us, .start = start};
    for (size_t i = 0; i < KIND_COUNT; i++)
        list_init(&h->rings[i].watches);
}

static struct ring_event *ring_at(const struct ring *ring, uint64_t number)
{
    return &ring->items[number % ring->cap];
}

/* The object an event delivers; `before` of a modification is nearly always the object of an older
 * event of the ring, so it is not counted again. */
static size_t event_bytes(const struct ring_event *re)
{
    return sizeof(*re) + re->event.object->bytes;
}

static void drop_oldest(struct history *h, struct ring *ring)
{
    struct ring_event *re = ring_at(ring, ring->first++);
    h->bytes -= event_bytes(re);
    ring->evicted = re->event.revision;
    object_unref(re->event.object);
    object_unref(re->event.before);
}

static struct ring *oldest_ring(struct history *h)
{
    struct ring *oldest = NULL;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct ring *ring = &h->rings[i];
        if (ring->first != ring->end &&
            (!oldest || ring_at(ring, ring->first)->event.revision <
                            ring_at(oldest, oldest->first)->event.revision))
            oldest = ring;
    }
    return oldest;
}

static void drop_expired(struct history *h, int64_t now_us)
{
    struct ring *ring;
    while ((ring = oldest_ring(h)) &&
           (h->bytes > h->max_bytes || now_us - ring_at(ring, ring->first)->at_us > h->max_age_us))
        drop_oldest(h, ring);
}

void history_fini(struct history *h)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct ring *ring = &h->rings[i];
        while (ring->first != ring->end)
            drop_oldest(h, ring);
        free(ring->items);
        LIST_FOREACH(node, &ring->watches)
        {
            LIST_ENTRY(node, struct watch, link)->store = NULL;
            list_remove(node);
        }
    }
}

static void ring_grow(struct ring *ring)
{
    struct ring old = *ring;
    ring->cap = old.cap ? 2 * old.cap : 64;
    ring->items = xcalloc(ring->cap, sizeof(*ring->items));
    for (uint64_t i = old.first; i != old.end; i++)
        *ring_at(ring, i) = *ring_at(&old, i);
    free(old.items);
}

void history_add(struct history *h, const struct store_change *change, int64_t now_us)
{
    const struct object *obj = change->after ? change->after : change->before;
    struct ring *ring = &h->rings[obj->kind->id];
    if (ring->end - ring->first == ring->cap)
        ring_grow(ring);
    struct ring_event *re = ring_at(ring, ring->end++);
    *re = (struct ring_event){.at_us = now_us};
    re->event.type = !change->before  ? EVENT_ADDED
                     : !change->after ? EVENT_DELETED
                                      : EVENT_MODIFIED;
    re->event.revision = change->revision;
    re->event.object = object_ref(obj);
    re->event.before = re->event.type == EVENT_MODIFIED ? object_ref(change->before) : NULL;
    h->bytes += event_bytes(re);
    ring->has_news = true;
    drop_expired(h, now_us);
}

void history_notify(struct history *h)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct ring *ring = &h->rings[i];
        if (!ring->has_news)
            continue;
        ring->has_news = false;
        /* A callback may close any watch or open new ones: those to be woken wait on a list of
         * their own. */
        struct list waiting;
        list_init(&waiting);
        LIST_FOREACH(node, &ring->watches)
        {
            list_remove(node);
            list_push_back(&waiting, node);
        }
        while (!list_is_empty(&waiting)) {
            struct watch *w = LIST_ENTRY(waiting.next, struct watch, link);
            list_remove(&w->link);
            list_push_back(&ring->watches, &w->link);
            if (w->wake)
                w->wake(w->arg);
        }
    }
}

/* ---- cursors ---- */

/* The number of the first event with a revision above `revision`. */
static uint64_t first_after(const struct ring *ring, uint64_t revision)
{
    uint64_t low = ring->first, high = ring->end;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (ring_at(ring, mid)->event.revision > revision)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

int watch_open(struct store *store, enum kind_id kind, uint64_t revision, loop_fn *wake, void *arg,
               struct watch **out, struct err *e)
{
    struct history *h = &store->history;
    struct ring *ring = &h->rings[kind];
    drop_expired(h, clock_mono_us());
    if (revision > store->revision) {
        int rc = err_set(e, ERR_TIMEOUT, "Too large resource version: %llu, current: %llu",
                         (unsigned long long)revision, (unsigned long long)store->revision);
        err_cause(e, CAUSE_RESOURCE_VERSION_TOO_LARGE, "", "Too large resource version");
        if (e)
            e->retry_after_s = 1;
        return rc;
    }
    uint64_t oldest = ring->evicted > h->start ? ring->evicted : h->start;
    if (revision < oldest)
        return err_set(e, ERR_GONE, "too old resource version: %llu (%llu)",
                       (unsigned long long)revision, (unsigned long long)oldest);
    struct watch *w = xcalloc(1, sizeof(*w));
    w->store = store;
    w->kind = kind;
    w->next = first_after(ring, revision);
    w->wake = wake;
    w->arg = arg;
    list_push_back(&ring->watches, &w->link);
    *out = w;
    return 0;
}

static void release_given(struct watch *w)
{
    object_unref(w->given.object);
    object_unref(w->given.before);
    w->given = (struct store_event){0};
}

const struct store_event *watch_next(struct watch *w, bool *gone)
{
    release_given(w);
    const struct ring *ring = w->store ? &w->store->history.rings[w->kind] : NULL;
    *gone = !ring || w->next < ring->first;
    if (*gone || w->next == ring->end)
        return NULL;
    w->given = ring_at(ring, w->next++)->event;
    object_ref(w->given.object);
    if (w->given.before)
        object_ref(w->given.before);
    return &w->given;
}

uint64_t watch_revision(const struct watch *w)
{
    if (!w->store)
        return 0;
    const struct ring *ring = &w->store->history.rings[w->kind];
    uint64_t next = w->next < ring->first ? ring->first : w->next;
    return next == ring->end ? w->store->revision : ring_at(ring, next)->event.revision - 1;
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    list_remove(&w->link);
    release_given(w);
    free(w);
}
