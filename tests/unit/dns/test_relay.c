/* What dns_respond says of names outside our zones, before and after an upstream has been asked
 * (R-140, R-141, R-149, K-OUT, K-EXTRULES, K-REV). */
#include "dns/answer.h"

#include "packet.h"
#include "zone_fixture.h"

#include "dns/forward_conf.h"
#include "dns/reply.h"

enum { A = 1, CNAME = 5, SOA = 6, PTR = 12, TXT = 16, AAAA = 28, SVCB = 64 };

static struct fixture fixture;
static struct forward_conf conf;
static struct reply reply;
static uint8_t out[DNS_TCP_MAX], upstream_bytes[DNS_UDP_MAX];
static struct packet query;

static int set_up(void **state)
{
    (void)state;
    static const char *const upstreams[] = {"192.0.2.53"}, *const recurse[] = {"192.0.2.0/24"};
    static const char *const zones[] = {"corp.test=192.0.2.54",
                                        "1.168.192.in-addr.arpa=192.0.2.55"};
    fixture_init(&fixture, true);
    assert_int_equal(forward_conf_init(&conf, upstreams, 1, zones, 2, recurse, 1, NULL), 0);
    fixture.opts.forward = &conf;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    forward_conf_fini(&conf);
    fixture_fini(&fixture);
    return 0;
}

static struct packet recursive(const char *name, unsigned type)
{
    struct packet p;
    packet_query(&p, name, type);
    p.bytes[2] |= 1;
    return p;
}

/* The response, or len 0: a relay is wanted, which is then taken note of in *question. */
static struct response respond(const struct packet *p, const struct zone_version *version,
                               const struct dns_upstream *upstream, struct reply_question *question)
{
    query = *p;
    size_t len = upstream ? dns_respond_again(fixture.ctx, version, &fixture_udp, p->bytes, p->len,
                                              upstream, out, sizeof out)
                          : dns_respond(fixture.ctx, version, &fixture_udp, p->bytes, p->len, out,
                                        sizeof out);
    assert_true((len == 0) == fixture.ctx->relay.is_wanted);
    if (len > 0)
        return strict_parse(out, len);
    *question = fixture.ctx->relay.question;
    fixture.ctx->relay.is_wanted = false;
    return (struct response){0};
}

static struct response ask(const char *name, unsigned type, struct reply_question *question)
{
    const struct packet p = recursive(name, type);
    return respond(&p, zones_current(fixture.zones), NULL, question);
}

static bool is_relayed(const char *name, unsigned type, const char *as)
{
    struct reply_question question = {.name_len = 0};
    uint8_t want[NAME_MAX_WIRE];
    struct response r = ask(name, type, &question);
    bool was_relayed = r.len == 0;
    response_fini(&r);
    if (was_relayed && as) {
        assert_true(name_parse(as, want, NULL) > 0);
        assert_memory_equal(question.name, want, question.name_len);
        assert_int_equal(question.type, type);
    }
    return was_relayed;
}

static unsigned rcode_of(const char *name, unsigned type)
{
    struct reply_question question;
    struct response r = ask(name, type, &question);
    assert_true(r.len > 0 && r.ra);
    unsigned rcode = r.rcode;
    response_fini(&r);
    return rcode;
}

static void foreign_names_and_targets_are_relayed(void **state)
{
    (void)state;
    assert_true(is_relayed("wWw.Example.com", A, "www.example.com"));
    assert_true(is_relayed(".", 2, "."));
    assert_true(is_relayed("ext.prod.svc.cluster.local", AAAA, "www.example.com"));
    assert_false(is_relayed("ext.prod.svc.cluster.local", CNAME, NULL));
    assert_false(is_relayed("ext.prod.svc.cluster.local", 255, NULL)); /* K-ANY */
    assert_true(is_relayed("xcluster.local.example", A, NULL));
}

