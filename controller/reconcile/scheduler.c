/* controller/reconcile/scheduler.c - binds pods of schedulerName default-scheduler to nodes
 * (statefulset.md R88, R79).
 *
 * Keys: "ns/pod", "*" for every pod that found no place, "+" for those of them that want to be near
 * another. What it keeps: each node's parsed tree
 * and number of pods, counted from the changes it hears of, so that placing one pod costs the
 * number of nodes, not of pods. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "controller/reconcile/keymap.h"
#include "controller/reconcile/neighbours.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/runner.h"
#include "controller/reconcile/scheduler_plan.h"
#include "controller/reconcile/volumes.h"

#define COMPONENT     "default-scheduler"
#define SELECTED_NODE "volume.kubernetes.io/selected-node"
#define EVERY_WAITING "*"
#define EVERY_LONELY  "+"

struct sched_node {
    const struct object *obj; /* reference owned; NULL: pods name a node that is not there */
    cJSON *tree;              /* parsed on demand */
    int64_t pods;
    uint64_t cpu_milli, memory_bytes; /* requests of the pods there; what is added is taken away */
    int64_t most_cpu_milli, most_memory_bytes; /* 0: not told */
};

struct scheduler {
    struct keymap nodes;   /* name -> struct sched_node */
    struct keymap waiting; /* ns/pod that found no place */
    struct keymap lonely;  /* those of them that want to be near others */
    struct neighbours neighbours;
    struct place_node *places;       /* of the nodes that exist; NULL: to be built */
    struct sched_node **place_nodes; /* the same nodes */
    size_t place_count;
};

static struct sched_node *node_get(struct scheduler *s, const char *name)
{
    void **place = keymap_put(&s->nodes, name);
    if (!*place)
        *place = xcalloc(1, sizeof(struct sched_node));
    return *place;
}

static void forget_places(struct scheduler *s)
{
    free(TAKE(s->places));
    free(TAKE(s->place_nodes));
    s->place_count = 0;
}

static void node_set(struct scheduler *s, const char *name, const struct object *obj)
{
    struct sched_node *node = node_get(s, name);
    const struct object *old = node->obj;
    node->obj = obj ? object_ref(obj) : NULL;
    object_unref(old);
    cJSON_Delete(TAKE(node->tree));
    forget_places(s);
    if (!node->obj && node->pods <= 0)
        free(keymap_take(&s->nodes, name));
}

/* True when the pod takes a place on its node. */
static bool takes_place(const struct object *pod)
{
    return pod && *pod_view(pod)->node && !pod_phase_is_final(pod_view(pod)->phase);
}

static void count_pod(struct scheduler *s, const struct object *pod, int by)
{
    if (!takes_place(pod))
        return;
    if (by > 0)
        neighbours_add(&s->neighbours, pod);
    else
        neighbours_drop(&s->neighbours, pod);
    struct sched_node *node = node_get(s, pod_view(pod)->node);
    node->pods += by;
    node->cpu_milli += (uint64_t)by * (uint64_t)pod_view(pod)->cpu_milli;
    node->memory_bytes += (uint64_t)by * (uint64_t)pod_view(pod)->memory_bytes;
    if (!node->obj && node->pods <= 0)
        free(keymap_take(&s->nodes, pod_view(pod)->node));
}

static bool is_to_place(const struct object *pod)
{
    return pod && !*pod_view(pod)->node && !pod->deleted_us && !pod_view(pod)->is_gated &&
           strcmp(pod_view(pod)->scheduler, COMPONENT) == 0 && pod_view(pod)->phase == POD_PENDING;
}

static void queue_pod(struct runner *runner, const struct object *pod)
{
    char path[PATH_SIZE];
    path_format(path, pod->ns, pod->name);
    runner_queue(runner, &scheduler_controller, path);
}

static void queue_waiting(struct runner *runner, const struct scheduler *s)
{
    if (s->waiting.count > 0)
        runner_queue(runner, &scheduler_controller, EVERY_WAITING);
}

