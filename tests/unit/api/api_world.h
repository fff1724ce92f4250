/* The whole API on a memory store and a fake loop, without sockets: requests in, replies out. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"
#include "controller/api/api.h"

#define CM         "/api/v1/namespaces/default/configmaps"
#define SET        "/apis/apps/v1/namespaces/default/statefulsets"
#define TABLE      "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\n"
#define PARTIAL    "Accept: application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io\n"
#define MERGE      "Content-Type: application/merge-patch+json\n"
#define STRATEGIC  "Content-Type: application/strategic-merge-patch+json\n"
#define JSON_PATCH "Content-Type: application/json-patch+json\n"

static const char kubia[] =
    "{\"apiVersion\":\"apps/"
    "v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"kubia\"},\"spec\":{"
    "\"replicas\":3,\"serviceName\":\"kubia\",\"selector\":{\"matchLabels\":{\"app\":\"kubia\"}},"
    "\"template\":{"
    "\"metadata\":{\"labels\":{\"app\":\"kubia\"}},\"spec\":{\"containers\":[{\"name\":\"kubia\","
    "\"image\":"
    "\"luksa/kubia\"}]}}}}";

struct api_world {
    struct loop *loop;
    struct store *store;
    struct registry *reg;
    struct api_server *api;
    struct http_peer peer; /* of the requests: {0} is a local user */
};

/* One request and what came of it. */
struct call {
    struct http_exchange x; /* first: the transport finds the call by it */
    int status;             /* 0: not answered yet */
    char content_type[128], headers[4096];
    struct buf_out body;
    struct http_stream stream; /* pull NULL: none or ended */
    bool is_streaming, waiting, was_cut, ended;
};

static inline void call_reply(struct http_exchange *x, const struct http_reply *reply,
                              struct buf_out *body)
{
    struct call *c = (struct call *)x;
    c->status = reply->status;
    snprintf(c->content_type, sizeof c->content_type, "%s",
             reply->content_type ? reply->content_type : "");
    snprintf(c->headers, sizeof c->headers, "%s", reply->headers ? reply->headers : "");
    if (body) {
        size_t len;
        char *data = buf_out_take(body, &len);
        buf_put(&c->body, data, len);
        free(data);
    }
    if (!c->is_streaming) { /* a request does not outlive its reply */
        arena_fini(&x->arena);
        arena_init(&x->arena);
    }
}

static inline void call_stream(struct http_exchange *x, const struct http_reply *reply,
                               const struct http_stream *stream)
{
    struct call *c = (struct call *)x;
    c->is_streaming = true;
    call_reply(x, reply, NULL);
    c->stream = *stream;
}

static inline void call_wake(struct http_exchange *x)
{
    struct call *c = (struct call *)x;
    c->waiting = false;
}

/* Pulls until the stream waits or ends. */
static inline void call_pull(struct call *c)
{
    while (c->stream.pull && !c->waiting) {
        struct buf_out piece;
        buf_out_init(&piece);
        enum http_pull pull = c->stream.pull(c->stream.arg, &piece);
        if (piece.len)
            buf_put(&c->body, piece.data, piece.len);
        buf_out_fini(&piece);
        c->waiting = pull == HTTP_PULL_WAIT;
        if (pull == HTTP_PULL_END || pull == HTTP_PULL_CUT) {
            struct http_stream stream = c->stream;
            c->stream = (struct http_stream){0};
            c->was_cut = pull == HTTP_PULL_CUT;
            c->ended = true;
            stream.closed(stream.arg);
        }
    }
}

static const struct http_transport call_transport = {
    .reply = call_reply, .stream = call_stream, .wake = call_wake};

static inline struct api_world world_open(size_t history_bytes)
{
    struct api_world w = {.loop = loop_new_fake()};
    struct err e = {0};
    static const char *const pods[] = {"10.244.0.0/16"}, *const services[] = {"10.96.0.0/12"};
    clock_fake(1767225600000000, 1000000); /* 2026-01-01T00:00:00Z */
    random_seed(7);
    const struct store_opts opts = {
        .memory = true, .history_us = 600000000, .history_bytes = history_bytes};
    assert_int_equal(store_open(&opts, w.loop, &w.store, &e), 0);
    const struct registry_opts reg = {.pod_range = pods,
                                      .pod_range_count = 1,
                                      .service_range = services,
                                      .service_range_count = 1,
                                      .default_class = "standard"};
    assert_int_equal(registry_new(w.store, &reg, &w.reg, &e), 0);
    assert_int_equal(registry_bootstrap(w.reg, &e), 0);
    while (loop_step(w.loop))
        ;
    w.api = api_server_new(&(struct api_opts){0}, w.loop, w.reg);
    return w;
}