/* nothing at or below a zone of ours, in any state */
static void local_names_are_never_relayed(void **state)
{
    (void)state;
    static const char *const names[] = {"cluster.local",
                                        "x.cluster.local",
                                        "nothing.prod.svc.cluster.local",
                                        "1.2.244.10.in-addr.arpa",
                                        "244.10.in-addr.arpa",
                                        "ext-dead.prod.svc.cluster.local",
                                        "loop-a.prod.svc.cluster.local"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_false(is_relayed(names[i], A, NULL));
    struct fixture unloaded;
    struct reply_question question;
    fixture_init(&unloaded, false);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct packet p = recursive(names[i], A);
        struct response r = respond(&p, zones_current(unloaded.zones), NULL, &question);
        assert_int_equal(r.rcode, 2);
        response_fini(&r);
    }
    const struct packet p = recursive("www.example.com", A); /* others need not wait for the load */
    struct response r = respond(&p, zones_current(unloaded.zones), NULL, &question);
    assert_int_equal(r.len, 0);
    fixture_fini(&unloaded);
}

/* R-149, RFC 6303 */
static void special_names_are_answered_here(void **state)
{
    (void)state;
    struct reply_question question;
    struct response r = ask("a.localhost", A, &question);
    assert_int_equal(r.rcode, 0);
    assert_true(r.aa && r.ra);
    assert_memory_equal(out + r.record[0].rdata_at, "\x7f\0\0\1", 4);
    response_fini(&r);
    r = ask("localhost", AAAA, &question);
    assert_int_equal(out[r.record[0].rdata_at + 15], 1);
    response_fini(&r);
    r = ask("localhost", TXT, &question);
    assert_true(r.rcode == 0 && r.records == 1 && r.record[0].type == SOA);
    response_fini(&r);
    r = ask("x.INVALID", A, &question);
    assert_true(r.rcode == 3 && r.records == 1 && r.record[0].section == 2);
    assert_memory_equal(r.record[0].owner, "\7INVALID", 9); /* our question's spelling */
    response_fini(&r);
    assert_int_equal(rcode_of("invalid", A), 0);
    assert_int_equal(rcode_of("_dns.resolver.arpa", SVCB), 0);
    assert_int_equal(rcode_of("printer.local", A), 3);
    assert_int_equal(rcode_of("2.168.192.in-addr.arpa", PTR), 3);
    /* sent on by a rule of their own, not by one for what is above */
    assert_true(is_relayed("a.corp.test", A, NULL));
    assert_int_equal(rcode_of("a.test", A), 3);
    assert_true(is_relayed("9.1.168.192.in-addr.arpa", PTR, NULL));
}

/* K-FLAGS: RA in whatever is answered to somebody who may recurse, but for NOTIMP */
static void ra_is_in_every_response(void **state)
{
    (void)state;
    struct reply_question question;
    struct packet p;
    packet_query(&p, "db-0.db.prod.svc.cluster.local", A);
    p.bytes[3] |= FLAG_CD;
    struct response r = respond(&p, zones_current(fixture.zones), NULL, &question);
    assert_true(r.ra && !r.cd && !r.rd);
    response_fini(&r);
    p.len--; /* FORMERR */
    r = respond(&p, zones_current(fixture.zones), NULL, &question);
    assert_true(r.rcode == 1 && r.ra);
    response_fini(&r);
    packet_header(&p);
    p.bytes[2] = 2 << 3;
    r = respond(&p, zones_current(fixture.zones), NULL, &question);
    assert_true(r.rcode == 4 && !r.ra);
    response_fini(&r);
    fixture.opts.forward = NULL;
    packet_query(&p, "db-0.db.prod.svc.cluster.local", A);
    r = respond(&p, zones_current(fixture.zones), NULL, &question);
    assert_false(r.ra);
    response_fini(&r);
    fixture.opts.forward = &conf;
}

/* An upstream's answer to a question: `links` hexadecimal targets of CNAMEs, then an address. */
static struct dns_upstream upstream_says(struct reply_question *question, const char *target)
{
    struct packet p;
    packet_header(&p);
    p.bytes[2] = 0x81;
    p.bytes[3] = 0x80;
    packet_put(&p, question->name, question->name_len);
    packet_put16(&p, question->type);
    packet_put16(&p, 1);
    packet_count(&p, 4);
    if (target) {
        packet_record(&p, 6, "c00c", CNAME, 1, 60, target);
        packet_record(&p, 6, target, A, 1, 60, "06060606");
    } else {
        packet_record(&p, 6, "c00c", A, 1, 60, "c6336401");
    }
    memcpy(upstream_bytes, p.bytes, p.len);
    assert_int_equal(reply_check(&reply, question, PACKET_ID, true, upstream_bytes, p.len),
                     REPLY_ANSWER);
    return (struct dns_upstream){.question = question, .reply = &reply, .ede = EDE_NONE};
}

