/* cmd/daemon_probe.c - the metrics listener as a stage, and what the daemon itself counts. */
#include "cmd/daemon.h"

#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/metrics.h"
#include "controller/api/server.h"
#include "controller/reconcile/reconcile.h"
#include "controller/store/store.h"
#include "dns/server.h"
#include "zones/zone_txn.h"

/* ---- readiness, liveness ---- */

static const char *not_ready(void *arg)
{
    struct daemon *d = arg;
    if (d->is_stopping)
        return "stopping";
    if (!d->is_serving)
        return "starting";
    if (d->store && store_is_read_only(d->store))
        return store_read_only_reason(d->store);
    return NULL;
}

static const char *not_alive(void *arg)
{
    struct daemon *d = arg;
    return d->is_serving && !dns_server_is_alive(d->dns) ? "a DNS worker does not answer" : NULL;
}

int daemon_probe_start(struct daemon *d, struct err *e)
{
    const struct options *o = &d->options;
    struct probe_opts opts = {
        .metrics_listen = (const char *const *)o->metrics_listen.items,
        .metrics_listen_count = o->metrics_listen.count,
        .health_listen = (const char *const *)o->health_listen.items,
        .health_listen_count = o->health_listen.count,
        .ready_listen = (const char *const *)o->ready_listen.items,
        .ready_listen_count = o->ready_listen.count,
        .not_ready = not_ready,
        .not_alive = not_alive,
        .arg = d,
    };
    return probe_server_start(&opts, d->loop, &d->probe, e);
}

void daemon_probe_stop(struct daemon *d)
{
    probe_server_stop(d->probe);
}

/* ---- metrics ---- */

static void collect_zones(struct buf_out *out, const struct metric_family *family, void *arg)
{
    struct daemon *d = arg;
    struct zones_stats stats;
    zones_stats(d->zones, &stats);
    double value = strstr(family->name, "_bytes")      ? (double)stats.bytes
                   : strstr(family->name, "_services") ? (double)stats.services
                                                       : (double)stats.names;
    metrics_sample(out, family->name, NULL, value);
}

static void collect_ignored(struct buf_out *out, const struct metric_family *family, void *arg)
{
    struct daemon *d = arg;
    struct zones_stats stats;
    zones_stats(d->zones, &stats);
    metrics_sample(out, family->name, "reason=\"hostname\"", (double)stats.ignored_hostnames);
    metrics_sample(out, family->name, "reason=\"length\"", (double)stats.too_long_names);
}

static void collect_store(struct buf_out *out, const struct metric_family *family, void *arg)
{
    struct daemon *d = arg;
    double value = strstr(family->name, "_commits_")    ? (double)store_commits(d->store)
                   : strstr(family->name, "_read_only") ? (double)store_is_read_only(d->store)
                                                        : (double)store_applied(d->store).revision;
    metrics_sample(out, family->name, NULL, value);
}

static void collect_passes(struct buf_out *out, const struct metric_family *family, void *arg)
{
    const struct daemon *d = arg;
    struct loop_stats stats;
    char label[32];
    loop_stats(d->loop, &stats);
    if (strstr(family->name, "_busy_"))
        metrics_sample(out, family->name, NULL, (double)stats.busy_us / 1e6);
    else if (strstr(family->name, "_longest_"))
        metrics_sample(out, family->name, NULL, (double)stats.longest_us / 1e6);
    else
        metrics_sample(out, family->name, "over=\"0\"", (double)stats.passes);
    for (size_t i = 0; i < LOOP_PASS_STEP_COUNT && strstr(family->name, "_passes_"); i++) {
        (void)snprintf(label, sizeof label, "over=\"%g\"", (double)loop_pass_steps_us[i] / 1e6);
        metrics_sample(out, family->name, label, (double)stats.over[i]);
    }
}

static void collect_reloads(struct buf_out *out, const struct metric_family *family, void *arg)
{
    const struct daemon *d = arg;
    metrics_sample(out, family->name, "result=\"success\"", (double)d->reload.succeeded);
    metrics_sample(out, family->name, "result=\"failure\"", (double)d->reload.failed);
}

static void collect_build(struct buf_out *out, const struct metric_family *family, void *arg)
{
    (void)arg;
    metrics_sample(out, family->name, "version=\"" ORDINALD_VERSION "\"", 1);
}

void daemon_register_metrics(struct daemon *d)
{
    static struct metric_family families[] = {
        {"ordinald_build_info", METRIC_GAUGE, "Version of the program; the value is always 1.",
         collect_build, NULL},
        {"ordinald_config_reloads_total", METRIC_COUNTER,
         "Configurations read after the start; a failed one changed nothing (K-RELOAD).",
         collect_reloads, NULL},
        {"ordinald_zone_names", METRIC_GAUGE, "Names in all zones.", collect_zones, NULL},
        {"ordinald_zone_services", METRIC_GAUGE, "Services that publish names.", collect_zones,
         NULL},
        {"ordinald_zone_bytes", METRIC_GAUGE, "Memory of all zones.", collect_zones, NULL},
        {"ordinald_zone_ignored_total", METRIC_COUNTER,
         "Endpoints that could not be named as asked (K-NAMES).", collect_ignored, NULL},
        {"ordinald_loop_passes_total", METRIC_COUNTER,
         "Passes of the control thread that took more CPU than so many seconds.", collect_passes,
         NULL},
        {"ordinald_loop_busy_seconds_total", METRIC_COUNTER, "CPU time of the control thread.",
         collect_passes, NULL},
        {"ordinald_loop_longest_pass_seconds", METRIC_GAUGE,
         "CPU time of its longest pass since the start.", collect_passes, NULL},
        {"ordinald_store_revision", METRIC_GAUGE, "Revision of the applied state.", collect_store,
         NULL},
        {"ordinald_store_commits_total", METRIC_COUNTER, "Durable commits.", collect_store, NULL},
        {"ordinald_store_read_only", METRIC_GAUGE, "1 after an I/O error of a commit.",
         collect_store, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        families[i].arg = d;
        metrics_register(&families[i]);
    }
    dns_server_register_metrics(d->dns);
    reconcile_register_metrics(d->reconcile);
}
