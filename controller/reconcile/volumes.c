/* controller/reconcile/volumes.c - the binder: claims to volumes (statefulset.md R25, R76-R86).
 *
 * Keys: "c/ns/name" for a claim, "v/name" for a volume. A volume that becomes free is offered to
 * the pending claims of its class; a claim looks at the volumes that name it and at the free ones
 * of its class, which the row keeps by class as it hears of them, so that ten thousand bound
 * volumes cost a new claim nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "controller/reconcile/keymap.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/placement.h"
#include "controller/reconcile/runner.h"
#include "controller/reconcile/volume_dirs.h"
#include "controller/reconcile/volumes.h"
#include "controller/reconcile/volumes_apply.h"
#include "controller/reconcile/volumes_plan.h"

#define COMPONENT "persistentvolume-controller"
/* An event that still holds is said again before the last one is forgotten. */
#define SAY_AGAIN_US (INT64_C(30) * 60 * 1000000)

struct said {
    char *text;
    int64_t at_us;
};

struct volumes {
    struct runner *runner;
    struct volume_dirs *dirs;
    struct keymap free;   /* class -> struct keymap * of the volumes that nobody claims */
    struct keymap wanted; /* volume -> struct keymap * of the claims ("ns/name") that wait for it */
    struct keymap said;   /* key -> struct said *: the event last recorded for what holds now */
    struct keymap unmade; /* volumes whose directory could not be made */
};

/* ---- sets of names by name ---- */

static void group_add(struct keymap *groups, const char *group, const char *name)
{
    void **slot = keymap_put(groups, group);
    if (!*slot)
        *slot = xcalloc(1, sizeof(struct keymap));
    (void)keymap_put(*slot, name);
}

static void group_take(struct keymap *groups, const char *group, const char *name)
{
    struct keymap *names = keymap_find(groups, group);
    if (!names)
        return;
    (void)keymap_take(names, name);
    if (names->count > 0)
        return;
    keymap_fini(names);
    free(keymap_take(groups, group));
}

static void groups_fini(struct keymap *groups)
{
    size_t at = 0;
    const char *key;
    void *names;
    while (keymap_next(groups, &at, &key, &names)) {
        keymap_fini(names);
        free(names);
    }
    keymap_fini(groups);
}

/* ---- from changes to keys ---- */

static void queue_claim(const struct volumes *state, const char *ns, const char *name)
{
    char key[PATH_SIZE + 4];
    (void)snprintf(key, sizeof key, "c/%s/%s", ns, name);
    runner_queue(state->runner, &volume_controller, key);
}

static void queue_volume(const struct volumes *state, const char *name)
{
    char key[PATH_SIZE + 4];
    (void)snprintf(key, sizeof key, "v/%s", name);
    runner_queue(state->runner, &volume_controller, key);
}

static bool is_free(const struct object *volume)
{
    return volume && !*volume_view(volume)->claim_name;
}

static void queue_wanting(const struct volumes *state, const char *volume)
{
    const struct keymap *claims = keymap_find(&state->wanted, volume);
    size_t at = 0;
    const char *path, *name;
    char ns[PATH_SIZE];
    while (claims && keymap_next(claims, &at, &path, NULL))
        if (path_split(path, ns, &name))
            queue_claim(state, ns, name);
}

static void on_volume(struct volumes *state, const struct object *before,
                      const struct object *after)
{
    if (is_free(before))
        group_take(&state->free, volume_view(before)->class_name, before->name);
    if (is_free(after))
        group_add(&state->free, volume_view(after)->class_name, after->name);
    const struct object *sides[] = {before, after};
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
        if (sides[i] && *volume_view(sides[i])->claim_name)
            queue_claim(state, volume_view(sides[i])->claim_ns, volume_view(sides[i])->claim_name);
    const char *name = after ? after->name : before->name;
    queue_volume(state, name);
    queue_wanting(state, name);
}

static bool wants_volume(const struct object *claim)
{
    return claim && *claim_view(claim)->volume_name &&
           strcmp(claim_view(claim)->phase, "Pending") == 0;
}

