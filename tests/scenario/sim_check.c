#include "tests/scenario/sim.h"

/* ---- nodes ---- */

unsigned sim_node_index(const char *name)
{
    unsigned long n = strncmp(name, "node", 4) == 0 ? strtoul(name + 4, NULL, 10) : 0;
    return n > 0 && n <= SIM_NODES ? (unsigned)n - 1 : SIM_NODES;
}

bool sim_node_answers(const struct sim *s, unsigned node)
{
    return node >= SIM_NODES || (!s->nodes[node].is_silent && !s->nodes[node].holds);
}

/* ---- sets and their pods ---- */

struct member {
    const struct object *set;
    int ordinal;
};

/* The set that controls the pod, in the view, and the pod's ordinal. */
static bool member_of(const struct store_view *view, const struct object *pod, struct member *out)
{
    const struct owner_ref *owner = object_controller(pod);
    const char *dash = strrchr(pod->name, '-');
    if (!owner || strcmp(owner->kind, "StatefulSet") != 0 || !dash)
        return false;
    out->set = view_find(view, KIND_STATEFULSET, pod->ns, owner->name);
    out->ordinal = (int)strtol(dash + 1, NULL, 10);
    return out->set && strcmp(out->set->uid, owner->uid) == 0;
}

static const struct object *pod_at(const struct store_view *view, const struct object *set,
                                   int ordinal)
{
    char name[80];
    struct member m;
    (void)snprintf(name, sizeof name, "%s-%d", set->name, ordinal);
    const struct object *pod = view_find(view, KIND_POD, set->ns, name);
    return pod && member_of(view, pod, &m) && m.set == set ? pod : NULL;
}

static bool is_well(const struct object *pod)
{
    return pod && !pod->deleted_us && pod_view(pod)->phase == POD_RUNNING && pod_view(pod)->ready;
}

static bool is_over(const struct object *pod)
{
    return pod_view(pod)->phase == POD_FAILED || pod_view(pod)->phase == POD_SUCCEEDED;
}

static bool is_in_range(const struct set_view *set, int ordinal)
{
    return ordinal >= set->start && ordinal < set->start + set->replicas;
}

/* R29, R39, R62. */
static void check_create(struct sim *s, const struct store_view *view, const struct object *pod)
{
    struct member m;
    if (!member_of(view, pod, &m))
        return;
    const struct set_view *set = set_view(m.set);
    if (m.set->deleted_us)
        sim_broken(s, "%s made for a set that is being deleted (R62)", pod->key);
    if (!is_in_range(set, m.ordinal))
        sim_broken(s, "%s made out of range (R34)", pod->key);
    for (int i = set->start; i < m.ordinal && !set->parallel; i++)
        if (!is_well(pod_at(view, m.set, i)))
            sim_broken(s, "%s made before ordinal %d is ready (R29)", pod->key, i);
}

/* Somebody other than the set's controller may have deleted it. */
static bool is_others_doing(const struct sim *s, const struct store_view *view,
                            const struct object *pod)
{
    const struct object *node = view_find(view, KIND_NODE, "", pod_view(pod)->node);
    return keymap_has(&s->asked, pod->uid) || is_over(pod) ||
           (*pod_view(pod)->node && (!node || node_view(node)->has_noexec));
}

/* R34, R35: descending, one at a time, after all in range are well. */
static void check_condemned(struct sim *s, const struct store_view *view, const struct member *m,
                            const struct object *pod)
{
    const struct set_view *set = set_view(m->set);
    if (set->parallel)
        return;
    for (int i = set->start; i < set->start + set->replicas; i++)
        if (!is_well(pod_at(view, m->set, i)))
            sim_broken(s, "%s removed while ordinal %d in range is not ready (R34)", pod->key, i);
    for (int i = 0; i < 16; i++) {
        const struct object *other = pod_at(view, m->set, i);
        if (i == m->ordinal || is_in_range(set, i) || !other)
            continue;
        if (i > m->ordinal)
            sim_broken(s, "%s removed before ordinal %d (R34)", pod->key, i);
        if (other->deleted_us)
            sim_broken(s, "%s removed while ordinal %d terminates (R35)", pod->key, i);
    }
}

