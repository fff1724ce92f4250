/* Negative answers that say why: the texts of zones/reason.h on the wire, who is told, and
 * that nothing else of the answer changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "exchange.h"

#define LONG60 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"

/* Texts beside the fixture's names; the transaction of an aborted copy leaves nothing. */
static void put_texts(void)
{
    static const char odd[] =
        "\xf0\x9f\x98\x80\xf0\x9f\x98\x80 0123456789012345678901234567890123456"
        "789012345678901234567890123456789012345678901234567890123456789"
        "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80";
    const struct zone_expected db = {.set = "db",
                                     .start = 0,
                                     .replicas = 9,
                                     .waits_ordinal = 6,
                                     .waits = "waits for db-6 to be Ready",
                                     .hole = "is about to be made"};
    const struct zone_expected all = {
        .set = "all", .start = 5, .replicas = 1, .waits = "", .hole = "cannot be made: no room"};
    const struct zone_expected none = {.set = "none", .waits = "", .hole = ""};
    struct zone_txn *txn = zone_txn_new(fixture.zones);
    zone_txn_put_reason(txn, "prod", "db", "db-5", "claim data-db-5 is Pending");
    zone_txn_put_reason(txn, "prod", "db", "odd", odd);
    zone_txn_put_reason(txn, "prod", "db", "gone", "never seen");
    zone_txn_put_reason(txn, "prod", "db", "gone", "");
    zone_txn_put_reason(txn, "prod", "nope", NULL, "of a Service that is not there");
    zone_txn_put_expected(txn, "prod", "db", &db);
    zone_txn_put_expected(txn, "prod", "db", &all);
    zone_txn_put_expected(txn, "prod", "db", &none);
    assert_false(zone_txn_has_changes(txn));
    zone_txn_publish(txn, 8);
    txn = zone_txn_new(fixture.zones);
    zone_txn_put_reason(txn, "prod", "db", "db-5", "taken back");
    zone_txn_put_reason(txn, "prod", "db", "*db", NULL);
    zone_txn_free(txn);
}

static int load_texts(void **state)
{
    (void)load_fixture(state);
    put_texts();
    fixture.opts.explain_acl.any = true;
    return 0;
}

static struct exchange ask_why(const char *name, unsigned type, unsigned size)
{
    struct packet p;
    packet_query(&p, name, type);
    packet_opt(&p, size, 0, "");
    return ask(&p, &fixture_udp);
}

static void expect_why(const char *name, unsigned type, const char *want)
{
    struct exchange x = ask_why(name, type, 1232);
    size_t len = 0;
    const uint8_t *ede = response_option(&x.r, 15, &len);
    if (!want) {
        assert_null(ede);
    } else {
        assert_non_null(ede);
        assert_int_equal(response_ede(&x.r), 0);
        assert_true(len <= 2 + REASON_TEXT_MAX && utf8_is_valid(ede + 2, len - 2));
        assert_int_equal(len - 2, strlen(want));
        assert_memory_equal(ede + 2, want, len - 2);
    }
    exchange_fini(&x);
}

