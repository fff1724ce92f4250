#include "controller/api/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "controller/api/http_conn.h"

void http_reply(struct http_exchange *x, const struct http_reply *reply, struct buf_out *body)
{
    x->transport->reply(x, reply, body);
}

void http_reply_stream(struct http_exchange *x, const struct http_reply *reply,
                       const struct http_stream *stream)
{
    x->transport->stream(x, reply, stream);
}

void http_wake(struct http_exchange *x)
{
    x->transport->wake(x);
}

/* ---- server ---- */

static struct http_server *server_from(void *arg)
{
    struct http_server *s = arg;
    CHECK(s && s->magic == HTTP_SERVER_MAGIC);
    return s;
}

static void pull_woken(void *arg)
{
    struct http_server *s = server_from(arg);
    for (unsigned n = 0; n < HTTP_WAKE_BUDGET && !list_is_empty(&s->woken); n++) {
        struct http_conn *c = LIST_ENTRY(s->woken.next, struct http_conn, woken);
        list_remove(&c->woken);
        http_conn_woken(c);
    }
    if (!list_is_empty(&s->woken))
        loop_end_of_turn(&s->wake_task);
}

int http_server_new(struct loop *loop, const struct http_opts *opts, struct http_server **out,
                    struct err *e)
{
    if (!loop_base(loop))
        return err_set(e, ERR_INTERNAL, "the HTTP server needs a loop with an event base");
    struct http_server *s = xcalloc(1, sizeof *s);
    s->magic = HTTP_SERVER_MAGIC;
    s->loop = loop;
    s->opts = *opts;
    struct http_opts *o = &s->opts;
    s->owner_socket = opts->owner_socket ? xstrdup(opts->owner_socket) : NULL;
    o->owner_socket = s->owner_socket;
    o->max_connections = o->max_connections ? o->max_connections : 4096;
    o->max_strangers = o->max_strangers ? o->max_strangers : 256;
    o->max_head_bytes = o->max_head_bytes ? o->max_head_bytes : 32768;
    o->max_body_bytes = o->max_body_bytes ? o->max_body_bytes : (size_t)3 << 20;
    o->idle_us = o->idle_us ? o->idle_us : 120000000;
    o->handshake_us = o->handshake_us ? o->handshake_us : 10000000;
    o->head_us = o->head_us ? o->head_us : 15000000;
    o->body_us = o->body_us ? o->body_us : 60000000;
    o->write_us = o->write_us ? o->write_us : 60000000;
    o->min_rate = o->min_rate ? o->min_rate : 32768;
    o->max_replies = o->max_replies ? o->max_replies : (size_t)256 << 20;
    list_init(&s->listeners);
    list_init(&s->conns);
    list_init(&s->woken);
    loop_task_init(&s->wake_task, loop, pull_woken, s);
    *out = s;
    return 0;
}

static struct http_listener *listener_from(void *arg)
{
    struct http_listener *l = arg;
    CHECK(l && l->magic == HTTP_LISTENER_MAGIC);
    return l;
}

static void listener_free(struct http_listener *l)
{
    list_remove(&l->link);
    loop_timer_fini(&l->retry);
    if (l->ev)
        evconnlistener_free(l->ev);
    if (l->path)
        (void)unlink(l->path);
    SSL_CTX_free(l->tls);
    free(l->path);
    free(l->address);
    free(l);
}

static bool has_work(const struct http_server *s)
{
    LIST_FOREACH(it, &s->conns)
    if (LIST_ENTRY(it, struct http_conn, link)->bev)
        return true;
    return false;
}

/* Runs the loop until every connection is gone or the time is up: commits end, replies go out. */
static void drain(struct http_server *s, int64_t drain_us)
{
    int64_t until = clock_mono_us() + drain_us;
    const struct timeval tick = {.tv_usec = 20000};
    while (has_work(s) && clock_mono_us() < until) {
        struct event_base *base = loop_base(s->loop);
        if (event_base_loopexit(base, &tick) < 0 || event_base_loop(base, 0) < 0)
            return;
    }
}

void http_server_free(struct http_server *server, int64_t drain_us)
{
    if (!server)
        return;
    server->stopping = true;
    LIST_FOREACH(it, &server->listeners)
    listener_free(LIST_ENTRY(it, struct http_listener, link));
    LIST_FOREACH(it, &server->conns)
    http_conn_stop(LIST_ENTRY(it, struct http_conn, link));
    drain(server, drain_us);
    loop_task_fini(&server->wake_task);
    LIST_FOREACH(it, &server->conns)
    {
        struct http_conn *c = LIST_ENTRY(it, struct http_conn, link);
        if (c->bev)
            http_conn_free(c);
    }
    free(server->owner_socket);
    server->owner_socket = NULL;
    server->opts.owner_socket = NULL;
    server->is_dead = true;
    if (list_is_empty(&server->conns))
        free(server);
}

