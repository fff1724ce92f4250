/* controller/reconcile/endpoints.c - EndpointSlices of Services with a selector (statefulset.md
 * R91-R98).
 *
 * Key: "ns/service". When only a few pods of a Service changed and its slices already hold them,
 * the plan is made for those slices alone: one pod of thousands costs what its slice holds. The
 * members of a Service come from the label index, the Services of a pod from the selector index, so
 * a change costs what the Services it concerns hold. Slices of another managed-by are never
 * touched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "controller/reconcile/endpoints_plan.h"
#include "controller/reconcile/keymap.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/runner.h"

#define MANAGED_BY       "endpointslice-controller.k8s.io"
#define LABEL_MANAGED_BY "endpointslice.kubernetes.io/managed-by"
#define LABEL_SERVICE    "kubernetes.io/service-name"
#define LABEL_HEADLESS   "service.kubernetes.io/headless"
#define LABEL_ZONE       "topology.kubernetes.io/zone"
#define TRIGGER_TIME     "endpoints.kubernetes.io/last-change-trigger-time"

/* More changed pods than this are a look at the whole Service. */
#define FEW_PODS 8

#define MAX_FAMILIES 2 /* IPv4, IPv6 */

/* Why a Service is queued. */
struct news {
    bool is_all;
    size_t pod_count;
    char *pods[FEW_PODS]; /* names */
};

struct endpoints {
    const char *syncing; /* key whose slices are being written: hearing of them is no news */
    struct keymap news;  /* ns/service -> struct news; a queued key without: look at everything */
};

/* ---- from changes to keys ---- */

static void news_free(struct news *news)
{
    for (size_t i = 0; news && i < news->pod_count; i++)
        free(news->pods[i]);
    free(news);
}

static void news_add(struct news *news, const char *pod)
{
    for (size_t i = 0; pod && i < news->pod_count; i++)
        if (strcmp(news->pods[i], pod) == 0)
            return;
    if (pod && news->pod_count < FEW_PODS)
        news->pods[news->pod_count++] = xstrdup(pod);
    else
        news->is_all = true;
}

/* pod: the one that changed; NULL: something else did. */
static void tell(struct endpoints *state, const char *key, const char *pod)
{
    struct news **news = (struct news **)keymap_put(&state->news, key);
    if (!*news)
        *news = xcalloc(1, sizeof **news);
    news_add(*news, pod);
}

static void queue_service(struct runner *runner, struct endpoints *state, const char *ns,
                          const char *name, const char *pod)
{
    char key[PATH_SIZE];
    path_format(key, ns, name);
    tell(state, key, pod);
    runner_queue(runner, &endpoints_controller, key);
}

static bool selects(const struct object *service, const struct object *pod)
{
    const struct service_view *v = service_view(service);
    for (size_t i = 0; i < v->selector_count; i++) {
        const char *value = object_label(pod, v->selector[i].key);
        if (!value || strcmp(value, v->selector[i].value) != 0)
            return false;
    }
    return v->selector_count > 0;
}

static void queue_services_of(struct runner *runner, struct endpoints *state,
                              const struct store_view *view, const struct object *pod)
{
    for (size_t i = 0; i < pod->label_count; i++) {
        char term[INDEX_TERM_MAX];
        index_selector(term, pod->ns, pod->labels[i].key, pod->labels[i].value);
        struct index_cursor cur;
        for (index_seek(&cur, view, KIND_SERVICE, term); cur.object; index_next(&cur))
            if (selects(cur.object, pod))
                queue_service(runner, state, pod->ns, cur.object->name, pod->name);
    }
}

/* True when no slice can look different for it. */
static bool is_same_endpoint(const struct object *a, const struct object *b)
{
    const struct pod_view *x = pod_view(a), *y = pod_view(b);
    if (strcmp(a->uid, b->uid) != 0 || x->ready != y->ready ||
        pod_phase_is_final(x->phase) != pod_phase_is_final(y->phase) ||
        (a->deleted_us != 0) != (b->deleted_us != 0) || x->ip_count != y->ip_count ||
        strcmp(x->node, y->node) != 0 || !object_labels_equal(a, b))
        return false;
    for (size_t i = 0; i < x->ip_count; i++)
        if (strcmp(x->ips[i], y->ips[i]) != 0)
            return false;
    return true;
}

