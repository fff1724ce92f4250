/* Any packet, over a loaded zone, by UDP and by TCP: silence, or a response that parses to its last
 * octet.
 *
 * Input: one octet of options (1: TCP, 2: IPv6 client, 4: not loaded, 8: stale, 16: NSID, 32:
 * CHAOS, 64: may transfer), then the packet. */
#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dns/transfer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/dns/zone_fixture.h"

static struct fixture fixture, unloaded;

static unsigned get(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/* Behind the name at `at`; pointers must go strictly backward. */
static size_t skip_name(const uint8_t *m, size_t len, size_t at)
{
    size_t behind = 0, floor = at, octets = 0;
    for (;;) {
        CHECK(at < len);
        if (m[at] >= 0xc0) {
            CHECK(at + 1 < len);
            size_t target = get(m + at) & 0x3fff;
            CHECK(target >= 12 && target < floor);
            if (behind == 0)
                behind = at + 2;
            at = floor = target;
            continue;
        }
        CHECK(m[at] < 64);
        octets += 1U + m[at];
        CHECK(octets <= NAME_MAX_WIRE);
        if (m[at] == 0)
            return behind ? behind : at + 1;
        at += 1U + m[at];
    }
}

static void check_options(const uint8_t *options, size_t len)
{
    bool seen[16] = {false};
    while (len > 0) {
        CHECK(len >= 4 && get(options + 2) <= len - 4);
        unsigned code = get(options);
        CHECK(code < 16 && !seen[code]); /* none that was not written here, none twice */
        seen[code] = true;
        size_t size = 4 + get(options + 2);
        options += size;
        len -= size;
    }
}

static void check_wire(const uint8_t *m, size_t len, const uint8_t *query, size_t query_len)
{
    CHECK(len >= 12 && memcmp(m, query, 2) == 0 && (m[2] & 0x80));
    CHECK(((m[2] ^ query[2]) & 0x78) == 0 && (m[3] & 0xf0) == 0);
    size_t at = 12;
    CHECK(get(m + 4) <= 1);
    if (get(m + 4) == 1) {
        at = skip_name(m, len, at) + 4;
        CHECK(at <= len && at <= query_len && memcmp(m + 12, query + 12, at - 12) == 0);
    }
    unsigned opts = 0;
    for (unsigned i = get(m + 6) + get(m + 8) + get(m + 10); i > 0; i--) {
        at = skip_name(m, len, at);
        CHECK(at + 10 <= len);
        size_t rdlen = get(m + at + 8);
        CHECK(at + 10 + rdlen <= len);
        if (get(m + at) == RR_OPT) {
            CHECK(++opts == 1 && get(m + at + 2) == DNS_EDNS_ADVERTISED);
            check_options(m + at + 10, rdlen);
        }
        at += 10 + rdlen;
    }
    CHECK(at == len);
}

/* ---- what the records say, as ldns reads them ---- */

/* ANY is answered with one record, IXFR over UDP with the SOA. */
static bool stands_for(ldns_rr_type type, ldns_rr_type asked)
{
    if (asked == LDNS_RR_TYPE_ANY)
        return type == LDNS_RR_TYPE_HINFO || type == LDNS_RR_TYPE_CNAME;
    return asked == LDNS_RR_TYPE_IXFR && type == LDNS_RR_TYPE_SOA;
}

/* CNAMEs from the question on, each owned by what the one before named, then one set
 * of what was asked for. Returns the name at which the search ended. */
static const ldns_rdf *check_chain(const ldns_rr *question, const ldns_rr_list *answer,
                                   bool *is_found)
{
    const ldns_rdf *at = ldns_rr_owner(question);
    ldns_rr_type asked = ldns_rr_get_type(question);
    uint32_t ttl = 0;
    *is_found = false;
    for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(answer, i);
        ldns_rr_type type = ldns_rr_get_type(rr);
        CHECK(ldns_dname_compare(ldns_rr_owner(rr), at) == 0);
        CHECK(ldns_rr_get_class(rr) == ldns_rr_get_class(question));
        CHECK(!*is_found || (type == asked && ldns_rr_ttl(rr) == ttl)); /* */
        for (size_t k = i < 32 ? 0 : i; k < i; k++)
            CHECK(ldns_rr_compare(rr, ldns_rr_list_rr(answer, k)) != 0);
        ttl = ldns_rr_ttl(rr);
        if (type == LDNS_RR_TYPE_CNAME && asked != LDNS_RR_TYPE_CNAME &&
            asked != LDNS_RR_TYPE_ANY) {
            at = ldns_rr_rdf(rr, 0);
            continue;
        }
        CHECK(type == asked || (i == 0 && stands_for(type, asked)));
        *is_found = true;
    }
    return at;
}

