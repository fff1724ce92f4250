/* tests/unit/dns/upstream_fixture.h - a server that forwards, and a test that plays its upstreams
 * and clients on loopback, one step after the other: no thread, no sleep. */
#pragma once

#include "dns/server.h"

#include "packet.h"
#include "zone_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/server_private.h"

enum { A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, AAAA = 28 };
#define PATIENCE_MS 20000

struct upstream_end { /* our end of an upstream */
    int udp, tcp;     /* the same port */
    char text[32];
};

struct forwarding {
    struct fixture fixture;
    struct dns_server *server;
    struct upstream_end up[2];
    struct sockaddr_in from; /* of the query taken last */
};

static inline int bound_socket(int type, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof at;
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static inline void upstream_open(struct upstream_end *up)
{
    uint16_t port;
    do {
        port = 0;
        up->tcp = bound_socket(SOCK_STREAM, &port);
        up->udp = bound_socket(SOCK_DGRAM, &port);
        if (up->udp < 0)
            close(up->tcp);
    } while (up->udp < 0);
    assert_int_equal(listen(up->tcp, 16), 0);
    (void)snprintf(up->text, sizeof up->text, "127.0.0.1:%u", port);
}

static const char *const fixture_loopback[] = {"127.0.0.1:0"};
static const char *const fixture_any[] = {"any"};

static inline struct dns_opts forwarding_options(void)
{
    return (struct dns_opts){.listen = fixture_loopback,
                             .listen_count = 1,
                             .workers = 1,
                             .udp_size = 1232,
                             .rotate = true,
                             .tcp_idle_us = 10000000,
                             .tcp_max = 100,
                             .tcp_max_per_client = 100,
                             .cookies = true,
                             .query_acl = fixture_any,
                             .query_acl_count = 1,
                             .recurse_acl = fixture_any,
                             .recurse_acl_count = 1,
                             .forward_timeout_us = INT64_C(1000) * PATIENCE_MS};
}

/* `count` upstreams for everything, unless opts names its own. try_least_us: below it nobody is
 * asked again, however slow the test is. */
static inline struct forwarding *forwarding_start_with(struct dns_opts opts, size_t count,
                                                       int64_t try_least_us)
{
    struct forwarding *f = calloc(1, sizeof *f);
    struct err e;
    fixture_init(&f->fixture, true);
    const char *texts[2];
    for (size_t i = 0; i < 2; i++) {
        upstream_open(&f->up[i]);
        texts[i] = f->up[i].text;
    }
    if (!opts.forward_upstream) {
        opts.forward_upstream = texts;
        opts.forward_upstream_count = count;
    }
    if (dns_server_bind(&opts, zones_publish(f->fixture.zones), &f->server, &e) < 0)
        fail_msg("%s", e.text);
    dns_server_forward(f->server)->try_least_us = try_least_us;
    if (dns_server_start(f->server, &e) < 0)
        fail_msg("%s", e.text);
    return f;
}

/* An upstream is asked once, then waited for until the time is over. */
static inline struct forwarding *forwarding_start(struct dns_opts opts, size_t count)
{
    return forwarding_start_with(opts, count, opts.forward_timeout_us);
}

static inline void forwarding_stop(struct forwarding *f)
{
    dns_server_stop(f->server);
    fixture_fini(&f->fixture);
    for (size_t i = 0; i < 2; i++) {
        close(f->up[i].udp);
        close(f->up[i].tcp);
    }
    free(f);
}

/* ---- the client's side ---- */

static inline int client_open(const struct forwarding *f, int type)
{
    const char *text = dns_server_address(f->server, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port =
                                 htons((uint16_t)strtoul(strrchr(text, ':') + 1, NULL, 10))};
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline struct packet recursive(const char *name, unsigned type)
{
    struct packet p;
    packet_query(&p, name, type);
    p.bytes[2] |= 1;
    return p;
}

static inline void send_packet(int fd, const struct packet *p, bool is_tcp)
{
    struct packet framed = {.len = 0};
    if (is_tcp)
        packet_put16(&framed, (unsigned)p->len);
    packet_put(&framed, p->bytes, p->len);
    assert_int_equal(send(fd, framed.bytes, framed.len, MSG_NOSIGNAL), (ssize_t)framed.len);
}

static inline void receive_all(int fd, uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t n = TEMP_FAILURE_RETRY(recv(fd, out, len, MSG_WAITALL));
        assert_true(n > 0);
        out += n;
        len -= (size_t)n;
    }
}

/* The next message, strictly parsed; bytes: 65535 octets. */
static inline struct response receive(int fd, uint8_t *bytes, bool is_tcp)
{
    ssize_t n;
    if (is_tcp) {
        receive_all(fd, bytes, 2);
        n = bytes[0] << 8 | bytes[1];
        receive_all(fd, bytes, (size_t)n);
    } else {
        n = TEMP_FAILURE_RETRY(recv(fd, bytes, 65535, 0));
        assert_true(n > 0);
    }
    return strict_parse(bytes, (size_t)n);
}

/* Asks for a name of ours, and is answered: what was sent before to the same socket of the server
 * is no longer in it. */
static inline void ask_locally(const struct forwarding *f)
{
    static uint8_t bytes[65535];
    int fd = client_open(f, SOCK_DGRAM);
    const struct packet local = recursive("db-0.db.prod.svc.cluster.local", A);
    send_packet(fd, &local, false);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 0);
    assert_int_equal(r.count[1], 1);
    response_fini(&r);
    close(fd);
}

