/* zones/zone.h - one immutable version of all zones, and the search in it.
 *
 * Built by zone_txn on the control thread, published through base/publish, read by every DNS
 * worker, never changed after. All forward and reverse names live in one trie (base/cow) under
 * their name key; apexes are marked nodes; empty non-terminals are implied by the names below them,
 * the empty nodes of kubernetes-dns.md (svc.Z, pod.Z, <ns>.svc.Z, <ns>.pod.Z) are nodes without
 * sets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cow.h"
#include "zones/name.h"
#include "zones/rrset.h"

struct zone_node; /* a name that exists, with its sets */

/* Wire form, lower case, absolute; *len with the root label. Borrowed from the node. */
const uint8_t *zone_node_name(const struct zone_node *node, size_t *len);
/* The set of this type, or NULL. */
const struct rrset *zone_node_set(const struct zone_node *node, uint16_t type);
/* All sets: zone_node_sets(node, i) for i < zone_node_set_count(node). */
size_t zone_node_set_count(const struct zone_node *node);
const struct rrset *zone_node_set_at(const struct zone_node *node, size_t i);

/* One zone of the version: its apex. soa is the set for positive answers (TTL zone.ttl),
 * negative_soa the one for the authority section of negative answers (TTL = MINIMUM =
 * zone.negative-ttl, K-NEGTTL). serial as in K-SERIAL. */
struct zone_apex {
    const struct zone_node *node;
    const struct rrset *soa, *negative_soa, *ns;
    const struct zone_node *ns_node; /* ns.dns.Z: addresses for the additional section of NS */
    uint32_t serial;
    uint16_t key_len; /* of the apex's name key: a name lies in or below this zone when its key
                         begins with it */
    uint16_t
        parent; /* index of the next enclosing zone in zone_version.apexes, or ZONE_NO_PARENT */
    bool reverse;
};
#define ZONE_NO_PARENT UINT16_MAX

enum pods_mode { PODS_VERIFIED, PODS_INSECURE, PODS_DISABLED };

struct zone_version {
    struct cow_root names;   /* leaves are struct zone_node */
    struct cow_root reasons; /* texts of negative answers: zones/reason.h */
    const struct zone_apex
        *apexes; /* sorted by name key, for zone_apex_find; immutable with the version */
    size_t apex_count;
    enum pods_mode pods;
    bool reverse_fallthrough;
    const struct zone_node *cluster_node; /* apex of the cluster zone Z */
    uint64_t revision;                    /* store revision this version includes */
    int64_t loaded_us; /* wall time of the first complete load; 0: not loaded yet, answer SERVFAIL +
                          EDE 14 (K-SYNC) */
    uint32_t positive_ttl;
};

enum match_kind {
    MATCH_EXACT, /* set is the RRset of the asked type */
    MATCH_CNAME, /* the name owns a CNAME (set) and something else was asked */
    MATCH_ANY, /* type ANY at a name that owns records: answer RFC 8482 HINFO (K-ANY); a CNAME gives
                  MATCH_EXACT with it */
    MATCH_NODATA,   /* the name exists, or only names below it do (RFC 8020), without the type */
    MATCH_NXDOMAIN, /* neither the name nor anything below it exists */
    MATCH_SYNTH,    /* pods insecure: one address record in synth (K-PODS), type A or AAAA as asked;
                     * for any other type such a    name gives MATCH_NODATA, and MATCH_ANY for ANY,
                     * with    node NULL */
    MATCH_OUTSIDE   /* in no zone we serve (K-OUT), or a reverse name that falls through (K-REV) */
};

struct zone_match {
    enum match_kind kind;
    const struct zone_node
        *node; /* NULL when the name is an empty non-terminal, synthesised, missing, or outside */
    const struct rrset *set;      /* MATCH_EXACT, MATCH_CNAME */
    const struct zone_apex *apex; /* zone that contains the name; NULL for MATCH_OUTSIDE */
    uint8_t synth[16];            /* MATCH_SYNTH: the address, network order */
    uint8_t synth_len;            /* 4 or 16 */
};

/* The outcome for `name` (valid wire form, any case; borrowed for the call) and `type` (host
 * order), after RFC 1034 section 4.3.2. Never follows a CNAME (dns/answer does). Fills *out with
 * borrowed pointers, valid as long as the version. Takes no lock, allocates nothing.,
 * K-ENT, K-EXACT, K-NOWILD, K-PODS, K-REV. */
void zone_find(const struct zone_version *version, const uint8_t *name, uint16_t type,
               struct zone_match *out);

/* The same for a name that has been read already. */
void zone_find_name(const struct zone_version *version, const struct name_lookup *name,
                    uint16_t type, struct zone_match *out);

/* zone_find for several names, in two steps: what each needs from memory comes while the others go
 * on. The caller fills in name (name_lookup_read), zone_search_all the rest; the outcome of each is
 * zone_find's. */
#define ZONE_SEARCHES COW_SEARCHES
struct zone_search {
    struct name_lookup name;
    const struct zone_node *leaf;
};
void zone_search_all(const struct zone_version *version, struct zone_search *searches,
                     size_t count);
void zone_find_searched(const struct zone_version *version, const struct zone_search *search,
                        uint16_t type, struct zone_match *out);

/* The innermost zone that contains name (R-019: label boundaries), or NULL. */
const struct zone_apex *zone_apex_find(const struct zone_version *version, const uint8_t *name);

/* Walks every node of one zone in canonical order (apex first), for transfers and dumps. */
struct zone_walk {
    struct cow_cursor cursor;
    const struct zone_version *version;
    const struct zone_apex *apex;
    uint8_t apex_key[NAME_MAX_KEY];
    size_t apex_key_len;
};
void zone_walk_init(struct zone_walk *walk, const struct zone_version *version,
                    const struct zone_apex *apex);
const struct zone_node *zone_walk_next(struct zone_walk *walk); /* NULL at the end */