/* db-0.db.prod.svc.cluster.local in hexadecimal */
#define DB0 "0464622d300264620470726f640373766307636c7573746572056c6f63616c00"

static void a_chain_that_comes_home_is_answered_here(void **state)
{
    (void)state;
    struct reply_question question, again;
    assert_int_equal(ask("www.example.com", A, &question).len, 0);
    struct dns_upstream upstream = upstream_says(&question, DB0);
    const struct packet p = recursive("www.example.com", A);
    struct response r = respond(&p, zones_current(fixture.zones), &upstream, &again);
    assert_int_equal(r.count[1], 2);
    assert_int_equal(r.record[0].type, CNAME);
    assert_int_equal(out[r.record[1].rdata_at], 10); /* ours, not 6.6.6.6 */
    assert_false(r.aa);
    response_fini(&r);
    struct fixture unloaded;
    fixture_init(&unloaded, false);
    r = respond(&p, zones_current(unloaded.zones), &upstream, &again);
    assert_int_equal(r.rcode, 2); /* K-SYNC */
    assert_int_equal(r.records, 0);
    response_fini(&r);
    fixture_fini(&unloaded);
}

/* ... and does not leave again. */
static void a_chain_that_comes_home_and_leaves_ends(void **state)
{
    (void)state;
    struct reply_question question, again;
    assert_int_equal(ask("www.example.org", A, &question).len, 0);
    struct dns_upstream upstream = upstream_says(
        &question, "036578740470726f640373766307636c7573746572056c6f63616c00"); /* ext */
    const struct packet p = recursive("www.example.org", A);
    struct response r = respond(&p, zones_current(fixture.zones), &upstream, &again);
    assert_int_equal(r.count[1], 2);
    assert_int_equal(r.record[1].type, CNAME);
    response_fini(&r);
}

/* K-ATOMIC: what the zones say when the upstream has answered counts. */
static void a_name_that_changed_meanwhile_is_answered_as_it_is_now(void **state)
{
    (void)state;
    struct reply_question question, again;
    assert_int_equal(ask("ext.prod.svc.cluster.local", A, &question).len, 0);
    struct dns_upstream upstream = upstream_says(&question, NULL);
    const struct packet p = recursive("ext.prod.svc.cluster.local", A);
    struct zone_txn *txn = zone_txn_new(fixture.zones);
    fixture_external(txn, "ext", "elsewhere.example.com");
    zone_txn_publish(txn, 8);
    struct response r = respond(&p, zones_current(fixture.zones), &upstream, &again);
    assert_int_equal(r.len, 0); /* another question now */
    assert_memory_equal(again.name, "\11elsewhere\7example\3com", again.name_len);
    txn = zone_txn_new(fixture.zones);
    fixture_external(txn, "ext", "api.prod.svc.cluster.local");
    zone_txn_publish(txn, 9);
    r = respond(&p, zones_current(fixture.zones), &upstream, &again);
    assert_int_equal(r.count[1], 2);
    assert_int_equal(out[r.record[1].rdata_at], 10);
    response_fini(&r);
    txn = zone_txn_new(fixture.zones);
    fixture_external(txn, "ext", "www.example.com");
    zone_txn_publish(txn, 10);
}

static void a_failure_leaves_no_records(void **state)
{
    (void)state;
    struct reply_question question, again;
    assert_int_equal(ask("ext.prod.svc.cluster.local", A, &question).len, 0);
    const struct dns_upstream none = {.question = &question, .ede = EDE_NETWORK};
    struct packet p = recursive("ext.prod.svc.cluster.local", A);
    packet_opt(&p, 1232, 0, "");
    struct response r = respond(&p, zones_current(fixture.zones), &none, &again);
    assert_true(r.rcode == 2 && r.records == 0 && !r.aa && r.ra);
    assert_int_equal(response_ede(&r), 23);
    assert_true(r.len <= p.len + 11 + 6); /* */
    response_fini(&r);
}

