/* controller/reconcile/statefulset.c - the StatefulSet controller: gathers the view, plans,
 * applies. statefulset.md sections 4 to 9.
 *
 * One sync sees one head; each step is one unit, so that a claim and its pod appear together (R14).
 * Staged writes queue the set again, and the next sync of the same turn sees them. What is read of
 * a pod and its claims is kept until one of them changes (set_members.h): the plan is made over all
 * pods each time, and costs little where few of them changed. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/reconcile/adoption.h"
#include "controller/reconcile/keymap.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/revision.h"
#include "controller/reconcile/runner.h"
#include "controller/reconcile/set_members.h"
#include "controller/reconcile/set_pod.h"
#include "controller/reconcile/set_revisions.h"
#include "controller/reconcile/set_waits.h"
#include "controller/reconcile/statefulset_plan.h"

#define COMPONENT "statefulset-controller"

struct statefulsets {
    struct set_waits *waits;
    struct keymap members; /* "ns/set" -> struct set_members * */
    const char *writing;   /* key whose status is being written */
};

/* ---- changes to keys ---- */

/* pod: the one that changed or "<set>-<ordinal>" of a claim that did; NULL: neither. */
static void queue_set(struct runner *runner, struct statefulsets *state, const char *ns,
                      const char *name, const char *pod)
{
    char key[PATH_SIZE];
    path_format(key, ns, name);
    struct set_members *members = keymap_find(&state->members, key);
    if (members && pod)
        members_note(members, set_ordinal(name, pod));
    runner_queue(runner, &statefulset_controller, key);
}

/* The owner, and the set whose ordinal the name is: a pod that was released or never adopted may
 * stand in its way (R61). */
static void queue_pod(struct runner *runner, struct statefulsets *state,
                      const struct store_view *view, const struct object *pod)
{
    const struct owner_ref *owner = object_controller(pod);
    bool is_owned = owner && strcmp(owner->kind, "StatefulSet") == 0;
    if (is_owned)
        queue_set(runner, state, pod->ns, owner->name, pod->name);
    const char *dash = strrchr(pod->name, '-');
    if (!dash || dash == pod->name)
        return;
    char *set = xstrndup(pod->name, (size_t)(dash - pod->name));
    if ((!is_owned || strcmp(owner->name, set) != 0) &&
        view_find(view, KIND_STATEFULSET, pod->ns, set))
        queue_set(runner, state, pod->ns, set, pod->name);
    free(set);
}

/* <template>-<set>-<ordinal>: any split of the part before the ordinal whose set has that template
 * ([ours] in section 4). */
static void queue_claim(struct runner *runner, struct statefulsets *state,
                        const struct store_view *view, const struct object *claim)
{
    const char *last = strrchr(claim->name, '-');
    if (!last || last == claim->name)
        return;
    char *base = xstrndup(claim->name, (size_t)(last - claim->name));
    for (char *dash = strchr(base, '-'); dash; dash = strchr(dash + 1, '-')) {
        const struct object *set = view_find(view, KIND_STATEFULSET, claim->ns, dash + 1);
        for (size_t i = 0; set && i < set_view(set)->claim_template_count; i++) {
            const char *template = set_view(set)->claim_templates[i];
            if (strlen(template) == (size_t)(dash - base) &&
                strncmp(base, template, strlen(template)) == 0)
                queue_set(runner, state, claim->ns, dash + 1, claim->name + (dash + 1 - base));
        }
    }
    free(base);
}

/* What is kept of its pods follows from the set's spec and deletion. */
static bool keeps_members(const struct store_change *change)
{
    const struct object *a = change->before, *b = change->after;
    return a && b && strcmp(a->uid, b->uid) == 0 && a->generation == b->generation &&
           a->deleted_us == b->deleted_us;
}

