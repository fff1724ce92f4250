/* tests/fuzz/packet_response.h - the form of any response of ours, octet by octet: sections and
 * counts, names and where their pointers go, RDATA of each type, no record twice, OPT and TSIG in
 * their places. Whatever breaks one of them
 * aborts. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dns/answer.h"
#include "tests/fuzz/packet_query.h"

enum { SECTION_QUESTION, SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL, SECTION_END };

struct response {
    const uint8_t *m;
    size_t len;
    bool aa, tc, rd, ra, cd;
    unsigned rcode;                /* with the bits of OPT */
    unsigned count[SECTION_END];   /* as the header says */
    size_t begin[SECTION_END + 1]; /* where each section begins */
    bool has_opt, has_tsig;        /* both are counted as additional */
    struct wire_record opt, tsig;
    unsigned largest; /* octets of the largest record in answer and authority */
};

/* Where the labels of names begin: the only places that a pointer may name. */
static uint8_t is_label[DNS_TCP_MAX + 1];

/* Behind the name at `at`. */
static inline size_t response_name(const uint8_t *m, size_t len, size_t at, bool may_point)
{
    unsigned pointers;
    size_t end = wire_name_end(m, len, at, &pointers);
    CHECK(end > 0 && (may_point || pointers == 0));
    while (m[at] != 0 && m[at] < 64) {
        is_label[at] = 1;
        at += 1U + m[at];
    }
    if (m[at] >= 0xc0)
        CHECK(is_label[wire_get(m + at) & 0x3fff]);
    return end;
}

static inline void response_rdata(const struct response *r, const struct wire_record *rr)
{
    size_t at = rr->rdata_at;
    switch (rr->type) {
    case RR_A:
        CHECK(rr->rdlen == 4);
        break;
    case RR_AAAA:
        CHECK(rr->rdlen == 16);
        break;
    case RR_CNAME:
    case RR_NS:
    case RR_PTR:
        CHECK(response_name(r->m, rr->end, at, true) == rr->end);
        break;
    case RR_SRV: /* */
        CHECK(rr->rdlen > 6 && response_name(r->m, rr->end, at + 6, false) == rr->end);
        break;
    case RR_SOA:
        at = response_name(r->m, rr->end, at, true);
        CHECK(response_name(r->m, rr->end, at, true) + 20 == rr->end);
        break;
    case RR_TXT:
    case RR_HINFO:
        while (at < rr->end)
            at += 1U + r->m[at];
        CHECK(rr->rdlen > 0 && at == rr->end);
        break;
    default: /* a type that nothing here has */
        CHECK(false);
    }
}

/* ---- no record twice ---- */

static inline uint64_t hash_octets(uint64_t hash, const uint8_t *at, size_t len)
{
    while (len-- > 0)
        hash = (hash ^ *at++) * 1099511628211U;
    return hash;
}

/* Of the name as it is meant: pointers followed, letters folded. */
static inline uint64_t hash_name(uint64_t hash, const uint8_t *m, size_t at)
{
    for (; m[at] != 0; at += 1U + m[at]) {
        while (m[at] >= 0xc0)
            at = wire_get(m + at) & 0x3fff;
        for (size_t i = 0; i <= m[at]; i++) {
            uint8_t c = m[at + i];
            c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
            hash = hash_octets(hash, &c, 1);
        }
        if (m[at] == 0)
            break;
    }
    return hash;
}

static inline uint64_t hash_record(const uint8_t *m, const struct wire_record *rr)
{
    uint8_t type[2] = {(uint8_t)(rr->type >> 8), (uint8_t)rr->type};
    uint64_t hash = hash_octets(hash_name(14695981039346656037U, m, rr->at), type, 2);
    if (rr->type == RR_CNAME || rr->type == RR_NS || rr->type == RR_PTR)
        return hash_name(hash, m, rr->rdata_at);
    return hash_octets(hash, m + rr->rdata_at, rr->rdlen);
}

static inline int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static inline void check_twice(uint64_t *hashes, size_t count)
{
    qsort(hashes, count, sizeof *hashes, compare_hashes);
    for (size_t i = 1; i < count; i++)
        CHECK(hashes[i] != hashes[i - 1]);
}

/* ---- the message ---- */

/* OPT and TSIG, which are of the message and not of any name. */
static inline bool response_meta(struct response *r, const struct wire_record *rr, bool is_last)
{
    if (rr->type == RR_OPT) {
        CHECK(!r->has_opt && !r->has_tsig && r->m[rr->at] == 0);
        r->has_opt = true;
        r->opt = *rr;
        r->rcode |= rr->ttl >> 24 << 4;
    } else if (rr->type == RR_TSIG) {
        CHECK(is_last);
        r->has_tsig = true;
        r->tsig = *rr;
    } else {
        CHECK(!r->has_opt && !r->has_tsig); /* they come last */
        return false;
    }
    return true;
}

/* hashes: room for every record, or NULL: the first and the last may be one (AXFR). */
static inline size_t response_section(struct response *r, int section, size_t at, uint64_t *hashes,
                                      size_t *hashed)
{
    for (unsigned i = 1; i <= r->count[section]; i++) {
        struct wire_record rr;
        response_name(r->m, r->len, at, true);
        CHECK(wire_record_at(r->m, r->len, at, &rr));
        at = rr.end;
        if (section == SECTION_ADDITIONAL && response_meta(r, &rr, i == r->count[section]))
            continue;
        response_rdata(r, &rr);
        if (section != SECTION_ADDITIONAL && rr.end - rr.at > r->largest)
            r->largest = (unsigned)(rr.end - rr.at);
        if (hashes)
            hashes[(*hashed)++] = hash_record(r->m, &rr);
    }
    return at;
}

static inline void response_read(struct response *r, const uint8_t *m, size_t len, bool is_transfer)
{
    CHECK(len >= 12 && len <= DNS_TCP_MAX);
    memset(is_label, 0, len);
    *r = (struct response){.m = m,
                           .len = len,
                           .aa = m[2] & 4,
                           .tc = m[2] & 2,
                           .rd = m[2] & 1,
                           .ra = m[3] & 0x80,
                           .cd = m[3] & 0x10,
                           .rcode = m[3] & 15};
    CHECK((m[2] & 0x80) && !(m[3] & 0x60)); /* QR; Z and AD stay 0 */
    size_t records = 0, hashed = 0, at = 12;
    for (int i = SECTION_QUESTION; i < SECTION_END; i++)
        r->count[i] = wire_get(m + 4 + 2 * (size_t)i);
    for (int i = SECTION_ANSWER; i < SECTION_END; i++)
        records += r->count[i];
    CHECK(r->count[SECTION_QUESTION] <= 1 && records <= len / 11);
    uint64_t *hashes = is_transfer ? NULL : xcalloc(records + 1, sizeof *hashes);
    r->begin[SECTION_QUESTION] = 12;
    if (r->count[SECTION_QUESTION])
        at = response_name(m, len, at, false) + 4;
    for (int i = SECTION_ANSWER; i < SECTION_END; i++) {
        r->begin[i] = at;
        at = response_section(r, i, at, hashes, &hashed);
    }
    r->begin[SECTION_END] = at;
    CHECK(at == len); /* */
    if (hashes)
        check_twice(hashes, hashed);
    free(hashes);
}
