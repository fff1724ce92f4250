/* controller/reconcile/node.c - the life of nodes: heartbeats, taints, eviction, collection of pods
 * (statefulset.md R43, R44).
 *
 * Heartbeats are counted from our own monotonic observation of leases and Ready conditions, anew at
 * start and after a gap of the loop. Everything else follows from what the store says. Keys:
 * "node", "!watch" (the clock of this file), "-node" (collect pods of a node that is gone or out of
 * service), "/ns/pod" (a pod that is terminating and was never bound). */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "controller/reconcile/embedded_report.h"
#include "controller/reconcile/keymap.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/placement.h"
#include "controller/reconcile/runner.h"

#define COMPONENT       "node-controller"
#define LEASE_NAMESPACE "kube-node-lease"
#define TAINT_NOT_READY "node.kubernetes.io/not-ready"
#define TAINT_LOST      "node.kubernetes.io/unreachable"
#define WATCH_KEY       "!watch"
#define WATCH_EVERY_US  INT64_C(5000000)
#define GAP_US          INT64_C(10000000)
/* Pods written in one sync of a node. */
#define POD_BUDGET 128

struct watched {
    int64_t beat_us;    /* monotonic: last sign of life seen */
    int64_t tainted_us; /* monotonic: NoExecute taints seen since, 0 = none */
    int64_t
        missing_us; /* monotonic: pods name the node, but it is not there, since; 0 = it is there */
    bool is_counted;        /* exists, and its Ready condition is not Unknown yet */
    struct object *tainted; /* its Node, whose taints are right: a lease changes nothing of it */
};

struct nodes {
    struct runner *runner;
    struct keymap watched; /* name -> struct watched */
    int64_t seen_us;       /* when this file last ran: a gap shows here */
    int64_t collect_us;    /* next collection */
    bool is_mass;          /* more than half fell silent together */
    bool is_writing;       /* our own write of a Node is no heartbeat */
    struct metric mass;
};

static struct watched *watch_node(struct nodes *n, const char *name)
{
    void **place = keymap_put(&n->watched, name);
    if (!*place) {
        struct watched *w = xcalloc(1, sizeof *w);
        w->beat_us = clock_mono_us();
        *place = w;
    }
    return *place;
}

static void watched_free(struct watched *w)
{
    object_unref(w->tainted);
    free(w);
}

static const struct object *find_node(const struct nodes *n, const char *name)
{
    struct store_view view = store_head(runner_store(n->runner));
    return view_find(&view, KIND_NODE, "", name);
}

static void queue(struct nodes *n, const char *name)
{
    runner_queue(n->runner, &node_controller, name);
}

static void beat(struct nodes *n, const char *name)
{
    watch_node(n, name)->beat_us = clock_mono_us();
    queue(n, name);
}

/* ---- from changes to keys ---- */

/* What an agent changes when it reports: the time and the status of Ready. */
static bool is_report(const struct store_change *change)
{
    if (!change->before)
        return true;
    cJSON *before = object_tree(change->before), *after = object_tree(change->after);
    const cJSON *a = condition_find(before, "Ready"), *b = condition_find(after, "Ready");
    bool is_same =
        strcmp(json_str(a, "lastHeartbeatTime", ""), json_str(b, "lastHeartbeatTime", "")) == 0 &&
        strcmp(json_str(a, "status", ""), json_str(b, "status", "")) == 0;
    cJSON_Delete(before);
    cJSON_Delete(after);
    return !is_same;
}

static void on_node(struct nodes *n, const struct store_change *change)
{
    const struct object *node = change->after ? change->after : change->before;
    struct watched *w = watch_node(n, node->name);
    if (!change->after) {
        w->is_counted = false;
        w->missing_us = clock_mono_us();
        return;
    }
    w->missing_us = 0;
    w->is_counted = strcmp(node_view(node)->ready_status, "Unknown") != 0;
    /* A lost commit gives an old state back, which has a revision: no heartbeat. */
    bool is_undone = node->mod_revision != 0;
    if (!n->is_writing && !is_undone && is_report(change))
        w->beat_us = clock_mono_us();
    queue(n, node->name);
}

