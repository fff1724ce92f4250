/* Requests as bytes: the verdict of dns/query for one fault at a time and for faults combined
 * (R-001). */
#include "dns/query.h"

#include "packet.h"

#include "base/check.h"
#include "base/random.h"

static enum query_verdict parse(struct query *q, const struct packet *p)
{
    uint8_t *exact = malloc(p->len); /* the sanitizer sees every octet beyond */
    memcpy(exact, p->bytes, p->len);
    struct name_lookup name;
    query_read_name(&name, exact, p->len);
    enum query_verdict verdict = query_parse(q, exact, p->len, &name, true);
    free(exact);
    q->packet = NULL;
    q->lookup = NULL;
    return verdict;
}

static void names_are_checked_to_the_last_octet(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *question;
        enum query_verdict verdict;
    } cases[] = {
        {"root", "00 0001 0001", QUERY_OK},
        {"R-017 pointer alone", "c00c 0001 0001", QUERY_FORMERR},
        {"R-017 pointer behind a label", "0161 c00c 0001 0001", QUERY_FORMERR},
        {"R-017 forward pointer", "c010 0001 0001", QUERY_FORMERR},
        {"R-017 pointer to 0", "c000 0001 0001", QUERY_FORMERR},
        {"R-017 lone c0", "c0", QUERY_FORMERR},
        {"R-017 label type 01", "4161 00 0001 0001", QUERY_FORMERR},
        {"R-017 label type 10", "8161 00 0001 0001", QUERY_FORMERR},
        {"R-017 no end", "0361", QUERY_FORMERR},
        {"R-017 no root", "0161", QUERY_FORMERR},
        {"no type", "0161 00", QUERY_FORMERR},
        {"half a class", "0161 00 0001 00", QUERY_FORMERR},
        {"R-018 NUL, dot, space, high octets", "05002e20ff80 00 0001 0001", QUERY_OK},
        {"R-015 an octet left over", "0161 00 0001 0001 00", QUERY_FORMERR},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct packet p;
        struct query q;
        packet_header(&p);
        packet_hex(&p, cases[i].question);
        packet_set16(&p, 4, 1);
        if (parse(&q, &p) != cases[i].verdict)
            fail_msg("%s", cases[i].rule);
        assert_int_equal(q.has_question, cases[i].verdict == QUERY_OK || i == 13);
    }
}

/* A name of `len` octets from 63-octet labels and one shorter. */
static void long_name(struct packet *p, size_t len)
{
    for (size_t left = len - 1; left > 0;) {
        uint8_t label[64];
        size_t size = left - 1 > 63 ? 63 : left - 1;
        if (left - 1 - size == 1)
            size--; /* never leave room for an empty label */
        memset(label, 'x', sizeof label);
        label[0] = (uint8_t)size;
        packet_put(p, label, size + 1);
        left -= size + 1;
    }
    packet_put(p, "", 1);
}

static void names_have_at_most_255_octets(void **state)
{
    (void)state;
    for (size_t len = 250; len < 260; len++) {
        struct packet p;
        struct query q;
        packet_header(&p);
        long_name(&p, len);
        packet_put16(&p, 1);
        packet_put16(&p, 1);
        packet_set16(&p, 4, 1);
        assert_int_equal(p.len, 12 + len + 4);
        assert_int_equal(parse(&q, &p), len <= 255 ? QUERY_OK : QUERY_FORMERR);
    }
}

struct section_case { /* NOLINT(clang-analyzer-optin.performance.Padding): rows read as packets */
    const char *rule;
    size_t section;
    const char *owner;
    unsigned type, class, ttl;
    const char *rdata;
    enum query_verdict verdict;
};

