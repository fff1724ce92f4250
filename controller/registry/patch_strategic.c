/* controller/registry/patch_strategic.c - strategic merge patch (api.md A27), with the merge keys
 * of schema_table.h.
 *
 * Works on copies of target and patch. Directives are taken out of the patch copy as they are
 * obeyed, so that what is left of an object is what must be merged. Lists keep an order that
 * respects the patch (or its $setElementOrder list) and the relative order of the items that only
 * the server has. */
#include "controller/registry/patch.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/registry/patch_tree.h"
#include "controller/registry/schema_table.h"

#define DIRECTIVE      "$patch"
#define RETAIN_KEYS    "$retainKeys"
#define ELEMENT_ORDER  "$setElementOrder/"
#define DELETE_ENTRIES "$deleteFromPrimitiveList/"

/* Elements are compared pairwise; more pairs than this are refused. */
#define PAIRS_MAX 4000000u

static int merge_object(cJSON *target, cJSON *patch, const struct field *shape, struct err *e);

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const struct field *shape_of(const struct field *f)
{
    return f && f->type == FIELD_OBJECT ? f->shape : NULL;
}

static void drop(cJSON *parent, cJSON *item)
{
    cJSON_Delete(cJSON_DetachItemViaPointer(parent, item));
}

/* ---- lists as arrays of pointers ---- */

struct items {
    cJSON **at; /* owned array; what the pointers point at is owned where the comment says so */
    size_t count;
};

static void items_fini(struct items *items)
{
    free(items->at);
}

static size_t list_length(const cJSON *list)
{
    size_t n = 0;
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next)
        n++;
    return n;
}

/* Borrows the elements of a list (NULL: none). */
static void items_borrow(struct items *items, const cJSON *list)
{
    size_t n = list_length(list);
    items->at = xcalloc(n ? n : 1, sizeof(cJSON *));
    items->count = 0;
    for (cJSON *it = list ? list->child : NULL; it; it = it->next)
        items->at[items->count++] = it;
}

/* The value that tells one element from another: the element itself in a list of primitives. */
static const cJSON *element_key(const cJSON *item, const char *merge_key)
{
    return merge_key ? json_get(item, merge_key) : item;
}

static bool same_key(const cJSON *a, const cJSON *b, const char *merge_key)
{
    const cJSON *ka = element_key(a, merge_key), *kb = element_key(b, merge_key);
    return ka && kb && json_equal(ka, kb);
}

static ptrdiff_t items_index(const struct items *items, const cJSON *item, const char *merge_key)
{
    for (size_t i = 0; i < items->count; i++)
        if (same_key(items->at[i], item, merge_key))
            return (ptrdiff_t)i;
    return -1;
}

struct ranked {
    cJSON *item;
    ptrdiff_t rank;
    size_t place; /* keeps the sort stable */
};

static int ranked_compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

/* Elements of `all` that are (not) in `order`, sorted by their place in `by`. */
static size_t rank_items(const struct items *all, const struct items *order, bool in_order,
                         const struct items *by, const char *merge_key, struct ranked *out)
{
    size_t n = 0;
    for (size_t i = 0; i < all->count; i++)
        if ((items_index(order, all->at[i], merge_key) >= 0) == in_order)
            out[n++] = (struct ranked){
                .item = all->at[i], .rank = items_index(by, all->at[i], merge_key), .place = i};
    qsort(out, n, sizeof(*out), ranked_compare);
    return n;
}

/* Reorders `list`: items in `order` follow it, the others keep the order of `live`; an item that
 * only the server has goes before the first patched item that came after it in `live`. */
static void list_reorder(cJSON *list, const struct items *order, const struct items *live,
                         const char *merge_key)
{
    AUTO(items_fini) struct items all = {0};
    items_borrow(&all, list);
    struct ranked *patched = xcalloc(all.count + 1, sizeof(*patched));
    struct ranked *server = xcalloc(all.count + 1, sizeof(*server));
    size_t patched_count = rank_items(&all, order, true, order, merge_key, patched);
    size_t server_count = rank_items(&all, order, false, live, merge_key, server);
    for (size_t i = 0; i < all.count; i++)
        (void)cJSON_DetachItemViaPointer(list, all.at[i]);
    for (size_t i = 0, j = 0; i < server_count || j < patched_count;) {
        bool take_server = j == patched_count;
        if (!take_server && i < server_count) {
            ptrdiff_t live_at = items_index(live, patched[j].item, merge_key);
            take_server = live_at >= 0 && server[i].rank >= 0 && server[i].rank < live_at;
        }
        (void)cJSON_AddItemToArray(list, take_server ? server[i++].item : patched[j++].item);
    }
    free(patched);
    free(server);
}