/* R52, R54: an update deletes one pod, the highest first, and waits until it is back. */
static void check_update(struct sim *s, const struct store_view *view, const struct member *m,
                         const struct object *pod)
{
    const struct set_view *set = set_view(m->set);
    if (set->on_delete)
        sim_broken(s, "%s deleted although the strategy is OnDelete (R54)", pod->key);
    if (m->ordinal < set->start + set->partition)
        sim_broken(s, "%s deleted below the partition (R52)", pod->key);
    int first = set->parallel ? m->ordinal + 1 : set->start;
    for (int i = first; i < set->start + set->replicas; i++)
        if (i != m->ordinal && !is_well(pod_at(view, m->set, i)))
            sim_broken(s, "%s updated while ordinal %d is not ready (R52)", pod->key, i);
}

static void check_delete_pod(struct sim *s, const struct store_view *view, const struct object *pod)
{
    struct member m;
    if (!member_of(view, pod, &m) || m.set->deleted_us || is_others_doing(s, view, pod))
        return;
    if (is_in_range(set_view(m.set), m.ordinal))
        check_update(s, view, &m, pod);
    else
        check_condemned(s, view, &m, pod);
}

/* ---- claims (R17, R21, R22) ---- */

static bool is_owner_there(const struct store_view *view, const struct object *obj,
                           const struct owner_ref *ref)
{
    enum kind_id kind = strcmp(ref->kind, "Pod") == 0 ? KIND_POD : KIND_STATEFULSET;
    const struct object *owner = view_find(view, kind, obj->ns, ref->name);
    return owner && strcmp(owner->uid, ref->uid) == 0 &&
           !(owner->deleted_us && object_has_finalizer(owner, "foregroundDeletion"));
}

static void check_delete_claim(struct sim *s, const struct store_view *view,
                               const struct object *claim)
{
    if (keymap_has(&s->asked, claim->uid))
        return;
    if (claim->owner_count == 0)
        sim_broken(s, "%s deleted, and nobody asked for it (R17)", claim->key);
    for (size_t i = 0; i < claim->owner_count; i++)
        if (is_owner_there(view, claim, &claim->owners[i]))
            sim_broken(s, "%s deleted while its owner %s lives (R66)", claim->key,
                       claim->owners[i].name);
}

static bool has_pod_owner(const struct object *claim)
{
    for (size_t i = 0; claim && i < claim->owner_count; i++)
        if (strcmp(claim->owners[i].kind, "Pod") == 0)
            return true;
    return false;
}

/* R21: only a pod that scaling removes takes its claim with it. */
static void check_claim_owner(struct sim *s, const struct store_view *view,
                              const struct object *before, const struct object *after)
{
    if (has_pod_owner(before) || !has_pod_owner(after))
        return;
    const struct object *pod = view_find(view, KIND_POD, after->ns, after->owners[0].name);
    struct member m;
    if (!pod || !member_of(view, pod, &m) || is_in_range(set_view(m.set), m.ordinal) ||
        !set_view(m.set)->when_scaled_delete)
        sim_broken(s, "%s belongs to a pod that is not condemned (R21)", after->key);
}

static void check_claim_binding(struct sim *s, const struct object *before,
                                const struct object *after)
{
    const struct claim_view *was = claim_view(before), *now = claim_view(after);
    if (*was->volume_name && strcmp(was->volume_name, now->volume_name) != 0)
        sim_broken(s, "%s was bound to %s and is bound to \"%s\"", after->key, was->volume_name,
                   now->volume_name);
    if (strcmp(was->phase, "Bound") == 0 && strcmp(now->phase, "Bound") != 0)
        sim_broken(s, "%s was Bound and is %s", after->key, now->phase);
}

static void check_delete_volume(struct sim *s, const struct store_view *view,
                                const struct object *volume)
{
    const struct volume_view *v = volume_view(volume);
    const struct object *claim =
        *v->claim_name ? view_find(view, KIND_PVC, v->claim_ns, v->claim_name) : NULL;
    if (claim && strcmp(claim->uid, v->claim_uid) == 0)
        sim_broken(s, "%s deleted while its claim lives (R83)", volume->key);
}

