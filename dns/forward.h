/* dns/forward.h - names that are not ours, relayed to upstream resolvers (dns-protocol section 11).
 *
 * One forwarder per worker, on the worker's event base; nothing is shared with the others but
 * constants. Whoever wants an answer hands in a waiter in its own storage and is called back once,
 * never from inside forward_ask. Identical questions share one upstream query. An upstream query
 * asks the upstreams of its zone one after the other until one answers or the time is over;
 * each attempt has a socket, a port and an ID of its own.
 *
 * Everything is bounded: queries in flight, waiters, their memory, attempts, sockets; above a bound
 * the oldest query fails. Starting queries is put off until the events at hand have been
 * served and done in small portions, so that local names do not wait for it. */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "dns/answer.h"
#include "dns/forward_conf.h"

#define FORWARD_QUERIES_MAX       1024 /* per worker, as all below */
#define FORWARD_STREAMS_MAX       128  /* of them, those by TCP, with connections of their own */
#define FORWARD_WAITERS_MAX       8192
#define FORWARD_WAITERS_PER_QUERY 256
#define FORWARD_WAITER_BYTES_MAX  (8UL << 20)
#define FORWARD_HELD_BYTES_MAX    (4UL << 20) /* parts of messages from upstreams */
#define FORWARD_MISMATCHES        8           /* then TCP */

enum forward_result {
    FORWARD_NOERROR,
    FORWARD_NXDOMAIN,
    FORWARD_SERVFAIL,
    FORWARD_REFUSED,
    FORWARD_OTHER,     /* another RCODE, a referral */
    FORWARD_MALFORMED, /* our question, but unreadable */
    FORWARD_MISMATCH,  /* not our question: ignored */
    FORWARD_TIMEOUT,
    FORWARD_NETWORK, /* refused, reset, unreachable, no socket */
    FORWARD_RESULTS
};
const char *forward_result_word(enum forward_result result);

#define FORWARD_BUCKETS 12 /* of the time to an answer; the last has no bound */
extern const double forward_bucket_s[FORWARD_BUCKETS - 1];

/* Written by the worker, read by anybody, as struct dns_counters. */
struct forward_counters {
    struct {
        _Atomic uint64_t requests[DNS_PROTOS];
        _Atomic uint64_t results[FORWARD_RESULTS];
        _Atomic uint64_t buckets[FORWARD_BUCKETS];
        _Atomic uint64_t took_us;
        _Atomic uint64_t is_down;
    } to[FORWARD_UPSTREAMS_MAX];
    _Atomic uint64_t in_flight;
    _Atomic uint64_t merged;   /* waiters that joined a query in flight */
    _Atomic uint64_t rejected; /* waiters that were given up for newer ones */
    _Atomic uint64_t failed;   /* waiters that no upstream had an answer for */
};

struct forwarder;

struct forward_waiter;
/* answer: for dns_respond_again; borrowed for the call. The waiter is the caller's again. */
typedef void forward_done_fn(struct forward_waiter *waiter, const struct dns_upstream *answer);

struct forward_waiter {
    struct list link;
    struct forward_query *query; /* NULL until it has been started */
    forward_done_fn *done;
    size_t bytes;        /* what it takes, for the bound */
    int64_t deadline_us; /* mono; 0 before the first forward_ask */
    struct dns_relay relay;
    enum dns_proto proto;
    bool is_waiting;
};

/* loop_found: shared by all workers; set when a probe comes back, from then on nothing is asked
 * . probes_loops: this one sends the probe of the start. conf is borrowed. */
struct forwarder *forwarder_new(struct event_base *base, const struct forward_conf *conf,
                                _Atomic bool *loop_found, bool probes_loops);
void forwarder_free(struct forwarder *f); /* NULL is fine; nobody waits any more */
/* Asks for what relay names; waiter->done is set. A waiter that asks again (the chain has led
 * elsewhere meanwhile) keeps its deadline. */
void forward_ask(struct forwarder *f, struct forward_waiter *waiter, const struct dns_relay *relay);
/* The waiter does not want to know any more. Fine when it is not waiting. */
void forward_cancel(struct forwarder *f, struct forward_waiter *waiter);
/* Everybody who waits gets a failure, and so does who asks from now on: at the end of a worker. */
void forward_drain(struct forwarder *f);
const struct forward_counters *forwarder_counters(const struct forwarder *f);