/* A pod without address is in no slice, whatever else changes about it. */
static bool may_be_endpoint(const struct object *pod)
{
    return pod && pod_view(pod)->ip_count > 0 && !pod_phase_is_final(pod_view(pod)->phase);
}

static void on_pod(struct runner *runner, struct endpoints *state, const struct store_view *view,
                   const struct store_change *change)
{
    if (!may_be_endpoint(change->before) && !may_be_endpoint(change->after))
        return;
    if (change->before && change->after && is_same_endpoint(change->before, change->after))
        return;
    if (change->after)
        queue_services_of(runner, state, view, change->after);
    if (change->before && !(change->after && object_labels_equal(change->before, change->after)))
        queue_services_of(runner, state, view, change->before);
}

static const char *zone_of(const struct object *node)
{
    const char *zone = node ? object_label(node, LABEL_ZONE) : NULL;
    return zone ? zone : "";
}

static void on_node(struct runner *runner, struct endpoints *state, const struct store_view *view,
                    const struct store_change *change)
{
    if (change->before && change->after &&
        strcmp(zone_of(change->before), zone_of(change->after)) == 0)
        return;
    const struct object *node = change->after ? change->after : change->before;
    char term[INDEX_TERM_MAX];
    index_node(term, node->name);
    struct index_cursor cur;
    for (index_seek(&cur, view, KIND_POD, term); cur.object; index_next(&cur))
        queue_services_of(runner, state, view, cur.object);
}

static bool is_ours(const struct object *slice)
{
    return slice && strcmp(slice_view(slice)->managed_by, MANAGED_BY) == 0;
}

static void on_slice(struct runner *runner, struct endpoints *state, const struct object *slice)
{
    if (!is_ours(slice))
        return;
    char key[PATH_SIZE];
    path_format(key, slice->ns, slice_view(slice)->service);
    if (!state->syncing || strcmp(state->syncing, key) != 0)
        queue_service(runner, state, slice->ns, slice_view(slice)->service, NULL);
}

static void endpoints_on_change(struct runner *runner, void *state,
                                const struct store_change *change)
{
    const struct object *obj = change->after ? change->after : change->before;
    struct store_view view = store_head(runner_store(runner));
    if (obj->kind->id == KIND_POD) {
        on_pod(runner, state, &view, change);
    } else if (obj->kind->id == KIND_SERVICE) {
        if (change->after)
            queue_service(runner, state, obj->ns, obj->name, NULL);
    } else if (obj->kind->id == KIND_SLICE) {
        on_slice(runner, state, change->before);
        on_slice(runner, state, change->after);
    } else if (obj->kind->id == KIND_NODE) {
        on_node(runner, state, &view, change);
    }
}

/* ---- gather ---- */

/* Pods that carry every label of the selector: all its terms are walked side by side, and the one
 * that ends first is the shortest. */
static void shortest_term(const struct store_view *view, const struct object *service,
                          char out[INDEX_TERM_MAX])
{
    const struct service_view *v = service_view(service);
    index_label(out, service->ns, v->selector[0].key, v->selector[0].value);
    if (v->selector_count < 2)
        return;
    struct index_cursor *cur = xcalloc(v->selector_count, sizeof *cur);
    for (size_t i = 0; i < v->selector_count; i++) {
        index_label(out, service->ns, v->selector[i].key, v->selector[i].value);
        index_seek(&cur[i], view, KIND_POD, out);
    }
    size_t first = SIZE_MAX;
    while (first == SIZE_MAX)
        for (size_t i = 0; i < v->selector_count && first == SIZE_MAX; i++) {
            if (!cur[i].object)
                first = i;
            else
                index_next(&cur[i]);
        }
    index_label(out, service->ns, v->selector[first].key, v->selector[first].value);
    free(cur);
}

