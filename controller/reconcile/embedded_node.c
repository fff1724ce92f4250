/* controller/reconcile/embedded_node.c - nodes node1, node2, ... inside the daemon, which run pods
 * that have no real node (R90).
 *
 * They write what a remote agent would write, through the same verbs with ROLE_NODE: leases,
 * status, the final deletion. What they know is rebuilt from the store at start; only the places of
 * the address rings are remembered beside it, in the commit that used them. Keys: "node/NAME",
 * "pod/NS/NAME", "gone/UID/NS/NAME" (the end of an incarnation that may be fenced). */
#include "controller/reconcile/embedded_node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "controller/reconcile/address_ring.h"
#include "controller/reconcile/embedded_report.h"
#include "controller/reconcile/keymap.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/runner.h"

#define COMPONENT       "embedded-node"
#define LEASE_NAMESPACE "kube-node-lease"
#define LEASE_SECONDS   40
#define BEAT_EVERY_US   INT64_C(10000000) /* at most; a quarter of nodes.grace when that is less */
#define RINGS_META      "embedded-addresses"
#define SIMULATE        "ordinald.dev/simulate"
#define FAMILIES        2
/* Positions looked at before a full block is given up for now. */
#define PROBES_MOST 65536
#define KEY_SIZE    (PATH_SIZE + UUID_TEXT_SIZE + 8)

struct ring {
    struct address_block block;
    uint64_t next; /* position handed out next */
};

struct embedded_node {
    char name[32];
    bool is_silent, ignores_deletion;
    bool was_seen; /* its Node exists or existed: it is not made again when an administrator removes
                      it */
    int64_t beat_us;
    struct ring rings[FAMILIES];
    size_t ring_count;
    uint64_t restored[FAMILIES]; /* places of the rings from before the start, 0 = none */
    char ip[48];                 /* of the node itself */
};

struct embedded {
    struct runner *runner;
    struct embedded_node *nodes;
    size_t count;
    struct keymap by_name;  /* -> struct embedded_node */
    struct keymap starting; /* uid -> int64_t: when its containers run, monotonic */
    struct keymap failing;  /* ns/pod whose readiness fails */
};

static struct store_view head(const struct embedded *em)
{
    return store_head(runner_store(em->runner));
}

static int64_t beat_every_us(const struct embedded *em)
{
    int64_t quarter_us = runner_opts(em->runner)->node_grace_us / 4;
    return quarter_us < BEAT_EVERY_US ? quarter_us : BEAT_EVERY_US;
}

static void queue_at(struct embedded *em, int64_t due_us, const char *kind, const char *ns,
                     const char *name)
{
    char key[KEY_SIZE];
    (void)snprintf(key, sizeof key, "%s/%s%s%s", kind, ns, *ns ? "/" : "", name);
    runner_queue_at(em->runner, &embedded_node_controller, key, due_us);
}

static struct embedded_node *node_of(const struct embedded *em, const struct object *pod)
{
    return pod && *pod_view(pod)->node ? keymap_find(&em->by_name, pod_view(pod)->node) : NULL;
}

/* ---- verbs as the node's agent ---- */

static void agent_verb(struct embedded *em, const struct embedded_node *node, struct verb *out)
{
    runner_verb(em->runner, out);
    out->role = ROLE_NODE;
    out->node = node->name;
}

/* Stages what went well, drops the rest. */
static int finish(struct embedded *em, struct verb *v, int rc, struct err *e)
{
    if (rc >= 0)
        return runner_stage(em->runner, v, e);
    runner_drop(v);
    return rc;
}

/* ---- addresses ---- */

