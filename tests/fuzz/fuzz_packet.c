/* Any packet, over a loaded zone, by UDP and by TCP: silence where the rules want it, else
 * a response whose every octet follows from the query: its form (packet_response.h), header, RCODE,
 * OPT and options, size, truncation and records, against a second reading of the query
 * (packet_query.h) and against what the same server says to neighbouring questions.
 *
 * Input: one octet of options (1: TCP, 2: IPv6 client, 4: not loaded, 8: stale, 16: NSID, 32:
 * CHAOS, 64: may transfer, 128: may be told why), then the packet. An ID of 0xf0 to 0xff and an
 * octet has more of them in that octet: 1: forwards for everybody, 2: for others, 4: denied, 8:
 * denied without a word, 16: no cookies, 32: stale data has a limit, 64: from port 464 (but where
 * something is forwarded), 128: up to 4096 octets. */
#include <stdbool.h> /* before ldns, which else makes a bool of its own */

#include <ldns/ldns.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dns/forward_conf.h"
#include "dns/message.h"
#include "dns/reply.h"
#include "dns/transfer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/packet_query.h"
#include "tests/fuzz/packet_response.h"
#include "tests/unit/dns/zone_fixture.h"

static struct fixture fixture, unloaded;
static struct forward_conf for_all, for_others;

/* What the input chose beside the packet. */
struct setting {
    const struct zone_version *version;
    struct dns_peer peer;
    size_t room;
    bool is_ready; /* loaded, and not stale beyond the limit */
    bool may_recurse, may_transfer, may_know;
};

/* ---- header, RCODE and EDNS ---- */

enum { OUR_ZONES = 18, KPASSWD = 464 };
static uint8_t our_zones[OUR_ZONES][NAME_MAX_WIRE];

/* K-REV: cluster.local, 244.10.in-addr.arpa, 96 to 111.10.in-addr.arpa. */
static void name_our_zones(void)
{
    for (unsigned i = 0; i < OUR_ZONES; i++) {
        char text[32] = "cluster.local";
        if (i > 0)
            (void)snprintf(text, sizeof text, "%u.10.in-addr.arpa", i == 1 ? 244 : 94 + i);
        CHECK(name_parse(text, our_zones[i], NULL) > 0);
    }
}

static bool is_ours(const uint8_t *name)
{
    bool is_under = false;
    for (unsigned i = 0; i < OUR_ZONES; i++)
        is_under = is_under || name_is_under(name, our_zones[i]);
    return is_under;
}

static bool is_data(unsigned rcode)
{
    return rcode == RCODE_NOERROR || rcode == RCODE_NXDOMAIN;
}

static bool is_kpasswd(const struct setting *s)
{
    return s->peer.port == KPASSWD && s->peer.proto == DNS_UDP;
}

/* */
static bool may_answer_transfer(const struct setting *s, const struct asked *a, unsigned rcode)
{
    if (s->peer.proto == DNS_UDP && a->type == RR_AXFR)
        return rcode == RCODE_REFUSED;
    if (rcode == RCODE_NOERROR)
        return s->may_transfer && s->is_ready && is_ours(a->m + 12);
    return rcode == RCODE_REFUSED || rcode == RCODE_NOTAUTH ||
           (rcode == RCODE_SERVFAIL && !s->is_ready);
}

/* Steps 11 to 16 of R-001. */
static bool may_answer(const struct setting *s, const struct asked *a, unsigned rcode)
{
    if (a->class == CLASS_CH)
        return rcode == RCODE_REFUSED ||
               (rcode == RCODE_NOERROR && a->type == RR_TXT && fixture.opts.chaos_len > 0);
    if (a->class != RR_CLASS_IN)
        return rcode == RCODE_REFUSED; /* */
    if (a->type == 0 || a->type == RR_OPT || a->type == RR_TKEY || a->type == RR_TSIG)
        return rcode == RCODE_FORMERR; /* */
    if (a->type == RR_AXFR || a->type == RR_IXFR)
        return may_answer_transfer(s, a, rcode);
    if (!is_ours(a->m + 12) && !(s->may_recurse && (a->m[2] & 1)))
        return rcode == RCODE_REFUSED; /* */
    if (!is_ours(a->m + 12) || s->is_ready)
        return is_data(rcode);      /* what upstreams say is in check_relay */
    return rcode == RCODE_SERVFAIL; /* */
}