struct gather {
    struct arena *arena;
    struct store_view view;
    const struct object *service;
    struct endpoint_pod *pods;
    size_t pod_count, pod_cap;
    struct endpoint_slice *slices;
    const struct object **slice_objects;
    size_t slice_count, slice_cap;
    const char *last_node; /* the node looked up last: pods of one node often follow each other */
    const struct object *last_node_object;
};

static void *grow(struct arena *a, void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return items;
    *cap = *cap ? *cap * 2 : 16;
    void *more = arena_alloc(a, *cap * size);
    if (count > 0)
        memcpy(more, items, count * size);
    return more;
}

static void add_pod(struct gather *g, const struct object *obj)
{
    const struct pod_view *v = pod_view(obj);
    if (*v->node && (!g->last_node || strcmp(g->last_node, v->node) != 0)) {
        g->last_node = v->node;
        g->last_node_object = view_find(&g->view, KIND_NODE, "", v->node);
    }
    const struct object *node = *v->node ? g->last_node_object : NULL;
    g->pods = grow(g->arena, g->pods, g->pod_count, &g->pod_cap, sizeof *g->pods);
    g->pods[g->pod_count++] = (struct endpoint_pod){.name = obj->name,
                                                    .uid = obj->uid,
                                                    .node = v->node,
                                                    .zone = zone_of(node),
                                                    .node_missing = *v->node && !node,
                                                    .hostname = v->hostname,
                                                    .subdomain = v->subdomain,
                                                    .ips = v->ips,
                                                    .ip_count = v->ip_count,
                                                    .ports = v->ports,
                                                    .port_count = v->port_count,
                                                    .is_finished = pod_phase_is_final(v->phase),
                                                    .is_ready = v->ready,
                                                    .is_terminating = obj->deleted_us != 0};
}

static bool is_reserved_label(const char *key)
{
    return strcmp(key, LABEL_SERVICE) == 0 || strcmp(key, LABEL_MANAGED_BY) == 0 ||
           strcmp(key, LABEL_HEADLESS) == 0;
}

/* R98: labels = those of the Service, and ours. */
static bool has_right_labels(const struct object *slice, const struct object *service)
{
    size_t want = 2;
    const char *headless = object_label(slice, LABEL_HEADLESS);
    if (service_view(service)->headless) {
        want++;
        if (!headless || *headless)
            return false;
    }
    for (size_t i = 0; i < service->label_count; i++) {
        if (is_reserved_label(service->labels[i].key))
            continue;
        want++;
        const char *have = object_label(slice, service->labels[i].key);
        if (!have || strcmp(have, service->labels[i].value) != 0)
            return false;
    }
    return slice->label_count == want;
}

static bool has_right_owner(const struct object *slice, const struct object *service)
{
    const struct owner_ref *owner = object_controller(slice);
    return owner && strcmp(owner->uid, service->uid) == 0;
}

static void add_slice(struct gather *g, const struct object *slice)
{
    if (g->slice_count == g->slice_cap) {
        size_t cap = g->slice_cap;
        g->slices = grow(g->arena, g->slices, g->slice_count, &cap, sizeof *g->slices);
        g->slice_objects = grow(g->arena, g->slice_objects, g->slice_count, &g->slice_cap,
                                sizeof(const struct object *));
    }
    g->slice_objects[g->slice_count] = slice;
    g->slices[g->slice_count++] = (struct endpoint_slice){
        .view = slice_view(slice),
        .is_stale = !has_right_labels(slice, g->service) || !has_right_owner(slice, g->service)};
}

static void gather_all(struct gather *g)
{
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    shortest_term(&g->view, g->service, term);
    for (index_seek(&cur, &g->view, KIND_POD, term); cur.object; index_next(&cur))
        if (selects(g->service, cur.object))
            add_pod(g, cur.object);
    index_service(term, g->service->ns, g->service->name);
    for (index_seek(&cur, &g->view, KIND_SLICE, term); cur.object; index_next(&cur))
        if (is_ours(cur.object) && !cur.object->deleted_us)
            add_slice(g, cur.object);
}

