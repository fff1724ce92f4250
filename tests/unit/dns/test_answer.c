/* One packet in, one packet out: the rules of the wire over a loaded zone (vectors P of the message
 * table, R-001 to R-101). Every response is parsed to the last octet by packet.h, which shares no
 * code with dns/. */
#include "dns/answer.h"

#include "packet.h"
#include "zone_fixture.h"

#include "dns/message.h"

#define Z "cluster.local"
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

static void exchange_fini(struct exchange *x)
{
    response_fini(&x->r);
    free(x->bytes);
}

/* What is true of every response, whatever was asked. */
static void check_always(const struct exchange *x, const struct dns_peer *peer)
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
            assert_true(x->len <= x->query.len + 11 + (r->has_opt && response_ede(r) >= 0 ? 6 : 0));
    }
    for (size_t i = 1; i < r->records; i++) { /* one TTL per set */
        const struct record *a = &r->record[i - 1], *b = &r->record[i];
        if (a->type == b->type && name_equal(a->owner, b->owner))
            assert_int_equal(a->ttl, b->ttl);
    }
}

static struct exchange ask_version(const struct packet *query, const struct dns_peer *peer,
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

static struct exchange ask(const struct packet *query, const struct dns_peer *peer)
{
    return ask_version(query, peer, zones_current(fixture.zones));
}

static struct exchange ask_name(const char *name, unsigned type)
{
    struct packet p;
    packet_query(&p, name, type);
    return ask(&p, &fixture_udp);
}

/* Records of a type in a section. */
static size_t count_of(const struct response *r, unsigned section, unsigned type)
{
    size_t n = 0;
    for (size_t i = 0; i < r->records; i++)
        n += r->record[i].section == section && r->record[i].type == type;
    return n;
}

static const struct record *record_at(const struct response *r, size_t i)
{
    assert_true(i < r->records);
    return &r->record[i];
}

static bool owner_is(const struct record *rr, const char *text)
{
    uint8_t name[NAME_MAX_WIRE];
    int len = name_parse(text, name, NULL);
    return len > 0 && memcmp(rr->owner, name, (size_t)len) == 0; /* case matters (K-ECHO) */
}

/* ---- answers ---- */

static const struct answer_case {
    const char *rule, *name;
    unsigned type, rcode, answers, authority, additional;
    unsigned first_type; /* of the answer, 0: none */
} answer_cases[] = {
    {"R-049 minimal", "db-0.db." P, A, 0, 1, 0, 0, A},
    {"K-NEG NODATA", "db-0.db." P, AAAA, 0, 0, 1, 0, 0},
    {"K-NEG NXDOMAIN", "db-9.db." P, A, 3, 0, 1, 0, 0},
    {"R-041 empty non-terminal", "_tcp.db." P, A, 0, 0, 1, 0, 0},
    {"K-NSX namespace", "empty.svc." Z, A, 0, 0, 1, 0, 0},
    {"K-NSX no namespace", "absent.svc." Z, A, 3, 0, 1, 0, 0},
    {"R-044 no wildcard", "*." P, A, 3, 0, 1, 0, 0},
    {"R-050 SOA", Z, SOA, 0, 1, 0, 0, SOA},
    {"R-050 NS with glue", Z, NS, 0, 1, 0, 1, NS},
    {"reverse NS, target in another zone", "244.10.in-addr.arpa", NS, 0, 1, 0, 1, NS},
    {"R-048 SRV with addresses", "_pg._tcp.db." P, SRV, 0, 5, 0, 5, SRV},
    {"K-SRV both families", "_pg._tcp.ring." P, SRV, 0, 2, 0, 4, SRV},
    {"K-SRV one target once", "_pg._tcp.twins." P, SRV, 0, 1, 0, 2, SRV},
    {"K-BARE self target, two ports", "api." P, SRV, 0, 2, 0, 1, SRV},
    {"R-052 PTR", "1.0.244.10.in-addr.arpa", PTR, 0, 1, 0, 0, PTR},
    {"R-052 nobody has it", "250.255.244.10.in-addr.arpa", PTR, 3, 0, 1, 0, 0},
    {"K-EXTRULES outside", "ext." P, A, 0, 1, 0, 0, CNAME},
    {"K-EXTRULES CNAME asked", "ext." P, CNAME, 0, 1, 0, 0, CNAME},
    {"K-EXTRULES any type", "ext." P, SRV, 0, 1, 0, 0, CNAME},
    {"R-046 followed", "ext-in." P, A, 0, 2, 0, 0, CNAME},
    {"RFC 6604 type missing", "ext-in." P, AAAA, 0, 1, 1, 0, CNAME},
    {"RFC 6604 name missing", "ext-dead." P, A, 3, 1, 1, 0, CNAME},
    {"R-046 followed to SRV", "ext-in." P, SRV, 0, 3, 0, 1, CNAME},
    {"R-046 CNAME is not followed when asked for", "ext-in." P, CNAME, 0, 1, 0, 0, CNAME},
    {"R-046 loop to self", "self." P, A, 0, 1, 0, 0, CNAME},
    {"P33 loop of two", "loop-a." P, A, 0, 2, 0, 0, CNAME},
    {"P34 chain of 12", "c0." P, A, 0, 8, 0, 0, CNAME},
    {"K-EXTRULES chain of 8", "s0." P, A, 0, 9, 0, 0, CNAME},
    {"P15 ANY", "api." P, ANY, 0, 1, 0, 0, HINFO},
    {"K-ANY at a CNAME", "ext-in." P, ANY, 0, 1, 0, 0, CNAME},
    {"K-ANY empty node", "empty.svc." Z, ANY, 0, 0, 1, 0, 0},
    {"P16 ANY missing", "nosuch." P, ANY, 3, 0, 1, 0, 0},
    {"P27 K-DS", Z, 43, 0, 0, 1, 0, 0},
    {"R-120 DNSKEY", Z, 48, 0, 0, 1, 0, 0},
    {"R-022 TYPE666", "api." P, 666, 0, 0, 1, 0, 0},
    {"R-022 TYPE65535", "api." P, 65535, 0, 0, 1, 0, 0},
    {"R-022 MAILB", "api." P, 253, 0, 0, 1, 0, 0},
    {"R-022 MAILA at a missing name", "nosuch." P, 254, 3, 0, 1, 0, 0},
    {"K-VER", "dns-version." Z, TXT, 0, 1, 0, 0, TXT},
};

static void answers_have_the_right_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        for (unsigned flags = 0; flags < 2;
             flags++) { /* P24: RD is copied and changes nothing else */
            struct packet p;
            packet_query(&p, c->name, c->type);
            p.bytes[2] = (uint8_t)flags;
            struct exchange x = ask(&p, flags ? &fixture_tcp : &fixture_udp); /* K-TCP */
            const struct response *r = &x.r;
            if (r->rcode != c->rcode || r->count[1] != c->answers || r->count[2] != c->authority ||
                r->count[3] != c->additional)
                fail_msg("%s: rcode %u, %u answers, %u authority, %u additional", c->rule, r->rcode,
                         r->count[1], r->count[2], r->count[3]);
            assert_true(r->aa && !r->tc && !r->has_opt);
            assert_int_equal(r->rd, flags);
            if (c->first_type)
                assert_int_equal(record_at(r, 0)->type, c->first_type);
            if (c->authority)
                assert_int_equal(count_of(r, 2, SOA), 1);
            exchange_fini(&x);
        }
    }
}

