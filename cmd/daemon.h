/* cmd/daemon.h - what the parts of the daemon share, and the stages that they bring.
 *
 * Control thread. A stage's start says in *e what failed; its stop also closes what a failed start
 * left open. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "cmd/reload.h"
#include "conf/options.h"
#include "zones/naming.h"

struct api_server;
struct dns_server;
struct http_tls;
struct probe_server;
struct reconcile;
struct registry;
struct store;
struct zones;

#define VERSIONS_KEPT 256

struct address_set {
    struct naming_address items[64];
    size_t count;
};

/* Which published zone version first included which store revision, for ?waitForDNS=true. */
struct version_log {
    struct {
        uint64_t revision, version;
    } entry[VERSIONS_KEPT];
    size_t next;
};

struct daemon {
    struct http_tls *tls; /* NULL: none */
    struct file_seen tls_seen[3];
    bool is_tls_stale; /* the files were changed, but could not be used */
    struct options options;
    struct reload reload;
    struct loop *loop;
    struct probe_server *probe;
    struct zones *zones;
    struct address_set ns; /* of the name server (K-NS) */
    struct dns_server *dns;
    struct store *store;
    struct registry *registry;
    struct reconcile *reconcile;
    struct api_server *api;
    struct version_log versions;
    struct loop_task reclaim;
    struct loop_timer reclaim_later;
    struct loop_timer lameduck;
    pthread_t signals;
    uint64_t start_revision; /* with what exists at start */
    struct loop_timer ready_timer;
    bool is_serving, is_stopping, is_watching_signals;
};

/* cmd/daemon_probe.c: /metrics, and what /livez and /readyz say. */
int daemon_probe_start(struct daemon *d, struct err *e);
void daemon_probe_stop(struct daemon *d);
/* Once every stage has started; metrics_unregister_all() ends it. */
void daemon_register_metrics(struct daemon *d);

/* cmd/daemon_dns.c: the zones, and the servers that answer from them. */
int daemon_zones_start(struct daemon *d, struct err *e);
void daemon_zones_stop(struct daemon *d);
int daemon_dns_bind(struct daemon *d, struct err *e);
int daemon_dns_start(struct daemon *d, struct err *e);
void daemon_dns_unbind(struct daemon *d);
/* The live options of dns/: all of *o, or nothing of it. */
int daemon_dns_reload(struct daemon *d, const struct options *o, struct err *e);

/* cmd/daemon_tls.c. *out: NULL when no certificate is configured. */
int daemon_tls_read(const struct options *o, struct http_tls **out, struct err *e);
/* The files are now those that were read. */
void daemon_tls_watch(struct daemon *d);
/* *out: what changed files hold, owned by the caller; NULL when they are the same. */
int daemon_tls_renew(struct daemon *d, struct http_tls **out, struct err *e);
/* Takes fresh: new connections use it. */
void daemon_tls_use(struct daemon *d, struct http_tls *fresh);

/* cmd/daemon_reload.c: all of *o that can change while the daemon runs, or nothing of it. */
int daemon_apply_options(void *arg, const struct options *o, struct err *e);

/* cmd/daemon_rights.c: the last moment with privileges. */
int daemon_rights_drop(struct daemon *d, struct err *e);

/* cmd/daemon_versions.c: which version of the zones holds which revision, and the end of old ones.
 */
void daemon_versions_start(struct daemon *d);
void daemon_versions_stop(struct daemon *d);
/* After the zone feed's own hook, so that a new version is already published. */
void daemon_versions_follow(struct daemon *d);
/* True when every worker answers from a version that includes revision (K-FRESH,
 * ?waitForDNS=true). */
bool daemon_dns_has(void *arg, uint64_t revision);

/* cmd/daemon_control.c: the store, what keeps it in order, and the API. */
int daemon_store_start(struct daemon *d, struct err *e);
int daemon_store_complete(struct daemon *d, struct err *e);
void daemon_store_stop(struct daemon *d);
int daemon_content_load(struct daemon *d, struct err *e);
int daemon_reconcile_begin(struct daemon *d, struct err *e);
void daemon_reconcile_end(struct daemon *d);
int daemon_api_start(struct daemon *d, struct err *e);
void daemon_api_stop(struct daemon *d);

/* cmd/daemon_signals.c: SIGTERM and SIGINT end the loop after the lame-duck time, SIGHUP reloads.
 * Blocked before any thread exists; a thread of their own waits for them. */
void daemon_signals_block(void);
int daemon_signals_start(struct daemon *d, struct err *e);
void daemon_signals_stop(struct daemon *d);

/* cmd/daemon_ready.c: the ready line, and the service manager. */
void daemon_ready_start(struct daemon *d);
void daemon_ready_stop(struct daemon *d);
/* One datagram to the service manager (sd_notify(3)); nothing when there is none. */
void daemon_notify(const char *text);
