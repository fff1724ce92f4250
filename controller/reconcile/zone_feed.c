#include "controller/reconcile/zone_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "controller/reconcile/feed_reasons.h"
#include "controller/reconcile/keymap.h"
#include "zones/reason.h"

#define SERIALS_META "zone-serials"
/* Retired memory that a reader still sees, or that one budget did not free, is looked at again
 * after this time. */
#define RECLAIM_AGAIN_US INT64_C(10000)
/* Pods whose text is made anew with one commit, and in one turn when no commit takes it along; and
 * how long the rest waits. */
#define REASONS_IN_COMMIT 16
#define REASONS_IN_TURN   64
#define EXPLAIN_AGAIN_US  INT64_C(10000)
/* Pods that became Ready and are in no Service are forgotten when so many are remembered. */
#define READY_MOST 8192

/* Slices of Services with so many endpoints are converted once, not with every change of another
 * slice. */
#define LARGE_SERVICE 512

struct kept_slice {
    struct arena arena;
    const struct object *slice; /* reference owned: what `out` borrows from */
    struct naming_slice out;
};

struct zone_feed {
    struct store *store;
    struct zones *zones;
    struct loop_task reclaim;
    struct loop_timer reclaim_again;
    struct keymap ready; /* ns/pod that became Ready -> commits before that one, + 1 */
    struct keymap
        by_service;       /* ns/service -> set of ns/pod whose epoch its hand-made endpoints show */
    struct keymap by_pod; /* ns/pod -> set of the ns/service that show it, of any namespace */
    struct keymap kept;   /* key of a slice -> struct kept_slice */
    struct feed_reasons *reasons;    /* NULL: not attached */
    struct loop_timer explain_again; /* texts that no commit has taken along */
    struct zone_feed_stats stats;
    struct metric_family families[3];
};

/* What one batch concerns; the state after it is read from the applied view. */
struct touched {
    struct keymap namespaces, services, pods;
};

static void touched_fini(struct touched *t)
{
    keymap_fini(&t->namespaces);
    keymap_fini(&t->services);
    keymap_fini(&t->pods);
}

#define PATH_MAX_TEXT (OBJECT_KEY_MAX + 1)

/* The place of its value: of a Service not NULL when what is kept of its slices is out of date. */
static void **touch(struct keymap *map, const char *ns, const char *name)
{
    char path[PATH_MAX_TEXT];
    (void)snprintf(path, sizeof path, "%s/%s", ns, name);
    return keymap_put(map, path);
}

/* "ns/name" into its halves; path is changed. */
static const char *split_path(char *path)
{
    char *slash = strchr(path, '/');
    CHECK(slash);
    *slash = '\0';
    return slash + 1;
}

/* ---- hand-made endpoints that show the epoch of a pod ---- */

static void set_add(struct keymap *sets, const char *path, const char *item)
{
    void **set = keymap_put(sets, path);
    if (!*set)
        *set = xcalloc(1, sizeof(struct keymap));
    (void)keymap_put(*set, item);
}

static void set_free(struct keymap *set)
{
    if (set)
        keymap_fini(set);
    free(set);
}

static void remember_target(struct zone_feed *feed, const char *service_path, const char *pod_path)
{
    set_add(&feed->by_service, service_path, pod_path);
    set_add(&feed->by_pod, pod_path, service_path);
}

static void forget_targets(struct zone_feed *feed, const char *ns, const char *service)
{
    char path[PATH_MAX_TEXT];
    (void)snprintf(path, sizeof path, "%s/%s", ns, service);
    struct keymap *pods = keymap_take(&feed->by_service, path);
    if (!pods)
        return;
    const char *pod;
    for (size_t at = 0; keymap_next(pods, &at, &pod, NULL);) {
        struct keymap *services = keymap_find(&feed->by_pod, pod);
        (void)keymap_take(services, path);
        if (services->count == 0)
            set_free(keymap_take(&feed->by_pod, pod));
    }
    set_free(pods);
}

