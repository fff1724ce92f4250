/* api_server and probe_server on real sockets, in one thread with their loop. */
#include "tests/unit/api/http_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>

#include "base/metrics.h"
#include "controller/api/discovery.h"
#include "controller/api/server.h"

struct world {
    struct loop *loop;
    struct store *store;
    struct registry *reg;
    struct api_server *api;
    char dir[64], path[96];
};

static struct world world_open(size_t history_bytes)
{
    struct world w = {.loop = loop_new()};
    struct err e = {0};
    static const char *const pods[] = {"10.244.0.0/16"}, *const services[] = {"10.96.0.0/12"};
    static const char *const listen[] = {"127.0.0.1:0"};
    const struct store_opts opts = {
        .memory = true, .history_us = 600000000, .history_bytes = history_bytes};
    const struct registry_opts reg = {.pod_range = pods,
                                      .pod_range_count = 1,
                                      .service_range = services,
                                      .service_range_count = 1,
                                      .default_class = "standard"};
    assert_int_equal(store_open(&opts, w.loop, &w.store, &e), 0);
    assert_int_equal(registry_new(w.store, &reg, &w.reg, &e), 0);
    assert_int_equal(registry_bootstrap(w.reg, &e), 0);
    snprintf(w.dir, sizeof w.dir, "/tmp/test-api-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    snprintf(w.path, sizeof w.path, "%s/api.sock", w.dir);
    const struct api_opts api = {.socket = w.path, .listen = listen, .listen_count = 1};
    assert_int_equal(api_server_start(&api, w.loop, w.reg, &w.api, &e), 0);
    return w;
}

static void world_close(struct world *w)
{
    api_server_stop(w->api);
    registry_free(w->reg);
    store_close(w->store);
    loop_free(w->loop);
    rmdir(w->dir);
    metrics_unregister_all();
    discovery_reset();
}

static void put(struct client *c, struct world *w, const char *name, size_t size)
{
    struct buf_out body, head;
    buf_out_init(&body);
    buf_out_init(&head);
    buf_printf(&body, "{\"metadata\":{\"name\":\"%s\"},\"data\":{\"k\":\"", name);
    for (size_t i = 0; i < size; i++)
        buf_putc(&body, 'x');
    buf_puts(&body, "\"}}");
    buf_printf(&head,
               "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: a\r\nContent-Length: "
               "%zu\r\n\r\n",
               body.len);
    client_forget(c);
    client_send(c, w->loop, head.data, head.len);
    client_send(c, w->loop, body.data, body.len);
    assert_true(client_expect(c, w->loop, "HTTP/1.1 201 Created\r\n"));
    assert_true(client_expect(c, w->loop, "\"}}\n"));
    buf_out_fini(&body);
    buf_out_fini(&head);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define MAPS      "/api/v1/namespaces/default/configmaps"

static void an_acknowledged_write_is_in_the_next_read_and_in_the_watch(void **state)
{
    (void)state;
    struct world w = world_open(1 << 20);
    struct client writer = client_open(w.path), watcher = client_open(w.path);
    client_puts(&watcher, w.loop, GET(MAPS "?watch=true"));
    assert_true(client_expect(&watcher, w.loop, "\r\n\r\n")); /* A33: before any event */
    put(&writer, &w, "a", 10);
    assert_true(client_expect(&watcher, w.loop, "{\"type\":\"ADDED\""));
    client_forget(&writer);
    client_puts(&writer, w.loop, GET(MAPS "/a"));
    assert_true(client_expect(&writer, w.loop, "xxxxxxxxxx"));
    client_close(&writer);
    client_close(&watcher);
    world_close(&w);
}

/* A39: what a watcher does not read is neither kept for it nor waited for. */
static void a_watcher_that_does_not_read_is_cut(void **state)
{
    (void)state;
    struct world w = world_open(256 * 1024);
    struct client writer = client_open(w.path), watcher = client_open(w.path);
    client_puts(&watcher, w.loop, GET(MAPS "?watch=true"));
    assert_true(client_expect(&watcher, w.loop, "\r\n\r\n"));
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "m-%d", i);
        put(&writer, &w, name, 20000);
    }
    assert_true(client_expect_eof(&watcher, w.loop));
    assert_null(strstr(client_text(&watcher), "\r\n0\r\n\r\n"));
    assert_true(watcher.in.len < (size_t)3 << 20);
    client_close(&writer);
    client_close(&watcher);
    world_close(&w);
}