/* ---- values the target does not have yet ---- */

/* Drops null members and directives from a value that is put where nothing was. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static void clean_new(cJSON *value)
{
    for (cJSON *it = value->child, *next; it; it = next) {
        next = it->next;
        if (cJSON_IsObject(value) &&
            (cJSON_IsNull(it) || has_prefix(it->string, ELEMENT_ORDER) ||
             has_prefix(it->string, DELETE_ENTRIES) || strcmp(it->string, RETAIN_KEYS) == 0)) {
            drop(value, it);
            continue;
        }
        if (cJSON_IsObject(it) && strcmp(json_str(it, DIRECTIVE, ""), "delete") == 0) {
            drop(value, it);
            continue;
        }
        if (cJSON_IsArray(value) && cJSON_IsObject(it) && json_get(it, DIRECTIVE) &&
            !it->child->next) {
            drop(value,
                 it); /* {"$patch": "replace"} alone is a remark about the list, no element */
            continue;
        }
        if (cJSON_IsObject(it))
            json_del(it, DIRECTIVE);
        clean_new(it);
    }
}

/* ---- lists ---- */

static int list_elements_fit(const cJSON *list, const struct field *f, struct err *e)
{
    for (const cJSON *it = list->child; it; it = it->next) {
        if (!f->merge_key && (cJSON_IsArray(it) || cJSON_IsObject(it)))
            return err_set(e, ERR_INVALID, "list %s holds primitives, the patch something else",
                           f->name);
        if (f->merge_key && !cJSON_IsObject(it))
            return err_set(e, ERR_INVALID, "list %s holds objects, the patch something else",
                           f->name);
        if (f->merge_key && !json_get(it, f->merge_key) && !json_get(it, DIRECTIVE))
            return err_set(e, ERR_INVALID,
                           "map: element of %s does not contain declared merge key: %s", f->name,
                           f->merge_key);
    }
    return 0;
}

