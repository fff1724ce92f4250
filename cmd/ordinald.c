/* cmd/ordinald.c - the daemon: arguments, options, stages, signals. The only file that knows every
 * folder. */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <ifaddrs.h>
#include <malloc.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "cmd/reload.h"
#include "cmd/zone_dump.h"
#include "conf/conf.h"
#include "controller/api/server.h"
#include "controller/reconcile/reconcile.h"
#include "controller/registry/registry.h"
#include "controller/store/store.h"
#include "dns/server.h"
#include "zones/zone_txn.h"

enum { EXIT_CONFIG = 1, EXIT_START = 2 };

#define VERSIONS_KEPT 256

/* Which published zone version first included which store revision, for ?waitForDNS=true. */
struct version_log {
    struct {
        uint64_t revision, version;
    } entry[VERSIONS_KEPT];
    size_t next;
};

struct daemon {
    const struct http_tls *tls; /* borrowed; NULL: none */
    struct options options;
    struct reload reload;
    struct loop *loop;
    struct probe_server *probe;
    struct zones *zones;
    struct dns_server *dns;
    struct store *store;
    struct registry *registry;
    struct reconcile *reconcile;
    struct api_server *api;
    struct version_log versions;
    struct loop_task reclaim;
    struct loop_timer reclaim_later;
    struct loop_timer lameduck;
    uint64_t start_revision; /* with what exists at start */
    struct loop_timer ready_timer;
    bool is_serving, is_stopping;
};

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

static void register_metrics(struct daemon *d)
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

/* ---- stages ---- */

static int probe_start(struct daemon *d, struct err *e)
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

static void probe_stop(struct daemon *d)
{
    probe_server_stop(d->probe);
}

/* The addresses of ns.dns.Z (K-NS): configured, else those listened on that are not loopback, else
 * the loopback ones. */
struct address_set {
    struct naming_address items[64];
    size_t count;
};

static void address_add(struct address_set *set, const char *text)
{
    struct naming_address a;
    if (set->count == ARRAY_SIZE(set->items) || !naming_address_parse(text, &a))
        return;
    for (size_t i = 0; i < set->count; i++)
        if (naming_address_equal(&set->items[i], &a))
            return;
    set->items[set->count++] = a;
}

static bool is_loopback(const char *text)
{
    return strncmp(text, "127.", 4) == 0 || strcmp(text, "::1") == 0;
}

static void add_interfaces(struct address_set *global, struct address_set *local, int family)
{
    struct ifaddrs *list, *it;
    if (getifaddrs(&list) != 0)
        return;
    for (it = list; it; it = it->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        if (!it->ifa_addr || it->ifa_addr->sa_family != family)
            continue;
        const struct sockaddr_in6 *six = (const void *)it->ifa_addr;
        const struct sockaddr_in *four = (const void *)it->ifa_addr;
        if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr))
            continue;
        const void *bytes =
            family == AF_INET6 ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr;
        inet_ntop(family, bytes, text, sizeof text);
        address_add(is_loopback(text) ? local : global, text);
    }
    freeifaddrs(list);
}

static void find_ns_addresses(const struct options *o, struct address_set *out)
{
    struct address_set local = {0};
    *out = (struct address_set){0};
    for (size_t i = 0; i < o->zone_ns_address.count; i++)
        address_add(out, o->zone_ns_address.items[i]);
    if (out->count)
        return;
    for (size_t i = 0; i < o->dns_listen.count; i++) {
        char host[64];
        const char *text = o->dns_listen.items[i];
        size_t skip = *text == '[', len = (size_t)(strrchr(text, ':') - text) - 2 * skip;
        (void)snprintf(host, sizeof host, "%.*s", (int)len, text + skip);
        if (strcmp(host, "0.0.0.0") == 0)
            add_interfaces(out, &local, AF_INET);
        else if (strcmp(host, "::") == 0)
            add_interfaces(out, &local, AF_INET6);
        else
            address_add(is_loopback(host) ? &local : out, host);
    }
    if (!out->count)
        *out = local;
    if (!out->count)
        address_add(out, "127.0.0.1");
}

