#include "controller/reconcile/explain_gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/set_pod.h"
#include "controller/reconcile/set_waits.h"
#include "controller/reconcile/volumes.h"
#include "controller/reconcile/volumes_plan.h"

#define SCHEDULER         "default-scheduler"
#define ANNOTATION_FENCED "ordinald.dev/fenced"
/* Claims of one pod that are told of. */
#define CLAIMS_MOST 16

void explain_gather_init(struct explain_gather *g, struct runner *runner,
                         const struct store_view *view)
{
    *g = (struct explain_gather){.runner = runner, .view = *view};
    arena_init(&g->arena);
}

void explain_gather_fini(struct explain_gather *g)
{
    arena_fini(&g->arena);
}

const char *gather_joined(struct explain_gather *g, const char *const *texts, size_t count)
{
    struct buf_out out;
    buf_out_init(&out);
    for (size_t i = 0; i < count; i++)
        buf_printf(&out, "%s%s", i ? ", " : "", texts[i]);
    char *text = arena_strdup(&g->arena, out.data ? out.data : "");
    buf_out_fini(&out);
    return text;
}

/* ---- claims ---- */

/* The ordinal at the end of a name, and what stands before it; -1 when there is none. */
static int32_t split_ordinal(struct explain_gather *g, const char *name, const char **before)
{
    const char *dash = strrchr(name, '-');
    if (!dash || dash == name)
        return -1;
    char *text = arena_dup(&g->arena, name, (size_t)(dash - name) + 1);
    text[dash - name] = '\0';
    *before = text;
    return set_ordinal(text, name);
}

/* <template>-<set>-<ordinal>, as the StatefulSet controller reads it. */
static void find_claim_set(struct explain_gather *g, struct explain_claim *out)
{
    const char *base = NULL;
    int32_t ordinal = split_ordinal(g, out->name, &base);
    if (ordinal < 0)
        return;
    for (const char *dash = strchr(base, '-'); dash; dash = strchr(dash + 1, '-')) {
        const struct object *set = view_find(&g->view, KIND_STATEFULSET, out->ns, dash + 1);
        for (size_t i = 0; set && i < set_view(set)->claim_template_count; i++) {
            const char *template = set_view(set)->claim_templates[i];
            if (strlen(template) != (size_t)(dash - base) ||
                strncmp(base, template, strlen(template)) != 0)
                continue;
            out->set = arena_strdup(&g->arena, set->name);
            out->pod = arena_printf(&g->arena, "%s-%d", set->name, ordinal);
        }
    }
}

static void find_holder(struct explain_gather *g, struct explain_claim *out)
{
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    index_claim(term, out->ns, out->name);
    for (index_seek(&cur, &g->view, KIND_POD, term); cur.object; index_next(&cur)) {
        enum pod_phase phase = pod_view(cur.object)->phase;
        if (*pod_view(cur.object)->node && !pod_phase_is_final(phase))
            out->holder = cur.object->name;
    }
}

static void fill_claim(struct explain_gather *g, const struct object *obj,
                       struct explain_claim *out)
{
    char text[VOLUME_MESSAGE_MAX], fenced[UUID_TEXT_SIZE];
    const struct claim_view *v = claim_view(obj);
    out->exists = true;
    out->is_terminating = obj->deleted_us != 0;
    out->phase = v->phase;
    out->volume = v->volume_name;
    out->finalizers = obj->finalizers;
    out->finalizer_count = obj->finalizer_count;
    volumes_explain(g->runner, &g->view, obj, text, sizeof text);
    out->why = arena_strdup(&g->arena, text);
    if (object_annotation(obj, ANNOTATION_FENCED, fenced, sizeof fenced))
        out->fenced = arena_strdup(&g->arena, fenced);
    find_holder(g, out);
}

