/* controller/reconcile/replicaset.c - the ReplicaSet controller: interchangeable pods
 * (statefulset.md R101), the contrast to a StatefulSet.
 *
 * Key: "ns/name". One sync sees one head; each pod is made or deleted in a unit of its own. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "controller/reconcile/adoption.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/replicaset_plan.h"
#include "controller/reconcile/runner.h"
#include "controller/reconcile/set_pod.h"

#define COMPONENT       "replicaset-controller"
#define DELETION_COST   "controller.kubernetes.io/pod-deletion-cost"
#define REPLICA_FAILURE "ReplicaFailure"

/* ---- changes to keys ---- */

static void queue_set(struct runner *runner, const char *ns, const char *name)
{
    char path[PATH_SIZE];
    path_format(path, ns, name);
    runner_queue(runner, &replicaset_controller, path);
}

/* The set that controls the pod; of a pod without controller every set that may adopt it. */
static void queue_pod(struct runner *runner, const struct store_view *view,
                      const struct object *pod)
{
    if (!pod)
        return;
    const struct owner_ref *owner = object_controller(pod);
    if (owner) {
        if (strcmp(owner->kind, "ReplicaSet") == 0)
            queue_set(runner, pod->ns, owner->name);
        return;
    }
    struct view_cursor cur;
    for (view_seek(&cur, view, KIND_REPLICASET, pod->ns, NULL); cur.object; view_next(&cur))
        if (selector_matches(&replicaset_view(cur.object)->selector, pod->labels, pod->label_count))
            queue_set(runner, pod->ns, cur.object->name);
}

static void replicaset_on_change(struct runner *runner, void *state,
                                 const struct store_change *change)
{
    (void)state;
    const struct object *obj = change->after ? change->after : change->before;
    if (obj->kind->id == KIND_REPLICASET) {
        queue_set(runner, obj->ns, obj->name);
    } else if (obj->kind->id == KIND_POD) {
        struct store_view view = store_head(runner_store(runner));
        queue_pod(runner, &view, change->before);
        queue_pod(runner, &view, change->after);
    }
}

/* ---- one sync ---- */

struct sync {
    struct runner *runner;
    const struct object *set;
    cJSON *tree;
    const struct object **objects; /* pods that count; references owned */
    struct replica *replicas;
    size_t count, cap;
    bool is_outdated; /* pods were adopted or released: the next sync sees them */
};

static void sync_fini(struct sync *s)
{
    for (size_t i = 0; i < s->count; i++)
        object_unref(s->objects[i]);
    free(s->objects);
    free(s->replicas);
    cJSON_Delete(s->tree);
}

static bool has_template_labels(const struct sync *s, const struct object *pod)
{
    const cJSON *want = NULL;
    cJSON_ArrayForEach(want, json_at(s->tree, "spec", "template", "metadata", "labels", NULL))
    {
        const char *have = object_label(pod, want->string);
        if (!have || !cJSON_IsString(want) || strcmp(have, want->valuestring) != 0)
            return false;
    }
    return true;
}

static void add_pod(struct sync *s, const struct object *pod, int64_t now_us)
{
    const struct pod_view *v = pod_view(pod);
    int64_t min_us = (int64_t)replicaset_view(s->set)->min_ready_s * 1000000;
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->objects = xrealloc(s->objects, s->cap * sizeof(struct object *));
        s->replicas = xrealloc(s->replicas, s->cap * sizeof *s->replicas);
    }
    int64_t available_at = v->ready_since_us ? v->ready_since_us + min_us : 0;
    s->objects[s->count] = object_ref(pod);
    s->replicas[s->count] = (struct replica){
        .node = v->node,
        .is_running = v->phase == POD_RUNNING,
        .is_unknown = v->phase == POD_UNKNOWN,
        .ready = v->ready,
        .available = v->ready && (min_us == 0 || (available_at && available_at <= now_us)),
        .is_labeled = has_template_labels(s, pod),
        .available_at_us = available_at,
        .ready_since_us = v->ready_since_us,
        .created_us = pod->created_us,
        .index = s->count,
    };
    s->count++;
}

/* What only the choice of victims needs. */
static void read_details(struct sync *s)
{
    for (size_t i = 0; i < s->count; i++) {
        char cost[24];
        struct replica *r = &s->replicas[i];
        cJSON *tree = object_tree(s->objects[i]);
        const cJSON *status = NULL;
        cJSON_ArrayForEach(status, json_at(tree, "status", "containerStatuses", NULL))
        {
            int64_t restarts = 0;
            if (json_int(status, "restartCount", 0, INT32_MAX, &restarts))
                r->restarts += restarts;
        }
        if (object_annotation(s->objects[i], DELETION_COST, cost, sizeof cost))
            r->cost = strtol(cost, NULL, 10);
        cJSON_Delete(tree);
    }
}

/* ---- claiming pods ---- */

/* Pods that are ours, and those without controller that could be: through the index where the
 * selector begins with one value of a label. */
