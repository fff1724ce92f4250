/* How often upstreams are asked, and until when, by a forwarder on the test's own
 * loop: its timers run when the test lets them. */
#include "upstream_fixture.h"

#include <event2/event.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "dns/forward.h"
#include "dns/forward_plan.h"
#include "dns/reply.h"

enum { UPSTREAMS = FORWARD_TRIES_MAX + 1 };

static struct upstream_end up[UPSTREAMS];
static struct forward_conf conf;
static struct event_base *base;
static struct forwarder *forward;
static _Atomic bool loop_found;
static unsigned turns; /* a millisecond each, at least */

struct asker {
    struct forward_waiter waiter;
    const char *next; /* what it asks for when it has been answered */
    unsigned answers;
    int rcode; /* of the last answer; -1: there was none */
    int ede;
};

static struct dns_relay relay_of(const char *name)
{
    const struct packet p = recursive(name, A);
    struct dns_relay relay = {.question = {.type = A, .name_len = p.len - 16}};
    name_fold(relay.question.name, p.bytes + 12, relay.question.name_len);
    return relay;
}

static void ask(struct asker *asker, const char *name)
{
    const struct dns_relay relay = relay_of(name);
    forward_ask(forward, &asker->waiter, &relay);
}

static void on_done(struct forward_waiter *waiter, const struct dns_upstream *answer)
{
    struct asker *asker = LIST_ENTRY(waiter, struct asker, waiter);
    asker->answers++;
    asker->rcode = answer->reply ? (int)answer->reply->rcode : -1;
    asker->ede = answer->ede;
    if (asker->next)
        ask(asker, TAKE(asker->next));
}

static int start(void **state)
{
    (void)state;
    static const char *const anybody[] = {"any"};
    const char *texts[UPSTREAMS];
    struct err e;
    for (size_t i = 0; i < UPSTREAMS; i++) {
        upstream_open(&up[i]);
        texts[i] = up[i].text;
    }
    assert_int_equal(forward_conf_init(&conf, texts, UPSTREAMS, NULL, 0, anybody, 1, &e), 0);
    conf.timeout_us = INT64_C(1000) * PATIENCE_MS;
    turns = 0;
    base = event_base_new();
    forward = forwarder_new(base, &conf, &loop_found, false);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    forwarder_free(forward);
    event_base_free(base);
    forward_conf_fini(&conf);
    for (size_t i = 0; i < UPSTREAMS; i++) {
        close(up[i].udp);
        close(up[i].tcp);
    }
    return 0;
}

static void turn(void)
{
    assert_in_range(++turns, 1, PATIENCE_MS);
    (void)poll(NULL, 0, 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

struct taken {
    struct packet query;
    struct sockaddr_in from;
    size_t up;
};

/* The next query at any upstream; false when the asker has his answer before. */
static bool take_any(struct taken *out, const struct asker *asker)
{
    for (unsigned before = asker->answers; asker->answers == before; turn()) {
        for (out->up = 0; out->up < UPSTREAMS; out->up++) {
            socklen_t len = sizeof out->from;
            ssize_t n = recvfrom(up[out->up].udp, out->query.bytes, sizeof out->query.bytes,
                                 MSG_DONTWAIT, (struct sockaddr *)&out->from, &len);
            out->query.len = (size_t)n;
            if (n > 0)
                return true;
        }
    }
    return false;
}

static void answer(const struct taken *t, unsigned rcode)
{
    const struct packet reply = reply_to(&t->query, rcode);
    assert_int_equal(sendto(up[t->up].udp, reply.bytes, reply.len, 0,
                            (const struct sockaddr *)&t->from, sizeof t->from),
                     (ssize_t)reply.len);
}

static void settle(const struct asker *asker)
{
    for (unsigned before = asker->answers; asker->answers == before;)
        turn();
}

/* then SERVFAIL, though there would be one more */
static void eight_upstreams_are_asked_and_no_more(void **state)
{
    (void)state;
    struct asker asker = {.waiter = {.done = on_done}};
    struct taken t;
    unsigned asked = 0;
    conf.try_least_us = conf.timeout_us;
    ask(&asker, "www.example.com");
    for (; take_any(&t, &asker); asked++)
        answer(&t, 2);
    assert_int_equal(asked, 8);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.rcode, -1);
}

/* SERVFAIL sends the question to the next; nobody is asked what he does not know */
static void who_says_no_is_not_asked_again(void **state)
{
    (void)state;
    struct asker asker = {.waiter = {.done = on_done}};
    struct taken t;
    unsigned asked = 0;
    conf.zones[0].members = 0x3;
    ask(&asker, "www.example.com");
    for (; take_any(&t, &asker); asked++)
        answer(&t, asked ? 5 : 2);
    assert_int_equal(asked, 2);
    assert_int_equal(asker.rcode, -1);
}

/* At the end of a worker nobody is kept waiting. */
static void who_asks_while_draining_is_told(void **state)
{
    (void)state;
    struct asker asker = {.waiter = {.done = on_done}};
    forward_drain(forward);
    ask(&asker, "www.example.com");
    assert_int_equal(asker.answers, 0); /* never from inside forward_ask */
    settle(&asker);
    assert_int_equal(asker.rcode, -1);
    assert_int_equal(asker.ede, EDE_NOT_READY);
}

/* the eighth has said no, but the seventh is only slow */
static void the_last_that_was_asked_is_waited_for(void **state)
{
    (void)state;
    struct asker asker = {.waiter = {.done = on_done}};
    struct taken t, seventh;
    ask(&asker, "www.example.com");
    for (unsigned i = 1; i <= 8; i++) {
        assert_true(take_any(&t, &asker));
        if (i == 7)
            seventh = t;
        else
            answer(&t, 2);
    }
    const struct forward_counters *counters = forwarder_counters(forward);
    while (counter_read(&counters->to[t.up].results[FORWARD_SERVFAIL]) == 0)
        turn();
    assert_int_equal(asker.answers, 0);
    answer(&seventh, 3);
    settle(&asker);
    assert_int_equal(asker.rcode, 3);
}

/* when that one says no as well, nobody waits for the end of the time */
static void when_the_last_says_no_the_query_ends(void **state)
{
    (void)state;
    struct asker asker = {.waiter = {.done = on_done}};
    struct taken t, seventh;
    ask(&asker, "www.example.com");
    for (unsigned i = 1; i <= 8; i++) {
        assert_true(take_any(&t, &asker));
        if (i == 7)
            seventh = t;
        else
            answer(&t, 2);
    }
    const struct forward_counters *counters = forwarder_counters(forward);
    while (counter_read(&counters->to[t.up].results[FORWARD_SERVFAIL]) == 0)
        turn();
    answer(&seventh, 2);
    while (counter_read(&counters->to[seventh.up].results[FORWARD_SERVFAIL]) == 0)
        turn();
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.rcode, -1);
}