static const struct section_case section_cases[] = {
    {"R-014 A as answer", 6, "c00c", 1, 1, 0, "01020304", QUERY_FORMERR},
    {"R-014 A as authority", 8, "c00c", 1, 1, 0, "01020304", QUERY_FORMERR},
    {"R-014 A as additional", 10, "c00c", 1, 1, 0, "01020304", QUERY_FORMERR},
    {"R-060 OPT", 10, "00", 41, 1232, 0, "", QUERY_OK},
    {"R-061 OPT as answer", 6, "00", 41, 1232, 0, "", QUERY_FORMERR},
    {"R-061 OPT as authority", 8, "00", 41, 1232, 0, "", QUERY_FORMERR},
    {"R-061 OPT owned by x.", 10, "017800", 41, 1232, 0, "", QUERY_FORMERR},
    {"R-061 option past the end", 10, "00", 41, 1232, 0, "fde9 0005 00", QUERY_FORMERR},
    {"R-061 three stray octets", 10, "00", 41, 1232, 0, "fde9 00", QUERY_FORMERR},
    {"R-061 stray behind an option", 10, "00", 41, 1232, 0, "fde9 0001 00 00", QUERY_FORMERR},
    {"R-063 unknown option", 10, "00", 41, 1232, 0, "fde9 0002 abcd", QUERY_OK},
    {"R-064 extended rcode", 10, "00", 41, 1232, 0xff000000, "", QUERY_OK},
    {"R-063 Z flags", 10, "00", 41, 1232, 0x0080, "", QUERY_OK},
    {"R-062 version 1", 10, "00", 41, 1232, 0x10000, "", QUERY_BADVERS},
    {"R-062 version 255 and DO", 10, "00", 41, 1232, 0xff8000, "fde9 0000", QUERY_BADVERS},
    {"R-069 client cookie", 10, "00", 41, 1232, 0, "000a 0008 0102030405060708", QUERY_OK},
    {"R-069 cookie of 7", 10, "00", 41, 1232, 0, "000a 0007 01020304050607", QUERY_BAD_COOKIE},
    {"R-069 cookie of 0", 10, "00", 41, 1232, 0, "000a 0000", QUERY_BAD_COOKIE},
    {"R-069 cookie of 9", 10, "00", 41, 1232, 0, "000a 0009 010203040506070809", QUERY_BAD_COOKIE},
    {"R-069 cookie of 15", 10, "00", 41, 1232, 0, "000a 000f 0102030405060708 01020304050607",
     QUERY_BAD_COOKIE},
    {"R-069 cookie of 16", 10, "00", 41, 1232, 0, "000a 0010 0102030405060708 0102030405060708",
     QUERY_OK},
    {"R-069 cookie of 40", 10, "00", 41, 1232, 0,
     "000a 0028 0102030405060708 0102030405060708 0102030405060708 0102030405060708 "
     "0102030405060708",
     QUERY_OK},
    {"R-069 cookie of 41", 10, "00", 41, 1232, 0,
     "000a 0029 0102030405060708 0102030405060708 0102030405060708 0102030405060708 "
     "0102030405060708 01",
     QUERY_BAD_COOKIE},
    {"R-001 version before cookie", 10, "00", 41, 1232, 0x10000, "000a 0001 00", QUERY_BADVERS},
    {"R-069 the first cookie counts", 10, "00", 41, 1232, 0,
     "000a 0008 0102030405060708 000a 0001 00", QUERY_OK},
    {"R-088 keepalive with data", 10, "00", 41, 1232, 0, "000b 0002 0001", QUERY_OK},
    {"R-115 TSIG", 10, "016b00", 250, 255, 0, "0161 00 000000000001 012c 0000 1234 0000 0000",
     QUERY_TSIG},
    {"R-115 TSIG of class IN", 10, "016b00", 250, 1, 0,
     "0161 00 000000000001 012c 0000 1234 0000 0000", QUERY_BAD_TSIG},
    {"R-115 TSIG with a TTL", 10, "016b00", 250, 255, 1,
     "0161 00 000000000001 012c 0000 1234 0000 0000", QUERY_BAD_TSIG},
    {"R-115 TSIG cut", 10, "016b00", 250, 255, 0, "0161 00 000000000001 012c 0010 00",
     QUERY_BAD_TSIG},
    {"R-115 TSIG with octets left over", 10, "016b00", 250, 255, 0,
     "0161 00 000000000001 012c 0000 1234 0000 0000 00", QUERY_BAD_TSIG},
    {"R-014 SIG(0)", 10, "00", 24, 255, 0, "0000 05 00 00000000", QUERY_OK},
    {"SIG that covers A", 10, "00", 24, 255, 0, "0001 05 00 00000000", QUERY_FORMERR},
    {"R-017 owner points into the header, where a root stands", 10, "c002", 250, 255, 0,
     "0161 00 000000000001 012c 0000 1234 0000 0000", QUERY_FORMERR},
    {"R-017 owner points forward", 10, "c0ff", 41, 1232, 0, "", QUERY_FORMERR},
    {"R-017 owner points to itself", 10, "c013", 250, 255, 0, "", QUERY_FORMERR},
};

