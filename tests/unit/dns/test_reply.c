/* Upstream responses: whose they are, what may be copied from them, and what becomes of malformed
 * ones. */
#include "dns/reply.h"

#include "packet.h"
#include "zone_fixture.h"

#include <ctype.h>

#include "dns/query.h"

enum {
    A = 1,
    NS = 2,
    CNAME = 5,
    SOA = 6,
    MX = 15,
    AAAA = 28,
    SRV = 33,
    NAPTR = 35,
    DNAME = 39,
    RRSIG = 46,
    NSEC = 47
};
#define ID 0x4242

static struct reply reply;
static uint8_t out[DNS_TCP_MAX];

static struct reply_question question_of(const char *name, uint16_t type)
{
    struct reply_question q = {.type = type};
    int len = name_parse(name, q.name, NULL);
    assert_true(len > 0);
    q.name_len = (size_t)len;
    return q;
}

/* Header and question as an upstream sends them. */
static struct packet response_to(const struct reply_question *q, unsigned flags)
{
    struct packet p;
    packet_header(&p);
    packet_set16(&p, 0, ID);
    packet_set16(&p, 2, flags);
    packet_put(&p, q->name, q->name_len);
    packet_put16(&p, q->type);
    packet_put16(&p, 1);
    packet_count(&p, 4);
    return p;
}

static enum reply_kind check(const struct packet *p, const struct reply_question *q)
{
    uint8_t *exact = malloc(p->len); /* so that the sanitizer sees an octet too many */
    memcpy(exact, p->bytes, p->len);
    enum reply_kind kind = reply_check(&reply, q, ID, true, exact, p->len);
    free(exact);
    return kind;
}

static bool is_local(const void *arg, const uint8_t *name)
{
    return arg && name_is_under(name, arg);
}

/* What a client with this size gets; local: a zone of ours, or NULL. *local_at as reply_copy. */
static struct response copied(const struct packet *p, const struct reply_question *q, size_t limit,
                              const char *local, size_t *local_at)
{
    static struct dns_counters counters;
    static struct dns_context ctx;
    static const struct answer_opts opts = {.udp_size = 4096};
    struct packet asked;
    struct name_lookup name;
    struct query query;
    struct message m;
    uint8_t zone[NAME_MAX_WIRE];
    assert_int_equal(reply_check(&reply, q, ID, true, p->bytes, p->len), REPLY_ANSWER);
    packet_header(&asked);
    packet_put(&asked, q->name, q->name_len);
    packet_put16(&asked, q->type);
    packet_put16(&asked, 1);
    packet_count(&asked, 4);
    query_read_name(&name, asked.bytes, asked.len);
    assert_int_equal(query_parse(&query, asked.bytes, asked.len, &name, false), QUERY_OK);
    dns_context_init(&ctx, &opts, &counters, 1);
    message_begin(&m, &ctx, &fixture_tcp, &query, out, limit);
    if (local)
        assert_true(name_parse(local, zone, NULL) > 0);
    size_t at = reply_copy(&reply, &m, DNS_HEADER_SIZE, is_local, local ? zone : NULL);
    if (local_at)
        *local_at = at;
    m.rcode = reply.rcode;
    return strict_parse(out, message_end(&m, &query, false));
}

static struct response copied_whole(const struct packet *p, const struct reply_question *q)
{
    return copied(p, q, sizeof out, NULL, NULL);
}

