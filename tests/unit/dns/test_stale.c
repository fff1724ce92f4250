/* A server whose source of truth goes away and returns (D20, D21, K-STALE, R-032): by UDP and TCP,
 * on every address, with a limit and without one. */
#include "dns/server.h"

#include "net.h"

#include <stdio.h>

#include "base/clock.h"

#define AWAY_US 60000000
#define NEW     "late-0.late.prod.svc.cluster.local"

enum { NO_EDE = -1, STALE = 3, NOT_READY = 14 };

static struct packet with_opt(const char *name)
{
    struct packet p;
    packet_query(&p, name, A);
    packet_opt(&p, 1232, 0, "");
    return p;
}

static struct response answer_to(const struct net *n, size_t address, int type, const char *name,
                                 uint8_t *out, size_t room)
{
    struct packet p = with_opt(name);
    int fd = dial(n, address, type);
    size_t len;
    if (type == SOCK_STREAM) {
        uint8_t head[2] = {(uint8_t)(p.len >> 8), (uint8_t)p.len};
        send_all(fd, head, 2);
        send_all(fd, p.bytes, p.len);
        assert_true(read_all(fd, head, 2));
        len = (size_t)head[0] << 8 | head[1];
        assert_true(len <= room && read_all(fd, out, len));
    } else {
        send_all(fd, p.bytes, p.len);
        ssize_t got = recv(fd, out, room, 0);
        assert_true(got > 12);
        len = (size_t)got;
    }
    close(fd);
    return strict_parse(out, len);
}

/* The same from every address, over both transports, often enough to meet every worker. */
static void must_say(const struct net *n, const char *name, unsigned rcode, unsigned answers,
                     int ede)
{
    uint8_t out[4096];
    for (size_t address = 0; address < 2; address++) {
        for (int i = 0; i < 24; i++) {
            struct response r =
                answer_to(n, address, i % 2 ? SOCK_STREAM : SOCK_DGRAM, name, out, sizeof out);
            assert_int_equal(r.rcode, rcode);
            assert_int_equal(r.count[1], answers);
            assert_int_equal(response_ede(&r), ede);
            response_fini(&r);
        }
    }
}

static void d20_stale_data_is_answered_with_a_word_of_warning(void **state)
{
    (void)state;
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    must_say(n, K0, 0, 1, NO_EDE);
    dns_server_set_stale_since(n->server, clock_mono_us() - AWAY_US);
    must_say(n, K0, 0, 1, STALE);
    must_say(n, NEW, 3, 0, STALE); /* what was not there is not there */
    net_stop(n);
}

static void d21_the_first_version_after_the_return_is_answered_clean(void **state)
{
    (void)state;
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    dns_server_set_stale_since(n->server, clock_mono_us() - AWAY_US);
    must_say(n, NEW, 3, 0, STALE);
    struct zone_txn *txn = zone_txn_new(n->fixture.zones); /* what came meanwhile, as one version */
    fixture_headless(txn, "late", 60, 1, true, false, false);
    zone_txn_publish(txn, 8);
    dns_server_set_stale_since(n->server, 0);
    must_say(n, NEW, 0, 1, NO_EDE);
    must_say(n, K0, 0, 1, NO_EDE);
    net_stop(n);
}

static void beyond_the_limit_nobody_is_told_what_may_be_wrong(void **state)
{
    (void)state;
    struct dns_opts opts = options();
    opts.max_stale_us = AWAY_US;
    struct net *n = net_start(&opts);
    dns_server_set_stale_since(n->server, clock_mono_us() - AWAY_US / 2);
    must_say(n, K0, 0, 1, STALE);
    dns_server_set_stale_since(n->server, clock_mono_us() - AWAY_US - 1);
    must_say(n, K0, 2, 0, NOT_READY);
    must_say(n, NEW, 2, 0, NOT_READY); /* not denied either */
    dns_server_set_stale_since(n->server, 0);
    must_say(n, K0, 0, 1, NO_EDE);
    net_stop(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(d20_stale_data_is_answered_with_a_word_of_warning),
        cmocka_unit_test(d21_the_first_version_after_the_return_is_answered_clean),
        cmocka_unit_test(beyond_the_limit_nobody_is_told_what_may_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
