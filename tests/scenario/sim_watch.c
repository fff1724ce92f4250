/* Model clients: watchers that must hear of every change exactly once and in order, resume where a
 * bookmark left them, and list again after 410; and one that reads a long list page by page. */
#include "base/clock.h"
#include "tests/scenario/sim.h"

#define WATCHERS 5
#define PAGE     3

/* What a watcher knows of an object. */
struct known {
    uint64_t revision;
    char uid[UUID_TEXT_SIZE];
};

struct watcher {
    enum kind_id kind;
    bool is_lazy; /* reads when the schedule says so, else whenever there is news */
    struct watch *watch;
    struct keymap objects; /* key -> struct known */
    uint64_t revision;     /* of the last event or bookmark */
    int64_t read_us;       /* monotonic: when it read last */
};

struct sim_watch {
    struct watcher at[WATCHERS];
};

struct sim_list {
    struct store_pin *pin;
    int64_t pinned_us;
    char (*keys)[OBJECT_KEY_MAX + 1];
    uint64_t *revisions;
    size_t count, read;
};

/* ---- what is known ---- */

static void forget_all(struct watcher *w)
{
    size_t at = 0;
    const char *key;
    void *value;
    while (keymap_next(&w->objects, &at, &key, &value))
        free(value);
    keymap_fini(&w->objects);
}

static void learn(struct watcher *w, const struct object *obj)
{
    struct known **place = (struct known **)keymap_put(&w->objects, obj->key);
    if (!*place)
        *place = xcalloc(1, sizeof **place);
    (*place)->revision = obj->mod_revision;
    (void)snprintf((*place)->uid, sizeof(*place)->uid, "%s", obj->uid);
}

static void list(struct sim *s, struct watcher *w)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    forget_all(w);
    for (view_seek(&cur, &view, w->kind, NULL, NULL); cur.object; view_next(&cur))
        learn(w, cur.object);
    w->revision = view.revision;
    w->read_us = clock_mono_us();
}

static void take(struct sim *s, struct watcher *w, const struct store_event *event)
{
    const struct object *obj = event->object;
    const struct known *known = keymap_find(&w->objects, obj->key);
    s->events++;
    if (event->revision <= w->revision)
        sim_broken(s, "a watcher of %s hears of %s at %llu after %llu (A34)",
                   kind_get(w->kind)->resource, obj->key, (unsigned long long)event->revision,
                   (unsigned long long)w->revision);
    w->revision = event->revision;
    switch (event->type) {
    case EVENT_ADDED:
        if (known)
            sim_broken(s, "%s is ADDED, and the watcher had it", obj->key);
        learn(w, obj);
        break;
    case EVENT_MODIFIED:
        if (!known || strcmp(known->uid, obj->uid) != 0)
            sim_broken(s, "%s is MODIFIED, and the watcher had it not", obj->key);
        if (event->before->mod_revision != known->revision)
            sim_broken(s, "%s is MODIFIED from %llu, and the watcher had it at %llu (A35)",
                       obj->key, (unsigned long long)event->before->mod_revision,
                       (unsigned long long)known->revision);
        learn(w, obj);
        break;
    case EVENT_DELETED:
        if (!known || strcmp(known->uid, obj->uid) != 0 || known->revision != obj->mod_revision)
            sim_broken(s, "%s is DELETED, and the watcher had not this last state of it", obj->key);
        free(keymap_take(&w->objects, obj->key));
        break;
    }
}

/* ---- one watcher ---- */

/* Reads up to `most` events. False when it fell behind the ring (A39). */
static bool pull(struct sim *s, struct watcher *w, unsigned most)
{
    const struct store_event *event = NULL;
    bool is_gone = false;
    for (; most > 0 && (event = watch_next(w->watch, &is_gone)); most--)
        take(s, w, event);
    if (is_gone)
        return false;
    if (!event) { /* caught up: a bookmark */
        uint64_t revision = watch_revision(w->watch);
        if (revision != store_applied(s->w.store).revision)
            sim_broken(s, "a watcher that caught up stands at %llu of %llu",
                       (unsigned long long)revision,
                       (unsigned long long)store_applied(s->w.store).revision);
        w->revision = revision;
        w->read_us = clock_mono_us();
    }
    return true;
}

static struct sim *waking; /* there is one simulator in a process */

static void on_wake(void *arg)
{
    struct watcher *w = arg;
    if (!w->is_lazy && w->watch && !pull(waking, w, UINT32_MAX))
        sim_broken(waking, "a watcher that reads everything at once fell behind");
}

static bool open_at(struct sim *s, struct watcher *w)
{
    struct err e = {0};
    waking = s;
    w->watch = NULL;
    int rc = watch_open(s->w.store, w->kind, w->revision, on_wake, w, &w->watch, &e);
    if (rc < 0 && rc != ERR_GONE)
        sim_broken(s, "a watch from %llu does not open: %s", (unsigned long long)w->revision,
                   e.text);
    return rc == 0;
}

static void relist(struct sim *s, struct watcher *w)
{
    watch_close(TAKE(w->watch));
    list(s, w);
    if (!open_at(s, w))
        sim_broken(s, "a watch from a list of now is too old");
}

