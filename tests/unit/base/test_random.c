/* base/random: seeded chance repeats, every draw stays in its range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "base/random.h"

static int unseed(void **state)
{
    (void)state;
    random_seed(0);
    return 0;
}

static void the_same_seed_gives_the_same_draws(void **state)
{
    (void)state;
    uint64_t first[16], again[16], other[16];
    random_seed(42);
    random_bytes(first, sizeof(first));
    random_seed(42);
    for (size_t i = 0; i < ARRAY_SIZE(again); i++)
        again[i] = random_u64();
    random_seed(43);
    random_bytes(other, sizeof(other));
    assert_memory_equal(first, again, sizeof(first));
    assert_memory_not_equal(first, other, sizeof(first));
}

static void without_a_seed_no_two_draws_are_alike(void **state)
{
    (void)state;
    uint8_t a[32], b[32];
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    random_seed(7);
    random_bytes(a, sizeof(a));
    random_seed(0);
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void draws_below_a_bound_reach_every_value(void **state)
{
    (void)state;
    random_seed(1);
    for (uint64_t bound = 1; bound < 40; bound++) {
        unsigned seen[40] = {0};
        for (int i = 0; i < 2000; i++) {
            uint64_t draw = random_below(bound);
            assert_true(draw < bound);
            seen[draw]++;
        }
        for (uint64_t v = 0; v < bound; v++)
            assert_in_range(seen[v] * bound, 1000, 4000);
    }
    for (int i = 0; i < 100; i++)
        assert_true(random_below(UINT64_MAX / 2 + 2) < UINT64_MAX / 2 + 2);
}

static void uuids_are_version_4(void **state)
{
    (void)state;
    char before[UUID_TEXT_SIZE] = "";
    for (int i = 0; i < 100; i++) {
        char uuid[UUID_TEXT_SIZE];
        random_uuid(uuid);
        assert_int_equal(strlen(uuid), 36);
        assert_int_equal(strspn(uuid, "0123456789abcdef-"), 36);
        assert_true(uuid[8] == '-' && uuid[13] == '-' && uuid[18] == '-' && uuid[23] == '-');
        assert_int_equal(uuid[14], '4');
        assert_non_null(strchr("89ab", uuid[19]));
        assert_string_not_equal(uuid, before);
        memcpy(before, uuid, sizeof(uuid));
    }
}

static void suffixes_use_the_letters_of_generated_names(void **state) /* A20 */
{
    (void)state;
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    random_seed(3);
    bool seen[256] = {0};
    for (int i = 0; i < 500; i++) {
        char suffix[6] = "#####";
        random_suffix(suffix, 5);
        assert_int_equal(strlen(suffix), 5);
        assert_int_equal(strspn(suffix, letters), 5);
        for (size_t c = 0; c < 5; c++)
            seen[(unsigned char)suffix[c]] = true;
    }
    for (size_t i = 0; i + 1 < sizeof(letters); i++)
        assert_true(seen[(unsigned char)letters[i]]);
    char none[1] = {'#'};
    random_suffix(none, 0);
    assert_int_equal(none[0], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_same_seed_gives_the_same_draws, unseed),
        cmocka_unit_test_teardown(without_a_seed_no_two_draws_are_alike, unseed),
        cmocka_unit_test_teardown(draws_below_a_bound_reach_every_value, unseed),
        cmocka_unit_test(uuids_are_version_4),
        cmocka_unit_test_teardown(suffixes_use_the_letters_of_generated_names, unseed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