static void forget_waiting(struct scheduler *s, const char *path)
{
    (void)keymap_take(&s->waiting, path);
    (void)keymap_take(&s->lonely, path);
}

static void on_pod(struct runner *runner, struct scheduler *s, const struct store_change *change)
{
    bool took = takes_place(change->before), takes = takes_place(change->after);
    if (took != takes ||
        (took && strcmp(pod_view(change->before)->node, pod_view(change->after)->node) != 0)) {
        count_pod(s, change->before, -1);
        count_pod(s, change->after, 1);
        if (took)
            queue_waiting(runner, s);
        else if (s->lonely.count > 0)
            runner_queue(runner, &scheduler_controller, EVERY_LONELY);
    } else if (took && !object_labels_equal(change->before, change->after)) {
        queue_waiting(runner, s); /* another neighbour than it was */
    }
    if (is_to_place(change->after)) {
        queue_pod(runner, change->after);
    } else {
        char path[PATH_SIZE];
        const struct object *pod = change->after ? change->after : change->before;
        path_format(path, pod->ns, pod->name);
        forget_waiting(s, path);
    }
}

static void scheduler_on_change(struct runner *runner, void *state,
                                const struct store_change *change)
{
    struct scheduler *s = state;
    const struct object *obj = change->after ? change->after : change->before;
    if (obj->kind->id == KIND_POD) {
        on_pod(runner, s, change);
    } else if (obj->kind->id == KIND_NODE) {
        node_set(s, obj->name, change->after);
        queue_waiting(runner, s);
    } else if (obj->kind->id == KIND_PVC) {
        struct store_view view = store_head(runner_store(runner));
        char term[INDEX_TERM_MAX];
        index_claim(term, obj->ns, obj->name);
        struct index_cursor cur;
        for (index_seek(&cur, &view, KIND_POD, term); cur.object; index_next(&cur))
            if (is_to_place(cur.object))
                queue_pod(runner, cur.object);
    } else if (obj->kind->id == KIND_PV || obj->kind->id == KIND_STORAGECLASS) {
        queue_waiting(runner, s);
    }
}

/* ---- gather ---- */

static size_t allocatable_pods(const cJSON *tree)
{
    const cJSON *pods = json_at(tree, "status", "allocatable", "pods", NULL);
    int64_t count = 0;
    if (cJSON_IsString(pods) && quantity_parse(pods->valuestring, &count) && count > 0)
        return (size_t)count;
    return json_is_int(pods, &count) && count > 0 ? (size_t)count : 0;
}

static void build_places(struct scheduler *s)
{
    const char **names = keymap_sorted(&s->nodes);
    s->places = xcalloc(s->nodes.count + 1, sizeof *s->places);
    s->place_nodes = xcalloc(s->nodes.count + 1, sizeof(struct sched_node *));
    for (size_t i = 0; i < s->nodes.count; i++) {
        struct sched_node *node = keymap_find(&s->nodes, names[i]);
        if (!node->obj || node->obj->deleted_us)
            continue;
        if (!node->tree)
            node->tree = object_tree(node->obj);
        const struct node_view *v = node_view(node->obj);
        const cJSON *allocatable = json_at(node->tree, "status", "allocatable", NULL);
        node->most_cpu_milli = quantity_in(allocatable, "cpu", true);
        node->most_memory_bytes = quantity_in(allocatable, "memory", false);
        s->place_nodes[s->place_count] = node;
        s->places[s->place_count++] =
            (struct place_node){.name = node->obj->name,
                                .labels = node->obj->labels,
                                .label_count = node->obj->label_count,
                                .taints = json_at(node->tree, "spec", "taints", NULL),
                                .is_ready = strcmp(v->ready_status, "True") == 0,
                                .is_unschedulable = v->unschedulable,
                                .most_pods = allocatable_pods(node->tree)};
    }
    free(names);
}

