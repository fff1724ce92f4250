/* dns/counters.h - what a worker counts.
 *
 * One struct per worker on its own cache lines; only its worker writes, with relaxed stores, so an
 * increment is a plain add. Anybody may read and sum. */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

enum dns_proto { DNS_UDP, DNS_TCP, DNS_PROTOS };

enum dns_drop {
    DROP_SHORT,      /* fewer than 12 octets */
    DROP_QR,         /* a response */
    DROP_PORT,       /* source port 0, 7, 13, 19, 37, or an error that would go to 464 */
    DROP_ACL,        /* access.query with access.denied: drop */
    DROP_ERROR_RATE, /* FORMERR or NOTIMP beyond the limit */
    DROP_OVERLOAD,   /* the socket would not take the answer */
    DROP_SEND,       /* the kernel refused the destination */
    DROP_CLIENT,     /* beyond dns.client-limit */
    DROP_REASONS
};

enum dns_tcp_close {
    TCP_CLOSE_CLIENT,   /* end of stream, everything answered */
    TCP_CLOSE_RESET,    /* reset or another socket error */
    TCP_CLOSE_IDLE,     /* nothing asked for dns.tcp-idle */
    TCP_CLOSE_MESSAGE,  /* a message took too long to arrive */
    TCP_CLOSE_STALLED,  /* the client does not read its answers */
    TCP_CLOSE_SHORT,    /* a message of fewer than 12 octets */
    TCP_CLOSE_EVICTED,  /* the oldest idle one made room */
    TCP_CLOSE_REFUSED,  /* a limit was reached and nothing was idle */
    TCP_CLOSE_TRANSFER, /* a transfer beyond its limits */
    TCP_CLOSE_STOP,     /* shutdown */
    TCP_CLOSE_REASONS
};

enum dns_edns_error { EDNS_MALFORMED, EDNS_BADVERS, EDNS_BAD_COOKIE, EDNS_ERRORS };

enum dns_transfer {
    TRANSFER_DONE,    /* to the last SOA */
    TRANSFER_DENIED,  /* access.transfer */
    TRANSFER_QUOTA,   /* too many at once */
    TRANSFER_CLOSED,  /* the client closed or reset the connection */
    TRANSFER_STALLED, /* the client did not read */
    TRANSFER_TIME,    /* longer than TRANSFER_TIME_US */
    TRANSFER_MEMORY,  /* its version held back too much (TRANSFER_PIN_BYTES) */
    TRANSFER_RECORD,  /* a record fits into no message */
    TRANSFER_STOP,    /* shutdown */
    TRANSFER_RESULTS
};

#define DNS_RCODES 17 /* 0..16 (BADVERS) */

struct dns_counters {
    alignas(64) _Atomic uint64_t queries[DNS_PROTOS];
    _Atomic uint64_t responses[DNS_PROTOS][DNS_RCODES];
    _Atomic uint64_t truncated[DNS_PROTOS];
    _Atomic uint64_t drops[DROP_REASONS];
    _Atomic uint64_t edns_errors[EDNS_ERRORS];
    _Atomic uint64_t tcp_opened;
    _Atomic uint64_t tcp_closed[TCP_CLOSE_REASONS];
    _Atomic uint64_t transfers[TRANSFER_RESULTS];
    _Atomic uint64_t transfers_begun; /* what has begun and not ended is running */
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static inline uint64_t counter_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Label values: "noerror", "badvers" (NULL where nothing is counted), "short", "idle", "malformed".
 */
const char *counters_rcode_word(unsigned rcode);
const char *counters_drop_word(enum dns_drop reason);
const char *counters_close_word(enum dns_tcp_close reason);
const char *counters_edns_word(enum dns_edns_error kind);
const char *counters_transfer_word(enum dns_transfer result);
