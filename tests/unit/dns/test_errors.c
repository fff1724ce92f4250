/* Faults and their order, refusals, EDNS options, and answers without a source. */
#include "dns/answer.h"

#include "exchange.h"

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
    for (unsigned type = 1; type <= 256; type++) { /* TXT alone */
        if (type == 251)
            continue; /* IXFR without SOA is malformed */
        packet_header(&p);
        packet_question(&p, "version.bind", type, 3);
        x = ask(&p, &fixture_udp);
        assert_int_equal(x.r.rcode, type == TXT ? RCODE_NOERROR : RCODE_REFUSED);
        exchange_fini(&x);
    }
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
        {FIXTURE_ZONE_UPPER, 252, true, RCODE_REFUSED},
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
    for (uint16_t port = 0; port < 1024; port++) {
        bool reflects = port == 0 || port == 7 || port == 13 || port == 19 || port == 37;
        struct dns_peer udp = fixture_udp, tcp = fixture_tcp;
        udp.port = tcp.port = port;
        struct exchange x = ask(&p, &udp);
        assert_int_equal(x.len > 0, !reflects);
        exchange_fini(&x);
        x = ask(&p, &tcp); /* nobody can pretend to be there */
        assert_true(x.len > 0);
        exchange_fini(&x);
    }
}

static void a_password_server_gets_no_errors(void **state)
{
    (void)state; /* every RCODE that is an error, and by UDP only */
    struct dns_peer udp = fixture_udp, tcp = fixture_tcp;
    udp.port = tcp.port = 464;
    struct packet p[6];
    make_good(&p[0]);
    make_update(&p[1]);
    packet_query(&p[2], "example.com", A); /* REFUSED */
    packet_header(&p[3]);                  /* FORMERR */
    make_tsig(&p[4]);                      /* NOTAUTH */
    packet_query(&p[5], "db-0.db." P, A);
    packet_record(&p[5], 10, "00", 41, 1232, 0x10000, ""); /* BADVERS: the header says NOERROR */
    for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
        uint64_t before = counter_read(&fixture.counters.drops[DROP_PORT]);
        struct exchange x = ask(&p[i], &udp);
        assert_int_equal(x.len > 0, i == 0);
        assert_int_equal(counter_read(&fixture.counters.drops[DROP_PORT]), before + (i > 0));
        exchange_fini(&x);
        x = ask(&p[i], &tcp);
        assert_true(x.len > 0);
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

static void the_client_limit_is_one_for_both_transports(void **state)
{
    (void)state; /* R-103; step 12 of R-001: behind malformed packets and other classes */
    static const uint8_t key[COOKIE_SECRET_SIZE] = {1};
    struct client_limit clients;
    client_limit_init(&clients, key);
    fixture.ctx->clients = &clients;
    fixture.ctx->now_us = 1000000;
    fixture.opts.client_limit = 4;
    struct packet good, bad, chaos;
    make_good(&good);
    packet_header(&bad);
    packet_header(&chaos);
    packet_question(&chaos, "version.bind", TXT, 3);
    for (unsigned i = 0; i < 6; i++) {
        struct exchange x = ask(&good, i % 2 ? &fixture_tcp : &fixture_udp);
        assert_int_equal(x.len > 0, i < 4);
        exchange_fini(&x);
        x = ask(&bad, &fixture_udp);
        assert_true(x.len > 0);
        exchange_fini(&x);
        x = ask(&chaos, &fixture_tcp);
        assert_int_equal(x.r.rcode, RCODE_REFUSED);
        exchange_fini(&x);
    }
    fixture.opts.client_limit = 0;
    fixture.ctx->clients = NULL;
    client_limit_fini(&clients);
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
    assert_int_equal(x.r.count[1] + x.r.count[2], 0);
    assert_false(x.r.aa || x.r.tc);
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
    size_t cookie_len = 0;
    assert_non_null(response_option(&x.r, 10, &cookie_len)); /* instead of the EDE */
    assert_int_equal(cookie_len, 24);
    assert_int_equal(response_ede(&x.r), -1);
    assert_true(x.len <= x.query.len + 11 + 6);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_get_their_verdict_on_both_transports),
        cmocka_unit_test(notimp_is_a_bare_header),
        cmocka_unit_test(flags_of_the_query_do_not_come_back),
        cmocka_unit_test(classes_other_than_in_are_refused),
        cmocka_unit_test(chaos_names_answer_when_configured),
        cmocka_unit_test(transfers_are_refused),
        cmocka_unit_test(tsig_is_answered_badkey_without_a_mac),
        cmocka_unit_test(reflector_ports_get_nothing),
        cmocka_unit_test(a_password_server_gets_no_errors),
        cmocka_unit_test(denied_clients_are_refused_or_ignored),
        cmocka_unit_test(the_client_limit_is_one_for_both_transports),
        cmocka_unit_test(unknown_options_vanish_and_do_is_copied),
        cmocka_unit_test(a_thousand_options_cost_nothing),
        cmocka_unit_test(cookies_are_given_checked_and_renewed),
        cmocka_unit_test(keepalive_is_answered_over_tcp_only),
        cmocka_unit_test(errors_are_explained_when_there_is_an_opt),
        cmocka_unit_test(nothing_is_denied_before_the_first_load),
        cmocka_unit_test(stale_data_is_served_and_said_to_be),
        cmocka_unit_test(everything_is_counted),
    };
    return cmocka_run_group_tests(tests, load_fixture, drop_fixture);
}
