/* controller/api/server.h - the controller socket: the Kubernetes REST subset over HTTP (spec:
 * api.md).
 *
 * Control thread, on the loop's event base. Listens on a Unix socket (mode 0660, peer credentials)
 * and, when asked, on loopback TCP (the peer's uid) and with TLS (client certificates). Reads see
 * the applied state; writes go through registry verbs and are answered after the turn that
 * committed them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "controller/api/http_tls.h"
#include "controller/registry/registry.h"

/* A text that is written in pieces, whenever the client has read the last one. */
struct api_text {
    bool (*next)(void *arg, struct buf_out *out); /* appends a piece; false: it was the last one */
    void (*done)(void *arg);                      /* frees arg */
    void *arg;
};

struct api_opts {
    const char *socket; /* path, "" = none */
    /* "127.0.0.1:8001", port 0 picks one; plain on loopback, TLS elsewhere and after "https://". */
    const char *const *listen;
    size_t listen_count;
    const struct http_tls *tls; /* borrowed for the call; NULL: none */
    /* ?waitForDNS=true: true when every worker answers from a version that includes revision; may
     * be NULL. */
    bool (*dns_has)(void *arg, uint64_t revision);
    void *dns_arg;
    /* GET /ordinald/v1/zones/<zone>: the zone ("" = the cluster zone) as master-file text, of one
     * version. 0, ERR_NOT_FOUND or ERR_INVALID. May be NULL. */
    int (*dump_zone)(void *arg, const char *zone, struct api_text *out, struct err *e);
    void *zone_arg;
    /* GET /ordinald/v1/explain?name=SUBJECT&namespace=NS: appends a JSON object that says why the
     * subject is not there. 0 or ERR_INVALID. May be NULL. */
    int (*explain)(void *arg, const char *ns, const char *subject, struct buf_out *out,
                   struct err *e);
    void *explain_arg;
};
struct api_server;
/* Opens the listeners and serves. ERR_IO names the address. */
int api_server_start(const struct api_opts *opts, struct loop *loop, struct registry *reg,
                     struct api_server **out, struct err *e);
/* Stops accepting, ends watches cleanly, answers what is in flight, frees. NULL is fine. */
void api_server_stop(struct api_server *server);
/* New connections over TLS use this one, borrowed for the call. */
void api_server_set_tls(struct api_server *server, const struct http_tls *tls);
size_t api_server_address_count(const struct api_server *server);
const char *api_server_address(const struct api_server *server, size_t i); /* "127.0.0.1:34567" */
bool api_server_address_is_tls(const struct api_server *server, size_t i);

/* ---- the small listeners: /metrics, /livez, /health, /readyz, /ready (DESIGN section 2) ---- */

struct probe_opts {
    const char *const *metrics_listen; /* everything */
    size_t metrics_listen_count;
    const char *const *health_listen; /* /health, /livez only */
    size_t health_listen_count;
    const char *const *ready_listen; /* /ready, /readyz only */
    size_t ready_listen_count;
    /* NULL when ready, else the reason in one line; same for alive. */
    const char *(*not_ready)(void *arg);
    const char *(*not_alive)(void *arg);
    void *arg;
};
struct probe_server;
int probe_server_start(const struct probe_opts *opts, struct loop *loop, struct probe_server **out,
                       struct err *e);
void probe_server_stop(struct probe_server *server);
size_t probe_server_address_count(const struct probe_server *server);
const char *probe_server_address(const struct probe_server *server, size_t i);