/* ---- listeners ---- */

static void on_retry(void *arg)
{
    evconnlistener_enable(listener_from(arg)->ev);
}

/* Out of descriptors: accept would fail in a tight loop. */
static void on_accept_error(struct evconnlistener *ev, void *arg)
{
    struct http_listener *l = listener_from(arg);
    int code = evutil_socket_geterror(evconnlistener_get_fd(ev));
    LOG_LIMITED(LOG_WARN, "api=accept error=%s", evutil_socket_error_to_string(code));
    http_counters.accept_errors++;
    evconnlistener_disable(ev);
    loop_timer_set(&l->retry, clock_mono_us() + HTTP_EMFILE_US);
}

static struct bufferevent *new_bufferevent(const struct http_listener *l, int fd)
{
    struct event_base *base = loop_base(l->server->loop);
    if (!l->tls)
        return bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    SSL *ssl = SSL_new(l->tls);
    if (!ssl)
        return NULL;
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        SSL_free(ssl);
    return bev;
}

static void on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *addr, int len,
                      void *arg)
{
    struct http_listener *l = listener_from(arg);
    (void)ev;
    (void)addr;
    (void)len;
    struct bufferevent *bev = NULL;
    if (l->server->conn_count < l->server->opts.max_connections)
        bev = new_bufferevent(l, fd);
    else
        LOG_LIMITED(LOG_WARN, "api=accept error=\"too many connections\" limit=%zu",
                    l->server->opts.max_connections);
    if (!bev) {
        http_counters.refused++;
        close(fd);
        return;
    }
    http_conn_new(l->server, l, bev, fd);
}

static int listen_on(struct http_server *s, const struct sockaddr *addr, socklen_t len,
                     struct http_listener *l, struct err *e, const char *name)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot listen on %s: %s", name, strerrordesc_np(errno));
    if (addr->sa_family != AF_UNIX) {
        /* Accepted sockets inherit these. Without TCP_NODELAY every reply waits 40 ms for an
         * acknowledgement. */
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    if (addr->sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    /* The socket file is born 0660: nobody else gets in between bind and chmod. */
    mode_t mask = umask(0117);
    int rc = bind(fd, addr, len);
    int code = errno;
    (void)umask(mask);
    if (rc == 0 && listen(fd, SOMAXCONN) < 0) {
        rc = -1;
        code = errno;
    }
    if (rc == 0)
        l->ev = evconnlistener_new(loop_base(s->loop), on_accept, l,
                                   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!l->ev) {
        close(fd);
        return err_set(e, ERR_IO, "cannot listen on %s: %s", name, strerrordesc_np(code));
    }
    evconnlistener_set_error_cb(l->ev, on_accept_error);
    return 0;
}

static struct http_listener *listener_new(struct http_server *s)
{
    struct http_listener *l = xcalloc(1, sizeof *l);
    l->magic = HTTP_LISTENER_MAGIC;
    l->server = s;
    loop_timer_init(&l->retry, s->loop, on_retry, l);
    list_init(&l->link);
    return l;
}

/* A socket file that nobody serves is left over from a crash. */
static int remove_stale(const char *path, const struct sockaddr_un *addr, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_IO, "cannot listen on %s: the file exists and is no socket", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool served = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0;
    if (fd >= 0)
        close(fd);
    if (served)
        return err_set(e, ERR_IO, "cannot listen on %s: another process serves it", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_set(e, ERR_IO, "cannot remove %s: %s", path, strerrordesc_np(errno));
    return 0;
}

int http_listen_unix(struct http_server *server, const char *path, struct err *e)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof addr.sun_path)
        return err_set(e, ERR_INVALID, "the path of the socket is too long: %s", path);
    memcpy(addr.sun_path, path, len);
    int rc = remove_stale(path, &addr, e);
    if (rc < 0)
        return rc;
    struct http_listener *l = listener_new(server);
    l->is_unix = true;
    rc = listen_on(server, (const struct sockaddr *)&addr, sizeof addr, l, e, path);
    if (rc < 0) {
        listener_free(l);
        return rc;
    }
    l->path = xstrdup(path);
    list_push_back(&server->listeners, &l->link);
    return 0;
}

