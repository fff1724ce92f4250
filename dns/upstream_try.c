#include "dns/upstream_try.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"
#include "dns/tcp_frames.h"
#include "dns/wire.h"

#define TRY_MAGIC    0x74727975U
#define DATAGRAM_MAX 4096 /* we announce less */
#define PORT_FIRST   1024
#define PORT_TRIES   8
#define MESSAGES_MAX 16 /* read per event: who sends more has to wait */
#define STREAM_READ  16384

struct upstream_try {
    unsigned magic;
    int fd;
    enum dns_proto proto;
    struct event event;
    struct upstream_tries *tries;
    void *arg;
    bool *was_freed; /* set while on_message runs */
    struct tcp_frames frames;
    size_t held_bytes; /* as it is in tries->held_bytes */
    size_t sent, len;  /* TCP: of query */
    uint8_t query[2 + TRY_QUERY_MAX];
};

static struct upstream_try *try_from(void *arg)
{
    struct upstream_try *t = arg;
    CHECK(t && t->magic == TRY_MAGIC);
    return t;
}

/* False when the owner has freed the try meanwhile. */
static bool tell(struct upstream_try *t, const uint8_t *bytes, size_t len)
{
    bool was_freed = false;
    t->was_freed = &was_freed;
    t->tries->on_message(t->arg, t, bytes, len);
    if (!was_freed)
        t->was_freed = NULL;
    return !was_freed;
}

static bool is_transient(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* Nothing more comes from here. */
static void give_up(struct upstream_try *t)
{
    event_del(&t->event);
    (void)tell(t, NULL, 0);
}

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct upstream_try *t = try_from(arg);
    uint8_t bytes[DATAGRAM_MAX];
    for (int i = 0; i < MESSAGES_MAX; i++) {
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0) {
            if (!is_transient(errno))
                give_up(t); /* ECONNREFUSED by ICMP */
            return;
        }
        if (!tell(t, bytes, (size_t)n))
            return;
    }
}

/* A random port, so that answers cannot be aimed at (RFC 5452 section 9.2); if those tried are
 * taken, the kernel's choice. */
static void bind_random(int fd, int family)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + random_below(UINT16_MAX + 1U - PORT_FIRST));
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        int rc = family == AF_INET ? bind(fd, (const struct sockaddr *)&v4, sizeof v4)
                                   : bind(fd, (const struct sockaddr *)&v6, sizeof v6);
        if (rc == 0)
            return;
    }
}

static bool start_udp(struct upstream_try *t, const struct forward_address *to)
{
    bind_random(t->fd, to->at.any.sa_family);
    if (connect(t->fd, &to->at.any, to->len) < 0)
        return false;
    ssize_t n = send(t->fd, t->query + 2, t->len - 2, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && !is_transient(errno) && errno != ENOBUFS)
        return false; /* else it is lost, as others are on their way */
    CHECK(event_assign(&t->event, t->tries->base, t->fd, EV_READ | EV_PERSIST, on_datagram, t) ==
          0);
    return event_add(&t->event, NULL) == 0;
}

/* ---- TCP: connect, write the query, read messages ---- */

static void count_held(struct upstream_try *t, size_t bytes)
{
    bool is_more = bytes > t->held_bytes;
    t->tries->held_bytes += bytes - t->held_bytes;
    t->held_bytes = bytes;
    if (is_more)
        t->tries->on_held(t->tries);
}

static void on_stream(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct upstream_try *t = try_from(arg);
    uint8_t bytes[STREAM_READ];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && is_transient(errno))
        return;
    if (n <= 0) {
        give_up(t);
        return;
    }
    tcp_frames_append(&t->frames, bytes, (size_t)n);
    for (;;) {
        const uint8_t *message;
        size_t len;
        enum tcp_frame frame = tcp_frames_next(&t->frames, &message, &len);
        if (frame == TCP_NEED_MORE) {
            tcp_frames_trim(&t->frames);
            count_held(t, t->frames.cap);
            return;
        }
        if (frame == TCP_TOO_SHORT) {
            give_up(t);
            return;
        }
        if (!tell(t, message, len))
            return;
    }
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct upstream_try *t = try_from(arg);
    ssize_t n = send(fd, t->query + t->sent, t->len - t->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && !is_transient(errno)) {
        give_up(t);
        return;
    }
    if (n > 0)
        t->sent += (size_t)n;
    if (t->sent < t->len)
        return;
    event_del(&t->event);
    CHECK(event_assign(&t->event, t->tries->base, fd, EV_READ | EV_PERSIST, on_stream, t) == 0);
    CHECK(event_add(&t->event, NULL) == 0);
}

static bool start_tcp(struct upstream_try *t, const struct forward_address *to)
{
    int on = 1;
    (void)setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(t->fd, &to->at.any, to->len) < 0 && errno != EINPROGRESS)
        return false;
    CHECK(event_assign(&t->event, t->tries->base, t->fd, EV_WRITE | EV_PERSIST, on_connected, t) ==
          0);
    return event_add(&t->event, NULL) == 0;
}

struct upstream_try *upstream_try_new(struct upstream_tries *tries,
                                      const struct forward_address *to, enum dns_proto proto,
                                      const uint8_t *query, size_t len, void *arg)
{
    CHECK(len <= TRY_QUERY_MAX);
    int type = proto == DNS_UDP ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(to->at.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    struct upstream_try *t = xcalloc(1, sizeof *t);
    t->magic = TRY_MAGIC;
    t->fd = fd;
    t->proto = proto;
    t->tries = tries;
    t->arg = arg;
    t->len = 2 + len;
    memcpy(put16(t->query, (uint16_t)len), query, len);
    if (proto == DNS_UDP ? start_udp(t, to) : start_tcp(t, to))
        return t;
    int error = errno;
    close(fd);
    free(t);
    errno = error;
    return NULL;
}

void upstream_try_free(struct upstream_try *t)
{
    if (!t)
        return;
    if (t->was_freed)
        *t->was_freed = true;
    event_del(&t->event);
    close(t->fd);
    tcp_frames_fini(&t->frames);
    count_held(t, 0);
    t->magic = 0;
    free(t);
}

size_t upstream_try_held_bytes(const struct upstream_try *t)
{
    return t ? t->held_bytes : 0;
}
