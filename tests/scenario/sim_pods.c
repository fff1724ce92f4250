/* What users and nodes do to single pods. */
#include "tests/scenario/sim.h"

void sim_do_delete_pod(struct sim *s)
{
    struct pod_name pod;
    const struct delete_opts opts = {.has_grace = sim_one_in(s, 4), .grace_s = 1};
    sim_any_pod(s, &pod);
    if (!sim_find(s, KIND_POD, pod.ns, pod.name))
        return;
    sim_did(s, "delete %s/%s", pod.ns, pod.name);
    sim_delete(s, KIND_POD, pod.ns, pod.name, &opts);
}

void sim_do_force_pod(struct sim *s)
{
    struct pod_name pod;
    const struct delete_opts opts = {.has_grace = true};
    sim_any_pod(s, &pod);
    if (!sim_find(s, KIND_POD, pod.ns, pod.name))
        return;
    sim_did(s, "force %s/%s", pod.ns, pod.name);
    sim_delete(s, KIND_POD, pod.ns, pod.name, &opts);
}

void sim_do_evict(struct sim *s)
{
    struct pod_name pod;
    sim_any_pod(s, &pod);
    sim_evict(s, pod.ns, pod.name);
}

/* Labels that a set selects by, or that tell the identity (R9, R61). */
void sim_do_relabel(struct sim *s)
{
    static const char *const labels[] = {"'app':'elsewhere'",
                                         "'app':'web'",
                                         "'app':'db'",
                                         "'app':null",
                                         "'statefulset.kubernetes.io/pod-name':null",
                                         "'statefulset.kubernetes.io/pod-name':'other-0'",
                                         "'apps.kubernetes.io/pod-index':null"};
    struct pod_name pod;
    const char *label = labels[sim_below(s, ARRAY_SIZE(labels))];
    sim_any_pod(s, &pod);
    const struct verb_key key = {KIND_POD, pod.ns, pod.name};
    if (!sim_find(s, KIND_POD, pod.ns, pod.name))
        return;
    sim_did(s, "label %s/%s %s", pod.ns, pod.name, label);
    sim_patch(s, &key, SUB_NONE, "{'metadata':{'labels':{%s}}}", label);
}

void sim_do_finalizer(struct sim *s)
{
    struct pod_name pod;
    sim_any_pod(s, &pod);
    const struct object *obj = sim_find(s, KIND_POD, pod.ns, pod.name);
    const struct verb_key key = {KIND_POD, pod.ns, pod.name};
    if (!obj)
        return;
    bool has = object_has_finalizer(obj, HOLD);
    sim_did(s, "%s %s/%s", has ? "release" : "hold", pod.ns, pod.name);
    s->is_releasing = has;
    sim_patch(s, &key, SUB_NONE, "{'metadata':{'finalizers':%s}}", has ? "null" : "['" HOLD "']");
    s->is_releasing = false;
}

/* A pod without a set: one that a set may adopt, or stands in its way, or is none of its business,
 * or belongs to somebody else (S38, S39, R60). */
void sim_do_bare_pod(struct sim *s)
{
    static const char owner[] =
        ",'ownerReferences':[{'apiVersion':'example.com/v1','kind':'Widget',"
        "'name':'w','uid':'w','controller':true}]";
    const struct cast *c = sim_any_set(s);
    char name[96];
    bool is_like_ours = sim_one_in(s, 2);
    if (is_like_ours)
        (void)snprintf(name, sizeof name, "'name':'%s-%u'", c->name, (unsigned)sim_below(s, 5));
    else
        (void)snprintf(name, sizeof name, "'generateName':'bare-'");
    struct store_view view = store_head(s->w.store);
    if (!is_like_ours && view_count(&view, KIND_POD) > 24)
        return;
    bool is_foreign = sim_one_in(s, is_like_ours ? 2 : 4);
    sim_did(s, "%s pod %s in %s", is_foreign ? "foreign" : "bare", name, c->ns);
    sim_apply(s, c->ns,
              "{'apiVersion':'v1','kind':'Pod','metadata':{%s,'labels':{'app':'%s'}%s},"
              "'spec':{'hostname':'%s','subdomain':'%s','terminationGracePeriodSeconds':5,"
              "'containers':[{'name':'main','image':'registry.example/main:1'}]}}",
              name, sim_one_in(s, 4) ? "pool" : c->name, is_foreign ? owner : "",
              is_like_ours ? "oddly-named" : "bare", c->name);
}

/* ---- nodes and their pods ---- */

void sim_do_readiness(struct sim *s)
{
    struct pod_name pod;
    char path[PATH_TEXT];
    sim_any_pod(s, &pod);
    (void)snprintf(path, sizeof path, "%s/%s", pod.ns, pod.name);
    bool fails = !keymap_has(&s->failing, path);
    if (fails && s->failing.count > 5)
        return;
    sim_did(s, "%s %s", fails ? "fail" : "heal", path);
    if (fails)
        *keymap_put(&s->failing, path) = s;
    else
        (void)keymap_take(&s->failing, path);
    reconcile_pod_fail_readiness(s->w.reconcile, pod.ns, pod.name, fails);
}

