/* dns/reply.h - what an upstream resolver sent: is it the answer to our question, and which of its
 * records are.
 *
 * reply_check walks the whole message once and keeps a table of its records. reply_copy writes into
 * a message of ours the CNAME chain from the question and the set at its end, or the SOA and the
 * proofs of a denial: nothing else that the upstream may have put there, so no record arrives that
 * does not follow from the question. Pure; a struct reply borrows the message and belongs to one
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/message.h"
#include "zones/name.h"

#define REPLY_RECORDS_MAX 4500 /* more than 64 KiB of addresses */
#define REPLY_LINKS       11   /* */

enum reply_kind {
    REPLY_MISMATCH,   /* answers something else: counted, ignored */
    REPLY_OTHER_CASE, /* as if to our question, but its name is spelt otherwise */
    REPLY_BROKEN,     /* to this question, but unreadable or too long a chain: no answer */
    REPLY_NO_EDNS, /* FORMERR, NOTIMP or BADVERS to a query with OPT: to be asked without */
    REPLY_FAILED,  /* SERVFAIL, REFUSED, a referral: the next upstream may know */
    REPLY_ANSWER   /* NOERROR, NXDOMAIN, YXDOMAIN */
};

struct reply_record {
    uint32_t owner_hash, ttl;
    uint16_t owner_at, rdata_at, rdlen; /* offsets in the message */
    uint16_t type;
};

struct reply {
    const uint8_t *bytes; /* borrowed */
    size_t len;
    struct reply_question question;
    enum dns_rcode rcode;
    bool is_truncated;
    int ede; /* code of the first EDE, or EDE_NONE */
    size_t answers, authorities;
    struct reply_record records[REPLY_RECORDS_MAX]; /* answers, then authorities */
};

/* Fills *r for REPLY_ANSWER and REPLY_FAILED (rcode, ede). question: its name spelt as it was sent
 * (0x20); has_edns: the query carried our OPT. */
enum reply_kind reply_check(struct reply *r, const struct reply_question *question, uint16_t id,
                            bool has_edns, const uint8_t *bytes, size_t len);

/* Whether a name is answered here, whatever the upstream says. */
typedef bool reply_is_local_fn(const void *arg, const uint8_t *name);

/* Writes the answer of *r (REPLY_ANSWER) behind what m holds; the name that was asked stands
 * uncompressed in m at name_at. Sets m's TC, not its RCODE. A chain that comes to a local name ends
 * there: returns the offset in m of that name, uncompressed, else 0. */
size_t reply_copy(const struct reply *r, struct message *m, size_t name_at,
                  reply_is_local_fn *is_local, const void *arg);