static void records_behind_the_question_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(section_cases); i++) {
        const struct section_case *c = &section_cases[i];
        struct packet p;
        struct query q;
        packet_query(&p, "a", 1); /* 12 + 7 octets: the record begins at 0x13 */
        packet_record(&p, c->section, c->owner, c->type, c->class, c->ttl, c->rdata);
        if (parse(&q, &p) != c->verdict)
            fail_msg("%s", c->rule);
        assert_true(q.has_question);
        assert_int_equal(q.has_edns, c->type == 41 && c->verdict != QUERY_FORMERR);
    }
}

static void opt_is_single_and_tsig_is_last(void **state)
{
    (void)state;
    const char *tsig = "0161 00 000000000001 012c 0000 1234 0000 0000";
    struct packet p;
    struct query q;
    packet_query(&p, "a", 1);
    packet_opt(&p, 1232, 0, "");
    packet_opt(&p, 1232, 0, "");
    assert_int_equal(parse(&q, &p), QUERY_FORMERR); /* */
    assert_true(q.was_edns_error);
    assert_false(q.has_edns);

    packet_query(&p, "a", 1);
    packet_opt(&p, 1232, 0x10000, "");
    packet_record(&p, 10, "c00c", 250, 255, 0, tsig);
    assert_int_equal(parse(&q, &p), QUERY_TSIG); /* step 8 comes before step 9 */
    assert_true(q.has_edns);
    assert_int_equal(q.tsig_key_len, 3); /* decompressed */

    packet_query(&p, "a", 1);
    packet_record(&p, 10, "016b00", 250, 255, 0, tsig);
    packet_opt(&p, 1232, 0, "");
    assert_int_equal(parse(&q, &p), QUERY_BAD_TSIG); /* not last */
    assert_true(q.has_edns);

    packet_query(&p, "a", 1);
    packet_record(&p, 10, "016b00", 250, 255, 0, tsig);
    packet_record(&p, 10, "016b00", 250, 255, 0, tsig);
    assert_int_equal(parse(&q, &p), QUERY_BAD_TSIG); /* not single */

    packet_query(&p, "a", 1);
    packet_record(&p, 10, "016b00", 250, 255, 0, tsig);
    packet_opt(&p, 1232, 0, "");
    packet_opt(&p, 1232, 0, "");
    assert_int_equal(parse(&q, &p), QUERY_FORMERR); /* three records: step 7 */
}

static void counts_are_believed_only_with_the_octets(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        unsigned count[4];
        enum query_verdict verdict;
    } cases[] = {
        {"K-MALFORMED no question", {0, 0, 0, 0}, QUERY_FORMERR},
        {"R-013 two questions", {2, 0, 0, 0}, QUERY_FORMERR},
        {"R-013 65535 questions", {65535, 0, 0, 0}, QUERY_FORMERR},
        {"R-013 65535 answers", {1, 65535, 0, 0}, QUERY_FORMERR},
        {"R-013 65535 authorities", {1, 0, 65535, 0}, QUERY_FORMERR},
        {"R-013 65535 additionals", {1, 0, 0, 65535}, QUERY_FORMERR},
        {"one additional that is not there", {1, 0, 0, 1}, QUERY_FORMERR},
        {"as it is", {1, 0, 0, 0}, QUERY_OK},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct packet p;
        struct query q;
        packet_query(&p, "a", 1);
        for (size_t k = 0; k < 4; k++)
            packet_set16(&p, 4 + 2 * k, cases[i].count[k]);
        if (parse(&q, &p) != cases[i].verdict)
            fail_msg("%s", cases[i].rule);
    }
}