/* at most one SOA, of a zone that holds the name, its TTL the negative one. */
static void check_soa(const ldns_pkt *pkt, const ldns_rdf *last)
{
    const ldns_rr_list *authority = ldns_pkt_authority(pkt);
    CHECK(ldns_rr_list_rr_count(authority) <= 1);
    if (ldns_rr_list_rr_count(authority) == 0)
        return;
    const ldns_rr *soa = ldns_rr_list_rr(authority, 0);
    CHECK(ldns_rr_get_type(soa) == LDNS_RR_TYPE_SOA);
    CHECK(ldns_rr_ttl(soa) == ldns_rdf2native_int32(ldns_rr_rdf(soa, 6)));
    CHECK(ldns_dname_compare(last, ldns_rr_owner(soa)) == 0 ||
          ldns_dname_is_subdomain(last, ldns_rr_owner(soa)));
}

/* addresses of targets in the answer, nothing else (OPT and TSIG are not in this list). */
static void check_additional(const ldns_pkt *pkt)
{
    const ldns_rr_list *answer = ldns_pkt_answer(pkt), *more = ldns_pkt_additional(pkt);
    for (size_t i = 0; i < ldns_rr_list_rr_count(more) && i < 64; i++) {
        const ldns_rr *rr = ldns_rr_list_rr(more, i);
        CHECK(ldns_rr_get_type(rr) == LDNS_RR_TYPE_A || ldns_rr_get_type(rr) == LDNS_RR_TYPE_AAAA);
        bool is_target = false;
        for (size_t k = 0; !is_target && k < ldns_rr_list_rr_count(answer); k++) {
            const ldns_rr *from = ldns_rr_list_rr(answer, k);
            size_t field = ldns_rr_get_type(from) == LDNS_RR_TYPE_SRV ? 3 : 0;
            if (field == 3 || ldns_rr_get_type(from) == LDNS_RR_TYPE_NS)
                is_target = ldns_dname_compare(ldns_rr_rdf(from, field), ldns_rr_owner(rr)) == 0;
        }
        CHECK(is_target);
    }
}

/* NOERROR or NXDOMAIN to a question: data, or the SOA of what is not there. */
static void check_data(const ldns_pkt *pkt)
{
    bool is_found;
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
    const ldns_rdf *last = check_chain(question, ldns_pkt_answer(pkt), &is_found);
    bool is_denied = ldns_pkt_nscount(pkt) == 1;
    check_soa(pkt, last);
    check_additional(pkt);
    CHECK(!(is_found && is_denied)); /* */
    if (ldns_pkt_get_rcode(pkt) == LDNS_RCODE_NXDOMAIN)
        CHECK(!is_found && (is_denied || ldns_pkt_tc(pkt)));
    CHECK(ldns_pkt_ancount(pkt) > 0 || is_denied || ldns_pkt_tc(pkt)); /* */
    CHECK(is_found || ldns_pkt_arcount(pkt) <= 2);
}

static void check_meaning(const uint8_t *m, size_t len)
{
    ldns_pkt *pkt = NULL;
    CHECK(ldns_wire2pkt(&pkt, m, len) == LDNS_STATUS_OK);
    ldns_pkt_rcode rcode = ldns_pkt_get_rcode(pkt);
    if ((rcode == LDNS_RCODE_NOERROR || rcode == LDNS_RCODE_NXDOMAIN) &&
        ldns_pkt_qdcount(pkt) == 1 && ldns_pkt_edns_extended_rcode(pkt) == 0) {
        check_data(pkt);
    } else { /* section 2 */
        CHECK(!ldns_pkt_aa(pkt) && !ldns_pkt_tc(pkt));
        CHECK(ldns_pkt_ancount(pkt) == 0 && ldns_pkt_nscount(pkt) == 0);
        CHECK(ldns_rr_list_rr_count(ldns_pkt_additional(pkt)) == 0);
    }
    ldns_pkt_free(pkt);
}

/* ---- against the query and against itself ---- */

/* without OPT 512, with it what the client takes. A query that was answered with more has
 * been parsed, so that this may be short. */
static size_t client_size(const uint8_t *query, size_t len)
{
    size_t at = skip_name(query, len, 12) + 4;
    for (unsigned i = get(query + 6) + get(query + 8) + get(query + 10); i > 0; i--) {
        at = skip_name(query, len, at);
        if (get(query + at) == RR_OPT)
            return get(query + at + 2) < 512 ? 512 : get(query + at + 2);
        at += 10 + get(query + at + 8);
    }
    return 512;
}

static size_t respond(const struct zone_version *version, const struct dns_peer *peer,
                      const uint8_t *query, size_t len, uint8_t fill, uint8_t *out, size_t room)
{
    memset(out, fill, room);
    return dns_respond(fixture.ctx, version, peer, query, len, out, room);
}

