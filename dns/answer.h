/* dns/answer.h - one packet in, one packet out: the whole of an authoritative answer as a pure
 * function.
 *
 * dns_respond runs the checks of R-001 in order, searches the version it is given, and writes a
 * response from scratch into the caller's room:
 *
 *     | header 12 | question, spliced as received | answer | authority | additional, then OPT, then
 * TSIG | ^ c00c points to the question's name; other owners point to names already written
 *
 * No allocation, no lock, no socket, no clock: what changes with time is set by the caller between
 * batches. A struct dns_context belongs to one thread; its options are shared and constant. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/access.h"
#include "dns/client_limit.h"
#include "dns/cookie.h"
#include "dns/counters.h"
#include "dns/query.h"
#include "zones/reason.h"
#include "zones/zone.h"

#define DNS_UDP_MIN         512
#define DNS_UDP_MAX         4096
#define DNS_TCP_MAX         65535
#define DNS_EDNS_ADVERTISED 1232 /* */
#define DNS_CNAME_LINKS     8    /* K-EXTRULES */
#define DNS_NSID_MAX        128
#define DNS_CHAOS_MAX       255

struct transfer;
struct forward_conf;
struct reply;

struct answer_opts {
    uint16_t udp_size; /* 512..4096 */
    bool rotate;
    struct access_list query_acl;
    struct access_list explain_acl;  /* who is told why a name is not there (access.explain) */
    struct access_list transfer_acl; /* access.transfer */
    bool denied_drop;
    bool cookies;
    struct cookie_secrets secrets;
    uint8_t nsid[DNS_NSID_MAX];
    size_t nsid_len; /* 0: not answered */
    uint8_t chaos[DNS_CHAOS_MAX];
    size_t chaos_len;      /* 0: REFUSED */
    int64_t max_stale_us;  /* 0: no limit */
    uint32_t client_limit; /* dns.client-limit, queries per second; 0: no limit */
    uint32_t log_queries;  /* log.queries: one of so many; 0: none */
    uint64_t number;       /* grows with every reload (dns/server) */
    bool has_random_secret;
    const struct forward_conf *forward; /* borrowed; NULL: names outside are REFUSED */
};

struct reply_question {
    uint8_t name[NAME_MAX_WIRE]; /* lower case */
    size_t name_len;
    uint16_t type;
    bool dnssec_ok, checking_disabled;
};

/* What must be asked of an upstream before there is an answer. */
struct dns_relay {
    bool is_wanted; /* set by dns_respond, cleared by its caller */
    struct reply_question question;
};

/* What came of it. */
struct dns_upstream {
    const struct reply_question *question; /* borrowed */
    const struct reply *reply;             /* dns/reply.h; borrowed; NULL: no upstream answered */
    int ede;                               /* why not */
};

/* Targets of one SRV set, to add each once: slots of a hash table, cleared by the part that is
 * used. */
#define ANSWER_SEEN_SLOTS 8192

struct dns_context {
    const struct answer_opts *opts; /* borrowed */
    struct dns_counters *counters;  /* borrowed; this thread's own */
    uint64_t chance[4];             /* xoshiro256** */
    uint32_t wall_s;                /* Unix time mod 2^32, for cookies */
    int64_t now_us;                 /* mono, for dns.client-limit */
    struct client_limit *clients;   /* borrowed, shared; NULL: never limited */
    uint64_t limited;               /* queries dropped by it in this batch, and of whom the last: */
    uint8_t limited_addr[16], limited_addr_len;
    int64_t stale_us;                /* how long the source has been away, 0: it is there */
    const struct zone_search *ahead; /* for the name in the next packet's question, or NULL */
    const struct zone_node *seen[ANSWER_SEEN_SLOTS];
    char why[REASON_TEXT_MAX]; /* text of the EDE being written */
    size_t why_len;
    /* Storage for a transfer over this stream, its version kept; NULL when the quota is spent, and
     * where there is no such function. Asked only for a client that may have the zone; its
     * first message is the response, the owner writes the others. */
    struct transfer *(*transfer_new)(void *arg);
    void *transfer_arg;
    struct dns_relay relay;
    const struct dns_upstream *upstream; /* during dns_respond_again */
};
/* seed need not be random in tests. */
void dns_context_init(struct dns_context *ctx, const struct answer_opts *opts,
                      struct dns_counters *counters, uint64_t seed);

struct dns_peer {
    uint8_t addr[16]; /* network order */
    uint8_t addr_len; /* 4 or 16 */
    uint16_t port;    /* host order */
    enum dns_proto proto;
    uint16_t
        keepalive_ds; /* TCP: idle time left to the client in 100 ms, 0: about to close */
};

/* True when the packet asks for a name that can be looked for ahead; fills in search->name. What is
 * found with it goes into dns_context.ahead for dns_respond of this very packet, and no other. */
bool dns_look_ahead(const uint8_t *packet, size_t len, struct zone_search *search);

/* The response to one message, or 0: drop it, or, when ctx->relay.is_wanted has become true, ask
 * upstream what it says and then call dns_respond_again with the same message. version may be NULL
 * (nothing published: SERVFAIL). out does not overlap the packet; room is at least max(512,
 * opts->udp_size) for UDP and 65535 for TCP. */
size_t dns_respond(struct dns_context *ctx, const struct zone_version *version,
                   const struct dns_peer *peer, const uint8_t *packet, size_t len, uint8_t *out,
                   size_t room);
/* The response with what an upstream said at hand; the zones may have changed meanwhile, and what
 * they say now counts. 0: another question must be asked (ctx->relay). */
size_t dns_respond_again(struct dns_context *ctx, const struct zone_version *version,
                         const struct dns_peer *peer, const uint8_t *packet, size_t len,
                         const struct dns_upstream *upstream, uint8_t *out, size_t room);
