/* The transport: every limit of libraries.md section 1, seen from the other end of the socket. */
#include "tests/unit/api/http_client.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "controller/api/http_conn.h"
#include "controller/api/http_peer.h"

struct world {
    struct loop *loop;
    struct http_server *server;
    char dir[64], path[96];
    struct http_exchange *held; /* /hold: answered by the test */
    unsigned requests, closed;
    size_t pulls;
    enum http_pull next;
};

static enum http_pull pull_watch(void *arg, struct buf_out *out)
{
    struct world *w = arg;
    if (w->pulls == 0)
        return HTTP_PULL_WAIT;
    w->pulls--;
    buf_puts(out, "event\n");
    return w->pulls ? HTTP_PULL_MORE : w->next;
}

static enum http_pull pull_long(void *arg, struct buf_out *out)
{
    struct world *w = arg;
    char block[1024];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 64; i++)
        buf_put(out, block, sizeof block);
    return ++w->pulls < 160 ? HTTP_PULL_MORE : HTTP_PULL_END;
}

static void stream_closed(void *arg)
{
    struct world *w = arg;
    w->closed++;
    w->held = NULL;
}

static void handle(void *arg, struct http_exchange *x)
{
    struct world *w = arg;
    w->requests++;
    if (strcmp(x->request.path, "/hold") == 0) {
        w->held = x;
        return;
    }
    if (strcmp(x->request.path, "/watch") == 0 || strcmp(x->request.path, "/long") == 0) {
        bool watch = x->request.path[1] == 'w';
        const struct http_stream stream = {.pull = watch ? pull_watch : pull_long,
                                           .closed = stream_closed,
                                           .arg = w,
                                           .is_watch = watch};
        w->held = x;
        http_reply_stream(
            x, &(struct http_reply){.status = 200, .content_type = "application/json"}, &stream);
        return;
    }
    if (strncmp(x->request.path, "/big", 4) == 0) {
        struct buf_out big;
        buf_out_init(&big);
        char block[65536];
        memset(block, 'b', sizeof block);
        for (int i = 0; i < 64; i++)
            buf_put(&big, block, sizeof block);
        http_reply(x, &(struct http_reply){.status = 200, .content_type = "text/plain"}, &big);
        return;
    }
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    struct buf_out body;
    buf_out_init(&body);
    buf_printf(&body, "<%s %s ?%s #%zu>", methods[x->request.method], x->request.path,
               x->request.query, x->request.body_len);
    http_reply(x, &(struct http_reply){.status = 200, .content_type = "text/plain"}, &body);
}

