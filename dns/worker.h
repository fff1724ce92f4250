/* dns/worker.h - one thread that answers: event base, sockets, buffers, counters, and its slot of
 * the zones' publish.
 *
 * A batch of messages is answered between worker_enter and worker_leave, from one version. Private
 * to dns/. What the workers share is constant, atomic, or the TCP registry. Everything here but
 * worker_new, worker_start, worker_stop and worker_free runs on the worker's thread. */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/err.h"
#include "base/list.h"
#include "base/publish.h"
#include "dns/answer.h"
#include "dns/error_limit.h"
#include "dns/forward.h"
#include "dns/query_log.h"
#include "dns/tcp_registry.h"

struct worker;

/* R-085; a server's own are set by dns_server_start, tests set shorter ones. */
struct tcp_timing {
    int64_t idle_us;    /* between messages */
    int64_t first_us;   /* from accept to the end of the first message */
    int64_t message_us; /* from the first octet of a message to its last */
    int64_t stall_us;   /* without progress while answers wait to be sent */
};

/* Of transfers: dns/tcp_transfers.h; tests set lower ones. */
struct transfer_limits {
    int64_t transfer_us;
    uint64_t transfer_pin_bytes;
};

struct dns_shared {
    _Atomic(const struct answer_opts *) answer; /* newest; dns/server frees them */
    struct client_limit clients;
    struct publish *zones;
    struct tcp_timing timing;
    struct transfer_limits limits;
    struct tcp_registry registry;
    struct forward_conf forward;
    _Atomic bool loop_found;        /* an upstream is this server */
    _Atomic int64_t stale_since_us; /* mono, 0: the source is there */
    struct worker **workers;
    unsigned worker_count;
};

struct udp_socket {
    struct worker *worker;
    uint64_t number; /* of the address; never used twice */
    int fd;
    bool has_pktinfo; /* bound to a wildcard: answers name their source */
    unsigned users;   /* answers that wait for an upstream, and the listener while it is there */
    struct event event;
};

struct tcp_listener {
    struct worker *worker;
    int fd;
    struct event event, pause; /* pause: accept again after running out of descriptors */
};

struct udp_batch;     /* dns/udp.c */
struct listen_change; /* dns/listener.c */
struct tcp_io;        /* dns/tcp.c */

#define WORKER_MAGIC 0x776f726bU

struct worker {
    unsigned magic;
    unsigned index;
    struct dns_shared *shared;
    struct event_base *base;
    struct event wake, beat;
    int wake_fd;  /* eventfd: evictions, options, listeners, stop */
    int spare_fd; /* given up to accept and close when descriptors run out */
    pthread_t thread;
    bool is_running;
    _Atomic bool must_stop;
    _Atomic int64_t beat_us;                 /* mono time of the last pass, 0: none yet */
    int64_t now_us;                          /* mono, as of worker_enter */
    struct list listeners;                   /* dns/listener.h */
    _Atomic(struct listen_change *) changes; /* of listeners, not yet seen */
    struct list conns;
    struct list transfers; /* running, of all connections */
    struct udp_batch *batch;
    struct tcp_io *tcp_io;
    struct error_limit errors;
    struct forwarder *forward; /* NULL: names outside are REFUSED */
    struct query_log query_log;
    _Atomic uint64_t opts_number; /* of the options it uses: no older ones any more */
    struct dns_context ctx;
    struct dns_counters counters;
};

static inline struct worker *worker_from(void *arg)
{
    struct worker *w = arg;
    CHECK(w && w->magic == WORKER_MAGIC);
    return w;
}

/* Without sockets; they come by dns/listener.h, before the start too. */
struct worker *worker_new(struct dns_shared *shared, unsigned index);
int worker_start(struct worker *w, struct err *e);
/* Asks the thread to drain and end. Any thread. */
void worker_stop(struct worker *w);
void worker_join(struct worker *w); /* NULL is fine */
/* Joined, or never started. */
void worker_free(struct worker *w); /* NULL is fine */
void worker_wake(struct worker *w); /* any thread */

/* Address and port of an AF_INET or AF_INET6 socket address. */
static inline void peer_from(struct dns_peer *peer, const struct sockaddr *from)
{
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)from;
        memcpy(peer->addr, &v4->sin_addr, 4);
        peer->addr_len = 4;
        peer->port = ntohs(v4->sin_port);
    } else {
        const struct sockaddr_in6 *v6 = (const void *)from;
        memcpy(peer->addr, &v6->sin6_addr, 16);
        peer->addr_len = 16;
        peer->port = ntohs(v6->sin6_port);
    }
}

/* The version to answer from (NULL: none published); sets the times of the context. */
const struct zone_version *worker_enter(struct worker *w);
void worker_leave(struct worker *w);
/* dns_respond between the two, and the query log. */
size_t worker_respond(struct worker *w, const struct zone_version *version,
                      const struct dns_peer *peer, const uint8_t *packet, size_t len, uint8_t *out,
                      size_t room);
