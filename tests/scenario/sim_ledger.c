/* What was acknowledged must survive any crash, and of what was under way all or nothing. The
 * ledger keeps, per key, the text that the disk must hold after each commit. */
#include "tests/scenario/sim.h"

struct sim_ledger {
    struct keymap durable; /* key -> struct object: applied, so acknowledged or free to be */
    struct keymap open,
        flying; /* key -> struct object or &absent: staged; of the commit under way */
    bool is_flying, is_on_disk; /* its outcome is not known yet; a crash would find it there */
    uint64_t revision;          /* the last one seen, over crashes too */
};

static struct object absent; /* the key was deleted */

static void put(struct keymap *map, const char *key, const struct object *obj)
{
    void **place = keymap_put(map, key);
    if (*place && *place != &absent)
        object_unref(*place);
    *place = obj ? object_ref(obj) : &absent;
}

static void drop(struct keymap *map, const char *key)
{
    struct object *obj = keymap_take(map, key);
    if (obj != &absent)
        object_unref(obj);
}

static void clear(struct keymap *map)
{
    size_t at = 0;
    const char *key;
    void *value;
    while (keymap_next(map, &at, &key, &value))
        if (value != &absent)
            object_unref(value);
    keymap_fini(map);
}

static void on_stage(void *arg, const struct store_change *change)
{
    struct sim *s = arg;
    const struct object *obj = change->after ? change->after : change->before;
    if (obj->kind->is_durable)
        put(&s->ledger->open, obj->key, change->after);
}

static void on_drop(void *arg, const struct store_change *change)
{
    struct sim *s = arg;
    const struct object *obj = change->after ? change->after : change->before;
    drop(&s->ledger->open, obj->key);
    drop(&s->ledger->flying, obj->key);
    s->ledger->is_flying = false;
}

void sim_ledger_commit(struct sim *s, enum store_mem_fault fault)
{
    struct sim_ledger *l = s->ledger;
    clear(&l->flying);
    l->flying = l->open;
    l->open = (struct keymap){0};
    l->is_flying = true;
    l->is_on_disk = fault == STORE_MEM_NONE || fault == STORE_MEM_LATE;
}

static void on_apply(void *arg, const struct store_batch *batch)
{
    struct sim *s = arg;
    struct sim_ledger *l = s->ledger;
    for (size_t i = 0; i < batch->count; i++) {
        const struct store_change *c = &batch->changes[i];
        const struct object *obj = c->after ? c->after : c->before;
        if (c->revision <= l->revision)
            sim_broken(s, "%s has revision %llu after %llu", obj->key,
                       (unsigned long long)c->revision, (unsigned long long)l->revision);
        l->revision = c->revision;
        if (!obj->kind->is_durable)
            continue;
        if (c->after)
            put(&l->durable, obj->key, c->after);
        else
            drop(&l->durable, obj->key);
    }
    if (batch->revision != l->revision)
        sim_broken(s, "a batch ends at %llu, and its last change is of %llu",
                   (unsigned long long)batch->revision, (unsigned long long)l->revision);
    clear(&l->flying);
    l->is_flying = false;
}

void sim_ledger_hook(struct sim *s)
{
    if (!s->ledger)
        s->ledger = xcalloc(1, sizeof *s->ledger);
    store_on_stage(s->w.store, on_stage, s);
    store_on_drop(s->w.store, on_drop, s);
    store_on_apply(s->w.store, on_apply, s);
}

/* The commit under way was on disk when the process died. */
static void land(struct sim_ledger *l)
{
    size_t at = 0;
    const char *key;
    void *value;
    while (keymap_next(&l->flying, &at, &key, &value))
        if (value == &absent)
            drop(&l->durable, key);
        else
            put(&l->durable, key, value);
}

void sim_ledger_reloaded(struct sim *s)
{
    struct sim_ledger *l = s->ledger;
    struct store_view view = store_applied(s->w.store);
    if (l->is_flying && l->is_on_disk)
        land(l);
    clear(&l->flying);
    clear(&l->open);
    l->is_flying = false;
    size_t count = 0;
    for (int i = 0; i < KIND_COUNT; i++) {
        struct view_cursor cur;
        for (view_seek(&cur, &view, (enum kind_id)i, NULL, NULL); cur.object; view_next(&cur)) {
            const struct object *want = keymap_find(&l->durable, cur.object->key);
            count++;
            if (!want)
                sim_broken(s, "after the crash %s is there again", cur.object->key);
            if (want->text_len != cur.object->text_len ||
                memcmp(want->text, cur.object->text, want->text_len) != 0)
                sim_broken(s, "after the crash %s is\n%s and not\n%s", cur.object->key,
                           cur.object->text, want->text);
            put(&l->durable, cur.object->key, cur.object);
        }
    }
    if (count != l->durable.count)
        sim_broken(s, "after the crash %zu objects of %zu are left", count, l->durable.count);
    if (view.revision < l->revision) /* the same only if nothing was told in between */
        sim_broken(s, "after the crash revisions go on at %llu, and %llu was told",
                   (unsigned long long)view.revision, (unsigned long long)l->revision);
    l->revision = view.revision;
}

bool sim_ledger_is_ahead(const struct sim *s)
{
    return s->ledger->open.count > 0;
}

bool sim_ledger_is_flying(const struct sim *s)
{
    return s->ledger->is_flying;
}

void sim_ledger_free(struct sim *s)
{
    clear(&s->ledger->durable);
    clear(&s->ledger->open);
    clear(&s->ledger->flying);
    free(s->ledger);
}