/* Our own word on its status, and none that the next plan begins with (R47, R51). */
static bool is_own_status(const struct statefulsets *state, const struct store_change *change)
{
    if (!state->writing)
        return false;
    const struct set_view *a = set_view(change->before), *b = set_view(change->after);
    return a->st_current == b->st_current && a->st_collisions == b->st_collisions &&
           strcmp(a->current_revision, b->current_revision) == 0;
}

static void on_set(struct runner *runner, struct statefulsets *state,
                   const struct store_change *change)
{
    const struct object *set = change->after ? change->after : change->before;
    char key[PATH_SIZE];
    path_format(key, set->ns, set->name);
    struct set_members *members = keymap_find(&state->members, key);
    bool is_kept = keeps_members(change);
    if (members && !is_kept)
        members_forget(members);
    if (!is_kept || !is_own_status(state, change))
        runner_queue(runner, &statefulset_controller, key);
}

static void statefulset_on_change(struct runner *runner, void *arg,
                                  const struct store_change *change)
{
    struct statefulsets *state = arg;
    const struct object *obj = change->after ? change->after : change->before;
    struct store_view view = store_head(runner_store(runner));
    if (obj->kind->id == KIND_STATEFULSET) {
        on_set(runner, state, change);
    } else if (obj->kind->id == KIND_POD) {
        if (change->before)
            queue_pod(runner, state, &view, change->before);
        if (change->after)
            queue_pod(runner, state, &view, change->after);
    } else if (obj->kind->id == KIND_PVC) {
        queue_claim(runner, state, &view, obj);
    } else if (obj->kind->id == KIND_REVISION) {
        const struct owner_ref *owner = object_controller(obj);
        if (owner && strcmp(owner->kind, "StatefulSet") == 0)
            queue_set(runner, state, obj->ns, owner->name, NULL);
    }
}

/* ---- one sync ---- */

struct sync {
    struct runner *runner;
    struct statefulsets *state;
    const char *key;
    struct object *set; /* owned reference */
    cJSON *tree;        /* of the set */
    struct set_revisions revisions;
    struct set_members *members; /* claimed pods */
    int64_t now_us;
    bool is_outdated;       /* pods were adopted or released: the next sync sees them (R26) */
    char failed_claim[512]; /* the claim that could not be made in this step, "" = none, and why */
    struct err claim_failure;
};

static void sync_fini(struct sync *s)
{
    set_revisions_fini(&s->revisions);
    cJSON_Delete(s->tree);
    object_unref(s->set);
}

static const struct object *pod_of(const struct sync *s, int32_t ordinal)
{
    const struct set_member *member = members_find(s->members, ordinal);
    return member ? member->object : NULL;
}

/* ---- events ---- */

/* "Create", "Delete" or "Update", and the pod (R70). */
static void note(struct verb *v, const struct sync *s, const char *did, int32_t ordinal,
                 const struct err *failure)
{
    char reason[64], pod[512];
    set_pod_name(s->set, ordinal, pod);
    (void)snprintf(reason, sizeof reason, "%s%s", failure ? "Failed" : "Successful", did);
    if (failure)
        registry_event(v, s->set, "Warning", reason, COMPONENT,
                       "%s Pod %s in StatefulSet %s failed error: %s", did, pod, s->set->name,
                       failure->text);
    else
        registry_event(v, s->set, "Normal", reason, COMPONENT,
                       "%s Pod %s in StatefulSet %s successful", did, pod, s->set->name);
}

/* A claim that could not be made has an event of its own, beside that of its pod. */
static void note_claim(struct verb *v, const struct sync *s, int32_t ordinal)
{
    char pod[512];
    if (!*s->failed_claim)
        return;
    set_pod_name(s->set, ordinal, pod);
    registry_event(v, s->set, "Warning", "FailedCreate", COMPONENT,
                   "Create Claim %s for Pod %s in StatefulSet %s failed error: %s", s->failed_claim,
                   pod, s->set->name, s->claim_failure.text);
}

