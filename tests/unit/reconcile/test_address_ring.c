#include "controller/reconcile/address_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

static void a_range_is_cut_into_shares(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        unsigned prefix;
        uint64_t index;
        const char *want; /* NULL: no such share */
    } rows[] = {
        {"10.244.0.0/16", 24, 0, "10.244.0.0/24"},
        {"10.244.0.0/16", 24, 255, "10.244.255.0/24"},
        {"10.244.0.0/16", 24, 256, NULL},
        {"10.244.7.9/16", 24, 1, "10.244.1.0/24"},
        {"10.0.0.0/8", 28, 17, "10.0.1.16/28"},
        {"10.0.0.0/24", 24, 0, "10.0.0.0/24"},
        {"10.0.0.0/24", 24, 1, NULL},
        {"10.0.0.0/24", 16, 0, NULL},
        {"fd00:244::/48", 64, 3, "fd00:244:0:3::/64"},
        {"fd00::/32", 64, UINT64_C(0xfffe1234), "fd00:0:fffe:1234::/64"},
        {"fd00::/8", 63, 1, "fd00:0:0:2::/63"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct address_block range, share;
        char text[64];
        assert_true(address_block_parse(rows[i].range, &range));
        assert_int_equal(address_block_share(&range, rows[i].prefix, rows[i].index, &share),
                         rows[i].want != NULL);
        if (rows[i].want) {
            address_block_format(&share, text);
            assert_string_equal(text, rows[i].want);
        }
    }
}

static void what_is_no_block_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",         "10.0.0.0",   "10.0.0.0/", "10.0.0.0/33",
                                       "10.0.0/8", "fd00::/129", "/8",        "10.0.0.0/8x"};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct address_block block;
        assert_false(address_block_parse(rows[i], &block));
    }
}

static void pods_get_neither_the_block_nor_the_node_nor_broadcast(void **state)
{
    (void)state;
    static const struct {
        const char *block, *first, *last;
        bool is_empty;
    } rows[] = {
        {"10.244.1.0/24", "10.244.1.2", "10.244.1.254", false},
        {"10.244.0.0/22", "10.244.0.2", "10.244.3.254", false},
        {"10.0.0.0/30", "10.0.0.2", "10.0.0.2", false},
        {"10.0.0.0/31", NULL, NULL, true},
        {"10.0.0.1/32", NULL, NULL, true},
        {"fd00::/64", "fd00::2", "fd00::ffff:ffff", false},
        {"fd00::/120", "fd00::2", "fd00::ff", false},
        {"fd00::/128", NULL, NULL, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct address_block block;
        uint64_t first = 0, last = 0;
        assert_true(address_block_parse(rows[i].block, &block));
        address_block_bounds(&block, &first, &last);
        assert_int_equal(last < first, rows[i].is_empty);
        if (rows[i].is_empty)
            continue;
        struct naming_address address;
        char text[48];
        address_block_at(&block, first, &address);
        assert_string_equal(naming_address_format(&address, text), rows[i].first);
        address_block_at(&block, last, &address);
        assert_string_equal(naming_address_format(&address, text), rows[i].last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_cut_into_shares),
        cmocka_unit_test(what_is_no_block_is_refused),
        cmocka_unit_test(pods_get_neither_the_block_nor_the_node_nor_broadcast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
