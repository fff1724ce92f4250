/* simulator --seed N --steps N [--mutant NAME] [--verbose]
 *
 * Exit 0: everything held (with a mutant: it was found). 1: something broke, and the line that says
 * what tells the seed and the step too; the same seed and number of steps replay it exactly. */
#include <unistd.h>

#include "base/log.h"
#include "tests/scenario/sim.h"

#define HISTORY 64

static char history[HISTORY][160];
static uint64_t history_count;

static void did(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void did(struct sim *s, const char *format, ...)
{
    char *line = history[history_count++ % HISTORY];
    int n = snprintf(line, sizeof history[0], "%u ", s->step);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + n, sizeof history[0] - (size_t)n, format, args);
    va_end(args);
    if (s->is_verbose)
        (void)printf("%s\n", line);
}

uint64_t sim_below(struct sim *s, uint64_t bound)
{
    uint64_t z = (s->rng += 0x9e3779b97f4a7c15ULL); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % bound;
}

bool sim_one_in(struct sim *s, uint64_t n)
{
    return sim_below(s, n) == 0;
}

_Noreturn void sim_broken(struct sim *s, const char *format, ...)
{
    va_list args;
    (void)fflush(stdout);
    for (uint64_t i = history_count > HISTORY ? history_count - HISTORY : 0;
         i < history_count && !s->mutant; i++)
        (void)fprintf(stderr, "  %s\n", history[i % HISTORY]);
    (void)fprintf(stderr, "%s seed=%llu steps=%u step=%u: ", s->mutant ? s->mutant : "BROKEN",
                  (unsigned long long)s->seed, s->steps, s->step);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    (void)fflush(stderr);
    _exit(s->mutant ? 0 : 1); /* the state is what it is: nothing is taken down */
}

/* ---- faults ---- */

static enum store_mem_fault next_fault(void *arg)
{
    struct sim *s = arg;
    static const enum store_mem_fault faults[] = {
        STORE_MEM_LATE,     STORE_MEM_LATE,    STORE_MEM_CONFLICT, STORE_MEM_FAIL,
        STORE_MEM_NO_SPACE, STORE_MEM_UNKNOWN, STORE_MEM_LATE_FAIL};
    if (s->faults_left == 0 || sim_one_in(s, 3))
        return STORE_MEM_NONE;
    s->faults_left--;
    s->faults++;
    s->had_fault = true;
    return faults[sim_below(s, ARRAY_SIZE(faults))];
}

/* ---- writes of users ---- */

/* Who asked, to be forgotten when the write did not happen. */
struct asked {
    struct asked *next, **at; /* among those that wait for their reply */
    struct sim *s;
    char uid[UUID_TEXT_SIZE];
    bool is_forced;
};

static struct asked *unanswered;

static void forget(struct asked *asked)
{
    *asked->at = asked->next;
    if (asked->next)
        asked->next->at = asked->at;
    free(asked);
}

static void on_reply(void *arg, enum store_outcome outcome, uint64_t revision, const struct err *e)
{
    (void)revision;
    (void)e;
    struct asked *asked = arg;
    if (asked->uid[0] && outcome != STORE_COMMITTED && outcome != STORE_UNKNOWN)
        (void)keymap_take(asked->is_forced ? &asked->s->forced : &asked->s->asked, asked->uid);
    forget(asked);
}

static void stage_verb(struct sim *s, struct verb *v, int rc, const char *uid, bool is_forced)
{
    struct err e = {0};
    if (rc < 0) {
        store_unit_free(v->unit);
        return;
    }
    struct asked *asked = xcalloc(1, sizeof *asked);
    *asked = (struct asked){.s = s, .is_forced = is_forced, .next = unanswered, .at = &unanswered};
    if (unanswered)
        unanswered->at = &asked->next;
    unanswered = asked;
    if (uid) {
        (void)snprintf(asked->uid, sizeof asked->uid, "%s", uid);
        *keymap_put(&s->asked, uid) = s;
        if (is_forced)
            *keymap_put(&s->forced, uid) = s;
    }
    if (store_unit_stage(v->unit, on_reply, asked, &e) < 0)
        on_reply(asked, STORE_FAILED, 0, &e);
}