/* Stages v; on failure of the step records the events in a unit of its own. did NULL: the pod is
 * not what failed. AlreadyExists is reported by nobody (R70). */
static int finish_step(struct sync *s, struct verb *v, int rc, const char *did, int32_t ordinal,
                       struct err *e)
{
    if (rc == 0)
        return runner_stage(s->runner, v, e);
    runner_drop(v);
    if (rc == ERR_EXISTS || rc == ERR_CONFLICT)
        return rc;
    struct verb event;
    runner_verb(s->runner, &event);
    note_claim(&event, s, ordinal);
    if (did)
        note(&event, s, did, ordinal, e);
    (void)runner_stage(s->runner, &event, NULL);
    return rc;
}

/* ---- claiming pods (section 8) ---- */

/* R2: the set's name, a dash, digits, however many. */
static bool has_set_name(const struct object *set, const struct object *pod)
{
    size_t len = strlen(set->name);
    if (strncmp(pod->name, set->name, len) != 0 || pod->name[len] != '-')
        return false;
    const char *digits = pod->name + len + 1;
    return *digits && digits[strspn(digits, "0123456789")] == '\0';
}

enum bond { BOND_NONE, BOND_MEMBER, BOND_ADOPT, BOND_RELEASE };

/* R60, R61: takes what is ours, adopts orphans of our name and selector, releases what no longer
 * fits. */
static enum bond bond_of(const struct object *set, const struct object *pod)
{
    bool is_ours = object_controller(pod) != NULL;
    bool is_member = selector_matches(&set_view(set)->selector, pod->labels, pod->label_count);
    if (!is_ours)
        return is_member ? BOND_ADOPT : BOND_NONE;
    if (is_member && set_ordinal(set->name, pod->name) >= 0)
        return BOND_MEMBER;
    return set->deleted_us || (is_member && has_set_name(set, pod)) ? BOND_NONE : BOND_RELEASE;
}

/* The pods in its namespace that the set controls, and orphans that carry its name. */
static void find_pods(const struct object *set, const struct store_view *view,
                      struct found_pods *out)
{
    char prefix[512];
    found_controlled(out, view, set);
    if (set->deleted_us)
        return;
    struct view_cursor cur;
    (void)snprintf(prefix, sizeof prefix, "%s-", set->name);
    for (view_seek(&cur, view, KIND_POD, set->ns, prefix); cur.object; view_next(&cur))
        if (set_ordinal(set->name, cur.object->name) >= 0)
            found_orphan(out, cur.object);
}

/* Those of the ordinals where something changed since the last sync. */
static void find_changed(const struct sync *s, const struct store_view *view,
                         struct found_pods *out)
{
    size_t count = 0;
    int32_t *changed = members_take_changed(s->members, &count);
    for (size_t i = 0; i < count; i++) {
        char name[512];
        set_pod_name(s->set, changed[i], name);
        members_drop(s->members, changed[i]);
        const struct object *pod = view_find(view, KIND_POD, s->set->ns, name);
        if (pod && !found_if_controlled(out, s->set, pod) && !s->set->deleted_us)
            found_orphan(out, pod);
    }
    free(changed);
}

