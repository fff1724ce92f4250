/* When nothing is under way: what the controllers wrote against what the objects say, read plainly,
 * without an index and with nothing of the planners. */
#include "base/clock.h"
#include "tests/scenario/sim.h"

#define REVISIONS_MOST    8  /* revisionHistoryLimit 2, and those that live */
#define INCARNATIONS_MOST 16 /* DESIGN section 4 */

/* What depends on it, for the person who reads the failure. */
void sim_show(const struct store_view *view, const struct object *owner)
{
    char term[INDEX_TERM_MAX];
    index_owner(term, owner->uid);
    (void)fprintf(stderr, "  it is: %s\n", owner->text);
    for (int i = 0; i < KIND_COUNT; i++) {
        struct index_cursor cur;
        for (index_seek(&cur, view, (enum kind_id)i, term); cur.object; index_next(&cur))
            (void)fprintf(stderr, "  depends on it: %s\n", cur.object->text);
    }
}

/* ---- slices (R91-R97) ---- */

struct lines {
    char (*text)[320];
    size_t count, cap;
};

static void add(struct lines *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct lines *l, const char *format, ...)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 32;
        l->text = xrealloc(l->text, l->cap * sizeof *l->text);
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(l->text[l->count++], sizeof l->text[0], format, args);
    va_end(args);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void sort(struct lines *l)
{
    if (l->count > 0)
        qsort(l->text, l->count, sizeof l->text[0], by_text);
}

static bool is_selected(const struct service_view *service, const struct object *pod)
{
    for (size_t i = 0; i < service->selector_count; i++) {
        const char *value = object_label(pod, service->selector[i].key);
        if (!value || strcmp(value, service->selector[i].value) != 0)
            return false;
    }
    return service->selector_count > 0;
}

/* The number a Service port means for the pod; 0: the pod lacks it. */
static unsigned target_port(const struct port_view *port, const struct pod_view *pod)
{
    char *end = NULL;
    unsigned long number = strtoul(port->target, &end, 10);
    if (!*port->target || (*end == '\0' && number > 0))
        return *port->target ? (unsigned)number : port->port;
    for (size_t i = 0; i < pod->port_count; i++)
        if (strcmp(pod->ports[i].name, port->target) == 0 &&
            strcmp(pod->ports[i].protocol, port->protocol) == 0)
            return pod->ports[i].port;
    return 0;
}

static void ports_text(char out[160], const struct service_view *service,
                       const struct pod_view *pod)
{
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < service->port_count; i++) {
        const struct port_view *port = &service->ports[i];
        unsigned number = target_port(port, pod);
        if (number)
            len += (size_t)snprintf(out + len, 160 - len, " %s/%s/%u", port->name, port->protocol,
                                    number);
    }
}

static void want_endpoint(struct lines *want, const struct store_view *view,
                          const struct object *service, const char *family,
                          const struct object *pod)
{
    const struct service_view *svc = service_view(service);
    const struct pod_view *v = pod_view(pod);
    bool is_governed = *v->hostname && strcmp(v->subdomain, service->name) == 0;
    bool is_ready = v->ready && !pod->deleted_us;
    char ports[160];
    if (sim_is_over(pod) || (!view_find(view, KIND_NODE, "", v->node) && !svc->publish_not_ready))
        return;
    ports_text(ports, svc, v);
    for (size_t i = 0; i < v->ip_count; i++)
        if ((strchr(v->ips[i], ':') != NULL) == (strcmp(family, "IPv6") == 0))
            add(want, "%s %s %s host=%s %s%s%s node=%s%s", family, v->ips[i], pod->uid,
                is_governed ? v->hostname : "", is_ready || svc->publish_not_ready ? "ready " : "",
                v->ready ? "serving " : "", pod->deleted_us ? "terminating" : "", v->node, ports);
}

