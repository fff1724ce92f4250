/* Who may make and end what: each write is judged as it is put on the head, because the head is
 * what its writer saw. */
#include "base/clock.h"
#include "tests/scenario/sim.h"

/* ---- sets and their pods ---- */

bool sim_member_of(const struct store_view *view, const struct object *pod, struct member *out)
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
    return pod && sim_member_of(view, pod, &m) && m.set == set ? pod : NULL;
}

/* R31, not terminating. */
static bool is_well(const struct set_view *set, const struct object *pod)
{
    return pod && !pod->deleted_us && pod_view(pod)->phase == POD_RUNNING && pod_view(pod)->ready &&
           pod_view(pod)->ready_since_us + set->min_ready_s * SECOND <= clock_now_us();
}

bool sim_is_namespace_going(const struct store_view *view, const char *ns)
{
    const struct object *found = view_find(view, KIND_NAMESPACE, "", ns);
    return !found || found->deleted_us || namespace_view(found)->terminating;
}

bool sim_is_over(const struct object *pod)
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
    if (!sim_member_of(view, pod, &m))
        return;
    const struct set_view *set = set_view(m.set);
    if (m.set->deleted_us)
        sim_broken(s, "%s made for a set that is being deleted (R62)", pod->key);
    if (!is_in_range(set, m.ordinal))
        sim_broken(s, "%s made out of range (R34)", pod->key);
    for (int i = set->start; i < m.ordinal && !set->parallel; i++)
        if (!is_well(set, pod_at(view, m.set, i)))
            sim_broken(s, "%s made before ordinal %d is ready (R29)", pod->key, i);
}