/* Bit i: the slice holds pod i of the news. */
static unsigned news_held(const struct news *news, const struct slice_view *slice)
{
    unsigned here = 0;
    for (size_t i = 0; i < slice->endpoint_count; i++)
        for (size_t k = 0; k < news->pod_count; k++)
            if (strcmp(slice->endpoints[i].target_name, news->pods[k]) == 0)
                here |= 1U << k;
    return here;
}

/* Which of the Service's families the slice has, their count when none. */
static size_t family_of(const struct service_view *service, const struct slice_view *slice)
{
    size_t i = 0;
    while (i < service->ip_family_count &&
           strcmp(service->ip_families[i], slice->address_type) != 0)
        i++;
    return i;
}

/* The pods of a slice that the selector matches, each once, and that this family holds them.
 * places: name -> index among the pods, SIZE_MAX for one that is not selected. */
static void add_held_pods(struct gather *g, const struct slice_view *slice, unsigned family,
                          struct keymap *places)
{
    for (size_t i = 0; i < slice->endpoint_count; i++) {
        const char *name = slice->endpoints[i].target_name;
        size_t *place = keymap_find(places, name);
        if (!place) {
            const struct object *pod = view_find(&g->view, KIND_POD, g->service->ns, name);
            place = arena_alloc(g->arena, sizeof *place);
            *place = pod && selects(g->service, pod) ? g->pod_count : SIZE_MAX;
            *keymap_put(places, name) = place;
            if (*place != SIZE_MAX)
                add_pod(g, pod);
        }
        if (*place != SIZE_MAX)
            g->pods[*place].held |= family;
    }
}

/* The slices that hold the changed pods, and all pods in them. False when a changed pod is in none
 * of a family: it may need a place there. */
static bool gather_few(struct gather *g, const struct news *news)
{
    const struct service_view *service = service_view(g->service);
    unsigned found[MAX_FAMILIES] = {0};
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    struct keymap places = {0};
    if (service->ip_family_count > MAX_FAMILIES)
        return false;
    index_service(term, g->service->ns, g->service->name);
    for (index_seek(&cur, &g->view, KIND_SLICE, term); cur.object; index_next(&cur)) {
        if (!is_ours(cur.object) || cur.object->deleted_us)
            continue;
        const struct slice_view *slice = slice_view(cur.object);
        size_t family = family_of(service, slice);
        unsigned here = news_held(news, slice);
        if (!here)
            continue;
        add_slice(g, cur.object);
        if (family == service->ip_family_count)
            continue; /* the plan will be to delete it */
        found[family] |= here;
        add_held_pods(g, slice, 1U << family, &places);
    }
    keymap_fini(&places);
    for (size_t i = 0; i < service->ip_family_count; i++)
        if (found[i] != (1U << news->pod_count) - 1)
            return false;
    return true;
}

/* ---- apply ---- */

static cJSON *endpoint_tree(const struct plan_endpoint *e, const char *ns)
{
    cJSON *out = cJSON_CreateObject();
    cJSON *addresses = json_arr(out, "addresses");
    for (size_t i = 0; i < e->address_count; i++)
        cJSON_AddItemToArray(addresses, cJSON_CreateString(e->addresses[i]));
    cJSON *conditions = json_obj(out, "conditions");
    json_set_bool(conditions, "ready", e->ready);
    json_set_bool(conditions, "serving", e->serving);
    json_set_bool(conditions, "terminating", e->terminating);
    if (*e->hostname)
        json_set_str(out, "hostname", e->hostname);
    if (*e->pod->node)
        json_set_str(out, "nodeName", e->pod->node);
    if (*e->pod->zone)
        json_set_str(out, "zone", e->pod->zone);
    cJSON *target = json_obj(out, "targetRef");
    json_set_str(target, "kind", "Pod");
    json_set_str(target, "namespace", ns);
    json_set_str(target, "name", e->pod->name);
    json_set_str(target, "uid", e->pod->uid);
    return out;
}

struct write {
    const struct object *service;
    const struct slice_step *step;
};