static void negative_answers_name_their_zone_and_live_short(void **state)
{
    (void)state; /* R-042, K-NEGTTL: TTL equals MINIMUM */
    static const struct {
        const char *name, *apex;
    } cases[] = {{"nosuch." P, Z},
                 {"ext-dead." P, Z},
                 {"9.9.244.10.in-addr.arpa", "244.10.in-addr.arpa"},
                 {Z, Z}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct exchange x = ask_name(cases[i].name, TXT);
        const struct record *soa = record_at(&x.r, x.r.count[1]);
        assert_int_equal(soa->type, SOA);
        assert_true(owner_is(soa, cases[i].apex));
        assert_int_equal(soa->ttl, 5);
        assert_int_equal(strict16(&x.r, soa->rdata_at + soa->rdlen - 2), 5);
        exchange_fini(&x);
    }
}

static void chains_list_each_name_once_in_order(void **state)
{
    (void)state; /* P34, K-SHUFFLE: a CNAME comes before what it points to */
    struct exchange x = ask_name("c0." P, A);
    for (unsigned i = 0; i < 8; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "c%u." P, i);
        assert_int_equal(record_at(&x.r, i)->type, CNAME);
        assert_true(owner_is(record_at(&x.r, i), name));
    }
    exchange_fini(&x);
    x = ask_name("s0." P, A);
    assert_int_equal(record_at(&x.r, 8)->type, A);
    assert_true(owner_is(record_at(&x.r, 8), "api." P));
    exchange_fini(&x);
}

static void the_question_comes_back_as_it_was_sent(void **state)
{
    (void)state; /* P37, K-ECHO, R-020; other names are in lower case (C23) */
    static const char *const names[] = {"db-0.db." P, "nosuch." P, "_pg._tcp.db." P, "api." P,
                                        "ext-in." P};
    static const unsigned types[] = {A, A, SRV, SRV, A};
    uint64_t chance = 1;
    for (int round = 0; round < 100; round++) {
        size_t k = (size_t)round % ARRAY_SIZE(names);
        char name[128];
        (void)snprintf(name, sizeof name, "%s", names[k]);
        for (char *c = name; *c; c++) {
            chance = chance * 6364136223846793005U + 1442695040888963407U;
            if (*c >= 'a' && *c <= 'z' && chance >> 63)
                *c = (char)(*c - 32);
        }
        struct exchange mixed = ask_name(name, types[k]), plain = ask_name(names[k], types[k]);
        assert_int_equal(mixed.r.rcode, plain.r.rcode);
        assert_int_equal(mixed.r.records, plain.r.records);
        for (size_t i = 0; i < mixed.r.records; i++) {
            const struct record *rr = &mixed.r.record[i];
            uint8_t wire[NAME_MAX_WIRE], folded[NAME_MAX_WIRE];
            size_t len = name_wire_len(rr->owner, sizeof rr->owner);
            name_fold(folded, rr->owner, len);
            int qlen = name_parse(name, wire, NULL);
            if ((size_t)qlen == len && memcmp(folded, wire, len) == 0) {
                assert_true(rr->owner_is_pointer);
                assert_int_equal(strict16(&mixed.r, rr->owner_at), 0xc00c);
            } else {
                assert_memory_equal(rr->owner, folded, len);
            }
        }
        exchange_fini(&mixed);
        exchange_fini(&plain);
    }
}