static void on_pod(struct nodes *n, const struct store_change *change)
{
    const struct object *pod = change->after;
    if (!pod)
        return;
    const char *name = pod_view(pod)->node;
    if (!*name) {
        if (!pod->deleted_us || pod->finalizer_count > 0)
            return;
        char key[PATH_SIZE + 1] = "/";
        path_format(key + 1, pod->ns, pod->name);
        queue(n, key);
        return;
    }
    struct watched *w = keymap_find(&n->watched, name);
    if (!w && !find_node(n, name)) {
        w = watch_node(n, name);
        w->missing_us = clock_mono_us();
    }
    /* A pod on a node that is tainted or not heard of may have to be marked or evicted. */
    if (w && (w->tainted_us || !w->is_counted))
        queue(n, name);
}

/* Fences of nodes that are not there any more are released in time, also when a commit that did so
 * was lost. */
static void on_identity(struct nodes *n, const struct object *obj)
{
    const struct identity_view *identity = identity_view(obj);
    for (size_t i = 0; i < identity->fenced_count; i++) {
        const char *name = fence_node(identity, i);
        if (*name && !keymap_has(&n->watched, name) && !find_node(n, name))
            watch_node(n, name)->missing_us = clock_mono_us();
    }
}

static void node_on_change(struct runner *runner, void *state, const struct store_change *change)
{
    (void)runner;
    struct nodes *n = state;
    const struct object *obj = change->after ? change->after : change->before;
    if (obj->kind->id == KIND_POD) {
        on_pod(n, change);
    } else if (obj->kind->id == KIND_NODE) {
        on_node(n, change);
    } else if (obj->kind->id == KIND_IDENTITY && change->after) {
        on_identity(n, change->after);
    } else if (obj->kind->id == KIND_LEASE && strcmp(obj->ns, LEASE_NAMESPACE) == 0) {
        bool is_renewed =
            change->after && (!change->before || lease_view(change->before)->renew_us !=
                                                     lease_view(change->after)->renew_us);
        if (is_renewed && find_node(n, obj->name))
            beat(n, obj->name);
    }
}

/* ---- silence ---- */

static int64_t grace_us(const struct nodes *n)
{
    return runner_opts(n->runner)->node_grace_us;
}

static void beat_all_silent(struct nodes *n, int64_t older_than_us)
{
    const char *name;
    void *value;
    int64_t now_us = clock_mono_us();
    for (size_t at = 0; keymap_next(&n->watched, &at, &name, &value);) {
        struct watched *w = value;
        if (now_us - w->beat_us >= older_than_us)
            w->beat_us = now_us;
    }
}

/* After a gap of the loop nobody's silence means anything: counting starts anew (R44). */
static void check_gap(struct nodes *n)
{
    int64_t now_us = clock_mono_us();
    if (now_us - n->seen_us > GAP_US) { /* it runs every WATCH_EVERY_US at least */
        log_warn("msg=\"the loop stood still, heartbeats are counted anew\" gap_us=%lld",
                 (long long)(now_us - n->seen_us));
        beat_all_silent(n, 0);
    }
    n->seen_us = now_us;
}

/* Two or more nodes, and more than half of those not yet given up, are silent at the same time: it
 * is more likely we who are cut off. A node counts from half the grace on, because nodes that fall
 * together do not report in step. */
static bool is_mass_silence(const struct nodes *n)
{
    size_t counted = 0, silent = 0, at = 0;
    const char *name;
    void *value;
    int64_t now_us = clock_mono_us();
    while (keymap_next(&n->watched, &at, &name, &value)) {
        const struct watched *w = value;
        if (!w->is_counted)
            continue;
        counted++;
        silent += now_us - w->beat_us >= grace_us(n) / 2;
    }
    return silent >= 2 && silent * 2 > counted;
}

static void say_mass(struct nodes *n, const struct object *node)
{
    struct err e;
    err_clear(&e);
    struct verb v;
    log_error(
        "node=%s msg=\"more than half of the nodes fell silent together: nothing is withdrawn\"",
        node->name);
    runner_verb(n->runner, &v);
    registry_event(&v, node, "Warning", "NodesSilentTogether", COMPONENT,
                   "More than half of the nodes fell silent together: nothing is tainted, deleted "
                   "or withdrawn");
    if (runner_stage(n->runner, &v, &e) < 0)
        log_warn("node=%s msg=\"event not recorded\" reason=\"%s\"", node->name, e.text);
}

