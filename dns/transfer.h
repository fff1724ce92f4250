/* dns/transfer.h - one version of a zone as a stream of messages: AXFR (RFC 5936), and IXFR
 * answered in its form (RFC 1995 section 4).
 *
 *     SOA | every other record once, in canonical order | SOA          one record: its SOA alone
 *
 * What is sent is what `ordctl dump-zone` prints: the nodes of zone_walk. Names that are made when
 * they are asked for (zone.pods: insecure) are in no version and so in no transfer (K-XFR). Owners
 * are compressed against the owner before and, if it was spelt as we spell it, the question (RFC
 * 5936 section 3.4); RDATA never is. Messages stay below the reach of a pointer, so that every
 * owner can be pointed at; only a record too large for that makes a longer one.
 *
 * Pure: no socket, no lock, no allocation. Whoever owns a struct transfer keeps its version pinned
 * and works on it from one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/query.h"
#include "zones/zone.h"

#define TRANSFER_MESSAGE 16384

enum transfer_stage { XFR_FIRST_SOA, XFR_RECORDS, XFR_LAST_SOA, XFR_OVER };

/* Progress of one transfer. */
struct transfer {
    const struct zone_apex *apex; /* borrowed from the version */
    enum transfer_stage stage;
    bool has_failed; /* a record fits into no message */
    uint16_t id;     /* of the request; with_rd: its RD */
    bool with_rd;
    uint64_t records; /* written so far */
    struct zone_walk walk;
    const struct zone_node *node; /* being sent, from record record_at of set set_at on */
    size_t set_at, record_at;
};

/* version and apex are borrowed for the life of *t. soa_only: the answer to a client that has this
 * serial already. */
void transfer_init(struct transfer *t, const struct zone_version *version,
                   const struct zone_apex *apex, const struct query *q, bool soa_only);

/* Appends to the message as many whole records as end before `limit`, from offset len on, and moves
 * *t behind them. question: the name at offset 12, NULL when there is none. Returns the new length;
 * *records gets how many were written. */
size_t transfer_fill(struct transfer *t, const uint8_t *question, uint8_t *message, size_t len,
                     size_t limit, uint16_t *records);
/* The next message behind the first, header included; room for 65535 octets. 0: has_failed. Not to
 * be called when it is over. */
size_t transfer_next(struct transfer *t, uint8_t *out);

static inline bool transfer_is_over(const struct transfer *t)
{
    return t->stage == XFR_OVER;
}