static bool is_leaving(const struct object *before, const struct object *after)
{
    return before && !before->deleted_us && (!after || after->deleted_us);
}

/* As each unit is put on the head: the head is what its writer saw, and its writes. */
static void on_stage(void *arg, const struct store_change *change)
{
    struct sim *s = arg;
    const struct object *before = change->before, *after = change->after;
    struct store_view view = store_head(s->w.store);
    const struct object *obj = after ? after : before;
    if (obj->kind->id == KIND_POD) {
        if (!before)
            check_create(s, &view, after);
        else if (is_leaving(before, after))
            check_delete_pod(s, &view, before);
        if (before && !after && !before->deleted_us && *pod_view(before)->node &&
            !is_over(before) && !keymap_has(&s->forced, before->uid) &&
            view_find(&view, KIND_NODE, "", pod_view(before)->node))
            sim_broken(s, "%s removed without having been deleted (R42)", before->key);
    } else if (obj->kind->id == KIND_PVC) {
        if (is_leaving(before, after))
            check_delete_claim(s, &view, before);
        if (after)
            check_claim_owner(s, &view, before, after);
        if (before && after && strcmp(before->uid, after->uid) == 0)
            check_claim_binding(s, before, after);
    } else if (obj->kind->id == KIND_PV && is_leaving(before, after)) {
        check_delete_volume(s, &view, before);
    }
}

/* ---- what runs ---- */

static struct incarnation *find_running(struct sim *s, const char *uid)
{
    for (size_t i = 0; i < s->running_count; i++)
        if (strcmp(s->running[i].uid, uid) == 0)
            return &s->running[i];
    return NULL;
}

static void end_running(struct sim *s, struct incarnation *it)
{
    *it = s->running[--s->running_count];
}

static void keep_addresses(struct incarnation *it, const struct pod_view *pod)
{
    it->ip_count = 0;
    for (size_t i = 0; i < pod->ip_count && i < 2; i++)
        (void)snprintf(it->ips[it->ip_count++], sizeof it->ips[0], "%s", pod->ips[i]);
}

/* A pod that its node has taken up. */
static void on_seen(struct sim *s, const struct object *pod)
{
    const struct pod_view *v = pod_view(pod);
    if (!*v->node || !(v->initialized_by_node || v->ip_count > 0 || v->phase == POD_RUNNING) ||
        is_over(pod))
        return;
    struct incarnation *it = find_running(s, pod->uid);
    if (!it) {
        if (s->running_count == s->running_cap) {
            s->running_cap = s->running_cap ? s->running_cap * 2 : 32;
            s->running = xrealloc(s->running, s->running_cap * sizeof *s->running);
        }
        it = &s->running[s->running_count++];
        *it = (struct incarnation){.node = sim_node_index(v->node)};
        (void)snprintf(it->name, sizeof it->name, "%s", pod->name);
        (void)snprintf(it->uid, sizeof it->uid, "%s", pod->uid);
    }
    keep_addresses(it, v);
}

/* R41-R43: the name is given away. By whose word? */
static void on_removed(struct sim *s, const struct store_view *view, const struct object *pod)
{
    struct incarnation *it = find_running(s, pod->uid);
    const struct pod_view *v = pod_view(pod);
    if (!it)
        return; /* it never reached its node */
    bool node_is_gone = !view_find(view, KIND_NODE, "", v->node);
    if (is_over(pod) || node_is_gone || sim_node_answers(s, it->node)) {
        end_running(s, it); /* R43 b, c; R42 */
    } else if (keymap_has(&s->forced, pod->uid)) {
        it->is_freed = true; /* R43 a */
    } else {
        sim_broken(s, "%s removed, but node%u has not said that it stopped (R41)", pod->key,
                   it->node + 1);
    }
}