static void claim_init(struct explain_gather *g, const char *ns, const char *name,
                       struct explain_claim *out)
{
    *out = (struct explain_claim){.ns = ns,
                                  .name = arena_strdup(&g->arena, name),
                                  .phase = "",
                                  .why = "",
                                  .volume = "",
                                  .holder = "",
                                  .set = "",
                                  .pod = "",
                                  .fenced = ""};
    const struct object *obj = view_find(&g->view, KIND_PVC, ns, name);
    if (obj)
        fill_claim(g, obj, out);
}

const struct explain_claim *gather_claim_view(struct explain_gather *g, const char *ns,
                                              const char *name)
{
    struct explain_claim *out = arena_alloc(&g->arena, sizeof *out);
    claim_init(g, ns, name, out);
    find_claim_set(g, out);
    return out;
}

/* ---- pods ---- */

static bool in_trouble(const struct explain_claim *c)
{
    return c->is_terminating || strcmp(c->phase, "Bound") != 0;
}

/* Those of an existing pod that stand in its way. */
static void add_pod_claims(struct explain_gather *g, const struct object *pod,
                           struct explain_pod *out)
{
    const struct pod_view *v = pod_view(pod);
    struct explain_claim *claims = arena_alloc(&g->arena, CLAIMS_MOST * sizeof *claims);
    for (size_t i = 0; i < v->claim_count && out->claim_count < CLAIMS_MOST; i++) {
        claim_init(g, pod->ns, v->claims[i].claim, &claims[out->claim_count]);
        out->claim_count += in_trouble(&claims[out->claim_count]);
    }
    out->claims = claims;
}

/* Those of an ordinal without a pod: they are made with it, so only what is there can trouble. */
static void add_set_claims(struct explain_gather *g, const struct object *set,
                           struct explain_pod *out)
{
    const struct set_view *v = set_view(set);
    struct explain_claim *claims = arena_alloc(&g->arena, CLAIMS_MOST * sizeof *claims);
    for (size_t i = 0; i < v->claim_template_count && out->claim_count < CLAIMS_MOST; i++) {
        char name[512];
        set_claim_name(set, v->claim_templates[i], out->ordinal, name);
        struct explain_claim *claim = &claims[out->claim_count];
        claim_init(g, set->ns, name, claim);
        out->claim_count += claim->exists && claim->is_terminating;
    }
    out->claims = claims;
}

static enum explain_node node_state(const struct explain_gather *g, const char *name)
{
    if (!*name)
        return EXPLAIN_NODE_FINE;
    const struct object *node = view_find(&g->view, KIND_NODE, "", name);
    if (!node)
        return EXPLAIN_NODE_GONE;
    const struct node_view *v = node_view(node);
    return v->has_ready && strcmp(v->ready_status, "Unknown") == 0 ? EXPLAIN_NODE_SILENT
                                                                   : EXPLAIN_NODE_FINE;
}

static const char *kept(struct explain_gather *g, const cJSON *obj, const char *name)
{
    return arena_strdup(&g->arena, json_str(obj, name, ""));
}

static bool find_container(struct explain_gather *g, const cJSON *list, bool is_init,
                           struct explain_container *out)
{
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, list)
    {
        const cJSON *ended = json_at(it, "state", "terminated", NULL);
        int64_t code = 0;
        if (json_bool(it, "ready", false) ||
            (is_init && ended && json_int(ended, "exitCode", 0, 0, &code)))
            continue;
        const cJSON *why = ended ? ended : json_at(it, "state", "waiting", NULL);
        *out = (struct explain_container){kept(g, it, "name"), kept(g, why, "reason"),
                                          kept(g, why, "message")};
        return true;
    }
    return false;
}

static void find_gate(struct explain_gather *g, const cJSON *tree, struct explain_pod *out)
{
    const cJSON *gate = NULL;
    cJSON_ArrayForEach(gate, json_at(tree, "spec", "readinessGates", NULL))
    {
        const char *type = json_str(gate, "conditionType", "");
        const cJSON *condition = condition_find(tree, type);
        if (strcmp(json_str(condition, "status", ""), "True") != 0 && !*out->unmet_gate)
            out->unmet_gate = arena_strdup(&g->arena, type);
    }
}