/* ---- one Service as the naming rules want it ---- */

static struct naming_port *ports_of(struct arena *a, const struct port_view *ports, size_t count)
{
    struct naming_port *out = arena_alloc(a, (count + 1) * sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct naming_port){ports[i].name, ports[i].protocol, ports[i].port};
    return out;
}

/* The valid addresses of a list; family_len 0 takes both families. */
static struct naming_address *addresses_of(struct arena *a, const char *const *text, size_t count,
                                           uint8_t family_len, size_t *out_count)
{
    struct naming_address *out = arena_alloc(a, (count + 1) * sizeof *out);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (naming_address_parse(text[i], &out[n]) && (family_len == 0 || out[n].len == family_len))
            n++;
    *out_count = n;
    return out;
}

/* The epoch of the incarnation that the endpoint points at, in whatever namespace (K-EPOCH). */
static uint64_t epoch_of(struct zone_feed *feed, const struct store_view *view, const char *ns,
                         const char *service, const struct endpoint_view *e, bool *is_hand_made)
{
    const char *pod_ns = *e->target_ns ? e->target_ns : ns;
    const struct object *pod = view_find(view, KIND_POD, pod_ns, e->target_name);
    if (!pod || strcmp(pod_ns, ns) != 0 || strcmp(pod_view(pod)->subdomain, service) != 0) {
        char service_path[PATH_MAX_TEXT], pod_path[PATH_MAX_TEXT];
        (void)snprintf(service_path, sizeof service_path, "%s/%s", ns, service);
        (void)snprintf(pod_path, sizeof pod_path, "%s/%s", pod_ns, e->target_name);
        remember_target(feed, service_path, pod_path);
        *is_hand_made = true;
    }
    if (!pod || (*e->target_uid && strcmp(e->target_uid, pod->uid) != 0))
        return 0;
    return pod_view(pod)->epoch;
}

/* True when some endpoint's epoch is looked after in by_pod. */
static bool fill_slice(struct zone_feed *feed, struct arena *a, const struct store_view *view,
                       const struct object *obj, struct naming_slice *out)
{
    bool is_hand_made = false;
    const struct slice_view *slice = slice_view(obj);
    uint8_t family_len = strcmp(slice->address_type, "IPv6") == 0 ? 16 : 4;
    struct naming_endpoint *endpoints =
        arena_alloc(a, (slice->endpoint_count + 1) * sizeof *endpoints);
    for (size_t i = 0; i < slice->endpoint_count; i++) {
        const struct endpoint_view *e = &slice->endpoints[i];
        bool is_pod = strcmp(e->target_kind, "Pod") == 0 && *e->target_name;
        endpoints[i] = (struct naming_endpoint){.hostname = *e->hostname ? e->hostname : NULL,
                                                .target_pod = is_pod ? e->target_name : NULL,
                                                .ready = e->ready};
        endpoints[i].addresses = addresses_of(a, e->addresses, e->address_count, family_len,
                                              &endpoints[i].address_count);
        if (is_pod && *e->hostname)
            endpoints[i].epoch = epoch_of(feed, view, obj->ns, slice->service, e, &is_hand_made);
    }
    *out = (struct naming_slice){.family_len = family_len,
                                 .ports = ports_of(a, slice->ports, slice->port_count),
                                 .port_count = slice->port_count,
                                 .endpoints = endpoints,
                                 .endpoint_count = slice->endpoint_count};
    return is_hand_made;
}

static void kept_free(struct kept_slice *kept)
{
    if (!kept)
        return;
    arena_fini(&kept->arena);
    object_unref(kept->slice);
    free(kept);
}