/* ---- the upstream's side ---- */

static inline bool is_probe(const struct packet *p)
{
    uint8_t folded[sizeof p->bytes];
    name_fold(folded, p->bytes, p->len);
    return memmem(folded, p->len, "loop-check", 10) != NULL;
}

/* The header and question of a query as the beginning of a response: QR, RD, RA. */
static inline struct packet reply_to(const struct packet *query, unsigned rcode)
{
    struct packet p = {.len = 0};
    size_t at = 12;
    while (query->bytes[at] != 0)
        at += 1U + query->bytes[at];
    packet_put(&p, query->bytes, at + 5);
    p.bytes[2] = 0x81;
    p.bytes[3] = (uint8_t)(0x80 | rcode);
    packet_set16(&p, 4, 1);
    packet_set16(&p, 6, 0);
    packet_set16(&p, 8, 0);
    packet_set16(&p, 10, 0);
    return p;
}

static inline void give(struct forwarding *f, size_t up, const struct packet *p)
{
    assert_int_equal(
        sendto(f->up[up].udp, p->bytes, p->len, 0, (struct sockaddr *)&f->from, sizeof f->from),
        (ssize_t)p->len);
}

/* The next query that arrives at an upstream by UDP; probes are answered on the way. */
static inline struct packet take(struct forwarding *f, size_t up)
{
    for (;;) {
        struct packet p;
        socklen_t len = sizeof f->from;
        ssize_t n = TEMP_FAILURE_RETRY(
            recvfrom(f->up[up].udp, p.bytes, sizeof p.bytes, 0, (struct sockaddr *)&f->from, &len));
        if (n < 0)
            fail_msg("no query: %s", strerrordesc_np(errno));
        p.len = (size_t)n;
        if (!is_probe(&p))
            return p;
        const struct packet no = reply_to(&p, 3);
        give(f, up, &no);
    }
}

/* The same by TCP; *fd is the connection to answer on. */
static inline struct packet take_tcp(const struct forwarding *f, size_t up, int *fd)
{
    struct packet p;
    uint8_t head[2];
    *fd = (int)TEMP_FAILURE_RETRY(accept(f->up[up].tcp, NULL, NULL));
    assert_true(*fd >= 0);
    receive_all(*fd, head, 2);
    p.len = (size_t)head[0] << 8 | head[1];
    assert_true(p.len <= sizeof p.bytes);
    receive_all(*fd, p.bytes, p.len);
    return p;
}

/* True when nothing but probes has arrived. */
static inline bool nothing_arrived(const struct forwarding *f, size_t up)
{
    struct packet p;
    ssize_t n;
    while ((n = recv(f->up[up].udp, p.bytes, sizeof p.bytes, MSG_DONTWAIT)) >= 0) {
        p.len = (size_t)n;
        if (!is_probe(&p))
            return false;
    }
    return true;
}

/* Answers every query that arrives at an upstream until the client has its answer. */
static inline void serve_until_answered(struct forwarding *f, size_t up, int client,
                                        void (*fill)(struct packet *))
{
    struct pollfd ends[2] = {{client, POLLIN, 0}, {f->up[up].udp, POLLIN, 0}};
    while (TEMP_FAILURE_RETRY(poll(ends, 2, PATIENCE_MS)) > 0 && !ends[0].revents) {
        struct packet p;
        socklen_t len = sizeof f->from;
        p.len = (size_t)recvfrom(ends[1].fd, p.bytes, sizeof p.bytes, 0,
                                 (struct sockaddr *)&f->from, &len);
        struct packet reply = reply_to(&p, is_probe(&p) ? 3 : 0);
        if (!is_probe(&p))
            fill(&reply);
        give(f, up, &reply);
    }
    assert_true(ends[0].revents);
}