static void odd_names_are_parsed_and_missing(void **state)
{
    (void)state; /* P21, P22, R-018, R-019 */
    static const struct {
        const char *rule, *hex; /* first labels; the zone follows */
        unsigned rcode;
    } cases[] = {
        {"R-018 CR for '-'", "04 6462 0d 30 02 6462 04 70726f64 03 737663", 3},
        {"R-018 0x10 for '0'", "04 6462 2d 10 02 6462 04 70726f64 03 737663", 3},
        {"P21 a dot in a label", "07 64622d302e6462 04 70726f64 03 737663", 3},
        {"R-018 NUL in a label", "05 64622d3000 02 6462 04 70726f64 03 737663", 3},
        {"R-018 high octets", "02 ffff 04 70726f64 03 737663", 3},
        {"the zone itself", "", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct packet p;
        packet_header(&p);
        packet_hex(&p, cases[i].hex);
        packet_question(&p, Z, A, 1);
        struct exchange x = ask(&p, &fixture_udp);
        if (x.r.rcode != cases[i].rcode)
            fail_msg("%s", cases[i].rule);
        assert_int_equal(x.r.questions, 1);
        exchange_fini(&x);
    }
    static const char *const outside[] = {
        "07636c7573746572 066c6f63616c78 00",    /* cluster.localx */
        "0878636c7573746572 056c6f63616c 00",    /* xcluster.local */
        "0f61 07636c757374657205 6c6f63616c 00", /* one label that ends in the zone's octets */
        "056c6f63616c 00",
        "00",
    };
    for (size_t i = 0; i < ARRAY_SIZE(outside); i++) { /* */
        struct packet p;
        packet_header(&p);
        packet_hex(&p, outside[i]);
        packet_hex(&p, "0001 0001");
        packet_set16(&p, 4, 1);
        struct exchange x = ask(&p, &fixture_udp);
        assert_int_equal(x.r.rcode, RCODE_REFUSED);
        assert_int_equal(x.len, p.len);
        exchange_fini(&x);
    }
}

static void the_longest_names_are_answered(void **state)
{
    (void)state; /* P21: 255 octets, labels of 63; P22: as many labels as fit */
    for (unsigned label = 1; label <= 63; label += 62) {
        struct packet p;
        packet_header(&p);
        size_t zone_len = strlen("svc." Z) + 2, left = NAME_MAX_WIRE - zone_len;
        while (left > 0) {
            size_t size = left - 1 > label ? label : left - 1;
            if (left - 1 - size == 1)
                size = size > 1 ? size - 1 : size;
            if (size == 0)
                break;
            packet_put(&p, &(uint8_t){(uint8_t)size}, 1);
            for (size_t i = 0; i < size; i++)
                packet_put(&p, "y", 1);
            left -= size + 1;
        }
        packet_question(&p, "svc." Z, A, 1);
        struct exchange x = ask(&p, &fixture_udp);
        assert_int_equal(x.r.rcode, RCODE_NXDOMAIN);
        assert_int_equal(count_of(&x.r, 2, SOA), 1);
        exchange_fini(&x);
    }
}

/* ---- size ---- */

static struct exchange ask_sized(const char *name, unsigned type, unsigned size, bool tcp)
{
    struct packet p;
    packet_query(&p, name, type);
    if (size > 0)
        packet_opt(&p, size, 0, "");
    return ask(&p, tcp ? &fixture_tcp : &fixture_udp);
}

static void large_sets_are_cut_with_tc_over_udp_only(void **state)
{
    (void)state; /* P1, P2, P3, R-045, R-065, R-066 */
    static const struct {
        unsigned size, limit;
    } cases[] = {{0, 512},     {1, 512},     {512, 512},   {513, 513},
                 {1232, 1232}, {4096, 1232}, {65535, 1232}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct exchange x = ask_sized("big." P, A, cases[i].size, false);
        assert_true(x.r.tc && x.len <= cases[i].limit && x.len + 16 > cases[i].limit);
        assert_true(x.r.count[1] >= 1);
        assert_int_equal(x.r.count[2] + x.r.count[3], 0);
        assert_int_equal(x.r.has_opt, cases[i].size != 0);
        exchange_fini(&x);
    }
    struct exchange x = ask_sized("big." P, A, 0, true);
    assert_false(x.r.tc);
    assert_int_equal(x.r.count[1], FIXTURE_BIG);
    exchange_fini(&x);
    fixture.opts.udp_size = 4096; /* K-SIZE */
    x = ask_sized("big." P, A, 4096, false);
    assert_int_equal(x.r.count[1], FIXTURE_BIG);
    assert_true(!x.r.tc && x.len > 1232);
    exchange_fini(&x);
    fixture.opts.udp_size = 1232;
}

static void additional_sets_go_before_any_answer(void **state)
{
    (void)state; /* P4, P5, R-048: whole sets only */
    for (unsigned size = 0; size <= 4096; size += 256) {
        struct exchange x = ask_sized("wide." P, SRV, size, false);
        const struct response *r = &x.r;
        assert_int_equal(r->tc, r->count[1] < FIXTURE_WIDE);
        if (r->tc)
            assert_int_equal(r->count[3], 0);
        exchange_fini(&x);
    }
    fixture.opts.udp_size = 3000;
    struct exchange x = ask_sized("wide." P, SRV, 4096, false);
    assert_false(x.r.tc);
    assert_int_equal(x.r.count[1], FIXTURE_WIDE);
    assert_true(x.r.count[3] > 0 && x.r.count[3] < 2 * FIXTURE_WIDE);
    exchange_fini(&x);
    fixture.opts.udp_size = 1232;
    x = ask_sized("wide." P, SRV, 0, true);
    assert_false(x.r.tc);
    assert_int_equal(x.r.count[1], FIXTURE_WIDE);
    assert_int_equal(count_of(&x.r, 3, A), FIXTURE_WIDE);
    assert_int_equal(count_of(&x.r, 3, AAAA), FIXTURE_WIDE);
    exchange_fini(&x);
}

static void tcp_is_cut_at_65535_octets(void **state)
{
    (void)state; /* R-066; owners beyond 0x4000 are written in full */
    struct exchange x = ask_sized("huge." P, A, 0, true);
    assert_true(x.r.tc && x.len <= 65535 && x.len + 16 > 65535);
    exchange_fini(&x);
    x = ask_sized("huge." P, SRV, 1232, true);
    assert_true(x.r.tc && x.len <= 65535);
    exchange_fini(&x);
}

static void addresses_of_far_targets_are_named_in_full(void **state)
{
    (void)state; /* an answer section beyond the reach of pointers */
    struct zone_txn *txn = zone_txn_new(fixture.zones);
    fixture_headless(txn, "far", 20000, 500, true, true, false);
    zone_txn_publish(txn, 8);
    struct exchange x = ask_sized("far." P, SRV, 0, true);
    assert_false(x.r.tc);
    assert_int_equal(x.r.count[1], 500);
    size_t in_full = 0;
    for (size_t i = 500; i < x.r.records; i++)
        in_full += !x.r.record[i].owner_is_pointer;
    assert_true(in_full > 0);
    for (size_t i = 500; i < x.r.records; i++) { /* each is the address of some target */
        size_t k = 0;
        while (k < 500 && memcmp(x.bytes + x.r.record[k].rdata_at + 6, x.r.record[i].owner,
                                 x.r.record[k].rdlen - 6) != 0)
            k++;
        assert_true(k < 500);
    }
    exchange_fini(&x);
    txn = zone_txn_new(fixture.zones);
    zone_txn_del_service(txn, "prod", "far");
    zone_txn_publish(txn, 9);
}

static void every_record_comes_first_equally_often(void **state)
{
    (void)state; /* P6, P7, K-SHUFFLE, R-051 */
    unsigned first[2] = {0, 0};
    bool seen[65536] = {false};
    size_t distinct = 0;
    for (int i = 0; i < 2000; i++) {
        struct exchange x = ask_name("twin.twins." P, A);
        assert_int_equal(x.r.count[1], 2);
        first[x.bytes[record_at(&x.r, 0)->rdata_at + 3] % 2]++;
        exchange_fini(&x);
    }
    assert_true(first[0] > 800 && first[0] < 1200);
    for (int i = 0; i < 2000; i++) {
        struct exchange x = ask_name("big." P, A);
        for (size_t k = 0; k < x.r.records; k++) {
            unsigned last = strict16(&x.r, x.r.record[k].rdata_at + 2);
            distinct += !seen[last];
            seen[last] = true;
        }
        exchange_fini(&x);
    }
    assert_int_equal(distinct, FIXTURE_BIG);
    fixture.opts.rotate = false;
    struct exchange once = ask_name("big." P, A);
    for (int i = 0; i < 20; i++) {
        struct exchange x = ask_name("big." P, A);
        assert_memory_equal(x.bytes, once.bytes, once.len);
        exchange_fini(&x);
    }
    exchange_fini(&once);
    fixture.opts.rotate = true;
}

/* ---- errors and their order ---- */

enum { DROPPED = 100 };

struct fault {
    const char *rule;
    unsigned expect; /* rcode, DROPPED */
    bool has_question, has_opt;
    void (*make)(struct packet *p);
};

static void make_good(struct packet *p)
{
    packet_query(p, "db-0.db." P, A);
    packet_opt(p, 1232, 0, "");
}
static void make_short(struct packet *p)
{
    make_good(p);
    p->len = 11;
}
static void make_empty(struct packet *p)
{
    p->len = 0;
}
static void make_response(struct packet *p)
{
    packet_query(p, "db-0.db." P, A);
    packet_opt(p, 1232, 0x10000, "");
    p->bytes[2] |= 0x80;
}
static void make_response_opcode(struct packet *p)
{
    make_response(p);
    p->bytes[2] |= 0x28;
}
static void make_status(struct packet *p)
{
    make_good(p);
    p->bytes[2] = 0x10;
}
static void make_update(struct packet *p)
{
    make_good(p);
    p->bytes[2] = 0x28;
}
static void make_notify_garbage(struct packet *p)
{
    packet_header(p);
    p->bytes[2] = 0x27; /* NOTIFY with AA, TC, RD */
    p->bytes[3] = 0xff;
    packet_set16(p, 4, 0xffff);
    packet_hex(p, "deadbeef");
}
static void make_no_question(struct packet *p)
{
    packet_header(p);
}
static void make_two_questions(struct packet *p)
{
    packet_query(p, "db-0.db." P, A);
    packet_question(p, "db-1.db." P, A, 1);
}
static void make_garbage(struct packet *p)
{
    packet_header(p);
    packet_set16(p, 4, 1);
    packet_put(p, "12345678", 8);
}
static void make_pointer_loop(struct packet *p)
{
    packet_header(p);
    packet_hex(p, "c00c 0001 0001");
    packet_set16(p, 4, 1);
}
static void make_trailing(struct packet *p)
{
    make_good(p);
    packet_put(p, "", 1);
}
static void make_answer(struct packet *p)
{
    packet_query(p, "db-0.db." P, A);
    packet_record(p, 6, "c00c", 1, 1, 5, "01020304");
}
static void make_two_opts(struct packet *p)
{
    make_good(p);
    packet_opt(p, 1232, 0x10000, "");
}
static void make_badvers_outside(struct packet *p)
{
    packet_query(p, "example.com", A);
    packet_opt(p, 1232, 0x18000, "fde9 0002 abcd");
}
static void make_badvers_class(struct packet *p)
{
    packet_header(p);
    packet_question(p, Z, A, 3);
    packet_opt(p, 1232, 0x10000, "000a 0001 00");
}
static void make_tsig(struct packet *p)
{
    make_good(p);
    packet_record(p, 10, "016b00", 250, 255, 0,
                  "0b686d61632d736861323536 00 000000000001 012c 0010 "
                  "00112233445566778899aabbccddeeff 1234 0000 0000");
}
static void make_tsig_first(struct packet *p)
{
    packet_query(p, "db-0.db." P, A);
    packet_record(p, 10, "016b00", 250, 255, 0, "0161 00 000000000001 012c 0000 1234 0000 0000");
    packet_opt(p, 1232, 0x10000, "");
}
static void make_bad_cookie_class(struct packet *p)
{
    packet_header(p);
    packet_question(p, Z, A, 4);
    packet_opt(p, 1232, 0, "000a 0003 010203");
}
static void make_class_meta(struct packet *p)
{
    packet_header(p);
    packet_question(p, Z, 41, 4);
    packet_opt(p, 1232, 0, "");
}
static void make_meta_outside(struct packet *p)
{
    packet_query(p, "example.com", 250);
    packet_opt(p, 1232, 0, "");
}
static void make_type_zero(struct packet *p)
{
    packet_query(p, Z, 0);
}
static void make_opt_type(struct packet *p)
{
    packet_query(p, Z, 41);
}
static void make_tkey(struct packet *p)
{
    packet_query(p, Z, 249);
}
static void make_outside(struct packet *p)
{
    packet_query(p, "example.com", A);
    packet_opt(p, 1232, 0, "");
}
static void make_any_outside(struct packet *p)
{
    packet_query(p, ".", ANY);
}

static const struct fault faults[] = {
    {"a good one", RCODE_NOERROR, true, true, make_good},
    {"R-010 P14 11 octets", DROPPED, false, false, make_short},
    {"R-095 nothing", DROPPED, false, false, make_empty},
    {"R-011 P13 QR with a bad version", DROPPED, false, false, make_response},
    {"R-011 QR with a bad opcode", DROPPED, false, false, make_response_opcode},
    {"R-012 P11 STATUS", RCODE_NOTIMP, false, false, make_status},
    {"R-114 P11 UPDATE", RCODE_NOTIMP, false, false, make_update},
    {"R-012 R-113 NOTIFY, garbage body", RCODE_NOTIMP, false, false, make_notify_garbage},
    {"P12 no question", RCODE_FORMERR, false, false, make_no_question},
    {"P12 two questions", RCODE_FORMERR, false, false, make_two_questions},
    {"R-003 garbage", RCODE_FORMERR, false, false, make_garbage},
    {"P23 pointer loop", RCODE_FORMERR, false, false, make_pointer_loop},
    {"R-015 trailing octet", RCODE_FORMERR, true, false, make_trailing},
    {"R-014 an answer in a query", RCODE_FORMERR, true, false, make_answer},
    {"R-061 two OPTs, one of version 1", RCODE_FORMERR, true, false, make_two_opts},
    {"R-001 R-062 P8 version before name", RCODE_BADVERS, true, true, make_badvers_outside},
    {"R-001 version before cookie and class", RCODE_BADVERS, true, true, make_badvers_class},
    {"R-115 TSIG of an unknown key", RCODE_NOTAUTH, true, true, make_tsig},
    {"R-115 TSIG not last, before version", RCODE_FORMERR, true, true, make_tsig_first},
    {"R-001 cookie before class", RCODE_FORMERR, true, true, make_bad_cookie_class},
    {"R-001 class before meta type", RCODE_REFUSED, true, true, make_class_meta},
    {"R-001 meta type before zone", RCODE_FORMERR, true, true, make_meta_outside},
    {"R-022 type 0", RCODE_FORMERR, true, false, make_type_zero},
    {"R-022 type OPT", RCODE_FORMERR, true, false, make_opt_type},
    {"R-022 type TKEY", RCODE_FORMERR, true, false, make_tkey},
    {"R-030 K-OUT", RCODE_REFUSED, true, true, make_outside},
    {"R-030 ANY at the root", RCODE_REFUSED, true, false, make_any_outside},
};

static void faults_get_their_verdict_on_both_transports(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(faults); i++) {
        const struct fault *f = &faults[i / 2];
        struct packet p;
        f->make(&p);
        struct exchange x = ask(&p, i % 2 ? &fixture_tcp : &fixture_udp);
        unsigned got = x.len == 0 ? DROPPED : x.r.rcode;
        if (got != f->expect ||
            (x.len > 0 && (x.r.questions != f->has_question || x.r.has_opt != f->has_opt)))
            fail_msg("%s: rcode %u, %u questions, OPT %d", f->rule, got, x.r.questions,
                     x.r.has_opt);
        exchange_fini(&x);
        make_good(&p); /* and the server still answers */
        x = ask(&p, &fixture_udp);
        assert_int_equal(x.r.count[1], 1);
        exchange_fini(&x);
    }
}

