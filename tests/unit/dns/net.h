/* tests/unit/dns/net.h - a server over the fixture, and clients of it. Every wait is for something
 * to arrive. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/server.h"
#include "dns/server_private.h"
#include "packet.h"
#include "zone_fixture.h"

#define WORKERS 3
#define K0      "db-0.db.prod.svc.cluster.local"
enum { A = 1 };

struct net {
    struct fixture fixture;
    struct dns_server *server;
};

static const char *const loopback[] = {"127.0.0.1:0", "[::1]:0"};

static inline struct dns_opts options(void)
{
    static const char *const any[] = {"any"};
    return (struct dns_opts){.listen = loopback,
                             .listen_count = 2,
                             .workers = WORKERS,
                             .udp_size = 1232,
                             .rotate = true,
                             .tcp_idle_us = 10000000,
                             .tcp_max = 100,
                             .tcp_max_per_client = 100,
                             .cookies = true,
                             .query_acl = any,
                             .query_acl_count = 1};
}

static inline struct net *net_bind(const struct dns_opts *opts)
{
    struct net *n = calloc(1, sizeof *n);
    struct err e;
    fixture_init(&n->fixture, true);
    if (dns_server_bind(opts, zones_publish(n->fixture.zones), &n->server, &e) < 0)
        fail_msg("%s", e.text);
    return n;
}

static inline struct net *net_start(const struct dns_opts *opts)
{
    struct net *n = net_bind(opts);
    assert_int_equal(dns_server_start(n->server, NULL), 0);
    return n;
}

static inline void net_stop(struct net *n)
{
    dns_server_stop(n->server);
    fixture_fini(&n->fixture);
    free(n);
}

static inline int dial(const struct net *n, size_t address, int type)
{
    const char *text = dns_server_address(n->server, address);
    uint16_t port = (uint16_t)strtoul(strrchr(text, ':') + 1, NULL, 10);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    bool is_v6 = text[0] == '[';
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = 10};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    int on = 1;
    if (type == SOCK_STREAM)
        assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    assert_int_equal(is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof v6)
                           : connect(fd, (struct sockaddr *)&v4, sizeof v4),
                     0);
    return fd;
}

static inline void send_all(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads exactly len octets; false at the end of the stream or on a reset. */
static inline bool read_all(int fd, uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, out, len, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return false;
        if (n < 0)
            fail_msg("no answer: %s", strerrordesc_np(errno));
        out += n;
        len -= (size_t)n;
    }
    return true;
}

static inline struct packet framed(unsigned id, const char *name, unsigned type)
{
    struct packet p, out = {.len = 0};
    packet_query(&p, name, type);
    packet_set16(&p, 0, id);
    packet_put16(&out, (unsigned)p.len);
    packet_put(&out, p.bytes, p.len);
    return out;
}

/* The next framed response's ID, parsed strictly; -1 at the end of the stream. */
static inline int next_id(int fd, unsigned *answers)
{
    uint8_t head[2];
    static uint8_t bytes[65536];
    if (!read_all(fd, head, 2))
        return -1;
    size_t len = (size_t)head[0] << 8 | head[1];
    assert_true(read_all(fd, bytes, len));
    struct response r = strict_parse(bytes, len);
    if (answers)
        *answers = r.count[1];
    response_fini(&r);
    return bytes[0] << 8 | bytes[1];
}