/* Obeys $patch in list elements. *replaced: the patch replaces the list. */
static int list_directives(cJSON *target, cJSON *patch, const struct field *f, bool *replaced,
                           struct err *e)
{
    *replaced = false;
    for (cJSON *it = patch->child, *next; it; it = next) {
        next = it->next;
        const char *directive = json_str(it, DIRECTIVE, NULL);
        if (!directive)
            continue;
        if (strcmp(directive, "replace") == 0) {
            *replaced = true;
            drop(patch, it);
        } else if (strcmp(directive, "merge") == 0) {
            json_del(it, DIRECTIVE);
            if (!json_get(it, f->merge_key))
                return err_set(e, ERR_INVALID,
                               "map: element of %s does not contain declared merge key: %s",
                               f->name, f->merge_key);
        } else if (strcmp(directive, "delete") == 0) {
            if (!json_get(it, f->merge_key))
                return err_set(e, ERR_INVALID, "delete patch type with no merge key defined: %s",
                               f->name);
            for (cJSON *old = target->child, *after; old; old = after) {
                after = old->next;
                if (same_key(old, it, f->merge_key))
                    drop(target, old);
            }
            drop(patch, it);
        } else {
            return err_set(e, ERR_MALFORMED, "Invalid value for list directive: %.40s", directive);
        }
    }
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static int list_merge_objects(cJSON *target, cJSON *patch, const struct field *f, struct err *e)
{
    bool replaced;
    int rc = list_directives(target, patch, f, &replaced, e);
    if (rc < 0)
        return rc;
    if (replaced)
        for (cJSON *it = target->child, *next; it; it = next) {
            next = it->next;
            drop(target, it);
        }
    AUTO(items_fini) struct items old = {0};
    items_borrow(&old, target);
    for (cJSON *it = patch->child; it; it = it->next) {
        ptrdiff_t at = items_index(&old, it, f->merge_key);
        if (at >= 0) {
            cJSON *part = tree_dup(it);
            rc = merge_object(old.at[at], part, f->shape, e);
            cJSON_Delete(part);
            if (rc < 0)
                return rc;
            continue;
        }
        cJSON *fresh = tree_dup(it);
        clean_new(fresh);
        (void)cJSON_AddItemToArray(target, fresh);
    }
    return 0;
}

static void list_merge_primitives(cJSON *target, const cJSON *patch)
{
    for (const cJSON *it = patch->child; it; it = it->next) {
        const cJSON *present = target->child;
        while (present && !json_equal(present, it))
            present = present->next;
        if (!present)
            (void)cJSON_AddItemToArray(target, tree_dup(it));
    }
}

/* Merges list `patch` into list `target`. `order` (may be NULL) is the $setElementOrder list. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static int list_merge(cJSON *target, cJSON *patch, const cJSON *order, const struct field *f,
                      struct err *e)
{
    size_t sum = list_length(target) + list_length(patch);
    if (sum * (sum + (order ? list_length(order) : 0)) > PAIRS_MAX)
        return err_set(e, ERR_TOO_LARGE, "list %s is too long to be merged", f->name);
    int rc = list_elements_fit(patch, f, e);
    if (rc < 0)
        return rc;
    cJSON *before = tree_dup(target);
    if (f->merge_key)
        rc = list_merge_objects(target, patch, f, e);
    else
        list_merge_primitives(target, patch);
    if (rc == 0) {
        AUTO(items_fini) struct items live = {0}, by = {0};
        items_borrow(&live, before);
        items_borrow(&by, order ? order : patch);
        list_reorder(target, &by, &live, f->merge_key);
    }
    cJSON_Delete(before);
    return rc;
}

/* ---- directives of objects ---- */

static int check_order_list(const cJSON *order, const cJSON *patch, const struct field *f,
                            struct err *e)
{
    if (!cJSON_IsArray(order) || (patch && !cJSON_IsArray(patch)))
        return err_set(e, ERR_MALFORMED, "invalid patch format of setElementOrder list");
    if (list_length(order) * list_length(patch) > PAIRS_MAX)
        return err_set(e, ERR_TOO_LARGE, "list %s is too long to be merged", f->name);
    AUTO(items_fini) struct items by = {0};
    items_borrow(&by, order);
    ptrdiff_t last = -1;
    for (const cJSON *it = patch ? patch->child : NULL; it; it = it->next) {
        if (json_get(it, DIRECTIVE))
            continue;
        ptrdiff_t at = items_index(&by, it, f->merge_key);
        if (at < 0 || at < last)
            return err_set(e, ERR_MALFORMED,
                           "The order in patch list of %s doesn't match the setElementOrder list",
                           f->name);
        last = at;
    }
    return 0;
}

/* $setElementOrder/<list> together with the patch's <list>, both taken out of the patch. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static int apply_element_order(cJSON *target, cJSON *patch, cJSON *order, const struct field *shape,
                               struct err *e)
{
    const char *name = order->string + strlen(ELEMENT_ORDER);
    const struct field *f = schema_field_find(shape, name);
    cJSON *part = json_get(patch, name), *list = json_get(target, name);
    if (!f || f->form != FORM_LIST ||
        !f->is_merged) /* an atomic list has no order of its own: the patch list counts */
        return 0;
    if (part && cJSON_IsNull(part))
        return 0;
    int rc = check_order_list(order, part, f, e);
    if (rc < 0 || (!part && !list))
        return rc;
    if (list && !cJSON_IsArray(list))
        return 0;
    if (!list) {
        list = cJSON_CreateArray();
        CHECK(list);
        json_set(target, name, list);
        list = json_get(target, name);
    }
    cJSON *empty = cJSON_CreateArray();
    rc = list_merge(list, part ? part : empty, order, f, e);
    cJSON_Delete(empty);
    json_del(patch, name);
    return rc;
}

static int apply_delete_entries(cJSON *target, const cJSON *entries, struct err *e)
{
    cJSON *list = json_get(target, entries->string + strlen(DELETE_ENTRIES));
    if (!cJSON_IsArray(entries))
        return err_set(e, ERR_MALFORMED, "invalid patch format of primitive list");
    if (list_length(entries) * list_length(list) > PAIRS_MAX)
        return err_set(e, ERR_TOO_LARGE, "list %s is too long", entries->string);
    if (!list || !cJSON_IsArray(list))
        return 0;
    AUTO(items_fini) struct items gone = {0};
    items_borrow(&gone, entries);
    for (cJSON *it = list->child, *next; it; it = next) {
        next = it->next;
        if (items_index(&gone, it, NULL) >= 0)
            drop(list, it);
    }
    return 0;
}

/* $retainKeys: whatever the list does not name leaves the target; the patch may set nothing else.
 */