struct gather {
    struct runner *runner;
    struct arena arena;
    struct store_view view;
    const struct object *pod;
    cJSON **trees; /* of volumes, or terms; to be deleted */
    size_t tree_count;
    struct place_claim *claims;
    size_t claim_count;
};

static bool waits_for_consumer(const struct store_view *view, const struct claim_view *claim)
{
    const struct object *class = view_find(view, KIND_STORAGECLASS, "", claim->class_name);
    return class && class_view(class)->wait_for_consumer;
}

/* R86: ReadWriteOnce is one node, ReadWriteOncePod is one pod. Whoever has it, has it as long as
 * its containers may run. */
static void look_for_users(struct gather *g, const struct claim_view *claim, const char *name,
                           struct place_claim *out)
{
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    if (claim->access_modes & ~(unsigned)(ACCESS_RWO | ACCESS_RWOP))
        return;
    index_claim(term, g->pod->ns, name);
    for (index_seek(&cur, &g->view, KIND_POD, term); cur.object; index_next(&cur)) {
        if (!takes_place(cur.object) || strcmp(cur.object->uid, g->pod->uid) == 0)
            continue;
        if (claim->access_modes & ACCESS_RWOP)
            out->state = CLAIM_TAKEN;
        out->only_node = pod_view(cur.object)->node;
    }
}

static void fill_claim(struct gather *g, const char *name, struct place_claim *out)
{
    *out = (struct place_claim){.name = name, .state = CLAIM_MISSING, .selected_node = ""};
    const struct object *obj = view_find(&g->view, KIND_PVC, g->pod->ns, name);
    if (!obj)
        return;
    const struct claim_view *claim = claim_view(obj);
    if (obj->deleted_us) {
        out->state = CLAIM_LEAVING;
    } else if (strcmp(claim->phase, "Lost") == 0) {
        out->state = CLAIM_LOST;
    } else if (strcmp(claim->phase, "Bound") == 0) {
        const struct object *volume = view_find(&g->view, KIND_PV, "", claim->volume_name);
        out->state = volume ? CLAIM_BOUND : CLAIM_LOST;
        if (volume)
            look_for_users(g, claim, name, out);
        if (volume && volume_view(volume)->has_affinity) {
            cJSON *tree = g->trees[g->tree_count++] = object_tree(volume);
            out->terms =
                json_at(tree, "spec", "nodeAffinity", "required", "nodeSelectorTerms", NULL);
        }
    } else if (waits_for_consumer(&g->view, claim)) {
        out->state = CLAIM_WAITS;
        out->selected_node = claim->selected_node;
        out->terms = g->trees[g->tree_count++] = volumes_node_terms(g->runner, obj);
    } else {
        out->state = CLAIM_UNBOUND;
    }
}

static void gather_claims(struct gather *g)
{
    const struct pod_view *pod = pod_view(g->pod);
    g->claims = arena_alloc(&g->arena, (pod->claim_count + 1) * sizeof *g->claims);
    g->trees = arena_alloc(&g->arena, (pod->claim_count + 1) * sizeof(cJSON *));
    for (size_t i = 0; i < pod->claim_count; i++)
        fill_claim(g, pod->claims[i].claim, &g->claims[g->claim_count++]);
}

/* ---- apply ---- */

static int bind_pod(struct runner *runner, const struct object *pod, const char *node,
                    struct err *e)
{
    struct verb v;
    runner_verb(runner, &v);
    cJSON *binding = cJSON_CreateObject();
    cJSON *metadata = json_obj(binding, "metadata"), *target = json_obj(binding, "target");
    json_set_str(metadata, "name", pod->name);
    json_set_str(metadata, "uid", pod->uid);
    json_set_str(target, "kind", "Node");
    json_set_str(target, "name", node);
    int rc = verb_bind(&v, pod->ns, pod->name, binding, e);
    cJSON_Delete(binding);
    if (rc < 0) {
        runner_drop(&v);
        return rc;
    }
    registry_event(&v, pod, "Normal", "Scheduled", COMPONENT, "Successfully assigned %s/%s to %s",
                   pod->ns, pod->name, node);
    return runner_stage(runner, &v, e);
}