static void have_slice(struct lines *have, const struct slice_view *slice)
{
    char ports[160] = "";
    size_t len = 0;
    for (size_t i = 0; i < slice->port_count; i++)
        len += (size_t)snprintf(ports + len, sizeof ports - len, " %s/%s/%u", slice->ports[i].name,
                                slice->ports[i].protocol, slice->ports[i].port);
    for (size_t i = 0; i < slice->endpoint_count; i++) {
        const struct endpoint_view *e = &slice->endpoints[i];
        for (size_t k = 0; k < e->address_count; k++)
            add(have, "%s %s %s host=%s %s%s%s node=%s%s", slice->address_type, e->addresses[k],
                e->target_uid, e->hostname, e->ready ? "ready " : "", e->serving ? "serving " : "",
                e->terminating ? "terminating" : "", e->node, ports);
    }
}

static void check_slices(struct sim *s, const struct store_view *view, const struct object *service)
{
    const struct service_view *v = service_view(service);
    struct lines want = {0}, have = {0};
    struct view_cursor cur;
    if (strcmp(v->type, "ExternalName") == 0 || v->selector_count == 0)
        return; /* R91: what is there is the user's */
    for (view_seek(&cur, view, KIND_POD, service->ns, NULL); cur.object; view_next(&cur))
        for (size_t i = 0; i < v->ip_family_count && is_selected(v, cur.object); i++)
            want_endpoint(&want, view, service, v->ip_families[i], cur.object);
    for (view_seek(&cur, view, KIND_SLICE, service->ns, NULL); cur.object; view_next(&cur)) {
        const struct slice_view *slice = slice_view(cur.object);
        if (strcmp(slice->service, service->name) == 0 &&
            strcmp(slice->managed_by, "endpointslice-controller.k8s.io") == 0)
            have_slice(&have, slice);
    }
    sort(&want);
    sort(&have);
    for (size_t i = 0; i < want.count || i < have.count; i++) {
        int order = i == have.count ? -1 : i == want.count ? 1 : strcmp(want.text[i], have.text[i]);
        for (size_t k = 0; order != 0 && k < want.count; k++)
            (void)fprintf(stderr, "  wanted: %s\n", want.text[k]);
        if (order != 0)
            sim_show(view, service);
        if (order < 0)
            sim_broken(s, "%s lacks the endpoint %s (R92)", service->key, want.text[i]);
        if (order > 0)
            sim_broken(s, "%s publishes %s, which is not so (R92)", service->key, have.text[i]);
    }
    free(want.text);
    free(have.text);
}

/* Slices of ours whose Service is gone. */
static void check_slice_owner(struct sim *s, const struct store_view *view,
                              const struct object *slice)
{
    const struct slice_view *v = slice_view(slice);
    if (strcmp(v->managed_by, "endpointslice-controller.k8s.io") != 0)
        return;
    const struct object *service = view_find(view, KIND_SERVICE, slice->ns, v->service);
    if (!service)
        sim_broken(s, "%s is left behind by its Service (R66)", slice->key);
}

/* ---- status (R67) ---- */

static bool is_available(const struct object *pod, int32_t min_ready_s)
{
    const struct pod_view *v = pod_view(pod);
    return v->phase == POD_RUNNING && v->ready &&
           v->ready_since_us + min_ready_s * SECOND <= clock_now_us();
}

static void check_count(struct sim *s, const struct object *set, const char *field, int32_t have,
                        int32_t want)
{
    struct store_view view = store_applied(s->w.store);
    if (have == want)
        return;
    sim_show(&view, set);
    sim_broken(s, "%s: status.%s is %d, and it is %d (R67)", set->key, field, have, want);
}

static void check_set_status(struct sim *s, const struct store_view *view, const struct object *set)
{
    const struct set_view *v = set_view(set);
    int32_t replicas = 0, ready = 0, available = 0, current = 0, updated = 0;
    struct view_cursor cur;
    struct member m;
    for (view_seek(&cur, view, KIND_POD, set->ns, NULL); cur.object; view_next(&cur)) {
        const struct object *pod = cur.object;
        const struct pod_view *p = pod_view(pod);
        const char *revision = object_label(pod, "controller-revision-hash");
        if (!sim_member_of(view, pod, &m) || m.set != set ||
            !selector_matches(&v->selector, pod->labels, pod->label_count))
            continue;
        replicas += p->has_phase;
        ready += p->phase == POD_RUNNING && p->ready;
        available += is_available(pod, v->min_ready_s);
        current += !pod->deleted_us && revision && strcmp(revision, v->current_revision) == 0;
        updated += !pod->deleted_us && revision && strcmp(revision, v->update_revision) == 0;
    }
    check_count(s, set, "replicas", v->st_replicas, replicas);
    check_count(s, set, "readyReplicas", v->st_ready, ready);
    check_count(s, set, "availableReplicas", v->st_available, available);
    check_count(s, set, "currentReplicas", v->st_current, current);
    check_count(s, set, "updatedReplicas", v->st_updated, updated);
    if (v->observed_generation != set->generation)
        sim_broken(s, "%s is of generation %lld, and %lld is observed (R68)", set->key,
                   (long long)set->generation, (long long)v->observed_generation);
}