static inline void world_close(struct api_world *w)
{
    api_server_free(w->api);
    registry_free(w->reg);
    store_close(w->store);
    loop_free(w->loop);
    clock_real();
    random_seed(0);
    discovery_reset();
}

/* Sends; does not wait. The target is "METHOD /path?query"; headers "Name: value\n..." or NULL. */
static inline void call_send(struct call *c, struct api_world *w, const char *target,
                             const char *headers, const char *body, size_t body_len)
{
    *c = (struct call){.status = 0};
    buf_out_init(&c->body);
    arena_init(&c->x.arena);
    c->x.transport = &call_transport;
    struct buf_out head;
    struct http_framing framing;
    const char *why = "";
    buf_out_init(&head);
    buf_printf(&head, "%s HTTP/1.1\r\nHost: test\r\n", target);
    for (const char *at = headers ? headers : ""; *at;) {
        size_t len = strcspn(at, "\n");
        buf_put(&head, at, len);
        buf_puts(&head, "\r\n");
        at += len;
        at += *at == '\n';
    }
    buf_puts(&head, "\r\n");
    int status = http_head_parse(head.data, head.len, &c->x.arena, &c->x.request, &framing, &why);
    if (status)
        fail_msg("%s: %d %s", target, status, why);
    buf_out_fini(&head);
    c->x.request.peer = w->peer;
    if (body) {
        char *copy = arena_alloc(&c->x.arena, body_len + 1);
        memcpy(copy, body, body_len);
        c->x.request.body = copy;
        c->x.request.body_len = body_len;
    }
    api_handle(w->api, &c->x);
}

static inline void call_end(struct call *c)
{
    if (c->stream.pull)
        c->stream.closed(c->stream.arg);
    buf_out_fini(&c->body);
    arena_fini(&c->x.arena);
}

/* Sends, runs turns until it is answered and, for a stream, until it waits or ends. */
static inline void call_do(struct call *c, struct api_world *w, const char *target,
                           const char *headers, const char *body)
{
    call_send(c, w, target, headers, body, body ? strlen(body) : 0);
    for (int i = 0; i < 10000 && !c->status; i++)
        loop_step(w->loop);
    if (!c->status)
        fail_msg("%s: no answer", target);
    call_pull(c);
}

static inline cJSON *call_json(const struct call *c)
{
    struct err e = {0};
    cJSON *tree = json_parse(c->body.data ? c->body.data : "", c->body.len, &e);
    if (!tree)
        fail_msg("%s: %s", e.text, c->body.data ? c->body.data : "(empty)");
    return tree;
}

/* Asks and gives the reply as a tree; fails unless it has this status. */
static inline cJSON *ask(struct api_world *w, int status, const char *target, const char *headers,
                         const char *body)
{
    struct call c;
    call_do(&c, w, target, headers, body);
    if (c.status != status)
        fail_msg("%s -> %d %s", target, c.status, c.body.data ? c.body.data : "");
    cJSON *tree = call_json(&c);
    call_end(&c);
    return tree;
}

static inline void drop(struct api_world *w, int status, const char *target, const char *headers,
                        const char *body)
{
    cJSON_Delete(ask(w, status, target, headers, body));
}

static inline const char *meta_of(const cJSON *tree, const char *name)
{
    return json_str(json_get(tree, "metadata"), name, "");
}

/* m-<from> to m-<to - 1>, labelled l=<label>. */
static inline void put_maps(struct api_world *w, int from, int to, const char *label)
{
    for (int i = from; i < to; i++) {
        char body[256];
        snprintf(
            body, sizeof body,
            "{\"metadata\":{\"name\":\"m-%03d\",\"labels\":{\"l\":\"%s\"}},\"data\":{\"k\":\"v\"}}",
            i, label);
        drop(w, 201, "POST " CM, NULL, body);
    }
}

/* The lines so far: how many, and whether the last says so. */
static inline size_t lines_of(const struct call *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->body.len; i++)
        n += c->body.data[i] == '\n';
    return n;
}

static inline cJSON *line_at(const struct call *c, size_t n)
{
    const char *at = c->body.data;
    struct err e = {0};
    while (n--)
        at = strchr(at, '\n') + 1;
    cJSON *tree = json_parse(at, strcspn(at, "\n"), &e);
    if (!tree)
        fail_msg("%s", e.text);
    return tree;
}

static inline void expect_line(const struct call *c, size_t n, const char *type, const char *name)
{
    cJSON *event = line_at(c, n);
    assert_string_equal(json_str(event, "type", ""), type);
    if (name)
        assert_string_equal(meta_of(json_get(event, "object"), "name"), name);
    assert_true(*meta_of(json_get(event, "object"), "resourceVersion"));
    cJSON_Delete(event);
}