static void keep_slice(struct zone_feed *feed, const struct store_view *view,
                       const struct object *obj, struct naming_slice *out)
{
    struct kept_slice *kept = keymap_find(&feed->kept, obj->key);
    if (!kept || kept->slice != obj) {
        kept_free(keymap_take(&feed->kept, obj->key));
        kept = xcalloc(1, sizeof *kept);
        arena_init(&kept->arena);
        /* Hand-made endpoints are to be looked at, and looked after, every time. */
        bool is_hand_made = fill_slice(feed, &kept->arena, view, obj, &kept->out);
        kept->slice = is_hand_made ? NULL : object_ref(obj);
        *keymap_put(&feed->kept, obj->key) = kept;
    }
    *out = kept->out;
}

/* K-READY 1 and 2: the slices that name the Service, FQDN slices left out. */
static void fill_slices(struct zone_feed *feed, struct arena *a, const struct store_view *view,
                        bool is_stale, struct naming_service *out)
{
    char term[INDEX_TERM_MAX];
    index_service(term, out->ns, out->name);
    struct index_cursor cur;
    size_t count = 0, endpoints = 0;
    for (index_seek(&cur, view, KIND_SLICE, term); cur.object; index_next(&cur)) {
        count++;
        endpoints += slice_view(cur.object)->endpoint_count;
        if (is_stale)
            kept_free(keymap_take(&feed->kept, cur.object->key));
    }
    struct naming_slice *slices = arena_alloc(a, (count + 1) * sizeof *slices);
    for (index_seek(&cur, view, KIND_SLICE, term); cur.object; index_next(&cur)) {
        const char *type = slice_view(cur.object)->address_type;
        if (strcmp(type, "IPv4") != 0 && strcmp(type, "IPv6") != 0)
            continue;
        struct naming_slice *slice = &slices[out->slice_count++];
        if (endpoints >= LARGE_SERVICE)
            keep_slice(feed, view, cur.object, slice);
        else
            (void)fill_slice(feed, a, view, cur.object, slice);
    }
    out->slices = slices;
}

/* Endpoints of a Service that its slices list, and whether one of them is published. */
static size_t count_listed(const struct naming_service *service, bool *is_published)
{
    size_t listed = 0;
    *is_published = false;
    for (size_t i = 0; i < service->slice_count && !*is_published; i++)
        for (size_t n = 0; n < service->slices[i].endpoint_count && !*is_published; n++) {
            listed++;
            *is_published = service->slices[i].endpoints[n].ready || service->publish_not_ready;
        }
    return listed;
}

/* Why a Service has no records at its own name: said only while it has none, so that a ClusterIP
 * without endpoints needs no look at zone.ignore-empty-service. */
static void put_service_reason(struct zone_txn *txn, const struct object *obj,
                               const struct naming_service *service)
{
    char text[REASON_TEXT_MAX * 2] = "";
    bool is_published, has_selector = service_view(obj)->selector_count > 0;
    size_t listed = count_listed(service, &is_published);
    if (service->type == NAMING_EXTERNAL)
        (void)snprintf(text, sizeof text, "externalName of Service %s/%s is an address, no name",
                       service->ns, service->name);
    else if (!is_published)
        (void)snprintf(text, sizeof text, "%s Service %s/%s %s",
                       listed > 0     ? "no endpoint of"
                       : has_selector ? "no pod selected by"
                                      : "no EndpointSlice of",
                       service->ns, service->name,
                       listed > 0     ? "is Ready"
                       : has_selector ? "has an address"
                                      : "lists an endpoint");
    zone_txn_put_reason(txn, service->ns, service->name, NULL, text);
}

static void put_service(struct zone_feed *feed, struct zone_txn *txn, const struct store_view *view,
                        const char *ns, const char *name, bool is_stale)
{
    forget_targets(feed, ns, name);
    const struct object *obj = view_find(view, KIND_SERVICE, ns, name);
    if (!obj) {
        zone_txn_del_service(txn, ns, name);
        return;
    }
    struct arena a;
    arena_init(&a);
    const struct service_view *v = service_view(obj);
    struct naming_service service = {.ns = ns,
                                     .name = name,
                                     .type = NAMING_CLUSTER_IP,
                                     .external_name = v->external_name,
                                     .publish_not_ready = v->publish_not_ready,
                                     .publish_identity = v->publish_identity,
                                     .ports = ports_of(&a, v->ports, v->port_count),
                                     .port_count = v->port_count};
    if (strcmp(v->type, "ExternalName") == 0)
        service.type = NAMING_EXTERNAL;
    else if (v->headless)
        service.type = NAMING_HEADLESS;
    service.cluster_ips =
        addresses_of(&a, v->cluster_ips, v->cluster_ip_count, 0, &service.cluster_ip_count);
    fill_slices(feed, &a, view, is_stale, &service);
    zone_txn_put_service(txn, &service);
    put_service_reason(txn, obj, &service);
    arena_fini(&a);
}