static void check_replicaset_status(struct sim *s, const struct store_view *view,
                                    const struct object *set)
{
    const struct replicaset_view *v = replicaset_view(set);
    int32_t replicas = 0, ready = 0, available = 0;
    struct view_cursor cur;
    for (view_seek(&cur, view, KIND_POD, set->ns, NULL); cur.object; view_next(&cur)) {
        const struct object *pod = cur.object;
        const struct owner_ref *owner = object_controller(pod);
        if (!owner || strcmp(owner->uid, set->uid) != 0 || pod->deleted_us || sim_is_over(pod) ||
            !selector_matches(&v->selector, pod->labels, pod->label_count))
            continue;
        replicas++;
        ready += pod_view(pod)->ready;
        available += is_available(pod, v->min_ready_s);
    }
    check_count(s, set, "replicas", v->st_replicas, replicas);
    check_count(s, set, "readyReplicas", v->st_ready, ready);
    check_count(s, set, "availableReplicas", v->st_available, available);
}

static bool is_live_revision(const struct store_view *view, const struct object *set,
                             const char *name)
{
    const struct set_view *v = set_view(set);
    struct view_cursor cur;
    bool is_live = strcmp(name, v->current_revision) == 0 || strcmp(name, v->update_revision) == 0;
    for (view_seek(&cur, view, KIND_POD, set->ns, NULL); cur.object && !is_live; view_next(&cur)) {
        const struct owner_ref *owner = object_controller(cur.object);
        const char *runs = object_label(cur.object, "controller-revision-hash");
        is_live = owner && strcmp(owner->uid, set->uid) == 0 && runs && strcmp(runs, name) == 0;
    }
    return is_live;
}

/* R57: history is bounded; a set that has what it wants keeps no more than it may, and the revision
 * that was the current one until it is looked at again. */
static void check_history(struct sim *s, const struct store_view *view, const struct object *set)
{
    const struct set_view *v = set_view(set);
    struct view_cursor cur;
    unsigned count = 0;
    int32_t old = 0;
    bool has_all = !set->deleted_us && v->st_replicas == v->replicas &&
                   v->st_ready == v->replicas && v->st_updated == v->replicas;
    for (view_seek(&cur, view, KIND_REVISION, set->ns, NULL); cur.object; view_next(&cur)) {
        const struct owner_ref *owner = object_controller(cur.object);
        if (!owner || strcmp(owner->uid, set->uid) != 0)
            continue;
        count++;
        old += has_all && !is_live_revision(view, set, cur.object->name);
    }
    if (old > v->history_limit + 1)
        sim_broken(s, "%s keeps %d old revisions, and may %d (R57)", set->key, old,
                   v->history_limit);
    if (count > REVISIONS_MOST)
        sim_broken(s, "%s has %u revisions (R57)", set->key, count);
}

/* R66: what nobody owns any more is collected. */
static void check_owned(struct sim *s, const struct store_view *view, const struct object *obj)
{
    bool is_owned = obj->owner_count == 0;
    for (size_t i = 0; i < obj->owner_count; i++) {
        const struct object *owner =
            view_find(view, KIND_STATEFULSET, obj->ns, obj->owners[i].name);
        is_owned |= owner && strcmp(owner->uid, obj->owners[i].uid) == 0;
    }
    if (!is_owned)
        sim_broken(s, "%s is left behind by its owners (R66)", obj->key);
}

/* ---- storage ---- */

