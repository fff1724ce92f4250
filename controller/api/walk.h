/* controller/api/walk.h - the objects that a list or the start of a watch looks at, in the order of
 * keys: all of a kind and namespace, or few of them where a field selector and an index tell which.
 * What is met need not match the selector; what matches is met. Control thread. */
#pragma once

#include "controller/store/selector.h"
#include "controller/store/store.h"

struct walk {
    const struct object *object; /* present one, NULL past the end */
    enum { WALK_KEYS, WALK_NAME, WALK_NODE } way;
    struct store_view view;
    enum kind_id kind;
    const char *ns, *name; /* borrowed; ns NULL: all, name: WALK_NAME */
    struct view_cursor keys;
    struct index_cursor entries;
};

/* after: a key ("pods/default/x") to go on behind, "" for all. ns and fields are borrowed as long
 * as the walk goes on; the view must not change meanwhile. */
void walk_begin(struct walk *w, const struct store_view *view, enum kind_id kind, const char *ns,
                const struct selector *fields, const char *after);
void walk_next(struct walk *w);
