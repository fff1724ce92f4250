/* tests/unit/dns/exchange.h - one question to dns_respond over the loaded fixture, and what is true
 * of every response. */
#pragma once

#include "dns/answer.h"
#include "packet.h"
#include "zone_fixture.h"

#define Z FIXTURE_ZONE
#define P "prod.svc." Z
enum {
    A = 1,
    NS = 2,
    CNAME = 5,
    SOA = 6,
    PTR = 12,
    HINFO = 13,
    TXT = 16,
    AAAA = 28,
    SRV = 33,
    ANY = 255
};

static struct fixture fixture;

struct exchange {
    struct packet query;
    uint8_t
        *bytes; /* exactly as long as the limit, so that the sanitizer sees every octet too many */
    size_t len; /* 0: dropped */
    struct response r;
};

static inline void exchange_fini(struct exchange *x)
{
    response_fini(&x->r);
    free(x->bytes);
}

/* What is true of every response, whatever was asked. */
static inline void check_always(const struct exchange *x, const struct dns_peer *peer)
{
    const struct response *r = &x->r;
    const uint8_t *q = x->query.bytes;
    assert_memory_equal(x->bytes, q, 2);
    assert_int_equal(r->opcode, q[2] >> 3 & 15);
    assert_false(r->ra || r->ad || r->cd || r->z);
    assert_true(r->questions <= 1);
    assert_memory_equal(x->bytes + 12, q + 12, r->question_len);
    if (r->has_opt) {
        assert_int_equal(r->opt_version, 0);
        assert_int_equal(r->opt_size, DNS_EDNS_ADVERTISED);
    }
    bool is_error = r->rcode != 0 && r->rcode != 3;
    if (is_error) {
        assert_false(r->aa || r->tc);
        assert_int_equal(r->count[1] + r->count[2], 0);
        if (peer->proto == DNS_UDP)
            assert_true(x->len <= x->query.len + 11 + (r->has_opt ? 6 : 0));
    }
    for (size_t i = 1; i < r->records; i++) { /* one TTL per set */
        const struct record *a = &r->record[i - 1], *b = &r->record[i];
        if (a->type == b->type && name_equal(a->owner, b->owner))
            assert_int_equal(a->ttl, b->ttl);
    }
}

static inline struct exchange ask_version(const struct packet *query, const struct dns_peer *peer,
                                          const struct zone_version *version)
{
    struct exchange x = {.query = *query};
    uint8_t *exact = malloc(query->len + 1);
    memcpy(exact, query->bytes, query->len);
    size_t room = peer->proto == DNS_TCP ? DNS_TCP_MAX : fixture.opts.udp_size;
    x.bytes = malloc(room);
    uint8_t *shrunk = realloc(exact, query->len ? query->len : 1);
    x.len = dns_respond(fixture.ctx, version, peer, shrunk, query->len, x.bytes, room);
    free(shrunk);
    assert_true(x.len <= room);
    if (x.len > 0) {
        x.r = strict_parse(x.bytes, x.len);
        check_always(&x, peer);
    }
    return x;
}

static inline struct exchange ask(const struct packet *query, const struct dns_peer *peer)
{
    return ask_version(query, peer, zones_current(fixture.zones));
}

static inline struct exchange ask_name(const char *name, unsigned type)
{
    struct packet p;
    packet_query(&p, name, type);
    return ask(&p, &fixture_udp);
}

/* Records of a type in a section. */
static inline size_t count_of(const struct response *r, unsigned section, unsigned type)
{
    size_t n = 0;
    for (size_t i = 0; i < r->records; i++)
        n += r->record[i].section == section && r->record[i].type == type;
    return n;
}

static inline const struct record *record_at(const struct response *r, size_t i)
{
    assert_true(i < r->records);
    return &r->record[i];
}

static inline bool owner_is(const struct record *rr, const char *text)
{
    uint8_t name[NAME_MAX_WIRE];
    int len = name_parse(text, name, NULL);
    return len > 0 && memcmp(rr->owner, name, (size_t)len) == 0; /* case matters (K-ECHO) */
}

static inline int load_fixture(void **state)
{
    (void)state;
    fixture_init(&fixture, true);
    return 0;
}

static inline int drop_fixture(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}