static void notimp_is_a_bare_header(void **state)
{
    (void)state; /* the opcode is copied, flags other than QR are cleared */
    struct packet p;
    make_notify_garbage(&p);
    struct exchange x = ask(&p, &fixture_udp);
    assert_int_equal(x.len, 12);
    assert_int_equal(x.bytes[2], 0xa0);
    assert_int_equal(x.bytes[3], RCODE_NOTIMP);
    exchange_fini(&x);
}

static void flags_of_the_query_do_not_come_back(void **state)
{
    (void)state; /* */
    struct packet p;
    packet_query(&p, "db-0.db." P, A);
    p.bytes[2] = 0x06; /* AA, TC */
    p.bytes[3] = 0xff; /* RA, Z, AD, CD, RCODE 15 */
    struct exchange x = ask(&p, &fixture_udp);
    assert_int_equal(x.bytes[2], 0x84);
    assert_int_equal(x.bytes[3], 0);
    exchange_fini(&x);
}

static void classes_other_than_in_are_refused(void **state)
{
    (void)state; /* R-021, P9, P10 */
    static const unsigned classes[] = {0, 2, 3, 4, 254, 255, 65280, 65535};
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        struct packet p;
        packet_header(&p);
        packet_question(&p, i == 2 ? "version.bind" : "api." P, i == 2 ? TXT : A, classes[i]);
        struct exchange x = ask(&p, &fixture_udp);
        assert_int_equal(x.r.rcode, RCODE_REFUSED);
        exchange_fini(&x);
    }
}