static void check_addresses(struct sim *s, const struct store_view *view, const struct object *pod)
{
    const struct pod_view *v = pod_view(pod);
    for (size_t i = 0; i < v->ip_count && !is_over(pod); i++) {
        char term[INDEX_TERM_MAX];
        struct index_cursor cur;
        index_address(term, v->ips[i]);
        for (index_seek(&cur, view, KIND_POD, term); cur.object; index_next(&cur))
            if (cur.object != pod && !is_over(cur.object))
                sim_broken(s, "%s and %s both hold %s", pod->key, cur.object->key, v->ips[i]);
        for (size_t k = 0; k < s->running_count; k++)
            for (size_t n = 0; n < s->running[k].ip_count; n++)
                if (s->running[k].is_freed && strcmp(s->running[k].ips[n], v->ips[i]) == 0 &&
                    strcmp(s->running[k].uid, pod->uid) != 0)
                    sim_broken(s, "%s got %s, which a fenced %s may still hold (R44)", pod->key,
                               v->ips[i], s->running[k].name);
    }
}

static void on_created(struct sim *s, const struct object *pod)
{
    for (size_t i = 0; i < s->running_count; i++)
        if (strcmp(s->running[i].name, pod->name) == 0 && !s->running[i].is_freed &&
            strcmp(s->running[i].uid, pod->uid) != 0)
            sim_broken(s, "%s made while its forerunner may run on node%u (R41)", pod->key,
                       s->running[i].node + 1);
    void **epoch = keymap_put(&s->epochs, pod->name);
    uint64_t last = (uintptr_t)*epoch;
    if (pod_view(pod)->epoch <= last)
        sim_broken(s, "%s has epoch %llu after %llu", pod->key,
                   (unsigned long long)pod_view(pod)->epoch, (unsigned long long)last);
    *epoch = (void *)(uintptr_t)pod_view(pod)->epoch; /* NOLINT(performance-no-int-to-ptr) */
}

/* One claim, one live pod (its fenced forerunners aside). */
static void check_claims_of(struct sim *s, const struct store_view *view, const struct object *pod)
{
    const struct pod_view *v = pod_view(pod);
    for (size_t i = 0; i < v->claim_count && !is_over(pod); i++) {
        char term[INDEX_TERM_MAX];
        struct index_cursor cur;
        index_claim(term, pod->ns, v->claims[i].claim);
        for (index_seek(&cur, view, KIND_POD, term); cur.object; index_next(&cur))
            if (cur.object != pod && !is_over(cur.object))
                sim_broken(s, "claim %s is mounted by %s and %s", v->claims[i].claim, pod->key,
                           cur.object->key);
        const struct object *claim = view_find(view, KIND_PVC, pod->ns, v->claims[i].claim);
        if (v->phase == POD_RUNNING && (!claim || strcmp(claim_view(claim)->phase, "Bound") != 0))
            sim_broken(s, "%s runs and its claim %s is %s", pod->key, v->claims[i].claim,
                       claim ? claim_view(claim)->phase : "not there");
    }
}

static void on_apply(void *arg, const struct store_batch *batch)
{
    struct sim *s = arg;
    struct store_view view = store_applied(s->w.store);
    s->commits++;
    for (size_t i = 0; i < batch->count; i++) {
        const struct object *before = batch->changes[i].before, *after = batch->changes[i].after;
        const struct object *obj = after ? after : before;
        if (obj->kind->id == KIND_NODE && !after)
            sim_node_spoke(s, sim_node_index(before->name)); /* declared gone (R44) */
        if (obj->kind->id != KIND_POD)
            continue;
        bool is_same = before && after && strcmp(before->uid, after->uid) == 0;
        if (before && !is_same)
            on_removed(s, &view, before);
        if (!after)
            continue;
        if (!is_same)
            on_created(s, after);
        if (view_find(&view, KIND_POD, after->ns, after->name) == after) {
            check_addresses(s, &view, after);
            check_claims_of(s, &view, after);
        }
        on_seen(s, after);
    }
}

