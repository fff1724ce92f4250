/* base/clock: fake time stands still until moved, text forms are RFC 3339. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"

static void fake_time_moves_only_when_advanced(void **state)
{
    (void)state;
    assert_false(clock_is_fake());
    clock_fake(1000, 50);
    assert_true(clock_is_fake());
    assert_int_equal(clock_now_us(), 1000);
    assert_int_equal(clock_mono_us(), 50);
    clock_fake_advance(7);
    assert_int_equal(clock_now_us(), 1007);
    assert_int_equal(clock_mono_us(), 57);
    clock_real();
    assert_false(clock_is_fake());
    assert_true(clock_now_us() > 1600000000000000);
    int64_t before = clock_mono_us();
    assert_true(clock_mono_us() >= before);
}

static void times_print_in_both_forms(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *seconds, *micros;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999999Z"},
        {1767323045000006, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000006Z"},
        {951782400000000, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"},
        {INT64_MAX, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"},
        {INT64_MIN, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[CLOCK_TEXT_MAX];
        assert_string_equal(clock_format(rows[i].us, text), rows[i].seconds);
        assert_string_equal(clock_format_micro(rows[i].us, text), rows[i].micros);
    }
}

static void rfc_3339_text_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-02T03:04:05Z", 1767323045000000},
        {"2026-01-02T03:04:05.000006Z", 1767323045000006},
        {"2026-01-02T03:04:05.5Z", 1767323045500000},
        {"2026-01-02T03:04:05.123456789Z", 1767323045123456},
        {"2026-01-02T05:04:05+02:00", 1767323045000000},
        {"2026-01-01T21:34:05-05:30", 1767323045000000},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2024-02-29T00:00:00Z", 1709164800000000},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t us = 0;
        assert_true(clock_parse(rows[i].text, &us));
        assert_int_equal(us, rows[i].us);
    }
    static const int64_t steps[] = {0, 1, 86400000000, 951782399999999, 4102444800000000};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        char text[CLOCK_TEXT_MAX];
        int64_t us;
        assert_true(clock_parse(clock_format_micro(steps[i], text), &us));
        assert_int_equal(us, steps[i]);
    }
}

static void other_text_is_no_time(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03:04Z",
        "2026-13-02T03:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2025-02-29T03:04:05Z",
        "1900-02-29T03:04:05Z",
        "2026-04-31T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:60Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05Zx",
        "2026-01-02T03:04:05+2:00",
        "2026-01-02T03:04:05+02:60",
        "2026-01-02T03:04:05+0200",
        "+026-01-02T03:04:05Z",
        " 2026-01-02T03:04:05Z",
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t us = 5;
        if (clock_parse(rows[i], &us))
            fail_msg("%s", rows[i]);
        assert_int_equal(us, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fake_time_moves_only_when_advanced),
        cmocka_unit_test(times_print_in_both_forms),
        cmocka_unit_test(rfc_3339_text_is_read),
        cmocka_unit_test(other_text_is_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
