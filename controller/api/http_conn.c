#include "controller/api/http_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "controller/api/http_peer.h"
#include "controller/api/status.h"

struct http_counters http_counters;

/* An exchange outlives its connection when the connection goes while the answer is made: it is then
 * an orphan, whose reply frees it. So the connection struct itself stays until then, with bev NULL.
 */
static struct http_conn *conn_from(void *arg)
{
    struct http_conn *c = arg;
    CHECK(c && c->magic == HTTP_CONN_MAGIC);
    return c;
}

static struct http_conn *conn_of(struct http_exchange *x)
{
    return conn_from((char *)x - offsetof(struct http_conn, x));
}

static void request_fini(struct http_conn *c)
{
    c->server->body_bytes -= c->body.len;
    buf_out_fini(&c->body);
    buf_out_init(&c->body);
    arena_fini(&c->x.arena);
    arena_init(&c->x.arena);
}

static void reply_uncount(struct http_conn *c)
{
    c->server->reply_bytes -= c->reply_len;
    c->reply_len = 0;
}

static void conn_release(struct http_conn *c)
{
    request_fini(c);
    reply_uncount(c);
    arena_fini(&c->x.arena);
    buf_out_fini(&c->body);
    http_tls_subject_fini(&c->subject);
    loop_timer_fini(&c->deadline);
    list_remove(&c->link);
    struct http_server *server = c->server;
    c->magic = 0;
    free(c);
    if (server->is_dead && list_is_empty(&server->conns))
        free(server);
}

static void stream_close(struct http_conn *c)
{
    struct http_stream stream = c->stream;
    c->stream = (struct http_stream){0};
    list_remove(&c->woken);
    if (stream.closed)
        stream.closed(stream.arg);
}

/* Who has no right here must not take the places of those who have. */
static void set_stranger(struct http_conn *c, bool is_stranger)
{
    if (is_stranger && !c->is_stranger)
        c->server->stranger_count++;
    else if (!is_stranger && c->is_stranger)
        c->server->stranger_count--;
    c->is_stranger = is_stranger;
}

void http_conn_free(struct http_conn *c)
{
    set_stranger(c, false);
    if (c->bev) {
        bufferevent_free(TAKE(c->bev));
        c->server->conn_count--;
        http_counters.connections_now--;
    }
    loop_timer_cancel(&c->deadline);
    if (c->state == CONN_HANDLING)
        return;
    stream_close(c);
    conn_release(c);
}

static void handshake_failed(struct http_conn *c, const char *why)
{
    http_counters.tls_failures++;
    LOG_LIMITED(LOG_DEBUG, "api=handshake error=\"%s\"", why);
    http_conn_free(c);
}

static void on_deadline(void *arg)
{
    struct http_conn *c = conn_from(arg);
    if (c->shakes_hands)
        handshake_failed(c, "took too long");
    else
        http_conn_free(c);
}

static void set_deadline(struct http_conn *c, int64_t in_us)
{
    loop_timer_set(&c->deadline, clock_mono_us() + in_us);
}

/* ---- output ---- */

static void put_reply_head(struct http_conn *c, const struct http_reply *reply, const char *framing)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    char date[64] = "";
    (void)evutil_date_rfc1123(date, sizeof date, NULL);
    size_t before = evbuffer_get_length(out);
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nCache-Control: no-cache, private\r\n",
                        reply->status, http_phrase(reply->status), date);
    if (reply->content_type)
        evbuffer_add_printf(out, "Content-Type: %s\r\n", reply->content_type);
    if (reply->headers)
        evbuffer_add(out, reply->headers, strlen(reply->headers));
    if (c->close_after)
        evbuffer_add_printf(out, "Connection: close\r\n");
    else if (c->framing.is_http10)
        evbuffer_add_printf(out, "Connection: keep-alive\r\n");
    evbuffer_add_printf(out, "%s\r\n", framing);
    http_counters.sent_bytes += (double)(evbuffer_get_length(out) - before);
}

static void free_body(const void *data, size_t len, void *extra)
{
    (void)data;
    (void)len;
    free(extra);
}

