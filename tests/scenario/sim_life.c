#include "base/metrics.h"
#include "tests/scenario/sim.h"

#define QUEUE_MOST  256 /* keys that may wait when all is well */
#define HEAL_ROUNDS 4

/* ---- faults ---- */

static enum store_mem_fault next_fault(void *arg)
{
    struct sim *s = arg;
    static const enum store_mem_fault faults[] = {
        STORE_MEM_LATE,     STORE_MEM_LATE,    STORE_MEM_CONFLICT, STORE_MEM_FAIL,
        STORE_MEM_NO_SPACE, STORE_MEM_UNKNOWN, STORE_MEM_LATE_FAIL};
    enum store_mem_fault fault = STORE_MEM_NONE;
    if (s->is_late_due) {
        s->is_late_due = false;
        s->faults++;
        fault = STORE_MEM_LATE;
    } else if (s->faults_left > 0 && !sim_one_in(s, 3)) {
        s->faults_left--;
        s->faults++;
        s->had_fault = true;
        fault = faults[sim_below(s, ARRAY_SIZE(faults))];
    }
    sim_ledger_commit(s, fault);
    return fault;
}

void sim_do_faults(struct sim *s)
{
    s->faults_left = 1 + (unsigned)sim_below(s, 6);
    sim_did(s, "up to %u commits go wrong", s->faults_left);
}

/* ---- time ---- */

void sim_do_time(struct sim *s)
{
    static const struct {
        int64_t us;
        unsigned weight;
    } spans[] = {{1000, 8},        {50000, 8},       {200000, 12},
                 {SECOND, 16},     {3 * SECOND, 16}, {10 * SECOND, 10},
                 {30 * SECOND, 6}, {60 * SECOND, 2}, {400 * SECOND, 2}};
    uint64_t at = sim_below(s, 80);
    size_t i = 0;
    for (; at >= spans[i].weight; i++)
        at -= spans[i].weight;
    sim_did(s, "%lld ms pass", (long long)(spans[i].us / 1000));
    world_advance(&s->w, spans[i].us);
}

/* The process stood still (a suspended machine, a debugger): all timers fire late, together. Often
 * when a node has just fallen silent: the gap must not count as its silence (R44). */
void sim_do_gap(struct sim *s)
{
    int64_t gap_us = (11 + (int64_t)sim_below(s, 200)) * SECOND;
    if (sim_one_in(s, 2)) {
        unsigned n = (unsigned)sim_below(s, SIM_NODES);
        sim_did(s, "node%u falls silent", n + 1);
        sim_node_silence(s, n, true);
        world_advance(&s->w, (30 + (int64_t)sim_below(s, 10)) * SECOND);
        gap_us = (11 + (int64_t)sim_below(s, 14)) * SECOND; /* less than others may be silent */
    }
    world_settle(&s->w);
    sim_did(s, "the clock jumps by %lld s", (long long)(gap_us / SECOND));
    clock_fake_advance(gap_us);
    s->heard_us = clock_mono_us();
    world_settle(&s->w);
}

/* ---- life and death ---- */

/* After the feed: the names are those of the applied state, also when more is staged already. */
static void on_published(void *arg, const struct store_batch *batch)
{
    struct sim *s = arg;
    (void)batch;
    if (sim_ledger_is_ahead(s))
        sim_check_dns(s);
}

static void boot(struct sim *s)
{
    static struct naming_address ns;
    struct world *w = &s->w;
    (void)naming_address_parse("192.0.2.53", &ns);
    w->zones_opts.ns_addresses = &ns;
    w->zones_opts.ns_address_count = 1;
    s->heard_us = clock_mono_us();
    sim_check_hook(s);
    sim_ledger_hook(s);
    WORLD_MUST(registry_new(w->store, &w->registry_opts, &w->reg, e));
    WORLD_MUST(registry_bootstrap(w->reg, e));
    WORLD_MUST(zones_new(&w->zones_opts, 1, &w->zones, e));
    w->reconcile = reconcile_load(&w->opts, w->loop, w->reg, w->zones);
    reconcile_run(w->reconcile);
    for (unsigned i = 0; i < SIM_NODES; i++) { /* the nodes did not die */
        reconcile_node_silence(w->reconcile, sim_node_name(i), s->nodes[i].is_silent);
        reconcile_node_ignore_deletion(w->reconcile, sim_node_name(i), s->nodes[i].holds);
    }
    size_t at = 0;
    const char *path;
    while (keymap_next(&s->failing, &at, &path, NULL)) {
        char ns_name[NAME_SIZE];
        const char *slash = strchr(path, '/');
        (void)snprintf(ns_name, sizeof ns_name, "%.*s", (int)(slash - path), path);
        reconcile_pod_fail_readiness(w->reconcile, ns_name, slash + 1, true);
    }
    store_on_apply(s->w.store, on_published, s);
    sim_api_start(s);
    sim_watch_start(s);
}