/* The same question gives the same octets, whatever was in the room before. */
static void check_again(const struct zone_version *version, const struct dns_peer *peer,
                        const uint8_t *query, size_t len, size_t room)
{
    uint8_t *first = xmalloc(room), *second = xmalloc(room);
    fixture.opts.rotate = false;
    size_t have = respond(version, peer, query, len, 0xaa, first, room);
    CHECK(have == respond(version, peer, query, len, 0x55, second, room));
    CHECK(memcmp(first, second, have) == 0);
    fixture.opts.rotate = true;
    free(first);
    free(second);
}

/* what fits a datagram is the same over TCP. */
static void check_tcp(const struct zone_version *version, const struct dns_peer *peer,
                      const uint8_t *query, size_t len, const uint8_t *udp)
{
    uint8_t *out = xmalloc(DNS_TCP_MAX);
    struct dns_peer tcp = *peer;
    tcp.proto = DNS_TCP;
    CHECK(dns_respond(fixture.ctx, version, &tcp, query, len, out, DNS_TCP_MAX) >= 12);
    CHECK(memcmp(out, udp, 10) == 0); /* flags, RCODE, question, answers, authority */
    free(out);
}

static struct transfer transfer;
static bool has_transfer;

static struct transfer *on_transfer(void *arg)
{
    (void)arg;
    has_transfer = true;
    return &transfer;
}

/* The messages behind the first one, some of them. */
static void check_transfer(const uint8_t *query)
{
    uint8_t *out = xmalloc(DNS_TCP_MAX);
    for (int i = 0; i < 3 && !transfer_is_over(&transfer); i++) {
        ldns_pkt *pkt = NULL;
        size_t len = transfer_next(&transfer, out);
        CHECK(len > 0 && len <= TRANSFER_MESSAGE && get(out + 4) == 0);
        check_wire(out, len, query, 0);
        CHECK(ldns_wire2pkt(&pkt, out, len) == LDNS_STATUS_OK);
        ldns_pkt_free(pkt);
    }
    free(out);
}

static void init(void)
{
    const char *any = "any";
    if (fixture.zones)
        return;
    fixture_init(&fixture, true);
    CHECK(access_list_init(&fixture.opts.transfer_acl, "access.transfer", &any, 1, NULL) == 0);
    fixture.ctx->transfer_new = on_transfer;
    fixture_init(&unloaded, false);
}

static void check_udp(const struct zone_version *version, const struct dns_peer *peer,
                      const uint8_t *query, size_t len, const uint8_t *m, size_t m_len)
{
    unsigned rcode = m[3] & 15;
    if (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN)
        CHECK(m_len <= len + 11 + 6); /* */
    if (m_len > 512)
        CHECK(m_len <= client_size(query, len));
    bool is_transfer = false;
    if (get(m + 4) == 1) {
        size_t type = skip_name(m, m_len, 12);
        is_transfer = get(m + type) == RR_AXFR || get(m + type) == RR_IXFR;
    }
    if (!(m[2] & 2) && !is_transfer)
        check_tcp(version, peer, query, len, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    init();
    if (size < 1)
        return 0;
    uint8_t choice = data[0];
    struct dns_peer peer = choice & 1 ? fixture_tcp : fixture_udp;
    peer.addr_len = choice & 2 ? 16 : 4;
    fixture.ctx->stale_us = choice & 8 ? 1000000 : 0;
    fixture.opts.nsid_len = choice & 16 ? DNS_NSID_MAX : 0;
    fixture.opts.chaos_len = choice & 32 ? DNS_CHAOS_MAX : 0;
    fixture.opts.transfer_acl.any = (choice & 64) != 0;
    fixture.opts.explain_acl.any = (choice & 128) != 0;
    has_transfer = false;
    const struct zone_version *version = zones_current(choice & 4 ? unloaded.zones : fixture.zones);

    size_t room = choice & 1 ? DNS_TCP_MAX : fixture.opts.udp_size;
    size_t query_len = size - 1;
    uint8_t *query =
        xmemdup(data + 1, query_len); /* exact sizes: the sanitizer sees every octet too many */
    uint8_t *out = xmalloc(room);
    size_t len = dns_respond(fixture.ctx, version, &peer, query, query_len, out, room);
    CHECK(len <= room);
    if (len > 0) {
        check_wire(out, len, query, query_len);
        if (has_transfer) {
            CHECK((out[3] & 15) == RCODE_NOERROR && (choice & 65) == 65);
            check_transfer(query);
        } else {
            check_meaning(out, len);
            check_again(version, &peer, query, query_len, room);
        }
        if (!(choice & 1))
            check_udp(version, &peer, query, query_len, out, len);
    } else {
        CHECK(query_len < 12 || (query[2] & 0x80));
    }
    free(query);
    free(out);
    return 0;
}
