/* cmd/ordctl_merge.c - what client-side apply sends: the three-way strategic merge of kubectl.
 *
 * Two differences make the patch. From live to modified, without deletions: what the manifest says
 * otherwise than the server has it. From the manifest of the last apply to modified, deletions
 * only: what the user has taken out. What only the server has (defaults, status, other writers)
 * stays. Merge keys come from the table the server uses (api.md A27). */
#include "cmd/ordctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

#define DIRECTIVE      "$patch"
#define RETAIN_KEYS    "$retainKeys"
#define ELEMENT_ORDER  "$setElementOrder/"
#define DELETE_ENTRIES "$deleteFromPrimitiveList/"

/* Lists of the pod template whose items are unions: what the manifest does not name goes
 * (patchStrategy retainKeys). */
static bool retains_keys(const struct field *f)
{
    return strcmp(f->name, "volumes") == 0 || strcmp(f->name, "resourceClaims") == 0;
}

static cJSON *dup(const cJSON *item)
{
    cJSON *copy = cJSON_Duplicate(item, true);
    CHECK(copy);
    return copy;
}

static void append(cJSON *list, cJSON *item)
{
    CHECK(cJSON_AddItemToArray(list, item));
}

cJSON *merge_modified(const cJSON *manifest, const char *ns)
{
    cJSON *out = dup(manifest);
    cJSON *meta = json_obj(out, "metadata");
    if (*ns)
        json_set_str(meta, "namespace", ns);
    else
        json_del(meta, "namespace");
    cJSON *annotations = json_obj(meta, "annotations");
    json_del(annotations, LAST_APPLIED);
    struct buf_out text;
    buf_out_init(&text);
    print_canonical(&text, out);
    json_set_str(annotations, LAST_APPLIED, text.data);
    buf_out_fini(&text);
    return out;
}

/* ---- lists ---- */

static const cJSON *list_key(const cJSON *item, const char *merge_key)
{
    return merge_key ? json_get(item, merge_key) : item;
}

static const cJSON *list_find(const cJSON *list, const cJSON *item, const char *merge_key)
{
    const cJSON *key = list_key(item, merge_key), *it = NULL;
    cJSON_ArrayForEach(it, list)
    {
        const cJSON *other = list_key(it, merge_key);
        if (key && other && json_equal(key, other))
            return it;
    }
    return NULL;
}

/* False when the list cannot be merged: an item without its key. Then it is replaced. */
static bool has_keys(const cJSON *list, const char *merge_key)
{
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, list)
    {
        const cJSON *key = list_key(it, merge_key);
        if (!key || (!merge_key && (cJSON_IsObject(it) || cJSON_IsArray(it))) ||
            cJSON_IsObject(key) || cJSON_IsArray(key))
            return false;
    }
    return true;
}

/* True when the items of modified stand in live in the same order; what only live has is passed
 * over. */
static bool same_order(const cJSON *live, const cJSON *modified, const char *merge_key)
{
    const cJSON *at = live ? live->child : NULL, *it = NULL;
    cJSON_ArrayForEach(it, modified)
    {
        const cJSON *key = list_key(it, merge_key);
        while (at && !json_equal(list_key(at, merge_key), key))
            at = at->next;
        if (!at)
            return false;
        at = at->next;
    }
    return true;
}

/* The $setElementOrder list: the keys of modified, as objects when the items are. */
static cJSON *order_of(const cJSON *modified, const char *merge_key)
{
    cJSON *order = cJSON_CreateArray();
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, modified)
    {
        cJSON *item = merge_key ? cJSON_CreateObject() : dup(it);
        if (merge_key)
            json_set(item, merge_key, dup(json_get(it, merge_key)));
        append(order, item);
    }
    return order;
}

static void set_directive(cJSON *patch, const char *directive, const char *name, cJSON *value)
{
    char *key = xasprintf("%s%s", directive, name);
    json_set(patch, key, value);
    free(key);
}

/* ---- the differences ---- */

struct sides {
    const cJSON *original, *modified, *live; /* any but modified may be NULL */
};

static cJSON *diff_object(const struct sides *s, const struct field *shape, bool merges);

static const struct field *field_of(const struct field *shape, const char *name)
{
    return shape ? schema_field_find(shape, name) : NULL;
}

static const struct field *shape_of(const struct field *f)
{
    return f && f->type == FIELD_OBJECT ? f->shape : NULL;
}

/* {"$retainKeys": [...]}: when the keys of live are not those of modified. */
static void put_retain_keys(cJSON *patch, const cJSON *live, const cJSON *modified)
{
    bool differs = false;
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, live) differs = differs || !json_get(modified, it->string);
    if (!differs && !patch->child)
        return;
    cJSON *keys = cJSON_CreateArray();
    cJSON_ArrayForEach(it, modified) append(keys, cJSON_CreateString(it->string));
    json_set(patch, RETAIN_KEYS, keys);
}