static void chaos_names_answer_when_configured(void **state)
{
    (void)state; /* */
    static const char *const names[] = {"version.bind", "Version.SERVER", "hostname.bind",
                                        "id.server"};
    memcpy(fixture.opts.chaos, "here", 4);
    fixture.opts.chaos_len = 4;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct packet p;
        packet_header(&p);
        packet_question(&p, names[i], TXT, 3);
        struct exchange x = ask(&p, &fixture_udp);
        assert_int_equal(x.r.rcode, 0);
        assert_int_equal(record_at(&x.r, 0)->class, 3);
        assert_memory_equal(x.bytes + record_at(&x.r, 0)->rdata_at, "\4here", 5);
        exchange_fini(&x);
    }
    struct packet p;
    packet_header(&p);
    packet_question(&p, "authors.bind", TXT, 3);
    struct exchange x = ask(&p, &fixture_udp);
    assert_int_equal(x.r.rcode, RCODE_REFUSED);
    exchange_fini(&x);
    fixture.opts.chaos_len = 0;
}

static void transfers_are_refused(void **state)
{
    (void)state; /* P17, R-110: exact apex, whatever its case */
    static const struct {
        const char *name;
        unsigned type;
        bool tcp;
        unsigned rcode;
    } cases[] = {
        {Z, 252, true, RCODE_REFUSED},
        {"CLUSTER.local", 252, true, RCODE_REFUSED},
        {"svc." Z, 252, true, RCODE_NOTAUTH},
        {"example.com", 252, true, RCODE_NOTAUTH},
        {"244.10.in-addr.arpa", 252, true, RCODE_REFUSED},
        {Z, 252, false, RCODE_REFUSED},
        {"example.com", 252, false, RCODE_REFUSED},
        {Z, 251, true, RCODE_REFUSED},
        {Z, 251, false, RCODE_REFUSED},
        {"example.com", 251, true, RCODE_NOTAUTH},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct packet p;
        packet_query(&p, cases[i].name, cases[i].type);
        if (cases[i].type == 251)
            packet_record(&p, 8, "c00c", 6, 1, 0,
                          "00 00 00000001 00000000 00000000 00000000 00000000");
        struct exchange x = ask(&p, cases[i].tcp ? &fixture_tcp : &fixture_udp);
        assert_int_equal(x.r.rcode, cases[i].rcode);
        exchange_fini(&x);
    }
}