static void set_metadata(cJSON *tree, const struct object *service)
{
    cJSON *metadata = json_obj(tree, "metadata");
    cJSON *labels = cJSON_CreateObject();
    for (size_t i = 0; i < service->label_count; i++)
        if (!is_reserved_label(service->labels[i].key))
            json_set_str(labels, service->labels[i].key, service->labels[i].value);
    json_set_str(labels, LABEL_SERVICE, service->name);
    json_set_str(labels, LABEL_MANAGED_BY, MANAGED_BY);
    if (service_view(service)->headless)
        json_set_str(labels, LABEL_HEADLESS, "");
    json_set(metadata, "labels", labels);
    char now[CLOCK_TEXT_MAX];
    json_set_str(json_obj(metadata, "annotations"), TRIGGER_TIME,
                 clock_format(clock_now_us(), now));
    cJSON *owners = cJSON_CreateArray(), *owner = cJSON_CreateObject();
    json_set_str(owner, "apiVersion", "v1");
    json_set_str(owner, "kind", "Service");
    json_set_str(owner, "name", service->name);
    json_set_str(owner, "uid", service->uid);
    json_set_bool(owner, "controller", true);
    json_set_bool(owner, "blockOwnerDeletion", true);
    cJSON_AddItemToArray(owners, owner);
    json_set(metadata, "ownerReferences", owners);
}

static int fill_tree(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct write *w = arg;
    set_metadata(tree, w->service);
    json_set_str(tree, "addressType", w->step->family);
    cJSON *endpoints = cJSON_CreateArray(), *ports = cJSON_CreateArray();
    for (size_t i = 0; i < w->step->endpoint_count; i++)
        cJSON_AddItemToArray(endpoints, endpoint_tree(w->step->endpoints[i], w->service->ns));
    for (size_t i = 0; i < w->step->port_count; i++) {
        cJSON *port = cJSON_CreateObject();
        json_set_str(port, "name", w->step->ports[i].name);
        json_set_str(port, "protocol", w->step->ports[i].protocol);
        json_set_int(port, "port", w->step->ports[i].port);
        if (*w->step->ports[i].app_protocol)
            json_set_str(port, "appProtocol", w->step->ports[i].app_protocol);
        cJSON_AddItemToArray(ports, port);
    }
    json_set(tree, "endpoints", endpoints);
    json_set(tree, "ports", ports);
    return 0;
}

static int apply_step(const struct verb *v, const struct gather *g, const struct slice_step *step,
                      struct err *e)
{
    const struct object *service = g->service;
    struct write write = {service, step};
    AUTO_OBJECT out = NULL;
    if (step->action == SLICE_CREATE) {
        cJSON *tree = cJSON_CreateObject();
        json_set_str(tree, "apiVersion", "discovery.k8s.io/v1");
        json_set_str(tree, "kind", "EndpointSlice");
        char prefix[OBJECT_KEY_MAX + 1];
        (void)snprintf(prefix, sizeof prefix, "%s-", service->name);
        json_set_str(json_obj(tree, "metadata"), "generateName", prefix);
        (void)fill_tree(tree, &write, e);
        int rc = verb_create(v, KIND_SLICE, service->ns, tree, &out, e);
        cJSON_Delete(tree);
        return rc;
    }
    CHECK(g->slice_objects && step->slice < g->slice_count);
    const struct object *slice = g->slice_objects[step->slice];
    const struct verb_key key = {KIND_SLICE, slice->ns, slice->name};
    if (step->action == SLICE_UPDATE)
        return verb_update(v, &key, SUB_NONE, fill_tree, &write, &out, e);
    bool gone = false;
    const struct delete_opts opts = {.propagation = PROPAGATE_BACKGROUND, .uid = slice->uid};
    int rc = verb_delete(v, &key, &opts, &out, &gone, e);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* One unit, so that no reader sees an endpoint in two slices or in none while it moves. */
static int apply_plan(struct runner *runner, const struct gather *g,
                      const struct endpoints_plan *plan, struct err *e)
{
    struct verb v;
    runner_verb(runner, &v);
    for (size_t i = 0; i < plan->count; i++) {
        int rc = apply_step(&v, g, &plan->steps[i], e);
        if (rc < 0) {
            runner_drop(&v);
            return rc;
        }
    }
    return runner_stage(runner, &v, e);
}

static void plan_service(const struct gather *g, bool is_part, struct endpoints_plan *plan)
{
    const struct service_view *v = service_view(g->service);
    const struct endpoints_view view = {.ns = g->service->ns,
                                        .name = g->service->name,
                                        .ports = v->ports,
                                        .port_count = v->port_count,
                                        .families = v->ip_families,
                                        .family_count = v->ip_family_count,
                                        .publish_not_ready = v->publish_not_ready,
                                        .pods = g->pods,
                                        .pod_count = g->pod_count,
                                        .slices = g->slices,
                                        .slice_count = g->slice_count,
                                        .is_part = is_part};
    endpoints_plan(&view, g->arena, plan);
}

/* The plan for a few pods; false when it would take more than writing their slices anew, each with
 * some endpoint left: what is right then depends on the other slices. */
static bool plan_few(struct gather *g, const struct news *news, struct endpoints_plan *plan)
{
    if (!news || news->is_all || !gather_few(g, news))
        return false;
    plan_service(g, true, plan);
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].action != SLICE_UPDATE || plan->steps[i].endpoint_count == 0)
            return false;
    return true;
}