void sim_do_crash(struct sim *s)
{
    for (uint64_t i = sim_below(s, 4); i > 0; i--)
        (void)loop_step(s->w.loop);
    sim_did(s, "crash");
    s->crashes++;
    sim_watch_crash(s);
    sim_api_stop(s);
    world_stop_reconcile(&s->w);
    s->w.store = store_mem_crash(s->w.store);
    sim_forget_replies();
    sim_ledger_reloaded(s);
    boot(s);
    sim_runs_reloaded(s);
    sim_check_dns(s); /* a restart never denies a living pod */
}

void sim_start(struct sim *s)
{
    world_defaults(&s->w);
    static const char *const reverse[] = {"10.96.0.0/12", "10.244.0.0/16", "fd00::/16"};
    s->is_dual_stack = s->seed % 2 == 1;
    s->w.zones_opts.reverse = reverse;
    s->w.zones_opts.reverse_count = ARRAY_SIZE(reverse);
    s->w.opts.embedded_nodes = SIM_NODES;
    s->w.opts.scheduler = true;
    s->w.opts.node_grace_us = SIM_GRACE;
    s->w.opts.pod_prefix4 = 26; /* few addresses, so that they come round */
    s->w.opts.pod_range_count = s->w.registry_opts.pod_range_count =
        s->w.registry_opts.service_range_count = s->is_dual_stack ? 2 : 1;
    s->w.registry_opts.default_class = "standard";
    clock_fake(INT64_C(1795000000) * SECOND, 1000 * SECOND);
    random_seed(s->seed * 2 + 1);
    s->rng = s->seed;
    s->w.loop = loop_new_fake();
    const struct store_opts opts = {
        .memory = true, .history_us = 60 * SECOND, .history_bytes = 1 << 20};
    WORLD_MUST(store_open(&opts, s->w.loop, &s->w.store, e));
    store_mem_set_fault(s->w.store, next_fault, s);
    boot(s);
    world_settle(&s->w);
    sim_put_classes(s);
    sim_put_namespace(s);
    world_settle(&s->w);
}

void sim_stop(struct sim *s)
{
    sim_watch_free(s);
    sim_api_free(s);
    metrics_unregister_all();
    world_stop(&s->w);
    sim_forget_replies();
    sim_ledger_free(s);
    free(s->running);
    keymap_fini(&s->asked);
    keymap_fini(&s->forced);
    keymap_fini(&s->lost);
    keymap_fini(&s->failing);
    keymap_fini(&s->epochs);
}

/* ---- healing ---- */

static void heal_nodes(struct sim *s)
{
    for (unsigned i = 0; i < SIM_NODES; i++) {
        const struct verb_key key = {KIND_NODE, "", sim_node_name(i)};
        sim_node_silence(s, i, false);
        sim_node_hold(s, i, false);
        sim_patch(s, &key, SUB_NONE, "{'spec':{'unschedulable':null,'taints':null}}");
        world_settle(&s->w);
    }
}

static void heal_readiness(struct sim *s)
{
    const char **paths = keymap_sorted(&s->failing);
    size_t count = s->failing.count;
    for (size_t i = 0; i < count; i++) {
        char ns[NAME_SIZE];
        const char *slash = strchr(paths[i], '/');
        (void)snprintf(ns, sizeof ns, "%.*s", (int)(slash - paths[i]), paths[i]);
        reconcile_pod_fail_readiness(s->w.reconcile, ns, slash + 1, false);
    }
    free(paths);
    keymap_fini(&s->failing);
}

/* Objects of a kind, by key, so that writes may follow. */
struct names {
    char (*at)[2][NAME_SIZE * 4];
    size_t count;
};

