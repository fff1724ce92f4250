/* One packet in, one packet out: answers, negative answers, sizes and order over a loaded zone
 * (vectors P of the message table). Every response is parsed to the last octet by packet.h, which
 * shares no code with dns/. */
#include "dns/answer.h"

#include "exchange.h"

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
    fixture.opts.udp_size = 4096;
    for (unsigned size = 2900; size < 2960; size++) { /* some have room for an A, not an AAAA */
        struct exchange x = ask_sized("wide." P, SRV, size, false);
        assert_false(x.r.tc);
        assert_int_equal(x.r.count[1], FIXTURE_WIDE);
        assert_true(x.r.count[3] > 0 && x.r.count[3] < 2 * FIXTURE_WIDE);
        exchange_fini(&x);
    }
    fixture.opts.udp_size = 1232;
    struct exchange x = ask_sized("wide." P, SRV, 0, true);
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

/* K-SIZE, K-NEG: behind a chain of any length there is the SOA, or TC=1 says that it is missing */
static void a_denial_without_room_for_its_soa_is_cut(void **state)
{
    (void)state;
    enum { LINKS = 5, LABEL_MIN = 20 };
    bool was_whole = false, was_cut = false;
    for (int pad = LABEL_MIN; pad < 63; pad++) {
        struct zone_txn *txn = zone_txn_new(fixture.zones);
        char name[LINKS][64], target[128];
        for (int i = 0; i < LINKS; i++)
            (void)snprintf(name[i], sizeof name[i], "l%d%0*d", i, pad - 2, 0);
        for (int i = 0; i < LINKS; i++) {
            (void)snprintf(target, sizeof target, "%s." P, i + 1 < LINKS ? name[i + 1] : "gone");
            fixture_external(txn, name[i], target);
        }
        zone_txn_publish(txn, 8);
        (void)snprintf(target, sizeof target, "%s." P, name[0]);
        struct exchange x = ask_sized(target, A, 512, false);
        assert_int_equal(x.r.tc, x.r.count[2] == 0);
        was_whole |= !x.r.tc;
        was_cut |= x.r.tc && x.r.count[1] == LINKS;
        exchange_fini(&x);
        txn = zone_txn_new(fixture.zones);
        for (int i = 0; i < LINKS; i++)
            zone_txn_del_service(txn, "prod", name[i]);
        zone_txn_publish(txn, 9);
    }
    assert_true(was_whole && was_cut);
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
        cmocka_unit_test(a_denial_without_room_for_its_soa_is_cut),
        cmocka_unit_test(every_record_comes_first_equally_often),
        cmocka_unit_test(amplification_is_bounded),
    };
    return cmocka_run_group_tests(tests, load_fixture, drop_fixture);
}
