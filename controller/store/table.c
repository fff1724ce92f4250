#include "controller/store/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controller/store/index.h"
#include "controller/store/unconst.h"

/* About what a branch costs: for the accounting of garbage. */
enum { BRANCH_BYTES = 64 };

struct table {
    struct cow *objects, *index;
    struct publish *versions; /* no readers on other threads: pins only */
    size_t held_bytes;
    struct index_keys old_keys, new_keys; /* room for index_update */
};

/* What one commit took out of the newest version. */
struct garbage {
    struct table *table;
    struct cow_garbage objects, index;
    struct leaves retired_objects, retired_entries;
    size_t bytes;
};

static size_t object_cow_key(const void *leaf, uint8_t *out)
{
    const struct object *obj = leaf;
    memcpy(out, obj->key, obj->key_len);
    return obj->key_len;
}

static bool object_cow_equal(const void *leaf, const uint8_t *key, size_t len)
{
    const struct object *obj = leaf;
    return obj->key_len == len && !memcmp(obj->key, key, len);
}

const struct cow_type table_object_type = {.key = object_cow_key, .equal = object_cow_equal};

void leaves_add(struct leaves *list, const void *leaf)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 16;
        list->items = xrealloc(list->items, list->cap * sizeof(*list->items));
    }
    list->items[list->count++] = unconst(leaf);
}

static void unref_all(struct leaves *list)
{
    for (size_t i = 0; i < list->count; i++)
        object_unref(list->items[i]);
    free(list->items);
}

