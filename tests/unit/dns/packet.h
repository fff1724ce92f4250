/* tests/unit/dns/packet.h - requests built octet by octet, and responses parsed by somebody else's
 * rules.
 *
 * strict_parse knows nothing of dns/: it walks the whole message, refuses forward pointers, wrong
 * counts, RDATA of the wrong shape and octets left over, and lets ldns parse it too. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "zones/name.h"

struct packet {
    uint8_t bytes[8192];
    size_t len;
};

static inline void packet_put(struct packet *p, const void *bytes, size_t len)
{
    assert_true(p->len + len <= sizeof p->bytes);
    memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
}

static inline void packet_put16(struct packet *p, unsigned v)
{
    const uint8_t two[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    packet_put(p, two, 2);
}

static inline void packet_set16(struct packet *p, size_t at, unsigned v)
{
    p->bytes[at] = (uint8_t)(v >> 8);
    p->bytes[at + 1] = (uint8_t)v;
}

static inline void packet_count(struct packet *p, size_t at)
{
    packet_set16(p, at, (unsigned)(p->bytes[at] << 8 | p->bytes[at + 1]) + 1);
}

/* "12 34 c00c": hexadecimal, blanks ignored. */
static inline void packet_hex(struct packet *p, const char *hex)
{
    int high = -1;
    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        int digit = *hex <= '9' ? *hex - '0' : (*hex | 0x20) - 'a' + 10;
        if (high < 0) {
            high = digit;
        } else {
            const uint8_t byte = (uint8_t)(high << 4 | digit);
            packet_put(p, &byte, 1);
            high = -1;
        }
    }
    assert_int_equal(high, -1);
}

/* The labels of text between dots, in the case given (name_parse would fold it). */
static inline void packet_name(struct packet *p, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, ".");
        const uint8_t size = (uint8_t)len;
        if (len > 0) {
            packet_put(p, &size, 1);
            packet_put(p, text, len);
        }
        text += len + (text[len] == '.');
    }
    packet_put(p, "", 1);
}

#define PACKET_ID 0x1234

static inline void packet_header(struct packet *p)
{
    p->len = 0;
    packet_put16(p, PACKET_ID);
    for (int i = 0; i < 5; i++)
        packet_put16(p, 0);
}

static inline void packet_question(struct packet *p, const char *name, unsigned type,
                                   unsigned class)
{
    packet_name(p, name);
    packet_put16(p, type);
    packet_put16(p, class);
    packet_count(p, 4);
}

static inline void packet_query(struct packet *p, const char *name, unsigned type)
{
    packet_header(p);
    packet_question(p, name, type, 1);
}

/* A record in the section whose count is at `count_at` (6, 8 or 10). owner and rdata in
 * hexadecimal. */
static inline void packet_record(struct packet *p, size_t count_at, const char *owner,
                                 unsigned type, unsigned class, uint32_t ttl, const char *rdata)
{
    packet_hex(p, owner);
    packet_put16(p, type);
    packet_put16(p, class);
    packet_put16(p, ttl >> 16);
    packet_put16(p, ttl & 0xffff);
    size_t at = p->len;
    packet_put16(p, 0);
    packet_hex(p, rdata);
    packet_set16(p, at, (unsigned)(p->len - at - 2));
    packet_count(p, count_at);
}

/* flags_ttl: extended rcode, version, DO and Z as one 32-bit field. */
static inline void packet_opt(struct packet *p, unsigned size, uint32_t flags_ttl,
                              const char *options)
{
    packet_record(p, 10, "00", 41, size, flags_ttl, options);
}

#define EDNS_DO 0x8000U

/* ---- the other side ---- */

#define RECORDS_MAX 5000

struct record {
    uint8_t section;              /* 1 answer, 2 authority, 3 additional */
    uint8_t owner[NAME_MAX_WIRE]; /* decompressed, case kept */
    size_t owner_at;
    bool owner_is_pointer;
    uint16_t type, class;
    uint32_t ttl;
    size_t rdata_at, rdlen;
};

struct response {
    const uint8_t *bytes;
    size_t len;
    unsigned rcode; /* extended */
    bool aa, tc, rd, ra, z, ad, cd;
    unsigned opcode, questions, count[4]; /* count[1..3] per section, OPT not counted */
    size_t question_len;
    bool has_opt;
    size_t opt_at, opt_len; /* of the options */
    unsigned opt_size, opt_version;
    bool opt_do;
    bool has_tsig;
    size_t records;
    struct record *record;
};

static inline unsigned strict16(const struct response *r, size_t at)
{
    assert_true(at + 2 <= r->len);
    return (unsigned)(r->bytes[at] << 8 | r->bytes[at + 1]);
}

/* Reads the name at *at, moves *at behind it. Pointers must go backward. Returns the wire length.
 */
static inline size_t strict_name(const struct response *r, size_t *at, uint8_t out[NAME_MAX_WIRE])
{
    size_t here = *at, len = 0, floor = *at;
    bool jumped = false;
    for (;;) {
        assert_true(here < r->len);
        uint8_t label = r->bytes[here];
        if (label >= 0xc0) {
            size_t target = strict16(r, here) & 0x3fff;
            if (!jumped)
                *at = here + 2;
            jumped = true;
            assert_true(target >= 12 && target < floor);
            here = floor = target;
            continue;
        }
        assert_true(label < 64 && here + 1 + label <= r->len);
        assert_true(len + 1 + label <= NAME_MAX_WIRE);
        memcpy(out + len, r->bytes + here, 1U + label);
        len += 1U + label;
        here += 1U + label;
        if (label == 0)
            break;
    }
    if (!jumped)
        *at = here;
    return len;
}