static void negative_answers_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned type;
        const char *why; /* NULL: no EDE */
    } rows[] = {
        {"db-0.db." P, A, NULL},
        {"db-0.db." P, AAAA, "the name has no record of this type"},
        {"db-5.db." P, A, "claim data-db-5 is Pending"},
        {"DB-5.dB." P, A, "claim data-db-5 is Pending"},
        {"_epoch.db-5.db." P, TXT, "claim data-db-5 is Pending"},
        {"db-6.db." P, A, "db-6 is about to be made"},
        {"db-7.db." P, A, "db-7 waits for db-6 to be Ready"},
        {"db-9.db." P, A, "db-9 is not among the 9 replicas of StatefulSet db, db-0 to db-8"},
        {"db-07.db." P, A, "Service prod/db publishes no endpoint db-07"},
        {"db-2147483648.db." P, A, "Service prod/db publishes no endpoint db-2147483648"},
        {"-1.db." P, A, "Service prod/db publishes no endpoint -1"},
        {"1.db." P, A, "Service prod/db publishes no endpoint 1"},
        {"all-5.db." P, A, "all-5 cannot be made: no room"},
        {"all-0.db." P, A, "all-0 is not among the 1 replica of StatefulSet all, all-5 to all-5"},
        {"none-0.db." P, A, "none-0 is not among the 0 replicas of StatefulSet none"},
        {"gone.db." P, A, "Service prod/db publishes no endpoint gone"},
        {"_x._tcp.db." P, SRV, "Service prod/db has no such name below it"},
        {"_tcp.db." P, SRV, "only names below it have records"},
        {"_udp.db." P, SRV, "Service prod/db has no such name below it"},
        {"_pg._tcp.db-0.db." P, SRV, "endpoint db-0 of Service prod/db has no such name below it"},
        {"_epoch.db-0.db." P, TXT, "endpoint db-0 of Service prod/db has no such name below it"},
        {"_x.api." P, SRV, "Service prod/api has no such name below it"},
        {"a.b.c.db." P, A, "Service prod/db publishes no endpoint c"},
        {"nope." P, A, "no such Service prod/nope"},
        {"a.nope." P, A, "no such Service prod/nope"},
        {"x.nowhere.svc." Z, A, "no such namespace nowhere"},
        {"nowhere.svc." Z, A, "no such namespace nowhere"},
        {"empty.svc." Z, A, NULL},
        {"svc." Z, A, NULL},
        {"x." Z, A, NULL},
        {Z, AAAA, NULL},
        {"1-2-3-4.prod.pod." Z, A, NULL},
        {"9.9.9.244.10.in-addr.arpa", PTR, NULL},
        {"ext-dead." P, A, "no such Service prod/gone"}, /* of the name that the CNAME leads to */
        {"a\001\\\xff"
         "b.db." P,
         A, "Service prod/db publishes no endpoint a\\001\\092\\255b"},
        {"odd.db." P, A,
         "\xf0\x9f\x98\x80\xf0\x9f\x98\x80 0123456789012345678901234567890123456789012345678901234"
         "567890123456789012345678901234567890123456789\xf0\x9f\x98\x80\xf0\x9f\x98\x80"},
        {LONG60 "." LONG60 "." LONG60 "." P, A, "no such Service prod/" LONG60},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect_why(rows[i].name, rows[i].type, rows[i].why);
}

static void only_those_who_may_know_are_told(void **state)
{
    (void)state;
    const char *networks[] = {"192.0.2.0/25", "::1"};
    struct access_list list;
    fixture.opts.explain_acl.any = false;
    expect_why("db-5.db." P, A, NULL);
    assert_int_equal(access_list_init(&list, "access.explain", networks, 2, NULL), 0);
    fixture.opts.explain_acl = list;
    expect_why("db-5.db." P, A, "claim data-db-5 is Pending");
    access_list_fini(&fixture.opts.explain_acl);
    networks[0] = "192.0.2.128/25";
    assert_int_equal(access_list_init(&list, "access.explain", networks, 2, NULL), 0);
    fixture.opts.explain_acl = list;
    expect_why("db-5.db." P, A, NULL);
    access_list_fini(&fixture.opts.explain_acl);
    fixture.opts.explain_acl.any = true;
}

/* Header, question and records are those of the answer to one who is told nothing. */
static void a_text_changes_nothing_else(void **state)
{
    (void)state;
    static const char *const names[] = {"db-5.db." P, "nope." P, "db-0.db." P, "ext-dead." P};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct exchange told = ask_why(names[i], AAAA, 1232);
        fixture.opts.explain_acl.any = false;
        struct exchange untold = ask_why(names[i], AAAA, 1232);
        fixture.opts.explain_acl.any = true;
        size_t same = untold.len - 2; /* all but the length of the options */
        assert_true(told.len > untold.len);
        assert_memory_equal(told.bytes, untold.bytes, same);
        exchange_fini(&told);
        exchange_fini(&untold);
    }
    struct exchange x = ask_name("db-5.db." P, A); /* no OPT, no text */
    assert_false(x.r.has_opt);
    exchange_fini(&x);
}

