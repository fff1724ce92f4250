/* The whole control plane in one process on a fake clock and a memory store, without sockets: what
 * unit tests of controller/reconcile and the scenarios share. A write is over when its reply came:
 * a look-up right after it must see it (K-FRESH). */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/random.h"
#include "controller/reconcile/parts.h"
#include "controller/reconcile/reconcile.h"
#include "controller/registry/patch.h"
#include "controller/registry/registry.h"
#include "controller/store/store.h"
#include "zones/reason.h"
#include "zones/zone_text.h"
#include "zones/zone_txn.h"

#define UNUSED __attribute__((unused))
#define SECOND INT64_C(1000000)

struct world {
    struct loop *loop;
    struct store *store;
    struct registry *reg;
    struct zones *zones;
    struct reconcile *reconcile;
    struct zones_opts zones_opts;
    struct reconcile_opts opts;
    struct registry_opts registry_opts;
    struct err e; /* of the last write that failed */
};

static const char *const world_pod_range[] = {"10.244.0.0/16", "fd00:244::/48"};
static const char *const world_service_range[] = {"10.96.0.0/12", "fd00:96::/112"};
static const char *const world_reverse[] = {"10.96.0.0/16", "10.244.0.0/16", "fd00::/16"};

/* Passes of the loop until nothing is left to do now. */
UNUSED static void world_settle(struct world *w)
{
    for (int i = 0; loop_step(w->loop); i++)
        if (i > 20000) {
            (void)fprintf(stderr, "the loop does not come to rest\n");
            abort();
        }
}

/* Time passes from timer to timer, as it does for the daemon. */
UNUSED static void world_advance(struct world *w, int64_t by_us)
{
    int64_t until_us = clock_mono_us() + by_us;
    world_settle(w);
    for (;;) {
        int64_t next_us = loop_next_timer_us(w->loop), now_us = clock_mono_us();
        if (next_us < 0 || next_us > until_us)
            break;
        clock_fake_advance(next_us > now_us ? next_us - now_us : 0);
        world_settle(w);
    }
    clock_fake_advance(until_us - clock_mono_us());
    world_settle(w);
}

UNUSED static void world_defaults(struct world *w)
{
    *w = (struct world){
        .zones_opts = {.zone_name = "cluster.local",
                       .reverse = world_reverse,
                       .reverse_count = ARRAY_SIZE(world_reverse),
                       .ttl_s = 5,
                       .negative_ttl_s = 5},
        .opts = {.embedded_start_us = 200000,
                 .pod_range = world_pod_range,
                 .pod_range_count = 1,
                 .pod_prefix4 = 24,
                 .pod_prefix6 = 64,
                 .node_grace_us = 50 * SECOND,
                 .gc_period_us = 20 * SECOND,
                 .gc_quarantine_us = 40 * SECOND,
                 .volume_dir = "",
                 .checks_members = true},
        .registry_opts = {.pod_range = world_pod_range,
                          .pod_range_count = ARRAY_SIZE(world_pod_range),
                          .service_range = world_service_range,
                          .service_range_count = ARRAY_SIZE(world_service_range),
                          .default_class = ""},
    };
}