static unsigned worker_count(const struct options *o)
{
    cpu_set_t set;
    if (o->dns_workers > 0)
        return (unsigned)o->dns_workers;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int zones_start(struct daemon *d, struct err *e)
{
    const struct options *o = &d->options;
    struct address_set ns;
    find_ns_addresses(o, &ns);
    size_t ranges = o->nodes_pod_range.count + o->nodes_service_range.count;
    const char **reverse = xcalloc(ranges + 1, sizeof *reverse);
    for (size_t i = 0; i < ranges; i++)
        reverse[i] = i < o->nodes_pod_range.count
                         ? o->nodes_pod_range.items[i]
                         : o->nodes_service_range.items[i - o->nodes_pod_range.count];
    struct zones_opts opts = {
        .zone_name = o->zone_name,
        .ns_addresses = ns.items,
        .ns_address_count = ns.count,
        .reverse = o->zone_reverse.count ? (const char *const *)o->zone_reverse.items : reverse,
        .reverse_count = o->zone_reverse.count ? o->zone_reverse.count : ranges,
        .reverse_fallthrough = o->zone_reverse_fallthrough,
        .ttl_s = (uint32_t)(o->zone_ttl_us / 1000000),
        .negative_ttl_s = (uint32_t)(o->zone_negative_ttl_us / 1000000),
        .pods = *o->zone_pods == 'v'   ? PODS_VERIFIED
                : *o->zone_pods == 'i' ? PODS_INSECURE
                                       : PODS_DISABLED,
        .endpoint_names = *o->zone_endpoint_names == 'i' ? ENDPOINT_NAMES_IP : ENDPOINT_NAMES_POD,
        .endpoint_records =
            *o->zone_endpoint_records == 'a' ? ENDPOINT_RECORDS_ALL : ENDPOINT_RECORDS_HEADLESS,
        .ptr = *o->zone_ptr == 'a' ? PTR_ALL : PTR_PREFER_HOSTNAME,
        .ignore_empty_service = o->zone_ignore_empty_service,
    };
    int rc = zones_new(&opts, worker_count(o), &d->zones, e);
    free(reverse);
    return rc;
}

static void zones_stop(struct daemon *d)
{
    zones_free(d->zones);
}

/* Opens the query sockets while privileged; they answer only from dns_start on. */
/* Who may ask for more than local names (access.recurse), and who is told why names are not there
 * (access.explain), unless the options say so: who can see the pods anyway. */
#define NEAR_NETWORKS_MAX 4 /* loopback and a range per family */

static size_t near_networks(const struct options *o, const char *out[NEAR_NETWORKS_MAX])
{
    size_t count = 0;
    out[count++] = "127.0.0.0/8";
    out[count++] = "::1";
    for (size_t i = 0; i < o->nodes_pod_range.count && count < NEAR_NETWORKS_MAX; i++)
        out[count++] = o->nodes_pod_range.items[i];
    return count;
}

/* What dns/ is told; networks has room for what access.explain is by default. */
static struct dns_opts dns_options(const struct options *o, const char *networks[NEAR_NETWORKS_MAX])
{
    const struct string_list *explain = &o->access_explain;
    const struct string_list *recurse = &o->access_recurse;
    size_t network_count = near_networks(o, networks);
    return (struct dns_opts){
        .listen = (const char *const *)o->dns_listen.items,
        .listen_count = o->dns_listen.count,
        .workers = worker_count(o),
        .udp_size = (uint16_t)o->dns_udp_size,
        .rotate = o->dns_rotate,
        .tcp_idle_us = o->dns_tcp_idle_us,
        .tcp_max = (unsigned)o->dns_tcp_max,
        .tcp_max_per_client = (unsigned)o->dns_tcp_max_per_client,
        .cookies = o->dns_cookies,
        .cookie_secret = o->dns_cookie_secret,
        .nsid = o->dns_nsid,
        .chaos = o->dns_chaos,
        .query_acl = (const char *const *)o->access_query.items,
        .query_acl_count = o->access_query.count,
        .explain_acl = explain->count ? (const char *const *)explain->items : networks,
        .explain_acl_count = explain->count ? explain->count : network_count,
        .transfer_acl = (const char *const *)o->access_transfer.items,
        .transfer_acl_count = o->access_transfer.count,
        .recurse_acl = recurse->count ? (const char *const *)recurse->items : networks,
        .recurse_acl_count = recurse->count ? recurse->count : network_count,
        .forward_upstream = (const char *const *)o->forward_upstream.items,
        .forward_upstream_count = o->forward_upstream.count,
        .forward_zones = (const char *const *)o->forward_zones.items,
        .forward_zone_count = o->forward_zones.count,
        .forward_timeout_us = o->forward_timeout_us,
        .denied_drop = *o->access_denied == 'd',
        .client_limit = (uint32_t)o->dns_client_limit,
        .log_queries = (uint32_t)o->log_queries,
        .max_stale_us = o->zone_max_stale_us,
    };
}

static int dns_bind(struct daemon *d, struct err *e)
{
    const char *networks[NEAR_NETWORKS_MAX];
    struct dns_opts opts = dns_options(&d->options, networks);
    return dns_server_bind(&opts, zones_publish(d->zones), &d->dns, e);
}

/* The live options (K-RELOAD). */
static int apply_options(void *arg, const struct options *o, struct err *e)
{
    struct daemon *d = arg;
    const char *networks[NEAR_NETWORKS_MAX];
    struct dns_opts opts = dns_options(o, networks);
    int rc = dns_server_reload(d->dns, &opts, e);
    enum log_level level = LOG_INFO;
    if (rc == 0 && log_level_parse(o->log_level, &level))
        log_set_level(level);
    return rc;
}

static void dns_unbind(struct daemon *d)
{
    dns_server_stop(d->dns);
}

/* Makes one directory for the account when it is not there yet; the service unit brings its own. */
static int directory_make(const char *path, mode_t mode, const struct passwd *owner,
                          const char *option, struct err *e)
{
    if (mkdir(path, mode) == 0) {
        if (!owner || chown(path, owner->pw_uid, owner->pw_gid) == 0)
            return 0;
    } else if (errno == EEXIST) {
        return 0;
    }
    return err_set(e, ERR_IO, "%s: %s: %s", option, path, strerrordesc_np(errno));
}

/* The last moment with privileges: what the account could not make itself. */
static int directories_make(const struct options *o, const struct passwd *owner, struct err *e)
{
    const char *slash = strrchr(o->api_socket, '/');
    int rc = 0;
    if (slash && slash != o->api_socket) {
        char *parent = xstrndup(o->api_socket, (size_t)(slash - o->api_socket));
        rc = directory_make(parent, 0755, owner, "api.socket", e);
        free(parent);
    }
    if (rc == 0 && *o->store_kind != 'm')
        rc = directory_make(o->store_path, 0700, owner, "store.path", e);
    return rc;
}

static int rights_drop(struct daemon *d, struct err *e)
{
    const char *user = d->options.run_user;
    const struct passwd *pw =
        *user ? getpwnam(user) : NULL; /* NOLINT(concurrency-mt-unsafe): no thread yet asks */
    if (*user && !pw)
        return err_set(e, ERR_INVALID, "run.user: no account \"%s\"", user);
    int rc = directories_make(&d->options, geteuid() == 0 ? pw : NULL, e);
    if (rc < 0 || !pw || geteuid() == pw->pw_uid)
        return rc;
    if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0)
        return err_set(e, ERR_IO, "run.user %s: %s", user, strerrordesc_np(errno));
    return 0;
}