static void note_wanted(struct volumes *state, const struct object *claim, bool is_wanted)
{
    char path[PATH_SIZE];
    if (!wants_volume(claim))
        return;
    path_format(path, claim->ns, claim->name);
    if (is_wanted)
        group_add(&state->wanted, claim_view(claim)->volume_name, path);
    else
        group_take(&state->wanted, claim_view(claim)->volume_name, path);
}

static void queue_claimed_volumes(const struct volumes *state, const struct object *claim)
{
    struct store_view view = store_head(runner_store(state->runner));
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    index_claim(term, claim->ns, claim->name);
    for (index_seek(&cur, &view, KIND_PV, term); cur.object; index_next(&cur))
        queue_volume(state, cur.object->name);
}

static void on_claim(struct volumes *state, const struct object *before, const struct object *after)
{
    const struct object *claim = after ? after : before;
    note_wanted(state, before, false);
    note_wanted(state, after, true);
    queue_claim(state, claim->ns, claim->name);
    bool is_same = before && after && strcmp(before->uid, after->uid) == 0 &&
                   strcmp(claim_view(before)->volume_name, claim_view(after)->volume_name) == 0 &&
                   strcmp(claim_view(before)->phase, claim_view(after)->phase) == 0;
    if (!is_same)
        queue_claimed_volumes(state, claim);
}

/* R25, as upstream: a pod without a node uses nothing yet. It could not be placed while its claim
 * is being deleted, and would keep that claim for ever; so the claim goes and is made anew (R16). A
 * pod that only its finalizers hold has stopped (R45), as one in a terminal phase has. */
static bool is_using(const struct object *pod)
{
    return pod && *pod_view(pod)->node && !pod_phase_is_final(pod_view(pod)->phase) &&
           !(pod->deleted_us && pod->grace_s == 0);
}

/* R25: the end of a pod frees its claims. */
static void on_pod(const struct volumes *state, const struct object *before,
                   const struct object *after)
{
    if (!is_using(before) || (is_using(after) && strcmp(before->uid, after->uid) == 0))
        return;
    for (size_t i = 0; i < pod_view(before)->claim_count; i++)
        queue_claim(state, before->ns, pod_view(before)->claims[i].claim);
}

static void queue_pending(const struct volumes *state, const char *class_name)
{
    struct store_view view = store_head(runner_store(state->runner));
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    index_pending(term, class_name);
    for (index_seek(&cur, &view, KIND_PVC, term); cur.object; index_next(&cur))
        queue_claim(state, cur.object->ns, cur.object->name);
}

static void volumes_on_change(struct runner *runner, void *arg, const struct store_change *change)
{
    (void)runner;
    struct volumes *state = arg;
    const struct object *obj = change->after ? change->after : change->before;
    if (obj->kind->id == KIND_PVC) {
        on_claim(state, change->before, change->after);
    } else if (obj->kind->id == KIND_PV) {
        on_volume(state, change->before, change->after);
    } else if (obj->kind->id == KIND_POD) {
        on_pod(state, change->before, change->after);
    } else if (obj->kind->id == KIND_STORAGECLASS) {
        queue_pending(state, obj->name);
        if (change->after && class_view(change->after)->is_default)
            queue_pending(state, ""); /* R78: even retroactively */
    }
}

/* ---- gather ---- */

struct gather {
    struct volumes *state;
    struct arena arena;
    struct store_view view;
    struct object *claim; /* owned references: staging moves the head on */
    struct object *class;
    struct plan_volume *volumes;
    size_t count, cap;
    struct claim_plan_view plan;
};

static bool is_used(const struct store_view *view, const struct object *claim)
{
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    index_claim(term, claim->ns, claim->name);
    for (index_seek(&cur, view, KIND_POD, term); cur.object; index_next(&cur))
        if (is_using(cur.object))
            return true;
    return false;
}

/* Newest, then first by name. */
static const char *default_class(const struct store_view *view)
{
    const struct object *best = NULL;
    struct view_cursor cur;
    for (view_seek(&cur, view, KIND_STORAGECLASS, NULL, NULL); cur.object; view_next(&cur))
        if (class_view(cur.object)->is_default && !cur.object->deleted_us &&
            (!best || cur.object->created_us > best->created_us))
            best = cur.object;
    return best ? best->name : NULL;
}