/* True when silence may be acted upon. */
static bool may_act(struct nodes *n, const struct object *node)
{
    bool is_mass = is_mass_silence(n);
    if (is_mass && !n->is_mass)
        say_mass(n, node);
    if (!is_mass && n->is_mass) {
        log_info("msg=\"nodes are heard again\"");
        beat_all_silent(n, grace_us(n) / 2); /* who is silent still has its whole grace */
    }
    n->is_mass = is_mass;
    n->mass.value = is_mass;
    return !is_mass;
}

/* ---- what is written to a Node ---- */

static int write_node(struct nodes *n, const char *name, enum subresource sub,
                      verb_change_fn *change, void *arg, struct err *e)
{
    struct verb v;
    runner_verb(n->runner, &v);
    AUTO_OBJECT out = NULL;
    const struct verb_key key = {KIND_NODE, "", name};
    int rc = verb_update(&v, &key, sub, change, arg, &out, e);
    if (rc < 0) {
        runner_drop(&v);
        return rc;
    }
    if (sub == SUB_STATUS)
        registry_event(&v, out, "Normal", "NodeNotReady", COMPONENT,
                       "Node %s status is now: NodeNotReady", name);
    n->is_writing = true;
    rc = runner_stage(n->runner, &v, e);
    n->is_writing = false;
    return rc;
}

static int set_unknown(cJSON *tree, void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    static const char *const types[] = {"MemoryPressure", "DiskPressure", "PIDPressure"};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (condition_find(tree, types[i]))
            (void)condition_set(tree, types[i], "Unknown", "NodeStatusUnknown",
                                "The node agent stopped posting node status.");
    bool had_ready = condition_find(tree, "Ready") != NULL;
    (void)condition_set(tree, "Ready", "Unknown",
                        had_ready ? "NodeStatusUnknown" : "NodeStatusNeverUpdated",
                        had_ready ? "The node agent stopped posting node status."
                                  : "The node agent never posted node status.");
    return 0;
}

static bool is_our_taint(const cJSON *taint)
{
    const char *key = json_str(taint, "key", "");
    return strcmp(key, TAINT_NOT_READY) == 0 || strcmp(key, TAINT_LOST) == 0;
}

static void add_taint(cJSON *taints, const char *key, const char *effect)
{
    char now[CLOCK_TEXT_MAX];
    cJSON *taint = cJSON_CreateObject();
    json_set_str(taint, "key", key);
    json_set_str(taint, "effect", effect);
    if (strcmp(effect, "NoExecute") == 0)
        json_set_str(taint, "timeAdded", clock_format(clock_now_us(), now));
    cJSON_AddItemToArray(taints, taint);
}

/* Both effects of the wanted taint and nothing else of ours; wanted NULL: none. True when the list
 * is so already. */
static bool has_right_taints(const cJSON *taints, const char *wanted)
{
    size_t right = 0, wrong = 0;
    const cJSON *taint = NULL;
    cJSON_ArrayForEach(taint, taints)
    {
        if (!is_our_taint(taint))
            continue;
        if (wanted && strcmp(json_str(taint, "key", ""), wanted) == 0)
            right++;
        else
            wrong++;
    }
    return wrong == 0 && right == (wanted ? 2 : 0);
}

static int set_taints(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const char *wanted = arg;
    cJSON *taints = json_arr(json_obj(tree, "spec"), "taints"), *taint = taints->child;
    while (taint) {
        cJSON *next = taint->next;
        if (is_our_taint(taint))
            cJSON_Delete(cJSON_DetachItemViaPointer(taints, taint));
        taint = next;
    }
    if (wanted) {
        add_taint(taints, wanted, "NoExecute");
        add_taint(taints, wanted, "NoSchedule");
    }
    if (!taints->child)
        json_del(json_obj(tree, "spec"), "taints");
    return 0;
}

/* Taints follow the Ready condition: False not-ready, Unknown unreachable. A node that never said
 * anything has none yet. */