/* K-PODS: a pod that is not finished has its addresses until the object is gone. */
static bool has_pod_record(const struct object *obj)
{
    if (!obj)
        return false;
    enum pod_phase phase = pod_view(obj)->phase;
    return phase != POD_SUCCEEDED && phase != POD_FAILED && phase != POD_UNKNOWN &&
           pod_view(obj)->ip_count > 0;
}

/* obj: NULL when the pod is gone. */
static void put_pod(struct zone_txn *txn, const char *ns, const char *name,
                    const struct object *obj)
{
    if (!has_pod_record(obj)) {
        zone_txn_del_pod(txn, ns, name);
        return;
    }
    struct arena a;
    arena_init(&a);
    size_t count = 0;
    const struct naming_address *addresses =
        addresses_of(&a, pod_view(obj)->ips, pod_view(obj)->ip_count, 0, &count);
    zone_txn_put_pod(txn, ns, name, addresses, count);
    arena_fini(&a);
}

/* ---- what a change concerns ---- */

static bool texts_equal(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

/* ---- commits from Ready to answer ---- */

static void forget_ready(struct zone_feed *feed)
{
    const char *path;
    void *commits;
    for (size_t at = 0; keymap_next(&feed->ready, &at, &path, &commits);)
        free(commits);
    keymap_fini(&feed->ready);
}

static void note_ready(struct zone_feed *feed, const struct store_change *change, const char *path)
{
    bool was_ready = change->before && pod_view(change->before)->ready;
    bool is_ready = change->after && pod_view(change->after)->ready;
    if (was_ready == is_ready)
        return;
    free(keymap_take(&feed->ready, path));
    if (!is_ready)
        return;
    if (feed->ready.count == READY_MOST)
        forget_ready(feed);
    uint64_t commits = store_commits(feed->store);
    *keymap_put(&feed->ready, path) = xmemdup(&commits, sizeof commits);
}

/* The endpoints of a slice that was written: pods that became Ready in this commit or before are
 * answered for from now on. */
static void count_ready(struct zone_feed *feed, const struct object *slice)
{
    const struct slice_view *v = slice_view(slice);
    for (size_t i = 0; i < v->endpoint_count && feed->ready.count > 0; i++) {
        const struct endpoint_view *e = &v->endpoints[i];
        if (!e->ready || strcmp(e->target_kind, "Pod") != 0)
            continue;
        char path[PATH_MAX_TEXT];
        (void)snprintf(path, sizeof path, "%s/%s", slice->ns, e->target_name);
        uint64_t *before = keymap_take(&feed->ready, path);
        if (!before)
            continue;
        feed->stats.ready_pods++;
        feed->stats.ready_commits += store_commits(feed->store) - *before + 1;
        free(before);
    }
}

static void touch_pod(struct zone_feed *feed, struct touched *t, const struct store_change *change)
{
    const struct object *before = change->before, *after = change->after;
    const struct object *obj = after ? after : before;
    bool had = has_pod_record(before), has = has_pod_record(after);
    if (had != has || (has && !texts_equal(pod_view(before)->ips, pod_view(before)->ip_count,
                                           pod_view(after)->ips, pod_view(after)->ip_count)))
        (void)touch(&t->pods, obj->ns, obj->name);
    uint64_t epoch_before = before ? pod_view(before)->epoch : 0;
    uint64_t epoch_after = after ? pod_view(after)->epoch : 0;
    char path[PATH_MAX_TEXT];
    (void)snprintf(path, sizeof path, "%s/%s", obj->ns, obj->name);
    if (epoch_before != epoch_after) {
        if (*pod_view(obj)->subdomain)
            *touch(&t->services, obj->ns, pod_view(obj)->subdomain) = feed;
        const struct keymap *services = keymap_find(&feed->by_pod, path);
        const char *service;
        for (size_t at = 0; services && keymap_next(services, &at, &service, NULL);)
            *keymap_put(&t->services, service) = feed;
    }
    note_ready(feed, change, path);
}

/* A namespace that appears or goes takes everything inside with it, whatever the order in which
 * they came (K-NSX). */
static void touch_namespace(struct zone_feed *feed, struct touched *t, const char *ns)
{
    (void)keymap_put(&t->namespaces, ns);
    struct store_view view = store_applied(feed->store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_SERVICE, ns, NULL); cur.object; view_next(&cur))
        (void)touch(&t->services, ns, cur.object->name);
    for (view_seek(&cur, &view, KIND_POD, ns, NULL); cur.object; view_next(&cur))
        (void)touch(&t->pods, ns, cur.object->name);
}