static void put_bytes(struct http_conn *c, struct buf_out *body)
{
    size_t len = 0;
    char *data = buf_out_take(body, &len);
    http_counters.sent_bytes += (double)len;
    if (evbuffer_add_reference(bufferevent_get_output(c->bev), data, len, free_body, data) < 0)
        free(data);
}

/* Small replies are always sent: a few hundred bytes for each connection are no burden. */
#define SMALL_REPLY 16384

/* What a slow reader keeps in memory, all of them together, is bounded. A write that was done is
 * always answered with what came of it. */
static bool is_over_budget(const struct http_conn *c, const struct buf_out *body)
{
    const struct http_server *s = c->server;
    return c->x.request.method == HTTP_GET && body && body->len > SMALL_REPLY &&
           s->reply_bytes + body->len > s->opts.max_replies;
}

/* Each byte on its own would be progress enough for write_us. */
static void set_read_deadline(struct http_conn *c, size_t len)
{
    const struct http_opts *o = &c->server->opts;
    set_deadline(c, o->write_us + (int64_t)len * 1000000 / (int64_t)o->min_rate);
}

static void reply_count(struct http_conn *c, size_t len)
{
    c->reply_len = len;
    c->server->reply_bytes += len;
    set_read_deadline(c, len);
}

static void conn_reply(struct http_exchange *x, const struct http_reply *reply,
                       struct buf_out *body)
{
    struct http_conn *c = conn_of(x);
    CHECK(c->state == CONN_HANDLING);
    c->state = CONN_REPLY;
    if (!c->bev) {
        if (body)
            buf_out_fini(body);
        conn_release(c);
        return;
    }
    if (c->server->stopping)
        c->close_after = true;
    static const struct http_reply busy = {
        .status = 429, .content_type = "application/json", .headers = "Retry-After: 1\r\n"};
    if (is_over_budget(c, body)) {
        buf_out_fini(body);
        buf_out_init(body);
        status_write(body, 429, "too many large replies wait to be read");
        http_counters.refused++;
        reply = &busy;
    }
    char framing[64] = "";
    if (reply->status != 304)
        (void)snprintf(framing, sizeof framing, "Content-Length: %zu\r\n",
                       body ? body->len : (size_t)0);
    put_reply_head(c, reply, framing);
    bool has_body = body && body->len && !c->is_head_only && reply->status != 304;
    reply_count(c, has_body ? body->len : 0);
    if (has_body)
        put_bytes(c, body);
    else if (body)
        buf_out_fini(body);
    request_fini(c);
    bufferevent_enable(c->bev, EV_WRITE);
}

static void stream_pull(struct http_conn *c);

static void conn_stream(struct http_exchange *x, const struct http_reply *reply,
                        const struct http_stream *stream)
{
    struct http_conn *c = conn_of(x);
    CHECK(c->state == CONN_HANDLING);
    c->stream = *stream;
    if (!c->bev || c->is_head_only) {
        struct http_reply plain = *reply;
        stream_close(c);
        conn_reply(x, &plain, NULL);
        return;
    }
    c->state = CONN_STREAM;
    c->waiting = c->ending = false;
    if (stream->is_watch || c->framing.is_http10 || c->server->stopping)
        c->close_after = true;
    put_reply_head(c, reply, c->framing.is_http10 ? "" : "Transfer-Encoding: chunked\r\n");
    bufferevent_enable(c->bev, EV_WRITE);
    if (stream->is_watch)
        bufferevent_enable(c->bev, EV_READ); /* to learn when the client leaves */
}

static void conn_wake(struct http_exchange *x)
{
    struct http_conn *c = conn_of(x);
    if (c->state != CONN_STREAM || !c->waiting || list_is_linked(&c->woken))
        return;
    list_push_back(&c->server->woken, &c->woken);
    loop_end_of_turn(&c->server->wake_task);
}

static const struct http_transport socket_transport = {
    .reply = conn_reply, .stream = conn_stream, .wake = conn_wake};