void sim_check_reloaded(struct sim *s)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    for (size_t i = s->running_count; i-- > 0;) {
        struct incarnation *it = &s->running[i];
        char node[16];
        (void)snprintf(node, sizeof node, "node%u", it->node + 1);
        const struct object *pod = view_find(&view, KIND_POD, "default", it->name);
        if (it->is_freed || (pod && strcmp(pod->uid, it->uid) == 0))
            continue;
        if (sim_node_answers(s, it->node) || !view_find(&view, KIND_NODE, "", node))
            end_running(s, it);
        else if (keymap_has(&s->forced, it->uid))
            it->is_freed = true;
        else
            sim_broken(s, "after the crash %s is gone, but node%u has not said so (R41)", it->name,
                       it->node + 1);
    }
    for (view_seek(&cur, &view, KIND_POD, "default", NULL); cur.object; view_next(&cur)) {
        on_seen(s, cur.object);
        check_addresses(s, &view, cur.object);
    }
}

void sim_check_hook(struct sim *s)
{
    store_on_stage(s->w.store, on_stage, s);
    store_on_apply(s->w.store, on_apply, s);
}

void sim_node_spoke(struct sim *s, unsigned node)
{
    for (size_t i = s->running_count; i-- > 0;)
        if (s->running[i].node == node && s->running[i].is_freed)
            end_running(s, &s->running[i]);
}

/* ---- at rest ---- */

static void check_endpoint(struct sim *s, const struct store_view *view, const struct object *slice,
                           const struct endpoint_view *endpoint)
{
    const struct object *pod = view_find(view, KIND_POD, slice->ns, endpoint->target_name);
    if (!pod || strcmp(pod->uid, endpoint->target_uid) != 0)
        sim_broken(s, "%s publishes %s of %s %s, which is gone", slice->key, endpoint->addresses[0],
                   endpoint->target_name, endpoint->target_uid);
    const struct pod_view *v = pod_view(pod);
    for (size_t i = 0; i < v->ip_count; i++)
        if (strcmp(v->ips[i], endpoint->addresses[0]) == 0)
            return;
    sim_broken(s, "%s publishes %s, which %s does not hold", slice->key, endpoint->addresses[0],
               pod->key);
}

void sim_check_rest(struct sim *s)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_SLICE, NULL, NULL); cur.object; view_next(&cur))
        for (size_t i = 0; i < slice_view(cur.object)->endpoint_count; i++)
            check_endpoint(s, &view, cur.object, &slice_view(cur.object)->endpoints[i]);
    for (view_seek(&cur, &view, KIND_PV, NULL, NULL); cur.object; view_next(&cur)) {
        const struct volume_view *v = volume_view(cur.object);
        const struct object *claim = view_find(&view, KIND_PVC, v->claim_ns, v->claim_name);
        if (strcmp(v->phase, "Bound") == 0 &&
            (!claim || strcmp(claim_view(claim)->volume_name, cur.object->name) != 0))
            sim_broken(s, "%s is Bound to nobody", cur.object->key);
    }
}

/* What depends on it, for the person who reads the failure. */
static void show_dependants(const struct store_view *view, const struct object *owner)
{
    char term[INDEX_TERM_MAX];
    index_owner(term, owner->uid);
    for (int i = 0; i < KIND_COUNT; i++) {
        struct index_cursor cur;
        for (index_seek(&cur, view, (enum kind_id)i, term); cur.object; index_next(&cur))
            (void)fprintf(stderr, "  depends on it: %s\n", cur.object->text);
    }
}

void sim_check_alive(struct sim *s)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_STATEFULSET, NULL, NULL); cur.object; view_next(&cur)) {
        const struct set_view *set = set_view(cur.object);
        if (cur.object->deleted_us) {
            show_dependants(&view, cur.object);
            sim_broken(s, "%s is still being deleted: %s", cur.object->key, cur.object->text);
        }
        if (set->st_replicas == set->replicas && set->st_ready == set->replicas)
            continue;
        show_dependants(&view, cur.object);
        sim_broken(s, "%s has %d pods, %d ready, and wants %d", cur.object->key, set->st_replicas,
                   set->st_ready, set->replicas);
    }
    for (view_seek(&cur, &view, KIND_POD, NULL, NULL); cur.object; view_next(&cur))
        if (cur.object->deleted_us)
            sim_broken(s, "%s is still being deleted", cur.object->key);
}