static void version_note(void *arg, const struct store_batch *batch)
{
    struct daemon *d = arg;
    size_t at = d->versions.next++ % VERSIONS_KEPT;
    d->versions.entry[at].revision = batch->revision;
    d->versions.entry[at].version = publish_version(zones_publish(d->zones));
    loop_end_of_turn(&d->reclaim);
}

#define RECLAIM_AGAIN_US 500000

static void reclaim_run(void *arg)
{
    struct daemon *d = arg;
    if (zones_reclaim(d->zones))
        loop_end_of_turn(&d->reclaim);
    else if (zones_garbage(d->zones) > 0) /* a reader has it, for a batch or for a transfer */
        loop_timer_set(&d->reclaim_later, clock_mono_us() + RECLAIM_AGAIN_US);
}

/* True when every worker answers from a version that includes revision (K-FRESH, ?waitForDNS=true).
 */
static bool dns_has(void *arg, uint64_t revision)
{
    struct daemon *d = arg;
    uint64_t wanted = publish_version(zones_publish(d->zones));
    for (size_t i = 0; i < VERSIONS_KEPT; i++)
        if (d->versions.entry[i].revision >= revision && d->versions.entry[i].version < wanted)
            wanted = d->versions.entry[i].version;
    return publish_oldest_in_use(zones_publish(d->zones)) >= wanted;
}

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

