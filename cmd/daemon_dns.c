/* cmd/daemon_dns.c - the zones and the DNS server as stages, and their options. */
#include "cmd/daemon.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "controller/reconcile/reconcile.h"
#include "dns/server.h"
#include "zones/zone_txn.h"

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

static bool add_interfaces(struct address_set *global, struct address_set *local, int family)
{
    struct ifaddrs *list, *it;
    if (getifaddrs(&list) != 0)
        return false;
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
    return true;
}

/* The addresses of ns.dns.Z (K-NS): configured, else those listened on that are not loopback, else
 * the loopback ones. False when the interfaces could not be asked. */
static bool find_ns_addresses(const struct options *o, struct address_set *out)
{
    struct address_set local = {0};
    bool is_known = true;
    *out = (struct address_set){0};
    for (size_t i = 0; i < o->zone_ns_address.count; i++)
        address_add(out, o->zone_ns_address.items[i]);
    if (out->count)
        return true;
    for (size_t i = 0; i < o->dns_listen.count; i++) {
        char host[64];
        const char *text = o->dns_listen.items[i];
        size_t skip = *text == '[', len = (size_t)(strrchr(text, ':') - text) - 2 * skip;
        (void)snprintf(host, sizeof host, "%.*s", (int)len, text + skip);
        if (strcmp(host, "0.0.0.0") == 0)
            is_known = add_interfaces(out, &local, AF_INET) && is_known;
        else if (strcmp(host, "::") == 0)
            is_known = add_interfaces(out, &local, AF_INET6) && is_known;
        else
            address_add(is_loopback(host) ? &local : out, host);
    }
    if (!out->count)
        *out = local;
    if (!out->count)
        address_add(out, "127.0.0.1");
    return is_known;
}

static unsigned worker_count(const struct options *o)
{
    cpu_set_t set;
    if (o->dns_workers > 0)
        return (unsigned)o->dns_workers;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int daemon_zones_start(struct daemon *d, struct err *e)
{
    const struct options *o = &d->options;
    (void)find_ns_addresses(o, &d->ns);
    size_t ranges = o->nodes_pod_range.count + o->nodes_service_range.count;
    const char **reverse = xcalloc(ranges + 1, sizeof *reverse);
    for (size_t i = 0; i < ranges; i++)
        reverse[i] = i < o->nodes_pod_range.count
                         ? o->nodes_pod_range.items[i]
                         : o->nodes_service_range.items[i - o->nodes_pod_range.count];
    struct zones_opts opts = {
        .zone_name = o->zone_name,
        .ns_addresses = d->ns.items,
        .ns_address_count = d->ns.count,
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

void daemon_zones_stop(struct daemon *d)
{
    zones_free(d->zones);
}

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

/* Opens the query sockets while privileged; they answer only from daemon_dns_start on. */
int daemon_dns_bind(struct daemon *d, struct err *e)
{
    const char *networks[NEAR_NETWORKS_MAX];
    struct dns_opts opts = dns_options(&d->options, networks);
    return dns_server_bind(&opts, zones_publish(d->zones), &d->dns, e);
}

int daemon_dns_reload(struct daemon *d, const struct options *o, struct err *e)
{
    const char *networks[NEAR_NETWORKS_MAX];
    struct dns_opts opts = dns_options(o, networks);
    struct address_set ns;
    int rc = dns_server_reload(d->dns, &opts, e);
    if (rc < 0)
        return rc;
    if (!find_ns_addresses(o, &ns))
        return 0; /* those that are known stay */
    bool is_same = ns.count == d->ns.count;
    for (size_t i = 0; i < ns.count && is_same; i++)
        is_same = naming_address_equal(&ns.items[i], &d->ns.items[i]);
    d->ns = ns;
    if (!is_same)
        reconcile_put_ns(d->reconcile, ns.items, ns.count);
    return 0;
}

void daemon_dns_unbind(struct daemon *d)
{
    dns_server_stop(d->dns);
}

int daemon_dns_start(struct daemon *d, struct err *e)
{
    return dns_server_start(d->dns, e);
}