static void rcodes_have_their_kind(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    static const struct {
        unsigned rcode;
        enum reply_kind kind;
    } rows[] = {
        {0, REPLY_ANSWER},  {1, REPLY_NO_EDNS}, {2, REPLY_FAILED}, {3, REPLY_ANSWER},
        {4, REPLY_NO_EDNS}, {5, REPLY_FAILED},  {6, REPLY_ANSWER}, {7, REPLY_FAILED},
        {9, REPLY_FAILED},  {15, REPLY_FAILED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet p = response_to(&q, 0x8180 | rows[i].rcode);
        assert_int_equal(check(&p, &q), rows[i].kind);
    }
    struct packet p = response_to(&q, 0x8180);
    packet_opt(&p, 1232, 1U << 24, ""); /* BADVERS */
    assert_int_equal(check(&p, &q), REPLY_NO_EDNS);
    p = response_to(&q, 0x8187);
    packet_opt(&p, 1232, 1U << 24, ""); /* BADCOOKIE */
    assert_int_equal(check(&p, &q), REPLY_FAILED);
    assert_int_equal(reply.rcode, RCODE_SERVFAIL); /* fits the header */
}

static void errors_without_edns_are_no_reason_to_ask_again(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    struct packet p = response_to(&q, 0x8181);
    assert_int_equal(reply_check(&reply, &q, ID, false, p.bytes, p.len), REPLY_FAILED);
    p.len = 12;
    packet_set16(&p, 4, 0);
    assert_int_equal(reply_check(&reply, &q, ID, false, p.bytes, p.len), REPLY_FAILED);
    packet_set16(&p, 2, 0x8182); /* but a SERVFAIL must show the question */
    assert_int_equal(reply_check(&reply, &q, ID, true, p.bytes, p.len), REPLY_MISMATCH);
}

static void a_referral_is_no_answer(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    struct packet p = response_to(&q, 0x8100);
    packet_record(&p, 8, "c010", NS, 1, 300, "026e73c010");
    assert_int_equal(check(&p, &q), REPLY_FAILED);
    packet_record(&p, 8, "c010", SOA, 1, 300, "c010c0100000000100000002000000030000000400000005");
    assert_int_equal(check(&p, &q), REPLY_ANSWER); /* NODATA of a talkative server */
}

/* every octet of header and question counts; so does their length */
static void no_octet_of_the_identity_may_differ(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    struct packet good = response_to(&q, 0x8180);
    packet_record(&good, 6, "c00c", A, 1, 300, "c6336401");
    assert_int_equal(check(&good, &q), REPLY_ANSWER);
    for (size_t at = 0; at < 12 + q.name_len + 4; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct packet p = good;
            p.bytes[at] ^= (uint8_t)(1U << bit);
            bool is_free = (at == 2 && bit < 3) || at == 3 || (at >= 6 && at < 12);
            bool is_case = at >= 12 && at < 12 + q.name_len && bit == 5 && isalpha(p.bytes[at]);
            if (!is_free) /* AA, TC, RD; RA, Z, AD, CD, RCODE; counts make it malformed */
                assert_int_equal(check(&p, &q), is_case ? REPLY_OTHER_CASE : REPLY_MISMATCH);
        }
    }
    for (size_t len = 0; len < 12 + q.name_len + 4; len++) {
        struct packet p = good;
        p.len = len;
        if (len > 0)
            assert_int_equal(check(&p, &q), REPLY_MISMATCH);
    }
}

/* malformed answers count as no answer */
static void malformed_records_break_it(void **state)
{
    (void)state;
    static const struct {
        const char *owner, *rdata;
        unsigned type;
    } rows[] = {
        {"c00c", "c63364", A},
        {"c00c", "c633640100", A},
        {"c00c", "00", AAAA},
        {"c0ff", "c6336401", A},
        {"c00b", "c6336401", A},
        {"c021", "c6336401", A},
        {"4161", "c6336401", A},
        {"c00c", "", CNAME},
        {"c00c", "c00c00", CNAME},
        {"c00c", "0161", CNAME},
        {"c00c", "00", SOA},
        {"c00c", "0000c00c0000000100", SOA},
        {"c00c", "000a", MX},
        {"c00c", "00000000", SRV},
        {"c00c", "0000000001", NAPTR},
        {"c00c",
         "00000000"
         "00"
         "05"
         "00"
         "c00c",
         NAPTR},
    };
    const struct reply_question q = question_of("www.example.com", 255);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (size_t section = 6; section <= 10; section += 2) {
            struct packet p = response_to(&q, 0x8180);
            packet_record(&p, section, rows[i].owner, rows[i].type, 1, 300, rows[i].rdata);
            if (check(&p, &q) != REPLY_BROKEN)
                fail_msg("row %zu in section %zu passes", i, section);
        }
    }
    struct packet p = response_to(&q, 0x8180);
    packet_record(&p, 6, "c00c", A, 1, 300, "c6336401");
    for (size_t len = p.len - 1; len >= 12 + q.name_len + 4; len--) {
        struct packet cut = p;
        cut.len = len;
        assert_int_equal(check(&cut, &q), REPLY_BROKEN);
        cut.bytes[2] |= 2; /* with TC whatever was whole counts */
        assert_int_equal(check(&cut, &q), REPLY_ANSWER);
        assert_int_equal(reply.answers, 0);
    }
    packet_put(&p, "", 1);
    assert_int_equal(check(&p, &q), REPLY_BROKEN); /* octets left over */
    p = response_to(&q, 0x8180);
    packet_opt(&p, 1232, 0, "");
    packet_opt(&p, 1232, 0, "");
    assert_int_equal(check(&p, &q), REPLY_BROKEN);
}

