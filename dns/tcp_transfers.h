/* dns/tcp_transfers.h - the transfers that run on one connection: admitted, each with its version
 * pinned, in turns, ended.
 *
 * Limits. At most TRANSFERS_MAX run at a time, TRANSFERS_PER_CLIENT for one client (as
 * dns/tcp_registry counts clients). A pin holds back all that has been freed since its version was
 * current, so one ends, with its connection, when that is more than TRANSFER_PIN_BYTES or when it
 * has taken TRANSFER_TIME_US; the worker looks twice a second. A client that does not read for the
 * stall time of R-085 loses its connection like any other. The pin goes with every end, whichever
 * it is. Worker's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/transfer.h"
#include "dns/worker.h"

#define TRANSFERS_MAX        16
#define TRANSFERS_PER_CLIENT 4
#define TRANSFER_PIN_BYTES   (UINT64_C(64) << 20)
#define TRANSFER_TIME_US     (INT64_C(15) * 60 * 1000000)

struct tcp_conn;

struct tcp_transfers {
    struct tcp_conn *conn; /* whose they are */
    struct worker *worker;
    struct tcp_entry *entry;     /* of the connection, for the quota */
    const struct dns_peer *peer; /* for the log */
    struct list running;         /* the first one's turn is next */
};

/* A struct transfer for one more, with the version that the worker is in; NULL when the quota is
 * spent. */
struct transfer *tcp_transfers_open(struct tcp_transfers *transfers);
static inline bool tcp_transfers_are_running(const struct tcp_transfers *transfers)
{
    return !list_is_empty(&transfers->running);
}
/* The next message of the one whose turn it is, 65535 octets of room. 0: nothing to send; the
 * transfer has ended, and when *failed, the connection must end too (R-111: it does not loop). */
size_t tcp_transfers_next(struct tcp_transfers *transfers, uint8_t *out, bool *failed);
/* All of them end. */
void tcp_transfers_end(struct tcp_transfers *transfers, enum dns_transfer result);
/* A connection with a transfer beyond its limits, and which one; NULL: none. */
struct tcp_conn *tcp_transfers_overdue(struct worker *w, enum dns_transfer *result);
