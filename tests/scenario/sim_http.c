#include "tests/scenario/sim_http.h"

#include <stdlib.h>
#include <string.h>

#include "controller/api/api.h"

static void take_reply(struct http_exchange *x, const struct http_reply *reply,
                       struct buf_out *body)
{
    struct call *c = (struct call *)x;
    c->status = reply->status;
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

static void take_stream(struct http_exchange *x, const struct http_reply *reply,
                        const struct http_stream *stream)
{
    struct call *c = (struct call *)x;
    c->is_streaming = true;
    c->stream = *stream;
    take_reply(x, reply, NULL);
}

static void take_wake(struct http_exchange *x)
{
    (void)x; /* streams are read when the schedule says so */
}

static const struct http_transport transport = {
    .reply = take_reply, .stream = take_stream, .wake = take_wake};

static void call_begin(struct call *c)
{
    *c = (struct call){.x.transport = &transport};
    buf_out_init(&c->body);
    arena_init(&c->x.arena);
}

void call_end(struct call *c)
{
    if (c->stream.pull)
        c->stream.closed(c->stream.arg);
    buf_out_fini(&c->body);
    arena_fini(&c->x.arena);
}

int call_send(struct call *c, struct api_server *server, const char *target, const char *type,
              const char *body, struct err *e)
{
    struct http_framing framing;
    const char *why = "";
    struct buf_out head;
    call_begin(c);
    buf_out_init(&head);
    buf_printf(&head, "%s HTTP/1.1\r\nHost: sim\r\nContent-Type: %s\r\n\r\n", target, type);
    int status = http_head_parse(head.data, head.len, &c->x.arena, &c->x.request, &framing, &why);
    buf_out_fini(&head);
    if (status)
        return err_set(e, ERR_MALFORMED, "%d %s", status, why);
    if (body) {
        c->x.request.body_len = strlen(body);
        c->x.request.body = arena_strdup(&c->x.arena, body);
    }
    api_handle(server, &c->x);
    return 0;
}

struct api_server *sim_server_new(struct loop *loop, struct registry *reg)
{
    return api_server_new(&(struct api_opts){0}, loop, reg);
}

void sim_server_free(struct api_server *server)
{
    api_server_free(server);
    discovery_reset();
}