static void free_all(struct leaves *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

struct table *table_new(void)
{
    struct table *t = xcalloc(1, sizeof(*t));
    t->objects = cow_new(&table_object_type);
    t->index = cow_new(&index_entry_type);
    t->versions = publish_new(0, NULL);
    return t;
}

static void collect_leaves(const struct cow_type *type, struct cow_root root, struct leaves *out)
{
    struct cow_cursor cur;
    for (cow_seek(&cur, type, root, NULL, 0, false); cur.leaf; cow_next(&cur))
        leaves_add(out, cur.leaf);
}

void table_free(struct table *t)
{
    if (!t)
        return;
    CHECK(!cow_in_transaction(t->objects));
    publish_free(t->versions);
    struct leaves objects = {0}, entries = {0};
    collect_leaves(&table_object_type, cow_committed(t->objects), &objects);
    collect_leaves(&index_entry_type, cow_committed(t->index), &entries);
    cow_free(t->objects);
    cow_free(t->index);
    unref_all(&objects);
    free_all(&entries);
    index_keys_fini(&t->old_keys);
    index_keys_fini(&t->new_keys);
    free(t);
}

struct cow_root table_objects(const struct table *t, bool head)
{
    return head ? cow_head(t->objects) : cow_committed(t->objects);
}

struct cow_root table_index(const struct table *t, bool head)
{
    return head ? cow_head(t->index) : cow_committed(t->index);
}

/* ---- changes ---- */

static void begin(struct table *t, struct table_txn *txn)
{
    if (txn->begun)
        return;
    cow_begin(t->objects);
    cow_begin(t->index);
    txn->begun = true;
}

static void entry_add(struct table *t, struct table_txn *txn, const uint8_t *key, uint16_t len)
{
    struct index_entry *entry = xmalloc(sizeof(*entry) + len);
    entry->len = len;
    memcpy(entry->key, key, len);
    void *replaced = cow_set(t->index, entry);
    CHECK(!replaced);
    leaves_add(&txn->added_entries, entry);
}

static void entry_del(struct table *t, struct table_txn *txn, const uint8_t *key, size_t len)
{
    void *removed = cow_del(t->index, key, len);
    CHECK(removed);
    leaves_add(&txn->retired_entries, removed);
}

/* From the entries of `before` to those of `after`: both lists are sorted, only what differs is
 * touched. */
static void index_update(struct table *t, struct table_txn *txn, const struct object *before,
                         const struct object *after)
{
    const struct index_keys *old = &t->old_keys, *new = &t->new_keys;
    size_t o = 0, n = 0;
    index_keys_of(&t->old_keys, before);
    index_keys_of(&t->new_keys, after);
    while (o < old->count || n < new->count) {
        int order = o == old->count ? 1 : n == new->count ? -1 : 0;
        if (order == 0)
            order = index_key_order(old, o, new, n);
        if (order < 0)
            entry_del(t, txn, old->bytes + old->keys[o].at, old->keys[o].len);
        else if (order > 0)
            entry_add(t, txn, new->bytes + new->keys[n].at, new->keys[n].len);
        o += order <= 0;
        n += order >= 0;
    }
}

void table_put(struct table *t, struct table_txn *txn, struct object *obj)
{
    begin(t, txn);
    const struct object *replaced = cow_set(t->objects, obj);
    leaves_add(&txn->added_objects, obj);
    if (replaced)
        leaves_add(&txn->retired_objects, replaced);
    index_update(t, txn, replaced, obj);
}

void table_put_bare(struct table *t, struct table_txn *txn, struct object *obj)
{
    begin(t, txn);
    const struct object *replaced = cow_set(t->objects, obj);
    CHECK(!replaced);
    leaves_add(&txn->added_objects, obj);
}

void table_add_entries(struct table *t, struct table_txn *txn, const struct object *obj)
{
    begin(t, txn);
    index_update(t, txn, NULL, obj);
}

void table_del(struct table *t, struct table_txn *txn, const struct object *present)
{
    begin(t, txn);
    const struct object *removed =
        cow_del(t->objects, (const uint8_t *)present->key, present->key_len);
    CHECK(removed == present);
    leaves_add(&txn->retired_objects, removed);
    index_update(t, txn, removed, NULL);
}

/* ---- commit, abort, garbage ---- */

static void garbage_free(void *ptr)
{
    struct garbage *g = ptr;
    g->table->held_bytes -= g->bytes;
    cow_garbage_free(&g->objects);
    cow_garbage_free(&g->index);
    unref_all(&g->retired_objects);
    free_all(&g->retired_entries);
    free(g);
}

void table_commit(struct table *t, struct table_txn *txn)
{
    if (!txn->begun)
        return;
    struct garbage *g = xcalloc(1, sizeof(*g));
    g->table = t;
    cow_commit(t->objects, &g->objects);
    cow_commit(t->index, &g->index);
    g->retired_objects = txn->retired_objects;
    g->retired_entries = txn->retired_entries;
    g->bytes = sizeof(*g) + (g->objects.count + g->index.count) * BRANCH_BYTES;
    for (size_t i = 0; i < g->retired_objects.count; i++)
        g->bytes += ((const struct object *)g->retired_objects.items[i])->bytes;
    t->held_bytes += g->bytes;
    publish_retire(t->versions, garbage_free, g);
    publish_push(t->versions, NULL);
    free(txn->added_objects.items);
    free(txn->added_entries.items);
    *txn = (struct table_txn){0};
}

void table_abort(struct table *t, struct table_txn *const *txns, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || txns[i]->begun;
    if (any) {
        cow_abort(t->objects);
        cow_abort(t->index);
    }
    for (size_t i = 0; i < count; i++) {
        unref_all(&txns[i]->added_objects);
        free_all(&txns[i]->added_entries);
        free(txns[i]->retired_objects.items);
        free(txns[i]->retired_entries.items);
        *txns[i] = (struct table_txn){0};
    }
}

struct publish_pin *table_pin(struct table *t)
{
    return publish_pin_current(t->versions);
}

void table_reclaim(struct table *t)
{
    publish_reclaim(t->versions, 0);
}

size_t table_held_bytes(const struct table *t)
{
    return t->held_bytes;
}

/* ---- walks ---- */

const struct object *view_find(const struct store_view *view, enum kind_id kind, const char *ns,
                               const char *name)
{
    char key[OBJECT_KEY_MAX + 1];
    size_t len = object_key(kind_get(kind), ns, name, key);
    return len ? cow_find(&table_object_type, view->objects, (const uint8_t *)key, len) : NULL;
}

/* "pods/", "pods/default/" or "pods/default/kub" into out; 0 when it is longer than any key. */
static size_t walk_prefix(enum kind_id kind, const char *ns, const char *name_prefix,
                          char out[OBJECT_KEY_MAX + 1])
{
    const char *resource = kind_get(kind)->resource;
    if (ns)
        return object_key(kind_get(kind), ns, name_prefix ? name_prefix : "", out);
    size_t len = strlen(resource);
    memcpy(out, resource, len + 1);
    out[len++] = '/';
    out[len] = '\0';
    return len;
}

static void view_settle(struct view_cursor *cur, const char *prefix)
{
    cur->object = cur->cow.leaf;
    if (cur->object && (cur->object->key_len < cur->prefix_len ||
                        memcmp(cur->object->key, prefix, cur->prefix_len) != 0))
        cur->object = NULL;
}

void view_seek(struct view_cursor *cur, const struct store_view *view, enum kind_id kind,
               const char *ns, const char *name_prefix)
{
    char prefix[OBJECT_KEY_MAX + 1];
    cur->object = NULL;
    cur->prefix_len = walk_prefix(kind, ns, name_prefix, prefix);
    if (cur->prefix_len == 0)
        return;
    cow_seek(&cur->cow, &table_object_type, view->objects, (const uint8_t *)prefix, cur->prefix_len,
             false);
    view_settle(cur, prefix);
}

void view_seek_after(struct view_cursor *cur, const struct store_view *view, enum kind_id kind,
                     const char *ns, const char *key)
{
    char prefix[OBJECT_KEY_MAX + 1];
    size_t len = strlen(key);
    cur->object = NULL;
    cur->prefix_len = walk_prefix(kind, ns, NULL, prefix);
    if (cur->prefix_len == 0)
        return;
    if (len > OBJECT_KEY_MAX || strcmp(key, prefix) < 0)
        view_seek(cur, view, kind, ns, NULL);
    else {
        cow_seek(&cur->cow, &table_object_type, view->objects, (const uint8_t *)key, len, true);
        view_settle(cur, prefix);
    }
}

void view_next(struct view_cursor *cur)
{
    const struct object *last = cur->object;
    if (!last)
        return;
    cow_next(&cur->cow);
    view_settle(cur, last->key);
}

size_t view_count(const struct store_view *view, enum kind_id kind)
{
    struct view_cursor cur;
    size_t count = 0;
    for (view_seek(&cur, view, kind, NULL, NULL); cur.object; view_next(&cur))
        count++;
    return count;
}

/* The object of the cursor's entry: what follows the term is "namespace/name". */
static void index_settle(struct index_cursor *cur, const uint8_t *prefix)
{
    const struct index_entry *entry = cur->cow.leaf;
    cur->object = NULL;
    if (!entry || entry->len < cur->prefix_len || memcmp(entry->key, prefix, cur->prefix_len) != 0)
        return;
    char key[OBJECT_KEY_MAX + 1];
    const char *resource = kind_get((enum kind_id)(entry->key[0] - 1))->resource;
    size_t len = strlen(resource), rest = entry->len - cur->prefix_len;
    CHECK(len + 1 + rest <= OBJECT_KEY_MAX);
    memcpy(key, resource, len + 1);
    key[len] = '/';
    memcpy(key + len + 1, entry->key + cur->prefix_len, rest);
    cur->object =
        cow_find(&table_object_type, cur->view.objects, (const uint8_t *)key, len + 1 + rest);
    CHECK(cur->object);
}

void index_seek_from(struct index_cursor *cur, const struct store_view *view, enum kind_id kind,
                     const char *term, const char *from, bool after)
{
    uint8_t key[COW_KEY_MAX];
    size_t len = strlen(term);
    cur->view = *view;
    cur->object = NULL;
    if (len == 0)
        return;
    CHECK(len < INDEX_TERM_MAX);
    size_t rest = strnlen(from, sizeof(key) - len - 2); /* the rest is longer than any there is */
    key[0] = (uint8_t)(kind + 1);
    memcpy(key + 1, term, len + 1);
    memcpy(key + len + 2, from, rest);
    cur->prefix_len = len + 2;
    cow_seek(&cur->cow, &index_entry_type, view->index, key, cur->prefix_len + rest, after);
    index_settle(cur, key);
}

void index_seek(struct index_cursor *cur, const struct store_view *view, enum kind_id kind,
                const char *term)
{
    index_seek_from(cur, view, kind, term, "", false);
}

void index_next(struct index_cursor *cur)
{
    const struct index_entry *last = cur->object ? cur->cow.leaf : NULL;
    if (!last)
        return;
    cow_next(&cur->cow);
    index_settle(cur, last->key);
}
