#include "controller/reconcile/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/reconcile/embedded_node.h"
#include "controller/reconcile/explain.h"
#include "controller/reconcile/runner.h"
#include "controller/reconcile/zone_feed.h"

/* Events are looked at for their age at least this often. */
#define EVENTS_EVERY_US (INT64_C(60) * 1000000)

struct reconcile {
    struct loop *loop;
    struct reconcile_opts opts;
    char **pod_range; /* owned copies, for opts */
    char *volume_dir;
    struct registry *reg;
    struct zones *zones;
    struct zone_feed *feed;
    struct runner *runner;
    struct loop_timer events;
};

/* Order of rows = order within a pass: what creates before what reads. */
static const struct controller *const rows[] = {
    &namespace_controller,     &node_controller,      &statefulset_controller,
    &replicaset_controller,    &volume_controller,    &scheduler_controller,
    &embedded_node_controller, &endpoints_controller, &garbage_controller,
};

static void on_events_timer(void *arg)
{
    struct reconcile *r = arg;
    int64_t now_us = clock_mono_us();
    int64_t due_us = registry_expire_events(r->reg);
    if (due_us < 0 || due_us > now_us + EVENTS_EVERY_US)
        due_us = now_us + EVENTS_EVERY_US;
    loop_timer_set(&r->events, due_us > now_us ? due_us : now_us + 1000000);
}

static void copy_opts(struct reconcile *r, const struct reconcile_opts *opts)
{
    r->opts = *opts;
    r->pod_range = xcalloc(opts->pod_range_count + 1, sizeof *r->pod_range);
    for (size_t i = 0; i < opts->pod_range_count; i++)
        r->pod_range[i] = xstrdup(opts->pod_range[i]);
    r->opts.pod_range = (const char *const *)r->pod_range;
    r->volume_dir = xstrdup(opts->volume_dir ? opts->volume_dir : "");
    r->opts.volume_dir = r->volume_dir;
}

struct reconcile *reconcile_load(const struct reconcile_opts *opts, struct loop *loop,
                                 struct registry *reg, struct zones *zones)
{
    struct reconcile *r = xcalloc(1, sizeof *r);
    r->reg = reg;
    r->loop = loop;
    r->zones = zones;
    copy_opts(r, opts);
    loop_timer_init(&r->events, loop, on_events_timer, r);
    if (zones)
        r->feed = zone_feed_new(loop, registry_store(reg), zones);
    return r;
}

void reconcile_run(struct reconcile *r)
{
    CHECK(!r->runner);
    r->runner = runner_new(&r->opts, r->loop, r->reg, rows, ARRAY_SIZE(rows));
    if (r->feed)
        zone_feed_attach(r->feed, r->runner);
    loop_timer_set(&r->events, clock_mono_us() + EVENTS_EVERY_US);
}

void reconcile_put_ns(struct reconcile *r, const struct naming_address *addresses, size_t count)
{
    if (r->feed)
        zone_feed_put_ns(r->feed, addresses, count);
}

void reconcile_stop(struct reconcile *r)
{
    if (!r)
        return;
    if (r->feed)
        zone_feed_attach(r->feed, NULL);
    runner_free(r->runner);
    zone_feed_free(r->feed);
    loop_timer_fini(&r->events);
    for (size_t i = 0; i < r->opts.pod_range_count; i++)
        free(r->pod_range[i]);
    free(r->pod_range);
    free(r->volume_dir);
    free(r);
}

void reconcile_register_metrics(struct reconcile *r)
{
    runner_register_metrics(r->runner);
    if (r->feed)
        zone_feed_register_metrics(r->feed);
}

int reconcile_explain(struct reconcile *r, const char *ns, const char *subject, struct buf_out *out,
                      struct err *e)
{
    struct explain_gather g;
    struct store_view view = store_applied(registry_store(r->reg));
    if (!r->runner)
        return err_set(e, ERR_UNAVAILABLE, "the reconcilers have not started yet");
    struct explain *found = xcalloc(1, sizeof *found);
    explain_gather_init(&g, r->runner, &view);
    int rc = explain_subject(&g, r->zones ? zones_current(r->zones) : NULL, ns, subject, found, e);
    if (rc == 0) {
        cJSON *tree = explain_tree(found, ns, subject);
        char *text = json_print(tree, NULL);
        buf_puts(out, text);
        free(text);
        cJSON_Delete(tree);
    }
    explain_gather_fini(&g);
    free(found);
    return rc;
}

static struct embedded *embedded_of(const struct reconcile *r)
{
    return runner_state(r->runner, &embedded_node_controller);
}

void reconcile_node_silence(struct reconcile *r, const char *node, bool silent)
{
    if (embedded_of(r))
        embedded_silence(embedded_of(r), node, silent);
}

void reconcile_node_ignore_deletion(struct reconcile *r, const char *node, bool ignore)
{
    if (embedded_of(r))
        embedded_ignore_deletion(embedded_of(r), node, ignore);
}

void reconcile_pod_fail_readiness(struct reconcile *r, const char *ns, const char *pod, bool fail)
{
    if (embedded_of(r))
        embedded_fail_readiness(embedded_of(r), ns, pod, fail);
}

int reconcile_pod_change_address(struct reconcile *r, const char *ns, const char *pod)
{
    return embedded_of(r) ? embedded_change_address(embedded_of(r), ns, pod) : ERR_NOT_FOUND;
}