static inline void strict_rdata(const struct response *r, const struct record *rr)
{
    uint8_t name[NAME_MAX_WIRE];
    size_t at = rr->rdata_at, end = at + rr->rdlen;
    switch (rr->type) {
    case 1:
        assert_int_equal(rr->rdlen, 4);
        return;
    case 28:
        assert_int_equal(rr->rdlen, 16);
        return;
    case 6:
        strict_name(r, &at, name);
        strict_name(r, &at, name);
        at += 20;
        break;
    case 2:
    case 5:
    case 12:
        strict_name(r, &at, name);
        break;
    case 33: /* not compressed */
        at += 6;
        assert_int_equal(strict_name(r, &at, name), rr->rdlen - 6);
        break;
    case 13:
    case 16:
        while (at < end)
            at += 1U + r->bytes[at];
        break;
    default:
        at = end;
    }
    assert_int_equal(at, end);
}

static inline void strict_opt(struct response *r, const struct record *rr)
{
    assert_false(r->has_opt);
    r->has_opt = true;
    assert_int_equal(rr->owner[0], 0);
    r->opt_size = rr->class;
    r->rcode |= (rr->ttl >> 24) << 4;
    r->opt_version = rr->ttl >> 16 & 255;
    r->opt_do = rr->ttl & 0x8000;
    assert_int_equal(rr->ttl & 0x7fff, 0); /* Z */
    r->opt_at = rr->rdata_at;
    r->opt_len = rr->rdlen;
    size_t at = rr->rdata_at, end = at + rr->rdlen;
    while (at < end)
        at += 4 + strict16(r, at + 2);
    assert_int_equal(at, end);
}

static inline struct response strict_parse(const uint8_t *bytes, size_t len)
{
    struct response r = {.bytes = bytes, .len = len};
    assert_true(len >= 12 && len <= 65535);
    assert_true(bytes[2] & 0x80);
    r.opcode = bytes[2] >> 3 & 15;
    r.aa = bytes[2] & 4;
    r.tc = bytes[2] & 2;
    r.rd = bytes[2] & 1;
    r.ra = bytes[3] & 0x80;
    r.z = bytes[3] & 0x40;
    r.ad = bytes[3] & 0x20;
    r.cd = bytes[3] & 0x10;
    r.rcode = bytes[3] & 15;
    r.questions = strict16(&r, 4);
    size_t at = 12;
    uint8_t name[NAME_MAX_WIRE];
    for (unsigned i = 0; i < r.questions; i++) {
        strict_name(&r, &at, name);
        at += 4;
        assert_true(at <= len);
    }
    r.question_len = at - 12;
    r.record = calloc(RECORDS_MAX, sizeof *r.record);
    for (uint8_t section = 1; section <= 3; section++) {
        unsigned count = strict16(&r, 4 + 2U * section);
        for (unsigned i = 0; i < count; i++) {
            struct record rr = {.section = section, .owner_at = at};
            rr.owner_is_pointer = bytes[at] >= 0xc0;
            strict_name(&r, &at, rr.owner);
            rr.type = (uint16_t)strict16(&r, at);
            rr.class = (uint16_t)strict16(&r, at + 2);
            rr.ttl = (uint32_t)strict16(&r, at + 4) << 16 | strict16(&r, at + 6);
            rr.rdlen = strict16(&r, at + 8);
            rr.rdata_at = at + 10;
            at = rr.rdata_at + rr.rdlen;
            assert_true(at <= len);
            strict_rdata(&r, &rr);
            if (rr.type == 41) {
                assert_int_equal(section, 3);
                strict_opt(&r, &rr);
                continue;
            }
            if (rr.type == 250)
                r.has_tsig = true;
            r.count[section]++;
            assert_true(r.records < RECORDS_MAX);
            r.record[r.records++] = rr;
        }
    }
    assert_int_equal(at, len); /* nothing left over */
    assert_false(r.z);
    ldns_pkt *pkt = NULL;
    assert_int_equal(ldns_wire2pkt(&pkt, bytes, len), LDNS_STATUS_OK);
    ldns_pkt_free(pkt);
    return r;
}

static inline void response_fini(struct response *r)
{
    free(r->record);
    r->record = NULL;
}

/* The option's data and length, or NULL; it must not come twice. */
static inline const uint8_t *response_option(const struct response *r, unsigned code, size_t *len)
{
    const uint8_t *found = NULL;
    for (size_t at = r->opt_at; at < r->opt_at + r->opt_len; at += 4 + strict16(r, at + 2)) {
        if (strict16(r, at) != code)
            continue;
        assert_null(found);
        found = r->bytes + at + 4;
        if (len)
            *len = strict16(r, at + 2);
    }
    return found;
}

static inline int response_ede(const struct response *r)
{
    size_t len = 0;
    const uint8_t *ede = response_option(r, 15, &len);
    if (!ede)
        return -1;
    assert_true(len >= 2);
    return ede[0] << 8 | ede[1];
}