/* Without a descriptor nobody else can be asked, but the one who was is still waited for. */
static void a_shortage_does_not_end_what_may_be_answered(void **state)
{
    (void)state;
    struct asker asker = {.waiter = {.done = on_done}};
    struct taken t;
    ask(&asker, "www.example.com");
    assert_true(take_any(&t, &asker));
    struct rlimit files, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = files;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const struct forward_counters *counters = forwarder_counters(forward);
    while (counter_read(&counters->to[1].requests[DNS_UDP]) == 0)
        turn();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(asker.answers, 0);
    answer(&t, 3);
    settle(&asker);
    assert_int_equal(asker.rcode, 3);
}

/* the total budget is that of the client's question, however often it leads elsewhere */
static void who_asks_again_keeps_the_deadline(void **state)
{
    (void)state;
    struct asker asker = {.waiter = {.done = on_done}, .next = "b.example.com"};
    struct taken t;
    conf.try_least_us = conf.timeout_us;
    ask(&asker, "a.example.com");
    int64_t deadline_us = asker.waiter.deadline_us;
    assert_in_range(deadline_us, 1, clock_mono_us() + conf.timeout_us);
    turn();
    assert_true(take_any(&t, &asker));
    answer(&t, 0);
    settle(&asker);
    assert_true(asker.waiter.is_waiting);
    assert_int_equal(asker.waiter.deadline_us, deadline_us);
    assert_true(take_any(&t, &asker));
    answer(&t, 3);
    settle(&asker);
    assert_int_equal(asker.rcode, 3);
}

/* ... and so who joins a query that began later would wait for too long: R-146 gives way to R-143
 */
static void nobody_joins_a_query_that_lasts_too_long(void **state)
{
    (void)state;
    struct asker first = {.waiter = {.done = on_done}}, again = first, third = first;
    struct taken t;
    conf.try_least_us = conf.timeout_us;
    ask(&first, "www.example.com");
    assert_true(take_any(&t, &first));
    again.waiter.deadline_us = first.waiter.deadline_us - 1;
    ask(&again, "www.example.com");
    assert_true(take_any(&t, &again));
    ask(&third, "www.example.com");
    const struct forward_counters *counters = forwarder_counters(forward);
    while (counter_read(&counters->merged) == 0)
        turn();
    assert_int_equal(counter_read(&counters->in_flight), 2);
    forward_drain(forward);
    assert_int_equal(first.answers + again.answers + third.answers, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(eight_upstreams_are_asked_and_no_more),
        TEST(who_says_no_is_not_asked_again),
        TEST(who_asks_while_draining_is_told),
        TEST(the_last_that_was_asked_is_waited_for),
        TEST(when_the_last_says_no_the_query_ends),
        TEST(a_shortage_does_not_end_what_may_be_answered),
        TEST(who_asks_again_keeps_the_deadline),
        TEST(nobody_joins_a_query_that_lasts_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