static void check_volume(struct sim *s, const struct store_view *view, const struct object *volume)
{
    const struct volume_view *v = volume_view(volume);
    const struct object *claim = view_find(view, KIND_PVC, v->claim_ns, v->claim_name);
    if (strcmp(v->phase, "Bound") == 0 &&
        (!claim || strcmp(claim_view(claim)->volume_name, volume->name) != 0))
        sim_broken(s, "%s is Bound to nobody", volume->key);
}

static void check_claim(struct sim *s, const struct store_view *view, const struct object *claim)
{
    const struct claim_view *v = claim_view(claim);
    if (strcmp(v->phase, "Bound") != 0)
        return;
    const struct object *volume = view_find(view, KIND_PV, "", v->volume_name);
    if (!volume || strcmp(volume_view(volume)->claim_uid, claim->uid) != 0)
        sim_broken(s, "%s is Bound to %s, which is not its volume (R81)", claim->key,
                   v->volume_name);
    /* A claim that is Bound keeps the capacity it was bound with, also when somebody puts another
     * volume of that name in the place of one that was torn away. */
    bool is_replaced = keymap_has(&s->lost, v->volume_name);
    if (v->capacity_bytes != volume_view(volume)->capacity_bytes && !is_replaced)
        sim_broken(s, "%s has not the capacity of its volume (R81)", claim->key);
    if (strcmp(v->class_name, "late") == 0 && v->capacity_bytes < v->request_bytes &&
        !claim->deleted_us)
        sim_broken(s, "%s was not expanded (R85)", claim->key);
}

/* ---- identities (DESIGN section 4) ---- */

static void check_claim_epochs(struct sim *s, const struct store_view *view,
                               const struct object *pod)
{
    const struct pod_view *v = pod_view(pod);
    for (size_t i = 0; i < v->claim_count; i++) {
        char text[24] = "";
        const struct object *claim = view_find(view, KIND_PVC, pod->ns, v->claims[i].claim);
        if (claim && (!object_annotation(claim, "ordinald.dev/epoch", text, sizeof text) ||
                      strtoull(text, NULL, 10) != v->epoch))
            sim_broken(s, "%s holds %s in epoch %llu, and the claim says \"%s\"", pod->key,
                       claim->name, (unsigned long long)v->epoch, text);
    }
}

static void check_identity(struct sim *s, const struct store_view *view, const struct object *pod)
{
    struct member m;
    if (!sim_member_of(view, pod, &m))
        return;
    const struct pod_view *v = pod_view(pod);
    const struct object *obj = view_find(view, KIND_IDENTITY, pod->ns, pod->name);
    const struct identity_view *identity = obj ? identity_view(obj) : NULL;
    if (!identity || strcmp(identity->pod_uid, pod->uid) != 0 || identity->epoch != v->epoch)
        sim_broken(s, "%s in epoch %llu is not who its identity says: %s", pod->key,
                   (unsigned long long)v->epoch, obj ? obj->text : "none");
    check_claim_epochs(s, view, pod);
}

/* A fence goes when the node has spoken, and not before (R44). */
static void check_fences(struct sim *s, const struct store_view *view,
                         const struct object *identity)
{
    const struct identity_view *v = identity_view(identity);
    for (size_t i = 0; i < v->fenced_count; i++) {
        const char *name = v->fenced_nodes[i] ? v->fenced_nodes[i] : "";
        unsigned node = sim_node_index(name);
        if (node < SIM_NODES && sim_node_answers(s, node) && view_find(view, KIND_NODE, "", name))
            sim_broken(s, "%s fences %s, and %s has told its end (R44)", identity->key,
                       v->fenced_uids[i], name);
    }
}

/* Every incarnation that was freed and may live is fenced, with its addresses. */
static void check_fence(struct sim *s, const struct store_view *view, const struct incarnation *it)
{
    char ns[NAME_SIZE];
    const char *slash = strchr(it->path, '/');
    (void)snprintf(ns, sizeof ns, "%.*s", (int)(slash - it->path), it->path);
    const struct object *obj = view_find(view, KIND_IDENTITY, ns, slash + 1);
    const struct identity_view *v = obj ? identity_view(obj) : NULL;
    for (size_t i = 0; v && i < v->fenced_count; i++)
        if (strcmp(v->fenced_uids[i], it->uid) == 0) {
            if (it->ip_count > 0 && v->address_count == 0)
                sim_broken(s, "%s %s is fenced, and its addresses are not (R44)", it->path,
                           it->uid);
            return;
        }
    sim_broken(s, "%s %s may live on %s, and is not fenced (R44)", it->path, it->uid,
               sim_node_name(it->node));
}