static void touch_change(struct zone_feed *feed, struct touched *t,
                         const struct store_change *change)
{
    const struct object *obj = change->after ? change->after : change->before;
    if (obj->kind->id == KIND_SERVICE) {
        (void)touch(&t->services, obj->ns, obj->name);
    } else if (obj->kind->id == KIND_SLICE) {
        kept_free(keymap_take(&feed->kept, obj->key));
        if (change->before && *slice_view(change->before)->service)
            (void)touch(&t->services, obj->ns, slice_view(change->before)->service);
        if (change->after && *slice_view(change->after)->service)
            (void)touch(&t->services, obj->ns, slice_view(change->after)->service);
    } else if (obj->kind->id == KIND_POD) {
        touch_pod(feed, t, change);
    } else if (obj->kind->id == KIND_NAMESPACE && (!change->before || !change->after)) {
        touch_namespace(feed, t, obj->name);
    }
}

/* ---- publish ---- */

static void remember_serials(struct zone_feed *feed)
{
    struct buf_out text;
    buf_out_init(&text);
    for (size_t i = 0; i < zones_serial_count(feed->zones); i++) {
        char name[NAME_TEXT_MAX];
        uint32_t serial = 0;
        zones_serial_get(feed->zones, i, name, &serial);
        buf_printf(&text, "%s %" PRIu32 " %016" PRIx64 "\n", name, serial,
                   zones_serial_digest(feed->zones, i));
    }
    store_meta_set(feed->store, SERIALS_META, text.data ? text.data : "");
    buf_out_fini(&text);
}

static void restore_serials(struct zone_feed *feed)
{
    const char *text = store_meta_get(feed->store, SERIALS_META);
    if (!text)
        return;
    char *copy = xstrdup(text), *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *end = strchr(line, ' ');
        if (!end)
            continue;
        *end = '\0';
        char *rest = NULL;
        unsigned long serial = strtoul(end + 1, &rest, 10);
        zones_serial_restore(feed->zones, line, (uint32_t)serial, strtoull(rest, NULL, 16));
    }
    free(copy);
}

static void publish(struct zone_feed *feed, struct zone_txn *txn, uint64_t revision)
{
    bool has_changes = zone_txn_has_changes(txn);
    zone_txn_publish(txn, revision);
    feed->stats.publishes++;
    if (has_changes)
        remember_serials(feed);
    loop_end_of_turn(&feed->reclaim);
}