/* What was asked for stays, and nothing is cut for a text that has no room. */
static void a_text_without_room_is_left_out_whole(void **state)
{
    (void)state;
    const char *name = LONG60 "." LONG60 "." LONG60 ".db." P;
    struct packet p;
    packet_query(&p, name, A);
    packet_opt(&p, 512, 0, "0003 0000 000a 0008 0102030405060708");
    memset(fixture.opts.nsid, 'n', DNS_NSID_MAX);
    for (size_t nsid = 1; nsid <= DNS_NSID_MAX; nsid++) {
        fixture.opts.nsid_len = nsid;
        struct exchange x = ask(&p, &fixture_udp);
        size_t len = 0;
        const uint8_t *ede = response_option(&x.r, 15, &len);
        assert_false(x.r.tc);
        assert_int_equal(x.r.rcode, RCODE_NXDOMAIN);
        assert_int_equal(count_of(&x.r, 2, SOA), 1);
        assert_true(x.len <= 512);
        if (ede)
            assert_int_equal(len, 2 + strlen("Service prod/db publishes no endpoint " LONG60));
        else
            assert_true(x.len + 4 + 2 + strlen("Service prod/db publishes no endpoint " LONG60) >
                        512);
        if (nsid == 1)
            assert_non_null(ede);
        if (nsid == DNS_NSID_MAX)
            assert_null(ede);
        exchange_fini(&x);
    }
    fixture.opts.nsid_len = 0;
}

static void a_stale_answer_says_that_it_is_stale(void **state)
{
    (void)state; /* at most one EDE */
    fixture.ctx->stale_us = 60000000;
    struct exchange x = ask_why("db-5.db." P, A, 1232);
    size_t len = 0;
    assert_non_null(response_option(&x.r, 15, &len));
    assert_int_equal(response_ede(&x.r), 3);
    assert_int_equal(len, 2);
    exchange_fini(&x);
    fixture.ctx->stale_us = 0;
}

static void texts_move_no_serial_and_go_with_their_service(void **state)
{
    (void)state; /* K-SERIAL, D18 */
    char name[NAME_TEXT_MAX];
    uint32_t before = 0, after = 0;
    zones_serial_get(fixture.zones, 0, name, &before);
    struct zone_txn *txn = zone_txn_new(fixture.zones);
    zone_txn_put_reason(txn, "prod", "api", "x", "a text below a Service");
    zone_txn_publish(txn, 9);
    zones_serial_get(fixture.zones, 0, name, &after);
    assert_int_equal(before, after);
    expect_why("x.api." P, A, "a text below a Service");
    txn = zone_txn_new(fixture.zones);
    zone_txn_del_service(txn, "prod", "api");
    zone_txn_publish(txn, 10);
    expect_why("x.api." P, A, "no such Service prod/api");
    expect_why("api." P, A, "no such Service prod/api");
    txn = zone_txn_new(fixture.zones);
    zone_txn_del_namespace(txn, "prod");
    zone_txn_publish(txn, 11);
    expect_why("db-5.db." P, A, "no such namespace prod");
    txn = zone_txn_new(fixture.zones);
    zone_txn_put_namespace(txn, "prod");
    zone_txn_publish(txn, 12);
    expect_why("db-0.db." P, A, "no such Service prod/db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(negative_answers_say_why),
        cmocka_unit_test(only_those_who_may_know_are_told),
        cmocka_unit_test(a_text_changes_nothing_else),
        cmocka_unit_test(a_text_without_room_is_left_out_whole),
        cmocka_unit_test(a_stale_answer_says_that_it_is_stale),
        cmocka_unit_test(texts_move_no_serial_and_go_with_their_service),
    };
    return cmocka_run_group_tests(tests, load_texts, drop_fixture);
}
