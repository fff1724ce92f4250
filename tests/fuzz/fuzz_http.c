/* Request bytes through parser, routes, registry and a store in memory: the whole API without
 * sockets. The input is one or more requests, each with its framing; what cannot be framed ends it,
 * as it would end a connection. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "controller/api/api.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX     65536
#define REQUESTS_MAX 8

struct call {
    struct http_exchange x; /* first */
    struct http_stream stream;
    bool is_answered, is_streaming, is_waiting;
};

static void on_reply(struct http_exchange *x, const struct http_reply *reply, struct buf_out *body)
{
    struct call *c = (struct call *)x;
    CHECK(!c->is_answered && reply->status >= 200 && reply->status < 600);
    c->is_answered = true;

    if (body)
        buf_out_fini(body);
    if (!c->is_streaming) {
        arena_fini(&x->arena);
        arena_init(&x->arena);
    }
}

static void on_stream(struct http_exchange *x, const struct http_reply *reply,
                      const struct http_stream *stream)
{
    struct call *c = (struct call *)x;
    c->is_streaming = true;
    c->stream = *stream;
    on_reply(x, reply, NULL);
}

static void on_wake(struct http_exchange *x)
{
    ((struct call *)x)->is_waiting = false;
}

static const struct http_transport transport = {
    .reply = on_reply, .stream = on_stream, .wake = on_wake};

struct world {
    struct loop *loop;
    struct store *store;
    struct registry *reg;
    struct api_server *api;
};

static void world_open(struct world *w)
{
    static const char *const pods[] = {"10.244.0.0/16"}, *const services[] = {"10.96.0.0/12"};
    const struct store_opts opts = {
        .memory = true, .history_us = 600000000, .history_bytes = 1 << 20};
    const struct registry_opts reg = {.pod_range = pods,
                                      .pod_range_count = 1,
                                      .service_range = services,
                                      .service_range_count = 1,
                                      .default_class = "standard"};
    clock_fake(1767225600000000, 1000000);
    random_seed(1);
    w->loop = loop_new_fake();
    CHECK(store_open(&opts, w->loop, &w->store, NULL) == 0);
    CHECK(registry_new(w->store, &reg, &w->reg, NULL) == 0);
    CHECK(registry_bootstrap(w->reg, NULL) == 0);
    while (loop_step(w->loop))
        ;
    w->api = api_server_new(&(struct api_opts){0}, w->loop, w->reg);
}

static void world_close(struct world *w)
{
    api_server_free(w->api);
    registry_free(w->reg);
    store_close(w->store);
    loop_free(w->loop);
}

static void finish(struct call *c, struct world *w)
{
    for (int i = 0; i < 1000 && !c->is_answered; i++)
        loop_step(w->loop);
    CHECK(c->is_answered); /* every request gets its answer */
    for (int i = 0; i < 100 && c->stream.pull && !c->is_waiting; i++) {
        struct buf_out piece;
        buf_out_init(&piece);
        enum http_pull pull = c->stream.pull(c->stream.arg, &piece);
        buf_out_fini(&piece);
        c->is_waiting = pull == HTTP_PULL_WAIT;
        if (pull == HTTP_PULL_END || pull == HTTP_PULL_CUT)
            break;
    }
    if (c->stream.closed)
        c->stream.closed(c->stream.arg);
}

/* One request; returns how many bytes it took, 0 when the rest cannot be framed. */
static size_t one_request(struct world *w, const char *data, size_t size)
{
    struct call c = {.is_answered = false};
    struct http_framing framing;
    struct buf_out body;
    const char *why, *end = memmem(data, size, "\r\n\r\n", 4);
    size_t head = end ? (size_t)(end - data) + 4 : 0, used = 0;
    if (!head)
        return 0;
    arena_init(&c.x.arena);
    buf_out_init(&body);
    c.x.transport = &transport;
    bool ok = http_head_parse(data, head, &c.x.arena, &c.x.request, &framing, &why) == 0;
    if (ok && framing.is_chunked) {
        struct http_chunks chunks = {0};
        ok = http_chunks_feed(&chunks, data + head, size - head, &used, BODY_MAX, &body) == 1;
    } else if (ok) {
        used = (size_t)framing.content_length; /* a mutated length takes what is there */
        used = used < size - head ? used : size - head;
        buf_put(&body, data + head, used);
    }
    if (ok) {
        c.x.request.body = body.data ? body.data : "";
        c.x.request.body_len = body.len;
        api_handle(w->api, &c.x);
        finish(&c, w);
    }
    buf_out_fini(&body);
    arena_fini(&c.x.arena);
    return ok ? head + used : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w;
    log_set_level(LOG_ERROR);
    world_open(&w);
    for (int i = 0; i < REQUESTS_MAX && size; i++) {
        size_t used = one_request(&w, (const char *)data, size);
        if (!used)
            break;
        data += used;
        size -= used;
    }
    world_close(&w);
    return 0;
}