static int fix_taints(struct nodes *n, struct watched *w, const struct object *node, struct err *e)
{
    if (w->tainted == node)
        return 0;
    static char not_ready[] = TAINT_NOT_READY, lost[] = TAINT_LOST;
    const char *ready = node_view(node)->ready_status;
    char *wanted = NULL;
    if (strcmp(ready, "False") == 0)
        wanted = not_ready;
    else if (strcmp(ready, "Unknown") == 0)
        wanted = lost;
    cJSON *tree = object_tree(node);
    bool is_right = has_right_taints(json_at(tree, "spec", "taints", NULL), wanted);
    cJSON_Delete(tree);
    if (!is_right)
        return write_node(n, node->name, SUB_NONE, set_taints, wanted, e);
    object_unref(w->tainted);
    w->tainted = object_ref(node);
    return 0;
}

/* ---- what is done to the pods of a node ---- */

static int set_pod_not_ready(cJSON *tree, void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    (void)condition_set(tree, "Ready", "False", REASON_NODE, "The node of this pod is not ready");
    return 0;
}

struct end {
    const char *reason, *message;
    bool is_failed;
};

static int set_disrupted(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct end *end = arg;
    (void)condition_set(tree, "DisruptionTarget", "True", end->reason, end->message);
    if (end->is_failed) {
        json_set_str(json_obj(tree, "status"), "phase", "Failed");
        (void)condition_set(tree, "Ready", "False", "PodFailed", NULL);
    }
    return 0;
}

static int update_pod(const struct verb *v, const struct object *pod, verb_change_fn *change,
                      void *arg, struct err *e)
{
    AUTO_OBJECT out = NULL;
    const struct verb_key key = {KIND_POD, pod->ns, pod->name};
    return verb_update(v, &key, SUB_STATUS, change, arg, &out, e);
}

static int delete_pod(const struct verb *v, const struct object *pod, bool by_force, struct err *e)
{
    AUTO_OBJECT out = NULL;
    bool gone = false;
    const struct verb_key key = {KIND_POD, pod->ns, pod->name};
    const struct delete_opts opts = {
        .has_grace = by_force, .propagation = PROPAGATE_BACKGROUND, .uid = pod->uid};
    return verb_delete(v, &key, &opts, &out, &gone, e);
}

static int mark_pod(struct nodes *n, const struct object *pod, struct err *e)
{
    struct verb v;
    runner_verb(n->runner, &v);
    int rc = update_pod(&v, pod, set_pod_not_ready, NULL, e);
    if (rc >= 0)
        return runner_stage(n->runner, &v, e);
    runner_drop(&v);
    return rc;
}

static int evict_pod(struct nodes *n, const struct object *pod, struct err *e)
{
    struct verb v;
    runner_verb(n->runner, &v);
    struct end end = {"DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint",
                      false};
    int rc = update_pod(&v, pod, set_disrupted, &end, e);
    if (rc >= 0)
        rc = delete_pod(&v, pod, false, e);
    if (rc >= 0) {
        registry_event(&v, pod, "Normal", "TaintManagerEviction", COMPONENT,
                       "Marking for deletion Pod %s/%s", pod->ns, pod->name);
        return runner_stage(n->runner, &v, e);
    }
    runner_drop(&v);
    return rc;
}

/* R43 (b) and (c): the name is freed although the node never confirmed. */
static int collect_pod(struct nodes *n, const struct object *pod, bool node_is_gone, struct err *e)
{
    struct verb v;
    runner_verb(n->runner, &v);
    struct end end = {
        "DeletionByPodGC",
        node_is_gone ? "PodGC: node no longer exists" : "PodGC: node is out of service", true};
    int rc = 0;
    if (!pod_phase_is_final(pod_view(pod)->phase))
        rc = update_pod(&v, pod, set_disrupted, &end, e);
    if (rc >= 0)
        rc = delete_pod(&v, pod, true, e);
    if (rc >= 0 && node_is_gone)
        rc = registry_identity_release(&v, pod->ns, pod->name, pod->uid, e);
    if (rc >= 0 || rc == ERR_NOT_FOUND)
        return runner_stage(n->runner, &v, e);
    runner_drop(&v);
    return rc;
}

/* ---- one node ---- */