/* Steps 4 to 16 of R-001: the first fault decides. */
static bool is_verdict(const struct setting *s, const struct asked *a, unsigned rcode)
{
    if (!fixture.opts.query_acl.any)
        return rcode == RCODE_REFUSED;
    if (a->verdict == ASKED_NOTIMP)
        return rcode == RCODE_NOTIMP;
    switch (a->verdict) {
    case ASKED_NOTIMP:
    case ASKED_MALFORMED:
    case ASKED_BAD_TSIG:
    case ASKED_BAD_COOKIE:
        return rcode == RCODE_FORMERR;
    case ASKED_TSIG:
        return rcode == RCODE_NOTAUTH;
    case ASKED_BADVERS:
        return rcode == RCODE_BADVERS;
    case ASKED_COOKIE_ONLY:
        return rcode == RCODE_NOERROR;
    case ASKED_QUESTION:
        return may_answer(s, a, rcode);
    }
    return false;
}

/* section 2. */
static void check_header(const struct setting *s, const struct asked *a, const struct response *r)
{
    bool is_bare = r->rcode == RCODE_NOTIMP;
    CHECK(memcmp(r->m, a->m, 2) == 0 && ((r->m[2] ^ a->m[2]) & 0x78) == 0);
    CHECK(r->rd == (!is_bare && (a->m[2] & 1)));
    CHECK(r->ra == (!is_bare && s->may_recurse));
    CHECK(r->count[SECTION_QUESTION] == (a->question_len ? 1 : 0));
    CHECK(memcmp(r->m + 12, a->m + 12, a->question_len) == 0);
    if (is_bare)
        CHECK(r->len == 12);
    if (is_data(r->rcode) && a->question_len) {
        CHECK(r->aa);
    } else {
        CHECK(!r->aa && !r->tc && !r->count[SECTION_ANSWER] && !r->count[SECTION_AUTHORITY]);
        CHECK(r->count[SECTION_ADDITIONAL] == (unsigned)r->has_opt + r->has_tsig);
    }
}

static void check_cookie(const struct setting *s, const struct asked *a, const uint8_t *value,
                         size_t size)
{
    CHECK(a->cookie && fixture.opts.cookies && size == COOKIE_CLIENT_SIZE + COOKIE_SERVER_SIZE);
    CHECK(memcmp(value, a->cookie, COOKIE_CLIENT_SIZE) == 0);
    CHECK(cookie_check(&fixture.opts.secrets, value, size, s->peer.addr, s->peer.addr_len,
                       fixture.ctx->wall_s) == COOKIE_GOOD);
}

/* each code with what it explains; a text with code 0 alone, and only where it may be. */
static void check_ede(const struct setting *s, const struct response *r, const uint8_t *value,
                      size_t size)
{
    unsigned code = size >= 2 ? wire_get(value) : UINT16_MAX;
    bool is_negative = r->aa && r->count[SECTION_AUTHORITY] == 1;
    CHECK(code != UINT16_MAX && (size == 2) == (code != EDE_OTHER));
    CHECK(size <= 2 + REASON_TEXT_MAX && !memchr(value + 2, 0, size - 2));
    CHECK(code == EDE_OTHER           ? is_negative && s->may_know && !r->tc
          : code == EDE_STALE         ? r->aa && fixture.ctx->stale_us > 0
          : code == EDE_NOT_READY     ? r->rcode == RCODE_SERVFAIL && !s->is_ready
          : code == EDE_PROHIBITED    ? r->rcode == RCODE_REFUSED
          : code == EDE_NOT_SUPPORTED ? r->rcode == RCODE_REFUSED
          : code == EDE_NO_AUTHORITY
              ? r->rcode == RCODE_SERVFAIL && s->may_recurse
              : code == EDE_NOT_AUTHORITATIVE &&
                    (r->rcode == RCODE_REFUSED || r->rcode == RCODE_NOTAUTH));
}

/* only what was asked for, once each. Returns the size of the
 * EDE, which came last and only because there was room. */