/* whatever the upstream adds */
static void only_what_follows_from_the_question_is_copied(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    struct packet p = response_to(&q, 0x8180);
    packet_record(&p, 6, "0376696303626e6b00", A, 1, 300, "06060606"); /* another name */
    packet_record(&p, 6, "c00c", A, 1, 300, "c6336401");
    packet_record(&p, 6, "c00c", A, 3, 300, "07070707"); /* another class */
    packet_record(&p, 6, "c00c", AAAA, 1, 300, "20010db8000000000000000000000001");
    packet_record(&p, 6, "c00c", A, 1, 0x80000000U, "c6336402");
    packet_record(&p, 8, "c010", NS, 1, 300, "026e73c010");
    packet_record(&p, 10, "026e73c010", A, 1, 300, "06060606");
    struct response r = copied_whole(&p, &q);
    assert_int_equal(r.records, 2);
    assert_int_equal(r.record[0].ttl, 300);
    assert_int_equal(r.record[1].ttl, 0); /* RFC 2181 section 8 */
    assert_true(r.record[0].owner_is_pointer && r.record[0].owner_at > 12);
    response_fini(&r);
}

/* In whatever order the upstream has put it. */
static void a_chain_is_put_in_order(void **state)
{
    (void)state;
    const struct reply_question q = question_of("a.example", A);
    struct packet p = response_to(&q, 0x8180);
    packet_record(&p, 6, "0163c00e", A, 1, 300, "c6336401");
    packet_record(&p, 6, "0162c00e", CNAME, 1, 300, "0143c00e");
    packet_record(&p, 6, "c00c", CNAME, 1, 300, "0142c00e");
    struct response r = copied_whole(&p, &q);
    assert_int_equal(r.records, 3);
    assert_int_equal(r.record[0].type, CNAME);
    assert_true(name_equal(r.record[0].owner, (const uint8_t *)"\1a\7example"));
    assert_true(name_equal(r.record[1].owner, (const uint8_t *)"\1b\7example"));
    assert_int_equal(r.record[2].type, A);
    response_fini(&r);
}

/* Whichever comes first is followed, and the other one is nobody's. */
static void a_name_has_one_cname(void **state)
{
    (void)state;
    const unsigned types[] = {A, CNAME, 255};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        const struct reply_question q = question_of("a.example", (uint16_t)types[i]);
        struct packet p = response_to(&q, 0x8180);
        packet_record(&p, 6, "c00c", CNAME, 1, 300, "0162c00e");
        packet_record(&p, 6, "c00c", CNAME, 1, 300, "0163c00e");
        packet_record(&p, 6, "c00c", CNAME, 1, 300, "0162c00e");
        packet_record(&p, 6, "0163c00e", A, 1, 300, "c6336401");
        packet_record(&p, 6, "0162c00e", A, 1, 300, "c6336402");
        struct response r = copied_whole(&p, &q);
        assert_int_equal(r.records, types[i] == A ? 2 : 1);
        assert_int_equal(r.record[0].type, CNAME);
        assert_memory_equal(out + r.record[0].rdata_at, "\1b", 2);
        if (types[i] == A)
            assert_int_equal(out[r.record[1].rdata_at + 3], 2);
        response_fini(&r);
    }
}

static void chains_are_bounded(void **state)
{
    (void)state;
    const struct reply_question q = question_of("a.example", A);
    for (unsigned links = 10; links <= 12; links++) {
        struct packet p = response_to(&q, 0x8180);
        for (unsigned i = 0; i < links; i++) {
            char owner[16], target[16];
            (void)snprintf(owner, sizeof owner, "01%02xc00e", 'a' + i);
            (void)snprintf(target, sizeof target, "01%02xc00e", 'b' + i);
            packet_record(&p, 6, owner, CNAME, 1, 300, target);
        }
        assert_int_equal(check(&p, &q), links <= REPLY_LINKS ? REPLY_ANSWER : REPLY_BROKEN);
    }
    struct packet p = response_to(&q, 0x8180);
    packet_record(&p, 6, "c00c", CNAME, 1, 300, "0162c00e");
    packet_record(&p, 6, "0162c00e", CNAME, 1, 300, "c00c");
    assert_int_equal(check(&p, &q), REPLY_BROKEN); /* a loop */
    const struct reply_question any = question_of("a.example", 255),
                                cname = question_of("a.example", CNAME);
    p = response_to(&any, 0x8180);
    packet_record(&p, 6, "c00c", CNAME, 1, 300, "c00c");
    struct response r = copied_whole(&p, &any); /* not followed */
    assert_int_equal(r.records, 1);
    response_fini(&r);
    p = response_to(&cname, 0x8180);
    packet_record(&p, 6, "c00c", CNAME, 1, 300, "c00c");
    r = copied_whole(&p, &cname);
    assert_int_equal(r.records, 1);
    response_fini(&r);
}

