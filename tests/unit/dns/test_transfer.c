/* Zone transfers as messages: who gets one, and that what arrives is the zone (K-XFR, R-110 to
 * R-112, P17 to P19). */
#include "dns/transfer.h"

#include "exchange.h"
#include "zones/node.h"
#include "zones/zone_text.h"

#define REVERSE_SMALL "96.10.in-addr.arpa"

/* Where dns_respond puts a transfer; full: the quota is spent. */
struct slot {
    struct transfer transfer;
    unsigned asked;
    bool is_full;
};

static struct transfer *on_transfer(void *arg)
{
    struct slot *slot = arg;
    slot->asked++;
    return slot->is_full ? NULL : &slot->transfer;
}

static void allow(const char *network)
{
    access_list_fini(&fixture.opts.transfer_acl);
    assert_int_equal(access_list_init(&fixture.opts.transfer_acl, "access.transfer", &network,
                                      network ? 1 : 0, NULL),
                     0);
}

static void make_request(struct packet *p, const char *name, unsigned type, uint32_t serial)
{
    char rdata[64];
    packet_query(p, name, type);
    (void)snprintf(rdata, sizeof rdata, "00 00 %08x 00000000 00000000 00000000 00000000",
                   (unsigned)serial);
    if (type == RR_IXFR)
        packet_record(p, 8, "c00c", RR_SOA, 1, 0, rdata);
}

static struct exchange request(const char *name, unsigned type, uint32_t serial,
                               const struct dns_peer *peer, struct slot *slot)
{
    struct packet p;
    make_request(&p, name, type, serial);
    fixture.ctx->transfer_new = on_transfer;
    fixture.ctx->transfer_arg = slot;
    struct exchange x = ask(&p, peer);
    fixture.ctx->transfer_new = NULL;
    return x;
}

/* Appends the records of a message as text, as ldns reads them. */
static void put_text(struct buf_out *out, const uint8_t *bytes, size_t len)
{
    ldns_pkt *pkt = NULL;
    assert_int_equal(ldns_wire2pkt(&pkt, bytes, len), LDNS_STATUS_OK);
    const ldns_rr_list *answer = ldns_pkt_answer(pkt);
    for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
        char *line = ldns_rr2str(ldns_rr_list_rr(answer, i));
        buf_puts(out, line);
        free(line);
    }
    ldns_pkt_free(pkt);
}

/* The zone as `ordctl dump-zone` prints it, read by ldns, with the SOA again at its end. */
static void put_dump(struct buf_out *out, const char *zone)
{
    const struct zone_version *v = zones_current(fixture.zones);
    uint8_t name[NAME_MAX_WIRE];
    name_parse(zone, name, NULL);
    struct buf_out text;
    buf_out_init(&text);
    zone_text_zone(v, zone_apex_find(v, name), &text);
    char *soa = NULL, *rest = NULL;
    for (char *line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        ldns_rr *rr = NULL;
        assert_int_equal(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL), LDNS_STATUS_OK);
        char *read = ldns_rr2str(rr);
        buf_puts(out, read);
        if (!soa)
            soa = strdup(read);
        free(read);
        ldns_rr_free(rr);
    }
    buf_puts(out, soa);
    free(soa);
    buf_out_fini(&text);
}

/* Everything behind the first message, checked on the way; returns how many messages. */
static unsigned take_rest(struct slot *slot, const struct exchange *x, struct buf_out *out)
{
    unsigned messages = 0;
    while (!transfer_is_over(&slot->transfer)) {
        uint8_t *bytes = malloc(65535);
        size_t len = transfer_next(&slot->transfer, bytes);
        assert_true(len > 0 && len <= TRANSFER_MESSAGE);
        assert_memory_equal(bytes, x->bytes, 2);
        bytes = realloc(bytes, len);
        struct response r = strict_parse(bytes, len);
        assert_true(r.aa && !r.tc && r.rcode == 0 && r.opcode == 0);
        assert_int_equal(r.questions, 0);
        assert_int_equal(r.count[2] + r.count[3], 0);
        put_text(out, bytes, len);
        response_fini(&r);
        free(bytes);
        messages++;
    }
    return messages;
}

static void check_zone(const char *name, unsigned type, bool is_large)
{
    struct slot slot = {.asked = 0};
    struct buf_out got, want;
    buf_out_init(&got);
    buf_out_init(&want);
    struct exchange x = request(name, type, 1, &fixture_tcp, &slot);
    assert_int_equal(x.r.rcode, 0);
    assert_true(x.r.aa);
    assert_int_equal(x.r.questions, 1);
    put_text(&got, x.bytes, x.len);
    unsigned rest = take_rest(&slot, &x, &got);
    if (is_large ? rest < 10 : rest != 0)
        fail_msg("%s: %u messages", name, rest);
    put_dump(&want, name);
    assert_string_equal(got.data, want.data);
    assert_int_equal(slot.asked, 1);
    exchange_fini(&x);
    buf_out_fini(&got);
    buf_out_fini(&want);
}