static void names_of(struct sim *s, enum kind_id kind, bool (*is_wanted)(const struct object *obj),
                     struct names *out)
{
    struct store_view view = store_head(s->w.store);
    struct view_cursor cur;
    *out = (struct names){0};
    for (view_seek(&cur, &view, kind, NULL, NULL); cur.object; view_next(&cur)) {
        if (!is_wanted(cur.object))
            continue;
        out->at = xrealloc(out->at, (out->count + 1) * sizeof *out->at);
        (void)snprintf(out->at[out->count][0], sizeof out->at[0][0], "%s", cur.object->ns);
        (void)snprintf(out->at[out->count++][1], sizeof out->at[0][1], "%s", cur.object->name);
    }
}

static bool is_held_by_user(const struct object *obj)
{
    return object_has_finalizer(obj, HOLD);
}

/* Stands in the way of a set: it is nobody's or another's (R61), or was adopted without the claims
 * of its ordinal, which cannot be given to it (R9): the set says FailedUpdate, and somebody has to
 * delete it. */
static bool is_in_the_way(const struct object *pod)
{
    const struct owner_ref *owner = object_controller(pod);
    bool is_ours = owner && strcmp(owner->kind, "Widget") != 0;
    bool was_adopted = strcmp(pod_view(pod)->hostname, "oddly-named") == 0;
    return (!is_ours || was_adopted) && !pod->deleted_us;
}

static bool is_lost_claim(const struct object *claim)
{
    return strcmp(claim_view(claim)->phase, "Lost") == 0 && !claim->deleted_us;
}

static void heal_objects(struct sim *s)
{
    struct names names;
    const struct delete_opts opts = {0};
    names_of(s, KIND_POD, is_held_by_user, &names);
    for (size_t i = 0; i < names.count; i++) {
        const struct verb_key key = {KIND_POD, names.at[i][0], names.at[i][1]};
        s->is_releasing = true;
        sim_patch(s, &key, SUB_NONE, "{'metadata':{'finalizers':null}}");
        s->is_releasing = false;
    }
    free(names.at);
    names_of(s, KIND_POD, is_in_the_way, &names);
    for (size_t i = 0; i < names.count; i++)
        sim_delete(s, KIND_POD, names.at[i][0], names.at[i][1], &opts);
    free(names.at);
    names_of(s, KIND_PVC, is_lost_claim, &names);
    for (size_t i = 0; i < names.count; i++) {
        const char *pod = strchr(names.at[i][1], '-');
        sim_delete(s, KIND_PVC, names.at[i][0], names.at[i][1], &opts);
        if (pod)
            sim_delete(s, KIND_POD, names.at[i][0], pod + 1, &opts);
    }
    free(names.at);
}

/* Nothing piles up: keys that wait, and what the process holds. */
static void check_queues(struct sim *s)
{
    struct buf_out text;
    buf_out_init(&text);
    reconcile_register_metrics(s->w.reconcile);
    metrics_write(&text);
    static const char row[] = "\nordinald_reconcile_queue_length{";
    unsigned rows = 0;
    for (const char *at = text.data; (at = strstr(at, row)); at++, rows++) {
        const char *value = strchr(at + 1, ' ');
        if (value && strtod(value, NULL) > QUEUE_MOST)
            sim_broken(s, "a queue grows: %.120s", at + 1);
    }
    if (rows == 0)
        sim_broken(s, "no metric tells the length of queues");
    buf_out_fini(&text);
}

void sim_heal(struct sim *s)
{
    s->faults_left = 0;
    world_settle(&s->w);
    sim_did(s, "all is healed");
    sim_put_classes(s);
    heal_nodes(s);
    heal_readiness(s);
    for (int round = 0; round < HEAL_ROUNDS; round++) {
        sim_go_on();
        heal_objects(s);
        for (unsigned i = 0; i < 8; i++) {
            char name[NAME_SIZE];
            (void)snprintf(name, sizeof name, "spare-%u-%d", i, round);
            sim_put_volume(s, name);
        }
        for (int i = 0; i < 20; i++)
            world_advance(&s->w, 60 * SECOND);
    }
    sim_check_alive(s);
    sim_check_rest(s);
    sim_check_dns(s);
    sim_watch_check(s);
    sim_api_check(s);
    check_queues(s);
}
