/* dns/server.h - start, resize and stop the workers that answer.
 *
 * N worker threads, each with its own UDP socket per listen address (SO_REUSEPORT, IPV6_V6ONLY),
 * its own TCP listener, its own event base, buffers, random generator and counters, and slot i of
 * the zones' publish. Workers read published zone versions and write counters, nothing else. Start
 * and stop on the control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/publish.h"

struct dns_opts {
    const char *const *listen; /* "127.0.0.1:53", "[::1]:53", "0.0.0.0:5300", port 0 picks one (the
                                  same for UDP and TCP) */
    size_t listen_count;
    unsigned workers;                     /* >= 1 */
    uint16_t udp_size;                    /* 512..4096 (K-SIZE) */
    bool rotate;                          /* K-SHUFFLE */
    int64_t tcp_idle_us;                  /* */
    unsigned tcp_max, tcp_max_per_client; /* */
    bool cookies;                         /* */
    const char *cookie_secret;            /* file, NULL or "" = random at start */
    const char *nsid, *chaos;             /* NULL or "" = not answered */
    const char *const *query_acl;         /* access.query: CIDRs or "any" */
    size_t query_acl_count;
    const char *const *explain_acl; /* access.explain: CIDRs or "any" */
    size_t explain_acl_count;
    const char *const *transfer_acl; /* access.transfer: CIDRs or "any"; none: nobody */
    size_t transfer_acl_count;
    bool denied_drop;     /* access.denied: drop */
    int64_t max_stale_us; /* zone.max-stale, 0: no limit */
    const char *const *forward_upstream;
    size_t forward_upstream_count;
    const char *const *forward_zones; /* "suffix=ADDR ADDR" */
    size_t forward_zone_count;
    int64_t forward_timeout_us;
    const char *const *recurse_acl; /* access.recurse: CIDRs or "any" */
    size_t recurse_acl_count;
    uint32_t client_limit; /* dns.client-limit, per second; 0: no limit */
    uint32_t log_queries;  /* log.queries: one of so many; 0: none */
};

struct dns_server;

/* Binds and starts every worker; ERR_IO names the address that failed ("dns.listen 127.0.0.1:53:
 * Permission denied"). zones: its roots are const struct zone_version *; slot numbers 0..workers-1
 * are the server's. Borrowed until stop. Two steps so that sockets are opened while privileged and
 * queries are answered only when the first version is there. */
int dns_server_bind(const struct dns_opts *opts, struct publish *zones, struct dns_server **out,
                    struct err *e);
int dns_server_start(struct dns_server *server, struct err *e);
/* Answers from now on by other options: all but workers, tcp_idle_us and what is for forwarding,
 * which stay. Each message is answered by the old ones or the new ones; nothing is lost (K-RELOAD).
 * New addresses are listened on before those that are not listed any more are let go; what these
 * had received is answered, and their TCP connections go on; a TCP handshake that is
 * not complete is reset. On failure (ERR_INVALID, ERR_IO: as dns_server_bind) the old ones stay;
 * what came to a new address before a later one could not be bound is lost. An address that was let
 * go a moment ago may be in use until all workers have seen it. */
int dns_server_reload(struct dns_server *server, const struct dns_opts *opts, struct err *e);
/* Stops accepting, drains what was received, joins the threads, frees. NULL is fine. */
void dns_server_stop(struct dns_server *server);

/* Bound addresses as text "ADDR:PORT" (brackets for IPv6), in the order of listen. Borrowed, until
 * the next reload. */
size_t dns_server_address_count(const struct dns_server *server);
const char *dns_server_address(const struct dns_server *server, size_t i);

/* Age of the source's last contact, for EDE 3 and zone.max-stale; 0 = fresh. Any thread. */
void dns_server_set_stale_since(struct dns_server *server, int64_t mono_us);
/* True when every worker has passed its loop within the last seconds. */
bool dns_server_is_alive(const struct dns_server *server);
/* Registers the families ordinald_dns_* (R-170) with base/metrics. */
void dns_server_register_metrics(struct dns_server *server);