static void remember_rings(struct embedded *em)
{
    struct buf_out text;
    buf_out_init(&text);
    for (size_t i = 0; i < em->count; i++) {
        const struct embedded_node *node = &em->nodes[i];
        if (node->ring_count > 0)
            buf_printf(&text, "%s %" PRIu64 " %" PRIu64 "\n", node->name, node->rings[0].next,
                       node->ring_count > 1 ? node->rings[1].next : 0);
    }
    store_meta_set(runner_store(em->runner), RINGS_META, text.data ? text.data : "");
    buf_out_fini(&text);
}

static void restore_rings(struct embedded *em)
{
    const char *text = store_meta_get(runner_store(em->runner), RINGS_META);
    if (!text)
        return;
    char *copy = xstrdup(text), *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *rest = strchr(line, ' ');
        if (!rest)
            continue;
        *rest++ = '\0';
        struct embedded_node *node = keymap_find(&em->by_name, line);
        if (!node)
            continue;
        node->restored[0] = strtoull(rest, &rest, 10);
        node->restored[1] = strtoull(rest, NULL, 10);
    }
    free(copy);
}

/* The rings of the node's podCIDRs, where they stood. */
static void take_blocks(struct embedded_node *node, const struct node_view *v)
{
    if (node->ring_count > 0)
        return;
    for (size_t i = 0; i < v->pod_cidr_count && node->ring_count < FAMILIES; i++) {
        struct ring *ring = &node->rings[node->ring_count];
        uint64_t first = 0, last = 0;
        if (!address_block_parse(v->pod_cidrs[i], &ring->block))
            continue;
        address_block_bounds(&ring->block, &first, &last);
        uint64_t restored = node->restored[node->ring_count];
        ring->next = restored >= first && restored <= last ? restored : first;
        node->ring_count++;
    }
    if (node->ring_count == 0)
        return;
    struct naming_address own;
    address_block_at(&node->rings[0].block, 1, &own);
    (void)naming_address_format(&own, node->ip);
}

/* The next free address of the ring; false when all are taken. */
static bool ring_take(const struct verb *v, struct ring *ring, char out[48])
{
    uint64_t first = 0, last = 0;
    address_block_bounds(&ring->block, &first, &last);
    if (last < first)
        return false;
    uint64_t probes = last - first + 1;
    for (uint64_t i = 0; i < probes && i < PROBES_MOST; i++) {
        struct naming_address address;
        address_block_at(&ring->block, ring->next, &address);
        ring->next = ring->next >= last ? first : ring->next + 1;
        if (registry_address_is_free(v, naming_address_format(&address, out)))
            return true;
    }
    return false;
}

struct ips {
    char text[FAMILIES][48];
    const char *list[FAMILIES];
    size_t count;
};

static bool take_addresses(struct embedded *em, struct embedded_node *node, const struct verb *v,
                           struct ips *out)
{
    out->count = 0;
    for (size_t i = 0; i < node->ring_count; i++) {
        if (!ring_take(v, &node->rings[i], out->text[i]))
            return false;
        out->list[out->count++] = out->text[i];
    }
    if (out->count > 0)
        remember_rings(em);
    return out->count > 0;
}

/* ---- the Node and its Lease ---- */

static bool is_share_used(const struct embedded *em, const char *share)
{
    struct store_view view = head(em);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_NODE, NULL, NULL); cur.object; view_next(&cur))
        for (size_t i = 0; i < node_view(cur.object)->pod_cidr_count; i++)
            if (strcmp(node_view(cur.object)->pod_cidrs[i], share) == 0)
                return true;
    return false;
}

/* The first share of the range that no Node has. */
static bool find_share(const struct embedded *em, const char *range_text, char out[64])
{
    const struct reconcile_opts *opts = runner_opts(em->runner);
    struct address_block range, share;
    if (!address_block_parse(range_text, &range))
        return false;
    unsigned prefix = range.base.len == 4 ? opts->pod_prefix4 : opts->pod_prefix6;
    for (uint64_t i = 0; address_block_share(&range, prefix, i, &share); i++) {
        address_block_format(&share, out);
        if (!is_share_used(em, out))
            return true;
    }
    return false;
}

