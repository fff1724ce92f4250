/* What is expected of an upstream, and whom to ask. */
#include "dns/upstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void the_wait_follows_what_was_measured(void **state)
{
    (void)state;
    struct upstream u = {0};
    assert_int_equal(upstream_timeout(&u), 400000);
    for (int i = 0; i < 100; i++)
        upstream_answered(&u, 200000);
    assert_in_range(upstream_timeout(&u), 200000, 210000);
    for (int i = 0; i < 200; i++)
        upstream_answered(&u, 500);
    assert_int_equal(upstream_timeout(&u), UPSTREAM_LEAST_US);
    for (int i = 0; i < 200; i++)
        upstream_answered(&u, 60000000);
    assert_int_equal(upstream_timeout(&u), UPSTREAM_MOST_US);
}

static void three_failures_in_a_row_take_it_down_and_an_answer_brings_it_back(void **state)
{
    (void)state;
    struct upstream u = {0};
    assert_false(upstream_failed(&u, 0));
    assert_false(upstream_failed(&u, 0));
    assert_false(upstream_answered(&u, 1000));
    assert_false(upstream_failed(&u, 0));
    assert_false(upstream_failed(&u, 0));
    assert_true(upstream_failed(&u, 0));
    assert_false(upstream_is_up(&u));
    assert_false(upstream_failed(&u, 0)); /* said once */
    int64_t now_us = 0, pause_us = UPSTREAM_PROBE_US;
    for (int i = 0; i < 10; i++) {
        assert_false(upstream_probe_due(&u, now_us + pause_us - 1));
        now_us += pause_us;
        assert_true(upstream_probe_due(&u, now_us));
        pause_us = pause_us * 2 > UPSTREAM_PROBE_MOST ? UPSTREAM_PROBE_MOST : pause_us * 2;
    }
    assert_true(upstream_answered(&u, 1000));
    assert_true(upstream_is_up(&u));
    assert_false(upstream_probe_due(&u, INT64_MAX));
}

static void the_quickest_that_is_up_is_chosen(void **state)
{
    (void)state;
    struct upstream all[4] = {0};
    assert_int_equal(upstream_choose(all, 0), -1);
    assert_int_equal(upstream_choose(all, 0xf), 0); /* in order */
    upstream_answered(&all[0], 5000);
    assert_int_equal(upstream_choose(all, 0xf), 1); /* measure the others */
    upstream_answered(&all[1], 1000);
    upstream_answered(&all[2], 3000);
    upstream_answered(&all[3], 9000);
    assert_int_equal(upstream_choose(all, 0xf), 1);
    assert_int_equal(upstream_choose(all, 0xd), 2);
    upstream_failed(&all[1], 0);
    assert_int_equal(upstream_choose(all, 0xf), 2); /* a failure counts at once */
    upstream_failed(&all[1], 0);
    upstream_failed(&all[1], 0);
    for (int i = 0; i < 2; i++)
        upstream_failed(&all[3], 0);
    assert_int_equal(upstream_choose(all, 0xa), 3); /* shaky before down */
    assert_int_equal(upstream_choose(all, 0x2), 1); /* down before nobody */
    for (int i = 0; i < 2000; i++)
        upstream_passed_over(&all[0]);
    assert_int_equal(upstream_choose(all, 0x5), 0); /* its turn again */
}

/* One lost datagram must not keep the quick one out for ever, while others answer slowly. */
static void a_failure_is_forgiven_after_a_while(void **state)
{
    (void)state;
    struct upstream all[2] = {{0}};
    upstream_answered(&all[0], 1000);
    upstream_answered(&all[1], 50000);
    for (int failures = 1; failures < UPSTREAM_FAILURES; failures++)
        assert_false(upstream_failed(&all[0], 0));
    for (int i = 0; i < (UPSTREAM_FAILURES - 1) * UPSTREAM_FORGIVE; i++) {
        assert_int_equal(upstream_choose(all, 0x3), 1);
        upstream_passed_over(&all[0]);
    }
    assert_int_equal(upstream_choose(all, 0x3), 0);
    for (int failures = 1; failures < UPSTREAM_FAILURES; failures++)
        assert_false(upstream_failed(&all[0], 0));
    assert_true(upstream_failed(&all[0], 0)); /* who is down comes back by a probe alone */
    for (int i = 0; i < 4 * UPSTREAM_FORGIVE; i++)
        upstream_passed_over(&all[0]);
    assert_false(upstream_is_up(&all[0]));
    assert_int_equal(upstream_choose(all, 0x3), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_follows_what_was_measured),
        cmocka_unit_test(three_failures_in_a_row_take_it_down_and_an_answer_brings_it_back),
        cmocka_unit_test(the_quickest_that_is_up_is_chosen),
        cmocka_unit_test(a_failure_is_forgiven_after_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