static void tsig_is_answered_badkey_without_a_mac(void **state)
{
    (void)state; /* R-115, RFC 8945 section 5.2.1; never the data */
    struct packet p;
    make_tsig(&p);
    struct exchange x = ask(&p, &fixture_udp);
    assert_true(x.r.has_tsig);
    const struct record *rr = record_at(&x.r, x.r.records - 1);
    assert_int_equal(rr->type, 250);
    assert_int_equal(rr->class, 255);
    size_t mac_at = rr->rdata_at + 13 + 8;
    assert_int_equal(strict16(&x.r, mac_at), 0);
    assert_int_equal(strict16(&x.r, mac_at + 2), 0x1234);
    assert_int_equal(strict16(&x.r, mac_at + 4), 17);
    assert_int_equal(x.r.count[1], 0);
    exchange_fini(&x);
}

static void reflector_ports_get_nothing(void **state)
{
    (void)state; /* step 3; R-023: other low ports are served */
    struct packet p;
    make_good(&p);
    static const struct {
        uint16_t port;
        bool answered;
    } cases[] = {{0, false}, {7, false}, {13, false}, {19, false}, {37, false},
                 {1, true},  {36, true}, {53, true},  {123, true}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct dns_peer peer = fixture_udp;
        peer.port = cases[i].port;
        struct exchange x = ask(&p, &peer);
        assert_int_equal(x.len > 0, cases[i].answered);
        exchange_fini(&x);
    }
}

static void denied_clients_are_refused_or_ignored(void **state)
{
    (void)state; /* R-101, step 4 */
    struct access_list any = fixture.opts.query_acl;
    const char *other = "198.51.100.0/24";
    assert_int_equal(access_list_init(&fixture.opts.query_acl, "access.query", &other, 1, NULL), 0);
    struct packet p;
    make_good(&p);
    struct exchange x = ask(&p, &fixture_udp);
    assert_int_equal(x.r.rcode, RCODE_REFUSED);
    assert_int_equal(x.r.questions, 1);
    assert_int_equal(response_ede(&x.r), 18);
    exchange_fini(&x);
    make_update(&p); /* step 4 is before step 5 */
    x = ask(&p, &fixture_udp);
    assert_int_equal(x.r.rcode, RCODE_REFUSED);
    exchange_fini(&x);
    fixture.opts.denied_drop = true;
    x = ask(&p, &fixture_tcp);
    assert_int_equal(x.len, 0);
    exchange_fini(&x);
    fixture.opts.denied_drop = false;
    access_list_fini(&fixture.opts.query_acl);
    fixture.opts.query_acl = any;
}

/* ---- EDNS options ---- */

static struct exchange ask_options(const char *name, unsigned type, uint32_t flags,
                                   const char *options, const struct dns_peer *peer)
{
    struct packet p;
    packet_query(&p, name, type);
    packet_opt(&p, 1232, flags, options);
    return ask(&p, peer);
}