static cJSON *node_tree(const struct embedded *em, const char *name)
{
    const struct reconcile_opts *opts = runner_opts(em->runner);
    cJSON *tree = cJSON_CreateObject();
    json_set_str(tree, "apiVersion", "v1");
    json_set_str(tree, "kind", "Node");
    cJSON *metadata = json_obj(tree, "metadata");
    json_set_str(metadata, "name", name);
    cJSON *labels = json_obj(metadata, "labels");
    json_set_str(labels, "kubernetes.io/hostname", name);
    json_set_str(labels, "kubernetes.io/os", "linux");
    json_set_str(labels, "ordinald.dev/embedded", "true");
    cJSON *spec = json_obj(tree, "spec"), *shares = cJSON_CreateArray();
    for (size_t i = 0; i < opts->pod_range_count && i < FAMILIES; i++) {
        char share[64];
        if (!find_share(em, opts->pod_range[i], share)) {
            log_error("node=%s range=%s msg=\"no share of nodes.pod-range is left\"", name,
                      opts->pod_range[i]);
            continue;
        }
        if (!json_get(spec, "podCIDR"))
            json_set_str(spec, "podCIDR", share);
        cJSON_AddItemToArray(shares, cJSON_CreateString(share));
    }
    json_set(spec, "podCIDRs", shares);
    return tree;
}

static int report_own_status(struct embedded_node *node, const struct verb *v,
                             const struct object *obj, struct err *e)
{
    take_blocks(node, node_view(obj));
    AUTO_OBJECT out = NULL;
    const struct verb_key key = {KIND_NODE, "", node->name};
    return verb_update(v, &key, SUB_STATUS, report_node, node->ip, &out, e);
}

static int create_node(struct embedded *em, struct embedded_node *node, struct err *e)
{
    struct verb v;
    agent_verb(em, node, &v);
    cJSON *tree = node_tree(em, node->name);
    AUTO_OBJECT obj = NULL;
    int rc = verb_create(&v, KIND_NODE, "", tree, &obj, e);
    cJSON_Delete(tree);
    if (rc >= 0)
        rc = report_own_status(node, &v, obj, e);
    return finish(em, &v, rc, e);
}

static int set_renewal(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    char now[CLOCK_TEXT_MAX];
    cJSON *spec = json_obj(tree, "spec");
    json_set_str(spec, "holderIdentity", arg);
    json_set_int(spec, "leaseDurationSeconds", LEASE_SECONDS);
    json_set_str(spec, "renewTime", clock_format_micro(clock_now_us(), now));
    return 0;
}

static int renew_lease(struct embedded *em, struct embedded_node *node, struct err *e)
{
    struct verb v;
    agent_verb(em, node, &v);
    AUTO_OBJECT out = NULL;
    int rc = 0;
    if (store_unit_find(v.unit, KIND_LEASE, LEASE_NAMESPACE, node->name)) {
        const struct verb_key key = {KIND_LEASE, LEASE_NAMESPACE, node->name};
        rc = verb_update(&v, &key, SUB_NONE, set_renewal, node->name, &out, e);
    } else {
        cJSON *tree = cJSON_CreateObject();
        json_set_str(tree, "apiVersion", "coordination.k8s.io/v1");
        json_set_str(tree, "kind", "Lease");
        json_set_str(json_obj(tree, "metadata"), "name", node->name);
        (void)set_renewal(tree, node->name, e);
        rc = verb_create(&v, KIND_LEASE, LEASE_NAMESPACE, tree, &out, e);
        cJSON_Delete(tree);
    }
    return finish(em, &v, rc, e);
}