struct batch {
    const struct object *pods[POD_BUDGET]; /* references owned */
    size_t count;
    bool is_more;
};

static void batch_add(struct batch *b, const struct object *pod)
{
    if (b->count == POD_BUDGET)
        b->is_more = true;
    else
        b->pods[b->count++] = object_ref(pod);
}

static void pods_of_node(const struct nodes *n, const char *node, struct index_cursor *cur,
                         struct store_view *view)
{
    char term[INDEX_TERM_MAX];
    index_node(term, node);
    *view = store_head(runner_store(n->runner));
    index_seek(cur, view, KIND_POD, term);
}

/* Ready pods of a node that is lost, or that were Ready when it became not ready, are not any more
 * (R44). */
static int mark_pods(struct nodes *n, const struct object *node, bool *is_more, struct err *e)
{
    bool is_lost = strcmp(node_view(node)->ready_status, "Unknown") == 0;
    cJSON *tree = object_tree(node);
    int64_t since_us = time_member(condition_find(tree, "Ready"), "lastTransitionTime");
    cJSON_Delete(tree);
    struct batch b = {.count = 0};
    struct index_cursor cur;
    struct store_view view;
    for (pods_of_node(n, node->name, &cur, &view); cur.object && !b.is_more; index_next(&cur))
        if (pod_view(cur.object)->ready &&
            (is_lost || pod_view(cur.object)->ready_since_us <= since_us))
            batch_add(&b, cur.object);
    int rc = 0;
    for (size_t i = 0; i < b.count; i++) {
        if (rc >= 0)
            rc = mark_pod(n, b.pods[i], e);
        object_unref(b.pods[i]);
    }
    *is_more |= b.is_more;
    return rc;
}

/* When the pod has to go, monotonic; -1 never. */
static int64_t evict_due_us(const struct watched *w, const struct object *pod, const cJSON *taints)
{
    cJSON *tree = object_tree(pod);
    int64_t stay_us = placement_stay_us(json_at(tree, "spec", "tolerations", NULL), taints);
    cJSON_Delete(tree);
    return stay_us < 0 ? -1 : w->tainted_us + stay_us;
}

static int evict_pods(struct nodes *n, const struct object *node, const struct watched *w,
                      bool *is_more, struct err *e)
{
    int64_t now_us = clock_mono_us(), next_us = -1;
    cJSON *tree = object_tree(node);
    const cJSON *taints = json_at(tree, "spec", "taints", NULL);
    struct batch b = {.count = 0};
    struct index_cursor cur;
    struct store_view view;
    for (pods_of_node(n, node->name, &cur, &view); cur.object && !b.is_more; index_next(&cur)) {
        if (cur.object->deleted_us)
            continue;
        int64_t due_us = evict_due_us(w, cur.object, taints);
        if (due_us >= 0 && due_us <= now_us)
            batch_add(&b, cur.object);
        else if (due_us >= 0 && (next_us < 0 || due_us < next_us))
            next_us = due_us;
    }
    cJSON_Delete(tree);
    int rc = 0;
    for (size_t i = 0; i < b.count; i++) {
        if (rc >= 0)
            rc = evict_pod(n, b.pods[i], e);
        object_unref(b.pods[i]);
    }
    if (next_us >= 0)
        runner_queue_at(n->runner, &node_controller, node->name, next_us);
    *is_more |= b.is_more;
    return rc;
}

/* Gives a silent node up, unless most are silent. The node as it is then; its reference is the
 * caller's. */
static int judge(struct nodes *n, struct watched *w, struct object **node, struct err *e)
{
    int64_t now_us = clock_mono_us(), due_us = w->beat_us + grace_us(n);
    if (now_us < due_us) {
        if (n->is_mass)
            (void)may_act(n, *node);
        runner_queue_at(n->runner, &node_controller, (*node)->name, due_us);
        return 0;
    }
    if (!w->is_counted)
        return 0; /* given up already */
    if (!may_act(n, *node)) {
        runner_queue_at(n->runner, &node_controller, (*node)->name, now_us + grace_us(n) / 4 + 1);
        return 0;
    }
    log_warn("node=%s msg=\"silent\" age_us=%lld", (*node)->name, (long long)(now_us - w->beat_us));
    int rc = write_node(n, (*node)->name, SUB_STATUS, set_unknown, NULL, e);
    const struct object *now = find_node(n, (*node)->name);
    if (now) {
        object_unref(*node);
        *node = object_ref(now);
    }
    return rc;
}