/* R79. */
static bool allows_node(const struct store_view *view, const struct object *volume,
                        const char *node_name)
{
    if (!*node_name || !volume_view(volume)->has_affinity)
        return true;
    const struct object *node = view_find(view, KIND_NODE, "", node_name);
    if (!node)
        return false;
    cJSON *tree = object_tree(volume);
    bool allows = placement_terms_match(
        json_at(tree, "spec", "nodeAffinity", "required", "nodeSelectorTerms", NULL), node->name,
        node->labels, node->label_count);
    cJSON_Delete(tree);
    return allows;
}

static struct plan_volume volume_of(const struct object *obj)
{
    return (struct plan_volume){.name = obj->name,
                                .view = volume_view(obj),
                                .labels = obj->labels,
                                .label_count = obj->label_count,
                                .is_terminating = obj->deleted_us != 0,
                                .allows_node = true};
}

static void add_volume(struct gather *g, const struct object *obj)
{
    if (!obj)
        return;
    if (g->count == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 8;
        struct plan_volume *more = arena_alloc(&g->arena, cap * sizeof *more);
        if (g->count)
            memcpy(more, g->volumes, g->count * sizeof *more);
        g->volumes = more;
        g->cap = cap;
    }
    struct plan_volume volume = volume_of(obj);
    if (!*g->plan.claim->volume_name) {
        if (!volume_suits(&volume, &g->plan))
            return; /* spares reading its affinity */
        volume.allows_node = allows_node(&g->view, obj, g->plan.claim->selected_node);
    }
    g->volumes[g->count++] = volume;
}

static void gather_volumes(struct gather *g)
{
    const struct claim_view *claim = g->plan.claim;
    if (*claim->volume_name) {
        add_volume(g, view_find(&g->view, KIND_PV, "", claim->volume_name));
        return;
    }
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    index_claim(term, g->plan.ns, g->plan.name);
    for (index_seek(&cur, &g->view, KIND_PV, term); cur.object; index_next(&cur))
        add_volume(g, cur.object);
    const struct keymap *names = keymap_find(&g->state->free, claim->class_name);
    size_t at = 0;
    const char *name;
    while (names && keymap_next(names, &at, &name, NULL))
        add_volume(g, view_find(&g->view, KIND_PV, "", name));
}

static void fill_claim(struct gather *g, const struct object *claim)
{
    const struct claim_view *v = claim_view(claim);
    g->claim = object_ref(claim);
    g->plan =
        (struct claim_plan_view){.ns = claim->ns,
                                 .name = claim->name,
                                 .uid = claim->uid,
                                 .claim = v,
                                 .is_terminating = claim->deleted_us != 0,
                                 .is_protected = object_has_finalizer(claim, FINALIZER_CLAIM)};
    const struct object *class =
        *v->class_name ? view_find(&g->view, KIND_STORAGECLASS, "", v->class_name) : NULL;
    if (class) {
        g->class = object_ref(class);
        g->plan.class = class_view(class);
    }
}

static void gather_init_in(struct gather *g, struct volumes *state, const struct store_view *view,
                           const struct object *claim)
{
    *g = (struct gather){.state = state, .view = *view};
    arena_init(&g->arena);
    fill_claim(g, claim);
}

static void gather_init(struct gather *g, struct volumes *state, const struct object *claim)
{
    struct store_view head = store_head(runner_store(state->runner));
    gather_init_in(g, state, &head, claim);
}

static void gather_claim(struct gather *g)
{
    if (g->plan.is_terminating)
        g->plan.is_used = is_used(&g->view, g->claim);
    const char *class_name = g->plan.claim->has_class ? NULL : default_class(&g->view);
    g->plan.default_class = class_name ? arena_strdup(&g->arena, class_name) : NULL;
    gather_volumes(g);
    g->plan.volumes = g->volumes;
    g->plan.volume_count = g->count;
}

static void gather_fini(struct gather *g)
{
    object_unref(g->claim);
    object_unref(g->class);
    arena_fini(&g->arena);
}

/* ---- where a volume could be had (R79) ---- */

static void add_terms(cJSON *terms, const struct object *volume)
{
    cJSON *tree = object_tree(volume);
    const cJSON *term = NULL;
    cJSON_ArrayForEach(term,
                       json_at(tree, "spec", "nodeAffinity", "required", "nodeSelectorTerms", NULL))
    {
        cJSON_AddItemToArray(terms, cJSON_Duplicate(term, true));
    }
    cJSON_Delete(tree);
}