static size_t check_options(const struct setting *s, const struct asked *a,
                            const struct response *r)
{
    bool has_cookie = false, has_nsid = false, has_keepalive = false;
    size_t ede = 0;
    for (size_t at = r->opt.rdata_at, size; at < r->opt.end; at += 4 + size) {
        CHECK(r->opt.end - at >= 4 && !ede);
        unsigned code = wire_get(r->m + at);
        const uint8_t *value = r->m + at + 4;
        size = wire_get(r->m + at + 2);
        CHECK(size <= r->opt.end - at - 4);
        if (code == 10) {
            CHECK(!has_cookie);
            check_cookie(s, a, value, size);
            has_cookie = true;
        } else if (code == 3) {
            CHECK(!has_nsid && a->wants_nsid && size > 0 && size == fixture.opts.nsid_len);
            has_nsid = true;
        } else if (code == 11) {
            CHECK(!has_keepalive && a->wants_keepalive && s->peer.proto == DNS_TCP && size == 2);
            CHECK(wire_get(value) == s->peer.keepalive_ds);
            has_keepalive = true;
        } else {
            CHECK(code == 15);
            check_ede(s, r, value, size);
            ede = 4 + size;
        }
    }
    if (is_data(r->rcode)) { /* what is owed has its room (K-SIZE) */
        CHECK(has_cookie == (a->cookie != NULL));
        CHECK(has_nsid == (a->wants_nsid && fixture.opts.nsid_len > 0));
        CHECK(has_keepalive == (a->wants_keepalive && s->peer.proto == DNS_TCP));
    }
    return ede;
}

/* the size of the EDE. */
static size_t check_meta(const struct setting *s, const struct asked *a, const struct response *r)
{
    CHECK(r->has_opt == (a->has_opt && r->rcode != RCODE_NOTIMP));
    if (r->has_tsig) { /* unsigned: BADKEY, the key's name as it was sent */
        CHECK(r->rcode == RCODE_NOTAUTH && a->verdict == ASKED_TSIG);
        CHECK(r->tsig.class == 255 && r->tsig.ttl == 0);
        const uint8_t *tail = r->m + r->tsig.end - 6;
        CHECK(wire_get(tail + 2) == 17 && wire_get(tail - 2) == 0 && wire_get(tail + 4) == 0);
    }
    if (!r->has_opt)
        return 0;
    CHECK(r->opt.class == DNS_EDNS_ADVERTISED && (r->opt.ttl & 0xff0000) == 0);
    CHECK((r->opt.ttl & 0xffff) == (a->dnssec_ok ? 0x8000 : 0));
    return check_options(s, a, r);
}

/* */
static size_t size_limit(const struct setting *s, const struct asked *a)
{
    if (s->peer.proto == DNS_TCP)
        return DNS_TCP_MAX;
    size_t limit = fixture.opts.udp_size,
           client = a->has_opt && a->udp_size > 512 ? a->udp_size : 512;
    return client < limit ? client : limit;
}