static void stopping_ends_watches_cleanly_and_answers_what_is_in_flight(void **state)
{
    (void)state;
    struct world w = world_open(1 << 20);
    struct client writer = client_open(w.path), watcher = client_open(w.path);
    client_puts(&watcher, w.loop, GET(MAPS "?watch=true"));
    assert_true(client_expect(&watcher, w.loop, "\r\n\r\n"));
    client_puts(&writer, w.loop,
                "POST " MAPS " HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n\r\n"
                "{\"metadata\":{\"name\":\"z\"}}");
    event_base_loop(loop_base(w.loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    api_server_stop(w.api);
    w.api = NULL;
    client_read(&watcher);
    assert_true(watcher.eof);
    assert_memory_equal(watcher.in.data + watcher.in.len - 5, "0\r\n\r\n", 5);
    client_read(&writer);
    assert_true(writer.eof);
    if (writer.in.len) /* it had been read */
        assert_non_null(strstr(client_text(&writer), "HTTP/1.1 201 "));
    client_close(&writer);
    client_close(&watcher);
    world_close(&w);
}

static void off_loopback_needs_tls(void **state)
{
    (void)state;
    struct world w = world_open(1 << 20);
    static const char *const listen[] = {"0.0.0.0:0"};
    const struct api_opts opts = {.listen = listen, .listen_count = 1};
    struct api_server *second = NULL;
    struct err e = {0};
    assert_int_equal(api_server_start(&opts, w.loop, w.reg, &second, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "api.tls-cert"));
    static const char *const secure[] = {"https://127.0.0.1:0"};
    const struct api_opts loopback = {.listen = secure, .listen_count = 1};
    assert_int_equal(api_server_start(&loopback, w.loop, w.reg, &second, &e), ERR_INVALID);
    assert_int_equal(api_server_address_count(w.api), 1);
    assert_int_equal(strncmp(api_server_address(w.api, 0), "127.0.0.1:", 10), 0);
    world_close(&w);
}

/* ---- probes ---- */

static const char *reason;
static const char *not_ready(void *arg)
{
    (void)arg;
    return reason;
}

static void expect_probe(struct loop *loop, const char *address, const char *path, const char *want)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1))};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    char text[128];
    buf_out_init(&c.in);
    assert_int_equal(connect(c.fd, (const struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: pod\r\n\r\n", path);
    client_puts(&c, loop, text);
    if (!client_expect(&c, loop, want))
        fail_msg("%s: %s", path, client_text(&c));
    client_close(&c);
}

static void probes_say_what_is_wrong(void **state)
{
    (void)state;
    static const char *const any[] = {"127.0.0.1:0"};
    const struct probe_opts opts = {.metrics_listen = any,
                                    .metrics_listen_count = 1,
                                    .health_listen = any,
                                    .health_listen_count = 1,
                                    .ready_listen = any,
                                    .ready_listen_count = 1,
                                    .not_ready = not_ready};
    struct loop *loop = loop_new();
    struct probe_server *s = NULL;
    struct err e = {0};
    assert_int_equal(probe_server_start(&opts, loop, &s, &e), 0);
    assert_int_equal(probe_server_address_count(s), 3);
    const char *metrics = probe_server_address(s, 0), *health = probe_server_address(s, 1),
               *ready = probe_server_address(s, 2);
    reason = "zones are not loaded";
    expect_probe(loop, metrics, "/livez", "HTTP/1.1 200 ");
    expect_probe(loop, metrics, "/health", "HTTP/1.1 200 ");
    expect_probe(loop, metrics, "/readyz", "HTTP/1.1 503 ");
    expect_probe(loop, metrics, "/ready", "zones are not loaded");
    expect_probe(loop, metrics, "/metrics", "text/plain; version=0.0.4");
    expect_probe(loop, metrics, "/healthz", "HTTP/1.1 404 ");
    expect_probe(loop, health, "/health", "HTTP/1.1 200 ");
    expect_probe(loop, health, "/metrics", "HTTP/1.1 404 ");
    expect_probe(loop, health, "/ready", "HTTP/1.1 404 ");
    reason = NULL;
    expect_probe(loop, ready, "/ready", "HTTP/1.1 200 ");
    expect_probe(loop, ready, "/health", "HTTP/1.1 404 ");
    probe_server_stop(s);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acknowledged_write_is_in_the_next_read_and_in_the_watch),
        cmocka_unit_test(a_watcher_that_does_not_read_is_cut),
        cmocka_unit_test(stopping_ends_watches_cleanly_and_answers_what_is_in_flight),
        cmocka_unit_test(off_loopback_needs_tls),
        cmocka_unit_test(probes_say_what_is_wrong),
    };
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