static int sync_node(struct nodes *n, struct object **node, bool *is_more, struct err *e)
{
    struct watched *w = watch_node(n, (*node)->name);
    w->is_counted = strcmp(node_view(*node)->ready_status, "Unknown") != 0;
    int rc = judge(n, w, node, e);
    if (rc < 0 || (rc = fix_taints(n, w, *node, e)) < 0)
        return rc;
    const struct object *now = find_node(n, (*node)->name);
    if (!now)
        return 0;
    object_unref(*node);
    *node = object_ref(now);
    const struct node_view *v = node_view(*node);
    if (strcmp(v->ready_status, "Unknown") == 0 || strcmp(v->ready_status, "False") == 0)
        rc = mark_pods(n, *node, is_more, e);
    if (!v->has_noexec)
        w->tainted_us = 0;
    else if (w->tainted_us == 0)
        w->tainted_us = clock_mono_us();
    if (rc >= 0 && w->tainted_us)
        rc = evict_pods(n, *node, w, is_more, e);
    return rc;
}

/* ---- collection ---- */

/* Fenced incarnations of a node that was removed: their addresses return to the pool (R44). */
static int release_identities(struct nodes *n, const char *node, struct err *e)
{
    struct store_view view = store_head(runner_store(n->runner));
    struct view_cursor cur;
    struct verb v;
    runner_verb(n->runner, &v);
    for (view_seek(&cur, &view, KIND_IDENTITY, NULL, NULL); cur.object; view_next(&cur)) {
        const struct identity_view *identity = identity_view(cur.object);
        for (size_t i = 0; i < identity->fenced_count; i++) {
            if (strcmp(fence_node(identity, i), node) != 0)
                continue;
            int rc = registry_identity_release(&v, cur.object->ns, cur.object->name,
                                               identity->fenced_uids[i], e);
            if (rc < 0 && rc != ERR_NOT_FOUND) {
                runner_drop(&v);
                return rc;
            }
        }
    }
    return runner_stage(n->runner, &v, e);
}

static int collect_node(struct nodes *n, const char *name, bool *is_more, struct err *e)
{
    const struct object *node = find_node(n, name);
    struct watched *w = keymap_find(&n->watched, name);
    bool is_gone = !node && w && w->missing_us &&
                   clock_mono_us() - w->missing_us >= runner_opts(n->runner)->gc_quarantine_us;
    bool is_out = node && node_view(node)->out_of_service &&
                  strcmp(node_view(node)->ready_status, "True") != 0;
    if (!is_gone && !is_out)
        return 0;
    struct batch b = {.count = 0};
    struct index_cursor cur;
    struct store_view view;
    for (pods_of_node(n, name, &cur, &view); cur.object && !b.is_more; index_next(&cur)) {
        bool is_held =
            cur.object->deleted_us && cur.object->grace_s == 0; /* only finalizers keep it */
        if ((is_gone || cur.object->deleted_us) && !is_held)
            batch_add(&b, cur.object);
    }
    int rc = 0;
    for (size_t i = 0; i < b.count; i++) {
        if (rc >= 0)
            rc = collect_pod(n, b.pods[i], is_gone, e);
        object_unref(b.pods[i]);
    }
    *is_more = b.is_more;
    if (rc < 0 || b.is_more || !is_gone)
        return rc;
    rc = release_identities(n, name, e);
    pods_of_node(n, name, &cur, &view);
    if (rc >= 0 && !cur.object)
        watched_free(keymap_take(&n->watched, name));
    return rc;
}