static bool is_on_speaking_node(const struct sim *s, const struct object *pod)
{
    unsigned node = pod ? sim_node_index(pod_view(pod)->node) : SIM_NODES;
    return node < SIM_NODES && !s->nodes[node].is_silent;
}

void sim_do_address(struct sim *s)
{
    struct pod_name pod;
    sim_any_pod(s, &pod);
    if (!is_on_speaking_node(s, sim_find(s, KIND_POD, pod.ns, pod.name)))
        return;
    sim_did(s, "readdress %s/%s", pod.ns, pod.name);
    (void)reconcile_pod_change_address(s->w.reconcile, pod.ns, pod.name);
}

struct report {
    const char *uid, *phase; /* NULL: not told */
    const char (*ips)[48];
    size_t ip_count;
};

static int report(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct report *r = arg;
    cJSON *status = json_obj(tree, "status");
    if (r->uid)
        json_set_str(json_obj(tree, "metadata"), "uid", r->uid);
    if (r->phase)
        json_set_str(status, "phase", r->phase);
    if (r->ip_count == 0)
        return 0;
    cJSON *ips = cJSON_CreateArray();
    for (size_t i = 0; i < r->ip_count; i++) {
        cJSON *entry = cJSON_CreateObject();
        json_set_str(entry, "ip", r->ips[i]);
        cJSON_AddItemToArray(ips, entry);
    }
    json_set_str(status, "podIP", r->ips[0]);
    json_set(status, "podIPs", ips);
    (void)condition_set(tree, "Ready", "True", NULL, NULL);
    return 0;
}

static int report_as(struct sim *s, const char *node, const struct verb_key *key, struct report *r)
{
    struct err e = {0};
    struct verb v = world_verb(&s->w, ROLE_NODE);
    v.node = node;
    AUTO_OBJECT out = NULL;
    return sim_stage(s, &v, verb_update(&v, key, SUB_STATUS, report, r, &out, &e), NULL, false);
}

/* The node's agent ends it: out of memory, evicted (S32). */
void sim_do_fail_pod(struct sim *s)
{
    struct pod_name pod;
    world_settle(&s->w);
    sim_any_pod(s, &pod);
    const struct object *obj = sim_find(s, KIND_POD, pod.ns, pod.name);
    if (!is_on_speaking_node(s, obj) || !obj || pod_view(obj)->phase != POD_RUNNING)
        return;
    const struct verb_key key = {KIND_POD, pod.ns, pod.name};
    struct report r = {.phase = sim_one_in(s, 2) ? "Failed" : "Succeeded"};
    sim_did(s, "%s/%s ends: %s", pod.ns, pod.name, r.phase);
    char uid[UUID_TEXT_SIZE];
    (void)snprintf(uid, sizeof uid, "%s", obj->uid);
    if (report_as(s, sim_node_name(sim_node_index(pod_view(obj)->node)), &key, &r) >= 0)
        sim_runs_ended(s, uid);
}

/* An incarnation that was forced out still runs, and its node reports it: as itself, or, by an
 * agent that does not tell uids, only with its addresses. Neither is believed (R44). */
void sim_do_ghost(struct sim *s)
{
    size_t freed[64], count = 0;
    for (size_t i = 0; i < s->running_count && count < ARRAY_SIZE(freed); i++)
        if (s->running[i].is_freed && s->running[i].ip_count > 0)
            freed[count++] = i;
    if (count == 0)
        return;
    world_settle(&s->w); /* what was under way may have been refused, and nobody be a ghost */
    size_t at = freed[sim_below(s, count)];
    if (at >= s->running_count)
        return;
    const struct incarnation it = s->running[at];
    char ns[NAME_SIZE];
    const char *slash = strchr(it.path, '/');
    (void)snprintf(ns, sizeof ns, "%.*s", (int)(slash - it.path), it.path);
    const struct verb_key key = {KIND_POD, ns, slash + 1};
    struct report r = {.uid = sim_one_in(s, 2) ? it.uid : NULL,
                       .ips = (const char(*)[48])it.ips,
                       .ip_count = it.ip_count};
    const struct object *present = sim_find(s, KIND_POD, ns, slash + 1);
    if (!it.is_freed || !present)
        return;
    AUTO_OBJECT before = object_ref(present);
    sim_did(s, "ghost of %s reports %s", it.path, r.uid ? r.uid : r.ips[0]);
    if (report_as(s, sim_node_name(it.node), &key, &r) >= 0 &&
        sim_find(s, KIND_POD, ns, slash + 1) != before)
        sim_broken(s, "%s is fenced, and a report of it was taken (R44)", it.path);
}
