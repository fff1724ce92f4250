/* zones/rrset_build.h - the inside of record sets and how they are made. Private to zones/; control
 * thread.
 *
 *   A, AAAA        | refs | type, count | sum, if large | c00c type class ttl len address | ... |
 * as sent SRV            | refs | type, count | struct rrset_srv | targets (not for "self") | ports
 * (one when all are equal) | PTR, NS        | refs | type, count | ttl | total | targets, their
 * rank in the low bits; the first count are shown | CNAME TXT SOA  | refs | type, count | ttl |
 * bytes of all records | length, RDATA | ... |
 *
 * A set is held by nodes (zones/node.h) and freed with the last of them. Targets are not counted:
 * every set of a version points to nodes of that version, because whoever replaces a node replaces,
 * in the same transaction, the sets that point to it. So nodes and the sets pointing to them leave
 * together and are freed after the same version. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zones/naming.h"
#include "zones/rrset.h"

struct rrset {
    uint32_t refs; /* nodes that hold it, and callers between making it and giving it to a node */
    uint32_t type : 8;
    uint32_t is_interned : 1;
    uint32_t has_sum : 1; /* addresses: the hash of the records comes before them */
    uint32_t count : 22;
    uint64_t body[];
};

#define RRSET_MAX_COUNT ((1u << 22) - 1)
/* Address sets of more records are hardly ever equal: they are not interned, and keep their hash.
 */
#define RRSET_SMALL 4

struct rrset_srv {
    uint32_t ttl;
    uint16_t weight;
    uint8_t is_self;
    uint8_t is_uniform; /* one port number for all targets */
    uint64_t sum;       /* order-independent hash of (target, port); 0 for "self" */
};

/* Contributions to a reverse name, best first. Only those of the best rank are shown (K-REV). */
enum ptr_rank { PTR_CLUSTER_IP, PTR_HOSTNAME, PTR_ADDRESS };
#define PTR_RANK_MASK ((uintptr_t)3)

/* Sets begin with one reference, the caller's. */
/* Every record of an address set is put once. */
struct rrset *rrset_new_addresses(uint16_t type, uint32_t ttl, size_t count);
void rrset_put_address(struct rrset *set, size_t i, const uint8_t *bytes);
/* The address of record i of an A or AAAA set. */
const uint8_t *rrset_address(const struct rrset *set, size_t i);

struct rrset *rrset_new_srv_self(uint32_t ttl, const uint16_t *ports, size_t count);
/* With explicit targets: make, put every record, finish. */
struct rrset *rrset_new_srv(uint32_t ttl, size_t count, bool is_uniform);
void rrset_put_srv(struct rrset *set, size_t i, const struct zone_node *target,
                   uint64_t target_hash, uint16_t port);

/* targets: pointer | rank, total of them, the first `shown` visible; sorted by the caller. */
struct rrset *rrset_new_ptr(uint16_t type, uint32_t ttl, const uintptr_t *targets, size_t total,
                            size_t shown);
const uintptr_t *rrset_ptr_all(const struct rrset *set, size_t *total);

/* count records, each preceded by its length as two octets in network order. */
struct rrset *rrset_new_raw(uint16_t type, uint32_t ttl, size_t count, const uint8_t *records,
                            size_t len);

/* Same type, TTL and records in the same order (SRV and PTR: the same target nodes). */
bool rrset_equal(const struct rrset *a, const struct rrset *b);
/* Hash over type, TTL and the records as an unordered set. owner_hash: hash_name of the owner. */
uint64_t rrset_digest(const struct rrset *set, uint64_t owner_hash);
size_t rrset_bytes(const struct rrset *set); /* allocated */

/* Equal small sets are one object. Takes a fresh set and returns the one to use, with one reference
 * for the caller. */
struct rrset_pool {
    struct rrset **slot;
    uint32_t *hash; /* of the set in the slot, so that others are not looked at; 0: none */
    size_t mask, used;
    size_t bytes; /* allocated for all sets made here and not freed, interned or not */
};
void rrset_pool_init(struct rrset_pool *pool);
void rrset_pool_fini(struct rrset_pool *pool);
struct rrset *rrset_pool_intern(struct rrset_pool *pool, struct rrset *fresh);
/* Counts a set that is too large or too particular to be shared; returns it. */
struct rrset *rrset_pool_adopt(struct rrset_pool *pool, struct rrset *fresh);
void rrset_ref(struct rrset *set);
void rrset_unref(struct rrset_pool *pool, struct rrset *set);