static void every_zone_arrives_as_it_is_dumped(void **state)
{
    (void)state; /* P18: SOA first and last, every record once, nothing else */
    allow("192.0.2.0/24");
    check_zone(Z, RR_AXFR, true);
    check_zone("244.10.in-addr.arpa", RR_AXFR, true);
    check_zone(REVERSE_SMALL, RR_AXFR, false);
    check_zone(Z, RR_IXFR, true); /* an older client: the whole zone (RFC 1995 section 4) */
}

static void owners_are_compressed_and_spelt_as_ours(void **state)
{
    (void)state; /* RFC 5936 section 3.4: no pointer into a question that is spelt otherwise */
    allow("any");
    struct slot slot = {.asked = 0};
    struct exchange x = request(FIXTURE_ZONE_UPPER, RR_AXFR, 0, &fixture_tcp, &slot);
    assert_true(owner_is(record_at(&x.r, 0), Z) && !record_at(&x.r, 0)->owner_is_pointer);
    size_t written = 0, in_full = 0;
    for (size_t i = 0; i < x.r.records; i++) {
        const struct record *rr = record_at(&x.r, i);
        written += rr->rdata_at - 10 - rr->owner_at;
        in_full += strlen((const char *)rr->owner) + 1;
    }
    assert_true(2 * written < in_full);
    exchange_fini(&x);
    x = request(Z, RR_AXFR, 0, &fixture_tcp, &slot);
    assert_true(record_at(&x.r, 0)->owner_is_pointer);
    exchange_fini(&x);
}

static void only_who_is_listed_gets_a_zone(void **state)
{
    (void)state; /* the exact apex in any case, and no quota taken for the others */
    static const struct {
        const char *name, *network;
        unsigned type;
        bool tcp;
        unsigned rcode, asked;
    } cases[] = {
        {Z, NULL, RR_AXFR, true, RCODE_REFUSED, 0},
        {Z, "198.51.100.0/24", RR_AXFR, true, RCODE_REFUSED, 0},
        {Z, "2001:db8::/32", RR_AXFR, true, RCODE_REFUSED, 0},
        {Z, "192.0.2.1", RR_AXFR, true, RCODE_NOERROR, 1},
        {FIXTURE_ZONE_UPPER, "any", RR_AXFR, true, RCODE_NOERROR, 1},
        {"svc." Z, "any", RR_AXFR, true, RCODE_NOTAUTH, 0},
        {"example.com", "any", RR_AXFR, true, RCODE_NOTAUTH, 0},
        {"local", "any", RR_AXFR, true, RCODE_NOTAUTH, 0},
        {Z, "any", RR_AXFR, false, RCODE_REFUSED, 0}, /* never by UDP */
        {Z, "198.51.100.0/24", RR_IXFR, true, RCODE_REFUSED, 0},
        {Z, "198.51.100.0/24", RR_IXFR, false, RCODE_REFUSED, 0},
        {"svc." Z, "any", RR_IXFR, true, RCODE_NOTAUTH, 0},
        {"svc." Z, "any", RR_IXFR, false, RCODE_NOTAUTH, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct slot slot = {.asked = 0};
        allow(cases[i].network);
        struct exchange x = request(cases[i].name, cases[i].type, 1,
                                    cases[i].tcp ? &fixture_tcp : &fixture_udp, &slot);
        assert_int_equal(x.r.rcode, cases[i].rcode);
        assert_int_equal(slot.asked, cases[i].asked);
        exchange_fini(&x);
    }
}

static void nobody_gets_a_zone_now_is_a_servfail(void **state)
{
    (void)state; /* the quota, or no state yet: to be tried again */
    allow("any");
    struct slot slot = {.is_full = true};
    struct exchange x = request(Z, RR_AXFR, 0, &fixture_tcp, &slot);
    assert_int_equal(x.r.rcode, RCODE_SERVFAIL);
    exchange_fini(&x);
    slot.is_full = false;
    fixture.opts.max_stale_us = 1000;
    fixture.ctx->stale_us = 1001;
    x = request(Z, RR_AXFR, 0, &fixture_tcp, &slot);
    assert_int_equal(x.r.rcode, RCODE_SERVFAIL);
    fixture.opts.max_stale_us = fixture.ctx->stale_us = 0;
    exchange_fini(&x);
    assert_int_equal(slot.asked, 1);
}

/* The fixture's serial is 7 (its revision). */
static void a_client_that_is_current_or_ahead_gets_one_soa(void **state)
{
    (void)state; /* P19, RFC 1995 section 2, RFC 1982 */
    static const struct {
        uint32_t serial;
        bool is_current;
    } cases[] = {{7, true},
                 {8, true},
                 {7 + 0x7fffffffU, true},
                 {6, false},
                 {0, false},
                 {0xfffffff0U, false},
                 {0x80000008U, false},
                 {7 + 0x80000000U, false} /* undefined: the zone, to be sure */};
    allow("any");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct slot slot = {.asked = 0};
        struct exchange x = request(Z, RR_IXFR, cases[i].serial, &fixture_tcp, &slot);
        assert_int_equal(slot.asked, cases[i].is_current ? 0 : 1);
        assert_true(x.r.aa && record_at(&x.r, 0)->type == SOA);
        assert_true(cases[i].is_current ? x.r.records == 1 : x.r.records > 100);
        exchange_fini(&x);
        x = request(Z, RR_IXFR, cases[i].serial, &fixture_udp, &slot); /* too large: SOA only */
        assert_true(x.r.aa && !x.r.tc);
        assert_int_equal(x.r.records, 1);
        assert_int_equal(record_at(&x.r, 0)->type, SOA);
        exchange_fini(&x);
    }
}

