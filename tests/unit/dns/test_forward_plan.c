/* Whom to ask next, and for how long. */
#include "dns/forward_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* As a forwarder does that hears nothing. */
static int ask(struct forward_plan *plan, const struct upstream *all)
{
    int upstream = forward_plan_next(plan, all);
    plan->tries += upstream >= 0;
    return upstream;
}

/* each in turn, then all again, and not for ever */
static void everybody_is_asked_once_before_anybody_is_asked_twice(void **state)
{
    (void)state;
    const struct upstream all[4] = {{.estimate_us = 1}, {.estimate_us = 3}, {.estimate_us = 2}};
    struct forward_plan plan = {.members = 0x7};
    static const int order[] = {0, 2, 1, 0, 2, 1, 0, 2};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        assert_true(forward_plan_may_ask(&plan));
        assert_int_equal(ask(&plan, all), order[i]);
        assert_int_equal(plan.rounds, i / 3);
    }
    assert_int_equal(FORWARD_TRIES_MAX, 8);
    assert_false(forward_plan_may_ask(&plan));
    assert_int_equal(ask(&plan, all), -1);
}

static void who_has_said_no_is_not_asked_again(void **state)
{
    (void)state;
    const struct upstream all[3] = {{0}};
    struct forward_plan plan = {.members = 0x6};
    assert_int_equal(ask(&plan, all), 1);
    plan.exhausted |= 1U << 1;
    assert_int_equal(ask(&plan, all), 2);
    assert_int_equal(ask(&plan, all), 2);
    plan.exhausted |= 1U << 2;
    assert_int_equal(ask(&plan, all), -1);
    assert_true(forward_plan_may_ask(&plan));
}

/* adaptive per try, within the total budget */
static void the_wait_grows_by_rounds_and_ends_with_the_time(void **state)
{
    (void)state;
    const struct upstream fresh = {0}, slow = {.estimate_us = 900000};
    struct forward_plan plan = {.deadline_us = 5000000, .tries = 1};
    assert_int_equal(forward_plan_wait(&plan, &fresh, DNS_UDP, 0, 1000000), 400000);
    assert_int_equal(forward_plan_wait(&plan, &slow, DNS_UDP, 0, 1000000), 900000);
    assert_int_equal(forward_plan_wait(&plan, &fresh, DNS_TCP, 0, 1000000), 800000);
    assert_int_equal(forward_plan_wait(&plan, &fresh, DNS_UDP, 600000, 1000000), 600000);
    plan.rounds = 2;
    assert_int_equal(forward_plan_wait(&plan, &fresh, DNS_UDP, 0, 1000000), 1600000);
    assert_int_equal(forward_plan_wait(&plan, &fresh, DNS_UDP, 0, 4000000), 1000000);
    plan.rounds = 0;
    plan.tries = FORWARD_TRIES_MAX - 1;
    assert_int_equal(forward_plan_wait(&plan, &fresh, DNS_UDP, 0, 1000000), 400000);
    plan.tries = FORWARD_TRIES_MAX; /* nobody else is asked: all the time is this one's */
    assert_int_equal(forward_plan_wait(&plan, &fresh, DNS_UDP, 0, 1000000), 4000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_is_asked_once_before_anybody_is_asked_twice),
        cmocka_unit_test(who_has_said_no_is_not_asked_again),
        cmocka_unit_test(the_wait_grows_by_rounds_and_ends_with_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