static void on_apply(void *arg, const struct store_batch *batch)
{
    struct zone_feed *feed = arg;
    struct touched t = {0};
    for (size_t i = 0; i < batch->count; i++) {
        touch_change(feed, &t, &batch->changes[i]);
        if (feed->reasons)
            feed_reasons_touch(feed->reasons, &batch->changes[i]);
    }
    for (size_t i = 0; i < batch->count && feed->ready.count > 0; i++) {
        const struct object *after = batch->changes[i].after;
        if (after && after->kind->id == KIND_SLICE)
            count_ready(feed, after);
    }
    bool has_reasons = feed->reasons && feed_reasons_wait(feed->reasons);
    if (has_reasons || t.namespaces.count + t.services.count + t.pods.count > 0) {
        struct store_view view = store_applied(feed->store);
        struct zone_txn *txn = zone_txn_new(feed->zones);
        const char *key;
        for (size_t at = 0; keymap_next(&t.namespaces, &at, &key, NULL);) {
            if (view_find(&view, KIND_NAMESPACE, "", key))
                zone_txn_put_namespace(txn, key);
            else
                zone_txn_del_namespace(txn, key);
        }
        char ns[PATH_MAX_TEXT];
        void *stale;
        for (size_t at = 0; keymap_next(&t.services, &at, &key, &stale);) {
            (void)snprintf(ns, sizeof ns, "%s", key);
            const char *name = split_path(ns);
            put_service(feed, txn, &view, ns, name, stale != NULL);
        }
        for (size_t at = 0; keymap_next(&t.pods, &at, &key, NULL);) {
            (void)snprintf(ns, sizeof ns, "%s", key);
            const char *name = split_path(ns);
            put_pod(txn, ns, name, view_find(&view, KIND_POD, ns, name));
        }
        if (has_reasons && feed_reasons_put(feed->reasons, txn, &view, REASONS_IN_COMMIT))
            loop_timer_set(&feed->explain_again, clock_mono_us() + EXPLAIN_AGAIN_US);
        publish(feed, txn, batch->revision);
    }
    touched_fini(&t);
}

/* After a crash the store counts on from a ceiling; a zone that the last commit changed had that
 * commit's revision for its serial, which was not remembered yet (K-SERIAL). */
static uint64_t loaded_revision(const struct zone_feed *feed, const struct store_view *view)
{
    const char *text = store_meta_get(feed->store, STORE_META_REVISION);
    uint64_t revision = text ? strtoull(text, NULL, 10) : 0;
    return revision > 0 ? revision : view->revision;
}

static void load(struct zone_feed *feed)
{
    struct store_view view = store_applied(feed->store);
    struct zone_txn *txn = zone_txn_new(feed->zones);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_NAMESPACE, NULL, NULL); cur.object; view_next(&cur))
        zone_txn_put_namespace(txn, cur.object->name);
    for (view_seek(&cur, &view, KIND_SERVICE, NULL, NULL); cur.object; view_next(&cur))
        put_service(feed, txn, &view, cur.object->ns, cur.object->name, false);
    for (view_seek(&cur, &view, KIND_POD, NULL, NULL); cur.object; view_next(&cur))
        if (has_pod_record(cur.object))
            put_pod(txn, cur.object->ns, cur.object->name, cur.object);
    zone_txn_loaded(txn, clock_now_us());
    publish(feed, txn, loaded_revision(feed, &view));
}

static void on_reclaim(void *arg)
{
    struct zone_feed *feed = arg;
    if (zones_reclaim(feed->zones))
        loop_timer_set(&feed->reclaim_again, clock_mono_us() + RECLAIM_AGAIN_US);
}

/* ---- what no commit takes along ---- */

/* A version of its own; its revision is that of the state it was made from. */
static void publish_reasons(struct zone_feed *feed)
{
    if (!feed->reasons || !feed_reasons_wait(feed->reasons))
        return;
    struct store_view view = store_applied(feed->store);
    struct zone_txn *txn = zone_txn_new(feed->zones);
    bool is_more = feed_reasons_put(feed->reasons, txn, &view, REASONS_IN_TURN);
    publish(feed, txn, view.revision);
    if (is_more)
        loop_timer_set(&feed->explain_again, clock_mono_us() + EXPLAIN_AGAIN_US);
}