static void check_size(const struct setting *s, const struct asked *a, const struct response *r)
{
    CHECK(r->len <= size_limit(s, a));
    if (s->peer.proto == DNS_UDP && !is_data(r->rcode))
        CHECK(r->len <= a->len + 11 + 6);
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
static void check_packet(const ldns_pkt *pkt)
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

static void check_records(const struct response *r)
{
    ldns_pkt *pkt = NULL;
    CHECK(ldns_wire2pkt(&pkt, r->m, r->len) == LDNS_STATUS_OK);
    if (is_data(r->rcode) && r->count[SECTION_QUESTION])
        check_packet(pkt);
    ldns_pkt_free(pkt);
}

/* ---- against other responses of the same server ---- */

static struct transfer transfer;
static bool has_transfer;

static struct transfer *on_transfer(void *arg)
{
    (void)arg;
    has_transfer = true;
    return &transfer;
}

/* 0: no response, or an upstream must be asked, as fixture.ctx->relay says. */
static size_t respond(const struct setting *s, const uint8_t *query, size_t len, uint8_t fill,
                      uint8_t *out)
{
    memset(out, fill, s->room);
    fixture.ctx->relay.is_wanted = has_transfer = false;
    size_t have = dns_respond(fixture.ctx, s->version, &s->peer, query, len, out, s->room);
    CHECK(have <= s->room && !(have > 0 && fixture.ctx->relay.is_wanted));
    return have;
}

static struct setting by_tcp(const struct setting *s)
{
    struct setting tcp = *s;
    tcp.peer.proto = DNS_TCP;
    tcp.room = DNS_TCP_MAX;
    return tcp;
}

/* the records of a datagram are those of the stream, or as many of the first of them
 * as fit. */
static void check_tcp(const struct setting *s, const struct asked *a, const struct response *udp,
                      size_t ede)
{
    static uint8_t out[DNS_TCP_MAX];
    const struct setting tcp = by_tcp(s);
    struct response r;
    response_read(&r, out, respond(&tcp, a->m, a->len, 0x33, out), false);
    CHECK(r.rcode == udp->rcode && r.aa == udp->aa && r.has_opt == udp->has_opt);
    unsigned have = udp->count[SECTION_ANSWER] + udp->count[SECTION_AUTHORITY];
    unsigned all = r.count[SECTION_ANSWER] + r.count[SECTION_AUTHORITY];
    size_t begin = r.begin[SECTION_ANSWER], end = udp->begin[SECTION_ADDITIONAL];
    CHECK(memcmp(out + begin, udp->m + begin, end - begin) == 0);
    if (udp->tc) {
        CHECK(have < all && size_limit(s, a) - (udp->len - ede) < r.largest);
    } else {
        CHECK(have == all && end == r.begin[SECTION_ADDITIONAL]);
        CHECK(udp->count[SECTION_ANSWER] == r.count[SECTION_ANSWER]);
    }
    CHECK(r.tc ? r.len > DNS_TCP_MAX - 512 : true);
}

/* The same question gives the same octets, whatever was in the room before. */
static void check_again(const struct setting *s, const struct asked *a)
{
    uint8_t *first = xmalloc(s->room), *second = xmalloc(s->room);
    struct response r;
    fixture.opts.rotate = false;
    size_t have = respond(s, a->m, a->len, 0xaa, first);
    CHECK(have == respond(s, a->m, a->len, 0x55, second));
    CHECK(memcmp(first, second, have) == 0);
    response_read(&r, first, have, a->type == RR_IXFR);
    if (s->peer.proto == DNS_UDP && a->type != RR_AXFR && a->type != RR_IXFR)
        check_tcp(s, a, &r, check_meta(s, a, &r));
    fixture.opts.rotate = true;
    free(first);
    free(second);
}

/* Whether a bare question for the name, by TCP, finds that the name exists; *is_outside: it is in
 * no zone of ours. */
static bool exists(const struct setting *s, const uint8_t *name, size_t name_len, unsigned type,
                   bool *is_outside)
{
    static uint8_t out[DNS_TCP_MAX];
    uint8_t query[12 + NAME_MAX_WIRE + 4] = {[5] = 1};
    const struct setting tcp = by_tcp(s);
    struct response r;
    memcpy(query + 12, name, name_len);
    put16(put16(query + 12 + name_len, (uint16_t)type), RR_CLASS_IN);
    response_read(&r, out, respond(&tcp, query, 12 + name_len + 4, 0, out), false);
    *is_outside = !r.aa;
    CHECK(r.aa == is_ours(name) && r.aa == is_data(r.rcode));
    return r.rcode == RCODE_NOERROR ||
           r.count[SECTION_ANSWER] > 0; /* NXDOMAIN of a target */
}

/* a name exists in every case and for every type, and then so does the one
 * above it. */
static void check_neighbours(const struct setting *s, const struct asked *a,
                             const struct response *r)
{
    enum { UNKNOWN = 65280 };
    uint8_t name[NAME_MAX_WIRE];
    size_t len = a->question_len - 4;
    bool is_there = r->rcode == RCODE_NOERROR || r->count[SECTION_ANSWER] > 0, is_outside;
    memcpy(name, a->m + 12, len);
    for (size_t at = 0; name[at] != 0; at += 1U + name[at]) {
        for (size_t i = 1; i <= name[at]; i++) {
            uint8_t *c = &name[at + i];
            if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z'))
                *c ^= 0x20;
        }
    }
    CHECK(exists(s, name, len, UNKNOWN, &is_outside) == is_there);
    size_t above = 1U + name[0];
    bool is_above = name[0] != 0 && exists(s, name + above, len - above, UNKNOWN, &is_outside);
    CHECK(!is_there || name[0] == 0 || is_outside || is_above);
}

/* The messages behind the first one, some of them. */
static void check_transfer(const uint8_t *query)
{
    static uint8_t out[DNS_TCP_MAX];
    for (int i = 0; i < 3 && !transfer_is_over(&transfer); i++) {
        struct response r;
        size_t len = transfer_next(&transfer, out);
        CHECK(len > 0 && len <= TRANSFER_MESSAGE);
        response_read(&r, out, len, true);
        CHECK(memcmp(out, query, 2) == 0 && r.aa && !r.tc && r.rcode == 0);
        CHECK(r.count[SECTION_QUESTION] == 0 && r.count[SECTION_ANSWER] > 0);
        CHECK(r.count[SECTION_AUTHORITY] + r.count[SECTION_ADDITIONAL] == 0);
        check_records(&r);
    }
}

/* ---- names that are not ours ---- */

/* An answer of an upstream: one address, or NXDOMAIN without a SOA. */
static size_t upstream_says(const struct reply_question *q, bool is_found, uint8_t *out)
{
    static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 1};
    memset(out, 0, 12);
    out[2] = 0x81;
    out[3] = is_found ? 0x80 : 0x83;
    out[5] = 1;
    out[7] = is_found;
    memcpy(out + 12, q->name, q->name_len);
    put16(put16(out + 12 + q->name_len, q->type), RR_CLASS_IN);
    size_t len = 16 + q->name_len;
    if (is_found)
        memcpy(out + len, record, sizeof record);
    return len + (is_found ? sizeof record : 0);
}