static void unknown_options_vanish_and_do_is_copied(void **state)
{
    (void)state; /* P26 */
    struct exchange x = ask_options("db-0.db." P, A, EDNS_DO | 0x80,
                                    "fde9 0002 abcd 0008 0007 00011800c00002", &fixture_udp);
    assert_true(x.r.opt_do);
    assert_int_equal(x.r.opt_len, 0);
    assert_int_equal(x.r.count[1], 1);
    exchange_fini(&x);
}

static void a_thousand_options_cost_nothing(void **state)
{
    (void)state; /* nothing adds up in the response */
    struct packet p;
    packet_query(&p, "db-0.db." P, A);
    packet_opt(&p, 1232, 0, "");
    size_t rdlen_at = p.len - 2, before = p.len;
    for (int i = 0; i < 1000; i++)
        packet_hex(&p, i % 2 ? "0003 0000" : "000c 0000");
    packet_set16(&p, rdlen_at, (unsigned)(p.len - before));
    memcpy(fixture.opts.nsid, "node", 4);
    fixture.opts.nsid_len = 4;
    struct exchange x = ask(&p, &fixture_udp);
    size_t len = 0;
    assert_memory_equal(response_option(&x.r, 3, &len), "node", 4); /* */
    assert_int_equal(len, 4);
    assert_int_equal(x.r.opt_len, 8);
    exchange_fini(&x);
    x = ask_options("db-0.db." P, A, 0, "", &fixture_udp);
    assert_null(response_option(&x.r, 3, NULL)); /* only if asked */
    exchange_fini(&x);
    fixture.opts.nsid_len = 0;
    x = ask_options("db-0.db." P, A, 0, "0003 0000", &fixture_udp);
    assert_null(response_option(&x.r, 3, NULL));
    exchange_fini(&x);
}

static void cookies_are_given_checked_and_renewed(void **state)
{
    (void)state; /* */
    struct exchange x = ask_options("db-0.db." P, A, 0, "000a 0008 0102030405060708", &fixture_udp);
    size_t len = 0;
    const uint8_t *cookie = response_option(&x.r, 10, &len);
    assert_int_equal(len, 24);
    assert_memory_equal(cookie, "\1\2\3\4\5\6\7\10\1\0\0\0", 12);
    struct packet p;
    packet_query(&p, "db-0.db." P, A);
    packet_opt(&p, 1232, 0, "000a 0018");
    packet_put(&p, cookie, 24);
    packet_set16(&p, p.len - 30, 28);
    exchange_fini(&x);
    for (int age_s = 0; age_s <= 3601; age_s += 1800 + (age_s == 1800)) {
        fixture.ctx->wall_s = 1800000000 + (uint32_t)age_s;
        x = ask(&p, &fixture_udp);
        bool is_same = memcmp(response_option(&x.r, 10, &len), p.bytes + p.len - 24, 24) == 0;
        assert_int_equal(len, 24);
        assert_int_equal(is_same, age_s <= 1800);
        assert_int_equal(x.r.count[1], 1); /* answered anyway */
        exchange_fini(&x);
    }
    fixture.ctx->wall_s = 1800000000;
    packet_header(&p); /* */
    packet_opt(&p, 1232, 0, "000a 0008 0102030405060708");
    x = ask(&p, &fixture_udp);
    assert_int_equal(x.r.rcode, 0);
    assert_int_equal(x.r.questions, 0);
    assert_non_null(response_option(&x.r, 10, NULL));
    exchange_fini(&x);
    fixture.opts.cookies = false;
    x = ask_options("db-0.db." P, A, 0, "000a 0003 010203", &fixture_udp);
    assert_int_equal(x.r.count[1], 1); /* an unknown option then */
    assert_int_equal(x.r.opt_len, 0);
    exchange_fini(&x);
    fixture.opts.cookies = true;
}

static void keepalive_is_answered_over_tcp_only(void **state)
{
    (void)state; /* */
    struct exchange x = ask_options("db-0.db." P, A, 0, "000b 0000", &fixture_udp);
    assert_int_equal(x.r.opt_len, 0);
    exchange_fini(&x);
    x = ask_options("db-0.db." P, A, 0, "000b 0000", &fixture_tcp);
    size_t len = 0;
    assert_memory_equal(response_option(&x.r, 11, &len), "\0\144", 2);
    assert_int_equal(len, 2);
    exchange_fini(&x);
    x = ask_options("db-0.db." P, A, 0, "", &fixture_tcp);
    assert_int_equal(x.r.opt_len, 0);
    exchange_fini(&x);
}

static void errors_are_explained_when_there_is_an_opt(void **state)
{
    (void)state; /* */
    struct exchange x = ask_options("example.com", A, 0, "", &fixture_udp);
    assert_int_equal(response_ede(&x.r), 20);
    exchange_fini(&x);
    x = ask_options("example.com", A, 0, "000a 0008 0102030405060708", &fixture_udp);
    assert_int_equal(response_ede(&x.r),
                     20); /* a cookie would make it larger than allowed */
    exchange_fini(&x);
    x = ask_options("example.com", A, 0, "000a 0008 0102030405060708", &fixture_tcp);
    assert_non_null(response_option(&x.r, 10, NULL));
    exchange_fini(&x);
}

/* ---- before and after the source ---- */