static int select_node(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    json_set_str(json_obj(json_obj(tree, "metadata"), "annotations"), SELECTED_NODE, arg);
    return 0;
}

/* R79: binding of the claims that wait starts with the annotation, on all of them at once. */
static int select_for_claims(struct runner *runner, const struct gather *g, const char *node,
                             struct err *e)
{
    struct verb v;
    runner_verb(runner, &v);
    char name[PATH_SIZE];
    (void)snprintf(name, sizeof name, "%s", node);
    for (size_t i = 0; i < g->claim_count; i++) {
        if (g->claims[i].state != CLAIM_WAITS || *g->claims[i].selected_node)
            continue;
        AUTO_OBJECT out = NULL;
        const struct verb_key key = {KIND_PVC, g->pod->ns, g->claims[i].name};
        int rc = verb_update(&v, &key, SUB_NONE, select_node, name, &out, e);
        if (rc < 0) {
            runner_drop(&v);
            return rc;
        }
    }
    return runner_stage(runner, &v, e);
}

struct refusal {
    const char *reason;
    bool is_changed;
};

static int refuse(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    struct refusal *r = arg;
    r->is_changed = condition_set(tree, "PodScheduled", "False", "Unschedulable", r->reason);
    return 0;
}

static int mark_unschedulable(struct runner *runner, struct scheduler *s, const struct object *pod,
                              bool is_lonely, const char *reason, struct err *e)
{
    char path[PATH_SIZE];
    path_format(path, pod->ns, pod->name);
    (void)keymap_put(&s->waiting, path);
    if (is_lonely)
        (void)keymap_put(&s->lonely, path);
    struct verb v;
    runner_verb(runner, &v);
    AUTO_OBJECT out = NULL;
    struct refusal refusal = {.reason = reason};
    const struct verb_key key = {KIND_POD, pod->ns, pod->name};
    int rc = verb_update(&v, &key, SUB_STATUS, refuse, &refusal, &out, e);
    if (rc < 0 || !refusal.is_changed) {
        runner_drop(&v);
        return rc;
    }
    registry_event(&v, pod, "Warning", "FailedScheduling", COMPONENT, "%s", reason);
    return runner_stage(runner, &v, e);
}

static int64_t left_of(int64_t most, uint64_t used)
{
    if (most == 0)
        return PLACE_UNLIMITED;
    return used < (uint64_t)most ? most - (int64_t)used : 0;
}

/* What is left of a node for one more. */
static void measure(const struct sched_node *node, struct place_node *out)
{
    out->pods = node->pods > 0 ? (size_t)node->pods : 0;
    out->cpu_milli = left_of(node->most_cpu_milli, node->cpu_milli);
    out->memory_bytes = left_of(node->most_memory_bytes, node->memory_bytes);
}

static int place(struct runner *runner, struct scheduler *s, struct gather *g, struct err *e)
{
    gather_claims(g);
    if (!s->places)
        build_places(s);
    for (size_t i = 0; i < s->place_count; i++)
        measure(s->place_nodes[i], &s->places[i]);
    const struct object *identity = view_find(&g->view, KIND_IDENTITY, g->pod->ns, g->pod->name);
    cJSON *tree = object_tree(g->pod);
    const cJSON *affinity = json_at(tree, "spec", "affinity", "nodeAffinity",
                                    "requiredDuringSchedulingIgnoredDuringExecution", NULL);
    const struct place_view view = {.node_selector = json_at(tree, "spec", "nodeSelector", NULL),
                                    .affinity_terms = json_get(affinity, "nodeSelectorTerms"),
                                    .tolerations = json_at(tree, "spec", "tolerations", NULL),
                                    .avoid = identity ? identity_view(identity)->node : "",
                                    .claims = g->claims,
                                    .claim_count = g->claim_count,
                                    .nodes = s->places,
                                    .node_count = s->place_count,
                                    .cpu_milli = pod_view(g->pod)->cpu_milli,
                                    .memory_bytes = pod_view(g->pod)->memory_bytes};
    struct place_plan plan;
    bool is_lonely =
        neighbours_judge(&s->neighbours, &g->view, g->pod, tree, s->places, s->place_count);
    scheduler_plan(&view, &plan);
    cJSON_Delete(tree);
    switch (plan.result) {
    case PLACE_BIND:
        return bind_pod(runner, g->pod, plan.node->name, e);
    case PLACE_SELECT:
        return select_for_claims(runner, g, plan.node->name, e);
    case PLACE_WAIT:
        return 0;
    case PLACE_NONE:
        return mark_unschedulable(runner, s, g->pod, is_lonely, plan.reason, e);
    }
    return 0;
}

