/* controller/api/probe.c - the small listeners: /metrics, /livez, /health, /readyz, /ready (DESIGN
 * section 2). */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/metrics.h"
#include "controller/api/http.h"
#include "controller/api/server.h"

enum probe_role { PROBE_METRICS, PROBE_HEALTH, PROBE_READY, PROBE_ROLES };

struct probe_server {
    struct http_server *http[PROBE_ROLES];
    const char *(*not_ready)(void *arg);
    const char *(*not_alive)(void *arg);
    void *arg;
};

static void reply_text(struct http_exchange *x, int status, const char *type, const char *text)
{
    struct buf_out body;
    buf_out_init(&body);
    buf_puts(&body, text);
    http_reply(x, &(struct http_reply){.status = status, .content_type = type}, &body);
}

static void reply_state(struct http_exchange *x, const char *(*why)(void *arg), void *arg)
{
    const char *reason = why ? why(arg) : NULL;
    reply_text(x, reason ? 503 : 200, "text/plain; charset=utf-8", reason ? reason : "ok");
}

static void reply_metrics(struct http_exchange *x)
{
    struct buf_out body;
    buf_out_init(&body);
    metrics_write(&body);
    http_reply(x,
               &(struct http_reply){.status = 200,
                                    .content_type = "text/plain; version=0.0.4; charset=utf-8"},
               &body);
}

static bool is_one_of(const char *path, const char *a, const char *b)
{
    return strcmp(path, a) == 0 || strcmp(path, b) == 0;
}

static void handle(struct probe_server *s, enum probe_role role, struct http_exchange *x)
{
    const char *path = x->request.path;
    bool is_read = x->request.method == HTTP_GET || x->request.method == HTTP_HEAD;
    if (!is_read)
        reply_text(x, 405, "text/plain; charset=utf-8", "method not allowed\n");
    else if (role != PROBE_READY && is_one_of(path, "/health", "/livez"))
        reply_state(x, s->not_alive, s->arg);
    else if (role != PROBE_HEALTH && is_one_of(path, "/ready", "/readyz"))
        reply_state(x, s->not_ready, s->arg);
    else if (role == PROBE_METRICS && strcmp(path, "/metrics") == 0)
        reply_metrics(x);
    else
        reply_text(x, 404, "text/plain; charset=utf-8", "not found\n");
}

static void handle_metrics(void *arg, struct http_exchange *x)
{
    handle(arg, PROBE_METRICS, x);
}

static void handle_health(void *arg, struct http_exchange *x)
{
    handle(arg, PROBE_HEALTH, x);
}

static void handle_ready(void *arg, struct http_exchange *x)
{
    handle(arg, PROBE_READY, x);
}

static int open_part(struct probe_server *s, enum probe_role role, struct loop *loop,
                     const char *const *listen, size_t count, struct err *e)
{
    static http_handler_fn *const handlers[PROBE_ROLES] = {handle_metrics, handle_health,
                                                           handle_ready};
    /* Small requests and few clients: what a scraper and a prober need. */
    const struct http_opts opts = {.handler = handlers[role],
                                   .arg = s,
                                   .max_connections = 256,
                                   .max_head_bytes = 8192,
                                   .max_body_bytes = 1024};
    int rc = http_server_new(loop, &opts, &s->http[role], e);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = http_listen_tcp(s->http[role], listen[i], NULL, e);
    return rc;
}

int probe_server_start(const struct probe_opts *opts, struct loop *loop, struct probe_server **out,
                       struct err *e)
{
    struct probe_server *s = xcalloc(1, sizeof *s);
    s->not_ready = opts->not_ready;
    s->not_alive = opts->not_alive;
    s->arg = opts->arg;
    int rc = open_part(s, PROBE_METRICS, loop, opts->metrics_listen, opts->metrics_listen_count, e);
    if (rc == 0)
        rc = open_part(s, PROBE_HEALTH, loop, opts->health_listen, opts->health_listen_count, e);
    if (rc == 0)
        rc = open_part(s, PROBE_READY, loop, opts->ready_listen, opts->ready_listen_count, e);
    if (rc < 0) {
        probe_server_stop(s);
        return rc;
    }
    *out = s;
    return 0;
}

void probe_server_stop(struct probe_server *server)
{
    if (!server)
        return;
    for (int role = 0; role < PROBE_ROLES; role++)
        http_server_free(server->http[role], 200000);
    free(server);
}

size_t probe_server_address_count(const struct probe_server *server)
{
    size_t count = 0;
    for (int role = 0; role < PROBE_ROLES; role++)
        count += http_address_count(server->http[role]);
    return count;
}

const char *probe_server_address(const struct probe_server *server, size_t i)
{
    for (int role = 0; role < PROBE_ROLES; role++) {
        size_t count = http_address_count(server->http[role]);
        if (i < count)
            return http_address(server->http[role], i);
        i -= count;
    }
    return NULL;
}