static void ixfr_carries_exactly_one_soa(void **state)
{
    (void)state; /* */
    const char *soa = "00 00 00000001 00000000 00000000 00000000 00000000";
    struct packet p;
    struct query q;
    packet_query(&p, "a", 251);
    assert_int_equal(parse(&q, &p), QUERY_FORMERR);
    packet_record(&p, 8, "c00c", 6, 1, 0, soa);
    assert_int_equal(parse(&q, &p), QUERY_OK);
    packet_record(&p, 8, "c00c", 6, 1, 0, soa);
    assert_int_equal(parse(&q, &p), QUERY_FORMERR);
    packet_query(&p, "a", 251);
    packet_record(&p, 8, "c00c", 1, 1, 0, "01020304");
    assert_int_equal(parse(&q, &p), QUERY_FORMERR);
    packet_query(&p, "a", 251);
    packet_record(&p, 8, "c00c", 666, 1, 0, soa); /* looks like one */
    assert_int_equal(parse(&q, &p), QUERY_FORMERR);
    packet_query(&p, "a", 1);
    packet_record(&p, 8, "c00c", 6, 1, 0, soa);
    assert_int_equal(parse(&q, &p), QUERY_FORMERR);
}

static void no_question_is_fine_with_a_cookie(void **state)
{
    (void)state; /* */
    struct packet p;
    struct query q;
    packet_header(&p);
    packet_opt(&p, 1232, 0, "000a 0008 0102030405060708");
    assert_int_equal(parse(&q, &p), QUERY_COOKIE_ONLY);
    packet_set16(&p, 4, 2); /* */
    assert_int_equal(parse(&q, &p), QUERY_FORMERR);
    packet_header(&p);
    packet_opt(&p, 1232, 0, "fde9 0000");
    assert_int_equal(parse(&q, &p), QUERY_FORMERR);
    packet_header(&p);
    packet_opt(&p, 1232, 0, "000a 0001 01");
    assert_int_equal(parse(&q, &p), QUERY_BAD_COOKIE);
}

static void other_opcodes_hide_every_other_fault(void **state)
{
    (void)state; /* R-001 step 5, R-012, R-113, R-114 */
    for (unsigned opcode = 1; opcode < 16; opcode++) {
        struct packet p;
        struct query q;
        packet_header(&p);
        p.bytes[2] = (uint8_t)(opcode << 3);
        packet_hex(&p, "ffffffff");
        packet_set16(&p, 4, 65535);
        assert_int_equal(parse(&q, &p), QUERY_NOTIMP);
        assert_false(q.has_question || q.has_edns);
    }
}

static void any_octets_get_a_verdict(void **state)
{
    (void)state; /* random damage to a good request; the sanitizers watch */
    random_seed(1);
    for (int i = 0; i < 20000; i++) {
        struct packet p;
        struct query q;
        packet_query(&p, "kubia-0.kubia.default.svc.cluster.local", 1);
        packet_opt(&p, 1232, 0, "0003 0000 000a 0008 0102030405060708");
        packet_record(&p, 10, "c00c", 250, 255, 0, "c012 000000000001 012c 0000 1234 0000 0000");
        for (uint64_t k = random_below(4); k > 0; k--)
            p.bytes[random_below(p.len)] = (uint8_t)random_u64();
        if (random_below(4) == 0)
            p.len = 12 + random_below(p.len - 12);
        (void)parse(&q, &p);
    }
    random_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked_to_the_last_octet),
        cmocka_unit_test(names_have_at_most_255_octets),
        cmocka_unit_test(records_behind_the_question_are_checked),
        cmocka_unit_test(opt_is_single_and_tsig_is_last),
        cmocka_unit_test(counts_are_believed_only_with_the_octets),
        cmocka_unit_test(ixfr_carries_exactly_one_soa),
        cmocka_unit_test(no_question_is_fine_with_a_cookie),
        cmocka_unit_test(other_opcodes_hide_every_other_fault),
        cmocka_unit_test(any_octets_get_a_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