static void nothing_is_denied_before_the_first_load(void **state)
{
    (void)state; /* R-031, K-SYNC, D29 */
    struct fixture empty;
    fixture_init(&empty, false);
    const struct zone_version *versions[] = {zones_current(empty.zones), NULL};
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct packet p;
        packet_query(&p, "nosuch." P, A);
        packet_opt(&p, 1232, 0, "");
        struct exchange x = ask_version(&p, &fixture_udp, versions[i]);
        assert_int_equal(x.r.rcode, RCODE_SERVFAIL);
        assert_int_equal(response_ede(&x.r), 14);
        exchange_fini(&x);
        packet_query(&p, "example.com", A);
        x = ask_version(&p, &fixture_udp, versions[i]);
        assert_int_equal(x.r.rcode, versions[i] ? RCODE_REFUSED : RCODE_SERVFAIL);
        exchange_fini(&x);
    }
    fixture_fini(&empty);
}

static void stale_data_is_served_and_said_to_be(void **state)
{
    (void)state; /* R-032, K-STALE */
    fixture.ctx->stale_us = 60000000;
    struct exchange x = ask_options("db-0.db." P, A, 0, "", &fixture_udp);
    assert_int_equal(x.r.count[1], 1);
    assert_int_equal(response_ede(&x.r), 3);
    exchange_fini(&x);
    fixture.opts.max_stale_us = 59000000;
    x = ask_options("db-0.db." P, A, 0, "", &fixture_udp);
    assert_int_equal(x.r.rcode, RCODE_SERVFAIL);
    assert_int_equal(response_ede(&x.r), 14);
    exchange_fini(&x);
    fixture.opts.max_stale_us = 0;
    fixture.ctx->stale_us = 0;
}

static void amplification_is_bounded(void **state)
{
    (void)state; /* every kind of query, printed */
    static const struct {
        const char *name;
        unsigned type;
    } kinds[] = {
        {"db-0.db." P, A}, {"nosuch." P, A}, {"big." P, A}, {"wide." P, SRV}, {"api." P, ANY},
        {Z, ANY},          {"c0." P, A},     {Z, NS},       {Z, SOA},         {"example.com", ANY}};
    for (size_t i = 0; i < 2 * ARRAY_SIZE(kinds); i++) {
        struct packet p;
        packet_query(&p, kinds[i / 2].name, kinds[i / 2].type);
        if (i % 2)
            packet_opt(&p, 65535, EDNS_DO, "");
        struct exchange x = ask(&p, &fixture_udp);
        print_message("%-44s type %3u edns %zu: %4zu -> %4zu octets, x%.1f\n", kinds[i / 2].name,
                      kinds[i / 2].type, i % 2, p.len, x.len, (double)x.len / (double)p.len);
        assert_true(x.len <= (i % 2 ? 1232 : 512));
        if (kinds[i / 2].type == ANY)
            assert_true(x.len <= 512); /* */
        exchange_fini(&x);
    }
}

static void everything_is_counted(void **state)
{
    (void)state; /* */
    const struct dns_counters *c = &fixture.counters;
    uint64_t before[3] = {counter_read(&c->queries[DNS_UDP]),
                          counter_read(&c->responses[DNS_UDP][RCODE_BADVERS]),
                          counter_read(&c->truncated[DNS_UDP])};
    struct packet p;
    make_badvers_outside(&p);
    struct exchange x = ask(&p, &fixture_udp);
    exchange_fini(&x);
    x = ask_name("big." P, A);
    exchange_fini(&x);
    assert_int_equal(counter_read(&c->queries[DNS_UDP]), before[0] + 2);
    assert_int_equal(counter_read(&c->responses[DNS_UDP][RCODE_BADVERS]), before[1] + 1);
    assert_int_equal(counter_read(&c->truncated[DNS_UDP]), before[2] + 1);
}

static int load_fixture(void **state)
{
    (void)state;
    fixture_init(&fixture, true);
    return 0;
}

static int drop_fixture(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_have_the_right_records),
        cmocka_unit_test(negative_answers_name_their_zone_and_live_short),
        cmocka_unit_test(chains_list_each_name_once_in_order),
        cmocka_unit_test(the_question_comes_back_as_it_was_sent),
        cmocka_unit_test(odd_names_are_parsed_and_missing),
        cmocka_unit_test(the_longest_names_are_answered),
        cmocka_unit_test(large_sets_are_cut_with_tc_over_udp_only),
        cmocka_unit_test(additional_sets_go_before_any_answer),
        cmocka_unit_test(tcp_is_cut_at_65535_octets),
        cmocka_unit_test(addresses_of_far_targets_are_named_in_full),
        cmocka_unit_test(every_record_comes_first_equally_often),
        cmocka_unit_test(faults_get_their_verdict_on_both_transports),
        cmocka_unit_test(notimp_is_a_bare_header),
        cmocka_unit_test(flags_of_the_query_do_not_come_back),
        cmocka_unit_test(classes_other_than_in_are_refused),
        cmocka_unit_test(chaos_names_answer_when_configured),
        cmocka_unit_test(transfers_are_refused),
        cmocka_unit_test(tsig_is_answered_badkey_without_a_mac),
        cmocka_unit_test(reflector_ports_get_nothing),
        cmocka_unit_test(denied_clients_are_refused_or_ignored),
        cmocka_unit_test(unknown_options_vanish_and_do_is_copied),
        cmocka_unit_test(a_thousand_options_cost_nothing),
        cmocka_unit_test(cookies_are_given_checked_and_renewed),
        cmocka_unit_test(keepalive_is_answered_over_tcp_only),
        cmocka_unit_test(errors_are_explained_when_there_is_an_opt),
        cmocka_unit_test(nothing_is_denied_before_the_first_load),
        cmocka_unit_test(stale_data_is_served_and_said_to_be),
        cmocka_unit_test(amplification_is_bounded),
        cmocka_unit_test(everything_is_counted),
    };
    return cmocka_run_group_tests(tests, load_fixture, drop_fixture);
}