cJSON *volumes_node_terms(struct runner *runner, const struct object *claim)
{
    struct volumes *state = runner_state(runner, &volume_controller);
    struct gather g;
    if (!state)
        return NULL;
    gather_init(&g, state, claim);
    gather_volumes(&g);
    cJSON *terms = claim_may_be_provisioned(&g.plan) ? NULL : cJSON_CreateArray();
    for (size_t i = 0; terms && i < g.count; i++) {
        const struct object *volume = view_find(&g.view, KIND_PV, "", g.volumes[i].name);
        if (volume && volume_view(volume)->has_affinity) {
            add_terms(terms, volume);
        } else {
            cJSON_Delete(terms);
            terms = NULL;
        }
    }
    gather_fini(&g);
    return terms;
}

void volumes_explain(struct runner *runner, const struct store_view *view,
                     const struct object *claim, char *out, size_t size)
{
    struct volumes *state = runner_state(runner, &volume_controller);
    struct gather g;
    struct claim_plan plan;
    *out = '\0';
    if (!state)
        return;
    gather_init_in(&g, state, view, claim);
    gather_claim(&g);
    claim_plan(&g.plan, &plan);
    (void)snprintf(out, size, "%s", plan.event.type ? plan.event.message : "");
    gather_fini(&g);
}

/* ---- events ---- */

static void unsay(struct volumes *state, const char *key)
{
    struct said *said = keymap_take(&state->said, key);
    if (!said)
        return;
    free(said->text);
    free(said);
}

/* True when the event is news, or old enough to be said again. */
static bool is_news(struct volumes *state, const char *key, const struct plan_event *event)
{
    char text[VOLUME_MESSAGE_MAX + 64];
    int64_t now_us = clock_mono_us();
    (void)snprintf(text, sizeof text, "%s %s", event->reason, event->message);
    void **slot = keymap_put(&state->said, key);
    struct said *said = *slot;
    if (said && strcmp(said->text, text) == 0 && now_us < said->at_us + SAY_AGAIN_US)
        return false;
    if (!said)
        *slot = said = xcalloc(1, sizeof *said);
    free(said->text);
    *said = (struct said){.text = xstrdup(text), .at_us = now_us};
    runner_queue_at(state->runner, &volume_controller, key, now_us + SAY_AGAIN_US);
    return true;
}

static void record(const struct verb *v, const struct object *obj, const struct plan_event *event)
{
    registry_event(v, obj, event->type, event->reason, COMPONENT, "%s", event->message);
}

/* A state that holds: its event once, in a unit of its own. */
static enum sync_result say(struct volumes *state, const char *key, const struct object *obj,
                            const struct plan_event *event)
{
    if (!event->type) {
        unsay(state, key);
        return SYNC_DONE;
    }
    if (!is_news(state, key, event))
        return SYNC_DONE;
    struct verb v;
    runner_verb(state->runner, &v);
    record(&v, obj, event);
    return runner_result(runner_stage(state->runner, &v, NULL));
}

/* ---- claims ---- */

static int provision(const struct gather *g, const struct verb *v, struct err *e)
{
    char name[64];
    (void)snprintf(name, sizeof name, "pvc-%s", g->claim->uid);
    char *path = volume_dirs_path(g->state->dirs, name);
    int rc = apply_provision(v, g->claim, g->class, name, path, e);
    free(path);
    if (rc == 0)
        registry_event(v, g->claim, "Normal", "ProvisioningSucceeded", COMPONENT,
                       "Successfully provisioned volume %s using %s", name, PROVISIONER_DIRECTORY);
    return rc;
}