static void check_incarnations(struct sim *s, const struct object *identity)
{
    cJSON *tree = object_tree(identity);
    int count = cJSON_GetArraySize(json_get(tree, "incarnations"));
    cJSON_Delete(tree);
    if (count > INCARNATIONS_MOST)
        sim_broken(s, "%s remembers %d incarnations", identity->key, count);
}

static void each(struct sim *s, enum kind_id kind,
                 void (*check)(struct sim *s, const struct store_view *view,
                               const struct object *obj))
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, kind, NULL, NULL); cur.object; view_next(&cur))
        check(s, &view, cur.object);
}

void sim_check_rest(struct sim *s)
{
    struct store_view view = store_applied(s->w.store);
    each(s, KIND_SERVICE, check_slices);
    each(s, KIND_SLICE, check_slice_owner);
    each(s, KIND_STATEFULSET, check_set_status);
    each(s, KIND_STATEFULSET, check_history);
    each(s, KIND_REPLICASET, check_replicaset_status);
    each(s, KIND_PV, check_volume);
    each(s, KIND_PVC, check_claim);
    each(s, KIND_CONFIGMAP, check_owned);
    each(s, KIND_POD, check_identity);
    each(s, KIND_IDENTITY, check_fences);
    for (size_t i = 0; i < s->running_count; i++)
        if (s->running[i].is_freed)
            check_fence(s, &view, &s->running[i]);
}

/* ---- when all is healed ---- */

static void check_set_alive(struct sim *s, const struct store_view *view, const struct object *set)
{
    const struct set_view *v = set_view(set);
    if (set->deleted_us || v->st_replicas != v->replicas || v->st_ready != v->replicas ||
        v->st_available != v->replicas) {
        sim_show(view, set);
        sim_broken(s, "%s%s has %d pods, %d ready, and wants %d", set->key,
                   set->deleted_us ? " is being deleted and" : "", v->st_replicas, v->st_ready,
                   v->replicas);
    }
    for (int32_t i = 0; i < v->replicas; i++) {
        char name[NAME_SIZE];
        (void)snprintf(name, sizeof name, "%s-%d", set->name, v->start + i);
        const struct object *pod = view_find(view, KIND_POD, set->ns, name);
        const char *revision = pod ? object_label(pod, "controller-revision-hash") : NULL;
        bool is_updated = !v->on_delete && (!v->has_rolling || i >= v->partition);
        if (!pod || (is_updated && (!revision || strcmp(revision, v->update_revision) != 0)))
            sim_broken(s, "%s %s (R52)", name, pod ? "was not updated" : "is missing");
    }
}

static void check_replicaset_alive(struct sim *s, const struct store_view *view,
                                   const struct object *set)
{
    const struct replicaset_view *v = replicaset_view(set);
    if (!set->deleted_us && v->st_replicas == v->replicas && v->st_available == v->replicas)
        return;
    sim_show(view, set);
    sim_broken(s, "%s has %d pods, %d ready, and wants %d", set->key, v->st_replicas, v->st_ready,
               v->replicas);
}

static void check_gone(struct sim *s, const struct store_view *view, const struct object *obj)
{
    (void)view;
    if (obj->deleted_us)
        sim_broken(s, "%s is still being deleted: %s", obj->key, obj->text);
}

/* No fence is left, so no address is kept from the pool. */
static void check_released(struct sim *s, const struct store_view *view,
                           const struct object *identity)
{
    (void)view;
    check_incarnations(s, identity);
    if (identity_view(identity)->fenced_count > 0 || identity_view(identity)->address_count > 0)
        sim_broken(s, "%s keeps addresses though all nodes have spoken: %s", identity->key,
                   identity->text);
}

void sim_check_alive(struct sim *s)
{
    each(s, KIND_STATEFULSET, check_set_alive);
    each(s, KIND_REPLICASET, check_replicaset_alive);
    each(s, KIND_POD, check_gone);
    each(s, KIND_NAMESPACE, check_gone);
    each(s, KIND_IDENTITY, check_released);
}