/* Somebody other than the set's controller may have deleted it. */
static bool is_others_doing(const struct sim *s, const struct store_view *view,
                            const struct object *pod)
{
    const struct object *node = view_find(view, KIND_NODE, "", pod_view(pod)->node);
    return keymap_has(&s->asked, pod->uid) || sim_is_over(pod) ||
           sim_is_namespace_going(view, pod->ns) ||
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
        if (!is_well(set, pod_at(view, m->set, i)))
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

/* R56: of the set's other pods, those that do not serve, without those that are old themselves and
 * wait to be replaced. */
static int unavailable(const struct store_view *view, const struct object *set, int except)
{
    const struct set_view *v = set_view(set);
    int count = 0;
    for (int i = v->start; i < v->start + v->replicas; i++) {
        const struct object *pod = pod_at(view, set, i);
        const char *revision = pod ? object_label(pod, "controller-revision-hash") : NULL;
        bool is_old = revision && strcmp(revision, v->update_revision) != 0;
        bool is_waiting = pod && is_old && !pod->deleted_us && i >= v->start + v->partition;
        count += i != except && !is_well(v, pod) && !is_waiting;
    }
    return count;
}

static int most_unavailable(const struct set_view *set)
{
    char *end = NULL;
    long value = strtol(set->max_unavailable, &end, 10);
    if (*end == '%')
        value = value * set->replicas / 100;
    return value < 1 ? 1 : (int)value;
}

/* R52, R54: an update deletes one pod, the highest first, and waits until it is back; or as many as
 * maxUnavailable lets (R56). */
static void check_update(struct sim *s, const struct store_view *view, const struct member *m,
                         const struct object *pod)
{
    const struct set_view *set = set_view(m->set);
    if (set->on_delete)
        sim_broken(s, "%s deleted although the strategy is OnDelete (R54)", pod->key);
    if (m->ordinal < set->start + set->partition)
        sim_broken(s, "%s deleted below the partition (R52)", pod->key);
    bool is_known = set->observed_generation == m->set->generation; /* which pods are old */
    const char *revision = object_label(pod, "controller-revision-hash");
    if (revision && strcmp(revision, set->update_revision) == 0 && is_known)
        sim_broken(s, "%s deleted for an update, and is of that revision (R52)", pod->key);
    bool is_stuck = set->replace_stuck && !is_well(set, pod); /* R55 */
    int first = set->parallel ? m->ordinal + 1 : set->start;
    int end = is_stuck ? m->ordinal : set->start + set->replicas;
    int lacking = unavailable(view, m->set, m->ordinal);
    if (*set->max_unavailable && is_known && !is_stuck && lacking >= most_unavailable(set)) {
        sim_show(view, m->set);
        sim_broken(s, "%s updated while %d of %d are unavailable already (R56)", pod->key, lacking,
                   set->replicas);
    }
    for (int i = first; i < end && !*set->max_unavailable; i++)
        if (i != m->ordinal && !is_well(set, pod_at(view, m->set, i)))
            sim_broken(s, "%s updated while ordinal %d is not ready (R52)", pod->key, i);
}

static void check_delete_pod(struct sim *s, const struct store_view *view, const struct object *pod)
{
    struct member m;
    if (!sim_member_of(view, pod, &m) || m.set->deleted_us || is_others_doing(s, view, pod))
        return;
    const char *app = object_label(pod, "app");
    if (!app || strcmp(app, m.set->name) != 0)
        sim_broken(s, "%s deleted by its set, whose selector it does not match (R61)", pod->key);
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
    if (keymap_has(&s->asked, claim->uid) || sim_is_namespace_going(view, claim->ns))
        return;
    if (claim->owner_count == 0)
        sim_broken(s, "%s deleted, and nobody asked for it (R17)", claim->key);
    for (size_t i = 0; i < claim->owner_count; i++)
        if (is_owner_there(view, claim, &claim->owners[i]))
            sim_broken(s, "%s deleted while its owner %s lives (R66)", claim->key,
                       claim->owners[i].name);
}

static const struct owner_ref *pod_owner(const struct object *claim)
{
    for (size_t i = 0; claim && i < claim->owner_count; i++)
        if (strcmp(claim->owners[i].kind, "Pod") == 0)
            return &claim->owners[i];
    return NULL;
}

/* R66: what sets own goes with the last of them, unless a user deletes it. */
static void check_collect(struct sim *s, const struct store_view *view, const struct object *obj)
{
    for (size_t i = 0; i < obj->owner_count && !s->is_asking; i++)
        if (is_owner_there(view, obj, &obj->owners[i]))
            sim_broken(s, "%s deleted while its owner %s lives (R66)", obj->key,
                       obj->owners[i].name);
}

/* R57: of its history a set forgets what no pod of it runs. */
static void check_prune(struct sim *s, const struct store_view *view, const struct object *revision)
{
    const struct owner_ref *owner = object_controller(revision);
    const struct object *set =
        owner ? view_find(view, KIND_STATEFULSET, revision->ns, owner->name) : NULL;
    struct view_cursor cur;
    struct member m;
    if (!set || set->deleted_us || strcmp(set->uid, owner->uid) != 0 || s->is_asking ||
        sim_is_namespace_going(view, revision->ns))
        return;
    for (view_seek(&cur, view, KIND_POD, revision->ns, NULL); cur.object; view_next(&cur)) {
        const char *runs = object_label(cur.object, "controller-revision-hash");
        if (runs && strcmp(runs, revision->name) == 0 && sim_member_of(view, cur.object, &m) &&
            m.set == set)
            sim_broken(s, "%s deleted, and %s runs it (R57)", revision->key, cur.object->key);
    }
}

/* R21: only a pod that scaling removes takes its claim with it. */
static void check_claim_owner(struct sim *s, const struct store_view *view,
                              const struct object *before, const struct object *after)
{
    const struct owner_ref *owner = pod_owner(after);
    if (!owner || pod_owner(before))
        return;
    const struct object *pod = view_find(view, KIND_POD, after->ns, owner->name);
    struct member m;
    if (!pod || !sim_member_of(view, pod, &m) || is_in_range(set_view(m.set), m.ordinal) ||
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
    if (strcmp(was->phase, "Bound") == 0 && strcmp(now->phase, "Bound") != 0 &&
        !keymap_has(&s->lost, was->volume_name)) /* R82 */
        sim_broken(s, "%s was Bound and is %s", after->key, now->phase);
}

static void check_delete_volume(struct sim *s, const struct store_view *view,
                                const struct object *volume)
{
    if (keymap_has(&s->asked, volume->uid))
        return;
    const struct volume_view *v = volume_view(volume);
    const struct object *claim =
        *v->claim_name ? view_find(view, KIND_PVC, v->claim_ns, v->claim_name) : NULL;
    if (claim && strcmp(claim->uid, v->claim_uid) == 0)
        sim_broken(s, "%s deleted while its claim lives (R83)", volume->key);
    if (strcmp(v->reclaim_policy, "Delete") != 0)
        sim_broken(s, "%s deleted, and its policy is %s (R83)", volume->key, v->reclaim_policy);
    if (strcmp(v->phase, "Released") != 0)
        sim_broken(s, "%s deleted, and it is %s (R83)", volume->key, v->phase);
}

/* A volume serves one claim until somebody clears it (R83). */
static void check_volume(struct sim *s, const struct object *before, const struct object *after)
{
    const struct volume_view *was = volume_view(before), *now = volume_view(after);
    if (*was->claim_uid && *now->claim_uid && strcmp(was->claim_uid, now->claim_uid) != 0)
        sim_broken(s, "%s was of claim %s and is of claim %s", after->key, was->claim_uid,
                   now->claim_uid);
}

static bool is_leaving(const struct object *before, const struct object *after)
{
    return before && !before->deleted_us && (!after || after->deleted_us);
}

static bool is_same(const struct object *before, const struct object *after)
{
    return before && after && strcmp(before->uid, after->uid) == 0;
}

static void stage_pod(struct sim *s, const struct store_view *view, const struct object *before,
                      const struct object *after)
{
    if (!before)
        check_create(s, view, after);
    else if (is_leaving(before, after))
        check_delete_pod(s, view, before);
    bool was_told = before && (before->deleted_us || !*pod_view(before)->node ||
                               sim_is_over(before) || keymap_has(&s->forced, before->uid) ||
                               !view_find(view, KIND_NODE, "", pod_view(before)->node));
    if (before && !after && !was_told)
        sim_broken(s, "%s removed without having been deleted (R42)", before->key);
    if (before && !after && object_has_finalizer(before, HOLD) && !s->is_releasing)
        sim_broken(s, "%s removed although a finalizer holds it (R45)", before->key);
    if (is_same(before, after) && sim_is_over(before) &&
        pod_view(before)->phase != pod_view(after)->phase)
        sim_broken(s, "%s was over and is not any more (R87)", after->key);
    if (is_same(before, after) && *pod_view(before)->node &&
        strcmp(pod_view(before)->node, pod_view(after)->node) != 0)
        sim_broken(s, "%s moved from %s to %s (R88)", after->key, pod_view(before)->node,
                   pod_view(after)->node);
    const struct owner_ref *was = is_same(before, after) ? object_controller(before) : NULL;
    const struct owner_ref *now = was ? object_controller(after) : NULL;
    if (now && !s->is_asking && strcmp(was->uid, now->uid) != 0)
        sim_broken(s, "%s was taken from its controller %s (R60)", after->key, was->name);
    size_t controllers = 0;
    for (size_t i = 0; after && i < after->owner_count; i++)
        controllers += after->owners[i].controller;
    if (controllers > 1)
        sim_broken(s, "%s has %zu controllers (R60)", after->key, controllers);
}

/* R63: an owner that goes in the foreground waits for the dependants that block it, unless a user
 * changes his mind. */
static void check_foreground(struct sim *s, const struct store_view *view,
                             const struct object *owner)
{
    char term[INDEX_TERM_MAX];
    if (s->is_asking || !object_has_finalizer(owner, "foregroundDeletion"))
        return;
    index_owner(term, owner->uid);
    for (int i = 0; i < KIND_COUNT; i++) {
        struct index_cursor cur;
        for (index_seek(&cur, view, (enum kind_id)i, term); cur.object; index_next(&cur))
            for (size_t k = 0; k < cur.object->owner_count; k++)
                if (cur.object->owners[k].block_owner_deletion &&
                    strcmp(cur.object->owners[k].uid, owner->uid) == 0)
                    sim_broken(s, "%s went before %s, which blocks it (R63)", owner->key,
                               cur.object->key);
    }
}

/* As each unit is put on the head: the head is what its writer saw, and its writes. */
static void on_stage(void *arg, const struct store_change *change)
{
    struct sim *s = arg;
    const struct object *before = change->before, *after = change->after;
    struct store_view view = store_head(s->w.store);
    const struct object *obj = after ? after : before;
    if (obj->kind->id == KIND_POD) {
        stage_pod(s, &view, before, after);
    } else if (obj->kind->id == KIND_PVC) {
        if (is_leaving(before, after))
            check_delete_claim(s, &view, before);
        if (after)
            check_claim_owner(s, &view, before, after);
        if (is_same(before, after))
            check_claim_binding(s, before, after);
    } else if (obj->kind->id == KIND_PV) {
        if (is_leaving(before, after))
            check_delete_volume(s, &view, before);
        if (is_same(before, after))
            check_volume(s, before, after);
    } else if (obj->kind->id == KIND_CONFIGMAP) {
        if (is_leaving(before, after))
            check_collect(s, &view, before);
    } else if (obj->kind->id == KIND_REVISION) {
        if (is_leaving(before, after))
            check_prune(s, &view, before);
    } else if (obj->kind->id == KIND_NODE) {
        sim_check_node(s, &view, change);
    } else if ((obj->kind->id == KIND_STATEFULSET || obj->kind->id == KIND_REPLICASET) &&
               !is_same(before, after) && before) {
        check_foreground(s, &view, before);
    }
}

static void on_apply(void *arg, const struct store_batch *batch)
{
    struct sim *s = arg;
    s->commits++;
    sim_runs_apply(s, batch);
}

void sim_check_hook(struct sim *s)
{
    store_on_stage(s->w.store, on_stage, s);
    store_on_apply(s->w.store, on_apply, s);
}