static void apply(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void apply(struct sim *s, const char *format, ...)
{
    char text[2048];
    struct err e = {0};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cJSON *tree = json_parse(text, strlen(text), &e);
    CHECK(tree);
    const struct kind *kind =
        kind_by_name(json_str(tree, "apiVersion", ""), json_str(tree, "kind", ""));
    CHECK(kind);
    const char *name = json_str(json_get(tree, "metadata"), "name", "");
    const char *ns = kind->namespaced ? "default" : "";
    struct verb v = world_verb(&s->w, ROLE_ADMIN);
    const struct verb_key key = {kind->id, ns, name};
    AUTO_OBJECT out = NULL;
    int rc = store_unit_find(v.unit, kind->id, ns, name)
                 ? verb_update(&v, &key, SUB_NONE, world_merge, tree, &out, &e)
                 : verb_create(&v, kind->id, ns, tree, &out, &e);
    stage_verb(s, &v, rc, NULL, false);
    cJSON_Delete(tree);
}

static void delete_object(struct sim *s, enum kind_id kind, const char *name,
                          const struct delete_opts *opts)
{
    const char *ns = kind_get(kind)->namespaced ? "default" : "";
    struct verb v = world_verb(&s->w, ROLE_ADMIN);
    const struct object *found = store_unit_find(v.unit, kind, ns, name);
    char uid[UUID_TEXT_SIZE] = "";
    if (found)
        (void)snprintf(uid, sizeof uid, "%s", found->uid);
    const struct verb_key key = {kind, ns, name};
    AUTO_OBJECT out = NULL;
    bool gone = false;
    struct err e = {0};
    int rc = verb_delete(&v, &key, opts, &out, &gone, &e);
    stage_verb(s, &v, rc, uid[0] ? uid : NULL, opts->has_grace && opts->grace_s == 0);
}

/* ---- the cast ---- */

/* web: the usual one. db: Parallel, its Service publishes the unready. tmp: its claims go with it.
 */
static const struct cast {
    const char *name, *policy, *when_deleted, *when_scaled;
} cast[] = {{"web", "OrderedReady", "Retain", "Retain"},
            {"db", "Parallel", "Retain", "Retain"},
            {"tmp", "OrderedReady", "Delete", "Delete"}};

static const struct cast *any_set(struct sim *s)
{
    return &cast[sim_below(s, ARRAY_SIZE(cast))];
}

static void any_pod(struct sim *s, char out[64])
{
    (void)snprintf(out, 64, "%s-%u", any_set(s)->name, (unsigned)sim_below(s, 5));
}

static void put_service(struct sim *s, const struct cast *c)
{
    apply(s,
          "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"%s\","
          "\"annotations\":{\"ordinald.dev/publish-identity\":\"%s\"}},"
          "\"spec\":{\"clusterIP\":\"None\",\"publishNotReadyAddresses\":%s,"
          "\"ipFamilyPolicy\":\"%s\",\"selector\":{\"app\":\"%s\"},"
          "\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":%u}]}}",
          c->name, sim_one_in(s, 4) ? "always" : "never", sim_one_in(s, 3) ? "true" : "false",
          "PreferDualStack", c->name, 8000 + (unsigned)sim_below(s, 3));
}

static void put_set(struct sim *s, const struct cast *c)
{
    apply(s,
          "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"%s\"},"
          "\"spec\":{\"serviceName\":\"%s\",\"replicas\":%u,\"podManagementPolicy\":\"%s\","
          "\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"%s\",\"whenScaled\":\"%s\"},"
          "\"selector\":{\"matchLabels\":{\"app\":\"%s\"}},\"template\":{\"metadata\":{\"labels\":"
          "{\"app\":\"%s\"}},\"spec\":{\"terminationGracePeriodSeconds\":5,\"containers\":"
          "[{\"name\":\"main\",\"image\":\"registry.example/main:1\"}]}},"
          "\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":"
          "[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Mi\"}}}}]}}",
          c->name, c->name, (unsigned)sim_below(s, 5), c->policy, c->when_deleted, c->when_scaled,
          c->name, c->name);
}