static int sync_node(struct embedded *em, struct embedded_node *node, struct err *e)
{
    int64_t now_us = clock_mono_us();
    if (node->is_silent)
        return 0;
    struct store_view view = head(em);
    const struct object *obj = view_find(&view, KIND_NODE, "", node->name);
    if (!obj && node->was_seen)
        return 0;
    int rc = 0;
    if (!obj) {
        rc = create_node(em, node, e);
    } else if (strcmp(node_view(obj)->ready_status, "True") != 0 || !*node->ip) {
        struct verb v;
        agent_verb(em, node, &v);
        rc = finish(em, &v, report_own_status(node, &v, obj, e), e);
    }
    if (rc < 0)
        return rc;
    if (node->beat_us == 0 || now_us - node->beat_us >= beat_every_us(em)) {
        if ((rc = renew_lease(em, node, e)) < 0)
            return rc;
        node->beat_us = now_us;
    }
    queue_at(em, node->beat_us + beat_every_us(em), "node", "", node->name);
    return 0;
}

/* ---- pods ---- */

static int update_pod(struct embedded *em, struct embedded_node *node, const struct object *pod,
                      verb_change_fn *change, void *arg, struct err *e)
{
    struct verb v;
    agent_verb(em, node, &v);
    AUTO_OBJECT out = NULL;
    const struct verb_key key = {KIND_POD, pod->ns, pod->name};
    return finish(em, &v, verb_update(&v, &key, SUB_STATUS, change, arg, &out, e), e);
}