/* What only the text of the pod says. */
static void read_status(struct explain_gather *g, const struct object *pod, struct explain_pod *out)
{
    cJSON *tree = object_tree(pod);
    const cJSON *status = json_get(tree, "status"), *placed = condition_find(tree, "PodScheduled");
    const cJSON *ready = condition_find(tree, "Ready");
    if (strcmp(json_str(placed, "status", ""), "False") == 0)
        out->unschedulable = kept(g, placed, "message");
    if (!find_container(g, json_get(status, "initContainerStatuses"), true, &out->container))
        (void)find_container(g, json_get(status, "containerStatuses"), false, &out->container);
    find_gate(g, tree, out);
    out->reason = kept(g, status, "reason");
    if (!*out->reason && strcmp(json_str(ready, "status", ""), "False") == 0)
        out->reason = arena_printf(&g->arena, "%s%s%s", json_str(ready, "reason", ""),
                                   *json_str(ready, "message", "") ? ", " : "",
                                   json_str(ready, "message", ""));
    cJSON_Delete(tree);
}

static void fill_pod(struct explain_gather *g, const struct object *pod, struct explain_pod *out)
{
    const struct pod_view *v = pod_view(pod);
    const struct owner_ref *owner = object_controller(pod);
    out->exists = true;
    out->is_terminating = pod->deleted_us != 0;
    out->phase = v->phase;
    out->is_ready = v->ready;
    out->is_gated = v->is_gated;
    out->grace_s = pod->grace_s < 0 ? v->grace_s : pod->grace_s;
    out->node = v->node;
    out->node_state = node_state(g, v->node);
    out->finalizers = pod->finalizers;
    out->finalizer_count = pod->finalizer_count;
    out->ip_count = v->ip_count;
    out->epoch = v->epoch;
    if (*v->scheduler && strcmp(v->scheduler, SCHEDULER) != 0)
        out->foreign_scheduler = v->scheduler;
    if (owner)
        out->controller = arena_printf(&g->arena, "%s %s", owner->kind, owner->name);
    if (!v->ready || v->phase != POD_RUNNING) {
        read_status(g, pod, out);
        add_pod_claims(g, pod, out);
    }
}

static void fill_identity(struct explain_gather *g, struct explain_pod *out)
{
    const struct object *obj = view_find(&g->view, KIND_IDENTITY, out->ns, out->name);
    const struct identity_view *v = obj ? identity_view(obj) : NULL;
    if (!v || v->fenced_count == 0)
        return;
    out->fenced_uid = v->fenced_uids[v->fenced_count - 1];
    out->fenced_node = v->fenced_nodes ? v->fenced_nodes[v->fenced_count - 1] : "";
    out->reserved = gather_joined(g, v->addresses, v->address_count);
}

/* The pod alone, without its set; set: whose claims an ordinal without pod has, may be NULL. */
static struct explain_pod *gather_pod_alone(struct explain_gather *g, const char *ns,
                                            const char *name, const struct object *set,
                                            int32_t ordinal)
{
    struct explain_pod *out = arena_alloc(&g->arena, sizeof *out);
    *out = (struct explain_pod){.ns = arena_strdup(&g->arena, ns),
                                .name = arena_strdup(&g->arena, name),
                                .name_len = strlen(name),
                                .is_scheduler_off = !runner_opts(g->runner)->scheduler,
                                .node = "",
                                .unschedulable = "",
                                .reason = "",
                                .foreign_scheduler = "",
                                .container = {"", "", ""},
                                .unmet_gate = "",
                                .controller = "",
                                .fenced_uid = "",
                                .fenced_node = "",
                                .reserved = "",
                                .set_name = "",
                                .ordinal = ordinal};
    const struct object *pod = view_find(&g->view, KIND_POD, ns, name);
    if (pod)
        fill_pod(g, pod, out);
    else if (set)
        add_set_claims(g, set, out);
    fill_identity(g, out);
    return out;
}