/* who may recurse asks for a name that is not ours, and gets an answer whether
 * or not upstream there is one. */
static void check_relay(const struct setting *s, const struct asked *a, uint8_t *out)
{
    static struct reply reply;
    const struct reply_question question = fixture.ctx->relay.question;
    uint8_t bytes[16 + NAME_MAX_WIRE + 16];
    struct response r;
    CHECK(s->may_recurse && a->verdict == ASKED_QUESTION && (a->m[2] & 1));
    CHECK(!is_ours(question.name) && question.type == a->type);
    CHECK(question.dnssec_ok == a->dnssec_ok && s->is_ready >= is_ours(a->m + 12));
    CHECK(is_ours(a->m + 12) || name_equal(question.name, a->m + 12));
    size_t len = upstream_says(&question, question.type == RR_A, bytes);
    bool is_answer = question.type != RR_AAAA && /* it has nothing to say of those */
                     reply_check(&reply, &question, 0, false, bytes, len) == REPLY_ANSWER;
    const struct dns_upstream upstream = {
        .question = &question, .reply = is_answer ? &reply : NULL, .ede = EDE_NO_AUTHORITY};
    fixture.ctx->relay.is_wanted = false;
    len =
        dns_respond_again(fixture.ctx, s->version, &s->peer, a->m, a->len, &upstream, out, s->room);
    CHECK(len > 0 && !fixture.ctx->relay.is_wanted);
    response_read(&r, out, len, false);
    CHECK(is_answer ? is_data(r.rcode) : r.rcode == RCODE_SERVFAIL);
    CHECK(r.aa == (is_answer && is_ours(a->m + 12)) && r.ra && r.rd);
    CHECK(!r.cd || (a->m[3] & 0x10));
    CHECK(memcmp(out + 12, a->m + 12, a->question_len) == 0);
    CHECK(r.len <= size_limit(s, a));
    check_meta(s, a, &r);
    if (!is_answer)
        CHECK(r.count[SECTION_ANSWER] + r.count[SECTION_AUTHORITY] == 0);
}

/* ---- the input ---- */