/* May free the connection: the last thing a caller does. */
static void stream_pull(struct http_conn *c)
{
    struct buf_out piece;
    buf_out_init(&piece);
    c->waiting = false;
    enum http_pull pull = c->stream.pull(c->stream.arg, &piece);
    struct evbuffer *out = bufferevent_get_output(c->bev);
    if (piece.len) {
        set_read_deadline(c, piece.len);
        if (!c->framing.is_http10)
            evbuffer_add_printf(out, "%zx\r\n", piece.len);
        put_bytes(c, &piece);
        if (!c->framing.is_http10)
            evbuffer_add(out, "\r\n", 2);
    }
    buf_out_fini(&piece);
    switch (pull) {
    case HTTP_PULL_WAIT:
        c->waiting = true;
        break;
    case HTTP_PULL_MORE:
        if (evbuffer_get_length(out) == 0) /* nothing to wait for: go on in a later turn */
            bufferevent_trigger(c->bev, EV_WRITE, BEV_OPT_DEFER_CALLBACKS);
        break;
    case HTTP_PULL_END:
        if (!c->framing.is_http10)
            evbuffer_add(out, "0\r\n\r\n", 5);
        c->state = CONN_REPLY;
        stream_close(c);
        request_fini(c);
        if (evbuffer_get_length(out) == 0)
            bufferevent_trigger(c->bev, EV_WRITE, BEV_OPT_DEFER_CALLBACKS);
        break;
    case HTTP_PULL_CUT:
        http_conn_free(c);
        break;
    }
}

void http_conn_woken(struct http_conn *c)
{
    /* What was sent before is still on its way: pulling goes on when it is gone. */
    if (c->state != CONN_STREAM || !c->waiting)
        return;
    c->waiting = false;
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
        stream_pull(c);
}

/* A refusal by the transport itself. The rest of the input is not trusted. */
static void refuse(struct http_conn *c, int status, const char *why)
{
    struct buf_out body;
    CHECK(c->bev);
    buf_out_init(&body);
    status_write(&body, status, why);
    c->close_after = c->lingers = true;
    c->state = CONN_HANDLING;
    bufferevent_disable(c->bev, EV_READ);
    loop_timer_cancel(&c->deadline);
    http_counters.refused++;
    conn_reply(&c->x, &(struct http_reply){.status = status, .content_type = "application/json"},
               &body);
}

/* ---- input ---- */

#define HOST_MAX 256

/* Cuts the port off: "[::1]:8001" becomes "[::1]". False when it is no host with a port. */
static bool host_name(const char *host, char out[HOST_MAX])
{
    size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (len == 0 || len >= HOST_MAX || strlen(host) < len || (host[len] && host[len] != ':') ||
        (host[len] == ':' && strspn(host + len + 1, "0123456789") != strlen(host + len + 1)))
        return false;
    memcpy(out, host, len);
    out[len] = '\0';
    return true;
}

static bool is_local_name(const char *name)
{
    return evutil_ascii_strcasecmp(name, "localhost") == 0 || http_address_is_loopback(name);
}

/* A name that an attacker's DNS server gives our address to is not ours; an address cannot be given
 * to anybody. Over TLS the names in our certificate are ours, too. */
static bool host_is_ours(const struct http_conn *c, const char *host)
{
    char name[HOST_MAX];
    uint8_t address[16];
    if (!host_name(host, name))
        return false;
    if (is_local_name(name))
        return true;
    if (!c->is_tls)
        return false;
    size_t len = strlen(name);
    if (*name == '[') {
        name[len - 1] = '\0';
        return inet_pton(AF_INET6, name + 1, address) == 1;
    }
    return inet_pton(AF_INET, name, address) == 1 ||
           http_tls_is_named(bufferevent_openssl_get_ssl(c->bev), name);
}

/* DESIGN section 6: a page in a browser, also one that rebinds its own name to our address, cannot
 * reach us. */