/* The containers have stopped: the object goes, or stays for its finalizers only (R42, R45). */
static int confirm_deletion(struct embedded *em, struct embedded_node *node,
                            const struct object *pod, struct err *e)
{
    struct verb v;
    agent_verb(em, node, &v);
    AUTO_OBJECT out = NULL;
    bool gone = false;
    const struct verb_key key = {KIND_POD, pod->ns, pod->name};
    const struct delete_opts opts = {
        .has_grace = true, .propagation = PROPAGATE_BACKGROUND, .uid = pod->uid};
    free(keymap_take(&em->starting, pod->uid));
    int rc = finish(em, &v, verb_delete(&v, &key, &opts, &out, &gone, e), e);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static bool fails_readiness(const struct embedded *em, const struct object *pod)
{
    char path[PATH_SIZE];
    path_format(path, pod->ns, pod->name);
    return keymap_has(&em->failing, path);
}

/* When the containers of this incarnation run; the wait begins with the sandbox, and anew after a
 * restart of the daemon. */
static int64_t start_due_us(struct embedded *em, const struct object *pod)
{
    int64_t **due = (int64_t **)keymap_put(&em->starting, pod->uid);
    if (!*due) {
        *due = xmalloc(sizeof **due);
        **due = clock_mono_us() + runner_opts(em->runner)->embedded_start_us;
    }
    return **due;
}

/* First the sandbox with its addresses, then the containers (R89). */
static int start_pod(struct embedded *em, struct embedded_node *node, const struct object *pod,
                     struct err *e)
{
    const struct pod_view *p = pod_view(pod);
    int64_t due_us = start_due_us(em, pod);
    bool is_due = clock_mono_us() >= due_us;
    if (!is_due)
        queue_at(em, due_us, "pod", pod->ns, pod->name);
    if (p->ip_count > 0 && !is_due)
        return 0;
    struct verb v;
    agent_verb(em, node, &v);
    struct ips ips;
    struct pod_report report = {
        .host_ip = node->ip, .is_started = is_due, .is_ready = is_due && !fails_readiness(em, pod)};
    if (p->ip_count > 0) {
        report.ips = p->ips;
        report.ip_count = p->ip_count;
    } else if (p->host_network) {
        ips.list[0] = node->ip;
        report.ips = ips.list;
        report.ip_count = 1;
    } else if (take_addresses(em, node, &v, &ips)) {
        report.ips = ips.list;
        report.ip_count = ips.count;
    } else {
        registry_event(&v, pod, "Warning", "FailedCreatePodSandBox", COMPONENT,
                       "no address of node %s is free", node->name);
        int rc = finish(em, &v, 0, e);
        return rc < 0 ? rc
                      : err_set(e, ERR_UNAVAILABLE, "no address of node %s is free", node->name);
    }
    AUTO_OBJECT out = NULL;
    const struct verb_key key = {KIND_POD, pod->ns, pod->name};
    int rc = finish(em, &v, verb_update(&v, &key, SUB_STATUS, report_pod, &report, &out, e), e);
    if (rc >= 0 && is_due)
        free(keymap_take(&em->starting, pod->uid));
    return rc;
}

/* The reason of the Ready condition says whether its being False is ours to take back: the probe
 * that fails by request, or the node controller while this node was silent. What others wrote
 * stays. */
static bool may_report_ready(const struct object *pod)
{
    cJSON *tree = object_tree(pod);
    const char *reason = json_str(condition_find(tree, "Ready"), "reason", "");
    bool is_ours = strcmp(reason, REASON_PROBE) == 0 || strcmp(reason, REASON_NODE) == 0 ||
                   strcmp(reason, REASON_GATE) == 0;
    cJSON_Delete(tree);
    return is_ours;
}

static int run_pod(struct embedded *em, struct embedded_node *node, const struct object *pod,
                   struct err *e)
{
    bool works = !fails_readiness(em, pod), is_ready = works && !pod_view(pod)->is_held_unready;
    if (pod_view(pod)->ready == is_ready || (is_ready && !may_report_ready(pod)))
        return 0;
    return update_pod(em, node, pod, report_readiness, &works, e);
}

static int sync_pod(struct embedded *em, const struct object *pod, struct err *e)
{
    struct embedded_node *node = node_of(em, pod);
    if (!node || node->is_silent)
        return 0;
    if (pod->deleted_us) {
        bool is_confirmed = pod->grace_s == 0 && pod->finalizer_count > 0;
        return is_confirmed || node->ignores_deletion ? 0 : confirm_deletion(em, node, pod, e);
    }
    switch (pod_view(pod)->phase) {
    case POD_PENDING:
        return *node->ip ? start_pod(em, node, pod, e) : 0; /* the Node itself comes first */
    case POD_RUNNING:
        return run_pod(em, node, pod, e);
    case POD_SUCCEEDED:
    case POD_FAILED:
    case POD_UNKNOWN:
        return 0;
    }
    return 0;
}

/* The end of an incarnation whose object was removed by force: its addresses may be used again
 * (R44). */
static int sync_gone(struct embedded *em, const char *uid, const char *ns, const char *name,
                     struct err *e)
{
    struct store_view view = head(em);
    const struct object *obj = view_find(&view, KIND_IDENTITY, ns, name);
    const struct identity_view *identity = obj ? identity_view(obj) : NULL;
    for (size_t i = 0; identity && i < identity->fenced_count; i++) {
        struct embedded_node *node = keymap_find(&em->by_name, fence_node(identity, i));
        if (strcmp(identity->fenced_uids[i], uid) != 0 || !node || node->is_silent ||
            node->ignores_deletion)
            continue;
        struct verb v;
        agent_verb(em, node, &v);
        int rc = finish(em, &v, registry_identity_release(&v, ns, name, uid, e), e);
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    return 0;
}

/* Its fenced incarnations of one node, or of all embedded ones. */
static void queue_fences(struct embedded *em, const struct object *obj, const char *node)
{
    const struct identity_view *identity = identity_view(obj);
    for (size_t i = 0; i < identity->fenced_count; i++) {
        const char *of = fence_node(identity, i);
        char kind[UUID_TEXT_SIZE + 8];
        if (node ? strcmp(of, node) != 0 : !keymap_has(&em->by_name, of))
            continue;
        (void)snprintf(kind, sizeof kind, "gone/%s", identity->fenced_uids[i]);
        queue_at(em, 0, kind, obj->ns, obj->name);
    }
}

static void queue_fences_of(struct embedded *em, const char *node)
{
    struct store_view view = head(em);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_IDENTITY, NULL, NULL); cur.object; view_next(&cur))
        queue_fences(em, cur.object, node);
}

