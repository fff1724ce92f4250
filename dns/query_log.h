/* dns/query_log.h - one of so many queries as a line of the log (log.queries, R-104, R-171).
 *
 *   level=info client=10.244.0.7 proto=udp name=db-0.db.prod.svc.cluster.local. class=1 type=A
 *   rcode=noerror octets=75 skipped=0
 *
 * At most QUERY_LOG_PER_S lines a second and worker; skipped counts those left out since. Names are
 * escaped as in master files, the rest by base/log. Worker's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/answer.h"

#define QUERY_LOG_PER_S 100

struct query_log {
    uint32_t until_next; /* queries that pass unseen before the next one counts */
    int64_t second;      /* mono */
    unsigned lines;      /* in that second */
    uint64_t skipped;
};

/* True when this query is one to be logged; one_of >= 1. */
bool query_log_picks(struct query_log *log, uint32_t one_of, int64_t now_us);
/* A packet of at least 12 octets, and the response to it (size 0: none, or is_relayed: an
 * upstream is asked first). */
void query_log_write(struct query_log *log, const struct dns_peer *peer, const uint8_t *packet,
                     size_t len, const uint8_t *response, size_t size, bool is_relayed);