bool http_address_is_loopback(const char *address)
{
    struct in_addr in;
    struct in6_addr in6;
    char text[INET6_ADDRSTRLEN + 2];
    size_t len = strlen(address);
    if (len >= sizeof text)
        return false;
    if (*address == '[' && address[len - 1] == ']') {
        memcpy(text, address + 1, len - 2);
        text[len - 2] = '\0';
    } else {
        memcpy(text, address, len + 1);
    }
    if (inet_pton(AF_INET, text, &in) == 1)
        return (ntohl(in.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, text, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
}

static int parse_address(const char *address, struct sockaddr_storage *out, int *len, struct err *e)
{
    *len = sizeof *out;
    const char *colon = strrchr(address, ':');
    bool has_port = colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1);
    char text[128];
    size_t n = strlen(address);
    if (has_port && *address == ':' && n < sizeof text - 8) /* ":9153": every address */
        (void)snprintf(text, sizeof text, "[::]%s", address);
    else
        (void)snprintf(text, sizeof text, "%s", address);
    if (!has_port || n >= sizeof text - 8 || strtoul(colon + 1, NULL, 10) > 65535)
        return err_set(e, ERR_INVALID, "%s: expected ADDRESS:PORT", address);
    /* libevent's parser takes no port 0. */
    char *port = strrchr(text, ':');
    unsigned long number = strtoul(port + 1, NULL, 10);
    if (number == 0)
        memcpy(port, ":1", 3);
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)out, len) < 0)
        return err_set(e, ERR_INVALID, "%s: expected ADDRESS:PORT", address);
    if (number == 0 && out->ss_family == AF_INET)
        ((struct sockaddr_in *)(void *)out)->sin_port = 0;
    else if (number == 0)
        ((struct sockaddr_in6 *)(void *)out)->sin6_port = 0;
    return 0;
}

static char *bound_address(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    char text[INET6_ADDRSTRLEN];
    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        return xstrdup("");
    if (addr.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &addr, sizeof in);
        (void)inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
        return xasprintf("%s:%u", text, ntohs(in.sin_port));
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, &addr, sizeof in6);
    (void)inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
    return xasprintf("[%s]:%u", text, ntohs(in6.sin6_port));
}

int http_listen_tcp(struct http_server *server, const char *address, const struct http_tls *tls,
                    struct err *e)
{
    struct sockaddr_storage addr = {0};
    int len, rc = parse_address(address, &addr, &len, e);
    if (rc < 0)
        return rc;
    struct http_listener *l = listener_new(server);
    if (tls) {
        l->tls = tls->ctx;
        CHECK(SSL_CTX_up_ref(l->tls) == 1);
    }
    rc = listen_on(server, (const struct sockaddr *)&addr, (socklen_t)len, l, e, address);
    if (rc < 0) {
        listener_free(l);
        return rc;
    }
    l->address = bound_address(evconnlistener_get_fd(l->ev));
    list_push_back(&server->listeners, &l->link);
    return 0;
}

void http_server_set_tls(struct http_server *server, const struct http_tls *tls)
{
    LIST_FOREACH(it, &server->listeners)
    {
        struct http_listener *l = LIST_ENTRY(it, struct http_listener, link);
        if (!l->tls)
            continue;
        SSL_CTX_free(l->tls);
        l->tls = tls->ctx;
        CHECK(SSL_CTX_up_ref(l->tls) == 1);
    }
}

static const struct http_listener *tcp_listener(const struct http_server *server, size_t i)
{
    LIST_FOREACH(it, &server->listeners)
    {
        const struct http_listener *l = LIST_ENTRY(it, struct http_listener, link);
        if (l->address && i-- == 0)
            return l;
    }
    return NULL;
}

bool http_address_is_tls(const struct http_server *server, size_t i)
{
    const struct http_listener *l = tcp_listener(server, i);
    return l && l->tls;
}

size_t http_address_count(const struct http_server *server)
{
    size_t count = 0;
    LIST_FOREACH(it, &server->listeners)
    count += LIST_ENTRY(it, struct http_listener, link)->address != NULL;
    return count;
}

const char *http_address(const struct http_server *server, size_t i)
{
    const struct http_listener *l = tcp_listener(server, i);
    return l ? l->address : NULL;
}

/* ---- metrics ---- */

static void collect(struct buf_out *out, const struct metric_family *family, void *arg)
{
    metrics_sample(out, family->name, NULL, *(const double *)arg);
}

void http_metrics_register(void)
{
    static const struct metric_family families[] = {
        {"ordinald_http_connections", METRIC_GAUGE, "Open connections.", collect,
         &http_counters.connections_now},
        {"ordinald_http_connections_total", METRIC_COUNTER, "Connections accepted.", collect,
         &http_counters.connections},
        {"ordinald_http_refused_total", METRIC_COUNTER,
         "Connections and requests refused before they were routed.", collect,
         &http_counters.refused},
        {"ordinald_http_tls_failures_total", METRIC_COUNTER,
         "TLS handshakes that failed or took too long.", collect, &http_counters.tls_failures},
        {"ordinald_http_accept_errors_total", METRIC_COUNTER,
         "Failures of accept, such as no descriptors left.", collect, &http_counters.accept_errors},
        {"ordinald_http_received_bytes_total", METRIC_COUNTER, "Bytes of requests.", collect,
         &http_counters.received_bytes},
        {"ordinald_http_sent_bytes_total", METRIC_COUNTER, "Bytes of replies.", collect,
         &http_counters.sent_bytes},
    };
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        metrics_register(&families[i]);
}