static int apply_claim(const struct gather *g, const struct claim_plan *plan, const struct verb *v,
                       struct err *e)
{
    const char *volume = plan->volume != VOLUME_NONE ? g->volumes[plan->volume].name : NULL;
    switch (plan->step) {
    case CLAIM_KEEP:
        return 0;
    case CLAIM_PROTECT:
        return apply_finalizer(v, g->claim, FINALIZER_CLAIM, true, e);
    case CLAIM_UNPROTECT:
        return apply_finalizer(v, g->claim, FINALIZER_CLAIM, false, e);
    case CLAIM_UNSELECT:
        return apply_unselect(v, g->claim, e);
    case CLAIM_SET_CLASS:
        return apply_class(v, g->claim, g->plan.default_class, e);
    case CLAIM_BIND:
        return apply_bind(v, g->claim, volume, plan->is_our_choice, e);
    case CLAIM_PROVISION:
        return provision(g, v, e);
    case CLAIM_EXPAND:
        return apply_expand(v, g->claim, volume, e);
    case CLAIM_LOSE:
        return apply_phase(v, g->claim, "Lost", e);
    }
    return 0;
}

static enum sync_result provision_failed(const struct gather *g, const char *key,
                                         const struct err *e)
{
    struct plan_event event = {.type = "Warning", .reason = "ProvisioningFailed"};
    (void)snprintf(event.message, sizeof event.message, "failed to provision volume: %.200s",
                   e->text);
    (void)say(g->state, key, g->claim, &event);
    return SYNC_RETRY;
}

static enum sync_result carry_out_claim(const struct gather *g, const char *key,
                                        const struct claim_plan *plan)
{
    struct err e = {0};
    struct verb v;
    runner_verb(g->state->runner, &v);
    int rc = apply_claim(g, plan, &v, &e);
    if (rc == 0 && plan->event.type)
        record(&v, g->claim, &plan->event);
    if (rc == 0) {
        unsay(g->state, key);
        return runner_result(runner_stage(g->state->runner, &v, &e));
    }
    runner_drop(&v);
    if (rc != ERR_CONFLICT)
        log_warn("claim=%s/%s msg=\"not bound\" reason=\"%s\"", g->claim->ns, g->claim->name,
                 e.text);
    if (plan->step == CLAIM_PROVISION && rc != ERR_CONFLICT)
        return provision_failed(g, key, &e);
    return runner_result(rc);
}

static enum sync_result sync_claim(struct volumes *state, const char *ns, const char *name)
{
    char key[PATH_SIZE + 4];
    (void)snprintf(key, sizeof key, "c/%s/%s", ns, name);
    struct store_view view = store_head(runner_store(state->runner));
    const struct object *claim = view_find(&view, KIND_PVC, ns, name);
    if (!claim) {
        unsay(state, key);
        return SYNC_DONE;
    }
    struct gather g;
    struct claim_plan plan;
    gather_init(&g, state, claim);
    gather_claim(&g);
    claim_plan(&g.plan, &plan);
    enum sync_result result = plan.step == CLAIM_KEEP ? say(state, key, g.claim, &plan.event)
                                                      : carry_out_claim(&g, key, &plan);
    gather_fini(&g);
    return result;
}

/* ---- volumes ---- */

/* A pending claim of the volume's class that it would suit. */
static struct object *find_seeker(struct volumes *state, const struct object *volume)
{
    struct store_view view = store_head(runner_store(state->runner));
    struct plan_volume candidate = volume_of(volume);
    struct object *found = NULL;
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    index_pending(term, candidate.view->class_name);
    for (index_seek(&cur, &view, KIND_PVC, term); cur.object && !found; index_next(&cur)) {
        struct gather g;
        gather_init(&g, state, cur.object);
        if (claim_seeks_volume(&g.plan) && volume_suits(&candidate, &g.plan) &&
            allows_node(&view, volume, g.plan.claim->selected_node))
            found = object_ref(cur.object);
        gather_fini(&g);
    }
    return found;
}

/* The claim chooses, and may choose another volume: this one is offered until it is taken or nobody
 * wants it. */
static enum sync_result offer(struct volumes *state, const char *name)
{
    for (;;) {
        struct store_view view = store_head(runner_store(state->runner));
        const struct object *volume = view_find(&view, KIND_PV, "", name);
        if (!volume || !is_free(volume))
            return SYNC_DONE;
        AUTO_OBJECT held = object_ref(volume);
        AUTO_OBJECT claim = find_seeker(state, held);
        if (!claim)
            return SYNC_DONE;
        enum sync_result result = sync_claim(state, claim->ns, claim->name);
        view = store_head(runner_store(state->runner));
        const struct object *now = view_find(&view, KIND_PVC, claim->ns, claim->name);
        if (result != SYNC_DONE || now == claim)
            return result;
    }
}