static int store_start(struct daemon *d, struct err *e)
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
static int store_complete(struct daemon *d, struct err *e)
{
    int rc = store_load_rest(d->store, e);
    return rc < 0 ? rc : registry_bootstrap(d->registry, e);
}

static void store_stop(struct daemon *d)
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
static int content_load(struct daemon *d, struct err *e)
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
    /* after the zone feed's own hook, so that a new version is already published */
    store_on_apply(d->store, version_note, d);
    (void)e;
    return 0;
}

static int reconcile_begin(struct daemon *d, struct err *e)
{
    (void)e;
    reconcile_run(d->reconcile);
    return 0;
}

static void reconcile_end(struct daemon *d)
{
    if (d->reconcile)
        reconcile_stop(d->reconcile);
}

static int dns_start(struct daemon *d, struct err *e)
{
    return dns_server_start(d->dns, e);
}

static int api_start(struct daemon *d, struct err *e)
{
    const struct options *o = &d->options;
    struct api_opts opts = {
        .socket = o->api_socket,
        .listen = (const char *const *)o->api_listen.items,
        .listen_count = o->api_listen.count,
        .tls = d->tls,
        .dns_has = dns_has,
        .dns_arg = d,
        .dump_zone = dump_zone,
        .zone_arg = d,
        .explain = explain,
        .explain_arg = d,
    };
    return api_server_start(&opts, d->loop, d->registry, &d->api, e);
}

static void api_stop(struct daemon *d)
{
    api_server_stop(d->api);
}

struct stage {
    const char *name;
    int (*start)(struct daemon *d, struct err *e);
    void (*stop)(struct daemon *d);
};

/* Started in order, stopped in reverse. A restart never denies a living pod: queries are answered
 * once the first complete version is published. What controllers have to look at comes after. */
static const struct stage stages[] = {
    {"metrics", probe_start, probe_stop},
    {"zones", zones_start, zones_stop},
    {"dns sockets", dns_bind, dns_unbind},
    {"rights", rights_drop, NULL},
    {"store", store_start, store_stop},
    {"names", content_load, reconcile_end},
    {"dns", dns_start, NULL},
    {"store", store_complete, NULL},
    {"reconcile", reconcile_begin, NULL},
    {"api", api_start, api_stop},
};

/* ---- signals ---- */

static void lameduck_over(void *arg)
{
    struct daemon *d = arg;
    loop_stop(d->loop);
}

static void on_terminate(void *arg)
{
    struct daemon *d = arg;
    if (d->is_stopping)
        return;
    d->is_stopping = true;
    log_info("stopping lameduck_s=%lld", (long long)(d->options.dns_lameduck_us / 1000000));
    loop_timer_set(&d->lameduck, clock_mono_us() + d->options.dns_lameduck_us);
}

static void on_hangup(void *arg)
{
    struct daemon *d = arg;
    reload_now(&d->reload, "SIGHUP");
}

static sigset_t watched_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR2); /* ends the thread below */
    return set;
}

static void *signal_main(void *arg)
{
    struct daemon *d = arg;
    sigset_t set = watched_signals();
    int number = 0;
    while (sigwait(&set, &number) == 0 && number != SIGUSR2)
        loop_post(d->loop, number == SIGHUP ? on_hangup : on_terminate, d);
    return NULL;
}

/* ---- start and stop ---- */

/* One datagram to the service manager (sd_notify(3)); nothing when there is none. */
static void notify_manager(const char *text)
{
    const char *path =
        getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe): nobody sets the environment */
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to, len) < 0)
        log_warn("msg=\"NOTIFY_SOCKET: %s\"", strerrordesc_np(errno));
    close(fd);
}

