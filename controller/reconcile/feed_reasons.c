#include "controller/reconcile/feed_reasons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controller/reconcile/explain_gather.h"
#include "controller/reconcile/keymap.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/set_pod.h"
#include "controller/reconcile/set_waits.h"
#include "zones/reason.h"

struct feed_reasons {
    struct runner *runner;
    void (*wake)(void *arg);
    void *arg;
    struct keymap pods, sets; /* "ns/name" */
    struct keymap gone;       /* "ns/service/label": texts of what is not there any more */
    struct explain *scratch;  /* owned: too large for the stack */
};

static void queue(struct keymap *map, const char *ns, const char *name)
{
    char path[PATH_SIZE];
    path_format(path, ns, name);
    (void)keymap_put(map, path);
}

static void queue_gone(struct feed_reasons *r, const char *ns, const char *service,
                       const char *label)
{
    char *key = xasprintf("%s/%s/%s", ns, service, label);
    (void)keymap_put(&r->gone, key);
    free(key);
}

/* ---- what a change concerns ---- */

static bool has_name(const struct object *pod)
{
    return *pod_view(pod)->subdomain && *pod_view(pod)->hostname;
}

static void touch_pod(struct feed_reasons *r, const struct store_change *change)
{
    const struct object *before = change->before, *after = change->after;
    if (after && has_name(after))
        queue(&r->pods, after->ns, after->name);
    else if (!after && has_name(before))
        queue_gone(r, before->ns, pod_view(before)->subdomain, pod_view(before)->hostname);
}

static void touch_set(struct feed_reasons *r, const struct store_change *change)
{
    const struct object *before = change->before, *after = change->after;
    if (after && *set_view(after)->service_name)
        queue(&r->sets, after->ns, after->name);
    if (after || !*set_view(before)->service_name)
        return;
    char *label = xasprintf("*%s", before->name);
    queue_gone(r, before->ns, set_view(before)->service_name, label);
    free(label);
}

static void queue_found(struct feed_reasons *r, const struct store_view *view, const char *term)
{
    struct index_cursor cur;
    for (index_seek(&cur, view, KIND_POD, term); cur.object; index_next(&cur))
        if (has_name(cur.object))
            queue(&r->pods, cur.object->ns, cur.object->name);
}

static bool same_selector(const struct service_view *a, const struct service_view *b)
{
    bool is_same = a->selector_count == b->selector_count;
    for (size_t i = 0; is_same && i < a->selector_count; i++)
        is_same = strcmp(a->selector[i].key, b->selector[i].key) == 0 &&
                  strcmp(a->selector[i].value, b->selector[i].value) == 0;
    return is_same;
}

/* Pods that the Service selected, or selects now. */
static void touch_service(struct feed_reasons *r, const struct store_view *view,
                          const struct store_change *change)
{
    const struct object *sides[] = {change->before, change->after};
    char term[INDEX_TERM_MAX];
    if (sides[0] && sides[1] && same_selector(service_view(sides[0]), service_view(sides[1])))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        const struct service_view *v = sides[i] ? service_view(sides[i]) : NULL;
        if (!v || v->selector_count == 0)
            continue;
        index_label(term, sides[i]->ns, v->selector[0].key, v->selector[0].value);
        queue_found(r, view, term);
    }
}

static const char *node_word(const struct object *node)
{
    return node ? node_view(node)->ready_status : "";
}

void feed_reasons_touch(struct feed_reasons *r, const struct store_change *change)
{
    const struct object *obj = change->after ? change->after : change->before;
    struct store_view view = store_applied(runner_store(r->runner));
    char term[INDEX_TERM_MAX];
    if (obj->kind->id == KIND_POD) {
        touch_pod(r, change);
    } else if (obj->kind->id == KIND_STATEFULSET) {
        touch_set(r, change);
    } else if (obj->kind->id == KIND_SERVICE) {
        touch_service(r, &view, change);
    } else if (obj->kind->id == KIND_PVC) {
        index_claim(term, obj->ns, obj->name);
        queue_found(r, &view, term);
    } else if (obj->kind->id == KIND_NODE &&
               (!change->after || strcmp(node_word(change->before), node_word(obj)) != 0)) {
        index_node(term, obj->name);
        queue_found(r, &view, term);
    }
}

/* ---- what they say ---- */

/* The Service that names the pod does not select it. */
static bool is_unselected(const struct store_view *view, const struct object *pod)
{
    const struct object *service = view_find(view, KIND_SERVICE, pod->ns, pod_view(pod)->subdomain);
    const struct service_view *v = service ? service_view(service) : NULL;
    for (size_t i = 0; v && i < v->selector_count; i++) {
        const char *value = object_label(pod, v->selector[i].key);
        if (!value || strcmp(value, v->selector[i].value) != 0)
            return true;
    }
    return false;
}

static void put_pod(struct feed_reasons *r, struct zone_txn *txn, const struct store_view *view,
                    const struct object *pod)
{
    const struct pod_view *v = pod_view(pod);
    char text[REASON_TEXT_MAX + 1] = "";
    bool is_well = v->phase == POD_RUNNING && v->ready && !pod->deleted_us;
    if (is_well && is_unselected(view, pod)) {
        (void)snprintf(text, sizeof text, "%s is Ready, but Service %s does not select it",
                       pod->name, v->subdomain);
    } else if (!is_well) {
        struct explain_gather g;
        *r->scratch = (struct explain){.is_there = false};
        explain_gather_init(&g, r->runner, view);
        explain_pod_plan(gather_pod_view(&g, pod->ns, pod->name), r->scratch);
        explain_brief(r->scratch, 0, text, sizeof text);
        explain_gather_fini(&g);
    }
    zone_txn_put_reason(txn, pod->ns, v->subdomain, v->hostname, text);
}