static int apply_volume(const struct object *volume, const struct volume_plan *plan,
                        const struct verb *v, struct err *e)
{
    switch (plan->step) {
    case VOLUME_KEEP:
    case VOLUME_WAKE_CLAIM:
        return 0;
    case VOLUME_PROTECT:
        return apply_finalizer(v, volume, FINALIZER_VOLUME, true, e);
    case VOLUME_UNPROTECT:
        return apply_finalizer(v, volume, FINALIZER_VOLUME, false, e);
    case VOLUME_SET_PHASE:
        return apply_phase(v, volume, plan->phase, e);
    case VOLUME_UNBIND:
        return apply_unbind(v, volume, e);
    case VOLUME_DELETE:
        return apply_delete(v, volume, e);
    }
    return 0;
}

/* The directory goes when the volume's deletion is durable, and before the volume's name does: a
 * crash in between leaves a volume that is still terminating, so nothing is forgotten. False: not
 * yet (the commit queues the volume again), or it failed. */
static bool discard_storage(struct volumes *state, const struct object *volume, const char *key,
                            enum sync_result *result)
{
    struct err e = {0};
    *result = SYNC_DONE;
    if (!volume_dirs_has(state->dirs, volume->name))
        return true;
    struct store_view applied = store_applied(runner_store(state->runner));
    const struct object *durable = view_find(&applied, KIND_PV, "", volume->name);
    if (!durable || strcmp(durable->uid, volume->uid) != 0 || !durable->deleted_us)
        return false;
    if (volume_dirs_discard(state->dirs, volume->name, &e) == 0)
        return true;
    struct plan_event event = {.type = "Warning", .reason = "VolumeFailedDelete"};
    (void)snprintf(event.message, sizeof event.message, "%.250s", e.text);
    (void)say(state, key, volume, &event);
    *result = SYNC_RETRY;
    return false;
}

static enum sync_result carry_out_volume(struct volumes *state, const struct object *volume,
                                         const char *key, const struct volume_plan *plan)
{
    enum sync_result result;
    if (plan->step == VOLUME_UNPROTECT && plan->removes_storage &&
        !discard_storage(state, volume, key, &result))
        return result;
    struct err e = {0};
    struct verb v;
    runner_verb(state->runner, &v);
    int rc = apply_volume(volume, plan, &v, &e);
    if (rc == 0 && plan->event.type)
        record(&v, volume, &plan->event);
    if (rc == 0) {
        unsay(state, key);
        return runner_result(runner_stage(state->runner, &v, &e));
    }
    runner_drop(&v);
    if (rc != ERR_CONFLICT)
        log_warn("volume=%s msg=\"not written\" reason=\"%s\"", volume->name, e.text);
    return runner_result(rc);
}

/* A directory that could not be made after the commit. */
static bool make_again(struct volumes *state, const struct object *volume, const char *key)
{
    struct err e = {0};
    if (!keymap_has(&state->unmade, volume->name))
        return true;
    if (volume->deleted_us || volume_dirs_make(state->dirs, volume->name, &e) == 0) {
        (void)keymap_take(&state->unmade, volume->name);
        return true;
    }
    struct plan_event event = {.type = "Warning", .reason = "ProvisioningFailed"};
    (void)snprintf(event.message, sizeof event.message, "%.250s", e.text);
    (void)say(state, key, volume, &event);
    return false;
}

static enum sync_result keep_volume(struct volumes *state, const struct object *volume,
                                    const char *key, const struct volume_plan *plan)
{
    if (plan->step == VOLUME_WAKE_CLAIM) {
        const struct volume_view *v = volume_view(volume);
        queue_claim(state, v->claim_ns, v->claim_name);
        return SYNC_DONE;
    }
    if (!make_again(state, volume, key))
        return SYNC_RETRY;
    enum sync_result result = say(state, key, volume, &plan->event);
    if (result == SYNC_DONE && is_free(volume) && !volume->deleted_us)
        result = offer(state, volume->name);
    return result;
}