static void a_zone_that_fits_comes_in_one_datagram(void **state)
{
    (void)state; /* UDP, SOA only if it does not fit */
    allow("any");
    struct packet p;
    make_request(&p, REVERSE_SMALL, RR_IXFR, 1);
    struct exchange x = ask(&p, &fixture_udp);
    assert_int_equal(x.r.rcode, 0);
    assert_false(x.r.tc);
    struct buf_out got, want;
    buf_out_init(&got);
    buf_out_init(&want);
    put_text(&got, x.bytes, x.len);
    put_dump(&want, REVERSE_SMALL);
    assert_string_equal(got.data, want.data);
    buf_out_fini(&got);
    buf_out_fini(&want);
    exchange_fini(&x);
}

static void opt_goes_with_the_first_message_only(void **state)
{
    (void)state; /* RFC 5936 section 2.2.5 */
    allow("any");
    struct packet p;
    struct slot slot = {.asked = 0};
    packet_query(&p, Z, RR_AXFR);
    packet_opt(&p, 1232, 0, "");
    fixture.ctx->transfer_new = on_transfer;
    fixture.ctx->transfer_arg = &slot;
    struct exchange x = ask(&p, &fixture_tcp);
    fixture.ctx->transfer_new = NULL;
    assert_true(x.r.has_opt);
    assert_true(x.len <= TRANSFER_MESSAGE);
    struct buf_out out;
    buf_out_init(&out);
    take_rest(&slot, &x, &out); /* which has no additional records */
    buf_out_fini(&out);
    exchange_fini(&x);
}

/* A transfer of one SOA-less zone whose only record has RDATA of len octets. */
static size_t send_record(size_t len, struct transfer *t, uint8_t *out)
{
    uint8_t *record = malloc(len + 2);
    memset(record, 0, len + 2);
    record[0] = (uint8_t)(len >> 8);
    record[1] = (uint8_t)len;
    struct rrset *set = rrset_new_raw(RR_TXT, 5, 1, record, len + 2);
    const uint8_t name[] = "\1z";
    struct zone_node *node = node_new(name, sizeof name, 0, &set, 1, NULL);
    const struct zone_apex apex = {.node = node, .soa = set};
    const struct query q = {.id = 1};
    transfer_init(t, NULL, &apex, &q, true);
    size_t size = transfer_next(t, out);
    free(record);
    free(set);
    free(node);
    return size;
}

static void a_large_record_makes_a_longer_message_or_ends_it(void **state)
{
    (void)state; /* it does not loop */
    static const size_t head = 12 + 3 + 10;
    uint8_t *out = malloc(65535);
    struct transfer t;
    assert_int_equal(send_record(TRANSFER_MESSAGE - head, &t, out), TRANSFER_MESSAGE);
    assert_int_equal(send_record(TRANSFER_MESSAGE, &t, out), TRANSFER_MESSAGE + head);
    assert_int_equal(send_record(65535 - head, &t, out), 65535);
    assert_true(transfer_is_over(&t) && !t.has_failed);
    assert_int_equal(send_record(65535 - head + 1, &t, out), 0);
    assert_true(t.has_failed);
    free(out);
}

static int forget_networks(void **state)
{
    access_list_fini(&fixture.opts.transfer_acl);
    return drop_fixture(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_zone_arrives_as_it_is_dumped),
        cmocka_unit_test(owners_are_compressed_and_spelt_as_ours),
        cmocka_unit_test(only_who_is_listed_gets_a_zone),
        cmocka_unit_test(nobody_gets_a_zone_now_is_a_servfail),
        cmocka_unit_test(a_client_that_is_current_or_ahead_gets_one_soa),
        cmocka_unit_test(a_zone_that_fits_comes_in_one_datagram),
        cmocka_unit_test(opt_goes_with_the_first_message_only),
        cmocka_unit_test(a_large_record_makes_a_longer_message_or_ends_it),
    };
    return cmocka_run_group_tests(tests, load_fixture, forget_networks);
}