static void put_set(struct feed_reasons *r, struct zone_txn *txn, const struct object *set)
{
    const struct set_view *v = set_view(set);
    const struct set_wait_note *note =
        set_waits_find(statefulset_waits(r->runner), set->ns, set->name);
    char pod[512], what[600], waits[700] = "", hole[700] = "";
    bool is_ordered = note && note->wait != SET_WAITS_FOR_NOTHING && !v->parallel;
    if (is_ordered) {
        set_pod_name(set, note->ordinal, pod);
        (void)snprintf(waits, sizeof waits, "waits for %s",
                       set_wait_text(note->wait, pod, what, sizeof what));
    }
    if (set->deleted_us)
        (void)snprintf(hole, sizeof hole, "is not made: StatefulSet %s is being deleted",
                       set->name);
    else if (note && *note->error)
        (void)snprintf(hole, sizeof hole, "cannot be made: %s", note->error);
    else if (note && note->wait == SET_WAIT_STALE_CLAIM)
        (void)snprintf(hole, sizeof hole, "waits until its old claim is collected");
    else if (note && note->wait == SET_WAIT_CREATED)
        (void)snprintf(hole, sizeof hole, "is about to be made");
    const struct zone_expected expected = {.set = set->name,
                                           .start = v->start,
                                           .replicas = v->replicas,
                                           .waits_ordinal = is_ordered ? note->ordinal : 0,
                                           .waits = set->deleted_us ? "" : waits,
                                           .hole = hole};
    zone_txn_put_expected(txn, set->ns, v->service_name, &expected);
}

static void put_gone(struct zone_txn *txn, const char *key)
{
    char *ns = xstrdup(key), *service = strchr(ns, '/') + 1, *label = strchr(service, '/') + 1;
    service[-1] = label[-1] = '\0';
    zone_txn_put_reason(txn, ns, service, label, NULL);
    free(ns);
}

static const struct object *find_path(const struct store_view *view, enum kind_id kind,
                                      const char *path)
{
    char ns[PATH_SIZE];
    const char *name;
    return path_split(path, ns, &name) ? view_find(view, kind, ns, name) : NULL;
}

bool feed_reasons_wait(const struct feed_reasons *r)
{
    return r->pods.count + r->sets.count + r->gone.count > 0;
}

bool feed_reasons_put(struct feed_reasons *r, struct zone_txn *txn, const struct store_view *view,
                      size_t budget)
{
    const char *key;
    for (size_t at = 0; keymap_next(&r->gone, &at, &key, NULL);)
        put_gone(txn, key);
    keymap_fini(&r->gone);
    for (size_t at = 0; keymap_next(&r->sets, &at, &key, NULL);) {
        const struct object *set = find_path(view, KIND_STATEFULSET, key);
        if (set && *set_view(set)->service_name)
            put_set(r, txn, set);
    }
    keymap_fini(&r->sets);
    char **done = xcalloc(budget, sizeof *done);
    size_t count = 0;
    for (size_t at = 0; count < budget && keymap_next(&r->pods, &at, &key, NULL); count++) {
        const struct object *pod = find_path(view, KIND_POD, key);
        if (pod && has_name(pod))
            put_pod(r, txn, view, pod);
        done[count] = xstrdup(key);
    }
    for (size_t i = 0; i < count; i++) {
        (void)keymap_take(&r->pods, done[i]);
        free(done[i]);
    }
    free(done);
    return r->pods.count > 0;
}

/* ---- life ---- */

static void on_wait(void *arg, const char *key)
{
    struct feed_reasons *r = arg;
    (void)keymap_put(&r->sets, key);
    r->wake(r->arg);
}

struct feed_reasons *feed_reasons_new(struct runner *runner, void (*wake)(void *arg), void *arg)
{
    struct feed_reasons *r = xcalloc(1, sizeof *r);
    struct store_view view = store_applied(runner_store(runner));
    struct view_cursor cur;
    r->runner = runner;
    r->wake = wake;
    r->arg = arg;
    r->scratch = xcalloc(1, sizeof *r->scratch);
    for (view_seek(&cur, &view, KIND_STATEFULSET, NULL, NULL); cur.object; view_next(&cur))
        queue(&r->sets, cur.object->ns, cur.object->name);
    for (view_seek(&cur, &view, KIND_POD, NULL, NULL); cur.object; view_next(&cur))
        if (has_name(cur.object) && (!pod_view(cur.object)->ready || cur.object->deleted_us ||
                                     is_unselected(&view, cur.object)))
            queue(&r->pods, cur.object->ns, cur.object->name);
    set_waits_listen(statefulset_waits(runner), on_wait, r);
    if (feed_reasons_wait(r))
        wake(arg);
    return r;
}

void feed_reasons_free(struct feed_reasons *r)
{
    if (!r)
        return;
    set_waits_listen(statefulset_waits(r->runner), NULL, NULL);
    keymap_fini(&r->pods);
    keymap_fini(&r->sets);
    keymap_fini(&r->gone);
    free(r->scratch);
    free(r);
}