#define WORLD_MUST(call)                                                                           \
    do {                                                                                           \
        struct err must_e_ = {0};                                                                  \
        struct err *e = &must_e_;                                                                  \
        if ((call) < 0) {                                                                          \
            (void)fprintf(stderr, "%s: %s\n", #call, e->text);                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

UNUSED static void world_start_over_store(struct world *w)
{
    static struct naming_address ns;
    (void)naming_address_parse("192.0.2.53", &ns);
    w->zones_opts.ns_addresses = &ns;
    w->zones_opts.ns_address_count = 1;
    WORLD_MUST(registry_new(w->store, &w->registry_opts, &w->reg, e));
    WORLD_MUST(registry_bootstrap(w->reg, e));
    WORLD_MUST(zones_new(&w->zones_opts, 1, &w->zones, e));
    w->reconcile = reconcile_load(&w->opts, w->loop, w->reg, w->zones);
    reconcile_run(w->reconcile);
    world_settle(w);
}

UNUSED static void world_start(struct world *w)
{
    clock_fake(INT64_C(1795000000) * SECOND, 1000 * SECOND);
    random_seed(1);
    w->loop = loop_new_fake();
    const struct store_opts opts = {
        .memory = true, .history_us = 600 * SECOND, .history_bytes = 1 << 22};
    WORLD_MUST(store_open(&opts, w->loop, &w->store, e));
    world_start_over_store(w);
}

UNUSED static void world_stop_reconcile(struct world *w)
{
    reconcile_stop(w->reconcile);
    while (zones_reclaim(w->zones)) {
    }
    zones_free(w->zones);
    registry_free(w->reg);
}

/* The process dies and comes back on what was committed. */
UNUSED static void world_crash(struct world *w)
{
    world_stop_reconcile(w);
    w->store = store_mem_crash(w->store);
    world_start_over_store(w);
}

UNUSED static void world_stop(struct world *w)
{
    world_stop_reconcile(w);
    store_close(w->store);
    loop_free(w->loop);
    clock_real();
}

/* ---- writes, each until its reply ---- */

struct world_reply {
    bool is_there;
    enum store_outcome outcome;
    struct err e;
};

static void world_on_reply(void *arg, enum store_outcome outcome, uint64_t revision,
                           const struct err *e)
{
    (void)revision;
    struct world_reply *reply = arg;
    reply->is_there = true;
    reply->outcome = outcome;
    if (e)
        reply->e = *e;
}

UNUSED static struct verb world_verb(struct world *w, enum role role)
{
    return (struct verb){.reg = w->reg,
                         .unit = store_unit_new(w->store),
                         .role = role,
                         .validation = VALIDATE_STRICT};
}

/* Stages the unit of a verb that returned rc, and waits. */
UNUSED static int world_write(struct world *w, struct verb *v, int rc)
{
    if (rc < 0) {
        store_unit_free(v->unit);
        return rc;
    }
    struct world_reply reply = {0};
    if ((rc = store_unit_stage(v->unit, world_on_reply, &reply, &w->e)) < 0)
        return rc;
    while (!reply.is_there)
        CHECK(loop_step(w->loop));
    w->e = reply.e;
    return reply.outcome == STORE_COMMITTED ? 0 : ERR_UNAVAILABLE;
}

UNUSED static int world_update(struct world *w, const struct verb_key *key, enum subresource sub,
                               verb_change_fn *change, void *arg)
{
    struct verb v = world_verb(w, ROLE_ADMIN);
    AUTO_OBJECT out = NULL;
    return world_write(w, &v, verb_update(&v, key, sub, change, arg, &out, &w->e));
}

static int world_set_status(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    json_set(tree, "status", cJSON_Duplicate(arg, true));
    return 0;
}

/* A merge of the manifest into what is there, without its status. */
static int world_merge(cJSON *tree, void *arg, struct err *e)
{
    cJSON *body = cJSON_Duplicate(arg, true), *merged = cJSON_Duplicate(tree, true);
    json_del(body, "status");
    int rc = patch_merge(&merged, body, e);
    cJSON_Delete(body);
    if (rc >= 0)
        rc = verb_change_replace(tree, merged, e);
    cJSON_Delete(merged);
    return rc;
}

/* Creates the object of a manifest or merges it into the present one; a status goes through its own
 * door. */
UNUSED static int world_apply(struct world *w, const cJSON *manifest)
{
    const struct kind *kind =
        kind_by_name(json_str(manifest, "apiVersion", ""), json_str(manifest, "kind", ""));
    if (!kind)
        return err_set(&w->e, ERR_MALFORMED, "no such kind");
    const cJSON *metadata = json_get(manifest, "metadata");
    const char *ns = kind->namespaced ? json_str(metadata, "namespace", "default") : "";
    const char *name = json_str(metadata, "name", "");
    struct store_view view = store_head(w->store);
    const struct verb_key key = {kind->id, ns, name};
    cJSON *body = cJSON_Duplicate(manifest, true);
    int rc = 0;
    if (view_find(&view, kind->id, ns, name)) {
        rc = world_update(w, &key, SUB_NONE, world_merge, body);
    } else {
        struct verb v = world_verb(w, ROLE_ADMIN);
        AUTO_OBJECT out = NULL;
        rc = world_write(w, &v, verb_create(&v, kind->id, ns, body, &out, &w->e));
    }
    if (rc >= 0 && kind->has_status && json_get(manifest, "status"))
        rc = world_update(w, &key, SUB_STATUS, world_set_status, json_get(manifest, "status"));
    cJSON_Delete(body);
    return rc;
}

UNUSED static int world_apply_text(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
UNUSED static int world_apply_text(struct world *w, const char *format, ...)
{
    struct buf_out text;
    buf_out_init(&text);
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    cJSON *tree = json_parse(text.data, text.len, &w->e);
    int rc = tree ? world_apply(w, tree) : ERR_MALFORMED;
    if (rc < 0)
        (void)fprintf(stderr, "%s: %s\n", text.data, w->e.text);
    cJSON_Delete(tree);
    buf_out_fini(&text);
    return rc;
}

/* grace_s < 0: the object's own. */
UNUSED static int world_delete_as(struct world *w, enum role role, const char *node,
                                  enum kind_id kind, const char *ns, const char *name,
                                  int64_t grace_s)
{
    struct verb v = world_verb(w, role);
    v.node = node;
    AUTO_OBJECT out = NULL;
    bool gone = false;
    const struct verb_key key = {kind, ns, name};
    struct delete_opts opts = {.has_grace = grace_s >= 0, .grace_s = grace_s >= 0 ? grace_s : 0};
    const struct object *present = store_unit_find(v.unit, kind, ns, name);
    if (role == ROLE_NODE && present)
        opts.uid = present->uid;
    return world_write(w, &v, verb_delete(&v, &key, &opts, &out, &gone, &w->e));
}

UNUSED static int world_delete_with(struct world *w, const struct verb_key *key,
                                    const struct delete_opts *opts)
{
    struct verb v = world_verb(w, ROLE_ADMIN);
    AUTO_OBJECT out = NULL;
    bool gone = false;
    return world_write(w, &v, verb_delete(&v, key, opts, &out, &gone, &w->e));
}

UNUSED static int world_delete(struct world *w, enum kind_id kind, const char *ns, const char *name)
{
    return world_delete_as(w, ROLE_ADMIN, NULL, kind, ns, name, -1);
}

struct world_ready {
    const char *ip, *ip6; /* NULL: none; ip NULL: as it was */
    bool is_ready;
};

static int world_change_ready(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct world_ready *r = arg;
    cJSON *status = json_obj(tree, "status");
    json_set_str(status, "phase", "Running");
    if (r->ip) {
        cJSON *ips = cJSON_CreateArray();
        const char *const both[] = {r->ip, r->ip6};
        for (size_t i = 0; i < 2 && both[i]; i++) {
            cJSON *entry = cJSON_CreateObject();
            json_set_str(entry, "ip", both[i]);
            cJSON_AddItemToArray(ips, entry);
        }
        json_set_str(status, "podIP", r->ip);
        json_set(status, "podIPs", ips);
    }
    (void)condition_set(tree, "Ready", r->is_ready ? "True" : "False", NULL, NULL);
    return 0;
}

/* What a node agent would report. */
UNUSED static int world_ready(struct world *w, const char *ns, const char *pod, const char *ip,
                              bool is_ready)
{
    struct world_ready ready = {.ip = ip, .is_ready = is_ready};
    const struct verb_key key = {KIND_POD, ns, pod};
    return world_update(w, &key, SUB_STATUS, world_change_ready, &ready);
}

/* ---- reads ---- */

/* In the applied state. Borrowed until the next write. */
UNUSED static const struct object *world_find(const struct world *w, enum kind_id kind,
                                              const char *ns, const char *name)
{
    struct store_view view = store_applied(w->store);
    return view_find(&view, kind, ns, name);
}

static int world_by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static uint16_t world_type(const char *type)
{
    static const struct {
        const char *name;
        uint16_t type;
    } types[] = {{"A", RR_A},     {"AAAA", RR_AAAA},   {"SRV", RR_SRV}, {"PTR", RR_PTR},
                 {"TXT", RR_TXT}, {"CNAME", RR_CNAME}, {"SOA", RR_SOA}, {"NS", RR_NS}};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(types[i].name, type) == 0)
            return types[i].type;
    return 0;
}

/* RDATA as text; of SRV "80/web-0.nginx.default.svc.cluster.local.", without priority and weight.
 */
static char *world_rdata(const struct zone_match *match, size_t i)
{
    struct buf_out out;
    buf_out_init(&out);
    zone_text_rdata(match->set, match->node, i, &out);
    char *text = buf_out_take(&out, NULL);
    if (rrset_type(match->set) == RR_SRV) {
        char *port = strchr(strchr(text, ' ') + 1, ' ') + 1;
        *strchr(port, ' ') = '/';
        memmove(text, port, strlen(port) + 1);
    }
    return text;
}

/* "NOERROR 10.1.0.7 10.1.0.8" (in order of their text), "NODATA soa", "NXDOMAIN soa", "OUTSIDE".
 * Owned by the caller. */
UNUSED static char *world_query(const struct world *w, const char *name, const char *type)
{
    uint8_t wire[NAME_MAX_WIRE];
    struct err e = {0};
    if (name_parse(name, wire, &e) < 0 || world_type(type) == 0)
        return xasprintf("MALFORMED");
    struct zone_match match;
    zone_find(zones_current(w->zones), wire, world_type(type), &match);
    const char *soa = match.apex && match.apex->negative_soa ? " soa" : "";
    switch (match.kind) {
    case MATCH_NODATA:
        return xasprintf("NODATA%s", soa);
    case MATCH_NXDOMAIN:
        return xasprintf("NXDOMAIN%s", soa);
    case MATCH_OUTSIDE:
        return xasprintf("OUTSIDE");
    case MATCH_ANY:
    case MATCH_SYNTH:
        return xasprintf("SYNTH");
    case MATCH_EXACT:
    case MATCH_CNAME:
        break;
    }
    size_t count = rrset_count(match.set);
    char **texts = xcalloc(count + 1, sizeof *texts);
    for (size_t i = 0; i < count; i++)
        texts[i] = world_rdata(&match, i);
    qsort(texts, count, sizeof *texts, world_by_text);
    struct buf_out out;
    buf_out_init(&out);
    buf_puts(&out, "NOERROR");
    for (size_t i = 0; i < count; i++) {
        buf_printf(&out, " %s", texts[i]);
        free(texts[i]);
    }
    free(texts);
    return buf_out_take(&out, NULL);
}

/* The text that goes with the negative answer for a name, "" none; "NOERROR" when it is no negative
 * answer. Owned. */
UNUSED static char *world_why(const struct world *w, const char *name, const char *type)
{
    uint8_t wire[NAME_MAX_WIRE];
    struct err e = {0};
    struct zone_match match;
    char text[REASON_TEXT_MAX];
    if (name_parse(name, wire, &e) < 0 || world_type(type) == 0)
        return xasprintf("MALFORMED");
    zone_find(zones_current(w->zones), wire, world_type(type), &match);
    if (match.kind != MATCH_NODATA && match.kind != MATCH_NXDOMAIN)
        return xasprintf("NOERROR");
    size_t len = zone_why(zones_current(w->zones), wire, &match, text);
    return xasprintf("%.*s", (int)len, text);
}