static void print_ready(const struct daemon *d)
{
    struct buf_out line;
    buf_out_init(&line);
    buf_puts(&line, "ready");
    for (size_t i = 0; i < dns_server_address_count(d->dns); i++)
        buf_printf(&line, "%s%s", i ? "," : " dns=", dns_server_address(d->dns, i));
    if (*d->options.api_socket)
        buf_printf(&line, " api=%s", d->options.api_socket);
    for (int tls = 0; tls < 2; tls++) {
        const char *before = tls ? " https=" : " http=";
        for (size_t i = 0; i < api_server_address_count(d->api); i++) {
            if (api_server_address_is_tls(d->api, i) != (tls == 1))
                continue;
            buf_printf(&line, "%s%s", before, api_server_address(d->api, i));
            before = ",";
        }
    }
    for (size_t i = 0; i < probe_server_address_count(d->probe); i++)
        buf_printf(&line, "%s%s", i ? "," : " metrics=", probe_server_address(d->probe, i));
    (void)puts(line.data);
    (void)fflush(stdout);
    buf_out_fini(&line);
}

#define READY_POLL_US 1000

/* Who reads the line finds what exists at start (A23): it waits until that is committed. */
static void on_start(void *arg)
{
    struct daemon *d = arg;
    if (store_applied(d->store).revision < d->start_revision && !store_is_read_only(d->store)) {
        loop_timer_set(&d->ready_timer, clock_mono_us() + READY_POLL_US);
        return;
    }
    d->is_serving = true;
    print_ready(d);
    notify_manager("READY=1");
}

static int run(struct daemon *d)
{
    struct err e = {0};
    size_t started = 0;
    for (; started < ARRAY_SIZE(stages); started++)
        if (stages[started].start(d, &e) < 0)
            break;
    bool good = started == ARRAY_SIZE(stages);
    pthread_t signals;
    if (good && pthread_create(&signals, NULL, signal_main, d) == 0) {
        register_metrics(d);
        d->start_revision = store_head(d->store).revision;
        loop_timer_init(&d->ready_timer, d->loop, on_start, d);
        loop_timer_set(&d->ready_timer, clock_mono_us());
        reload_start(&d->reload, d->loop);
        loop_run(d->loop);
        reload_stop(&d->reload);
        loop_timer_fini(&d->ready_timer);
        notify_manager("STOPPING=1");
        pthread_kill(signals, SIGUSR2);
        pthread_join(signals, NULL);
        metrics_unregister_all();
    } else {
        (void)fprintf(stderr, "ordinald: %s: %s\n", good ? "signals" : stages[started].name,
                      e.text);
        good = false;
        started += started < ARRAY_SIZE(stages); /* what a failed stage opened is closed too */
    }
    for (size_t i = started; i-- > 0;)
        if (stages[i].stop)
            stages[i].stop(d);
    return good ? EXIT_SUCCESS : EXIT_START;
}

/* Takes *options over for its time: a reload changes them. */
static int serve(struct options *options, const char *file, const char *const *settings,
                 size_t count, const struct http_tls *tls)
{
    struct daemon d = {.options = *options, .tls = tls};
    d.reload = (struct reload){.file = file,
                               .settings = settings,
                               .setting_count = count,
                               .options = &d.options,
                               .apply = apply_options,
                               .arg = &d};
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    mallopt(M_ARENA_MAX, 2); /* NOLINT(concurrency-mt-unsafe): the only thread yet */
    json_keep_blocks();
    (void)signal(SIGPIPE, SIG_IGN);
    sigset_t set = watched_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    umask(0027);
    d.loop = loop_new();
    loop_timer_init(&d.lameduck, d.loop, lameduck_over, &d);
    loop_task_init(&d.reclaim, d.loop, reclaim_run, &d);
    loop_timer_init(&d.reclaim_later, d.loop, reclaim_run, &d);
    int rc = run(&d);
    loop_timer_fini(&d.lameduck);
    loop_timer_fini(&d.reclaim_later);
    loop_task_fini(&d.reclaim);
    loop_free(d.loop);
    *options = d.options;
    return rc;
}