/* ---- the row ---- */

/* Annotation ordinald.dev/simulate: silent on a Node (ordctl nodes silence). */
static bool is_asked_silent(const struct object *node)
{
    char how[16];
    return node && object_annotation(node, SIMULATE, how, sizeof how) && strcmp(how, "silent") == 0;
}

/* Only a change of the annotation acts, so that it and the knob do not undo each other. */
static void obey_annotation(struct embedded *em, const struct store_change *change)
{
    const struct object *obj = change->after ? change->after : change->before;
    bool is_silent = is_asked_silent(change->after);
    if (is_silent != is_asked_silent(change->before))
        embedded_silence(em, obj->name, is_silent);
}

static void embedded_on_change(struct runner *runner, void *state,
                               const struct store_change *change)
{
    (void)runner;
    struct embedded *em = state;
    const struct object *obj = change->after ? change->after : change->before;
    if (obj->kind->id == KIND_POD) {
        if (node_of(em, change->after)) {
            queue_at(em, 0, "pod", obj->ns, obj->name);
        } else if (!change->after && node_of(em, change->before)) {
            char kind[UUID_TEXT_SIZE + 8];
            free(keymap_take(&em->starting, obj->uid));
            (void)snprintf(kind, sizeof kind, "gone/%s", obj->uid);
            queue_at(em, 0, kind, obj->ns, obj->name);
        }
    } else if (obj->kind->id == KIND_NODE && keymap_has(&em->by_name, obj->name)) {
        struct embedded_node *node = keymap_find(&em->by_name, obj->name);
        node->was_seen |= obj->mod_revision != 0; /* not when a lost commit took it back */
        obey_annotation(em, change);
        queue_at(em, 0, "node", "", obj->name);
    } else if (obj->kind->id == KIND_IDENTITY && change->after) {
        queue_fences(em, change->after, NULL); /* a release that was lost has to be made again */
    }
}

static int sync_path(struct embedded *em, const char *key, struct err *e)
{
    char ns[PATH_SIZE], uid[PATH_SIZE];
    const char *name = NULL;
    if (strncmp(key, "node/", 5) == 0) {
        struct embedded_node *node = keymap_find(&em->by_name, key + 5);
        return node ? sync_node(em, node, e) : 0;
    }
    if (strncmp(key, "gone/", 5) == 0) {
        CHECK(path_split(key + 5, uid, &name) && path_split(name, ns, &name));
        return sync_gone(em, uid, ns, name, e);
    }
    CHECK(path_split(key + 4, ns, &name));
    struct store_view view = head(em);
    const struct object *found = view_find(&view, KIND_POD, ns, name);
    if (!found)
        return 0;
    AUTO_OBJECT pod = object_ref(found);
    return sync_pod(em, pod, e);
}

static enum sync_result embedded_sync(struct runner *runner, void *state, const char *key)
{
    (void)runner;
    struct err e;
    err_clear(&e);
    int rc = sync_path(state, key, &e);
    if (rc < 0 && rc != ERR_CONFLICT)
        LOG_LIMITED(LOG_WARN, "key=%s msg=\"embedded node failed\" reason=\"%s\"", key, e.text);
    return runner_result(rc);
}

static void queue_pods_of(struct embedded *em, const struct embedded_node *node)
{
    struct store_view view = head(em);
    struct index_cursor cur;
    char term[INDEX_TERM_MAX];
    index_node(term, node->name);
    for (index_seek(&cur, &view, KIND_POD, term); cur.object; index_next(&cur))
        queue_at(em, 0, "pod", cur.object->ns, cur.object->name);
}

