/* tests/fuzz/packet_query.h - a query read a second time, slowly and straight from the rules
 * what dns/query.c finds in a packet must be what is found
 * here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "zones/name.h"
#include "zones/rrset.h"

enum asked_verdict {
    ASKED_NOTIMP,
    ASKED_MALFORMED, /* FORMERR before anything is known of EDNS */
    ASKED_BAD_TSIG,  /* FORMERR */
    ASKED_TSIG,      /* NOTAUTH */
    ASKED_BADVERS,
    ASKED_BAD_COOKIE, /* FORMERR */
    ASKED_COOKIE_ONLY,
    ASKED_QUESTION
};

struct asked {
    const uint8_t *m;
    size_t len;
    enum asked_verdict verdict;
    size_t question_len; /* name, type and class; 0: none that can be read */
    unsigned type, class;
    bool has_opt, dnssec_ok, wants_nsid,
        wants_keepalive; /* of a message without fault in its form */
    unsigned udp_size, version;
    const uint8_t *cookie; /* the first one */
    size_t cookie_len;
    size_t tsig_at; /* its owner; 0: none */
    bool is_tsig_bad;
};

static inline unsigned wire_get(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/* Behind the name at `at` in the first `end` octets, or 0 when it is none. Pointers go strictly
 * backward. *pointers: how many. */
static inline size_t wire_name_end(const uint8_t *m, size_t end, size_t at, unsigned *pointers)
{
    size_t behind = 0, floor = at, octets = 0;
    *pointers = 0;
    for (;;) {
        if (at >= end)
            return 0;
        if (m[at] >= 0xc0) {
            if (at + 1 >= end)
                return 0;
            size_t target = wire_get(m + at) & 0x3fff;
            if (target < 12 || target >= floor)
                return 0;
            behind = behind ? behind : at + 2;
            at = floor = target;
            ++*pointers;
            continue;
        }
        octets += 1U + m[at];
        if (m[at] > 63 || octets > NAME_MAX_WIRE || at + m[at] >= end)
            return 0;
        if (m[at] == 0)
            return behind ? behind : at + 1;
        at += 1U + m[at];
    }
}

struct wire_record {
    size_t at, rdata_at, end; /* at: its owner */
    unsigned type, class, rdlen;
    uint32_t ttl;
};

/* False when there is no record at `at`. */
static inline bool wire_record_at(const uint8_t *m, size_t len, size_t at, struct wire_record *rr)
{
    unsigned pointers;
    size_t head = wire_name_end(m, len, at, &pointers);
    if (head == 0 || len - head < 10)
        return false;
    rr->at = at;
    rr->type = wire_get(m + head);
    rr->class = wire_get(m + head + 2);
    rr->ttl = (uint32_t)wire_get(m + head + 4) << 16 | wire_get(m + head + 6);
    rr->rdlen = wire_get(m + head + 8);
    rr->rdata_at = head + 10;
    rr->end = head + 10 + rr->rdlen;
    return rr->end <= len;
}

/* options divide their RDATA; the first cookie counts. */
static inline bool asked_options(struct asked *a, size_t at, size_t end)
{
    while (at < end) {
        if (end - at < 4 || wire_get(a->m + at + 2) > end - at - 4)
            return false;
        unsigned code = wire_get(a->m + at), size = wire_get(a->m + at + 2);
        a->wants_nsid = a->wants_nsid || code == 3;
        a->wants_keepalive = a->wants_keepalive || code == 11;
        if (code == 10 && !a->cookie) {
            a->cookie = a->m + at + 4;
            a->cookie_len = size;
        }
        at += 4 + size;
    }
    return true;
}

/* RFC 8945 section 4.2: algorithm, time, fudge, MAC, ID, error, other data, and no octet more. */
static inline bool asked_tsig_is_good(const struct asked *a, const struct wire_record *rr)
{
    unsigned pointers;
    size_t at = wire_name_end(a->m, rr->end, rr->rdata_at, &pointers);
    if (at == 0 || rr->class != 255 || rr->ttl != 0)
        return false;
    for (int part = 0; part < 2; part++) { /* a MAC behind 8 octets, other data behind 4 */
        size_t before = part == 0 ? 8 : 4;
        if (rr->end - at < before + 2)
            return false;
        at += before + 2 + wire_get(a->m + at + before);
        if (at > rr->end)
            return false;
    }
    return at == rr->end;
}

/* OPT anywhere, TSIG or SIG(0) at the end. */
static inline bool asked_additional(struct asked *a, const struct wire_record *rr, bool is_last)
{
    if (rr->type == RR_OPT) {
        if (a->has_opt || a->m[rr->at] != 0)
            return false;
        a->has_opt = true;
        a->udp_size = rr->class;
        a->version = rr->ttl >> 16 & 255;
        a->dnssec_ok = rr->ttl & 0x8000;
        return asked_options(a, rr->rdata_at, rr->end);
    }
    if (rr->type == RR_TSIG) {
        a->tsig_at = rr->at;
        a->is_tsig_bad = a->is_tsig_bad || !is_last || !asked_tsig_is_good(a, rr);
        return true;
    }
    return rr->type == 24 && is_last && rr->rdlen >= 2 && wire_get(a->m + rr->rdata_at) == 0;
}

/* two names and five numbers, of an IXFR. */
static inline bool asked_soa(const struct asked *a, const struct wire_record *rr)
{
    unsigned pointers;
    size_t at = wire_name_end(a->m, rr->end, rr->rdata_at, &pointers);
    at = at ? wire_name_end(a->m, rr->end, at, &pointers) : 0;
    return rr->type == RR_SOA && at && rr->end - at == 20;
}

static inline bool asked_question(struct asked *a)
{
    unsigned pointers;
    size_t end = wire_name_end(a->m, a->len, 12, &pointers);
    if (end == 0 || pointers > 0 || a->len - end < 4)
        return false;
    a->type = wire_get(a->m + end);
    a->class = wire_get(a->m + end + 2);
    a->question_len = end + 4 - 12;
    return true;
}

/* The whole message, to its last octet. */
static inline bool asked_message(struct asked *a)
{
    unsigned questions = wire_get(a->m + 4), authority = wire_get(a->m + 8);
    unsigned additional = wire_get(a->m + 10);
    if (questions > 1 || (questions == 1 && !asked_question(a)))
        return false;
    bool is_ixfr = questions == 1 && a->type == RR_IXFR;
    if (wire_get(a->m + 6) != 0 || authority != (is_ixfr ? 1 : 0) || additional > 2)
        return false;
    size_t at = 12 + a->question_len;
    for (unsigned i = 0; i < authority + additional; i++) {
        struct wire_record rr;
        if (!wire_record_at(a->m, a->len, at, &rr))
            return false;
        bool is_last = i + 1 == authority + additional;
        if (!(i < authority ? asked_soa(a, &rr) : asked_additional(a, &rr, is_last)))
            return false;
        at = rr.end;
    }
    return at == a->len;
}

/* len is at least 12, QR is 0. */
static inline void asked_read(struct asked *a, const uint8_t *m, size_t len, bool with_cookies)
{
    *a = (struct asked){.m = m, .len = len, .verdict = ASKED_NOTIMP};
    if (m[2] & 0x78)
        return;
    bool is_whole = asked_message(a);
    if (!with_cookies)
        a->cookie = NULL;
    bool is_cookie_bad =
        a->cookie && a->cookie_len != 8 && (a->cookie_len < 16 || a->cookie_len > 40);
    if (!is_whole || (a->question_len == 0 && !a->cookie)) {
        a->verdict = ASKED_MALFORMED;
        a->has_opt = false;
    } else if (a->tsig_at) {
        a->verdict = a->is_tsig_bad ? ASKED_BAD_TSIG : ASKED_TSIG;
    } else if (a->version != 0) {
        a->verdict = ASKED_BADVERS;
    } else if (is_cookie_bad) {
        a->verdict = ASKED_BAD_COOKIE;
    } else {
        a->verdict = a->question_len ? ASKED_QUESTION : ASKED_COOKIE_ONLY;
    }
    if (is_cookie_bad)
        a->cookie = NULL;
}