static void init(void)
{
    const char *any = "any", *upstream = "192.0.2.53", *others = "198.51.100.0/24";
    if (fixture.zones)
        return;
    name_our_zones();
    fixture_init(&fixture, true);
    CHECK(access_list_init(&fixture.opts.transfer_acl, "access.transfer", &any, 1, NULL) == 0);
    CHECK(forward_conf_init(&for_all, &upstream, 1, NULL, 0, &any, 1, NULL) == 0);
    CHECK(forward_conf_init(&for_others, &upstream, 1, NULL, 0, &others, 1, NULL) == 0);
    fixture.ctx->transfer_new = on_transfer;
    fixture_init(&unloaded, false);
}

static struct setting choose(uint8_t choice, const uint8_t *query, size_t len)
{
    struct answer_opts *opts = &fixture.opts;
    uint8_t more = len >= 2 && query[0] >= 0xf0 ? query[1] : 0;
    struct setting s = {.peer = choice & 1 ? fixture_tcp : fixture_udp};
    s.peer.addr_len = choice & 2 ? 16 : 4;
    if ((more & 64) && !(more & 3))
        s.peer.port = KPASSWD;
    s.version = zones_current(choice & 4 ? unloaded.zones : fixture.zones);
    fixture.ctx->stale_us = choice & 8 ? 1000000 : 0;
    opts->max_stale_us = more & 32 ? 500000 : 0;
    s.is_ready = !(choice & 4) && !((choice & 8) && (more & 32));
    opts->nsid_len = choice & 16 ? DNS_NSID_MAX : 0;
    opts->chaos_len = choice & 32 ? DNS_CHAOS_MAX : 0;
    s.may_transfer = opts->transfer_acl.any = (choice & 64) != 0;
    s.may_know = opts->explain_acl.any = (choice & 128) != 0;
    opts->forward = more & 1 ? &for_all : more & 2 ? &for_others : NULL;
    opts->query_acl.any = !(more & 4);
    opts->denied_drop = more & 8;
    opts->cookies = !(more & 16);
    opts->udp_size = more & 128 ? DNS_UDP_MAX : DNS_EDNS_ADVERTISED;
    s.may_recurse = (more & 1) && !(more & 4);
    s.room = s.peer.proto == DNS_TCP ? DNS_TCP_MAX : opts->udp_size;
    return s;
}

static void check_response(const struct setting *s, const struct asked *a, const uint8_t *m,
                           size_t len)
{
    struct response r;
    bool is_transfer = a->verdict == ASKED_QUESTION && (a->type == RR_IXFR || a->type == RR_AXFR);
    response_read(&r, m, len, is_transfer);
    CHECK(is_verdict(s, a, r.rcode));
    CHECK(is_data(r.rcode) || !is_kpasswd(s)); /* */
    CHECK(!r.cd);
    check_header(s, a, &r);
    check_meta(s, a, &r);
    check_size(s, a, &r);
    if (has_transfer) {
        CHECK(r.rcode == RCODE_NOERROR && s->may_transfer && s->peer.proto == DNS_TCP && !r.tc);
        check_transfer(a->m);
        return;
    }
    check_records(&r);
    check_again(s, a);
    if (is_data(r.rcode) && a->verdict == ASKED_QUESTION && a->class == RR_CLASS_IN &&
        !is_transfer && is_ours(a->m + 12))
        check_neighbours(s, a, &r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    init();
    if (size < 1)
        return 0;
    size_t len = size - 1;
    const struct setting s = choose(data[0], data + 1, len);
    uint8_t *query =
        xmemdup(data + 1, len); /* exact sizes: the sanitizer sees every octet too many */
    uint8_t *out = xmalloc(s.room);
    size_t have = respond(&s, query, len, 0, out);
    if (len < 12 || (query[2] & 0x80)) {
        CHECK(have == 0 && !fixture.ctx->relay.is_wanted); /* */
    } else {
        struct asked asked;
        asked_read(&asked, query, len, fixture.opts.cookies);
        if (have > 0)
            check_response(&s, &asked, out, have);
        else if (fixture.ctx->relay.is_wanted)
            check_relay(&s, &asked, out);
        else
            CHECK(is_kpasswd(&s) || (!fixture.opts.query_acl.any && fixture.opts.denied_drop));
    }
    free(query);
    free(out);
    return 0;
}