/* ---- what may happen ---- */

static bool has(const struct sim *s, enum kind_id kind, const char *name)
{
    struct store_view view = store_head(s->w.store);
    return view_find(&view, kind, kind_get(kind)->namespaced ? "default" : "", name) != NULL;
}

static void do_set(struct sim *s)
{
    const struct cast *c = any_set(s);
    if (has(s, KIND_STATEFULSET, c->name))
        return;
    did(s, "create %s", c->name);
    put_service(s, c);
    put_set(s, c);
}

static void patch_set(struct sim *s, const struct cast *c, const char *spec)
{
    if (!has(s, KIND_STATEFULSET, c->name))
        return;
    did(s, "patch %s %s", c->name, spec);
    apply(s,
          "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"%s\"},"
          "\"spec\":{%s}}",
          c->name, spec);
}

static void do_scale(struct sim *s)
{
    char spec[64];
    (void)snprintf(spec, sizeof spec, "\"replicas\":%u", (unsigned)sim_below(s, 6));
    patch_set(s, any_set(s), spec);
}

static void do_shift(struct sim *s)
{
    char spec[64];
    (void)snprintf(spec, sizeof spec, "\"ordinals\":{\"start\":%u}", (unsigned)sim_below(s, 3));
    patch_set(s, any_set(s), spec);
}

static void do_template(struct sim *s)
{
    char spec[160];
    (void)snprintf(spec, sizeof spec,
                   "\"template\":{\"spec\":{\"containers\":[{\"name\":\"main\",\"image\":"
                   "\"registry.example/main:%u\"}]}}",
                   (unsigned)sim_below(s, 4));
    patch_set(s, any_set(s), spec);
}

static void do_strategy(struct sim *s)
{
    static const char *const specs[] = {
        "\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":null}",
        "\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"partition\":2}}",
        "\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"partition\":0}}",
        "\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":null}"};
    patch_set(s, any_set(s), specs[sim_below(s, ARRAY_SIZE(specs))]);
}

static void do_delete_set(struct sim *s)
{
    static const enum propagation how[] = {PROPAGATE_BACKGROUND, PROPAGATE_FOREGROUND,
                                           PROPAGATE_ORPHAN};
    const struct cast *c = any_set(s);
    const struct delete_opts opts = {.propagation = how[sim_below(s, ARRAY_SIZE(how))]};
    if (!has(s, KIND_STATEFULSET, c->name))
        return;
    did(s, "delete set %s propagation %d", c->name, (int)opts.propagation);
    delete_object(s, KIND_STATEFULSET, c->name, &opts);
}

static void do_delete_pod(struct sim *s)
{
    char name[64];
    const struct delete_opts opts = {0};
    any_pod(s, name);
    if (!has(s, KIND_POD, name))
        return;
    did(s, "delete %s", name);
    delete_object(s, KIND_POD, name, &opts);
}

static void do_force_pod(struct sim *s)
{
    char name[64];
    const struct delete_opts opts = {.has_grace = true};
    any_pod(s, name);
    if (!has(s, KIND_POD, name))
        return;
    did(s, "force %s", name);
    delete_object(s, KIND_POD, name, &opts);
}

static void do_delete_claim(struct sim *s)
{
    char pod[64], name[80];
    const struct delete_opts opts = {0};
    any_pod(s, pod);
    (void)snprintf(name, sizeof name, "data-%s", pod);
    if (!has(s, KIND_PVC, name))
        return;
    did(s, "delete claim %s", name);
    delete_object(s, KIND_PVC, name, &opts);
}