/* ---- sets ---- */

/* R55: the pod that the set waits for is of a revision that nobody wants any more, and only its
 * being Ready would let the update go on. */
static bool is_stuck(const struct explain_gather *g, const struct object *set,
                     const struct explain_set *out)
{
    const struct object *pod =
        out->blocker ? view_find(&g->view, KIND_POD, set->ns, out->blocker->name) : NULL;
    const char *label = pod ? object_label(pod, LABEL_REVISION) : NULL;
    return out->wait == SET_WAIT_READY && !out->is_parallel && !out->on_delete && label &&
           !out->replaces_stuck && strcmp(label, set_view(set)->update_revision) != 0;
}

static void fill_set(struct explain_gather *g, const struct object *set, struct explain_set *out)
{
    const struct set_view *v = set_view(set);
    out->exists = true;
    out->is_terminating = set->deleted_us != 0;
    out->is_parallel = v->parallel;
    out->on_delete = v->on_delete;
    out->replaces_stuck = v->replace_stuck;
    out->start = v->start;
    out->replicas = v->replicas;
    out->ready = v->st_ready;
    out->updated = v->st_updated;
    out->service = v->service_name;
    out->has_service =
        *v->service_name && view_find(&g->view, KIND_SERVICE, set->ns, v->service_name) != NULL;
    out->current = v->current_revision;
    out->update = v->update_revision;
    const struct set_wait_note *note =
        set_waits_find(statefulset_waits(g->runner), set->ns, set->name);
    if (!note)
        return;
    out->error = arena_strdup(&g->arena, note->error);
    out->wait = note->wait;
    out->wait_ordinal = note->ordinal;
    if (note->wait == SET_WAITS_FOR_NOTHING)
        return;
    char name[512];
    set_pod_name(set, note->ordinal, name);
    out->blocker = gather_pod_alone(g, set->ns, name, set, note->ordinal);
    out->is_stuck = is_stuck(g, set, out);
    if (out->is_stuck)
        out->current = object_label(view_find(&g->view, KIND_POD, set->ns, name), LABEL_REVISION);
}

static struct explain_set *set_of(struct explain_gather *g, const char *ns, const char *name)
{
    struct explain_set *out = arena_alloc(&g->arena, sizeof *out);
    *out = (struct explain_set){.ns = arena_strdup(&g->arena, ns),
                                .name = arena_strdup(&g->arena, name),
                                .service = "",
                                .error = "",
                                .current = "",
                                .update = ""};
    const struct object *set = view_find(&g->view, KIND_STATEFULSET, ns, name);
    if (set)
        fill_set(g, set, out);
    return out;
}

const struct explain_set *gather_set_view(struct explain_gather *g, const char *ns,
                                          const char *name)
{
    return set_of(g, ns, name);
}

/* ---- a pod with its set ---- */

const struct explain_pod *gather_pod_view(struct explain_gather *g, const char *ns,
                                          const char *name)
{
    const char *base = NULL;
    int32_t ordinal = split_ordinal(g, name, &base);
    const struct object *set = ordinal < 0 ? NULL : view_find(&g->view, KIND_STATEFULSET, ns, base);
    struct explain_pod *out = gather_pod_alone(g, ns, name, set, ordinal);
    if (ordinal < 0)
        return out;
    out->set_name = base;
    if (!set)
        return out;
    struct explain_set *view = set_of(g, ns, base);
    if (view->blocker && strcmp(view->blocker->name, name) == 0)
        view->blocker = NULL;
    out->set = view;
    const struct object *pod = view_find(&g->view, KIND_POD, ns, name);
    const struct owner_ref *owner = pod ? object_controller(pod) : NULL;
    out->is_ours = owner && strcmp(owner->uid, set->uid) == 0;
    return out;
}