void zone_feed_put_ns(struct zone_feed *feed, const struct naming_address *addresses, size_t count)
{
    struct store_view view = store_applied(feed->store);
    struct zone_txn *txn = zone_txn_new(feed->zones);
    zone_txn_put_ns(txn, addresses, count);
    publish(feed, txn, view.revision);
}

static void on_explain(void *arg)
{
    publish_reasons(arg);
}

static void on_reasons(void *arg)
{
    struct zone_feed *feed = arg;
    if (!loop_timer_is_set(&feed->explain_again))
        loop_timer_set(&feed->explain_again, clock_mono_us() + EXPLAIN_AGAIN_US);
}

void zone_feed_attach(struct zone_feed *feed, struct runner *runner)
{
    feed_reasons_free(feed->reasons);
    feed->reasons = runner ? feed_reasons_new(runner, on_reasons, feed) : NULL;
}

struct zone_feed *zone_feed_new(struct loop *loop, struct store *store, struct zones *zones)
{
    struct zone_feed *feed = xcalloc(1, sizeof *feed);
    feed->store = store;
    feed->zones = zones;
    loop_task_init(&feed->reclaim, loop, on_reclaim, feed);
    loop_timer_init(&feed->reclaim_again, loop, on_reclaim, feed);
    loop_timer_init(&feed->explain_again, loop, on_explain, feed);
    restore_serials(feed);
    load(feed);
    store_on_apply(store, on_apply, feed);
    return feed;
}

static void free_sets(struct keymap *sets)
{
    const char *key;
    void *set;
    for (size_t at = 0; keymap_next(sets, &at, &key, &set);)
        set_free(set);
    keymap_fini(sets);
}

void zone_feed_free(struct zone_feed *feed)
{
    if (!feed)
        return;
    store_forget(feed->store, feed);
    zone_feed_attach(feed, NULL);
    loop_timer_fini(&feed->explain_again);
    loop_timer_fini(&feed->reclaim_again);
    loop_task_fini(&feed->reclaim);
    free_sets(&feed->by_service);
    free_sets(&feed->by_pod);
    forget_ready(feed);
    const char *key;
    void *kept;
    for (size_t at = 0; keymap_next(&feed->kept, &at, &key, &kept);)
        kept_free(kept);
    keymap_fini(&feed->kept);
    free(feed);
}

void zone_feed_stats(const struct zone_feed *feed, struct zone_feed_stats *out)
{
    *out = feed->stats;
}

/* ---- metrics ---- */

static void collect_publishes(struct buf_out *out, const struct metric_family *family, void *arg)
{
    const struct zone_feed *feed = arg;
    metrics_sample(out, family->name, NULL, (double)feed->stats.publishes);
}
static void collect_ready_pods(struct buf_out *out, const struct metric_family *family, void *arg)
{
    const struct zone_feed *feed = arg;
    metrics_sample(out, family->name, NULL, (double)feed->stats.ready_pods);
}
static void collect_ready_commits(struct buf_out *out, const struct metric_family *family,
                                  void *arg)
{
    const struct zone_feed *feed = arg;
    metrics_sample(out, family->name, NULL, (double)feed->stats.ready_commits);
}

void zone_feed_register_metrics(struct zone_feed *feed)
{
    const struct metric_family families[] = {
        {"ordinald_zone_publishes_total", METRIC_COUNTER, "Zone versions published.",
         collect_publishes, feed},
        {"ordinald_ready_to_answer_pods_total", METRIC_COUNTER,
         "Pods that became Ready and were published as endpoints.", collect_ready_pods, feed},
        {"ordinald_ready_to_answer_commits_total", METRIC_COUNTER,
         "Commits from Ready to published, over all those pods.", collect_ready_commits, feed},
    };
    _Static_assert(ARRAY_SIZE(families) == ARRAY_SIZE(((struct zone_feed *)0)->families),
                   "one each");
    memcpy(feed->families, families, sizeof families);
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        metrics_register(&feed->families[i]);
}