static void do_service(struct sim *s)
{
    const struct cast *c = any_set(s);
    const struct delete_opts opts = {0};
    if (sim_one_in(s, 5)) {
        did(s, "delete Service %s", c->name);
        delete_object(s, KIND_SERVICE, c->name, &opts);
    } else {
        did(s, "put Service %s", c->name);
        put_service(s, c);
    }
}

/* A second Service over the pods of the first: with an address of its own, other ports. */
static void do_front(struct sim *s)
{
    did(s, "put Service front");
    apply(s,
          "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"front\"},"
          "\"spec\":{\"selector\":{\"app\":\"%s\"},\"ports\":[{\"name\":\"web\",\"port\":%u},"
          "{\"name\":\"dns\",\"protocol\":\"UDP\",\"port\":53}]}}",
          any_set(s)->name, 80 + (unsigned)sim_below(s, 2));
}

static void do_silence(struct sim *s)
{
    world_settle(&s->w); /* what the node has said by now has been heard */
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    bool is_silent = s->nodes[n].is_silent = !s->nodes[n].is_silent;
    did(s, "node%u %s", n + 1, is_silent ? "falls silent" : "is back");
    char name[16];
    (void)snprintf(name, sizeof name, "node%u", n + 1);
    reconcile_node_silence(s->w.reconcile, name, is_silent);
    if (sim_node_answers(s, n))
        sim_node_spoke(s, n);
}

static void do_hold(struct sim *s)
{
    world_settle(&s->w); /* what the node has said by now has been heard */
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    bool holds = s->nodes[n].holds = !s->nodes[n].holds;
    did(s, "node%u %s", n + 1, holds ? "ignores deletions" : "obeys");
    char name[16];
    (void)snprintf(name, sizeof name, "node%u", n + 1);
    reconcile_node_ignore_deletion(s->w.reconcile, name, holds);
    if (sim_node_answers(s, n))
        sim_node_spoke(s, n);
}

static void do_cordon(struct sim *s)
{
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    char name[16];
    (void)snprintf(name, sizeof name, "node%u", n + 1);
    bool is_on = sim_one_in(s, 2);
    if (!has(s, KIND_NODE, name))
        return;
    did(s, "%s %s", is_on ? "cordon" : "uncordon", name);
    apply(s,
          "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\"},"
          "\"spec\":{\"unschedulable\":%s}}",
          name, is_on ? "true" : "false");
}

static void do_remove_node(struct sim *s)
{
    const struct delete_opts opts = {0};
    unsigned n = (unsigned)sim_below(s, SIM_NODES);
    char name[16];
    (void)snprintf(name, sizeof name, "node%u", n + 1);
    if (!s->nodes[n].is_silent || !has(s, KIND_NODE, name))
        return;
    did(s, "remove %s", name);
    delete_object(s, KIND_NODE, name, &opts);
}

static void do_readiness(struct sim *s)
{
    char name[64];
    any_pod(s, name);
    bool fails = !keymap_has(&s->failing, name);
    did(s, "%s %s", fails ? "fail" : "heal", name);
    if (fails)
        *keymap_put(&s->failing, name) = s;
    else
        (void)keymap_take(&s->failing, name);
    reconcile_pod_fail_readiness(s->w.reconcile, "default", name, fails);
}

static void do_address(struct sim *s)
{
    char name[64];
    any_pod(s, name);
    did(s, "readdress %s", name);
    struct store_view view = store_head(s->w.store);
    const struct object *pod = view_find(&view, KIND_POD, "default", name);
    if (pod && sim_node_index(pod_view(pod)->node) < SIM_NODES &&
        !s->nodes[sim_node_index(pod_view(pod)->node)].is_silent)
        (void)reconcile_pod_change_address(s->w.reconcile, "default", name);
}

static void do_evict(struct sim *s)
{
    char name[64], uid[UUID_TEXT_SIZE];
    any_pod(s, name);
    struct verb v = world_verb(&s->w, ROLE_ADMIN);
    const struct object *pod = store_unit_find(v.unit, KIND_POD, "default", name);
    if (!pod) {
        store_unit_free(v.unit);
        return;
    }
    did(s, "evict %s", name);
    (void)snprintf(uid, sizeof uid, "%s", pod->uid);
    struct err e = {0};
    cJSON *body = cJSON_CreateObject();
    json_set_str(json_obj(body, "metadata"), "name", name);
    stage_verb(s, &v, verb_evict(&v, "default", name, body, &e), uid, false);
    cJSON_Delete(body);
}