static void *embedded_start(struct runner *runner)
{
    unsigned count = runner_opts(runner)->embedded_nodes;
    if (count == 0)
        return NULL;
    struct embedded *em = xcalloc(1, sizeof *em);
    em->runner = runner;
    em->count = count;
    em->nodes = xcalloc(count, sizeof *em->nodes);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(em->nodes[i].name, sizeof em->nodes[i].name, "node%zu", i + 1);
        *keymap_put(&em->by_name, em->nodes[i].name) = &em->nodes[i];
    }
    restore_rings(em);
    struct store_view view = head(em);
    for (size_t i = 0; i < count; i++) {
        em->nodes[i].is_silent =
            is_asked_silent(view_find(&view, KIND_NODE, "", em->nodes[i].name));
        queue_at(em, 0, "node", "", em->nodes[i].name);
        queue_pods_of(em, &em->nodes[i]);
    }
    queue_fences_of(em, NULL);
    return em;
}

static void embedded_stop(void *state)
{
    struct embedded *em = state;
    const char *uid;
    void *due;
    for (size_t at = 0; keymap_next(&em->starting, &at, &uid, &due);)
        free(due);
    keymap_fini(&em->starting);
    keymap_fini(&em->failing);
    keymap_fini(&em->by_name);
    free(em->nodes);
    free(em);
}

const struct controller embedded_node_controller = {.name = "embedded-node",
                                                    .on_change = embedded_on_change,
                                                    .sync = embedded_sync,
                                                    .start = embedded_start,
                                                    .stop = embedded_stop};

/* ---- knobs ---- */

/* Everything the node may have missed. */
static void wake(struct embedded *em, struct embedded_node *node)
{
    node->beat_us = 0;
    node->was_seen = false; /* a node that returns registers again */
    queue_at(em, 0, "node", "", node->name);
    queue_pods_of(em, node);
    queue_fences_of(em, node->name);
}

void embedded_silence(struct embedded *em, const char *name, bool silent)
{
    struct embedded_node *node = keymap_find(&em->by_name, name);
    if (!node || node->is_silent == silent)
        return;
    node->is_silent = silent;
    if (!silent)
        wake(em, node);
}

void embedded_ignore_deletion(struct embedded *em, const char *name, bool ignore)
{
    struct embedded_node *node = keymap_find(&em->by_name, name);
    if (!node || node->ignores_deletion == ignore)
        return;
    node->ignores_deletion = ignore;
    if (!ignore)
        wake(em, node);
}

void embedded_fail_readiness(struct embedded *em, const char *ns, const char *pod, bool fail)
{
    char path[PATH_SIZE];
    path_format(path, ns, pod);
    if (fail)
        (void)keymap_put(&em->failing, path);
    else
        (void)keymap_take(&em->failing, path);
    queue_at(em, 0, "pod", ns, pod);
}

int embedded_change_address(struct embedded *em, const char *ns, const char *name)
{
    struct store_view view = head(em);
    const struct object *found = view_find(&view, KIND_POD, ns, name);
    struct embedded_node *node = node_of(em, found);
    if (!node || pod_view(found)->ip_count == 0)
        return ERR_NOT_FOUND;
    AUTO_OBJECT pod = object_ref(found);
    struct verb v;
    agent_verb(em, node, &v);
    struct ips ips;
    if (!take_addresses(em, node, &v, &ips)) {
        runner_drop(&v);
        return ERR_UNAVAILABLE;
    }
    const struct pod_view *p = pod_view(pod);
    struct pod_report report = {.host_ip = node->ip,
                                .ips = ips.list,
                                .ip_count = ips.count,
                                .is_started = p->phase == POD_RUNNING,
                                .is_ready = p->ready};
    AUTO_OBJECT out = NULL;
    struct err e;
    err_clear(&e);
    const struct verb_key key = {KIND_POD, ns, name};
    return finish(em, &v, verb_update(&v, &key, SUB_STATUS, report_pod, &report, &out, &e), &e);
}
