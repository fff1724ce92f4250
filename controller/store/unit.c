#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controller/store/store_private.h"

struct store_unit {
    struct list link;    /* in store->units */
    struct store *store; /* NULL: closed or crashed */
    struct changes changes;
};

struct store_unit *store_unit_new(struct store *store)
{
    CHECK(!store->is_partial);
    struct store_unit *unit = xcalloc(1, sizeof(*unit));
    unit->store = store;
    list_push_back(&store->units, &unit->link);
    return unit;
}

void store_unit_free(struct store_unit *unit)
{
    if (!unit)
        return;
    list_remove(&unit->link);
    changes_fini(&unit->changes);
    free(unit);
}

void units_detach(struct store *store)
{
    LIST_FOREACH(node, &store->units)
    {
        LIST_ENTRY(node, struct store_unit, link)->store = NULL;
        list_remove(node);
    }
}

const struct object *store_unit_find(struct store_unit *unit, enum kind_id kind, const char *ns,
                                     const char *name)
{
    char key[OBJECT_KEY_MAX + 1];
    size_t len = object_key(kind_get(kind), ns, name, key);
    if (len == 0)
        return NULL;
    const struct change *c = changes_find(&unit->changes, key, len);
    if (c)
        return c->now;
    struct store_view view = store_unit_view(unit);
    return cow_find(&table_object_type, view.objects, (const uint8_t *)key, len);
}

struct store_view store_unit_view(const struct store_unit *unit)
{
    return unit->store ? store_head(unit->store) : (struct store_view){0};
}

/* A write over an object of the unit must be over its newest. */
static void check_expected(const struct store_unit *unit, const struct object *named,
                           const struct object *expected)
{
    const struct change *c = changes_find(&unit->changes, named->key, named->key_len);
    CHECK(!c || c->now == expected);
    CHECK(!expected || expected == named ||
          (expected->key_len == named->key_len &&
           !memcmp(expected->key, named->key, named->key_len)));
}

void store_unit_put(struct store_unit *unit, struct object *obj, const struct object *expected)
{
    CHECK(obj->mod_revision == 0 || obj == expected);
    check_expected(unit, obj, expected);
    /* Equal text: the write changes nothing, only its precondition counts (A17). */
    const struct object *now = change_is_none(expected, obj) ? expected : obj;
    const struct change *c = changes_find(&unit->changes, obj->key, obj->key_len);
    if (c && change_is_none(c->base, obj))
        now = c->base;
    changes_set(&unit->changes, expected, now);
    object_unref(obj);
}

void store_unit_delete(struct store_unit *unit, const struct object *expected)
{
    CHECK(expected);
    check_expected(unit, expected, expected);
    changes_set(&unit->changes, expected, NULL);
}

bool store_unit_is_empty(const struct store_unit *unit)
{
    for (size_t i = 0; i < unit->changes.count; i++)
        if (unit->changes.items[i].base != unit->changes.items[i].now)
            return false;
    return true;
}

/* ---- staging ---- */

static const struct object *present(const struct store *store, const struct object *named)
{
    return cow_find(&table_object_type, table_objects(store->table, true),
                    (const uint8_t *)named->key, named->key_len);
}

static int check_unit(const struct store_unit *unit, struct err *e)
{
    const struct store *store = unit->store;
    if (!store)
        return err_set(e, ERR_UNAVAILABLE, "the store is closed");
    if (store->is_read_only && !store_unit_is_empty(unit))
        return err_set(e, ERR_UNAVAILABLE, "the store is read-only until restart: %.900s",
                       store->reason);
    for (size_t i = 0; i < unit->changes.count; i++) {
        const struct change *c = &unit->changes.items[i];
        if (present(store, c->named) != c->base)
            return err_set(e, ERR_CONFLICT, "%s was changed by another writer", c->named->key);
    }
    return 0;
}

static void put_on_head(struct store *store, struct changes *changes)
{
    struct turn *turn = &store->open;
    for (size_t i = 0; i < changes->count; i++) {
        struct change *c = &changes->items[i];
        if (c->base == c->now)
            continue;
        changes_set(&turn->changes, c->base, c->now);
        if (c->now)
            table_put(store->table, &turn->table, object_ref(c->now));
        else
            table_del(store->table, &turn->table, c->base);
    }
}

static void call_stage_hooks(struct store *store, const struct store_change *change)
{
    for (size_t i = 0; i < store->on_stage.count; i++)
        store->on_stage.items[i].on_change(store->on_stage.items[i].arg, change);
}

int store_unit_stage(struct store_unit *unit, store_done_fn *done, void *arg, struct err *e)
{
    struct store *store = unit->store;
    int rc = check_unit(unit, e);
    if (rc < 0) {
        store_unit_free(unit);
        return rc;
    }
    list_remove(
        &unit->link); /* a hook may come back to the store: the unit is no longer on its list */
    put_on_head(store, &unit->changes);
    struct turn *turn = &store->open;
    if (turn->waiter_count == turn->waiter_cap) {
        turn->waiter_cap = turn->waiter_cap ? 2 * turn->waiter_cap : 16;
        turn->waiters = xrealloc(turn->waiters, turn->waiter_cap * sizeof(*turn->waiters));
    }
    turn->waiters[turn->waiter_count++] = (struct waiter){.done = done, .arg = arg};
    store_want_turn(store);

    for (size_t i = 0; i < unit->changes.count; i++) {
        const struct change *c = &unit->changes.items[i];
        if (c->base == c->now)
            continue;
        if (c->base && c->now && strcmp(c->base->uid, c->now->uid) != 0) {
            call_stage_hooks(store, &(struct store_change){.before = c->base});
            call_stage_hooks(store, &(struct store_change){.after = c->now});
        } else {
            call_stage_hooks(store, &(struct store_change){.before = c->base, .after = c->now});
        }
    }
    store_unit_free(unit);
    return 0;
}