static int apply_retain_keys(cJSON *target, cJSON *patch, struct err *e)
{
    cJSON *keys = json_get(patch, RETAIN_KEYS);
    if (!keys)
        return 0;
    if (!cJSON_IsArray(keys))
        return err_set(e, ERR_MALFORMED, "invalid patch format of retainKeys");
    if (list_length(keys) * (list_length(patch) + list_length(target)) > PAIRS_MAX)
        return err_set(e, ERR_TOO_LARGE, "the list of retainKeys is too long");
    AUTO(items_fini) struct items keep = {0};
    items_borrow(&keep, keys);
    for (cJSON *it = patch->child; it; it = it->next) {
        bool named = it->string[0] == '$';
        for (size_t i = 0; i < keep.count && !named; i++)
            named = cJSON_IsString(keep.at[i]) && strcmp(keep.at[i]->valuestring, it->string) == 0;
        if (!named && !cJSON_IsNull(it))
            return err_set(e, ERR_MALFORMED,
                           "invalid patch format of retainKeys: \"%.100s\" is not in the list",
                           it->string);
    }
    for (cJSON *it = target->child, *next; it; it = next) {
        next = it->next;
        bool named = false;
        for (size_t i = 0; i < keep.count && !named; i++)
            named = cJSON_IsString(keep.at[i]) && strcmp(keep.at[i]->valuestring, it->string) == 0;
        if (!named)
            drop(target, it);
    }
    json_del(patch, RETAIN_KEYS);
    return 0;
}

/* $patch in an object. *done: the target is as it shall be. */
static int apply_directive(cJSON *target, cJSON *patch, bool *done, struct err *e)
{
    const cJSON *directive = json_get(patch, DIRECTIVE);
    *done = false;
    if (!directive)
        return 0;
    const char *what = cJSON_IsString(directive) ? directive->valuestring : "";
    bool replace = strcmp(what, "replace") == 0;
    if (strcmp(what, "merge") == 0) {
        json_del(patch, DIRECTIVE);
        return 0;
    }
    if (!replace && strcmp(what, "delete") != 0)
        return err_set(e, ERR_MALFORMED, "Unknown patch type found: %.40s", what);
    json_del(patch, DIRECTIVE);
    for (cJSON *it = target->child, *next; it; it = next) {
        next = it->next;
        drop(target, it);
    }
    if (replace) {
        clean_new(patch);
        for (cJSON *it = patch->child; it; it = it->next)
            json_set(target, it->string, tree_dup(it));
    }
    *done = true;
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static int merge_member(cJSON *target, cJSON *part, const struct field *shape, struct err *e)
{
    const char *name = part->string;
    const struct field *f = schema_field_find(shape, name);
    cJSON *old = json_get(target, name);
    if (cJSON_IsNull(part)) {
        json_del(target, name);
        return 0;
    }
    if (old && cJSON_IsObject(old) && cJSON_IsObject(part))
        return merge_object(old, part, shape_of(f), e);
    if (old && cJSON_IsArray(old) && cJSON_IsArray(part) && f && f->is_merged)
        return list_merge(old, part, NULL, f, e);
    if (cJSON_IsObject(part) && json_get(part, DIRECTIVE)) {
        bool deletes = strcmp(json_str(part, DIRECTIVE, ""), "delete") == 0;
        json_del(part, DIRECTIVE);
        if (deletes) {
            json_del(target, name);
            return 0;
        }
    }
    cJSON *fresh = tree_dup(part);
    clean_new(fresh);
    json_set(target, name, fresh);
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static int merge_object(cJSON *target, cJSON *patch, const struct field *shape, struct err *e)
{
    bool done;
    int rc = apply_directive(target, patch, &done, e);
    if (rc < 0 || done)
        return rc;
    if ((rc = apply_retain_keys(target, patch, e)) < 0)
        return rc;
    for (cJSON *it = patch->child; it; it = it->next) {
        if (has_prefix(it->string, DELETE_ENTRIES) &&
            (rc = apply_delete_entries(target, it, e)) < 0)
            return rc;
    }
    /* Each order list takes its list with it; members never move, so the walk starts over after a
     * removal. */
    for (cJSON *it = patch->child; it;) {
        if (!has_prefix(it->string, ELEMENT_ORDER)) {
            it = it->next;
            continue;
        }
        cJSON *order = cJSON_DetachItemViaPointer(patch, it);
        rc = apply_element_order(target, patch, order, shape, e);
        cJSON_Delete(order);
        if (rc < 0)
            return rc;
        it = patch->child;
    }
    for (cJSON *it = patch->child; it; it = it->next)
        if (it->string[0] != '$' && (rc = merge_member(target, it, shape, e)) < 0)
            return rc;
    return 0;
}

int patch_strategic(const struct kind *kind, cJSON **target, const cJSON *patch, struct err *e)
{
    if (!cJSON_IsObject(patch) || !cJSON_IsObject(*target))
        return err_set(e, ERR_MALFORMED, "a strategic merge patch must be an object");
    cJSON *next = tree_dup(*target), *todo = tree_dup(patch);
    int rc = merge_object(next, todo, schema_fields(kind), e);
    cJSON_Delete(todo);
    if (rc < 0) {
        cJSON_Delete(next);
        return rc;
    }
    cJSON_Delete(*target);
    *target = next;
    return 0;
}