static enum sync_result sync_pod(struct runner *runner, struct scheduler *s, const char *key)
{
    char ns[PATH_SIZE];
    const char *name = NULL;
    CHECK(path_split(key, ns, &name));
    struct gather g = {.runner = runner, .view = store_head(runner_store(runner))};
    const struct object *found = view_find(&g.view, KIND_POD, ns, name);
    forget_waiting(s, key);
    if (!is_to_place(found))
        return SYNC_DONE;
    AUTO_OBJECT pod = object_ref(found);
    g.pod = pod;
    arena_init(&g.arena);
    struct err e;
    err_clear(&e);
    int rc = place(runner, s, &g, &e);
    for (size_t i = 0; i < g.tree_count; i++)
        cJSON_Delete(g.trees[i]);
    arena_fini(&g.arena);
    if (rc < 0 && rc != ERR_CONFLICT)
        log_warn("pod=%s msg=\"not scheduled\" reason=\"%s\"", key, e.text);
    return runner_result(rc);
}

static enum sync_result scheduler_sync(struct runner *runner, void *state, const char *key)
{
    struct scheduler *s = state;
    bool is_lonely = strcmp(key, EVERY_LONELY) == 0;
    if (strcmp(key, EVERY_WAITING) != 0 && !is_lonely)
        return sync_pod(runner, s, key);
    const struct keymap *all = is_lonely ? &s->lonely : &s->waiting;
    const char **waiting = keymap_sorted(all);
    for (size_t i = 0; i < all->count; i++)
        runner_queue(runner, &scheduler_controller, waiting[i]);
    free(waiting);
    return SYNC_DONE;
}

static void *scheduler_start(struct runner *runner)
{
    if (!runner_opts(runner)->scheduler)
        return NULL;
    struct scheduler *s = xcalloc(1, sizeof *s);
    struct store_view view = store_head(runner_store(runner));
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_NODE, NULL, NULL); cur.object; view_next(&cur))
        node_set(s, cur.object->name, cur.object);
    for (view_seek(&cur, &view, KIND_POD, NULL, NULL); cur.object; view_next(&cur)) {
        count_pod(s, cur.object, 1);
        if (is_to_place(cur.object))
            queue_pod(runner, cur.object);
    }
    return s;
}

static void scheduler_stop(void *state)
{
    struct scheduler *s = state;
    const char *name;
    void *value;
    for (size_t at = 0; keymap_next(&s->nodes, &at, &name, &value);) {
        struct sched_node *node = value;
        object_unref(node->obj);
        cJSON_Delete(node->tree);
        free(node);
    }
    keymap_fini(&s->nodes);
    keymap_fini(&s->waiting);
    keymap_fini(&s->lonely);
    neighbours_fini(&s->neighbours);
    forget_places(s);
    free(s);
}

const struct controller scheduler_controller = {.name = "scheduler",
                                                .on_change = scheduler_on_change,
                                                .sync = scheduler_sync,
                                                .start = scheduler_start,
                                                .stop = scheduler_stop};