static void find_pods(const struct sync *s, struct found_pods *out)
{
    const struct selector *selector = &replicaset_view(s->set)->selector;
    struct store_view view = store_head(runner_store(s->runner));
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    found_controlled(out, &view, s->set);
    const struct selector_term *first = selector->count ? &selector->terms[0] : NULL;
    if (first && first->op == SELECT_IN && first->value_count == 1) {
        index_label(term, s->set->ns, first->key, first->values[0]);
        for (index_seek(&cur, &view, KIND_POD, term); cur.object; index_next(&cur))
            found_orphan(out, cur.object);
        return;
    }
    struct view_cursor all;
    for (view_seek(&all, &view, KIND_POD, s->set->ns, NULL); all.object; view_next(&all))
        found_orphan(out, all.object);
}

/* One pod that was found: counted, released, adopted or left alone. */
static int claim_pod(struct sync *s, const struct object *pod, int64_t now_us, struct err *e)
{
    const struct owner_ref *owner = object_controller(pod);
    bool is_finished = pod_phase_is_final(pod_view(pod)->phase);
    bool is_member =
        strcmp(pod->ns, s->set->ns) == 0 &&
        selector_matches(&replicaset_view(s->set)->selector, pod->labels, pod->label_count);
    if (owner && is_member) {
        if (!pod->deleted_us && !is_finished)
            add_pod(s, pod, now_us);
        return 0;
    }
    if (s->set->deleted_us || (!owner && (!is_member || is_finished)))
        return 0;
    AUTO_OBJECT set = object_ref(s->set);
    int rc = adoption_write(s->runner, pod, set, owner ? change_release : change_adopt, e);
    s->is_outdated |= rc == 0;
    return rc;
}