static const char *browser_sign(const struct http_conn *c)
{
    const struct http_request *req = &c->x.request;
    if (!c->server->opts.refuse_browsers || !c->is_tcp)
        return NULL;
    if (http_header(req, "Origin"))
        return "requests from web pages are refused (Origin header)";
    const char *site = http_header(req, "Sec-Fetch-Site");
    if (site && strcmp(site, "none") != 0)
        return "requests from web pages are refused (Sec-Fetch-Site header)";
    const char *host = http_header(req, "Host");
    if (!host)
        host = req->authority;
    if (host && !host_is_ours(c, host))
        return c->is_tls
                   ? "the Host header must be an address or a name of the server's certificate"
                   : "the Host header must name this host: localhost or a loopback address";
    return NULL;
}

/* Who may not ask anything at all; the status, or 0. */
static int peer_status(const struct http_conn *c, const char **why)
{
    if (c->refused) {
        *why = c->refused;
        return c->is_tls ? 401 : 403;
    }
    if (c->is_tls && clock_now_us() > c->subject.expires_us) {
        *why = "the client's certificate has expired";
        return 401;
    }
    return 0;
}

static void dispatch(struct http_conn *c)
{
    c->state = CONN_HANDLING;
    loop_timer_cancel(&c->deadline);
    bufferevent_disable(c->bev, EV_READ);
    if (c->body.data) {
        c->x.request.body = c->body.data;
        c->x.request.body_len = c->body.len;
    }
    c->x.request.peer = c->peer;
    c->server->opts.handler(c->server->opts.arg, &c->x);
}

/* True when the head is complete and the body may be read. */
static bool head_done(struct http_conn *c, const char *bytes, size_t len)
{
    const char *why = NULL;
    int status = http_head_parse(bytes, len, &c->x.arena, &c->x.request, &c->framing, &why);
    if (!status)
        status = peer_status(c, &why);
    if (!status && (why = browser_sign(c)) != NULL)
        status = 403;
    if (!status && (uint64_t)c->framing.content_length > c->server->opts.max_body_bytes) {
        status = 413;
        why = "the request body is too large";
    }
    if (status) {
        refuse(c, status, why);
        return false;
    }
    c->is_head_only = c->x.request.method == HTTP_HEAD;
    c->close_after = !c->framing.keep_alive;
    c->chunks = (struct http_chunks){0};
    c->state = CONN_BODY;
    set_deadline(c, c->server->opts.body_us);
    return true;
}

static bool read_head(struct http_conn *c, struct evbuffer *in)
{
    if (c->scanned ==
        0) { /* RFC 9112 section 2.2: an empty line before the request line is skipped */
        char start[2];
        while (evbuffer_copyout(in, start, 2) == 2 && memcmp(start, "\r\n", 2) == 0)
            evbuffer_drain(in, 2);
    }
    size_t len = evbuffer_get_length(in), max = c->server->opts.max_head_bytes;
    if (!len)
        return false;
    if (!c->timing_head) {
        c->timing_head = true;
        set_deadline(c, c->server->opts.head_us);
    }
    struct evbuffer_ptr from, end;
    size_t back = c->scanned > 3 ? c->scanned - 3 : 0;
    if (evbuffer_ptr_set(in, &from, back, EVBUFFER_PTR_SET) < 0)
        return false;
    end = evbuffer_search(in, "\r\n\r\n", 4, &from);
    if (end.pos < 0 || (size_t)end.pos + 4 > max) {
        c->scanned = len;
        if (len >= max)
            refuse(c, 431, "the request's head is too large");
        return false;
    }
    size_t head_len = (size_t)end.pos + 4;
    c->scanned = 0;
    c->timing_head = false;
    const char *bytes = (const char *)evbuffer_pullup(in, (ev_ssize_t)head_len);
    CHECK(bytes);
    bool go_on = head_done(c, bytes, head_len);
    http_counters.received_bytes += (double)head_len;
    evbuffer_drain(in, head_len);
    return go_on;
}

