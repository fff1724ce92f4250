/* zones/zone_text.h - records as master-file text (RFC 1035 section 5.1), for dumps and tests.
 * Pure; control thread or the holder of a version. */
#pragma once

#include "base/buf.h"
#include "zones/rrset.h"
#include "zones/zone.h"

/* "A", "SRV", "TYPE65280" (RFC 3597); returns out. */
const char *zone_text_type(uint16_t type, char out[16]);
/* Appends the RDATA of record i, names absolute: "0 50 80 web-0.nginx.default.svc.cluster.local.".
 */
void zone_text_rdata(const struct rrset *set, const struct zone_node *owner, size_t i,
                     struct buf_out *out);
/* Appends a line "owner TTL IN type RDATA" for every record of a name; nothing for an empty node.
 */
void zone_text_node(const struct zone_node *node, struct buf_out *out);
/* A zone in pieces: SOA first, then canonical order. A piece ends with the name that brings out to
 * `bytes` or more; false: it was the last one. */
struct zone_text {
    struct zone_walk walk;
    bool has_begun;
};
void zone_text_init(struct zone_text *text, const struct zone_version *version,
                    const struct zone_apex *apex);
bool zone_text_some(struct zone_text *text, size_t bytes, struct buf_out *out);
/* The same in one piece. */
void zone_text_zone(const struct zone_version *version, const struct zone_apex *apex,
                    struct buf_out *out);