static enum sync_result sync_service(struct runner *runner, const struct object *service,
                                     const struct news *news)
{
    struct arena arena;
    arena_init(&arena);
    struct gather g = {
        .arena = &arena, .view = store_head(runner_store(runner)), .service = service};
    struct endpoints_plan plan;
    if (!plan_few(&g, news, &plan)) {
        g = (struct gather){.arena = &arena, .view = g.view, .service = service};
        gather_all(&g);
        plan_service(&g, false, &plan);
    }
    int rc = 0;
    struct err e = {0};
    if (plan.count > 0)
        rc = apply_plan(runner, &g, &plan, &e);
    arena_fini(&arena);
    if (rc == ERR_FORBIDDEN) /* the namespace is going */
        return SYNC_DONE;
    if (rc < 0 && rc != ERR_CONFLICT)
        log_warn("service=%s/%s msg=\"slices not written\" reason=\"%s\"", service->ns,
                 service->name, e.text);
    return runner_result(rc);
}

/* R91: without selector, and of type ExternalName, the slices are the user's; those of a deleted
 * Service are collected. */
static bool has_our_slices(const struct object *service)
{
    return service && !service->deleted_us && service_view(service)->selector_count > 0 &&
           strcmp(service_view(service)->type, "ExternalName") != 0;
}

static enum sync_result endpoints_sync(struct runner *runner, void *arg, const char *key)
{
    struct endpoints *state = arg;
    char ns[PATH_SIZE];
    const char *name = NULL;
    CHECK(path_split(key, ns, &name));
    struct news *news = keymap_take(&state->news, key);
    struct store_view view = store_head(runner_store(runner));
    const struct object *found = view_find(&view, KIND_SERVICE, ns, name);
    enum sync_result result = SYNC_DONE;
    if (has_our_slices(found)) {
        AUTO_OBJECT service = object_ref(found); /* staging moves the head on */
        state->syncing = key;
        result = sync_service(runner, service, news);
        state->syncing = NULL;
    }
    news_free(news);
    if (result != SYNC_DONE) /* whatever comes until then, everything is looked at */
        tell(state, key, NULL);
    return result;
}

static void *endpoints_start(struct runner *runner)
{
    struct endpoints *state = xcalloc(1, sizeof *state);
    struct store_view view = store_head(runner_store(runner));
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_SERVICE, NULL, NULL); cur.object; view_next(&cur))
        queue_service(runner, state, cur.object->ns, cur.object->name, NULL);
    return state;
}

static void endpoints_stop(void *arg)
{
    struct endpoints *state = arg;
    const char *key;
    void *news;
    for (size_t at = 0; keymap_next(&state->news, &at, &key, &news);)
        news_free(news);
    keymap_fini(&state->news);
    free(state);
}

const struct controller endpoints_controller = {.name = "endpoints",
                                                .on_change = endpoints_on_change,
                                                .sync = endpoints_sync,
                                                .start = endpoints_start,
                                                .stop = endpoints_stop};