/* One item of a list that is merged by key: NULL when nothing changes. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as json_parse lets a tree be */
static cJSON *diff_item(const struct sides *lists, const cJSON *item, const struct field *f)
{
    const cJSON *live = list_find(lists->live, item, f->merge_key);
    if (!live)
        return dup(item);
    struct sides s = {list_find(lists->original, item, f->merge_key), item, live};
    cJSON *patch = diff_object(&s, f->shape, true);
    if (retains_keys(f))
        put_retain_keys(patch, live, item);
    if (!patch->child) {
        cJSON_Delete(patch);
        return NULL;
    }
    json_set(patch, f->merge_key, dup(json_get(item, f->merge_key)));
    return patch;
}

/* What the user took out and the server still has. */
static void put_deletions(cJSON *patch, cJSON *changes, const struct sides *s,
                          const struct field *f)
{
    cJSON *gone = cJSON_CreateArray();
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, s->original)
    {
        if (list_find(s->modified, it, f->merge_key) || !list_find(s->live, it, f->merge_key))
            continue;
        if (f->merge_key) {
            cJSON *item = cJSON_CreateObject();
            json_set_str(item, DIRECTIVE, "delete");
            json_set(item, f->merge_key, dup(json_get(it, f->merge_key)));
            append(changes, item);
        } else {
            append(gone, dup(it));
        }
    }
    if (gone->child)
        set_directive(patch, DELETE_ENTRIES, f->name, gone);
    else
        cJSON_Delete(gone);
}

/* A list that merges: changed and new items, deletions, and the order when one of these or the
 * order itself changed. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as json_parse lets a tree be */
static void diff_list(cJSON *patch, const struct sides *s, const struct field *f)
{
    cJSON *changes = cJSON_CreateArray();
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, s->modified)
    {
        cJSON *change = NULL;
        if (f->merge_key)
            change = diff_item(s, it, f);
        else if (!list_find(s->live, it, NULL))
            change = dup(it);
        if (change)
            append(changes, change);
    }
    char *deletions = xasprintf("%s%s", DELETE_ENTRIES, f->name);
    put_deletions(patch, changes, s, f);
    bool is_changed = changes->child || json_get(patch, deletions) ||
                      !same_order(s->live, s->modified, f->merge_key);
    free(deletions);
    if (changes->child)
        json_set(patch, f->name, changes);
    else
        cJSON_Delete(changes);
    if (is_changed)
        set_directive(patch, ELEMENT_ORDER, f->name, order_of(s->modified, f->merge_key));
}

static bool list_merges(const struct field *f, const struct sides *s)
{
    return f && f->form == FORM_LIST && f->is_merged && has_keys(s->modified, f->merge_key) &&
           has_keys(s->live, f->merge_key) &&
           (!s->original || (cJSON_IsArray(s->original) && has_keys(s->original, f->merge_key)));
}

/* One member that modified has. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as json_parse lets a tree be */
static void diff_member(cJSON *patch, const struct sides *s, const char *name,
                        const struct field *f, bool merges)
{
    if (s->live && cJSON_IsObject(s->live) && cJSON_IsObject(s->modified)) {
        /* of a map of objects each value has the shape, of an object its members */
        cJSON *inner = diff_object(s, f && f->form == FORM_MAP ? NULL : shape_of(f), merges);
        if (inner->child)
            json_set(patch, name, inner);
        else
            cJSON_Delete(inner);
        return;
    }
    if (merges && s->live && cJSON_IsArray(s->live) && cJSON_IsArray(s->modified) &&
        list_merges(f, s)) {
        diff_list(patch, s, f);
        return;
    }
    if (cJSON_IsNull(s->modified) && !s->live)
        return;
    if (!s->live || !json_equal(s->live, s->modified))
        json_set(patch, name, dup(s->modified));
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as json_parse lets a tree be */
static cJSON *diff_object(const struct sides *s, const struct field *shape, bool merges)
{
    cJSON *patch = cJSON_CreateObject();
    CHECK(patch);
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, s->modified)
    {
        struct sides inner = {json_get(s->original, it->string), it, json_get(s->live, it->string)};
        diff_member(patch, &inner, it->string, field_of(shape, it->string), merges);
    }
    cJSON_ArrayForEach(it, s->original)
    {
        if (!json_get(s->modified, it->string) && json_get(s->live, it->string))
            json_set(patch, it->string, cJSON_CreateNull());
    }
    return patch;
}

cJSON *merge_patch(const cJSON *original, const cJSON *modified, const cJSON *live,
                   const struct field *shape)
{
    struct sides s = {original, modified, live};
    return diff_object(&s, shape, shape != NULL);
}
