/* zones/rrset.h - one set of records, as it is sent.
 *
 * Opaque, immutable, counted (control thread). A and AAAA are kept in wire form; SRV and PTR keep a
 * pointer to the node of their target, whose name is written out and whose addresses are the
 * additional section; "self" targets stand for the node that owns the set, so equal sets of
 * different owners are one object (zone_txn interns them). Large sets may change their inside
 * later: only count and "write from a start into a room" are promised. Readers: any thread, no
 * locks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RR_A = 1,
    RR_NS = 2,
    RR_CNAME = 5,
    RR_SOA = 6,
    RR_PTR = 12,
    RR_HINFO = 13,
    RR_TXT = 16,
    RR_AAAA = 28,
    RR_SRV = 33,
    RR_OPT = 41,
    RR_DS = 43,
    RR_TKEY = 249,
    RR_TSIG = 250,
    RR_IXFR = 251,
    RR_AXFR = 252,
    RR_MAILB = 253,
    RR_MAILA = 254,
    RR_ANY = 255
};
#define RR_CLASS_IN 1

struct rrset;
struct zone_node;

uint16_t rrset_type(const struct rrset *set);
uint32_t rrset_ttl(const struct rrset *set);
size_t rrset_count(const struct rrset *set);

/* Target node of record i of an SRV, PTR or NS set; NULL for every other type. owner is the node
 * the set was found at (for "self" targets). Borrowed, valid as long as the version that set came
 * from. */
const struct zone_node *rrset_target(const struct rrset *set, size_t i,
                                     const struct zone_node *owner);
/* Target of a CNAME set: wire form, lower case, borrowed from the set; NULL for every other type.
 * Whether the target exists is zone_find's to say in the same version. */
const uint8_t *rrset_cname(const struct rrset *set);

/* Writes records, starting with index start and wrapping around, as many whole ones as fit into
 * room. owner_offset is the message offset of the owner's name (written as a compression pointer
 * c0xx; must be < 0x4000). Names in RDATA are written out uncompressed and in lower case. Returns
 * the octets written; *written gets the number of records. */
size_t rrset_write(const struct rrset *set, const struct zone_node *owner, size_t start,
                   uint16_t owner_offset, uint8_t *out, size_t room, size_t *written);

/* RDATA of record i (without RDLENGTH), for transfers, tests and text; returns its length, at most
 * 65535. room must suffice or 0 is returned. */
size_t rrset_rdata(const struct rrset *set, const struct zone_node *owner, size_t i, uint8_t *out,
                   size_t room);
