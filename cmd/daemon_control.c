/* cmd/daemon_control.c - the store, the rules, the reconcilers and the API as stages. */
#include "cmd/daemon.h"

#include <stdlib.h>

#include "base/check.h"
#include "cmd/zone_dump.h"
#include "controller/api/server.h"
#include "controller/reconcile/reconcile.h"
#include "controller/registry/registry.h"
#include "controller/store/store.h"

/* "": the cluster zone. */
static int dump_zone(void *arg, const char *zone, struct api_text *out, struct err *e)
{
    const struct daemon *d = arg;
    return zone_dump(d->zones, *zone ? zone : d->options.zone_name, out, e);
}

static int explain(void *arg, const char *ns, const char *subject, struct buf_out *out,
                   struct err *e)
{
    const struct daemon *d = arg;
    return reconcile_explain(d->reconcile, ns, subject, out, e);
}

int daemon_store_start(struct daemon *d, struct err *e)
{
    const struct options *o = &d->options;
    struct store_opts opts = {
        .memory = *o->store_kind == 'm',
        .path = o->store_path,
        .history_us = o->store_history_us,
        .history_bytes = (size_t)o->store_history_bytes,
        .names_first = true,
    };
    struct registry_opts rules = {
        .pod_range = (const char *const *)o->nodes_pod_range.items,
        .pod_range_count = o->nodes_pod_range.count,
        .service_range = (const char *const *)o->nodes_service_range.items,
        .service_range_count = o->nodes_service_range.count,
        .default_class = o->volumes_class,
    };
    int rc = store_open(&opts, d->loop, &d->store, e);
    if (rc == 0)
        rc = registry_new(d->store, &rules, &d->registry, e);
    return rc;
}

/* What names do not need. */
int daemon_store_complete(struct daemon *d, struct err *e)
{
    int rc = store_load_rest(d->store, e);
    return rc < 0 ? rc : registry_bootstrap(d->registry, e);
}

void daemon_store_stop(struct daemon *d)
{
    registry_free(d->registry);
    if (d->store)
        store_close(d->store);
}

static unsigned prefix_of(const struct string_list *list, size_t i, unsigned fallback)
{
    return i < list->count ? (unsigned)strtoul(list->items[i], NULL, 10) : fallback;
}

/* The first complete version of all zones. */
int daemon_content_load(struct daemon *d, struct err *e)
{
    const struct options *o = &d->options;
    char *volumes = xasprintf("%s/volumes", o->store_path);
    struct reconcile_opts opts = {
        .embedded_nodes = (unsigned)o->nodes_embedded,
        .embedded_start_us = o->nodes_embedded_start_us,
        .scheduler = o->nodes_scheduler,
        .pod_range = (const char *const *)o->nodes_pod_range.items,
        .pod_range_count = o->nodes_pod_range.count,
        .pod_prefix4 = prefix_of(&o->nodes_pod_prefix, 0, 24),
        .pod_prefix6 = prefix_of(&o->nodes_pod_prefix, 1, 64),
        .node_grace_us = o->nodes_grace_us,
        .gc_period_us = o->nodes_gc_period_us,
        .gc_quarantine_us = o->nodes_gc_quarantine_us,
        .volume_dir = *o->store_kind == 'm' ? "" : volumes,
    };
    d->reconcile = reconcile_load(&opts, d->loop, d->registry, d->zones);
    free(volumes);
    daemon_versions_follow(d);
    (void)e;
    return 0;
}

int daemon_reconcile_begin(struct daemon *d, struct err *e)
{
    (void)e;
    reconcile_run(d->reconcile);
    return 0;
}

void daemon_reconcile_end(struct daemon *d)
{
    if (d->reconcile)
        reconcile_stop(d->reconcile);
}

int daemon_api_start(struct daemon *d, struct err *e)
{
    const struct options *o = &d->options;
    struct api_opts opts = {
        .socket = o->api_socket,
        .listen = (const char *const *)o->api_listen.items,
        .listen_count = o->api_listen.count,
        .tls = d->tls,
        .dns_has = daemon_dns_has,
        .dns_arg = d,
        .dump_zone = dump_zone,
        .zone_arg = d,
        .explain = explain,
        .explain_arg = d,
    };
    return api_server_start(&opts, d->loop, d->registry, &d->api, e);
}

void daemon_api_stop(struct daemon *d)
{
    api_server_stop(d->api);
}
