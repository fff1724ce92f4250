/* What really runs, and what the store may say of it (R41-R45): names, addresses, claims, epochs.
 */
#include "tests/scenario/sim.h"

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
    if (pod->deleted_us && pod->grace_s == 0)
        return;
    if (!*v->node || !(v->initialized_by_node || v->ip_count > 0 || v->phase == POD_RUNNING) ||
        sim_is_over(pod))
        return;
    struct incarnation *it = find_running(s, pod->uid);
    if (!it) {
        if (s->running_count == s->running_cap) {
            s->running_cap = s->running_cap ? s->running_cap * 2 : 32;
            s->running = xrealloc(s->running, s->running_cap * sizeof *s->running);
        }
        it = &s->running[s->running_count++];
        *it = (struct incarnation){.node = sim_node_index(v->node)};
        (void)snprintf(it->path, sizeof it->path, "%s/%s", pod->ns, pod->name);
        (void)snprintf(it->uid, sizeof it->uid, "%s", pod->uid);
    }
    keep_addresses(it, v);
}

bool sim_runs(struct sim *s, const char *uid)
{
    return find_running(s, uid) != NULL;
}

void sim_runs_ended(struct sim *s, const char *uid)
{
    struct incarnation *it = find_running(s, uid);
    if (it)
        end_running(s, it);
}

/* R41-R43: nobody waits for its end any more. By whose word? */
static void on_ended(struct sim *s, const struct store_view *view, const struct object *pod)
{
    struct incarnation *it = find_running(s, pod->uid);
    if (!it || it->is_freed)
        return; /* it never reached its node, or was given up before */
    const struct object *node = view_find(view, KIND_NODE, "", pod_view(pod)->node);
    bool is_lost = !node || node_view(node)->out_of_service;
    if (sim_is_over(pod) || is_lost || sim_node_answers(s, it->node)) {
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
    for (size_t i = 0; i < v->ip_count && !sim_is_over(pod); i++) {
        char term[INDEX_TERM_MAX];
        struct index_cursor cur;
        index_address(term, v->ips[i]);
        for (index_seek(&cur, view, KIND_POD, term); cur.object; index_next(&cur))
            if (cur.object != pod && !sim_is_over(cur.object))
                sim_broken(s, "%s and %s both hold %s", pod->key, cur.object->key, v->ips[i]);
        for (size_t k = 0; k < s->running_count; k++)
            for (size_t n = 0; n < s->running[k].ip_count; n++)
                if (s->running[k].is_freed && strcmp(s->running[k].ips[n], v->ips[i]) == 0 &&
                    strcmp(s->running[k].uid, pod->uid) != 0)
                    sim_broken(s, "%s got %s, which a fenced %s may still hold (R44)", pod->key,
                               v->ips[i], s->running[k].path);
    }
}

static void check_forerunners(struct sim *s, const struct object *pod)
{
    char path[PATH_TEXT];
    (void)snprintf(path, sizeof path, "%s/%s", pod->ns, pod->name);
    for (size_t i = 0; i < s->running_count; i++)
        if (strcmp(s->running[i].path, path) == 0 && !s->running[i].is_freed &&
            strcmp(s->running[i].uid, pod->uid) != 0)
            sim_broken(s, "%s made while its forerunner may run on node%u (R41)", pod->key,
                       s->running[i].node + 1);
}

/* DESIGN section 4: each incarnation has a number that only grows, and keeps it. */
static void check_epoch(struct sim *s, const struct object *before, const struct object *pod)
{
    char path[PATH_TEXT];
    uint64_t was = before ? pod_view(before)->epoch : 0, epoch = pod_view(pod)->epoch;
    if (epoch == was)
        return;
    (void)snprintf(path, sizeof path, "%s/%s", pod->ns, pod->name);
    void **place = keymap_put(&s->epochs, path);
    uint64_t last = (uintptr_t)*place;
    if (was != 0 || epoch <= last)
        sim_broken(s, "%s has epoch %llu after %llu", pod->key, (unsigned long long)epoch,
                   (unsigned long long)last);
    *place = (void *)(uintptr_t)epoch; /* NOLINT(performance-no-int-to-ptr) */
}

/* Identities go with their namespace, and their epochs with them. */
static void forget_epochs(struct sim *s, const char *ns)
{
    size_t len = strlen(ns), count = s->epochs.count;
    const char **paths = keymap_sorted(&s->epochs);
    char **gone = xcalloc(count + 1, sizeof *gone);
    size_t gone_count = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(paths[i], ns, len) == 0 && paths[i][len] == '/')
            gone[gone_count++] = xstrdup(paths[i]);
    free(paths);
    for (size_t i = 0; i < gone_count; i++) {
        (void)keymap_take(&s->epochs, gone[i]);
        free(gone[i]);
    }
    free(gone);
}