/* True when the body is complete. */
static bool read_body(struct http_conn *c, struct evbuffer *in)
{
    size_t before = c->body.len;
    int rc = 0;
    if (c->framing.is_chunked) {
        size_t len, used;
        while (rc == 0 && (len = evbuffer_get_contiguous_space(in)) > 0) {
            const char *bytes = (const char *)evbuffer_pullup(in, (ev_ssize_t)len);
            rc = http_chunks_feed(&c->chunks, bytes, len, &used, c->server->opts.max_body_bytes,
                                  &c->body);
            evbuffer_drain(in, used);
        }
    } else {
        size_t want = (size_t)c->framing.content_length - c->body.len;
        char piece[8192];
        while (want) {
            int n = evbuffer_remove(in, piece, want < sizeof piece ? want : sizeof piece);
            if (n <= 0)
                break;
            buf_put(&c->body, piece, (size_t)n);
            want -= (size_t)n;
        }
        rc = want == 0;
    }
    c->server->body_bytes += c->body.len - before;
    http_counters.received_bytes += (double)(c->body.len - before);
    if (rc < 0) {
        refuse(c, -rc, rc == -413 ? "the request body is too large" : "malformed chunked body");
        return false;
    }
    if (rc == 1)
        return true;
    if (c->server->body_bytes > HTTP_BODIES_MAX)
        refuse(c, 429, "too many request bodies at once");
    return false;
}

static void process_input(struct http_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    if (c->state == CONN_HEAD && !read_head(c, in))
        return;
    if (c->state != CONN_BODY)
        return;
    if (read_body(c, in)) {
        dispatch(c);
    } else if (c->state == CONN_BODY && c->framing.expects_continue) {
        c->framing.expects_continue = false;
        evbuffer_add_printf(bufferevent_get_output(c->bev), "HTTP/1.1 100 Continue\r\n\r\n");
        bufferevent_enable(c->bev, EV_WRITE);
    }
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct http_conn *c = conn_from(arg);
    if (c->state == CONN_LINGER)
        evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
    else if (c->state == CONN_HEAD || c->state == CONN_BODY)
        process_input(c);
    /* STREAM: what a watcher sends stays in the buffer, up to the read watermark. */
}