static void do_faults(struct sim *s)
{
    s->faults_left = 1 + (unsigned)sim_below(s, 6);
    did(s, "up to %u commits go wrong", s->faults_left);
}

static void do_time(struct sim *s)
{
    static const int64_t spans_us[] = {1000,        50000,       200000,
                                       1 * SECOND,  3 * SECOND,  10 * SECOND,
                                       30 * SECOND, 60 * SECOND, 400 * SECOND};
    int64_t us = spans_us[sim_below(s, ARRAY_SIZE(spans_us))];
    did(s, "%lld ms pass", (long long)(us / 1000));
    world_advance(&s->w, us);
}

/* ---- life and death ---- */

static void boot(struct sim *s)
{
    static struct naming_address ns;
    struct world *w = &s->w;
    (void)naming_address_parse("192.0.2.53", &ns);
    w->zones_opts.ns_addresses = &ns;
    w->zones_opts.ns_address_count = 1;
    WORLD_MUST(registry_new(w->store, &w->registry_opts, &w->reg, e));
    WORLD_MUST(registry_bootstrap(w->reg, e));
    WORLD_MUST(zones_new(&w->zones_opts, 1, &w->zones, e));
    w->reconcile = reconcile_load(&w->opts, w->loop, w->reg, w->zones);
    reconcile_run(w->reconcile);
    for (unsigned i = 0; i < SIM_NODES; i++) { /* the nodes did not die */
        char name[16];
        (void)snprintf(name, sizeof name, "node%u", i + 1);
        reconcile_node_silence(w->reconcile, name, s->nodes[i].is_silent);
        reconcile_node_ignore_deletion(w->reconcile, name, s->nodes[i].holds);
    }
    size_t at = 0;
    const char *pod;
    while (keymap_next(&s->failing, &at, &pod, NULL))
        reconcile_pod_fail_readiness(w->reconcile, "default", pod, true);
    sim_check_hook(s);
}

static void do_crash(struct sim *s)
{
    for (uint64_t i = sim_below(s, 4); i > 0; i--)
        (void)loop_step(s->w.loop);
    did(s, "crash");
    s->crashes++;
    world_stop_reconcile(&s->w);
    s->w.store = store_mem_crash(s->w.store);
    for (struct asked *next; unanswered; unanswered = next) { /* nobody tells what became of them */
        next = unanswered->next;
        free(unanswered);
    }
    boot(s);
    sim_check_reloaded(s);
    sim_check_dns(s); /* a restart never denies a living pod */
}

static void start(struct sim *s)
{
    world_defaults(&s->w);
    static const char *const reverse[] = {"10.96.0.0/12", "10.244.0.0/16", "fd00::/16"};
    s->w.zones_opts.reverse = reverse;
    s->w.zones_opts.reverse_count = ARRAY_SIZE(reverse);
    s->w.opts.embedded_nodes = SIM_NODES;
    s->w.opts.scheduler = true;
    s->w.opts.pod_range_count = 1 + s->seed % 2; /* every other seed is dual-stack */
    s->w.registry_opts.pod_range_count = s->w.registry_opts.service_range_count =
        s->w.opts.pod_range_count;
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
}

static void stop(struct sim *s)
{
    world_stop(&s->w);
    free(s->running);
    keymap_fini(&s->asked);
    keymap_fini(&s->forced);
    keymap_fini(&s->failing);
    keymap_fini(&s->epochs);
}

/* ---- the schedule ---- */