/* One claim of a set, one live pod (its fenced forerunners aside). */
static void check_claims_of(struct sim *s, const struct store_view *view, const struct object *pod)
{
    const struct pod_view *v = pod_view(pod);
    bool is_shut_down = sim_is_over(pod) || (pod->deleted_us && pod->grace_s == 0); /* R25 */
    for (size_t i = 0; i < v->claim_count && !is_shut_down; i++) {
        char term[INDEX_TERM_MAX];
        struct index_cursor cur;
        bool is_of_set = strncmp(v->claims[i].claim, CLAIM_NAME "-", 5) == 0;
        index_claim(term, pod->ns, v->claims[i].claim);
        for (index_seek(&cur, view, KIND_POD, term); cur.object && is_of_set; index_next(&cur))
            if (cur.object != pod && !sim_is_over(cur.object))
                sim_broken(s, "claim %s is mounted by %s and %s", v->claims[i].claim, pod->key,
                           cur.object->key);
        const struct object *claim = view_find(view, KIND_PVC, pod->ns, v->claims[i].claim);
        bool is_bound = claim && strcmp(claim_view(claim)->phase, "Bound") == 0;
        bool is_lost = claim && keymap_has(&s->lost, claim_view(claim)->volume_name);
        if (v->phase == POD_RUNNING && !is_bound && !is_lost)
            sim_broken(s, "%s runs and its claim %s is %s", pod->key, v->claims[i].claim,
                       claim ? claim_view(claim)->phase : "not there");
    }
}

static void apply_pod(struct sim *s, const struct store_view *view, const struct object *before,
                      const struct object *after)
{
    bool is_same = before && after && strcmp(before->uid, after->uid) == 0;
    bool is_confirmed = after && after->deleted_us && after->grace_s == 0; /* R45 */
    if (before && (!is_same || is_confirmed))
        on_ended(s, view, before);
    if (!after)
        return;
    if (!is_same)
        check_forerunners(s, after);
    check_epoch(s, is_same ? before : NULL, after);
    if (sim_is_over(after))
        sim_runs_ended(s, after->uid); /* said its node, or who knows that the node is dead */
    if (view_find(view, KIND_POD, after->ns, after->name) == after) {
        check_addresses(s, view, after);
        check_claims_of(s, view, after);
    }
    on_seen(s, after);
}

void sim_runs_apply(struct sim *s, const struct store_batch *batch)
{
    struct store_view view = store_applied(s->w.store);
    for (size_t i = 0; i < batch->count; i++) {
        const struct object *before = batch->changes[i].before, *after = batch->changes[i].after;
        const struct object *obj = after ? after : before;
        if (obj->kind->id == KIND_NODE && !after)
            sim_node_spoke(s, sim_node_index(before->name)); /* declared gone (R44) */
        else if (obj->kind->id == KIND_NAMESPACE && !after)
            forget_epochs(s, before->name);
        else if (obj->kind->id == KIND_POD)
            apply_pod(s, &view, before, after);
        if (!after) {
            (void)keymap_take(&s->asked, before->uid);
            (void)keymap_take(&s->forced, before->uid);
        }
    }
}

void sim_runs_reloaded(struct sim *s)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    for (size_t i = s->running_count; i-- > 0;) {
        struct incarnation *it = &s->running[i];
        char ns[NAME_SIZE];
        const char *slash = strchr(it->path, '/'), *node = sim_node_name(it->node);
        (void)snprintf(ns, sizeof ns, "%.*s", (int)(slash - it->path), it->path);
        const struct object *pod = view_find(&view, KIND_POD, ns, slash + 1);
        if (it->is_freed || (pod && strcmp(pod->uid, it->uid) == 0))
            continue;
        const struct object *obj = view_find(&view, KIND_NODE, "", node);
        if (sim_node_answers(s, it->node) || !obj || node_view(obj)->out_of_service)
            end_running(s, it);
        else if (keymap_has(&s->forced, it->uid))
            it->is_freed = true;
        else
            sim_broken(s, "after the crash %s is gone, but node%u has not said so (R41)", it->path,
                       it->node + 1);
    }
    for (view_seek(&cur, &view, KIND_POD, NULL, NULL); cur.object; view_next(&cur)) {
        on_seen(s, cur.object);
        check_addresses(s, &view, cur.object);
    }
    if (!view_find(&view, KIND_NAMESPACE, "", SIM_EXTRA))
        forget_epochs(s, SIM_EXTRA);
}

void sim_node_spoke(struct sim *s, unsigned node)
{
    for (size_t i = s->running_count; i-- > 0;)
        if (s->running[i].node == node && s->running[i].is_freed)
            end_running(s, &s->running[i]);
}