static int claim_pods(struct sync *s, struct err *e)
{
    struct found_pods found = {.count = 0};
    int64_t now_us = clock_now_us();
    int rc = 0;
    find_pods(s, &found);
    for (size_t i = 0; i < found.count; i++) {
        if (rc == 0 || rc == ERR_NOT_FOUND)
            rc = claim_pod(s, found.at[i], now_us, e);
    }
    found_fini(&found);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* ---- steps ---- */

/* A failure is told in a unit of its own. */
static int failed(struct sync *s, struct verb *v, int rc, const char *reason, const char *what,
                  const struct err *e)
{
    runner_drop(v);
    if (rc == ERR_CONFLICT)
        return rc;
    struct verb event;
    runner_verb(s->runner, &event);
    registry_event(&event, s->set, "Warning", reason, COMPONENT, "%s: %s", what, e->text);
    (void)runner_stage(s->runner, &event, NULL);
    return rc;
}

static int create_pod(struct sync *s, struct err *e)
{
    const cJSON *template = json_at(s->tree, "spec", "template", NULL);
    const cJSON *meta = json_get(template, "metadata"), *spec = json_get(template, "spec");
    static const char *const members[] = {"labels", "annotations", "finalizers"};
    cJSON *body = cJSON_CreateObject(), *metadata = json_obj(body, "metadata");
    char *prefix = xasprintf("%s-", s->set->name);
    json_set_str(metadata, "generateName", prefix);
    free(prefix);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (json_get(meta, members[i]))
            json_set(metadata, members[i], cJSON_Duplicate(json_get(meta, members[i]), true));
    cJSON_AddItemToArray(json_arr(metadata, "ownerReferences"), set_owner_ref(s->set));
    json_set(body, "spec", spec ? cJSON_Duplicate(spec, true) : cJSON_CreateObject());
    struct verb v;
    AUTO_OBJECT pod = NULL;
    runner_verb(s->runner, &v);
    int rc = verb_create(&v, KIND_POD, s->set->ns, body, &pod, e);
    cJSON_Delete(body);
    if (rc < 0)
        return failed(s, &v, rc, "FailedCreate", "Error creating", e);
    registry_event(&v, s->set, "Normal", "SuccessfulCreate", COMPONENT, "Created pod: %s",
                   pod->name);
    return runner_stage(s->runner, &v, e);
}

static int delete_pod(struct sync *s, const struct object *pod, struct err *e)
{
    struct verb v;
    AUTO_OBJECT out = NULL;
    bool gone = false;
    const struct verb_key key = {KIND_POD, pod->ns, pod->name};
    const struct delete_opts opts = {.uid = pod->uid};
    runner_verb(s->runner, &v);
    int rc = verb_delete(&v, &key, &opts, &out, &gone, e);
    if (rc < 0 && rc != ERR_NOT_FOUND)
        return failed(s, &v, rc, "FailedDelete", "Error deleting", e);
    registry_event(&v, s->set, "Normal", "SuccessfulDelete", COMPONENT, "Deleted pod: %s",
                   pod->name);
    return runner_stage(s->runner, &v, e);
}

struct status {
    const struct replicaset_plan *plan;
    const char *failed; /* reason of ReplicaFailure, NULL: nothing failed */
    const char *message;
};

/* The condition stays as it was first told until a sync succeeds, as upstream's does. */
static void set_failure(cJSON *tree, const struct status *want)
{
    cJSON *status = json_get(tree, "status"), *list = json_get(status, "conditions");
    cJSON *have = condition_find(tree, REPLICA_FAILURE);
    if (want->failed && !have)
        (void)condition_set(tree, REPLICA_FAILURE, "True", want->failed, want->message);
    if (want->failed || !have)
        return;
    cJSON_Delete(cJSON_DetachItemViaPointer(list, have));
    if (!list->child)
        json_del(status, "conditions");
}

static int change_status(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct status *want = arg;
    const struct replicaset_plan *plan = want->plan;
    cJSON *status = json_obj(tree, "status");
    int64_t generation = 0;
    (void)json_int(json_get(tree, "metadata"), "generation", 0, INT64_MAX, &generation);
    json_set_int(status, "observedGeneration", generation);
    json_set_int(status, "replicas", plan->replicas);
    json_set_int(status, "fullyLabeledReplicas", plan->labeled);
    json_set_int(status, "readyReplicas", plan->ready);
    json_set_int(status, "availableReplicas", plan->available);
    set_failure(tree, want);
    return 0;
}

static int write_status(struct sync *s, struct status *want, struct err *e)
{
    const struct replicaset_plan *plan = want->plan;
    const struct replicaset_view *have = replicaset_view(s->set);
    if (have->st_replicas == plan->replicas && have->st_labeled == plan->labeled &&
        have->st_ready == plan->ready && have->st_available == plan->available &&
        have->observed_generation == s->set->generation &&
        have->st_failing == (want->failed != NULL))
        return 0;
    struct verb v;
    AUTO_OBJECT out = NULL;
    const struct verb_key key = {KIND_REPLICASET, s->set->ns, s->set->name};
    runner_verb(s->runner, &v);
    int rc = verb_update(&v, &key, SUB_STATUS, change_status, want, &out, e);
    if (rc == 0)
        return runner_stage(s->runner, &v, e);
    runner_drop(&v);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int sync_set(struct sync *s, struct replicaset_plan *plan, struct err *e)
{
    int rc = claim_pods(s, e);
    if (rc < 0 || s->is_outdated)
        return rc;
    int32_t wanted = replicaset_view(s->set)->replicas;
    if (wanted >= 0 && s->count > (size_t)wanted)
        read_details(s);
    replicaset_plan(s->replicas, s->count, wanted, plan);
    if (s->set->deleted_us)
        plan->create = plan->remove = plan->more = 0;
    CHECK(plan->remove <= s->count);
    for (size_t i = 0; i < plan->create && rc == 0; i++)
        rc = create_pod(s, e);
    for (size_t i = 0; i < plan->remove && rc == 0; i++)
        rc = delete_pod(s, s->objects[s->replicas[i].index], e);
    struct status want = {.plan = plan, .message = e->text};
    if (rc < 0 && rc != ERR_CONFLICT)
        want.failed = plan->create > 0 ? "FailedCreate" : "FailedDelete";
    int status = write_status(s, &want, rc < 0 ? NULL : e);
    return rc < 0 ? rc : status;
}

static enum sync_result replicaset_sync(struct runner *runner, void *state, const char *key)
{
    (void)state;
    char ns[PATH_SIZE];
    const char *name = NULL;
    CHECK(path_split(key, ns, &name));
    struct store_view view = store_head(runner_store(runner));
    const struct object *found = view_find(&view, KIND_REPLICASET, ns, name);
    if (!found)
        return SYNC_DONE;
    AUTO_OBJECT set = object_ref(found);
    struct err e = {0};
    struct replicaset_plan plan = {0};
    struct sync s = {.runner = runner, .set = set, .tree = object_tree(set)};
    int rc = sync_set(&s, &plan, &e);
    if (plan.again_at_us)
        runner_queue_at(runner, &replicaset_controller, key,
                        clock_mono_us() + (plan.again_at_us - clock_now_us()));
    sync_fini(&s);
    if (rc < 0 && rc != ERR_CONFLICT)
        LOG_LIMITED(LOG_WARN, "replicaset=%s reason=\"%s\"", key, e.text);
    return rc < 0 ? runner_result(rc) : plan.more ? SYNC_AGAIN : SYNC_DONE;
}

static void *replicaset_start(struct runner *runner)
{
    struct store_view view = store_head(runner_store(runner));
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_REPLICASET, NULL, NULL); cur.object; view_next(&cur))
        queue_set(runner, cur.object->ns, cur.object->name);
    return runner;
}

static void replicaset_stop(void *state)
{
    (void)state;
}

const struct controller replicaset_controller = {.name = "replicaset",
                                                 .on_change = replicaset_on_change,
                                                 .sync = replicaset_sync,
                                                 .start = replicaset_start,
                                                 .stop = replicaset_stop};
