/* dns/message.h - a response being written: header, question, room, OPT and its options, TSIG
 * error. Private to dns/answer.
 *
 * message_begin copies the question and sets the limit so that OPT and what was asked to be in it
 * always fit behind the records (K-SIZE: OPT is kept); message_end writes them and the header. One
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/answer.h"
#include "dns/wire.h"

#define CLASS_CH 3

enum { FLAG_RA = 0x80, FLAG_CD = 0x10 }; /* of the header's fourth octet */

enum ede_code { /* RFC 8914 */
                EDE_NONE = -1,
                EDE_OTHER = 0, /* with the text in ctx->why */
                EDE_STALE = 3,
                EDE_NOT_READY = 14,
                EDE_PROHIBITED = 18,
                EDE_NOT_AUTHORITATIVE = 20,
                EDE_NOT_SUPPORTED = 21,
                EDE_NO_AUTHORITY = 22,
                EDE_NETWORK = 23
};

struct message {
    struct dns_context *ctx;
    const struct dns_peer *peer;
    uint8_t *out;
    size_t len;   /* written so far */
    size_t limit; /* records end here */
    size_t room;  /* the message ends here */
    uint16_t answers, authorities, additionals;
    enum dns_rcode rcode;
    enum ede_code ede;
    bool truncated, is_authoritative;
    bool is_forwarded; /* holds what an upstream said */
    uint8_t flags;     /* RA for who may recurse, CD */
    bool is_dropped;   /* no answer at all */
};

/* 64 bits of the context's own generator; not for secrets. */
uint64_t message_chance(struct message *m);

void message_begin(struct message *m, struct dns_context *ctx, const struct dns_peer *peer,
                   const struct query *q, uint8_t *out, size_t room);
/* Takes back every record. */
void message_clear(struct message *m, const struct query *q);
/* An error instead of an answer: AA=0; whoever has written records clears them. */
void message_fail(struct message *m, enum dns_rcode rcode, enum ede_code ede);
/* False when not loaded yet, or without the source for too long: never a denial.
 * version may be NULL. */
bool message_is_ready(const struct message *m, const struct zone_version *version);
/* The request has an OPT: the room kept for it says so. */
static inline bool message_has_opt(const struct message *m)
{
    return m->limit < m->room;
}
/* The others come with records. YXDOMAIN, of an upstream, has those that led to it (RFC 6672). */
static inline bool message_is_error(const struct message *m)
{
    return m->rcode != RCODE_NOERROR && m->rcode != RCODE_NXDOMAIN && m->rcode != RCODE_YXDOMAIN;
}
/* Returns the length of the whole message. with_tsig: ends with the unsigned BADKEY of RFC 8945
 * section 5.2.1. */
size_t message_end(struct message *m, const struct query *q, bool with_tsig);