/* Adopts or releases. A pod that went meanwhile needs no claim. */
static int claim_by_update(struct sync *s, const struct object *pod, verb_change_fn *change,
                           struct err *e)
{
    int rc = adoption_write(s->runner, pod, s->set, change, e);
    s->is_outdated |= rc == 0;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int claim_pods(struct sync *s, struct err *e)
{
    struct store_view view = store_head(runner_store(s->runner));
    struct set_members *m = s->members;
    struct found_pods found = {0};
    bool is_settled = true;
    int rc = 0;
    if (m->is_known) {
        find_changed(s, &view, &found);
    } else {
        members_clear(m);
        find_pods(s->set, &view, &found);
    }
    m->is_known = false;
    for (size_t i = 0; i < found.count; i++) {
        const struct object *pod = found.at[i];
        enum bond bond = bond_of(s->set, pod);
        if (bond == BOND_MEMBER)
            members_put(m, s->set, pod, set_ordinal(s->set->name, pod->name));
        if (bond == BOND_NONE || bond == BOND_MEMBER)
            continue;
        is_settled = false; /* whatever comes of it, everything is looked at again */
        if (rc == 0)
            rc = claim_by_update(s, pod, bond == BOND_ADOPT ? change_adopt : change_release, e);
    }
    found_fini(&found);
    members_settle(m);
    m->is_known = is_settled;
    return rc;
}

/* ---- the view ---- */

static struct set_claims look_at_claims(const struct sync *s, const struct object *pod,
                                        int32_t ordinal, bool condemned)
{
    const struct set_view *set = set_view(s->set);
    struct store_view view = store_head(runner_store(s->runner));
    struct set_claims out = {0};
    for (size_t i = 0; i < set->claim_template_count; i++) {
        char name[512];
        set_claim_name(s->set, set->claim_templates[i], ordinal, name);
        const struct object *claim = view_find(&view, KIND_PVC, s->set->ns, name);
        if (!claim) {
            out.missing = true;
            continue;
        }
        enum claim_refs refs = set_claim_refs(s->set, pod, claim, condemned);
        out.refs_differ |= refs == CLAIM_REFS_DIFFER || refs == CLAIM_REFS_CONFLICT_DIFFER;
        out.stale |= set_claim_is_stale(s->set, pod, claim, ordinal);
    }
    return out;
}

static struct set_claims claims_of(const void *arg, int32_t ordinal, bool condemned)
{
    const struct sync *s = arg;
    if (set_view(s->set)->claim_template_count == 0)
        return (struct set_claims){0};
    struct set_member *member = members_find(s->members, ordinal);
    if (!member)
        return look_at_claims(s, NULL, ordinal, condemned);
    if (!member->has_claims || member->claims_are_condemned != condemned) {
        member->claims = look_at_claims(s, member->object, ordinal, condemned);
        member->claims_are_condemned = condemned;
        member->has_claims = true;
    }
    return member->claims;
}

/* In tests: what was kept of pods and claims is what a look at all of them says. */
static void check_members(struct sync *s)
{
    struct store_view view = store_head(runner_store(s->runner));
    struct set_members *fresh = members_new(), *m = s->members;
    struct found_pods found = {0};
    find_pods(s->set, &view, &found);
    for (size_t i = 0; i < found.count; i++) {
        enum bond bond = bond_of(s->set, found.at[i]);
        CHECK(bond == BOND_NONE || bond == BOND_MEMBER);
        if (bond == BOND_MEMBER)
            members_put(fresh, s->set, found.at[i], set_ordinal(s->set->name, found.at[i]->name));
    }
    found_fini(&found);
    members_settle(fresh);
    CHECK(members_equal(m, fresh));
    members_free(fresh);
    for (size_t i = 0; i < m->count; i++) {
        const struct set_member *at = &m->at[i];
        if (!at->has_claims)
            continue;
        struct set_claims now =
            look_at_claims(s, at->object, m->pods[i].ordinal, at->claims_are_condemned);
        CHECK(now.missing == at->claims.missing && now.stale == at->claims.stale &&
              now.refs_differ == at->claims.refs_differ);
    }
}

/* "2" or "30%" of the replicas, rounded down, at least 1; 0 when absent (R56). */
static int32_t max_unavailable(const struct set_view *set)
{
    char *end;
    long value = strtol(set->max_unavailable, &end, 10);
    if (end == set->max_unavailable)
        return 0;
    if (*end == '%')
        value = (long)((int64_t)value * set->replicas / 100);
    return value < 1 ? 1 : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static struct set_plan_view plan_view(const struct sync *s)
{
    const struct set_view *set = set_view(s->set);
    return (struct set_plan_view){
        .replicas = set->replicas,
        .start = set->start,
        .parallel = set->parallel,
        .on_delete = set->on_delete,
        .has_rolling = set->has_rolling,
        .partition = set->partition,
        .max_unavailable = max_unavailable(set),
        .terminating = s->set->deleted_us != 0,
        .replace_stuck = set->replace_stuck,
        .current_replicas = set->st_current,
        .pods = s->members->pods,
        .pod_count = s->members->count,
        .claims = claims_of,
        .claims_arg = s,
    };
}

/* ---- steps ---- */

static int claim_failed(struct sync *s, const char *name, int rc, struct err *e)
{
    if (rc == ERR_EXISTS || rc == ERR_CONFLICT)
        return rc;
    (void)snprintf(s->failed_claim, sizeof s->failed_claim, "%s", name);
    s->claim_failure = *e;
    return err_set(e, rc, "failed to create PVC %s: %s", name, s->claim_failure.text);
}

/* Creates what is missing of the claims of an ordinal into the unit (R14, R16). */
static int create_claims(struct sync *s, struct verb *v, int32_t ordinal, struct err *e)
{
    s->failed_claim[0] = '\0';
    const cJSON *template, *match = json_at(s->tree, "spec", "selector", "matchLabels", NULL);
    cJSON_ArrayForEach(template, json_at(s->tree, "spec", "volumeClaimTemplates", NULL))
    {
        char name[512], pod[512];
        set_claim_name(s->set, json_str(json_get(template, "metadata"), "name", ""), ordinal, name);
        set_pod_name(s->set, ordinal, pod);
        const struct object *present = store_unit_find(v->unit, KIND_PVC, s->set->ns, name);
        if (present && present->deleted_us)
            return err_set(e, ERR_UNAVAILABLE, "pvc %s is being deleted", name);
        if (present)
            continue;
        AUTO_OBJECT claim = NULL;
        cJSON *body = set_claim_tree(s->set, match, template, ordinal);
        int rc = verb_create(v, KIND_PVC, s->set->ns, body, &claim, e);
        cJSON_Delete(body);
        if (rc < 0)
            return claim_failed(s, name, rc, e);
        registry_event(v, s->set, "Normal", "SuccessfulCreate", COMPONENT,
                       "Create Claim %s Pod %s in StatefulSet %s success", name, pod, s->set->name);
    }
    return 0;
}

struct reown {
    const struct object *set, *pod;
    bool condemned, conflict;
};

static int change_reown(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct reown *r = arg;
    set_claim_refs_apply(r->set, r->pod, r->condemned, r->conflict, tree);
    return 0;
}

/* The references of section 3 on the claims of an ordinal; what another controller holds is told
 * about (R22). */
static int fix_claims(struct sync *s, struct verb *v, const struct object *pod,
                      const struct set_step *step, struct err *e)
{
    const struct set_view *set = set_view(s->set);
    int rc = 0;
    for (size_t i = 0; i < set->claim_template_count && rc == 0; i++) {
        char name[512];
        AUTO_OBJECT out = NULL;
        set_claim_name(s->set, set->claim_templates[i], step->ordinal, name);
        const struct object *claim = store_unit_find(v->unit, KIND_PVC, s->set->ns, name);
        if (!claim)
            continue;
        enum claim_refs refs = set_claim_refs(s->set, pod, claim, step->condemned);
        bool is_conflict = refs == CLAIM_REFS_CONFLICT || refs == CLAIM_REFS_CONFLICT_DIFFER;
        if (is_conflict)
            registry_event(v, s->set, "Warning", "ConflictingController", COMPONENT,
                           "PersistentVolumeClaim %s has another controller: the retention policy "
                           "is ignored for it",
                           name);
        if (refs != CLAIM_REFS_DIFFER && refs != CLAIM_REFS_CONFLICT_DIFFER)
            continue;
        struct reown reown = {s->set, pod, step->condemned, is_conflict};
        struct verb_key key = {KIND_PVC, s->set->ns, name};
        struct err why;
        err_clear(&why);
        rc = verb_update(v, &key, SUB_NONE, change_reown, &reown, &out, &why);
        if (rc < 0)
            (void)err_set(e, rc, "could not update claim %s for delete policy ownerRefs: %s", name,
                          why.text);
    }
    return rc;
}

static int step_create_pod(struct sync *s, const struct set_step *step, struct err *e)
{
    struct verb v;
    AUTO_OBJECT pod = NULL;
    const struct set_revision_use *use =
        step->revision == SET_REVISION_CURRENT ? &s->revisions.current : &s->revisions.update;
    runner_verb(s->runner, &v);
    int rc = create_claims(s, &v, step->ordinal, e);
    if (rc == 0) {
        cJSON *body = set_pod_tree(s->set, use->template, step->ordinal, use->name);
        rc = verb_create(&v, KIND_POD, s->set->ns, body, &pod, e);
        cJSON_Delete(body);
    }
    if (rc == 0) /* claims that were there before (R20) */
        rc = fix_claims(s, &v, pod, step, e);
    if (rc == 0)
        note(&v, s, "Create", step->ordinal, NULL);
    return finish_step(s, &v, rc, "Create", step->ordinal, e);
}

static int step_create_claims(struct sync *s, const struct set_step *step, struct err *e)
{
    struct verb v;
    runner_verb(s->runner, &v);
    int rc = create_claims(s, &v, step->ordinal, e);
    return finish_step(s, &v, rc, NULL, step->ordinal, e);
}

static int step_delete_pod(struct sync *s, const struct set_step *step, struct err *e)
{
    struct verb v;
    AUTO_OBJECT out = NULL;
    bool gone;
    const struct object *pod = pod_of(s, step->ordinal);
    runner_verb(s->runner, &v);
    struct verb_key key = {KIND_POD, pod->ns, pod->name};
    struct delete_opts opts = {.uid = pod->uid}; /* the pod's own grace period (R37) */
    int rc = verb_delete(&v, &key, &opts, &out, &gone, e);
    if (rc == ERR_NOT_FOUND)
        rc = 0;
    if (rc == 0)
        note(&v, s, "Delete", step->ordinal, NULL);
    return finish_step(s, &v, rc, "Delete", step->ordinal, e);
}

struct restore {
    const struct object *set;
    int32_t ordinal;
};

static int change_restore(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct restore *r = arg;
    set_pod_restore(r->set, r->ordinal, tree);
    return 0;
}

static int step_fix_pod(struct sync *s, const struct set_step *step, struct err *e)
{
    struct verb v;
    AUTO_OBJECT out = NULL;
    const struct object *pod = pod_of(s, step->ordinal);
    struct restore restore = {s->set, step->ordinal};
    runner_verb(s->runner, &v);
    struct verb_key key = {KIND_POD, pod->ns, pod->name};
    int rc = verb_update(&v, &key, SUB_NONE, change_restore, &restore, &out, e);
    if (rc == 0)
        note(&v, s, "Update", step->ordinal, NULL);
    return finish_step(s, &v, rc, "Update", step->ordinal, e);
}

static int step_fix_claims(struct sync *s, const struct set_step *step, struct err *e)
{
    struct verb v;
    runner_verb(s->runner, &v);
    int rc = fix_claims(s, &v, pod_of(s, step->ordinal), step, e);
    return finish_step(s, &v, rc, "Update", step->ordinal, e);
}

/* The status counts what was done: a pod whose deletion failed, or was not reached, is still
 * there. */
static int apply_steps(struct sync *s, struct set_plan *plan, struct err *e)
{
    static int (*const steps[])(struct sync *, const struct set_step *, struct err *) = {
        [SET_CREATE_POD] = step_create_pod, [SET_CREATE_CLAIMS] = step_create_claims,
        [SET_DELETE_POD] = step_delete_pod, [SET_FIX_POD] = step_fix_pod,
        [SET_FIX_CLAIMS] = step_fix_claims,
    };
    bool is_parallel = set_view(s->set)->parallel;
    unsigned failed_batch = 0;
    int rc = 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct set_step *step = &plan->steps[i];
        struct err other;
        err_clear(&other);
        bool is_reached = rc == 0 || (is_parallel && step->batch == failed_batch);
        int step_rc = is_reached ? steps[step->kind](s, step, rc < 0 ? &other : e) : rc;
        plan->counts.current += step_rc < 0 && step->lowers_current;
        if (step_rc < 0 && rc == 0) {
            rc = step_rc;
            failed_batch = step->batch;
        }
    }
    return rc;
}

/* ---- status (section 9) ---- */

struct status {
    int64_t observed;
    struct set_counts counts;
    const char *current, *update;
    int32_t collisions;
};

static int change_status(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct status *want = arg;
    cJSON *status = json_obj(tree, "status");
    json_set_int(status, "observedGeneration", want->observed);
    json_set_int(status, "replicas", want->counts.replicas);
    json_set_int(status, "readyReplicas", want->counts.ready);
    json_set_int(status, "availableReplicas", want->counts.available);
    json_set_int(status, "currentReplicas", want->counts.current);
    json_set_int(status, "updatedReplicas", want->counts.updated);
    json_set_str(status, "currentRevision", want->current);
    json_set_str(status, "updateRevision", want->update);
    json_set_int(status, "collisionCount", want->collisions);
    return 0;
}

static bool status_differs(const struct set_view *have, const struct status *want)
{
    const struct set_counts *c = &want->counts;
    return want->observed > have->observed_generation || have->st_replicas != c->replicas ||
           have->st_ready != c->ready || have->st_available != c->available ||
           have->st_current != c->current || have->st_updated != c->updated ||
           strcmp(have->current_revision, want->current) != 0 ||
           strcmp(have->update_revision, want->update) != 0;
}

static int write_status(struct sync *s, const struct set_plan *plan, struct err *e)
{
    const struct set_view *have = set_view(s->set);
    struct status want = {
        .observed = s->set->generation > have->observed_generation ? s->set->generation
                                                                   : have->observed_generation,
        .counts = plan->counts,
        .current = s->revisions.current.name,
        .update = s->revisions.update.name,
        .collisions = s->revisions.collisions,
    };
    if (plan->rollout_complete) { /* R53 */
        want.current = want.update;
        want.counts.current = want.counts.updated;
    }
    if (!status_differs(have, &want))
        return 0;
    struct verb v;
    AUTO_OBJECT out = NULL;
    runner_verb(s->runner, &v);
    struct verb_key key = {KIND_STATEFULSET, s->set->ns, s->set->name};
    int rc = verb_update(&v, &key, SUB_STATUS, change_status, &want, &out, e);
    if (rc == 0) {
        s->state->writing = s->key;
        rc = runner_stage(s->runner, &v, e);
        s->state->writing = NULL;
        return rc;
    }
    runner_drop(&v);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* ---- sync ---- */

static bool is_live_revision(const void *arg, const char *name)
{
    const struct sync *s = arg;
    return strcmp(name, s->revisions.current.name) == 0 ||
           strcmp(name, s->revisions.update.name) == 0 || members_have_revision(s->members, name);
}

static int sync_set(struct sync *s, struct set_plan *plan, struct err *e)
{
    int rc = claim_pods(s, e);
    if (rc < 0 || s->is_outdated)
        return rc;
    if ((rc = set_revisions_load(s->runner, s->set, s->tree, &s->revisions, e)) < 0)
        return rc;
    members_mark(s->members, s->set, s->now_us, s->revisions.current.name,
                 s->revisions.update.name);
    if (runner_opts(s->runner)->checks_members && s->members->is_known)
        check_members(s);
    struct set_plan_view view = plan_view(s);
    statefulset_plan(&view, plan);
    rc = apply_steps(s, plan, e);
    int status = write_status(s, plan, rc < 0 ? NULL : e); /* always written (R28) */
    bool has_failed = rc < 0 || status < 0;
    int pruned = /* also when a step fails, perhaps for long (R57) */
        set_revisions_prune(s->runner, s->set, is_live_revision, s, has_failed ? NULL : e);
    return rc < 0 ? rc : status < 0 ? status : pruned;
}

/* What the set waits for now, for those who ask why a pod is not there. */
static void note_wait(struct set_waits *waits, const char *key, const struct set_plan *plan,
                      const struct err *e, int rc)
{
    const char *error = rc == 0 || rc == ERR_CONFLICT ? "" : e->text;
    set_waits_put(waits, key, plan->waits_for, plan->waits_ordinal, error);
}

static struct set_members *members_of(struct statefulsets *state, const char *key)
{
    struct set_members **members = (struct set_members **)keymap_put(&state->members, key);
    if (!*members)
        *members = members_new();
    return *members;
}

static enum sync_result statefulset_sync(struct runner *runner, void *arg, const char *key)
{
    struct statefulsets *state = arg;
    char ns[PATH_SIZE];
    const char *name = NULL;
    CHECK(path_split(key, ns, &name));
    struct store_view view = store_head(runner_store(runner));
    const struct object *set = view_find(&view, KIND_STATEFULSET, ns, name);
    if (!set) {
        members_free(keymap_take(&state->members, key));
        set_waits_put(state->waits, key, SET_WAITS_FOR_NOTHING, 0, "");
        return SYNC_DONE;
    }
    struct err e;
    err_clear(&e);
    struct set_plan plan = {0};
    struct sync s = {.runner = runner,
                     .state = state,
                     .key = key,
                     .set = object_ref(set),
                     .tree = object_tree(set),
                     .members = members_of(state, key),
                     .now_us = clock_now_us()};
    int rc = sync_set(&s, &plan, &e);
    if (plan.again_at_us)
        runner_queue_at(runner, &statefulset_controller, key,
                        clock_mono_us() + (plan.again_at_us - s.now_us));
    bool is_more = plan.more;
    note_wait(state->waits, key, &plan, &e, rc);
    set_plan_fini(&plan);
    sync_fini(&s);
    if (rc == ERR_EXISTS) /* the name is taken; its removal queues the set (R61) */
        return SYNC_DONE;
    return rc < 0 ? runner_result(rc) : is_more ? SYNC_AGAIN : SYNC_DONE;
}

static void *statefulset_start(struct runner *runner)
{
    struct statefulsets *state = xcalloc(1, sizeof *state);
    struct store_view view = store_applied(runner_store(runner));
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_STATEFULSET, NULL, NULL); cur.object; view_next(&cur))
        queue_set(runner, state, cur.object->ns, cur.object->name, NULL);
    state->waits = set_waits_new();
    return state;
}

static void statefulset_stop(void *arg)
{
    struct statefulsets *state = arg;
    const char *key;
    void *members;
    for (size_t at = 0; keymap_next(&state->members, &at, &key, &members);)
        members_free(members);
    keymap_fini(&state->members);
    set_waits_free(state->waits);
    free(state);
}

struct set_waits *statefulset_waits(const struct runner *runner)
{
    const struct statefulsets *state = runner_state(runner, &statefulset_controller);
    return state ? state->waits : NULL;
}

const struct controller statefulset_controller = {
    .name = "statefulset",
    .on_change = statefulset_on_change,
    .sync = statefulset_sync,
    .start = statefulset_start,
    .stop = statefulset_stop,
};
