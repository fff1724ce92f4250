/* dns.client-limit as a token bucket; time is a number. */
#include "dns/client_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)

static struct client_limit limit;
static const uint8_t pod[4] = {10, 244, 0, 7};

static int begin(void **state)
{
    (void)state;
    static const uint8_t key[COOKIE_SECRET_SIZE] = {1, 2, 3};
    client_limit_init(&limit, key);
    return 0;
}

static int end(void **state)
{
    (void)state;
    client_limit_fini(&limit);
    return 0;
}

static unsigned passed(const uint8_t *addr, size_t len, uint32_t per_s, unsigned tries,
                       int64_t now_us)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += client_limit_pass(&limit, addr, len, per_s, now_us);
    return count;
}

static void a_second_holds_a_seconds_worth(void **state)
{
    (void)state;
    int64_t now = 77 * SECOND;
    assert_int_equal(passed(pod, 4, 100, 1000, now), 100);
    assert_int_equal(passed(pod, 4, 100, 10, now + SECOND / 100 - 1), 0);
    assert_int_equal(passed(pod, 4, 100, 10, now + SECOND / 100), 1);
    assert_int_equal(passed(pod, 4, 100, 1000, now + SECOND / 2), 49);
    assert_int_equal(passed(pod, 4, 100, 1000, now + 100 * SECOND), 100); /* not more for waiting */
}

static void what_is_allowed_over_time_is_the_limit(void **state)
{
    (void)state; /* a client in a loop, whatever the numbers divide into */
    static const uint32_t limits[] = {1, 3, 7, 1000, 999983, 1000000000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const uint8_t addr[4] = {10, 0, 0, (uint8_t)i};
        uint64_t count = 0, tries = 0;
        for (int64_t t = 0; t <= 10 * SECOND; t += 2000, tries += 3)
            count += passed(addr, 4, limits[i], 3, 5 * SECOND + t);
        uint64_t most = 11 * (uint64_t)limits[i];
        assert_true(count <= (most < tries ? most + 1 : tries));
        assert_true(count >= (most < tries ? most - limits[i] / 100 - 1 : tries));
    }
}

static void clients_do_not_touch_each_other(void **state)
{
    (void)state;
    uint8_t six[16] = {0xfd, [15] = 1}, neighbour[16] = {0xfd, [15] = 2};
    assert_int_equal(passed(pod, 4, 10, 100, SECOND), 10);
    assert_int_equal(passed(six, 16, 10, 100, SECOND), 10);
    assert_int_equal(passed(neighbour, 16, 10, 100, SECOND), 10); /* of the same /64 */
    assert_int_equal(passed(pod, 4, 10, 1, SECOND), 0);
    assert_int_equal(passed(pod, 4, 20, 1, SECOND), 0); /* a higher limit is no new bucket */
}

static void a_full_table_lets_pass_and_never_blocks_the_quiet(void **state)
{
    (void)state; /* a million forged addresses: nobody is dropped on his first query */
    for (uint32_t i = 0; i < 1000000; i++) {
        uint8_t addr[4];
        memcpy(addr, &i, 4);
        assert_true(client_limit_pass(&limit, addr, 4, 1, SECOND));
    }
    assert_true(client_limit_pass(&limit, pod, 4, 1, SECOND + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_second_holds_a_seconds_worth, begin, end),
        cmocka_unit_test_setup_teardown(what_is_allowed_over_time_is_the_limit, begin, end),
        cmocka_unit_test_setup_teardown(clients_do_not_touch_each_other, begin, end),
        cmocka_unit_test_setup_teardown(a_full_table_lets_pass_and_never_blocks_the_quiet, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