static struct world *world_new(struct http_opts opts)
{
    struct world *w = xcalloc(1, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/test-http-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/api.sock", w->dir);
    w->loop = loop_new();
    opts.handler = handle;
    opts.arg = w;
    struct err e = {0};
    assert_int_equal(http_server_new(w->loop, &opts, &w->server, &e), 0);
    assert_int_equal(http_listen_unix(w->server, w->path, &e), 0);
    return w;
}

static void world_free(struct world *w)
{
    http_server_free(w->server, 100000);
    loop_free(w->loop);
    assert_int_equal(access(w->path, F_OK), -1);
    rmdir(w->dir);
    free(w);
}

static void requests_of_one_connection_are_answered_in_order(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct client c = client_open(w->path);
    client_puts(&c, w->loop,
                "GET /a?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"
                "PATCH /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                "DELETE /c HTTP/1.1\r\nhost:a\r\nTransfer-Encoding: chunked\r\n\r\n"
                "4;ext=1\r\nwiki\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n"
                "\r\nPUT http://a/d HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "<PUT /d ? #0>"));
    const char *a = strstr(client_text(&c), "<GET /a ?x=1 #0>");
    assert_non_null(a);
    const char *b = strstr(a, "<PATCH /b ? #3>");
    assert_non_null(b);
    assert_non_null(strstr(b, "<DELETE /c ? #5>"));
    assert_false(c.eof);
    client_close(&c);
    world_free(w);
}

static void a_head_reply_has_the_length_and_no_body(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct client c = client_open(w->path);
    client_puts(&c, w->loop, "HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_true(client_expect_eof(&c, w->loop));
    assert_non_null(strstr(client_text(&c), "Content-Length: 14\r\n"));
    assert_null(strstr(client_text(&c), "<HEAD"));
    client_close(&c);
    world_free(w);
}

/* Forms on which two parsers may disagree, malformed input, and what the refusal says: a Status,
 * never HTML. */
static void what_cannot_be_framed_is_refused_and_the_connection_closed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int status;
    } cases[] = {
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nabc", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\nabc", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0"
         "\r\n\r\n",
         400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 501},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 501},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
         "chunked\r\n"
         "\r\n0\r\n\r\n",
         400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
         "5\r\n\r\n0\r\n\r\n",
         400},
        {"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
         400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
         400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
         400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
         400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\n", 400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
         "chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
         400},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n\r\n",
         400},
        {"GET http://b/a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http://a@b/a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET ftp://a/a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET //a HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},
        {"GET /a  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET\t/a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {" GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET /a HTTP/1.1\nHost: a\n\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n", 400},
        {"GET /a HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400},
        {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /a\r\n\r\n", 400},
        {"GET /a HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"G(T /a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"BREW /a HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"get /a HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        {"TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        {"POST /a HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\n", 417},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n", 413},
    };
    struct world *w = world_new((struct http_opts){0});
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct client c = client_open(w->path);
        char line[64];
        client_puts(&c, w->loop, cases[i].bytes);
        client_puts(&c, w->loop, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(client_expect_eof(&c, w->loop));
        snprintf(line, sizeof line, "HTTP/1.1 %d ", cases[i].status);
        if (strncmp(client_text(&c), line, strlen(line)) != 0)
            fail_msg("%s -> %s", cases[i].bytes, client_text(&c));
        assert_non_null(strstr(client_text(&c), "Content-Type: application/json\r\n"));
        assert_non_null(strstr(client_text(&c), "Connection: close\r\n"));
        assert_non_null(strstr(client_text(&c), "\"kind\":\"Status\""));
        assert_null(strstr(client_text(&c), "smuggled"));
        assert_null(strstr(client_text(&c) + 1, "HTTP/1.1 "));
        client_close(&c);
    }
    /* A NUL, which no text above can hold. */
    static const char *const parts[] = {"GET /a", " HTTP/1.1\r\nHost: a\r\nX: b", "\r\n\r\n"};
    for (size_t at = 0; at < 2; at++) {
        struct client c = client_open(w->path);
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
            client_send(&c, w->loop, parts[i], strlen(parts[i]) + (i == at));
        assert_true(client_expect_eof(&c, w->loop));
        assert_int_equal(strncmp(client_text(&c), "HTTP/1.1 400 ", 13), 0);
        client_close(&c);
    }
    assert_int_equal(w->requests, 0);
    world_free(w);
}

static void a_body_or_head_over_the_limit_is_refused_while_it_is_sent(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    char *block = xmalloc(70000);
    memset(block, 'a', 70000);

    /* Exactly 3 MiB pass, chunked as well. */
    struct client c = client_open(w->path);
    client_puts(&c, w->loop, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3145728\r\n\r\n");
    for (int i = 0; i < 48; i++)
        client_send(&c, w->loop, block, 65536);
    assert_true(client_expect(&c, w->loop, "<POST /a ? #3145728>"));
    client_forget(&c);
    client_puts(&c, w->loop, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 48; i++) {
        client_puts(&c, w->loop, "10000\r\n");
        client_send(&c, w->loop, block, 65536);
        client_puts(&c, w->loop, "\r\n");
    }
    client_puts(&c, w->loop, "0\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "<POST /a ? #3145728>"));
    client_close(&c);

    c = client_open(w->path); /* an endless chunked body */
    client_puts(&c, w->loop, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 64; i++) {
        client_puts(&c, w->loop, "10000\r\n");
        client_send(&c, w->loop, block, 65536);
        client_puts(&c, w->loop, "\r\n");
    }
    assert_true(client_expect(&c, w->loop, "HTTP/1.1 413 "));
    client_close(&c);

    static const char *const endless[] = {"3;ext=", "0\r\nX: "}; /* extensions, trailers */
    for (size_t i = 0; i < ARRAY_SIZE(endless); i++) {
        c = client_open(w->path);
        client_puts(&c, w->loop,
                    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client_puts(&c, w->loop, endless[i]);
        client_send(&c, w->loop, block, 70000);
        assert_true(client_expect(&c, w->loop, "HTTP/1.1 400 "));
        client_close(&c);
    }

    c = client_open(w->path); /* a head just below 32 KiB passes */
    client_puts(&c, w->loop, "GET /a HTTP/1.1\r\nHost: a\r\nX: ");
    client_send(&c, w->loop, block, 32768 - 100);
    client_puts(&c, w->loop, "\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "<GET /a"));
    client_forget(&c);
    client_puts(&c, w->loop, "GET /a HTTP/1.1\r\nHost: a\r\nX: ");
    client_send(&c, w->loop, block, 40000);
    assert_true(client_expect(&c, w->loop, "HTTP/1.1 431 "));
    client_close(&c);

    c = client_open(w->path);
    client_puts(&c, w->loop, "GET /a HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 120; i++)
        client_puts(&c, w->loop, "X: y\r\n");
    client_puts(&c, w->loop, "\r\n");
    assert_true(client_expect(&c, w->loop, "HTTP/1.1 431 "));
    client_close(&c);
    free(block);
    world_free(w);
}

/* Pitfall 3: none of these holds a connection for ever. */
static void slow_clients_are_closed(void **state)
{
    (void)state;
    const struct http_opts opts = {.idle_us = 60000, .head_us = 60000, .body_us = 60000};
    static const char *const beginnings[] = {
        "", "GET /a HTTP/1.1\r\nHo", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
        struct world *w = world_new(opts);
        struct client c = client_open(w->path);
        client_puts(&c, w->loop, beginnings[i]);
        assert_true(client_expect_eof(&c, w->loop));
        client_close(&c);
        world_free(w);
    }
    /* One byte now and then does not help. */
    struct world *w = world_new(opts);
    struct client c = client_open(w->path);
    client_puts(&c, w->loop, "GET /a HTTP/1.1\r\nX: ");
    while (!c.eof) {
        client_puts(&c, w->loop, "a");
        loop_pass(w->loop);
        client_read(&c);
    }
    assert_int_equal(w->requests, 0);
    client_close(&c);
    static const char *const bodies[] = {
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nf0000\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        c = client_open(w->path);
        client_puts(&c, w->loop, bodies[i]);
        while (!c.eof) {
            client_puts(&c, w->loop, "a");
            loop_pass(w->loop);
            client_read(&c);
        }
        client_close(&c);
    }
    /* Empty lines before a request are no request. */
    c = client_open(w->path);
    while (!c.eof) {
        client_puts(&c, w->loop, "\r\n");
        loop_pass(w->loop);
        client_read(&c);
    }
    client_close(&c);
    assert_int_equal(w->requests, 0);
    world_free(w);
}

static void expect_continue_is_answered_before_the_body(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct client c = client_open(w->path);
    client_puts(&c, w->loop,
                "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "HTTP/1.1 100 Continue\r\n\r\n"));
    client_puts(&c, w->loop, "ab");
    assert_true(client_expect(&c, w->loop, "<POST /a ? #2>"));
    client_close(&c);
    world_free(w);
}

static void a_client_that_half_closes_still_gets_its_answer(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct client c = client_open(w->path);
    client_puts(&c, w->loop, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(c.fd, SHUT_WR);
    while (!w->held)
        loop_pass(w->loop);
    for (int i = 0; i < 5; i++)
        loop_pass(w->loop);
    http_reply(w->held, &(struct http_reply){.status = 201}, NULL);
    assert_true(client_expect(&c, w->loop, "HTTP/1.1 201 "));
    assert_true(client_expect_eof(&c, w->loop));
    client_close(&c);

    c = client_open(w->path); /* a long reply as well */
    client_puts(&c, w->loop, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(c.fd, SHUT_WR);
    assert_true(client_expect_eof(&c, w->loop));
    assert_true(c.in.len > 160 * 65536);
    assert_memory_equal(c.in.data + c.in.len - 5, "0\r\n\r\n", 5);
    client_close(&c);
    world_free(w);
}

/* A33: the headers of a watch are there before any event. */
static void a_watch_starts_at_once_and_goes_on_when_woken(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){.idle_us = 50000, .head_us = 50000});
    struct client c = client_open(w->path);
    client_puts(&c, w->loop, "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "Transfer-Encoding: chunked\r\n"));
    assert_true(client_expect(&c, w->loop, "\r\n\r\n"));
    assert_null(strstr(client_text(&c), "event"));
    int64_t past_idle = clock_mono_us() + 120000; /* the idle timeout of requests does not cut it */
    while (clock_mono_us() < past_idle)
        loop_pass(w->loop);
    w->pulls = 2;
    w->next = HTTP_PULL_WAIT;
    http_wake(w->held);
    assert_true(client_expect(&c, w->loop, "6\r\nevent\n\r\n6\r\nevent\n\r\n"));
    w->pulls = 1;
    w->next = HTTP_PULL_END;
    http_wake(w->held);
    assert_true(client_expect(&c, w->loop, "0\r\n\r\n"));
    assert_true(client_expect_eof(&c, w->loop));
    assert_int_equal(w->closed, 1);
    client_close(&c);
    world_free(w);
}

static void a_watcher_that_leaves_is_noticed_and_one_that_chatters_is_bounded(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct client c = client_open(w->path);
    client_puts(&c, w->loop, "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "\r\n\r\n"));
    client_close(&c);
    while (!w->closed)
        loop_pass(w->loop);

    c = client_open(w->path); /* pitfall 5: what a watcher sends does not pile up with us */
    client_puts(&c, w->loop, "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "\r\n\r\n"));
    char block[4096] = {0};
    size_t sent = 0;
    for (unsigned full = 0; full < 20;) {
        ssize_t n = send(c.fd, block, sizeof block, MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
            full = 0;
            assert_true(sent < (size_t)2 << 20);
        } else {
            full++;
            loop_pass(w->loop);
        }
    }
    client_close(&c);
    world_free(w);
}

static void a_stream_that_is_cut_has_no_end_mark(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct client c = client_open(w->path);
    client_puts(&c, w->loop, "GET /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "\r\n\r\n"));
    w->pulls = 1;
    w->next = HTTP_PULL_CUT;
    http_wake(w->held);
    assert_true(client_expect_eof(&c, w->loop));
    assert_null(strstr(client_text(&c), "0\r\n\r\n"));
    assert_int_equal(w->closed, 1);
    client_close(&c);
    world_free(w);
}

/* Pitfall 6, A39: a stream is pulled only as fast as it is read, and one that is never read is cut.
 */
static void a_reader_that_stalls_holds_little_memory_and_is_cut(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){.write_us = 80000});
    struct client c = client_open(w->path);
    client_puts(&c, w->loop, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
    while (!w->closed)
        loop_pass(w->loop);
    assert_true(w->pulls < 32);
    client_close(&c);
    world_free(w);
}

/* Reads a little every 30 ms, which is always some progress. */
static void read_slowly(struct client *c, struct loop *loop)
{
    char piece[4096];
    int64_t until = clock_mono_us() + 20000000, next = 0;
    while (!c->eof && clock_mono_us() < until) {
        loop_pass(loop);
        if (clock_mono_us() < next)
            continue;
        next = clock_mono_us() + 30000;
        ssize_t n = recv(c->fd, piece, sizeof piece, 0);
        if (n > 0)
            buf_put(&c->in, piece, (size_t)n);
        c->eof = n == 0 || (n < 0 && errno != EAGAIN);
    }
}

static void a_reader_that_drips_is_cut(void **state)
{
    (void)state;
    static const char *const asks[] = {"GET /big HTTP/1.1\r\nHost: a\r\n\r\n",
                                       "GET /long HTTP/1.1\r\nHost: a\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
        struct world *w =
            world_new((struct http_opts){.write_us = 300000, .min_rate = (size_t)64 << 20});
        double before = http_counters.connections_now;
        struct client c = client_open(w->path);
        int small = 4096; /* so that the kernel holds little of it */
        setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        client_puts(&c, w->loop, asks[i]);
        read_slowly(&c, w->loop);
        assert_true(c.eof);
        assert_true(c.in.len < (size_t)3 << 20);
        assert_true(http_counters.connections_now == before);
        client_close(&c);
        world_free(w);
    }
}

static void large_replies_that_wait_are_bounded(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){.max_replies = (size_t)9 << 20});
    struct client c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = client_open(w->path);
        client_puts(&c[i], w->loop, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        for (unsigned n = 0; n < 3; n++)
            loop_pass(w->loop);
    }
    assert_true(client_expect(&c[2], w->loop, "HTTP/1.1 429 "));
    assert_non_null(strstr(client_text(&c[2]), "Retry-After: 1\r\n"));
    /* What was done is told, however large. */
    client_forget(&c[2]);
    client_puts(&c[2], w->loop, "POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_true(client_expect(&c[2], w->loop, "HTTP/1.1 200 "));
    while (c[2].in.len < (size_t)4 << 20) {
        client_read(&c[2]);
        loop_pass(w->loop);
    }
    client_close(&c[0]); /* room again: whoever leaves gives it back */
    loop_pass(w->loop);
    loop_pass(w->loop);
    client_forget(&c[2]);
    client_puts(&c[2], w->loop, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_expect(&c[2], w->loop, "HTTP/1.1 200 "));
    client_close(&c[1]);
    client_close(&c[2]);
    world_free(w);
}

static void a_late_reply_to_a_closed_connection_is_dropped(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct client c = client_open(w->path);
    client_puts(&c, w->loop, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    while (!w->held)
        loop_pass(w->loop);
    client_close(&c);
    loop_pass(w->loop);
    struct http_exchange *held = w->held;
    struct loop *loop = w->loop;
    http_server_free(w->server, 1000);
    http_reply(held, &(struct http_reply){.status = 200},
               NULL); /* after the server: frees the orphan */
    loop_free(loop);
    rmdir(w->dir);
    free(w);
}

static void too_many_connections_are_closed_and_places_come_back(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){.max_connections = 3});
    struct client c[4];
    for (int i = 0; i < 3; i++) {
        c[i] = client_open(w->path);
        client_puts(&c[i], w->loop, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(client_expect(&c[i], w->loop, "<GET /a"));
    }
    c[3] = client_open(w->path);
    assert_true(client_expect_eof(&c[3], w->loop));
    client_close(&c[3]);
    client_close(&c[0]);
    loop_pass(w->loop);
    loop_pass(w->loop);
    c[0] = client_open(w->path);
    client_puts(&c[0], w->loop, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_expect(&c[0], w->loop, "<GET /a"));
    for (int i = 0; i < 3; i++)
        client_close(&c[i]);
    world_free(w);
}

/* Pitfall 2: out of descriptors, accepting rests instead of spinning, and goes on later. */
static void running_out_of_descriptors_pauses_accepting(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct client c = client_open(w->path);
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = (rlim_t)c.fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    client_puts(&c, w->loop, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    double errors = http_counters.accept_errors;
    int64_t begin = clock_mono_us();
    while (http_counters.accept_errors < errors + 4) /* it tries again, now and then */
        loop_pass(w->loop);
    assert_true(clock_mono_us() - begin >= 3 * HTTP_EMFILE_US);
    client_read(&c);
    assert_int_equal(c.in.len, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(client_expect(&c, w->loop, "<GET /a"));
    client_close(&c);
    world_free(w);
}

static void the_unix_socket_is_closed_to_others_and_a_served_one_is_kept(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    struct http_server *second = NULL;
    struct err e = {0};
    assert_int_equal(
        http_server_new(w->loop, &(struct http_opts){.handler = handle, .arg = w}, &second, &e), 0);
    assert_int_equal(http_listen_unix(second, w->path, &e), ERR_IO);
    assert_non_null(strstr(e.text, w->path));
    http_server_free(second, 0);
    assert_int_equal(access(w->path, F_OK), 0);
    world_free(w);
}

/* ---- TCP ---- */

static int tcp_connect(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1))};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&in, sizeof in) < 0 && errno != EINPROGRESS)
        return -1;
    return fd;
}

static void a_browser_cannot_reach_us_over_tcp(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"Host: 127.0.0.1:8001\r\n", 200},
        {"Host: localhost\r\n", 200},
        {"Host: LOCALHOST:80\r\n", 200},
        {"Host: [::1]:8001\r\n", 200},
        {"Host: 127.9.9.9\r\n", 200},
        {"Host: evil.example\r\n", 403},
        {"Host: 127.0.0.1.evil.example\r\n", 403},
        {"Host: localhost.evil.example:80\r\n", 403},
        {"Host: localhost:80x\r\n", 403},
        {"Host: 10.0.0.1\r\n", 403},
        {"Host: \r\n", 403},
        {"Host: localhost\r\nOrigin: http://evil.example\r\n", 403},
        {"Host: localhost\r\nOrigin: null\r\n", 403},
        {"Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403},
        {"Host: localhost\r\nSec-Fetch-Site: none\r\n", 200},
    };
    struct world *w = world_new((struct http_opts){.refuse_browsers = true});
    struct err e = {0};
    assert_int_equal(http_listen_tcp(w->server, "127.0.0.1:0", NULL, &e), 0);
    assert_int_equal(http_address_count(w->server), 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct client c = {.fd = tcp_connect(http_address(w->server, 0))};
        buf_out_init(&c.in);
        char text[256], line[32];
        snprintf(text, sizeof text, "GET /a HTTP/1.1\r\n%s\r\n", cases[i].headers);
        snprintf(line, sizeof line, "HTTP/1.1 %d ", cases[i].status);
        while (send(c.fd, text, strlen(text), MSG_NOSIGNAL) < 0)
            loop_pass(w->loop);
        if (!client_expect(&c, w->loop, line))
            fail_msg("%s -> %s", cases[i].headers, client_text(&c));
        client_close(&c);
    }
    world_free(w);
}

static void a_tcp_peer_is_known_by_its_uid_while_it_lives(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){.owner_socket = "/nonexistent"});
    struct err e = {0};
    assert_int_equal(http_listen_tcp(w->server, "127.0.0.1:0", NULL, &e), 0);
    struct client c = {.fd = tcp_connect(http_address(w->server, 0))};
    buf_out_init(&c.in);
    static const char ask[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    while (send(c.fd, ask, sizeof ask - 1, MSG_NOSIGNAL) < 0)
        loop_pass(w->loop);
    assert_true(client_expect(&c, w->loop, "HTTP/1.1 200 "));
    client_close(&c);

    /* A socket whose process has closed it belongs to root in the kernel's table: it is nobody's.
     */
    struct client gone = {.fd = tcp_connect(http_address(w->server, 0))};
    assert_true(gone.fd >= 0);
    struct pollfd ready = {.fd = gone.fd, .events = POLLOUT};
    poll(&ready, 1, 1000);
    assert_int_equal(send(gone.fd, ask, sizeof ask - 1, MSG_NOSIGNAL), sizeof ask - 1);
    unsigned before = w->requests;
    close(gone.fd);
    for (int i = 0; i < 5; i++)
        loop_pass(w->loop);
    assert_int_equal(w->requests, before);
    world_free(w);
}

static void a_stranger_on_tcp_gets_a_403(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct world *w = world_new((struct http_opts){.owner_socket = "/nonexistent"});
    struct err e = {0};
    assert_int_equal(http_listen_tcp(w->server, "127.0.0.1:0", NULL, &e), 0);
    struct client c = {.fd = -1};
    buf_out_init(&c.in);
    assert_int_equal(seteuid(65534), 0);
    c.fd = tcp_connect(http_address(w->server, 0));
    assert_int_equal(seteuid(0), 0);
    static const char ask[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    while (send(c.fd, ask, sizeof ask - 1, MSG_NOSIGNAL) < 0)
        loop_pass(w->loop);
    assert_true(client_expect(&c, w->loop, "HTTP/1.1 403 "));
    assert_int_equal(w->requests, 0);
    client_close(&c);
    assert_true(http_peer_may(0, NULL));
    assert_false(http_peer_may(65534, "/nonexistent"));
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_false(http_peer_may(65534, w->path));
    assert_int_equal(chown(w->path, 0, 65534), 0); /* a member of the socket's group comes in */
    assert_true(http_peer_may(65534, w->path));
    world_free(w);
}

/* The mode of the file is not all that protects it. */
static void a_stranger_on_the_unix_socket_gets_a_403(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct world *w = world_new((struct http_opts){.owner_socket = ""});
    assert_int_equal(chmod(w->dir, 0755), 0);
    assert_int_equal(chmod(w->path, 0666), 0);
    gid_t groups[64];
    int count = getgroups((int)ARRAY_SIZE(groups), groups);
    assert_true(count >= 0);
    assert_int_equal(setgroups(0, NULL), 0);
    assert_int_equal(setegid(65534), 0);
    assert_int_equal(seteuid(65534), 0);
    struct client c = client_open(w->path);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
    assert_int_equal(setgroups((size_t)count, groups), 0);
    client_puts(&c, w->loop, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "HTTP/1.1 403 "));
    assert_int_equal(w->requests, 0);
    client_close(&c);
    c = client_open(w->path);
    client_puts(&c, w->loop, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_expect(&c, w->loop, "HTTP/1.1 200 "));
    client_close(&c);
    world_free(w);
}

static void addresses_that_cannot_be_used_are_named(void **state)
{
    (void)state;
    struct world *w = world_new((struct http_opts){0});
    static const char *const bad[] = {"nonsense", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999",
                                      "1.2.3.4.5:80"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err e = {0};
        assert_true(http_listen_tcp(w->server, bad[i], NULL, &e) < 0);
        assert_non_null(strstr(e.text, bad[i]));
    }
    assert_true(http_address_is_loopback("127.0.0.1"));
    assert_true(http_address_is_loopback("[::1]"));
    assert_false(http_address_is_loopback("0.0.0.0"));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_one_connection_are_answered_in_order),
        cmocka_unit_test(a_head_reply_has_the_length_and_no_body),
        cmocka_unit_test(what_cannot_be_framed_is_refused_and_the_connection_closed),
        cmocka_unit_test(a_body_or_head_over_the_limit_is_refused_while_it_is_sent),
        cmocka_unit_test(slow_clients_are_closed),
        cmocka_unit_test(expect_continue_is_answered_before_the_body),
        cmocka_unit_test(a_client_that_half_closes_still_gets_its_answer),
        cmocka_unit_test(a_watch_starts_at_once_and_goes_on_when_woken),
        cmocka_unit_test(a_watcher_that_leaves_is_noticed_and_one_that_chatters_is_bounded),
        cmocka_unit_test(a_stream_that_is_cut_has_no_end_mark),
        cmocka_unit_test(a_reader_that_stalls_holds_little_memory_and_is_cut),
        cmocka_unit_test(a_reader_that_drips_is_cut),
        cmocka_unit_test(large_replies_that_wait_are_bounded),
        cmocka_unit_test(a_late_reply_to_a_closed_connection_is_dropped),
        cmocka_unit_test(too_many_connections_are_closed_and_places_come_back),
        cmocka_unit_test(running_out_of_descriptors_pauses_accepting),
        cmocka_unit_test(the_unix_socket_is_closed_to_others_and_a_served_one_is_kept),
        cmocka_unit_test(a_browser_cannot_reach_us_over_tcp),
        cmocka_unit_test(a_tcp_peer_is_known_by_its_uid_while_it_lives),
        cmocka_unit_test(a_stranger_on_tcp_gets_a_403),
        cmocka_unit_test(a_stranger_on_the_unix_socket_gets_a_403),
        cmocka_unit_test(addresses_that_cannot_be_used_are_named),
    };
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
