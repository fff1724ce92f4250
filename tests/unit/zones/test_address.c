/* Addresses as text and as dashed labels: K-HOST c, K-READY 5, K-PODS. */
#include "zones/naming.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"

static void addresses_are_normalised(void **state)
{
    (void)state;
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"10.0.0.7", "10.0.0.7"},
        {"255.255.255.255", "255.255.255.255"},
        {"2001:DB8:0:0:0:0:0:7", "2001:db8::7"},
        {"2001:0db8::0007", "2001:db8::7"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
        {"1:0:0:2:3:0:0:4", "1::2:3:0:0:4"},
        {"1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"},
        {"::ffff:10.0.0.7", "10.0.0.7"},
        {"::10.0.0.7", "::a00:7"},
        {"fd00:5:1:1:1:1::", "fd00:5:1:1:1:1::"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct naming_address a;
        char text[48];
        assert_true(naming_address_parse(cases[i].text, &a));
        assert_string_equal(naming_address_format(&a, text), cases[i].canonical);
        struct naming_address again;
        assert_true(naming_address_parse(text, &again));
        assert_true(naming_address_equal(&a, &again));
    }
    static const char *const bad[] = {"",      "10.0.0", "10.0.0.256", "10.0.0.7/8", "fe80::1%eth0",
                                      "1:2:3", ":::",    "x",          "10-0-0-7"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct naming_address a;
        assert_false(naming_address_parse(bad[i], &a));
    }
}

static void dashed_labels_never_begin_or_end_with_a_hyphen(void **state)
{
    (void)state;
    static const struct {
        const char *text, *label;
    } cases[] = {
        {"10.0.0.7", "10-0-0-7"},
        {"2001:db8::7", "2001-db8--7"},
        {"2001:db8:1:2:3:4::", "2001-db8-1-2-3-4--0"},
        {"::1", "0--1"},
        {"::", "0--0"},
        {"fd00:5:1:1:1:1::", "fd00-5-1-1-1-1--0"},
        {"::10.0.0.7", "0--a00-7"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct naming_address a;
        char label[64];
        assert_true(naming_address_parse(cases[i].text, &a));
        naming_dashed(&a, label);
        assert_string_equal(label, cases[i].label);
        struct naming_address back;
        assert_true(naming_undash((const uint8_t *)label, strlen(label), &back));
        assert_true(naming_address_equal(&a, &back));
    }
}

static void random_addresses_survive_dashes(void **state)
{
    (void)state;
    random_seed(11);
    for (int i = 0; i < 20000; i++) {
        struct naming_address a = {.len = i % 2 ? 4 : 16};
        random_bytes(a.bytes, a.len);
        for (size_t k = 0; k + 1 < a.len; k += 2) {
            if (a.len == 16 && random_below(2) == 0)
                a.bytes[k] = a.bytes[k + 1] = 0;
        }
        char label[64];
        char text[48];
        struct naming_address back;
        naming_dashed(&a, label);
        assert_true(label[0] != '-' && label[strlen(label) - 1] != '-');
        assert_true(naming_undash((const uint8_t *)label, strlen(label), &back));
        assert_true(naming_address_equal(&a, &back));
        assert_true(naming_address_parse(naming_address_format(&a, text), &back));
    }
    random_seed(0);
}

static void undashing_takes_any_valid_spelling_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text; /* text NULL: refused */
    } cases[] = {
        {"1-2-3-4", "1.2.3.4"},
        {"2001-db8--1", "2001:db8::1"},
        {"2001-DB8-0-0-0-0-0-1", "2001:db8::1"},
        {"1-2-3-256", NULL},
        {"1-2-3", NULL},
        {"1-2-3-4-5", NULL},
        {"blah", NULL},
        {"1.2.3.4", NULL},
        {"--ffff-1.2.3.4", NULL},
        {"", NULL},
        {"1--2--3", NULL},
        {"1-2--3-4", "1:2::3:4"},
        {"-1-2-3", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct naming_address a;
        char text[48];
        bool ok = naming_undash((const uint8_t *)cases[i].label, strlen(cases[i].label), &a);
        assert_int_equal(ok, cases[i].text != NULL);
        if (ok)
            assert_string_equal(naming_address_format(&a, text), cases[i].text);
    }
    uint8_t nul[] = {'1', '-', '2', '-', '3', '-', '4', 0};
    struct naming_address a;
    assert_false(naming_undash(nul, sizeof nul, &a));
    uint8_t huge[70];
    memset(huge, '1', sizeof huge);
    assert_false(naming_undash(huge, 63, &a));
    assert_false(naming_undash(huge, sizeof huge, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_normalised),
        cmocka_unit_test(dashed_labels_never_begin_or_end_with_a_hyphen),
        cmocka_unit_test(random_addresses_survive_dashes),
        cmocka_unit_test(undashing_takes_any_valid_spelling_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