static const struct {
    void (*run)(struct sim *s);
    unsigned weight;
} actions[] = {{do_set, 8},         {do_scale, 14},  {do_shift, 2},     {do_template, 6},
               {do_strategy, 3},    {do_service, 4}, {do_front, 3},     {do_delete_set, 2},
               {do_delete_pod, 10}, {do_evict, 2},   {do_force_pod, 4}, {do_delete_claim, 4},
               {do_silence, 5},     {do_hold, 5},    {do_cordon, 2},    {do_remove_node, 1},
               {do_readiness, 5},   {do_address, 4}, {do_faults, 5},    {do_time, 40},
               {do_crash, 3}};

static void act(struct sim *s)
{
    unsigned total = 0;
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        total += actions[i].weight;
    unsigned at = (unsigned)sim_below(s, total);
    size_t i = 0;
    for (; at >= actions[i].weight; i++)
        at -= actions[i].weight;
    s->counts[i]++;
    actions[i].run(s);
}

static void step(struct sim *s)
{
    act(s);
    if (!sim_one_in(s, 4)) /* else the next action meets this one under way */
        world_settle(&s->w);
    if (s->mutant && sim_one_in(s, 3)) {
        sim_mutate(s);
        world_settle(&s->w);
    }
    if (s->step % 16 != 15)
        return;
    world_settle(&s->w);
    if (s->had_fault) { /* what failed is tried again soon */
        s->faults_left = 0;
        world_advance(&s->w, 5 * SECOND);
        s->had_fault = false;
    }
    sim_check_rest(s);
    sim_check_dns(s);
}

/* Everything is healed; then all sets reach what they want. */
static void heal(struct sim *s)
{
    s->faults_left = 0;
    world_settle(&s->w);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "node%u", i + 1);
        s->nodes[i] = (struct sim_node){0};
        reconcile_node_silence(s->w.reconcile, name, false);
        reconcile_node_ignore_deletion(s->w.reconcile, name, false);
        world_settle(&s->w);
        sim_node_spoke(s, i);
        if (has(s, KIND_NODE, name))
            apply(s,
                  "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\"},"
                  "\"spec\":{\"unschedulable\":false}}",
                  name);
    }
    const char **pods = keymap_sorted(&s->failing);
    size_t count = s->failing.count;
    for (size_t i = 0; i < count; i++)
        reconcile_pod_fail_readiness(s->w.reconcile, "default", pods[i], false);
    free(pods);
    keymap_fini(&s->failing);
    for (int i = 0; i < 60; i++)
        world_advance(&s->w, 60 * SECOND);
    sim_check_alive(s);
    sim_check_rest(s);
    sim_check_dns(s);
}

static bool read_args(struct sim *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--verbose") == 0)
            s->is_verbose = true;
        else if (has_value && strcmp(argv[i], "--seed") == 0)
            s->seed = strtoull(argv[++i], NULL, 10);
        else if (has_value && strcmp(argv[i], "--steps") == 0)
            s->steps = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (has_value && strcmp(argv[i], "--mutant") == 0 && sim_is_mutant(argv[i + 1]))
            s->mutant = argv[++i];
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct sim s = {.seed = 1, .steps = 1000};
    if (!read_args(&s, argc, argv)) {
        (void)fprintf(stderr, "usage: simulator [--seed N] [--steps N] [--mutant "
                              "replace-early|release-claim] [--verbose]\n");
        return 2;
    }
    log_set_level(s.is_verbose ? LOG_DEBUG : LOG_ERROR);
    start(&s);
    for (; s.step < s.steps; s.step++)
        step(&s);
    heal(&s);
    if (s.mutant) {
        (void)fprintf(stderr, "BROKEN seed=%llu steps=%u: the mutant %s was not found\n",
                      (unsigned long long)s.seed, s.steps, s.mutant);
        return 1;
    }
    (void)printf("held seed=%llu steps=%u commits=%llu faults=%llu crashes=%llu checks=%llu\n",
                 (unsigned long long)s.seed, s.steps, (unsigned long long)s.commits,
                 (unsigned long long)s.faults, (unsigned long long)s.crashes,
                 (unsigned long long)s.checks);
    stop(&s);
    return 0;
}