static void watch(struct nodes *n)
{
    int64_t now_us = clock_mono_us();
    bool is_collection = now_us >= n->collect_us;
    const char **names = keymap_sorted(&n->watched);
    for (size_t i = 0; i < n->watched.count; i++) {
        const struct watched *w = keymap_find(&n->watched, names[i]);
        if (n->is_mass && !w->missing_us)
            queue(n, names[i]);
        const struct object *node = is_collection ? find_node(n, names[i]) : NULL;
        if (!is_collection || (node && !node_view(node)->out_of_service))
            continue;
        char key[PATH_SIZE + 1] = "-";
        (void)snprintf(key + 1, sizeof key - 1, "%s", names[i]);
        queue(n, key);
    }
    free(names);
    int64_t period_us = runner_opts(n->runner)->gc_period_us;
    if (is_collection)
        n->collect_us = now_us + (period_us > 0 ? period_us : WATCH_EVERY_US);
    int64_t next_us = now_us + WATCH_EVERY_US;
    runner_queue_at(n->runner, &node_controller, WATCH_KEY,
                    n->collect_us < next_us ? n->collect_us : next_us);
}

static int sync_unbound(struct nodes *n, const char *path, struct err *e)
{
    char ns[PATH_SIZE];
    const char *name = NULL;
    CHECK(path_split(path, ns, &name));
    struct store_view view = store_head(runner_store(n->runner));
    const struct object *found = view_find(&view, KIND_POD, ns, name);
    if (!found || !found->deleted_us || *pod_view(found)->node || found->finalizer_count > 0)
        return 0;
    AUTO_OBJECT pod = object_ref(found);
    struct verb v;
    runner_verb(n->runner, &v);
    int rc = delete_pod(&v, pod, true, e);
    if (rc >= 0)
        return runner_stage(n->runner, &v, e);
    runner_drop(&v);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static enum sync_result node_sync(struct runner *runner, void *state, const char *key)
{
    (void)runner;
    struct nodes *n = state;
    struct err e;
    err_clear(&e);
    bool is_more = false;
    int rc = 0;
    check_gap(n);
    if (strcmp(key, WATCH_KEY) == 0) {
        watch(n);
    } else if (*key == '-') {
        rc = collect_node(n, key + 1, &is_more, &e);
    } else if (*key == '/') {
        rc = sync_unbound(n, key + 1, &e);
    } else {
        const struct object *found = find_node(n, key);
        struct object *node = found ? object_ref(found) : NULL;
        if (node)
            rc = sync_node(n, &node, &is_more, &e);
        object_unref(node);
    }
    if (rc == ERR_NOT_FOUND)
        rc = 0; /* it went meanwhile: its own change is heard of */
    if (rc < 0 && rc != ERR_CONFLICT)
        log_warn("node=%s reason=\"%s\"", key, e.text);
    return is_more && rc >= 0 ? SYNC_AGAIN : runner_result(rc);
}

static void *node_start(struct runner *runner)
{
    struct nodes *n = xcalloc(1, sizeof *n);
    n->runner = runner;
    n->seen_us = clock_mono_us();
    n->mass.family = (struct metric_family){
        .name = "ordinald_nodes_silent_together",
        .kind = METRIC_GAUGE,
        .help = "1 while more than half of the nodes are silent and nothing is withdrawn."};
    struct store_view view = store_head(runner_store(runner));
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_NODE, NULL, NULL); cur.object; view_next(&cur)) {
        watch_node(n, cur.object->name)->is_counted =
            strcmp(node_view(cur.object)->ready_status, "Unknown") != 0;
        queue(n, cur.object->name);
    }
    for (view_seek(&cur, &view, KIND_POD, NULL, NULL); cur.object; view_next(&cur))
        on_pod(n, &(struct store_change){.after = cur.object});
    for (view_seek(&cur, &view, KIND_IDENTITY, NULL, NULL); cur.object; view_next(&cur))
        on_identity(n, cur.object);
    n->collect_us = clock_mono_us();
    queue(n, WATCH_KEY);
    return n;
}

static void node_stop(void *state)
{
    struct nodes *n = state;
    const char *name;
    void *watched;
    for (size_t at = 0; keymap_next(&n->watched, &at, &name, &watched);)
        watched_free(watched);
    keymap_fini(&n->watched);
    free(n);
}

static void node_register_metrics(void *state)
{
    struct nodes *n = state;
    metric_register(&n->mass);
}

const struct controller node_controller = {.name = "node",
                                           .on_change = node_on_change,
                                           .sync = node_sync,
                                           .start = node_start,
                                           .stop = node_stop,
                                           .register_metrics = node_register_metrics};