static int print_help(void)
{
    return puts(
               "usage: ordinald [--config FILE] [--set KEY=VALUE]... [--check] [--print-config] "
               "[--version] [--help]\n"
               "\n"
               "Authoritative DNS for stateful workloads, fed through a controller socket.\n"
               "\n"
               "  -c, --config FILE    read options from a YAML file (without it no file is read)\n"
               "  -s, --set KEY=VALUE  set one option; wins over the file; repeat to add to a "
               "list\n"
               "      --check          check the configuration and exit\n"
               "      --print-config   print the effective configuration and exit\n"
               "      --print-sample   print every option with its default and meaning and exit\n"
               "  -V, --version        print the version and exit\n"
               "  -h, --help           print this help and exit\n"
               "\n"
               "Exit codes: 0 after SIGTERM, 1 configuration error, 2 start failure.") < 0;
}

/* The files of TLS, as long as they can be read: a key may be root's alone. */
static int tls_load(const struct options *o, struct http_tls **out, struct err *e)
{
    const struct http_tls_files files = {
        .cert = o->api_tls_cert, .key = o->api_tls_key, .client_ca = o->api_tls_client_ca};
    return *files.cert ? http_tls_new(&files, out, e) : 0;
}

enum mode { MODE_SERVE, MODE_CHECK, MODE_PRINT };

static int configured(const char *file, const char *const *settings, size_t count, enum mode mode)
{
    struct options options;
    struct http_tls *tls = NULL;
    struct err e = {0};
    if (conf_load(file, settings, count, &options, &e) < 0) {
        (void)fprintf(stderr, "ordinald: %s\n", e.text);
        return EXIT_CONFIG;
    }
    if (mode != MODE_PRINT && tls_load(&options, &tls, &e) < 0) {
        (void)fprintf(stderr, "ordinald: %s\n", e.text);
        conf_fini(&options);
        return EXIT_CONFIG;
    }
    int rc = EXIT_SUCCESS;
    enum log_level level = LOG_INFO;
    log_level_parse(options.log_level, &level);
    log_set_level(level);
    if (mode == MODE_PRINT) {
        struct buf_out text;
        buf_out_init(&text);
        conf_print(&options, &text);
        (void)fputs(text.data, stdout);
        buf_out_fini(&text);
    } else if (mode == MODE_CHECK) {
        (void)puts("configuration ok");
    } else {
        rc = serve(&options, file, settings, count, tls);
    }
    http_tls_free(tls);
    conf_fini(&options);
    return rc;
}

static int print_sample(void)
{
    struct buf_out text;
    buf_out_init(&text);
    conf_sample(&text);
    (void)fputs(text.data, stdout);
    buf_out_fini(&text);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    enum { ARG_CHECK = 256, ARG_PRINT, ARG_SAMPLE };
    static const struct option arguments[] = {
        {"config", required_argument, NULL, 'c'},
        {"set", required_argument, NULL, 's'},
        {"check", no_argument, NULL, ARG_CHECK},
        {"print-config", no_argument, NULL, ARG_PRINT},
        {"print-sample", no_argument, NULL, ARG_SAMPLE},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *file = NULL;
    const char **settings = xcalloc((size_t)argc, sizeof *settings);
    size_t count = 0;
    enum mode mode = MODE_SERVE;
    int rc = -1, c;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread yet */
    while (rc < 0 && (c = getopt_long(argc, argv, "c:s:Vh", arguments, NULL)) != -1) {
        if (c == 'c')
            file = optarg;
        else if (c == 's')
            settings[count++] = optarg;
        else if (c == ARG_CHECK)
            mode = MODE_CHECK;
        else if (c == ARG_PRINT)
            mode = MODE_PRINT;
        else if (c == ARG_SAMPLE)
            rc = print_sample();
        else if (c == 'V')
            rc = puts("ordinald " ORDINALD_VERSION) < 0;
        else if (c == 'h')
            rc = print_help();
        else
            rc = EXIT_CONFIG; /* getopt_long has said why */
    }
    if (rc < 0 && optind < argc) {
        (void)fprintf(stderr, "ordinald: unexpected argument \"%s\"\n", argv[optind]);
        rc = EXIT_CONFIG;
    }
    if (rc < 0)
        rc = configured(file, settings, count, mode);
    free(settings);
    return rc;
}
