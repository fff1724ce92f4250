#include "controller/reconcile/workqueue.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"
#include "base/random.h"
#include "controller/reconcile/keymap.h"

#define BACKOFF_FIRST_US   INT64_C(5000)
#define BACKOFF_LONGEST_US (INT64_C(16) * 60 * 1000000)
/* Failed syncs in a row that may call for the next one by what they wrote. */
#define EAGER_MOST 16

/* IDLE: only its failures are remembered.  READY: on the list, in order of queueing.  LATER: in the
 * heap, by due time. */
enum entry_state { ENTRY_IDLE, ENTRY_READY, ENTRY_LATER };

struct entry {
    struct list link;
    enum entry_state state;
    unsigned failures;
    unsigned eager; /* failed syncs in a row that called for the next one at once */
    int64_t due_us;
    int64_t
        after_us; /* READY: also asked for at this time, 0 = not; a failed sync must not lose it */
    uint64_t order; /* among equal due times */
    size_t slot;    /* LATER: place in the heap */
    char key[];
};

struct workqueue {
    struct keymap entries; /* key -> struct entry */
    struct list ready;
    struct entry **heap;
    size_t heap_count, heap_cap, ready_count;
    uint64_t order;
};

struct workqueue *workqueue_new(void)
{
    struct workqueue *q = xcalloc(1, sizeof *q);
    list_init(&q->ready);
    return q;
}

void workqueue_free(struct workqueue *q)
{
    if (!q)
        return;
    const char *key;
    void *entry;
    for (size_t at = 0; keymap_next(&q->entries, &at, &key, &entry);)
        free(entry);
    keymap_fini(&q->entries);
    free(q->heap);
    free(q);
}

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->due_us < b->due_us || (a->due_us == b->due_us && a->order < b->order);
}

static void heap_place(struct workqueue *q, struct entry *e, size_t slot)
{
    q->heap[slot] = e;
    e->slot = slot;
}

static void heap_up(struct workqueue *q, struct entry *e)
{
    size_t at = e->slot;
    while (at > 0 && is_before(e, q->heap[(at - 1) / 2])) {
        heap_place(q, q->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    heap_place(q, e, at);
}

static void heap_down(struct workqueue *q, struct entry *e)
{
    size_t at = e->slot;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= q->heap_count)
            break;
        if (child + 1 < q->heap_count && is_before(q->heap[child + 1], q->heap[child]))
            child++;
        if (!is_before(q->heap[child], e))
            break;
        heap_place(q, q->heap[child], at);
        at = child;
    }
    heap_place(q, e, at);
}

static void heap_add(struct workqueue *q, struct entry *e)
{
    if (q->heap_count == q->heap_cap) {
        q->heap_cap = q->heap_cap ? q->heap_cap * 2 : 16;
        q->heap = xrealloc(q->heap, q->heap_cap * sizeof(struct entry *));
    }
    heap_place(q, e, q->heap_count++);
    heap_up(q, e);
}

static void heap_remove(struct workqueue *q, struct entry *e)
{
    struct entry *last = q->heap[--q->heap_count];
    if (last == e)
        return;
    heap_place(q, last, e->slot);
    heap_up(q, last);
    heap_down(q, last);
}

static struct entry *entry_get(struct workqueue *q, const char *key)
{
    void **place = keymap_put(&q->entries, key);
    if (!*place) {
        size_t size = strlen(key) + 1;
        struct entry *e = xcalloc(1, sizeof *e + size);
        memcpy(e->key, key, size);
        *place = e;
    }
    return *place;
}

static void ask_again(struct entry *e, int64_t due_us)
{
    if (due_us > 0 && (e->after_us == 0 || due_us < e->after_us))
        e->after_us = due_us;
}

static void make_ready(struct workqueue *q, struct entry *e)
{
    if (e->state == ENTRY_LATER) {
        heap_remove(q, e);
        ask_again(e, e->due_us);
    }
    e->state = ENTRY_READY;
    list_push_back(&q->ready, &e->link);
    q->ready_count++;
}

void workqueue_add(struct workqueue *q, const char *key, int64_t due_us)
{
    struct entry *e = entry_get(q, key);
    if (e->state == ENTRY_READY) {
        ask_again(e, due_us);
        return;
    }
    if (e->state == ENTRY_LATER && e->due_us <= due_us)
        return;
    if (due_us <= 0) {
        make_ready(q, e);
        return;
    }
    if (e->state == ENTRY_LATER)
        heap_remove(q, e);
    e->state = ENTRY_LATER;
    e->due_us = due_us;
    e->order = q->order++;
    heap_add(q, e);
}

void workqueue_retry(struct workqueue *q, const char *key, int64_t now_us)
{
    struct entry *e = entry_get(q, key);
    /* Its own writes called for it: they may let the rest succeed, or have to be told in a status.
     * One that writes each time and never succeeds has to wait in the end. */
    bool is_called = e->state == ENTRY_READY;
    if (is_called && e->eager < EAGER_MOST) {
        e->eager++;
        return;
    }
    if (is_called) {
        list_remove(&e->link);
        q->ready_count--;
        e->state = ENTRY_IDLE;
    } else {
        e->eager = 0;
    }
    int64_t wait_us = BACKOFF_FIRST_US;
    for (unsigned i = 0; i < e->failures && wait_us < BACKOFF_LONGEST_US; i++)
        wait_us *= 2;
    if (wait_us > BACKOFF_LONGEST_US)
        wait_us = BACKOFF_LONGEST_US;
    else
        e->failures++;
    /* Between three quarters and the whole of it, so that what failed together does not come back
     * together. */
    wait_us -= (int64_t)random_below((uint64_t)wait_us / 4 + 1);
    workqueue_add(q, key, now_us + wait_us);
    if (e->after_us > 0)
        workqueue_add(q, key, e->after_us);
    e->after_us = 0;
}

void workqueue_forget(struct workqueue *q, const char *key)
{
    struct entry *e = keymap_find(&q->entries, key);
    if (!e)
        return;
    e->failures = 0;
    e->eager = 0;
    if (e->state == ENTRY_IDLE)
        free(keymap_take(&q->entries, key));
}

char *workqueue_take(struct workqueue *q, int64_t now_us)
{
    while (q->heap_count > 0 && q->heap[0]->due_us <= now_us) {
        q->heap[0]->eager = 0;
        make_ready(q, q->heap[0]);
    }
    if (list_is_empty(&q->ready))
        return NULL;
    struct entry *e = LIST_ENTRY(q->ready.next, struct entry, link);
    list_remove(&e->link);
    q->ready_count--;
    e->state = ENTRY_IDLE;
    e->after_us = 0; /* the sync asks anew */
    char *key = xstrdup(e->key);
    if (e->failures == 0 && e->eager == 0)
        free(keymap_take(&q->entries, key));
    return key;
}

int64_t workqueue_next_due(const struct workqueue *q)
{
    if (!list_is_empty(&q->ready))
        return 0;
    return q->heap_count > 0 ? q->heap[0]->due_us : -1;
}

size_t workqueue_length(const struct workqueue *q)
{
    return q->ready_count + q->heap_count;
}
