#include "controller/reconcile/neighbours.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/pod_affinity.h"

struct guard {
    char *node;
    struct affinity *apart;
};

/* ---- placed pods that keep others away ---- */

static void guard_free(struct guard *guard)
{
    if (guard) {
        affinity_free(guard->apart);
        free(guard->node);
    }
    free(guard);
}

void neighbours_drop(struct neighbours *n, const struct object *pod)
{
    char path[PATH_SIZE];
    if (!pod_view(pod)->keeps_apart)
        return;
    path_format(path, pod->ns, pod->name);
    guard_free(keymap_take(&n->guards, path));
}

void neighbours_add(struct neighbours *n, const struct object *pod)
{
    char path[PATH_SIZE];
    if (!pod_view(pod)->keeps_apart)
        return;
    neighbours_drop(n, pod);
    cJSON *tree = object_tree(pod);
    struct affinity *apart = affinity_new(tree, "podAntiAffinity", pod->ns);
    cJSON_Delete(tree);
    if (!apart)
        return;
    struct guard *guard = xcalloc(1, sizeof *guard);
    guard->node = xstrdup(pod_view(pod)->node);
    guard->apart = apart;
    path_format(path, pod->ns, pod->name);
    *keymap_put(&n->guards, path) = guard;
}

void neighbours_fini(struct neighbours *n)
{
    const char *path;
    void *guard;
    for (size_t at = 0; keymap_next(&n->guards, &at, &path, &guard);)
        guard_free(guard);
    keymap_fini(&n->guards);
}

/* ---- judging ---- */

struct judge {
    const struct neighbours *all;
    const struct store_view *view;
    const struct object *pod;
    struct place_node *places;
    size_t count;
};

static const char *topology_of_node(const struct judge *j, const char *node, const char *key)
{
    const struct object *obj = view_find(j->view, KIND_NODE, "", node);
    return obj ? object_label(obj, key) : NULL;
}

static const char *topology_of(const struct place_node *place, const char *key)
{
    for (size_t i = 0; i < place->label_count; i++)
        if (strcmp(place->labels[i].key, key) == 0)
            return place->labels[i].value;
    return NULL;
}

/* ---- topologies that are closed: label key -> set of its values ---- */

static void close_topology(struct keymap *closed, const char *key, const char *value)
{
    if (!value)
        return;
    void **values = keymap_put(closed, key);
    if (!*values)
        *values = xcalloc(1, sizeof(struct keymap));
    (void)keymap_put(*values, value);
}

/* Marks the places that lie in one, and empties the map: many pods close the same few, so that the
 * places are looked at once for each key and not for each pod. */
static void close_places(const struct judge *j, struct keymap *closed, enum place_neighbours why)
{
    const char *key;
    void *values;
    for (size_t at = 0; keymap_next(closed, &at, &key, &values);) {
        for (size_t i = 0; i < j->count; i++) {
            const char *have = topology_of(&j->places[i], key);
            if (have && keymap_has(values, have))
                j->places[i].neighbours = why;
        }
        keymap_fini(values);
        free(values);
    }
    keymap_fini(closed);
}

/* ---- the three rules ---- */

static void judge_guards(const struct judge *j)
{
    char own[PATH_SIZE];
    const char *path;
    void *value;
    struct keymap closed = {0};
    path_format(own, j->pod->ns, j->pod->name);
    for (size_t at = 0; keymap_next(&j->all->guards, &at, &path, &value);) {
        const struct guard *guard = value;
        for (size_t i = 0; i < guard->apart->count && strcmp(path, own) != 0; i++) {
            const struct affinity_term *term = &guard->apart->terms[i];
            if (affinity_term_means(term, j->view, j->pod->ns, j->pod->labels, j->pod->label_count))
                close_topology(&closed, term->topology,
                               topology_of_node(j, guard->node, term->topology));
        }
    }
    close_places(j, &closed, NEIGHBOURS_GUARD);
}

/* Pods that stand on a node, of one namespace or (ns NULL) of all, one after the other. */
static const struct object *next_placed(struct view_cursor *cur)
{
    for (; cur->object; view_next(cur)) {
        const struct pod_view *v = pod_view(cur->object);
        if (*v->node && !pod_phase_is_final(v->phase))
            return cur->object;
    }
    return NULL;
}

static const char *only_namespace(const struct affinity_term *term)
{
    return term->has_of_namespaces || term->namespace_count != 1 ? NULL : term->namespaces[0];
}

static void judge_apart(const struct judge *j, const struct affinity *apart)
{
    struct keymap closed = {0};
    for (size_t i = 0; i < apart->count; i++) {
        const struct affinity_term *term = &apart->terms[i];
        struct view_cursor cur;
        view_seek(&cur, j->view, KIND_POD, only_namespace(term), NULL);
        for (const struct object *pod; (pod = next_placed(&cur)); view_next(&cur))
            if (affinity_term_means(term, j->view, pod->ns, pod->labels, pod->label_count))
                close_topology(&closed, term->topology,
                               topology_of_node(j, pod_view(pod)->node, term->topology));
    }
    close_places(j, &closed, NEIGHBOURS_APART);
}

/* Values of one term's label on the nodes of pods that all terms mean. True when there is such a
 * pod at all. */
static bool wanted_values(const struct judge *j, const struct affinity *near,
                          const struct affinity_term *term, struct keymap *out)
{
    struct view_cursor cur;
    bool is_any = false;
    view_seek(&cur, j->view, KIND_POD, only_namespace(term), NULL);
    for (const struct object *pod; (pod = next_placed(&cur)); view_next(&cur)) {
        if (!affinity_means(near, j->view, pod))
            continue;
        const char *value = topology_of_node(j, pod_view(pod)->node, term->topology);
        is_any = true;
        if (value)
            (void)keymap_put(out, value);
    }
    return is_any;
}

/* The first of a group that wants to be together may go anywhere its nodes have the label. */
static void judge_near(const struct judge *j, const struct affinity *near)
{
    for (size_t i = 0; i < near->count; i++) {
        const struct affinity_term *term = &near->terms[i];
        struct keymap values = {0};
        bool is_first =
            !wanted_values(j, near, term, &values) && affinity_means(near, j->view, j->pod);
        for (size_t k = 0; k < j->count; k++) {
            const char *have = topology_of(&j->places[k], term->topology);
            if (!have || !(is_first || keymap_has(&values, have)))
                j->places[k].neighbours = NEIGHBOURS_NEAR;
        }
        keymap_fini(&values);
    }
}

bool neighbours_judge(const struct neighbours *n, const struct store_view *view,
                      const struct object *pod, const cJSON *tree, struct place_node *places,
                      size_t count)
{
    const struct judge j = {n, view, pod, places, count};
    struct affinity *near = affinity_new(tree, "podAffinity", pod->ns),
                    *apart = affinity_new(tree, "podAntiAffinity", pod->ns);
    bool is_near = near != NULL;
    for (size_t i = 0; i < count; i++)
        places[i].neighbours = NEIGHBOURS_FIT;
    judge_guards(&j);
    if (near)
        judge_near(&j, near);
    if (apart)
        judge_apart(&j, apart);
    affinity_free(near);
    affinity_free(apart);
    return is_near;
}