static void dname_goes_before_the_cname_it_made(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.old.example", A);
    struct packet p = response_to(&q, 0x8180);
    packet_record(&p, 6, "c00c", CNAME, 1, 300, "03777777036e6577c014");
    packet_record(&p, 6, "c010", DNAME, 1, 300, "036e6577076578616d706c6500");
    packet_record(&p, 6, "03777777036e6577c014", A, 1, 300, "c6336401");
    struct response r = copied_whole(&p, &q);
    assert_int_equal(r.records, 3);
    assert_int_equal(r.record[0].type, DNAME);
    assert_int_equal(r.record[1].type, CNAME);
    assert_int_equal(r.record[2].type, A);
    response_fini(&r);
}

/* Signatures and proofs go to those who set DO (R-150 leaves judging them to the client). */
static void signatures_need_do(void **state)
{
    (void)state;
    struct reply_question q = question_of("www.example.com", A);
    static const char *const signature =
        "00010d02000001f4 00000001 00000000 0001 07 6578616d706c65 00 aabb";
    static const char *const other =
        "001c0d02000001f4 00000001 00000000 0001 07 6578616d706c65 00 aabb";
    for (int dnssec_ok = 0; dnssec_ok < 2; dnssec_ok++) {
        q.dnssec_ok = dnssec_ok;
        struct packet p = response_to(&q, 0x8180);
        packet_record(&p, 6, "c00c", A, 1, 300, "c6336401");
        packet_record(&p, 6, "c00c", RRSIG, 1, 300, signature);
        packet_record(&p, 6, "c00c", RRSIG, 1, 300, other);
        struct response r = copied_whole(&p, &q);
        assert_int_equal(r.records, 1 + dnssec_ok);
        response_fini(&r);
        p = response_to(&q, 0x8183);
        packet_record(&p, 8, "c010", SOA, 1, 300,
                      "c010c0100000000100000002000000030000000400000005");
        packet_record(&p, 8, "c010", NSEC, 1, 300, "0161c010 0001 40");
        packet_record(&p, 8, "c010", NS, 1, 300, "026e73c010");
        r = copied_whole(&p, &q);
        assert_int_equal(r.rcode, 3);
        assert_int_equal(r.count[2], 1 + dnssec_ok);
        response_fini(&r);
    }
}

static void the_soa_of_another_zone_is_left_out(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    struct packet p = response_to(&q, 0x8183);
    packet_record(&p, 8, "036f7267 00", SOA, 1, 300,
                  "c00cc00c0000000100000002000000030000000400000005");
    struct response r = copied_whole(&p, &q);
    assert_int_equal(r.records, 0);
    response_fini(&r);
}