/* The reply is out: the next request, or the end. */
static void reply_sent(struct http_conn *c)
{
    reply_uncount(c);
    if (!c->close_after) {
        c->state = CONN_HEAD;
        c->scanned = 0;
        set_deadline(c, c->server->opts.idle_us);
        bufferevent_enable(c->bev, EV_READ);
        if (evbuffer_get_length(bufferevent_get_input(c->bev)))
            bufferevent_trigger(c->bev, EV_READ, BEV_OPT_DEFER_CALLBACKS);
        return;
    }
    /* TLS says that this was all: the client can tell the end from a cut. */
    if (c->is_tls) {
        (void)SSL_shutdown(bufferevent_openssl_get_ssl(c->bev));
        ERR_clear_error();
    }
    if (!c->lingers) {
        http_conn_free(c);
        return;
    }
    /* Closing with unread input would reset the connection before the client has read why it was
     * refused. */
    c->state = CONN_LINGER;
    (void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
    evbuffer_drain(bufferevent_get_input(c->bev), SIZE_MAX);
    bufferevent_enable(c->bev, EV_READ);
    set_deadline(c, HTTP_LINGER_US);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct http_conn *c = conn_from(arg);
    if (evbuffer_get_length(bufferevent_get_output(bev)))
        return;
    if (c->state == CONN_STREAM)
        loop_timer_cancel(&c->deadline);
    if (c->state == CONN_STREAM && !c->waiting)
        stream_pull(c);
    else if (c->state == CONN_REPLY)
        reply_sent(c);
}

static void handshake_done(struct http_conn *c)
{
    c->shakes_hands = false;
    const char *why = NULL;
    if (!http_tls_subject_of(bufferevent_openssl_get_ssl(c->bev), &c->subject, &why))
        c->refused = why;
    set_stranger(c, c->refused != NULL);
    c->peer.name = c->subject.name ? c->subject.name : "";
    c->peer.groups = c->subject.groups;
    c->peer.group_count = c->subject.group_count;
    LOG_LIMITED(LOG_DEBUG, "api=connection socket=tls user=\"%s\" allowed=%d", c->peer.name,
                !c->refused);
    set_deadline(c, c->server->opts.idle_us);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct http_conn *c = conn_from(arg);
    if (what & BEV_EVENT_CONNECTED) {
        handshake_done(c);
        return;
    }
    if (c->shakes_hands) {
        unsigned long code = bufferevent_get_openssl_error(bev);
        const char *why = code ? ERR_reason_error_string(code) : NULL;
        handshake_failed(c, why ? why : "the client left");
        return;
    }
    if ((what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING) &&
        (c->state == CONN_HANDLING || c->state == CONN_REPLY)) {
        c->close_after = true; /* half-closed: the answer still goes out */
        return;
    }
    http_conn_free(c);
}

void http_conn_stop(struct http_conn *c)
{
    c->close_after = true;
    if (c->state == CONN_HEAD || c->state == CONN_BODY || c->state == CONN_LINGER)
        http_conn_free(c);
    else if (c->state == CONN_STREAM && c->stream.is_watch) {
        evbuffer_add(bufferevent_get_output(c->bev), "0\r\n\r\n", c->framing.is_http10 ? 0 : 5);
        c->state = CONN_REPLY;
        stream_close(c);
        request_fini(c);
        bufferevent_enable(c->bev, EV_WRITE);
        bufferevent_trigger(c->bev, EV_WRITE, BEV_OPT_DEFER_CALLBACKS);
    }
}

static void identify(struct http_conn *c, const struct http_listener *listener, int fd)
{
    uint32_t uid = 0;
    if (listener->is_unix) {
        if (!http_peer_unix(fd, &c->peer))
            c->refused = "the peer's credentials cannot be read";
        else if (c->server->opts.owner_socket &&
                 !http_peer_may_unix(fd, &c->peer, c->server->opts.owner_socket))
            c->refused = "this user may not use the API";
        LOG_LIMITED(c->refused ? LOG_WARN : LOG_DEBUG,
                    "api=connection socket=unix pid=%d uid=%u gid=%u allowed=%d", c->peer.pid,
                    c->peer.uid, c->peer.gid, !c->refused);
        return;
    }
    c->peer.uid = UINT32_MAX;
    c->is_tcp = true;
    c->is_tls = c->peer.is_tls = c->shakes_hands = listener->tls != NULL;
    c->peer.name = "";
    if (c->is_tls || !c->server->opts.owner_socket)
        return;
    if (!http_peer_tcp(fd, &uid)) {
        c->refused = "the owner of the peer's socket cannot be told";
        return;
    }
    c->peer.uid = uid;
    if (!http_peer_may(uid, c->server->opts.owner_socket))
        c->refused = "this user may not use the API";
    LOG_LIMITED(c->refused ? LOG_WARN : LOG_DEBUG, "api=connection socket=tcp uid=%u allowed=%d",
                uid, !c->refused);
}

void http_conn_new(struct http_server *server, const struct http_listener *listener,
                   struct bufferevent *bev, int fd)
{
    struct http_conn *c = xcalloc(1, sizeof *c);
    c->magic = HTTP_CONN_MAGIC;
    c->server = server;
    c->bev = bev;
    c->x.transport = &socket_transport;
    list_init(&c->woken);
    list_push_back(&server->conns, &c->link);
    loop_timer_init(&c->deadline, server->loop, on_deadline, c);
    arena_init(&c->x.arena);
    buf_out_init(&c->body);
    identify(c, listener, fd);
    server->conn_count++;
    http_counters.connections++;
    http_counters.connections_now++;
    set_stranger(c, c->shakes_hands || c->refused);
    if (server->stranger_count > server->opts.max_strangers) {
        LOG_LIMITED(LOG_WARN, "api=accept error=\"too many strangers\" limit=%zu",
                    server->opts.max_strangers);
        http_counters.refused++;
        http_conn_free(c);
        return;
    }
    const struct timeval write_patience = {.tv_sec = server->opts.write_us / 1000000,
                                           .tv_usec = server->opts.write_us % 1000000};
    bufferevent_setcb(bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(bev, EV_READ, 0, 65536);
    bufferevent_set_timeouts(bev, NULL, &write_patience);
    set_deadline(c, c->shakes_hands ? server->opts.handshake_us
                    : c->refused    ? server->opts.head_us
                                    : server->opts.idle_us);
    bufferevent_enable(bev, EV_READ);
}