/* YXDOMAIN comes with records (RFC 6672), and with an EDE that no room was kept for. */
static void a_full_message_with_yxdomain_keeps_its_size(void **state)
{
    (void)state;
    enum { SIZE = 1600, RECORD = 16 };
    fixture.opts.udp_size = DNS_UDP_MAX;
    for (unsigned spare = 0; spare < RECORD; spare++) { /* the records end at any distance */
        struct reply_question question, again;
        struct packet p = recursive("www.example.org", TXT), said;
        packet_opt(&p, SIZE + spare, 0, "000a 0008 0102030405060708");
        struct response r = respond(&p, zones_current(fixture.zones), NULL, &question);
        assert_int_equal(r.len, 0);
        packet_query(&said, "www.example.org", TXT);
        said.bytes[2] |= 0x80;
        said.bytes[3] |= RCODE_YXDOMAIN;
        packet_record(&said, 6, "c00c", TXT, 1, 60, "03616263");
        for (unsigned at = 0; at < SIZE; at += RECORD)
            packet_record(&said, 6, "c00c", TXT, 1, 60, "03616263");
        packet_opt(&said, 1232, 0, "000f 0002 0003");
        assert_int_equal(reply_check(&reply, &question, PACKET_ID, true, said.bytes, said.len),
                         REPLY_ANSWER);
        const struct dns_upstream upstream = {.question = &question, .reply = &reply};
        r = respond(&p, zones_current(fixture.zones), &upstream, &again);
        assert_in_range(r.len, SIZE - RECORD, SIZE + spare);
        response_fini(&r);
    }
    fixture.opts.udp_size = 1232;
}

/* a message is counted once by dns.client-limit, and not dropped when its answer is there.
 */
static void a_relayed_message_is_limited_once(void **state)
{
    (void)state;
    struct client_limit clients;
    static const uint8_t key[COOKIE_SECRET_SIZE] = {1};
    client_limit_init(&clients, key);
    fixture.ctx->clients = &clients;
    fixture.ctx->now_us = 1000000;
    fixture.opts.client_limit = 2;
    const struct packet p = recursive("www.example.com", A);
    for (int i = 0; i < 2; i++) {
        struct reply_question question, again;
        assert_int_equal(ask("www.example.com", A, &question).len, 0);
        struct dns_upstream upstream = upstream_says(&question, NULL);
        struct response r = respond(&p, zones_current(fixture.zones), &upstream, &again);
        assert_int_equal(r.count[1], 1);
        response_fini(&r);
    }
    assert_int_equal(dns_respond(fixture.ctx, zones_current(fixture.zones), &fixture_udp, p.bytes,
                                 p.len, out, sizeof out),
                     0);
    assert_false(fixture.ctx->relay.is_wanted);
    fixture.opts.client_limit = 0;
    fixture.ctx->clients = NULL;
    client_limit_fini(&clients);
}

/* A message counts once, however often it is answered again. */
static void a_relayed_message_counts_once(void **state)
{
    (void)state;
    uint64_t queries = counter_read(&fixture.counters.queries[DNS_UDP]);
    uint64_t responses = counter_read(&fixture.counters.responses[DNS_UDP][0]);
    struct reply_question question, again;
    assert_int_equal(ask("www.example.com", A, &question).len, 0);
    struct dns_upstream upstream = upstream_says(&question, NULL);
    const struct packet p = recursive("www.example.com", A);
    struct response r = respond(&p, zones_current(fixture.zones), &upstream, &again);
    response_fini(&r);
    assert_int_equal(counter_read(&fixture.counters.queries[DNS_UDP]), queries + 1);
    assert_int_equal(counter_read(&fixture.counters.responses[DNS_UDP][0]), responses + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_names_and_targets_are_relayed),
        cmocka_unit_test(local_names_are_never_relayed),
        cmocka_unit_test(special_names_are_answered_here),
        cmocka_unit_test(ra_is_in_every_response),
        cmocka_unit_test(a_chain_that_comes_home_is_answered_here),
        cmocka_unit_test(a_chain_that_comes_home_and_leaves_ends),
        cmocka_unit_test(a_name_that_changed_meanwhile_is_answered_as_it_is_now),
        cmocka_unit_test(a_failure_leaves_no_records),
        cmocka_unit_test(a_full_message_with_yxdomain_keeps_its_size),
        cmocka_unit_test(a_relayed_message_is_limited_once),
        cmocka_unit_test(a_relayed_message_counts_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