/* Names in RDATA survive at other offsets, whatever they pointed to. */
static void compressed_names_are_written_anew(void **state)
{
    (void)state;
    static const struct {
        unsigned type;
        const char *rdata;
    } rows[] = {{MX, "000a 0161c010"},
                {SRV, "000000000050 0161c010"},
                {NAPTR, "00000000 0153 00 00 0161c010"},
                {NS, "0161c010"},
                {17, "c00cc010"},
                {14, "c00c0162c010"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct reply_question q = question_of("www.example.com", (uint16_t)rows[i].type);
        struct packet p = response_to(&q, 0x8180);
        packet_record(&p, 6, "036f7267 00", A, 1, 300, "c6336401"); /* left out: all else moves */
        packet_record(&p, 6, "c00c", rows[i].type, 1, 300, rows[i].rdata);
        ldns_pkt *sent = NULL, *got = NULL;
        assert_int_equal(ldns_wire2pkt(&sent, p.bytes, p.len), LDNS_STATUS_OK);
        struct response r = copied_whole(&p, &q);
        assert_int_equal(r.records, 1);
        assert_int_equal(ldns_wire2pkt(&got, out, r.len), LDNS_STATUS_OK);
        assert_int_equal(ldns_rr_compare(ldns_rr_list_rr(ldns_pkt_answer(sent), 1),
                                         ldns_rr_list_rr(ldns_pkt_answer(got), 0)),
                         0);
        ldns_pkt_free(sent);
        ldns_pkt_free(got);
        response_fini(&r);
    }
}

/* At every size the result parses, holds whole records, and says when some are missing (K-SIZE). */
static void it_is_cut_at_whole_records(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    struct packet p = response_to(&q, 0x8180);
    packet_record(&p, 6, "c00c", CNAME, 1, 300, "0161c010");
    for (unsigned i = 0; i < 60; i++)
        packet_record(&p, 6, "0161c010", A, 1, 300, "c6336401");
    size_t last = 0;
    for (size_t limit = 512; limit <= 1100; limit++) {
        struct response r = copied(&p, &q, limit, NULL, NULL);
        assert_true(r.len <= limit && r.records >= last);
        assert_true(r.tc == (r.records < 61));
        assert_true(!r.tc || limit - r.len < 16);
        last = r.records;
        response_fini(&r);
    }
    assert_int_equal(last, 61);
}

/* */
static void a_chain_into_our_zones_ends_there(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    size_t at;
    struct packet p = response_to(&q, 0x8180);
    packet_record(&p, 6, "c00c", CNAME, 1, 300, "0361706907636c7573746572056c6f63616c00");
    packet_record(&p, 6, "0361706907636c7573746572056c6f63616c00", A, 1, 300, "06060606");
    struct response r = copied(&p, &q, sizeof out, "cluster.local", &at);
    assert_int_equal(r.records, 1);
    assert_true(at > 0);
    assert_memory_equal(out + at, "\3api\7cluster\5local", 19);
    response_fini(&r);
}

static void the_first_ede_is_kept(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    struct packet p = response_to(&q, 0x8182);
    packet_opt(&p, 1232, 0, "fde9 0001 00  000f 0002 0000  000f 0004 0006 6869  000f 0002 0007");
    assert_int_equal(check(&p, &q), REPLY_FAILED);
    assert_int_equal(reply.ede, 6);
    p = response_to(&q, 0x8182);
    packet_opt(&p, 1232, 0, "000f 0001 00");
    assert_int_equal(check(&p, &q), REPLY_FAILED);
    assert_int_equal(reply.ede, EDE_NONE);
    p = response_to(&q, 0x8182);
    packet_opt(&p, 1232, 0, "000f ffff 00");
    assert_int_equal(check(&p, &q), REPLY_FAILED);
    assert_int_equal(reply.ede, EDE_NONE);
}

static void a_message_of_64_kib_is_read(void **state)
{
    (void)state;
    const struct reply_question q = question_of("www.example.com", A);
    static uint8_t bytes[DNS_TCP_MAX];
    struct packet p = response_to(&q, 0x8180);
    static const uint8_t record[16] = {0xc0, 12, 0, A, 0, 1, 0, 0, 1, 44, 0, 4, 198, 51, 100, 1};
    size_t len = p.len, count = 0;
    memcpy(bytes, p.bytes, len);
    for (; len + sizeof record <= sizeof bytes; len += sizeof record, count++)
        memcpy(bytes + len, record, sizeof record);
    bytes[6] = (uint8_t)(count >> 8);
    bytes[7] = (uint8_t)count;
    assert_int_equal(reply_check(&reply, &q, ID, true, bytes, len), REPLY_ANSWER);
    assert_int_equal(reply.answers, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rcodes_have_their_kind),
        cmocka_unit_test(errors_without_edns_are_no_reason_to_ask_again),
        cmocka_unit_test(a_referral_is_no_answer),
        cmocka_unit_test(no_octet_of_the_identity_may_differ),
        cmocka_unit_test(malformed_records_break_it),
        cmocka_unit_test(only_what_follows_from_the_question_is_copied),
        cmocka_unit_test(a_chain_is_put_in_order),
        cmocka_unit_test(a_name_has_one_cname),
        cmocka_unit_test(chains_are_bounded),
        cmocka_unit_test(dname_goes_before_the_cname_it_made),
        cmocka_unit_test(signatures_need_do),
        cmocka_unit_test(the_soa_of_another_zone_is_left_out),
        cmocka_unit_test(compressed_names_are_written_anew),
        cmocka_unit_test(it_is_cut_at_whole_records),
        cmocka_unit_test(a_chain_into_our_zones_ends_there),
        cmocka_unit_test(the_first_ede_is_kept),
        cmocka_unit_test(a_message_of_64_kib_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
