#include "dns/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

#define RECEIVE_BUFFER (4 << 20)
#define TCP_BACKLOG    1024
#define PORT_TRIES     32
#ifndef IPV6_PMTUDISC_OMIT
#define IPV6_PMTUDISC_OMIT 5
#endif

int listen_parse(const char *text, struct listen_address *out, struct err *e)
{
    char host[LISTEN_TEXT_MAX];
    const char *colon = strrchr(text, ':');
    bool is_bracketed = text[0] == '[';
    size_t skip = is_bracketed ? 1 : 0;
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool is_sound = colon && len < sizeof host && len >= 2 * skip + 1 && colon[1] != '\0' &&
                    strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
                    strlen(colon + 1) <= 5 && strtoul(colon + 1, NULL, 10) <= UINT16_MAX &&
                    (!is_bracketed || colon[-1] == ']');
    struct addrinfo hints = {.ai_family = is_bracketed ? AF_INET6 : AF_INET,
                             .ai_socktype = SOCK_DGRAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (is_sound) {
        memcpy(host, text + skip, len - 2 * skip);
        host[len - 2 * skip] = '\0';
        is_sound = getaddrinfo(host, colon + 1, &hints, &found) == 0;
    }
    if (!is_sound)
        return err_set(e, ERR_INVALID, "dns.listen %s: expected ADDRESS:PORT or [ADDRESS]:PORT",
                       text);
    *out = (struct listen_address){.option = text};
    memcpy(&out->at, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    out->is_wildcard = is_bracketed ? IN6_IS_ADDR_UNSPECIFIED(&out->at.v6.sin6_addr)
                                    : out->at.v4.sin_addr.s_addr == htonl(INADDR_ANY);
    return 0;
}

static bool is_v6(const struct listen_address *a)
{
    return a->at.any.sa_family == AF_INET6;
}

static socklen_t length_of(const struct listen_address *a)
{
    return is_v6(a) ? sizeof a->at.v6 : sizeof a->at.v4;
}

uint16_t listen_port(const struct listen_address *a)
{
    return ntohs(is_v6(a) ? a->at.v6.sin6_port : a->at.v4.sin_port);
}

static void set_port(struct listen_address *a, in_port_t port)
{
    if (is_v6(a))
        a->at.v6.sin6_port = port;
    else
        a->at.v4.sin_port = port;
}

void listen_format(const struct listen_address *a, char out[LISTEN_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
    CHECK(getnameinfo(&a->at.any, length_of(a), host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0);
    (void)snprintf(out, LISTEN_TEXT_MAX, is_v6(a) ? "[%s]:%u" : "%s:%u", host,
                   (unsigned)listen_port(a));
}

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value,
                     sizeof value); /* without it the socket works as well */
}

static void tune_udp(int fd, const struct listen_address *a)
{
    int size = RECEIVE_BUFFER;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, size);
    int omit = IP_PMTUDISC_OMIT; /* */
    if (is_v6(a)) {
        int omit6 = IPV6_PMTUDISC_OMIT;
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &omit6, sizeof omit6) < 0)
            set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
        if (a->is_wildcard)
            set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    } else {
        if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof omit) < 0)
            set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
        if (a->is_wildcard)
            set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    }
}

/* A bound (TCP: listening) socket, or -1 with errno. is_shared: with SO_REUSEPORT. */
static int open_one(const struct listen_address *a, int type, bool is_shared)
{
    int fd = socket(a->at.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (is_v6(a))
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (type == SOCK_STREAM)
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (is_shared)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (type == SOCK_DGRAM)
        tune_udp(fd, a);
    if (bind(fd, &a->at.any, length_of(a)) < 0 ||
        (type == SOCK_STREAM && listen(fd, TCP_BACKLOG) < 0)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static void close_all(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

/* All sockets on the port that *a names; 0 or an errno. */
static int open_all(const struct listen_address *a, int *udp_fds, int *tcp_fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        udp_fds[i] = open_one(a, SOCK_DGRAM, true);
        tcp_fds[i] = udp_fds[i] < 0 ? -1 : open_one(a, SOCK_STREAM, true);
        if (tcp_fds[i] < 0) {
            int saved = errno;
            close_all(udp_fds, udp_fds[i] < 0 ? i : i + 1);
            close_all(tcp_fds, i);
            return saved;
        }
    }
    return 0;
}

/* Binds without sharing for a moment: fails when somebody else is there. Port 0 becomes the one
 * that was picked. 0 or an errno. */
static int probe(struct listen_address *a)
{
    int udp = open_one(a, SOCK_DGRAM, false);
    if (udp < 0)
        return errno;
    struct listen_address bound = *a;
    socklen_t len = length_of(a);
    CHECK(getsockname(udp, &bound.at.any, &len) == 0);
    set_port(a, is_v6(&bound) ? bound.at.v6.sin6_port : bound.at.v4.sin_port);
    int tcp = open_one(a, SOCK_STREAM, false);
    int rc = tcp < 0 ? errno : 0;
    close(udp);
    if (tcp >= 0)
        close(tcp);
    return rc;
}

static bool is_same_host(const struct listen_address *a, const struct listen_address *b)
{
    if (is_v6(a))
        return memcmp(&a->at.v6.sin6_addr, &b->at.v6.sin6_addr, 16) == 0 &&
               a->at.v6.sin6_scope_id == b->at.v6.sin6_scope_id;
    return a->at.v4.sin_addr.s_addr == b->at.v4.sin_addr.s_addr;
}

bool listen_is_same(const struct listen_address *a, const struct listen_address *b)
{
    return is_v6(a) == is_v6(b) && listen_port(a) == listen_port(b) && is_same_host(a, b);
}

bool listen_overlap(const struct listen_address *a, const struct listen_address *b)
{
    return is_v6(a) == is_v6(b) && listen_port(a) == listen_port(b) &&
           (a->is_wildcard || b->is_wildcard || is_same_host(a, b));
}

int listen_open(struct listen_address *a, bool is_beside_ours, int *udp_fds, int *tcp_fds,
                unsigned count, struct err *e)
{
    bool picks = listen_port(a) == 0;
    int rc = EADDRINUSE;
    for (int tries = picks ? PORT_TRIES : 1; tries > 0 && rc == EADDRINUSE; tries--) {
        if (picks)
            set_port(a, 0);
        rc = is_beside_ours ? 0 : probe(a);
        if (rc == 0)
            rc = open_all(a, udp_fds, tcp_fds, count);
    }
    return rc == 0 ? 0 : err_set(e, ERR_IO, "dns.listen %s: %s", a->option, strerrordesc_np(rc));
}