void sim_do_watch(struct sim *s)
{
    struct watcher *w = &s->watches->at[sim_below(s, WATCHERS)];
    if (sim_one_in(s, 4)) { /* the connection breaks; it resumes */
        sim_did(s, "a watcher of %s resumes", kind_get(w->kind)->resource);
        int64_t age_us = clock_mono_us() - w->read_us;
        watch_close(TAKE(w->watch));
        bool resumed = open_at(s, w);
        if (!resumed && !w->is_lazy && age_us == 0)
            sim_broken(s, "a watch that was just caught up does not resume");
        if (!resumed)
            relist(s, w);
    } else if (!pull(s, w, 1 + (unsigned)sim_below(s, 40))) {
        sim_did(s, "a watcher of %s fell behind", kind_get(w->kind)->resource);
        relist(s, w);
    }
}

static void compare(struct sim *s, struct watcher *w)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    size_t count = 0;
    if (!pull(s, w, UINT32_MAX)) {
        relist(s, w);
        return;
    }
    for (view_seek(&cur, &view, w->kind, NULL, NULL); cur.object; view_next(&cur), count++) {
        const struct known *known = keymap_find(&w->objects, cur.object->key);
        if (!known || known->revision != cur.object->mod_revision)
            sim_broken(s, "a watcher has not heard of %s at %llu", cur.object->key,
                       (unsigned long long)cur.object->mod_revision);
    }
    if (count != w->objects.count)
        sim_broken(s, "a watcher of %s knows %zu objects of %zu", kind_get(w->kind)->resource,
                   w->objects.count, count);
}

void sim_watch_check(struct sim *s)
{
    for (size_t i = 0; i < WATCHERS; i++)
        if (!s->watches->at[i].is_lazy || sim_one_in(s, 4))
            compare(s, &s->watches->at[i]);
}

/* ---- a list in pages ---- */

static void list_end(struct sim *s)
{
    struct sim_list *l = TAKE(s->list);
    if (!l)
        return;
    store_pin_free(l->pin);
    free(l->keys);
    free(l->revisions);
    free(l);
}

static void list_begin(struct sim *s)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    struct sim_list *l = s->list = xcalloc(1, sizeof *l);
    size_t count = view_count(&view, KIND_POD);
    l->pin = store_pin_new(s->w.store);
    l->pinned_us = clock_mono_us();
    l->keys = xcalloc(count + 1, sizeof *l->keys);
    l->revisions = xcalloc(count + 1, sizeof *l->revisions);
    for (view_seek(&cur, &view, KIND_POD, NULL, NULL); cur.object; view_next(&cur)) {
        (void)snprintf(l->keys[l->count], sizeof l->keys[0], "%s", cur.object->key);
        l->revisions[l->count++] = cur.object->mod_revision;
    }
}

/* The next page, from the snapshot of the first (api.md 4). */
void sim_do_list(struct sim *s)
{
    struct sim_list *l = s->list;
    struct store_view view;
    if (!l) {
        list_begin(s);
        return;
    }
    if (!store_pin_view(l->pin, &view)) {
        if (clock_mono_us() - l->pinned_us < 300 * SECOND)
            sim_broken(s, "the snapshot of a list is gone after %lld s",
                       (long long)((clock_mono_us() - l->pinned_us) / SECOND));
        sim_did(s, "a list is too old to go on");
        list_end(s);
        return;
    }
    struct view_cursor cur;
    if (l->read == 0)
        view_seek(&cur, &view, KIND_POD, NULL, NULL);
    else
        view_seek_after(&cur, &view, KIND_POD, NULL, l->keys[l->read - 1]);
    for (int i = 0; i < PAGE; i++, view_next(&cur)) {
        if (!cur.object || l->read == l->count) {
            if (cur.object || l->read != l->count)
                sim_broken(s, "a list of %zu pods ends after %zu (api.md 4)", l->count, l->read);
            list_end(s);
            return;
        }
        if (strcmp(cur.object->key, l->keys[l->read]) != 0 ||
            cur.object->mod_revision != l->revisions[l->read])
            sim_broken(s, "a list goes on with %s at %llu and not with %s at %llu (api.md 4)",
                       cur.object->key, (unsigned long long)cur.object->mod_revision,
                       l->keys[l->read], (unsigned long long)l->revisions[l->read]);
        l->read++;
    }
}

/* ---- life ---- */

void sim_watch_start(struct sim *s)
{
    static const enum kind_id kinds[WATCHERS] = {KIND_POD, KIND_SLICE, KIND_POD, KIND_PVC,
                                                 KIND_STATEFULSET};
    bool is_new = !s->watches;
    if (is_new)
        s->watches = xcalloc(1, sizeof *s->watches);
    for (size_t i = 0; i < WATCHERS; i++) {
        struct watcher *w = &s->watches->at[i];
        w->kind = kinds[i];
        w->is_lazy = i >= 2;
        if (!is_new && w->revision < store_applied(s->w.store).revision && open_at(s, w))
            sim_broken(s, "a watch from before the start goes on (store.history)");
        list(s, w);
        if (!open_at(s, w))
            sim_broken(s, "a watch from a list of now is too old");
    }
}

void sim_watch_crash(struct sim *s)
{
    list_end(s);
    for (size_t i = 0; i < WATCHERS; i++)
        watch_close(TAKE(s->watches->at[i].watch));
}

void sim_watch_free(struct sim *s)
{
    sim_watch_crash(s);
    for (size_t i = 0; i < WATCHERS; i++)
        forget_all(&s->watches->at[i]);
    free(s->watches);
}
