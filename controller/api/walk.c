#include "controller/api/walk.h"

#include <stdio.h>
#include <string.h>

/* ---- one name in every namespace: a jump from namespace to namespace ---- */

static void find_name(struct walk *w)
{
    w->object = NULL;
    while (w->keys.object) {
        char beyond[OBJECT_KEY_MAX + 2];
        const char *ns = w->keys.object->ns;
        w->object = view_find(&w->view, w->kind, ns, w->name);
        /* '0' comes right after '/' */
        (void)snprintf(beyond, sizeof beyond, "%s/%s0", kind_get(w->kind)->resource, ns);
        view_seek_after(&w->keys, &w->view, w->kind, NULL, beyond);
        if (w->object)
            return;
    }
}

static void begin_name(struct walk *w, const char *after)
{
    if (*after)
        view_seek_after(&w->keys, &w->view, w->kind, NULL, after);
    else
        view_seek(&w->keys, &w->view, w->kind, NULL, NULL);
    find_name(w);
    while (w->object && strcmp(w->object->key, after) <= 0) /* of the same namespace, but before */
        find_name(w);
}

/* ---- pods of a node ---- */

static void settle_node(struct walk *w)
{
    w->object = w->entries.object;
    if (w->object && w->ns && strcmp(w->object->ns, w->ns) != 0)
        w->object = NULL;
}

static void begin_node(struct walk *w, const char *node, const char *after)
{
    char term[INDEX_TERM_MAX], from[OBJECT_KEY_MAX + 1] = "";
    index_node(term, node);
    if (*after)
        (void)snprintf(from, sizeof from, "%s", strchr(after, '/') + 1);
    else if (w->ns)
        (void)snprintf(from, sizeof from, "%s/", w->ns);
    index_seek_from(&w->entries, &w->view, w->kind, term, from, *after != '\0');
    settle_node(w);
}

/* ---- any ---- */

static void begin_keys(struct walk *w, const char *after)
{
    if (*after)
        view_seek_after(&w->keys, &w->view, w->kind, w->ns, after);
    else
        view_seek(&w->keys, &w->view, w->kind, w->ns, w->ns ? w->name : NULL);
    w->object = w->keys.object;
}

void walk_begin(struct walk *w, const struct store_view *view, enum kind_id kind, const char *ns,
                const struct selector *fields, const char *after)
{
    const char *node = kind == KIND_POD ? field_selector_exact(fields, "spec.nodeName") : NULL;
    *w = (struct walk){.view = *view, .kind = kind, .ns = ns};
    w->name = field_selector_exact(fields, "metadata.name");
    if (w->name && *w->name && !ns && kind_get(kind)->namespaced) {
        w->way = WALK_NAME;
        begin_name(w, after);
    } else if (node && *node) {
        w->way = WALK_NODE;
        begin_node(w, node, after);
    } else {
        w->way = WALK_KEYS;
        begin_keys(w, after);
    }
}

void walk_next(struct walk *w)
{
    switch (w->way) {
    case WALK_KEYS:
        view_next(&w->keys);
        w->object = w->keys.object;
        break;
    case WALK_NAME:
        find_name(w);
        break;
    case WALK_NODE:
        index_next(&w->entries);
        settle_node(w);
        break;
    }
}