static enum sync_result sync_volume(struct volumes *state, const char *name)
{
    char key[PATH_SIZE + 4];
    (void)snprintf(key, sizeof key, "v/%s", name);
    struct store_view view = store_head(runner_store(state->runner));
    const struct object *found = view_find(&view, KIND_PV, "", name);
    if (!found) {
        unsay(state, key);
        (void)keymap_take(&state->unmade, name);
        return SYNC_DONE;
    }
    AUTO_OBJECT volume = object_ref(found);
    const struct volume_view *v = volume_view(volume);
    const struct object *claim =
        *v->claim_name ? view_find(&view, KIND_PVC, v->claim_ns, v->claim_name) : NULL;
    struct volume_plan_view in = {.name = name,
                                  .volume = v,
                                  .is_terminating = volume->deleted_us != 0,
                                  .is_protected = object_has_finalizer(volume, FINALIZER_VOLUME),
                                  .claim_uid = claim ? claim->uid : NULL,
                                  .claim = claim ? claim_view(claim) : NULL};
    struct volume_plan plan;
    volume_plan(&in, &plan);
    if (plan.step == VOLUME_KEEP || plan.step == VOLUME_WAKE_CLAIM)
        return keep_volume(state, volume, key, &plan);
    return carry_out_volume(state, volume, key, &plan);
}

static enum sync_result volumes_sync(struct runner *runner, void *arg, const char *key)
{
    (void)runner;
    char ns[PATH_SIZE];
    const char *name;
    if (key[0] == 'v')
        return sync_volume(arg, key + 2);
    CHECK(path_split(key + 2, ns, &name));
    return sync_claim(arg, ns, name);
}

/* ---- directories: effects after the commit ---- */

static bool has_directory(const struct object *volume)
{
    return volume && volume->kind->id == KIND_PV &&
           strcmp(volume_view(volume)->provisioned_by, PROVISIONER_DIRECTORY) == 0;
}

static void make_directory(struct volumes *state, const struct object *volume)
{
    struct err e = {0};
    if (volume_dirs_make(state->dirs, volume->name, &e) == 0)
        return;
    log_error("volume=%s msg=\"no directory\" reason=\"%s\"", volume->name, e.text);
    (void)keymap_put(&state->unmade, volume->name);
    queue_volume(state, volume->name);
}

static void on_apply(void *arg, const struct store_batch *batch)
{
    struct volumes *state = arg;
    for (size_t i = 0; i < batch->count; i++) {
        const struct object *before = batch->changes[i].before, *after = batch->changes[i].after;
        if (!has_directory(after))
            continue;
        if (after->deleted_us)
            queue_volume(state, after->name);
        else if (!before)
            make_directory(state, after);
    }
}

/* ---- life ---- */

static void *volumes_start(struct runner *runner)
{
    struct volumes *state = xcalloc(1, sizeof *state);
    struct store_view view = store_head(runner_store(runner));
    struct view_cursor cur;
    state->runner = runner;
    state->dirs = volume_dirs_new(runner_loop(runner), runner_opts(runner)->volume_dir);
    for (view_seek(&cur, &view, KIND_PV, NULL, NULL); cur.object; view_next(&cur)) {
        if (is_free(cur.object))
            group_add(&state->free, volume_view(cur.object)->class_name, cur.object->name);
        if (has_directory(cur.object) && !cur.object->deleted_us)
            make_directory(state, cur.object);
        queue_volume(state, cur.object->name);
    }
    for (view_seek(&cur, &view, KIND_PVC, NULL, NULL); cur.object; view_next(&cur)) {
        note_wanted(state, cur.object, true);
        queue_claim(state, cur.object->ns, cur.object->name);
    }
    store_on_apply(runner_store(runner), on_apply, state);
    return state;
}

static void volumes_stop(void *arg)
{
    struct volumes *state = arg;
    store_forget(runner_store(state->runner), state);
    size_t at = 0;
    const char *key;
    void *value;
    while (keymap_next(&state->said, &at, &key, &value)) {
        free(((struct said *)value)->text);
        free(value);
    }
    keymap_fini(&state->said);
    keymap_fini(&state->unmade);
    groups_fini(&state->free);
    groups_fini(&state->wanted);
    volume_dirs_free(state->dirs);
    free(state);
}

const struct controller volume_controller = {.name = "volumes",
                                             .on_change = volumes_on_change,
                                             .sync = volumes_sync,
                                             .start = volumes_start,
                                             .stop = volumes_stop};
